"""Composes the ordering service: opens every channel's chain, serves Broadcast and Deliver, and stops in order.

Rules
- A channel begins with its genesis block, taken from a file at the first start. Afterwards the chain on disk is what
  counts, and the file only confirms it: another genesis block under the same channel id is refused.
- The whole chain is checked at start: numbers, hashes, and every byte as written.
- An orderer whose identity the channel's BlockValidation policy does not accept does not start: its blocks would be
  refused by every peer.

Source: Fabric orderer/common/{server,multichannel,onboarding}.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import structlog

from network import rpc
from network.block import data_hash, header_hash, parse_block
from network.channel_config import ChannelConfig
from network.envelope import Signer
from network.errors import NetworkError, WireError
from network.operations.metrics import Metrics
from node.operations.orderer_metrics import BroadcastMetrics, ChainMetrics
from node.orderer.block_store import BlockStore
from node.orderer.broadcast_service import BroadcastService
from node.orderer.chain import Chain
from node.orderer.deliver_service import DeliverService
from node.orderer.errors import BlockStoreCorruptError, EnvelopeRefusedError, GenesisError
from node.orderer.msg_processor import check_may_sign

log = structlog.get_logger(__name__)

SERVICE_NAME = "orderer.AtomicBroadcast"
BLOCKS_FILE = "blocks"


class Orderer:
    """The ordering service of one process.

    Args:
        directory: one folder for each channel is kept here.
        genesis_blocks: files, one for each channel to be ordered; a channel already in ``directory`` needs none.
        identity: signs blocks.
        now: current time, UTC.
        metrics: where envelopes are counted; None where nobody reads it.
    """

    def __init__(
        self,
        directory: Path,
        genesis_blocks: Sequence[Path],
        identity: Signer,
        now: Callable[[], datetime],
        metrics: Metrics | None = None,
    ) -> None:
        self._directory = directory
        self._genesis_blocks = genesis_blocks
        self._identity = identity
        self._now = now
        self._chains: dict[str, Chain] = {}
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
        except EnvelopeRefusedError as refusal:
            _close_all(stores, self._chains)
            raise GenesisError(f"{refusal}; give this orderer an identity that may sign its blocks") from refusal
        except BaseException:
            _close_all(stores, self._chains)
            raise
        for chain in self._chains.values():
            chain.start()
            log.info("orderer.channel_open", channel=chain.channel_id, height=chain.height)

    async def stop(self) -> None:
        """Finish the blocks being written and close. Idempotent."""
        for chain in self._chains.values():
            await chain.stop()


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
    wanted = dict(_read_genesis(path) for path in genesis_blocks if path.exists() or not _channels(directory))
    stores: list[BlockStore] = []
    try:
        for channel_id in sorted({*wanted, *_channels(directory)}):
            store = BlockStore(directory / channel_id / BLOCKS_FILE, _ChainCheck(directory / channel_id))
            stores.append(store)
            _begin_or_confirm(store, channel_id, wanted.get(channel_id))
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
            "backup, or from the blocks the members' peers hold"
        )


def _channels(directory: Path) -> list[str]:
    if not directory.is_dir():
        return []
    return [folder.name for folder in directory.iterdir() if (folder / BLOCKS_FILE).is_file()]


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


def _begin_or_confirm(store: BlockStore, channel_id: str, genesis: bytes | None) -> None:
    if store.height == 0:
        if genesis is None:
            raise GenesisError(f"{store.path} is empty and the genesis block of {channel_id!r} was not given")
        store.append(0, genesis)
        return
    ours = header_hash(parse_block(store.read(0)).header)
    if genesis is not None and (theirs := header_hash(parse_block(genesis).header)) != ours:
        raise GenesisError(
            f"the genesis block given for channel {channel_id!r} ({theirs.hex()}) is not the one the chain in "
            f"{store.path} began with ({ours.hex()}); give the original block, or another data folder for a new chain"
        )
