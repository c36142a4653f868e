"""Entries as columns: read from the requests once, judged together, written together.

A *run* is a stretch of a batch in which each request is a simple entry (``NewEntry.is_simple``): postings, a key and
maybe a time of effect, nothing beside. Its legs are the postings of all its entries one after the other; of two
postings the debit stands first, as the books keep them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, repeat
from typing import cast

import numpy as np
import numpy.typing as npt

from ledger.account import Side
from ledger.account_columns import Numbers
from ledger.journal import NewEntry, microseconds

Flags = npt.NDArray[np.bool_]

RUN_ENTRIES_MIN = 16
"""Fewer entries are judged one by one: arrays would cost more than they save."""

NOT_DATED = -(2**63)
"""In the place of a time that was not told; no time that there is."""


@dataclass(frozen=True, slots=True)
class Legs:
    """Postings of a run of entries.

    Args:
        entries: the entries.
        keys: their idempotency keys.
        counts: number of postings of each.
        starts: place of the first leg of each.
        entry: of each leg, its entry's place in the run.
        row: of each leg, its account's row in the copy of the books; 0 for an unknown one.
        amount: of each leg, minor units, debit above zero.
        credit_first: whether the request named the credit of its two postings first.
        effective_us: when each entry counts for, microseconds since 1970; ``NOT_DATED`` for the moment of its posting.
    """

    entries: Sequence[NewEntry]
    keys: Sequence[int]
    counts: Numbers
    starts: Numbers
    entry: Numbers
    row: Numbers
    amount: Numbers
    credit_first: Flags
    effective_us: Numbers

    @property
    def told(self) -> Flags:
        """Whether the time each entry counts for was told."""
        told: Flags = self.effective_us != NOT_DATED
        return told

    @property
    def hashed(self) -> Flags:
        """Whether the row keeps a hash of what was asked, because the rest of it does not tell that."""
        hashed: Flags = (self.counts != 2) | self.credit_first | self.told
        return hashed

    def part(self, first: int, end: int) -> Legs:
        """Return the legs of the entries from ``first`` to before ``end``."""
        if first == 0 and end == len(self.entries):
            return self
        counts = self.counts[first:end]
        start = int(self.starts[first])
        legs = slice(start, start + int(counts.sum()))
        return Legs(
            self.entries[first:end],
            self.keys[first:end],
            counts,
            self.starts[first:end] - start,
            self.entry[legs] - first,
            self.row[legs],
            self.amount[legs],
            self.credit_first[first:end],
            self.effective_us[first:end],
        )

    def without(self, left_out: Collection[int]) -> Legs:
        """Return the legs of all entries but those at these places."""
        taken = np.ones(len(self.entries), np.bool_)
        taken[list(left_out)] = False
        kept, places = taken[self.entry], np.flatnonzero(taken).tolist()
        counts = self.counts[taken]
        return Legs(
            [self.entries[at] for at in places],
            [self.keys[at] for at in places],
            counts,
            np.cumsum(counts) - counts,
            np.repeat(np.arange(len(places)), counts),
            self.row[kept],
            self.amount[kept],
            self.credit_first[taken],
            self.effective_us[taken],
        )


def legs_of(entries: Sequence[NewEntry], rows: Mapping[str, int]) -> Legs:
    """Return the legs of simple entries.

    Args:
        entries: at least one.
        rows: rows of the accounts known, by reference.
    """
    each = [entry.postings for entry in entries]
    counts = np.fromiter(map(len, each), np.int64, len(each))
    postings = list(chain.from_iterable(each))
    names = [posting.account for posting in postings]
    row = np.fromiter(map(rows.get, names, repeat(0)), np.int64, len(names))
    side = np.fromiter([posting.side for posting in postings], np.int64, len(names))
    amount = np.fromiter([posting.amount for posting in postings], np.int64, len(names))
    amount[side == Side.CREDIT] *= -1
    starts = np.cumsum(counts) - counts
    credit_first = (counts == 2) & (amount[starts] < 0)
    turned = starts[credit_first]
    for column in (row, amount):
        column[turned], column[turned + 1] = column[turned + 1], column[turned]
    times = [entry.effective_at for entry in entries]
    effective_us = np.full(len(each), NOT_DATED)
    for place in [place for place, time in enumerate(times) if time is not None]:
        effective_us[place] = microseconds(cast(datetime, times[place]))
    return Legs(
        entries, [entry.key.int for entry in entries], counts, starts, np.repeat(np.arange(len(each)), counts), row,
        amount, credit_first, effective_us,
    )  # fmt: skip
