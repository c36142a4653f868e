"""One channel being ordered: what waits for a block, the block being written, and who waits for it.

Rules
- An envelope is acknowledged when its block is durable, never before.
- While a block is written the next one gathers; when the writer is idle the cutter says whether it is time.
- A failed write refuses the envelopes of that block as SERVICE_UNAVAILABLE and touches nothing else: the next block is
  tried as usual, so ordering goes on by itself once there is space again. Where what the disk has is unknown, as after
  a failed sync, ordering ends until the process starts again and reads it.
- A configuration update has a block of its own. Its successor configuration is made before it waits for that, in a
  thread beside the writer's: whatever a client makes of an update delays other updates, and no transaction.
- What was checked against an older configuration is checked again when its turn comes.
- Waiting envelopes are bounded in bytes; above the bound new ones are refused rather than kept in memory.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple

import structlog

from network.block import header_hash, last_config_number, parse_block
from network.channel_config import ChannelConfig
from network.envelope import Signer
from node.orderer.block_cutter import BatchLimits, BlockCutter
from node.orderer.block_store import BlockStore
from node.orderer.block_writer import BlockWriter
from node.orderer.errors import BlockStoreWriteError, EnvelopeRefusedError, OrderingUnavailableError
from node.orderer.msg_processor import Message, check_message, prepare_config

log = structlog.get_logger(__name__)

WAITING_BYTES_MAX = 128 * 1024 * 1024
"""Bytes of envelopes that may wait or be written at one time, over all callers."""

RECENT_BYTES_MAX = 16 * 1024 * 1024
"""Bytes of the newest blocks kept in memory for the streams that follow the chain."""

Outcome = EnvelopeRefusedError | None
"""None: ordered and durable."""


_Successor = tuple[bytes, ChannelConfig]
"""The envelope that carries a configuration, and that configuration."""


class _Waiting(NamedTuple):
    message: Message
    sequence: int
    """Of the configuration the message was checked against."""
    outcome: asyncio.Future[Outcome]
    successor: _Successor | None = None
    """What a configuration update makes of that configuration."""


class Chain:
    """An open channel.

    Args:
        store: its blocks, the genesis block at least; closed by ``stop``.
        signer: the orderer's identity.
        now: current time, UTC.
    """

    def __init__(self, store: BlockStore, signer: Signer, now: Callable[[], datetime]) -> None:
        last = parse_block(store.read(store.height - 1))
        # The genesis block carries no orderer's metadata: it is its own last configuration.
        last_config = last_config_number(last) if last.header.number else 0
        self.config = ChannelConfig.from_block(parse_block(store.read(last_config)))
        self.channel_id = self.config.channel_id
        self._store = store
        self._signer = signer
        self._now = now
        self._writer = BlockWriter(store, signer, header_hash(last.header), last_config)
        self._cutter: BlockCutter[_Waiting] = BlockCutter(_limits(self.config))
        self._threads = ThreadPoolExecutor(1, f"orderer-writer-{self.channel_id}")
        self._updates = ThreadPoolExecutor(1, f"orderer-updates-{self.channel_id}")
        self._recent: OrderedDict[int, bytes] = OrderedDict()
        self._recent_bytes = 0
        self._waiting_bytes = 0
        self._work = asyncio.Event()
        self._grown = asyncio.Event()
        self._closed: OrderingUnavailableError | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def height(self) -> int:
        """Number of durable blocks."""
        return self._store.height

    @property
    def takes_envelopes(self) -> bool:
        """Whether envelopes are queued: the writer has not failed, and nobody stops the chain."""
        return self._closed is None

    async def ended(self) -> None:
        """Return when no more blocks are cut here: the chain was stopped, or its writer failed."""
        assert self._task is not None, "start() comes first"
        await asyncio.wait({self._task})

    def start(self) -> None:
        """Begin to cut blocks."""
        self._task = asyncio.create_task(self._run(), name=f"orderer-{self.channel_id}")

    async def stop(self) -> None:
        """Finish the block being written, refuse what waits, and release the store. Idempotent."""
        self._close("the ordering service is stopping; send the envelope again later")
        if self._task is not None:
            task, self._task = self._task, None
            await task
        self._threads.shutdown()
        await asyncio.to_thread(self._updates.shutdown)
        self._store.close()

    async def order(self, message: Message) -> asyncio.Future[Outcome]:
        """Queue a message that has just passed ``check_message`` under ``config``; of an update, judge it first.

        Returns:
            Its outcome, once its block is durable or has failed; never an exception.
        """
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        if message.is_config_update:
            await self.order_update(message, outcome)
        else:
            self.order_transaction(message, outcome)
        return outcome

    def order_transaction(self, message: Message, outcome: asyncio.Future[Outcome]) -> None:
        """Queue what is no update and has just passed ``check_message`` under ``config``.

        Args:
            outcome: gets its outcome; it is ordered also where nobody waits for that any more.
        """
        if waiting := self._admitted(message, outcome):
            self._cutter.add(waiting, message.size)
            self._work.set()

    def _admitted(self, message: Message, outcome: asyncio.Future[Outcome]) -> _Waiting | None:
        """Count a message among those that wait; None, with its outcome told, where there is no room for it."""
        refusal = self._closed
        if refusal is None and self._waiting_bytes + len(message.envelope) > WAITING_BYTES_MAX:
            refusal = OrderingUnavailableError("too many envelopes wait to be ordered; send it again later")
        if refusal is None:
            self._waiting_bytes += len(message.envelope)
            return _Waiting(message, self.config.sequence, outcome)
        if not outcome.done():
            outcome.set_result(refusal)
        return None

    async def order_update(self, message: Message, outcome: asyncio.Future[Outcome]) -> None:
        """Judge an update that has just passed ``check_message`` under ``config``, and queue it; see above."""
        waiting = self._admitted(message, outcome)
        if waiting is None:
            return
        config, now = self.config, self._now()
        judged: Outcome = OrderingUnavailableError("nobody waits for the configuration update any more")
        try:
            successor = await asyncio.get_running_loop().run_in_executor(
                self._updates, self._make_successor, waiting.message, config, now
            )
            judged = self._closed
        except EnvelopeRefusedError as refusal:
            judged = refusal
        finally:
            if judged is not None:
                self._finish([waiting], judged)
        if judged is None:
            self._cutter.add_alone(waiting._replace(sequence=config.sequence, successor=successor))
            self._work.set()

    def _make_successor(self, message: Message, config: ChannelConfig, now: datetime) -> _Successor:
        if self._closed is not None:
            raise self._closed
        return prepare_config(message, config, self._signer, now)

    async def wait_for(self, number: int) -> None:
        """Return when block ``number`` is durable.

        Raises:
            OrderingUnavailableError: the service stops.
        """
        while self.height <= number:
            if self._closed is not None:
                raise self._closed
            await self._grown.wait()

    async def block(self, number: int) -> bytes:
        """Return a durable block, serialized.

        Raises:
            BlockStoreError: it cannot be read.
            OrderingUnavailableError: the service has stopped.
        """
        recent = self._recent.get(number)
        if recent is not None:
            return recent
        if self._closed is not None:
            raise self._closed
        return await asyncio.to_thread(self._store.read, number)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._closed is None:
            batch = self._cutter.cut(loop.time())
            if batch is None:
                await self._wait_for_work(loop.time())
                continue
            try:
                await self._write(batch)
            except Exception as error:
                # What state the writer or the disk is in is unknown, so no block may follow. A restart recovers from
                # the file.
                log.error("orderer.writer_failed", channel=self.channel_id, height=self.height, exc_info=error)
                self._close("the ordering service has failed and must be restarted")
                self._finish(batch, self._closed)
        self._finish(self._cutter.drain(), self._closed)

    async def _wait_for_work(self, now: float) -> None:
        due_at = self._cutter.due_at()
        self._work.clear()
        try:
            async with asyncio.timeout(None if due_at is None else due_at - now):
                await self._work.wait()
        except TimeoutError:
            return

    async def _write(self, batch: list[_Waiting]) -> None:
        batch = self._still_allowed(batch)
        if not batch:
            return
        make = self._write_config if batch[0].message.is_config_update else self._write_normal
        try:
            block, config = await asyncio.get_running_loop().run_in_executor(self._threads, make, batch)
        except BlockStoreWriteError as error:
            log.error("orderer.block_not_written", channel=self.channel_id, height=self.height, reason=str(error))
            self._finish(batch, OrderingUnavailableError("the orderer cannot store blocks now; send it again later"))
        except EnvelopeRefusedError as refusal:
            self._finish(batch, refusal)
        else:
            self._remember(self.height - 1, block)
            self._apply(config)
            self._finish(batch, None)
            self._announce()

    def _write_normal(self, batch: list[_Waiting]) -> _Successor:
        return self._writer.write([waiting.message.envelope for waiting in batch]), self.config

    def _write_config(self, batch: list[_Waiting]) -> _Successor:
        [waiting] = batch
        successor = waiting.successor
        if successor is None or waiting.sequence != self.config.sequence:
            successor = prepare_config(waiting.message, self.config, self._signer, self._now())
        envelope, following = successor
        return self._writer.write([envelope], config=True), following

    def _apply(self, config: ChannelConfig) -> None:
        if config is not self.config:
            self.config = config
            self._cutter.set_limits(_limits(config))
            log.info("orderer.configuration_changed", channel=self.channel_id, sequence=config.sequence)

    def _still_allowed(self, batch: list[_Waiting]) -> list[_Waiting]:
        """Refuse what the configuration in force now does not admit; return the rest."""
        allowed = []
        for waiting in batch:
            try:
                if waiting.sequence != self.config.sequence:
                    check_message(waiting.message, self.config, self._now())
                allowed.append(waiting)
            except EnvelopeRefusedError as refusal:
                self._finish([waiting], refusal)
        return allowed

    def _finish(self, batch: list[_Waiting], outcome: Outcome) -> None:
        for waiting in batch:
            self._waiting_bytes -= len(waiting.message.envelope)
            if not waiting.outcome.done():
                waiting.outcome.set_result(outcome)

    def _remember(self, number: int, block: bytes) -> None:
        self._recent[number] = block
        self._recent_bytes += len(block)
        while self._recent_bytes > RECENT_BYTES_MAX and len(self._recent) > 1:
            self._recent_bytes -= len(self._recent.popitem(last=False)[1])

    def _announce(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    def _close(self, reason: str) -> None:
        self._closed = self._closed or OrderingUnavailableError(reason)
        self._work.set()
        self._announce()


def _limits(config: ChannelConfig) -> BatchLimits:
    orderer = config.orderer
    return BatchLimits(orderer.max_messages, orderer.preferred_max_bytes, orderer.batch_timeout_s)
