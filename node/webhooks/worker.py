"""Sends every endpoint what it wants, each at its own pace and in order.

Rules:
- an endpoint gets its messages one after the other; what it does not accept is tried again before anything behind it;
- its position is written down at the end of each page, at least every second, and when the worker stops: a crash
  repeats what was sent since, with the same ids, and skips nothing;
- endpoints do not wait for one another; one that fails waits longer and longer, and after days it is given up, which
  is an event of the books itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from nacl.signing import SigningKey

from ledger.errors import ArchivedError, BooksUnavailableError
from ledger.outbox import OutboxEvent, OutboxPage, Position
from node.background import Waits
from node.books.outbox_stream import Bell
from node.webhooks import signature
from node.webhooks.errors import DeliveryError, SecretError, WebhookError
from node.webhooks.retry import GIVE_UP_AFTER, is_hopeless, pause_after
from node.webhooks.secret_files import SecretFiles
from node.webhooks.store import Webhook, WebhookStore

if TYPE_CHECKING:
    from node.webhooks.sender import Sender

POLL_S = 1.0
"""Longest time between two looks for something to send."""

GATHER_S = 0.05
"""Pause after each look: commits come faster than it pays to look."""

SAVE_AFTER = timedelta(seconds=1)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Signing:
    """What messages are signed with.

    Args:
        secrets: of the endpoints.
        key: the node's own for webhooks.
    """

    secrets: SecretFiles
    key: SigningKey


class WebhookWorker:
    """Delivers to all endpoints.

    Args:
        store: endpoints and their positions.
        signing: secrets and key.
        new_sender: gives a sender for a URL.
        bell: rung when something was committed.
        now: the clock, UTC.
        fraction: random, from 0 up to 1.
        give_up_after: how long an endpoint may fail.
        poll_s: longest time between two looks.
    """

    def __init__(
        self,
        store: WebhookStore,
        signing: Signing,
        new_sender: Callable[[str], Sender],
        *,
        bell: Bell,
        now: Callable[[], datetime],
        fraction: Callable[[], float],
        give_up_after: timedelta = GIVE_UP_AFTER,
        poll_s: float = POLL_S,
    ) -> None:
        self._store = store
        self._signing = signing
        self._new_sender = new_sender
        self._bell = bell
        self._now = now
        self._fraction = fraction
        self._give_up_after = give_up_after
        self._poll_s = poll_s
        self._waits = Waits(log, "webhooks.wait")
        self._webhook_waits = Waits(log, "webhook.waits")
        self._working: dict[uuid.UUID, asyncio.Task[None]] = {}
        self._senders: dict[uuid.UUID, Sender] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self._run(), name="webhooks")

    async def stop(self) -> None:
        """Stop; an attempt under way is broken off, and made again at the next start."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for task in self._working.values():
            task.cancel()
        await asyncio.gather(*self._working.values(), return_exceptions=True)
        for sender in self._senders.values():
            await sender.close()
        self._working.clear()
        self._senders.clear()

    async def _run(self) -> None:
        while True:
            wait = self._bell.listen()
            try:
                await self._look()
            except (WebhookError, BooksUnavailableError) as error:  # the latter where the clock is not believed
                self._waits.tell(error)
            else:
                self._waits.over()
            await asyncio.sleep(GATHER_S)
            await wait(self._poll_s)

    async def _look(self) -> None:
        """Set to work every endpoint that has something to do and does nothing yet."""
        for webhook in await asyncio.to_thread(self._store.due, self._now()):
            if webhook.id not in self._working:
                task = asyncio.create_task(self._serve(webhook), name=f"webhook-{webhook.id}")
                self._working[webhook.id] = task

    async def forget(self, webhook_id: uuid.UUID) -> None:
        """Break off what is being sent to an endpoint that is no more."""
        task = self._working.get(webhook_id)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._working.pop(webhook_id, None)
        sender = self._senders.pop(webhook_id, None)
        if sender is not None:
            await sender.close()

    async def _serve(self, webhook: Webhook) -> None:
        """Send one endpoint what it waits for, until nothing is left or an attempt fails."""
        try:
            await self._send_all(webhook)
        except (WebhookError, BooksUnavailableError) as error:
            self._webhook_waits.tell(error, str(webhook.id), webhook=str(webhook.id))
        except Exception as error:  # the root of the endpoint's task: others must go on
            log.error("webhook.failed", webhook=str(webhook.id), exc_info=error)
        else:
            self._webhook_waits.over(str(webhook.id), webhook=str(webhook.id))
        finally:
            self._working.pop(webhook.id, None)
            # Something may have been committed after the last page was read.
            self._bell.ring()

    async def _send_all(self, webhook: Webhook) -> None:
        delivery = _Delivery(self._store, webhook, self._now)
        while not delivery.lost:
            try:
                page = await asyncio.to_thread(self._store.page, replace(webhook, position=delivery.sent))
                if page.is_last:
                    return
                async with delivery:
                    await self._send_page(webhook, page, delivery)
            except DeliveryError as failure:
                await self._failed(webhook, delivery.sent, failure)
                return
            except ArchivedError:
                # Resumed at the very moment of an archive: no attempt will find what it waits for.
                await self._failed(webhook, delivery.sent, DeliveryError("what it waits for is archived", gone=True))
                return

    async def _send_page(self, webhook: Webhook, page: OutboxPage, delivery: _Delivery) -> None:
        # Without its secret an endpoint was removed, and another may have its name soon: no sender must be kept for it.
        secret, sender = self._secret_of(webhook), self._sender_of(webhook)
        for event in page.events:
            body, now = message_body(event), self._now()
            headers = signature.sign(message_id(event.position), now, body, secret=secret, key=self._signing.key)
            await sender.send(headers, body)
            await delivery.accepted(event.position)
            if delivery.lost:
                return
        delivery.sent = page.after

    async def _failed(self, webhook: Webhook, position: Position, failure: DeliveryError) -> None:
        now = self._now()
        # The first success ends a row of failures: whatever was accepted just now counts.
        in_row = webhook.failures + 1 if position == webhook.position else 1
        since = webhook.failing_since if in_row > 1 and webhook.failing_since is not None else now
        if is_hopeless(in_row, since, failure, now, self._give_up_after):
            await asyncio.to_thread(self._store.give_up, webhook.id, position, now, failure.reason)
            log.error("webhook.dead", webhook=str(webhook.id), failures=in_row, reason=failure.reason)
            return
        again_at = now + pause_after(in_row, failure, self._fraction())
        await asyncio.to_thread(self._store.fail, webhook.id, position, now, again_at, failure.reason)
        log.warning("webhook.retried_later", webhook=str(webhook.id), failures=in_row, reason=failure.reason)

    def _sender_of(self, webhook: Webhook) -> Sender:
        sender = self._senders.get(webhook.id)
        if sender is None:
            sender = self._senders[webhook.id] = self._new_sender(webhook.url)
        return sender

    def _secret_of(self, webhook: Webhook) -> bytes:
        try:
            return self._signing.secrets.read(webhook.secret_name)
        except SecretError as error:
            raise DeliveryError(str(error)) from error


