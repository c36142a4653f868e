"""Keeps scheduled entries in the books' database: orders, where they stand, and what became of each occurrence.

Reads rows, calls the functions ``ledger.schedule_*``; decides nothing (``ledger.schedule`` does).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import psycopg

from ledger.account import Side, check_actor
from ledger.errors import ConflictError, InvalidValueError, NotFoundError
from ledger.journal import Posting, Scope
from ledger.queries import query
from ledger.recurrence import MonthEnd, Occurrence, Recurrence, Unit
from ledger.schedule import CatchUp, Run, Schedule, State, Status, Template, first_state, run_key

PAGE_SIZE_MAX = 1000
"""Most schedules or runs of one page."""

_BEFORE_ALL = datetime(1, 1, 1, tzinfo=UTC)
_NO_ID = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True)
class KeptSchedule:
    """A schedule and where it stands.

    Args:
        scope: the tenant that ordered it, told of those that are due; None for the organization's.
    """

    schedule: Schedule
    state: State
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class ScheduleFinding:
    """An occurrence whose record does not fit its entry.

    Args:
        schedule_id: the schedule.
        due_at: the occurrence.
        problem: what is wrong with it.
    """

    schedule_id: uuid.UUID
    due_at: datetime
    problem: str


def create_schedule(
    connection: psycopg.Connection[Any], schedule: Schedule, now: datetime, *, tenant: int | None = None
) -> tuple[KeptSchedule, bool]:
    """Keep an order, or find the same one kept already; return it and whether it is new.

    Args:
        tenant: who orders, by number; None for the organization. A tenant orders within his books.
    Raises:
        ConflictError: the id stands for another order.
        NotFoundError: an account is not the tenant's, or does not exist.
    """
    first = first_state(schedule).occurrence
    assert first is not None
    definition = json.dumps(definition_of(schedule), sort_keys=True)
    arguments = (
        schedule.id,
        definition,
        now,
        first.step,
        first.number,
        first.due_at,
        run_key(schedule.id, first.due_at),
        tenant,
    )
    code = _one(connection, query("schedule_create"), arguments)
    if code == "account_not_found":
        raise NotFoundError(f"an account of schedule {schedule.id} does not exist")
    if code == "exists_with_different_body":
        raise ConflictError(f"schedule {schedule.id} stands already with another order: use a new id")
    return find_schedule(connection, schedule.id), code == "created"


def find_schedule(connection: psycopg.Connection[Any], schedule_id: uuid.UUID) -> KeptSchedule:
    """Return a schedule as it stands.

    Raises:
        NotFoundError: there is none.
    """
    row = connection.execute(query("schedule"), (schedule_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"schedule {schedule_id} does not exist")
    return _kept(row)


def list_schedules(
    connection: psycopg.Connection[Any], *, after: uuid.UUID = _NO_ID, count_max: int = 100
) -> list[KeptSchedule]:
    """Return schedules in the order of their ids, from the one after ``after``."""
    return [_kept(row) for row in connection.execute(query("schedules"), (after, _page(count_max)))]


def due_schedules(
    connection: psycopg.Connection[Any], now: datetime, count_max: int
) -> tuple[list[KeptSchedule], list[uuid.UUID]]:
    """Return active schedules that are to be looked at now, the longest waiting first.

    Returns:
        The schedules, and the ids of those that this release cannot read: a zone that was dropped, a stricter rule.
    """
    found, unreadable = [], []
    for *row, tenant, books in connection.execute(query("schedules_due"), (now, _page(count_max))):
        try:
            scope = None if tenant is None else Scope(tenant, frozenset(books))
            found.append(replace(_kept(tuple(row)), scope=scope))
        except (InvalidValueError, KeyError, TypeError, ValueError):
            unreadable.append(row[0])
    return found, unreadable


def list_runs(
    connection: psycopg.Connection[Any],
    schedule_id: uuid.UUID,
    *,
    after: tuple[datetime, int] = (_BEFORE_ALL, 0),
    count_max: int = 100,
) -> list[Run]:
    """Return what became of a schedule's occurrences, in order.

    Args:
        connection: the books' database.
        schedule_id: the schedule.
        after: due time and attempt of the last run of the page before.
        count_max: page size.
    """
    rows = connection.execute(query("schedule_runs"), (schedule_id, *after, _page(count_max)))
    return [Run(*row) for row in rows]


def record_runs(
    connection: psycopg.Connection[Any], epoch: int, runs: Sequence[tuple[Schedule, Run, State]]
) -> list[bool]:
    """Record what became of occurrences and where their schedules stand now, in one commit.

    Args:
        connection: the books' database.
        epoch: the writer's whose answers these are.
        runs: each with the schedule and its state afterwards.
    Returns:
        For each run whether it was recorded; False when another had settled the occurrence before.
    Raises:
        psycopg.Error: the epoch was replaced (``DW001``), or the database does not answer; nothing was recorded.
    """
    with connection.transaction():
        return [
            _one(connection, query("schedule_record"), (epoch, *_record(schedule, run, state))) == "recorded"
            for schedule, run, state in runs
        ]


def change_schedule(
    connection: psycopg.Connection[Any],
    schedule_id: uuid.UUID,
    what: str,
    *,
    actor: str,
    now: datetime,
    tenant: int | None = None,
) -> bool:
    """Pause, resume, cancel or forget a schedule; return whether that changed anything.

    An occurrence whose posting is under way may still be posted; it is recorded then.

    Args:
        connection: the books' database.
        schedule_id: the schedule.
        what: ``"pause"``, ``"resume"``, ``"cancel"``, or ``"forget"``: erase the description of one that has ended.
        actor: pseudonym of who asks.
        now: the time.
        tenant: who asks, by number; None for the organization. A tenant changes what he ordered himself.
    Raises:
        NotFoundError: there is no such schedule.
        ConflictError: it has ended; or, to forget it, it has not; or another ordered it.
        InvalidValueError: another word, or a malformed actor.
    """
    if what not in ("pause", "resume", "cancel", "forget"):
        raise InvalidValueError("what", what, "give pause, resume, cancel or forget")
    check_actor(actor)
    if what == "forget":
        statement = b"SELECT ledger.schedule_forget(%s, %s, %s, %s::smallint)"
        code = _one(connection, statement, (schedule_id, actor, now, tenant))
    else:
        statement = b"SELECT ledger.schedule_change(%s, %s, %s, %s, %s::smallint)"
        code = _one(connection, statement, (schedule_id, what, actor, now, tenant))
    if code == "schedule_not_found":
        raise NotFoundError(f"schedule {schedule_id} does not exist")
    if code == "schedule_of_another":
        raise ConflictError(f"schedule {schedule_id} was ordered by the organization: ask it to change it")
    if code == "schedule_ended":
        raise ConflictError(f"schedule {schedule_id} has ended: make a new one")
    if code == "schedule_not_ended":
        raise ConflictError(f"schedule {schedule_id} is still needed: cancel it first")
    return bool(code == "changed")


def audit_schedules(connection: psycopg.Connection[Any], count_max: int = PAGE_SIZE_MAX) -> list[ScheduleFinding]:
    """Return what does not fit between scheduled entries and their records; empty in sound books."""
    rows = connection.execute(query("schedule_audit"), (_page(count_max),))
    return [ScheduleFinding(*row) for row in rows]


def definition_of(schedule: Schedule) -> dict[str, Any]:
    """Return the order as the database keeps it; amounts are text, and what is empty is left out."""
    template, rule = schedule.template, schedule.rule
    definition = {
        "actor": schedule.actor,
        "postings": [[leg.account, int(leg.side), str(leg.amount)] for leg in template.postings],
        "settlement_id": template.settlement_id,
        "description": template.description,
        "metadata": [list(pair) for pair in template.metadata],
        "start": rule.start.isoformat(),
        "zone": rule.zone,
        "unit": int(rule.unit),
        "every": rule.every,
        "day": rule.day,
        "month_end": int(rule.month_end),
        "until": rule.until.isoformat() if rule.until is not None else "",
        "count": rule.count,
        "catch_up": int(schedule.catch_up),
        "grace_s": schedule.grace_s,
        "attempts_max": schedule.attempts_max,
        "pause_s": schedule.pause_s,
    }
    return {name: value for name, value in definition.items() if value not in ("", [])}


def schedule_from(schedule_id: uuid.UUID, definition: dict[str, Any]) -> Schedule:
    """Return the order that ``definition_of`` wrote."""
    postings = tuple(Posting(account, Side(side), int(amount)) for account, side, amount in definition["postings"])
    template = Template(
        postings,
        definition.get("settlement_id", ""),
        definition.get("description", ""),
        tuple((name, value) for name, value in definition.get("metadata", ())),
    )
    rule = Recurrence(
        datetime.fromisoformat(definition["start"]),
        definition["zone"],
        Unit(definition["unit"]),
        definition["every"],
        definition["day"],
        MonthEnd(definition["month_end"]),
        date.fromisoformat(definition["until"]) if "until" in definition else None,
        definition["count"],
    )
    names = ("grace_s", "attempts_max", "pause_s")
    policy = {name: definition[name] for name in names}
    return Schedule(schedule_id, definition["actor"], template, rule, CatchUp(definition["catch_up"]), **policy)


def _record(schedule: Schedule, run: Run, state: State) -> tuple[Any, ...]:
    """Return the arguments of ``ledger.schedule_record`` after the epoch."""
    after = state.occurrence
    following = (None,) * 4 if after is None else _numbers(schedule, after)
    tried = (schedule.id, run.due_at, run.attempt, run.code, run.at)
    return (*tried, int(state.status), *following, state.attempts, state.wake_at)


def _numbers(schedule: Schedule, occurrence: Occurrence) -> tuple[Any, ...]:
    return occurrence.step, occurrence.number, occurrence.due_at, run_key(schedule.id, occurrence.due_at)


def _kept(row: tuple[Any, ...]) -> KeptSchedule:
    schedule_id, definition, status, step, number, due_at, attempts, wake_at = row
    occurrence = None if due_at is None else Occurrence(step, number, due_at)
    return KeptSchedule(schedule_from(schedule_id, definition), State(Status(status), occurrence, attempts, wake_at))


def _page(count_max: int) -> int:
    if not 1 <= count_max <= PAGE_SIZE_MAX:
        raise InvalidValueError("page_size", count_max, f"give 1 to {PAGE_SIZE_MAX}")
    return count_max


def _one(connection: psycopg.Connection[Any], text: bytes, arguments: tuple[Any, ...]) -> Any:
    row = connection.execute(text, arguments).fetchone()
    assert row is not None
    return row[0]
