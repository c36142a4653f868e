"""Writes whole books to a file that ``ledger.import_books`` reads; see ``ledger.transfer_file``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import psycopg
from psycopg import sql

from ledger.archive_state import kept_leaves
from ledger.archived import archived_seq
from ledger.disk import sync_folder
from ledger.transfer_file import DIGESTS, ENTRY, FORMAT, OPTIONS, VERSION, Table, TreeRoot, encode_line, list_tables


@dataclass(frozen=True, slots=True)
class Exported:
    """What stands in a file.

    Args:
        entries: those in the file; archived ones are in their own.
        rows: all rows, those of entries included.
        sha256: what the last line says.
        root: over the leaves of all entries, archived ones included.
    """

    entries: int
    rows: int
    sha256: str
    root: bytes


def export_books(
    url: str, organization: str, path: Path, progress: Callable[[int, int], None] = lambda done, whole: None
) -> Exported:
    """Write the books, as they stand at one moment, to a file that only its owner may read.

    Args:
        url: of the database; a role that may read the books.
        organization: whose books these are; stands in the header.
        progress: called with entries written and entries to write.
    Raises:
        OSError: the file cannot be written; nothing stands under its name then.
        psycopg.Error: the database cannot be read.
    """
    beside = path.with_name(f"{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file, psycopg.connect(url, options=OPTIONS) as connection:
        connection.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        exported = _Export(connection, file, progress).write(organization)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_folder(path.parent)
    return exported


class _Export:
    def __init__(
        self, connection: psycopg.Connection[Any], file: BinaryIO, progress: Callable[[int, int], None]
    ) -> None:
        self._connection = connection
        self._file = file
        self._progress = progress
        self._sum = hashlib.sha256()
        self._lines = 0
        self._root = TreeRoot()
        self._archived = 0

    def write(self, organization: str) -> Exported:
        tables = list_tables(self._connection)
        (head,) = self._connection.execute(b"SELECT to_jsonb(head) FROM ledger.head").fetchone() or ({"next_seq": 1},)
        migrations = self._connection.execute(b"SELECT name, digest FROM ledger.migration ORDER BY number").fetchall()
        header = {
            "format": FORMAT,
            "version": VERSION,
            "organization": organization,
            "head": head,
            "digests": DIGESTS,
            "migrations": dict(migrations),
            "tables": {table.name: table.columns for table in tables},
        }
        self._line(header)
        self._archived_leaves()
        for table in tables:
            self._rows(table, head["next_seq"] - 1)
        digest, rows = self._sum.hexdigest(), self._lines - 1
        root = self._root.root()
        self._line({"lines": self._lines, "sha256": digest, "leaves": self._root.size, "root": root.hex()})
        return Exported(self._root.size - self._archived, rows, digest, root)

    def _archived_leaves(self) -> None:
        """Begin the root with the leaves kept of archived entries: it is that of the log, whatever is archived."""
        self._archived = archived_seq(self._connection)
        for leaves in kept_leaves(self._connection, self._archived):
            self._root.append(leaves)

    def _rows(self, table: Table, entries: int) -> None:
        leaf = table.columns.index("leaf") if table.name == ENTRY else None
        with self._connection.cursor() as cursor, cursor.copy(select_rows(table)) as copy:
            for row in copy.rows():
                self._line({table.name: row})
                if leaf is not None:
                    self._root.append([bytes.fromhex((row[leaf] or "")[2:])])
                    if self._root.size % 10_000 == 0:
                        self._progress(self._root.size - self._archived, entries - self._archived)

    def _line(self, told: dict[str, Any]) -> None:
        line = encode_line(told)
        self._sum.update(line)
        self._file.write(line)
        self._lines += 1


def select_rows(table: Table) -> sql.Composed:
    """Return the statement that copies a table out, as text."""
    return sql.SQL("COPY (SELECT {} FROM ledger.{} ORDER BY {}) TO STDOUT").format(
        sql.SQL(", ").join(map(sql.Identifier, table.columns)),
        sql.Identifier(table.name),
        sql.SQL(", ").join(sql.SQL(part) for part in table.key),
    )
