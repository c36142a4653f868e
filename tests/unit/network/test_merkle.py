"""Aim: our trees are Certificate Transparency's trees, and a verifier takes only the one right proof.

Method: the reference leaves, roots and audit paths of Certificate Transparency's own test suite; then the definition
of RFC 6962 section 2.1 written down naively, against which every size up to 70 and tiled logs of some thousand leaves
are compared; then proofs bent in every way.
"""

from __future__ import annotations

import pytest

from network.errors import ProofError
from network.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    TILE_WIDTH,
    CompactRange,
    TileWriter,
    build_consistency_proof,
    build_inclusion_proof,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    partial_widths,
    root,
    split_hashes,
    tile_node_reader,
    verify_consistency,
    verify_inclusion,
)

REFERENCE_DATA = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
REFERENCE_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
REFERENCE_LEAVES = [leaf_hash(data) for data in REFERENCE_DATA]


def leaves_of(count: int) -> list[bytes]:
    return [leaf_hash(index.to_bytes(4, "big")) for index in range(count)]


def naive_root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(naive_root(leaves[:split]), naive_root(leaves[split:]))


def naive_path(leaves: list[bytes], index: int) -> list[bytes]:
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*naive_path(leaves[:split], index), naive_root(leaves[split:])]
    return [*naive_path(leaves[split:], index - split), naive_root(leaves[:split])]


def naive_consistency(leaves: list[bytes], old: int, is_whole: bool = True) -> list[bytes]:
    if old == len(leaves):
        return [] if is_whole else [naive_root(leaves)]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if old <= split:
        return [*naive_consistency(leaves[:split], old, is_whole), naive_root(leaves[split:])]
    return [*naive_consistency(leaves[split:], old - split, False), naive_root(leaves[:split])]


@pytest.mark.parametrize("size", range(9))
def test_root_of_reference_leaves_is_the_published_one(size: int) -> None:
    assert root(REFERENCE_LEAVES[:size]).hex() == REFERENCE_ROOTS[size]


def test_inclusion_proof_of_reference_leaves_is_the_published_one() -> None:
    assert [node.hex() for node in inclusion_proof(REFERENCE_LEAVES, 0)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    assert [node.hex() for node in inclusion_proof(REFERENCE_LEAVES, 5)] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_proofs_of_seven_leaves_are_those_drawn_in_the_rfc() -> None:
    # RFC 9162 section 2.1.5 names the nodes of this tree a to l.
    a, b, c, d, e, f, j = leaves = REFERENCE_LEAVES[:7]
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, last = node_hash(g, h), node_hash(i, j)
    assert inclusion_proof(leaves, 0) == [b, h, last]
    assert inclusion_proof(leaves, 3) == [c, g, last]
    assert inclusion_proof(leaves, 4) == [f, j, k]
    assert inclusion_proof(leaves, 6) == [i, k]
    assert consistency_proof(leaves, 3) == [c, d, g, last]
    assert consistency_proof(leaves, 4) == [last]
    assert consistency_proof(leaves, 6) == [i, j, k]


@pytest.mark.parametrize("size", [*range(1, 20), 31, 32, 33, 64, 70])
def test_every_proof_of_a_tree_equals_the_definition_and_verifies(size: int) -> None:
    leaves = leaves_of(size)
    expected = naive_root(leaves)
    assert root(leaves) == expected
    for index in range(size):
        proof = inclusion_proof(leaves, index)
        assert proof == naive_path(leaves, index)
        verify_inclusion(leaves[index], index, size, proof, expected)
    for old_size in range(1, size + 1):
        proof = consistency_proof(leaves, old_size)
        assert proof == naive_consistency(leaves, old_size)
        verify_consistency(old_size, size, naive_root(leaves[:old_size]), expected, proof)


def test_consistency_from_the_empty_log_holds_without_a_proof() -> None:
    verify_consistency(0, 5, EMPTY_ROOT, root(leaves_of(5)), [])
    verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])


def refused(reason: str, call: object, *args: object) -> None:
    with pytest.raises(ProofError) as caught:
        call(*args)  # type: ignore[operator]
    assert caught.value.reason == reason


@pytest.mark.parametrize("size", [1, 2, 5, 8, 13])
def test_inclusion_proof_bent_in_any_way_is_refused(size: int) -> None:
    leaves = leaves_of(size)
    tree_root = root(leaves)
    for index in range(size):
        proof = inclusion_proof(leaves, index)
        stranger = leaf_hash(b"another")
        refused("wrong_inclusion", verify_inclusion, stranger, index, size, proof, tree_root)
        refused("wrong_inclusion", verify_inclusion, leaves[index], index, size, proof, stranger)
        refused("wrong_proof_length", verify_inclusion, leaves[index], index, size, [*proof, stranger], tree_root)
        refused("malformed_hash", verify_inclusion, leaves[index][:-1], index, size, proof, tree_root)
        if proof:
            refused("wrong_proof_length", verify_inclusion, leaves[index], index, size, proof[:-1], tree_root)
            refused("malformed_hash", verify_inclusion, leaves[index], index, size, [*proof[:-1], b""], tree_root)
        for position in range(len(proof)):
            bent = [*proof[:position], stranger, *proof[position + 1 :]]
            refused("wrong_inclusion", verify_inclusion, leaves[index], index, size, bent, tree_root)
    for index in (-1, size, size + 7):
        refused("index_out_of_range", verify_inclusion, leaves[0], index, size, [], tree_root)


