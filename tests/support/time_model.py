"""Balances in time as a pure Python model: a list of postings, and the definition applied to it. No SQL, no shortcut.

A posting counts at (known-at, effective-at) when it was posted by the first and counts for no later than the second.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from ledger.account import Side


@dataclass(frozen=True)
class ModelPosting:
    """One posting as it was made; ``change`` is signed, above zero where it makes the account's balance grow."""

    seq: int
    number: int
    account: str
    side: Side
    amount: int
    change: int
    posted_at: datetime
    effective_at: datetime
    balance_after: int = 0


class TimeModel:
    """All postings of some books in the order of posting.

    Args:
        accounts: reference to (asset, normal side).
    """

    def __init__(self, accounts: dict[str, tuple[str, Side]]) -> None:
        self.accounts = accounts
        self.postings: list[ModelPosting] = []

    def add(
        self, seq: int, legs: Iterable[tuple[str, Side, int]], posted_at: datetime, effective_at: datetime | None
    ) -> None:
        """Add one posted entry."""
        for number, (account, side, amount) in enumerate(legs, 1):
            change = amount if side is self.accounts[account][1] else -amount
            when = effective_at or posted_at
            self.postings.append(ModelPosting(seq, number, account, side, amount, change, posted_at, when))

    def known(self, known_at: datetime | None, effective_at: datetime | None) -> list[ModelPosting]:
        """Return what counts at the pair; None stands for the end of time."""
        return [
            posting
            for posting in self.postings
            if (known_at is None or posting.posted_at <= known_at)
            and (effective_at is None or posting.effective_at <= effective_at)
        ]

    def balance(self, account: str, known_at: datetime | None = None, effective_at: datetime | None = None) -> int:
        return sum(p.change for p in self.known(known_at, effective_at) if p.account == account)

    def trial_balance(
        self, known_at: datetime | None = None, effective_at: datetime | None = None
    ) -> dict[str, tuple[int, int]]:
        """Return for each asset the sums of balances on the debit and on the credit side."""
        totals: dict[str, tuple[int, int]] = {}
        for account, (asset, normal_side) in self.accounts.items():
            balance = self.balance(account, known_at, effective_at)
            on_debit = balance if normal_side is Side.DEBIT else -balance
            debit, credit = totals.get(asset, (0, 0))
            totals[asset] = (debit + max(on_debit, 0), credit + max(-on_debit, 0))
        return totals

    def statement(
        self,
        account: str,
        *,
        by_effect: bool,
        known_at: datetime | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[ModelPosting]:
        """Return the account's lines, newest first, each with the balance after it in the order asked for.

        ``since`` and ``until`` bound the time of the order: of effect, or of posting; both belong to the statement.
        """

        def when(posting: ModelPosting) -> datetime:
            return posting.effective_at if by_effect else posting.posted_at

        own = [posting for posting in self.known(known_at, None) if posting.account == account]
        own.sort(key=lambda posting: (when(posting), posting.seq, posting.number))
        lines, balance = [], 0
        for posting in own:
            balance += posting.change
            if (since is None or when(posting) >= since) and (until is None or when(posting) <= until):
                lines.append(replace(posting, balance_after=balance))
        return lines[::-1]

    def turnover(self, since: datetime | None, before: datetime) -> dict[str, tuple[int, int]]:
        """Return for each asset the debits and credits that count for ``since`` or later and before ``before``."""
        totals: dict[str, tuple[int, int]] = {}
        for posting in self.postings:
            if (since is None or posting.effective_at >= since) and posting.effective_at < before:
                asset = self.accounts[posting.account][0]
                debit, credit = totals.get(asset, (0, 0))
                on_debit = posting.side is Side.DEBIT
                totals[asset] = (debit + posting.amount * on_debit, credit + posting.amount * (not on_debit))
        return totals
