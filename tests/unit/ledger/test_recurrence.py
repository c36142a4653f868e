"""Rules are refused where they can never be right, and fall on the days and hours a person expects.

Method: small calendars written out by hand; ``tests/property/test_recurrence_properties.py`` compares with an oracle.
"""

from __future__ import annotations

import dataclasses
import doctest
import itertools
from datetime import UTC, date, datetime
from typing import Any

import pytest

from ledger import recurrence
from ledger.errors import InvalidValueError
from ledger.recurrence import MonthEnd, Recurrence, Unit, following, occurrences

BERLIN = "Europe/Berlin"


def calendar(rule: Recurrence, count: int) -> str:
    found = itertools.islice(occurrences(rule), count)
    return " ".join(occurrence.due_at.strftime("%Y-%m-%dT%H:%M") for occurrence in found)


CALENDARS: list[tuple[str, Recurrence, str]] = [
    ("once", Recurrence(datetime(2026, 5, 4, 9), BERLIN, Unit.ONCE), "2026-05-04T07:00"),
    (
        "every second day, three times",
        Recurrence(datetime(2026, 12, 30, 0), "UTC", Unit.DAY, every=2, count=3),
        "2026-12-30T00:00 2027-01-01T00:00 2027-01-03T00:00",
    ),
    (
        "weekly until and with its last day",
        Recurrence(datetime(2026, 1, 5, 12), "UTC", Unit.WEEK, until=date(2026, 1, 19)),
        "2026-01-05T12:00 2026-01-12T12:00 2026-01-19T12:00",
    ),
    (
        "the 31st, or the last day of shorter months",
        Recurrence(datetime(2027, 12, 31, 6), "UTC", Unit.MONTH, day=31, count=5),
        "2027-12-31T06:00 2028-01-31T06:00 2028-02-29T06:00 2028-03-31T06:00 2028-04-30T06:00",
    ),
    (
        "the 31st, and only where there is one",
        Recurrence(datetime(2026, 1, 31, 6), "UTC", Unit.MONTH, day=31, month_end=MonthEnd.SKIP, count=3),
        "2026-01-31T06:00 2026-03-31T06:00 2026-05-31T06:00",
    ),
    (
        "the first of the month, begun in the middle of one",
        Recurrence(datetime(2026, 1, 15, 6), "UTC", Unit.MONTH, day=1, count=2),
        "2026-02-01T06:00 2026-03-01T06:00",
    ),
    (
        "a year has twelve months, also from a leap day",
        Recurrence(datetime(2024, 2, 29, 6), "UTC", Unit.MONTH, every=12, day=29, count=3),
        "2024-02-29T06:00 2025-02-28T06:00 2026-02-28T06:00",
    ),
    (
        "nine o'clock stays nine o'clock when the clocks change",
        Recurrence(datetime(2026, 3, 28, 9), BERLIN, Unit.DAY, count=3),
        "2026-03-28T08:00 2026-03-29T07:00 2026-03-30T07:00",
    ),
    (
        "a time that does not exist comes an hour later on the clock",
        Recurrence(datetime(2026, 3, 28, 2, 30), BERLIN, Unit.DAY, count=3),
        "2026-03-28T01:30 2026-03-29T01:30 2026-03-30T00:30",
    ),
    (
        "of a time that exists twice the first counts",
        Recurrence(datetime(2026, 10, 24, 2, 30), BERLIN, Unit.DAY, count=3),
        "2026-10-24T00:30 2026-10-25T00:30 2026-10-26T01:30",
    ),
    (
        "a day that a zone leaves out is one with the next",
        Recurrence(datetime(2011, 12, 29, 10), "Pacific/Apia", Unit.DAY, count=3),
        "2011-12-29T20:00 2011-12-30T20:00 2011-12-31T20:00",
    ),
]


@pytest.mark.parametrize(("rule", "expected"), [case[1:] for case in CALENDARS], ids=[case[0] for case in CALENDARS])
def test_rule_falls_on_the_calendar_of_its_name(rule: Recurrence, expected: str) -> None:
    assert calendar(rule, 5).startswith(expected)
    assert rule.count == 0 or calendar(rule, 9) == expected


DAILY = Recurrence(datetime(2026, 5, 4, 9), BERLIN, Unit.DAY)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"start": datetime(2026, 5, 4, 9, tzinfo=UTC)}, "start"),
        ({"start": datetime(2026, 5, 4, 9, 0, 0, 1)}, "start"),
        ({"start": datetime(1970, 5, 4)}, "start"),
        ({"start": datetime(9999, 5, 4)}, "start"),
        ({"zone": "Europe/Atlantis"}, "zone"),
        ({"zone": "/etc/passwd"}, "zone"),
        ({"zone": "../../etc/passwd"}, "zone"),
        ({"zone": "Europe"}, "zone"),
        ({"zone": "localtime"}, "zone"),
        ({"zone": ""}, "zone"),
        ({"every": 0}, "every"),
        ({"every": 1001}, "every"),
        ({"unit": Unit.ONCE, "every": 2}, "every"),
        ({"unit": Unit.MONTH}, "day"),
        ({"unit": Unit.MONTH, "day": 32}, "day"),
        ({"day": 3}, "day"),
        ({"count": -1}, "count"),
        ({"count": 3, "until": date(2026, 6, 1)}, "count"),
        ({"until": date(2026, 5, 3)}, "rule"),
        ({"unit": Unit.MONTH, "day": 30, "until": date(2026, 5, 29)}, "rule"),
    ],
)
def test_rule_that_can_never_be_right_is_refused_with_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        dataclasses.replace(DAILY, **changes)
    assert refused.value.field == field


def test_day_that_no_february_has_is_refused_instead_of_waited_for() -> None:
    with pytest.raises(InvalidValueError, match="has no occurrence"):
        Recurrence(datetime(2026, 2, 1, 9), "UTC", Unit.MONTH, every=12, day=30, month_end=MonthEnd.SKIP)


def test_rule_without_an_end_ends_with_the_calendar() -> None:
    rule = Recurrence(datetime(9998, 12, 30, 23, 59), "Pacific/Honolulu", Unit.DAY)
    assert calendar(rule, 5) == "9998-12-31T09:59 9999-01-01T09:59"
    monthly = Recurrence(datetime(9998, 11, 30, 9), "UTC", Unit.MONTH, day=31)
    assert calendar(monthly, 5) == "9998-11-30T09:00 9998-12-31T09:00"
    assert following(monthly, 10**9, 3) is None


def test_examples_in_the_text_are_true() -> None:
    assert doctest.testmod(recurrence).failed == 0
