"""Judges whether what transactions read still holds, and gathers what the valid ones write.

Rules kept here:

- transactions are judged in block order, each against the committed state and the writes of the valid ones before it;
- a key written earlier in the block conflicts whatever version was read;
- a range scan must find exactly the keys and versions it found when it was simulated;
- a value write keeps the key's metadata, a metadata write keeps its value and renews its version.

Every refusal is explained by key, version read and version found.

Source: Fabric core/ledger/kvledger/txmgmt/validation/{validator,rangequery_validator,combined_iterator,tx_ops}.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from network.block import Update, UpdateBatch
from network.envelope import MVCC_READ_CONFLICT, PHANTOM_READ_CONFLICT, VALID
from network.errors import WireError
from network.range_query import RangeReads
from network.rwset import (
    KvRead,
    MerkleSummary,
    NamespaceRwset,
    RangeQuery,
    StateKey,
    TxRwset,
    Version,
    serialize_metadata,
)
from node.peer.state import StateReader


@dataclass(frozen=True, slots=True)
class Conflict:
    """Why a transaction's reads no longer hold."""

    code: int
    """MVCC_READ_CONFLICT or PHANTOM_READ_CONFLICT."""
    key: StateKey
    """The key that differs; for a hashed range query, its start."""
    expected: Version | None
    """Version the simulation saw; ``None`` when it saw no such key."""
    found: Version | None
    """Version there now; ``None`` when the key is gone."""
    in_block: bool = False
    """Whether an earlier transaction of the same block made the difference."""
    range_end: bytes | None = None
    """End of the scan, for a phantom."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a block's transactions come to."""

    codes: dict[int, int]
    """Validation code by position in the block, for each transaction judged."""
    updates: UpdateBatch
    purges: dict[StateKey, Version]
    """Private keys whose whole history is to be erased, and the transaction that asked for it last."""
    conflicts: dict[int, Conflict]


def judge_transactions(block_number: int, transactions: Iterable[tuple[int, TxRwset]], state: StateReader) -> Outcome:
    """Judge the transactions of one block in order.

    Args:
        transactions: position in the block and read/write set of those that passed every earlier check.
        state: as committed before this block.
    """
    updates = UpdateBatch()
    outcome = Outcome({}, updates, {}, {})
    for position, rwset in transactions:
        conflict = find_conflict(rwset, updates, state)
        if conflict is not None:
            outcome.codes[position] = conflict.code
            outcome.conflicts[position] = conflict
            continue
        outcome.codes[position] = VALID
        version = Version(block_number, position)
        apply_writes(rwset, version, updates, state)
        outcome.purges.update((key, version) for key in _purged_keys(rwset))
    return outcome


def find_conflict(rwset: TxRwset, updates: UpdateBatch, state: StateReader) -> Conflict | None:
    """Return the first read that no longer holds, in Fabric's order; ``None`` when all do.

    Args:
        updates: writes of the valid transactions before this one in its block.
    """
    for namespace in rwset.namespaces:
        conflict = _check_namespace(namespace, updates, state)
        if conflict is not None:
            return conflict
    return None


def explain_conflict(conflict: Conflict) -> str:
    """Return a sentence for the log: which key, what was read, what is there now."""
    key = conflict.key
    where = f"{key.namespace}/{key.collection}" if key.collection else key.namespace
    name = key.key.hex() if key.collection else repr(key.key.decode(errors="replace"))
    place = " by an earlier transaction of this block" if conflict.in_block else ""
    expected, found = _version_text(conflict.expected), _version_text(conflict.found)
    if conflict.range_end is None:
        return f"key {name} of {where} was read at {expected} and is now at {found}{place}"
    end = repr(conflict.range_end.decode(errors="replace"))
    if conflict.expected is None and conflict.found is None:
        return f"range {name} to {end} of {where} no longer gives the results that were read"
    return f"range to {end} of {where}: key {name} was read at {expected} and is now at {found}{place}"


