"""Aim: sealing is all or nothing, goes on after a restart, never shortens, and refuses rows nobody signed for.

Method: a real database; a source of leaves held in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from nacl.signing import SigningKey

from network.checkpoint import open_checkpoint, verifier_key
from network.merkle import build_consistency_proof, leaf_hash, root, tile_node_reader, verify_consistency
from node.anchor.database import Database, migrate
from node.anchor.errors import AnchorError, LogError, MirrorError
from node.anchor.leaf_source import Sealable
from node.anchor.mirror import PIECE_TILES, Mirror
from node.anchor.sealer import Sealer, log_origin
from node.anchor.store import LogStore, MirrorStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = SigningKey(bytes(31) + b"\x01")
LEAVES = [leaf_hash(index.to_bytes(4, "big")) for index in range(1500)]


class ListSource:
    """Rows held in a list; ``covered`` of them are signed for."""

    def __init__(self) -> None:
        self.leaves: list[bytes] = []
        self.covered = 1 << 30

    def posted_seq(self) -> int:
        return len(self.leaves)

    def sealable(self, from_seq: int, limit: int) -> Sealable:
        end = min(len(self.leaves), self.covered, from_seq - 1 + limit)
        stalled = f"row {self.covered + 1} has no signed batch" if len(self.leaves) > self.covered else ""
        return Sealable(self.leaves[from_seq - 1 : end], stalled)

    def posted_at(self, from_seq: int, to_seq: int) -> list[datetime]:
        return [NOW] * (to_seq - from_seq + 1)

    def control_totals(self, to_seq: int) -> dict[str, tuple[int, int]]:
        return {"EUR": (to_seq, to_seq)}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with psycopg.connect(database_url) as connection:
        migrate(connection)
    database = Database(database_url)
    database.open()
    yield database
    database.close()


def sealer(database: Database, source: ListSource) -> Sealer:
    return Sealer("BankMSP", KEY, source, LogStore(database), lambda: NOW)


async def test_sealing_in_steps_with_restarts_gives_one_log(database: Database) -> None:
    source, store, old = ListSource(), LogStore(database), 0
    for count in (1, 255, 256, 257, 700, 1500):
        source.leaves = LEAVES[:count]
        head = await sealer(database, source).seal()
        assert (head.size, head.root) == (count, root(LEAVES[:count]))
        checkpoint = open_checkpoint(head.note, verifier_key(log_origin("BankMSP"), KEY))
        assert (checkpoint.size, checkpoint.root) == (head.size, head.root)
        proof = build_consistency_proof(tile_node_reader(store.read_tile), old, count)
        verify_consistency(old, count, root(LEAVES[:old]), head.root, proof)
        old = count
    assert await sealer(database, source).seal() == head
    assert store.head_at(256).root == root(LEAVES[:256])
    assert [store.head_up_to(size).size for size in (0, 1, 254, 256, 699, 9999)] == [0, 1, 1, 256, 257, 1500]
    with pytest.raises(LogError):
        store.head_at(2)


async def test_sealing_empty_books_writes_nothing(database: Database) -> None:
    assert (await sealer(database, ListSource()).seal()).size == 0
    assert LogStore(database).head().note == b""


async def test_row_nobody_signed_for_stops_the_log_and_is_named(database: Database) -> None:
    source = ListSource()
    source.leaves, source.covered = LEAVES[:10], 7
    worker = sealer(database, source)
    assert (await worker.seal()).size == 7
    assert worker.stalled == "row 8 has no signed batch"
    source.covered = 10
    assert (await worker.seal()).size == 10
    assert worker.stalled == ""


def test_append_at_another_place_is_refused_and_changes_nothing(database: Database) -> None:
    store = LogStore(database)
    store.append(0, LEAVES[:3], lambda size, _root: b"note", NOW)
    for index in (0, 2, 4):
        with pytest.raises(LogError, match="3 leaves"):
            store.append(index, LEAVES[3:4], lambda size, _root: b"note", NOW)
    assert store.head().size == 3


def test_append_whose_signing_fails_leaves_no_tiles_behind(database: Database) -> None:
    def fail(_size: int, _root: bytes) -> bytes:
        raise LogError("the key is gone")

    store = LogStore(database)
    with pytest.raises(LogError, match="key is gone"):
        store.append(0, LEAVES[:3], fail, NOW)
    assert store.read_tile(0, 0) == b""


def test_tiles_changed_by_hand_are_noticed_before_the_next_head_is_signed(
    database: Database, database_url: str
) -> None:
    store = LogStore(database)
    store.append(0, LEAVES[:300], lambda size, _root: b"note", NOW)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE log.tile SET hashes = %s WHERE level = 0 AND index = 1", (LEAVES[0] * 44,))
    with pytest.raises(LogError, match="300 leaves"):
        store.append(300, LEAVES[300:301], lambda size, _root: b"note", NOW)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log.tile SET hashes = substring(hashes FROM 1 FOR 32)",
        "DELETE FROM log.tile",
        "UPDATE log.checkpoint SET root = sha256(root)",
        "DELETE FROM log.checkpoint",
    ],
)
def test_database_itself_refuses_to_shorten_or_change_the_log(database: Database, statement: str) -> None:
    LogStore(database).append(0, LEAVES[:3], lambda size, _root: b"note", NOW)
    with pytest.raises(AnchorError), database.transaction() as connection:
        connection.execute(statement.encode())
    assert LogStore(database).head().root == root(LEAVES[:3])


class EmptyLog:
    """A member that has no tile of what it anchored."""

    def __init__(self) -> None:
        self.asked = 0

    async def read_tile(self, level: int, index: int, width: int) -> bytes:
        self.asked += 1
        return b""


@pytest.mark.parametrize(("size", "asked"), [(5_000_000, PIECE_TILES), (2**53 - 1, 0)])
async def test_member_that_anchors_more_than_it_has_costs_a_copy_little(
    database: Database, size: int, asked: int
) -> None:
    store, log = MirrorStore(database), EmptyLog()
    with pytest.raises(MirrorError, match=f"anchored .*{size} entries"):
        await Mirror(store, lambda: NOW).extend("BankMSP", size, bytes(32), log)
    assert log.asked == asked
    assert [found[0] for found in store.findings("BankMSP")] == [size]
