"""Puts an accepted entry's postings on the stripes of striped accounts. Pure.

Rules (docs/adr/0024-stripes.md):
- the rules judge the account as a whole, the sum of its stripes; only what they accepted comes here;
- a posting goes to the stripe that the entry's key chooses, and where that one cannot bear it, on to the next ones,
  each taking as much as it can: alike for everyone, and never in more parts than there are stripes;
- what the whole can bear, its stripes can bear together: no stripe falls below the floor that all have, and none leaves
  the range of a balance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ledger.account import Side
from ledger.account_columns import exact_total
from ledger.journal import NewEntry, Posting
from ledger.money import AMOUNT_MAX
from ledger.run import Legs
from ledger.state import AccountState, State


class Striped(NamedTuple):
    """Where the postings of an entry stand.

    Args:
        postings: as the books keep them.
        accounts: theirs, none of them striped.
        before: balance and newest entry of each stripe that was touched, from before.
    """

    postings: Sequence[Posting]
    accounts: Sequence[AccountState]
    before: dict[AccountState, tuple[int, int]]


def put_on_stripes(state: State, entry: NewEntry, accounts: Sequence[AccountState]) -> Striped:
    """Divide an entry that was just let stand over the stripes of its accounts, and let it stand there.

    Args:
        accounts: of its postings, in order.
    """
    postings: list[Posting] = []
    posted_on: list[AccountState] = []
    before: dict[AccountState, tuple[int, int]] = {}
    for posting, account in zip(entry.postings, accounts, strict=True):
        if not account.stripes:
            postings.append(posting)
            posted_on.append(account)
            continue
        chosen = entry.key.int % len(account.stripes)
        sign = account.sign if posting.side is Side.DEBIT else -account.sign
        left = posting.amount
        for stripe in (*account.stripes[chosen:], *account.stripes[:chosen]):
            part = min(left, _room(stripe, sign))
            if part > 0:
                before.setdefault(stripe, (stripe.balance, stripe.last_seq))
                _let_stand(state, stripe, sign * part)
                postings.append(Posting(stripe.facts.reference, posting.side, part))
                posted_on.append(stripe)
                left -= part
        assert not left, "the whole could bear it"
    return Striped(postings, posted_on, before)


def choose_stripes(state: State, legs: Legs) -> None:
    """Let legs of a run stand on the stripe that their entry's key chooses, where it can bear all that comes.

    The others keep the row of the striped account, which sends their entries to the rules, one by one: those that take
    from stripes with a floor, and all of an account that could leave the range of a balance. So do entries that keep a
    hash of what was asked, not of what was posted.
    """
    for account in state.striped:
        own = np.flatnonzero(legs.row == account.row)
        if not len(own):
            continue
        sum_up((account,))
        amounts, entries = legs.amount[own], legs.entry[own]
        furthest = max(abs(account.balance), *(abs(stripe.balance) for stripe in account.stripes))
        if exact_total(np.abs(amounts)) >= AMOUNT_MAX - furthest:
            continue
        borne = ~legs.hashed[entries]
        if account.floor is not None:
            borne &= amounts * account.sign > 0
        rows = [stripe.row for stripe in account.stripes]
        legs.row[own[borne]] = [rows[legs.keys[entry] % len(rows)] for entry in entries[borne].tolist()]


def sum_up(accounts: Iterable[AccountState | None]) -> None:
    """Let striped accounts have the balance that their stripes have."""
    for account in accounts:
        if account is not None and account.stripes:
            account.balance = sum(stripe.balance for stripe in account.stripes)


def _room(stripe: AccountState, sign: int) -> int:
    """Return how far a stripe's balance may go up (1) or down (-1)."""
    lowest = -AMOUNT_MAX if stripe.floor is None else stripe.floor
    return AMOUNT_MAX - stripe.balance if sign > 0 else stripe.balance - lowest


def _let_stand(state: State, stripe: AccountState, change: int) -> None:
    state.touch(stripe)
    stripe.balance += change
    stripe.last_seq = state.next_seq - 1
    stripe.posting_count += 1
