"""What follows from each answer of the books, and from having been away.

Method: a table of every result code against the state it leads to; the rest by hand.
"""

from __future__ import annotations

import dataclasses
import doctest
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger import schedule as module
from ledger.account import Side
from ledger.errors import InvalidValueError
from ledger.journal import Posting, ResultCode
from ledger.recurrence import Occurrence, Recurrence, Unit
from ledger.schedule import (
    GIVEN_UP,
    RETRIED,
    CatchUp,
    Schedule,
    State,
    Status,
    Template,
    entry_of,
    first_state,
    invalid,
    is_missed,
    judged,
    run_key,
    skipped,
)
from ledger.schedule_store import definition_of, schedule_from

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)
LEGS = (Posting("ann", Side.DEBIT, 500), Posting("rent", Side.CREDIT, 500))
DAILY = Schedule(
    uuid.UUID(int=7),
    "ann",
    Template(LEGS, description="rent"),
    Recurrence(datetime(2026, 3, 2, 9), "UTC", Unit.DAY, count=3),
)
SECOND = Occurrence(1, 2, START + DAY)


def test_new_schedule_waits_for_its_first_occurrence() -> None:
    assert first_state(DAILY) == State(Status.ACTIVE, Occurrence(0, 1, START), 0, START)


def test_entry_of_an_occurrence_counts_for_its_due_time_and_names_its_schedule() -> None:
    entry = entry_of(DAILY, START + DAY)
    assert entry.key == run_key(DAILY.id, START + DAY)
    assert entry.effective_at == START + DAY
    assert (entry.postings, entry.actor, entry.description) == (LEGS, "ann", "rent")
    assert entry.metadata == (("schedule.due_at", "2026-03-03T09:00:00+00:00"), ("schedule.id", str(DAILY.id)))
    assert entry == entry_of(DAILY, START + DAY)


@pytest.mark.parametrize("code", ResultCode)
def test_every_code_has_its_consequence(code: ResultCode) -> None:
    now = START + timedelta(minutes=1)
    seq = 9 if code in (ResultCode.POSTED, ResultCode.EXISTS) else None
    run, state = judged(DAILY, first_state(DAILY), code, seq, now)
    assert (run.due_at, run.number, run.attempt, run.code, run.seq, run.at) == (START, 1, 1, code.text, seq, now)
    if code in RETRIED:
        assert state == State(Status.ACTIVE, Occurrence(0, 1, START), 1, now + timedelta(hours=1))
    elif seq is not None or code in GIVEN_UP:
        assert state == State(Status.ACTIVE, SECOND, 0, SECOND.due_at)
    else:
        assert state == State(Status.PAUSED, SECOND, 0, SECOND.due_at)


def test_occurrence_refused_for_now_is_given_up_after_its_last_try() -> None:
    state, now = first_state(DAILY), START
    for attempt in (1, 2, 3):
        assert state.occurrence == Occurrence(0, 1, START)
        run, state = judged(DAILY, state, ResultCode.EXCEEDS_AVAILABLE, None, now)
        assert run.attempt == attempt
        now += timedelta(hours=1)
    assert state == State(Status.ACTIVE, SECOND, 0, SECOND.due_at)


def test_schedule_finishes_after_its_last_occurrence_whatever_became_of_it() -> None:
    last = State(Status.ACTIVE, Occurrence(2, 3, START + 2 * DAY), 0, START + 2 * DAY)
    for code in (ResultCode.POSTED, ResultCode.PERIOD_CLOSED, ResultCode.ACCOUNT_CLOSED):
        assert judged(DAILY, last, code, None, START)[1] == State(Status.FINISHED, None)
    assert skipped(DAILY, last, START)[1] == State(Status.FINISHED, None)


def test_entry_that_cannot_be_built_pauses_the_schedule() -> None:
    run, state = invalid(DAILY, first_state(DAILY), START)
    assert (run.code, state.status, state.occurrence) == ("invalid", Status.PAUSED, SECOND)


