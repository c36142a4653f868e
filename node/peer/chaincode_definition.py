"""Chaincode definitions as the committed state holds them, and as validation reads them.

A definition is committed by the lifecycle to its own namespace, one key for each field. Validation asks it for two
things: whose endorsements a namespace needs, and what the private collections of that namespace are.

Source: Fabric core/chaincode/lifecycle/{lifecycle,serializer,deployedcc_infoprovider}.go; proto
peer/lifecycle/{db,chaincode_definition}.proto.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fabric_protos.peer import collection_pb2
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2
from google.protobuf.message import DecodeError

from network.messages import read_message
from network.rwset import StateKey
from node.peer.errors import ChannelStoppedError
from node.peer.state import StateReader

LIFECYCLE = "_lifecycle"
"""Namespace and name of the system chaincode that defines all others."""

LEGACY_LIFECYCLE = "lscc"
"""Namespace of the definitions of Fabric 1.x."""

BLOCKS_TO_LIVE_MAX = 2**62
"""A greater number means for ever, as it does in Fabric: no block is so high, and the tables' numbers end soon."""

_DATATYPE = "ChaincodeDefinition"
_FIELDS = ("Sequence", "EndorsementInfo", "ValidationInfo", "Collections")

DEFINITION_KEYS = len(_FIELDS) + 2
"""How many keys :func:`definition_keys` returns."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A private collection, as far as validation and expiry go."""

    name: str
    block_to_live: int
    """Blocks after which its data expires; 0 for never."""
    endorsement_policy: bytes
    """Serialized ``ApplicationPolicy``; empty where the chaincode's own holds."""


@dataclass(frozen=True, slots=True)
class ChaincodeDefinition:
    """What the channel's members agreed on for one chaincode."""

    name: str
    sequence: int
    version: str
    init_required: bool
    validation_plugin: str
    endorsement_policy: bytes
    """Serialized ``ApplicationPolicy``."""
    collections: Mapping[str, Collection]


def definition_keys(chaincode: str) -> tuple[StateKey, ...]:
    """Return the state keys that :func:`read_definition` looks at."""
    fields = tuple(_field_key(chaincode, name) for name in _FIELDS)
    return (_metadata_key(chaincode), *fields, StateKey(LEGACY_LIFECYCLE, "", chaincode.encode()))


def read_definition(state: StateReader, chaincode: str) -> ChaincodeDefinition | None:
    """Return the committed definition of ``chaincode``; ``None`` where there is none.

    Raises:
        ChannelStoppedError: the lifecycle's own state is damaged, or the chaincode was defined by Fabric 1.x.
    """
    state.read_ahead(definition_keys(chaincode))
    entry = state.entry(_metadata_key(chaincode))
    if entry is None:
        if state.entry(StateKey(LEGACY_LIFECYCLE, "", chaincode.encode())) is not None:
            raise ChannelStoppedError(
                f"chaincode {chaincode!r} is defined by the lifecycle of Fabric 1.x, which this peer does not know; "
                "define it anew through _lifecycle"
            )
        return None
    try:
        metadata = read_message(db_pb2.StateMetadata, entry.value)
        if metadata.datatype != _DATATYPE:
            raise ChannelStoppedError(f"namespace {chaincode!r} holds a {metadata.datatype!r}, not a chaincode")
        return _definition(state, chaincode)
    except DecodeError as error:
        raise ChannelStoppedError(f"the committed definition of chaincode {chaincode!r} does not parse") from error


def _definition(state: StateReader, chaincode: str) -> ChaincodeDefinition:
    sequence = _field(state, chaincode, "Sequence").Int64
    info = chaincode_definition_pb2
    endorsement = read_message(info.ChaincodeEndorsementInfo, _field(state, chaincode, "EndorsementInfo").Bytes)
    validation = read_message(info.ChaincodeValidationInfo, _field(state, chaincode, "ValidationInfo").Bytes)
    package = read_message(collection_pb2.CollectionConfigPackage, _field(state, chaincode, "Collections").Bytes)
    collections = {}
    for config in package.config:
        static = config.static_collection_config
        if config.HasField("static_collection_config") and static.name not in collections:
            policy = static.endorsement_policy.SerializeToString() if static.HasField("endorsement_policy") else b""
            to_live = static.block_to_live if static.block_to_live <= BLOCKS_TO_LIVE_MAX else 0
            collections[static.name] = Collection(static.name, to_live, policy)
    return ChaincodeDefinition(
        name=chaincode,
        sequence=sequence,
        version=endorsement.version,
        init_required=endorsement.init_required,
        validation_plugin=validation.validation_plugin,
        endorsement_policy=validation.validation_parameter,
        collections=MappingProxyType(collections),
    )


def _field(state: StateReader, chaincode: str, name: str) -> Any:
    entry = state.entry(_field_key(chaincode, name))
    return read_message(db_pb2.StateData, b"" if entry is None else entry.value)


def _metadata_key(chaincode: str) -> StateKey:
    return StateKey(LIFECYCLE, "", f"namespaces/metadata/{chaincode}".encode())


def _field_key(chaincode: str, name: str) -> StateKey:
    return StateKey(LIFECYCLE, "", f"namespaces/fields/{chaincode}/{name}".encode())
