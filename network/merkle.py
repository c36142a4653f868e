"""Merkle trees over an append-only log: roots, proofs, and the tiles a log is stored and served in.

Rules kept here:
- Trees are RFC 6962 trees over SHA-256: a leaf is hashed as ``0x00 ‖ data``, a node as ``0x01 ‖ left ‖ right``.
- Every function works on *leaf hashes* (32 bytes), never on leaf data: only ``leaf_hash`` sees data.
- A verifier accepts a proof of exactly the right length and nothing else, so no proof can carry unused hashes.
- Tiles are 256 hashes wide (height 8); a partial tile is never hashed into the tile above it.

Reading tiles from a store, and signing a root, belong to others (``node/anchor``, ``network/checkpoint.py``).

Source: RFC 6962 section 2.1, RFC 9162 sections 2.1.3 and 2.1.4, C2SP tlog-tiles.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from network.errors import ProofError

HASH_BYTES = 32
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
"""Hashes in a full tile. Source: C2SP tlog-tiles."""

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of the tree without leaves. Source: RFC 6962 section 2.1."""

ReadNode = Callable[[int, int], bytes]
"""``(level, index)`` of a complete subtree of ``2**level`` leaves, counted from 0, to its root."""

ReadTile = Callable[[int, int], bytes]
"""``(tile level, tile index)`` to the concatenated hashes of that tile, full or as far as it is filled."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of one leaf's data, ``SHA-256(0x00 ‖ data)``."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node, ``SHA-256(0x01 ‖ left ‖ right)``."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root of the tree over ``leaves`` (leaf hashes, in order)."""
    compact = CompactRange()
    for leaf in leaves:
        compact.append(leaf)
    return compact.root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of leaf ``index`` in the tree over ``leaves``, lowest sibling first.

    Raises:
        ProofError: ``index_out_of_range``, when ``index`` is no leaf of the tree.
    Source: RFC 9162 section 2.1.3.1.
    """
    return build_inclusion_proof(_reader(leaves), index, len(leaves))


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the proof that the tree over the first ``old_size`` leaves is a prefix of the tree over all of them.

    Raises:
        ProofError: ``size_out_of_range``, when ``old_size`` is negative or larger than the tree.
    Source: RFC 9162 section 2.1.4.1.
    """
    return build_consistency_proof(_reader(leaves), old_size, len(leaves))


def build_inclusion_proof(read_node: ReadNode, index: int, size: int) -> list[bytes]:
    """Return the audit path of leaf ``index`` in a tree of ``size`` leaves whose complete subtrees can be read.

    Args:
        read_node: gives the root of any complete subtree inside the first ``size`` leaves.
        index: leaf, from 0.
        size: leaves in the tree; the stored log may be longer.
    Raises:
        ProofError: ``index_out_of_range``.
    """
    if not 0 <= index < size:
        raise ProofError("index_out_of_range", f"leaf {index} is not in a tree of {size} leaves")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(range_root(read_node, middle, end))
            end = middle
        else:
            path.append(range_root(read_node, begin, middle))
            begin = middle
    path.reverse()
    return path


def build_consistency_proof(read_node: ReadNode, old_size: int, new_size: int) -> list[bytes]:
    """Return the proof that a tree of ``old_size`` leaves is a prefix of one of ``new_size`` leaves.

    The proof is empty when the old tree is empty or both are the same tree.

    Raises:
        ProofError: ``size_out_of_range``, unless ``0 <= old_size <= new_size``.
    """
    if not 0 <= old_size <= new_size:
        raise ProofError("size_out_of_range", f"a tree of {old_size} leaves is no prefix of one of {new_size}")
    if old_size in (0, new_size):
        return []
    path: list[bytes] = []
    begin, end, is_whole = 0, new_size, True
    while old_size != end:
        middle = begin + _split(end - begin)
        if old_size <= middle:
            path.append(range_root(read_node, middle, end))
            end = middle
        else:
            path.append(range_root(read_node, begin, middle))
            begin, is_whole = middle, False
    if not is_whole:
        path.append(range_root(read_node, begin, end))
    path.reverse()
    return path


