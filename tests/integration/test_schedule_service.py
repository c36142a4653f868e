"""Schedules over the node's port: an order asked for over the wire is posted by the worker, told and changed over the
wire; against a real PostgreSQL and real mutual TLS."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ledger.account import Side
from ledger.journal import transfer
from network.pb.dwaybank.ledger.v1 import ledger_pb2, schedules_pb2
from network.pb.dwaybank.ledger.v1 import schedules_pb2 as pb
from network.rpc import StatusCode
from node.books.books import Books
from node.schedules.schedule_service import SERVICE, ScheduleService
from node.schedules.worker import ScheduleWorker
from tests.support.books import Clock, key
from tests.support.own_service import Port, ServiceClient, open_books, open_port

METHODS = schedules_pb2.DESCRIPTOR.services_by_name["ScheduleService"].methods


@dataclasses.dataclass
class Node:
    books: Books
    port: Port
    client: ServiceClient
    clock: Clock

    async def work(self) -> int:
        """One worker's rounds until nothing is due."""
        worker = ScheduleWorker(self.books, epoch=lambda: self.books.epoch, now=self.clock)
        total = 0
        while done := await worker.work_once():
            total += done
        return total


@pytest.fixture
async def node(database_url: str) -> AsyncIterator[Node]:
    clock = Clock()
    async with open_books(database_url, clock) as books:
        for reference, side, floor in (("cash", Side.DEBIT, None), ("ann", Side.CREDIT, 0), ("rent", Side.CREDIT, 0)):
            assert await books.open_account(reference, "EUR", side, floor) == "created"
        await books.post(transfer(key(1), "cash", "ann", 700))
        async with open_port(lambda members: [ScheduleService(books, members, now=clock)]) as port:
            yield Node(books, port, port.client(SERVICE), clock)


def order(number: int = 7, **changes: Any) -> pb.Schedule:
    rule = {"start": "2026-03-02T10:00:00", "zone": "Europe/Berlin", "unit": pb.RECURRENCE_UNIT_DAY, "count": 3}
    rule |= changes.pop("rule", {})
    fields: dict[str, Any] = {
        "schedule_id": str(key(number)),
        "actor": "ann",
        "postings": [
            ledger_pb2.Posting(account="ann", side=ledger_pb2.SIDE_DEBIT, amount_minor="500"),
            ledger_pb2.Posting(account="rent", side=ledger_pb2.SIDE_CREDIT, amount_minor="500"),
        ],
        "description": "rent",
        "metadata": {"purpose": "RENT"},
        "rule": pb.Recurrence(**rule),
    }
    return pb.Schedule(**fields | changes)


async def create(node: Node, schedule: pb.Schedule) -> pb.CreateScheduleResponse:
    return await node.client.ask(
        "CreateSchedule", pb.CreateScheduleRequest(schedule=schedule), pb.CreateScheduleResponse
    )


async def test_order_is_posted_when_due_and_its_runs_are_told(node: Node) -> None:
    made = await create(node, order())
    assert made.created and made.state.status == pb.SCHEDULE_STATUS_ACTIVE
    assert made.state.due_at.ToJsonString() == "2026-03-02T09:00:00Z"
    assert (made.schedule.rule.every, made.schedule.attempts_max, made.schedule.catch_up) == (1, 3, pb.CATCH_UP_ALL)
    again = await create(node, made.schedule)
    assert not again.created and again.schedule == made.schedule

    assert await node.work() == 1
    node.clock.move(days=1)
    assert await node.work() == 1
    request = pb.ListRunsRequest(schedule_id=str(key(7)), page_size=1)
    runs: list[tuple[int, int, str, int]] = []
    while True:
        page = await node.client.ask("ListRuns", request, pb.ListRunsResponse)
        runs += [(run.number, run.attempt, run.code, run.seq) for run in page.runs]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert runs == [(1, 1, "posted", 2), (2, 1, "exceeds_available", 0)]
    found = await node.client.ask("GetSchedule", pb.GetScheduleRequest(schedule_id=str(key(7))), pb.GetScheduleResponse)
    assert (found.state.number, found.state.attempts) == (2, 1)
    assert found.state.wake_at.ToJsonString() == "2026-03-03T10:00:00Z"
    posted = await node.books.find_entry(2)
    assert posted is not None and dict(posted.metadata)["purpose"] == "RENT" and posted.actor == "ann"


