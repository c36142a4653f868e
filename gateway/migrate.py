"""Brings schema ``gateway`` up to date from numbered SQL files, forward only.

The gateway is a process apart from the books and may not import their runner; this one is smaller: one schema, files
``NNNN_what.sql`` in order, each in one database transaction with its record, gateways that start together wait for one
another, and a file that has run may never change.
"""

from __future__ import annotations

import hashlib
from importlib import resources

from sqlalchemy import Connection, Engine, text

from gateway.errors import ConfigurationError

LOCK = 0x6477_6179_6761_7465
"""Advisory lock of the schema's migration ("dwaygate")."""


def migrate(engine: Engine) -> list[str]:
    """Create schema ``gateway`` where absent and run every file that has not run yet.

    Returns:
        Names of the files that ran now.
    Raises:
        ConfigurationError: a file that ran before has changed since, or the database is ahead of this software.
    """
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        # The gateway's role owns the schema but may create none: so the question before the command.
        if connection.scalar(text("SELECT to_regnamespace('gateway')")) is None:
            connection.execute(text("CREATE SCHEMA gateway"))
        connection.execute(
            text("CREATE TABLE IF NOT EXISTS gateway.migration (name text PRIMARY KEY, digest text NOT NULL)")
        )
        recorded = connection.execute(text("SELECT name, digest FROM gateway.migration"))
        return _run_missing(connection, {row.name: row.digest for row in recorded})


def _run_missing(connection: Connection, done: dict[str, str]) -> list[str]:
    files = sorted((file.name, file.read_text(encoding="utf-8")) for file in _folder_files())
    unknown = set(done) - {name for name, _ in files}
    if unknown:
        raise ConfigurationError(
            f"schema gateway holds migration {min(unknown)}: install the newer release it came from"
        )
    ran = []
    for name, content in files:
        digest = hashlib.sha256(content.encode()).hexdigest()
        if name in done:
            if done[name] != digest:
                raise ConfigurationError(f"migration {name} changed after it ran: restore the file")
            continue
        connection.exec_driver_sql(content)
        connection.execute(text("INSERT INTO gateway.migration VALUES (:n, :d)"), {"n": name, "d": digest})
        ran.append(name)
    return ran


def _folder_files() -> list[resources.abc.Traversable]:
    folder = resources.files("gateway") / "sql" / "migrations"
    return [file for file in folder.iterdir() if file.name.endswith(".sql")]
