"""Judges a run of simple requests at once: what ``rules`` would give one after the other, by columns.

Method: the legs are sorted by account, in their order within it; the sums up to each leg are the balances after it, and
what was held more or less by then. A request that would leave an account outside its bounds is refused, the earliest
first, and its legs taken out of the sums that follow; so whoever comes later is judged on what really stands. Then
numbers are given and the copy's accounts are moved on; its holds are left to ``run_holds``.

Pure. ``batch`` gives runs in which everything else is in order (``is_regular``); all others go through the rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ledger.account_columns import NEVER, Numbers, Views, exact_total
from ledger.journal import ResultCode
from ledger.money import AMOUNT_MAX
from ledger.rules import balance_code
from ledger.run import Flags, Legs
from ledger.state import State

TOTAL_MAX = 2**61
"""Amounts of a run that add up to more could leave the range of 64 bits on the way, so they are judged one by one."""

_LEG_BITS = 24
"""A leg's place in its run; a batch has fewer legs than that."""


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """Accepted entries of a run, as the judge left them.

    Args:
        first_seq: number of the first; the others follow.
        legs: what was asked.
        balance: of each leg, its account's balance after it.
        previous: of each leg, its account's entry before this one.
        heads: heads of the chain of refusals, for entries that bind one, by place.
    """

    first_seq: int
    legs: Legs
    balance: Numbers
    previous: Numbers
    heads: dict[int, bytes] = field(default_factory=dict)


class Verdict(NamedTuple):
    """What became of a run.

    Args:
        run: its accepted entries.
        refused: codes of the refused requests, by place.
        accepted: which requests stand.
        newest: of each request, the newest entry once it was judged: its own number where it is an accepted one.
    """

    run: JudgedRun
    refused: dict[int, ResultCode]
    accepted: Flags
    newest: Numbers


def is_regular(legs: Legs, views: Views) -> Flags:
    """Return which requests have nothing about them but what their amounts do to balances and held money.

    Known accounts that are open and unwatched, all of one asset, and debits that equal credits.
    """
    first = views.asset_id[legs.row[legs.starts]]
    fitting = (views.lowest[legs.row] != NEVER) & (views.asset_id[legs.row] == first[legs.entry])
    balanced: Flags = np.add.reduceat(legs.amount, legs.starts) == 0
    return np.logical_and.reduceat(fitting, legs.starts) & balanced


def is_summable(legs: Legs, views: Views) -> bool:
    """Whether no sum of these amounts can leave the range of 64 bits; nor, where money is held, that of a balance."""
    total = exact_total(np.abs(legs.amount))
    if not legs.held.any():
        return total < TOTAL_MAX
    furthest = int(np.abs(views.balance[legs.row]).max()) + int(views.held[legs.row].max())
    return total + exact_total(np.abs(legs.held)) + furthest < AMOUNT_MAX


def judge_run(state: State, legs: Legs) -> Verdict:
    """Judge regular requests and let those stand that nothing is wrong with.

    Args:
        state: the copy of the books; its accounts are moved on.
        legs: of the requests; their amounts must be summable.
    """
    sums = _Sums(state, legs)
    refused = sums.refuse()
    accepted = np.ones(len(legs.requests), np.bool_)
    accepted[list(refused)] = False
    posted = accepted & ~legs.placing
    newest = state.next_seq - 1 + np.cumsum(posted)
    _move_held(state, legs.only(accepted))
    if not posted.all():
        sums = _Sums(state, legs.only(posted))
    return Verdict(sums.settle(), refused, accepted, newest)


def _move_held(state: State, legs: Legs) -> None:
    """Move held money on, and what of balances it leaves."""
    own = np.flatnonzero(legs.held)
    if not len(own):
        return
    views, rows = state.columns.views(), legs.row[own]
    changed = np.unique(rows)
    state.touch_rows(changed)
    np.add.at(views.held, rows, legs.held[own])
    views.lowest[changed] = np.maximum(views.least[changed] + views.held[changed], -AMOUNT_MAX)


