"""Blocks and the index of transactions, as committed.

Reads only; ``committer`` writes. A block is kept as the bytes that were received, with this peer's validation flags and
commit hash in its metadata. A transaction id may occur in several blocks: the first occurrence counts, as in Fabric.

Source: Fabric core/ledger, blkstorage (index by number, header hash, transaction id).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from network.block import parse_block
from network.channel_config import ChannelConfig
from node.peer.database import Connection, fetch, index_text
from node.peer.errors import ChannelLockedError, StoreError

LOCK_WAIT_S = 3.0
"""How long a peer waits for the claim of a killed predecessor, whose connection the server may still keep."""

LOCK_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Tip:
    """The end of the chain: its height and the hashes that the next block builds on; empty hashes at height 0."""

    height: int
    header_hash: bytes
    commit_hash: bytes


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a channel began that did not begin with block 0.

    Args:
        last_block: last block of the snapshot; the first that is here follows it.
        config: serialized ``ConfigEnvelope`` that was in force then.
    """

    last_block: int
    config: bytes


@dataclass(frozen=True, slots=True)
class TransactionRecord:
    """Where a transaction stands and what became of it."""

    tx_id: str
    block_number: int
    tx_number: int
    validation_code: int


def open_channel(connection: Connection, channel_id: str) -> int:
    """Return the number that stands for the channel in every key, giving it one at first sight."""
    rows = fetch(connection, "channel_number", (channel_id,))
    if not rows:
        fetch(connection, "insert_channel", (channel_id,))
        rows = fetch(connection, "channel_number", (channel_id,))
    return int(rows[0][0])


def lock_channel(connection: Connection, channel_no: int, channel_id: str) -> None:
    """Make this connection the only one that commits blocks of the channel; the lock goes with the connection.

    Raises:
        ChannelLockedError: another peer process holds it.
    """
    deadline = time.monotonic() + LOCK_WAIT_S
    while not fetch(connection, "try_lock_channel", (channel_no,))[0][0]:
        if time.monotonic() > deadline:
            raise ChannelLockedError(
                f"another process commits blocks of channel {channel_id!r} to this database: stop it, or give this "
                "peer a database of its own"
            )
        time.sleep(LOCK_PAUSE_S)


class BlockStore:
    """The chain of one channel, read through one connection."""

    def __init__(self, connection: Connection, channel_no: int) -> None:
        self._connection = connection
        self._channel_no = channel_no

    def origin(self) -> Origin | None:
        """Return the end of the snapshot this channel began from; None where it began with block 0."""
        rows = fetch(self._connection, "read_origin", (self._channel_no,))
        return Origin(rows[0][0], bytes(rows[0][1])) if rows else None

    def tip(self) -> Tip:
        """Return the end of the chain."""
        rows = fetch(self._connection, "last_block", (self._channel_no,))
        if not rows:
            return Tip(0, b"", b"")
        number, header_hash, commit_hash = rows[0]
        return Tip(number + 1, bytes(header_hash), bytes(commit_hash))

    def blocks(self, start: int, stop: int) -> list[tuple[int, bytes]]:
        """Return the committed blocks with numbers in [start, stop), in order, serialized.

        Those that a channel's snapshot stands for are not among them: the last has a row without content.
        """
        return [(number, bytes(content)) for number, content in self._fetch("read_blocks", start, stop) if content]

    def block(self, number: int) -> bytes | None:
        """Return one block serialized, None above the height."""
        found = self.blocks(number, number + 1)
        return found[0][1] if found else None

    def block_by_header_hash(self, header_hash: bytes) -> bytes | None:
        """Return the block with this header hash serialized, None when there is none."""
        rows = self._fetch("block_by_header_hash", header_hash)
        return (bytes(rows[0][0]) or None) if rows else None

    def config(self, channel_id: str, up_to: int) -> ChannelConfig:
        """Return the configuration in force after a block.

        Raises:
            StoreError: no block is committed yet.
        """
        rows = self._fetch("last_config_block", up_to)
        origin = None if rows else self.origin()
        if origin is not None:
            return ChannelConfig.from_envelope(origin.config, channel_id)
        return ChannelConfig.from_block(parse_block(self.config_block(up_to)))

    def config_block(self, up_to: int) -> bytes:
        """Return the newest configuration block with a number of at most ``up_to``, serialized.

        Raises:
            StoreError: no block is committed yet.
        """
        rows = self._fetch("last_config_block", up_to)
        if not rows:
            raise StoreError("the channel has no configuration yet: join it with its genesis block")
        return bytes(rows[0][0])

    def previous_hash(self, number: int) -> bytes:
        """Return the previous hash in the header of a committed block."""
        return bytes(self._fetch("previous_hash", number)[0][0])

    def transactions(self, tx_ids: Sequence[str]) -> dict[str, TransactionRecord]:
        """Return the first occurrence of each id that stands in a committed block, valid or not."""
        parameters = {"channel": self._channel_no, "tx_ids": [index_text(tx_id) for tx_id in tx_ids]}
        rows = fetch(self._connection, "known_tx_ids", parameters)
        return {
            tx_ids[ordinal - 1]: TransactionRecord(tx_ids[ordinal - 1], block, tx, code)
            for ordinal, block, tx, code in rows
        }

    def _fetch(self, name: str, *parameters: object) -> list[tuple[Any, ...]]:
        return fetch(self._connection, name, (self._channel_no, *parameters))