def range_root(read_node: ReadNode, begin: int, end: int) -> bytes:
    """Return the root over leaves ``[begin, end)``, where ``begin`` is a multiple of the range's largest subtree."""
    if end == begin:
        return EMPTY_ROOT
    level = (end - begin).bit_length() - 1
    if end - begin == 1 << level:
        return read_node(level, begin >> level)
    middle = begin + (1 << level)
    return node_hash(read_node(level, begin >> level), range_root(read_node, middle, end))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes) -> None:
    """Check that ``leaf`` stands at ``index`` in the tree of ``size`` leaves with root ``expected_root``.

    Args:
        leaf: leaf hash, 32 bytes.
    Raises:
        ProofError: ``malformed_hash``, ``index_out_of_range``, ``wrong_proof_length`` or ``wrong_inclusion``.
    Source: RFC 9162 section 2.1.3.2.
    """
    _require_hashes(leaf, expected_root, *proof)
    if not 0 <= index < size:
        raise ProofError("index_out_of_range", f"leaf {index} is not in a tree of {size} leaves")
    node, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("wrong_proof_length", f"the proof for leaf {index} of {size} has {len(proof)} hashes")
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise ProofError("wrong_proof_length", f"the proof for leaf {index} of {size} has {len(proof)} hashes")
    if result != expected_root:
        raise ProofError("wrong_inclusion", f"the proof for leaf {index} leads to {result.hex()}, not to the root")


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of ``new_size`` leaves only appended to the tree of ``old_size`` leaves.

    Raises:
        ProofError: ``malformed_hash``, ``size_out_of_range``, ``wrong_proof_length`` or ``inconsistent``.
    Source: RFC 9162 section 2.1.4.2; the empty old tree, which the RFC leaves out, is a prefix of every tree.
    """
    _require_hashes(old_root, new_root, *proof)
    if not 0 <= old_size <= new_size:
        raise ProofError("size_out_of_range", f"a tree of {old_size} leaves is no prefix of one of {new_size}")
    if old_size in (0, new_size):
        _verify_trivial_consistency(old_size, new_size, old_root, new_root, proof)
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise ProofError("wrong_proof_length", f"no proof between {old_size} and {new_size} leaves")
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_result = new_result = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError("wrong_proof_length", f"{len(proof)} hashes between {old_size} and {new_size} leaves")
        if node & 1 or node == last:
            old_result = node_hash(sibling, old_result)
            new_result = node_hash(sibling, new_result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new_result = node_hash(new_result, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise ProofError("wrong_proof_length", f"{len(proof)} hashes between {old_size} and {new_size} leaves")
    if (old_result, new_result) != (old_root, new_root):
        raise ProofError("inconsistent", f"the log of {new_size} leaves does not extend the log of {old_size} leaves")


class CompactRange:
    """A tree that can only grow, kept as the roots of its complete subtrees: at most one hash for each bit of its size.

    Args:
        size: leaves already in the tree.
        hashes: roots of its complete subtrees, largest first, as ``hashes`` gave them.
    Raises:
        ProofError: ``malformed_hash`` or ``wrong_proof_length``, when ``hashes`` cannot belong to ``size`` leaves.
    """

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        _require_hashes(*hashes)
        if size < 0 or len(hashes) != size.bit_count():
            raise ProofError("wrong_proof_length", f"{len(hashes)} subtrees cannot make a tree of {size} leaves")
        self._size = size
        self._hashes = list(hashes)

    @property
    def size(self) -> int:
        """Leaves in the tree."""
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """Roots of the complete subtrees, largest first."""
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> None:
        """Append one leaf hash."""
        size, node = self._size, leaf
        while size & 1:
            node = node_hash(self._hashes.pop(), node)
            size >>= 1
        self._hashes.append(node)
        self._size += 1

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        if not self._hashes:
            return EMPTY_ROOT
        result = self._hashes[-1]
        for left in reversed(self._hashes[:-1]):
            result = node_hash(left, result)
        return result


@dataclass(frozen=True, slots=True)
class Tile:
    """A run of up to 256 consecutive hashes at one tile level."""

    level: int
    """0 holds leaf hashes; each hash of level ``n + 1`` is the root of one full tile of level ``n``."""
    index: int
    """Position of the tile in its level, from 0."""
    hashes: bytes
    """1 to 256 hashes of 32 bytes, concatenated."""

    @property
    def width(self) -> int:
        """Hashes in the tile."""
        return len(self.hashes) // HASH_BYTES


class TileWriter:
    """The right edge of a tiled log: appends leaves and tells which tiles changed.

    Args:
        size: leaves already in the log.
        tails: for each tile level from 0, the hashes of its partial tile (empty where the level ends full).
    Raises:
        ProofError: ``wrong_tile``, when a tail has not the width that ``size`` demands.
    """

    def __init__(self, size: int = 0, tails: Sequence[bytes] = ()) -> None:
        for level, width in enumerate(partial_widths(size)):
            found = len(tails[level]) if level < len(tails) else 0
            if found != width * HASH_BYTES:
                raise ProofError("wrong_tile", f"tile level {level} of {size} leaves ends in {found} bytes")
        self._size = size
        self._tails = [bytearray(tail) for tail in tails]

    @property
    def size(self) -> int:
        """Leaves in the log."""
        return self._size

    def append(self, leaves: Sequence[bytes]) -> list[Tile]:
        """Append leaf hashes; return every tile that is new or has grown, complete as it now stands."""
        _require_hashes(*leaves)
        full: list[Tile] = []
        touched: set[int] = set()
        for leaf in leaves:
            touched.add(self._push(0, self._size, leaf, full))
            self._size += 1
        levels = range(max(touched, default=-1) + 1)
        partial = [self._tail_tile(level) for level in levels if self._tails[level]]
        return full + partial

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        hashes: list[bytes] = []
        for tail in reversed(self._tails):
            hashes.extend(_complete_subtrees(bytes(tail)))
        return CompactRange(self._size, hashes).root()

    def _tail_tile(self, level: int) -> Tile:
        index = (self._size >> (TILE_HEIGHT * level)) // TILE_WIDTH
        return Tile(level, index, bytes(self._tails[level]))

    def _push(self, level: int, position: int, value: bytes, full: list[Tile]) -> int:
        """Append one hash to a tile level; a tile that fills up sends its root up. Return the highest level changed."""
        if level == len(self._tails):
            self._tails.append(bytearray())
        tail = self._tails[level]
        tail += value
        if len(tail) < TILE_WIDTH * HASH_BYTES:
            return level
        index = position // TILE_WIDTH
        full.append(Tile(level, index, bytes(tail)))
        tail.clear()
        return self._push(level + 1, index, _perfect_root(full[-1].hashes), full)


def partial_widths(size: int) -> list[int]:
    """Return the width of the partial tile of each tile level of a log of ``size`` leaves, from level 0."""
    widths: list[int] = []
    while size:
        widths.append(size % TILE_WIDTH)
        size >>= TILE_HEIGHT
    return widths


def tile_node_reader(read_tile: ReadTile) -> ReadNode:
    """Return a reader of complete subtrees that computes them from tiles; each tile is read at most once.

    Raises:
        ProofError: ``wrong_tile`` (when reading), if a tile is too short for the subtree asked for.
    """
    tiles: dict[tuple[int, int], bytes] = {}

    def read_node(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, TILE_HEIGHT)
        first = index << height
        key = (tile_level, first // TILE_WIDTH)
        if key not in tiles:
            tiles[key] = read_tile(*key)
        begin = (first % TILE_WIDTH) * HASH_BYTES
        span = HASH_BYTES << height
        hashes = tiles[key][begin : begin + span]
        if len(hashes) != span:
            raise ProofError("wrong_tile", f"tile {key[1]} of level {tile_level} ends before hash {first % TILE_WIDTH}")
        return _perfect_root(hashes)

    return read_node


def level_reader(leaves: Sequence[bytes]) -> ReadNode:
    """Return a reader of complete subtrees over leaf hashes in memory that hashes each of them once, now."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([node_hash(left, right) for left, right in zip(below[::2], below[1::2], strict=False)])
    return lambda level, index: levels[level][index]


