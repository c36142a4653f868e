"""The own books as log and audit ask for them: ``ledger``'s readings on pooled connections, with the writer's key.

Reads only. What is read, and how a row that someone changed is told, is ``ledger``'s (``rows``, ``signed``, ``audit``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from ledger import figures
from ledger.archive_state import Archive, standing_archives
from ledger.audit import Finding, KeptWalk, RecomputedLeaf, RowWalk, verify_books
from ledger.balances import find_account
from ledger.errors import ArchivedError, DamagedRowError, NotFoundError
from ledger.queries import query
from ledger.rows import SEQ_MIN, Disclosure, disclose, disclose_range
from ledger.signed import signed_leaves
from node.anchor.database import Database
from node.anchor.errors import InArchiveError, SealError
from node.anchor.leaf_source import Sealable, Totals


@dataclass(frozen=True, slots=True)
class ArchivedEntries:
    """Entries that left the database for a file."""

    first_seq: int
    last_seq: int
    file_name: str
    file_sha256: bytes
    archived_at: datetime


class Books:
    """The organization's books, read only. Calls block.

    Args:
        database: connections to the organization's database.
        writer_key: public half of the posting engine's Ed25519 key, 32 bytes.
    """

    def __init__(self, database: Database, writer_key: bytes) -> None:
        self._database = database
        self._writer_key = VerifyKey(writer_key)

    def posted_seq(self) -> int:
        """Return the number of the newest row, 0 for none."""
        with self._database.transaction() as connection:
            return figures.newest_seq(connection)

    def sealable(self, from_seq: int, limit: int) -> Sealable:
        """Return rows from ``from_seq`` on whose batches hold, whole batches only, at least one if there is one."""
        with self._database.transaction() as connection:
            found = signed_leaves(connection, self._is_signed, from_seq, limit)
        return Sealable(found.leaves, found.problem)

    def posted_at(self, from_seq: int, to_seq: int) -> list[datetime]:
        """Return when the rows of ``[from_seq, to_seq]`` were posted, in order, without times that no clock shows."""
        with self._database.transaction() as connection:
            return figures.posted_times(connection, from_seq, to_seq)

    def control_totals(self, from_seq: int, to_seq: int) -> Mapping[str, Totals]:
        """Return for each asset the sums of debits and credits over the rows of ``[from_seq, to_seq]``."""
        with self._database.transaction() as connection:
            sums = figures.control_totals(connection, from_seq, to_seq)
        return {asset: Totals(debits, credits_) for asset, (debits, credits_) in sums.items()}

    def archives(self) -> list[Archive]:
        """Return the archives that hold entries now, in the order of their entries."""
        with self._database.transaction() as connection:
            return standing_archives(connection)

    def walks(self, from_seq: int, to_seq: int) -> tuple[KeptWalk, RowWalk]:
        """Return a walk over what is kept of archived entries, and one over rows, for :meth:`next_rows`."""
        return KeptWalk(self._is_signed, from_seq, to_seq), RowWalk(self._is_signed, from_seq, to_seq)

    def next_rows(self, walk: KeptWalk | RowWalk) -> list[RecomputedLeaf]:
        """Return the next rows of a walk, with their leaves as of now; none when all were told."""
        with self._database.transaction() as connection:
            return walk.page(connection)

    def verify(self) -> list[Finding]:
        """Re-prove balances, holds and chains from the postings, and the refusals."""
        with self._database.transaction() as connection:
            return verify_books(connection, self._is_signed)

    def disclose(self, seq: int) -> Disclosure:
        """Return what proves one row, from its columns as they stand now.

        Raises:
            SealError: there is no such row, or it no longer gives the leaf that was posted.
            InArchiveError: it is archived.
        """
        try:
            with self._database.transaction() as connection:
                return disclose(connection, seq)
        except ArchivedError as error:
            raise InArchiveError(f"{error}, or give the file: dwaybank proof entry {seq} --archive FILE") from error
        except DamagedRowError as error:
            raise SealError(f"{error}: audit the books before disclosing it") from error

    def description(self, seq: int) -> tuple[bytes, str] | None:
        """Return the salt and the free text of an entry; None where none is kept."""
        with self._database.transaction() as connection:
            row = connection.execute(query("description"), (seq,)).fetchone()
        return (bytes(row[0]), str(row[1])) if row is not None else None

    def disclose_range(self, from_seq: int, to_seq: int) -> list[Disclosure]:
        """Return what proves each row of a range, from its columns as they stand now.

        Raises:
            SealError: a row is not there, or no longer gives the leaf that was posted.
            InArchiveError: one is archived.
        """
        with _telling(), self._database.transaction() as connection:
            return disclose_range(connection, from_seq, to_seq)

    def asset_of(self, account: str) -> str | None:
        """Return the code of an account's asset; None where there is no such account."""
        with self._database.transaction() as connection:
            try:
                return find_account(connection, account).facts.asset.code
            except NotFoundError:
                return None

    def sums_before(self, seq: int, account: str = "") -> Mapping[tuple[str, str], Totals]:
        """Return for each account and asset the sums over the rows before a number; of one account where it is named.

        Raises:
            InArchiveError: some of them are archived.
        """
        with _telling(), self._database.transaction() as connection:
            sums = figures.sums_before(connection, seq, account)
        return {key: Totals(debits, credits_) for key, (debits, credits_) in sums.items()}

    def _is_signed(self, digest: bytes, signature: bytes) -> bool:
        try:
            self._writer_key.verify(digest, signature)
        except (BadSignatureError, ValueError):
            return False
        return True


@contextmanager
def _telling() -> Iterator[None]:
    """Tell what the books' rows do not give, as this room's errors."""
    try:
        yield
    except ArchivedError as error:
        raise InArchiveError(str(error)) from error
    except DamagedRowError as error:
        raise SealError(f"{error}: audit the books before disclosing it") from error


@dataclass(frozen=True, slots=True)
class Recomputed:
    """Some rows of an audit.

    Args:
        rows: in ascending order.
        archived: what is archived; told once, before everything else.
    """

    rows: Sequence[RecomputedLeaf]
    archived: Sequence[ArchivedEntries] = ()


async def recompute_all(books: Books, from_seq: int, to_seq: int) -> AsyncIterator[Recomputed]:
    """Give every row of a range, in ascending order, some thousand at a time, those first that are archived.

    Args:
        from_seq: 0 begins with the very first row, whatever its number.
        to_seq: 0 ends with the row that has the highest number now.
    """
    last = to_seq or await asyncio.to_thread(books.posted_seq)
    archives = await asyncio.to_thread(books.archives)
    if archives:
        yield Recomputed((), [named_archive(archive) for archive in archives])
    for walk in books.walks(from_seq or SEQ_MIN, last):
        while rows := await asyncio.to_thread(books.next_rows, walk):
            yield Recomputed(rows)


def named_archive(archive: Archive) -> ArchivedEntries:
    """Return what others are told of an archive."""
    record = archive.record
    return ArchivedEntries(record.first_seq, record.last_seq, record.file_name, record.file_sha256, archive.archived_at)
