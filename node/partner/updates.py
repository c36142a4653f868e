"""Tells partners what happens to the settlements between the two banks: first what happened after a sequence number,
then what happens, without a gap.

A stream ends by itself after a while, so that who was let in long ago is judged again; the caller goes on from the last
number it has.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable

from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import StatusCode
from node.partner.errors import MessageRefusedError
from node.partner.limits import busy
from node.partner.messages import timestamp
from node.partner.store import SettlementStore, Update

PAGE_SIZE = 100
PAUSE_S = 0.25
"""Time between two looks."""

LIFETIME_S = 600.0
"""After which a stream ends."""

STREAMS_MAX = 4
"""Most streams of one partner at once."""


class UpdateStreams:
    """Follows settlements on behalf of partners.

    Args:
        store: what is told.
        monotonic: a clock that never goes back, seconds.
        lifetime_s: see ``LIFETIME_S``.
    """

    def __init__(
        self, store: SettlementStore, *, monotonic: Callable[[], float], lifetime_s: float = LIFETIME_S
    ) -> None:
        self._store = store
        self._monotonic = monotonic
        self._lifetime_s = lifetime_s
        self._streams: Counter[str] = Counter()

    async def follow(self, partner: str, after_sequence: int) -> AsyncGenerator[partner_pb2.SettlementUpdate, None]:
        """Yield updates after a sequence number until the stream has lived long enough.

        Raises:
            RpcError: RESOURCE_EXHAUSTED while the partner has as many streams as he may.
            MessageRefusedError: OUT_OF_RANGE for a number that was never given; INVALID_ARGUMENT for one below zero.
        """
        if after_sequence < 0:
            raise MessageRefusedError(StatusCode.INVALID_ARGUMENT, "after_sequence: not below zero")
        if self._streams[partner] >= STREAMS_MAX:
            raise busy(f"{STREAMS_MAX} streams follow already", PAUSE_S)
        self._streams[partner] += 1
        try:
            newest = await self._store.newest_update(partner)
            if after_sequence > newest:
                reason = f"after_sequence {after_sequence}: the newest is {newest}; these records may be an older copy"
                raise MessageRefusedError(StatusCode.OUT_OF_RANGE, reason)
            ends_at_s = self._monotonic() + self._lifetime_s
            while self._monotonic() < ends_at_s:
                page = await self._store.updates(partner, after_sequence, PAGE_SIZE)
                for update in page:
                    yield _update(update)
                    after_sequence = update.sequence
                if len(page) < PAGE_SIZE:
                    await asyncio.sleep(PAUSE_S)
        finally:
            self._streams[partner] -= 1


def _update(update: Update) -> partner_pb2.SettlementUpdate:
    return partner_pb2.SettlementUpdate(
        sequence=update.sequence,
        settlement_id=update.settlement_id,
        from_asking_bank=update.from_partner,
        state=update.state,
        refusal=update.refusal,
        asset=update.asset,
        amount_minor=str(update.amount),
        seq=update.seq,
        at=timestamp(update.at),
    )
