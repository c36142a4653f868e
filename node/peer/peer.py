"""One organization's peer: builds the parts, starts and stops them in order, registers the services.

A peer is on the channel of its settings, and on those an administrator joined (``peer channel join``); the others are
kept in its database and opened again at each start. What the rest of the node needs of its own channel (height,
hashes, state, blocks, transactions) is offered here too.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog

from network import rpc
from network.block import parse_block
from network.channel_config import ChannelConfig
from network.errors import RpcError
from network.identity import SigningIdentity
from network.msp import Msp
from network.operations.metrics import Metrics
from network.rpc import StatusCode
from node.operations.peer_metrics import PeerMetrics
from node.peer.block_store import TransactionRecord
from node.peer.chaincode_support import ChaincodeSupport, ExternalChaincode
from node.peer.channel import Channel
from node.peer.committer import CommittedBlock
from node.peer.contract_runner import EXECUTE_TIMEOUT_S, ContractRunner
from node.peer.database import fetch
from node.peer.definition import Definition
from node.peer.deliver_service import SERVICE_NAME as DELIVER_SERVICE
from node.peer.deliver_service import DeliverService
from node.peer.discovery.service import SERVICE_NAME as DISCOVERY_SERVICE
from node.peer.discovery.service import DiscoveredChannel, DiscoveryService
from node.peer.endorser import Endorser
from node.peer.endorser_service import SERVICE_NAME as ENDORSER_SERVICE
from node.peer.endorser_service import EndorserService
from node.peer.errors import ChaincodeError, ChannelStoppedError
from node.peer.gateway.endorsers import PeerEndpoint, RemotePeer
from node.peer.gateway.gateway import Gateway
from node.peer.gateway.orderers import OrdererEndpoint
from node.peer.gateway.service import SERVICE_NAME as GATEWAY_SERVICE
from node.peer.gateway.service import GatewayService
from node.peer.installed import InstalledPackages
from node.peer.ledger_queries import LedgerQueries
from node.peer.lifecycle_local import InstallFunctions
from node.peer.orderer_watch import WATCH_INTERVAL_S
from node.peer.own_endorsements import OwnEndorsements
from node.peer.package import ChaincodePackage
from node.peer.peer_channel import ChannelSettings, PeerChannel, PeerParts
from node.peer.private_service import SERVICE_NAME as PRIVATE_DATA_SERVICE
from node.peer.private_service import PrivateDataService
from node.peer.proposals import Proposals
from node.peer.reader import DatabaseThread
from node.peer.signature_checks import SignatureChecks
from node.peer.snapshots.joining import SnapshotJoining
from node.peer.snapshots.requests import SnapshotRequests
from node.peer.snapshots.service import SERVICE_NAME as SNAPSHOT_SERVICE
from node.peer.snapshots.service import SnapshotService
from node.peer.state_indexes import StateIndex
from node.peer.system_chaincode import LocalMembers

_log = structlog.get_logger(__name__)

SERVICE_NAMES = (
    ENDORSER_SERVICE,
    DELIVER_SERVICE,
    GATEWAY_SERVICE,
    DISCOVERY_SERVICE,
    PRIVATE_DATA_SERVICE,
    SNAPSHOT_SERVICE,
)
"""gRPC services of a peer."""

FOLLOWER_SERVICE_NAMES = (DELIVER_SERVICE, SNAPSHOT_SERVICE)
"""Those of one that follows another peer."""


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """What a peer needs.

    Args:
        database_url: PostgreSQL of the organization.
        channel_id: channel.
        genesis: serialized genesis block, given by the operator and trusted.
        identity: this peer's signing identity.
        local_msp: serialized ``MSPConfig`` of this peer's own organization, for what concerns no channel.
        address: ``host:port`` under which others know this peer; it stands in error details.
        approved: chaincode definitions this organization approves.
        contracts: ``module:Class`` of the contracts that run in this process, by chaincode name.
        external_chaincodes: chaincodes that run in processes of their own.
        indexes: for rich queries, of the chaincodes that the settings name.
        chaincode_values: what ``{{.name}}`` in the ``connection.json`` of an installed package stands for.
        authorize_chaincode: refuses callers that may not register as a chaincode, by raising RpcError; None serves none
            that dial in.
        orderers: ordering service; empty takes the addresses in the channel's configuration.
        other_peers: the other organizations' peers.
        client_tls: how this peer dials others; None for none, in tests only.
        execute_timeout_s: time limit of one chaincode invocation.
        snapshots_folder: where snapshots of the ledgers are made; None for nowhere.
        followed_peer: ``host:port`` of another peer of this organization, Fabric's, that endorses and submits in the
            place of this one. Blocks are taken from it and judged again, and only they are served. What it has of
            private values stays with it.
        watch_interval_s: how often the orderers that blocks are not taken from are asked for headers.
    """

    database_url: str
    channel_id: str
    genesis: bytes
    identity: SigningIdentity
    local_msp: bytes
    address: str
    approved: Sequence[Definition] = ()
    contracts: Mapping[str, str] = field(default_factory=dict)
    external_chaincodes: Sequence[ExternalChaincode] = ()
    indexes: Mapping[str, Sequence[StateIndex]] = field(default_factory=dict)
    chaincode_values: Mapping[str, str] = field(default_factory=dict)
    authorize_chaincode: Callable[[rpc.Call], None] | None = None
    orderers: Sequence[OrdererEndpoint] = ()
    other_peers: Sequence[PeerEndpoint] = ()
    client_tls: rpc.ClientTls | None = None
    execute_timeout_s: float = EXECUTE_TIMEOUT_S
    snapshots_folder: Path | None = None
    followed_peer: str | None = None
    watch_interval_s: float = WATCH_INTERVAL_S


def utc_now() -> datetime:
    """Return the time now in UTC."""
    return datetime.now(UTC)


def _refuse(call: rpc.Call) -> None:
    raise RpcError(StatusCode.PERMISSION_DENIED, "this peer takes no chaincodes that dial in")


class Peer:
    """A peer.

    Args:
        settings: see :class:`PeerSettings`.
        now: UTC clock.
        random_bytes: for nonces.
        metrics: where proposals and blocks are counted; None where nobody reads it.
    """

    def __init__(
        self,
        settings: PeerSettings,
        *,
        now: Callable[[], datetime] = utc_now,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
        metrics: PeerMetrics | None = None,
    ) -> None:
        self._settings = settings
        self._now = now
        self._runner = ContractRunner(settings.contracts, timeout_s=settings.execute_timeout_s)
        self._chaincodes = ChaincodeSupport(
            settings.external_chaincodes, settings.authorize_chaincode or _refuse, settings.execute_timeout_s
        )
        self._database = DatabaseThread("peer-packages", settings.database_url)
        self._packages = InstalledPackages(self._database, settings.chaincode_values, self._run_package)
        self._channels: dict[str, Channel] = {}
        self._endorsers: dict[str, Endorser] = {}
        self._gateways: dict[str, Gateway] = {}
        self._discovered: dict[str, DiscoveredChannel] = {}
        self._joined: dict[str, PeerChannel] = {}
        self._joining = asyncio.Lock()
        self._checks = SignatureChecks()
        members = LocalMembers(Msp.from_config(settings.local_msp), now, self._checks)
        self._snapshot_joins = SnapshotJoining(
            settings.database_url, settings.identity.creator, self._join_imported, now
        )
        self._snapshots: dict[str, SnapshotRequests] = {}
        queries = LedgerQueries(self._channels, members, self._join, self._snapshot_joins)
        installs = InstallFunctions(self._packages, self._references)
        self._parts = PeerParts(
            database_url=settings.database_url,
            identity=settings.identity,
            address=settings.address,
            client_tls=settings.client_tls,
            others=[RemotePeer(endpoint, settings.client_tls) for endpoint in settings.other_peers],
            members=members,
            packages=self._packages,
            housekeeping=self._database,
            installs=installs,
            queries=queries,
            runners=[self._runner, self._chaincodes],
            endorsers=self._endorsers,
            own=OwnEndorsements(),
            checks=self._checks,
            metrics=metrics or PeerMetrics(Metrics()),
            now=now,
            random_bytes=random_bytes,
            snapshots_folder=settings.snapshots_folder,
            watch_interval_s=settings.watch_interval_s,
        )
        home = ChannelSettings(
            settings.channel_id,
            settings.genesis,
            settings.approved,
            settings.orderers,
            settings.indexes,
            settings.followed_peer,
        )
        self._home = PeerChannel(home, self._parts)
        self._endorser_service = EndorserService(Proposals(self._endorsers, members, queries, installs))
        self._deliver_service = DeliverService(self._channels, now)
        self._gateway_service = GatewayService(self._gateways)
        self._discovery_service = DiscoveryService(self._discovered, members, now)
        self._snapshot_service = SnapshotService(self._snapshots, members)
        self._private_service = PrivateDataService(self._channels, settings.identity.creator, now)
        self._running = AsyncExitStack()

    async def start(self) -> None:
        """Open the channels, serve them from here on, and begin to pull blocks.

        Raises:
            StoreError: the database does not answer, or holds another chain.
            ChannelLockedError: another process commits a channel to this database.
            NetworkError: a genesis block or a configuration cannot be used.
        """
        async with AsyncExitStack() as starting:
            self._database.start()
            starting.push_async_callback(self._database.stop)
            starting.push_async_callback(self._checks.stop)
            starting.push_async_callback(self._runner.stop)
            self._runner.start()
            starting.push_async_callback(self._chaincodes.stop)
            self._chaincodes.start()
            await self._packages.load()
            for other in self._parts.others:
                starting.push_async_callback(other.close)
            starting.push_async_callback(self._stop_channels)
            starting.push_async_callback(self._snapshot_joins.stop)
            await self._open(self._home)
            for channel_id, genesis in await self._database.run(
                lambda connection: fetch(connection, "read_joined_channels", ())
            ):
                if channel_id not in self._joined:
                    await self._open(PeerChannel(ChannelSettings(channel_id, bytes(genesis)), self._parts))
            self._running = starting.pop_all()

    async def stop(self) -> None:
        """Stop pulling, finish the blocks being written, close everything; a second call does nothing."""
        await self._running.aclose()

    def register(self, server: rpc.Server) -> None:
        """Serve the peer's services on ``server``; :meth:`start` comes first."""
        self._deliver_service.register(server)
        self._snapshot_service.register(server)
        if self._settings.followed_peer is None:
            self._endorser_service.register(server)
            self._gateway_service.register(server)
            self._discovery_service.register(server)
            self._private_service.register(server)

    @property
    def service_names(self) -> tuple[str, ...]:
        """The gRPC services that :meth:`register` offers."""
        return SERVICE_NAMES if self._settings.followed_peer is None else FOLLOWER_SERVICE_NAMES

    def register_chaincodes(self, server: rpc.Server) -> None:
        """Let chaincodes that dial in register on ``server``."""
        self._chaincodes.register(server)

    def on_commit(self, listener: Callable[[CommittedBlock], None]) -> None:
        """Have ``listener`` called in the event loop after each block of the own channel is durable."""
        self._home.on_commit(listener)

    @property
    def channel(self) -> Channel:
        """The channel of the settings."""
        return self._home.channel

    @property
    def endorser(self) -> Endorser:
        """The endorser of that channel."""
        return self._home.endorser

    @property
    def height(self) -> int:
        """Number of blocks committed."""
        return self.channel.progress.height

    @property
    def current_block_hash(self) -> bytes:
        """Hash of the last committed block's header."""
        return self.channel.progress.header_hash

    @property
    def commit_hash(self) -> bytes:
        """Commit hash of the last committed block."""
        return self.channel.progress.commit_hash

    @property
    def config(self) -> ChannelConfig:
        """Channel configuration in force."""
        return self.channel.config

    @property
    def stopped(self) -> ChannelStoppedError | None:
        """Why nothing more is committed; None while all is well."""
        return self.channel.progress.stopped

    @property
    def channels_without_source(self) -> list[str]:
        """Channels for whose blocks nobody is known who may be asked."""
        return [channel_id for channel_id, channel in self._joined.items() if not channel.has_source]

    @property
    def silences_s(self) -> dict[str, float]:
        """For how many seconds nobody has been reached who gives blocks, by channel."""
        return {channel_id: channel.silent_s for channel_id, channel in self._joined.items()}

    async def wait_for_height(self, height: int) -> None:
        """Return once at least ``height`` blocks are committed.

        Raises:
            ChannelStoppedError: a block before that was refused.
        """
        await self.channel.progress.wait_for_height(height)

    async def read_state(self, namespace: str, key: str) -> bytes | None:
        """Return the committed value of a public key, None where there is none."""
        return await self.channel.read_state(namespace, key)

    async def block(self, number: int) -> bytes | None:
        """Return a committed block serialized, None above the height."""
        return await self.channel.block(number)

    async def transaction(self, tx_id: str) -> TransactionRecord | None:
        """Return where a transaction stands and its validation code, None when no committed block holds it."""
        return await self.channel.transaction(tx_id)

    async def _open(self, joined: PeerChannel) -> None:
        await joined.start()
        self._serve(joined)

    def _serve(self, joined: PeerChannel) -> None:
        channel_id = joined.channel.channel_id
        self._joined[channel_id] = joined
        self._channels[channel_id] = joined.channel
        self._endorsers[channel_id] = joined.endorser
        self._gateways[channel_id] = joined.gateway
        self._discovered[channel_id] = joined.discovered
        self._snapshots[channel_id] = joined.snapshots

    async def _stop_channels(self) -> None:
        for joined in reversed(self._joined.values()):
            await joined.stop()

    async def _join(self, genesis: bytes) -> None:
        """Join the channel of a genesis block, for good.

        Raises:
            ChaincodeError: this peer is on it already, or the block is not the channel's first.
            NetworkError: the block or its configuration cannot be used.
            StoreError: the database does not answer, or holds another chain of that name.
        """
        block = parse_block(genesis)
        channel_id = ChannelConfig.from_block(block).channel_id
        async with self._joining:
            if channel_id in self._joined:
                raise ChaincodeError(
                    f"cannot create ledger from genesis block: ledger [{channel_id}] already exists with state [ACTIVE]"
                )
            if block.header.number != 0:
                raise ChaincodeError(
                    "cannot create ledger from genesis block: expected block number=0, received block "
                    f"number={block.header.number}"
                )
            if (folder := self._snapshot_joins.in_progress) is not None:
                raise ChaincodeError(
                    f"cannot create ledger from genesis block: a ledger is being created from a snapshot at {folder}. "
                    "Call ledger creation again after it is done."
                )
            await self._take_up(channel_id, genesis)

    async def _join_imported(self, channel_id: str) -> None:
        """Join a channel whose tables a snapshot has filled."""
        async with self._joining:
            await self._take_up(channel_id, b"")

    async def _take_up(self, channel_id: str, genesis: bytes) -> None:
        """Open a channel, for good."""
        joined = PeerChannel(ChannelSettings(channel_id, genesis), self._parts)
        await joined.start()
        parameters = (joined.channel_no, self._now())
        try:
            await self._database.run(lambda connection: fetch(connection, "insert_joined_channel", parameters))
        except BaseException:
            # What the next start would not know of is not served now either.
            await joined.stop()
            raise
        self._serve(joined)
        _log.info("channel joined", channel=channel_id)

    def _run_package(self, package: ChaincodePackage) -> None:
        """Have an installed package run by whatever runs its kind."""
        if package.contract:
            self._runner.add(package.package_id, package.contract)
        elif package.connection is None and self._settings.authorize_chaincode is None:
            raise ChaincodeError("did not find connection.json, and this peer takes no chaincodes that dial in")
        else:
            self._chaincodes.add(package.package_id, package.connection)

    async def _references(self) -> dict[str, dict[str, list[tuple[str, str]]]]:
        """Return the chaincodes each installed package runs, by package id and channel."""
        references: dict[str, dict[str, list[tuple[str, str]]]] = {}
        for channel_id, joined in list(self._joined.items()):
            for package_id, chaincodes in (await joined.approvals.packages_in_use()).items():
                references.setdefault(package_id, {})[channel_id] = chaincodes
        return references
