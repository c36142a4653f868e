"""The file of an archive: JSON Lines, one row each, sealed by its last line. Pure but for it.

Lines:
1. header: format, version, organization, the range of entries, which of them others take back, columns of each table;
2. what entries name: ``asset``, ``account``, ``actor``; ``hold`` for those that entries captured;
3. where accounts and holds that the entries touch stood before them: ``account_opening``, ``hold_opening``;
4. ``leaf``: number and leaf of entries outside the range that share a signed batch with entries in it;
5. in the order of numbers: each ``batch`` before the entries it begins with, texts (``description``, ``metadata``)
   before theirs, ``entry``;
6. seal: number of lines before it, SHA-256 over them, number of entries, and of texts.

Rows are as in ``ledger.transfer_file``: values as PostgreSQL writes them, in the order of the header's columns. So the
same entries can be put back, and everything that proves them is here: whoever has the file and the posting engine's
public key needs no database. The file is as secret as the books.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.errors import ArchiveRefusedError

FORMAT = "dwaybank-archive"
VERSION = 1
LINE_BYTES_MAX = 1024 * 1024
"""Longest line that is read: an entry of the most postings has some 100 kB."""

Values = Mapping[str, "str | None"]
"""A row by its columns."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the first line says.

    Args:
        number: of the archive.
        reversed: entries of it that others take back, in it or after it.
        tables: columns of each table.
    """

    organization: str
    number: int
    first_seq: int
    last_seq: int
    reversed: frozenset[int]
    tables: Mapping[str, Sequence[str]]


class ArchiveLines:
    """Goes through the lines of a file, once; checks its form and its seal.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0
        """Of the line told last, from 1."""
        self.bytes = 0
        self.whole = hashlib.sha256()
        """Over all lines read so far."""
        self.seal: Mapping[str, Any] = {}
        """The last line, once all were told."""

    def __iter__(self) -> Iterator[tuple[str, list[str | None]]]:
        """Yield table and values of each row; the header is ``header`` by then.

        Raises:
            ArchiveRefusedError: the file cannot be read as one of the archive.
        """
        with self.path.open("rb") as file:
            self.header = self._header(self._next(file.readline(LINE_BYTES_MAX)))
            while True:
                before = self.whole.hexdigest()
                told = self._next(file.readline(LINE_BYTES_MAX))
                if "sha256" in told:
                    break
                yield self._row(told)
            if (told.get("lines"), told["sha256"]) != (self.number - 1, before):
                raise self.refused("the lines above are not those that were sealed")
            if file.read(1):
                raise self.refused("something follows the seal")
            self.seal = told

    def _next(self, line: bytes) -> dict[str, Any]:
        self.number += 1
        if not line.endswith(b"\n"):
            raise self.refused("the file ends here: its last line, which seals it, is missing")
        self.whole.update(line)
        self.bytes += len(line)
        try:
            told = json.loads(line)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise self.refused("it is no JSON object")
        return told

    def _header(self, told: dict[str, Any]) -> Header:
        if (told.get("format"), told.get("version")) != (FORMAT, VERSION):
            raise self.refused(f"it is no header of {FORMAT}, version {VERSION}")
        try:
            tables = {str(name): [str(column) for column in columns] for name, columns in told["tables"].items()}
            numbers = (int(told["number"]), int(told["first_seq"]), int(told["last_seq"]))
            return Header(str(told["organization"]), *numbers, frozenset(map(int, told["reversed"])), tables)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self.refused("it is no header of an archive") from error

    def _row(self, told: dict[str, Any]) -> tuple[str, list[str | None]]:
        ((name, values),) = told.items() if len(told) == 1 else [("", None)]
        columns = self.header.tables.get(name)
        if columns is None or not isinstance(values, list) or len(values) != len(columns):
            raise self.refused("it is neither a row that may stand here nor the seal")
        if not all(value is None or isinstance(value, str) for value in values):
            raise self.refused(f"it is no row of table {name}")
        return name, values

    def refused(self, reason: str) -> ArchiveRefusedError:
        """Return the error that names the line told last."""
        return ArchiveRefusedError(f"file {self.path}, line {self.number}", reason)


def first_of(path: Path) -> int:
    """Return the number of the first entry in a file.

    Raises:
        ArchiveRefusedError: it is no file of the archive.
        OSError: it cannot be read.
    """
    lines = ArchiveLines(path)
    next(iter(lines), None)
    return lines.header.first_seq
