"""Reads whole books from a file of ``ledger.export`` into a ledger that has none; see ``ledger.transfer_file``.

Rules:
- one database transaction: all of the file becomes the books, or nothing does;
- nothing in the file is believed: entries are proved range by range while they are read, as ``verify`` proves them,
  with every leaf and every signature; then the file's sum and root; then texts, head, refusals, accounts and holds;
- whatever does not fit is refused with its line.

Triggers that keep history rest in this transaction: rows that every new ledger has are replaced by the file's.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import psycopg
from psycopg import sql

from ledger.archive_state import check_archives, kept_leaves, standing_archives
from ledger.errors import ImportRefusedError
from ledger.ranges import RANGE_ENTRIES, Bounds, Carried, Finding, next_bounds, read_standing
from ledger.schema import migrate
from ledger.signed import Verify
from ledger.transfer_file import ENTRY, FORMAT, OPTIONS, VERSION, Table, TreeRoot, list_tables, split_leaves
from ledger.verify import verify_range

LINE_BYTES_MAX = 64 * 1024 * 1024
"""Longest line that is read; the largest row is an imported statement file."""

_COPY_LINE = re.compile(r", line (\d+)")
_STARTED = ("entry", "account", "hold", "actor", "batch", "event", "refusal")
"""Tables that are empty in a ledger that nobody used."""

_SEAL = {"lines", "sha256", "leaves", "root"}


@dataclass(frozen=True, slots=True)
class Imported:
    """What was read.

    Args:
        organization: whose books the file says these are.
        entries: those in the file; archived ones are in their own.
        rows: all rows, those of entries included.
    """

    organization: str
    entries: int
    rows: int
    root: bytes


def import_books(
    url: str, path: Path, verify: Verify, progress: Callable[[int, int], None] = lambda done, whole: None
) -> Imported:
    """Read books into a database whose ledger is empty; the schema is made where there is none.

    Args:
        url: of the database; the role that owns the books.
        verify: whether a signature is that of the writer whose books these are.
        progress: called with bytes read and bytes to read.
    Raises:
        ImportRefusedError: the file does not fit, or the ledger is not empty.
        OSError: the file cannot be read.
        psycopg.Error: the database cannot be reached, or the role does not own the books.
    """
    with psycopg.connect(url, autocommit=True, options=OPTIONS) as connection:
        migrate(connection)
        with connection.transaction(), path.open("rb") as file:
            return _Import(connection, _Lines(file, path.stat().st_size, progress), verify).read()


class _Lines:
    """The lines of a file, numbered, with their sum."""

    def __init__(self, file: BinaryIO, whole: int, progress: Callable[[int, int], None]) -> None:
        self._file = file
        self._whole = whole
        self._progress = progress
        self._read = 0
        self._next = hashlib.sha256()
        self.sha256 = ""
        """Of all lines before the newest one."""
        self.number = 0

    def next(self) -> dict[str, Any]:
        """Return the next line.

        Raises:
            ImportRefusedError: there is none, or it is no JSON object.
        """
        line = self._file.readline(LINE_BYTES_MAX)
        self.number += 1
        if not line.endswith(b"\n"):
            raise ImportRefusedError(self.number, "the file ends here: its last line, which seals it, is missing")
        self.sha256 = self._next.hexdigest()
        self._next.update(line)
        self._read += len(line)
        if self.number % 5_000 == 0:
            self._progress(self._read, self._whole)
        try:
            told = json.loads(line)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise ImportRefusedError(self.number, "it is no JSON object")
        return told

    def at_end(self) -> bool:
        """Tell whether nothing follows."""
        return not self._file.read(1)


@dataclass(slots=True)
class _Import:
    connection: psycopg.Connection[Any]
    lines: _Lines
    verify: Verify
    carried: Carried = field(default_factory=Carried)
    bounds: Bounds | None = None
    root: TreeRoot = field(default_factory=TreeRoot)
    line: dict[str, Any] = field(default_factory=dict)
    first_entry_line: int = 0
    archived: int = 0

    def read(self) -> Imported:
        tables = list_tables(self.connection)
        header = self._header(tables)
        self._empty(tables)
        self.line = self.lines.next()
        for place, table in enumerate(tables):
            self._table(table, {later.name for later in tables[place:]})
        self._seal()
        self._prove_rest()
        for table in tables:
            self._open_for_use(table)
        entries = self.root.size - self.archived
        return Imported(str(header["organization"]), entries, self.lines.number - 2, self.root.root())

    def _header(self, tables: list[Table]) -> dict[str, Any]:
        header = self.lines.next()
        if (header.get("format"), header.get("version")) != (FORMAT, VERSION):
            raise ImportRefusedError(1, f"it is no header of {FORMAT}, version {VERSION}")
        found = self.connection.execute(b"SELECT name, digest FROM ledger.migration ORDER BY number").fetchall()
        if header.get("migrations") != dict(found):
            raise ImportRefusedError(
                1, "the books were at other migrations than this release has: use the same release"
            )
        if header.get("tables") != {table.name: list(table.columns) for table in tables}:
            raise ImportRefusedError(1, "its tables or columns are not those of this release")
        return header

    def _empty(self, tables: list[Table]) -> None:
        """Refuse a ledger that was used; take out what a new one has, and let the triggers rest."""
        for name in _STARTED:
            statement = sql.SQL("SELECT EXISTS (SELECT FROM ledger.{})").format(sql.Identifier(name))
            if self.connection.execute(statement).fetchone() != (False,):
                raise ImportRefusedError(0, f"the ledger is not empty: table {name} has rows")
        for table in tables:
            self._run("ALTER TABLE ledger.{} DISABLE TRIGGER USER", table)
        for table in reversed(tables):
            self._run("DELETE FROM ledger.{}", table)

    def _run(self, statement: str, table: Table) -> None:
        self.connection.execute(sql.SQL(statement).format(sql.Identifier(table.name)))

    def _table(self, table: Table, may_follow: set[str]) -> None:
        if table.name == ENTRY:
            self._begin_entries()
        while table.name in self.line:
            if table.name == ENTRY:
                self._make_room()
            self._copy(table)
            if self.line.keys().isdisjoint(may_follow | _SEAL):
                raise ImportRefusedError(self.lines.number, "it is neither a row that may stand here nor the seal")
            if table.name == ENTRY:
                self._prove_entries()

    def _begin_entries(self) -> None:
        """Prove what archives left, and begin where they end."""
        archives = standing_archives(self.connection)
        self._refuse(list(check_archives(self.connection, archives, self.verify)))
        self.archived = archives[-1].record.last_seq if archives else 0
        self.first_entry_line = self.lines.number
        self.carried = Carried.at_border(self.connection)
        for leaves in kept_leaves(self.connection, self.archived):
            self.root.append(leaves)
        if self.archived:
            self._begin_partitions()

    def _begin_partitions(self) -> None:
        """Let the empty journal begin after the border, so that archived entries can come back before it."""
        self.connection.execute(b"ALTER TABLE ledger.partition DISABLE TRIGGER USER")
        for (name,) in self.connection.execute(b"DELETE FROM ledger.partition RETURNING table_name").fetchall():
            self.connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier("ledger", name)))
        self.connection.execute(b"ALTER TABLE ledger.partition ENABLE TRIGGER USER")

    def _make_room(self) -> None:
        """Have partitions for the rows of the next copy, if they go on where those before end."""
        self.connection.execute(b"SELECT ledger.make_partitions(%s)", (self.root.size + RANGE_ENTRIES,))

    def _copy(self, table: Table) -> None:
        """Store rows of a table, as many as a range has at most."""
        first = self.lines.number
        statement = sql.SQL("COPY ledger.{} ({}) FROM STDIN").format(
            sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, table.columns))
        )
        try:
            with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
                for row in self._rows(table):
                    copy.write_row(row)
        except psycopg.Error as error:
            place = _COPY_LINE.search(error.diag.context or "")
            line = first + int(place.group(1)) - 1 if place is not None else first
            reason = (error.diag.message_primary or str(error)).splitlines()[0]
            raise ImportRefusedError(line, f"the database refuses it: {reason}") from error

    def _rows(self, table: Table) -> Iterator[list[str | None]]:
        for _ in range(RANGE_ENTRIES):
            row = self.line.get(table.name)
            if row is None:
                return
            well_formed = (
                len(self.line) == 1
                and isinstance(row, list)
                and len(row) == len(table.columns)
                and all(value is None or isinstance(value, str) for value in row)
            )
            if not well_formed:
                raise ImportRefusedError(self.lines.number, f"it is no row of table {table.name}")
            yield row
            self.line = self.lines.next()

    def _prove_entries(self) -> None:
        """Prove the entries stored last; at the end once more, for what stands beside none."""
        bounds = next_bounds(self.connection, self.bounds)
        if bounds is None:
            return
        verified = verify_range(self.connection, bounds, self.verify)
        found = verified.leaf_findings + self.carried.take(verified.facts)
        self._refuse(sorted(found, key=lambda finding: finding.seq))
        self._refuse(self.carried.settle_captures(self.connection, at_end=False))
        for _, leaves in verified.runs:
            self.root.append(list(split_leaves(leaves)))
        self.bounds = bounds

    def _seal(self) -> None:
        """Judge the last line."""
        number = self.lines.number
        lines, sha256 = self.line.get("lines"), self.line.get("sha256")
        if self.line.keys() != _SEAL:
            raise ImportRefusedError(number, "it is neither a row that may stand here nor the seal")
        if not self.lines.at_end():
            raise ImportRefusedError(number + 1, "something follows the seal")
        if (lines, sha256) != (number - 1, self.lines.sha256):
            raise ImportRefusedError(number, "the lines above are not those that were sealed")
        if (self.line["leaves"], self.line["root"]) != (self.root.size, self.root.root().hex()):
            raise ImportRefusedError(number, "its root is not that of the entries above")

    def _prove_rest(self) -> None:
        """Prove what follows from all the entries, head, refusals, accounts and holds, and what stands beside none."""
        self._prove_entries()
        self._refuse(read_standing(self.connection, self.carried, self.verify).findings)

    def _refuse(self, findings: list[Finding]) -> None:
        if findings:
            found = findings[0]
            line = self.first_entry_line + found.seq - self.archived - 1 if found.seq > self.archived else 0
            raise ImportRefusedError(line, f"{found.subject}: {found.problem}")

    def _open_for_use(self, table: Table) -> None:
        """Wake the triggers, and let numbers go on after those of the file."""
        self._run("ALTER TABLE ledger.{} ENABLE TRIGGER USER", table)
        for column in table.identities:
            self.connection.execute(
                sql.SQL(
                    "SELECT setval(pg_get_serial_sequence({}, {}), max({})) FROM ledger.{} HAVING max({}) > 0"
                ).format(
                    sql.Literal(f"ledger.{table.name}"),
                    sql.Literal(column),
                    sql.Identifier(column),
                    sql.Identifier(table.name),
                    sql.Identifier(column),
                )
            )
