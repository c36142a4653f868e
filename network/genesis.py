"""The first block of a channel: the tree of configuration that Fabric's configtxgen makes for the same consortium.

Rules kept here:

* Every organization has a majority's share in every decision: Admins and (lifecycle) endorsement are MAJORITY over the
  organizations, reading and writing ANY.
* The block is a function of what it describes. Unless given, its time is the youngest authority's start of validity and
  its nonce a hash of the configuration: the same material gives the same block, and the authorities' keys make it the
  only one of its kind.
* The consensus type is ``etcdraft`` with the embedded orderer as its one consenter. Fabric's peers load a configuration
  of any type, but pull blocks only where it is ``etcdraft`` or ``BFT`` (core/deliverservice/deliveryclient.go), and its
  orderers no longer have ``solo`` (orderer/common/multichannel/registrar.go). With ``etcdraft`` a Go peer joins our
  channel as it is, and the channel can later be handed to real Raft orderers by an ordinary configuration update.

Source: Fabric 3.1 internal/configtxgen/encoder/encoder.go, common/genesis/genesis.go, sampleconfig/configtx.yaml.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2, policies_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.orderer.etcdraft import configuration_pb2 as etcdraft_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2

from network.channel_config import ChannelConfig, parse_duration_s
from network.errors import ConfigError
from network.msp import Msp
from network.msp_folder import read_msp_config
from network.policy import parse_signature_policy

_ADMINS = "Admins"
_META = policies_pb2.ImplicitMetaPolicy


@dataclass(frozen=True, slots=True)
class OrgSpec:
    """One organization of a channel.

    Attributes:
        msp_id: organization; also the name of its group.
        msp_folder: its verifying MSP folder.
        orderer_endpoints: "host:port" of its orderers.
        anchor_peers: "host:port" of peers that other organizations may ask first.
    """

    msp_id: str
    msp_folder: Path
    orderer_endpoints: tuple[str, ...] = ()
    anchor_peers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RaftConsenter:
    """One orderer of an ``etcdraft`` ordering service.

    Attributes:
        host: address.
        port: TCP port.
        client_tls_pem: certificate it dials with.
        server_tls_pem: certificate it serves with.
    """

    host: str
    port: int
    client_tls_pem: bytes
    server_tls_pem: bytes


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """What a channel's first configuration says.

    Attributes:
        channel_id: lower-case name.
        orderer_orgs: organizations with orderers.
        application_orgs: organizations with peers.
        batch_timeout: how long an envelope waits for others, as Go writes durations.
        max_messages: envelopes in a block.
        absolute_max_bytes: of one envelope.
        preferred_max_bytes: of a block.
        consenters: orderers; where empty, one for each endpoint, with the TLS certificates that cryptogen's layout
            holds beside the MSP folder (``../orderers/*/tls/server.crt``, in name order).
        acls: policy by resource, where it differs from Fabric's defaults.
        timestamp: of the block; None takes it from the material.
        nonce: of the block; None takes it from the configuration.
    """

    channel_id: str
    orderer_orgs: tuple[OrgSpec, ...]
    application_orgs: tuple[OrgSpec, ...]
    batch_timeout: str = "200ms"
    max_messages: int = 500
    absolute_max_bytes: int = 10 * 1024 * 1024
    preferred_max_bytes: int = 2 * 1024 * 1024
    consenters: tuple[RaftConsenter, ...] = ()
    acls: Mapping[str, str] = field(default_factory=dict)
    timestamp: datetime | None = None
    nonce: bytes | None = None


def genesis_block(spec: ChannelSpec) -> common_pb2.Block:
    """Return the first block of a channel.

    Args:
        spec: what it says.
    Returns:
        block 0, whose configuration has been loaded once as a check.
    Raises:
        ConfigError: an MSP folder, endpoint or value that no Fabric peer would load.
    Source: Fabric common/genesis/genesis.go, Block.
    """
    config = configtx_pb2.Config(channel_group=_channel_group(spec))
    # Maps have no one order on the wire; a fixed one keeps the block a function of its description.
    envelope = configtx_pb2.ConfigEnvelope(config=config).SerializeToString(deterministic=True)
    ChannelConfig.from_envelope(envelope, spec.channel_id)
    nonce = spec.nonce if spec.nonce is not None else hashlib.sha256(envelope).digest()[:24]
    data = common_pb2.BlockData(data=[_envelope(spec, envelope, nonce)])
    return common_pb2.Block(
        header=common_pb2.BlockHeader(number=0, data_hash=hashlib.sha256(b"".join(data.data)).digest()),
        data=data,
        metadata=_metadata(),
    )


def _envelope(spec: ChannelSpec, config_envelope: bytes, nonce: bytes) -> bytes:
    """Wrap the configuration in an envelope that nobody signs: whoever joins the channel decides to trust it."""
    channel_header = common_pb2.ChannelHeader(
        type=common_pb2.CONFIG,
        version=1,
        channel_id=spec.channel_id,
        # No creator: the ID is the hash of the nonce alone.
        tx_id=hashlib.sha256(nonce).hexdigest(),
    )
    timestamp = spec.timestamp or _youngest_authority(spec)
    channel_header.timestamp.seconds = int(timestamp.timestamp())
    header = common_pb2.Header(
        channel_header=channel_header.SerializeToString(),
        signature_header=common_pb2.SignatureHeader(nonce=nonce).SerializeToString(),
    )
    payload = common_pb2.Payload(header=header, data=config_envelope).SerializeToString()
    serialized: bytes = common_pb2.Envelope(payload=payload).SerializeToString()
    return serialized


def _metadata() -> common_pb2.BlockMetadata:
    last_config = common_pb2.LastConfig(index=0)
    signatures = common_pb2.Metadata(value=common_pb2.OrdererBlockMetadata(last_config=last_config).SerializeToString())
    legacy = common_pb2.Metadata(value=last_config.SerializeToString())
    return common_pb2.BlockMetadata(
        metadata=[signatures.SerializeToString(), legacy.SerializeToString(), b"", b"", b""]
    )


def _youngest_authority(spec: ChannelSpec) -> datetime:
    msps = [Msp(read_msp_config(org.msp_folder, org.msp_id)) for org in (*spec.orderer_orgs, *spec.application_orgs)]
    starts = [root.not_valid_before_utc for msp in msps for root in msp.roots]
    return max(starts, default=datetime(1970, 1, 1, tzinfo=UTC))


def _channel_group(spec: ChannelSpec) -> configtx_pb2.ConfigGroup:
    """Source: Fabric encoder.go, NewChannelGroup."""
    group = configtx_pb2.ConfigGroup(mod_policy=_ADMINS)
    _add_meta_policies(group)
    _add_value(group, "HashingAlgorithm", configuration_pb2.HashingAlgorithm(name="SHA256"))
    _add_value(group, "BlockDataHashingStructure", configuration_pb2.BlockDataHashingStructure(width=0xFFFFFFFF))
    _add_capability(group, "V3_0")
    group.groups["Orderer"].CopyFrom(_orderer_group(spec))
    group.groups["Application"].CopyFrom(_application_group(spec))
    return group


def _orderer_group(spec: ChannelSpec) -> configtx_pb2.ConfigGroup:
    """Source: Fabric encoder.go, NewOrdererGroup."""
    parse_duration_s(spec.batch_timeout)
    group = configtx_pb2.ConfigGroup(mod_policy=_ADMINS)
    _add_meta_policies(group)
    _add_meta_policy(group, "BlockValidation", "Writers", _META.ANY)
    size = orderer_pb2.BatchSize(
        max_message_count=spec.max_messages,
        absolute_max_bytes=spec.absolute_max_bytes,
        preferred_max_bytes=spec.preferred_max_bytes,
    )
    _add_value(group, "BatchSize", size)
    _add_value(group, "BatchTimeout", orderer_pb2.BatchTimeout(timeout=spec.batch_timeout))
    _add_value(group, "ChannelRestrictions", orderer_pb2.ChannelRestrictions())
    _add_capability(group, "V2_0")
    _add_value(group, "ConsensusType", orderer_pb2.ConsensusType(type="etcdraft", metadata=_raft_metadata(spec)))
    for org in spec.orderer_orgs:
        org_group = _organization_group(org)
        _add_role_policies(org_group, org.msp_id, Readers=("member",), Writers=("member",), Admins=("admin",))
        _add_value(org_group, "Endpoints", configuration_pb2.OrdererAddresses(addresses=org.orderer_endpoints))
        group.groups[org.msp_id].CopyFrom(org_group)
    return group


def _application_group(spec: ChannelSpec) -> configtx_pb2.ConfigGroup:
    """Source: Fabric encoder.go, NewApplicationGroup."""
    group = configtx_pb2.ConfigGroup(mod_policy=_ADMINS)
    _add_meta_policies(group)
    _add_meta_policy(group, "Endorsement", "Endorsement", _META.MAJORITY)
    _add_meta_policy(group, "LifecycleEndorsement", "Endorsement", _META.MAJORITY)
    if spec.acls:
        acls = {resource: peer_pb2.APIResource(policy_ref=path) for resource, path in spec.acls.items()}
        _add_value(group, "ACLs", peer_pb2.ACLs(acls=acls))
    _add_capability(group, "V2_5")
    for org in spec.application_orgs:
        org_group = _organization_group(org)
        _add_role_policies(
            org_group,
            org.msp_id,
            Readers=("admin", "peer", "client"),
            Writers=("admin", "client"),
            Admins=("admin",),
            Endorsement=("peer",),
        )
        anchors = [_address(peer) for peer in org.anchor_peers]
        if anchors:
            peers = [peer_pb2.AnchorPeer(host=host, port=port) for host, port in anchors]
            _add_value(org_group, "AnchorPeers", peer_pb2.AnchorPeers(anchor_peers=peers))
        group.groups[org.msp_id].CopyFrom(org_group)
    return group


def _organization_group(org: OrgSpec) -> configtx_pb2.ConfigGroup:
    group = configtx_pb2.ConfigGroup(mod_policy=_ADMINS)
    value = configtx_pb2.ConfigValue(value=read_msp_config(org.msp_folder, org.msp_id), mod_policy=_ADMINS)
    group.values["MSP"].CopyFrom(value)
    return group


def _raft_metadata(spec: ChannelSpec) -> bytes:
    """Return the metadata of a Raft service, with the options of Fabric's sample configuration."""
    consenters = spec.consenters or tuple(_consenters_beside(spec.orderer_orgs))
    if not consenters:
        raise ConfigError(f"channel {spec.channel_id} has no orderer: give orderer_endpoints or consenters")
    metadata = etcdraft_pb2.ConfigMetadata(
        consenters=[
            etcdraft_pb2.Consenter(
                host=consenter.host,
                port=consenter.port,
                client_tls_cert=consenter.client_tls_pem,
                server_tls_cert=consenter.server_tls_pem,
            )
            for consenter in consenters
        ],
        options=etcdraft_pb2.Options(
            tick_interval="500ms",
            election_tick=10,
            heartbeat_tick=1,
            max_inflight_blocks=5,
            snapshot_interval_size=16 * 1024 * 1024,
        ),
    )
    serialized: bytes = metadata.SerializeToString()
    return serialized


def _consenters_beside(orgs: tuple[OrgSpec, ...]) -> list[RaftConsenter]:
    """Pair each endpoint with the TLS certificate of an orderer in the folder around the MSP."""
    consenters = []
    for org in orgs:
        certificates = sorted((org.msp_folder.parent / "orderers").glob("*/tls/server.crt"))
        if len(certificates) != len(org.orderer_endpoints):
            raise ConfigError(
                f"{org.msp_id} has {len(org.orderer_endpoints)} orderer endpoints and {len(certificates)} orderers "
                f"beside {org.msp_folder}; give consenters explicitly"
            )
        for endpoint, path in zip(org.orderer_endpoints, certificates, strict=True):
            host, port = _address(endpoint)
            consenters.append(RaftConsenter(host, port, path.read_bytes(), path.read_bytes()))
    return consenters


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isdecimal() and 0 < int(port) < 65536):
        raise ConfigError(f"address {text!r} is not host:port")
    return host.strip("[]"), int(port)