def apply_writes(rwset: TxRwset, version: Version, updates: UpdateBatch, state: StateReader) -> None:
    """Add a valid transaction's writes to the block's updates.

    Source: Fabric txmgmt/validation/tx_ops.go, prepareTxOps.
    """
    for key, operation in _operations(rwset).items():
        if operation.deletes:
            updates.put(key, Update(None, b"", version))
        elif operation.writes_value_and_metadata:
            updates.put(key, Update(operation.value, operation.metadata, version))
        elif operation.writes_value_only:
            updates.put(key, Update(operation.value, _latest(key, updates, state)[1], version))
        else:
            value, _ = _latest(key, updates, state)
            # Metadata of a key that does not exist has nothing to stand on.
            if value is not None:
                updates.put(key, Update(value, operation.metadata, version))


def _check_namespace(rwset: NamespaceRwset, updates: UpdateBatch, state: StateReader) -> Conflict | None:
    namespace = rwset.namespace
    for read in rwset.reads:
        conflict = _check_read(StateKey(namespace, "", read.key.encode()), read.version, updates, state)
        if conflict is not None:
            return conflict
    for query in rwset.range_queries:
        conflict = _check_range(namespace, query, updates, state)
        if conflict is not None:
            return conflict
    for collection in rwset.collections:
        for hashed in collection.reads:
            key = StateKey(namespace, collection.name, hashed.key_hash)
            conflict = _check_read(key, hashed.version, updates, state)
            if conflict is not None:
                return conflict
    return None


def _check_read(key: StateKey, expected: Version | None, updates: UpdateBatch, state: StateReader) -> Conflict | None:
    written = updates.get(key)
    if written is not None:
        return Conflict(MVCC_READ_CONFLICT, key, expected, written.version, in_block=True)
    entry = state.entry(key)
    found = None if entry is None else entry.version
    return None if found == expected else Conflict(MVCC_READ_CONFLICT, key, expected, found)


def _check_range(namespace: str, query: RangeQuery, updates: UpdateBatch, state: StateReader) -> Conflict | None:
    results = _combined_range(namespace, query, updates, state)
    if query.summary is not None:
        return _check_summary(namespace, query, query.summary, results)
    expected = [(read.key.encode(), read.version or Version(0, 0)) for read in query.reads or ()]
    for before, now in zip_longest(expected, results):
        if before != now:
            return _phantom(namespace, query, before, now, updates)
    return None


def _check_summary(
    namespace: str, query: RangeQuery, summary: MerkleSummary, results: Iterator[tuple[bytes, Version]]
) -> Conflict | None:
    conflict = Conflict(
        PHANTOM_READ_CONFLICT,
        StateKey(namespace, "", query.start_key.encode()),
        None,
        None,
        range_end=query.end_key.encode(),
    )
    try:
        gathered = RangeReads(summary.max_degree)
    except WireError:
        # No simulation makes such a summary; a peer written in Go stops at the block that holds one.
        return conflict
    for key, version in results:
        gathered.add(KvRead(key.decode(), version))
    return None if gathered.finish()[1] == summary else conflict


def _combined_range(
    namespace: str, query: RangeQuery, updates: UpdateBatch, state: StateReader
) -> Iterator[tuple[bytes, Version]]:
    """Scan the committed state as the block's earlier transactions have changed it."""
    start, end = query.start_key.encode(), query.end_key.encode()
    written = _written_in_range(namespace, start, end, updates)
    pending = iter(written)
    upcoming = next(pending, None)
    for key, version in state.versions_in_range(namespace, start, end):
        while upcoming is not None and upcoming[0] < key:
            yield from _if_present(upcoming)
            upcoming = next(pending, None)
        if upcoming is not None and upcoming[0] == key:
            yield from _if_present(upcoming)
            upcoming = next(pending, None)
        else:
            yield key, version
    while upcoming is not None:
        yield from _if_present(upcoming)
        upcoming = next(pending, None)
    if not query.exhausted:
        # The record ends with the last key the contract saw, which the scan's end leaves out.
        yield from _last_key(StateKey(namespace, "", end), updates, state)


def _written_in_range(namespace: str, start: bytes, end: bytes, updates: UpdateBatch) -> Sequence[tuple[bytes, Update]]:
    return sorted(
        (key.key, update)
        for key, update in updates.entries.items()
        if key.namespace == namespace and not key.collection and start <= key.key and (not end or key.key < end)
    )


