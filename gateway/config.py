"""The gateway's configuration: one YAML file, read once, checked at once, then frozen.

Rules: every path is taken relative to the file's own folder; an unknown or missing field is refused by name; no other
module reads files or the environment. The file holds no secret but the database URL: the token secret lies in a file of
its own (at least 32 bytes).

Example of the file::

    listen: {host: 127.0.0.1, port: 8080}
    database_url: postgresql://gateway@localhost/dwaybank
    node: {address: "127.0.0.1:7051"}
    tls: {certificate: tls/client.crt, key: tls/client.key, roots: tls/ca.crt}
    jwt_secret_file: secrets/jwt
    organization: {msp_id: DwaybankMSP, display_name: DwayBank}
    partners: [{msp_id: PartnerMSP, display_name: Partner Bank}]
    assets: [{code: EUR, scale: 2}]
    server_tls: {certificate: tls/server.crt, key: tls/server.key}   # optional
    trusted_proxies: [10.0.0.0/24]   # optional
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.errors import ConfigurationError
from network.operations.log_levels import DEFAULT_SPEC
from network.rpc import ClientTls
from network.rpc.tls_files import read_client_tls

Settings = TypeVar("Settings", bound=BaseModel)

ASSET_CODE = r"^[A-Z][A-Z0-9]{1,15}$"
"""Form of an asset's code, as the books have it (``ledger.money``)."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Hosts at which nobody else listens on the line."""

SECRET_BYTES_MIN = 32
"""Shortest token secret, as long as the digest of HS256 (RFC 7518, 3.2)."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Listen(_Part):
    """Where customers connect."""

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65_535)


class ServerTls(_Part):
    """PEM files by which a listener proves itself to browsers and proxies."""

    certificate: Path
    key: Path


class Node(_Part):
    """The organization's own node; ``server_name`` where its certificate does not carry the address's host."""

    address: str = Field(pattern=r"^\S+:\d{1,5}$")
    server_name: str | None = None
    timeout_s: float = Field(default=10.0, gt=0, le=60)


class Tls(_Part):
    """PEM files of the mutual TLS towards the node."""

    certificate: Path
    key: Path
    roots: Path

    def client(self) -> ClientTls:
        """Return it as the transport takes it.

        Raises:
            NetworkError: a file cannot be used; the text names it.
        """
        return read_client_tls(self.certificate, self.key, [self.roots])


class Organization(_Part):
    """A bank, as its customers and the consortium know it."""

    msp_id: str = Field(pattern=r"^[A-Za-z0-9.-]{1,64}$")
    display_name: str = Field(min_length=1, max_length=80)


class Asset(_Part):
    """An asset customers may hold: its code in the books and the number of its decimals."""

    code: str = Field(pattern=ASSET_CODE)
    scale: int = Field(ge=0, le=18)


class OperationsTls(_Part):
    """PEM files of an operations service; certificates of ``client_roots`` may read metrics and set log levels."""

    certificate: Path
    key: Path
    client_roots: tuple[Path, ...] = Field(min_length=1)


class Operations(_Part):
    """Where health, metrics, log levels and version are served, apart from customers."""

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65_535)
    tls: OperationsTls | None = None
    """Needed on any address but loopback."""

    @model_validator(mode="after")
    def _clear_text_stays_here(self) -> Operations:
        if self.tls is None and self.host not in LOOPBACK:
            raise ValueError(f"host {self.host} is not a loopback address: give tls, or listen on 127.0.0.1")
        return self


class Tracing(_Part):
    """Where traces of calls to the node are sent (``network.tracing``): a collector that takes OTLP over gRPC."""

    endpoint: str = Field(pattern=r"^https?://.+:\d+$")
    ratio: float = Field(default=1.0, ge=0, le=1)
    """Share of the traces that is recorded."""
    roots: Path | None = None
    """Authorities of the collector's certificate, where they are not the system's."""


class PasswordCost(_Part):
    """Argon2id's cost; the default is the OWASP password storage recommendation for one lane."""

    memory_kib: int = Field(default=19_456, ge=8_192)
    iterations: int = Field(default=2, ge=1)
    threads: int = Field(default=2, ge=1, le=32)
    """Passwords hashed at the same time."""


