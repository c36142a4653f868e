"""One channel as the peer's services see it: configuration, height, state, blocks, and who waits for them.

Everything here belongs to the event loop; blocks come from the committer's threads through :meth:`Channel.committed`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from typing import Any, TypeVar

import structlog

from network.channel_config import ChannelConfig
from network.envelope import ParsedTransaction
from network.rwset import StateKey
from node.peer.block_store import Tip, TransactionRecord
from node.peer.cached_states import CachedStates
from node.peer.chaincode_definition import LIFECYCLE
from node.peer.commit_notifier import CommitNotifier
from node.peer.committer import CommittedBlock
from node.peer.conflicts import Conflicts
from node.peer.definition import Definition
from node.peer.errors import ChannelStoppedError, MissingBlockError, StaleReadError
from node.peer.filtered_block import filtered_response_of
from node.peer.lifecycle_state import read_whole_definition
from node.peer.private_data import store_transient
from node.peer.progress import Progress
from node.peer.reader import ChannelReader
from node.peer.tx_simulator import TxSimulator

_log = structlog.get_logger(__name__)

T = TypeVar("T")

RECENT_BYTES_MAX = 4 * 1024 * 1024
"""Bytes of blocks kept in memory for those who follow the channel closely; the newest block always is."""

NEWEST_BYTES_MAX = 1024 * 1024
"""Largest block that is kept as the committer has read it, until the next one comes."""

REPLAY_BLOCKS = 10
"""Blocks read at once for those who replay the channel."""


class Channel:
    """One channel.

    Args:
        config: configuration in force.
        tip: end of the chain.
        channel_no: number of the channel in its tables.
        reader: reads the tables.
        first_block: first block that is here; more than 0 where the channel began from a snapshot.
    """

    def __init__(
        self, config: ChannelConfig, tip: Tip, channel_no: int, reader: ChannelReader, first_block: int = 0
    ) -> None:
        self.channel_id = config.channel_id
        self.config = config
        """Configuration in force after the last committed block."""
        self.first_block = first_block
        """First block that is here; those before stand in the snapshot the channel began from."""
        self.reader = reader
        """Committed state and blocks."""
        self.progress = Progress(tip.height, tip.header_hash, tip.commit_hash)
        """How far the channel is committed."""
        self.notifier = CommitNotifier()
        """Those who wait for transactions."""
        self.conflicts = Conflicts(reader, channel_no)
        """Why transactions lost their races."""
        self.has_key_metadata = True
        """Whether any key of the state has metadata; False spares looking for key-level policies."""
        self._channel_no = channel_no
        self._states = CachedStates(reader, self.progress)
        self._definitions: dict[Hashable, Any] = {}
        self._recent: OrderedDict[int, bytes] = OrderedDict()
        self._recent_bytes = 0
        self._newest: CommittedBlock | None = None
        self._newest_filtered: bytes | None = None

    async def start(self) -> None:
        """Start reading."""
        self.reader.start()
        self.has_key_metadata = await self.reader.any_key_metadata()

    async def stop(self) -> None:
        """Stop reading."""
        await self.reader.stop()

    def committed(self, block: CommittedBlock) -> None:
        """Take note of a durable block and tell who waits for it."""
        validation = block.validation
        if validation.next_config is not None:
            self.config = validation.next_config
        self.has_key_metadata = self.has_key_metadata or any(
            update.metadata for update in validation.updates.entries.values()
        )
        changed = block.changed
        if any(key.namespace == LIFECYCLE for key in changed):
            self._definitions = {}
        self._states.forget(changed)
        self._recent[block.number] = block.content
        self._recent_bytes += len(block.content)
        while len(self._recent) > 1 and self._recent_bytes > RECENT_BYTES_MAX:
            _, oldest = self._recent.popitem(last=False)
            self._recent_bytes -= len(oldest)
        self._newest = block if len(block.content) <= NEWEST_BYTES_MAX else None
        self._newest_filtered = None
        self.progress.advance(block.header_hash, block.commit_hash, changed)
        outcomes = [
            (transaction.tx_id, flag)
            for transaction, flag in zip(validation.transactions, validation.flags, strict=True)
        ]
        self.conflicts.note(block)
        self.notifier.notify(block.number, outcomes)
        self._log_refusals(block)

    def stopped(self, error: ChannelStoppedError) -> None:
        """Take note that nothing more is committed."""
        self.progress.stop(error)
        self.notifier.fail(error)

    def simulator(self, tx_id: str) -> TxSimulator:
        """Return a view of the state for one transaction."""
        return TxSimulator(tx_id, self._states, self.progress)

    async def definition(self, chaincode: str, sequence: int) -> Definition:
        """Return the committed definition that has this sequence.

        Raises:
            StaleReadError: another one was committed meanwhile.
        """
        found = await self.committed_definition(chaincode)
        if found is None or found.sequence != sequence:
            raise StaleReadError(f"the definition of chaincode {chaincode} has changed meanwhile")
        return found

    async def committed_definition(self, chaincode: str) -> Definition | None:
        """Return the definition as committed now, None where there is none.

        It is read aside from any transaction: a Go peer has it in its cache, so it may not stand in a read set.
        """
        found: Definition | None = self._definitions.get(chaincode)
        if found is None:
            return await self.read_aside(chaincode, lambda simulator: read_whole_definition(simulator, chaincode))
        return found

    async def read_aside(self, key: Hashable, read: Callable[[TxSimulator], Awaitable[T]]) -> T:
        """Return what ``read`` finds in the lifecycle's state now, aside from any transaction.

        What it finds, other than None, is remembered under ``key`` until that state changes.
        """
        if key in self._definitions:
            found: T = self._definitions[key]
            return found
        known_since = self._definitions
        while True:
            try:
                found = await read(self.simulator(""))
                break
            except StaleReadError:
                continue
        if known_since is self._definitions and found is not None:
            self._definitions[key] = found
        return found

    async def store_transient(self, tx_id: str, private_set: bytes) -> None:
        """Keep an endorsed private write set until its transaction commits."""
        height = self.progress.height
        await self.reader.run_on_blocks(
            lambda connection: store_transient(connection, self._channel_no, tx_id, private_set, height)
        )

    async def read_state(self, namespace: str, key: str) -> bytes | None:
        """Return the committed value of a public key, None where there is none."""
        value, _ = await self.reader.state(StateKey(namespace, "", key.encode()))
        return value.value if value is not None else None

    async def transaction(self, tx_id: str) -> TransactionRecord | None:
        """Return where a transaction stands and its validation code, None when no committed block holds it."""
        return await self.reader.transaction(tx_id)

    async def block(self, number: int) -> bytes | None:
        """Return a committed block serialized, None above the height."""
        recent = self._recent.get(number)
        if recent is not None:
            return recent
        return await self.reader.block_store(lambda store: store.block(number))

    def filtered(self, number: int) -> bytes | None:
        """Return the filtered form of the newest block, as ``DeliverResponse``; None of any other, or a large one.

        It is made once for all who follow the channel, from what the committer has read of the block.
        """
        newest = self._newest
        if newest is None or newest.number != number:
            return None
        if self._newest_filtered is None:
            validation = newest.validation
            self._newest_filtered = filtered_response_of(number, validation.transactions, validation.flags)
        return self._newest_filtered

    async def follow(self, start: int) -> AsyncGenerator[bytes, None]:
        """Give blocks from ``start`` on, serialized, waiting for each that is not committed yet.

        Raises:
            ChannelStoppedError: a block was refused, so no more will come.
            MissingBlockError: the channel began from a snapshot after that block.
        """
        self.require_block(start)
        following = start
        while True:
            await self.progress.wait_for_height(following + 1)
            for content in await self._committed_blocks(following):
                yield content
                following += 1

    def require_block(self, number: int) -> None:
        """Let pass who asks for a block that is here or is still to come.

        Raises:
            MissingBlockError: the channel began from a snapshot after that block.
        """
        if number < self.first_block:
            raise MissingBlockError(
                f"cannot serve block [{number}]. The ledger is bootstrapped from a snapshot. First available block = "
                f"[{self.first_block}]"
            )

    def require_details(self, record: TransactionRecord) -> None:
        """Let pass who asks for a transaction whose block is here.

        Raises:
            MissingBlockError: only its id is here, from the snapshot the channel began from.
        """
        if record.block_number < self.first_block:
            raise MissingBlockError(
                f"details for the TXID [{record.tx_id}] not available. Ledger bootstrapped from a snapshot. First "
                f"available block = [{self.first_block}]"
            )

    async def _committed_blocks(self, first: int) -> list[bytes]:
        """Return one block from memory, or the next few from the database."""
        recent = self._recent.get(first)
        if recent is not None:
            return [recent]
        stop = min(first + REPLAY_BLOCKS, self.progress.height)
        return [content for _, content in await self.reader.block_store(lambda store: store.blocks(first, stop))]

    def _log_refusals(self, block: CommittedBlock) -> None:
        for position, reason in block.validation.reasons.items():
            transaction: ParsedTransaction = block.validation.transactions[position]
            winner = self.conflicts.winner_in_block(transaction.tx_id)
            _log.info(
                "transaction is invalid",
                block=block.number,
                position=position,
                tx_id=transaction.tx_id[:64],
                code=block.validation.flags[position],
                reason=reason,
                **({"winner": winner[:64]} if winner else {}),
            )
