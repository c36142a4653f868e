"""Aim: how much of the state is read before a block's policies are asked changes nothing about what the block comes to.

Method: hypothesis draws a state with policies of keys, and blocks whose transactions are endorsed well, badly or not at
all; each is judged on the state itself, and on what is read ahead of it with no key, few and all before the policies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.peer import collection_pb2, policy_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from network.block import Update, UpdateBatch
from network.channel_config import ChannelConfig
from network.envelope import (
    DUPLICATE_TXID,
    ENDORSEMENT_POLICY_FAILURE,
    INVALID_CHAINCODE,
    MVCC_READ_CONFLICT,
    PHANTOM_READ_CONFLICT,
    VALID,
    ParsedTransaction,
)
from network.identity import Identity
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
from node.peer import key_policy, validator
from node.peer.errors import ChannelStoppedError
from node.peer.state import MemoryState, StateReader
from node.peer.validator import CheckedTransaction, Validation, judge_block, needed_state
from tests.support.consortium_in_memory import make_material
from tests.support.own_channel import BANK, PARTNER, REGULATOR, OwnChannel, signature_policy

BLOCK = 7
WHOLE = 10**9
KEYS = [f"k{index}" for index in range(5)]
NAMESPACES = ["cc", "dd", "undefined", "_lifecycle"]
COLLECTIONS = ["plain", "own", "_implicit_org_PartnerMSP", "absent"]
POLICIES = [
    b"",
    b"\xff\xff",
    *(signature_policy(f"OR('{msp_id}.peer')").SerializeToString() for msp_id in (BANK, PARTNER, REGULATOR)),
]


@dataclass(frozen=True)
class Channel:
    """A configuration, the definitions, and who may endorse."""

    config: ChannelConfig
    definitions: MemoryState
    peers: dict[str, Identity]

    def state(self, public: dict[tuple[str, str], bytes], private: dict[tuple[str, str], bytes]) -> MemoryState:
        """Return the definitions with keys under policies of their own."""
        state = MemoryState(dict(self.definitions.entries))
        policies = {StateKey(namespace, "", name.encode()): policy for (namespace, name), policy in public.items()}
        policies |= {
            StateKey("cc", collection, key_hash(name)): policy for (collection, name), policy in private.items()
        }
        updates = {key: Update(b"v", _metadata(policy), Version(0, 0)) for key, policy in policies.items()}
        state.commit(0, UpdateBatch(updates), ["known"])
        return state


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    root: Path = tmp_path_factory.mktemp("crypto")
    material = make_material(root)
    own = OwnChannel(material)
    policy = policy_pb2.ApplicationPolicy(signature_policy=signature_policy("OR('RegulatorMSP.peer')"))
    collection = collection_pb2.StaticCollectionConfig
    own.define(
        "cc",
        collections=[collection(name="plain", block_to_live=3), collection(name="own", endorsement_policy=policy)],
    )
    own.define("dd", policy)
    peers = {
        msp_id: own.config.msps.deserialize(material.signer(msp_id, "peer").creator)
        for msp_id in (BANK, PARTNER, REGULATOR)
    }
    return Channel(own.config, own.state, peers)


def _metadata(policy: bytes) -> bytes:
    return serialize_metadata([("VALIDATION_PARAMETER", policy)]) if policy else b""


names = st.sampled_from(KEYS)
hashes = names.map(key_hash)
versions = st.sampled_from([None, Version(0, 0), Version(0, 0), Version(5, 5)])
entries = st.sampled_from(POLICIES).map(lambda policy: (("VALIDATION_PARAMETER", policy),) if policy else ())


def lists(element: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(element, max_size=3).map(tuple)


range_queries = st.builds(
    RangeQuery,
    names,
    names,
    st.booleans(),
    st.one_of(st.none(), lists(st.builds(KvRead, names, versions))),
)
collections = st.builds(
    HashedCollection,
    st.sampled_from(COLLECTIONS),
    lists(st.builds(HashedRead, hashes, versions)),
    lists(st.builds(HashedWrite, hashes, st.just(b"h" * 32), st.booleans())),
    lists(st.builds(HashedMetadataWrite, hashes, entries)),
)
sets = st.lists(
    st.builds(
        NamespaceRwset,
        st.sampled_from(NAMESPACES),
        lists(st.builds(KvRead, names, versions)),
        st.lists(range_queries, max_size=1).map(tuple),
        lists(st.builds(KvWrite, names, st.sampled_from([b"", b"v"]))),
        st.lists(st.builds(KvMetadataWrite, names, entries), max_size=1).map(tuple),
        st.lists(collections, max_size=1).map(tuple),
    ),
    max_size=2,
    unique_by=lambda namespace: namespace.namespace,
).map(lambda namespaces: TxRwset(tuple(namespaces)))
endorsers = st.one_of(st.just({BANK, PARTNER, REGULATOR}), st.sets(st.sampled_from([BANK, PARTNER, REGULATOR])))
transactions = st.tuples(
    st.sampled_from(["known", "a", "b", "c", "d", "e", "f"]),
    st.sampled_from(["cc", "cc", "dd", "undefined"]),
    sets,
    endorsers,
)
blocks = st.lists(transactions, min_size=1, max_size=5)
public_states = st.dictionaries(st.tuples(st.sampled_from(["cc", "dd"]), names), st.sampled_from(POLICIES))
private_states = st.dictionaries(
    st.tuples(st.sampled_from(["plain", "own"]), names), st.sampled_from(POLICIES), max_size=4
)


Drawn = tuple[str, str, TxRwset, set[str]]
Policies = dict[tuple[str, str], bytes]


def _checked(channel: Channel, drawn: Drawn) -> CheckedTransaction:
    tx_id, chaincode, rwset, endorsers = drawn
    parsed = ParsedTransaction(b"", tx_id=tx_id, type=common_pb2.ENDORSER_TRANSACTION, chaincode=chaincode, rwset=rwset)
    return CheckedTransaction(parsed, VALID, "", tuple(channel.peers[msp_id] for msp_id in sorted(endorsers)))


def _judged(
    checked: Sequence[CheckedTransaction], config: ChannelConfig, state: StateReader
) -> Validation | type[ChannelStoppedError]:
    try:
        return judge_block(BLOCK, checked, config, state, b"\x01")
    except ChannelStoppedError:
        return ChannelStoppedError


@given(public_states, private_states, blocks)
def test_blocks_come_to_the_same_however_much_is_read_before_the_policies(
    channel: Channel, public: Policies, private: Policies, drawn: list[Drawn]
) -> None:
    state = channel.state(public, private)
    checked = [_checked(channel, transaction) for transaction in drawn]
    expected = _judged(checked, channel.config, state)
    for ahead, at_first in ((0, 1), (20, 2), (validator.KEYS_AHEAD_MAX, key_policy.KEYS_AT_FIRST), (WHOLE, WHOLE)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(validator, "KEYS_AHEAD_MAX", ahead)
            patch.setattr(key_policy, "KEYS_AT_FIRST", at_first)
            assert _judged(checked, channel.config, state.snapshot(needed_state(checked))) == expected


def test_blocks_drawn_come_to_every_code_that_state_decides(channel: Channel) -> None:
    met: set[int] = set()

    @settings(max_examples=400, database=None, derandomize=True)
    @given(public_states, private_states, blocks)
    def gather(public: Policies, private: Policies, drawn: list[Drawn]) -> None:
        checked = [_checked(channel, transaction) for transaction in drawn]
        judged = _judged(checked, channel.config, channel.state(public, private))
        met.update(judged.flags if isinstance(judged, Validation) else ())

    gather()
    assert met >= {
        VALID,
        DUPLICATE_TXID,
        ENDORSEMENT_POLICY_FAILURE,
        MVCC_READ_CONFLICT,
        PHANTOM_READ_CONFLICT,
        INVALID_CHAINCODE,
    }
