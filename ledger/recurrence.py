"""When a scheduled entry is due: a pure function from a rule to moments in time.

Rules:
- a rule begins at a local wall time in an IANA time zone; every occurrence has the same wall time of day, so a payment
  due at nine stays due at nine when the clocks change;
- steps are counted from 0: every n days, weeks (on the weekday of the beginning) or months (on day 1 to 31);
- a month without that day: its last day instead, or no occurrence in that month, as the rule says;
- *a wall time that does not exist* (clocks go forward) counts with the offset before the change: 02:30 becomes 03:30;
- *a wall time that exists twice* (clocks go back) means the first of the two (both as RFC 5545, section 3.3.5);
- each occurrence is later than the one before: where a zone leaves out a whole day, the occurrences of that day and of
  the next are the same moment, and count as one;
- months begin with the first whose day does not lie before the start;
- a rule ends after a number of occurrences, after a local day, or never (in practice with the year 9998).

>>> rule = Recurrence(datetime(2026, 1, 31, 9), "Europe/Berlin", Unit.MONTH, day=31, count=3)
>>> for occurrence in occurrences(rule):
...     print(occurrence.number, occurrence.due_at.isoformat())
1 2026-01-31T08:00:00+00:00
2 2026-02-28T08:00:00+00:00
3 2026-03-31T07:00:00+00:00

Left to others: what is posted then and how it is retried (``ledger.schedule``).
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ledger.errors import InvalidValueError

EVERY_MAX = 1000
"""Most days, weeks or months between two occurrences."""

COUNT_MAX = 1_000_000
"""Most occurrences a rule may name; without a number it goes on."""

YEAR_MIN, YEAR_MAX = 1971, 9998
"""Times are counted from 1970, the calendar ends with 9999, and an offset may move a moment into the next year."""

_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+\-]{0,30}(/[A-Za-z0-9_+\-]{1,30}){0,2}")


class Unit(IntEnum):
    """What the steps of a rule count; the numbers stand in the database."""

    ONCE = 1
    DAY = 2
    WEEK = 3
    MONTH = 4


class MonthEnd(IntEnum):
    """What happens in a month that lacks the rule's day; the numbers stand in the database."""

    LAST_DAY = 1
    SKIP = 2


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A rule for moments in time.

    Args:
        start: local wall time from which on occurrences count, whole seconds, without a zone.
        zone: IANA name of the time zone, such as ``"Europe/Berlin"`` or ``"UTC"``.
        unit: what steps count.
        every: steps of so many units; 1 for each.
        day: for months, the day of the month; 0 for other units.
        month_end: for months that lack the day.
        until: last local day on which an occurrence may fall; None for no such end.
        count: number of occurrences; 0 for no such end.
    """

    start: datetime
    zone: str
    unit: Unit
    every: int = 1
    day: int = 0
    month_end: MonthEnd = MonthEnd.LAST_DAY
    until: date | None = None
    count: int = 0

    def __post_init__(self) -> None:
        if self.start.tzinfo is not None or self.start.microsecond or self.start.fold:
            raise InvalidValueError("start", self.start, "give a wall time in whole seconds; its zone stands apart")
        if not YEAR_MIN <= self.start.year <= YEAR_MAX:
            raise InvalidValueError("start", self.start, f"give a year from {YEAR_MIN} to {YEAR_MAX}")
        _zone(self.zone)
        if not 1 <= self.every <= EVERY_MAX or (self.unit is Unit.ONCE and self.every != 1):
            raise InvalidValueError("every", self.every, f"give 1 to {EVERY_MAX}, and 1 for what happens once")
        if not (1 <= self.day <= 31 if self.unit is Unit.MONTH else self.day == 0):
            raise InvalidValueError("day", self.day, "give 1 to 31 for months, and 0 for everything else")
        if not 0 <= self.count <= COUNT_MAX or (self.count and self.until is not None):
            raise InvalidValueError("count", self.count, f"give 1 to {COUNT_MAX}, or a last day, or neither")
        if following(self, 0, 0) is None:
            raise InvalidValueError("rule", self.unit.name.lower(), "has no occurrence: give another start, day or end")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One moment of a rule.

    Args:
        step: steps from the beginning, those without an occurrence included.
        number: which occurrence it is, from 1.
        due_at: the moment, UTC.
    """

    step: int
    number: int
    due_at: datetime


def following(rule: Recurrence, step: int, number: int) -> Occurrence | None:
    """Return the first occurrence at or after a step; None when the rule has ended.

    Args:
        rule: the rule.
        step: 0 for the first occurrence, else one more than that of the occurrence before.
        number: number of the occurrence before; 0 for the first.
    """
    if rule.count and number >= rule.count:
        return None
    while (place := _place(rule, step)) is not None:
        due_at = _due_at(rule, place)
        if due_at is not None:
            return Occurrence(step, number + 1, due_at)
        step += 1
    return None


def occurrences(rule: Recurrence) -> Iterator[Occurrence]:
    """Yield the occurrences of a rule from its beginning."""
    occurrence = following(rule, 0, 0)
    while occurrence is not None:
        yield occurrence
        occurrence = following(rule, occurrence.step + 1, occurrence.number)


def _place(rule: Recurrence, step: int) -> date | None:
    """Return the day a step stands for, for months their first day; None past the end of the rule."""
    start = rule.start.date()
    if rule.unit is Unit.MONTH:
        months = start.year * 12 + start.month - 1 + step * rule.every + _later_in_month(rule)
        if months >= (YEAR_MAX + 1) * 12:
            return None
        place = date(months // 12, months % 12 + 1, 1)
    else:
        days = {Unit.ONCE: 0, Unit.DAY: 1, Unit.WEEK: 7}[rule.unit] * rule.every * step
        if (rule.unit is Unit.ONCE and step) or start.toordinal() + days > date(YEAR_MAX, 12, 31).toordinal():
            return None
        place = start + timedelta(days=days)
    return None if rule.until is not None and place > rule.until else place


def _later_in_month(rule: Recurrence) -> int:
    """Return 1 when the start lies after the rule's day, so that the first month is the next one."""
    return int(rule.start.day > _day_of(rule.start.year, rule.start.month, rule.day))


def _due_at(rule: Recurrence, place: date) -> datetime | None:
    """Return the moment of the occurrence on a day or in a month; None when there is none."""
    day = _day_in(rule, place)
    if day is None or (rule.until is not None and day > rule.until):
        return None
    due_at = _moment(rule, day)
    if rule.unit is Unit.DAY and rule.every == 1 and day > rule.start.date():
        before = _moment(rule, day - timedelta(days=1))
        return due_at if before < due_at else None
    return due_at


def _day_in(rule: Recurrence, place: date) -> date | None:
    if rule.unit is not Unit.MONTH:
        return place
    day = _day_of(place.year, place.month, rule.day)
    return None if day != rule.day and rule.month_end is MonthEnd.SKIP else place.replace(day=day)


def _day_of(year: int, month: int, day: int) -> int:
    return min(day, calendar.monthrange(year, month)[1])


def _moment(rule: Recurrence, day: date) -> datetime:
    wall = datetime.combine(day, rule.start.time(), _zone(rule.zone))
    return wall.astimezone(UTC)  # fold is 0: the offset before the change, the first of two


def _zone(name: str) -> ZoneInfo:
    """Return a time zone; the library keeps those it has read."""
    if not _ZONE.fullmatch(name) or name == "localtime":
        raise InvalidValueError("zone", name, 'give an IANA name such as "Europe/Berlin"')
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidValueError("zone", name, 'is not known here: give an IANA name such as "Europe/Berlin"') from error
