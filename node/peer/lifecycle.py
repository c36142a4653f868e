"""The system chaincode ``_lifecycle``: which chaincodes the channel's members agreed to run.

Rules:
- definitions stand in the world state with Fabric's own keys and values, one key for each field, so that validators
  treat blocks of any Fabric network alike;
- this peer endorses the commit of a definition only when its own configuration approves the very same definition;
  a majority of the members must endorse it (the channel's LifecycleEndorsement policy);
- what Fabric's peers read on the way is read here too, the hashes of all members' approvals included, because
  endorsements must be equal byte for byte.

Approvals in the members' implicit collections are read but not written here.

Source: Fabric core/chaincode/lifecycle/{scc,lifecycle,serializer,endorsement_info}.go.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fabric_protos.common import policies_pb2
from fabric_protos.peer import collection_pb2
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2, lifecycle_pb2
from google.protobuf.message import DecodeError

from network.policy import parse_signature_policy
from node.peer.chaincode_definition import LEGACY_LIFECYCLE, LIFECYCLE
from node.peer.endorsement_policy import IMPLICIT_COLLECTION_PREFIX
from node.peer.errors import ChaincodeError, StateError
from node.peer.tx_simulator import TxSimulator

SYSTEM_VERSION = "syscc"
"""Version that stands in transactions of system chaincodes."""

DEFAULT_POLICY = policies_pb2.ApplicationPolicy(
    channel_config_policy_reference="/Channel/Application/Endorsement"
).SerializeToString()
"""Endorsement policy of a definition that names none."""

NOT_FOUND = 404
FAILED = 500

_NAME = re.compile(r"[a-zA-Z0-9]+([-_][a-zA-Z0-9]+)*")
_VERSION = re.compile(r"[A-Za-z0-9_.+-]+")
_SYSTEM_NAMES = ("cscc", "escc", "lscc", "qscc", "vscc")
_FIELDS = ("Sequence", "EndorsementInfo", "ValidationInfo", "Collections")
_METADATA_PREFIX = "namespaces/metadata/"


@dataclass(frozen=True, slots=True)
class Definition:
    """A chaincode definition in full, as committed or as approved.

    Args:
        name: chaincode.
        sequence: number of the definition, from 1.
        version: any label, usually the code's version.
        endorsement_plugin: ``escc``.
        validation_plugin: ``vscc``.
        endorsement_policy: serialized ``ApplicationPolicy``.
        collections: serialized ``CollectionConfigPackage``.
        init_required: whether the chaincode must be initialised before other invocations.
    """

    name: str
    sequence: int
    version: str
    endorsement_plugin: str = "escc"
    validation_plugin: str = "vscc"
    endorsement_policy: bytes = DEFAULT_POLICY
    collections: bytes = b""
    init_required: bool = False

    def parameters(self) -> dict[str, bytes]:
        """Return the fields other than the sequence, as they stand in the world state."""
        endorsement = chaincode_definition_pb2.ChaincodeEndorsementInfo(
            version=self.version, init_required=self.init_required, endorsement_plugin=self.endorsement_plugin
        )
        validation = chaincode_definition_pb2.ChaincodeValidationInfo(
            validation_plugin=self.validation_plugin, validation_parameter=self.endorsement_policy
        )
        contents = (endorsement.SerializeToString(), validation.SerializeToString(), self.collections)
        return {
            field: db_pb2.StateData(Bytes=content).SerializeToString()
            for field, content in zip(_FIELDS[1:], contents, strict=True)
        }

    def fields(self) -> dict[str, bytes]:
        """Return all fields as they stand in the world state."""
        return {"Sequence": db_pb2.StateData(Int64=self.sequence).SerializeToString()} | self.parameters()

    def commit_arguments(self) -> bytes:
        """Return the argument of ``CommitChaincodeDefinition`` for this definition."""
        arguments = lifecycle_pb2.CommitChaincodeDefinitionArgs(
            sequence=self.sequence,
            name=self.name,
            version=self.version,
            endorsement_plugin=self.endorsement_plugin,
            validation_plugin=self.validation_plugin,
            validation_parameter=self.endorsement_policy,
            init_required=self.init_required,
        )
        if self.collections:
            arguments.collections.ParseFromString(self.collections)
        serialized: bytes = arguments.SerializeToString()
        return serialized

    def static_collections(self) -> dict[str, collection_pb2.StaticCollectionConfig]:
        """Return the private collections by name."""
        package = collection_pb2.CollectionConfigPackage.FromString(self.collections)
        return {item.static_collection_config.name: item.static_collection_config for item in package.config}


@dataclass(frozen=True, slots=True)
class SystemResponse:
    """What a system chaincode answers: a status as in HTTP, a text for people, a payload."""

    status: int
    message: str = ""
    payload: bytes = b""


def approved_definition(name: str, version: str, sequence: int, policy: str = "") -> Definition:
    """Return a definition without private collections, as a configuration file gives it.

    Args:
        name: chaincode.
        version: label of the code.
        sequence: number of the definition.
        policy: endorsement policy as text, ``OutOf(2, 'A.peer', ...)``; '' for the channel's default.
    Raises:
        PolicyError: the policy cannot be understood.
    """
    if not policy:
        return Definition(name, sequence, version)
    application = policies_pb2.ApplicationPolicy(signature_policy=parse_signature_policy(policy))
    return Definition(name, sequence, version, endorsement_policy=application.SerializeToString())


def metadata_key(chaincode: str) -> str:
    """Return the key under which the kind and the field names of a definition stand."""
    return _METADATA_PREFIX + chaincode


def field_key(chaincode: str, field: str) -> str:
    """Return the key of one field of a definition."""
    return f"namespaces/fields/{chaincode}/{field}"


async def read_sequence(simulator: TxSimulator, chaincode: str) -> int:
    """Return the sequence of the committed definition, 0 for none; the read stands in the read set."""
    data = await simulator.get_state(LIFECYCLE, field_key(chaincode, "Sequence"))
    return int(_parse(db_pb2.StateData, data).Int64)


async def read_whole_definition(simulator: TxSimulator, chaincode: str) -> Definition | None:
    """Return the committed definition; each field's read stands in the read set."""
    metadata = await simulator.get_state(LIFECYCLE, metadata_key(chaincode))
    if not metadata:
        return None
    values = [
        _parse(db_pb2.StateData, await simulator.get_state(LIFECYCLE, field_key(chaincode, field))) for field in _FIELDS
    ]
    endorsement = _parse(chaincode_definition_pb2.ChaincodeEndorsementInfo, values[1].Bytes)
    validation = _parse(chaincode_definition_pb2.ChaincodeValidationInfo, values[2].Bytes)
    return Definition(
        name=chaincode,
        sequence=values[0].Int64,
        version=endorsement.version,
        endorsement_plugin=endorsement.endorsement_plugin,
        validation_plugin=validation.validation_plugin,
        endorsement_policy=validation.validation_parameter,
        collections=values[3].Bytes,
        init_required=endorsement.init_required,
    )


