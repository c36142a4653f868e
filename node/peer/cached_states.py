"""Chaincode definitions kept in memory, because every simulation reads one; all other state is always read anew.

An answer is kept only if it belongs to the height that the event loop knows, and until a block changes its key.
"""

from __future__ import annotations

from collections.abc import Iterable

from network.rwset import StateKey
from node.peer.chaincode_definition import LIFECYCLE
from node.peer.documents import DocumentPage, DocumentRequest
from node.peer.history import KeyModification
from node.peer.progress import Progress
from node.peer.tx_simulator import Reader
from node.peer.world_state import StateRange, StateValue

KEYS_MAX = 10_000
"""Keys kept; beyond, all are forgotten."""


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

    def forget(self, keys: Iterable[StateKey]) -> None:
        """Forget keys that a block changes; called before the height moves."""
        for key in keys:
            self._kept.pop(key, None)

    async def state(self, key: StateKey) -> tuple[StateValue | None, int]:
        """Return what stands under a key, and the height at which it does."""
        if key.namespace != LIFECYCLE or key.collection:
            return await self._reader.state(key)
        if key in self._kept:
            return self._kept[key], self._progress.height
        value, height = await self._reader.state(key)
        if height == self._progress.height:
            if len(self._kept) >= KEYS_MAX:
                self._kept.clear()
            self._kept[key] = value
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
