"""Composes the ordering service: opens every channel's chain, serves Broadcast and Deliver, and stops in order.

Rules
- A channel begins with its genesis block, taken from a file at the first start. Afterwards the chain on disk is what
  counts, and the file only confirms it: another genesis block under the same channel id is refused.
- The whole chain is checked at start: numbers, hashes, and every byte as written.
- An orderer whose identity the channel's BlockValidation policy does not accept does not start: its blocks would be
  refused by every peer.
- An administrator may have it take up another channel, from its genesis block, if that names it as its only consenter:
  this orderer agrees with no other. What is removed is removed with its blocks; peers keep theirs.

Source: Fabric orderer/common/{server,multichannel,onboarding,channelparticipation}.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import structlog
from fabric_protos.orderer.etcdraft import configuration_pb2 as etcdraft_pb2
from google.protobuf.message import DecodeError

from network import rpc
from network.block import data_hash, header_hash, holds_config, parse_block
from network.channel_config import ChannelConfig
from network.envelope import Signer
from network.errors import NetworkError, WireError
from network.operations.metrics import Metrics
from network.rpc import certificate_hash
from node.operations.orderer_metrics import BroadcastMetrics, ChainMetrics
from node.orderer.block_store import BlockStore
from node.orderer.broadcast_service import BroadcastService
from node.orderer.chain import Chain
from node.orderer.deliver_service import DeliverService
from node.orderer.errors import (
    BlockStoreCorruptError,
    ChannelConfiguredError,
    ChannelExistsError,
    ChannelFolderError,
    ChannelMissingError,
    EnvelopeRefusedError,
    GenesisError,
    JoinBlockError,
)
from node.orderer.msg_processor import check_may_sign, check_message, parse_config_update

T = TypeVar("T")

log = structlog.get_logger(__name__)

SERVICE_NAME = "orderer.AtomicBroadcast"
BLOCKS_FILE = "blocks"

CONSENSUS_TYPE = "etcdraft"
"""Consensus type of the channels this orderer may order, as their one consenter."""

_REMOVED = ".removed-"


class Orderer:
    """The ordering service of one process.

    Args:
        directory: one folder for each channel is kept here.
        genesis_blocks: files, one for each channel to be ordered; a channel already in ``directory`` needs none.
        identity: signs blocks.
        now: current time, UTC.
        tls_certificate: PEM certificate it serves with, by which channels name their consenters; None joins no channel.
        metrics: where envelopes are counted; None where nobody reads it.
    """

    def __init__(
        self,
        directory: Path,
        genesis_blocks: Sequence[Path],
        identity: Signer,
        now: Callable[[], datetime],
        tls_certificate: bytes | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._directory = directory
        self._genesis_blocks = genesis_blocks
        self._identity = identity
        self._now = now
        self._tls_certificate = tls_certificate
        self._chains: dict[str, Chain] = {}
        self._configured: frozenset[str] = frozenset()
        self._changing = asyncio.Lock()
        self._failed = asyncio.Event()
        self._watches: set[asyncio.Task[None]] = set()
        self._changes: set[asyncio.Task[Any]] = set()
        metrics = metrics or Metrics()
        self._broadcast = BroadcastService(self._chains, now, BroadcastMetrics(metrics))
        ChainMetrics(metrics, self._chains)
        self._deliver = DeliverService(self._chains, now)

    @property
    def chains(self) -> Mapping[str, Chain]:
        """The open channels, by id."""
        return self._chains

    def register(self, server: rpc.Server) -> None:
        """Serve ``orderer.AtomicBroadcast`` on ``server``."""
        self._broadcast.register(server)
        self._deliver.register(server)

    async def start(self) -> None:
        """Open every chain and begin to order.

        Raises:
            GenesisError: a genesis block is missing, unusable, or not that of the chain on disk.
            BlockStoreError: a block file is damaged, locked, or cannot be used.
        """
        stores = await asyncio.to_thread(open_stores, self._directory, self._genesis_blocks)
        try:
            for store in stores:
                chain = Chain(store, self._identity, self._now)
                check_may_sign(chain.config, self._identity)
                self._chains[chain.channel_id] = chain
            self._configured = await asyncio.to_thread(_configured, self._genesis_blocks)
        except EnvelopeRefusedError as refusal:
            _close_all(stores, self._chains)
            raise GenesisError(f"{refusal}; give this orderer an identity that may sign its blocks") from refusal
        except BaseException:
            _close_all(stores, self._chains)
            raise
        for chain in self._chains.values():
            self._run(chain)

    async def failed(self) -> None:
        """Return when a channel can order nothing more until this process starts again."""
        await self._failed.wait()

    async def join(self, genesis: bytes) -> Chain:
        """Take up a channel, for good.

        Args:
            genesis: serialized genesis block.
        Raises:
            ChannelExistsError: it is ordered here already.
            JoinBlockError: the block begins no channel that this orderer may order.
            BlockStoreError: its folder cannot be used.
        """
        return await self._carried_through(self._join(genesis))

    async def _join(self, genesis: bytes) -> Chain:
        async with self._changing:
            config = _joinable(genesis, self._tls_certificate)
            if config.channel_id in self._chains:
                raise ChannelExistsError
            try:
                check_may_sign(config, self._identity)
            except EnvelopeRefusedError as refusal:
                raise JoinBlockError(str(refusal)) from refusal
            store = await asyncio.to_thread(_begin, self._directory / config.channel_id, genesis)
            chain = self._chains[config.channel_id] = Chain(store, self._identity, self._now)
            self._run(chain)
        return chain

    async def update(self, envelope: bytes) -> Chain:
        """Configure a channel anew; true once the block is durable.

        Args:
            envelope: a serialized configuration update with the signatures it needs, signed by a writer of the channel.
        Raises:
            UpdateEnvelopeError: it is no configuration update.
            ChannelMissingError: the channel it names is not ordered here.
            EnvelopeRefusedError: the channel's configuration in force does not admit it.
        Source: Fabric orderer/common/multichannel/registrar.go, UpdateChannel.
        """
        message, channel_id = parse_config_update(envelope)
        chain = self._chains.get(channel_id)
        if chain is None:
            raise ChannelMissingError
        failed = f"failed update config of channel {channel_id}"
        try:
            check_message(message, chain.config, self._now())
        except EnvelopeRefusedError as refusal:
            text = f"{failed}: config update for existing channel did not pass initial checks: {refusal}"
            raise EnvelopeRefusedError(refusal.status, text) from refusal
        refused = await (await chain.order(message))
        if refused is not None:
            raise EnvelopeRefusedError(refused.status, f"{failed}: {refused}") from refused
        return chain

    async def remove(self, channel_id: str) -> None:
        """Drop a channel and its blocks; envelopes that wait are refused.

        Raises:
            ChannelMissingError: it is not ordered here.
            ChannelConfiguredError: the settings name it.
            ChannelFolderError: its folder is still in its place.
        """
        await self._carried_through(self._remove(channel_id))

    async def _remove(self, channel_id: str) -> None:
        async with self._changing:
            if channel_id not in self._chains:
                raise ChannelMissingError
            if channel_id in self._configured:
                raise ChannelConfiguredError(channel_id)
            await self._chains.pop(channel_id).stop()
            await asyncio.to_thread(_remove_folder, self._directory / channel_id)
        log.info("orderer.channel_removed", channel=channel_id)

    async def stop(self) -> None:
        """Finish the blocks being written and close. Idempotent."""
        await asyncio.gather(*self._changes, return_exceptions=True)
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        for chain in self._chains.values():
            await chain.stop()

    async def _carried_through(self, change: Coroutine[Any, Any, T]) -> T:
        """Make a change to the end, whoever asked for it waits or not: half of it would leave a folder that no channel
        has, and which can be neither joined nor removed."""
        changing = asyncio.create_task(change)
        self._changes.add(changing)
        changing.add_done_callback(self._changes.discard)
        return await asyncio.shield(changing)

    def _run(self, chain: Chain) -> None:
        chain.start()
        watch = asyncio.create_task(self._watch(chain))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        log.info("orderer.channel_open", channel=chain.channel_id, height=chain.height)

    async def _watch(self, chain: Chain) -> None:
        await chain.ended()
        if self._chains.get(chain.channel_id) is chain:
            self._failed.set()


def _close_all(stores: Iterable[BlockStore], chains: dict[str, Chain]) -> None:
    for store in stores:
        store.close()
    chains.clear()


def open_stores(directory: Path, genesis_blocks: Iterable[Path]) -> list[BlockStore]:
    """Open the block store of each channel, begin those that are new, and check them whole.

    Raises:
        GenesisError: see ``Orderer.start``.
        BlockStoreError: see ``Orderer.start``.
    """
    for leftover in _removed_folders(directory):
        _delete_folder(leftover)
    wanted = dict(_read_genesis(path) for path in genesis_blocks if path.exists() or not _channels(directory))
    stores: list[BlockStore] = []
    try:
        for channel_id in sorted({*wanted, *_channels(directory)}):
            store = BlockStore(directory / channel_id / BLOCKS_FILE, _ChainCheck(directory / channel_id))
            genesis = wanted.get(channel_id)
            if genesis is None and store.height == 0:
                # Its joining was cut short before anyone was told of it: whoever asked joins it again.
                store.close()
                log.warning("orderer.channel_never_begun", channel=channel_id, file=str(store.path))
                continue
            stores.append(store)
            if genesis is not None:
                _begin_or_confirm(store, channel_id, genesis)
    except BaseException:
        for store in stores:
            store.close()
        raise
    if not stores:
        raise GenesisError(f"{directory} holds no channel and no genesis block was given; name one to begin with")
    return stores


class _ChainCheck:
    """Checks at opening that each block continues the one before."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._previous = b""

    def __call__(self, number: int, data: bytes) -> None:
        reason = ""
        try:
            block = parse_block(data)
        except WireError:
            raise self._corrupt(number, "cannot be read") from None
        if block.header.number != number:
            reason = f"says it is block {block.header.number}"
        elif block.header.data_hash != data_hash(block.data):
            reason = "holds other transactions than its header says"
        elif number and block.header.previous_hash != self._previous:
            reason = "does not follow the block before it"
        if reason:
            raise self._corrupt(number, reason)
        self._previous = header_hash(block.header)

    def _corrupt(self, number: int, reason: str) -> BlockStoreCorruptError:
        return BlockStoreCorruptError(
            f"{self._folder / BLOCKS_FILE}: block {number} {reason}. Nothing was changed: restore this file from a "
            "backup, or move it away and have `dwaybank rebuild-orderer` write it from the peers"
        )


