"""Holds a partner to its limits while it asks for settlements: what it has used is counted here and read at first use.

Only the writer of the books agrees to settlements, so the count in memory is right as long as every agreement passes
here; after anything unexpected it is dropped and read again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from node.partner.limits import MemberLimits, Usage, amount_refusal, check_open
from node.partner.settlement import Incoming, ReceiverState
from node.partner.store import SettlementStore


class LimitedUse:
    """Counts what partners have used.

    Args:
        store: what was agreed to.
        limits: by MSP id; a partner not named has the defaults.
        now: clock.
    """

    def __init__(
        self, store: SettlementStore, limits: Mapping[str, MemberLimits], *, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._limits = limits
        self._now = now
        self._used: dict[str, tuple[datetime, Usage]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._unfinished: Counter[str] = Counter()
        self._begun: Counter[str] = Counter()

    def limits(self, partner_msp_id: str) -> MemberLimits:
        """Return what a partner may do."""
        return self._limits.get(partner_msp_id, MemberLimits())

    async def usage(self, partner_msp_id: str) -> Usage:
        """Return what a partner has used, this day and altogether."""
        async with self._lock(partner_msp_id):
            return await self._usage(partner_msp_id, self._now())

    @asynccontextmanager
    async def agreeing(self, asked: Incoming) -> AsyncIterator[tuple[str, Incoming]]:
        """Yield why a payment is beyond the limits, empty when it is not, and the payment as agreed to now.

        Whoever agrees then calls ``agreed``. The moment is taken here, in turn, or what waits for its turn over
        midnight would be held to the limit of one day and be counted on the other.

        Raises:
            RpcError: RESOURCE_EXHAUSTED while too many settlements are open.
        """
        async with self._lock(asked.sender_msp_id):
            asked = replace(asked, prepared_at=self._now())
            limits, usage = self.limits(asked.sender_msp_id), await self._usage(asked.sender_msp_id, asked.prepared_at)
            # Money that comes back lowers what the partner has put at risk here: no amount of it is too large.
            refusal = "" if asked.return_of else amount_refusal(limits, usage, asked.asset, asked.amount)
            if not refusal:
                check_open(limits, usage)
            with self._counting(asked.sender_msp_id):
                yield refusal, asked

    def agreed(self, incoming: Incoming) -> None:
        """Count a settlement that was agreed to, inside ``agreeing``."""
        self._count(incoming, opened=1, amount=incoming.amount)

    @contextmanager
    def ending(self, incoming: Incoming) -> Iterator[None]:
        """Count a settlement as completed or aborted, which the block writes down."""
        with self._counting(incoming.sender_msp_id):
            yield
            back = -incoming.amount if incoming.state is ReceiverState.ABORTED else 0
            self._count(incoming, opened=-1, amount=back)

    async def _usage(self, partner_msp_id: str, now: datetime) -> Usage:
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        known = self._used.get(partner_msp_id)
        if known is not None and known[0] == today:
            return known[1]
        self._used.pop(partner_msp_id, None)
        quiet, begun = not self._unfinished[partner_msp_id], self._begun[partner_msp_id]
        usage = await self._store.usage(partner_msp_id, today)
        # Where something was being written down meanwhile, the records may have it, or not yet: it is not counted on.
        if quiet and begun == self._begun[partner_msp_id]:
            self._used[partner_msp_id] = (today, usage)
        return usage

    @contextmanager
    def _counting(self, partner_msp_id: str) -> Iterator[None]:
        self._unfinished[partner_msp_id] += 1
        self._begun[partner_msp_id] += 1
        try:
            yield
        except BaseException:
            # Whether it was written down is not known.
            self._used.pop(partner_msp_id, None)
            raise
        finally:
            self._unfinished[partner_msp_id] -= 1

    def _lock(self, partner_msp_id: str) -> asyncio.Lock:
        return self._locks.setdefault(partner_msp_id, asyncio.Lock())

    def _count(self, incoming: Incoming, *, opened: int, amount: int) -> None:
        known = self._used.get(incoming.sender_msp_id)
        if known is None:
            return
        day, usage = known
        agreed = dict(usage.agreed)
        if incoming.prepared_at >= day and not incoming.return_of:
            agreed[incoming.asset] = agreed.get(incoming.asset, 0) + amount
        used = replace(usage, open_count=usage.open_count + opened, agreed=agreed)
        self._used[incoming.sender_msp_id] = (day, used)
