"""Scheduled entries: what is posted when a rule is due, once for ever, and what follows from each result.

Rules:
- an occurrence is named by its schedule and its due time, and so is its idempotency key: whoever posts it again, after
  a crash or by mistake, finds it posted. Its effective time is the due time, however late it is posted;
- a schedule handles one occurrence at a time, in order;
- *refused for now* (``RETRIED``: no money, a frozen account, a limit): tried again after a pause, at most
  ``attempts_max`` times, then given up; the schedule goes on with the next occurrence;
- *refused for this time* (``GIVEN_UP``: its period is closed): given up at once; the schedule goes on;
- *refused for good* (everything else: the account is closed, the entry cannot balance): given up, and the schedule
  pauses until someone resumes it;
- *missed* (the node was down, the schedule paused): what ``CatchUp`` says. Each try and each skip leaves a row.

Pure; left to others: keeping it (``ledger.schedule_store``) and doing it in time (``node.schedules``).
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum

from ledger.account import check_actor, check_reference
from ledger.errors import InvalidValueError
from ledger.journal import METADATA_COUNT_MAX, NewEntry, Posting, ResultCode, microseconds
from ledger.recurrence import Occurrence, Recurrence, following

KEY_TAG = b"dwaybank.node/schedule-run\x01"

RETRIED = frozenset(
    {
        ResultCode.ACCOUNT_FROZEN,
        ResultCode.BALANCE_OVERFLOW,
        ResultCode.EXCEEDS_AVAILABLE,
        ResultCode.EXCEEDS_CEILING,
    }
)
"""Refusals that may be different an hour later."""

GIVEN_UP = frozenset({ResultCode.PERIOD_CLOSED})
"""Refusals of one occurrence that say nothing about the next."""

SKIPPED = "skipped"
"""Code of an occurrence that was missed and not made up for."""

INVALID = "invalid"
"""Code of an occurrence whose entry this release refuses to build."""

ATTEMPTS_MAX = 100
"""Most tries of one occurrence that a schedule may ask for."""

PAUSE_S_MAX = 7 * 86_400
"""Longest pause between two tries, and longest grace."""


class CatchUp(IntEnum):
    """What happens with occurrences that were missed; the numbers stand in the database."""

    ALL = 1
    """Each is posted, in order, with its own effective time."""

    LATEST = 2
    """Only the newest that is due is posted; those before it are skipped."""

    SKIP = 3
    """What is late by more than the grace is skipped."""


class Status(IntEnum):
    """Where a schedule stands; the numbers stand in the database."""

    ACTIVE = 1
    PAUSED = 2
    FINISHED = 3
    CANCELLED = 4


@dataclass(frozen=True, slots=True)
class Template:
    """What every occurrence posts; see ``NewEntry`` for the fields."""

    postings: tuple[Posting, ...]
    settlement_id: str = ""
    description: str = ""
    metadata: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Schedule:
    """An order to post the same entry again and again.

    Args:
        id: chosen by who asks, so that asking twice makes one schedule.
        actor: pseudonym of who asked; stands in every entry.
        template: what is posted.
        rule: when.
        catch_up: what happens with missed occurrences.
        grace_s: with ``CatchUp.SKIP``, how late an occurrence may still be posted.
        attempts_max: tries of an occurrence that is refused for now.
        pause_s: time between two tries.
    """

    id: uuid.UUID
    actor: str
    template: Template
    rule: Recurrence
    catch_up: CatchUp = CatchUp.ALL
    grace_s: int = 3600
    attempts_max: int = 3
    pause_s: int = 3600

    def __post_init__(self) -> None:
        check_actor(self.actor)
        for posting in self.template.postings:
            check_reference(posting.account)
        if len(self.template.metadata) > METADATA_COUNT_MAX - 2:
            raise InvalidValueError("metadata", len(self.template.metadata), "two of 16 pairs belong to the schedule")
        for field, value, least, most in (
            ("grace_s", self.grace_s, 0, PAUSE_S_MAX),
            ("attempts_max", self.attempts_max, 1, ATTEMPTS_MAX),
            ("pause_s", self.pause_s, 1, PAUSE_S_MAX),
        ):
            if not least <= value <= most:
                raise InvalidValueError(field, value, f"give {least} to {most}")
        first = following(self.rule, 0, 0)
        assert first is not None, "a rule without an occurrence cannot be made"
        entry_of(self, first.due_at)


@dataclass(frozen=True, slots=True)
class State:
    """Where a schedule stands.

    Args:
        status: whether it is worked on.
        occurrence: the one that is next, or being tried; None after the last.
        attempts: tries of it so far.
        wake_at: when to look at it next; None after the last.
    """

    status: Status
    occurrence: Occurrence | None
    attempts: int = 0
    wake_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One try of an occurrence, or its being skipped; kept for ever.

    Args:
        due_at: when the occurrence was due.
        number: which one it was, from 1.
        attempt: which try, from 1.
        code: ``ResultCode.text``, ``SKIPPED`` or ``INVALID``.
        seq: number of the entry; None when nothing was posted.
        at: when it was tried.
    """

    due_at: datetime
    number: int
    attempt: int
    code: str
    seq: int | None
    at: datetime


