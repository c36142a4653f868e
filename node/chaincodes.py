"""The chaincodes of a node's settings: their definitions, and what runs each of them here.

A chaincode runs as a contract of the node's own process, or in a process of its own that the peer dials or that dials
the peer. Files that the settings name are read here, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from network.errors import PolicyError
from network.rpc import ClientTls
from node.collections_file import parse_collections
from node.config import ChaincodeSettings, NodeConfig, read_file
from node.errors import ConfigurationError
from node.peer.chaincode_support import ExternalChaincode
from node.peer.connection_file import Connection, parse_connection
from node.peer.definition import Definition, approved_definition
from node.peer.errors import ChaincodeError
from node.peer.state_indexes import StateIndex, parse_indexes


def definitions(chaincodes: Sequence[ChaincodeSettings]) -> list[Definition]:
    """Return the definitions that the settings approve.

    Raises:
        ConfigurationError: a policy or a collections file cannot be understood.
    """
    return [_definition(chaincode) for chaincode in chaincodes]


def contracts(chaincodes: Sequence[ChaincodeSettings]) -> dict[str, str]:
    """Return ``module:Class`` of what runs in the node's process, by chaincode name."""
    return {chaincode.name: chaincode.contract for chaincode in chaincodes if chaincode.contract}


def external_chaincodes(config: NodeConfig, tls: ClientTls) -> list[ExternalChaincode]:
    """Return what runs in processes of their own.

    Args:
        config: the node's.
        tls: the node's own, for services that the settings name by their address.
    Raises:
        ConfigurationError: a connection file cannot be used, or a chaincode has no port to dial.
    """
    return [
        ExternalChaincode(chaincode.name, chaincode.service.package_id, _connection(chaincode, config, tls))
        for chaincode in config.chaincodes
        if chaincode.service is not None
    ]


def indexes(chaincodes: Sequence[ChaincodeSettings]) -> dict[str, tuple[StateIndex, ...]]:
    """Return the indexes for rich queries that lie in the chaincodes' folders, by chaincode name.

    Raises:
        ConfigurationError: an index file cannot be used.
    """
    return {
        chaincode.name: _indexes(chaincode.name, chaincode.metadata_folder)
        for chaincode in chaincodes
        if chaincode.metadata_folder is not None
    }


def _indexes(name: str, folder: Path) -> tuple[StateIndex, ...]:
    files = {path.relative_to(folder).as_posix(): read_file(path) for path in folder.glob("META-INF/**/*.json")}
    try:
        return parse_indexes(files)
    except ChaincodeError as error:
        raise ConfigurationError(f"chaincode {name!r}: {folder}: {error}") from error


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


def _connection(chaincode: ChaincodeSettings, config: NodeConfig, tls: ClientTls) -> Connection | None:
    service = chaincode.service
    assert service is not None, "asked for services only"
    if service.address is not None:
        return Connection(service.address, tls if service.tls else None)
    if service.connection_file is not None:
        try:
            return parse_connection(read_file(service.connection_file), config.chaincode_values)
        except ChaincodeError as error:
            raise ConfigurationError(f"chaincode {chaincode.name!r}: {service.connection_file}: {error}") from error
    if config.chaincode_port is None:
        raise ConfigurationError(
            f"chaincode {chaincode.name!r} is to dial this peer, which has no port for it: set chaincode_port, or give "
            "the address or connection_file by which the peer dials the chaincode"
        )
    return None
