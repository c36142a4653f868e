"""Settings of a node and of an orderer, read once at start from one YAML file each.

Relative paths count from the file's own folder. Secrets are never in these files: they name the files that hold them.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ledger.money import ASSET_CODE
from network.operations.certificates import Watched, certificates_in
from network.operations.http_server import HttpTls
from network.operations.log_levels import DEFAULT_SPEC
from network.operations.otlp_tracer import OtlpTracer
from network.rpc import ClientTls, ServerTls
from network.rpc.tls_files import read_certificates, read_pair
from node.errors import ConfigurationError, one_line

KEY_BYTES = 32

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
        return ServerTls(*read_pair(self.certificate, self.key), self._all_roots())

    def client(self) -> ClientTls:
        """The same certificate presented to other members' processes."""
        return ClientTls(self._all_roots(), *read_pair(self.certificate, self.key))

    def roots_by_msp(self) -> dict[str, list[bytes]]:
        """PEM certificates of each member's TLS authorities."""
        return {msp_id: [read_certificates(path) for path in paths] for msp_id, paths in self.roots.items()}

    def _all_roots(self) -> bytes:
        return b"".join(pem for pems in self.roots_by_msp().values() for pem in pems)


class OperationsTls(_Strict):
    """TLS of an operations service: its certificate, and whose certificates may read metrics and set log levels."""

    certificate: Path
    key: Path
    client_roots: list[Path] = Field(min_length=1)


class OperationsSettings(_Strict):
    """Where a process serves health, metrics, log levels and version, over HTTP."""

    host: str = "127.0.0.1"
    port: Port
    tls: OperationsTls | None = None
    """Needed on any address but loopback: log levels could be set by anybody otherwise."""

    @model_validator(mode="after")
    def _clear_text_stays_here(self) -> OperationsSettings:
        if self.tls is None and self.host != "localhost" and not _is_loopback(self.host):
            raise ValueError(f"host {self.host} is not a loopback address: give tls, or listen on 127.0.0.1")
        return self

    def http_tls(self) -> HttpTls | None:
        """Return the material for the server."""
        if self.tls is None:
            return None
        return HttpTls(self.tls.certificate, self.tls.key, tuple(self.tls.client_roots))

    def certificates(self) -> list[Watched]:
        """Return the server's own certificates, to be watched."""
        return [] if self.tls is None else certificates_in("operations", self.tls.certificate)


class TracingSettings(_Strict):
    """Where a process sends traces of its calls (``network.tracing``)."""

    endpoint: str = Field(pattern=r"^https?://.+:\d+$")
    """Of a collector that takes OTLP over gRPC."""
    ratio: float = Field(default=1.0, ge=0, le=1)
    """Share of the traces begun here that is recorded; those that callers began are recorded as they say."""
    roots: Path | None = None
    """Authorities of the collector's certificate, where they are not the system's."""


class ChaincodeService(_Strict):
    """A chaincode that runs in a process of its own: dialled at an address, or dialling ``chaincode_port``."""

    package_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*:[0-9a-f]+$")
    """``label:hash`` by which it registers."""
    address: str | None = Field(default=None, pattern=r"^.+:\d+$")
    """Where it listens."""
    tls: bool = True
    """Whether it is dialled with the node's own certificate, and proves itself by one of a member's TLS authority."""
    connection_file: Path | None = None
    """Fabric's ``connection.json``, in the place of ``address`` and ``tls``."""

    @model_validator(mode="after")
    def _listens_in_one_place(self) -> ChaincodeService:
        if self.address is not None and self.connection_file is not None:
            raise ValueError(f"service {self.package_id}: give address or connection_file, not both")
        return self


class ChaincodeSettings(_Strict):
    """A chaincode definition this organization approves, and what runs it: a contract of this process, or a service."""

    name: str
    contract: str = ""
    """``module:Class`` of a contract that runs in the node's process."""
    service: ChaincodeService | None = None
    version: str
    sequence: int
    endorsement_policy: str
    collections_file: Path | None = None
    """Private data collections, in the JSON form that Fabric's ``--collections-config`` takes."""
    metadata_folder: Path | None = None
    """Folder that holds ``META-INF`` as a chaincode package does, with indexes for rich queries."""

    @model_validator(mode="after")
    def _runs_in_one_way(self) -> ChaincodeSettings:
        if bool(self.contract) == (self.service is not None):
            raise ValueError(f"chaincode {self.name}: give either contract or service")
        return self


Minor = Annotated[int, Field(gt=0)]
AssetCode = Annotated[str, Field(pattern=f"^{ASSET_CODE.pattern}$")]
"""As the books register assets: a limit on "eur" would be none on EUR."""


class PartnerLimits(_Strict):
    """What a partner may do at this node (docs/partner-banks.md)."""

    single_minor: dict[AssetCode, Minor] = {}
    """Largest amount of one settlement, by asset."""
    daily_minor: dict[AssetCode, Minor] = {}
    """Largest sum of a day, midnight to midnight UTC, by asset."""
    open_max: int = Field(default=10_000, ge=0)
    """Settlements agreed to and not yet finished; 0 for no limit."""
    calls_per_s: float = Field(default=500, ge=0)
    """On average; 0 for no limit."""
    calls_burst: int = Field(default=1_000, ge=1)


class PartnerFee(_Strict):
    """What is kept of a payment: a flat amount and a share."""

    flat_minor: int = Field(default=0, ge=0)
    basis_points: int = Field(default=0, ge=0, le=10_000)