def _network(text: object) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(str(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is no network: write one as 10.0.0.0/24 or fd00::/64 ({error})") from error
    if network.prefixlen == 0:
        raise ValueError(f"{network} is everybody, and anybody could say to be anybody: name the proxies' networks")
    return network


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
"""A network in CIDR's notation."""


class GatewayConfig(BaseSettings):
    """Everything a gateway needs to know; see the module's example."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    listen: Listen
    database_url: str = Field(pattern=r"^postgresql://")
    node: Node
    tls: Tls | None = None
    """Absent only where the node listens in the clear on loopback, in tests."""
    jwt_secret_file: Path
    organization: Organization
    partners: tuple[Organization, ...] = ()
    server_tls: ServerTls | None = None
    """Absent: HTTP in the clear, for a proxy on the same machine."""
    trusted_proxies: tuple[Network, ...] = ()
    """Networks of the proxies before the gateway, whose ``X-Forwarded-For`` is believed."""
    assets: tuple[Asset, ...] = Field(min_length=1)
    password_cost: PasswordCost = PasswordCost()
    operations: Operations | None = None
    tracing: Tracing | None = None
    log_spec: str = DEFAULT_SPEC
    """Levels by logger, as Fabric's logging specifications."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from the file alone: an environment variable must not change a bank's gateway unseen."""
        return (init_settings,)


def load_config(path: Path) -> GatewayConfig:
    """Read and check a configuration file.

    Args:
        path: YAML file.
    Returns:
        The configuration, all paths absolute.
    Raises:
        ConfigurationError: unreadable, not YAML, or a field that is wrong; the text names it.
    """
    config = read_settings(GatewayConfig, path)
    return _with_absolute_paths(config, path.resolve().parent)


def read_settings(kind: type[Settings], path: Path) -> Settings:
    """Read one settings file of this room.

    Args:
        kind: the model of its fields.
        path: YAML file; paths in it are left as they stand.
    Raises:
        ConfigurationError: unreadable, not YAML, or a field that is wrong; the text names it.
    """
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"configuration {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"configuration {path} is not YAML: correct it or let `dwaybank up` write it"
        ) from error
    if not isinstance(fields, dict):
        raise ConfigurationError(f"configuration {path} holds no fields: see the example in the documentation")
    try:
        return kind(**fields)
    except ValidationError as error:
        raise ConfigurationError(f"configuration {path}: {_first_fault(error)}") from error


def read_secret(path: Path) -> bytes:
    """Return the token secret.

    Raises:
        ConfigurationError: unreadable or shorter than 32 bytes.
    """
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(f"jwt_secret_file {path} cannot be read: {error.strerror}") from error
    if len(secret) < SECRET_BYTES_MIN:
        raise ConfigurationError(
            f"jwt_secret_file {path} holds {len(secret)} bytes: give it at least {SECRET_BYTES_MIN} random ones"
        )
    return secret


def _with_absolute_paths(config: GatewayConfig, folder: Path) -> GatewayConfig:
    tls = config.tls
    if tls is not None:
        tls = Tls(certificate=folder / tls.certificate, key=folder / tls.key, roots=folder / tls.roots)
    server_tls = config.server_tls
    if server_tls is not None:
        server_tls = ServerTls(certificate=folder / server_tls.certificate, key=folder / server_tls.key)
    operations = config.operations
    if operations is not None and operations.tls is not None:
        files = operations.tls
        absolute = OperationsTls(
            certificate=folder / files.certificate,
            key=folder / files.key,
            client_roots=tuple(folder / path for path in files.client_roots),
        )
        operations = operations.model_copy(update={"tls": absolute})
    tracing = config.tracing
    if tracing is not None and tracing.roots is not None:
        tracing = tracing.model_copy(update={"roots": folder / tracing.roots})
    jwt_secret_file = folder / config.jwt_secret_file
    changes = {
        "tls": tls,
        "server_tls": server_tls,
        "jwt_secret_file": jwt_secret_file,
        "operations": operations,
        "tracing": tracing,
    }
    return config.model_copy(update=changes)


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_input=False, include_url=False)[0]
    field = ".".join(str(part) for part in fault["loc"])
    return f"field {field}: {fault['msg'].removeprefix('Value error, ')}"
