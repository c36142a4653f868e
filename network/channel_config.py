"""One configuration of a channel: its organizations, policies, ordering service and capabilities. Immutable.

Rules kept here:

* What Fabric refuses at set-up is refused here: unknown values and groups, unknown capabilities, unsound batch sizes,
  two definitions of one MSP, ordering organizations without endpoints (V3_0).
* The bytes of a configuration are kept as received: its maps have no one serialisation, so nothing is hashed anew.
* A configuration changes only by `validate_update`: authorized by the policies in force, sequence + 1.

Source: Fabric 3.1 common/channelconfig/ (bundle.go, channel.go, orderer.go, application.go, organization.go),
common/capabilities/, common/configtx/validator.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2, policies_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2
from google.protobuf.message import DecodeError

from network.capabilities import Capabilities
from network.channel_acl import CHANNEL_DEFAULTS, LOCAL_ROLES, refusal_text
from network.config_update import ROOT, authorized_result, elements_of, update_of
from network.errors import ConfigError, PolicyError
from network.identity import serialize_identity
from network.known_msps import msp_of
from network.map_entries import read_message
from network.msp import Msp, MspManager
from network.policy import Policy, PolicyTree, SignaturePolicy, SignedData

_CHANNEL_ID = re.compile(r"[a-z][a-z0-9.-]{0,248}")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS_NS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_DURATION_NS_MAX = (1 << 63) - 1

_CHANNEL_VALUES = {
    "HashingAlgorithm",
    "BlockDataHashingStructure",
    "OrdererAddresses",
    "Orderers",
    "Consortium",
    "Capabilities",
}
_ORDERER_VALUES = {
    "ConsensusType",
    "BatchSize",
    "BatchTimeout",
    "KafkaBrokers",
    "ChannelRestrictions",
    "Orderers",
    "Capabilities",
}


@dataclass(frozen=True, slots=True)
class Consenter:
    """One orderer of a Byzantine-tolerant ordering service.

    Attributes:
        id: number by which block signatures name it.
        host: address.
        port: TCP port.
        msp_id: organization.
        certificate_pem: its identity.
        client_tls_pem: certificate it dials with.
        server_tls_pem: certificate it serves with.
    """

    id: int
    host: str
    port: int
    msp_id: str
    certificate_pem: bytes
    client_tls_pem: bytes
    server_tls_pem: bytes

    @property
    def creator(self) -> bytes:
        """Serialized identity, as a block signature's creator."""
        return serialize_identity(self.msp_id, self.certificate_pem)


@dataclass(frozen=True, slots=True)
class OrdererSettings:
    """How the ordering service cuts blocks and who runs it.

    Attributes:
        max_messages: envelopes in a block at most.
        absolute_max_bytes: of one envelope.
        preferred_max_bytes: of a block, unless one envelope alone is larger.
        batch_timeout_s: seconds a first envelope waits for others.
        consensus_type: "etcdraft", "BFT" or "solo".
        consensus_metadata: serialized metadata of that type.
        addresses: "host:port" of the orderers, by MSP ID; by "" where only the channel as a whole names some.
        consenters: of a Byzantine-tolerant service, in configured order; else empty.
    """

    max_messages: int
    absolute_max_bytes: int
    preferred_max_bytes: int
    batch_timeout_s: float
    consensus_type: str
    consensus_metadata: bytes
    addresses: Mapping[str, tuple[str, ...]]
    consenters: tuple[Consenter, ...]

    def consenter(self, identifier: int) -> Consenter | None:
        """Return the consenter with a number, or None."""
        return next((consenter for consenter in self.consenters if consenter.id == identifier), None)


