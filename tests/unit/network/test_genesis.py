"""Aim: our genesis block is the one configtxgen would make: same groups, values, policies, versions and guards.

Method: the tree of a generated block beside that of the block captured from a real network, element by element; the
values that must be equal byte for byte are compared so.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.orderer.etcdraft import configuration_pb2 as etcdraft_pb2

from network.channel_config import ChannelConfig
from network.errors import ConfigError
from network.genesis import OrgSpec, RaftConsenter, genesis_block
from tests.support.captured import captured
from tests.support.generated_channel import GeneratedChannel, generate_channel

OWN = {"MSP", "Endpoints", "AnchorPeers", "ConsensusType"}
"""Values that name keys and addresses, and so differ between any two networks."""


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> GeneratedChannel:
    return generate_channel(tmp_path_factory.mktemp("consortium"))


def described(path: str, group: configtx_pb2.ConfigGroup) -> Iterator[tuple[str, object]]:
    """Yield every element of a tree with all that must be equal in two networks of the same members."""
    yield path, (group.version, group.mod_policy)
    for name, value in group.values.items():
        yield f"{path}/value {name}", (value.version, value.mod_policy, b"" if name in OWN else value.value)
    for name, policy in group.policies.items():
        yield f"{path}/policy {name}", (policy.version, policy.mod_policy, policy.policy.type, policy.policy.value)
    for name, below in group.groups.items():
        yield from described(f"{path}/{name}", below)


def test_tree_is_that_of_configtxgen(channel: GeneratedChannel) -> None:
    ours = dict(described("", channel.config.group()))
    theirs = dict(described("", ChannelConfig.from_block(captured("raft").block(0)).group()))
    assert ours == theirs


def test_block_around_the_tree_is_that_of_configtxgen(channel: GeneratedChannel) -> None:
    ours, theirs = channel.block, captured("raft").block(0)
    # From the third on they are the delivering peer's: its flags and its commit hash.
    assert list(ours.metadata.metadata)[:2] == list(theirs.metadata.metadata)[:2]
    assert list(ours.metadata.metadata)[2:] == [b"", b"", b""]
    assert (ours.header.number, ours.header.previous_hash) == (0, b"")
    assert ours.header.data_hash == hashlib.sha256(ours.data.data[0]).digest()
    envelopes = [common_pb2.Envelope.FromString(block.data.data[0]) for block in (ours, theirs)]
    assert envelopes[0].signature == envelopes[1].signature == b""
    headers = [common_pb2.Payload.FromString(envelope.payload).header for envelope in envelopes]
    channel_headers = [common_pb2.ChannelHeader.FromString(header.channel_header) for header in headers]
    signature_headers = [common_pb2.SignatureHeader.FromString(header.signature_header) for header in headers]
    for channel_header, signature_header in zip(channel_headers, signature_headers, strict=True):
        assert channel_header.tx_id == hashlib.sha256(signature_header.nonce).hexdigest()
        assert (channel_header.type, channel_header.version, channel_header.epoch) == (1, 1, 0)
        assert (signature_header.creator, len(signature_header.nonce)) == (b"", 24)


def test_consensus_is_raft_with_the_orderer_as_its_consenter(channel: GeneratedChannel) -> None:
    orderer = channel.config.orderer
    assert orderer.consensus_type == "etcdraft"
    metadata = etcdraft_pb2.ConfigMetadata.FromString(orderer.consensus_metadata)
    (consenter,) = metadata.consenters
    certificate = (channel.folder("orderer") / "orderers/orderer.orderer.test/tls/server.crt").read_bytes()
    assert (consenter.host, consenter.port, consenter.server_tls_cert) == ("127.0.0.1", 7050, certificate)
    group = ChannelConfig.from_block(captured("raft").block(0)).group()
    theirs = orderer_pb2.ConsensusType.FromString(group.groups["Orderer"].values["ConsensusType"].value)
    assert metadata.options == etcdraft_pb2.ConfigMetadata.FromString(theirs.metadata).options


def test_same_material_gives_the_same_block_and_other_material_another(
    channel: GeneratedChannel, tmp_path: Path
) -> None:
    assert genesis_block(channel.spec).SerializeToString() == channel.block.SerializeToString()
    assert generate_channel(tmp_path).block.header.data_hash != channel.block.header.data_hash


def test_given_time_nonce_consenters_and_acls_are_used(channel: GeneratedChannel) -> None:
    spec = dataclasses.replace(
        channel.spec,
        timestamp=datetime(2030, 1, 1, tzinfo=UTC),
        nonce=b"n" * 24,
        consenters=(RaftConsenter("orderer.test", 1, b"client", b"server"),),
        acls={"peer/Propose": "/Channel/Application/Admins"},
    )
    block = genesis_block(spec)
    config = ChannelConfig.from_block(block)
    assert config.acl_path("peer/Propose") == "/Channel/Application/Admins"
    consenters = etcdraft_pb2.ConfigMetadata.FromString(config.orderer.consensus_metadata).consenters
    assert consenters[0].client_tls_cert == b"client"
    payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(block.data.data[0]).payload)
    header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    assert header.timestamp.seconds == 1893456000
    assert header.tx_id == hashlib.sha256(b"n" * 24).hexdigest()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"channel_id": "Upper"}, "channel ID"),
        ({"batch_timeout": "soon"}, "'soon'"),
        ({"max_messages": 0}, "max_message_count"),
        ({"orderer_orgs": ()}, "has no orderer"),
        ({"preferred_max_bytes": 1 << 30}, "exceeds"),
    ],
)
def test_description_no_peer_would_load_is_refused(
    channel: GeneratedChannel, change: dict[str, object], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        genesis_block(dataclasses.replace(channel.spec, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["nowhere", "host:", ":7050", "host:0", "host:70000", "host:x"])
def test_address_that_is_no_host_and_port_is_refused(channel: GeneratedChannel, address: str) -> None:
    (org,) = channel.spec.orderer_orgs
    spec = dataclasses.replace(channel.spec, orderer_orgs=(dataclasses.replace(org, orderer_endpoints=(address,)),))
    with pytest.raises(ConfigError, match="host:port"):
        genesis_block(spec)


def test_endpoints_without_their_orderers_certificates_are_refused(channel: GeneratedChannel) -> None:
    (org,) = channel.spec.orderer_orgs
    two = OrgSpec(org.msp_id, org.msp_folder, (*org.orderer_endpoints, "127.0.0.1:7051"))
    with pytest.raises(ConfigError, match="2 orderer endpoints and 1 orderers"):
        genesis_block(dataclasses.replace(channel.spec, orderer_orgs=(two,)))
