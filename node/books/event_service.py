"""``dwaybank.ledger.v1.EventService``: the outbox as a stream, monitors and webhooks.

Rules are those of ``ledger_service``: strict input, the organization's own certificates only, refusals by name.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable
from datetime import datetime
from typing import TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from ledger.account import check_reference
from ledger.errors import ConflictError, InvalidValueError, NotFoundError
from ledger.money import parse_balance_minor
from ledger.monitor_store import list_monitors
from ledger.monitors import Monitor, parse_field, parse_operator
from ledger.outbox import (
    START,
    OutboxEvent,
    OutboxPage,
    Position,
    check_happened,
    check_kinds,
    newest_position,
    parse_cursor,
    read_page,
)
from network.pb.dwaybank.ledger.v1 import events_pb2 as pb
from network.rpc import RpcError, Server, StatusCode
from node.access import Members
from node.books import wire
from node.books.books import Books
from node.books.handlers import CallerBooks, Handlers
from node.books.outbox_stream import PAGE_POSITIONS, follow_outbox
from node.webhooks.errors import WebhookError
from node.webhooks.store import Webhook
from node.webhooks.webhooks import PREFIX_LENGTH_MAX, WEBHOOKS_MAX, Webhooks

SERVICE = "dwaybank.ledger.v1.EventService"

FOLLOWERS_MAX = 64
"""Most streams of the organization at once, and as many of all its tenants: each reads a page after every commit."""

FOLLOWERS_OF_TENANT_MAX = 8
"""Most streams of one tenant."""

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 1000
NOW = "now"
"""The cursor of a reader who does not want the past."""

T = TypeVar("T")


class EventService:
    """Tells what happens in the books.

    Args:
        books: the organization's books.
        webhooks: its webhooks.
        members: tells who calls.
    """

    def __init__(self, books: Books, webhooks: Webhooks, members: Members) -> None:
        self._books = books
        self._webhooks = webhooks
        self._members = members
        self._followers: Counter[str] = Counter()

    def register(self, server: Server) -> None:
        """Offer all methods of the service."""
        handlers = Handlers(server, SERVICE, self._members, self._books)
        handlers.offer_stream_to_tenants("FollowOutbox", pb.FollowOutboxRequest, self._follow_outbox)
        handlers.offer_to_tenants("SetMonitor", pb.SetMonitorRequest, self._set_monitor)
        handlers.offer_to_tenants("DropMonitor", pb.DropMonitorRequest, self._drop_monitor)
        handlers.offer_to_tenants("ListMonitors", pb.ListMonitorsRequest, self._list_monitors)
        handlers.offer("AddWebhook", pb.AddWebhookRequest, self._add_webhook)
        handlers.offer("RemoveWebhook", pb.RemoveWebhookRequest, self._remove_webhook)
        handlers.offer("ResumeWebhook", pb.ResumeWebhookRequest, self._resume_webhook)
        handlers.offer("ListWebhooks", pb.ListWebhooksRequest, self._list_webhooks)

    async def _follow_outbox(
        self, request: pb.FollowOutboxRequest, books: CallerBooks
    ) -> AsyncGenerator[Message, None]:
        kinds, prefix = check_kinds(request.kinds), request.account_prefix
        if len(prefix) > PREFIX_LENGTH_MAX:
            raise InvalidValueError("account_prefix", prefix, f"give up to {PREFIX_LENGTH_MAX} characters")
        from_now = request.cursor == NOW
        told = START if from_now else parse_cursor(request.cursor)
        newest = await self._books.read(newest_position)
        after = newest if from_now else told
        if not books.tenant:
            # A tenant who may ask how far the books have come learns how much others do.
            check_happened(after, newest)
        self._check_followers(books.tenant)

        async def read(position: Position) -> OutboxPage:
            return await books.read(read_page, position, count_max=PAGE_POSITIONS, kinds=kinds, account_prefix=prefix)

        self._followers[books.tenant] += 1
        try:
            # Where the stream stands beside his own events tells a tenant how much others do.
            if from_now and not books.tenant:
                # Tells a reader who knows no cursor yet where the stream begins.
                yield pb.FollowOutboxResponse(cursor=str(after))
            async for page in follow_outbox(read, self._books.bell, after):
                for event in page.events:
                    yield _event(event)
                if not books.tenant and (not page.events or page.events[-1].position != page.after):
                    yield pb.FollowOutboxResponse(cursor=str(page.after))
        finally:
            self._followers[books.tenant] -= 1

    def _check_followers(self, tenant: str) -> None:
        most = FOLLOWERS_OF_TENANT_MAX if tenant else FOLLOWERS_MAX
        of_tenants = self._followers.total() - self._followers[""]
        if self._followers[tenant] >= most or (tenant and of_tenants >= FOLLOWERS_MAX):
            raise RpcError(StatusCode.RESOURCE_EXHAUSTED, f"{most} readers follow already: ask again later")

    async def _set_monitor(self, request: pb.SetMonitorRequest, books: CallerBooks) -> Message:
        given = request.monitor
        monitor = Monitor(
            wire.uuid_of(given.monitor_id, "monitor_id"),
            given.account,
            parse_field(given.field),
            parse_operator(given.operator),
            parse_balance_minor(given.value_minor, "value_minor"),
        )
        return pb.SetMonitorResponse(created=await books.set_monitor(monitor))

    async def _drop_monitor(self, request: pb.DropMonitorRequest, books: CallerBooks) -> Message:
        dropped = await books.drop_monitor(wire.uuid_of(request.monitor_id, "monitor_id"))
        return pb.DropMonitorResponse(dropped=dropped)

    async def _list_monitors(self, request: pb.ListMonitorsRequest, books: CallerBooks) -> Message:
        account = check_reference(request.account) if request.account else ""
        after = wire.uuid_of(request.page_token, "page_token") if request.page_token else uuid.UUID(int=0)
        size = request.page_size or PAGE_SIZE_DEFAULT
        if not 1 <= size <= PAGE_SIZE_MAX:
            raise InvalidValueError("page_size", size, f"give 1 to {PAGE_SIZE_MAX}")
        found = await books.read(list_monitors, account=account, after=after, count_max=size)
        return pb.ListMonitorsResponse(
            monitors=[_monitor(monitor) for monitor in found],
            next_page_token=str(found[-1].id) if len(found) == size else "",
        )

    async def _add_webhook(self, request: pb.AddWebhookRequest) -> Message:
        webhook_id = wire.uuid_of(request.webhook_id, "webhook_id")
        code, secret = await _answered(
            self._webhooks.add(
                webhook_id,
                request.url,
                kinds=request.kinds,
                account_prefix=request.account_prefix,
                after=parse_cursor(request.cursor) if request.cursor else None,
            )
        )
        if code == "exists_with_different_body":
            raise ConflictError(f"webhook {webhook_id} stands already with another url, kinds or prefix")
        if code == "too_many_webhooks":
            raise RpcError(
                StatusCode.RESOURCE_EXHAUSTED, f"an organization has up to {WEBHOOKS_MAX} webhooks: remove one first"
            )
        return pb.AddWebhookResponse(created=code == "created", secret=secret, public_key=self._webhooks.public_key)

    async def _remove_webhook(self, request: pb.RemoveWebhookRequest) -> Message:
        webhook_id = wire.uuid_of(request.webhook_id, "webhook_id")
        if not await _answered(self._webhooks.remove(webhook_id)):
            raise NotFoundError(f"webhook {webhook_id} does not exist")
        return pb.RemoveWebhookResponse()

    async def _resume_webhook(self, request: pb.ResumeWebhookRequest) -> Message:
        webhook_id = wire.uuid_of(request.webhook_id, "webhook_id")
        after = parse_cursor(request.cursor) if request.cursor else None
        if not await _answered(self._webhooks.resume(webhook_id, after)):
            raise NotFoundError(f"webhook {webhook_id} does not exist")
        return pb.ResumeWebhookResponse()

    async def _list_webhooks(self, request: pb.ListWebhooksRequest) -> Message:
        found = await _answered(self._webhooks.all())
        return pb.ListWebhooksResponse(
            webhooks=[_webhook(webhook) for webhook in found], public_key=self._webhooks.public_key
        )


async def _answered(asked: Awaitable[T]) -> T:
    try:
        return await asked
    except WebhookError as error:
        raise RpcError(StatusCode.UNAVAILABLE, "the webhooks do not answer now: ask again") from error


def _event(event: OutboxEvent) -> pb.FollowOutboxResponse:
    return pb.FollowOutboxResponse(
        cursor=str(event.position),
        kind=event.kind,
        account=event.account,
        at=wire.stamp_of(event.at),
        payload_json=json.dumps(event.payload, separators=(",", ":"), sort_keys=True),
    )


def _monitor(monitor: Monitor) -> pb.Monitor:
    return pb.Monitor(
        monitor_id=str(monitor.id),
        account=monitor.account,
        field=monitor.field.name.lower(),
        operator=monitor.operator.symbol,
        value_minor=str(monitor.value),
    )


def _stamp(moment: datetime | None) -> Timestamp | None:
    return None if moment is None else wire.stamp_of(moment)


def _webhook(webhook: Webhook) -> pb.Webhook:
    return pb.Webhook(
        webhook_id=str(webhook.id),
        url=webhook.url,
        kinds=webhook.kinds,
        account_prefix=webhook.account_prefix,
        state=webhook.state,
        cursor=str(webhook.position),
        failures=webhook.failures,
        failing_since=_stamp(webhook.failing_since),
        next_attempt_at=_stamp(webhook.next_attempt_at),
        last_failure=webhook.last_failure,
    )
