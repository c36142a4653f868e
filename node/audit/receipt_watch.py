"""Turns receipts that diverge into matters for findings."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping

from node.audit.findings import TEXT_LENGTH_MAX
from node.audit.matter import Lasting, Matter
from node.audit.receipts import Divergence, ReceiptStore


class ReceiptWatch:
    """Looks at receipts.

    Args:
        store: those that are kept.
        refusals: members that answer and give none that counts, with the reason.
        lasting: how long that is borne.
    """

    def __init__(self, store: ReceiptStore, refusals: Callable[[], Mapping[str, str]], lasting: Lasting) -> None:
        self._store = store
        self._refusals = refusals
        self._lasting = lasting

    async def look(self) -> list[Matter]:
        """Return a matter for each member that signed another receipt than this node, or gives none for too long."""
        return await self._diverging() + self._withheld()

    def _withheld(self) -> list[Matter]:
        refusals = dict(self._refusals())
        for organization in self._lasting.known() - set(refusals):
            self._lasting.over(organization)
        return [
            Matter(organization, "silent_member", "member", f"no receipts since {since.isoformat()}: {reason}"[:1_000])
            for organization, reason in refusals.items()
            if (since := self._lasting.overdue(organization)) is not None
        ]

    async def _diverging(self) -> list[Matter]:
        found = await asyncio.to_thread(self._store.divergences)
        return [
            Matter(each.organization, "diverging_receipts", f"block/{each.block_number}", _told(each)) for each in found
        ]


def _told(found: Divergence) -> str:
    whole = f"own receipt: {found.own}\ntheirs: {found.other}"
    if len(whole) <= TEXT_LENGTH_MAX:
        return whole
    # Of very large blocks the flags alone are longer than a text may be: both are kept here, and told by their hashes.
    own, other = (hashlib.sha256(text.encode()).hexdigest() for text in (found.own, found.other))
    return f"SHA-256 of the own signed receipt {own}, of theirs {other}"
