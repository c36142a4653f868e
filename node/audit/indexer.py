"""Follows the own peer's committed blocks and keeps the audit index up to date."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol

import structlog
from fabric_protos.common import common_pb2

from network.errors import NetworkError
from node.anchor.errors import AnchorError
from node.audit.index import AuditIndex
from node.audit.records import BlockRecords, read_records

logger = structlog.get_logger(__name__)

RETRY_S = 1.0


class BlockSource(Protocol):
    """Committed blocks of the own peer; ``network.client.GatewayClient`` is one."""

    def blocks(self, start: int | None = None, *, stop: int | None = None) -> AsyncGenerator[common_pb2.Block, None]:
        """Give blocks with their validation codes from ``start`` to ``stop``, waiting for those to come."""
        ...


class Indexer:
    """Reads every block once, in order, and tells those who listen.

    Args:
        listeners: called with each block's records after they were stored.
    """

    def __init__(
        self, source: BlockSource, index: AuditIndex, listeners: tuple[Callable[[BlockRecords], None], ...] = ()
    ) -> None:
        self._source = source
        self._index = index
        self._listeners = listeners
        self._task: asyncio.Task[None] | None = None
        self._moved = asyncio.Condition()

    async def start(self) -> None:
        """Begin to follow in the background."""
        self._task = asyncio.create_task(self._run())

    @property
    def failure(self) -> BaseException | None:
        """Why the background work ended without being told to, a fault of the program; None while it works."""
        return self._task.exception() if self._task is not None and self._task.done() else None

    async def stop(self) -> None:
        """End the background work; the next start goes on at the same block."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def follow(self, *, stop: int | None = None) -> None:
        """Read blocks from the one after the last read, to ``stop`` or for ever.

        Raises:
            NetworkError: the peer's stream broke.
            AnchorError: the index cannot be written.
        """
        start = (await asyncio.to_thread(self._index.position)).next_block
        if stop is not None and start > stop:
            return
        async with aclosing(self._source.blocks(start, stop=stop)) as blocks:
            async for block in blocks:
                found = await asyncio.to_thread(read_records, block)
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

    async def wait_until_read(self, block_number: int, timeout_s: float) -> bool:
        """Return whether a block was read within the time."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while (await asyncio.to_thread(self._index.position)).next_block <= block_number:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            await self.wait(min(left, 0.5))
        return True

    async def _run(self) -> None:
        while True:
            try:
                await self.follow()
            except (NetworkError, AnchorError) as error:
                logger.warning("audit_index_interrupted", reason=str(error))
            await asyncio.sleep(RETRY_S)
