"""Aim: read/write sets are read and written byte for byte as Fabric's peers write them.

Method: every set of two captured channels is parsed and written again; the builder makes the order Fabric makes from
calls in any order; hash trees are compared with those that Fabric's peers left in the captured blocks.
"""

from __future__ import annotations

import hashlib

import pytest
from fabric_protos.peer import proposal_pb2

from network.envelope import parse_transaction
from network.errors import WireError
from network.messages import varint
from network.range_query import RANGE_DEGREE_MAX, RangeReads, recorded_range_query
from network.rwset import (
    HASH_OF_NOTHING,
    HashedWrite,
    KvRead,
    KvWrite,
    MerkleSummary,
    RangeQuery,
    TxRwset,
    Version,
    key_hash,
    parse_metadata,
    parse_private_rwset,
    parse_rwset,
    private_rwset_hash,
    serialize_metadata,
    serialize_rwset,
)
from network.rwset_builder import RwsetBuilder
from tests.support.calls import calls_during
from tests.support.captured import NETWORKS, captured, endorsed_envelopes

SETS_IN_EACH_NETWORK = {"raft": 70, "bft": 69}


def results_of(envelope: bytes) -> bytes:
    return bytes(proposal_pb2.ChaincodeAction.FromString(parse_transaction(envelope).action).results)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_captured_set_is_written_again_to_the_same_bytes(network: str) -> None:
    sets = [results_of(envelope) for _, _, envelope in endorsed_envelopes(network)]
    assert len(sets) == SETS_IN_EACH_NETWORK[network]
    for results in sets:
        assert serialize_rwset(parse_rwset(results)) == results


@pytest.mark.parametrize("network", NETWORKS)
def test_builder_makes_every_captured_public_set_from_shuffled_calls(network: str) -> None:
    rebuilt = 0
    for _, _, envelope in endorsed_envelopes(network):
        results = results_of(envelope)
        rwset = parse_rwset(results)
        if any(namespace.collections for namespace in rwset.namespaces):
            continue
        assert _rebuilt(rwset).build().public == results
        rebuilt += 1
    assert rebuilt >= 55


def test_set_that_does_not_parse_is_named() -> None:
    with pytest.raises(WireError, match="TxReadWriteSet"):
        parse_rwset(b"\xff")
    with pytest.raises(WireError, match="KVRWSet of namespace 'cc'"):
        parse_rwset(b"\x12\x07\x0a\x02cc\x12\x01\xff")
    with pytest.raises(WireError, match="HashedRWSet of 'p'"):
        parse_rwset(b"\x12\x0c\x0a\x02cc\x1a\x06\x0a\x01p\x12\x01\xff")
    with pytest.raises(WireError, match="TxPvtReadWriteSet"):
        parse_private_rwset(b"\xff")


def test_key_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(WireError):
        parse_rwset(b"\x12\x0b\x0a\x02cc\x12\x05\x1a\x03\x0a\x01\xff")


def test_version_zero_is_not_the_same_as_no_version() -> None:
    builder = RwsetBuilder()
    builder.add_read("cc", "absent", None)
    builder.add_read("cc", "first", Version(0, 0))
    [namespace] = parse_rwset(builder.build().public).namespaces
    assert namespace.reads == (KvRead("absent", None), KvRead("first", Version(0, 0)))


def test_empty_value_deletes_in_public_and_in_private() -> None:
    assert KvWrite("k", b"").deletes
    assert KvWrite("k", b"v", is_delete=True).deletes
    assert not KvWrite("k", b"v").deletes
    assert HashedWrite(b"k", HASH_OF_NOTHING).deletes
    assert HashedWrite(b"k", b"").deletes
    assert not HashedWrite(b"k", b"h").deletes


def test_private_write_enters_the_private_set_and_its_hashes_the_public_one() -> None:
    builder = RwsetBuilder()
    builder.add_private_write("cc", "two", "k", b"secret")
    builder.add_private_write("cc", "one", "gone", b"")
    builder.add_private_purge("cc", "one", "erased")
    builder.add_private_read("cc", "one", "seen", Version(3, 1))
    builder.add_private_metadata("cc", "two", "k", {"VALIDATION_PARAMETER": b"p"})
    results = builder.build()
    one, two = parse_private_rwset(results.private)
    assert (one.collection, [write.key for write in one.writes]) == ("one", ["erased", "gone"])
    assert (two.collection, two.writes, two.metadata_keys) == ("two", (KvWrite("k", b"secret"),), ("k",))
    [namespace] = parse_rwset(results.public).namespaces
    public_one, public_two = namespace.collections
    assert public_one.private_rwset_hash == private_rwset_hash(one.rwset_bytes)
    assert public_two.private_rwset_hash == private_rwset_hash(two.rwset_bytes)
    assert public_one.writes[0] == HashedWrite(key_hash("erased"), b"", is_delete=True, is_purge=True)
    assert public_two.writes == (HashedWrite(key_hash("k"), hashlib.sha256(b"secret").digest()),)
    assert b"secret" not in results.public


def test_collection_only_read_has_no_private_set() -> None:
    builder = RwsetBuilder()
    builder.add_private_read("cc", "one", "seen", None)
    results = builder.build()
    assert results.private == b""
    assert parse_rwset(results.public).namespaces[0].collections[0].private_rwset_hash == b""