class ChannelConfig:
    """One immutable configuration of a channel.

    Attributes:
        channel_id: name of the channel.
        sequence: number of updates since the genesis block.
        envelope: the serialized ``ConfigEnvelope`` it was read from, as received.
        msps: organizations.
        hashing: name of the hash algorithm that Fabric has in every configuration, and never uses.
        capabilities: rules switched on.
        orderer: ordering service.
        application_msp_ids: organizations with peers, sorted.
        orderer_msp_ids: organizations with orderers, sorted.
        anchor_peers: "host:port" by MSP ID.
        policies: all policies.
    """

    def __init__(self, channel_id: str, envelope: bytes) -> None:
        """Read a configuration; see ``from_envelope``."""
        if _CHANNEL_ID.fullmatch(channel_id) is None:
            raise ConfigError(
                f"channel ID {channel_id!r}: use up to 249 lower-case letters, digits, dots and dashes, a letter first"
            )
        config = _read(configtx_pb2.ConfigEnvelope, envelope).config
        self.channel_id = channel_id
        self.sequence: int = config.sequence
        self.envelope = envelope
        self._group = _channel_group(config)
        elements_of(self._group)
        self.hashing: str = _value(self._group, "HashingAlgorithm", configuration_pb2.HashingAlgorithm).name
        self.capabilities = _read_capabilities(self._group)
        self._set_up_organizations()
        self.orderer = _read_orderer(self._group, self._names, self.capabilities)
        self._acls = _read_acls(self._group.groups["Application"])
        try:
            self.policies = PolicyTree(ROOT, self._group, self.msps)
        except PolicyError as error:
            raise ConfigError(f"channel {channel_id}: {error}") from error

    @classmethod
    def from_envelope(cls, config_envelope: bytes, channel_id: str) -> ChannelConfig:
        """Read a serialized ``ConfigEnvelope`` (the payload data of a CONFIG envelope).

        Args:
            config_envelope: as received; kept.
            channel_id: from the envelope's channel header.
        Raises:
            ConfigError: not a configuration, or one that Fabric would refuse to load.
        Source: Fabric common/channelconfig/bundle.go, NewBundle.
        """
        return cls(channel_id, config_envelope)

    @classmethod
    def from_block(cls, block: common_pb2.Block) -> ChannelConfig:
        """Read a config block. Neither the block's hashes nor its signatures are checked here.

        Raises:
            ConfigError: not a config block, or a configuration that Fabric would refuse to load.
        Source: Fabric common/channelconfig/bundle.go, NewBundleFromEnvelope.
        """
        channel_id, envelope = config_of_block(block)
        return cls(channel_id, envelope)

    def group(self) -> configtx_pb2.ConfigGroup:
        """Return a copy of the root group, to change and hand to `config_delta`."""
        copy = configtx_pb2.ConfigGroup()
        copy.CopyFrom(self._group)
        return copy

    def policy(self, path: str) -> Policy:
        """Return a policy by its path, e.g. "/Channel/Application/Writers".

        Raises:
            PolicyError: there is none of that name.
        """
        policy = self.policies.find(path)
        if policy is None:
            raise PolicyError(f"channel {self.channel_id} has no policy {path!r}")
        return policy

    def acl_path(self, resource: str) -> str:
        """Return the path of the policy that guards a peer's service, e.g. "peer/Propose".

        Raises:
            PolicyError: unknown, or guarded by the peer's own organization (`channel_acl.LOCAL_ROLES`).
        Source: Fabric core/aclmgmt/resourceprovider.go, CheckACL.
        """
        if resource in LOCAL_ROLES:
            raise PolicyError(f"resource {resource!r} is guarded by the peer's own organization, not by the channel")
        path = self._acls.get(resource) or CHANNEL_DEFAULTS.get(resource)
        if path is None:
            raise PolicyError(f"Unmapped policy for {resource}")
        return path

    def acl_refusal(self, resource: str, error: PolicyError) -> str:
        """Return Fabric's text for whom a resource's policy keeps out."""
        own = bool(self._acls.get(resource))
        return refusal_text(self.acl_path(resource), "" if own else self.channel_id, error)

    def check_acl(self, resource: str, signed: Sequence[SignedData]) -> None:
        """Check that a request may use a peer's service.

        Args:
            resource: e.g. "peer/Propose".
            signed: the request's signature.
        Raises:
            PolicyNotSatisfiedError: it may not.
            PolicyError: the resource or its policy does not exist.
        """
        self.policy(self.acl_path(resource)).evaluate(signed)

    def validate_update(self, config_envelope: bytes) -> ChannelConfig:
        """Check a config transaction against this configuration.

        Args:
            config_envelope: serialized ``ConfigEnvelope``: the next configuration and the update that leads to it.
        Returns:
            the next configuration.
        Raises:
            ConfigError: not the next sequence, not authorized, not what the update gives, or unsound.
        Source: Fabric common/configtx/validator.go, Validate; common/channelconfig/bundle.go, ValidateNew.
        """
        proposed = _read(configtx_pb2.ConfigEnvelope, config_envelope)
        if proposed.config.sequence != self.sequence + 1:
            raise ConfigError(
                f"config sequence is {proposed.config.sequence}; after {self.sequence} it must be {self.sequence + 1}"
            )
        result = authorized_result(self.channel_id, self._group, self.policies, update_of(proposed.last_update))
        if result != proposed.config.channel_group:
            raise ConfigError("the configuration proposed is not what its update makes of the current one")
        return self._successor(config_envelope)

    def propose_update(self, update: common_pb2.Envelope) -> bytes:
        """Make the configuration that an update leads to; the orderer's part.

        Args:
            update: envelope of type CONFIG_UPDATE, signed by enough administrators.
        Returns:
            serialized ``ConfigEnvelope`` that `validate_update` accepts.
        Raises:
            ConfigError: malformed, not authorized, or leading to an unsound configuration.
        Source: Fabric common/configtx/validator.go, ProposeConfigUpdate.
        """
        content = update_of(update)
        try:
            result = authorized_result(self.channel_id, self._group, self.policies, content)
        except ConfigError as error:
            raise ConfigError(f"error authorizing update: {error}") from error
        config = configtx_pb2.Config(sequence=self.sequence + 1, channel_group=result)
        envelope: bytes = configtx_pb2.ConfigEnvelope(config=config, last_update=update).SerializeToString(
            deterministic=True
        )
        self._successor(envelope)
        return envelope

    def _successor(self, config_envelope: bytes) -> ChannelConfig:
        """Load the next configuration and check what may never change between two."""
        following = ChannelConfig(self.channel_id, config_envelope)
        for path, msp_id in self._names.items():
            if following._names.get(path, msp_id) != msp_id:
                raise ConfigError(f"group {path} changes its MSP ID from {msp_id} to {following._names[path]}")
        return following

    def _set_up_organizations(self) -> None:
        """Build the MSPs; ``_names`` maps "Application/<group>" and "Orderer/<group>" to MSP IDs."""
        names: dict[str, str] = {}
        msps: list[Msp] = []
        anchors: dict[str, tuple[str, ...]] = {}
        for role, name, group in _organizations(self._group):
            msp = msp_of(group.values["MSP"].value, ed25519="V3_0" in self.capabilities.channel)
            msps.append(msp)
            names[f"{role}/{name}"] = msp.msp_id
            if "AnchorPeers" in group.values:
                peers = _read(peer_pb2.AnchorPeers, group.values["AnchorPeers"].value).anchor_peers
                anchors[msp.msp_id] = tuple(f"{peer.host}:{peer.port}" for peer in peers)
        self._names: Mapping[str, str] = MappingProxyType(names)
        self.msps = MspManager(msps)
        self.anchor_peers: Mapping[str, tuple[str, ...]] = MappingProxyType(anchors)
        self.application_msp_ids = _ids_of("Application", names)
        self.orderer_msp_ids = _ids_of("Orderer", names)


