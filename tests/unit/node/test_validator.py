"""Aim: each thing a transaction can get wrong is refused with Fabric's code, in Fabric's order of stages.

Method: a channel with our own keys; every test signs one wrong transaction as a client or peer that means harm would,
with everything after the fault made right again.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.peer import chaincode_event_pb2, collection_pb2, policy_pb2

from network.block import Update, UpdateBatch
from network.channel_config import ChannelConfig
from network.envelope import (
    BAD_CREATOR_SIGNATURE,
    DUPLICATE_TXID,
    ENDORSEMENT_POLICY_FAILURE,
    ILLEGAL_WRITESET,
    INVALID_CHAINCODE,
    INVALID_CONFIG_TRANSACTION,
    INVALID_OTHER_REASON,
    MVCC_READ_CONFLICT,
    PHANTOM_READ_CONFLICT,
    VALID,
    Endorsement,
    parse_transaction,
)
from network.rwset import (
    HashedCollection,
    HashedMetadataWrite,
    HashedWrite,
    KvMetadataWrite,
    KvRead,
    KvWrite,
    MerkleSummary,
    NamespaceRwset,
    RangeQuery,
    StateKey,
    TxRwset,
    Version,
    key_hash,
    serialize_metadata,
)
from node.peer.errors import ChannelStoppedError
from node.peer.state import NeededState
from node.peer.validator import check_transaction, needed_state, valid_endorsers
from tests.support.calls import calls_during
from tests.support.consortium_in_memory import Material, make_material
from tests.support.own_channel import BANK, ORDERER, PARTNER, REGULATOR, Edits, OwnChannel, signature_policy
from tests.support.validation_corpus import MALFORMED


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    root: Path = tmp_path_factory.mktemp("crypto")
    return make_material(root)


@pytest.fixture
def channel(material: Material) -> OwnChannel:
    return OwnChannel(material)


def writes(key: str = "k", value: bytes = b"v", namespace: str = "cc") -> TxRwset:
    return TxRwset((NamespaceRwset(namespace, writes=(KvWrite(key, value),)),))


def reads_and_writes(key: str, version: Version | None) -> TxRwset:
    return TxRwset((NamespaceRwset("cc", reads=(KvRead(key, version),), writes=(KvWrite(key, b"v"),)),))


def private(collection: str, key: str = "k", *, is_purge: bool = False) -> TxRwset:
    write = HashedWrite(key_hash(key), b"" if is_purge else b"h" * 32, is_delete=is_purge, is_purge=is_purge)
    return TxRwset((NamespaceRwset("cc", collections=(HashedCollection(collection, writes=(write,)),)),))


def key_policy(key: str, text: str) -> TxRwset:
    entries = (("VALIDATION_PARAMETER", signature_policy(text).SerializeToString()),)
    return TxRwset((NamespaceRwset("cc", metadata_writes=(KvMetadataWrite(key, entries),)),))


def test_well_made_transaction_is_valid_and_writes(channel: OwnChannel) -> None:
    validation = channel.judge(channel.transaction(writes()))
    assert validation.flags == bytes([VALID])
    assert validation.updates.entries == {StateKey("cc", "", b"k"): Update(b"v", b"", Version(1, 0))}
    assert validation.reasons == {}


@pytest.mark.parametrize(("edits", "code"), [case[1:] for case in MALFORMED], ids=[case[0] for case in MALFORMED])
def test_malformed_transaction_gets_the_code_of_the_stage_it_fails(
    channel: OwnChannel, edits: Edits, code: int
) -> None:
    validation = channel.judge(channel.transaction(writes(), edits=edits))
    assert validation.flags == bytes([code])
    assert validation.reasons[0]
    assert validation.updates.entries == {}


def test_event_that_names_another_chaincode_is_refused(channel: OwnChannel) -> None:
    for name, code in (("cc", VALID), ("dd", INVALID_OTHER_REASON)):
        event = chaincode_event_pb2.ChaincodeEvent(chaincode_id=name, event_name="e").SerializeToString()
        assert channel.flag(writes(), event=event) == code


def test_namespace_twice_in_one_set_is_an_illegal_write_set(channel: OwnChannel) -> None:
    twice = TxRwset(writes("a").namespaces + writes("b").namespaces)
    assert channel.flag(twice) == ILLEGAL_WRITESET


def test_of_a_set_that_breaks_the_form_no_state_is_read(channel: OwnChannel) -> None:
    twice = TxRwset((*writes().namespaces, *writes().namespaces))
    parsed = parse_transaction(channel.transaction(twice))
    checked = check_transaction(parsed, channel.config)
    assert (checked.flag, parsed.action_flag) == (VALID, ILLEGAL_WRITESET)
    assert needed_state([checked]) == NeededState(frozenset(), frozenset([parsed.tx_id]))


def test_a_stranger_who_endorses_many_times_is_looked_at_once(channel: OwnChannel) -> None:
    parsed = parse_transaction(channel.transaction(writes()))
    honest = valid_endorsers(parsed, channel.config)
    strangers = tuple([Endorsement(b"nobody", b"")] * 1_000)
    mixed = parsed._replace(endorsements=(*strangers, *parsed.endorsements))
    assert calls_during(lambda: valid_endorsers(mixed, channel.config), "deserialize") <= 1 + len(parsed.endorsements)
    assert valid_endorsers(mixed, channel.config) == honest


def test_configuration_without_content_is_invalid(channel: OwnChannel) -> None:
    edits = Edits(
        channel_header=lambda m: setattr(m, "type", common_pb2.CONFIG), payload=lambda m: m.ClearField("data")
    )
    assert channel.flag(writes(), edits=edits) == INVALID_CONFIG_TRANSACTION


def test_creator_who_is_no_member_of_the_channel_is_refused(channel: OwnChannel, tmp_path: Path) -> None:
    stranger = make_material(tmp_path).signer(BANK)
    assert channel.flag(writes(), creator=stranger) == BAD_CREATOR_SIGNATURE


@pytest.mark.parametrize(
    ("endorsers", "code"),
    [
        ((), ENDORSEMENT_POLICY_FAILURE),
        ((BANK,), ENDORSEMENT_POLICY_FAILURE),
        ((BANK, BANK), ENDORSEMENT_POLICY_FAILURE),
        ((BANK, ORDERER), ENDORSEMENT_POLICY_FAILURE),
        ((PARTNER, REGULATOR), VALID),
        ((BANK, PARTNER, REGULATOR), VALID),
    ],
)
def test_majority_of_organizations_must_endorse(channel: OwnChannel, endorsers: tuple[str, ...], code: int) -> None:
    assert channel.flag(writes(), endorsers=[m if m != ORDERER else _orderer(channel) for m in endorsers]) == code


def test_endorsement_by_a_client_does_not_count_as_its_organizations(channel: OwnChannel) -> None:
    client = channel.material.signer(PARTNER)
    assert channel.flag(writes(), endorsers=[BANK, client]) == ENDORSEMENT_POLICY_FAILURE


def test_every_written_namespace_needs_its_own_policy_but_a_read_one_needs_none(channel: OwnChannel) -> None:
    only_regulator = policy_pb2.ApplicationPolicy(signature_policy=signature_policy("OR('RegulatorMSP.peer')"))
    channel.define("other", only_regulator)
    read = TxRwset((*writes().namespaces, NamespaceRwset("other", reads=(KvRead("k", None),))))
    both = TxRwset(writes().namespaces + writes(namespace="other").namespaces)
    assert channel.flag(read) == VALID
    assert channel.flag(both) == ENDORSEMENT_POLICY_FAILURE
    assert channel.flag(both, endorsers=[BANK, REGULATOR]) == VALID


def test_invoked_chaincode_must_be_endorsed_even_when_it_writes_nothing(channel: OwnChannel) -> None:
    assert channel.flag(TxRwset()) == VALID
    assert channel.flag(TxRwset(), endorsers=[BANK]) == ENDORSEMENT_POLICY_FAILURE
    assert channel.flag(TxRwset(), chaincode="unknown") == INVALID_CHAINCODE


def test_lifecycle_needs_the_channels_lifecycle_policy(channel: OwnChannel) -> None:
    define = writes("namespaces/metadata/new", namespace="_lifecycle")
    assert channel.flag(define, chaincode="_lifecycle") == VALID
    assert channel.flag(define, chaincode="_lifecycle", endorsers=[BANK]) == ENDORSEMENT_POLICY_FAILURE


def test_definition_committed_in_this_block_counts_from_the_next(channel: OwnChannel) -> None:
    key = StateKey("_lifecycle", "", b"namespaces/metadata/late")
    early = channel.transaction(writes(namespace="late"), chaincode="late")
    rwset = TxRwset((NamespaceRwset("_lifecycle", writes=(KvWrite(key.key.decode(), b"x"),)),))
    validation = channel.judge(channel.transaction(rwset, chaincode="_lifecycle"), early)
    assert validation.flags == bytes([VALID, INVALID_CHAINCODE])
    channel.define("late")
    assert channel.judge(early).flags == bytes([VALID])


def test_damaged_or_foreign_definition_stops_the_channel(channel: OwnChannel) -> None:
    channel.define("kind", datatype="Something")
    with pytest.raises(ChannelStoppedError, match="not a chaincode"):
        channel.flag(writes(namespace="kind"), chaincode="kind")
    channel.define("plugin", plugin="mine")
    with pytest.raises(ChannelStoppedError, match="validation plugin"):
        channel.flag(writes(namespace="plugin"), chaincode="plugin")
    channel.put({StateKey("lscc", "", b"old"): b"x"})
    with pytest.raises(ChannelStoppedError, match=r"Fabric 1\.x"):
        channel.flag(writes(namespace="old"), chaincode="old")
    channel.put({StateKey("_lifecycle", "", b"namespaces/metadata/torn"): b"\xff"})
    with pytest.raises(ChannelStoppedError, match="does not parse"):
        channel.flag(writes(namespace="torn"), chaincode="torn")


def test_definition_without_policy_or_with_a_broken_one_lets_nothing_pass(channel: OwnChannel) -> None:
    channel.define("bare", policy_pb2.ApplicationPolicy())
    assert channel.flag(writes(namespace="bare"), chaincode="bare") == INVALID_CHAINCODE
    channel.define("astray", policy_pb2.ApplicationPolicy(channel_config_policy_reference="/Channel/Nowhere"))
    assert channel.flag(writes(namespace="astray"), chaincode="astray") == ENDORSEMENT_POLICY_FAILURE


def test_duplicate_id_is_found_before_the_policy_is_asked_and_after_the_form(channel: OwnChannel) -> None:
    envelope = channel.transaction(writes())
    assert channel.judge(envelope, commit=True).flags == bytes([VALID])
    assert channel.judge(envelope).flags == bytes([DUPLICATE_TXID])


def test_second_of_one_id_in_a_block_is_a_duplicate_only_if_the_first_held(channel: OwnChannel) -> None:
    weak = channel.transaction(writes(), endorsers=[BANK])
    assert channel.judge(weak, weak).flags == bytes([ENDORSEMENT_POLICY_FAILURE] * 2)
    stale = channel.transaction(reads_and_writes("k", Version(9, 9)))
    assert channel.judge(stale, stale).flags == bytes([MVCC_READ_CONFLICT, DUPLICATE_TXID])


def test_collection_with_a_policy_of_its_own_is_judged_by_that(channel: OwnChannel) -> None:
    own = policy_pb2.ApplicationPolicy(signature_policy=signature_policy("OR('RegulatorMSP.peer')"))
    channel.define(
        "cc",
        collections=[
            collection_pb2.StaticCollectionConfig(name="plain"),
            collection_pb2.StaticCollectionConfig(name="own", endorsement_policy=own),
        ],
    )
    assert channel.flag(private("plain")) == VALID
    assert channel.flag(private("plain"), endorsers=[REGULATOR]) == ENDORSEMENT_POLICY_FAILURE
    assert channel.flag(private("own")) == ENDORSEMENT_POLICY_FAILURE
    assert channel.flag(private("own"), endorsers=[REGULATOR]) == VALID
    assert channel.flag(private("absent")) == ENDORSEMENT_POLICY_FAILURE


def test_implicit_collection_is_its_organizations_alone(channel: OwnChannel) -> None:
    assert channel.flag(private("_implicit_org_PartnerMSP"), endorsers=[PARTNER]) == VALID
    assert channel.flag(private("_implicit_org_PartnerMSP"), endorsers=[BANK]) == ENDORSEMENT_POLICY_FAILURE
    assert channel.flag(private("_implicit_org_NobodyMSP")) == ENDORSEMENT_POLICY_FAILURE


def test_key_with_its_own_policy_is_judged_by_that_alone(channel: OwnChannel) -> None:
    channel.put({StateKey("cc", "", b"k"): b"v"})
    assert channel.judge(channel.transaction(key_policy("k", "OR('RegulatorMSP.peer')")), commit=True).flags == b"\x00"
    assert channel.flag(writes("k")) == ENDORSEMENT_POLICY_FAILURE
    assert channel.flag(writes("k"), endorsers=[REGULATOR]) == VALID
    assert channel.flag(key_policy("k", "OR('DwaybankMSP.peer')")) == ENDORSEMENT_POLICY_FAILURE
    mixed = TxRwset((NamespaceRwset("cc", writes=(KvWrite("j", b"v"), KvWrite("k", b"v"))),))
    assert channel.flag(mixed, endorsers=[REGULATOR]) == ENDORSEMENT_POLICY_FAILURE
    assert channel.flag(mixed, endorsers=[REGULATOR, BANK]) == VALID


def test_key_policy_of_many_gates_inside_one_another_counts_as_at_go_peers(channel: OwnChannel) -> None:
    policy = signature_policy("OR('RegulatorMSP.peer')")
    policy.rule.Clear()
    rule = policy.rule
    for _ in range(60):
        rule.n_out_of.n = 1
        rule = rule.n_out_of.rules.add()
    rule.signed_by = 0
    content = policy.SerializeToString()
    channel.put({StateKey("cc", "", b"k"): b"v"}, metadata=serialize_metadata([("VALIDATION_PARAMETER", content)]))
    assert channel.flag(writes("k"), endorsers=[BANK, PARTNER]) == ENDORSEMENT_POLICY_FAILURE
    assert channel.flag(writes("k"), endorsers=[REGULATOR]) == VALID
    collection = collection_pb2.StaticCollectionConfig(name="plain")
    collection.endorsement_policy.signature_policy.CopyFrom(policy)
    channel.define("cc", collections=[collection])
    assert channel.flag(private("plain"), endorsers=[REGULATOR, BANK]) == VALID


def test_value_written_under_a_key_policy_keeps_the_policy(channel: OwnChannel) -> None:
    channel.put({StateKey("cc", "", b"k"): b"v"})
    channel.judge(channel.transaction(key_policy("k", "OR('RegulatorMSP.peer')")), commit=True)
    channel.judge(channel.transaction(writes("k", b"new"), endorsers=[REGULATOR]), commit=True)
    assert channel.flag(writes("k")) == ENDORSEMENT_POLICY_FAILURE


def test_private_key_with_its_own_policy_is_judged_by_that(channel: OwnChannel) -> None:
    channel.define("cc", collections=[collection_pb2.StaticCollectionConfig(name="plain")])
    policy = signature_policy("OR('RegulatorMSP.peer')").SerializeToString()
    channel.judge(channel.transaction(private("plain")), commit=True)
    write = HashedMetadataWrite(key_hash("k"), (("VALIDATION_PARAMETER", policy),))
    rwset = TxRwset((NamespaceRwset("cc", collections=(HashedCollection("plain", metadata_writes=(write,)),)),))
    assert channel.judge(channel.transaction(rwset), commit=True).flags == bytes([VALID])
    assert channel.flag(private("plain")) == ENDORSEMENT_POLICY_FAILURE
    assert channel.flag(private("plain"), endorsers=[REGULATOR]) == VALID


def test_key_whose_policy_changes_earlier_in_the_block_may_not_be_written(channel: OwnChannel) -> None:
    channel.put({StateKey("cc", "", b"k"): b"v"})
    change = channel.transaction(key_policy("k", "OR('RegulatorMSP.peer')"))
    write = channel.transaction(writes("k"), endorsers=[BANK, PARTNER, REGULATOR])
    assert channel.judge(change, write).flags == bytes([VALID, ENDORSEMENT_POLICY_FAILURE])
    assert channel.judge(write, change).flags == bytes([VALID, VALID])
    weak = channel.transaction(key_policy("k", "OR('RegulatorMSP.peer')"), endorsers=[BANK])
    assert channel.judge(weak, write).flags == bytes([ENDORSEMENT_POLICY_FAILURE, VALID])


def test_policy_change_counts_within_its_block_even_when_mvcc_undoes_it(channel: OwnChannel) -> None:
    channel.put({StateKey("cc", "", b"k"): b"v"})
    [policy] = key_policy("k", "OR('RegulatorMSP.peer')").namespaces
    stale = NamespaceRwset("cc", reads=(KvRead("k", Version(7, 7)),), metadata_writes=policy.metadata_writes)
    flags = channel.judge(channel.transaction(TxRwset((stale,))), channel.transaction(writes("k"))).flags
    assert flags == bytes([MVCC_READ_CONFLICT, ENDORSEMENT_POLICY_FAILURE])


def test_key_policy_that_is_no_policy_lets_nothing_pass(channel: OwnChannel) -> None:
    broken = serialize_metadata([("VALIDATION_PARAMETER", b"\xff\xff")])
    channel.put({StateKey("cc", "", b"k"): b"v"}, metadata=broken)
    assert channel.flag(writes("k"), endorsers=[BANK, PARTNER, REGULATOR]) == ENDORSEMENT_POLICY_FAILURE
    channel.put({StateKey("cc", "", b"k"): b"v"}, metadata=b"\xff")
    with pytest.raises(ChannelStoppedError, match="metadata"):
        channel.flag(writes("k"))


def test_purge_within_a_valid_transaction_is_reported(channel: OwnChannel) -> None:
    channel.define("cc", collections=[collection_pb2.StaticCollectionConfig(name="plain", block_to_live=5)])
    write, purge = channel.transaction(private("plain", "a")), channel.transaction(private("plain", "b", is_purge=True))
    validation = channel.judge(write, purge)
    assert validation.flags == bytes([VALID, VALID])
    assert validation.purges == {StateKey("cc", "plain", key_hash("b")): Version(1, 1)}
    assert [(item.key.key, item.expiring_block) for item in validation.expiries] == [(key_hash("a"), 7)]


@pytest.mark.parametrize("block_to_live", [2**63 - 1, 2**64 - 1])
def test_private_hashes_that_live_longer_than_any_channel_never_expire(channel: OwnChannel, block_to_live: int) -> None:
    channel.define("cc", collections=[collection_pb2.StaticCollectionConfig(name="plain", block_to_live=block_to_live)])
    validation = channel.judge(channel.transaction(private("plain", "a")))
    assert validation.flags == bytes([VALID])
    assert validation.expiries == ()


def test_genesis_block_is_valid_and_has_no_commit_hash(channel: OwnChannel) -> None:
    channel.height = 0
    validation = channel.judge(channel.genesis.data.data[0])
    assert (validation.flags, validation.commit_hash) == (bytes([VALID]), b"")
    assert validation.updates == UpdateBatch()
    assert validation.next_config is channel.config


def _orderer(channel: OwnChannel) -> object:
    return channel.material.signer(ORDERER, "orderer")


def test_channel_without_policies_for_lifecycle_and_implicit_collections_asks_members(channel: OwnChannel) -> None:
    envelope = configtx_pb2.ConfigEnvelope.FromString(channel.config.envelope)
    application = envelope.config.channel_group.groups["Application"]
    del application.policies["LifecycleEndorsement"]
    for organization in application.groups.values():
        del organization.policies["Endorsement"]
    channel.config = ChannelConfig.from_envelope(envelope.SerializeToString(), channel.config.channel_id)
    define = writes("namespaces/metadata/new", namespace="_lifecycle")
    clients = [channel.material.signer(msp_id) for msp_id in (BANK, PARTNER)]
    assert channel.flag(define, chaincode="_lifecycle", endorsers=clients) == VALID
    assert channel.flag(define, chaincode="_lifecycle", endorsers=clients[:1]) == ENDORSEMENT_POLICY_FAILURE
    channel.define("cc", policy_pb2.ApplicationPolicy(signature_policy=signature_policy("OR('DwaybankMSP.member')")))
    own = private("_implicit_org_PartnerMSP")
    assert channel.flag(own, endorsers=clients) == VALID
    assert channel.flag(own, endorsers=clients[:1]) == ENDORSEMENT_POLICY_FAILURE


def test_channel_whose_transactions_are_judged_by_older_rules_stops_at_the_first(channel: OwnChannel) -> None:
    """Those look chaincodes up elsewhere: a Go peer finds invalid what the rules here find valid."""
    envelope = configtx_pb2.ConfigEnvelope.FromString(channel.config.envelope)
    capabilities = envelope.config.channel_group.groups["Application"].values["Capabilities"]
    capabilities.value = configuration_pb2.Capabilities(
        capabilities={"V1_4_2": configuration_pb2.Capability()}
    ).SerializeToString()
    channel.config = ChannelConfig.from_envelope(envelope.SerializeToString(), channel.config.channel_id)
    with pytest.raises(ChannelStoppedError, match=r"\['V1_4_2'\]: transactions are judged only by V2_0 or V2_5"):
        channel.flag(writes("k"))


def test_organization_that_chose_another_hash_endorses_nothing_by_sha256(channel: OwnChannel) -> None:
    """Nor does this very peer, which need not check its own endorsements otherwise."""
    envelope = configtx_pb2.ConfigEnvelope.FromString(channel.config.envelope)
    for group in envelope.config.channel_group.groups["Application"].groups.values():
        outer = msp_config_pb2.MSPConfig.FromString(group.values["MSP"].value)
        inner = msp_config_pb2.FabricMSPConfig.FromString(outer.config)
        if inner.name == PARTNER:
            inner.crypto_config.signature_hash_family = "SHA3"
            outer.config = inner.SerializeToString()
            group.values["MSP"].value = outer.SerializeToString()
    config = ChannelConfig.from_envelope(envelope.SerializeToString(), channel.config.channel_id)
    parsed = parse_transaction(channel.transaction(writes("k")))
    own = parsed.endorsements[1].endorser
    for known, count in ((channel.config, 2), (config, 1)):
        found = valid_endorsers(parsed, known, own_creator=own, own_endorsement=lambda *_: True)
        assert len(found) == count


def test_key_policy_without_a_rule_lets_nothing_pass(channel: OwnChannel) -> None:
    empty = serialize_metadata([("VALIDATION_PARAMETER", b"\x08\x01")])
    channel.put({StateKey("cc", "", b"k"): b"v"}, metadata=empty)
    assert channel.flag(writes("k"), endorsers=[BANK, PARTNER, REGULATOR]) == ENDORSEMENT_POLICY_FAILURE


def test_hash_tree_that_no_simulation_makes_is_a_phantom(channel: OwnChannel) -> None:
    query = RangeQuery("a", "z", True, summary=MerkleSummary(1, 1, (b"h",)))
    assert channel.flag(TxRwset((NamespaceRwset("cc", range_queries=(query,)),))) == PHANTOM_READ_CONFLICT


def test_key_written_twice_by_hand_does_what_fabrics_sum_of_steps_says(channel: OwnChannel) -> None:
    # Two writes sum to the number of "metadata only": the value that stands is renewed, and none is made.
    twice = TxRwset((NamespaceRwset("cc", writes=(KvWrite("k", b"1"), KvWrite("k", b"2"))),))
    assert channel.judge(channel.transaction(twice)).updates == UpdateBatch()
    channel.put({StateKey("cc", "", b"k"): b"old"})
    updates = channel.judge(channel.transaction(twice)).updates
    assert updates.entries == {StateKey("cc", "", b"k"): Update(b"old", b"", Version(1, 0))}
