"""Connections to schema ``log``, and the statements it is read and written by.

Calls block; the services run them in threads. Statements live in ``sql/queries`` of this package and of ``node.audit``
and are read once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from ledger.migrate import apply_migrations
from node.anchor.errors import AnchorError

Connection = psycopg.Connection[tuple[Any, ...]]
Parameters = Sequence[Any] | Mapping[str, Any]

_SEALING_LOCK = 0x5EA1
_POOL_SIZE = 4

ANSWER_S = 10
"""Time limit of a statement's wait for a connection."""


def migrate(connection: psycopg.Connection) -> None:
    """Bring schema ``log`` up to date."""
    apply_migrations(connection, "log", files("node.anchor") / "sql" / "migrations")


@cache
def statement(name: str, package: str = "node.anchor") -> bytes:
    """Return the text of ``sql/queries/<name>.sql``."""
    return (files(package) / "sql" / "queries" / f"{name}.sql").read_bytes()


class Database:
    """A few pooled connections to the organization's database."""

    def __init__(self, url: str) -> None:
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            url,
            min_size=1,
            max_size=_POOL_SIZE,
            open=False,
            timeout=ANSWER_S,
            # A time of the year 1 or 9999, which any member may write, is one of no year in some other time zones.
            kwargs={"options": "-c application_name=dwaybank-anchor -c jit=off -c timezone=UTC"},
        )

    def open(self) -> None:
        """Connect; statements may run afterwards."""
        self._pool.open()

    def close(self) -> None:
        """Give every connection back to the server."""
        self._pool.close()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One database transaction: committed when the block ends, rolled back when it raises.

        Raises:
            AnchorError: the database refused or did not answer.
        """
        try:
            with self._pool.connection() as connection:
                yield connection
        except PoolTimeout as error:
            raise AnchorError(f"the database does not answer within {ANSWER_S} s: does its server run?") from error
        except psycopg.Error as error:
            raise AnchorError(f"the database refused a statement of the log: {_first_line(error)}") from error

    def fetch(self, name: str, parameters: Parameters = (), package: str = "node.anchor") -> list[tuple[Any, ...]]:
        """Run one statement in a transaction of its own and return its rows."""
        with self.transaction() as connection:
            return run(connection, name, parameters, package)


def run(
    connection: Connection, name: str, parameters: Parameters = (), package: str = "node.anchor"
) -> list[tuple[Any, ...]]:
    """Run one statement inside a transaction and return its rows, if it has any."""
    cursor = connection.execute(statement(name, package), parameters)
    return cursor.fetchall() if cursor.description is not None else []


def lock_sealing(connection: Connection) -> None:
    """Let only one transaction at a time extend the log."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SEALING_LOCK,))


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