def run_key(schedule_id: uuid.UUID, due_at: datetime) -> uuid.UUID:
    """Return the idempotency key of an occurrence.

    A UUID of version 8 (RFC 9562): 48 bits of the due time in milliseconds, so that keys are as good as ordered by
    time, then SHA-256 over tag, schedule and due time in microseconds.

    >>> run_key(uuid.UUID(int=1), datetime(2026, 3, 2, 9, tzinfo=UTC))
    UUID('019cadc6-9a80-85f3-828c-b52127d5b1b0')
    """
    micros = microseconds(due_at)
    digest = hashlib.sha256(KEY_TAG + schedule_id.bytes + micros.to_bytes(8, "big", signed=True)).digest()
    made = bytearray((micros // 1000).to_bytes(6, "big") + digest[:10])
    made[6] = made[6] & 0x0F | 0x80
    made[8] = made[8] & 0x3F | 0x80
    return uuid.UUID(bytes=bytes(made))


def entry_of(schedule: Schedule, due_at: datetime) -> NewEntry:
    """Return the entry of an occurrence: the same for the same occurrence, for ever.

    Raises:
        InvalidValueError: the template is no entry.
    """
    template = schedule.template
    own = (("schedule.due_at", due_at.astimezone(UTC).isoformat()), ("schedule.id", str(schedule.id)))
    return NewEntry(
        run_key(schedule.id, due_at),
        template.postings,
        effective_at=due_at,
        settlement_id=template.settlement_id,
        description=template.description,
        actor=schedule.actor,
        metadata=tuple(sorted((*template.metadata, *own))),
    )


def first_state(schedule: Schedule) -> State:
    """Return where a new schedule stands: before its first occurrence, which may lie in the past."""
    return _before(following(schedule.rule, 0, 0))


def is_missed(schedule: Schedule, state: State, now: datetime) -> bool:
    """Return whether the occurrence that is due is to be skipped instead of posted."""
    assert state.occurrence is not None
    match schedule.catch_up:
        case CatchUp.ALL:
            return False
        case CatchUp.LATEST:
            after = following(schedule.rule, state.occurrence.step + 1, state.occurrence.number)
            return after is not None and after.due_at <= now
        case CatchUp.SKIP:
            late = now - state.occurrence.due_at
            return state.attempts == 0 and late > timedelta(seconds=schedule.grace_s)


def skipped(schedule: Schedule, state: State, now: datetime) -> tuple[Run, State]:
    """Return the record of a skipped occurrence, and where the schedule stands then."""
    return _run(state, SKIPPED, None, now), _advanced(schedule, state, Status.ACTIVE)


def invalid(schedule: Schedule, state: State, now: datetime) -> tuple[Run, State]:
    """Return the record of an occurrence whose entry cannot be built, and the paused schedule."""
    return _run(state, INVALID, None, now), _advanced(schedule, state, Status.PAUSED)


def judged(schedule: Schedule, state: State, code: ResultCode, seq: int | None, now: datetime) -> tuple[Run, State]:
    """Return the record of a try, and where the schedule stands after it.

    Args:
        schedule: the schedule.
        state: where it stood.
        code: the books' answer.
        seq: number of the entry, also of one that was posted before.
        now: when the answer came.
    """
    run = _run(state, code.text, seq, now)
    if code in (ResultCode.POSTED, ResultCode.EXISTS) or code in GIVEN_UP:
        return run, _advanced(schedule, state, Status.ACTIVE)
    if code not in RETRIED:
        return run, _advanced(schedule, state, Status.PAUSED)
    if run.attempt < schedule.attempts_max:
        return run, State(Status.ACTIVE, state.occurrence, run.attempt, now + timedelta(seconds=schedule.pause_s))
    return run, _advanced(schedule, state, Status.ACTIVE)


def _run(state: State, code: str, seq: int | None, now: datetime) -> Run:
    assert state.occurrence is not None
    return Run(state.occurrence.due_at, state.occurrence.number, state.attempts + 1, code, seq, now)


def _advanced(schedule: Schedule, state: State, status: Status) -> State:
    assert state.occurrence is not None
    return _before(following(schedule.rule, state.occurrence.step + 1, state.occurrence.number), status)


def _before(occurrence: Occurrence | None, status: Status = Status.ACTIVE) -> State:
    if occurrence is None:
        return State(Status.FINISHED, None)
    return State(status, occurrence, 0, occurrence.due_at)
