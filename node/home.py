"""The data directory of a consortium on one machine: everything ``up`` needs, made once and found again.

    <home>/consortium.yaml                the description all else follows from; written last, so it marks a whole home
    <home>/crypto/                        certificates and keys in the layout of Fabric's ``cryptogen``
    <home>/channel/{genesis.block,settlement-collections.json}
    <home>/orderer/{orderer.yaml,blocks/}
    <home>/<organization>/{node.yaml,gateway.yaml,portal.yaml,rules.yaml,connection-profile*.json,secrets/,postgres/}
    <home>/logs/ · <home>/run/

Rules: a folder that holds anything else is refused and left alone; keys and passwords are readable by their owner only;
a start that was killed half way is begun anew, a finished home is never rewritten.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from network.crypto_material import OrganizationSpec, add_tls_client, add_tls_server, generate_organization
from network.errors import ConfigError
from network.genesis import ChannelSpec, OrgSpec, genesis_block
from network.role_unit import Role
from network.topology import Chaincode, Consortium, Organization, load_consortium, save_consortium
from node.collections_file import collections_text
from node.config import (
    ChaincodeSettings,
    NodeConfig,
    OperationsSettings,
    OrdererConfig,
    Partner,
    TlsFiles,
    save_settings,
)
from node.connection_profile import write_connection_profiles
from node.disk import sync
from node.errors import ConfigurationError

FREE_BYTES_MIN = 300 * 1024 * 1024
"""Room a fresh consortium of three needs: three database clusters with their write-ahead logs."""

_MARK = ".dwaybank"
_GENERATED = ("crypto", "channel")
_STARTED = ("orderer/blocks", "*/postgres", "*/secrets/owner.url")
"""What a first start leaves, after the home was made."""
_RULES = Path(__file__).resolve().parent / "compliance" / "default_rules.yaml"

CLIENTS = ("User1", "Node")
"""Client identities of each organization besides Admin: Fabric clients' and the node's own."""

GATEWAY = "Gateway"
"""TLS client by which a gateway calls its node: it signs nothing on the channel, and its unit opens what it needs."""

AUDITOR = "Auditor"
"""TLS client that sees what the node's own services show, and changes nothing."""

EXAMINERS = (("Examiner", "portal:examiner"), ("Supervisor", "portal:supervisor"))
"""Who logs in at a regulator's portal besides Admin, and the unit that gives the role."""

PORTAL = "Portal"
"""TLS client by which a portal calls its node; it signs nothing on the channel."""


@dataclass(frozen=True, slots=True)
class Home:
    """Paths of one consortium's data directory."""

    root: Path

    @property
    def consortium_file(self) -> Path:
        """The description of the consortium."""
        return self.root / "consortium.yaml"

    @property
    def logs(self) -> Path:
        """One log file for each process."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """What lives only while the consortium runs: lock, pid, status."""
        return self.root / "run"

    @property
    def lock(self) -> Path:
        """Held by the supervisor, or by a command that must be alone with the data."""
        return self.run / "lock"

    @property
    def backup_lock(self) -> Path:
        """Held while a backup is made, so that nothing is ordered."""
        return self.run / "backup"

    @property
    def genesis(self) -> Path:
        """The channel's first block."""
        return self.root / "channel" / "genesis.block"

    def collections(self, chaincode: Chaincode) -> Path:
        """A contract's private data collections, as Fabric's ``--collections-config`` takes them."""
        return self.genesis.parent / f"{chaincode.name}-collections.json"

    @property
    def orderer(self) -> Path:
        """The orderer's settings and blocks."""
        return self.root / "orderer"

    def organization(self, organization: Organization) -> Path:
        """The organization's own folder."""
        return self.root / organization.name

    def crypto(self, organization: Organization) -> Path:
        """The organization's certificates and keys."""
        return self.root / "crypto" / "peerOrganizations" / organization.domain

    def orderer_crypto(self, consortium: Consortium) -> Path:
        """The orderer organization's certificates and keys."""
        return self.root / "crypto" / "ordererOrganizations" / consortium.orderer.domain

    def user(self, organization: Organization, user: str) -> Path:
        """A user's folder with ``msp/`` and ``tls/``."""
        return self.crypto(organization) / "users" / f"{user}@{organization.domain}"

    def portal_tls(self, organization: Organization) -> Path:
        """The folder of the portal's TLS certificate as a server."""
        return self.crypto(organization) / "servers" / f"portal.{organization.domain}" / "tls"

    def secret(self, organization: Organization, name: str) -> Path:
        """A file only its owner may read."""
        return self.organization(organization) / "secrets" / name


