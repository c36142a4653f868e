"""The block an administrator joins a channel by, read and refused as by Fabric: step by step, in its words.

Source: Fabric core/scc/cscc/configure.go, InvokeNoShim and validateConfigBlock; common/channelconfig/util.go,
ValidateCapabilities; protoutil/{blockutils,commonutils}.go.
"""

from __future__ import annotations

from fabric_protos.common import common_pb2, configtx_pb2
from google.protobuf.message import DecodeError

from network.channel_config import ChannelConfig
from network.errors import CapabilityError, ConfigError, WireError
from network.proposal import NO_MESSAGE, unmarshal
from node.peer.errors import ChaincodeError


def channel_of(genesis: bytes) -> tuple[str, common_pb2.Envelope]:
    """Return the channel a block names, and its first envelope; whatever else stands in it.

    Raises:
        ChaincodeError: it names none.
    """
    try:
        block = unmarshal(common_pb2.Block, genesis, "Failed to reconstruct the genesis block, ")
    except WireError as error:
        raise ChaincodeError(str(error)) from error
    try:
        if not block.data.data:
            raise WireError("failed to retrieve channel id - block is empty")
        envelope = unmarshal(common_pb2.Envelope, block.data.data[0])
        payload = unmarshal(common_pb2.Payload, envelope.payload)
        if not payload.HasField("header"):
            raise WireError("failed to retrieve channel id - payload header is empty")
        header = unmarshal(common_pb2.ChannelHeader, payload.header.channel_header)
    except WireError as error:
        reason = f'"JoinChain" request failed to extract channel id from the block due to [{error}]'
        raise ChaincodeError(reason) from error
    return header.channel_id, envelope


def check_config(channel_id: str, envelope: common_pb2.Envelope) -> None:
    """Return if an envelope holds a configuration that this peer can work by.

    Raises:
        ChaincodeError: it does not.
    """
    try:
        _check_groups(_config_envelope(envelope))
        _check_capabilities(channel_id, unmarshal(common_pb2.Payload, envelope.payload).data)
    except WireError as error:
        raise ChaincodeError(
            f'"JoinChain" for channelID = {channel_id} failed because of validation of configuration block, because of '
            f"{error}"
        ) from error


def _config_envelope(envelope: common_pb2.Envelope) -> configtx_pb2.ConfigEnvelope:
    payload = unmarshal(common_pb2.Payload, envelope.payload)
    header_type = unmarshal(common_pb2.ChannelHeader, payload.header.channel_header).type
    if header_type != common_pb2.CONFIG:
        known = header_type in common_pb2.HeaderType.values()
        name = common_pb2.HeaderType.Name(header_type) if known else header_type
        raise WireError(f"Bad configuration envelope: invalid type {name}, expected CONFIG")
    try:
        return configtx_pb2.ConfigEnvelope.FromString(payload.data)
    except DecodeError as error:
        what = "Bad configuration envelope: error unmarshalling message for type CONFIG"
        raise WireError(f"{what}: {NO_MESSAGE}") from error


def _check_groups(envelope: configtx_pb2.ConfigEnvelope) -> None:
    if not envelope.HasField("config"):
        raise WireError("Nil config envelope Config")
    if not envelope.config.HasField("channel_group"):
        raise WireError("Nil channel group")
    if not envelope.config.channel_group.groups:
        raise WireError("No channel configuration groups are available")
    if "Application" not in envelope.config.channel_group.groups:
        raise WireError("Invalid configuration block, missing Application configuration group")


def _check_capabilities(channel_id: str, config_envelope: bytes) -> None:
    try:
        ChannelConfig(channel_id, config_envelope)
    except CapabilityError as error:
        reason = f"{error.level.capitalize()} capability {error.capability} is required but not supported"
        raise WireError(f"Failed capabilities check: [{reason}]") from error
    except ConfigError as error:
        reason = f"no valid channel configuration found: {error}"
        raise WireError(f"Failed capabilities check: [{reason}]") from error
