"""Aim: the log is held against the books as they stand now, whatever part of either was changed.

Method: a real log in PostgreSQL over six hundred leaves, so that it has full tiles on two levels and partial ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from network.merkle import leaf_hash
from node.anchor.database import Database, migrate
from node.anchor.log_check import LogCheck
from node.anchor.store import LogStore

LEAVES = [leaf_hash(index.to_bytes(4, "big")) for index in range(700)]
SEALED = 600


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with psycopg.connect(database_url) as connection:
        migrate(connection)
    database = Database(database_url)
    database.open()
    LogStore(database).append(0, LEAVES[:SEALED], lambda size, _root: b"note", datetime(2026, 1, 1, tzinfo=UTC))
    yield database
    database.close()


def checked(database: Database, leaves: list[bytes], *, first: int = 1, step: int = 250) -> list[str]:
    check, found = LogCheck(LogStore(database)), []
    for seq in range(first, len(leaves) + 1, step):
        found += check.compare(seq, b"".join(leaves[seq - 1 : seq - 1 + step]))
    found += check.finish(len(leaves))
    return [f"{finding.subject}: {finding.problem}" for finding in found]


@pytest.mark.parametrize("step", [1, 250, 256, 700])
@pytest.mark.parametrize("first", [1, 251, 513, 601])
def test_log_of_these_leaves_is_sound_from_wherever_a_run_goes_on(database: Database, first: int, step: int) -> None:
    assert checked(database, LEAVES, first=first, step=step) == []


def test_changed_leaf_is_the_only_finding(database: Database) -> None:
    leaves = [*LEAVES[:299], bytes(32), *LEAVES[300:]]
    assert checked(database, leaves) == ["entry 300: its row does not give the leaf that was sealed in the log"]


def test_books_that_end_before_their_log_are_told(database: Database) -> None:
    assert checked(database, LEAVES[:500]) == ["log: holds 600 leaves, the books end with entry 500"]


def tamper(database_url: str, statement: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        assert connection.execute(statement.encode()).rowcount > 0


TAMPERED = {
    "leaf in a full tile": (
        "UPDATE log.tile SET hashes = set_byte(hashes, 32, (get_byte(hashes, 32) + 1) % 256) "
        "WHERE level = 0 AND index = 0",
        [
            "entry 2: its row does not give the leaf that was sealed in the log",
            "log tile 0 of level 1: does not hold the hashes of the tiles below it",
            "log: does not hash to the root that was sealed for 600 leaves",
        ],
    ),
    "hash above": (
        "UPDATE log.tile SET hashes = set_byte(hashes, 0, (get_byte(hashes, 0) + 1) % 256) WHERE level = 1",
        ["log tile 0 of level 1: does not hold the hashes of the tiles below it"],
    ),
    "sealed root": (
        "UPDATE log.checkpoint SET root = sha256(root)",
        ["log: does not hash to the root that was sealed for 600 leaves"],
    ),
    "tile gone": (
        "DELETE FROM log.tile WHERE level = 0 AND index = 2",
        ["entry 513: its row does not give the leaf that was sealed in the log"],
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_changed_log_is_told(database: Database, database_url: str, name: str) -> None:
    statement, expected = TAMPERED[name]
    tamper(database_url, statement)
    found = checked(database, LEAVES)
    for text in expected:
        assert text in found
