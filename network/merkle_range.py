"""A run of consecutive leaves in an RFC 6962 tree, proved at once.

The proof holds the roots of the largest subtrees that lie outside the run, from left to right: at most two for each
level. A run of ``n`` leaves costs ``n`` hashes, where single proofs would cost ``n`` times the height.

Source: RFC 6962 section 2.1 (the tree); the proof is that of an inclusion proof, RFC 9162 section 2.1.3, for more than
one leaf.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from network.errors import ProofError
from network.merkle import HASH_BYTES, ReadNode, node_hash, range_root


def build_range_proof(read_node: ReadNode, begin: int, end: int, size: int) -> list[bytes]:
    """Return the proof that leaves ``[begin, end)`` stand in the tree of ``size`` leaves.

    Args:
        read_node: gives the root of any complete subtree inside the first ``size`` leaves.
    Raises:
        ProofError: ``index_out_of_range``, unless ``0 <= begin < end <= size``.
    """
    _require_range(begin, end, size)
    return [range_root(read_node, first, last) for first, last in _outside(0, size, begin, end)]


def verify_range(leaves: Sequence[bytes], begin: int, size: int, proof: Sequence[bytes], expected_root: bytes) -> None:
    """Check that ``leaves`` stand, one after the other, from ``begin`` in the tree of ``size`` leaves.

    Args:
        leaves: leaf hashes, 32 bytes each, at least one.
    Raises:
        ProofError: ``index_out_of_range``, ``malformed_hash``, ``wrong_proof_length`` or ``wrong_inclusion``.
    """
    end = begin + len(leaves)
    _require_range(begin, end, size)
    if any(len(node) != HASH_BYTES for node in proof):
        raise ProofError("malformed_hash", f"a hash of the range's proof has not {HASH_BYTES} bytes")
    needed = list(_outside(0, size, begin, end))
    if len(proof) != len(needed):
        raise ProofError("wrong_proof_length", f"{len(proof)} hashes beside a range that needs {len(needed)}")
    outside = dict(zip(needed, proof, strict=True))

    def root_of(first: int, last: int) -> bytes:
        if begin <= first and last <= end:
            return _root(leaves[first - begin : last - begin])
        if (first, last) in outside:
            return outside[first, last]
        middle = _middle(first, last)
        return node_hash(root_of(first, middle), root_of(middle, last))

    if root_of(0, size) != expected_root:
        raise ProofError("wrong_inclusion", f"leaves {begin} to {end - 1} lead to another root")


def _outside(first: int, last: int, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Give the largest subtrees of ``[first, last)`` that hold nothing of ``[begin, end)``, from left to right."""
    if last <= begin or end <= first:
        yield first, last
    elif first < begin or end < last:
        middle = _middle(first, last)
        yield from _outside(first, middle, begin, end)
        yield from _outside(middle, last, begin, end)


def _middle(first: int, last: int) -> int:
    """Return where a subtree of at least two leaves is split."""
    return first + (1 << ((last - first - 1).bit_length() - 1))


def _root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over whole leaves, level by level: a last node without a sibling goes up as it is."""
    sha256, level = hashlib.sha256, list(leaves)
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        level = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
        level += odd
    return level[0]


def _require_range(begin: int, end: int, size: int) -> None:
    if not 0 <= begin < end <= size:
        raise ProofError("index_out_of_range", f"leaves {begin} to {end - 1} are not in a tree of {size} leaves")
