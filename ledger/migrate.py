"""Brings a schema up to date from numbered SQL files, forward only.

Rules: files are named ``NNNN_what.sql`` and run in that order, each in its own database transaction together with its
record in ``<schema>.migration``; a file that has run may never change (its SHA-256 is compared); two processes that
migrate at once wait for one another. Any room may use it for its own schema by giving its own folder.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

import psycopg
from psycopg import sql

_FILE_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_SCHEMA_NAME = re.compile(r"^[a-z][a-z0-9_]{0,40}$")


class MigrationError(Exception):
    """A migration file changed after it ran, is missing, misnamed, or failed."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered SQL file."""

    number: int
    name: str
    text: str

    @property
    def digest(self) -> str:
        """SHA-256 of the file's text, hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_migrations(folder: Path | Traversable) -> list[Migration]:
    """Return the folder's migrations in order; no number may stand twice."""
    found = []
    for file in folder.iterdir():
        if not file.name.endswith(".sql"):
            continue
        match = _FILE_NAME.match(file.name)
        if match is None:
            raise MigrationError(f"migration file {file.name!r}: name it NNNN_what.sql")
        found.append(Migration(int(match.group(1)), file.name, file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.number)
    if len({migration.number for migration in found}) != len(found):
        raise MigrationError(f"migrations of {folder}: a number stands twice")
    return found


def apply_migrations(connection: psycopg.Connection, schema: str, folder: Path | Traversable) -> list[str]:
    """Create ``schema`` where absent and run every migration that has not run yet.

    Args:
        connection: open connection outside a transaction; its role must own the schema.
        schema: schema name; also names the lock.
        folder: where the numbered files lie.
    Returns:
        Names of the files that ran now.
    Raises:
        MigrationError: a file that ran before differs now, was removed, or fails.
    """
    if not _SCHEMA_NAME.match(schema):
        raise MigrationError(f"schema {schema!r}: lower-case letters, digits and _ only")
    migrations = read_migrations(folder)
    connection.autocommit = True
    lock = int.from_bytes(hashlib.sha256(f"migrate/{schema}".encode()).digest()[:7], "big")
    connection.execute("SELECT pg_advisory_lock(%s)", (lock,))
    try:
        _create_record(connection, schema)
        done = _recorded(connection, schema)
        _check_unchanged(migrations, done, schema)
        return [_run(connection, schema, migration) for migration in migrations if migration.number not in done]
    finally:
        # Of a connection that was lost the server has let the lock go, and why it was lost must be told.
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", (lock,))


def _create_record(connection: psycopg.Connection, schema: str) -> None:
    name = sql.Identifier(schema)
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
    connection.execute(
        sql.SQL(
            "CREATE TABLE IF NOT EXISTS {}.migration (number int PRIMARY KEY, name text NOT NULL, digest text NOT NULL)"
        ).format(name)
    )


def _recorded(connection: psycopg.Connection, schema: str) -> dict[int, str]:
    rows = connection.execute(sql.SQL("SELECT number, digest FROM {}.migration").format(sql.Identifier(schema)))
    return dict(rows.fetchall())


def _check_unchanged(migrations: list[Migration], done: dict[int, str], schema: str) -> None:
    known = {migration.number: migration for migration in migrations}
    for number, digest in done.items():
        if number not in known:
            raise MigrationError(
                f"schema {schema} is at migration {max(done)}, this software knows {max(known, default=0)}: "
                "install the newer release"
            )
        if known[number].digest != digest:
            raise MigrationError(
                f"migration {known[number].name} of schema {schema} changed after it ran: restore the file"
            )


def _run(connection: psycopg.Connection, schema: str, migration: Migration) -> str:
    try:
        with connection.transaction():
            # The text is one of our own files; psycopg types it as a literal to keep user input out.
            connection.execute(migration.text.encode())
            connection.execute(
                sql.SQL("INSERT INTO {}.migration VALUES (%s, %s, %s)").format(sql.Identifier(schema)),
                (migration.number, migration.name, migration.digest),
            )
    except psycopg.Error as error:
        raise MigrationError(
            f"migration {migration.name} of schema {schema} failed: {error.diag.message_primary or error}"
        ) from error
    return migration.name