def default_home() -> Path:
    """Return where a consortium's data lives unless ``--home`` says otherwise."""
    if os.geteuid() == 0:
        return Path("/var/lib/dwaybank")
    return Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "dwaybank"


def open_home(root: Path) -> tuple[Home, Consortium]:
    """Find an existing home.

    Raises:
        ConfigurationError: nothing there, or something else.
    """
    home = Home(root.resolve())
    if not home.consortium_file.exists():
        raise ConfigurationError(f"no consortium in {home.root}: start one with `dwaybank up --home {home.root}`")
    try:
        return home, load_consortium(home.consortium_file)
    except ConfigError as error:
        raise ConfigurationError(str(error)) from error


def prepare_home(
    root: Path, consortium: Callable[[], Consortium], now: datetime, database_urls: dict[str, str]
) -> tuple[Home, Consortium]:
    """Return the home, made from ``consortium()`` where it does not exist yet.

    Args:
        root: the data directory.
        consortium: gives the description of a new consortium; not called for an existing one.
        now: start of the certificates' validity.
        database_urls: PostgreSQL servers given by the user, by organization name; others get a cluster of their own.
    Raises:
        ConfigurationError: the folder holds something else, cannot be written, or the disk is full.
    """
    home = Home(root.resolve())
    if home.consortium_file.exists():
        return open_home(root)
    _claim(home)
    with (home.root / _MARK).open("r+") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        if home.consortium_file.exists():
            # Another command made it while this one waited.
            return open_home(root)
        return home, _make(home, consortium, now, database_urls)


def _make(home: Home, consortium: Callable[[], Consortium], now: datetime, database_urls: dict[str, str]) -> Consortium:
    _refuse_started(home)
    described = consortium()
    unknown = sorted(set(database_urls) - {organization.name for organization in described.organizations})
    if unknown:
        raise ConfigurationError(
            f"--database-url names {', '.join(unknown)}, which is no organization of the consortium"
        )
    try:
        for name in _GENERATED:
            shutil.rmtree(home.root / name, ignore_errors=True)
        _generate(home, described, now, database_urls)
    except OSError as error:
        raise ConfigurationError(f"data directory {home.root} cannot be written: {error.strerror}") from error
    return described


def _refuse_started(home: Home) -> None:
    """Refuse to make keys anew where some were at work: only what was never started is begun again.

    Raises:
        ConfigurationError: naming what stands there.
    """
    for pattern in _STARTED:
        if found := sorted(home.root.glob(pattern)):
            raise ConfigurationError(
                f"{home.consortium_file} is missing, and {found[0]} shows that a consortium ran here: put the file "
                "back from a backup; nothing was changed"
            )


def _claim(home: Home) -> None:
    root = home.root
    try:
        if root.exists() and any(root.iterdir()) and not (root / _MARK).exists():
            raise ConfigurationError(f"{root} holds files that are not ours: choose an empty folder with --home")
        root.mkdir(parents=True, exist_ok=True)
        # Entered by the database server's account, read by nobody but its owner.
        root.chmod(0o711)
        free_bytes = shutil.disk_usage(root).free
        if free_bytes < FREE_BYTES_MIN:
            raise ConfigurationError(
                f"{root} has {free_bytes // 2**20} MiB free and a consortium needs {FREE_BYTES_MIN // 2**20}: "
                "make room or choose another --home"
            )
        (root / _MARK).touch()
    except OSError as error:
        raise ConfigurationError(f"data directory {root} cannot be used: {error.strerror}") from error


