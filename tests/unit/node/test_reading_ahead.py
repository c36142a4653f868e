"""Aim: what a transaction names is read from the state only as far as its endorsements hold.

Method: transactions that name very many keys are judged on a snapshot that counts what is asked of the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from network.envelope import ENDORSEMENT_POLICY_FAILURE, VALID, Endorsement, parse_transaction
from network.rwset import (
    HashedCollection,
    HashedMetadataWrite,
    HashedRead,
    HashedWrite,
    KvMetadataWrite,
    KvRead,
    KvWrite,
    NamespaceRwset,
    RangeQuery,
    StateKey,
    TxRwset,
    Version,
    key_hash,
    serialize_metadata,
)
from node.peer.chaincode_definition import DEFINITION_KEYS
from node.peer.key_policy import KEYS_AT_FIRST
from node.peer.state import NeededState, StateEntry, StateSnapshot
from node.peer.validator import (
    IDENTITY_BYTES_MIN,
    KEYS_AHEAD_MAX,
    check_signatures,
    judge_block,
    needed_state,
    valid_endorsers,
)
from tests.support.calls import calls_during
from tests.support.consortium_in_memory import Material, make_material
from tests.support.own_channel import BANK, PARTNER, REGULATOR, OwnChannel, signature_policy

MANY = 2_000
NAMES = [f"k{number}" for number in range(MANY)]
HASHES = [key_hash(name) for name in NAMES]


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    root: Path = tmp_path_factory.mktemp("crypto")
    return make_material(root)


@pytest.fixture
def channel(material: Material) -> OwnChannel:
    return OwnChannel(material)


def one(**parts: tuple[object, ...]) -> TxRwset:
    return TxRwset((NamespaceRwset("cc", **parts),))  # type: ignore[arg-type]


def hashed(**parts: tuple[object, ...]) -> TxRwset:
    return one(collections=(HashedCollection("_implicit_org_PartnerMSP", **parts),))  # type: ignore[arg-type]


ENTRIES = (("name", b"value"),)
SETS = {
    "reads": one(reads=tuple(KvRead(name, None) for name in NAMES)),
    "ends of ranges": one(range_queries=tuple(RangeQuery("", name, exhausted=False) for name in NAMES)),
    "writes": one(writes=tuple(KvWrite(name, b"v") for name in NAMES)),
    "metadata": one(metadata_writes=tuple(KvMetadataWrite(name, ENTRIES) for name in NAMES)),
    "hashed reads": hashed(reads=tuple(HashedRead(digest, None) for digest in HASHES)),
    "hashed writes": hashed(writes=tuple(HashedWrite(digest, b"h") for digest in HASHES)),
    "hashed metadata": hashed(metadata_writes=tuple(HashedMetadataWrite(digest, ENTRIES) for digest in HASHES)),
    "namespaces": TxRwset(tuple(NamespaceRwset(name, writes=(KvWrite("k", b"v"),)) for name in NAMES)),
}


def counted(snapshot: StateSnapshot) -> list[set[StateKey]]:
    """Return the keys that each later query of a snapshot asks the store for, as they are asked."""
    asked: list[set[StateKey]] = []
    read = snapshot.read

    def read_and_noted(keys: Sequence[StateKey]) -> dict[StateKey, StateEntry]:
        asked.append(set(keys))
        return read(keys)

    snapshot.read = read_and_noted
    return asked


def judged(channel: OwnChannel, *envelopes: bytes) -> tuple[bytes, list[int]]:
    """Return a block's flags and how many keys each query asked the store for, the first before anything is judged."""
    checked = check_signatures([parse_transaction(envelope) for envelope in envelopes], channel.config)
    needed = needed_state(checked)
    snapshot = channel.state.snapshot(needed)
    later = counted(snapshot)
    flags = judge_block(channel.height, checked, channel.config, snapshot, b"\x01").flags
    return flags, [len(needed.keys), *map(len, later)]


@pytest.mark.parametrize("what", SETS)
def test_few_keys_are_read_of_a_transaction_that_nobody_endorsed(channel: OwnChannel, what: str) -> None:
    flags, asked = judged(channel, channel.transaction(SETS[what], endorsers=()))
    assert flags == bytes([ENDORSEMENT_POLICY_FAILURE])
    assert sum(asked) <= DEFINITION_KEYS + KEYS_AT_FIRST


