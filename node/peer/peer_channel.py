"""One channel that a peer is on: its committer, its state, its endorser, its gateway, and what pulls its blocks.

A channel of the peer's settings uses the addresses and approvals that stand there. One that was joined by an
administrator uses what its own configuration says: the ordering service's addresses and TLS authorities.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from fabric_protos.common import common_pb2

from network import rpc
from network.channel_config import ChannelConfig
from network.envelope import seek_envelope
from network.identity import SigningIdentity
from network.proposal import NONCE_BYTES
from node.operations.peer_metrics import MeasuredEndorser, PeerMetrics
from node.peer.approvals import Approvals
from node.peer.chaincode_definition import LIFECYCLE
from node.peer.channel import Channel
from node.peer.commit_traces import CommitTraces
from node.peer.committer import CommittedBlock, Committer, CommitterSettings
from node.peer.contract_runner import ChaincodeRunner
from node.peer.definition import Definition
from node.peer.deliver_client import DELIVER, PEER_DELIVER, DeliverClient
from node.peer.discovery.members import ChannelMembers
from node.peer.discovery.service import DiscoveredChannel
from node.peer.endorser import Endorser
from node.peer.errors import ChannelStoppedError
from node.peer.gateway.endorsers import GatewayPeers, LocalPeer, RemotePeer
from node.peer.gateway.gateway import Gateway
from node.peer.gateway.orderers import OrdererEndpoint, Orderers
from node.peer.installed import InstalledPackages
from node.peer.ledger_queries import LedgerQueries
from node.peer.lifecycle import Lifecycle
from node.peer.lifecycle_local import InstallFunctions
from node.peer.orderer_watch import FORGED, WATCH_INTERVAL_S, OrdererWatch, WatchSettings
from node.peer.own_endorsements import OwnEndorsements
from node.peer.private_exchange import PrivateExchange
from node.peer.reader import ChannelReader, DatabaseThread
from node.peer.reconciler import Reconciler
from node.peer.signature_checks import SignatureChecks
from node.peer.snapshots.requests import SnapshotRequests
from node.peer.state_indexes import ChannelIndexes, StateIndex
from node.peer.system_chaincode import LocalMembers

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PeerParts:
    """What all channels of a peer share.

    Args:
        database_url: PostgreSQL of the organization.
        identity: this peer's signing identity.
        address: ``host:port`` under which others know this peer.
        client_tls: how this peer dials others; None for none, in tests only.
        others: the other organizations' peers.
        members: this peer's own organization.
        packages: what is installed.
        housekeeping: database thread for what nobody waits for.
        installs: functions of the lifecycle that need no channel.
        queries: system chaincodes that read the ledger.
        runners: what runs chaincodes, asked in this order.
        endorsers: of all channels the peer is on.
        own: endorsements this peer made.
        checks: of callers' signatures.
        metrics: where proposals and blocks are counted.
        now: UTC clock.
        random_bytes: for nonces.
        snapshots_folder: where snapshots of the ledgers are made; None for nowhere.
        watch_interval_s: how often the orderers that blocks are not taken from are asked for headers.
    """

    database_url: str
    identity: SigningIdentity
    address: str
    client_tls: rpc.ClientTls | None
    others: Sequence[RemotePeer]
    members: LocalMembers
    packages: InstalledPackages
    housekeeping: DatabaseThread
    installs: InstallFunctions
    queries: LedgerQueries
    runners: Sequence[ChaincodeRunner]
    endorsers: Mapping[str, Endorser]
    own: OwnEndorsements
    checks: SignatureChecks
    metrics: PeerMetrics
    now: Callable[[], datetime]
    random_bytes: Callable[[int], bytes]
    snapshots_folder: Path | None = None
    watch_interval_s: float = WATCH_INTERVAL_S


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """What is said about one channel.

    Args:
        channel_id: channel.
        genesis: serialized genesis block, trusted; empty for a channel that began from a snapshot.
        approved: chaincode definitions this organization approves without a transaction.
        orderers: ordering service; empty takes what the channel's configuration says.
        indexes: of the chaincodes that the settings name.
        followed_peer: see ``PeerSettings``.
    """

    channel_id: str
    genesis: bytes
    approved: Sequence[Definition] = ()
    orderers: Sequence[OrdererEndpoint] = ()
    indexes: Mapping[str, Sequence[StateIndex]] = field(default_factory=dict)
    followed_peer: str | None = None


class PeerChannel:
    """A channel while the peer is on it.

    Args:
        settings: the channel.
        parts: the peer.
    """

    def __init__(self, settings: ChannelSettings, parts: PeerParts) -> None:
        self._settings = settings
        self._parts = parts
        self._committer = Committer(
            CommitterSettings(
                parts.database_url,
                settings.channel_id,
                settings.genesis,
                parts.identity.creator,
                parts.own,
                parts.snapshots_folder,
                judged_before=settings.followed_peer is not None,
            ),
            self._on_commit,
            self._on_stop,
            self._on_refuse,
        )
        self._traces = CommitTraces()
        self._listeners: list[Callable[[CommittedBlock], None]] = []
        self._running = AsyncExitStack()
        self.channel_no = 0
        """Number of the channel in its tables."""

    async def start(self) -> None:
        """Open the channel and begin to pull blocks.

        Raises:
            StoreError: the database does not answer, or holds another chain.
            ChannelLockedError: another process commits this channel to this database.
            NetworkError: the genesis block or the configuration cannot be used.
        """
        async with AsyncExitStack() as starting:
            tip, config, self.channel_no = await asyncio.to_thread(self._committer.open)
            starting.push_async_callback(self._committer.stop)
            reader = ChannelReader(self._parts.database_url, self.channel_no)
            self.channel = Channel(config, tip, self.channel_no, reader, self._committer.first_block)
            starting.push_async_callback(self.channel.stop)
            await self.channel.start()
            self._build(config)
            starting.push_async_callback(self._orderers.close)
            self._committer.start()
            starting.push_async_callback(self._deliver_client.stop)
            self._deliver_client.start()
            starting.push_async_callback(self._watch.stop)
            self._watch.start()
            starting.push_async_callback(self._reconciler.stop)
            self._reconciler.start()
            starting.push_async_callback(self._indexes.stop)
            self._indexes.start()
            self._parts.packages.on_install(self._indexes.wake)
            self._running = starting.pop_all()
        _log.info("channel open", channel=self.channel.channel_id, height=tip.height)

    async def stop(self) -> None:
        """Stop pulling, finish the block being written, close everything; a second call does nothing."""
        await self._running.aclose()

    @property
    def snapshots(self) -> SnapshotRequests:
        """Snapshots asked for."""
        return self._committer.snapshots

    @property
    def has_source(self) -> bool:
        """Whether anybody is known who may be asked for blocks."""
        return bool(self._deliver_client.source)

    @property
    def silent_s(self) -> float:
        """For how many seconds nobody has been reached who gives blocks."""
        return self._deliver_client.silent_s

    def on_commit(self, listener: Callable[[CommittedBlock], None]) -> None:
        """Have ``listener`` called in the event loop after each block is durable."""
        self._listeners.append(listener)

    def _build(self, config: ChannelConfig) -> None:
        parts, settings = self._parts, self._settings
        msp_id = parts.identity.msp_id
        lifecycle = Lifecycle(msp_id, settings.approved, parts.installs, parts.members)
        self.approvals = Approvals(self.channel, msp_id, lifecycle, parts.packages)
        parts.metrics.ledger.opened(settings.channel_id, self.channel.progress.height)
        self._exchange = PrivateExchange(self.channel, parts.identity, parts.others)
        self._reconciler = Reconciler(self.channel_no, self.channel.reader, self._exchange, self._committer)
        self.endorser = MeasuredEndorser(
            parts.metrics.endorser,
            self.channel,
            parts.identity,
            lifecycle=lifecycle,
            approvals=self.approvals,
            queries=parts.queries,
            runners=parts.runners,
            channels=parts.endorsers,
            own=parts.own,
            checks=parts.checks,
            distribute=self._exchange.distribute,
            now=parts.now,
        )
        self._dialled = endpoints, tls = self._wanted_orderers(config)
        self._orderers = Orderers(endpoints, tls)
        parts.metrics.orderers.known(settings.channel_id, 1 if settings.followed_peer else len(endpoints))
        self._indexes = ChannelIndexes(parts.housekeeping, self.channel_no, self._wanted_indexes)
        peers = GatewayPeers(LocalPeer(parts.address, msp_id, self.endorser), parts.others)
        self.gateway = Gateway(self.channel, self.endorser, peers, self._orderers, parts.now, self._traces)
        members = ChannelMembers(
            self.channel,
            parts.identity,
            parts.address,
            parts.others,
            approvals=self.approvals,
            endorses=self.endorser.endorses,
            now=parts.now,
            random_bytes=parts.random_bytes,
        )
        self.discovered = DiscoveredChannel(self.channel, members)
        followed = settings.followed_peer
        self._deliver_client = DeliverClient(
            settings.channel_id,
            parts.identity,
            endpoints if followed is None else [OrdererEndpoint(followed, msp_id)],
            tls if followed is None else parts.client_tls,
            next_block=self.channel.progress.height,
            put=self._committer.put,
            on_hopeless=self._committer.give_up,
            now=parts.now,
            random_bytes=parts.random_bytes,
            method=DELIVER if followed is None else PEER_DELIVER,
        )
        self._watch = OrdererWatch(
            self.channel,
            self._deliver_client,
            WatchSettings(
                endpoints if followed is None else (),
                tls,
                parts.watch_interval_s,
                self._seek,
                partial(parts.metrics.orderers.count, settings.channel_id),
            ),
        )

    def _wanted_orderers(self, config: ChannelConfig) -> tuple[Sequence[OrdererEndpoint], rpc.ClientTls | None]:
        """Return the ordering service and how it is dialled, by the settings or else by a configuration."""
        if self._settings.orderers:
            return self._settings.orderers, self._parts.client_tls
        return _configured_orderers(config), _with_orderers_roots(self._parts.client_tls, config)

    def _follow_orderers(self) -> None:
        """Go over to the orderers that the configuration in force names, if it names others than before."""
        wanted = endpoints, tls = self._wanted_orderers(self.channel.config)
        if wanted == self._dialled or not endpoints:
            return
        self._dialled = wanted
        _log.info("other orderers", channel=self.channel.channel_id, orderers=[item.address for item in endpoints])
        self._orderers.use(endpoints, tls)
        if self._settings.followed_peer is None:
            self._parts.metrics.orderers.known(self._settings.channel_id, len(endpoints))
            self._deliver_client.use(endpoints, tls)
            self._watch.use(endpoints, tls)

    def _seek(self, **wanted: Any) -> common_pb2.Envelope:
        """Return a signed request for blocks."""
        parts = self._parts
        nonce, now = parts.random_bytes(NONCE_BYTES), parts.now()
        return seek_envelope(self._settings.channel_id, parts.identity, nonce=nonce, timestamp=now, **wanted)

    def _on_refuse(self, number: int, source: str, reason: str) -> None:
        names = {"channel": self._settings.channel_id, "block": number, "orderer": source}
        _log.error("block refused", reason=reason, **names)
        self._parts.metrics.orderers.count(self._settings.channel_id, source, FORGED)
        self._deliver_client.refuse(number, source, reason)

    def _on_commit(self, block: CommittedBlock) -> None:
        before = self.channel.config
        self.channel.committed(block)
        if self.channel.config is not before:
            self._follow_orderers()
        self._parts.metrics.ledger.committed(self.channel.channel_id, block)
        self._traces.committed(self.channel.channel_id, block)
        if any(key.namespace == LIFECYCLE for key in block.changed):
            self._indexes.wake()
        if block.lacks_private:
            self._reconciler.wake()
        for listener in self._listeners:
            listener(block)

    async def _wanted_indexes(self) -> Mapping[str, Sequence[StateIndex]]:
        """Return the indexes of this channel's chaincodes, by chaincode."""
        in_use = await self.approvals.packages_in_use()
        packaged = {
            name: self._parts.packages.package(package_id).indexes
            for package_id, chaincodes in in_use.items()
            for name, _ in chaincodes
        }
        return {**self._settings.indexes, **packaged}

    def _on_stop(self, error: ChannelStoppedError) -> None:
        self.channel.stopped(error)


def _configured_orderers(config: ChannelConfig) -> list[OrdererEndpoint]:
    addresses = config.orderer.addresses
    return [OrdererEndpoint(address, msp_id) for msp_id in addresses for address in addresses[msp_id]]


def _with_orderers_roots(tls: rpc.ClientTls | None, config: ChannelConfig) -> rpc.ClientTls | None:
    """Return TLS that trusts the channel's ordering organizations too."""
    if tls is None:
        return None
    roots = [pem for msp_id in config.orderer_msp_ids for pem in config.msps.msps[msp_id].tls_roots]
    return replace(tls, roots_pem=b"\n".join([tls.roots_pem, *roots]))