class Lifecycle:
    """The system chaincode of one channel.

    Args:
        msp_id: this peer's organization.
        approved: definitions that this organization's configuration approves, by chaincode.
    """

    def __init__(self, msp_id: str, approved: Sequence[Definition]) -> None:
        self._msp_id = msp_id
        self._approved = {definition.name: definition for definition in approved}

    def approves(self, definition: Definition) -> bool:
        """Say whether this organization runs this chaincode by exactly this definition."""
        return self._approved.get(definition.name) == definition

    async def invoke(
        self, simulator: TxSimulator, application_msp_ids: Sequence[str], args: Sequence[bytes]
    ) -> SystemResponse:
        """Run one function; refusals are answers, as of any chaincode."""
        functions = {
            b"CommitChaincodeDefinition": (lifecycle_pb2.CommitChaincodeDefinitionArgs, self._commit),
            b"CheckCommitReadiness": (lifecycle_pb2.CheckCommitReadinessArgs, self._check_readiness),
            b"QueryChaincodeDefinition": (lifecycle_pb2.QueryChaincodeDefinitionArgs, self._query),
            b"QueryChaincodeDefinitions": (lifecycle_pb2.QueryChaincodeDefinitionsArgs, self._query_all),
        }
        if len(args) != 2 or args[0] not in functions:
            name = args[0].decode(errors="replace") if args else ""
            return SystemResponse(FAILED, f"lifecycle scc has no function {name!r} with {len(args) - 1} arguments here")
        kind, function = functions[args[0]]
        try:
            result = await function(simulator, application_msp_ids, _parse(kind, args[1]))
        except _NotDefinedError as error:
            return SystemResponse(NOT_FOUND, str(error))
        except (ChaincodeError, StateError) as error:
            name = args[0].decode()
            return SystemResponse(FAILED, f"failed to invoke backing implementation of '{name}': {error}")
        return SystemResponse(200, payload=result.SerializeToString())

    async def _commit(self, simulator: TxSimulator, msp_ids: Sequence[str], arguments: Any) -> Any:
        definition = _definition_of(arguments)
        _check_names(definition)
        if await read_whole_definition(simulator, definition.name) is None:
            await simulator.get_state(LEGACY_LIFECYCLE, definition.name)
        approvals = await self._check_sequence_and_approvals(simulator, msp_ids, definition)
        await _write_definition(simulator, definition)
        if not approvals.get(self._msp_id):
            raise ChaincodeError(f"chaincode definition not agreed to by this org ({self._msp_id})")
        return lifecycle_pb2.CommitChaincodeDefinitionResult()

    async def _check_readiness(self, simulator: TxSimulator, msp_ids: Sequence[str], arguments: Any) -> Any:
        definition = _definition_of(arguments)
        approvals = await self._check_sequence_and_approvals(simulator, msp_ids, definition)
        return lifecycle_pb2.CheckCommitReadinessResult(approvals=approvals)

    async def _query(self, simulator: TxSimulator, msp_ids: Sequence[str], arguments: Any) -> Any:
        definition = await self._defined(simulator, arguments.name)
        approvals = await self._approvals(simulator, msp_ids, definition)
        result = lifecycle_pb2.QueryChaincodeDefinitionResult(approvals=approvals)
        _describe(definition, result)
        return result

    async def _query_all(self, simulator: TxSimulator, msp_ids: Sequence[str], arguments: Any) -> Any:
        result = lifecycle_pb2.QueryChaincodeDefinitionsResult()
        scan = await simulator.range(LIFECYCLE, _METADATA_PREFIX, _METADATA_PREFIX + "\x7f")
        names = [key.removeprefix(_METADATA_PREFIX) async for key, _ in scan]
        for name in names:
            described = result.chaincode_definitions.add(name=name)
            _describe(await self._defined(simulator, name), described)
        return result

    async def _defined(self, simulator: TxSimulator, name: str) -> Definition:
        definition = await read_whole_definition(simulator, name)
        if definition is None:
            raise _NotDefinedError(f"namespace {name} is not defined")
        return definition

    async def _check_sequence_and_approvals(
        self, simulator: TxSimulator, msp_ids: Sequence[str], definition: Definition
    ) -> dict[str, bool]:
        current = await read_sequence(simulator, definition.name)
        if definition.sequence != current + 1:
            raise ChaincodeError(
                f"requested sequence is {definition.sequence}, but new definition must be sequence {current + 1}"
            )
        return await self._approvals(simulator, msp_ids, definition)

    async def _approvals(
        self, simulator: TxSimulator, msp_ids: Sequence[str], definition: Definition
    ) -> dict[str, bool]:
        """Return which members approved: our configuration says it for us, the implicit collections for all."""
        approvals = {msp_id: await _approved_on_channel(simulator, msp_id, definition) for msp_id in msp_ids}
        if self._msp_id in approvals and self.approves(definition):
            approvals[self._msp_id] = True
        return approvals