def _generate(home: Home, consortium: Consortium, now: datetime, database_urls: dict[str, str]) -> None:
    for folder in (home.logs, home.run, home.orderer, home.genesis.parent):
        folder.mkdir(exist_ok=True)
    _generate_certificates(home, consortium, now)
    home.genesis.write_bytes(genesis_block(_channel(home, consortium)).SerializeToString())
    for chaincode in consortium.chaincodes:
        if chaincode.collections:
            home.collections(chaincode).write_text(collections_text(chaincode.collections))
    write_orderer_settings(home, consortium)
    for organization in consortium.organizations:
        _generate_organization(home, consortium, organization, database_urls.get(organization.name))
    # All before the file that marks a whole home: without their keys, which a machine that dies in the first seconds
    # would not have written, books that were acknowledged meanwhile could never be opened again.
    for place, _, files in os.walk(home.root):
        for path in (*(Path(place, name) for name in files), Path(place)):
            sync(path)
    sync(home.root.parent)
    save_consortium(consortium, home.consortium_file)
    sync(home.root)


def _generate_certificates(home: Home, consortium: Consortium, now: datetime) -> None:
    crypto = home.root / "crypto"
    orderer = consortium.orderer
    generate_organization(
        crypto,
        OrganizationSpec(
            name="Orderer",
            msp_id=orderer.msp_id,
            domain=orderer.domain,
            kind="orderer",
            hosts=(orderer.host,),
            users=(),
            reviewers=(),
        ),
        now,
    )
    for organization in consortium.organizations:
        generate_organization(
            crypto,
            OrganizationSpec(
                name=organization.display_name,
                msp_id=organization.msp_id,
                domain=organization.domain,
                kind="peer",
                hosts=("node",) if organization.fabric_peer is None else ("node", "peer"),
                users=CLIENTS,
                reviewers=("Reviewer",),
                others=EXAMINERS if organization.portal_port is not None else (),
                admin_tls_unit=Role.OPERATOR,
            ),
            now,
        )
        add_tls_client(home.crypto(organization), GATEWAY, ("client", Role.GATEWAY), now)
        add_tls_client(home.crypto(organization), AUDITOR, ("client", Role.READER), now)
        if organization.portal_port is not None:
            add_tls_server(home.crypto(organization), "portal", now)
            add_tls_client(home.crypto(organization), PORTAL, ("client", Role.PORTAL), now)


def _channel(home: Home, consortium: Consortium) -> ChannelSpec:
    orderer = consortium.orderer
    return ChannelSpec(
        channel_id=consortium.channel,
        orderer_orgs=(
            OrgSpec(
                msp_id=orderer.msp_id,
                msp_folder=home.orderer_crypto(consortium) / "msp",
                orderer_endpoints=(f"127.0.0.1:{orderer.port}",),
            ),
        ),
        application_orgs=tuple(
            OrgSpec(
                msp_id=organization.msp_id,
                msp_folder=home.crypto(organization) / "msp",
                anchor_peers=(organization.peer_address,),
            )
            for organization in consortium.organizations
        ),
    )


def tls_roots(home: Home, consortium: Consortium) -> dict[str, list[Path]]:
    """Return every member's TLS authorities, by MSP id, the orderer's organization included."""
    roots = {consortium.orderer.msp_id: home.orderer_crypto(consortium)}
    roots |= {organization.msp_id: home.crypto(organization) for organization in consortium.organizations}
    return {msp_id: sorted((folder / "msp" / "tlscacerts").glob("*.pem")) for msp_id, folder in roots.items()}


def write_orderer_settings(home: Home, consortium: Consortium) -> None:
    """Write ``orderer.yaml``, all of which follows from the consortium's description."""
    orderer = consortium.orderer
    host = home.orderer_crypto(consortium) / "orderers" / f"{orderer.host}.{orderer.domain}"
    save_settings(
        OrdererConfig(
            msp_id=orderer.msp_id,
            msp_folder=host / "msp",
            tls=_host_tls(home, consortium, host),
            port=orderer.port,
            admin_port=orderer.admin_port,
            genesis_block=home.genesis,
            data_folder=home.orderer / "blocks",
            operations=_operations(orderer.operations_port),
        ),
        home.orderer / "orderer.yaml",
    )


