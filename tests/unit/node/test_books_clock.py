"""The books' clock: what it believes of the machine's, told by tables of what was set when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

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


def test_one_leap_reads_alike_whenever_it_is_met() -> None:
    """The two clocks are read one after the other; who waits would say so again for each microsecond between."""
    machine = Machine()
    texts = set()
    for between in (-9, 0, 4):
        machine.set_by = 10 * DAY + timedelta(microseconds=between)
        with pytest.raises(BooksUnavailableError) as refused:
            machine.clock()
        texts.add(str(refused.value).split(", to ")[0])
    assert texts == {"this machine's clock leapt forward by 10 days, 0:00:00"}


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


# At the start of a process -------------------------------------------------------------------------------------------


def started(machine: Machine, newest: datetime, *said: datetime) -> BooksClock:
    """Return the clock of a process that found entries or blocks until then."""
    clock = BooksClock(lambda: BEGIN + machine.running + machine.set_by, lambda: machine.running)
    clock.begin(newest, lambda now: any(abs(now - moment) < DAY for moment in said))
    return clock


def test_clock_that_starts_long_after_all_that_is_known_is_not_believed_until_it_is_set_right() -> None:
    machine = Machine()
    newest = BEGIN
    machine.set_by = 365 * DAY
    with capture_logs() as lines:
        clock = started(machine, newest)
    assert [(line["event"], line["newest"]) for line in lines] == [
        ("clock_ahead_at_start", "2026-11-30T12:00:00+00:00")
    ]
    told = r"says 2027-12-01T12:00:00\+00:00, 366 days after .* \(2026-11-30T12:00:00\+00:00\): .*clock-is-right`"
    for _ in range(2):
        with pytest.raises(BooksUnavailableError, match=told):
            clock()
    machine.set_by = timedelta(0)
    assert clock() == BEGIN + DAY
    # The leap that it started in counts for nothing from then on.
    machine.set_by = 10 * DAY
    with pytest.raises(BooksUnavailableError, match="leapt forward by 10 days"):
        clock()
    machine.set_by = timedelta(0)
    # What rests while the process runs is no reason to doubt.
    machine.running += 100 * DAY
    assert clock() == BEGIN + 101 * DAY


def test_clock_that_somebody_says_is_right_is_believed_at_once_and_no_later_leap_with_it() -> None:
    machine = Machine()
    said: list[datetime] = []
    machine.set_by = 365 * DAY
    clock = BooksClock(lambda: BEGIN + machine.running + machine.set_by, lambda: machine.running)
    clock.begin(BEGIN, lambda now: any(abs(now - moment) < DAY for moment in said))
    with pytest.raises(BooksUnavailableError):
        clock()
    said.append(BEGIN + 366 * DAY)
    assert clock() == BEGIN + 366 * DAY
    machine.set_by += 365 * DAY
    with pytest.raises(BooksUnavailableError, match="leapt forward by 365 days"):
        clock()
    with pytest.raises(BooksUnavailableError, match="731 days after"):
        started(machine, BEGIN, *said)()


def test_clock_that_starts_within_what_books_may_rest_is_believed() -> None:
    machine = Machine()
    machine.set_by = 30 * DAY
    with capture_logs() as lines:
        assert started(machine, BEGIN)() == BEGIN + 31 * DAY
    assert lines == []


def test_clock_that_starts_before_what_is_known_is_told_and_does_no_harm() -> None:
    machine = Machine()
    with capture_logs() as lines:
        assert started(machine, BEGIN + 10 * DAY)() == BEGIN + DAY
    assert [(line["event"], line["log_level"]) for line in lines] == [("clock_behind_at_start", "error")]
