"""Connections to schema ``partner`` and the statements it is read and written by; each statement is read once."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import psycopg

from ledger.migrate import apply_migrations


def migrate(connection: psycopg.Connection[Any]) -> None:
    """Bring schema ``partner`` up to date; schema ``ledger`` comes first, because it makes the roles."""
    apply_migrations(connection, "partner", files("node.partner") / "sql" / "migrations")


@cache
def statement(name: str) -> bytes:
    """Return the text of ``sql/queries/<name>.sql``."""
    return (files("node.partner") / "sql" / "queries" / f"{name}.sql").read_bytes()
