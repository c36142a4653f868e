"""Simulation: what a contract reads, what stands in the read/write set, what Fabric's rules refuse.

Method: a simulator over committed state held in memory, whose height the test moves while the simulation runs.
"""

from __future__ import annotations

import hashlib

import pytest

from network.rwset import KvRead, RangeQuery, StateKey, Version, parse_private_rwset, parse_rwset
from node.peer.errors import StaleReadError, StateError
from node.peer.history import KeyModification
from node.peer.progress import Progress
from node.peer.tx_simulator import TxSimulator
from node.peer.world_state import StateRange, StateValue


class CommittedState:
    """Committed state in memory, with the same answers as the database."""

    def __init__(self) -> None:
        self.progress = Progress(1, b"", b"")
        self.values: dict[StateKey, StateValue] = {}
        self.private: dict[StateKey, StateValue] = {}

    def commit(self, *writes: tuple[StateKey, bytes | None]) -> None:
        for key, value in writes:
            self.values.pop(key, None)
            if value is not None:
                self.values[key] = StateValue(value, b"", Version(self.progress.height, 0))
        self.progress.advance(b"", b"", [key for key, _ in writes])

    def known(self, key: StateKey) -> tuple[StateValue | None, int] | None:
        return None

    async def state(self, key: StateKey) -> tuple[StateValue | None, int]:
        return self.values.get(key), self.progress.height

    async def private_value(self, key: StateKey) -> tuple[StateValue | None, int]:
        return self.private.get(key), self.progress.height

    async def state_range(self, namespace: str, start: bytes, end: bytes, limit: int) -> StateRange:
        found = sorted(
            (key.key, value)
            for key, value in self.values.items()
            if key[:2] == (namespace, "") and key.key >= start and (not end or key.key < end)
        )
        following = found[limit - 1][0] + b"\x00" if len(found) >= limit else None
        return StateRange(tuple(found[:limit]), self.progress.height, following)

    async def private_range(self, namespace: str, collection: str, start: bytes, end: bytes, limit: int) -> StateRange:
        found = sorted((key.key, value) for key, value in self.private.items() if key.key >= start)
        return StateRange(tuple(found), self.progress.height, None)

    async def history(self, namespace: str, key: str) -> list[KeyModification]:
        return []


def public(key: str) -> StateKey:
    return StateKey("cc", "", key.encode())


@pytest.fixture
def committed() -> CommittedState:
    state = CommittedState()
    state.commit((public("a"), b"1"), (public("b"), b"2"))
    return state


def simulator(committed: CommittedState) -> TxSimulator:
    return TxSimulator("tx", committed, committed.progress)


async def test_read_records_committed_version_once_and_never_own_writes(committed: CommittedState) -> None:
    tx = simulator(committed)
    tx.put_state("cc", "a", b"new")
    assert await tx.get_state("cc", "a") == b"1"
    assert await tx.get_state("cc", "absent") == b""
    rwset = parse_rwset(tx.finish().public).namespaces[0]
    assert rwset.reads == (KvRead("a", Version(1, 0)), KvRead("absent", None))
    assert [(write.key, write.value) for write in rwset.writes] == [("a", b"new")]


async def test_commit_of_other_keys_meanwhile_lets_simulation_go_on(committed: CommittedState) -> None:
    tx = simulator(committed)
    await tx.get_state("cc", "a")
    committed.commit((public("b"), b"3"), (public("z"), b"9"))
    assert await tx.get_state("cc", "b") == b"3"
    assert not tx.stale


async def test_commit_of_a_read_key_meanwhile_makes_next_read_stale(committed: CommittedState) -> None:
    tx = simulator(committed)
    await tx.get_state("cc", "a")
    committed.commit((public("a"), b"other"))
    assert await tx.get_state("cc", "a") == b"1"
    with pytest.raises(StaleReadError):
        await tx.get_state("cc", "b")
    assert tx.stale


async def test_commit_into_a_scanned_range_makes_next_read_stale(committed: CommittedState) -> None:
    tx = simulator(committed)
    scan = await tx.range("cc", "a", "c")
    assert [key async for key, _ in scan] == ["a", "b"]
    committed.commit((public("aa"), b"phantom"))
    with pytest.raises(StaleReadError):
        await tx.get_state("cc", "z")


async def test_simulation_older_than_what_is_remembered_is_stale(committed: CommittedState) -> None:
    tx = simulator(committed)
    await tx.get_state("cc", "a")
    for _ in range(300):
        committed.commit()
    with pytest.raises(StaleReadError):
        await tx.get_state("cc", "b")


