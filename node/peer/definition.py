"""Chaincode definitions: what the members agree on for one chaincode, and its forms on the wire and in the state.

Source: Fabric core/chaincode/lifecycle/lifecycle.go (ChaincodeDefinition, ChaincodeParameters, default values); proto
peer/lifecycle/{lifecycle,chaincode_definition,db}.proto.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fabric_protos.common import policies_pb2
from fabric_protos.peer import collection_pb2
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2, lifecycle_pb2
from google.protobuf.message import DecodeError

from network.messages import read_message
from network.policy import parse_signature_policy
from node.peer.errors import ChaincodeError

DEFAULT_POLICY_PATH = "/Channel/Application/Endorsement"
"""Channel policy that a definition without a policy of its own refers to."""

DEFAULT_POLICY = policies_pb2.ApplicationPolicy(channel_config_policy_reference=DEFAULT_POLICY_PATH).SerializeToString()
"""Endorsement policy of a definition that names none."""

DEFINITION_FIELDS = ("Sequence", "EndorsementInfo", "ValidationInfo", "Collections")
"""Fields of a committed definition, in the order of Fabric's structure."""

PARAMETER_FIELDS = DEFINITION_FIELDS[1:]
"""Fields of an approval: those of a definition without the sequence, which stands in its key."""


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

    @property
    def approval_name(self) -> str:
        """Name under which an organization's approval of this definition stands in its implicit collection."""
        return f"{self.name}#{self.sequence}"

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
            for field, content in zip(PARAMETER_FIELDS, contents, strict=True)
        }

    def fields(self) -> dict[str, bytes]:
        """Return all fields as they stand in the world state."""
        return {"Sequence": db_pb2.StateData(Int64=self.sequence).SerializeToString()} | self.parameters()

    def commit_arguments(self) -> bytes:
        """Return the argument of ``CommitChaincodeDefinition`` for this definition."""
        return self._arguments(lifecycle_pb2.CommitChaincodeDefinitionArgs)

    def approve_arguments(self, package_id: str) -> bytes:
        """Return the argument of ``ApproveChaincodeDefinitionForMyOrg``.

        Args:
            package_id: installed package that runs it here; '' for none.
        """
        source = lifecycle_pb2.ChaincodeSource()
        if package_id:
            source.local_package.package_id = package_id
        else:
            source.unavailable.SetInParent()
        return self._arguments(lifecycle_pb2.ApproveChaincodeDefinitionForMyOrgArgs, source=source)

    def static_collections(self) -> dict[str, collection_pb2.StaticCollectionConfig]:
        """Return the private collections by name."""
        package = read_message(collection_pb2.CollectionConfigPackage, self.collections)
        return {item.static_collection_config.name: item.static_collection_config for item in package.config}

    def difference(self, other: Definition) -> str:
        """Say what differs from another definition, '' where nothing but the sequence does.

        Source: Fabric core/chaincode/lifecycle/lifecycle.go, ChaincodeParameters.Equal.
        """
        compared = (
            ("Version", self.version, other.version),
            ("EndorsementPlugin", self.endorsement_plugin, other.endorsement_plugin),
            ("InitRequired", str(self.init_required).lower(), str(other.init_required).lower()),
            ("ValidationPlugin", self.validation_plugin, other.validation_plugin),
            ("ValidationParameter", self.endorsement_policy.hex(), other.endorsement_policy.hex()),
        )
        for field, ours, theirs in compared:
            if ours != theirs:
                return f"expected {field} '{ours}' does not match passed {field} '{theirs}'"
        return "" if self.collections == other.collections else "Collections do not match"

    def describe(self, result: Any) -> None:
        """Fill a lifecycle query's result with this definition."""
        result.sequence = self.sequence
        result.version = self.version
        result.endorsement_plugin = self.endorsement_plugin
        result.validation_plugin = self.validation_plugin
        result.validation_parameter = self.endorsement_policy
        result.init_required = self.init_required
        result.collections.ParseFromString(self.collections)

    def _arguments(self, kind: Any, **more: Any) -> bytes:
        arguments = kind(
            sequence=self.sequence,
            name=self.name,
            version=self.version,
            endorsement_plugin=self.endorsement_plugin,
            validation_plugin=self.validation_plugin,
            validation_parameter=self.endorsement_policy,
            init_required=self.init_required,
            **more,
        )
        if self.collections:
            arguments.collections.ParseFromString(self.collections)
        serialized: bytes = arguments.SerializeToString()
        return serialized


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


def definition_of(arguments: Any) -> Definition:
    """Return the definition that a lifecycle function's arguments name, defaults filled in."""
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


def definition_from_fields(name: str, sequence: int, fields: Mapping[str, bytes]) -> Definition:
    """Return the definition whose fields, :data:`PARAMETER_FIELDS`, stand in the state.

    Raises:
        ChaincodeError: a field does not parse.
    """
    contents = {field: parse_message(db_pb2.StateData, fields[field]).Bytes for field in PARAMETER_FIELDS}
    endorsement = parse_message(chaincode_definition_pb2.ChaincodeEndorsementInfo, contents["EndorsementInfo"])
    validation = parse_message(chaincode_definition_pb2.ChaincodeValidationInfo, contents["ValidationInfo"])
    return Definition(
        name=name,
        sequence=sequence,
        version=endorsement.version,
        endorsement_plugin=endorsement.endorsement_plugin,
        validation_plugin=validation.validation_plugin,
        endorsement_policy=validation.validation_parameter,
        collections=contents["Collections"],
        init_required=endorsement.init_required,
    )


def parse_message(kind: Any, data: bytes) -> Any:
    """Return a message.

    Raises:
        ChaincodeError: the bytes are none.
    """
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise ChaincodeError(f"the bytes are no {kind.DESCRIPTOR.name}") from error
