"""The books' clock: what it believes of the machine's, told by tables of what was set when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ledger.errors import BooksUnavailableError
from node.books.clock import LEAP_MAX, BooksClock

BEGIN = datetime(2026, 11, 30, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


class Machine:
    """A machine whose clock is set while time goes by."""

    def __init__(self) -> None:
        self.running = DAY
        self.set_by = timedelta(0)
        self.clock = BooksClock(lambda: BEGIN + self.running + self.set_by, lambda: self.running)


def test_clock_that_leaps_forward_is_believed_again_when_it_is_set_right() -> None:
    machine = Machine()
    for moment in range(3):
        machine.running += MINUTE
        machine.set_by = 10 * DAY
        with pytest.raises(BooksUnavailableError, match=r"leapt forward by 10 days, 0:00:00, to 2026-12-11T12:0\d:00"):
            machine.clock()
        machine.set_by = timedelta(0)
        assert machine.clock() == BEGIN + DAY + (moment + 1) * MINUTE


def test_clock_that_goes_back_and_returns_did_not_leap() -> None:
    machine = Machine()
    for machine.set_by in (-30 * MINUTE, -3 * DAY, timedelta(0), LEAP_MAX):
        assert machine.clock() == BEGIN + DAY + machine.set_by


def test_time_that_went_by_is_no_leap() -> None:
    machine = Machine()
    machine.running += 100 * DAY  # asleep, or nothing was posted
    assert machine.clock() == BEGIN + 101 * DAY


def test_clock_that_is_right_after_it_leapt_is_believed_by_the_next_process() -> None:
    machine = Machine()
    machine.set_by = DAY
    again = BooksClock(lambda: BEGIN + machine.running + machine.set_by, lambda: machine.running)
    assert again() == BEGIN + 2 * DAY