def test_many_small_transactions_that_nobody_endorsed_have_few_keys_read_each(channel: OwnChannel) -> None:
    small = [
        channel.transaction(one(reads=tuple(KvRead(f"{number}-{place}", None) for place in range(100))), endorsers=())
        for number in range(5)
    ]
    just = KEYS_AHEAD_MAX - DEFINITION_KEYS
    whole = channel.transaction(one(reads=tuple(KvRead(name, None) for name in NAMES[:just])), endorsers=())
    flags, asked = judged(channel, *small, whole)
    assert flags == bytes([ENDORSEMENT_POLICY_FAILURE] * 6)
    assert asked == [KEYS_AHEAD_MAX]


def test_what_an_endorsed_transaction_names_is_read_by_few_queries(channel: OwnChannel) -> None:
    channel.put({StateKey("cc", "", NAMES[-1].encode()): b"v"})
    ordinary = channel.transaction(one(reads=(KvRead("a", None),), writes=(KvWrite("a", b"v"),)))
    seen = (*(KvRead(name, None) for name in NAMES[:-1]), KvRead(NAMES[-1], Version(0, 0)))
    reads = channel.transaction(one(reads=seen))
    writes = channel.transaction(SETS["writes"])
    flags, asked = judged(channel, ordinary, reads, writes)
    assert flags == bytes([VALID] * 3)
    assert asked == [DEFINITION_KEYS + 1, MANY]


def test_what_holds_by_policies_of_keys_alone_is_read_by_few_queries(channel: OwnChannel) -> None:
    policy = signature_policy("OR('RegulatorMSP.peer')").SerializeToString()
    metadata = serialize_metadata([("VALIDATION_PARAMETER", policy)])
    channel.put({StateKey("cc", "", name.encode()): b"v" for name in NAMES}, metadata=metadata)
    reads = tuple(KvRead(f"other {name}", None) for name in NAMES)
    transaction = channel.transaction(
        one(reads=reads, writes=tuple(KvWrite(name, b"v") for name in NAMES)), endorsers=[REGULATOR]
    )
    flags, asked = judged(channel, transaction)
    assert flags == bytes([VALID])
    assert sum(asked) == DEFINITION_KEYS + 2 * MANY
    assert len(asked) < 10


def test_ordinary_transactions_are_judged_by_one_query(channel: OwnChannel) -> None:
    ordinary = [
        channel.transaction(one(reads=(KvRead(name, None),), writes=(KvWrite(name, b"v"),))) for name in NAMES[:30]
    ]
    assert judged(channel, *ordinary) == (bytes([VALID] * 30), [DEFINITION_KEYS + 30])


def test_key_with_a_policy_behind_many_others_is_found(channel: OwnChannel) -> None:
    policy = signature_policy("OR('RegulatorMSP.peer')").SerializeToString()
    metadata = serialize_metadata([("VALIDATION_PARAMETER", policy)])
    channel.put({StateKey("cc", "", NAMES[-1].encode()): b"v"}, metadata=metadata)
    for endorsers, flag in (((BANK, PARTNER), ENDORSEMENT_POLICY_FAILURE), ((BANK, PARTNER, REGULATOR), VALID)):
        flags, _ = judged(channel, channel.transaction(SETS["writes"], endorsers=endorsers))
        assert flags == bytes([flag])


def test_snapshot_reads_what_it_has_not_read_and_nothing_twice(channel: OwnChannel) -> None:
    first, second, absent = (StateKey("cc", "", key) for key in (b"a", b"b", b"c"))
    channel.put({first: b"1", second: b"2"})
    snapshot = channel.state.snapshot(NeededState(frozenset([first]), frozenset()))
    asked = counted(snapshot)
    for keys in ([first], [first, second], [second, absent], [absent, first], []):
        snapshot.read_ahead(keys)
    assert asked == [{second}, {absent}]
    assert (snapshot.entry(second), snapshot.entry(absent)) == (channel.state.entry(second), None)


def test_what_is_too_short_to_be_an_identity_is_not_looked_at(channel: OwnChannel) -> None:
    parsed = parse_transaction(channel.transaction(one(writes=(KvWrite("k", b"v"),))))
    honest = valid_endorsers(parsed, channel.config)
    strangers = tuple(Endorsement(b"%d" % number, b"") for number in range(1_000))
    mixed = parsed._replace(endorsements=(*strangers, *parsed.endorsements))
    assert calls_during(lambda: valid_endorsers(mixed, channel.config), "deserialize") <= len(parsed.endorsements)
    assert valid_endorsers(mixed, channel.config) == honest
    assert all(len(item.endorser) > 5 * IDENTITY_BYTES_MIN for item in parsed.endorsements)
