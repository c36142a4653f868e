"""Learns from one stream of blocks which transactions are valid, where a signed call for each would ask.

Rules
- Only "VALID, in that block" is learned here. All else (a transaction that is not valid, a stream that has not begun or
  breaks) is left to ``CommitStatus``, which also tells why.
- A transaction is looked for from before it is submitted, and in blocks that follow one already given: it cannot
  have passed unseen.

Source: proto peer/events.proto, FilteredBlock; so did Fabric's clients before there was a gateway.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager

import structlog
from fabric_protos.peer import events_pb2, transaction_pb2

from network.errors import GatewayError

_log = structlog.get_logger(__name__)

PAUSE_S = 2.0
"""Time between a stream that broke and the next."""

_VALID = transaction_pb2.VALID


class CommitFollower:
    """Those who wait for transactions of one channel while its blocks are followed; belongs to the event loop."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[int | None]] = {}
        self._follows = False

    @contextmanager
    def expected(self, tx_id: str) -> Iterator[asyncio.Future[int | None] | None]:
        """Look for a transaction that is about to be submitted.

        Yields:
            a future with the block in which it is valid, or None where ``CommitStatus`` must be asked; no future where
            blocks are not followed now.
        """
        if not self._follows:
            yield None
            return
        future = self._waiting[tx_id] = asyncio.get_running_loop().create_future()
        try:
            yield future
        finally:
            self._waiting.pop(tx_id, None)
            future.cancel()

    async def follow(self, blocks: Callable[[], AsyncGenerator[events_pb2.FilteredBlock, None]]) -> None:
        """Follow the channel for ever, beginning anew where a stream breaks.

        Args:
            blocks: opens a stream that begins with the next block to be committed.
        """
        while True:
            try:
                async with aclosing(blocks()) as stream:
                    async for block in stream:
                        self._follows = True
                        self._take(block)
            except GatewayError as error:
                _log.warning("blocks cannot be followed; each commit is asked for", reason=str(error))
            finally:
                self._follows = False
                for future in self._waiting.values():
                    if not future.done():
                        future.set_result(None)
            await asyncio.sleep(PAUSE_S)

    def _take(self, block: events_pb2.FilteredBlock) -> None:
        number, waiting = block.number, self._waiting
        for transaction in block.filtered_transactions:
            future = waiting.get(transaction.txid)
            if future is not None and not future.done():
                future.set_result(number if transaction.tx_validation_code == _VALID else None)