class PartnerQuotes(_Strict):
    """On what terms payments of a partner are quoted."""

    fees: dict[AssetCode, PartnerFee] = {}
    """By asset of the payment. A partner with fees orders under a quote only."""
    rate_source: str = ""
    """Whose rates, of those on record in the books, are used; without it nothing is exchanged."""
    rate_age_max_s: float = Field(default=900, gt=0)
    valid_s: float = Field(default=60, gt=0)


class Partner(_Strict):
    """Another bank this bank settles with."""

    msp_id: str
    address: str
    limits: PartnerLimits = PartnerLimits()
    quotes: PartnerQuotes = PartnerQuotes()


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
    operations: OperationsSettings | None = None
    tracing: TracingSettings | None = None
    log_spec: str = DEFAULT_SPEC
    """Levels by logger, as Fabric's logging specifications."""


class Supervision(_Strict):
    """How long a regulator's node bears what before it opens a finding."""

    checkpoint_deadline_s: float = Field(default=60, gt=0)
    """From a member's sealing to its anchoring, and for its node to answer."""
    disclosure_deadline_s: float = Field(default=86_400, gt=0)
    """From a demand to what it asks for."""
    interval_s: float = Field(default=5, gt=0, le=3600)
    """Between two rounds."""


class NodeConfig(_Strict):
    """``node.yaml``."""

    msp_id: str
    role: str = Field(pattern="^(bank|regulator)$")
    roles_required: bool = False
    """Whether TLS certificates of this organization open its node's own services by the role they name alone."""
    supervisors: list[str] = []
    """Organizations that supervise this one: their demands are answered, control totals opened to them."""
    discloses_at_once: bool = True
    """Whether a supervisor's demand is answered without anybody here allowing it (``dwaybank audit allow``)."""
    disclosure_key_file: Path | None = None
    """X25519 key that answers to this organization's demands are sealed to; by default ``disclosure.key`` beside
    ``witness_key_file``, made where it is absent."""
    channel: str
    host: str = "127.0.0.1"
    port: Port
    msp_folder: Path
    client_msp_folder: Path
    reviewer_msp_folder: Path
    tls: TlsFiles
    genesis_block: Path
    orderers: list[str]
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
    fabric_peer: str | None = Field(default=None, pattern=r"^.+:\d+$")
    """A peer of Fabric's that endorses and submits for this organization; the node then follows its blocks."""
    partners: list[Partner] = []
    secrets_folder: Path | None = None
    """Where secrets are kept that the node makes itself; by default the folder of ``writer_key_file``."""
    snapshots_folder: Path = Path("snapshots")
    """Where snapshots of the shared ledger are made."""
    webhook_networks: list[IPv4Network | IPv6Network] = []
    """Private networks that webhooks may reach, with plain HTTP if need be."""
    anchor_interval_s: float = Field(default=0.5, gt=0, le=60)
    supervision: Supervision = Supervision()
    """How a regulator's node watches the other members."""
    operations: OperationsSettings | None = None
    tracing: TracingSettings | None = None
    log_spec: str = DEFAULT_SPEC
    """Levels by logger, as Fabric's logging specifications."""


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
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"settings file {path} is not YAML: {one_line(error)}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "file"
        raise ConfigurationError(f"settings file {path}: {field}: {first['msg']}") from error
    return _absolute(settings, path.resolve().parent)


def save_settings(settings: _Strict, path: Path) -> None:
    """Write a settings file, readable by its owner only."""
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False), encoding="utf-8")


def new_tracer(settings: TracingSettings | None, service: str) -> OtlpTracer | None:
    """Return what records and sends traces under the name of a process; None without settings.

    Raises:
        NetworkError: OpenTelemetry's packages are not installed.
    """
    if settings is None:
        return None
    roots = None if settings.roots is None else read_certificates(settings.roots)
    return OtlpTracer(service, settings.endpoint, settings.ratio, roots)


def read_file(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        ConfigurationError: naming the file.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"file {path} cannot be read: {error.strerror}") from error


def write_file(path: Path, content: bytes, *, with_folder: bool = False) -> None:
    """Write a file that a user asked for; of one that does not fit nothing is left.

    Args:
        with_folder: make its folder where that is absent.
    Raises:
        ConfigurationError: naming the file.
    """
    try:
        if with_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            try:
                file.write(content)
                file.flush()
            except OSError:
                if path.is_file():
                    path.unlink()
                raise
    except OSError as error:
        raise ConfigurationError(f"file {path} cannot be written: {error.strerror}") from error


def read_key(path: Path) -> bytes:
    """Return the 32 bytes of an Ed25519 or X25519 private key.

    Raises:
        ConfigurationError: naming the file.
    """
    key = read_file(path)
    if len(key) != KEY_BYTES:
        raise ConfigurationError(
            f"key file {path} holds {len(key)} bytes, not {KEY_BYTES}: put back the file of the newest backup"
        )
    return key


def read_url(path: Path) -> str:
    """Return the database URL in a file.

    Raises:
        ConfigurationError: naming the file.
    """
    url = read_file(path).decode(errors="replace").strip()
    # Anything else, nothing at all too, the database's library would complete from its own defaults.
    if not url.startswith(("postgresql://", "postgres://")):
        raise ConfigurationError(
            f"file {path} holds no database URL, postgresql://...: put back the file of the newest backup"
        )
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


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
