"""Reading the channel's tables from the event loop.

Rules:
- the loop never waits for the database: each connection lives in a thread of its own;
- what many simulations ask at the same time goes into one query: while one runs, the next one gathers;
- a lost connection is opened again once, since reading twice does no harm.

Source: measured, 50 keys in one query cost a tenth of 50 queries.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Generic, TypeVar

import structlog

from network.rwset import StateKey
from node.peer.block_store import BlockStore, TransactionRecord
from node.peer.database import Connection, connect, fetch
from node.peer.database_job import DatabaseJob
from node.peer.documents import OPTIONS, DocumentPage, DocumentRequest, find_documents
from node.peer.errors import StoreError
from node.peer.history import KeyModification, key_history
from node.peer.world_state import StateRange, StateValue, WorldState

_log = structlog.get_logger(__name__)

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

StateAnswer = tuple[StateValue | None, int]
"""What stands under a key, and the height at which it does."""


class DatabaseThread:
    """One connection and the thread that alone uses it; ``options`` of the connection where they are not the usual."""

    def __init__(self, name: str, url: str, options: str | None = None) -> None:
        self._name = name
        self._url = url
        self._options = options
        self._jobs: SimpleQueue[DatabaseJob | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._stopped = False

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def stop(self) -> None:
        """Finish what is queued, close the connection and end the thread."""
        self._stopped = True
        if self._thread.is_alive():
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in the thread and return what it returns.

        Raises:
            StoreError: the database does not answer, or is no longer asked.
        """
        if self._stopped:
            raise StoreError("the channel's database is no longer asked: this peer stops")
        job = DatabaseJob(work, asyncio.get_running_loop())
        self._jobs.put(job)
        result: T = await job.future
        return result

    def _serve(self) -> None:
        connection: Connection | None = None
        while (job := self._jobs.get()) is not None:
            try:
                connection = self._perform(job, connection)
            except Exception as error:  # noqa: BLE001 - the root of a thread: whoever waits gets the error
                job.fail(error)
        if connection is not None:
            connection.close()

    def _perform(self, job: DatabaseJob, connection: Connection | None) -> Connection:
        if connection is not None and not connection.closed:
            try:
                job.perform(connection)
            except StoreError:
                _log.warning("database connection lost, opening another", thread=self._name)
            else:
                return connection
        # Other settings are for statements of the moment, which are not worth preparing.
        connection = connect(self._url) if self._options is None else connect(self._url, self._options, None)
        job.perform(connection)
        return connection


class Gatherer(Generic[K, V]):
    """Joins questions that are asked at the same time into one query.

    Args:
        thread: where the query runs.
        ask: answers a list of questions, in their order.
    """

    def __init__(self, thread: DatabaseThread, ask: Callable[[Connection, Sequence[K]], Sequence[V]]) -> None:
        self._thread = thread
        self._ask = ask
        self._waiting: list[tuple[K, asyncio.Future[V]]] = []
        self._running: asyncio.Task[None] | None = None

    def ask(self, question: K) -> asyncio.Future[V]:
        """Put one question; the answer comes as a future."""
        future: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return future

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._answer(batch)
        finally:
            self._running = None

    async def _answer(self, batch: list[tuple[K, asyncio.Future[V]]]) -> None:
        questions = [question for question, _ in batch]
        try:
            answers = await self._thread.run(lambda connection: self._ask(connection, questions))
        except Exception as error:  # noqa: BLE001 - each of those who wait gets the error
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)


class ChannelReader:
    """Everything a peer's services read of one channel.

    Args:
        url: database.
        channel_no: number of the channel in its tables.
    """

    def __init__(self, url: str, channel_no: int) -> None:
        self._channel_no = channel_no
        self._states_thread = DatabaseThread("peer-states", url)
        self._blocks_thread = DatabaseThread("peer-blocks", url)
        self._documents_thread = DatabaseThread("peer-documents", url, OPTIONS)
        self._states = Gatherer(self._states_thread, self._ask_states)
        self._private = Gatherer(self._states_thread, self._ask_private)
        self._tx_ids = Gatherer(self._states_thread, self._ask_tx_ids)

    def start(self) -> None:
        """Start the threads: for states, for blocks, for documents; no replay or query then delays a simulation."""
        self._states_thread.start()
        self._blocks_thread.start()
        self._documents_thread.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._states_thread.stop()
        await self._blocks_thread.stop()
        await self._documents_thread.stop()

    async def state(self, key: StateKey) -> StateAnswer:
        """Return what stands under a key of the world state."""
        return await self._states.ask(key)

    async def private_value(self, key: StateKey) -> StateAnswer:
        """Return what stands under a private key in clear."""
        return await self._private.ask(key)

    def transaction(self, tx_id: str) -> asyncio.Future[TransactionRecord | None]:
        """Return, as a future, where a transaction stands; None when no committed block holds it."""
        return self._tx_ids.ask(tx_id)

    async def state_range(self, namespace: str, start: bytes, end: bytes, limit: int) -> StateRange:
        """Return a page of public keys in [start, end)."""
        return await self._states_thread.run(
            lambda connection: WorldState(connection, self._channel_no).range(namespace, start, end, limit)
        )

    async def private_range(self, namespace: str, collection: str, start: bytes, end: bytes, limit: int) -> StateRange:
        """Return a page of private keys in [start, end)."""
        return await self._states_thread.run(
            lambda connection: WorldState(connection, self._channel_no).private_range(
                namespace, collection, start, end, limit
            )
        )

    async def documents(self, request: DocumentRequest) -> DocumentPage:
        """Return one page of a rich query."""
        return await self._documents_thread.run(
            lambda connection: find_documents(connection, self._channel_no, request)
        )

    async def history(self, namespace: str, key: str) -> list[KeyModification]:
        """Return the writes to a public key, newest first."""
        return await self._blocks_thread.run(
            lambda connection: key_history(connection, self._channel_no, namespace, key)
        )

    async def private_write_sets(self, number: int) -> list[tuple[int, bytes]]:
        """Return the private write sets this peer holds of a block, by transaction number."""
        rows = await self.run_on_blocks(
            lambda connection: fetch(connection, "read_private_sets", (self._channel_no, number))
        )
        return [(tx_number, bytes(content)) for tx_number, content in rows]

    async def any_key_metadata(self) -> bool:
        """Say whether any key of the state has metadata."""
        rows = await self.run_on_blocks(lambda connection: fetch(connection, "any_metadata", (self._channel_no,)))
        return bool(rows[0][0])

    async def run_on_blocks(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on the connection for blocks."""
        return await self._blocks_thread.run(work)

    async def block_store(self, work: Callable[[BlockStore], T]) -> T:
        """Run ``work`` on the block store, away from the event loop."""
        return await self._blocks_thread.run(lambda connection: work(BlockStore(connection, self._channel_no)))

    def _ask_states(self, connection: Connection, keys: Sequence[StateKey]) -> list[StateAnswer]:
        values, height = WorldState(connection, self._channel_no).values(keys)
        return [(value, height) for value in values]

    def _ask_private(self, connection: Connection, keys: Sequence[StateKey]) -> list[StateAnswer]:
        values, height = WorldState(connection, self._channel_no).private_values(keys)
        return [(value, height) for value in values]

    def _ask_tx_ids(self, connection: Connection, tx_ids: Sequence[str]) -> list[TransactionRecord | None]:
        known = BlockStore(connection, self._channel_no).transactions(tx_ids)
        return [known.get(tx_id) for tx_id in tx_ids]
