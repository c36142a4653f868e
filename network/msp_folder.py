"""An organization's MSP folder, as cryptogen and Fabric CA lay it out, read into the configuration a channel holds.

    cacerts/ intermediatecerts/ admincerts/ tlscacerts/ tlsintermediatecerts/ crls/   PEM files, read in name order
    config.yaml                                                                       units and NodeOUs

Only public material is read; keys and signing certificates stay where they are.

Source: Fabric 3.1 msp/configbuilder.go, getMspConfig.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from fabric_protos.msp import msp_config_pb2

from network.errors import ConfigError
from network.identity import first_pem_block

_ROLES = ("Client", "Peer", "Admin", "Orderer")


def read_msp_config(folder: Path, msp_id: str) -> bytes:
    """Return the serialized ``MSPConfig`` of a folder.

    Args:
        folder: with at least ``cacerts``.
        msp_id: name the organization goes by.
    Returns:
        the same bytes that Fabric's configtxgen puts into a genesis block.
    Raises:
        ConfigError: no authority, or a ``config.yaml`` that cannot be read.
    Source: Fabric msp/configbuilder.go, GetVerifyingMspConfig.
    """
    roots = _pem_files(folder / "cacerts")
    if not roots:
        raise ConfigError(f"{folder / 'cacerts'} holds no PEM certificate; put the organization's authority there")
    tls_roots = _pem_files(folder / "tlscacerts")
    configuration = _read_configuration(folder / "config.yaml")
    config = msp_config_pb2.FabricMSPConfig(
        name=msp_id,
        root_certs=roots,
        intermediate_certs=_pem_files(folder / "intermediatecerts"),
        admins=_pem_files(folder / "admincerts"),
        revocation_list=_pem_files(folder / "crls"),
        organizational_unit_identifiers=[
            _unit(folder, unit, required=True) for unit in configuration.get("OrganizationalUnitIdentifiers") or []
        ],
        crypto_config=msp_config_pb2.FabricCryptoConfig(
            signature_hash_family="SHA2", identity_identifier_hash_function="SHA256"
        ),
        tls_root_certs=tls_roots,
        tls_intermediate_certs=_pem_files(folder / "tlsintermediatecerts") if tls_roots else [],
        fabric_node_ous=_node_ous(folder, configuration.get("NodeOUs") or {}),
    )
    serialized: bytes = msp_config_pb2.MSPConfig(config=config.SerializeToString(), type=0).SerializeToString()
    return serialized


def _pem_files(folder: Path) -> list[bytes]:
    if not folder.is_dir():
        return []
    contents = (path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())
    return [content for content in contents if first_pem_block(content) is not None]


def _read_configuration(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        configuration = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML") from error
    if configuration is not None and not isinstance(configuration, dict):
        raise ConfigError(f"{path} must hold a mapping with NodeOUs or OrganizationalUnitIdentifiers")
    return configuration or {}


def _node_ous(folder: Path, configured: dict[str, Any]) -> msp_config_pb2.FabricNodeOUs | None:
    if not configured.get("Enable"):
        return None
    units = {}
    for role in _ROLES:
        unit = configured.get(f"{role}OUIdentifier") or {}
        if unit.get("OrganizationalUnitIdentifier"):
            units[f"{role.lower()}_ou_identifier"] = _unit(folder, unit, required=False)
    return msp_config_pb2.FabricNodeOUs(enable=True, **units)


def _unit(folder: Path, configured: dict[str, Any], *, required: bool) -> msp_config_pb2.FabricOUIdentifier:
    name = configured.get("Certificate") or ""
    path = folder / name
    if required and not (name and path.is_file()):
        raise ConfigError(f"{folder / 'config.yaml'} names the certificate {name!r}, which is not there")
    return msp_config_pb2.FabricOUIdentifier(
        certificate=path.read_bytes() if name and path.is_file() else b"",
        organizational_unit_identifier=configured.get("OrganizationalUnitIdentifier", ""),
    )
