"""The end of a day is found whatever the file's order; every break is listed and none invented."""

from __future__ import annotations

import itertools
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.account import Side
from ledger.errors import StatementFormatError
from ledger.reconciliation import DayChange, RecordedDay, reconcile, recorded_days
from ledger.statement_import import AccountToOpen, Movement

FIRST, SECOND, THIRD = date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)


def day(when: date, *movements: tuple[int, int], account: str = "a") -> RecordedDay:
    return RecordedDay(account, when, movements)


def test_agreeing_days_give_no_break() -> None:
    days = [day(FIRST, (100, 100)), day(SECOND, (-30, 70)), day(SECOND, (5, 5), account="b")]
    changes = [DayChange("a", FIRST, 100), DayChange("a", SECOND, -30), DayChange("b", SECOND, 5)]
    outcome = reconcile(days, changes)
    assert (outcome.account_count, outcome.agreeing_account_count, outcome.day_count, outcome.breaks) == (2, 2, 3, ())


def test_break_tells_account_day_and_both_balances() -> None:
    changes = [DayChange("a", FIRST, 100), DayChange("a", SECOND, -30)]
    outcome = reconcile([day(FIRST, (100, 100)), day(SECOND, (-30, 71))], changes)
    (found,) = outcome.breaks
    assert (found.account, found.day, found.recorded, found.computed, found.difference) == ("a", SECOND, 71, 70, 1)
    assert (outcome.breaking_accounts, outcome.agreeing_account_count) == (("a",), 0)


def test_order_inside_a_day_does_not_matter() -> None:
    booked = [(100, 100), (-30, 70), (7, 77)]
    for order in itertools.permutations(booked):
        assert reconcile([day(FIRST, *order)], [DayChange("a", FIRST, 77)]).breaks == ()
        (found,) = reconcile([day(FIRST, *order)], [DayChange("a", FIRST, 70)]).breaks
        assert found.recorded == 77


def test_day_that_returns_to_its_beginning_agrees() -> None:
    changes = [DayChange("a", FIRST, 50)]
    assert reconcile([day(FIRST, (50, 50)), day(SECOND, (-20, 30), (20, 50))], changes).breaks == ()


def test_rounded_chain_is_followed_within_the_step() -> None:
    # The bank rounded the balance between the two movements by 10.
    rounded = day(FIRST, (1003, 1000), (-100, 903))
    assert reconcile([rounded], [DayChange("a", FIRST, 903)], rounding=10).breaks == ()
    (found,) = reconcile([rounded], [DayChange("a", FIRST, 1000)], rounding=10).breaks
    assert found.recorded == 903


def test_books_may_know_more_days_and_accounts_than_the_statement() -> None:
    changes = [
        DayChange("x", FIRST, 9),
        DayChange("a", FIRST, 40),
        DayChange("a", SECOND, 60),
        DayChange("a", THIRD, 1),
    ]
    assert reconcile([day(SECOND, (60, 100))], changes).breaks == ()


def test_account_the_books_do_not_know_breaks() -> None:
    (found,) = reconcile([day(FIRST, (5, 5))], []).breaks
    assert (found.recorded, found.computed) == (5, 0)


def movement(line: int, when: date, change: int, balance: int | None, account: str = "a") -> Movement:
    own = AccountToOpen(account, "EUR", Side.CREDIT, None)
    return Movement(line, str(line), own, AccountToOpen("cash", "EUR", Side.DEBIT, None), when, change, balance, "")


def test_movements_are_grouped_by_day_and_account() -> None:
    stream = [
        movement(1, FIRST, 5, 5),
        movement(2, FIRST, 1, 1, "b"),
        movement(3, FIRST, 2, 7),
        movement(4, SECOND, 1, 8),
    ]
    assert list(recorded_days(stream)) == [
        day(FIRST, (5, 5), (2, 7)),
        day(FIRST, (1, 1), account="b"),
        day(SECOND, (1, 8)),
    ]


def test_missing_balance_and_backward_day_are_named_by_line() -> None:
    with pytest.raises(StatementFormatError, match=r"line 4.*no balance"):
        list(recorded_days([movement(4, FIRST, 1, None)]))
    with pytest.raises(StatementFormatError, match=r"line 2.*comes after"):
        list(recorded_days([movement(1, SECOND, 1, 1), movement(2, FIRST, 1, 2)]))


@given(
    st.lists(st.lists(st.integers(-500, 500).filter(bool), min_size=1, max_size=4), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
)
def test_honest_statement_in_any_order_never_breaks(days: list[list[int]], random) -> None:  # type: ignore[no-untyped-def]
    balance, recorded, changes = 0, [], []
    for number, moves in enumerate(days):
        rows = []
        for change in moves:
            balance += change
            rows.append((change, balance))
        random.shuffle(rows)
        when = date.fromordinal(FIRST.toordinal() + number)
        recorded.append(day(when, *rows))
        changes.append(DayChange("a", when, sum(moves)))
    outcome = reconcile(recorded, changes)
    assert outcome.breaks == ()
