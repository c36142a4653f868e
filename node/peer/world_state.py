"""The world state as committed: public values, hashes of private data, private values this organization may hold.

Reads only; ``committer`` writes. Each answer carries the height it belongs to, from the same snapshot of the database,
so that a simulation can tell whether two answers fit together.

Source: Fabric core/ledger/kvledger/txmgmt/{statedb,privacyenabledstate}.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from network.rwset import StateKey, Version
from node.peer.database import KEY_BYTES_MAX, Connection, fetch, index_key, index_text

PAGE_ROWS = 1000
"""Rows of a range read at once."""

AFTER_EVERY_KEY = b"\xff" * 33
"""Sorts above whatever may follow the first bytes of a key: a key is UTF-8, an indexed long key ends in a hash."""


@dataclass(frozen=True, slots=True)
class StateValue:
    """What stands under a key, and the transaction that put it there."""

    value: bytes
    metadata: bytes
    version: Version


@dataclass(frozen=True, slots=True)
class StateRange:
    """One page of a range, and the height it belongs to.

    Args:
        rows: keys and values in key order.
        height: number of blocks committed when it was read.
        next_key: where the next page begins; None when the range is exhausted.
    """

    rows: tuple[tuple[bytes, StateValue], ...]
    height: int
    next_key: bytes | None


class WorldState:
    """The world state of one channel, read through one connection."""

    def __init__(self, connection: Connection, channel_no: int) -> None:
        self._connection = connection
        self._channel_no = channel_no

    def values(self, keys: Sequence[StateKey]) -> tuple[list[StateValue | None], int]:
        """Return what stands under each key, None where nothing does, and the height."""
        return self._values("read_states", keys)

    def private_values(self, keys: Sequence[StateKey]) -> tuple[list[StateValue | None], int]:
        """Return private values by their clear keys, and the height; metadata is empty, it belongs to the hashes."""
        return self._values("read_private_states", keys)

    def range(self, namespace: str, start: bytes, end: bytes, limit: int = PAGE_ROWS) -> StateRange:
        """Return public keys in [start, end), at most about ``limit`` of them; an empty end means the last key."""
        return self._range("read_state_range", namespace, "", start, end, limit)

    def scan_versions(self, namespace: str, start: bytes, end: bytes) -> Iterator[tuple[bytes, Version]]:
        """Return all public keys in [start, end) with their versions, read page by page."""
        next_key: bytes | None = start
        while next_key is not None:
            page = self.range(namespace, next_key, end)
            yield from ((key, value.version) for key, value in page.rows)
            next_key = page.next_key

    def private_range(
        self, namespace: str, collection: str, start: bytes, end: bytes, limit: int = PAGE_ROWS
    ) -> StateRange:
        """Return private keys in [start, end) as :meth:`range` does for public ones."""
        return self._range("read_private_range", namespace, collection, start, end, limit)

    def _values(self, statement: str, keys: Sequence[StateKey]) -> tuple[list[StateValue | None], int]:
        parameters = {
            "channel": self._channel_no,
            **key_columns(keys),
        }
        found: list[StateValue | None] = [None] * len(keys)
        height = 0
        for ordinal, *columns in fetch(self._connection, statement, parameters):
            if ordinal == 0:
                height = columns[-2]
            else:
                found[ordinal - 1] = state_value(columns)
        return found, height

    def _range(
        self, statement: str, namespace: str, collection: str, start: bytes, end: bytes, limit: int
    ) -> StateRange:
        rows: list[tuple[bytes, StateValue]] = []
        height = 0
        parameters = {
            "channel": self._channel_no,
            "namespace": index_text(namespace),
            "collection": index_text(collection),
            # A long bound is cut to what the index holds; what that lets in too much is dropped below.
            "low": start[:KEY_BYTES_MAX],
            "high": _upper_bound(end),
            "limit": limit,
        }
        last_index = None
        count = 0
        for index, long, *columns in fetch(self._connection, statement, parameters):
            if index is None:
                height = columns[-2]
                continue
            count += 1
            last_index = bytes(index)
            key = last_index if long is None else bytes(long)
            if key >= start and (not end or key < end):
                rows.append((key, state_value(columns)))
        if count < limit or last_index is None:
            return StateRange(_in_key_order(rows), height, None)
        if len(last_index) <= KEY_BYTES_MAX:
            return StateRange(_in_key_order(rows), height, last_index + b"\x00")
        # The page ended among long keys that begin alike, whose index order is not their key order: leave them to the
        # next page, or read more at once when there is nothing before them.
        head = last_index[:KEY_BYTES_MAX]
        rows = [row for row in rows if row[0] <= head]
        if not rows:
            return self._range(statement, namespace, collection, start, end, limit * 2)
        return StateRange(_in_key_order(rows), height, head + b"\x00")


def key_columns(keys: Sequence[StateKey]) -> dict[str, list[Any]]:
    """Return the parameters by which a statement finds the rows of many keys."""
    return {
        "namespaces": [index_text(key.namespace) for key in keys],
        "collections": [index_text(key.collection) for key in keys],
        "keys": [index_key(key.key) for key in keys],
    }


def state_value(columns: Sequence[Any]) -> StateValue:
    """Return a row's value, metadata where the row has it, block and transaction."""
    *value, block, tx = columns
    metadata = bytes(value[1]) if len(value) > 1 else b""
    return StateValue(bytes(value[0]), metadata, Version(block, tx))


def _upper_bound(end: bytes) -> bytes:
    if not end:
        return AFTER_EVERY_KEY
    if len(end) <= KEY_BYTES_MAX:
        return end
    return end[:KEY_BYTES_MAX] + AFTER_EVERY_KEY


def _in_key_order(rows: list[tuple[bytes, StateValue]]) -> tuple[tuple[bytes, StateValue], ...]:
    return tuple(sorted(rows, key=lambda row: row[0]))
