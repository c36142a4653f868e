"""Turns receipts that diverge into matters for findings."""

from __future__ import annotations

import asyncio
import hashlib

from node.audit.findings import TEXT_LENGTH_MAX
from node.audit.matter import Matter
from node.audit.receipts import Divergence, ReceiptStore


class ReceiptWatch:
    """Looks at the receipts that are kept."""

    def __init__(self, store: ReceiptStore) -> None:
        self._store = store

    async def look(self) -> list[Matter]:
        """Return a matter for each member that signed another receipt than this node: the first block of it."""
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