class _Delivery:
    """How far an endpoint has come: sent, and written down. Leaving the context writes down what was sent."""

    def __init__(self, store: WebhookStore, webhook: Webhook, now: Callable[[], datetime]) -> None:
        self._store = store
        self._id = webhook.id
        self._now = now
        self._saved = self.sent = webhook.position
        self._saved_at = now()
        self.lost = False

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: Any) -> None:
        # Also when the worker is stopped: the change is carried to its end.
        await asyncio.shield(asyncio.ensure_future(self._save()))

    async def accepted(self, position: Position) -> None:
        """Note that the receiver has accepted what stands at a position."""
        self.sent = position
        if self._now() - self._saved_at >= SAVE_AFTER:
            await self._save()

    async def _save(self) -> None:
        if self.lost or self.sent == self._saved:
            return
        self.lost = not await asyncio.to_thread(self._store.advance, self._id, self._saved, self.sent)
        self._saved, self._saved_at = self.sent, self._now()


def message_id(position: Position) -> str:
    """Return the id of the message about what stands at a position: the same for every attempt and every endpoint."""
    return f"evt_{position.seq}_{position.number}"


def message_body(event: OutboxEvent) -> bytes:
    """Return the message about an event: JSON, ASCII, the same bytes at every attempt."""
    at = event.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    about = {"account": event.account} if event.account else {}
    data = {"cursor": str(event.position), **about, **event.payload}
    message = {"type": event.kind, "timestamp": at, "data": data}
    return json.dumps(message, separators=(",", ":"), sort_keys=True).encode("ascii")