def application_policy(config: ChannelConfig, serialized: bytes) -> Policy:
    """Return the policy that a chaincode definition or key names.

    Args:
        config: configuration in force.
        serialized: ``ApplicationPolicy``: a signature policy, or the path of a policy of the channel.
    Raises:
        PolicyError: not such bytes, empty, or a path that leads nowhere.
    Source: Fabric core/policy/application.go, Evaluate.
    """
    try:
        policy = read_message(policies_pb2.ApplicationPolicy, serialized)
    except DecodeError as error:
        raise PolicyError("ApplicationPolicy: the policy's bytes are not that message") from error
    kind = policy.WhichOneof("Type")
    if kind == "signature_policy":
        return SignaturePolicy(policy.signature_policy, config.msps)
    if kind == "channel_config_policy_reference":
        return config.policy(policy.channel_config_policy_reference)
    raise PolicyError("ApplicationPolicy names neither a signature policy nor a policy of the channel")


def config_of_block(block: common_pb2.Block) -> tuple[str, bytes]:
    """Return channel ID and serialized ``ConfigEnvelope`` of a config block.

    Raises:
        ConfigError: not a block with a CONFIG envelope alone.
    """
    if len(block.data.data) != 1:
        raise ConfigError(f"a config block has one envelope, this one has {len(block.data.data)}")
    payload = _read(common_pb2.Payload, _read(common_pb2.Envelope, block.data.data[0]).payload)
    header = _read(common_pb2.ChannelHeader, payload.header.channel_header)
    if header.type != common_pb2.CONFIG:
        raise ConfigError(f"ChannelHeader.type is {header.type}; a config block needs CONFIG (1)")
    return header.channel_id, payload.data


