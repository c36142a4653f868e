"""Holds a partner to its limits while it asks for settlements: what it has used is counted here and read at first use.

Only the writer of the books agrees to settlements, so the count in memory is right as long as every agreement passes
here; after anything unexpected it is dropped and read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
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

    def limits(self, partner_msp_id: str) -> MemberLimits:
        """Return what a partner may do."""
        return self._limits.get(partner_msp_id, MemberLimits())

    async def usage(self, partner_msp_id: str) -> Usage:
        """Return what a partner has used, this day and altogether."""
        today = self._now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        known = self._used.get(partner_msp_id)
        if known is None or known[0] != today:
            known = self._used[partner_msp_id] = (today, await self._store.usage(partner_msp_id, today))
        return known[1]

    @asynccontextmanager
    async def agreeing(self, asked: Incoming) -> AsyncIterator[str]:
        """Yield why a payment is beyond the limits, empty when it is not; whoever agrees then calls ``agreed``.

        Raises:
            RpcError: RESOURCE_EXHAUSTED while too many settlements are open.
        """
        async with self._locks.setdefault(asked.sender_msp_id, asyncio.Lock()):
            limits, usage = self.limits(asked.sender_msp_id), await self.usage(asked.sender_msp_id)
            # Money that comes back lowers what the partner has put at risk here: no amount of it is too large.
            refusal = "" if asked.return_of else amount_refusal(limits, usage, asked.asset, asked.amount)
            if not refusal:
                check_open(limits, usage)
            try:
                yield refusal
            except BaseException:
                # Whether it was written down is not known.
                self._used.pop(asked.sender_msp_id, None)
                raise

    def agreed(self, incoming: Incoming) -> None:
        """Count a settlement that was agreed to, inside ``agreeing``."""
        self._count(incoming, opened=1, amount=incoming.amount)

    def ended(self, incoming: Incoming) -> None:
        """Count a settlement that was completed or aborted."""
        back = -incoming.amount if incoming.state is ReceiverState.ABORTED else 0
        self._count(incoming, opened=-1, amount=back)

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
