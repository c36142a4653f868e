"""From an ordered block to committed state: verify, validate, commit, tell.

Rules:
- two threads, never the event loop: one checks hashes and signatures of the next block, a large one's with processes
  where many wait, while the other judges and writes the one before; after a configuration block the first waits,
  because the next block stands under the new one;
- a block is told to others only after it is durable;
- a block that is refused is not written, and whoever is asked for blocks is told, to ask another; where nobody is, and
  where a block cannot be judged, the channel stops with the reason;
- a database that does not answer, or has no room, is waited for: the block is written once it does, and never twice.

Source: Fabric gossip/state (payload buffer), core/committer/committer_impl.go, core/ledger/kvledger/kv_ledger.go.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import TypeVar

import structlog
from fabric_protos.common import common_pb2

from network.block import (
    header_hash,
    holds_config,
    parse_block,
    recorded_commit_hash,
    set_commit_hash,
    set_transactions_filter,
    transactions_filter,
)
from network.block_verifier import verify_block, verify_hashes
from network.channel_config import ChannelConfig
from network.errors import BlockError, ConfigError, NetworkError
from network.rwset import StateKey
from node.peer.block_signatures import BlockSignatures, Checked
from node.peer.block_store import Tip
from node.peer.block_writer import PrivateUpdate, ValidatedBlock
from node.peer.channel_tables import ChannelTables
from node.peer.collection_members import own_identity
from node.peer.database import Connection
from node.peer.database_job import DatabaseJob, Handover
from node.peer.errors import ChannelStoppedError, PeerError, StoreError
from node.peer.own_endorsements import OwnEndorsements
from node.peer.snapshots.requests import SnapshotRequests, SnapshotSettings
from node.peer.validator import (
    CheckedTransaction,
    Validation,
    check_signatures,
    judge_block,
    needed_state,
    parse_transactions,
)

_log = structlog.get_logger(__name__)

T = TypeVar("T")

BLOCKS_AHEAD_MAX = 20
"""Blocks taken from the orderer and not yet committed; more would only fill memory."""

CHECKED_AHEAD_MAX = 4
"""Blocks whose signatures are checked and that wait to be judged."""

RETRY_PAUSE_S = 0.5
"""Pause before a database that failed is tried again."""


@dataclass(frozen=True, slots=True)
class CommittedBlock:
    """A block that is durable, for those who are told.

    Args:
        number: its number.
        content: the block with flags and commit hash, serialized.
        header_hash: its header's hash.
        commit_hash: this peer's commit hash.
        validation: what it came to.
        lacks_private: whether private values that this peer should have are missing.
        processing_s: seconds from the checked signatures to the durable block.
        storage_s: seconds of that in the database transaction that wrote it.
    """

    number: int
    content: bytes
    header_hash: bytes
    commit_hash: bytes
    validation: Validation
    lacks_private: bool = False
    processing_s: float = 0.0
    storage_s: float = 0.0

    @property
    def changed(self) -> list[StateKey]:
        """Keys whose state it changed, those that expired aside."""
        return list(self.validation.updates.entries)


@dataclass(frozen=True, slots=True)
class CommitterSettings:
    """What a committer needs.

    Args:
        url: database.
        channel_id: channel.
        genesis: serialized block 0, given by the operator and trusted; empty for a channel that began from a snapshot.
        peer_creator: this peer's serialized identity.
        own: endorsements it made.
        snapshots_folder: where snapshots are made; None for nowhere.
        judged_before: whether blocks come from another peer, with its verdicts, which must be this peer's too.
    """

    url: str
    channel_id: str
    genesis: bytes
    peer_creator: bytes
    own: OwnEndorsements
    snapshots_folder: Path | None = None
    judged_before: bool = False


class Committer:
    """The two threads through which every block of a channel goes.

    Args:
        settings: database, channel, identity.
        on_commit: told of each durable block, in the event loop.
        on_stop: told why no more blocks are committed, in the event loop.
        on_refuse: told of a block that does not hold and of its source, in the event loop; whatever follows is dropped
            until that block comes again. None stops the channel instead.
    """

    def __init__(
        self,
        settings: CommitterSettings,
        on_commit: Callable[[CommittedBlock], None],
        on_stop: Callable[[ChannelStoppedError], None],
        on_refuse: Callable[[int, str, str], None] | None = None,
    ) -> None:
        self._settings = settings
        self._on_commit = on_commit
        self._on_stop = on_stop
        self._on_refuse = on_refuse
        self._refused = False
        """Whether the next block was refused and is waited for from another source."""
        self._received: Queue[tuple[common_pb2.Block, str] | None] = Queue()
        self._checked: Handover[_CheckedBlock | DatabaseJob | None] = Handover(CHECKED_AHEAD_MAX)
        self._room = asyncio.Semaphore(BLOCKS_AHEAD_MAX)
        self._ending = threading.Event()
        self._signatures = BlockSignatures(settings.peer_creator, settings.own.made)
        self.snapshots = SnapshotRequests(
            SnapshotSettings(settings.url, settings.channel_id, settings.snapshots_folder)
        )
        """Snapshots asked for, which commits wait for."""
        self.first_block = 0
        """First block that is here; more than 0 where the channel began from a snapshot."""
        self._threads = [
            threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
            for name, work in (("peer-validator", self._verify_blocks), ("peer-committer", self._commit_blocks))
        ]

    def open(self) -> tuple[Tip, ChannelConfig, int]:
        """Open the channel's tables and commit the genesis block where they are empty; blocks, so not for the loop.

        Returns:
            end of the chain, configuration in force, number of the channel in its tables.
        Raises:
            StoreError: the database refuses, or holds another chain than the genesis block begins.
            ChannelLockedError: another process commits this channel to this database.
            NetworkError: the genesis block is malformed.
        """
        self._tables = ChannelTables(self._settings.url, self._settings.channel_id)
        try:
            tip = self._open_chain()
            self.snapshots.open(self._tables.channel_no, tip.height - 1)
        except BaseException:
            self._tables.close()
            raise
        self._config = self._tables.blocks.config(self._settings.channel_id, tip.height - 1)
        self._verified = self._committed = tip
        return tip, self._config, self._tables.channel_no

    def _open_chain(self) -> Tip:
        self._tables.prepare()
        if (origin := self._tables.blocks.origin()) is not None:
            self.first_block = origin.last_block + 1
            return self._tables.blocks.tip()
        genesis = parse_block(self._settings.genesis)
        if self._tables.blocks.tip().height == 0:
            self._write_genesis(genesis)
        tip = self._tables.blocks.tip()
        first = parse_block(self._tables.blocks.block(0) or b"")
        if header_hash(first.header) != header_hash(genesis.header):
            raise StoreError(
                f"the database holds another channel {self._settings.channel_id!r}: its block 0 is not the genesis "
                "block given; name the right genesis block or an empty database"
            )
        return tip

    def start(self) -> None:
        """Start the threads; :meth:`open` comes first."""
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()

    async def put(self, block: common_pb2.Block, source: str = "") -> None:
        """Hand over the next block from the orderer; waits while too many are on the way.

        Args:
            source: address it comes from.
        """
        await self._room.acquire()
        self._received.put((block, source))

    def give_up(self, reason: str) -> None:
        """Commit nothing more: nobody has a next block that holds."""
        self._fail(ChannelStoppedError(reason))

    async def between_blocks(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` with the committing connection between two blocks, and return what it returns.

        Raises:
            ChannelStoppedError: no more blocks are committed.
            PeerError: the work's own.
        """
        job = DatabaseJob(work, self._loop)
        if not await asyncio.to_thread(self._checked.put, job):
            raise self._no_longer()
        result: T = await job.future
        return result

    async def stop(self) -> None:
        """Finish the block being written and end the threads; what is not committed comes from the orderer again."""
        self._ending.set()
        self._received.put(None)
        await asyncio.to_thread(self.snapshots.stop)
        for thread in self._threads:
            if thread.is_alive():
                await asyncio.to_thread(thread.join)
        self._tables.close()

    def _write_genesis(self, genesis: common_pb2.Block) -> None:
        verify_hashes(genesis, b"")
        config = ChannelConfig.from_block(genesis)
        if config.channel_id != self._settings.channel_id:
            raise ConfigError(
                f"the genesis block is of channel {config.channel_id!r}, not of {self._settings.channel_id!r}"
            )
        checked = check_signatures(parse_transactions(genesis), config)
        validation = judge_block(0, checked, config, self._tables.snapshot(needed_state(checked)), b"")
        self._write(genesis, validation, config)

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except ChannelStoppedError as error:
            self._fail(error)
        except (NetworkError, PeerError) as error:
            self._fail(ChannelStoppedError(str(error)))
        except Exception as error:  # noqa: BLE001 - the root of a thread: the channel stops, the peer goes on
            _log.exception("block pipeline failed", channel=self._settings.channel_id)
            self._fail(ChannelStoppedError(f"a fault of the program: {type(error).__name__}; see the log"))

    def _fail(self, error: ChannelStoppedError) -> None:
        """Stop both threads and tell why."""
        self._ending.set()
        self._received.put(None)
        _log.error("channel stopped", channel=self._settings.channel_id, reason=str(error))
        self._loop.call_soon_threadsafe(self._on_stop, error)

    def _verify_blocks(self) -> None:
        """First thread: hashes and signatures."""
        try:
            while (item := self._next_received()) is not None and not self._ending.is_set():
                self._take(*item)
        finally:
            self._signatures.end_processes()
            self._ending.set()
            self._checked.put(None)

    def _next_received(self) -> tuple[common_pb2.Block, str] | None:
        while True:
            try:
                return self._received.get(timeout=self._signatures.idle_s)
            except Empty:
                self._signatures.end_processes()

    def _take(self, block: common_pb2.Block, source: str) -> None:
        """Verify a block that is due; one that does not hold stops the channel only where nobody else is asked."""
        number, expected = block.header.number, self._verified.height
        if number < expected or (self._refused and number > expected):
            _log.info(
                "block dropped", channel=self._settings.channel_id, block=number, next_block=expected, orderer=source
            )
            self._loop.call_soon_threadsafe(self._room.release)
            return
        try:
            if number > expected:
                raise BlockError(f"the orderer sent block {number} where block {expected} was due")
            verify_block(block, self._verified.header_hash, self._config)
        except BlockError as error:
            if self._on_refuse is None:
                raise
            self._refused = True
            self._loop.call_soon_threadsafe(self._room.release)
            self._loop.call_soon_threadsafe(self._on_refuse, expected, source, str(error))
            return
        self._refused = False
        self._check(block)

    def _check(self, block: common_pb2.Block) -> None:
        """Check the signatures in a block, and hand it over to be judged."""
        number = block.header.number
        checked = self._signatures.check(block.data.data, self._config, self._received.qsize())
        hashed = header_hash(block.header)
        done = threading.Event() if holds_config(block.data) else None
        self._checked.put(_CheckedBlock(block, hashed, checked, done))
        self._verified = Tip(number + 1, hashed, b"")
        while done is not None and not done.wait(0.2) and not self._ending.is_set():
            continue

    def _commit_blocks(self) -> None:
        """Second thread: validity, state, tables."""
        try:
            self._take_checked()
        finally:
            self._checked.end(self._no_longer())

    def _no_longer(self) -> ChannelStoppedError:
        return ChannelStoppedError(f"channel {self._settings.channel_id} is no longer committed")

    def _take_checked(self) -> None:
        while (item := self._checked.get()) is not None:
            if isinstance(item, DatabaseJob):
                self._do_between(item)
                continue
            if not self.snapshots.enter():
                return
            try:
                committed = self._commit(item)
            except BaseException:
                self.snapshots.leave(None)
                raise
            self.snapshots.leave(committed.number)
            self._loop.call_soon_threadsafe(self._tell, committed)
            if item.done is not None:
                item.done.set()

    def _do_between(self, job: DatabaseJob) -> None:
        try:
            if self._tables.lost:
                # The next block would open another, but it may be long in coming.
                self._tables.reopen()
            job.perform(self._tables.connection)
        except Exception as error:
            job.fail(error)
            # Who asks again after a lost connection gets another; a fault of the program stops the channel.
            if not isinstance(error, PeerError):
                raise

    def _commit(self, item: _CheckedBlock) -> CommittedBlock:
        number = item.block.header.number
        begun = time.perf_counter()
        transactions = item.checked()
        validation = self._with_database(lambda again: self._judge(number, transactions))
        if self._settings.judged_before:
            _require_same_verdict(item.block, validation)
        judged = time.perf_counter()
        content, lacks_private = self._write(item.block, validation, self._config)
        written = time.perf_counter()
        self._committed = Tip(number + 1, item.header_hash, validation.commit_hash)
        if validation.next_config is not None:
            self._config = validation.next_config
        return CommittedBlock(
            number,
            content,
            item.header_hash,
            validation.commit_hash,
            validation,
            lacks_private=lacks_private,
            processing_s=written - begun,
            storage_s=written - judged,
        )

    def _judge(self, number: int, transactions: tuple[CheckedTransaction, ...]) -> Validation:
        snapshot = self._tables.snapshot(needed_state(transactions))
        return judge_block(number, transactions, self._config, snapshot, self._committed.commit_hash)

    def _write(self, block: common_pb2.Block, validation: Validation, config: ChannelConfig) -> tuple[bytes, bool]:
        """Write a block; return it as stored, and whether private values that belong to it are missing here."""
        peer = own_identity(config, self._settings.peer_creator)
        number = block.header.number
        private = self._with_database(
            lambda again: self._tables.private_data().collect(number, validation, config, peer)
        )
        validated = validated_block(block, validation, private)
        content = self._with_database(lambda again: self._tables.write(validated, again=again))
        return content, bool(private.missing)

    def _with_database(self, work: Callable[[bool], T]) -> T:
        """Repeat the work on new connections until the database answers and has room; what it refuses ends it."""
        again = False
        while True:
            try:
                if again:
                    self._tables.reopen()
                return work(again)
            except StoreError as error:
                if self._ending.is_set() or not (self._tables.lost or error.may_pass):
                    raise
                _log.warning("database failed, trying again", channel=self._settings.channel_id, reason=str(error))
                again = True
                time.sleep(RETRY_PAUSE_S)

    def _tell(self, committed: CommittedBlock) -> None:
        self._room.release()
        self._on_commit(committed)


