"""Brings the schema ``ledger`` of a database up to date: tables forward only, functions and views as they are today.

Also keeps the next partition of the journal ready.
"""

from __future__ import annotations

from typing import Any

import psycopg

from ledger.migrate import apply_migrations
from ledger.queries import SQL_FOLDER, texts

_LOCK = 0x1ED6E4
"""Two processes that start at once must not replace the same function at once."""


def migrate(connection: psycopg.Connection[Any]) -> None:
    """Make the database ready for the books; safe to repeat at every start.

    Args:
        connection: open connection outside a transaction, of a role that owns the schema and may create roles.
    Raises:
        MigrationError: a migration changed after it ran, or failed.
    """
    apply_migrations(connection, "ledger", SQL_FOLDER / "migrations")
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        # Functions and views name one another; each is checked when it is first called.
        connection.execute("SET LOCAL check_function_bodies = off")
        for folder in ("functions", "views"):
            for _, text in texts(folder):
                connection.execute(text)
        connection.execute("SELECT ledger.make_partitions(1)")
        connection.execute((SQL_FOLDER / "grants.sql").read_bytes())


def keep_partition_ahead(connection: psycopg.Connection[Any]) -> None:
    """Make the journal's next partition once the newest is three quarters full; safe beside the writer, at any time.

    Where nobody calls it, the writer makes it itself when a batch would not fit.
    """
    connection.execute("SELECT ledger.keep_partition_ahead()")
