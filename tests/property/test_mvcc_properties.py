"""Aim: what MVCC lets through is serial: executed one after another, the valid transactions read what they read when
they were simulated, and leave the same state.

Method: hypothesis draws a committed state and transactions that were simulated on it, or on an older one. An oracle
that knows only dictionaries runs them one by one, reading everything again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from network.block import Update, UpdateBatch
from network.envelope import MVCC_READ_CONFLICT, PHANTOM_READ_CONFLICT, VALID
from network.range_query import recorded_range_query
from network.rwset import KvRead, StateKey, TxRwset, Version, parse_rwset, serialize_metadata, serialize_rwset
from network.rwset_builder import RwsetBuilder
from node.peer.mvcc import explain_conflict, judge_transactions
from node.peer.state import MemoryState

NAMESPACE = "cc"
COLLECTION = "private"
KEYS = [f"k{index}" for index in range(6)]
BLOCK = 9
DEGREE = 2
"""Of the hash tree, so that scans of three keys are hashed already."""


class Entry(NamedTuple):
    """What stands under a key, for the oracle."""

    value: bytes
    metadata: bytes
    version: Version


class Scan(NamedTuple):
    """A range scan, with how many results the contract takes."""

    start: str
    end: str
    take: int


@dataclass(frozen=True)
class Program:
    """What a contract does: it decides by nothing, so that the oracle may run it anywhere."""

    reads: tuple[str, ...]
    private_reads: tuple[str, ...]
    scans: tuple[Scan, ...]
    writes: dict[str, bytes]
    private_writes: dict[str, bytes]
    metadata: dict[str, bytes]
    stale: bool


@dataclass
class Oracle:
    """Public and private state as plain dictionaries."""

    public: dict[str, Entry] = field(default_factory=dict)
    private: dict[str, Entry] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    touched_private: set[str] = field(default_factory=set)

    def scan(self, query: Scan) -> tuple[list[KvRead], bool]:
        """Return the results taken, and whether the scan was read to its end."""
        found = [
            KvRead(key, self.public[key].version)
            for key in sorted(self.public)
            if key >= query.start and (not query.end or key < query.end)
        ]
        return found[: query.take], query.take > len(found)

    def commit(self, program: Program, version: Version) -> None:
        """Run a program's writes."""
        for key, value in program.writes.items():
            self.touched.add(key)
            if value:
                metadata = self.public[key].metadata if key in self.public else b""
                self.public[key] = Entry(value, metadata, version)
            else:
                self.public.pop(key, None)
        for key, policy in program.metadata.items():
            deleted = key in program.writes and not program.writes[key]
            if key in self.public and not deleted:
                self.touched.add(key)
                metadata = serialize_metadata([("P", policy)]) if policy else b""
                self.public[key] = Entry(self.public[key].value, metadata, version)
        for key, value in program.private_writes.items():
            self.touched_private.add(key)
            if value:
                self.private[key] = Entry(value, b"", version)
            else:
                self.private.pop(key, None)


key_names = st.sampled_from(KEYS)
values = st.sampled_from([b"", b"1", b"2"])
scans = st.builds(
    Scan, start=st.sampled_from(["", *KEYS]), end=st.sampled_from(["", "k3", "k5", "kz"]), take=st.integers(0, 9)
)
programs = st.builds(
    Program,
    reads=st.lists(key_names, max_size=2, unique=True).map(tuple),
    private_reads=st.lists(key_names, max_size=1).map(tuple),
    scans=st.lists(scans, max_size=1).map(tuple),
    writes=st.dictionaries(key_names, values, max_size=2),
    private_writes=st.dictionaries(key_names, values, max_size=1),
    metadata=st.dictionaries(key_names, values, max_size=1),
    stale=st.booleans(),
)
committed = st.dictionaries(key_names, st.tuples(st.sampled_from([b"1", b"2"]), st.integers(1, 2)), max_size=6)


@given(committed, committed, st.lists(programs, max_size=6))
def test_valid_transactions_are_those_that_could_have_run_one_after_another(
    public: dict[str, tuple[bytes, int]], private: dict[str, tuple[bytes, int]], drawn: list[Program]
) -> None:
    serial = Oracle(_entries(public), _entries(private))
    now = Oracle(dict(serial.public), dict(serial.private))
    # An older state: what was written in block 2 was not there yet.
    old = Oracle(_older(serial.public), _older(serial.private))
    sets = [_simulate(program, old if program.stale else now) for program in drawn]
    state = _memory(serial)
    outcome = judge_transactions(BLOCK, list(enumerate(sets)), state)
    for position, program in enumerate(drawn):
        seen = old if program.stale else now
        assert outcome.codes[position] == _expected_code(program, seen, serial), program
        if outcome.codes[position] == VALID:
            serial.commit(program, Version(BLOCK, position))
        else:
            assert explain_conflict(outcome.conflicts[position])
    state.commit(BLOCK, outcome.updates, ())
    assert _oracle_state(serial) == {key: Entry(*_fields(entry)) for key, entry in state.entries.items()}