def test_last_write_of_a_key_and_first_read_stand() -> None:
    builder = RwsetBuilder()
    for value in (b"1", b"2"):
        builder.add_write("cc", "k", value)
    for version in (Version(1, 0), Version(2, 0)):
        builder.add_read("cc", "k", version)
    [namespace] = builder.rwset().namespaces
    assert namespace.writes == (KvWrite("k", b"2"),)
    assert namespace.reads == (KvRead("k", Version(1, 0)),)


def test_same_range_asked_twice_is_recorded_once_in_the_order_asked() -> None:
    queries = [RangeQuery(start, "z", True) for start in ("b", "a", "b")]
    builder = RwsetBuilder()
    for query in queries:
        builder.add_range_query("cc", query)
    assert builder.rwset().namespaces[0].range_queries == (queries[0], queries[1])


def test_metadata_of_a_key_round_trips_in_name_order() -> None:
    assert parse_metadata(serialize_metadata([("a", b"1"), ("b", b"")])) == {"a": b"1", "b": b""}
    assert parse_metadata(b"") == parse_metadata(None) == {}
    with pytest.raises(WireError, match="KVMetadataWrite"):
        parse_metadata(b"\xff")


@pytest.mark.parametrize("network", NETWORKS)
def test_hash_tree_over_the_keys_fabric_scanned_is_the_one_it_recorded(network: str) -> None:
    wanted = "range over 120 keys (Merkle summary)"
    number, position = captured(network).position_of(wanted, 0)
    [query] = _range_queries(captured(network).block(number).data.data[position])
    assert query.summary is not None
    written, _ = captured(network).position_of("120 keys", 0)
    [source] = captured(network).block(written).data.data
    [namespace] = [item for item in parse_rwset(results_of(source)).namespaces if item.writes]
    reads = [KvRead(write.key, Version(written, 0)) for write in namespace.writes]
    assert recorded_range_query(query.start_key, query.end_key, reads, query.exhausted) == query


@pytest.mark.parametrize("results", [0, 1, RANGE_DEGREE_MAX])
def test_up_to_the_degree_results_are_kept_raw(results: int) -> None:
    reads = [KvRead(f"k{index:04d}", Version(1, 0)) for index in range(results)]
    query = recorded_range_query("k", "l", reads, True)
    assert query.summary is None
    assert query.reads == (tuple(reads) or None)


def test_one_result_more_is_hashed_to_a_single_node() -> None:
    reads = [KvRead(f"k{index:04d}", Version(1, 0)) for index in range(RANGE_DEGREE_MAX + 1)]
    query = recorded_range_query("k", "l", reads, True)
    assert query.reads is None
    assert query.summary is not None
    assert (query.summary.max_level, len(query.summary.hashes)) == (1, 1)


@pytest.mark.parametrize(
    ("results", "level", "nodes"), [(3, 1, 1), (4, 1, 2), (6, 1, 2), (7, 2, 1), (9, 2, 1), (10, 2, 2), (27, 3, 1)]
)
def test_tree_of_degree_two_grows_a_level_at_every_third_node(results: int, level: int, nodes: int) -> None:
    gathered = RangeReads(max_degree=2)
    for index in range(results):
        gathered.add(KvRead(f"k{index:02d}", Version(1, index)))
    raw, summary = gathered.finish()
    assert raw is None
    assert isinstance(summary, MerkleSummary)
    assert (summary.max_level, len(summary.hashes)) == (level, nodes)


def test_scan_left_early_ends_with_the_last_key_taken() -> None:
    reads = [KvRead("k1", Version(1, 0)), KvRead("k2", Version(1, 1))]
    assert recorded_range_query("k", "l", reads, False).end_key == "k2"
    assert recorded_range_query("k", "l", [], False).end_key == ""
    assert recorded_range_query("k", "l", reads, True).end_key == "l"


def test_tree_of_a_degree_below_two_is_refused() -> None:
    with pytest.raises(WireError, match="max_degree"):
        RangeReads(max_degree=1)


def _range_queries(envelope: bytes) -> tuple[RangeQuery, ...]:
    return tuple(
        query for namespace in parse_rwset(results_of(envelope)).namespaces for query in namespace.range_queries
    )


def _rebuilt(rwset: TxRwset) -> RwsetBuilder:
    builder = RwsetBuilder()
    for namespace in reversed(rwset.namespaces):
        for read in reversed(namespace.reads):
            builder.add_read(namespace.namespace, read.key, read.version)
        for write in reversed(namespace.writes):
            builder.add_write(namespace.namespace, write.key, write.value)
        for metadata in reversed(namespace.metadata_writes):
            builder.add_metadata(namespace.namespace, metadata.key, dict(reversed(metadata.entries)))
        for query in namespace.range_queries:
            builder.add_range_query(namespace.namespace, query)
    return builder


@pytest.mark.parametrize(
    ("part", "before"),
    [
        (b"\x12\x00", b""),
        (b"\x12\x04\x12\x02\x1a\x00", b""),
        (b"\x1a\x00", b"\x12"),
        (b"\x1a\x04\x12\x02\x12\x00", b"\x12"),
    ],
    ids=["namespaces", "namespaces that write", "collections", "collections that write"],
)
def test_equal_parts_of_a_set_are_read_once(part: bytes, before: bytes) -> None:
    """Nobody but an attacker writes a set of many thousand namespaces, but every peer must read it."""
    many = part * 1_000
    results = before + varint(len(many)) + many if before else many
    assert calls_during(lambda: parse_rwset(results), "read_message") <= 3
    [first, *others] = parse_rwset(results).namespaces
    parts = first.collections if before else (first, *others)
    assert (len(parts), len(set(parts))) == (1_000, 1)
