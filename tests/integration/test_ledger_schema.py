"""Aim: a start beside others at work makes nobody wait, and a new release replaces what is old in the books.

Method: real PostgreSQL; somebody reads in a long transaction while the books are prepared again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.migrate import MigrationError, apply_migrations
from ledger.schema import keep_schema, migrate
from ledger.verify import Verification
from tests.support.books import verify


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        migrate(connection)
        connection.execute("SET lock_timeout = '2s'")
        yield connection


def comment(connection: psycopg.Connection[Any]) -> str:
    ((text,),) = connection.execute("SELECT obj_description('ledger'::regnamespace)").fetchall()
    return str(text)


def test_a_start_waits_for_no_reader(connection: psycopg.Connection[Any], database_url: str) -> None:
    with psycopg.connect(database_url) as reader:
        reader.execute("SELECT count(*) FROM ledger.signed_posting")
        migrate(connection)


def test_another_releases_functions_and_views_are_replaced(
    connection: psycopg.Connection[Any], database_url: str
) -> None:
    named = comment(connection)
    connection.execute("COMMENT ON SCHEMA ledger IS 'functions, views and rights: of another release'")
    connection.execute("CREATE OR REPLACE FUNCTION ledger.sees_all() RETURNS boolean LANGUAGE sql AS 'SELECT false'")
    connection.execute("DROP VIEW ledger.signed_posting CASCADE")
    with psycopg.connect(database_url) as reader:
        reader.execute("SELECT count(*) FROM ledger.account_view")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            migrate(connection)
    assert "another" in comment(connection), "half a release's functions stand"
    migrate(connection)
    assert comment(connection) == named
    assert connection.execute("SELECT ledger.sees_all(), count(*) FROM ledger.signed_posting").fetchall() == [(True, 0)]
    assert Verification(database_url, verify, workers=1).run().findings == []


def test_who_reads_views_and_then_locks_the_journal_is_not_interrupted_by_a_release(
    connection: psycopg.Connection[Any], database_url: str
) -> None:
    connection.execute("COMMENT ON SCHEMA ledger IS NULL")
    with psycopg.connect(database_url) as archivist:
        keep_schema(archivist)
        archivist.execute("SELECT count(*) FROM ledger.signed_posting")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            migrate(connection)
        archivist.execute("LOCK TABLE ledger.entry IN ACCESS EXCLUSIVE MODE NOWAIT")
    migrate(connection)


def test_migration_whose_connection_is_lost_is_named_and_runs_at_the_next_start(
    empty_database_url: str, tmp_path: Path
) -> None:
    first, second = tmp_path / "0001_first.sql", tmp_path / "0002_second.sql"
    first.write_text("CREATE TABLE t.kept (id int);")
    second.write_text("CREATE TABLE t.undone (id int); SELECT pg_terminate_backend(pg_backend_pid());")
    failed = pytest.raises(MigrationError, match=r"0002_second\.sql of schema t failed: terminating connection")
    with psycopg.connect(empty_database_url, autocommit=True) as connection, failed:
        apply_migrations(connection, "t", tmp_path)
    second.write_text("CREATE TABLE t.undone (id int);")
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        assert apply_migrations(connection, "t", tmp_path) == ["0002_second.sql"]
        assert connection.execute("SELECT count(*) FROM t.kept, t.undone").fetchall() == [(0,)]