def test_inner_node_offered_as_a_leaf_does_not_verify_as_one() -> None:
    leaves = leaves_of(4)
    inner = node_hash(leaves[0], leaves[1])
    # The forged tree of 2 "leaves" has the true root: only the size signed in the checkpoint tells them apart.
    verify_inclusion(inner, 0, 2, [node_hash(leaves[2], leaves[3])], root(leaves))
    refused("wrong_proof_length", verify_inclusion, inner, 0, 4, [node_hash(leaves[2], leaves[3])], root(leaves))


@pytest.mark.parametrize(("old", "new"), [(1, 2), (3, 7), (4, 7), (6, 7), (7, 8), (8, 13), (5, 64)])
def test_consistency_proof_bent_in_any_way_is_refused(old: int, new: int) -> None:
    leaves = leaves_of(new)
    old_root, new_root, stranger = root(leaves[:old]), root(leaves), leaf_hash(b"another")
    proof = consistency_proof(leaves, old)
    refused("inconsistent", verify_consistency, old, new, stranger, new_root, proof)
    refused("inconsistent", verify_consistency, old, new, old_root, stranger, proof)
    refused("wrong_proof_length", verify_consistency, old, new, old_root, new_root, [*proof, stranger])
    refused("wrong_proof_length", verify_consistency, old, new, old_root, new_root, proof[:-1])
    refused("size_out_of_range", verify_consistency, new, old, new_root, old_root, proof)
    for position in range(len(proof)):
        bent = [*proof[:position], stranger, *proof[position + 1 :]]
        refused("inconsistent", verify_consistency, old, new, old_root, new_root, bent)


def test_trivial_consistency_with_surplus_or_other_roots_is_refused() -> None:
    one, other = leaf_hash(b"1"), leaf_hash(b"2")
    refused("wrong_proof_length", verify_consistency, 3, 3, one, one, [one])
    refused("wrong_proof_length", verify_consistency, 0, 3, EMPTY_ROOT, one, [one])
    refused("inconsistent", verify_consistency, 3, 3, one, other, [])
    refused("inconsistent", verify_consistency, 0, 3, one, one, [])
    refused("size_out_of_range", verify_consistency, -1, 3, one, one, [])


def test_proof_asked_for_outside_the_tree_is_refused() -> None:
    refused("index_out_of_range", inclusion_proof, leaves_of(3), 3)
    refused("size_out_of_range", consistency_proof, leaves_of(3), 4)


def test_compact_range_restored_from_its_hashes_goes_on_where_it_stopped() -> None:
    leaves = leaves_of(37)
    compact = CompactRange()
    for size, leaf in enumerate(leaves):
        assert compact.root() == naive_root(leaves[:size])
        compact = CompactRange(compact.size, compact.hashes)
        compact.append(leaf)
    assert compact.root() == naive_root(leaves)


def test_compact_range_with_hashes_that_cannot_fit_is_refused() -> None:
    refused("wrong_proof_length", CompactRange, 3, [leaf_hash(b"")])
    refused("malformed_hash", CompactRange, 1, [b"short"])


def test_partial_widths_of_the_specifications_example() -> None:
    # C2SP tlog-tiles: 70,000 leaves leave partial tiles of 112, 17 and 1 hashes.
    assert partial_widths(70_000) == [112, 17, 1]
    assert partial_widths(256) == [0, 1]
    assert partial_widths(0) == []


@pytest.mark.parametrize("steps", [(1,), (255, 1, 1), (256, 256), (300, 400, 1, 3), (1000, 24, 512, 700)])
def test_tiles_written_in_steps_carry_the_tree_and_all_its_proofs(steps: tuple[int, ...]) -> None:
    leaves = leaves_of(sum(steps))
    tiles: dict[tuple[int, int], bytes] = {}
    size = 0
    for step in steps:
        widths = partial_widths(size)
        tails = [tiles.get((lv, (size >> 8 * lv) // TILE_WIDTH), b"") if w else b"" for lv, w in enumerate(widths)]
        writer = TileWriter(size, tails)
        for tile in writer.append(leaves[size : size + step]):
            assert 1 <= tile.width <= TILE_WIDTH
            tiles[tile.level, tile.index] = tile.hashes
        size += step
        assert writer.size == size
        assert writer.root() == naive_root(leaves[:size])
    assert b"".join(tiles[0, index] for index in range((size + 255) // 256)) == b"".join(leaves)
    read_node = tile_node_reader(lambda level, index: tiles[level, index])
    for index in {0, size // 2, size - 1}:
        assert build_inclusion_proof(read_node, index, size) == naive_path(leaves, index)
    for old_size in {1, size // 3 or 1, size - 1 or 1}:
        assert build_consistency_proof(read_node, old_size, size) == naive_consistency(leaves, old_size)


def test_tile_writer_appending_one_leaf_reports_only_the_tile_it_changed() -> None:
    writer = TileWriter()
    writer.append(leaves_of(300))
    changed = writer.append([leaf_hash(b"next")])
    assert [(tile.level, tile.index, tile.width) for tile in changed] == [(0, 1, 45)]
    assert writer.append([]) == []


def test_tile_that_does_not_fit_the_size_is_refused() -> None:
    refused("wrong_tile", TileWriter, 3, [leaf_hash(b"")])
    refused("wrong_tile", split_hashes, bytes(HASH_BYTES + 1))
    read_node = tile_node_reader(lambda level, index: leaf_hash(b""))
    refused("wrong_tile", read_node, 1, 0)