async def test_changes_are_told_and_an_ended_schedule_refuses_them(node: Node) -> None:
    await create(node, order())

    async def change(what: pb.ScheduleChange) -> tuple[int, bool]:
        request = pb.ChangeScheduleRequest(schedule_id=str(key(7)), change=what, actor="clerk-7")
        reply = await node.client.ask("ChangeSchedule", request, pb.ChangeScheduleResponse)
        return reply.state.status, reply.changed

    assert await change(pb.SCHEDULE_CHANGE_PAUSE) == (pb.SCHEDULE_STATUS_PAUSED, True)
    assert await change(pb.SCHEDULE_CHANGE_PAUSE) == (pb.SCHEDULE_STATUS_PAUSED, False)
    assert await node.work() == 0
    assert await change(pb.SCHEDULE_CHANGE_RESUME) == (pb.SCHEDULE_STATUS_ACTIVE, True)
    assert await change(pb.SCHEDULE_CHANGE_CANCEL) == (pb.SCHEDULE_STATUS_CANCELLED, True)
    assert await change(pb.SCHEDULE_CHANGE_FORGET) == (pb.SCHEDULE_STATUS_CANCELLED, True)
    found = await node.client.ask("GetSchedule", pb.GetScheduleRequest(schedule_id=str(key(7))), pb.GetScheduleResponse)
    assert found.schedule.description == ""
    resume = pb.ChangeScheduleRequest(schedule_id=str(key(7)), change=pb.SCHEDULE_CHANGE_RESUME, actor="clerk-7")
    code, said = await node.client.refusal("ChangeSchedule", resume)
    assert code is StatusCode.ALREADY_EXISTS and "has ended" in said


async def test_schedules_come_in_pages(node: Node) -> None:
    for number in (5, 3, 4):
        await create(node, order(number))
    request, seen = pb.ListSchedulesRequest(page_size=2), []
    while True:
        page = await node.client.ask("ListSchedules", request, pb.ListSchedulesResponse)
        seen += [listed.schedule.schedule_id for listed in page.schedules]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert seen == [str(key(number)) for number in (3, 4, 5)]


BAD = [
    (order(schedule_id="7"), "schedule.schedule_id '7'"),
    (order(actor="a b"), "schedule.actor 'a b'"),
    (order(catch_up=9), "schedule.catch_up 9"),
    (order(pause_s=0), "schedule.pause_s 0"),
    (order(rule={"start": "tomorrow"}), "schedule.rule.start 'tomorrow'"),
    (order(rule={"start": "2026-03-02T10:00:00Z"}), "schedule.rule.start"),
    (order(rule={"zone": "Nowhere/City"}), "schedule.rule.zone 'Nowhere/City'"),
    (order(rule={"unit": 0}), "schedule.rule.unit 0"),
    (order(rule={"every": -1}), "schedule.rule.every -1"),
    (order(rule={"until": "never"}), "schedule.rule.until 'never'"),
    (order(postings=[ledger_pb2.Posting(account="ann", side=1, amount_minor="1.5")]), "schedule.postings[0].amount_m"),
    (order(postings=[]), "schedule.postings"),
    (order(description="x" * 501), "schedule.description"),
]


@pytest.mark.parametrize(("schedule", "said"), BAD)
async def test_bad_order_is_named_and_not_kept(node: Node, schedule: pb.Schedule, said: str) -> None:
    code, message = await node.client.refusal("CreateSchedule", pb.CreateScheduleRequest(schedule=schedule))
    assert code is StatusCode.INVALID_ARGUMENT and said in message and len(message) < 250
    listed = await node.client.ask("ListSchedules", pb.ListSchedulesRequest(), pb.ListSchedulesResponse)
    assert not listed.schedules


async def test_bad_questions_are_refused_by_name(node: Node) -> None:
    await create(node, order())
    known, refusal = str(key(7)), node.client.refusal
    unknown = pb.GetScheduleRequest(schedule_id=str(key(8)))
    assert (await refusal("GetSchedule", unknown))[0] is StatusCode.NOT_FOUND
    assert (await refusal("ListRuns", pb.ListRunsRequest(schedule_id=str(key(8)))))[0] is StatusCode.NOT_FOUND
    for request in (
        pb.ListRunsRequest(schedule_id=known, page_token="1"),
        pb.ListRunsRequest(schedule_id=known, page_token="999999999999999999.1"),
    ):
        code, said = await refusal("ListRuns", request)
        assert code is StatusCode.INVALID_ARGUMENT and "page_token" in said
    assert "page_size 1001" in (await refusal("ListSchedules", pb.ListSchedulesRequest(page_size=1001)))[1]
    assert "change 0" in (await refusal("ChangeSchedule", pb.ChangeScheduleRequest(schedule_id=known, actor="a")))[1]
    changed = await create(node, order(8))
    other = order(8, description="another")
    code, _ = await refusal("CreateSchedule", pb.CreateScheduleRequest(schedule=other))
    assert changed.created and code is StatusCode.ALREADY_EXISTS


async def test_other_members_are_refused(node: Node) -> None:
    other = node.port.client(SERVICE, "OtherMSP")
    for method in METHODS:
        code, _ = await other.refusal(method.name, pb.ListSchedulesRequest())
        assert code is StatusCode.PERMISSION_DENIED
