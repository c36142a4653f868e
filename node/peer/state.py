"""What validation asks of the committed state, as a port, and two sides of it that live in memory.

Rules kept here:

- validation sees the state as committed before the block, never anything of the block itself;
- what an ordinary block needs is known before it is judged (:class:`NeededState`), so that a store can read it in one
  query and hand over a :class:`StateSnapshot`; while the block is judged only range scans go to the store, and what
  very large transactions ask for once they are found to be endorsed (:meth:`StateReader.read_ahead`);
- keys are bytes, and their order is the order of a range scan.

:class:`MemoryState` is a whole state in memory: for tests, for offline verification of a chain of blocks, and as the
plainest statement of what committing a block does.

Source: Fabric core/ledger/kvledger/txmgmt/{statedb,privacyenabledstate}, pvtstatepurgemgmt (expiry of private hashes).
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from network.block import Update, UpdateBatch
from network.rwset import StateKey, Version


class StateEntry(Protocol):
    """What stands under one key."""

    @property
    def value(self) -> bytes:
        """The value; for a private key the hash of the value."""

    @property
    def metadata(self) -> bytes:
        """Serialized metadata entries; empty for none."""

    @property
    def version(self) -> Version:
        """The transaction that wrote it."""


RangeScan = Callable[[str, bytes, bytes], Iterable[tuple[bytes, Version]]]
"""Namespace, first key, end (exclusive; empty for none) -> public keys and versions in key order."""


ReadEntries = Callable[[Sequence[StateKey]], dict[StateKey, StateEntry]]
"""Keys, each once -> what stands under those that exist."""


class StateReader(Protocol):
    """The state as committed before the block that is judged."""

    def read_ahead(self, keys: Collection[StateKey]) -> None:
        """Read at once what :meth:`entry` will be asked for, unless it has been read."""

    def entry(self, key: StateKey) -> StateEntry | None:
        """Return what stands under ``key``, ``None`` where nothing does."""

    def versions_in_range(self, namespace: str, start: bytes, end: bytes) -> Iterable[tuple[bytes, Version]]:
        """Return public keys in [start, end) with their versions, in key order; an empty ``end`` is no end."""

    def has_transaction(self, tx_id: str) -> bool:
        """Return whether a committed block holds a transaction of this id, valid or not."""


@dataclass(frozen=True, slots=True)
class NeededState:
    """What judging one block will ask for first."""

    keys: frozenset[StateKey]
    tx_ids: frozenset[str]


@dataclass(slots=True)
class StateSnapshot:
    """State read ahead for one block; asking for anything that was not read is a fault of the program.

    Args:
        needed: what was read at first.
        entries: those of the keys read that exist.
        known_tx_ids: those of the needed ids that are in a committed block.
        scan: reads a range from the same committed height.
        read: reads further keys from the same height.
    """

    needed: NeededState
    entries: dict[StateKey, StateEntry]
    known_tx_ids: frozenset[str]
    scan: RangeScan
    read: ReadEntries
    _read_later: set[StateKey] = field(default_factory=set)

    def read_ahead(self, keys: Collection[StateKey]) -> None:
        """Read what has not been read, in one query."""
        if self.needed.keys.issuperset(keys):
            return
        missing = set(keys) - self.needed.keys - self._read_later
        if missing:
            self.entries.update(self.read(list(missing)))
            self._read_later |= missing

    def entry(self, key: StateKey) -> StateEntry | None:
        """Return what stands under ``key``."""
        found = self.entries.get(key)
        assert found is not None or key in self.needed.keys or key in self._read_later, f"{key} was not read ahead"
        return found

    def versions_in_range(self, namespace: str, start: bytes, end: bytes) -> Iterable[tuple[bytes, Version]]:
        """Return public keys in [start, end) with their versions."""
        return self.scan(namespace, start, end)

    def has_transaction(self, tx_id: str) -> bool:
        """Return whether the id is known."""
        assert tx_id in self.needed.tx_ids, f"transaction {tx_id} was not read ahead"
        return tx_id in self.known_tx_ids


@dataclass(frozen=True, slots=True)
class Expiry:
    """A private key's hash that leaves the state when a later block commits, unless it is written again before."""

    key: StateKey
    committed_block: int
    expiring_block: int


@dataclass(frozen=True, slots=True)
class MemoryEntry:
    """An entry of :class:`MemoryState`."""

    value: bytes
    metadata: bytes
    version: Version


@dataclass(slots=True)
class MemoryState:
    """A channel's state in memory."""

    entries: dict[StateKey, MemoryEntry] = field(default_factory=dict)
    tx_ids: set[str] = field(default_factory=set)
    _expiries: dict[int, list[Expiry]] = field(default_factory=dict)
    _public_keys: dict[str, list[bytes]] = field(default_factory=dict)

    def read_ahead(self, keys: Collection[StateKey]) -> None:
        """Do nothing: all of it is in memory."""

    def entry(self, key: StateKey) -> MemoryEntry | None:
        """Return what stands under ``key``."""
        return self.entries.get(key)

    def versions_in_range(self, namespace: str, start: bytes, end: bytes) -> Iterator[tuple[bytes, Version]]:
        """Return public keys in [start, end) with their versions, in key order."""
        keys = self._public_keys.get(namespace, [])
        for key in keys[bisect.bisect_left(keys, start) :]:
            if end and key >= end:
                return
            yield key, self.entries[StateKey(namespace, "", key)].version

    def has_transaction(self, tx_id: str) -> bool:
        """Return whether the id is in a committed block."""
        return tx_id in self.tx_ids

    def snapshot(self, needed: NeededState) -> StateSnapshot:
        """Return exactly what was asked for, as a store would."""
        return StateSnapshot(
            needed=needed,
            entries=self._existing(needed.keys),
            known_tx_ids=frozenset(needed.tx_ids & self.tx_ids),
            scan=self.versions_in_range,
            read=self._existing,
        )

    def commit(self, number: int, updates: UpdateBatch, tx_ids: Iterable[str], expiries: Iterable[Expiry] = ()) -> None:
        """Apply a block's updates, and remove the private hashes whose time is over.

        Source: Fabric pvtstatepurgemgmt/purge_mgr.go, prepareWorkingsetFor and AddExpiredEntriesToUpdateBatch.
        """
        due = [expiry.key for expiry in self._expiries.pop(number, []) if self._is_due(expiry, updates)]
        for key, update in updates.entries.items():
            self._apply(key, update)
        for key in due:
            self._remove(key)
        for expiry in expiries:
            self._expiries.setdefault(expiry.expiring_block, []).append(expiry)
        self.tx_ids.update(tx_id for tx_id in tx_ids if tx_id)

    def _existing(self, keys: Iterable[StateKey]) -> dict[StateKey, StateEntry]:
        return {key: self.entries[key] for key in keys if key in self.entries}

    def _is_due(self, expiry: Expiry, updates: UpdateBatch) -> bool:
        entry = self.entries.get(expiry.key)
        written_since = entry is None or entry.version.block != expiry.committed_block
        return not written_since and updates.get(expiry.key) is None

    def _apply(self, key: StateKey, update: Update) -> None:
        if update.value is None:
            self._remove(key)
            return
        if key not in self.entries and not key.collection:
            bisect.insort(self._public_keys.setdefault(key.namespace, []), key.key)
        self.entries[key] = MemoryEntry(update.value, update.metadata, update.version)

    def _remove(self, key: StateKey) -> None:
        if self.entries.pop(key, None) is not None and not key.collection:
            self._public_keys[key.namespace].remove(key.key)
