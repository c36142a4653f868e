"""The chaincodes of a node's settings: their definitions, and what runs each of them here.

A chaincode runs as a contract of the node's own process, or in a process of its own that the peer dials
(``connection_file``) or that dials the peer. Files that the settings name are read here, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from network.errors import PolicyError
from node.collections_file import parse_collections
from node.config import ChaincodeSettings, NodeConfig, read_file
from node.errors import ConfigurationError
from node.peer.chaincode_support import ExternalChaincode
from node.peer.connection_file import parse_connection
from node.peer.definition import Definition, approved_definition
from node.peer.errors import ChaincodeError


def definitions(chaincodes: Sequence[ChaincodeSettings]) -> list[Definition]:
    """Return the definitions that the settings approve.

    Raises:
        ConfigurationError: a policy or a collections file cannot be understood.
    """
    return [_definition(chaincode) for chaincode in chaincodes]


def contracts(chaincodes: Sequence[ChaincodeSettings]) -> dict[str, str]:
    """Return ``module:Class`` of what runs in the node's process, by chaincode name."""
    return {chaincode.name: chaincode.contract for chaincode in chaincodes if chaincode.contract}


def external_chaincodes(config: NodeConfig) -> list[ExternalChaincode]:
    """Return what runs in processes of their own.

    Raises:
        ConfigurationError: a connection file cannot be used, or a chaincode has no port to dial.
    """
    return [_external(chaincode, config) for chaincode in config.chaincodes if chaincode.package_id]


def _definition(chaincode: ChaincodeSettings) -> Definition:
    try:
        definition = approved_definition(
            chaincode.name, chaincode.version, chaincode.sequence, chaincode.endorsement_policy
        )
        if chaincode.collections_file is None:
            return definition
        return replace(definition, collections=parse_collections(read_file(chaincode.collections_file)))
    except (PolicyError, ConfigurationError) as error:
        raise ConfigurationError(f"chaincode {chaincode.name!r}: {error}") from error


def _external(chaincode: ChaincodeSettings, config: NodeConfig) -> ExternalChaincode:
    if chaincode.connection_file is None:
        if config.chaincode_port is None:
            raise ConfigurationError(
                f"chaincode {chaincode.name!r} is to dial this peer, which has no port for it: set chaincode_port, or "
                "name the connection_file by which the peer dials the chaincode"
            )
        return ExternalChaincode(chaincode.name, chaincode.package_id)
    try:
        connection = parse_connection(read_file(chaincode.connection_file), config.chaincode_values)
    except ChaincodeError as error:
        raise ConfigurationError(f"chaincode {chaincode.name!r}: {chaincode.connection_file}: {error}") from error
    return ExternalChaincode(chaincode.name, chaincode.package_id, connection)
