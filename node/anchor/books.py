"""The own books as log and audit ask for them: ``ledger``'s readings on pooled connections, with the writer's key.

Reads only. What is read, and how a row that someone changed is told, is ``ledger``'s (``rows``, ``signed``, ``audit``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from ledger import figures
from ledger.audit import Finding, RecomputedLeaf, RowWalk, verify_books
from ledger.errors import DamagedRowError
from ledger.rows import SEQ_MIN, Disclosure, disclose
from ledger.signed import signed_leaves
from node.anchor.database import Database
from node.anchor.errors import SealError
from node.anchor.leaf_source import Sealable, Totals


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

    def decision_leaves(self, from_seq: int, to_seq: int) -> list[bytes]:
        """Return the decision leaves of the rows of ``[from_seq, to_seq]``, in order.

        Raises:
            SealError: a row of them is missing, stands twice, or has no decision leaf.
        """
        try:
            with self._database.transaction() as connection:
                return figures.decision_leaves(connection, from_seq, to_seq)
        except DamagedRowError as error:
            raise SealError(f"{error}: audit the books") from error

    def seqs_of_decisions(self, decision_ids: Sequence[bytes]) -> dict[bytes, int]:
        """Return the numbers of the entries that these decisions were made for."""
        with self._database.transaction() as connection:
            return figures.seqs_of_decisions(connection, decision_ids)

    def walk(self, from_seq: int, to_seq: int) -> RowWalk:
        """Return a walk over the rows of ``[from_seq, to_seq]``, for :meth:`next_rows`."""
        return RowWalk(self._is_signed, from_seq, to_seq)

    def next_rows(self, walk: RowWalk) -> list[RecomputedLeaf]:
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
        """
        try:
            with self._database.transaction() as connection:
                return disclose(connection, seq)
        except DamagedRowError as error:
            raise SealError(f"{error}: audit the books before disclosing it") from error

    def _is_signed(self, digest: bytes, signature: bytes) -> bool:
        try:
            self._writer_key.verify(digest, signature)
        except (BadSignatureError, ValueError):
            return False
        return True


async def recompute_all(books: Books, from_seq: int, to_seq: int) -> AsyncIterator[list[RecomputedLeaf]]:
    """Give every row of a range, in ascending order, some thousand at a time.

    Args:
        from_seq: 0 begins with the very first row, whatever its number.
        to_seq: 0 ends with the row that has the highest number now.
    """
    last = to_seq or await asyncio.to_thread(books.posted_seq)
    walk = books.walk(from_seq or SEQ_MIN, last)
    while rows := await asyncio.to_thread(books.next_rows, walk):
        yield rows
