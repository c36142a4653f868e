"""Refuses a payment that would make a partner owe more than the limit on the shared ledger, before any money moves.

What he owes is what the shared ledger has as agreed, and what is on its way there: payments this bank agreed to or was
paid, whose obligations are not agreed yet. The terms are read at most once a second for each partner; while the own
peer does not answer, the last ones known hold, and without any no line is known that could be exceeded: the contract
then keeps the obligation waiting.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog

from network.errors import GatewayError
from node.partner.obligation_chain import SettlementChain
from node.partner.obligation_store import ObligationStore

log = structlog.get_logger(__name__)

FRESH = timedelta(seconds=1)
EXCEEDED = "exceeds_credit_line"


class _Known(NamedTuple):
    at: datetime
    terms: dict[str, Any]


class CreditLines:
    """What partners may still owe this bank.

    Args:
        own_msp_id: this bank.
        chain: the contract.
        store: what is on its way to it.
        now: clock.
    """

    def __init__(
        self, own_msp_id: str, *, chain: SettlementChain, store: ObligationStore, now: Callable[[], datetime]
    ) -> None:
        self._own_msp_id = own_msp_id
        self._chain = chain
        self._store = store
        self._now = now
        self._known: dict[str, _Known] = {}

    async def refusal(self, sender_msp_id: str, asset: str, amount: int) -> str:
        """Return ``exceeds_credit_line``, or nothing for a payment that may be agreed to.

        Raises:
            SettlementStoreError: the records do not answer.
        """
        terms = await self._terms(sender_msp_id)
        limit = terms.get("limits", {}).get(self._own_msp_id, {}).get(asset)
        if limit is None:
            return ""
        pledged = int(terms["collateral"].get(sender_msp_id, {}).get(asset, "0"))
        if int(limit) + pledged >= amount:
            # Read anew what is owed: a limit that is nearly used up must not be passed within one second.
            terms = await self._read(sender_msp_id) or terms
            owed = int(terms["debts"].get(sender_msp_id, {}).get(asset, "0"))
            rows = await self._store.fetch("on_its_way", {"sender_msp_id": sender_msp_id, "asset": asset})
            if owed + int(rows[0][0]) + amount <= int(limit) + pledged:
                return ""
        return EXCEEDED

    async def _terms(self, partner: str) -> dict[str, Any]:
        known = self._known.get(partner)
        if known is None or self._now() - known.at > FRESH:
            return await self._read(partner) or (known.terms if known is not None else {})
        return known.terms

    async def _read(self, partner: str) -> dict[str, Any]:
        try:
            terms: dict[str, Any] = await self._chain.read("GetTerms", partner)
        except GatewayError as error:
            log.warning("credit_line.not_known", partner=partner, reason=str(error)[:300])
            return {}
        self._known[partner] = _Known(self._now(), terms)
        return terms
