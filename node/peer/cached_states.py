"""Public state that was read lately, kept in memory: many simulations read the same keys, definitions first of all.

An answer is kept only if it belongs to the height that the event loop knows, and until a block changes its key. Hashes
of private values are always read anew: they also leave the state when their time is over.
"""

from __future__ import annotations

from collections.abc import Iterable

from network.rwset import StateKey
from node.peer.documents import DocumentPage, DocumentRequest
from node.peer.history import KeyModification
from node.peer.progress import Progress
from node.peer.tx_simulator import Reader
from node.peer.world_state import StateRange, StateValue

BYTES_MAX = 8 * 1024 * 1024
"""Bytes kept, counted with ``KEY_OVERHEAD``; beyond, what was read first is forgotten first."""

KEY_OVERHEAD = 500
"""What a key costs in memory beside its own bytes."""


class CachedStates:
    """Committed state for simulations.

    Args:
        reader: reads the tables.
        progress: the height that the event loop knows.
    """

    def __init__(self, reader: Reader, progress: Progress) -> None:
        self._reader = reader
        self._progress = progress
        self._kept: dict[StateKey, StateValue | None] = {}
        self._bytes = 0

    def forget(self, keys: Iterable[StateKey]) -> None:
        """Forget keys that a block changes; called before the height moves."""
        for key in keys:
            if key in self._kept:
                self._drop(key)

    def known(self, key: StateKey) -> tuple[StateValue | None, int] | None:
        """Return the answer that is kept of a key, None where none is; for any thread."""
        height = self._progress.height
        try:
            value = self._kept[key]
        except KeyError:
            return None
        # A block that was committed between the two may have changed the key: then nobody can say at which height.
        return (value, height) if height == self._progress.height else None

    async def state(self, key: StateKey) -> tuple[StateValue | None, int]:
        """Return what stands under a key, and the height at which it does."""
        known = self.known(key)
        if known is not None:
            return known
        value, height = await self._reader.state(key)
        if height == self._progress.height and not key.collection and key not in self._kept:
            self._keep(key, value)
        return value, height

    async def private_value(self, key: StateKey) -> tuple[StateValue | None, int]:
        """Return what stands under a private key in clear."""
        return await self._reader.private_value(key)

    async def state_range(self, namespace: str, start: bytes, end: bytes, limit: int) -> StateRange:
        """Return a page of public keys in [start, end)."""
        return await self._reader.state_range(namespace, start, end, limit)

    async def private_range(self, namespace: str, collection: str, start: bytes, end: bytes, limit: int) -> StateRange:
        """Return a page of private keys in [start, end)."""
        return await self._reader.private_range(namespace, collection, start, end, limit)

    async def history(self, namespace: str, key: str) -> list[KeyModification]:
        """Return the writes to a public key, newest first."""
        return await self._reader.history(namespace, key)

    async def documents(self, request: DocumentRequest) -> DocumentPage:
        """Return one page of a rich query."""
        return await self._reader.documents(request)

    def _keep(self, key: StateKey, value: StateValue | None) -> None:
        self._kept[key] = value
        self._bytes += _size(key, value)
        while self._bytes > BYTES_MAX:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: StateKey) -> None:
        self._bytes -= _size(key, self._kept.pop(key))


def _size(key: StateKey, value: StateValue | None) -> int:
    own = len(value.value) + len(value.metadata) if value is not None else 0
    return KEY_OVERHEAD + len(key.key) + own
