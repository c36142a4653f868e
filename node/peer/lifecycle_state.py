"""How the lifecycle lays structures out in the world state: one key for each field, and one for the list of fields.

    namespaces/metadata/<chaincode>                 a committed definition, public
    namespaces/fields/<chaincode>/<field>
    namespaces/metadata/<chaincode>#<sequence>      an approval, in the organization's implicit collection
    namespaces/fields/<chaincode>#<sequence>/<field>
    chaincode-sources/metadata/<chaincode>#<sequence>           which package runs it there
    chaincode-sources/fields/<chaincode>#<sequence>/PackageID

A field is written only where its value changes, so that read/write sets are those of Fabric's peers.

Source: Fabric core/chaincode/lifecycle/{lifecycle,serializer,ledger_shim}.go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Protocol

from fabric_protos.peer.lifecycle import db_pb2

from node.peer.chaincode_definition import LIFECYCLE
from node.peer.definition import (
    DEFINITION_FIELDS,
    PARAMETER_FIELDS,
    Definition,
    definition_from_fields,
    parse_message,
)
from node.peer.endorsement_policy import IMPLICIT_COLLECTION_PREFIX
from node.peer.tx_simulator import TxSimulator

NAMESPACES = "namespaces"
"""Prefix of definitions and approvals."""

SOURCES = "chaincode-sources"
"""Prefix of what says which package runs an approved chaincode."""

DEFINITION = "ChaincodeDefinition"
PARAMETERS = "ChaincodeParameters"
LOCAL_PACKAGE = "ChaincodeLocalPackage"

_SOURCE_FIELDS = ("PackageID",)


class KeyedState(Protocol):
    """A part of the world state that structures are kept in."""

    async def get(self, key: str) -> bytes:
        """Return a committed value, empty when there is none."""

    def put(self, key: str, value: bytes) -> None:
        """Write a value; an empty one deletes."""


class PublicState:
    """The lifecycle's public keys."""

    def __init__(self, simulator: TxSimulator) -> None:
        self._simulator = simulator

    async def get(self, key: str) -> bytes:
        """Return a committed value, empty when there is none."""
        return await self._simulator.get_state(LIFECYCLE, key)

    def put(self, key: str, value: bytes) -> None:
        """Write a value; an empty one deletes."""
        self._simulator.put_state(LIFECYCLE, key, value)


class OrganizationState:
    """One organization's implicit collection: its own values in clear, the others' by their hashes."""

    def __init__(self, simulator: TxSimulator, msp_id: str) -> None:
        self._simulator = simulator
        self._collection = IMPLICIT_COLLECTION_PREFIX + msp_id

    async def get(self, key: str) -> bytes:
        """Return a committed value, empty when there is none."""
        return await self._simulator.get_private(LIFECYCLE, self._collection, key)

    def put(self, key: str, value: bytes) -> None:
        """Write a value; an empty one deletes."""
        self._simulator.put_private(LIFECYCLE, self._collection, key, value)

    async def get_hash(self, key: str) -> bytes:
        """Return the SHA-256 of a value, empty when there is none."""
        return await self._simulator.get_private_hash(LIFECYCLE, self._collection, key)

    async def names(self) -> list[str]:
        """Return the names of all approvals, ``<chaincode>#<sequence>``."""
        prefix = metadata_key("")
        scan = await self._simulator.private_range(LIFECYCLE, self._collection, prefix, prefix + "\x7f")
        return [key.removeprefix(prefix) async for key, _ in scan]


def metadata_key(name: str, prefix: str = NAMESPACES) -> str:
    """Return the key under which the kind and the field names of a structure stand."""
    return f"{prefix}/metadata/{name}"


def field_key(name: str, field: str, prefix: str = NAMESPACES) -> str:
    """Return the key of one field of a structure."""
    return f"{prefix}/fields/{name}/{field}"


async def read_sequence(simulator: TxSimulator, chaincode: str) -> int:
    """Return the sequence of the committed definition, 0 for none; the read stands in the read set."""
    data = await simulator.get_state(LIFECYCLE, field_key(chaincode, "Sequence"))
    return int(parse_message(db_pb2.StateData, data).Int64)


async def read_whole_definition(simulator: TxSimulator, chaincode: str) -> Definition | None:
    """Return the committed definition; each field's read stands in the read set."""
    state = PublicState(simulator)
    if await state.get(metadata_key(chaincode)) == b"":
        return None
    fields = {field: await state.get(field_key(chaincode, field)) for field in DEFINITION_FIELDS}
    sequence = parse_message(db_pb2.StateData, fields["Sequence"]).Int64
    return definition_from_fields(chaincode, sequence, fields)


