"""Follows the own peer's committed blocks and keeps the audit index up to date."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol

import structlog
from fabric_protos.common import common_pb2

from network.block import parse_block
from network.errors import NetworkError
from node.anchor.errors import AnchorError
from node.audit.index import AuditIndex
from node.audit.records import BlockRecords, read_records, records_of
from node.background import BackgroundWork
from node.peer.committer import CommittedBlock
from node.peer.errors import PeerError

logger = structlog.get_logger(__name__)

RETRY_S = 1.0

RECENT_MAX = 1_000
"""Blocks whose records are kept for a follower that is behind; earlier ones are read from the peer's block store."""


class BlockSource(Protocol):
    """Committed blocks of the own peer; ``network.client.GatewayClient`` is one."""

    def blocks(self, start: int | None = None, *, stop: int | None = None) -> AsyncGenerator[common_pb2.Block, None]:
        """Give blocks with their validation codes from ``start`` to ``stop``, waiting for those to come."""
        ...


class RecordSource(Protocol):
    """What the own peer's committed blocks hold for the index."""

    def records(self, start: int, *, stop: int | None = None) -> AsyncGenerator[BlockRecords, None]:
        """Give the records of each block from ``start`` to ``stop``, waiting for those to come."""
        ...


class CommittingPeer(Protocol):
    """The own peer in this process; ``node.peer.peer.Peer`` is one."""

    def on_commit(self, listener: Callable[[CommittedBlock], None]) -> None: ...
    async def wait_for_height(self, height: int) -> None: ...
    async def block(self, number: int) -> bytes | None: ...


class BlockRecordSource:
    """Records read from whole blocks, whoever gives them."""

    def __init__(self, source: BlockSource) -> None:
        self._source = source

    async def records(self, start: int, *, stop: int | None = None) -> AsyncGenerator[BlockRecords, None]:
        """See :class:`RecordSource`."""
        async with aclosing(self._source.blocks(start, stop=stop)) as blocks:
            async for block in blocks:
                yield await asyncio.to_thread(read_records, block)


class OwnPeerRecords:
    """Records of the blocks that this process's own peer commits, from the transactions its validator has read.

    Args:
        peer: the own peer; blocks committed before are read from its block store.
    """

    def __init__(self, peer: CommittingPeer) -> None:
        self._peer = peer
        self._recent: OrderedDict[int, BlockRecords] = OrderedDict()
        peer.on_commit(self._take)

    async def records(self, start: int, *, stop: int | None = None) -> AsyncGenerator[BlockRecords, None]:
        """See :class:`RecordSource`.

        Raises:
            PeerError: the peer has stopped committing, or its database does not answer.
        """
        number = start
        while stop is None or number <= stop:
            await self._peer.wait_for_height(number + 1)
            found = self._recent.pop(number) if number in self._recent else await self._read(number)
            yield found
            number += 1

    def _take(self, block: CommittedBlock) -> None:
        validation = block.validation
        self._recent[block.number] = records_of(
            block.number, block.header_hash, block.commit_hash, validation.transactions, validation.flags
        )
        if len(self._recent) > RECENT_MAX:
            self._recent.popitem(last=False)

    async def _read(self, number: int) -> BlockRecords:
        content = await self._peer.block(number)
        assert content is not None, f"block {number} is below the height that was waited for"
        return await asyncio.to_thread(lambda: read_records(parse_block(content)))


class Indexer(BackgroundWork):
    """Reads every block once, in order, and tells those who listen.

    Args:
        listeners: called with each block's records after they were stored.
    """

    def __init__(
        self, source: RecordSource, index: AuditIndex, listeners: tuple[Callable[[BlockRecords], None], ...] = ()
    ) -> None:
        self._source = source
        self._index = index
        self._listeners = listeners
        self._moved = asyncio.Condition()

    async def follow(self, *, stop: int | None = None) -> None:
        """Read blocks from the one after the last read, to ``stop`` or for ever.

        Raises:
            NetworkError: the peer's stream broke.
            PeerError: the peer in this process gives no more blocks.
            AnchorError: the index cannot be written.
        """
        start = (await asyncio.to_thread(self._index.position)).next_block
        if stop is not None and start > stop:
            return
        async with aclosing(self._source.records(start, stop=stop)) as blocks:
            async for found in blocks:
                # Most blocks of a busy channel hold nothing for the index, and should cost next to nothing.
                if not self._index.skip(found):
                    await asyncio.to_thread(self._index.apply, found)
                for listener in self._listeners:
                    listener(found)
                async with self._moved:
                    self._moved.notify_all()

    async def wait(self, timeout_s: float) -> None:
        """Return when another block was read, or when the time is over."""
        try:
            async with self._moved:
                await asyncio.wait_for(self._moved.wait(), timeout_s)
        except TimeoutError:
            return

    async def _run(self) -> None:
        while True:
            try:
                await self.follow()
            except (NetworkError, PeerError, AnchorError) as error:
                logger.warning("audit_index_interrupted", reason=str(error))
            await asyncio.sleep(RETRY_S)