def _channels(directory: Path) -> list[str]:
    if not directory.is_dir():
        return []
    return [
        folder.name
        for folder in directory.iterdir()
        if (folder / BLOCKS_FILE).is_file() and not folder.name.startswith(_REMOVED)
    ]


def _removed_folders(directory: Path) -> list[Path]:
    """Return what a removal left behind that was cut short."""
    return list(directory.glob(_REMOVED + "*"))


def _remove_folder(folder: Path) -> None:
    # Renamed first: after a crash on the way the channel is gone as a whole, and the rest goes at the next start.
    renamed = folder.with_name(_REMOVED + folder.name)
    if renamed.exists():
        _delete_folder(renamed)
    try:
        folder.rename(renamed)
    except OSError as error:
        raise ChannelFolderError(folder, error) from error
    _delete_folder(renamed)


def _delete_folder(folder: Path) -> None:
    """Delete what is left of a channel that was removed; what cannot be deleted stops nothing."""
    try:
        shutil.rmtree(folder)
    except OSError as error:
        log.warning("orderer.removed_channel_left", folder=str(folder), reason=str(error))


def _configured(genesis_blocks: Iterable[Path]) -> frozenset[str]:
    return frozenset(_read_genesis(path)[0] for path in genesis_blocks if path.exists())


