"""What sealer and anchorer ask of the books: rows in sequence order that signed batches cover, and their sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Sealable:
    """The next rows that may enter the log."""

    leaves: Sequence[bytes]
    """Leaf hashes of the rows from the one asked for, without a gap, each covered by a valid batch signature."""
    stalled: str = ""
    """Why the row after them may not enter, naming it; empty when it may, or when there is none."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a range of entries, in minor units of one asset."""

    debits: int
    credits: int


class LeafSource(Protocol):
    """The books as the sealer and the anchorer see them. Calls block."""

    def posted_seq(self) -> int:
        """Return the sequence number of the newest row, 0 for none."""
        ...

    def sealable(self, from_seq: int, limit: int) -> Sealable:
        """Return verified rows from ``from_seq`` on, at most about ``limit`` of them."""
        ...

    def posted_at(self, from_seq: int, to_seq: int) -> list[datetime]:
        """Return when the rows of ``[from_seq, to_seq]`` were posted, in order."""
        ...

    def control_totals(self, from_seq: int, to_seq: int) -> Mapping[str, Totals]:
        """Return for each asset the sums over the rows of ``[from_seq, to_seq]``."""
        ...