class _NotDefinedError(ChaincodeError):
    """There is no definition of this name."""


async def _approved_on_channel(simulator: TxSimulator, msp_id: str, definition: Definition) -> bool:
    """Compare the hashes in an organization's implicit collection with those of a definition.

    Source: Fabric core/chaincode/lifecycle/serializer.go, IsSerialized (which reads all four before it compares).
    """
    name = f"{definition.name}#{definition.sequence}"
    metadata = db_pb2.StateMetadata(datatype="ChaincodeParameters", fields=_FIELDS[1:]).SerializeToString()
    expected = {metadata_key(name): metadata}
    expected |= {field_key(name, field): value for field, value in definition.parameters().items()}
    collection = IMPLICIT_COLLECTION_PREFIX + msp_id
    found = {key: await simulator.get_private_hash(LIFECYCLE, collection, key) for key in expected}
    return all(found[key] == hashlib.sha256(value).digest() for key, value in expected.items())


async def _write_definition(simulator: TxSimulator, definition: Definition) -> None:
    """Write the fields that change, as Fabric's serializer does."""
    metadata = await simulator.get_state(LIFECYCLE, metadata_key(definition.name))
    known = _parse(db_pb2.StateMetadata, metadata)
    for field, value in definition.fields().items():
        key = field_key(definition.name, field)
        current = await simulator.get_state(LIFECYCLE, key) if field in known.fields else b""
        if current != value:
            simulator.put_state(LIFECYCLE, key, value)
    wanted = db_pb2.StateMetadata(datatype="ChaincodeDefinition", fields=_FIELDS)
    if known != wanted:
        simulator.put_state(LIFECYCLE, metadata_key(definition.name), wanted.SerializeToString())