def _begin(folder: Path, genesis: bytes) -> BlockStore:
    store = BlockStore(folder / BLOCKS_FILE, _ChainCheck(folder))
    try:
        _begin_or_confirm(store, folder.name, genesis)
    except BaseException:
        store.close()
        raise
    return store


def _joinable(genesis: bytes, tls_certificate: bytes | None) -> ChannelConfig:
    """Return the configuration of a genesis block that this orderer may begin a chain with.

    Raises:
        JoinBlockError: it may not.
    Source: Fabric orderer/common/channelparticipation/validator.go, ValidateJoinBlock.
    """
    try:
        block = parse_block(genesis)
        if not holds_config(block.data):
            raise JoinBlockError("block is not a config block")
        if not block.metadata.metadata:
            raise JoinBlockError("invalid block: does not have metadata")
        if block.header.data_hash != data_hash(block.data):
            raise JoinBlockError("invalid block: Header.DataHash is different from Hash(block.Data)")
        config = ChannelConfig.from_block(block)
        config.capabilities.require_ordering()
    except NetworkError as error:
        raise JoinBlockError(str(error)) from error
    if block.header.number != 0:
        raise JoinBlockError(
            f"it is block {block.header.number}, and this orderer takes no blocks from others: join with block 0"
        )
    _check_only_consenter(config, tls_certificate)
    return config


