"""Settings of a node and of an orderer, read once at start from one YAML file each.

Relative paths count from the file's own folder. Secrets are never in these files: they name the files that hold them.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from network.rpc import ClientTls, ServerTls
from node.errors import ConfigurationError

Port = Annotated[int, Field(ge=0, le=65535)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TlsFiles(_Strict):
    """A process's own TLS certificate, and the authorities whose certificates it accepts, by MSP id."""

    certificate: Path
    key: Path
    roots: dict[str, list[Path]]

    def server(self) -> ServerTls:
        """Mutual TLS: any member of the consortium may connect, nobody else."""
        return ServerTls(read_file(self.certificate), read_file(self.key), self._all_roots())

    def client(self) -> ClientTls:
        """The same certificate presented to other members' processes."""
        return ClientTls(self._all_roots(), read_file(self.certificate), read_file(self.key))

    def roots_by_msp(self) -> dict[str, list[bytes]]:
        """PEM certificates of each member's TLS authorities."""
        return {msp_id: [read_file(path) for path in paths] for msp_id, paths in self.roots.items()}

    def _all_roots(self) -> bytes:
        return b"".join(pem for pems in self.roots_by_msp().values() for pem in pems)


class ChaincodeSettings(_Strict):
    """A chaincode definition this organization approves, and what runs it here: a contract or a process of its own."""

    name: str
    contract: str = ""
    """``module:Class`` of a contract that runs in the node's process."""
    package_id: str = ""
    """``label:hash`` by which a process of its own registers."""
    connection_file: Path | None = None
    """Fabric's ``connection.json``: where that process listens; without it the process dials ``chaincode_port``."""
    version: str
    sequence: int
    endorsement_policy: str
    collections_file: Path | None = None
    """Private data collections, in the JSON form that Fabric's ``--collections-config`` takes."""

    @model_validator(mode="after")
    def _runs_in_one_way(self) -> ChaincodeSettings:
        if bool(self.contract) == bool(self.package_id):
            raise ValueError(
                f"chaincode {self.name!r}: name either a contract of the node's process or the package_id of a process "
                "of its own"
            )
        if self.connection_file is not None and not self.package_id:
            raise ValueError(f"chaincode {self.name!r}: connection_file goes with package_id only")
        return self


class Partner(_Strict):
    """Another bank this bank settles with."""

    msp_id: str
    address: str


class OrdererConfig(_Strict):
    """``orderer.yaml``."""

    msp_id: str
    msp_folder: Path
    tls: TlsFiles
    host: str = "127.0.0.1"
    port: Port
    admin_port: Port | None = None
    """Where the channel participation API is served to the orderer's own organization; by default nowhere."""
    genesis_block: Path
    data_folder: Path


class NodeConfig(_Strict):
    """``node.yaml``."""

    msp_id: str
    role: str = Field(pattern="^(bank|regulator)$")
    channel: str
    host: str = "127.0.0.1"
    port: Port
    msp_folder: Path
    client_msp_folder: Path
    reviewer_msp_folder: Path
    tls: TlsFiles
    genesis_block: Path
    orderers: list[str] = Field(min_length=1)
    peers: dict[str, str]
    database_url_file: Path
    owner_database_url_file: Path
    chaincodes: list[ChaincodeSettings]
    log_key_file: Path
    witness_key_file: Path
    writer_key_file: Path
    rules_file: Path
    commits_definitions: bool = False
    chaincode_values: dict[str, str] = {}
    """What ``{{.name}}`` in a chaincode's ``connection.json`` stands for at this member."""
    chaincode_host: str = "127.0.0.1"
    chaincode_port: Port | None = None
    """Where chaincodes register that dial in, of this organization only; by default nowhere."""
    execute_timeout_s: float = Field(default=30, gt=0, le=86_400)
    """Time limit of one chaincode invocation; long while a contract is looked at with a debugger."""
    partners: list[Partner] = []
    secrets_folder: Path | None = None
    """Where secrets are kept that the node makes itself; by default the folder of ``writer_key_file``."""
    webhook_networks: list[IPv4Network | IPv6Network] = []
    """Private networks that webhooks may reach, with plain HTTP if need be."""
    anchor_interval_s: float = Field(default=0.5, gt=0, le=60)


Settings = TypeVar("Settings", bound=_Strict)


def load_settings(kind: type[Settings], path: Path) -> Settings:
    """Read a settings file; every path in it becomes absolute.

    Raises:
        ConfigurationError: naming the file, the field and what is wrong with it.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        settings = kind.model_validate(raw)
    except OSError as error:
        raise ConfigurationError(f"settings file {path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"settings file {path} is not YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "file"
        raise ConfigurationError(f"settings file {path}: {field}: {first['msg']}") from error
    return _absolute(settings, path.resolve().parent)


def save_settings(settings: _Strict, path: Path) -> None:
    """Write a settings file, readable by its owner only."""
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False), encoding="utf-8")


def read_file(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        ConfigurationError: naming the file.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"file {path} cannot be read: {error.strerror}") from error


def _absolute(settings: Settings, folder: Path) -> Settings:
    return settings.model_copy(update={name: _absolute_value(value, folder) for name, value in settings})


def _absolute_value(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, list):
        return [_absolute_value(item, folder) for item in value]
    if isinstance(value, dict):
        return {name: _absolute_value(item, folder) for name, item in value.items()}
    return _absolute(value, folder) if isinstance(value, _Strict) else value
