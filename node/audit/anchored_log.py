"""The leaves of anchored logs: the own one, and copies of others', each held against the root on the shared ledger."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator

from network.audit_record import record_key
from network.merkle import HASH_BYTES, TILE_WIDTH, ReadTile, TileWriter, split_hashes
from node.anchor.errors import MirrorError
from node.anchor.store import LogStore, MirrorStore
from node.audit.errors import NotYetError
from node.audit.index import AuditIndex

TILES_KEPT = 64
"""Tiles in memory, of 256 leaves each: rows come in order, so that each tile is read twice and no more."""


class AnchoredLeaves:
    """The leaf hashes of a log copy that hash to an anchored root, read again as they are asked for. Calls block.

    In memory are a few tiles, and of each tile the hash it had while all of them were held against the root: what is
    changed beneath an audit is told, not believed.

    Args:
        whose: names the copy in the error.
    Raises:
        MirrorError: the copy does not hash to the root; when asked for a leaf, it did and no longer does.
    """

    def __init__(self, read_tile: ReadTile, size: int, root: bytes, whose: str) -> None:
        self._read_tile = read_tile
        self._size = size
        self._whose = whose
        self._tiles: OrderedDict[int, list[bytes]] = OrderedDict()
        writer = TileWriter()
        self._digests: list[bytes] = []
        for tile in range((size + TILE_WIDTH - 1) // TILE_WIDTH):
            hashes = self._hashes(tile)
            self._digests.append(hashlib.sha256(hashes).digest())
            writer.append(split_hashes(hashes))
        if writer.size != size or writer.root() != root:
            raise MirrorError(f"{whose} does not hash to the root that was anchored for {size} entries")

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int, /) -> bytes:
        if not 0 <= index < self._size:
            raise IndexError(f"leaf {index} of {self._size}")
        tile, place = divmod(index, TILE_WIDTH)
        found = self._tiles.get(tile)
        if found is None:
            hashes = self._hashes(tile)
            if hashlib.sha256(hashes).digest() != self._digests[tile]:
                raise MirrorError(f"{self._whose} was changed while it was read, in tile {tile}: read it again")
            found = self._tiles[tile] = split_hashes(hashes)
            if len(self._tiles) > TILES_KEPT:
                self._tiles.popitem(last=False)
        return found[place]

    def __iter__(self) -> Iterator[bytes]:
        return (self[index] for index in range(self._size))

    def _hashes(self, tile: int) -> bytes:
        """Return a tile as far as it counts: the log may have grown."""
        return self._read_tile(0, tile)[: HASH_BYTES * min(TILE_WIDTH, self._size - tile * TILE_WIDTH)]


def own_leaves(store: LogStore, index: AuditIndex, organization: str) -> AnchoredLeaves:
    """Return the own anchored log, once it hashes to what the shared ledger holds. Blocks.

    Raises:
        NotYetError: nothing is anchored yet.
        MirrorError: it does not hash to that.
    """
    size = index.anchor_sizes(organization).anchored
    record = index.record(record_key("checkpoint", organization, size)) if size else None
    if record is None:
        raise NotYetError(f"nothing of {organization} is anchored yet")
    return AnchoredLeaves(store.read_tile, size, record.anchored_root(), "the stored log")


def mirrored_leaves(mirrors: MirrorStore, index: AuditIndex, organization: str) -> AnchoredLeaves | list[bytes]:
    """Return the copy of another's log, once it hashes to what the shared ledger holds. Blocks.

    Returns:
        Nothing where the log was served wrongly from its beginning: that is told beside it.
    Raises:
        NotYetError: nothing of it is mirrored yet.
        MirrorError: the copy is not sound.
    """
    head = mirrors.head(organization)
    if not head.size and mirrors.findings(organization):
        return []
    if not head.size:
        raise NotYetError(f"no anchored log of {organization} has been mirrored here yet")
    record = index.record(record_key("checkpoint", organization, head.size))
    if record is None or record.anchored_root() != head.root:
        raise MirrorError(f"this node's copy of the log of {organization} has a head that was never anchored")
    reader = mirrors.tile_reader(organization)
    return AnchoredLeaves(reader, head.size, head.root, f"this node's copy of the log of {organization}")
