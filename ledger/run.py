"""Requests as columns: read once, judged together, written together.

A *run* is a stretch of a batch in which each request is simple (``is_simple``): an entry of postings and a key, maybe
with a time of effect and a hold to capture, nothing beside; or a hold to be placed. Its legs are the postings of all
its entries one after the other, of two the debit first, as the books keep them; a hold is one leg that moves no money.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, repeat
from typing import cast

import numpy as np
import numpy.typing as npt

from ledger.account import Side
from ledger.account_columns import NO_TIME, Numbers
from ledger.hold import NewHold
from ledger.journal import NewEntry, Posting, microseconds

Flags = npt.NDArray[np.bool_]

Simple = NewEntry | NewHold

RUN_ENTRIES_MIN = 16
"""Fewer requests are judged one by one: arrays would cost more than they save."""


@dataclass(frozen=True, slots=True)
class Legs:
    """Postings of a run, and what its holds do.

    Args:
        requests: entries and holds.
        keys: their idempotency keys; of holds, their ids.
        counts: number of legs of each.
        starts: place of the first leg of each.
        entry: of each leg, its request's place in the run.
        row: of each leg, its account's row in the copy of the books; 0 for an unknown one.
        amount: of each leg, minor units, debit above zero; 0 for a hold.
        held: of each leg, what it adds to the account's held money: the hold that is placed, less the hold captured.
        credit_first: whether the request named the credit of its two postings first.
        effective_us: when each entry counts for, microseconds since 1970; ``NO_TIME`` for the moment of its posting.
        expires_us: until when each hold to be placed is asked for; ``NO_TIME`` for an entry.
        hold: row of the hold that each entry captures, in the copy of the books; 0 for none.
    """

    requests: Sequence[Simple]
    keys: Sequence[int]
    counts: Numbers
    starts: Numbers
    entry: Numbers
    row: Numbers
    amount: Numbers
    held: Numbers
    credit_first: Flags
    effective_us: Numbers
    expires_us: Numbers
    hold: Numbers

    @property
    def entries(self) -> Sequence[NewEntry]:
        """The requests of a run that has no holds to be placed, or none any more."""
        return cast(Sequence[NewEntry], self.requests)

    @property
    def placing(self) -> Flags:
        """Whether each request is a hold."""
        placing: Flags = self.counts == 1
        return placing

    @property
    def capturing(self) -> Flags:
        """Whether each request captures a hold."""
        capturing: Flags = np.logical_or.reduceat(self.held < 0, self.starts)
        return capturing

    @property
    def told(self) -> Flags:
        """Whether the time each entry counts for was told."""
        told: Flags = self.effective_us != NO_TIME
        return told

    @property
    def hashed(self) -> Flags:
        """Whether the row keeps a hash of what was asked, because the rest of it does not tell that."""
        hashed: Flags = (self.counts != 2) | self.credit_first | self.told | self.capturing
        return hashed

    def part(self, first: int, end: int) -> Legs:
        """Return the legs of the requests from ``first`` to before ``end``."""
        if first == 0 and end == len(self.requests):
            return self
        counts = self.counts[first:end]
        start = int(self.starts[first])
        legs = slice(start, start + int(counts.sum()))
        return Legs(
            self.requests[first:end],
            self.keys[first:end],
            counts,
            self.starts[first:end] - start,
            self.entry[legs] - first,
            self.row[legs],
            self.amount[legs],
            self.held[legs],
            self.credit_first[first:end],
            self.effective_us[first:end],
            self.expires_us[first:end],
            self.hold[first:end],
        )

    def only(self, taken: Flags) -> Legs:
        """Return the legs of these requests."""
        if taken.all():
            return self
        kept, places = taken[self.entry], np.flatnonzero(taken).tolist()
        counts = self.counts[taken]
        return Legs(
            [self.requests[at] for at in places],
            [self.keys[at] for at in places],
            counts,
            np.cumsum(counts) - counts,
            np.repeat(np.arange(len(places)), counts),
            self.row[kept],
            self.amount[kept],
            self.held[kept],
            self.credit_first[taken],
            self.effective_us[taken],
            self.expires_us[taken],
            self.hold[taken],
        )


def legs_of(requests: Sequence[Simple], rows: Mapping[str, int]) -> Legs:
    """Return the legs of simple requests; what captures do to held money is left to ``run_holds.find_held``.

    Args:
        requests: at least one.
        rows: rows of the accounts known, by reference.
    """
    each: list[Sequence[Posting | NewHold]] = [request.postings for request in requests]
    counts = np.fromiter(map(len, each), np.int64, len(each))
    postings = list(chain.from_iterable(each))
    names = [posting.account for posting in postings]
    row = np.fromiter(map(rows.get, names, repeat(0)), np.int64, len(names))
    amount = np.fromiter([posting.amount for posting in postings], np.int64, len(names))
    credit = Side.CREDIT
    amount[np.fromiter([posting.side is credit for posting in postings], np.bool_, len(names))] *= -1
    starts = np.cumsum(counts) - counts
    placing = np.flatnonzero(counts == 1)
    held = np.zeros_like(amount)
    held[starts[placing]] = amount[starts[placing]]
    amount[starts[placing]] = 0
    credit_first = (counts == 2) & (amount[starts] < 0)
    turned = starts[credit_first]
    for column in (row, amount):
        column[turned], column[turned + 1] = column[turned + 1], column[turned]
    effective_us = _times([request.effective_at for request in requests])
    expires_us = np.full(len(each), NO_TIME)
    expires_us[placing] = _times([cast(NewHold, requests[place]).expires_at for place in placing.tolist()])
    return Legs(
        requests, [request.key.int for request in requests], counts, starts, np.repeat(np.arange(len(each)), counts),
        row, amount, held, credit_first, effective_us, expires_us, np.zeros_like(counts),
    )  # fmt: skip


def met_before(places: Iterable[int], numbers: Iterable[int], met: set[int]) -> list[int]:
    """Return the places whose numbers, of keys or holds, were met: at first, or at a place earlier in this order.

    Args:
        places: of requests.
        numbers: one for each place.
        met: at first; belongs to the function from here on.
    """
    again = []
    for place, number in zip(places, numbers, strict=True):
        if number in met:
            again.append(place)
        met.add(number)
    return again


def _times(moments: Sequence[datetime | None]) -> Numbers:
    """Return times, of which many are none or the same."""
    known: dict[datetime | None, int] = {moment: microseconds(moment) for moment in {*moments} if moment is not None}
    if not known:
        return np.full(len(moments), NO_TIME)
    return np.fromiter(map(known.get, moments, repeat(NO_TIME)), np.int64, len(moments))
