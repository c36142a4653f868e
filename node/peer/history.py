"""The history of a key: every write of a valid transaction to public state.

Source: Fabric core/ledger/kvledger/history (writes and deletes, newest first; private data has no history).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from node.peer.database import Connection, fetch, index_key, index_text
from node.peer.errors import StateError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class KeyModification:
    """One write to a key.

    Args:
        tx_id: transaction that wrote.
        value: what it wrote; empty for a delete.
        seconds: the creator's claimed time, seconds since 1970.
        nanos: and nanoseconds of that second.
        is_delete: whether the key was removed.
    """

    tx_id: str
    value: bytes
    seconds: int
    nanos: int
    is_delete: bool

    @property
    def timestamp(self) -> datetime:
        """The claimed time in UTC, cut to microseconds.

        Raises:
            StateError: it lies outside the years 1 to 9999.
        """
        try:
            return _EPOCH + timedelta(seconds=self.seconds, microseconds=self.nanos // 1000)
        except OverflowError as error:
            raise StateError(f"transaction {self.tx_id}: its time of {self.seconds} s is out of range") from error


def key_history(connection: Connection, channel_no: int, namespace: str, key: str) -> list[KeyModification]:
    """Return all committed writes to a public key, newest first."""
    rows = fetch(connection, "read_history", (channel_no, index_text(namespace), index_key(key.encode())))
    return [
        KeyModification(tx_id, bytes(value), seconds, nanos, is_delete)
        for tx_id, value, is_delete, seconds, nanos in rows
    ]