@given(committed, st.lists(programs, max_size=4))
def test_sets_written_and_read_back_are_judged_alike(
    public: dict[str, tuple[bytes, int]], drawn: list[Program]
) -> None:
    oracle = Oracle(_entries(public))
    sets = [_simulate(program, oracle) for program in drawn]
    copies = [parse_rwset(serialize_rwset(rwset)) for rwset in sets]
    assert copies == sets
    assert judge_transactions(BLOCK, enumerate(sets), _memory(oracle)) == judge_transactions(
        BLOCK, enumerate(copies), _memory(oracle)
    )


def _expected_code(program: Program, seen: Oracle, serial: Oracle) -> int:
    for key in sorted(program.reads):
        if key in serial.touched or _version(seen.public, key) != _version(serial.public, key):
            return MVCC_READ_CONFLICT
    for query in program.scans:
        results, exhausted = seen.scan(query)
        # A scan that took nothing and did not reach its end is recorded as if it had found an empty namespace.
        last = query.end if exhausted else (results[-1].key + "\0" if results else "")
        again, _ = serial.scan(Scan(query.start, last, 99))
        if again != results:
            return PHANTOM_READ_CONFLICT
    for key in program.private_reads:
        if key in serial.touched_private or _version(seen.private, key) != _version(serial.private, key):
            return MVCC_READ_CONFLICT
    return VALID


def _simulate(program: Program, seen: Oracle) -> TxRwset:
    builder = RwsetBuilder()
    for key in program.reads:
        builder.add_read(NAMESPACE, key, _version(seen.public, key))
    for query in program.scans:
        results, exhausted = seen.scan(query)
        builder.add_range_query(
            NAMESPACE, recorded_range_query(query.start, query.end, results, exhausted, max_degree=DEGREE)
        )
    for key, value in program.writes.items():
        builder.add_write(NAMESPACE, key, value)
    for key, policy in program.metadata.items():
        builder.add_metadata(NAMESPACE, key, {"P": policy} if policy else {})
    for key in program.private_reads:
        builder.add_private_read(NAMESPACE, COLLECTION, key, _version(seen.private, key))
    for key, value in program.private_writes.items():
        builder.add_private_write(NAMESPACE, COLLECTION, key, value)
    return builder.rwset()


def _entries(drawn: dict[str, tuple[bytes, int]]) -> dict[str, Entry]:
    return {
        key: Entry(value, b"", Version(block, index))
        for index, (key, (value, block)) in enumerate(sorted(drawn.items()))
    }


def _older(entries: dict[str, Entry]) -> dict[str, Entry]:
    return {key: entry for key, entry in entries.items() if entry.version.block == 1}


def _version(entries: dict[str, Entry], key: str) -> Version | None:
    return entries[key].version if key in entries else None


def _memory(oracle: Oracle) -> MemoryState:
    state = MemoryState()
    updates = UpdateBatch({key: Update(*entry) for key, entry in _oracle_state(oracle).items()})
    state.commit(2, updates, ())
    return state


def _oracle_state(oracle: Oracle) -> dict[StateKey, Entry]:
    return _public_state(oracle.public) | _private_state(oracle.private)


def _public_state(entries: dict[str, Entry]) -> dict[StateKey, Entry]:
    return {StateKey(NAMESPACE, "", key.encode()): entry for key, entry in entries.items()}


def _private_state(entries: dict[str, Entry]) -> dict[StateKey, Entry]:
    builder = RwsetBuilder()
    for key, entry in entries.items():
        builder.add_private_write(NAMESPACE, COLLECTION, key, entry.value)
    hashes: Iterable[tuple[bytes, bytes]] = (
        (write.key_hash, write.value_hash)
        for namespace in builder.rwset().namespaces
        for write in namespace.collections[0].writes
    )
    versions = [entries[key] for key in sorted(entries)]
    return {
        StateKey(NAMESPACE, COLLECTION, key_hash): Entry(value_hash, b"", entry.version)
        for (key_hash, value_hash), entry in zip(hashes, versions, strict=True)
    }


def _fields(entry: object) -> tuple[bytes, bytes, Version]:
    return entry.value, entry.metadata, entry.version  # type: ignore[attr-defined]
