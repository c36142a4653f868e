"""Compares an organization's books, as they stand now, with the log it anchored: names every row that does not fit.

Three things are compared: the row (its leaf recomputed from its columns), the log (leaf hashes this node mirrored when
they were anchored), and the anchored root (the mirror hashes to it, or nothing is said). So

- ``changed``: the row gives another leaf than was anchored;
- ``missing``: a leaf was anchored, but there is no such row any more;
- ``inserted``: a row stands beyond what was anchored, or below number 1, and no batch that the posting engine signed
  holds it.

A row that the engine signed and that is not anchored yet is no finding, unless it changed since. Neither is an entry
that is archived, if an archive names it: then the leaf that was kept of it is compared, and the row is in that
archive's file, for whoever demands it.

Beside the rows, an audit of the own organization tells what follows from them and no longer does (``balance``),
refusals that were changed, lost or put in (``refusal``), and decisions that do not fit their entries (``decision``);
one of another tells what its log served wrongly (``mirror``). There, a refusal that was changed or lost shows as an
entry that was ``changed``: the one that binds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ledger.audit import FINDINGS_MAX, RecomputedLeaf
from ledger.rows import SEQ_MIN
from node.anchor.books import ArchivedEntries, Recomputed
from node.anchor.errors import MirrorError

CHANGED, MISSING, INSERTED = "changed", "missing", "inserted"
BALANCE, REFUSAL, DECISION, MIRROR = "balance", "refusal", "decision", "mirror"


@dataclass(frozen=True, slots=True)
class BookFinding:
    """One row that does not fit the anchored log, or something else that is not as it must be."""

    kind: str
    seq: int
    """The entry; 0 where none is concerned."""
    explanation: str


class Leaves(Protocol):
    """Leaf hashes by log index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> bytes: ...


@dataclass(slots=True)
class BooksAudit:
    """An audit under way: rows come in order, findings come out. Calls may read the log, and block.

    Args:
        leaves: the anchored log's leaf hashes.
    """

    leaves: Leaves
    findings: list[BookFinding] = field(default_factory=list)
    checked: int = 0
    archived: list[ArchivedEntries] = field(default_factory=list)
    _next_seq: int = SEQ_MIN

    def add(self, some: Recomputed) -> None:
        """Compare further rows; they must come in ascending order of number.

        Raises:
            MirrorError: they do not.
        """
        self.archived += some.archived
        for row in some.rows:
            if row.seq < self._next_seq:
                raise MirrorError(f"rows came out of order at entry {row.seq}")
            self._miss_until(row.seq)
            self._next_seq = row.seq + 1
            self._compare(row)

    def finish(self) -> list[BookFinding]:
        """Return all findings once every row was given."""
        self._miss_until(len(self.leaves) + 1)
        return self.findings

    def _compare(self, row: RecomputedLeaf) -> None:
        self.checked += 1
        if row.archived:
            self._compare_kept(row)
        elif 1 <= row.seq <= len(self.leaves):
            if row.leaf != self.leaves[row.seq - 1] or not row.unchanged:
                self._find(CHANGED, row.seq, "the row no longer gives the leaf that was sealed and anchored")
        elif not row.covered or row.seq < 1:
            self._find(INSERTED, row.seq, "the row was never anchored, and no batch the posting engine signed holds it")
        elif not row.unchanged:
            self._find(CHANGED, row.seq, "the row no longer gives the leaf that the posting engine signed")

    def _compare_kept(self, row: RecomputedLeaf) -> None:
        if not any(archive.first_seq <= row.seq <= archive.last_seq for archive in self.archived):
            self._find(MISSING, row.seq, "the entry is said to be archived, and no archive names it")
        elif not 1 <= row.seq <= len(self.leaves):
            self._find(INSERTED, row.seq, "the entry was archived, and never anchored")
        elif row.leaf != self.leaves[row.seq - 1]:
            self._find(CHANGED, row.seq, "the leaf kept of the archived entry is not the one that was anchored")

    def _miss_until(self, seq: int) -> None:
        for absent in range(max(1, self._next_seq), min(seq, len(self.leaves) + 1)):
            self._find(MISSING, absent, "the entry was sealed and anchored, but its row is gone")
        self._next_seq = max(self._next_seq, min(seq, len(self.leaves) + 1))

    def _find(self, kind: str, seq: int, explanation: str) -> None:
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(BookFinding(kind, seq, explanation))


def join_findings(rows: Sequence[BookFinding], others: Iterable[BookFinding]) -> list[BookFinding]:
    """Return findings about rows and then others, leaving out further ones about an entry that is named already."""
    joined = list(rows)
    named = {finding.seq for finding in rows if finding.seq}
    for finding in others:
        if len(joined) < FINDINGS_MAX and finding.seq not in named:
            joined.append(finding)
            named |= {finding.seq} - {0}
    return joined
