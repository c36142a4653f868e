"""What of books, anchoring, webhooks and holds is told as metrics: asked of the database, at most every few seconds.

A part that cannot be asked keeps its last figures and is marked stale; a scrape never fails for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

import psycopg
import structlog

from ledger.errors import LedgerError
from ledger.event import ENTRY_POSTED
from network.errors import NetworkError
from network.operations.metrics import Metrics
from node.audit.trail import AuditTrail
from node.books.books import Books
from node.errors import NodeError
from node.webhooks.webhooks import Webhooks

ASK_EVERY_S = 5.0
"""Scrapes closer together get the same figures."""

ANSWER_WITHIN_S = 3.0
"""A scrape waits no longer for one part; a part that is still being asked is not asked again."""

_OPEN_HOLDS = "SELECT count(*) FROM ledger.hold WHERE state = 1"
_log = structlog.get_logger(__name__)


class _Asked:
    """Figures that are asked for when a scrape wants them."""

    def __init__(self, metrics: Metrics, part: str, ask: Callable[[], Awaitable[None]]) -> None:
        self._part = part
        self._ask = ask
        self._asked_at = -ASK_EVERY_S
        self._asking: asyncio.Task[None] | None = None
        self._stale = metrics.stale(part)
        metrics.before_scrape(self._refresh)

    async def _refresh(self) -> None:
        if self._asking is None:
            if monotonic() - self._asked_at < ASK_EVERY_S:
                return
            self._asked_at = monotonic()
            self._asking = asyncio.create_task(self._asked(), name=f"metrics-{self._part}")
        done, _ = await asyncio.wait({self._asking}, timeout=ANSWER_WITHIN_S)
        if done:
            self._asking = None
        else:
            self._stale.value = 1

    async def _asked(self) -> None:
        try:
            await self._ask()
        except (LedgerError, NodeError, NetworkError, psycopg.Error) as error:
            self._stale.value = 1
            _log.warning("figures for metrics cannot be read", part=self._part, error=type(error).__name__)
        else:
            self._stale.value = 0


class TrailMetrics:
    """How far entries are sealed, anchored and attested."""

    def __init__(self, metrics: Metrics, trail: AuditTrail) -> None:
        self._trail = trail
        self._entries = metrics.gauge(
            "dwaybank_entries", "Entries of the own books that have come this far.", ["state"]
        )
        self._checkpoints = metrics.gauge("dwaybank_checkpoints", "Checkpoints anchored on the shared ledger.").of()
        self._lag = metrics.gauge(
            "dwaybank_anchoring_lag_seconds", "From posting to the anchor, over the newest entries.", ["quantile"]
        )
        self._stalled = metrics.gauge("dwaybank_anchoring_stalled", "1 while anchoring stands still.").of()
        self._stood = metrics.gauge(
            "dwaybank_anchoring_stood_seconds", "For how long anchoring has stood still; 0 while it goes on."
        ).of()
        _Asked(metrics, "trail", self._ask)

    async def _ask(self) -> None:
        # First what no database is asked for: it may be what anchoring waits for.
        self._stood.value = self._trail.anchorer.stood_s
        self._stalled.value = 1 if self._trail.anchorer.stalled else 0
        status = await asyncio.to_thread(self._trail.status)
        for state, count in (
            ("posted", status.posted_seq),
            ("sealed", status.sealed_size),
            ("anchored", status.sizes.anchored),
            ("attested", status.sizes.attested),
        ):
            self._entries.of(state).value = count
        self._checkpoints.value = status.checkpoint_count
        self._lag.of("0.5").value = status.lag.p50.total_seconds()
        self._lag.of("0.95").value = status.lag.p95.total_seconds()


class BooksMetrics:
    """The posting engine and the money it keeps reserved."""

    def __init__(self, metrics: Metrics, books: Books) -> None:
        self._books = books
        self._epoch = metrics.gauge("dwaybank_books_epoch", "Epoch of the books that this process holds.").of()
        self._holds = metrics.gauge("dwaybank_holds_open", "Holds placed and not yet ended.").of()
        _Asked(metrics, "books", self._ask)

    async def _ask(self) -> None:
        self._epoch.value = self._books.epoch
        self._holds.value = await self._books.read(_count_open_holds)


class WebhookMetrics:
    """How far each endpoint is behind."""

    def __init__(self, metrics: Metrics, webhooks: Webhooks) -> None:
        self._webhooks = webhooks
        self._dead = metrics.gauge("dwaybank_webhook_dead", "1 for an endpoint that was given up.", ["webhook"])
        self._failures = metrics.gauge("dwaybank_webhook_failures", "Failed attempts in a row.", ["webhook"])
        self._behind = metrics.gauge(
            "dwaybank_webhook_entries_behind",
            "Entries posted that an endpoint wants and has not accepted.",
            ["webhook"],
        )
        _Asked(metrics, "webhooks", self._ask)

    async def _ask(self) -> None:
        newest, endpoints = await self._webhooks.progress()
        for family in (self._dead, self._failures, self._behind):
            family.forget()
        for endpoint in endpoints:
            name = str(endpoint.id)
            self._dead.of(name).value = 1 if endpoint.state == "dead" else 0
            self._failures.of(name).value = endpoint.failures
            # Of one that wants no entries only events move the position.
            wants = not endpoint.kinds or ENTRY_POSTED in endpoint.kinds
            self._behind.of(name).value = max(0, newest.seq - endpoint.position.seq) if wants else 0


def _count_open_holds(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(_OPEN_HOLDS).fetchone()
    return int(row[0]) if row is not None else 0
