"""Aim: for any log and any way it grew, proofs from tiles verify, and any other leaf, index, size or root is refused.

Method: hypothesis draws sizes, growth steps and single-bit damage.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network.errors import ProofError
from network.merkle import (
    TILE_WIDTH,
    CompactRange,
    TileWriter,
    build_consistency_proof,
    build_inclusion_proof,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root,
    tile_node_reader,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [leaf_hash(index.to_bytes(4, "big")) for index in range(1200)]


@given(st.integers(1, 1200), st.data())
def test_inclusion_proof_of_any_leaf_verifies_and_any_flipped_bit_is_refused(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(LEAVES[:size], index)
    tree_root = root(LEAVES[:size])
    verify_inclusion(LEAVES[index], index, size, proof, tree_root)
    parts = [LEAVES[index], *proof, tree_root]
    part, bit = data.draw(st.integers(0, len(parts) - 1)), data.draw(st.integers(0, 255))
    damaged = int.from_bytes(parts[part], "big") ^ (1 << bit)
    parts[part] = damaged.to_bytes(32, "big")
    with pytest.raises(ProofError):
        verify_inclusion(parts[0], index, size, parts[1:-1], parts[-1])


@given(st.integers(2, 1200), st.data())
def test_inclusion_proof_under_another_index_is_refused(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size - 1).filter(lambda i: i != index))
    with pytest.raises(ProofError):
        verify_inclusion(LEAVES[index], other, size, inclusion_proof(LEAVES[:size], index), root(LEAVES[:size]))


@given(st.integers(1, 1200), st.data())
def test_consistency_proof_of_any_growth_verifies_and_any_flipped_bit_is_refused(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    proof = consistency_proof(LEAVES[:new], old)
    roots = [root(LEAVES[:old]), root(LEAVES[:new])]
    verify_consistency(old, new, roots[0], roots[1], proof)
    parts = [*roots, *proof]
    part, bit = data.draw(st.integers(0, len(parts) - 1)), data.draw(st.integers(0, 255))
    damaged = int.from_bytes(parts[part], "big") ^ (1 << bit)
    parts[part] = damaged.to_bytes(32, "big")
    with pytest.raises(ProofError):
        verify_consistency(old, new, parts[0], parts[1], parts[2:])


@given(st.lists(st.integers(0, 400), max_size=6), st.data())
def test_log_grown_in_any_steps_has_one_tree(steps: list[int], data: st.DataObject) -> None:
    tiles: dict[tuple[int, int], bytes] = {}
    writer, compact, size = TileWriter(), CompactRange(), 0
    for step in steps:
        batch = LEAVES[size : size + step]
        for tile in writer.append(batch):
            tiles[tile.level, tile.index] = tile.hashes
        for leaf in batch:
            compact.append(leaf)
        size += len(batch)
        assert writer.root() == compact.root()
    assert writer.root() == root(LEAVES[:size])
    if size:
        old = data.draw(st.integers(1, size))
        index = data.draw(st.integers(0, old - 1))
        read_node = tile_node_reader(lambda level, tile: tiles[level, tile])
        verify_inclusion(LEAVES[index], index, old, build_inclusion_proof(read_node, index, old), root(LEAVES[:old]))
        proof = build_consistency_proof(read_node, old, size)
        verify_consistency(old, size, root(LEAVES[:old]), writer.root(), proof)
        assert all(len(tiles[key]) <= 32 * TILE_WIDTH for key in tiles)
