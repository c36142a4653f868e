"""Keeps how far each settlement has come, and what the other bank signed, in schema ``partner``.

Rules it keeps: a change names the state it starts from, so that of two drivers one loses and reads again; evidence is
written in the same database transaction as the state it justifies.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from node.partner.database import statement
from node.partner.errors import PaymentConflictError, SettlementStoreError, TransitionError
from node.partner.limits import Usage
from node.partner.messages import Evidence
from node.partner.quotes import GivenQuote
from node.partner.settlement import Incoming, Outgoing, ReceiverState, SenderState

_Connection = psycopg.AsyncConnection[tuple[Any, ...]]
_NO_EVIDENCE = {"kind": None, "payload": None, "creator": None, "signature": None}
_POOL_SIZE = 4
_POOL_TIMEOUT_S = 10.0
_LOCK_TIMEOUT_S = 2
"""A backup holds the records still, for minutes: who changes one must not keep connections from who reads."""


@dataclass(frozen=True, slots=True)
class Update:
    """A change of a settlement, as the partner is told.

    Args:
        sequence: from 1 for each partner, without a gap.
        from_partner: whether the partner pays.
        seq: entry in our books; 0 for none.
    """

    sequence: int
    settlement_id: str
    from_partner: bool
    state: str
    refusal: str
    asset: str
    amount: int
    seq: int
    at: datetime


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
            # A single statement is its own transaction and one way to the server, not three.
            kwargs={
                "autocommit": True,
                "options": f"-c application_name=dwaybank-partner -c jit=off -c lock_timeout={_LOCK_TIMEOUT_S}s",
            },
        )

    async def open(self) -> None:
        """Connect; statements may run afterwards."""
        await self._pool.open()

    async def close(self) -> None:
        """Give every connection back to the server."""
        await self._pool.close()

    async def add_outgoing(self, settlement: Outgoing) -> Outgoing:
        """Write an order down, or return the one that has its payment id already.

        Raises:
            PaymentConflictError: another payment returns the same settlement.
        """
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
            "quote_id": settlement.quote_id,
            "return_of": settlement.return_of,
            "return_reason": settlement.return_reason,
        }
        rows = await self._fetch("add_outgoing", values)
        rows = rows or await self._fetch("outgoing_by_payment", {"payment_id": settlement.payment_id})
        if not rows:
            # The other thing there can be only one of: a return of the same settlement.
            raise PaymentConflictError(f"return_of {settlement.return_of}: another payment sends it back already")
        return _outgoing(rows[0])

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

    async def change_outgoing(
        self,
        old: Outgoing,
        new: Outgoing,
        *,
        next_attempt_at: datetime,
        now: datetime,
        evidence: Evidence | None = None,
    ) -> None:
        """Write down how far a settlement has come, with the partner's answer that justifies it.

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
        await self._change_one("change_outgoing", values, evidence)

    async def add_incoming(self, incoming: Incoming, evidence: Evidence) -> Incoming | None:
        """Write an agreed settlement and the Prepare behind it down, or return the one that has its id already.

        Returns:
            None where its Abort came before it.
        Raises:
            TransitionError: another one has its quote or return.
        """
        values = {
            "sender_msp_id": incoming.sender_msp_id,
            "settlement_id": incoming.settlement_id,
            "beneficiary_account": incoming.beneficiary_account,
            "asset": incoming.asset,
            "amount": incoming.amount,
            "deadline": incoming.deadline,
            "agreed_reference": incoming.agreed_reference,
            "prepared_at": incoming.prepared_at,
            "quote_id": incoming.quote_id,
            "return_of": incoming.return_of,
            "return_reason": incoming.return_reason,
        }
        rows = await self._fetch("add_incoming", values | _evidence(evidence, incoming.prepared_at))
        if rows:
            return _incoming(rows[0])
        async with self._transaction() as connection:
            row = await (await connection.execute(statement("incoming"), _key(incoming))).fetchone()
            if row is not None:
                await _add_evidence(connection, _key(incoming), evidence, incoming.prepared_at)
                return _incoming(row)
        kept = await self.evidence(incoming.sender_msp_id, incoming.settlement_id)
        if any(message.kind == "abort" for message, _ in kept):
            return None
        raise TransitionError(f"settlement {incoming.settlement_id}: its quote or return was taken meanwhile")

    async def incoming(self, sender_msp_id: str, settlement_id: str) -> Incoming | None:
        """Return an incoming settlement, None when there is none."""
        key = {"sender_msp_id": sender_msp_id, "settlement_id": settlement_id}
        rows = await self._fetch("incoming", key)
        return _incoming(rows[0]) if rows else None

    async def add_early_abort(self, sender_msp_id: str, settlement_id: str, evidence: Evidence, now: datetime) -> None:
        """Keep the Abort of a settlement that is not known here: a Prepare that comes later agrees to nothing."""
        key = {"sender_msp_id": sender_msp_id, "settlement_id": settlement_id}
        await self._change("add_early_abort", {**key, **_evidence(evidence, now)})

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
        await self._change_one("change_incoming", values, evidence)

    async def outgoing_to(self, partner_msp_id: str, settlement_id: str) -> Outgoing | None:
        """Return our own settlement with a partner, None when there is none."""
        rows = await self._fetch("outgoing_to", {"receiver_msp_id": partner_msp_id, "settlement_id": settlement_id})
        return _outgoing(rows[0]) if rows else None

    async def taken(self, asked: Incoming) -> tuple[bool, bool]:
        """Return whether the quote, and whether the return, that a payment names stands for another one already."""
        if not (asked.quote_id or asked.return_of):
            return False, False
        key = {"sender_msp_id": asked.sender_msp_id, "quote_id": asked.quote_id, "return_of": asked.return_of}
        [row] = await self._fetch("taken_by", key)
        return row[0], row[1]

    async def usage(self, sender_msp_id: str, since: datetime) -> Usage:
        """Return what a partner has used of his limits since the beginning of a day."""
        [(open_count,)] = await self._fetch("open_count", {"sender_msp_id": sender_msp_id})
        agreed = await self._fetch("agreed_since", {"sender_msp_id": sender_msp_id, "since": since})
        return Usage(open_count, {row[0]: int(row[1]) for row in agreed})

    async def add_quote(self, quote: GivenQuote, evidence: Evidence) -> GivenQuote:
        """Write a quote and the request for it down, or return the one that has its id already."""
        async with self._transaction() as connection:
            await connection.execute(statement("add_quote"), asdict(quote))
            row = await (await connection.execute(statement("quote"), asdict(quote))).fetchone()
            assert row is not None
            found = GivenQuote(*row)
            if found == quote:
                key = {"sender_msp_id": quote.asking_msp_id, "settlement_id": quote.quote_id}
                await _add_evidence(connection, key, evidence, quote.quoted_at)
        return found

    async def quote(self, asking_msp_id: str, quote_id: str) -> GivenQuote | None:
        """Return a quote we gave, None when there is none."""
        rows = await self._fetch("quote", {"asking_msp_id": asking_msp_id, "quote_id": quote_id})
        return GivenQuote(*rows[0]) if rows else None

    async def keep_received_quote(self, quote_id: str, evidence: Evidence, now: datetime) -> None:
        """Keep a quote that a partner signed."""
        async with self._transaction() as connection:
            await _add_evidence(connection, {"sender_msp_id": "", "settlement_id": quote_id}, evidence, now)

    async def evidence(self, sender_msp_id: str, settlement_id: str) -> list[tuple[Evidence, datetime]]:
        """Return what the other bank signed for a settlement, and when it came; no sender for one of our own."""
        key = {"sender_msp_id": sender_msp_id, "settlement_id": settlement_id}
        rows = await self._fetch("evidence", key)
        return [(Evidence(kind, *map(bytes, signed)), at) for kind, *signed, at in rows]

    async def newest_update(self, partner_msp_id: str) -> int:
        """Return the newest number a partner was or could be told, 0 for none."""
        key = {"partner_msp_id": partner_msp_id}
        await self._fetch("number_updates", key)
        [(newest,)] = await self._fetch("newest_update", key)
        return int(newest)

    async def updates(self, partner_msp_id: str, after_sequence: int, count_max: int) -> list[Update]:
        """Return what a partner is told after a sequence number, in order."""
        await self._fetch("number_updates", {"partner_msp_id": partner_msp_id})
        key = {"partner_msp_id": partner_msp_id, "after_sequence": after_sequence, "count_max": count_max}
        return [Update(*row) for row in await self._fetch("updates_after", key)]

    async def partner_assets(self) -> list[tuple[str, str]]:
        """Return every (partner, asset) ever settled in, either way."""
        return [(row[0], row[1]) for row in await self._fetch("partner_assets", {})]

    async def _fetch(self, name: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        async with self._connection() as connection:
            return await (await connection.execute(statement(name), values)).fetchall()

    async def _change(self, name: str, values: Mapping[str, Any]) -> int:
        async with self._connection() as connection:
            return (await connection.execute(statement(name), values)).rowcount

    async def _change_one(self, name: str, values: Mapping[str, Any], evidence: Evidence | None) -> None:
        """Change one settlement, with what justifies it in the same statement: both are kept or neither."""
        kept = _NO_EVIDENCE if evidence is None else asdict(evidence)
        [(count,)] = await self._fetch(name, {**values, **kept})
        if count != 1:
            raise TransitionError(f"settlement {values['settlement_id']}: changed by another process meanwhile")

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[_Connection]:
        async with self._connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[_Connection]:
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (psycopg.Error, PoolTimeout) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise SettlementStoreError(f"the settlement records do not answer: {reason}") from error


async def _add_evidence(
    connection: _Connection, settlement: Mapping[str, Any], evidence: Evidence, now: datetime
) -> None:
    await connection.execute(statement("add_evidence"), {**settlement, **_evidence(evidence, now)})


def _evidence(evidence: Evidence, now: datetime) -> dict[str, Any]:
    return {**asdict(evidence), "received_at": now}


def _key(incoming: Incoming) -> dict[str, Any]:
    return {"sender_msp_id": incoming.sender_msp_id, "settlement_id": incoming.settlement_id}


def _outgoing(row: tuple[Any, ...]) -> Outgoing:
    return Outgoing(*(*row[:10], SenderState(row[10]), *row[11:]))


def _incoming(row: tuple[Any, ...]) -> Incoming:
    return Incoming(*(*row[:8], ReceiverState(row[8]), *row[9:]))
