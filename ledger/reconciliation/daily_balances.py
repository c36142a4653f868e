"""Compares the balances a statement records with those the books compute, day by day; names every break, invents none.

Rules:
- compared is the balance at the end of a day; within one day a file's order need not be the order of booking;
- the recorded end of a day is the recorded balance that no other movement of that day starts from, within the step by
  which the bank rounds its recorded balances. Where that leaves several, or none because the day returns to a balance
  it had, the day agrees if one of them is the computed balance; otherwise the last of them in the file is shown;
- exact integers on both sides: a difference of the bank's rounding is a break like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg

from ledger.archived import telling_archived
from ledger.errors import StatementFormatError
from ledger.queries import query
from ledger.statement_import import Movement


@dataclass(frozen=True, slots=True)
class RecordedDay:
    """What a statement says about one account on one day.

    Args:
        account: reference.
        movements: (change, balance after) of each movement in the file's order, minor units.
    """

    account: str
    day: date
    movements: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class DayChange:
    """What the books say about one account on one day: the sum of its postings on its normal side."""

    account: str
    day: date
    change: int


@dataclass(frozen=True, slots=True)
class Break:
    """A day whose recorded balance is not what the books compute.

    Args:
        recorded: minor units, from the statement.
        computed: minor units, from the books.
    """

    account: str
    day: date
    recorded: int
    computed: int

    @property
    def difference(self) -> int:
        """Recorded less computed."""
        return self.recorded - self.computed


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Outcome over a whole statement.

    Args:
        account_count: accounts of the statement.
        day_count: account days compared.
        breaks: every break, in the order of days.
    """

    account_count: int
    day_count: int
    breaks: tuple[Break, ...]

    @property
    def breaking_accounts(self) -> tuple[str, ...]:
        """Accounts with a break, each once, in the order of their first one."""
        return tuple(dict.fromkeys(found.account for found in self.breaks))

    @property
    def agreeing_account_count(self) -> int:
        """Accounts whose every day agrees."""
        return self.account_count - len(self.breaking_accounts)


def recorded_days(movements: Iterable[Movement]) -> Iterator[RecordedDay]:
    """Group a statement's movements by day and account; memory holds one day.

    Raises:
        StatementFormatError: a movement without a balance, or a day that comes after a later one.
    """
    today: dict[str, list[tuple[int, int]]] = {}
    day: date | None = None
    for movement in movements:
        if movement.balance is None:
            raise StatementFormatError(movement.line, "", movement.id, "records no balance to compare with")
        if day is not None and movement.day < day:
            raise StatementFormatError(movement.line, "", movement.day.isoformat(), f"comes after {day.isoformat()}")
        if day is not None and movement.day > day:
            yield from _days_of(today, day)
            today = {}
        day = movement.day
        today.setdefault(movement.account.reference, []).append((movement.change, movement.balance))
    if day is not None:
        yield from _days_of(today, day)


def _days_of(today: dict[str, list[tuple[int, int]]], day: date) -> Iterator[RecordedDay]:
    return (RecordedDay(account, day, tuple(movements)) for account, movements in today.items())


def day_changes(connection: psycopg.Connection[Any], accounts: Sequence[str]) -> Iterator[DayChange]:
    """Yield what the books posted to the accounts, summed by effective day (UTC), in the order of days.

    Raises:
        ArchivedError: some of it is archived.
    """
    with telling_archived():
        connection.execute(b"SELECT ledger.refuse_archived_accounts(%s)", (list(accounts),))
    with connection.transaction(), connection.cursor("day_changes") as cursor:
        cursor.itersize = 5000
        cursor.execute(query("day_changes"), (list(accounts),))
        for account, day, change in cursor:
            yield DayChange(account, day, int(change))


def reconcile(days: Iterable[RecordedDay], changes: Iterable[DayChange], *, rounding: int = 0) -> Reconciliation:
    """Compare recorded with computed end-of-day balances.

    Args:
        days: from the statement, in the order of days.
        changes: from the books, in the order of days; may hold days and accounts that the statement does not.
        rounding: minor units by which the bank rounded recorded balances.
    """
    balances: dict[str, int] = {}
    accounts: set[str] = set()
    breaks = []
    day_count = 0
    pending = iter(changes)
    ahead = next(pending, None)
    for recorded in days:
        while ahead is not None and ahead.day <= recorded.day:
            balances[ahead.account] = balances.get(ahead.account, 0) + ahead.change
            ahead = next(pending, None)
        day_count += 1
        accounts.add(recorded.account)
        computed = balances.get(recorded.account, 0)
        stated = _end_of_day(recorded.movements, computed, rounding)
        if stated != computed:
            breaks.append(Break(recorded.account, recorded.day, stated, computed))
    return Reconciliation(len(accounts), day_count, tuple(breaks))


def _end_of_day(movements: Sequence[tuple[int, int]], computed: int, rounding: int) -> int:
    starts = [balance - change for change, balance in movements]
    ends = [
        balance
        for i, (_, balance) in enumerate(movements)
        if not any(abs(start - balance) <= rounding for j, start in enumerate(starts) if j != i)
    ]
    if len(ends) == 1:
        return ends[0]
    candidates = ends or [balance for _, balance in movements]
    return computed if computed in candidates else candidates[-1]
