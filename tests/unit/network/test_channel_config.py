"""Aim: a configuration is loaded, looked up and changed as on a Fabric peer, and refused where Fabric refuses it.

Method: the genesis blocks and configuration updates captured from a real network; then a generated channel whose
configuration is broken in one place at a time.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2, policies_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2

from network.channel_acl import LOCAL_ROLES
from network.channel_config import ChannelConfig, application_policy, config_of_block, parse_duration_s
from network.config_delta import config_delta, sign_update
from network.config_update import signatures_of, update_of
from network.crypto_material import generate_organization, revoke
from network.errors import ConfigError, IdentityRevokedError, PolicyError, PolicyNotSatisfiedError
from network.identity import SigningIdentity
from network.msp_folder import read_msp_config
from network.policy import SignedData, parse_signature_policy
from tests.support.calls import calls_during
from tests.support.captured import NETWORKS, captured
from tests.support.generated_channel import NAMES, START, GeneratedChannel, generate_channel, organization_spec

Change = Callable[[configtx_pb2.ConfigGroup], None]


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> GeneratedChannel:
    return generate_channel(tmp_path_factory.mktemp("consortium"))


def last_config_transaction(network: str) -> bytes:
    """Return the captured ConfigEnvelope that changes the channel."""
    blocks = captured(network)
    return config_of_block(blocks.block(len(blocks.blocks) - 2))[1]


# --- captured ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
def test_captured_genesis_gives_the_networks_settings(network: str) -> None:
    config = ChannelConfig.from_block(captured(network).block(0))
    assert (config.channel_id, config.sequence) == ("anchors", 0)
    assert config.application_msp_ids == ("DwaybankMSP", "PartnerMSP", "RegulatorMSP")
    assert config.orderer_msp_ids == ("OrdererMSP",)
    assert config.capabilities.channel == {"V3_0"}
    assert config.capabilities.orderer == {"V2_0"}
    assert config.capabilities.application == {"V2_5"}
    assert config.anchor_peers["PartnerMSP"] == ("127.0.0.1:7351",)
    orderer = config.orderer
    assert (orderer.max_messages, orderer.absolute_max_bytes, orderer.preferred_max_bytes) == (500, 10485760, 2097152)
    assert orderer.batch_timeout_s == pytest.approx(0.2)
    assert orderer.addresses["OrdererMSP"][0] == "127.0.0.1:7050"


def test_captured_bft_genesis_names_its_consenters() -> None:
    config = ChannelConfig.from_block(captured("bft").block(0))
    assert config.orderer.consensus_type == "BFT"
    assert [consenter.id for consenter in config.orderer.consenters] == [1, 2, 3, 4]
    consenter = config.orderer.consenter(3)
    assert consenter is not None
    assert config.msps.identity(consenter.creator).msp_id == "OrdererMSP"
    assert config.orderer.consenter(9) is None


@pytest.mark.parametrize("network", NETWORKS)
def test_captured_update_leads_to_the_next_configuration_and_only_once(network: str) -> None:
    before = ChannelConfig.from_block(captured(network).block(0))
    transaction = last_config_transaction(network)
    after = before.validate_update(transaction)
    assert after.sequence == 1
    assert len(after.anchor_peers["PartnerMSP"]) == 2
    assert len(before.anchor_peers["PartnerMSP"]) == 1
    with pytest.raises(ConfigError, match="after 1 it must be 2"):
        after.validate_update(transaction)


@pytest.mark.parametrize("network", NETWORKS)
def test_captured_update_is_the_difference_of_its_two_configurations(network: str) -> None:
    before = ChannelConfig.from_block(captured(network).block(0))
    transaction = last_config_transaction(network)
    after = before.validate_update(transaction)
    made = config_delta("anchors", before.group(), after.group())
    last_update = configtx_pb2.ConfigEnvelope.FromString(transaction).last_update
    captured_update = configtx_pb2.ConfigUpdate.FromString(update_of(last_update).config_update)
    assert made.write_set == captured_update.write_set
    assert made.read_set == captured_update.read_set


@pytest.mark.parametrize("network", NETWORKS)
def test_captured_update_with_another_result_or_signer_is_refused(network: str) -> None:
    before = ChannelConfig.from_block(captured(network).block(0))
    forged = configtx_pb2.ConfigEnvelope.FromString(last_config_transaction(network))
    forged.config.channel_group.groups["Application"].groups["PartnerMSP"].version += 1
    with pytest.raises(ConfigError, match="not what its update makes"):
        before.validate_update(forged.SerializeToString())
    unsigned = configtx_pb2.ConfigEnvelope.FromString(last_config_transaction(network))
    payload = common_pb2.Payload.FromString(unsigned.last_update.payload)
    update = configtx_pb2.ConfigUpdateEnvelope.FromString(payload.data)
    update.signatures[0].signature = update.signatures[0].signature[:-1] + b"\x00"
    payload.data = update.SerializeToString()
    unsigned.last_update.payload = payload.SerializeToString()
    with pytest.raises(ConfigError, match=r"not satisfied: signature set did not satisfy policy$"):
        before.validate_update(unsigned.SerializeToString())


# --- lookups -------------------------------------------------------------------------------------------------------


def test_acl_is_fabrics_default_unless_the_channel_says_otherwise(channel: GeneratedChannel) -> None:
    config = channel.config
    assert config.acl_path("peer/Propose") == "/Channel/Application/Writers"
    assert config.acl_path("event/Block") == "/Channel/Application/Readers"
    changed = _loaded(channel, _acls({"peer/Propose": "Admins", "event/Block": "/Channel/Readers", "qscc/X": ""}))
    assert changed.acl_path("peer/Propose") == "/Channel/Application/Admins"
    assert changed.acl_path("event/Block") == "/Channel/Readers"
    assert changed.acl_path("cscc/GetConfigBlock") == "/Channel/Application/Readers"
    for resource in ("qscc/X", "no/such", next(iter(LOCAL_ROLES))):
        with pytest.raises(PolicyError):
            changed.acl_path(resource)


def test_refusal_names_the_channel_where_it_has_no_rule_of_its_own(channel: GeneratedChannel) -> None:
    error = PolicyError("no")
    default = channel.config.acl_refusal("peer/Propose", error)
    assert default == (
        f"Failed evaluating policy on signed data during check policy on channel [{channel.config.channel_id}] with "
        "policy [/Channel/Application/Writers]: [no]"
    )
    changed = _loaded(channel, _acls({"peer/Propose": "Admins"}))
    assert changed.acl_refusal("peer/Propose", error) == (
        "failed evaluating policy on signed data during check policy [/Channel/Application/Admins]: [no]"
    )


def test_check_acl_judges_the_requests_signature(channel: GeneratedChannel) -> None:
    user = channel.user("partner", "User1")
    request = SignedData(b"request", user.creator, user.sign(b"request"))
    channel.config.check_acl("peer/Propose", [request])
    with pytest.raises(PolicyNotSatisfiedError):
        channel.config.check_acl("peer/Propose", [SignedData(b"other", user.creator, user.sign(b"request"))])


def test_policy_that_does_not_exist_is_an_error(channel: GeneratedChannel) -> None:
    with pytest.raises(PolicyError, match="/Channel/Nothing"):
        channel.config.policy("/Channel/Nothing")


def test_application_policy_is_a_signature_policy_or_one_of_the_channel(channel: GeneratedChannel) -> None:
    config = channel.config
    rule = parse_signature_policy("OR('PartnerMSP.client')")
    own = application_policy(config, policies_pb2.ApplicationPolicy(signature_policy=rule).SerializeToString())
    user = channel.user("partner", "User1")
    own.evaluate_identities([config.msps.identity(user.creator)])
    reference = policies_pb2.ApplicationPolicy(channel_config_policy_reference="/Channel/Application/Endorsement")
    assert application_policy(config, reference.SerializeToString()) is config.policy(
        "/Channel/Application/Endorsement"
    )
    missing = policies_pb2.ApplicationPolicy(channel_config_policy_reference="/Channel/Nothing")
    for broken in (b"\xff", b"", missing.SerializeToString()):
        with pytest.raises(PolicyError):
            application_policy(config, broken)


@pytest.mark.parametrize(
    ("text", "seconds"), [("200ms", 0.2), ("2s", 2), ("1m30s", 90), ("1.5h", 5400), ("+.5s", 0.5), ("7us", 7e-6)]
)
def test_duration_is_read_as_go_writes_it(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "2", "0s", "-1s", "s", "2s!", "2 s", "two"])
def test_duration_that_is_not_positive_with_units_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="duration"):
        parse_duration_s(text)


# --- what Fabric would not load ------------------------------------------------------------------------------------


def _loaded(channel: GeneratedChannel, change: Change, channel_id: str = "anchors") -> ChannelConfig:
    group = channel.config.group()
    change(group)
    config = configtx_pb2.Config(channel_group=group)
    return ChannelConfig.from_envelope(configtx_pb2.ConfigEnvelope(config=config).SerializeToString(), channel_id)


def _acls(references: dict[str, str]) -> Change:
    acls = peer_pb2.ACLs(acls={name: peer_pb2.APIResource(policy_ref=path) for name, path in references.items()})
    return _value("Application", "ACLs", acls)


def _value(group: str, name: str, message: object) -> Change:
    """Return a change that sets one value of a group ("" is the root)."""

    def change(root: configtx_pb2.ConfigGroup) -> None:
        target = root
        for part in filter(None, group.split("/")):
            target = target.groups[part]
        target.values[name].value = message.SerializeToString()  # type: ignore[attr-defined]

    return change


def _capability(group: str, name: str) -> Change:
    return _value(
        group, "Capabilities", configuration_pb2.Capabilities(capabilities={name: configuration_pb2.Capability()})
    )


def _size(count: int, absolute: int, preferred: int) -> Change:
    size = orderer_pb2.BatchSize(max_message_count=count, absolute_max_bytes=absolute, preferred_max_bytes=preferred)
    return _value("Orderer", "BatchSize", size)


def _without_endpoints(root: configtx_pb2.ConfigGroup) -> None:
    del root.groups["Orderer"].groups["OrdererMSP"].values["Endpoints"]


def _without_msp(root: configtx_pb2.ConfigGroup) -> None:
    del root.groups["Application"].groups["PartnerMSP"].values["MSP"]


def _two_definitions(root: configtx_pb2.ConfigGroup) -> None:
    msp = root.groups["Application"].groups["PartnerMSP"].values["MSP"]
    other = type(msp)()
    other.CopyFrom(root.groups["Orderer"].groups["OrdererMSP"].values["MSP"])
    changed = other.value.replace(b"OrdererMSP", b"PartnerMSP")
    root.groups["Orderer"].groups["OrdererMSP"].values["MSP"].value = changed


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda root: root.groups.pop("Orderer"), "no group Orderer"),
        (lambda root: root.groups.pop("Application"), "no group Application"),
        (lambda root: root.groups["Consortiums"].values, "'Consortiums'"),
        (_value("", "Surprise", configuration_pb2.Consortium()), "unknown value 'Surprise'"),
        (_value("Orderer", "Surprise", configuration_pb2.Consortium()), "Orderer has the unknown value"),
        (_value("Application/PartnerMSP", "Endpoints", configuration_pb2.OrdererAddresses()), "Application/PartnerMSP"),
        (lambda root: root.groups["Application"].groups["PartnerMSP"].groups["X"].values, "groups below it"),
        (_without_msp, "no value MSP"),
        (_value("Application/PartnerMSP", "MSP", configuration_pb2.Consortium(name="x")), "MSP"),
        (_two_definitions, "defined twice"),
        (_value("", "HashingAlgorithm", configuration_pb2.HashingAlgorithm(name="SHA2")), "'SHA2'; it must be"),
        (_value("", "BlockDataHashingStructure", configuration_pb2.BlockDataHashingStructure(width=2)), "4294967295"),
        (
            _value("", "OrdererAddresses", configuration_pb2.OrdererAddresses(addresses=["a:1"])),
            "global OrdererAddresses are not allowed with V3_0",
        ),
        (_capability("", "V9_9"), "'V9_9'"),
        (_capability("", "V1_3"), "is needed"),
        (lambda root: root.groups["Orderer"].values.pop("Capabilities"), "Orderer has no value Capabilities"),
        (_capability("Application", "V8_0"), "application capability"),
        (_size(0, 2, 1), "max_message_count is 0"),
        (_size(1, 0, 1), "absolute_max_bytes is 0"),
        (_size(1, 2, 0), "preferred_max_bytes is 0"),
        (_size(1, 2, 3), "exceeds"),
        (_value("Orderer", "BatchTimeout", orderer_pb2.BatchTimeout(timeout="soon")), "'soon'"),
        (_value("Orderer", "BatchTimeout", orderer_pb2.BatchTimeout(timeout="0.1ns")), "'0.1ns' is not positive"),
        (_value("Orderer", "BatchTimeout", orderer_pb2.BatchTimeout(timeout="999999999h")), "too long"),
        (_without_endpoints, "no Endpoints"),
        (lambda root: root.groups["Application"].policies["bad name"], "'bad name'"),
        (lambda root: root.groups["Application"].policies["Empty"], "/Channel/Application/Empty is empty"),
    ],
)
def test_configuration_with_one_fault_is_refused_with_its_reason(
    channel: GeneratedChannel, change: Change, reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        _loaded(channel, change)


def test_rules_of_orderers_that_are_not_known_stop_orderers_but_no_peer(channel: GeneratedChannel) -> None:
    capabilities = _loaded(channel, _capability("Orderer", "V9_9")).capabilities
    with pytest.raises(ConfigError, match="orderer capability 'V9_9'"):
        capabilities.require_ordering()


def test_hash_that_fabric_takes_and_never_uses_is_taken(channel: GeneratedChannel) -> None:
    _loaded(channel, _value("", "HashingAlgorithm", configuration_pb2.HashingAlgorithm(name="SHA3_256")))


def test_orderers_of_the_whole_channel_count_where_no_organization_names_its_own(channel: GeneratedChannel) -> None:
    """As on channels that began before V1_4_2."""

    def change(root: configtx_pb2.ConfigGroup) -> None:
        capabilities = configuration_pb2.Capabilities(capabilities={"V2_0": configuration_pb2.Capability()})
        root.values["Capabilities"].value = capabilities.SerializeToString()
        addresses = configuration_pb2.OrdererAddresses(addresses=["old.example:7050", "older.example:7050"])
        root.values["OrdererAddresses"].value = addresses.SerializeToString()

    own = _loaded(channel, change).orderer.addresses
    assert "" not in own

    def without_endpoints(root: configtx_pb2.ConfigGroup) -> None:
        change(root)
        _without_endpoints(root)

    found = _loaded(channel, without_endpoints).orderer.addresses
    assert found == {"": ("old.example:7050", "older.example:7050")}


@pytest.mark.parametrize("channel_id", ["", "Anchors", "1st", "a" * 250, "a_b"])
def test_channel_id_outside_fabrics_rule_is_refused(channel: GeneratedChannel, channel_id: str) -> None:
    with pytest.raises(ConfigError, match="channel ID"):
        _loaded(channel, lambda root: None, channel_id)


def test_block_that_is_no_config_block_is_refused() -> None:
    blocks = captured("raft")
    with pytest.raises(ConfigError, match="CONFIG"):
        ChannelConfig.from_block(blocks.block(6))
    with pytest.raises(ConfigError, match="one envelope"):
        ChannelConfig.from_block(common_pb2.Block())
    with pytest.raises(ConfigError, match="not that message"):
        ChannelConfig.from_envelope(b"\xff", "anchors")


# --- changes -------------------------------------------------------------------------------------------------------


def _signed(
    channel: GeneratedChannel, config: ChannelConfig, change: Change, *signers: SigningIdentity
) -> common_pb2.Envelope:
    group = config.group()
    change(group)
    update = config_delta(config.channel_id, config.group(), group)
    return sign_update(update, signers or (channel.user("partner"),), START, secrets.token_bytes)


def _anchor(port: int) -> Change:
    peers = peer_pb2.AnchorPeers(anchor_peers=[peer_pb2.AnchorPeer(host="127.0.0.1", port=port)])
    return _value("Application/PartnerMSP", "AnchorPeers", peers)


def test_own_update_is_proposed_validated_and_counted(channel: GeneratedChannel) -> None:
    config = channel.config
    for port in (1, 2, 3):
        proposed = config.propose_update(_signed(channel, config, _anchor(port)))
        config = config.validate_update(proposed)
        assert config.anchor_peers["PartnerMSP"] == (f"127.0.0.1:{port}",)
    assert config.sequence == 3


def test_update_not_signed_by_the_organization_it_concerns_is_refused(channel: GeneratedChannel) -> None:
    config = channel.config
    for signer in (channel.user("regulator"), channel.user("partner", "User1")):
        with pytest.raises(
            ConfigError,
            match=r"policy for \[Value\]  /Channel/Application/PartnerMSP/AnchorPeers not satisfied: signature set",
        ):
            config.propose_update(_signed(channel, config, _anchor(9), signer))


def test_organization_joins_by_a_majority_and_leaves_again(channel: GeneratedChannel, tmp_path: Path) -> None:
    config = channel.config
    generate_organization(tmp_path, organization_spec("newcomer"), START)
    msp = read_msp_config(organization_spec("newcomer").folder(tmp_path) / "msp", "NewcomerMSP")

    def join(root: configtx_pb2.ConfigGroup) -> None:
        own = root.groups["Application"].groups["NewcomerMSP"]
        own.CopyFrom(root.groups["Application"].groups["PartnerMSP"])
        own.values["MSP"].value = msp

    admins = [channel.user(name) for name in NAMES]
    with pytest.raises(
        ConfigError,
        match=r"policy for \[Group\]  /Channel/Application not satisfied: implicit .* - 1 sub-policies",
    ):
        config.propose_update(_signed(channel, config, join, admins[0]))
    joined = config.validate_update(config.propose_update(_signed(channel, config, join, *admins[:2])))
    assert "NewcomerMSP" in joined.application_msp_ids
    left = joined.propose_update(
        _signed(channel, joined, lambda root: root.groups["Application"].groups.pop("NewcomerMSP"), *admins)
    )
    assert joined.validate_update(left).application_msp_ids == config.application_msp_ids


def test_batch_size_belongs_to_the_orderers_administrators(channel: GeneratedChannel) -> None:
    config = channel.config
    with pytest.raises(
        ConfigError,
        match=r"/Channel/Orderer/BatchSize not satisfied: implicit .* - 0 sub-policies",
    ):
        config.propose_update(_signed(channel, config, _size(7, 2, 1)))
    proposed = config.propose_update(_signed(channel, config, _size(7, 2, 1), channel.user("orderer")))
    assert config.validate_update(proposed).orderer.max_messages == 7


def test_revocation_takes_effect_with_the_configuration_that_brings_it(tmp_path: Path) -> None:
    channel = generate_channel(tmp_path)
    config, user = channel.config, channel.user("partner", "User1")
    revoke(channel.folder("partner"), [user.certificate], START)
    msp = read_msp_config(channel.folder("partner") / "msp", "PartnerMSP")

    def change(root: configtx_pb2.ConfigGroup) -> None:
        root.groups["Application"].groups["PartnerMSP"].values["MSP"].value = msp

    after = config.validate_update(config.propose_update(_signed(channel, config, change)))
    config.msps.identity(user.creator)
    with pytest.raises(IdentityRevokedError):
        after.msps.identity(user.creator)
    after.msps.identity(channel.user("partner", "Reviewer").creator)


def test_organization_cannot_change_its_msp_id(channel: GeneratedChannel) -> None:
    config = channel.config
    other = read_msp_config(channel.folder("partner") / "msp", "OtherMSP")

    def change(root: configtx_pb2.ConfigGroup) -> None:
        root.groups["Application"].groups["PartnerMSP"].values["MSP"].value = other

    with pytest.raises(ConfigError, match="changes its MSP ID from PartnerMSP to OtherMSP"):
        config.propose_update(_signed(channel, config, change))


def test_update_made_for_another_version_is_refused(channel: GeneratedChannel) -> None:
    config = channel.config
    late = _signed(
        channel, config, lambda root: root.groups["Application"].groups["PartnerMSP"].policies.pop("Readers")
    )
    after = config.validate_update(config.propose_update(late))
    with pytest.raises(
        ConfigError,
        match=r"ReadSet: proposed update requires that key .* be at version 0, but it is currently at version 1",
    ):
        after.propose_update(late)


def _raw(update: configtx_pb2.ConfigUpdate, channel: GeneratedChannel) -> common_pb2.Envelope:
    return sign_update(update, [channel.user(name) for name in ("orderer", *NAMES)], START, secrets.token_bytes)


def _write(**fields: object) -> configtx_pb2.ConfigUpdate:
    """Return an update that writes one value of the root group."""
    update = configtx_pb2.ConfigUpdate(channel_id="anchors")
    update.read_set.version = 0
    update.write_set.version = 0
    update.write_set.values["Consortium"].CopyFrom(configtx_pb2.ConfigValue(**fields))
    return update


@pytest.mark.parametrize(
    ("update", "reason"),
    [
        (
            configtx_pb2.ConfigUpdate(channel_id="other"),
            "^error authorizing update: ConfigUpdate for channel 'other' but envelope for channel 'anchors'$",
        ),
        (
            configtx_pb2.ConfigUpdate(channel_id="anchors"),
            "DeltaSet: delta set was empty -- update would have no effect",
        ),
        (_write(mod_policy=""), "invalid mod_policy for element .Value.  /Channel/Consortium: mod_policy not set"),
        (
            _write(mod_policy="/Channel/bad policy"),
            "path element at 1 is invalid: config ID 'bad policy' contains illegal characters",
        ),
        (
            _write(mod_policy="Admins", version=3),
            "attempted to set key .Value.  /Channel/Consortium to version 3, but key does not exist",
        ),
        (
            configtx_pb2.ConfigUpdate(
                channel_id="anchors",
                read_set=configtx_pb2.ConfigGroup(values={"Nothing": configtx_pb2.ConfigValue()}),
            ),
            "existing config does not contain element for .Value.  /Channel/Nothing but was in the read set",
        ),
        (
            configtx_pb2.ConfigUpdate(
                channel_id="anchors", write_set=configtx_pb2.ConfigGroup(version=5, mod_policy="Admins")
            ),
            "attempt to set key .Group.  /Channel to version 5, but key is at version 0",
        ),
        (
            configtx_pb2.ConfigUpdate(
                channel_id="anchors",
                write_set=configtx_pb2.ConfigGroup(
                    version=1, mod_policy="Admins", values={"Gone": configtx_pb2.ConfigValue(mod_policy="Admins")}
                ),
            ),
            "no group Orderer",
        ),
    ],
)
def test_update_against_the_rules_is_refused(
    channel: GeneratedChannel, update: configtx_pb2.ConfigUpdate, reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        channel.config.propose_update(_raw(update, channel))


def test_element_guarded_by_a_policy_that_does_not_exist_cannot_be_changed(channel: GeneratedChannel) -> None:
    def orphan(root: configtx_pb2.ConfigGroup) -> None:
        root.groups["Application"].groups["PartnerMSP"].values["AnchorPeers"].mod_policy = "Nobody"

    config = _loaded(channel, orphan)
    with pytest.raises(
        ConfigError,
        match=r"unexpected missing policy Nobody for item \[Value\]  .*/PartnerMSP/AnchorPeers",
    ):
        config.propose_update(_signed(channel, config, _anchor(5)))


def test_absolute_modification_policy_is_looked_up_from_the_root(channel: GeneratedChannel) -> None:
    def guard(root: configtx_pb2.ConfigGroup) -> None:
        own = root.groups["Application"].groups["PartnerMSP"].values["AnchorPeers"]
        own.mod_policy = "/Channel/Application/RegulatorMSP/Admins"

    config = _loaded(channel, guard)
    with pytest.raises(
        ConfigError,
        match=r"policy for \[Value\]  /Channel/Application/PartnerMSP/AnchorPeers not satisfied: signature set",
    ):
        config.propose_update(_signed(channel, config, _anchor(5)))
    config.propose_update(_signed(channel, config, _anchor(5), channel.user("regulator")))


def test_envelope_that_is_no_update_is_refused(channel: GeneratedChannel) -> None:
    with pytest.raises(ConfigError, match="CONFIG_UPDATE"):
        channel.config.propose_update(common_pb2.Envelope())
    with pytest.raises(ConfigError, match="not that message"):
        channel.config.propose_update(common_pb2.Envelope(payload=b"\xff"))


def test_difference_of_equal_configurations_is_refused(channel: GeneratedChannel) -> None:
    with pytest.raises(ConfigError, match="change something"):
        config_delta("anchors", channel.config.group(), channel.config.group())


def test_missing_modification_policies_of_old_configurations_become_admins(channel: GeneratedChannel) -> None:
    """Fabric heals what its version 1.0 wrote, in the result of any later update."""

    def unset(root: configtx_pb2.ConfigGroup) -> None:
        root.groups["Orderer"].values["BatchSize"].mod_policy = ""

    config = _loaded(channel, unset)
    after = config.validate_update(config.propose_update(_signed(channel, config, _anchor(5))))
    assert after.group().groups["Orderer"].values["BatchSize"].mod_policy == "Admins"


def test_many_signatures_under_an_update_cost_no_copy_of_it_each() -> None:
    """Half a million beside megabytes of change would take more memory than there is."""
    header = common_pb2.SignatureHeader(creator=b"nobody").SerializeToString()
    update = configtx_pb2.ConfigUpdateEnvelope(config_update=bytes(1_000))
    for _ in range(1_000):
        update.signatures.add(signature_header=header)
    signed = signatures_of(update)
    assert len({id(item.rest) for item in signed}) == 1
    assert signed[0].data + signed[0].rest == header + bytes(1_000)
    assert calls_during(lambda: signatures_of(update), "read_message") <= 2
