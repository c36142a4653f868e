"""Books for tests of the chart: one migrated database for a module, every test in a transaction that is rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from ledger.queries import query
from ledger.schema import migrate
from node.postgres import PostgresCluster

Connection = psycopg.Connection[Any]
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BY: dict[str, Any] = {"actor": "clerk-7", "now": START}


def migrated_database(cluster: PostgresCluster, name: str) -> str:
    """Return the URL of a new database with empty books."""
    url = cluster.create_database(name)
    with psycopg.connect(url, autocommit=True) as connection:
        migrate(connection)
    return url


@contextmanager
def rolled_back(url: str) -> Iterator[Connection]:
    """A connection in the application's role, as the node; what it leaves proves, and nothing of it stays."""
    with psycopg.connect(url, autocommit=True) as connection, connection.transaction(force_rollback=True):
        connection.execute("SET ROLE dwaybank_application")
        yield connection
        connection.execute("RESET ROLE")
        assert connection.execute(query("verify_histories"), (1,)).fetchall() == []


@contextmanager
def as_owner(connection: Connection) -> Iterator[Connection]:
    """The same connection with the owner's rights."""
    connection.execute("RESET ROLE")
    yield connection
    connection.execute("SET ROLE dwaybank_application")


@contextmanager
def refused(connection: Connection, error: type[psycopg.Error]) -> Iterator[pytest.ExceptionInfo[psycopg.Error]]:
    """The database refuses what is done inside with this error, and the test goes on after it."""
    with pytest.raises(error) as caught, connection.transaction():
        yield caught
