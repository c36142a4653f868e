"""The history of a key: every write of a valid transaction to public state.

Source: Fabric core/ledger/kvledger/history (writes and deletes, newest first; private data has no history).
"""

from __future__ import annotations

from dataclasses import dataclass

from node.peer.database import Connection, fetch, index_key


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


def key_history(connection: Connection, channel_no: int, namespace: str, key: str) -> list[KeyModification]:
    """Return all committed writes to a public key, newest first."""
    rows = fetch(connection, "read_history", (channel_no, namespace, index_key(key.encode())))
    return [
        KeyModification(tx_id, bytes(value), seconds, nanos, is_delete)
        for tx_id, value, is_delete, seconds, nanos in rows
    ]
