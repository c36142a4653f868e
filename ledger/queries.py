"""Reads the SQL texts of this room, each once. Python here holds no statement longer than a line."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

SQL_FOLDER: Traversable = files("ledger") / "sql"
"""Migrations, functions, views and queries of the books."""


@cache
def query(name: str) -> bytes:
    """Return the text of ``sql/queries/<name>.sql``."""
    return (SQL_FOLDER / "queries" / f"{name}.sql").read_bytes()


def texts(folder: str) -> list[tuple[str, bytes]]:
    """Return name and text of every SQL file of a folder, in the order of their names."""
    found = [file for file in (SQL_FOLDER / folder).iterdir() if file.name.endswith(".sql")]
    return [(file.name, file.read_bytes()) for file in sorted(found, key=lambda file: file.name)]