class _Sums:
    """Legs in the order of accounts; each account's balance after each of its legs, and what is held more by then."""

    def __init__(self, state: State, legs: Legs) -> None:
        self._state = state
        self._legs = legs
        views = self._views = state.columns.views()
        # One sort of whole numbers gives account and place in one.
        joined = np.sort(legs.row << _LEG_BITS | np.arange(len(legs.row)))
        self._order = joined & (1 << _LEG_BITS) - 1
        self._rows = joined >> _LEG_BITS
        self._entries = legs.entry[self._order]
        self._changes = (legs.amount * views.sign[legs.row])[self._order]
        self._firsts = np.flatnonzero(np.diff(self._rows, prepend=-1))
        self._lengths = np.diff(self._firsts, append=len(self._rows))
        self._held_changes = legs.held[self._order]
        self._balances = self._sums(self._changes, views.balance[self._rows[self._firsts]])
        self._held_more = self._sums(self._held_changes, np.zeros_like(self._firsts))

    def _sums(self, changes: Numbers, before: Numbers) -> Numbers:
        """Return sums up to each leg, over the legs of each account."""
        sums = np.cumsum(changes)
        since: Numbers = sums + np.repeat(before - (sums - changes)[self._firsts], self._lengths)
        return since

    def refuse(self) -> dict[int, ResultCode]:
        """Refuse what goes beyond bounds, in the order of arrival; return codes by place in the run."""
        rows, entries, balances, held_more = self._rows, self._entries, self._balances, self._held_more
        lowest, highest = self._views.lowest[rows], self._views.highest[rows]
        # Judged is the state after the whole entry: after the last of its legs on an account.
        is_last = np.ones(len(rows), np.bool_)
        is_last[:-1] = (rows[1:] != rows[:-1]) | (entries[1:] != entries[:-1])
        outside = ((balances - held_more < lowest) | (balances > highest)) & is_last
        refused: dict[int, ResultCode] = {}
        if not outside.any():
            return refused
        place_of = np.empty_like(self._order)
        place_of[self._order] = np.arange(len(rows))
        ends = np.repeat(self._firsts + self._lengths, self._lengths)
        while outside.any():
            entry = int(entries[outside].min())
            start = int(self._legs.starts[entry])
            own = place_of[start : start + int(self._legs.counts[entry])]
            refused[entry] = self._code(own[is_last[own]])
            is_last[own] = False
            for at in own:
                tail = slice(at, ends[at])
                balances[tail] -= self._changes[at]
                held_more[tail] -= self._held_changes[at]
                free = balances[tail] - held_more[tail]
                outside[tail] = ((free < lowest[tail]) | (balances[tail] > highest[tail])) & is_last[tail]
        return refused

    def _code(self, places: Numbers) -> ResultCode:
        """Return the code that goes first over the accounts of a request."""
        columns = (self._rows[places], self._balances[places], self._held_more[places])
        codes = (
            balance_code(self._state.listed[row - 1], balance, -held_more)
            for row, balance, held_more in zip(*(column.tolist() for column in columns), strict=True)
        )
        return min(code for code in codes if code is not ResultCode.POSTED)

    def settle(self) -> JudgedRun:
        """Give the entries their numbers and move the copy on."""
        state, views, rows = self._state, self._views, self._rows
        seqs = state.next_seq + self._entries
        previous = np.empty_like(seqs)
        previous[1:] = seqs[:-1]
        previous[self._firsts] = views.last_seq[rows[self._firsts]]
        again = np.flatnonzero((rows[1:] == rows[:-1]) & (seqs[1:] == seqs[:-1])) + 1
        for at in again:
            previous[at] = previous[at - 1]
        changed, lasts = rows[self._firsts], self._firsts + self._lengths - 1
        state.touch_rows(changed)
        views.balance[changed] = self._balances[lasts]
        views.last_seq[changed] = seqs[lasts]
        views.posting_count[changed] += self._lengths
        first_seq = state.next_seq
        state.next_seq += len(self._legs.requests)
        return JudgedRun(first_seq, self._legs, self._as_asked(self._balances), self._as_asked(previous))

    def _as_asked(self, column: Numbers) -> Numbers:
        """Return a column in the order of the legs."""
        given = np.empty_like(column)
        given[self._order] = column
        return given
