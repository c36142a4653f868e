"""Writes the file of an archive out of the books (``ledger.archive_file`` says what stands in it)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import psycopg

from ledger.archive_file import FORMAT, VERSION
from ledger.queries import query
from ledger.transfer_file import ENTRY, Table, encode_line, list_tables

CHUNK_ENTRIES = 10_000
"""Texts, batches and entries stand in the file so many numbers at a time."""

COLUMNS = {
    "asset": ("id", "code", "scale"),
    "account": ("id", "reference", "asset_id", "normal_side", "stripe_of"),
    "actor": ("id", "name"),
    "hold": ("id", "account_id"),
    "account_opening": ("account_id", "balance", "last_seq", "posting_count"),
    "hold_opening": ("hold_id", "captured", "entry_seq"),
    "leaf": ("seq", "leaf"),
    "description": ("seq", "salt", "description"),
    "metadata": ("seq", "salt", "pairs"),
    "batch": ("first_seq", "last_seq", "digest", "signature", "salt_secret"),
}
"""Tables of the file but ``entry``, in their order; read by the queries ``archive_named`` and ``archive_beside``."""

_READ_ROWS = 2_000

Progress = Callable[[int, int], None]
"""Called with entries done and entries to do."""


def write_archive(
    connection: psycopg.Connection[Any], path: Path, organization: str, number: int, first: int, last: int,
    progress: Progress,
) -> None:  # fmt: skip
    """Write entries ``first`` to ``last`` with all that proves them, onto the disk; only the owner may read the file.

    Args:
        connection: inside a transaction that sees everything as it stands at one moment.
        number: of the archive.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        _Writer(connection, file, progress).write(organization, number, {"first": first, "last": last})
        file.flush()
        os.fsync(file.fileno())


def reversed_entries(connection: psycopg.Connection[Any], bounds: Mapping[str, int]) -> frozenset[int]:
    """Return entries from ``first`` to ``last`` that others take back."""
    statement = b"SELECT reverses FROM ledger.entry WHERE reverses BETWEEN %(first)s AND %(last)s"
    return frozenset(row[0] for row in connection.execute(statement, bounds))


class _Writer:
    def __init__(self, connection: psycopg.Connection[Any], file: BinaryIO, progress: Progress) -> None:
        self._connection = connection
        self._file = file
        self._progress = progress
        self._sum = hashlib.sha256()
        self._lines = 0
        self._counts = dict.fromkeys((ENTRY, *COLUMNS), 0)

    def write(self, organization: str, number: int, bounds: Mapping[str, int]) -> None:
        first_of_all, last_of_all = bounds["first"], bounds["last"]
        entry = next(table for table in list_tables(self._connection) if table.name == ENTRY)
        header = {
            "format": FORMAT,
            "version": VERSION,
            "organization": organization,
            "number": number,
            "first_seq": first_of_all,
            "last_seq": last_of_all,
            "reversed": sorted(reversed_entries(self._connection, bounds)),
            "tables": {**COLUMNS, ENTRY: entry.columns},
        }
        self._line(header)
        with self._connection.cursor(name="archive_named") as cursor:
            cursor.itersize = _READ_ROWS
            for name, row in cursor.execute(query("archive_named"), bounds):
                self._row(name, row)
        for first in range(first_of_all, last_of_all + 1, CHUNK_ENTRIES):
            last = min(first + CHUNK_ENTRIES - 1, last_of_all)
            self._chunk(entry, {"first": first, "last": last, "under_way": first == first_of_all})
            self._progress(last - first_of_all + 1, last_of_all - first_of_all + 1)
        told = {name: self._counts[name] for name in ("description", "metadata")}
        seal = {"lines": self._lines, "sha256": self._sum.hexdigest(), "entries": self._counts[ENTRY], **told}
        self._line(seal)

    def _chunk(self, entry: Table, bounds: Mapping[str, Any]) -> None:
        """Write some entries; each batch comes before the first entry that it begins with here."""
        batches = []
        for name, row in self._connection.execute(query("archive_beside"), bounds):
            if name == "batch":
                batches.append(row)
            else:
                self._row(name, row)
        place = entry.columns.index("seq")
        columns = ", ".join(entry.columns).encode()
        select = b"SELECT %b FROM ledger.entry WHERE seq BETWEEN %%(first)s AND %%(last)s ORDER BY seq" % columns
        with self._connection.cursor() as cursor, cursor.copy(b"COPY (" + select + b") TO STDOUT", bounds) as copy:
            for values in copy.rows():
                while batches and int(batches[0][0]) <= int(values[place]):
                    self._row("batch", batches.pop(0))
                self._row(ENTRY, values)

    def _row(self, name: str, row: Sequence[str | None]) -> None:
        self._counts[name] += 1
        self._line({name: row})

    def _line(self, told: Mapping[str, Any]) -> None:
        line = encode_line(dict(told))
        self._sum.update(line)
        self._file.write(line)
        self._lines += 1