def parse_duration_s(text: str) -> float:
    """Read a duration as Go writes it ("200ms", "1m30s") into seconds.

    Raises:
        ConfigError: not a positive duration, or one of more than 292 years.
    """
    parts = list(_DURATION.finditer(text))
    count = sum(int(Fraction(part[1].rstrip(".")) * _UNITS_NS[part[2]]) for part in parts)
    is_whole = "".join(part[0] for part in parts) == text.removeprefix("+")
    if not is_whole or not 0 < count <= _DURATION_NS_MAX:
        raise ConfigError(f"duration {text!r} is not positive with units, like 200ms or 2s, or too long")
    return count / 10**9


def _channel_group(config: configtx_pb2.Config) -> configtx_pb2.ConfigGroup:
    """Check the root group's own contents and return it."""
    group = config.channel_group
    for required in ("Orderer", "Application"):
        if required not in group.groups:
            raise ConfigError(f"configuration has no group {required}; only application channels are supported")
    unknown = sorted(group.groups.keys() - {"Orderer", "Application"})
    if unknown:
        raise ConfigError(f"group {unknown[0]!r} has no place in an application channel")
    levels = (group, group.groups["Application"])
    if "Capabilities" not in group.groups["Orderer"].values and any("Capabilities" in one.values for one in levels):
        raise ConfigError("group Orderer has no value Capabilities, but others have")
    _check_values(ROOT, group, _CHANNEL_VALUES)
    _check_values("Orderer", group.groups["Orderer"], _ORDERER_VALUES)
    _check_values("Application", group.groups["Application"], {"ACLs", "Capabilities"})
    hashing = _value(group, "HashingAlgorithm", configuration_pb2.HashingAlgorithm)
    # Fabric takes both, and hashes by SHA256 in any case.
    if hashing.name not in ("SHA256", "SHA3_256"):
        raise ConfigError(f"HashingAlgorithm.name is {hashing.name!r}; it must be SHA256 or SHA3_256")
    structure = _value(group, "BlockDataHashingStructure", configuration_pb2.BlockDataHashingStructure)
    if structure.width != 0xFFFFFFFF:
        raise ConfigError(f"BlockDataHashingStructure.width is {structure.width}; it must be 4294967295")
    return group


def _organizations(root: configtx_pb2.ConfigGroup) -> Iterator[tuple[str, str, configtx_pb2.ConfigGroup]]:
    for role, values in (("Application", {"MSP", "AnchorPeers"}), ("Orderer", {"MSP", "Endpoints"})):
        for name, group in sorted(root.groups[role].groups.items()):
            _check_values(f"{role}/{name}", group, values)
            if group.groups:
                raise ConfigError(f"organization {role}/{name} has groups below it; organizations have none")
            if "MSP" not in group.values:
                raise ConfigError(f"organization {role}/{name} has no value MSP")
            yield role, name, group


def _ids_of(role: str, names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted({msp_id for path, msp_id in names.items() if path.startswith(f"{role}/")}))


def _read_capabilities(root: configtx_pb2.ConfigGroup) -> Capabilities:
    groups = {"channel": root, "orderer": root.groups["Orderer"], "application": root.groups["Application"]}
    kind = configuration_pb2.Capabilities
    return Capabilities.of({level: _value(group, "Capabilities", kind).capabilities for level, group in groups.items()})


