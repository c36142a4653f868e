"""Aim: books that went out and came in again are the same books, and nothing else comes in.

Method: real PostgreSQL; books with everything an entry can have; files changed line by line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ledger.export import export_books
from ledger.import_books import import_books
from ledger.journal import transfer
from ledger.verify import Verification
from node.postgres import PostgresCluster
from tests.support.books import START, Clock, PlainRules, key, open_accounts, open_writer, verify


@pytest.fixture
def empty_url(postgres_cluster: PostgresCluster, database_url: str) -> Iterator[str]:
    name = database_url.rpartition("/")[2].partition("?")[0] + "_copy"
    yield postgres_cluster.create_database(name)
    with psycopg.connect(postgres_cluster.url(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_same_books_come_out_of_the_copy_and_go_on(database_url: str, empty_url: str, tmp_path: Path) -> None:
    with (
        open_writer(database_url, Clock(), PlainRules()) as writer,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        open_accounts(connection, "cash EUR debit -\nalice EUR credit -")
        for number in range(1, 30):
            writer.post([transfer(key(number), "cash", "alice", number, effective_at=START)])
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    exported = export_books(database_url, "DwaybankMSP", first)
    imported = import_books(empty_url, first, verify)
    assert (imported.entries, imported.root) == (exported.entries, exported.root) == (29, imported.root)
    export_books(empty_url, "DwaybankMSP", second)
    assert first.read_bytes() == second.read_bytes()
    assert Verification(empty_url, verify, workers=1, range_entries=10).run().findings == []
    with open_writer(empty_url, Clock(), PlainRules()) as writer:
        (result,) = writer.post([transfer(key(99), "cash", "alice", 5)])
    assert result.seq == 30