async def test_answer_from_an_older_height_must_still_hold(committed: CommittedState) -> None:
    tx = simulator(committed)
    old_answer = await committed.state(public("b"))
    committed.commit((public("b"), b"3"))
    await tx.get_state("cc", "a")

    async def late(key: StateKey) -> tuple[StateValue | None, int]:
        return old_answer

    committed.state = late  # type: ignore[method-assign]
    with pytest.raises(StaleReadError):
        await tx.get_state("cc", "b")


async def test_range_stopped_early_is_recorded_as_exhausted_below_a_batch(committed: CommittedState) -> None:
    tx = simulator(committed)
    scan = await tx.range("cc", "", "")
    await anext(scan)
    reads = (KvRead("a", Version(1, 0)), KvRead("b", Version(1, 0)))
    assert parse_rwset(tx.finish().public).namespaces[0].range_queries == (RangeQuery("", "", True, reads),)


@pytest.mark.parametrize(("used", "taken"), [(0, 101), (100, 101), (101, 201), (201, 250), (250, 250)])
async def test_long_range_records_what_a_go_peer_takes(committed: CommittedState, used: int, taken: int) -> None:
    committed.commit(*((public(f"m{number:04}"), b"x") for number in range(250)))
    tx = simulator(committed)
    scan = await tx.range("cc", "m", "n")
    keys = [(await anext(scan))[0] for _ in range(used)]
    assert keys == [f"m{number:04}" for number in range(used)]
    query = parse_rwset(tx.finish().public).namespaces[0].range_queries[0]
    assert query.exhausted == (taken == 250)
    assert query.end_key == ("n" if query.exhausted else f"m{taken - 1:04}")
    assert query.summary is not None and query.reads is None


async def test_page_gives_bookmark_and_forbids_writes(committed: CommittedState) -> None:
    committed.commit(*((public(f"m{number}"), b"x") for number in range(5)))
    tx = simulator(committed)
    page = await tx.range_page("cc", "m", "n", 2, "")
    assert (page.fetched_records_count, page.bookmark) == (2, "m2")
    assert [key async for key, _ in page] == ["m0", "m1"]
    last = await tx.range_page("cc", "m", "n", 3, page.bookmark)
    assert (last.fetched_records_count, last.bookmark) == (3, "")
    with pytest.raises(StateError, match="already performed a paginated query"):
        tx.put_state("cc", "k", b"v")
    recorded = parse_rwset(tx.finish().public).namespaces[0].range_queries
    assert [(query.start_key, query.end_key, query.exhausted) for query in recorded] == [
        ("m", "m1", False),
        ("m2", "m4", False),
    ]


async def test_write_forbids_pages_and_private_queries(committed: CommittedState) -> None:
    tx = simulator(committed)
    tx.put_state("cc", "k", b"v")
    with pytest.raises(StateError, match="Paginated queries are supported only in a read-only transaction"):
        await tx.range_page("cc", "", "", 2, "")
    with pytest.raises(StateError, match="Queries on pvt data is supported only in a read-only transaction"):
        await tx.private_range("cc", "col", "", "")


async def test_private_query_forbids_writes(committed: CommittedState) -> None:
    tx = simulator(committed)
    await tx.private_range("cc", "col", "", "")
    with pytest.raises(StateError, match="already performed queries on pvt data"):
        tx.put_private("cc", "col", "k", b"v")


async def test_private_write_stands_in_public_set_as_hashes_only(committed: CommittedState) -> None:
    tx = simulator(committed)
    tx.put_private("cc", "col", "secret-key", b"secret-value")
    results = tx.finish()
    collection = parse_rwset(results.public).namespaces[0].collections[0]
    assert collection.writes[0].key_hash == hashlib.sha256(b"secret-key").digest()
    assert collection.writes[0].value_hash == hashlib.sha256(b"secret-value").digest()
    assert b"secret" not in results.public
    assert parse_private_rwset(results.private)[0].writes[0].value == b"secret-value"


async def test_private_read_without_the_value_is_refused(committed: CommittedState) -> None:
    key = StateKey("cc", "col", hashlib.sha256(b"p").digest())
    committed.commit((key, hashlib.sha256(b"secret").digest()))
    tx = simulator(committed)
    with pytest.raises(StateError, match="private data matching public hash version is not available"):
        await tx.get_private("cc", "col", "p")
    committed.private[StateKey("cc", "col", b"p")] = StateValue(b"secret", b"", Version(2, 0))
    assert await tx.get_private("cc", "col", "p") == b"secret"
    assert tx.private_reads == {("cc", "col")}


async def test_finished_simulation_refuses_every_use(committed: CommittedState) -> None:
    tx = simulator(committed)
    tx.finish()
    with pytest.raises(StateError, match="is simulated"):
        await tx.get_state("cc", "a")
    with pytest.raises(StateError, match="is simulated"):
        tx.put_state("cc", "a", b"v")
    with pytest.raises(StateError, match="is simulated"):
        tx.finish()
