"""Moves old entries out of the books into a file that keeps every proof, and back.

Rules (docs/archive.md):
- only whole partitions go, the oldest first, and only where nothing can concern them any more: they are full, closed,
  anchored, reported; no placed hold was captured by them, no webhook waits for them;
- the file is written, read back and proved before anything is changed; then one database transaction keeps their keys,
  leaves and where accounts stood, lets the partition go, and records the archive under the posting engine's signature.
  So whoever is killed leaves everything or nothing; a file may stand that no archive names, and may be written again;
- what is restored was proved again, and is the newest archive: the books never have a gap.

Left to others: what is anchored (the node knows), the key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from ledger.archive_file import ArchiveLines
from ledger.archive_proof import ProvedArchive, prove_archive
from ledger.archive_record import ArchiveRecord
from ledger.archive_state import Archive, keep_keys, keys_digest, list_archives, standing_archives, state_digest
from ledger.archive_writer import COLUMNS, Progress, reversed_entries, write_archive
from ledger.disk import sync_folder
from ledger.errors import ArchiveRefusedError, InvalidValueError
from ledger.journal_parts import drop_part, lock_journal, resting
from ledger.queries import query
from ledger.schema import keep_schema
from ledger.signed import Verify
from ledger.transfer_file import ENTRY, OPTIONS

_LOCK = 0xA2C417E5

_KEPT = ("past_key", "account_opening", "hold_opening")
"""Tables whose triggers keep history, and rest while an archive is made or restored."""


@dataclass(frozen=True, slots=True)
class Archivist:
    """Who archives entries of the books of a database.

    Args:
        url: of the database; the role that owns the books.
        organization: whose books these are; stands in the file.
        sign: the posting engine's Ed25519 signature of a digest.
        verify: whether a signature is the posting engine's.
        actor: who does it, a pseudonym.
        now: the clock, UTC.
        progress: called with entries done and entries to do, while they are written and while they are proved.
    """

    url: str
    organization: str
    sign: Callable[[bytes], bytes]
    verify: Verify
    actor: str
    now: Callable[[], datetime]
    progress: Progress = lambda done, whole: None

    def archive(self, folder: Path, *, before: datetime, proved_seq: int) -> Iterator[Archive]:
        """Archive every partition that may go, oldest first; yield each once it is done.

        Args:
            folder: where the files go, one for each partition.
            before: only entries that were posted before this time and count for an earlier one.
            proved_seq: the newest entry that is anchored, and whose decision is.
        Raises:
            ArchiveRefusedError: none may go; says why of the oldest. Or a file that was written does not prove.
            InvalidValueError: the time has no zone.
            OSError: a file cannot be written.
            psycopg.Error: the database cannot be used.
        """
        if before.tzinfo is None:
            raise InvalidValueError("before", before, "give a time with its zone")
        made = False
        with _connect(self.url) as connection:
            while True:
                part = connection.execute(query("archive_next")).fetchone()
                obstacles = _obstacles(connection, part, before, proved_seq)
                if obstacles and made:
                    return
                if obstacles or part is None:
                    subject = "the journal" if part is None else f"entries {part[0]} to {part[1]}"
                    raise ArchiveRefusedError(subject, "; ".join(obstacles) or "there are no entries")
                yield self._archive(connection, folder, part, before)
                made = True

    def _archive(
        self, connection: psycopg.Connection[Any], folder: Path, part: tuple[Any, ...], before: datetime
    ) -> Archive:
        first, last, _ = part
        number = max((archive.record.number for archive in list_archives(connection)), default=0) + 1
        path = folder / f"{self.organization}-{first}-{last}.jsonl"
        beside = path.with_name(f"{path.name}.new")
        try:
            with connection.transaction():
                # What is read does not change any more, but for texts that are erased: their number is compared below.
                connection.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                write_archive(connection, beside, self.organization, number, first, last, self.progress)
            proved = prove_archive(beside, self.verify, progress=self.progress)
            if path.exists() and not self._holds_the_same(path, proved):
                reason = "stands already and holds something else: name another folder"
                raise ArchiveRefusedError(f"file {path}", reason)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        sync_folder(folder)
        try:
            with connection.transaction():
                return self._let_go(connection, part, path, proved, before)
        except ArchiveRefusedError:
            # All of it is in the books still; and what was erased meanwhile must not stay in a file.
            path.unlink()
            raise

    def _holds_the_same(self, path: Path, proved: ProvedArchive) -> bool:
        """Whether a file was left by a run of these books that was killed, or of an archive that was restored."""
        try:
            return prove_archive(path, self.verify).keys_sha256 == proved.keys_sha256
        except ArchiveRefusedError:
            return False

    def _let_go(
        self,
        connection: psycopg.Connection[Any],
        part: tuple[Any, ...],
        path: Path,
        proved: ProvedArchive,
        before: datetime,
    ) -> Archive:
        """Keep what must stay, record the archive, and drop the partition."""
        first, last, table = part
        bounds = {"first": first, "last": last}
        keep_schema(connection)
        keep_keys(connection, bounds)
        keys = keys_digest(connection, first, last)
        if keys != proved.keys_sha256:
            raise ArchiveRefusedError(f"entries {first} to {last}", "the file does not hold what stands in the books")
        for name, count in proved.texts.items():
            statement = sql.SQL("DELETE FROM ledger.{} WHERE seq BETWEEN %(first)s AND %(last)s")
            deleted = connection.execute(statement.format(sql.Identifier(name)), bounds).rowcount
            if deleted != count:
                raise ArchiveRefusedError(f"entries {first} to {last}", "texts were erased meanwhile: archive again")
        with resting(connection, _KEPT):
            _keep_state(connection, proved)
        record = ArchiveRecord(
            proved.number, first, last, proved.latest_us, proved.posted_us, proved.greatest_key, path.name,
            proved.file_bytes, proved.file_sha256, keys, state_digest(connection),
        )  # fmt: skip
        archive = Archive(record, self.sign(record.digest()), self.now(), self.actor, None)
        connection.execute(query("archive_pass_webhooks"), bounds)
        _insert(connection, archive)
        # What was true before the file was written may not be any more. While the journal is locked nobody posts, nor
        # closes or opens a period: little is asked then.
        moment = connection.execute(query("archive_moment"), bounds).fetchone()
        obstacles = _obstacles(connection, part, before, last)
        if reversed_entries(connection, bounds) != proved.reversed:
            obstacles.append("entries of it were taken back meanwhile: archive again")
        if obstacles:
            raise ArchiveRefusedError(f"entries {first} to {last}", "; ".join(obstacles))
        lock_journal(connection)
        if connection.execute(query("archive_moment"), bounds).fetchone() != moment:
            raise ArchiveRefusedError(
                f"entries {first} to {last}", "something about them changed just now: archive again"
            )
        drop_part(connection, table)
        return archive

    def restore(self, path: Path) -> Archive:
        """Put the newest archive's entries back from its file; return it as it stood.

        Raises:
            ArchiveRefusedError: the file does not prove, or is not that of the newest archive.
            OSError: it cannot be read.
            psycopg.Error: the database cannot be used.
        """
        with _connect(self.url) as connection:
            standing = standing_archives(connection)
            if not standing:
                raise ArchiveRefusedError("the journal", "nothing is archived")
            archive = standing[-1]
            proved = prove_archive(path, self.verify, progress=self.progress)
            if proved.file_sha256 != archive.record.file_sha256:
                raise ArchiveRefusedError(
                    f"file {path}",
                    f"only the newest archive is restored, {archive.record.file_name} with SHA-256 "
                    f"{archive.record.file_sha256.hex()}; this is {proved.file_sha256.hex()}",
                )
            state = standing[-2].record.state_sha256 if len(standing) > 1 else hashlib.sha256().digest()
            with connection.transaction():
                self._put_back(connection, archive, proved, state)
        return archive

    def _put_back(
        self, connection: psycopg.Connection[Any], archive: Archive, proved: ProvedArchive, state: bytes
    ) -> None:
        first, last = proved.first_seq, proved.last_seq
        table = f"entry_{first}"
        keep_schema(connection)
        connection.execute(
            sql.SQL("CREATE TABLE ledger.{} (LIKE ledger.entry_form INCLUDING DEFAULTS INCLUDING CONSTRAINTS)").format(
                sql.Identifier(table)
            )
        )
        _copy_back(connection, proved.path, table)
        with resting(connection, _KEPT):
            connection.execute(b"DELETE FROM ledger.past_key WHERE seq BETWEEN %s AND %s", (first, last))
            _restore_state(connection, proved)
        if state_digest(connection) != state:
            raise ArchiveRefusedError(f"file {proved.path}", "the books do not stand as it leaves them: verify them")
        connection.execute(
            b"UPDATE ledger.archive SET restored_at = %s WHERE number = %s", (self.now(), archive.record.number)
        )
        lock_journal(connection)
        connection.execute(b"SELECT ledger.join_partition(%s, %s, %s)", (table, first, last))
        connection.execute(
            b"UPDATE ledger.partition SET greatest_key = %s WHERE first_seq = %s", (proved.greatest_key, first)
        )


@contextmanager
def _connect(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Yield a connection; nobody else archives or restores meanwhile."""
    with psycopg.connect(url, autocommit=True, options=OPTIONS) as connection:
        row = connection.execute(b"SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
        if row != (True,):
            raise ArchiveRefusedError("the journal", "somebody else archives or restores: wait until that is done")
        try:
            yield connection
        finally:
            with suppress(psycopg.Error):
                connection.execute(b"SELECT pg_advisory_unlock(%s)", (_LOCK,))


def _obstacles(
    connection: psycopg.Connection[Any], part: tuple[Any, ...] | None, before: datetime, proved_seq: int
) -> list[str]:
    """Return why a partition may not go; empty where it may, or where there is none."""
    if part is None:
        return []
    given = {"first": part[0], "last": part[1], "before": before, "proved": proved_seq}
    return [row[0] for row in connection.execute(query("archive_obstacles"), given)]


def _keep_state(connection: psycopg.Connection[Any], proved: ProvedArchive) -> None:
    """Move accounts and holds on to where the archived entries leave them."""
    rows = [(account, known.total, known.seq, known.posting_count) for account, known in sorted(proved.closing.items())]
    _replace(connection, "account_opening", "account_id", COLUMNS["account_opening"], rows)
    held = connection.execute(
        b"SELECT id, captured, entry_seq, state <> 1 FROM ledger.hold WHERE id = ANY (%s)", (list(proved.captured),)
    ).fetchall()
    going_on = []
    for hold, captured, entry_seq, ended in held:
        known = proved.captured[hold]
        if entry_seq is not None and entry_seq > proved.last_seq:
            going_on.append((hold, known.total, known.seq))
        elif not ended or (captured, entry_seq) != known:
            raise ArchiveRefusedError(f"hold {hold}", "its captures are not those of its entries: verify the books")
    connection.execute(b"DELETE FROM ledger.hold_opening WHERE hold_id = ANY (%s)", (list(proved.captured),))
    _replace(connection, "hold_opening", "hold_id", COLUMNS["hold_opening"], going_on)


def _restore_state(connection: psycopg.Connection[Any], proved: ProvedArchive) -> None:
    """Put accounts and holds back to where they stood before the archived entries."""
    connection.execute(b"DELETE FROM ledger.account_opening WHERE account_id = ANY (%s)", (list(proved.closing),))
    rows = [(account, known.total, known.seq, known.posting_count) for account, known in proved.opening.items()]
    _replace(connection, "account_opening", "account_id", COLUMNS["account_opening"], rows)
    connection.execute(b"DELETE FROM ledger.hold_opening WHERE hold_id = ANY (%s)", (list(proved.captured),))
    holds = [(hold, *known) for hold, known in proved.opening_holds.items()]
    _replace(connection, "hold_opening", "hold_id", COLUMNS["hold_opening"], holds)


def _replace(
    connection: psycopg.Connection[Any], table: str, key: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Store rows, in the place of those with the same keys."""
    if not rows:
        return
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    given = {"table": sql.Identifier("ledger", table), "columns": names, "key": sql.Identifier(key)}
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE TEMPORARY TABLE replacing (LIKE {table}) ON COMMIT DROP").format(**given))
        with cursor.copy(sql.SQL("COPY replacing ({columns}) FROM STDIN").format(**given)) as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(
            sql.SQL("DELETE FROM {table} USING replacing WHERE replacing.{key} = {table}.{key}").format(**given)
        )
        cursor.execute(
            sql.SQL("INSERT INTO {table} ({columns}) SELECT {columns} FROM replacing ORDER BY {key}").format(**given)
        )
        cursor.execute(b"DROP TABLE replacing")


def _insert(connection: psycopg.Connection[Any], archive: Archive) -> None:
    record = archive.record
    facts = {name: getattr(record, name) for name in record.__dataclass_fields__}
    more = {"signature": archive.signature, "archived_at": archive.archived_at, "actor": archive.actor}
    connection.execute(query("archive_insert"), facts | more)


def _copy_back(connection: psycopg.Connection[Any], path: Path, table: str) -> None:
    """Store entries and texts of a file."""
    lines = ArchiveLines(path)
    for name, rows in _groups(lines):
        target = table if name == ENTRY else name
        if name != ENTRY and name not in ("description", "metadata"):
            for _ in rows:
                pass
            continue
        columns = sql.SQL(", ").join(map(sql.Identifier, lines.header.tables[name]))
        statement = sql.SQL("COPY ledger.{} ({}) FROM STDIN").format(sql.Identifier(target), columns)
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)


def _groups(lines: ArchiveLines) -> Iterator[tuple[str, Iterator[list[str | None]]]]:
    """Yield rows of one table that follow one another; batches stand between entries and are left out."""
    told = ((name, row) for name, row in lines if name != "batch")
    pending = next(told, None)

    def of(name: str) -> Iterator[list[str | None]]:
        nonlocal pending
        while pending is not None and pending[0] == name:
            yield pending[1]
            pending = next(told, None)

    while pending is not None:
        yield pending[0], of(pending[0])
