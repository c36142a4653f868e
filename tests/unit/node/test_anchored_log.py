"""Aim: an audit reads a log that hashes to its anchor, sees when it changes beneath it, and holds a few tiles of it.

Method: tiles in a dictionary, as a store gives them; what Python allocates is counted.
"""

from __future__ import annotations

import tracemalloc

import pytest

from network.merkle import HASH_BYTES, TILE_WIDTH, ReadTile, TileWriter, leaf_hash, root
from node.anchor.errors import MirrorError
from node.audit.anchored_log import TILES_KEPT, AnchoredLeaves

LEAVES = [leaf_hash(index.to_bytes(4, "big")) for index in range(600)]


def tiles_of(leaves: list[bytes]) -> dict[tuple[int, int], bytes]:
    return {(tile.level, tile.index): tile.hashes for tile in TileWriter().append(leaves)}


def reader(tiles: dict[tuple[int, int], bytes]) -> ReadTile:
    return lambda level, index: tiles.get((level, index), b"")


@pytest.mark.parametrize("size", [1, 255, 256, 257, 600])
def test_leaves_are_given_only_when_they_hash_to_the_root(size: int) -> None:
    read = reader(tiles_of(LEAVES))
    leaves = AnchoredLeaves(read, size, root(LEAVES[:size]), "the copy")
    assert (list(leaves), len(leaves), leaves[size - 1]) == (LEAVES[:size], size, LEAVES[size - 1])
    for index in (-1, size):
        with pytest.raises(IndexError):
            leaves[index]
    with pytest.raises(MirrorError, match="the copy"):
        AnchoredLeaves(read, size, root(LEAVES[: size - 1]), "the copy")
    with pytest.raises(MirrorError):
        AnchoredLeaves(lambda level, index: b"", size, root(LEAVES[:size]), "the copy")


def test_leaf_that_changes_after_the_root_was_seen_is_told_and_not_believed() -> None:
    tiles = tiles_of(LEAVES)
    leaves = AnchoredLeaves(reader(tiles), 600, root(LEAVES), "the copy")
    assert leaves[0] == LEAVES[0]
    tiles[0, 1] = tiles[0, 1][:-HASH_BYTES] + leaf_hash(b"another")
    with pytest.raises(MirrorError, match="the copy was changed while it was read, in tile 1"):
        leaves[256]


def test_log_that_grows_while_it_is_read_is_read_on() -> None:
    tiles = tiles_of(LEAVES[:300])
    leaves = AnchoredLeaves(reader(tiles), 300, root(LEAVES[:300]), "the copy")
    tiles.update(tiles_of(LEAVES))
    assert list(leaves) == LEAVES[:300]


def test_memory_does_not_grow_with_the_log() -> None:
    # Every tile alike, and made when it is asked for: the log itself takes none.
    tile, count = b"".join(LEAVES[:TILE_WIDTH]), 2_000
    writer = TileWriter()
    for _ in range(count):
        writer.append(LEAVES[:TILE_WIDTH])
    whole = writer.root()
    read = lambda level, index: bytes(bytearray(tile))  # noqa: E731, a new one each time
    tracemalloc.start()
    leaves = AnchoredLeaves(read, count * TILE_WIDTH, whole, "the copy")
    for index in range(0, len(leaves), 100):
        assert leaves[index] == LEAVES[index % TILE_WIDTH]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Half a million leaves in a list take 40 MB.
    assert peak < 2 * TILES_KEPT * TILE_WIDTH * 80
