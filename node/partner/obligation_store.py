"""Keeps which completed settlements are obligations on the shared ledger, and how far, in ``partner.obligation``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from node.partner.database import statement
from node.partner.errors import SettlementStoreError
from node.partner.messages import Evidence
from node.partner.obligation import Recorded

_Connection = psycopg.AsyncConnection[tuple[Any, ...]]
_POOL_SIZE = 2
_POOL_TIMEOUT_S = 10.0


class Place(NamedTuple):
    """Where a page of obligations begins: after this one."""

    completed_at: datetime = datetime(1, 1, 1, tzinfo=UTC)
    outgoing: bool = False
    settlement_id: str = ""


START = Place()
"""Before every obligation."""


class ObligationStore:
    """Table ``partner.obligation`` of the organization's database.

    Args:
        url: connection URL.
    """

    def __init__(self, url: str) -> None:
        self._pool: AsyncConnectionPool[_Connection] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=_POOL_SIZE,
            open=False,
            timeout=_POOL_TIMEOUT_S,
            # Nearly all are single statements: they need no BEGIN and COMMIT around them, each a way to the server.
            kwargs={"autocommit": True, "options": "-c application_name=dwaybank-obligations -c jit=off"},
        )

    async def open(self) -> None:
        """Connect; statements may run afterwards."""
        await self._pool.open()

    async def close(self) -> None:
        """Give every connection back to the server."""
        await self._pool.close()

    async def due(self, now: datetime, count_max: int) -> list[Recorded]:
        """Return obligations whose next attempt is due, the longest waiting first."""
        return [_recorded(row) for row in await self.fetch("due_obligations", {"now": now, "count_max": count_max})]

    async def wake(self, now: datetime, ids: Sequence[str] | None = None) -> None:
        """Make unfinished obligations due: those with these ids, or all."""
        async with self._connection() as connection:
            await connection.execute(
                statement("wake_obligations"), {"now": now, "ids": None if ids is None else list(ids)}
            )

    async def listed(
        self,
        *,
        partner: str = "",
        state: str = "",
        breaks: bool = False,
        changed_since: datetime = START.completed_at,
        after: Place = START,
        count_max: int = 100,
    ) -> list[Recorded]:
        """Return obligations in the order in which they were completed.

        Args:
            partner: only with this bank.
            state: only in this state.
            breaks: only those on which the shared ledger does not say that both booked the same.
            changed_since: only those whose record was last changed then or later.
            after: where to begin.
            count_max: how many at most.
        """
        wanted = {"partner": partner, "state": state, "breaks": breaks, "obligation_id": "", "count_max": count_max}
        return await self._listed(wanted | {"changed_since": changed_since}, after)

    async def find(self, obligation_id: str) -> Recorded | None:
        """Return an obligation of this bank, None when it has none of this id."""
        wanted = {"partner": "", "state": "", "breaks": False, "obligation_id": obligation_id, "count_max": 1}
        found = await self._listed(wanted | {"changed_since": START.completed_at}, START)
        return found[0] if found else None

    async def change(self, recorded: Sequence[Recorded], *, next_attempt_at: Sequence[datetime], now: datetime) -> None:
        """Write down how far obligations have come, all or none."""
        values = [
            {
                "outgoing": each.outgoing,
                "partner_msp_id": each.partner_msp_id,
                "settlement_id": each.settlement_id,
                "obligation_id": each.obligation_id,
                "salt": each.salt,
                "value_date": each.value_date,
                "state": each.state,
                "books": each.books,
                "note": each.note,
                "attempts": each.attempts,
                "next_attempt_at": due_at,
                "now": now,
            }
            for each, due_at in zip(recorded, next_attempt_at, strict=True)
        ]
        async with self._connection() as connection, connection.transaction():
            # One way to the server for all of them.
            await connection.cursor().executemany(statement("change_obligation"), values)

    async def evidence(self, sender_msp_id: str, settlement_id: str) -> list[tuple[Evidence, datetime]]:
        """Return what the other bank signed about a settlement it sent, and when it came."""
        key = {"sender_msp_id": sender_msp_id, "settlement_id": settlement_id}
        rows = await self.fetch("settlement_evidence", key)
        return [(Evidence(row[0], bytes(row[1]), bytes(row[2]), bytes(row[3])), row[4]) for row in rows]

    async def _listed(self, wanted: Mapping[str, Any], after: Place) -> list[Recorded]:
        place = {"after_at": after.completed_at, "after_outgoing": after.outgoing, "after_id": after.settlement_id}
        return [_recorded(row) for row in await self.fetch("obligations", {**wanted, **place})]

    async def execute(self, name: str, values: Mapping[str, Any]) -> None:
        """Run a statement of this room that returns nothing."""
        async with self._connection() as connection:
            await connection.execute(statement(name), values)

    async def fetch(self, name: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Return the rows of a statement of this room."""
        async with self._connection() as connection:
            return await (await connection.execute(statement(name), values)).fetchall()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[_Connection]:
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (psycopg.Error, PoolTimeout) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise SettlementStoreError(f"the records of obligations do not answer: {reason}") from error


def _recorded(row: tuple[Any, ...]) -> Recorded:
    values = list(row)
    values[8] = None if row[8] is None else bytes(row[8])
    return Recorded(*values)