async def committed_names(simulator: TxSimulator) -> list[str]:
    """Return the chaincodes that have a committed definition, sorted."""
    prefix = metadata_key("")
    scan = await simulator.range(LIFECYCLE, prefix, prefix + "\x7f")
    return [key.removeprefix(prefix) async for key, _ in scan]


async def read_approval(state: OrganizationState, name: str, sequence: int) -> Definition | None:
    """Return the definition this organization approved under a sequence, None for none."""
    stored = f"{name}#{sequence}"
    if not await state.get(metadata_key(stored)):
        return None
    fields = {field: await state.get(field_key(stored, field)) for field in PARAMETER_FIELDS}
    return definition_from_fields(name, sequence, fields)


async def read_package_id(state: OrganizationState, approval_name: str) -> str | None:
    """Return the package of an approval, '' where the code runs nowhere here; None when nothing says so."""
    if not await state.get(metadata_key(approval_name, SOURCES)):
        return None
    data = await state.get(field_key(approval_name, _SOURCE_FIELDS[0], SOURCES))
    return str(parse_message(db_pb2.StateData, data).String)


async def write_definition(state: KeyedState, definition: Definition) -> None:
    """Write a committed definition."""
    await _write(state, NAMESPACES, definition.name, DEFINITION, definition.fields())


async def write_approval(state: KeyedState, definition: Definition, package_id: str) -> None:
    """Write an approval and the package that runs it here."""
    await _write(state, NAMESPACES, definition.approval_name, PARAMETERS, definition.parameters())
    source = {_SOURCE_FIELDS[0]: _package_data(package_id)}
    await _write(state, SOURCES, definition.approval_name, LOCAL_PACKAGE, source)


async def approval_mismatches(state: OrganizationState, definition: Definition) -> list[str]:
    """Return what in an organization's approval differs from a definition, judged by hashes; empty when it approves.

    Source: serializer.go, IsSerialized (which reads all keys before it compares).
    """
    name = definition.approval_name
    metadata = _metadata(PARAMETERS, PARAMETER_FIELDS)
    fields = definition.parameters()
    metadata_hash = await state.get_hash(metadata_key(name))
    hashes = {field: await state.get_hash(field_key(name, field)) for field in fields}
    if metadata_hash != hashlib.sha256(metadata).digest():
        return [PARAMETERS]
    return [field for field, value in fields.items() if hashes[field] != hashlib.sha256(value).digest()]


async def package_hash(state: OrganizationState, approval_name: str) -> bytes:
    """Return what :func:`hash_of_package_id` gives for the package of an approval; empty where it names none."""
    expected = hashlib.sha256(_metadata(LOCAL_PACKAGE, _SOURCE_FIELDS)).digest()
    if await state.get_hash(metadata_key(approval_name, SOURCES)) != expected:
        return b""
    return await state.get_hash(field_key(approval_name, _SOURCE_FIELDS[0], SOURCES))


def hash_of_package_id(package_id: str) -> bytes:
    """Return the hash by which a package stands in the public part of an implicit collection."""
    return hashlib.sha256(_package_data(package_id)).digest()


def _package_data(package_id: str) -> bytes:
    data: bytes = db_pb2.StateData(String=package_id).SerializeToString()
    return data


def _metadata(datatype: str, fields: tuple[str, ...]) -> bytes:
    metadata: bytes = db_pb2.StateMetadata(datatype=datatype, fields=fields).SerializeToString()
    return metadata


async def _write(state: KeyedState, prefix: str, name: str, datatype: str, fields: Mapping[str, bytes]) -> None:
    """Write what changes of a structure. Source: serializer.go, Serialize."""
    known = parse_message(db_pb2.StateMetadata, await state.get(metadata_key(name, prefix)))
    existing = {field: await state.get(field_key(name, field, prefix)) for field in known.fields}
    for field, value in fields.items():
        if existing.get(field) != value:
            state.put(field_key(name, field, prefix), value)
    outdated = existing.keys() - fields.keys()
    if outdated or known.datatype != datatype or len(known.fields) != len(fields):
        state.put(metadata_key(name, prefix), _metadata(datatype, tuple(fields)))
    for field in sorted(outdated):
        state.put(field_key(name, field, prefix), b"")