def _definition_of(arguments: Any) -> Definition:
    definition = Definition(
        name=arguments.name,
        sequence=arguments.sequence,
        version=arguments.version,
        collections=arguments.collections.SerializeToString(),
        init_required=arguments.init_required,
    )
    named = {
        "endorsement_plugin": arguments.endorsement_plugin,
        "validation_plugin": arguments.validation_plugin,
        "endorsement_policy": arguments.validation_parameter,
    }
    given: Mapping[str, Any] = {name: value for name, value in named.items() if value}
    return replace(definition, **given)


def _check_names(definition: Definition) -> None:
    name, version = definition.name, definition.version
    problem = ""
    if _NAME.fullmatch(name) is None:
        problem = (
            f"invalid chaincode name '{name}'. Names can only consist of alphanumerics, '_', and '-' and can only "
            "begin with alphanumerics"
        )
    elif name in _SYSTEM_NAMES:
        problem = f"chaincode name '{name}' is the name of a system chaincode"
    elif _VERSION.fullmatch(version) is None:
        problem = (
            f"invalid chaincode version '{version}'. Versions can only consist of alphanumerics, '_', '-', '+', and '.'"
        )
    if problem:
        raise ChaincodeError(f"error validating chaincode definition: {problem}")


def _describe(definition: Definition, result: Any) -> None:
    result.sequence = definition.sequence
    result.version = definition.version
    result.endorsement_plugin = definition.endorsement_plugin
    result.validation_plugin = definition.validation_plugin
    result.validation_parameter = definition.endorsement_policy
    result.init_required = definition.init_required
    result.collections.ParseFromString(definition.collections)


def _parse(kind: Any, data: bytes) -> Any:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise ChaincodeError(f"the bytes are no {kind.DESCRIPTOR.name}") from error
