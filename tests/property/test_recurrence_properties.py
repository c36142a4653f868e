"""Occurrences equal those of an oracle that is slow and obvious: it walks through every single day, and finds the
moment of a wall time by trying every offset a clock could have."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ledger.errors import InvalidValueError
from ledger.recurrence import MonthEnd, Recurrence, Unit, following, occurrences
from ledger.schedule import run_key

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Asuncion",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Asia/Tehran",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Antarctica/Troll",
]
OFFSETS = [timedelta(minutes=15 * number) for number in range(-14 * 4, 14 * 4 + 1)]
"""Every offset a zone has had since 1980 is one of these."""


def moment_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first moment at which a clock on the wall shows this; in a gap, as if the clock had not been moved yet."""
    shown = []
    for offset in OFFSETS:
        moment = (wall - offset).replace(tzinfo=UTC)
        if moment.astimezone(zone).replace(tzinfo=None) == wall:
            shown.append(moment)
    if shown:
        return min(shown)
    before = (wall - timedelta(hours=48)).replace(tzinfo=UTC).astimezone(zone).utcoffset()
    assert before is not None
    return (wall - before).replace(tzinfo=UTC)


def last_day(day: date) -> bool:
    return (day + timedelta(days=1)).month != day.month


def matches(rule: Recurrence, day: date, months: list[tuple[int, int]]) -> bool:
    start = rule.start.date()
    match rule.unit:
        case Unit.ONCE:
            return day == start
        case Unit.DAY:
            return (day - start).days % rule.every == 0
        case Unit.WEEK:
            return (day - start).days % (7 * rule.every) == 0
        case Unit.MONTH:
            falls = day.day == rule.day or (
                rule.month_end is MonthEnd.LAST_DAY and last_day(day) and day.day < rule.day
            )
            return falls and months.index((day.year, day.month)) % rule.every == 0


def months_from(rule: Recurrence) -> list[tuple[int, int]]:
    """Months in order, from the first in which the day, or the end of a shorter month, is not before the start."""
    start = rule.start.date()
    first = start
    while first.day != rule.day and not (last_day(first) and first.day < rule.day):
        first += timedelta(days=1)
    months = [(first.year, first.month)]
    for _ in range(12 * 60):
        year, month = months[-1]
        months.append((year + month // 12, month % 12 + 1))
    return months


def oracle(rule: Recurrence, days: int) -> Iterator[datetime]:
    zone = ZoneInfo(rule.zone)
    months = months_from(rule) if rule.unit is Unit.MONTH else []
    found: list[datetime] = []
    for number in range(days):
        day = rule.start.date() + timedelta(days=number)
        if (rule.until is not None and day > rule.until) or (rule.count and len(found) == rule.count):
            return
        if matches(rule, day, months):
            moment = moment_of(datetime.combine(day, rule.start.time()), zone)
            if moment not in found:
                found.append(moment)
                yield moment


wall_times = st.one_of(
    st.times(min_value=time(0), max_value=time(4)),  # where clocks change
    st.sampled_from([time(0), time(2), time(2, 30), time(3), time(23, 59, 59)]),
    st.times(),
).map(lambda moment: moment.replace(microsecond=0, fold=0))


@st.composite
def rules(draw: st.DrawFn) -> Recurrence:
    start = datetime.combine(draw(st.dates(date(1985, 1, 1), date(2036, 12, 31))), draw(wall_times))
    unit = draw(st.sampled_from(Unit))
    end = draw(st.sampled_from(["until", "count", "none"]))
    try:
        return Recurrence(
            start,
            draw(st.sampled_from(ZONES)),
            unit,
            every=1 if unit is Unit.ONCE else draw(st.one_of(st.just(1), st.integers(1, 14))),
            day=draw(st.one_of(st.integers(1, 31), st.integers(28, 31))) if unit is Unit.MONTH else 0,
            month_end=draw(st.sampled_from(MonthEnd)),
            until=start.date() + timedelta(days=draw(st.integers(0, 800))) if end == "until" else None,
            count=draw(st.integers(1, 40)) if end == "count" else 0,
        )
    except InvalidValueError as error:
        assert error.field == "rule"
        assume(False)
        raise


BERLIN = "Europe/Berlin"


@example(Recurrence(datetime(2024, 1, 31, 9), BERLIN, Unit.MONTH, day=31), 500)
@example(Recurrence(datetime(2023, 1, 31, 9), BERLIN, Unit.MONTH, day=31, month_end=MonthEnd.SKIP), 800)
@example(Recurrence(datetime(2024, 2, 29, 9), "UTC", Unit.MONTH, every=12, day=29, month_end=MonthEnd.SKIP), 3200)
@example(Recurrence(datetime(2024, 2, 29, 9), "UTC", Unit.MONTH, every=12, day=29), 1900)
@example(Recurrence(datetime(2024, 2, 29, 9), "UTC", Unit.MONTH, day=30), 400)
@example(Recurrence(datetime(2026, 3, 27, 2, 30), BERLIN, Unit.DAY), 5)
@example(Recurrence(datetime(2026, 10, 23, 2, 30), BERLIN, Unit.DAY), 5)
@example(Recurrence(datetime(2026, 3, 22, 2, 0), BERLIN, Unit.WEEK), 30)
@example(Recurrence(datetime(2011, 12, 28, 10), "Pacific/Apia", Unit.DAY), 6)
@example(Recurrence(datetime(2011, 12, 28, 10), "Pacific/Apia", Unit.DAY, count=3), 6)
@example(Recurrence(datetime(2011, 11, 30, 10), "Pacific/Apia", Unit.MONTH, day=30), 60)
@example(Recurrence(datetime(2011, 12, 30, 10), "Pacific/Apia", Unit.ONCE), 3)
@given(rule=rules(), days=st.integers(1, 900))
@settings(deadline=None)
def test_occurrences_equal_those_of_the_slow_oracle(rule: Recurrence, days: int) -> None:
    expected = list(oracle(rule, days))
    enough = itertools.islice(occurrences(rule), len(expected) + 2)
    found = [occurrence.due_at for occurrence in enough]
    assert found[: len(expected)] == expected
    horizon = moment_of(
        datetime.combine(rule.start.date() + timedelta(days=days), rule.start.time()), ZoneInfo(rule.zone)
    )
    assert all(moment >= horizon for moment in found[len(expected) :])


@given(rules())
@settings(deadline=None)
def test_occurrences_rise_and_are_numbered_and_go_on_from_any_of_them(rule: Recurrence) -> None:
    found = list(itertools.islice(occurrences(rule), 25))
    assert [occurrence.number for occurrence in found] == list(range(1, len(found) + 1))
    for before, after in itertools.pairwise(found):
        assert before.due_at < after.due_at
        assert before.step < after.step
        assert following(rule, before.step + 1, before.number) == after
    if rule.count:
        assert len(found) <= rule.count


@given(st.uuids(), st.lists(rules(), min_size=1, max_size=3))
@settings(deadline=None)
def test_keys_differ_between_occurrences_and_schedules_and_follow_time(
    schedule_id: uuid.UUID, some: list[Recurrence]
) -> None:
    moments = sorted({o.due_at for rule in some for o in itertools.islice(occurrences(rule), 10)})
    keys = [run_key(schedule_id, moment) for moment in moments]
    assert len(set(keys)) == len(keys)
    assert keys == sorted(keys)
    assert run_key(uuid.UUID(int=schedule_id.int ^ 1), moments[0]) != keys[0]
    assert all(key.version == 8 and key.variant == uuid.RFC_4122 for key in keys)
