"""Endpoints and how far each has come, in the tables of the books; pages of the outbox to send them.

Calls block; the area runs them in threads. A change names the position it starts from: of two senders one loses and
reads again, so that a position never skips.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from ledger.archived import telling_archived
from ledger.outbox import OutboxPage, Position, newest_position, read_page
from node.webhooks.errors import WebhookStoreError

PAGE_POSITIONS = 100
"""Positions looked at for one endpoint before its place is written down."""

_POOL_SIZE = 4
_POOL_TIMEOUT_S = 10.0
_Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Webhook:
    """An endpoint as it stands.

    Args:
        url: where messages go.
        kinds: kinds of events wanted; none for all.
        account_prefix: beginning of the references of the accounts wanted; empty for all.
        secret_name: file that holds its secret.
        state: ``"active"`` or ``"dead"``.
        position: the newest event its receiver has accepted, or behind it where nothing was wanted.
        failures: in a row, since the last success.
        failing_since: the first of them.
        next_attempt_at: when the next attempt is due; None for now.
        last_failure: what happened last; kept after a success.
    """

    id: uuid.UUID
    url: str
    kinds: tuple[str, ...]
    account_prefix: str
    secret_name: str
    state: str
    position: Position
    failures: int
    failing_since: datetime | None
    next_attempt_at: datetime | None
    last_failure: str


@cache
def _statement(name: str) -> bytes:
    return (files("node.webhooks") / "sql" / "queries" / f"{name}.sql").read_bytes()


class WebhookStore:
    """The tables of endpoints.

    Args:
        url: connection URL of the organization's database.
    """

    def __init__(self, url: str) -> None:
        self._pool: ConnectionPool[_Connection] = ConnectionPool(
            url,
            min_size=1,
            max_size=_POOL_SIZE,
            open=False,
            timeout=_POOL_TIMEOUT_S,
            kwargs={"autocommit": True, "options": "-c application_name=dwaybank-webhooks -c jit=off"},
            check=ConnectionPool.check_connection,
        )

    def open(self) -> None:
        """Connect; calls may follow."""
        self._pool.open()

    def close(self) -> None:
        """Give every connection back to the server."""
        self._pool.close()

    def add(self, webhook: Webhook, now: datetime, count_max: int) -> str:
        """Add an endpoint; returns the code that ``webhook_manage.sql`` lists.

        Raises:
            ArchivedError: some of what stands after its position is archived.
        """
        body = (webhook.url, list(webhook.kinds), webhook.account_prefix, webhook.secret_name)
        return str(self._one("add", (webhook.id, *body, *webhook.position, count_max, now)))

    def remove(self, webhook_id: uuid.UUID) -> bool:
        """Forget an endpoint; true when there was one."""
        return bool(self._one("remove", (webhook_id,)))

    def resume(self, webhook_id: uuid.UUID, position: Position | None) -> bool:
        """Let an endpoint work again, from a position where one is given; true when there is such an endpoint.

        Raises:
            ArchivedError: some of what stands after the position is archived.
        """
        seq, number = position if position is not None else (None, None)
        return bool(self._one("resume", (webhook_id, seq, number)))

    def all(self) -> list[Webhook]:
        """Return every endpoint, by id."""
        return [_webhook(row) for row in self._rows("all", ())]

    def due(self, now: datetime) -> list[Webhook]:
        """Return active endpoints whose next attempt is due and behind whose position something stands."""
        return [_webhook(row) for row in self._rows("due", (now,))]

    def page(self, webhook: Webhook) -> OutboxPage:
        """Return what an endpoint is to be sent next."""
        with self._connection() as connection:
            return read_page(
                connection,
                webhook.position,
                count_max=PAGE_POSITIONS,
                kinds=webhook.kinds,
                account_prefix=webhook.account_prefix,
            )

    def newest(self) -> Position:
        """Return the newest position of the outbox."""
        with self._connection() as connection:
            return newest_position(connection)

    def advance(self, webhook_id: uuid.UUID, old: Position, new: Position) -> bool:
        """Write down how far an endpoint has come; false when it does not stand at ``old`` any more."""
        return bool(self._one("advance", (webhook_id, *old, *new)))

    def fail(
        self, webhook_id: uuid.UUID, position: Position, now: datetime, next_attempt_at: datetime, reason: str
    ) -> bool:
        """Write down a failed attempt; false when the endpoint does not stand at ``position`` any more."""
        return bool(self._one("fail", (webhook_id, *position, now, next_attempt_at, reason)))

    def give_up(self, webhook_id: uuid.UUID, position: Position, now: datetime, reason: str) -> bool:
        """Give an endpoint up, and tell so in the outbox; false when it does not stand at ``position`` any more."""
        return bool(self._one("give_up", (webhook_id, *position, now, reason)))

    def _one(self, name: str, values: Sequence[Any]) -> Any:
        return self._rows(name, values)[0][0]

    def _rows(self, name: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._connection() as connection:
            return connection.execute(_statement(name), values).fetchall()

    @contextmanager
    def _connection(self) -> Iterator[_Connection]:
        try:
            with telling_archived(), self._pool.connection() as connection:
                yield connection
        except (psycopg.Error, PoolTimeout) as error:
            reason = str(error).strip().split("\n")[0]
            raise WebhookStoreError(f"the database refused a statement of webhooks: {reason}") from error


def _webhook(row: tuple[Any, ...]) -> Webhook:
    number, url, kinds, prefix, secret_name, state, seq, place, failures, since, next_attempt_at, last_failure = row
    return Webhook(
        number, url, tuple(kinds), prefix, secret_name, state, Position(seq, place), failures, since, next_attempt_at,
        last_failure,
    )  # fmt: skip