def _check_only_consenter(config: ChannelConfig, tls_certificate: bytes | None) -> None:
    orderer = config.orderer
    if orderer.consensus_type != CONSENSUS_TYPE:
        raise JoinBlockError(
            f"the channel's consensus type is {orderer.consensus_type!r}; this orderer takes only {CONSENSUS_TYPE!r}"
        )
    try:
        consenters = etcdraft_pb2.ConfigMetadata.FromString(orderer.consensus_metadata).consenters
    except DecodeError as error:
        raise JoinBlockError("the channel's etcdraft metadata does not parse") from error
    if len(consenters) != 1:
        raise JoinBlockError(
            f"the channel names {len(consenters)} consenters, and this orderer agrees with no other: it must be the "
            "only one"
        )
    if tls_certificate is None or not _same_certificate(consenters[0].server_tls_cert, tls_certificate):
        raise JoinBlockError("the channel's one consenter is not this orderer: its TLS certificate is another")


def _same_certificate(one: bytes, other: bytes) -> bool:
    try:
        return certificate_hash(one) == certificate_hash(other)
    except ValueError:
        return False


def _read_genesis(path: Path) -> tuple[str, bytes]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise GenesisError(
            f"genesis block {path} cannot be read ({error.strerror}) and there is no chain on disk to go on with"
        ) from error
    try:
        block = parse_block(data)
        channel_id = ChannelConfig.from_block(block).channel_id
    except NetworkError as error:
        raise GenesisError(f"{path} is not the genesis block of a channel: {error}") from error
    if block.header.number != 0 or block.header.data_hash != data_hash(block.data):
        raise GenesisError(f"{path} is not a genesis block: its number is not 0 or its hash is wrong; make it again")
    if channel_id in ("", ".", "..") or os.sep in channel_id:
        raise GenesisError(f"{path} names its channel {channel_id!r}, which cannot be a folder's name")
    return channel_id, data


def _begin_or_confirm(store: BlockStore, channel_id: str, genesis: bytes) -> None:
    if store.height == 0:
        store.append(0, genesis)
        return
    ours = header_hash(parse_block(store.read(0)).header)
    if (theirs := header_hash(parse_block(genesis).header)) != ours:
        raise GenesisError(
            f"the genesis block given for channel {channel_id!r} ({theirs.hex()}) is not the one the chain in "
            f"{store.path} began with ({ours.hex()}); give the original block, or another data folder for a new chain"
        )
