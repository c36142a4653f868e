"""The books as the log sees them: stored leaves under signed batches, leaves recomputed from rows, single disclosures.

Rules:
- A row may be sealed only if its stored leaf stands in a batch whose digest and signature hold.
- A recomputed leaf is built from the row's columns as they stand now, never from the stored leaf: that is what shows a
  row that was changed by hand.

Reads only, through the books' tables; writing them is ``ledger``'s alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from ledger.account import Side
from ledger.canonical import CanonicalEntry, CanonicalPosting, batch_digest, encode_entry, leaf_hash
from ledger.journal import Outcome, microseconds
from node.anchor.database import Connection, Database, run
from node.anchor.errors import SealError
from node.anchor.leaf_source import Sealable, Totals

_BATCHES_READ = 2_000
RECOMPUTE_COUNT = 2_000
"""Rows recomputed at a time."""


@dataclass(frozen=True, slots=True)
class RecomputedRow:
    """One row of the books as it stands now."""

    seq: int
    leaf: bytes
    covered: bool
    """Whether a batch signed by the posting engine covers its number."""


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What proves one entry to someone else."""

    seq: int
    salt: bytes
    canonical: bytes
    leaf: bytes
    decision_id: bytes
    posted_at: datetime


class _Batch(NamedTuple):
    first_seq: int
    last_seq: int
    digest: bytes
    signature: bytes


class Books:
    """The organization's books, read only.

    Args:
        database: connections to the organization's database.
        writer_key: public half of the posting engine's Ed25519 key, 32 bytes.
    """

    def __init__(self, database: Database, writer_key: bytes) -> None:
        self._database = database
        self._writer_key = VerifyKey(writer_key)

    def posted_seq(self) -> int:
        """Return the number of the newest row, 0 for none."""
        return int(self._database.fetch("posted_seq")[0][0])

    def sealable(self, from_seq: int, limit: int) -> Sealable:
        """Return rows from ``from_seq`` on whose batches hold, whole batches only, at least one if there is one."""
        # The newest row is read first: whatever is seen here has its batch in what is read next.
        newest = self.posted_seq()
        batches = self._batches(from_seq, limit)
        if not batches:
            return Sealable((), _uncovered(from_seq) if newest >= from_seq else "")
        rows = self._database.fetch("stored_leaves", (from_seq, batches[-1].last_seq))
        stored = {seq: bytes(leaf) for seq, leaf in rows}
        leaves: list[bytes] = []
        for batch in batches:
            try:
                leaves += self._covered_leaves(batch, from_seq + len(leaves), stored)
            except SealError as error:
                return Sealable(leaves, str(error))
        return Sealable(leaves)

    def posted_at(self, from_seq: int, to_seq: int) -> list[datetime]:
        """Return when the rows of ``[from_seq, to_seq]`` were posted, in order."""
        return [row[0] for row in self._database.fetch("posted_at", (from_seq, to_seq))]

    def control_totals(self, from_seq: int, to_seq: int) -> Mapping[str, Totals]:
        """Return for each asset the sums of debits and credits over the rows of ``[from_seq, to_seq]``."""
        rows = self._database.fetch("control_totals", (from_seq, to_seq))
        return {asset: Totals(int(debits), int(credits_)) for asset, debits, credits_ in rows}

    def decision_leaves(self, from_seq: int, to_seq: int) -> list[bytes]:
        """Return the decision leaves of the rows of ``[from_seq, to_seq]``, in order."""
        return [bytes(row[0]) for row in self._database.fetch("decision_leaves", (from_seq, to_seq))]

    def seqs_of_decisions(self, decision_ids: Sequence[bytes]) -> dict[bytes, int]:
        """Return the numbers of the entries that these decisions were made for."""
        rows = self._database.fetch("seqs_of_decisions", ([UUID(bytes=number) for number in decision_ids],))
        return {decision_id.bytes: seq for decision_id, seq in rows}

    def recompute(self, first: int, last: int) -> list[RecomputedRow]:
        """Return every row of ``[first, last]`` that stands in the books, in order, with its leaf as of now."""
        with self._database.transaction() as connection:
            rows = run(connection, "entry_rows", (first, last))
            names = _names(connection, rows)
            batches = [_Batch(*row) for row in run(connection, "batches_in", (last, first))]
        covered = self._signed_numbers(batches, first, last)
        return [RecomputedRow(row[0], _leaf_now(row, names), row[0] in covered) for row in rows]

    def disclose(self, seq: int) -> Disclosure:
        """Return what proves one row, from its columns as they stand now.

        Raises:
            SealError: there is no such row, or it no longer gives the leaf that was posted.
        """
        with self._database.transaction() as connection:
            rows = run(connection, "entry_rows", (seq, seq))
            if not rows:
                raise SealError(f"entry {seq} does not stand in the books")
            entry, salt, stored = _read_entry(rows[0], _names(connection, rows))
        canonical = encode_entry(entry)
        leaf = leaf_hash(salt, canonical)
        if leaf != stored:
            raise SealError(f"entry {seq} no longer reads as it was posted: audit the books before disclosing it")
        return Disclosure(seq, salt, canonical, leaf, entry.decision_id, rows[0][2])

    def _signed_numbers(self, batches: Sequence[_Batch], first: int, last: int) -> set[int]:
        """Return the numbers that some validly signed batch names, whatever became of the rows since."""
        signed: set[int] = set()
        for batch in batches:
            if self._is_signed(batch):
                signed.update(range(max(first, batch.first_seq), min(last, batch.last_seq) + 1))
        return signed

    def _batches(self, from_seq: int, limit: int) -> list[_Batch]:
        found: list[_Batch] = []
        for row in self._database.fetch("batches_from", (from_seq, _BATCHES_READ)):
            batch = _Batch(row[0], row[1], bytes(row[2]), bytes(row[3]))
            if found and batch.last_seq - from_seq >= limit:
                break
            found.append(batch)
        return found

    def _covered_leaves(self, batch: _Batch, expected: int, stored: Mapping[int, bytes]) -> list[bytes]:
        if batch.first_seq != expected:
            raise SealError(_uncovered(expected))
        leaves = []
        for seq in range(batch.first_seq, batch.last_seq + 1):
            if seq not in stored:
                raise SealError(f"entry {seq} is missing from the books, though the posting engine signed for it")
            leaves.append(stored[seq])
        digest = batch_digest(batch.first_seq, batch.last_seq, b"".join(leaves))
        if digest != batch.digest or not self._is_signed(batch):
            raise SealError(
                f"entries {batch.first_seq} to {batch.last_seq} are not what the posting engine signed: audit the books"
            )
        return leaves

    def _is_signed(self, batch: _Batch) -> bool:
        try:
            self._writer_key.verify(bytes(batch.digest), bytes(batch.signature))
        except (BadSignatureError, ValueError):
            return False
        return True


