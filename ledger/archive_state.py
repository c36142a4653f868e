"""What archives leave in the books: their records, the keys kept, where accounts and holds stood."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from ledger.archive_record import KEY_COLUMNS, ArchiveRecord
from ledger.queries import query
from ledger.ranges import Finding
from ledger.signed import Verify

LEAVES_READ = 20_000

_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, KEY_COLUMNS))


@dataclass(frozen=True, slots=True)
class Archive:
    """One archive of these books.

    Args:
        signature: the posting engine's, over the record.
        restored_at: when its entries came back; None while they are archived.
    """

    record: ArchiveRecord
    signature: bytes
    archived_at: datetime
    actor: str
    restored_at: datetime | None

    @property
    def subject(self) -> str:
        """How findings and errors name it."""
        return f"archive of entries {self.record.first_seq} to {self.record.last_seq}"


def list_archives(connection: psycopg.Connection[Any]) -> list[Archive]:
    """Return every archive ever made, oldest first, those restored since included."""
    found = []
    for row in connection.execute(query("archives")):
        record = ArchiveRecord(*row[:8], *map(bytes, row[8:11]))
        found.append(Archive(record, bytes(row[11]), *row[12:]))
    return found


def standing_archives(connection: psycopg.Connection[Any]) -> list[Archive]:
    """Return the archives that hold entries now, in the order of their entries."""
    return sorted(
        (archive for archive in list_archives(connection) if archive.restored_at is None),
        key=lambda archive: archive.record.first_seq,
    )


def keys_digest(connection: psycopg.Connection[Any], first_seq: int, last_seq: int) -> bytes:
    """Return the digest of what is kept of a range of archived entries."""
    of_range = sql.SQL("SELECT {columns} FROM ledger.past_key WHERE seq BETWEEN {first} AND {last} ORDER BY seq")
    return _digest(connection, of_range.format(columns=_COLUMNS, first=first_seq, last=last_seq))


def state_digest(connection: psycopg.Connection[Any]) -> bytes:
    """Return the digest of where accounts and holds stood at the border."""
    accounts = "SELECT account_id, balance, last_seq, posting_count FROM ledger.account_opening ORDER BY account_id"
    holds = "SELECT hold_id, captured, entry_seq FROM ledger.hold_opening ORDER BY hold_id"
    return _digest(connection, sql.SQL(accounts), sql.SQL(holds))


def _digest(connection: psycopg.Connection[Any], *selects: sql.Composable) -> bytes:
    digest = hashlib.sha256()
    with connection.cursor() as cursor:
        for select in selects:
            with cursor.copy(sql.SQL("COPY ({}) TO STDOUT").format(select)) as copy:
                for data in copy:
                    digest.update(data)
    return digest.digest()


def keep_keys(connection: psycopg.Connection[Any], bounds: Mapping[str, int]) -> None:
    """Keep what must stay of entries from ``first`` to ``last``, which are about to go."""
    statement = sql.SQL(
        "INSERT INTO ledger.past_key ({columns}) SELECT {columns} FROM ledger.entry"
        " WHERE seq BETWEEN %(first)s AND %(last)s ORDER BY seq"
    )
    connection.execute(statement.format(columns=_COLUMNS), bounds)


def kept_leaves(connection: psycopg.Connection[Any], last_seq: int) -> Iterator[list[bytes]]:
    """Yield the leaves kept of entries up to one, in order, some at a time."""
    for first in range(1, last_seq + 1, LEAVES_READ):
        rows = connection.execute(query("kept_leaves"), (first, min(first + LEAVES_READ - 1, last_seq)))
        yield [bytes(leaf) for _, leaf in rows]


def check_archives(
    connection: psycopg.Connection[Any], archives: list[Archive], verify: Verify | None
) -> Iterator[Finding]:
    """Yield what is wrong with what archives left in the books.

    Args:
        archives: those that stand.
        verify: whether a signature is the posting engine's; None leaves signatures unchecked.
    """
    after = 0
    for archive in archives:
        record, subject = archive.record, archive.subject
        if record.first_seq != after + 1:
            yield Finding(
                record.first_seq, subject, f"does not follow the one before it, which ends with entry {after}"
            )
        after = record.last_seq
        if verify is not None and not verify(record.digest(), archive.signature):
            yield Finding(record.first_seq, subject, "its record is not what the posting engine signed")
        if keys_digest(connection, record.first_seq, record.last_seq) != record.keys_sha256:
            yield Finding(record.first_seq, subject, "keys, leaves or settlements kept of its entries were changed")
    state = archives[-1].record.state_sha256 if archives else hashlib.sha256().digest()
    if state_digest(connection) != state:
        yield Finding(after, f"border after entry {after}", "where accounts or holds stood there was changed")
    row = connection.execute(
        b"SELECT count(*) FROM ledger.past_key WHERE seq NOT BETWEEN 1 AND %s", (after,)
    ).fetchone()
    if row != (0,):
        yield Finding(after, f"border after entry {after}", "keys are kept of entries that are not archived")