def _add_value(group: configtx_pb2.ConfigGroup, name: str, message: Any) -> None:
    value = message.SerializeToString(deterministic=True)
    group.values[name].CopyFrom(configtx_pb2.ConfigValue(value=value, mod_policy=_ADMINS))


def _add_capability(group: configtx_pb2.ConfigGroup, name: str) -> None:
    capabilities = configuration_pb2.Capabilities(capabilities={name: configuration_pb2.Capability()})
    _add_value(group, "Capabilities", capabilities)


def _add_meta_policies(group: configtx_pb2.ConfigGroup) -> None:
    _add_meta_policy(group, "Readers", "Readers", _META.ANY)
    _add_meta_policy(group, "Writers", "Writers", _META.ANY)
    _add_meta_policy(group, "Admins", "Admins", _META.MAJORITY)


def _add_meta_policy(group: configtx_pb2.ConfigGroup, name: str, below: str, rule: int) -> None:
    policy = policies_pb2.ImplicitMetaPolicy(sub_policy=below, rule=rule)
    _add_policy(group, name, policies_pb2.Policy.IMPLICIT_META, policy.SerializeToString())


def _add_role_policies(group: configtx_pb2.ConfigGroup, msp_id: str, **roles: tuple[str, ...]) -> None:
    for name, allowed in roles.items():
        principals = ", ".join(f"'{msp_id}.{role}'" for role in allowed)
        envelope = parse_signature_policy(f"OR({principals})")
        _add_policy(group, name, policies_pb2.Policy.SIGNATURE, envelope.SerializeToString())


def _add_policy(group: configtx_pb2.ConfigGroup, name: str, kind: int, value: bytes) -> None:
    policy = policies_pb2.Policy(type=kind, value=value)
    group.policies[name].CopyFrom(configtx_pb2.ConfigPolicy(policy=policy, mod_policy=_ADMINS))