def _operations(port: int | None) -> OperationsSettings | None:
    return None if port is None else OperationsSettings(port=port)


def _host_tls(home: Home, consortium: Consortium, host: Path) -> TlsFiles:
    return TlsFiles(
        certificate=host / "tls" / "server.crt", key=host / "tls" / "server.key", roots=tls_roots(home, consortium)
    )


def _generate_organization(home: Home, consortium: Consortium, own: Organization, database_url: str | None) -> None:
    folder = home.organization(own)
    (folder / "secrets").mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    (folder / "secrets").chmod(0o700)
    for name in ("log.key", "witness.key", "writer.key", "pseudonym.key", "disclosure.key"):
        write_secret(home.secret(own, name), secrets.token_bytes(32))
    write_secret(home.secret(own, "token.key"), secrets.token_hex(32).encode())
    if database_url is not None:
        write_secret(home.secret(own, "administrator.url"), database_url.encode())
    if not (folder / "rules.yaml").exists():
        shutil.copyfile(_RULES, folder / "rules.yaml")
    save_settings(_node_settings(home, consortium, own), folder / "node.yaml")
    write_connection_profiles(home.root, consortium, own, folder)


def _chaincode_settings(home: Home, chaincode: Chaincode) -> ChaincodeSettings:
    collections_file = home.collections(chaincode) if chaincode.collections else None
    return ChaincodeSettings(**chaincode.model_dump(exclude={"collections"}), collections_file=collections_file)


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read; one that exists is kept."""
    if not path.exists():
        replace_secret(path, content)


def replace_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, over one that exists.

    Built beside its place, synced and renamed: a crash leaves the old file or the whole new one, and no moment in which
    others may read it. A secret that was cut short would be kept as one by every later start.
    """
    building = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(building, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        building.replace(path)
    except OSError:
        building.unlink(missing_ok=True)
        raise
    sync(path.parent)


def _node_settings(home: Home, consortium: Consortium, own: Organization) -> NodeConfig:
    peer = home.crypto(own) / "peers" / own.node_host
    others = [organization for organization in consortium.organizations if organization != own]
    return NodeConfig(
        msp_id=own.msp_id,
        role=own.role,
        roles_required=True,
        supervisors=[other.msp_id for other in others if other.role == "regulator"],
        channel=consortium.channel,
        port=own.node_port,
        msp_folder=peer / "msp",
        client_msp_folder=home.user(own, "Node") / "msp",
        reviewer_msp_folder=home.user(own, "Reviewer") / "msp",
        tls=_host_tls(home, consortium, peer),
        genesis_block=home.genesis,
        orderers=[f"127.0.0.1:{consortium.orderer.port}"],
        peers={organization.msp_id: f"127.0.0.1:{organization.node_port}" for organization in consortium.organizations},
        database_url_file=home.secret(own, "node.url"),
        owner_database_url_file=home.secret(own, "owner.url"),
        chaincodes=[_chaincode_settings(home, chaincode) for chaincode in consortium.chaincodes],
        commits_definitions=own == consortium.organizations[0] and not consortium.on_fabric_peers,
        fabric_peer=own.fabric_peer,
        log_key_file=home.secret(own, "log.key"),
        witness_key_file=home.secret(own, "witness.key"),
        disclosure_key_file=home.secret(own, "disclosure.key"),
        writer_key_file=home.secret(own, "writer.key"),
        rules_file=home.organization(own) / "rules.yaml",
        secrets_folder=home.organization(own) / "secrets",
        operations=_operations(own.operations_port),
        partners=[
            Partner(msp_id=other.msp_id, address=f"127.0.0.1:{other.node_port}")
            for other in others
            if own.role == "bank" and other.role == "bank"
        ],
    )
