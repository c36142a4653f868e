"""Brings the schema ``ledger`` of a database up to date: tables forward only, functions and views as they are today.

Also keeps the next partition of the journal ready.
"""

from __future__ import annotations

import hashlib
from typing import Any

import psycopg
from psycopg import sql

from ledger.migrate import apply_migrations
from ledger.queries import SQL_FOLDER, texts

_LOCK = 0x1ED6E4
"""Two processes that start at once must not replace the same function at once."""

_FOLDERS = ("functions", "views")


def migrate(connection: psycopg.Connection[Any]) -> None:
    """Make the database ready for the books; safe to repeat at every start.

    Functions and views are replaced where their texts, or the migrations, are others than those that stand: the
    schema's comment names them. Who replaces a view waits for all who read it, and lets others wait: no start should.

    Args:
        connection: open connection outside a transaction, of a role that owns the schema and may create roles.
    Raises:
        MigrationError: a migration changed after it ran, or failed.
    """
    apply_migrations(connection, "ledger", SQL_FOLDER / "migrations")
    with connection.transaction():
        keep_schema(connection)
        standing = connection.execute("SELECT obj_description('ledger'::regnamespace)").fetchone()
        named = f"functions, views and rights: SHA-256 {_code_digest()}"
        if standing == (named,):
            return
        # Functions and views name one another; each is checked when it is first called.
        connection.execute("SET LOCAL check_function_bodies = off")
        for folder in _FOLDERS:
            for _, text in texts(folder):
                connection.execute(text)
        connection.execute("SELECT ledger.make_partitions(1)")
        connection.execute((SQL_FOLDER / "grants.sql").read_bytes())
        connection.execute(sql.SQL("COMMENT ON SCHEMA ledger IS {}").format(sql.Literal(named)))


def keep_schema(connection: psycopg.Connection[Any]) -> None:
    """Let nobody replace functions and views until the transaction ends.

    For who reads views and then locks what they read; a release that starts meanwhile waits, or he for it.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))


def keep_partition_ahead(connection: psycopg.Connection[Any]) -> None:
    """Make the journal's next partition once the newest is three quarters full; safe beside the writer, at any time.

    Where nobody calls it, the writer makes it itself when a batch would not fit.
    """
    connection.execute("SELECT ledger.keep_partition_ahead()")


def _code_digest() -> str:
    digest = hashlib.sha256((SQL_FOLDER / "grants.sql").read_bytes())
    for folder in ("migrations", *_FOLDERS):
        for name, text in texts(folder):
            digest.update(f"{folder}/{name} {len(text)}\n".encode() + text)
    return digest.hexdigest()
