"""Keeps how far each settlement has come, and what the other bank signed, in schema ``partner``.

Rules it keeps: a change names the state it starts from, so that of two drivers one loses and reads again; evidence is
written in the same database transaction as the state it justifies.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from node.partner.database import statement
from node.partner.errors import SettlementStoreError, TransitionError
from node.partner.settlement import Incoming, Outgoing, ReceiverState, SenderState

_Connection = psycopg.AsyncConnection[tuple[Any, ...]]
_POOL_SIZE = 4
_POOL_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """A message as the other bank signed it.

    Args:
        kind: ``"prepare"``, ``"complete"`` or ``"abort"``.
        payload: the bytes the signature covers.
        creator: serialized identity of the signer.
        signature: over the payload.
    """

    kind: str
    payload: bytes
    creator: bytes
    signature: bytes


class SettlementStore:
    """Schema ``partner`` of the organization's database.

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
            kwargs={"options": "-c application_name=dwaybank-partner -c jit=off"},
        )

    async def open(self) -> None:
        """Connect; statements may run afterwards."""
        await self._pool.open()

    async def close(self) -> None:
        """Give every connection back to the server."""
        await self._pool.close()

    async def add_outgoing(self, settlement: Outgoing) -> Outgoing:
        """Write an order down, or return the one that has its payment id already."""
        values = {
            "settlement_id": settlement.settlement_id,
            "payment_id": settlement.payment_id,
            "receiver_msp_id": settlement.receiver_msp_id,
            "debtor_account": settlement.debtor_account,
            "beneficiary_account": settlement.beneficiary_account,
            "asset": settlement.asset,
            "amount": settlement.amount,
            "description": settlement.description,
            "ordered_at": settlement.ordered_at,
            "deadline": settlement.deadline,
        }
        async with self._transaction() as connection:
            await connection.execute(statement("add_outgoing"), values)
            known = {"payment_id": settlement.payment_id}
            row = await (await connection.execute(statement("outgoing_by_payment"), known)).fetchone()
        assert row is not None
        return _outgoing(row)

    async def outgoing_by_payment(self, payment_id: uuid.UUID) -> Outgoing | None:
        """Return the settlement of a payment, None when there is none."""
        rows = await self._fetch("outgoing_by_payment", {"payment_id": payment_id})
        return _outgoing(rows[0]) if rows else None

    async def outgoing(self, settlement_id: str) -> Outgoing:
        """Return an outgoing settlement that is known to exist."""
        rows = await self._fetch("outgoing_by_settlement", {"settlement_id": settlement_id})
        assert rows
        return _outgoing(rows[0])

    async def due_outgoing(self, now: datetime, count_max: int) -> list[str]:
        """Return unfinished settlements whose next attempt is due, the longest waiting first."""
        return [row[0] for row in await self._fetch("due_outgoing", {"now": now, "count_max": count_max})]

    async def wake_outgoing(self, now: datetime) -> None:
        """Make every unfinished settlement due: after a restart nothing waits for an old pause."""
        await self._change("wake_outgoing", {"now": now})

    async def change_outgoing(self, old: Outgoing, new: Outgoing, *, next_attempt_at: datetime, now: datetime) -> None:
        """Write down how far a settlement has come.

        Raises:
            TransitionError: it does not stand where ``old`` says any more.
        """
        values = {
            "settlement_id": old.settlement_id,
            "old_state": old.state,
            "old_refusal": old.refusal,
            "state": new.state,
            "refusal": new.refusal,
            "agreed_reference": new.agreed_reference,
            "seq": new.seq,
            "partner_seq": new.partner_seq,
            "return_seq": new.return_seq,
            "abort_due": new.abort_due,
            "attempts": new.attempts,
            "next_attempt_at": next_attempt_at,
            "now": now,
        }
        if await self._change("change_outgoing", values) != 1:
            raise TransitionError(f"settlement {old.settlement_id}: changed by another process meanwhile")

    async def add_incoming(self, incoming: Incoming, evidence: Evidence) -> Incoming:
        """Write an agreed settlement and the Prepare behind it down, or return the one that has its id already."""
        values = {
            "sender_msp_id": incoming.sender_msp_id,
            "settlement_id": incoming.settlement_id,
            "beneficiary_account": incoming.beneficiary_account,
            "asset": incoming.asset,
            "amount": incoming.amount,
            "deadline": incoming.deadline,
            "agreed_reference": incoming.agreed_reference,
            "prepared_at": incoming.prepared_at,
        }
        async with self._transaction() as connection:
            await _add_evidence(connection, incoming, evidence, incoming.prepared_at)
            await connection.execute(statement("add_incoming"), values)
            row = await (await connection.execute(statement("incoming"), _key(incoming))).fetchone()
        assert row is not None
        return _incoming(row)

    async def incoming(self, sender_msp_id: str, settlement_id: str) -> Incoming | None:
        """Return an incoming settlement, None when there is none."""
        key = {"sender_msp_id": sender_msp_id, "settlement_id": settlement_id}
        rows = await self._fetch("incoming", key)
        return _incoming(rows[0]) if rows else None

    async def incoming_completing(self, count_max: int) -> list[tuple[str, str]]:
        """Return (sender, settlement) of those whose Complete was accepted and whose outcome is not written down."""
        rows = await self._fetch("incoming_completing", {"count_max": count_max})
        return [(row[0], row[1]) for row in rows]

    async def change_incoming(
        self, old: Incoming, new: Incoming, *, now: datetime, evidence: Evidence | None = None
    ) -> None:
        """Write down how far an incoming settlement has come, with the message that justifies it.

        Raises:
            TransitionError: it does not stand where ``old`` says any more.
        """
        values = _key(old) | {
            "old_completing": old.completing,
            "state": new.state,
            "completing": new.completing,
            "seq": new.seq,
            "refusal": new.refusal,
            "now": now,
        }
        async with self._transaction() as connection:
            if evidence is not None:
                await _add_evidence(connection, old, evidence, now)
            if (await connection.execute(statement("change_incoming"), values)).rowcount != 1:
                raise TransitionError(f"settlement {old.settlement_id}: changed by another process meanwhile")

    async def partner_assets(self) -> list[tuple[str, str]]:
        """Return every (partner, asset) ever settled in, either way."""
        return [(row[0], row[1]) for row in await self._fetch("partner_assets", {})]

    async def _fetch(self, name: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        async with self._transaction() as connection:
            return await (await connection.execute(statement(name), values)).fetchall()

    async def _change(self, name: str, values: Mapping[str, Any]) -> int:
        async with self._transaction() as connection:
            return (await connection.execute(statement(name), values)).rowcount

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[_Connection]:
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (psycopg.Error, PoolTimeout) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise SettlementStoreError(f"the settlement records do not answer: {reason}") from error


async def _add_evidence(connection: _Connection, incoming: Incoming, evidence: Evidence, now: datetime) -> None:
    values = _key(incoming) | {
        "kind": evidence.kind,
        "payload": evidence.payload,
        "creator": evidence.creator,
        "signature": evidence.signature,
        "received_at": now,
    }
    await connection.execute(statement("add_evidence"), values)


def _key(incoming: Incoming) -> dict[str, Any]:
    return {"sender_msp_id": incoming.sender_msp_id, "settlement_id": incoming.settlement_id}


def _outgoing(row: tuple[Any, ...]) -> Outgoing:
    return Outgoing(*(*row[:10], SenderState(row[10]), *row[11:]))


def _incoming(row: tuple[Any, ...]) -> Incoming:
    return Incoming(*(*row[:8], ReceiverState(row[8]), *row[9:]))
