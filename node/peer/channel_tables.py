"""The committing side of a channel's tables: one connection, and the claim to be the channel's only committer.

Source: Fabric core/ledger/kvledger/kv_ledger.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from network.rwset import StateKey
from node.peer.block_store import BlockStore, lock_channel, open_channel
from node.peer.block_writer import ValidatedBlock, write_block
from node.peer.database import Connection, connect, fetch, index_text
from node.peer.private_data import PrivateData
from node.peer.state import NeededState, StateEntry, StateSnapshot
from node.peer.world_state import WorldState, key_columns, state_value


class ChannelTables:
    """The committing connection and what is read and written through it; belongs to one thread at a time."""

    def __init__(self, url: str, channel_id: str) -> None:
        self._url = url
        self.channel_id = channel_id
        self.connection: Connection = self._open()
        self.channel_no = 0
        self._expire = True

    def prepare(self) -> None:
        """Find the channel in the tables and become its only committer.

        Raises:
            StoreError: the database refuses.
            ChannelLockedError: another process commits this channel to this database.
        """
        self.channel_no = open_channel(self.connection, self.channel_id)
        lock_channel(self.connection, self.channel_no, self.channel_id)
        self._expire = bool(fetch(self.connection, "any_expiry", (self.channel_no,))[0][0])

    def reopen(self) -> None:
        """Replace a lost connection and become the channel's only committer again."""
        self.connection.close()
        self.connection = self._open()  # raises while the server is away; the closed one then stays in its place
        lock_channel(self.connection, self.channel_no, self.channel_id)

    @property
    def blocks(self) -> BlockStore:
        """The chain so far."""
        return BlockStore(self.connection, self.channel_no)

    def snapshot(self, needed: NeededState) -> StateSnapshot:
        """Read what judging a block will ask for first.

        What it asks for later is of the same height: nobody else commits.
        """
        entries, known = self._read(list(needed.keys), list(needed.tx_ids))
        return StateSnapshot(
            needed=needed,
            entries=entries,
            known_tx_ids=known,
            scan=WorldState(self.connection, self.channel_no).scan_versions,
            read=lambda keys: self._read(keys, ())[0],
        )

    def _read(
        self, keys: Sequence[StateKey], tx_ids: Sequence[str]
    ) -> tuple[dict[StateKey, StateEntry], frozenset[str]]:
        """Return what stands under those of the keys that exist, and which ids are known."""
        entries: dict[StateKey, StateEntry] = {}
        known: set[str] = set()
        if keys or tx_ids:
            parameters = {
                "channel": self.channel_no,
                **key_columns(keys),
                "tx_ids": [index_text(tx_id) for tx_id in tx_ids],
            }
            for ordinal, *columns in fetch(self.connection, "read_for_block", parameters):
                if ordinal < 0:
                    known.add(tx_ids[-ordinal - 1])
                else:
                    entries[keys[ordinal - 1]] = state_value(columns)
        return entries, frozenset(known)

    def private_data(self) -> PrivateData:
        """What of a block's private sets this organization may keep."""
        return PrivateData(self.connection, self.channel_no)

    def write(self, validated: ValidatedBlock, *, again: bool) -> bytes:
        """Commit a block and return it as stored.

        Args:
            again: an earlier try lost its connection; the block may be there already.
        """
        if again:
            tip = self.blocks.tip()
            if (tip.height, tip.header_hash) == (validated.block.header.number + 1, validated.header_hash):
                content: bytes = validated.block.SerializeToString()
                return content
        self._expire = self._expire or bool(validated.expiries)
        return write_block(self.connection, self.channel_no, validated, expire=self._expire)

    @property
    def lost(self) -> bool:
        """Whether the connection to the database is gone."""
        return bool(self.connection.closed)

    def close(self) -> None:
        """Close the connection and so give up the claim."""
        self.connection.close()

    def _open(self) -> Connection:
        return connect(self._url)