def missed(catch_up: CatchUp, late: timedelta, attempts: int = 0) -> bool:
    schedule = dataclasses.replace(DAILY, catch_up=catch_up, grace_s=3600)
    return is_missed(schedule, dataclasses.replace(first_state(schedule), attempts=attempts), START + late)


def test_missed_occurrences_are_what_the_policy_says() -> None:
    hour, second = timedelta(hours=1), timedelta(seconds=1)
    assert not missed(CatchUp.ALL, 100 * DAY)
    assert not missed(CatchUp.LATEST, DAY - second)
    assert missed(CatchUp.LATEST, DAY)
    assert not missed(CatchUp.SKIP, hour)
    assert missed(CatchUp.SKIP, hour + second)
    assert not missed(CatchUp.SKIP, hour + second, attempts=1)


def test_latest_of_the_last_occurrences_is_posted_even_years_later() -> None:
    schedule = dataclasses.replace(DAILY, catch_up=CatchUp.LATEST)
    state, now, codes = first_state(schedule), START + 999 * DAY, []
    while state.occurrence is not None:
        if is_missed(schedule, state, now):
            run, state = skipped(schedule, state, now)
        else:
            run, state = judged(schedule, state, ResultCode.POSTED, 1, now)
        codes.append(run.code)
    assert codes == ["skipped", "skipped", "posted"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"actor": ""}, "actor"),
        ({"grace_s": -1}, "grace_s"),
        ({"grace_s": 604_801}, "grace_s"),
        ({"attempts_max": 0}, "attempts_max"),
        ({"attempts_max": 101}, "attempts_max"),
        ({"pause_s": 0}, "pause_s"),
        ({"pause_s": 604_801}, "pause_s"),
        ({"template": Template(LEGS[:1])}, "postings"),
        ({"template": Template(LEGS, metadata=tuple((f"n{i:02}", "") for i in range(15)))}, "metadata"),
        ({"template": Template(LEGS, metadata=(("schedule.id", "x"),))}, "metadata"),
    ],
)
def test_schedule_that_could_never_post_is_refused_with_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        dataclasses.replace(DAILY, **changes)
    assert refused.value.field == field


def test_policies_reach_their_limits() -> None:
    for changes in ({"grace_s": 0, "attempts_max": 1, "pause_s": 1}, {"attempts_max": 100, "pause_s": 604_800}):
        dataclasses.replace(DAILY, **changes)
    dataclasses.replace(DAILY, grace_s=604_800)


def test_two_pairs_of_metadata_belong_to_the_schedule() -> None:
    pairs = tuple((f"n{number:02}", "") for number in range(15))
    assert len(entry_of(dataclasses.replace(DAILY, template=Template(LEGS, metadata=pairs[:14])), START).metadata) == 16
    with pytest.raises(InvalidValueError, match="two of 16 pairs belong to the schedule"):
        dataclasses.replace(DAILY, template=Template(LEGS, metadata=pairs))


def test_definition_survives_being_written_and_read() -> None:
    full = Schedule(
        uuid.UUID(int=8),
        "ann",
        Template(LEGS, "s-1", "rent", (("contract", "77"),)),
        Recurrence(datetime(2026, 3, 31, 9, 30), "Asia/Tehran", Unit.MONTH, 3, 31, until=datetime(2030, 1, 1).date()),
        CatchUp.SKIP,
        60,
        5,
        30,
    )
    for schedule in (DAILY, full):
        assert schedule_from(schedule.id, definition_of(schedule)) == schedule


def test_key_of_an_occurrence_is_fixed_for_ever() -> None:
    """Changing the derivation would post again what was posted: these bytes may never change."""
    assert str(run_key(uuid.UUID(int=1), START)) == "019cadc6-9a80-85f3-828c-b52127d5b1b0"
    assert run_key(uuid.UUID(int=1), START) != run_key(uuid.UUID(int=2), START)


def test_examples_in_the_text_are_true() -> None:
    assert doctest.testmod(module).failed == 0