def _read_orderer(
    root: configtx_pb2.ConfigGroup, names: Mapping[str, str], capabilities: Capabilities
) -> OrdererSettings:
    group = root.groups["Orderer"]
    size = _value(group, "BatchSize", orderer_pb2.BatchSize)
    for field in ("max_message_count", "absolute_max_bytes", "preferred_max_bytes"):
        if getattr(size, field) == 0:
            raise ConfigError(f"BatchSize.{field} is 0; it must be positive")
    if size.preferred_max_bytes > size.absolute_max_bytes:
        text = f"{size.preferred_max_bytes} exceeds absolute_max_bytes {size.absolute_max_bytes}"
        raise ConfigError(f"BatchSize.preferred_max_bytes {text}")
    consensus = _value(group, "ConsensusType", orderer_pb2.ConsensusType)
    return OrdererSettings(
        max_messages=size.max_message_count,
        absolute_max_bytes=size.absolute_max_bytes,
        preferred_max_bytes=size.preferred_max_bytes,
        batch_timeout_s=parse_duration_s(_value(group, "BatchTimeout", orderer_pb2.BatchTimeout).timeout),
        consensus_type=consensus.type,
        consensus_metadata=consensus.metadata,
        addresses=_read_endpoints(root, names, required="V3_0" in capabilities.channel),
        consenters=_read_consenters(group),
    )


def _read_endpoints(
    root: configtx_pb2.ConfigGroup, names: Mapping[str, str], *, required: bool
) -> Mapping[str, tuple[str, ...]]:
    common = tuple(_value(root, "OrdererAddresses", configuration_pb2.OrdererAddresses).addresses)
    if required and common:
        raise ConfigError("global OrdererAddresses are not allowed with V3_0; organizations have Endpoints")
    addresses: dict[str, tuple[str, ...]] = {}
    for name, organization in sorted(root.groups["Orderer"].groups.items()):
        found = tuple(_value(organization, "Endpoints", configuration_pb2.OrdererAddresses).addresses)
        if required and not found:
            raise ConfigError(f"ordering organization {name} has no Endpoints; V3_0 needs them")
        msp_id = names[f"Orderer/{name}"]
        addresses[msp_id] = (*addresses.get(msp_id, ()), *found)
    return MappingProxyType(addresses if any(addresses.values()) or not common else {"": common})


def _read_consenters(group: configtx_pb2.ConfigGroup) -> tuple[Consenter, ...]:
    mapping = _value(group, "Orderers", configuration_pb2.Orderers).consenter_mapping
    return tuple(
        Consenter(
            id=item.id,
            host=item.host,
            port=item.port,
            msp_id=item.msp_id,
            certificate_pem=item.identity,
            client_tls_pem=item.client_tls_cert,
            server_tls_pem=item.server_tls_cert,
        )
        for item in mapping
    )


def _read_acls(group: configtx_pb2.ConfigGroup) -> Mapping[str, str]:
    """Return policy paths by resource; short names mean the application group's policies."""
    acls = _value(group, "ACLs", peer_pb2.ACLs).acls
    references = {resource: acl.policy_ref for resource, acl in acls.items() if acl.policy_ref}
    return MappingProxyType(
        {
            resource: path if path.startswith("/") else f"/{ROOT}/Application/{path}"
            for resource, path in references.items()
        }
    )


def _check_values(path: str, group: configtx_pb2.ConfigGroup, known: set[str]) -> None:
    unknown = sorted(group.values.keys() - known)
    if unknown:
        raise ConfigError(f"group {path} has the unknown value {unknown[0]!r}")


def _value(group: configtx_pb2.ConfigGroup, name: str, kind: Any) -> Any:
    """Read a value of a group; an absent one is the empty message, as in Fabric."""
    return _read(kind, group.values[name].value if name in group.values else b"")


def _read(kind: Any, data: bytes) -> Any:
    try:
        return read_message(kind, data)
    except DecodeError as error:
        raise ConfigError(f"{kind.DESCRIPTOR.name}: the configuration's bytes are not that message") from error
