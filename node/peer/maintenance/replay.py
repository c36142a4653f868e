"""Makes a channel's tables anew from its own blocks, up to any of them: rebuild, roll back, reset.

Rules:
- nobody else may commit meanwhile: the claim to be the channel's only committer is held throughout;
- every block goes through the very code that committed it, and must come to the flags and the commit hash it had;
  otherwise, and whenever anything fails, the tables stay as they were: all of it is one database transaction;
- values of private data are this peer's own and are kept; those of blocks that are given up wait where endorsed sets
  wait, so that they are there when the blocks come again;
- snapshots that are asked for are asked for no more: a Go peer forgets them too.

Source: Fabric core/ledger/kvledger/{rebuild_dbs,reset,rollback}.go (which drop databases and rebuild them at the next
start).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import psycopg
from fabric_protos.common import common_pb2
from psycopg import sql

from network.block import header_hash, parse_block, recorded_commit_hash, transactions_filter
from network.block_verifier import verify_block, verify_hashes
from network.channel_config import ChannelConfig
from network.errors import NetworkError
from network.rwset import PrivateCollectionRwset
from node.peer.block_store import Tip
from node.peer.channel_tables import ChannelTables
from node.peer.collection_members import own_identity
from node.peer.committer import validated_block
from node.peer.database import Connection, connect, fetch
from node.peer.errors import MaintenanceError, PeerError, StoreError
from node.peer.private_data import PrivateData
from node.peer.validator import check_signatures, judge_block, needed_state, parse_transactions

_MADE_FROM_BLOCKS = (
    "state",
    "private_state",
    "expiry",
    "history",
    "private_write_set",
    "missing_private_set",
    "private_purge",
    "transaction",
    "block",
)
"""Tables of a channel whose rows follow from its blocks, those that refer to others first."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a channel is after a replay.

    Args:
        height: number of blocks.
        height_before: number there was.
        commit_hash: of the last block.
    """

    height: int
    height_before: int
    commit_hash: bytes


def replay(
    url: str,
    channel_id: str,
    creator: bytes,
    last_block: int | None = None,
    progress: Callable[[int, int], None] = lambda done, whole: None,
) -> Replayed:
    """Make a channel's tables anew from its blocks.

    Args:
        url: database, as the owner of its tables.
        creator: the peer's serialized identity, which decides what private data it may keep.
        last_block: the last block to keep; None for all.
        progress: told the number of blocks done and their whole number.
    Raises:
        MaintenanceError: the channel is not here, began from a snapshot, is not as high, or a block gives another
            outcome than it had.
        ChannelLockedError: a peer commits this channel.
        StoreError: the database refuses.
    """
    with connect(url) as looking:
        if not fetch(looking, "channel_number", (channel_id,)):
            raise MaintenanceError(f"channel {channel_id!r} is not in this database")
    tables = ChannelTables(url, channel_id)
    try:
        tables.prepare()
        before = tables.blocks.tip().height
        height = _height(tables, before, last_block)
        with tables.connection.transaction(), connect(url) as old, old.transaction():
            old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            blocks = _stored_blocks(old, tables.channel_no, height)
            _remove(tables, height)
            replaying = _Replay(tables, creator)
            for done, (content, sets) in enumerate(blocks, 1):
                replaying.take(parse_block(content), sets)
                progress(done, height)
        return Replayed(height, before, replaying.tip.commit_hash)
    except psycopg.Error as error:
        raise StoreError(f"the channel's tables cannot be made anew: {error}") from error
    finally:
        tables.close()


def _height(tables: ChannelTables, height: int, last_block: int | None) -> int:
    if (origin := tables.blocks.origin()) is not None:
        raise MaintenanceError(
            f"channel {tables.channel_id!r} began from a snapshot at block {origin.last_block}: the blocks before it "
            "are not here, so nothing can be made anew from them; join it again by a snapshot instead"
        )
    if height == 0:
        raise MaintenanceError(f"channel {tables.channel_id!r} has no block yet")
    if last_block is None:
        return height
    if not 0 <= last_block < height:
        raise MaintenanceError(
            f"block {last_block} is not in channel {tables.channel_id!r}, whose last block is {height - 1}"
        )
    return last_block + 1


def _stored_blocks(old: Connection, channel_no: int, height: int) -> Iterator[tuple[bytes, Mapping[int, bytes]]]:
    """Give the blocks as they were before the replay, each with the private write sets kept of it."""
    sets: dict[int, dict[int, bytes]] = {}
    for block_number, tx_number, content in fetch(old, "all_private_sets", (channel_no, height - 1)):
        sets.setdefault(block_number, {})[tx_number] = bytes(content)

    def blocks() -> Iterator[tuple[bytes, Mapping[int, bytes]]]:
        with old.cursor("replay") as cursor:
            cursor.itersize = 20
            cursor.execute(
                "SELECT block_number, content FROM channel.block "
                "WHERE channel_no = %s AND block_number < %s ORDER BY block_number",
                (channel_no, height),
                binary=True,
            )
            for number, content in cursor:
                yield bytes(content), sets.get(number, {})

    return blocks()


def _remove(tables: ChannelTables, height: int) -> None:
    parameters = (tables.channel_no, height)
    fetch(tables.connection, "give_back_private_sets", parameters)
    for table in (*_MADE_FROM_BLOCKS, "snapshot_request"):
        statement = sql.SQL("DELETE FROM {} WHERE channel_no = %s").format(sql.Identifier("channel", table))
        tables.connection.execute(statement, parameters[:1])


class _Replay:
    """Commits stored blocks again, one after the other."""

    def __init__(self, tables: ChannelTables, creator: bytes) -> None:
        self._tables = tables
        self._creator = creator
        self.tip = Tip(0, b"", b"")
        """The end of the chain so far."""

    def take(self, block: common_pb2.Block, sets: Mapping[int, bytes]) -> None:
        """Commit the next block.

        Raises:
            MaintenanceError: it does not follow, is not signed, or comes to something else than before.
        """
        number = block.header.number
        try:
            self._commit(block, sets)
        except (NetworkError, PeerError) as error:
            if isinstance(error, StoreError):
                raise
            raise MaintenanceError(f"block {number} as it is stored cannot be committed again: {error}") from error

    def _commit(self, block: common_pb2.Block, sets: Mapping[int, bytes]) -> None:
        number, flags, commit_hash = block.header.number, transactions_filter(block), recorded_commit_hash(block)
        if number == 0:
            verify_hashes(block, b"")
            self._config = ChannelConfig.from_block(block)
        else:
            verify_block(block, self.tip.header_hash, self._config)
        checked = check_signatures(parse_transactions(block), self._config)
        snapshot = self._tables.snapshot(needed_state(checked))
        validation = judge_block(number, checked, self._config, snapshot, self.tip.commit_hash)
        if (validation.flags, validation.commit_hash) != (flags, commit_hash):
            raise MaintenanceError(
                f"validation codes {flags.hex()} and commit hash {commit_hash.hex() or 'none'} were stored, "
                f"{validation.flags.hex()} and {validation.commit_hash.hex() or 'none'} are what it comes to"
            )
        peer = own_identity(self._config, self._creator)
        kept = _KeptSets(self._tables.connection, self._tables.channel_no, sets)
        private = kept.collect(number, validation, self._config, peer)
        self._tables.write(validated_block(block, validation, private), again=False)
        self.tip = Tip(number + 1, header_hash(block.header), validation.commit_hash)
        self._config = validation.next_config or self._config


class _KeptSets(PrivateData):
    """The private write sets that were kept of one block, in the place of those that wait to be committed."""

    def __init__(self, connection: Connection, channel_no: int, sets: Mapping[int, bytes]) -> None:
        super().__init__(connection, channel_no)
        self._sets = sets

    def _stored(self, ids: Mapping[str, int]) -> list[tuple[str, bytes]]:
        return [(tx_id, self._sets[number]) for tx_id, number in ids.items() if number in self._sets]

    def _is_genuine(self, item: PrivateCollectionRwset, expected: bytes | None) -> bool:
        # It was compared when it was first committed; what has been purged from it since is missing now.
        return expected is not None