def _if_present(item: tuple[bytes, Update]) -> Iterator[tuple[bytes, Version]]:
    key, update = item
    if update.value is not None:
        yield key, update.version


def _last_key(key: StateKey, updates: UpdateBatch, state: StateReader) -> Iterator[tuple[bytes, Version]]:
    written = updates.get(key)
    if written is not None:
        yield from _if_present((key.key, written))
        return
    entry = state.entry(key)
    if entry is not None:
        yield key.key, entry.version


def _phantom(
    namespace: str,
    query: RangeQuery,
    before: tuple[bytes, Version] | None,
    now: tuple[bytes, Version] | None,
    updates: UpdateBatch,
) -> Conflict:
    first = min(item for item in (before, now) if item is not None)[0]
    key = StateKey(namespace, "", first)
    return Conflict(
        PHANTOM_READ_CONFLICT,
        key,
        before[1] if before is not None and before[0] == first else None,
        now[1] if now is not None and now[0] == first else None,
        in_block=updates.get(key) is not None,
        range_end=query.end_key.encode(),
    )


_UPSERT, _METADATA_UPDATE, _METADATA_DELETE, _DELETE = 1, 2, 4, 8


@dataclass(slots=True)
class _Operation:
    """What one transaction does to one key, with Fabric's arithmetic.

    Fabric adds a number for each step to one byte. A simulation never writes a key twice, so the sum tells the steps
    apart; for a set made by hand that does, the sum says something else, and every peer must hear the same.
    """

    steps: int = 0
    value: bytes = b""
    metadata: bytes = b""

    def add(self, step: int) -> None:
        self.steps = (self.steps + step) & 0xFF

    @property
    def deletes(self) -> bool:
        return bool(self.steps & _DELETE)

    @property
    def writes_value_and_metadata(self) -> bool:
        return bool(self.steps & _UPSERT and self.steps & (_METADATA_UPDATE | _METADATA_DELETE))

    @property
    def writes_value_only(self) -> bool:
        return self.steps | _UPSERT == _UPSERT


def _operations(rwset: TxRwset) -> dict[StateKey, _Operation]:
    operations: dict[StateKey, _Operation] = {}
    for namespace in rwset.namespaces:
        name = namespace.namespace
        for write in namespace.writes:
            _add_write(operations, StateKey(name, "", write.key.encode()), write.value, write.deletes)
        for metadata in namespace.metadata_writes:
            _add_metadata(operations, StateKey(name, "", metadata.key.encode()), metadata.entries)
        for collection in namespace.collections:
            for hashed in collection.writes:
                key = StateKey(name, collection.name, hashed.key_hash)
                _add_write(operations, key, hashed.value_hash, hashed.deletes)
            for hashed_metadata in collection.metadata_writes:
                key = StateKey(name, collection.name, hashed_metadata.key_hash)
                _add_metadata(operations, key, hashed_metadata.entries)
    return operations


def _add_write(operations: dict[StateKey, _Operation], key: StateKey, value: bytes, deletes: bool) -> None:
    operation = operations.setdefault(key, _Operation())
    if deletes:
        operation.add(_DELETE)
    else:
        operation.add(_UPSERT)
        operation.value = value


def _add_metadata(
    operations: dict[StateKey, _Operation], key: StateKey, entries: tuple[tuple[str, bytes], ...]
) -> None:
    operation = operations.setdefault(key, _Operation())
    if entries:
        operation.add(_METADATA_UPDATE)
        operation.metadata = serialize_metadata(entries)
    else:
        operation.add(_METADATA_DELETE)


def _latest(key: StateKey, updates: UpdateBatch, state: StateReader) -> tuple[bytes | None, bytes]:
    written = updates.get(key)
    if written is not None:
        return written.value, written.metadata
    entry = state.entry(key)
    return (None, b"") if entry is None else (entry.value, entry.metadata)


def _purged_keys(rwset: TxRwset) -> Iterator[StateKey]:
    for namespace in rwset.namespaces:
        for collection in namespace.collections:
            for write in collection.writes:
                if write.is_purge:
                    yield StateKey(namespace.namespace, collection.name, write.key_hash)


def _version_text(version: Version | None) -> str:
    return "no version" if version is None else f"version {version.block}:{version.tx}"
