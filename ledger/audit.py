"""Proves the books to a doubter: recomputes every leaf and every balance from the rows as they stand now. Reads only.

Rules:
- an entry is *covered* when a batch signed by the writer holds exactly the leaves that stand in the rows;
- every row is told, whatever an administrator made of it: unreadable, numbered below 1 or far ahead, or one of several
  under a number;
- findings name the entry, refusal or account and say what is wrong; sound books give none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import psycopg

from ledger.archived import archived_seq
from ledger.canonical import LEAF_BYTES
from ledger.errors import DamagedRowError
from ledger.queries import query
from ledger.ranges import FINDINGS_MAX, Finding, prove_ranges
from ledger.refusal_chain import carried_heads
from ledger.rows import SEQ_MAX, SEQ_MIN, AccountNames, EntryRow, read_accounts, read_rows, recompute_leaf
from ledger.signed import Verify, covered_ranges, ranges_across

__all__ = ["FINDINGS_MAX", "Finding", "KeptWalk", "RecomputedLeaf", "RowWalk", "recompute_leaves", "verify_books"]

ROWS_READ = 2_000

NO_LEAF = bytes(LEAF_BYTES)
"""Leaf of what is no entry: no honest leaf is all zeros."""


@dataclass(frozen=True, slots=True)
class RecomputedLeaf:
    """A leaf recomputed for the audit.

    Args:
        seq: the row's number; 0 for rows that have none.
        leaf: from the row as it stands now; ``NO_LEAF`` where it cannot be an entry, or several rows have this number.
        covered: a batch that holds names this number.
        unchanged: the recomputed leaf equals the stored one.
        archived: the row is in a file of the archive: its leaf is the one that was kept, not recomputed.
    """

    seq: int
    leaf: bytes
    covered: bool
    unchanged: bool
    archived: bool = False


class RowWalk:
    """Goes through the rows of the books in ascending order of number, some thousand at a time; memory stays bounded.

    Args:
        verify: whether a signature (second) over a digest (first) is the writer's.
        from_seq: first number wanted; anything below 1 is told too if it is in the range.
        to_seq: last number wanted.
    """

    def __init__(self, verify: Verify, from_seq: int = 1, to_seq: int = SEQ_MAX) -> None:
        self._verify = verify
        self._next = from_seq
        self._last = to_seq
        self._unnumbered = from_seq < 1
        self._covered: list[range] | None = None

    def page(self, connection: psycopg.Connection[Any]) -> list[RecomputedLeaf]:
        """Return the next rows; none when all were told."""
        if self._next > self._last:
            return []
        if self._covered is None:
            # The first row that stands may be in a batch that began before it: here, or in what is archived.
            first = max(self._next, archived_seq(connection) + 1)
            self._covered = ranges_across(connection, self._verify, first) if first > 1 else []
        rows = _with_refusals(connection, self._read(connection))
        accounts = read_accounts(connection, rows)
        groups = {seq: list(group) for seq, group in groupby(rows, key=lambda row: row.seq)}
        stored = {seq: bytes(group[0].leaf or b"") for seq, group in groups.items() if len(group) == 1}
        if rows:
            self._covered += covered_ranges(connection, self._verify, stored, rows[-1].seq)
            self._covered = [numbers for numbers in self._covered if numbers.stop > rows[0].seq]
        covered = {seq for numbers in self._covered for seq in numbers}
        found = [_recompute(seq, group, accounts, seq in covered) for seq, group in groups.items()]
        return self._with_unnumbered(connection, found)

    def _read(self, connection: psycopg.Connection[Any]) -> list[EntryRow]:
        """Return rows whose number none of the rows after them has."""
        rows = read_rows(connection, self._next, self._last, ROWS_READ)
        if len(rows) < ROWS_READ:
            self._next = self._last + 1
            return rows
        last = rows[-1].seq
        if rows[0].seq == last:
            # So many rows under one number that no page holds them: these are enough to tell it.
            self._next = last + 1
            return rows
        self._next = last
        return [row for row in rows if row.seq != last]

    def _with_unnumbered(
        self, connection: psycopg.Connection[Any], found: list[RecomputedLeaf]
    ) -> list[RecomputedLeaf]:
        """Return the page with number 0 in its place if there are rows without a number."""
        if not self._unnumbered or (found and found[-1].seq < 0 and self._next <= self._last):
            return found
        self._unnumbered = False
        answer = connection.execute(query("has_unnumbered")).fetchone()
        if answer is None or not answer[0]:
            return found
        below = [leaf for leaf in found if leaf.seq < 0]
        above = [leaf for leaf in found if leaf.seq > 0]
        return [*below, RecomputedLeaf(0, NO_LEAF, False, False), *above]


class KeptWalk:
    """Goes through what is kept of archived entries, in ascending order of number, as ``RowWalk`` does through rows.

    Args:
        verify: whether a signature (second) over a digest (first) is the writer's.
        from_seq: first number wanted.
        to_seq: last number wanted, as far as entries are archived.
    """

    def __init__(self, verify: Verify, from_seq: int = 1, to_seq: int = SEQ_MAX) -> None:
        self._verify = verify
        self._next = max(from_seq, 1)
        self._last = to_seq
        self._covered: list[range] | None = None

    def page(self, connection: psycopg.Connection[Any]) -> list[RecomputedLeaf]:
        """Return the next ones; none when all were told."""
        if self._covered is None:
            self._last = min(self._last, archived_seq(connection))
            self._covered = ranges_across(connection, self._verify, self._next) if self._next > 1 else []
        stored: dict[int, bytes] = {}
        while not stored and self._next <= self._last:
            last = min(self._next + ROWS_READ - 1, self._last)
            rows = connection.execute(query("kept_leaves"), (self._next, last))
            stored = {seq: bytes(leaf) for seq, leaf in rows}
            self._next = last + 1
        self._covered += covered_ranges(connection, self._verify, stored, self._next - 1) if stored else []
        self._covered = [numbers for numbers in self._covered if numbers.stop > min(stored, default=0)]
        covered = {seq for numbers in self._covered for seq in numbers}
        return [RecomputedLeaf(seq, leaf, seq in covered, True, archived=True) for seq, leaf in stored.items()]


def _with_refusals(connection: psycopg.Connection[Any], rows: list[EntryRow]) -> list[EntryRow]:
    """Let entries that bind refusals bind those that stand now, whatever their rows say."""
    carriers = [row.seq for row in rows if row.refusals is not None and row.seq > SEQ_MIN]
    heads = carried_heads(connection, carriers)
    return [row if row.refusals is None else row._replace(refusals=heads.get(row.seq, b"")) for row in rows]


def _recompute(seq: int, rows: list[EntryRow], accounts: Mapping[int, AccountNames], covered: bool) -> RecomputedLeaf:
    if len(rows) > 1:
        return RecomputedLeaf(seq, NO_LEAF, False, False)
    try:
        _, leaf = recompute_leaf(rows[0], accounts)
    except DamagedRowError:
        return RecomputedLeaf(seq, NO_LEAF, covered, False)
    return RecomputedLeaf(seq, leaf, covered, leaf == bytes(rows[0].leaf or b""))


def recompute_leaves(
    connection: psycopg.Connection[Any], verify: Verify, *, from_seq: int = 1, to_seq: int = SEQ_MAX
) -> Iterator[RecomputedLeaf]:
    """Yield the leaf of every row as it stands now, in order; see ``RowWalk``."""
    walk = RowWalk(verify, from_seq, to_seq)
    while page := walk.page(connection):
        yield from page


def verify_books(connection: psycopg.Connection[Any], verify: Verify | None = None) -> list[Finding]:
    """Re-prove sequence, balance rule, running balances, chains, holds, account totals and the chain of refusals.

    Reads the books as they stand at one moment; the entries' signatures and leaves are ``ledger.verify``'s.

    Args:
        connection: outside a transaction.
        verify: whether a signature is the writer's; None leaves those of refusals unchecked.
    Returns:
        What is wrong, in the order of entries, then accounts; empty for sound books.
    """
    with connection.transaction():
        connection.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return prove_ranges(connection, verify)