def validated_block(block: common_pb2.Block, validation: Validation, private: PrivateUpdate) -> ValidatedBlock:
    """Put what a block came to into its metadata, and return all that is to be written of it."""
    set_transactions_filter(block, validation.flags)
    if validation.commit_hash:
        set_commit_hash(block, validation.commit_hash)
    return ValidatedBlock(
        block=block,
        header_hash=header_hash(block.header),
        commit_hash=validation.commit_hash,
        transactions=validation.transactions,
        flags=validation.flags,
        updates=validation.updates,
        expiries=validation.expiries,
        private=private,
        purges=validation.purges,
    )


@dataclass(frozen=True, slots=True)
class _CheckedBlock:
    """A block whose hashes and orderers' signatures hold.

    Args:
        block: as ordered.
        header_hash: its header's hash.
        checked: returns its transactions, with the verdict on their signatures.
        done: set once it is committed, for a configuration block.
    """

    block: common_pb2.Block
    header_hash: bytes
    checked: Checked
    done: threading.Event | None


def _require_same_verdict(block: common_pb2.Block, validation: Validation) -> None:
    """Require that the peer a block came from judged it as this one does.

    Raises:
        ChannelStoppedError: naming the first transaction judged otherwise, or the commit hashes.
    """
    number, given = block.header.number, transactions_filter(block)
    for place, transaction in enumerate(validation.transactions):
        theirs = given[place] if place < len(given) else None
        if theirs != validation.flags[place]:
            raise ChannelStoppedError(
                f"block {number}: transaction {transaction.tx_id or place} has validation code {theirs} at the peer "
                f"that is followed and {validation.flags[place]} here; find out which of the two is wrong"
            )
    if recorded_commit_hash(block) != validation.commit_hash:
        raise ChannelStoppedError(
            f"block {number}: commit hash {recorded_commit_hash(block).hex()} at the peer that is followed is "
            f"{validation.commit_hash.hex()} here: the two hold different states"
        )
