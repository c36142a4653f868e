"""Aim: whatever bytes come in, they are taken apart without an error of the program; whatever goes out reads back; and
no single changed bit of a captured block passes.

Method: hypothesis draws bytes, read/write sets and places to damage in blocks of a real Fabric network.
"""

from __future__ import annotations

import contextlib

import pytest
from fabric_protos.common import common_pb2
from hypothesis import given
from hypothesis import strategies as st

from network.block import UpdateBatch, header_hash, parse_block, version_bytes
from network.block_verifier import verify_block
from network.envelope import VALID, parse_transaction
from network.errors import BlockError, WireError
from network.proposal import new_proposal, parse_proposal, signed_proposal
from network.range_query import RangeReads
from network.rwset import (
    HashedCollection,
    HashedMetadataWrite,
    HashedRead,
    HashedWrite,
    KvMetadataWrite,
    KvRead,
    KvWrite,
    MerkleSummary,
    NamespaceRwset,
    RangeQuery,
    TxRwset,
    Version,
    parse_private_rwset,
    parse_rwset,
    serialize_reads,
    serialize_rwset,
)
from node.peer.validator import validate_block
from tests.support.captured import captured, replayed
from tests.support.consortium_in_memory import START

BLOCK = 6
REPLAY = replayed("bft", BLOCK)
PREVIOUS = REPLAY.header_hash

text = st.text(max_size=6)
blob = st.binary(max_size=6)
uint64 = st.integers(0, 2**64 - 1)
versions = st.none() | st.builds(Version, uint64, uint64)
entries = st.lists(st.tuples(text, blob), max_size=2).map(tuple)
reads = st.lists(st.builds(KvRead, text, versions), max_size=3).map(tuple)
summaries = st.builds(
    MerkleSummary, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.lists(blob, max_size=2).map(tuple)
)
queries = st.builds(RangeQuery, text, text, st.booleans(), st.none() | reads, st.none()) | st.builds(
    RangeQuery, text, text, st.booleans(), st.none(), summaries
)
collections = st.builds(
    HashedCollection,
    text,
    st.lists(st.builds(HashedRead, blob, versions), max_size=2).map(tuple),
    st.lists(st.builds(HashedWrite, blob, blob, st.booleans(), st.booleans()), max_size=2).map(tuple),
    st.lists(st.builds(HashedMetadataWrite, blob, entries), max_size=2).map(tuple),
    blob,
)
namespaces = st.builds(
    NamespaceRwset,
    text,
    reads,
    st.lists(queries, max_size=2).map(tuple),
    st.lists(st.builds(KvWrite, text, blob, st.booleans()), max_size=2).map(tuple),
    st.lists(st.builds(KvMetadataWrite, text, entries), max_size=2).map(tuple),
    st.lists(collections, max_size=2).map(tuple),
)
rwsets = st.builds(TxRwset, st.lists(namespaces, max_size=2).map(tuple))


@given(rwsets)
def test_any_set_reads_back_as_written(rwset: TxRwset) -> None:
    assert parse_rwset(serialize_rwset(rwset)) == rwset


@given(st.binary(max_size=200))
def test_any_bytes_are_a_flag_or_a_wire_error(data: bytes) -> None:
    assert parse_transaction(data).flag != VALID
    for parse in (parse_rwset, parse_private_rwset, parse_proposal, parse_block):
        with contextlib.suppress(WireError):
            parse(data)


@given(st.lists(st.binary(max_size=20), max_size=4), st.dictionaries(text, blob, max_size=2), st.binary(min_size=1))
def test_any_proposal_reads_back_as_made(args: list[bytes], transient: dict[str, bytes], creator: bytes) -> None:
    tx_id, proposal = new_proposal("anchors", "audit", args, creator, b"n", START, transient)
    parsed = parse_proposal(signed_proposal(proposal, b"s"))
    assert (parsed.tx_id, list(parsed.args), parsed.transient) == (tx_id, args, transient)
    assert (parsed.creator, parsed.timestamp) == (creator, START)


@given(st.builds(Version, uint64, uint64), st.builds(Version, uint64, uint64))
def test_order_of_version_bytes_is_the_order_of_versions(one: Version, other: Version) -> None:
    assert (version_bytes(one) < version_bytes(other)) == (one < other)


@given(st.integers(2, 5), st.integers(0, 200))
def test_hash_tree_changes_with_any_result_and_never_exceeds_its_degree(degree: int, count: int) -> None:
    results = [KvRead(f"k{index:03d}", Version(1, index)) for index in range(count)]
    raw, summary = _gathered(results, degree)
    if count <= degree:
        assert (raw or ()) == tuple(results)
        assert summary is None
        return
    assert summary is not None
    assert 1 <= len(summary.hashes) <= degree
    changed = [*results[:-1], KvRead(results[-1].key, Version(2, 0))]
    assert _gathered(changed, degree)[1] != summary
    assert _gathered(results[:-1], degree)[1] != summary
    assert serialize_reads(changed) != serialize_reads(results)


@given(st.data())
def test_any_changed_bit_of_a_captured_block_is_refused_or_changes_nothing_signed(data: st.DataObject) -> None:
    block = captured("bft").block(BLOCK)
    part = data.draw(st.sampled_from(["number", "previous_hash", "data_hash", "data", "signatures"]))
    _flip(block, part, data)
    if part == "signatures":
        # Four of four orderers may have signed where three suffice: damage to one need not matter, but hash and data
        # are then still the ones that a quorum signed.
        with contextlib.suppress(BlockError):
            verify_block(block, PREVIOUS, REPLAY.config)
            assert header_hash(block.header).hex() == captured("bft").expected[BLOCK]["header_hash"]
        return
    with pytest.raises(BlockError):
        verify_block(block, PREVIOUS, REPLAY.config)


@pytest.mark.filterwarnings("ignore::UserWarning")  # cryptography remarks on damaged names that it still reads
@given(st.data())
def test_any_changed_bit_of_a_captured_transaction_makes_it_invalid(data: st.DataObject) -> None:
    block = captured("bft").block(BLOCK)
    _flip(block, "data", data)
    validation = validate_block(block, REPLAY.config, REPLAY.state, REPLAY.commit_hash)
    assert validation.flags[0] != VALID
    assert validation.updates == UpdateBatch()


def _gathered(results: list[KvRead], degree: int) -> tuple[tuple[KvRead, ...] | None, MerkleSummary | None]:
    gathered = RangeReads(degree)
    for read in results:
        gathered.add(read)
    return gathered.finish()


def _flip(block: common_pb2.Block, part: str, data: st.DataObject) -> None:
    if part == "number":
        block.header.number ^= 1 << data.draw(st.integers(0, 63))
    elif part == "data":
        block.data.data[0] = _flipped(block.data.data[0], data)
    elif part == "signatures":
        block.metadata.metadata[0] = _flipped(block.metadata.metadata[0], data)
    else:
        setattr(block.header, part, _flipped(getattr(block.header, part), data))


def _flipped(content: bytes, data: st.DataObject) -> bytes:
    place, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
    damaged = bytearray(content)
    damaged[place] ^= 1 << bit
    return bytes(damaged)
