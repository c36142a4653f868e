"""``dwaybank.ledger.v1.ScheduleService``: entries that the node posts when they are due.

Rules are those of ``node.books.ledger_service``: strict input, the organization's own certificates only, refusals by
name. What is due is posted by ``node.schedules.worker``.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from google.protobuf.message import Message

from ledger import schedule_store
from ledger.errors import InvalidValueError
from ledger.journal import EPOCH, microseconds
from network.pb.dwaybank.ledger.v1 import schedules_pb2 as pb
from network.rpc import Server
from node.access import Members
from node.books import wire
from node.books.books import Books
from node.books.handlers import CallerBooks, Handlers
from node.schedules.schedule_wire import run_message, schedule_message, schedule_of, state_message

SERVICE = "dwaybank.ledger.v1.ScheduleService"

PAGE_SIZE_DEFAULT = 50
"""Schedules or runs of a page when the caller names no size."""

CHANGES = {
    pb.SCHEDULE_CHANGE_PAUSE: "pause",
    pb.SCHEDULE_CHANGE_RESUME: "resume",
    pb.SCHEDULE_CHANGE_CANCEL: "cancel",
    pb.SCHEDULE_CHANGE_FORGET: "forget",
}
"""Changes as the books know them."""

_PLACE = re.compile(r"([0-9]{1,18})\.([0-9]{1,9})")


class ScheduleService:
    """Serves the schedules of this organization's books.

    Args:
        books: the organization's books.
        members: tells who calls.
        now: the clock, UTC.
    """

    def __init__(self, books: Books, members: Members, *, now: Callable[[], datetime]) -> None:
        self._books = books
        self._members = members
        self._now = now

    def register(self, server: Server) -> None:
        """Offer all methods of the service."""
        handlers = Handlers(server, SERVICE, self._members, self._books)
        handlers.offer_to_tenants("CreateSchedule", pb.CreateScheduleRequest, self._create_schedule)
        handlers.offer_to_tenants("GetSchedule", pb.GetScheduleRequest, self._get_schedule)
        handlers.offer_to_tenants("ListSchedules", pb.ListSchedulesRequest, self._list_schedules)
        handlers.offer_to_tenants("ListRuns", pb.ListRunsRequest, self._list_runs)
        handlers.offer_to_tenants("ChangeSchedule", pb.ChangeScheduleRequest, self._change_schedule)

    async def _create_schedule(self, request: pb.CreateScheduleRequest, books: CallerBooks) -> Message:
        order = schedule_of(request.schedule, "schedule")
        order = replace(order, actor=books.actor(order.actor))
        kept, created = await books.write(schedule_store.create_schedule, order, self._now(), tenant=books.number)
        return pb.CreateScheduleResponse(
            schedule=schedule_message(kept.schedule), state=state_message(kept.state), created=created
        )

    async def _get_schedule(self, request: pb.GetScheduleRequest, books: CallerBooks) -> Message:
        schedule_id = wire.uuid_of(request.schedule_id, "schedule_id")
        kept = await books.read(schedule_store.find_schedule, schedule_id)
        return pb.GetScheduleResponse(schedule=schedule_message(kept.schedule), state=state_message(kept.state))

    async def _list_schedules(self, request: pb.ListSchedulesRequest, books: CallerBooks) -> Message:
        size = request.page_size or PAGE_SIZE_DEFAULT
        after = wire.uuid_of(request.page_token, "page_token") if request.page_token else uuid.UUID(int=0)
        found = await books.read(schedule_store.list_schedules, after=after, count_max=size)
        listed = [
            pb.ListedSchedule(schedule=schedule_message(kept.schedule), state=state_message(kept.state))
            for kept in found
        ]
        token = str(found[-1].schedule.id) if len(found) == size else ""
        return pb.ListSchedulesResponse(schedules=listed, next_page_token=token)

    async def _list_runs(self, request: pb.ListRunsRequest, books: CallerBooks) -> Message:
        size, schedule_id = request.page_size or PAGE_SIZE_DEFAULT, wire.uuid_of(request.schedule_id, "schedule_id")
        named: dict[str, Any] = {"after": _place_of(request.page_token)} if request.page_token else {}
        await books.read(schedule_store.find_schedule, schedule_id)
        found = await books.read(schedule_store.list_runs, schedule_id, count_max=size, **named)
        token = f"{microseconds(found[-1].due_at)}.{found[-1].attempt}" if len(found) == size else ""
        return pb.ListRunsResponse(runs=[run_message(run) for run in found], next_page_token=token)

    async def _change_schedule(self, request: pb.ChangeScheduleRequest, books: CallerBooks) -> Message:
        schedule_id = wire.uuid_of(request.schedule_id, "schedule_id")
        if request.change not in CHANGES:
            raise InvalidValueError("change", request.change, "give pause, resume, cancel or forget")
        await books.read(schedule_store.find_schedule, schedule_id)
        changed = await books.write(
            schedule_store.change_schedule,
            schedule_id,
            CHANGES[request.change],
            actor=books.actor(request.actor),
            now=self._now(),
            tenant=books.number,
        )
        kept = await books.read(schedule_store.find_schedule, schedule_id)
        return pb.ChangeScheduleResponse(state=state_message(kept.state), changed=changed)


def _place_of(token: str) -> tuple[datetime, int]:
    match = _PLACE.fullmatch(token)
    try:
        if match is not None:
            return EPOCH + timedelta(microseconds=int(match[1])), int(match[2])
    except OverflowError:
        match = None
    raise InvalidValueError("page_token", token, "give the next_page_token of the page before")
