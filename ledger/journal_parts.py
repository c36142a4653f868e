"""The parts of the journal: its partitions, and the archives of those that left (docs/adr/0016-partitions.md).

Who changes them holds the journal's lock, which nobody else waits for longer than a moment.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from ledger.errors import ArchiveRefusedError, InvalidValueError
from ledger.queries import query
from ledger.schema import keep_schema

LOCK_MS, LOCK_TRIES = 300, 200
"""The journal is locked for a moment only, and nobody waits longer than this behind one who waits for it."""


@dataclass(frozen=True, slots=True)
class JournalPart:
    """A part of the journal.

    Args:
        state: ``"archived"``; ``"full"``, ``"open"`` for new entries, or made ``"ahead"`` of them.
        size: bytes of the file, or of the table with its indexes.
        name: of the file or the table.
        sha256: of the file; None for a table.
        until: no entry of an archived part was posted later or counts for a later time; of any other, when its newest
            entry was posted; None where it has none.
    """

    first_seq: int
    last_seq: int
    state: str
    size: int
    name: str
    sha256: bytes | None
    until: datetime | None


def list_parts(connection: psycopg.Connection[Any]) -> list[JournalPart]:
    """Return all parts of the journal, oldest first."""
    rows = connection.execute(query("partitions_listed"))
    return [JournalPart(*row) for row in rows]


def set_partition_entries(connection: psycopg.Connection[Any], entries: int) -> None:
    """Say how many numbers each partition takes that is made from now on.

    Raises:
        InvalidValueError: none, or more than a journal can have.
    """
    if not 0 < entries < 2**62:
        raise InvalidValueError("entries", entries, "give 1 or more")
    connection.execute(b"UPDATE ledger.partition_size SET entries = %s", (entries,))


def end_part(connection: psycopg.Connection[Any]) -> int:
    """Let the open partition end with the newest entry, so that what comes belongs to the next one; return that number.

    Postings wait meanwhile, for as long as it takes to read the partition once. Nothing happens where it is empty.

    Raises:
        ArchiveRefusedError: somebody reads the journal all the time.
        psycopg.Error: the database cannot be used.
    """
    with connection.transaction():
        keep_schema(connection)
        lock_journal(connection)
        row = connection.execute(b"SELECT next_seq - 1 FROM ledger.head").fetchone()
        assert row is not None
        newest = int(row[0])
        parts = list_parts(connection)
        open_part = next((part for part in parts if part.state == "open"), None)
        if open_part is None:
            return newest
        for part in parts:
            if part.state == "ahead":
                drop_part(connection, part.name)
        name, first = sql.Identifier("ledger", open_part.name), sql.Literal(open_part.first_seq)
        connection.execute(sql.SQL("ALTER TABLE ledger.entry DETACH PARTITION {}").format(name))
        attach = "ALTER TABLE ledger.entry ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})"
        connection.execute(sql.SQL(attach).format(name, first, sql.Literal(newest + 1)))
        with resting(connection, ("partition",)):
            connection.execute(
                b"UPDATE ledger.partition SET last_seq = %s WHERE table_name = %s", (newest, open_part.name)
            )
        connection.execute(b"SELECT ledger.make_partitions(%s)", (newest + 1,))
    return newest


@contextmanager
def resting(connection: psycopg.Connection[Any], tables: Sequence[str]) -> Iterator[None]:
    """Let the triggers of tables that keep history rest, in this transaction only."""
    for verb in (sql.SQL("DISABLE"), sql.SQL("ENABLE")):
        for table in tables:
            connection.execute(sql.SQL("ALTER TABLE ledger.{} {} TRIGGER USER").format(sql.Identifier(table), verb))
        if verb == sql.SQL("DISABLE"):
            yield


def lock_journal(connection: psycopg.Connection[Any]) -> None:
    """Lock journal, list of partitions and head until the transaction ends.

    In short tries: whoever waits for a lock on the journal lets all others wait behind him. The partitions that take
    new entries come first. A writer puts its rows there before it reads the journal and locks the head: so he who
    waits here is let in by a commit, and the next writer waits outside, holding nothing that is wanted.

    Raises:
        ArchiveRefusedError: somebody reads the journal all the time.
    """
    for _ in range(LOCK_TRIES):
        try:
            with connection.transaction():
                connection.execute(f"SET LOCAL lock_timeout = {LOCK_MS}".encode())
                # Asked for at each try: postings go on meanwhile, and into the next partition.
                for (name,) in connection.execute(query("partitions_taking")).fetchall():
                    table = sql.Identifier("ledger", name)
                    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(table))
                connection.execute(b"LOCK TABLE ledger.entry IN ACCESS EXCLUSIVE MODE")
                connection.execute(b"LOCK TABLE ledger.partition IN SHARE ROW EXCLUSIVE MODE NOWAIT")
                connection.execute(b"SELECT FROM ledger.head FOR UPDATE NOWAIT")
            return
        except psycopg.errors.LockNotAvailable:
            time.sleep(LOCK_MS / 1000)
    raise ArchiveRefusedError("the journal", "it is read without a pause: try again when long reports are done")


def drop_part(connection: psycopg.Connection[Any], table: str) -> None:
    """Take a partition out of the journal, with its entries; the journal is locked."""
    name = sql.Identifier("ledger", table)
    connection.execute(sql.SQL("ALTER TABLE ledger.entry DETACH PARTITION {}").format(name))
    connection.execute(sql.SQL("DROP TABLE {}").format(name))
    with resting(connection, ("partition",)):
        connection.execute(b"DELETE FROM ledger.partition WHERE table_name = %s", (table,))
