"""Brings this node's copy of another member's log up to a head anchored on the shared ledger, or says what is wrong.

The new leaves are appended to the copy this node already checked, and the result must hash to the anchored root. So a
member that changed, dropped or reordered an entry that was mirrored before cannot produce tiles that fit, whatever it
serves now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from network.merkle import HASH_BYTES, TILE_WIDTH, TileWriter, split_hashes
from node.anchor.errors import MirrorError
from node.anchor.store import ANCHOR_ENTRIES_MAX, MirrorHead, MirrorStore, edge_tails

TILES_AT_ONCE = 8

PIECE_TILES = 256
"""Tiles fetched before they are looked at: whoever anchors more than it has is found out after these."""

STEP_ENTRIES_MAX = 2 * ANCHOR_ENTRIES_MAX
"""Most entries between a copy and the head it is brought to: until that head is reached they are held in memory, and it
costs a member nothing to anchor whatever size it likes."""


class LogReader(Protocol):
    """Another member's log, as its node serves it."""

    async def read_tile(self, level: int, index: int, width: int) -> bytes:
        """Return the first ``width`` hashes of a tile.

        Raises:
            RpcError: the member does not answer or refuses.
        """
        ...


class Mirror:
    """Copies of other members' logs, extended only by what hashes to an anchored root."""

    def __init__(self, store: MirrorStore, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    async def size(self, organization: str) -> int:
        """Return how many leaves the copy of a member's log has."""
        return (await asyncio.to_thread(self._store.head, organization)).size

    async def extend(self, organization: str, size: int, root: bytes, reader: LogReader) -> None:
        """Bring the copy of a member's log to an anchored head.

        Args:
            size: leaves under the anchored head.
            root: the anchored root.
        Raises:
            MirrorError: what the member serves is not the log it anchored; a finding was kept.
            RpcError: the member does not answer.
        """
        before = await asyncio.to_thread(self._store.head, organization)
        if size == before.size and root == before.root:
            return
        try:
            if size - before.size > STEP_ENTRIES_MAX:
                raise MirrorError(
                    f"{organization} anchored {size} entries, {size - before.size} more than this node has a copy of: "
                    f"at most {STEP_ENTRIES_MAX} are taken at a time"
                )
            leaves = await fetch_leaves(reader, before.size, size) if size > before.size else []
            await asyncio.to_thread(self._append, organization, before, leaves, size, root)
        except MirrorError as error:
            await asyncio.to_thread(self._store.keep_finding, organization, size, str(error), self._now())
            raise

    def _append(self, organization: str, before: MirrorHead, leaves: list[bytes], size: int, root: bytes) -> None:
        if len(leaves) != size - before.size:
            raise MirrorError(f"{organization} anchored a log of {size} entries, but serves other tiles than those")
        writer = TileWriter(before.size, edge_tails(self._store.tile_reader(organization), before.size))
        if before.size and writer.root() != before.root:
            raise MirrorError(f"this node's own copy of the log of {organization} was changed")
        tiles = writer.append(leaves)
        if writer.root() != root:
            raise MirrorError(
                f"the tiles that {organization} serves do not extend its first {before.size} entries "
                f"to the root it anchored for {size}"
            )
        self._store.extend(organization, tiles, MirrorHead(size, root), self._now())


async def fetch_leaves(reader: LogReader, begin: int, end: int) -> list[bytes]:
    """Return the leaf hashes ``[begin, end)`` from tiles of level 0; fewer where a tile is not served whole."""
    limit = asyncio.Semaphore(TILES_AT_ONCE)

    async def fetch(index: int) -> bytes:
        width = min(TILE_WIDTH, end - index * TILE_WIDTH)
        async with limit:
            hashes = await reader.read_tile(0, index, width)
        return hashes if len(hashes) == width * HASH_BYTES else b""

    first, last = begin // TILE_WIDTH, (end + TILE_WIDTH - 1) // TILE_WIDTH
    leaves: list[bytes] = []
    for start in range(first, last, PIECE_TILES):
        tiles = await asyncio.gather(*(fetch(index) for index in range(start, min(start + PIECE_TILES, last))))
        leaves += split_hashes(b"".join(tiles))
        if not all(tiles):
            break
    return leaves[begin - first * TILE_WIDTH :]
