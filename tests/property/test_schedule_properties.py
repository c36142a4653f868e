"""Whatever the books answer, however long the node is away and wherever it dies: each occurrence is posted at most once
and settled exactly once, in order, and what is on record is what happened.

Method: the pure rules against books that are a dictionary of keys; a death loses what was not recorded.
"""

from __future__ import annotations

import itertools
import uuid
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.account import Side
from ledger.journal import Posting, ResultCode
from ledger.recurrence import Recurrence, Unit, occurrences
from ledger.schedule import (
    RETRIED,
    CatchUp,
    Run,
    Schedule,
    State,
    Status,
    Template,
    entry_of,
    first_state,
    is_missed,
    judged,
    skipped,
)

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
LEGS = (Posting("ann", Side.DEBIT, 500), Posting("rent", Side.CREDIT, 500))
DONE = ("posted", "exists")


class Look(NamedTuple):
    """One look of the worker: hours since the last, what new entries are answered, whether the node dies after it."""

    hours: int
    answer: ResultCode
    dies: bool


answers = st.sampled_from([ResultCode.POSTED] * 4 + [ResultCode.EXCEEDS_AVAILABLE] * 2 + list(ResultCode)[2:])
looks = st.lists(st.builds(Look, st.integers(0, 60), answers, st.booleans()), min_size=1, max_size=60)
schedules = st.builds(
    Schedule,
    st.uuids(),
    st.just("ann"),
    st.just(Template(LEGS)),
    st.builds(
        Recurrence,
        st.just(START.replace(tzinfo=None)),
        st.just("UTC"),
        st.just(Unit.DAY),
        every=st.integers(1, 2),
        count=st.integers(0, 9),
    ),
    st.sampled_from(CatchUp),
    attempts_max=st.integers(1, 3),
    grace_s=st.integers(0, 200_000),
)


def work(schedule: Schedule, plan: list[Look]) -> tuple[dict[uuid.UUID, datetime], list[Run], State]:
    """Return what stands in the books, what is on record, and where the schedule ended."""
    books: dict[uuid.UUID, datetime] = {}
    runs: list[Run] = []
    state, now = first_state(schedule), START
    for look in plan:
        now += timedelta(hours=look.hours)
        if state.status is Status.PAUSED:
            state = State(Status.ACTIVE, state.occurrence, state.attempts, state.wake_at)
        if state.wake_at is None or state.wake_at > now:
            continue
        assert state.occurrence is not None
        entry = entry_of(schedule, state.occurrence.due_at)
        if is_missed(schedule, state, now):
            if entry.key in books:  # as the database does, which looks for the entry first
                run, after = judged(schedule, state, ResultCode.EXISTS, 1, now)
            else:
                run, after = skipped(schedule, state, now)
        else:
            code = ResultCode.EXISTS if entry.key in books else look.answer
            if code is ResultCode.POSTED:
                assert entry.effective_at is not None
                books[entry.key] = entry.effective_at
            run, after = judged(schedule, state, code, 1 if code in (0, 1) else None, now)
        if not look.dies:
            runs.append(run)
            state = after
    return books, runs, state


@given(schedules, looks)
@settings(deadline=None)
def test_each_occurrence_is_settled_once_in_order_and_as_recorded(schedule: Schedule, plan: list[Look]) -> None:
    books, runs, state = work(schedule, plan)
    due = [occurrence.due_at for occurrence in itertools.islice(occurrences(schedule.rule), 100)]
    settled = [list(group) for _, group in itertools.groupby(runs, key=lambda run: run.due_at)]
    # In order, without a gap, the tries of each numbered.
    assert [group[0].due_at for group in settled] == due[: len(settled)]
    for number, group in enumerate(settled, start=1):
        assert [run.attempt for run in group] == list(range(1, len(group) + 1)) and len(group) <= schedule.attempts_max
        assert {run.number for run in group} == {number}
        assert all(run.code in {code.text for code in RETRIED} for run in group[:-1])
    # Posted once, and on record as posted, but for the one that the last death left.
    recorded = {run.due_at for run in runs if run.code in DONE}
    under_way = state.occurrence.due_at if state.occurrence is not None else None
    assert set(books.values()) - {under_way} == recorded
    assert len(books) == len(set(books.values()))
    # Never before its time, never after the end.
    assert all(run.at >= run.due_at for run in runs)
    if schedule.rule.count:
        assert len(settled) <= schedule.rule.count
        assert (state.status is Status.FINISHED) == (state.occurrence is None)


@given(schedules, looks)
@settings(deadline=None)
def test_deaths_change_nothing_but_who_finds_the_entry(schedule: Schedule, plan: list[Look]) -> None:
    """A node that dies and looks again at once, before anything else changes, ends with the books of one that lived."""
    living = [Look(look.hours, look.answer, False) for look in plan]
    dying = [again for look in plan for again in (look._replace(dies=True), Look(0, look.answer, False))]
    books, runs, state = work(schedule, living)
    other_books, other_runs, other_state = work(schedule, dying)
    assert other_books == books
    assert other_state == state
    assert [run.seq for run in other_runs] == [run.seq for run in runs]
