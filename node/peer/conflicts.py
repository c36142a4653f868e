"""Tells who lost a race against whom: the read that no longer held, and the transaction that came first.

Fabric says MVCC_READ_CONFLICT and no more. This peer has judged the read itself, so it remembers the conflicts of the
last transactions; of earlier ones it works them out again from the block and the history of the keys read. Private keys
and ranges have no history, so theirs are told only as long as they are remembered.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from network.block import parse_block
from network.envelope import MVCC_READ_CONFLICT, PHANTOM_READ_CONFLICT, parse_transaction
from network.explanation import ReadConflict
from network.rwset import StateKey, Version
from node.peer.block_store import BlockStore, TransactionRecord
from node.peer.committer import CommittedBlock
from node.peer.database import Connection, fetch, index_key, index_text
from node.peer.mvcc import Conflict
from node.peer.reader import ChannelReader

REMEMBERED_MAX = 10_000
"""Transactions whose conflicts are remembered."""


class _Known(NamedTuple):
    conflict: Conflict
    position: Version
    """Where the transaction that lost stands."""
    winner: str
    """The winner's id where it stands in the same block."""


class Conflicts:
    """The conflicts of one channel; belongs to the event loop.

    Args:
        reader: reads the channel's tables.
        channel_no: number of the channel in them.
    """

    def __init__(self, reader: ChannelReader, channel_no: int) -> None:
        self._reader = reader
        self._channel_no = channel_no
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def note(self, block: CommittedBlock) -> None:
        """Remember the conflicts of a block."""
        validation = block.validation
        for number, conflict in validation.conflicts.items():
            winner = _writer_in_block(block, number, conflict)
            known = _Known(conflict, Version(block.number, number), winner)
            self._known.setdefault(validation.transactions[number].tx_id, known)
        while len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)

    def winner_in_block(self, tx_id: str) -> str:
        """Return who came first in the very block of ``tx_id``; empty where nobody did, or it is not remembered."""
        known = self._known.get(tx_id)
        return known.winner if known is not None else ""

    async def explain(self, tx_id: str, code: int) -> ReadConflict | None:
        """Return what became of a transaction's reads; None where its code tells of no conflict, or nothing is known.

        Args:
            tx_id: a committed transaction.
            code: its validation code.
        Raises:
            StoreError: the database does not answer.
        """
        if code not in (MVCC_READ_CONFLICT, PHANTOM_READ_CONFLICT):
            return None
        known = self._known.get(tx_id)
        if known is None:
            record = await self._reader.transaction(tx_id)
            if record is None or record.validation_code != MVCC_READ_CONFLICT:
                return None
            return await self._reader.run_on_blocks(lambda connection: self._worked_out(connection, record))
        winner = known.winner or await self._reader.run_on_blocks(lambda connection: self._winner(connection, known))
        return _conflict(known.conflict, winner)

    def _winner(self, connection: Connection, known: _Known) -> str:
        """Return the id of the transaction of an earlier block that made the difference."""
        conflict = known.conflict
        if conflict.found is not None:
            rows = fetch(connection, "transaction_at", (self._channel_no, *conflict.found))
            return str(rows[0][0]) if rows else ""
        last = None if conflict.key.collection else self._last_write(connection, conflict.key, known.position)
        return last[1] if last is not None else ""

    def _worked_out(self, connection: Connection, record: TransactionRecord) -> ReadConflict | None:
        """Find the first public read that a later write had overtaken when the transaction was judged."""
        content = BlockStore(connection, self._channel_no).block(record.block_number)
        position = Version(record.block_number, record.tx_number)
        transaction = parse_transaction(parse_block(content or b"").data.data[record.tx_number])
        for namespace in transaction.rwset.namespaces:
            for read in namespace.reads:
                key = StateKey(namespace.namespace, "", read.key.encode())
                last = self._last_write(connection, key, position)
                if last is not None and (read.version is None or last[0] > read.version):
                    version, winner, is_delete = last
                    found = None if is_delete else version
                    return ReadConflict(key.namespace, "", read.key, read.version, found, winner)
        return None

    def _last_write(self, connection: Connection, key: StateKey, position: Version) -> tuple[Version, str, bool] | None:
        parameters = (self._channel_no, index_text(key.namespace), index_key(key.key), *position)
        rows = fetch(connection, "last_write_before", parameters)
        if not rows:
            return None
        block_number, tx_number, is_delete, tx_id = rows[0]
        return Version(block_number, tx_number), str(tx_id), is_delete


def _writer_in_block(block: CommittedBlock, loser: int, conflict: Conflict) -> str:
    written = block.validation.updates.get(conflict.key) if conflict.in_block else None
    version = conflict.found or (written.version if written is not None else None)
    # The block's last write to a key may come after the transaction that lost, and is not what it lost to.
    if version is None or version.block != block.number or version.tx >= loser:
        return ""
    return block.validation.transactions[version.tx].tx_id


def _conflict(conflict: Conflict, winner: str) -> ReadConflict:
    key = conflict.key
    name = key.key.hex() if key.collection else key.key.decode(errors="replace")
    end = (conflict.range_end or b"").decode(errors="replace")
    return ReadConflict(key.namespace, key.collection, name, conflict.expected, conflict.found, winner, end)
