"""One organization's peer on one channel: builds the parts, starts and stops them in order, registers the services.

What other parts of the node need of the channel (height, hashes, state, blocks, transactions) is offered here too.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from network import rpc
from network.channel_config import ChannelConfig
from network.errors import RpcError
from network.identity import SigningIdentity
from network.operations.metrics import Metrics
from network.rpc import StatusCode
from node.operations.peer_metrics import MeasuredEndorser, PeerMetrics
from node.peer.block_store import TransactionRecord
from node.peer.chaincode_support import ChaincodeSupport, ExternalChaincode
from node.peer.channel import Channel
from node.peer.committer import CommittedBlock, Committer, CommitterSettings
from node.peer.contract_runner import EXECUTE_TIMEOUT_S, ContractRunner
from node.peer.deliver_client import DeliverClient
from node.peer.deliver_service import SERVICE_NAME as DELIVER_SERVICE
from node.peer.deliver_service import DeliverService
from node.peer.endorser_service import SERVICE_NAME as ENDORSER_SERVICE
from node.peer.endorser_service import EndorserService
from node.peer.errors import ChannelStoppedError
from node.peer.gateway.endorsers import GatewayPeers, LocalPeer, PeerEndpoint, RemotePeer
from node.peer.gateway.gateway import Gateway
from node.peer.gateway.orderers import OrdererEndpoint, Orderers
from node.peer.gateway.service import SERVICE_NAME as GATEWAY_SERVICE
from node.peer.gateway.service import GatewayService
from node.peer.lifecycle import Definition, Lifecycle
from node.peer.own_endorsements import OwnEndorsements
from node.peer.reader import ChannelReader

_log = structlog.get_logger(__name__)

SERVICE_NAMES = (ENDORSER_SERVICE, DELIVER_SERVICE, GATEWAY_SERVICE)
"""gRPC services of a peer."""


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """What a peer needs.

    Args:
        database_url: PostgreSQL of the organization.
        channel_id: channel.
        genesis: serialized genesis block, given by the operator and trusted.
        identity: this peer's signing identity.
        address: ``host:port`` under which others know this peer; it stands in error details.
        approved: chaincode definitions this organization approves.
        contracts: ``module:Class`` of the contracts that run in this process, by chaincode name.
        external_chaincodes: chaincodes that run in processes of their own.
        authorize_chaincode: refuses callers that may not register as a chaincode, by raising RpcError; None serves none
            that dial in.
        orderers: ordering service; empty takes the addresses in the channel's configuration.
        other_peers: the other organizations' peers.
        client_tls: how this peer dials others; None for none, in tests only.
        execute_timeout_s: time limit of one chaincode invocation.
    """

    database_url: str
    channel_id: str
    genesis: bytes
    identity: SigningIdentity
    address: str
    approved: Sequence[Definition] = ()
    contracts: Mapping[str, str] = field(default_factory=dict)
    external_chaincodes: Sequence[ExternalChaincode] = ()
    authorize_chaincode: Callable[[rpc.Call], None] | None = None
    orderers: Sequence[OrdererEndpoint] = ()
    other_peers: Sequence[PeerEndpoint] = ()
    client_tls: rpc.ClientTls | None = None
    execute_timeout_s: float = EXECUTE_TIMEOUT_S


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
        self._metrics = metrics or PeerMetrics(Metrics())
        self._settings = settings
        self._now = now
        self._random_bytes = random_bytes
        self._own = OwnEndorsements()
        self._runner = ContractRunner(settings.contracts, timeout_s=settings.execute_timeout_s)
        self._chaincodes = ChaincodeSupport(
            settings.external_chaincodes, settings.authorize_chaincode or _refuse, settings.execute_timeout_s
        )
        self._committer = Committer(
            CommitterSettings(
                settings.database_url, settings.channel_id, settings.genesis, settings.identity.creator, self._own
            ),
            self._on_commit,
            self._on_stop,
        )
        self._listeners: list[Callable[[CommittedBlock], None]] = []
        self._running = AsyncExitStack()

    async def start(self) -> None:
        """Open the channel, serve it from here on, and begin to pull blocks.

        Raises:
            StoreError: the database does not answer, or holds another chain.
            ChannelLockedError: another process commits this channel to this database.
            NetworkError: the genesis block or the configuration cannot be used.
        """
        async with AsyncExitStack() as starting:
            tip, config, channel_no = await asyncio.to_thread(self._committer.open)
            starting.push_async_callback(self._committer.stop)
            self.channel = Channel(config, tip, channel_no, ChannelReader(self._settings.database_url, channel_no))
            starting.push_async_callback(self.channel.stop)
            await self.channel.start()
            self._build_services(config)
            starting.push_async_callback(self._runner.stop)
            self._runner.start()
            starting.push_async_callback(self._chaincodes.stop)
            self._chaincodes.start()
            starting.push_async_callback(self._orderers.close)
            starting.push_async_callback(self._peers.close)
            self._committer.start()
            starting.push_async_callback(self._deliver_client.stop)
            self._deliver_client.start()
            self._running = starting.pop_all()
        _log.info("peer started", channel=self.channel.channel_id, height=tip.height)

    async def stop(self) -> None:
        """Stop pulling, finish the block being written, close everything; a second call does nothing."""
        await self._running.aclose()

    def register(self, server: rpc.Server) -> None:
        """Serve the peer's services on ``server``; :meth:`start` comes first."""
        self._endorser_service.register(server)
        self._deliver_service.register(server)
        self._gateway_service.register(server)
        if self._settings.authorize_chaincode is not None:
            self._chaincodes.register(server)

    def on_commit(self, listener: Callable[[CommittedBlock], None]) -> None:
        """Have ``listener`` called in the event loop after each block is durable."""
        self._listeners.append(listener)

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

    def _build_services(self, config: ChannelConfig) -> None:
        settings = self._settings
        endpoints = settings.orderers or [
            OrdererEndpoint(address, msp_id)
            for msp_id, addresses in config.orderer.addresses.items()
            for address in addresses
        ]
        lifecycle = Lifecycle(settings.identity.msp_id, settings.approved)
        self._metrics.ledger.opened(self.channel.channel_id, self.channel.progress.height)
        self.endorser = MeasuredEndorser(
            self._metrics.endorser,
            self.channel,
            settings.identity,
            lifecycle=lifecycle,
            runners=[self._runner, self._chaincodes],
            own=self._own,
            now=self._now,
        )
        local = LocalPeer(settings.address, settings.identity.msp_id, self.endorser)
        others = [RemotePeer(endpoint, settings.client_tls) for endpoint in settings.other_peers]
        self._peers = GatewayPeers(local, others)
        self._orderers = Orderers(endpoints, settings.client_tls)
        gateway = Gateway(self.channel, self.endorser, self._peers, self._orderers, self._now)
        self._endorser_service = EndorserService(self.endorser)
        self._deliver_service = DeliverService(self.channel, self._now)
        self._gateway_service = GatewayService(gateway)
        self._deliver_client = DeliverClient(
            settings.channel_id,
            settings.identity,
            endpoints,
            settings.client_tls,
            next_block=self.channel.progress.height,
            put=self._committer.put,
            now=self._now,
            random_bytes=self._random_bytes,
        )

    def _on_commit(self, block: CommittedBlock) -> None:
        self.channel.committed(block)
        self._metrics.ledger.committed(self.channel.channel_id, block)
        for listener in self._listeners:
            listener(block)

    def _on_stop(self, error: ChannelStoppedError) -> None:
        self.channel.stopped(error)