def split_hashes(hashes: bytes) -> list[bytes]:
    """Return the 32-byte hashes of a tile.

    Raises:
        ProofError: ``wrong_tile``, when the bytes are no whole number of hashes.
    """
    if len(hashes) % HASH_BYTES:
        raise ProofError("wrong_tile", f"{len(hashes)} bytes are no whole number of hashes")
    return [hashes[i : i + HASH_BYTES] for i in range(0, len(hashes), HASH_BYTES)]


def _split(size: int) -> int:
    """Return the largest power of two smaller than ``size`` (which is at least 2)."""
    return 1 << ((size - 1).bit_length() - 1)


def _reader(leaves: Sequence[bytes]) -> ReadNode:
    def read_node(level: int, index: int) -> bytes:
        return _perfect_root(b"".join(leaves[index << level : (index + 1) << level]))

    return read_node


def _perfect_root(hashes: bytes) -> bytes:
    """Return the root over a power of two of concatenated hashes."""
    level = split_hashes(hashes)
    while len(level) > 1:
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]


def _complete_subtrees(hashes: bytes) -> list[bytes]:
    """Return the roots of the complete subtrees of a partial tile, largest first."""
    roots: list[bytes] = []
    begin, width = 0, len(hashes) // HASH_BYTES
    while begin < width:
        span = 1 << ((width - begin).bit_length() - 1)
        roots.append(_perfect_root(hashes[begin * HASH_BYTES : (begin + span) * HASH_BYTES]))
        begin += span
    return roots


def _verify_trivial_consistency(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    if proof:
        raise ProofError("wrong_proof_length", f"{len(proof)} hashes where none is needed")
    if old_size == new_size and old_root != new_root:
        raise ProofError("inconsistent", f"two different roots for the log of {new_size} leaves")
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise ProofError("inconsistent", "the root of the empty log is not the hash of nothing")


def _require_hashes(*hashes: bytes) -> None:
    for value in hashes:
        if len(value) != HASH_BYTES:
            raise ProofError("malformed_hash", f"a hash has {len(value)} bytes, not {HASH_BYTES}")