async def recompute_all(books: Books, from_seq: int, to_seq: int) -> AsyncIterator[list[RecomputedRow]]:
    """Give every row of ``[from_seq, to_seq]``, in order, some thousand at a time; ``to_seq`` 0 is the newest."""
    last = to_seq or await asyncio.to_thread(books.posted_seq)
    for first in range(from_seq, last + 1, RECOMPUTE_COUNT):
        yield await asyncio.to_thread(books.recompute, first, min(first + RECOMPUTE_COUNT - 1, last))


class _Names(NamedTuple):
    """What the rows refer to by number."""

    accounts: Mapping[int, str]
    assets: Mapping[int, tuple[str, int]]


def _uncovered(seq: int) -> str:
    return f"entry {seq} stands in the books, but no batch signed by the posting engine covers it: audit the books"


def _names(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> _Names:
    accounts = sorted({account for row in rows for account in row[5]})
    references = dict(run(connection, "account_references", (accounts,)))
    assets = {number: (code, scale) for number, code, scale in run(connection, "assets")}
    return _Names(references, assets)


def _leaf_now(row: tuple[Any, ...], names: _Names) -> bytes:
    """Return the leaf of a row as it stands; a row that has no canonical form gives a leaf that matches nothing."""
    try:
        entry, salt, _ = _read_entry(row, names)
        return leaf_hash(salt, encode_entry(entry))
    except (KeyError, ValueError, OverflowError):
        return bytes(32)


def _read_entry(row: tuple[Any, ...], names: _Names) -> tuple[CanonicalEntry, bytes, bytes]:
    """Return entry, salt and stored leaf of a row of ``entry_rows``."""
    seq, key, posted_at, effective_at, settlement_id, accounts, assets, amounts, commitment = row[:9]
    decision_id, outcome, decision_leaf, salt, leaf = row[9:]
    postings = tuple(
        CanonicalPosting(
            names.accounts[account], *names.assets[asset], Side.DEBIT if amount > 0 else Side.CREDIT, abs(amount)
        )
        for account, asset, amount in zip(accounts, assets, amounts, strict=True)
    )
    entry = CanonicalEntry(
        seq=seq,
        key=key,
        posted_at_us=microseconds(posted_at),
        effective_at_us=microseconds(effective_at),
        postings=postings,
        settlement_id=settlement_id or "",
        description_commitment=bytes(commitment or b""),
        decision_id=decision_id.bytes,
        outcome=Outcome(outcome),
        decision_leaf=bytes(decision_leaf),
    )
    return entry, bytes(salt), bytes(leaf)
