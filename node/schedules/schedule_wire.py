"""Protobuf forms of scheduled entries turned into our own, strictly, and back."""

from __future__ import annotations

from datetime import datetime

from ledger.errors import InvalidValueError
from ledger.recurrence import MonthEnd, Recurrence, Unit
from ledger.schedule import CatchUp, Run, Schedule, State, Template
from network.pb.dwaybank.ledger.v1 import schedules_pb2 as pb
from node.books import wire

POLICIES = ("grace_s", "attempts_max", "pause_s")
"""Fields that a schedule has values of its own for where the caller gives none."""


def schedule_of(message: pb.Schedule, path: str) -> Schedule:
    """Return the order.

    Args:
        message: as received.
        path: where it stands in the request, for errors.
    Raises:
        InvalidValueError: naming the field below ``path``.
    """
    rule = _rule_of(message.rule, f"{path}.rule")
    postings = tuple(wire.posting_of(leg, f"{path}.postings[{i}]") for i, leg in enumerate(message.postings))
    schedule_id = wire.uuid_of(message.schedule_id, f"{path}.schedule_id")
    catch_up = wire.member_of(CatchUp, message.catch_up or int(CatchUp.ALL), f"{path}.catch_up")
    policies = {name: getattr(message, name) for name in POLICIES if message.HasField(name)}
    template = Template(postings, message.settlement_id, message.description, tuple(sorted(message.metadata.items())))
    with wire.below(path):
        return Schedule(schedule_id, message.actor, template, rule, catch_up, **policies)


def schedule_message(schedule: Schedule) -> pb.Schedule:
    """Return an order as the service tells it."""
    template, rule = schedule.template, schedule.rule
    return pb.Schedule(
        schedule_id=str(schedule.id),
        actor=schedule.actor,
        postings=[wire.posting_message(posting) for posting in template.postings],
        settlement_id=template.settlement_id,
        description=template.description,
        metadata=dict(template.metadata),
        rule=pb.Recurrence(
            start=rule.start.isoformat(),
            zone=rule.zone,
            unit=f"RECURRENCE_UNIT_{rule.unit.name}",
            every=rule.every,
            day=rule.day,
            month_end=f"MONTH_END_{rule.month_end.name}",
            until="" if rule.until is None else rule.until.isoformat(),
            count=rule.count,
        ),
        catch_up=f"CATCH_UP_{schedule.catch_up.name}",
        grace_s=schedule.grace_s,
        attempts_max=schedule.attempts_max,
        pause_s=schedule.pause_s,
    )


def state_message(state: State) -> pb.ScheduleState:
    """Return where a schedule stands, as the service tells it."""
    occurrence = state.occurrence
    return pb.ScheduleState(
        status=f"SCHEDULE_STATUS_{state.status.name}",
        due_at=None if occurrence is None else wire.stamp_of(occurrence.due_at),
        number=0 if occurrence is None else occurrence.number,
        attempts=state.attempts,
        wake_at=None if state.wake_at is None else wire.stamp_of(state.wake_at),
    )


def run_message(run: Run) -> pb.ScheduleRun:
    """Return a try, or a skip, as the service tells it."""
    return pb.ScheduleRun(
        due_at=wire.stamp_of(run.due_at),
        number=run.number,
        attempt=run.attempt,
        code=run.code,
        seq=run.seq or 0,
        at=wire.stamp_of(run.at),
    )


def _rule_of(message: pb.Recurrence, path: str) -> Recurrence:
    try:
        start = datetime.fromisoformat(message.start)
    except ValueError as error:
        raise InvalidValueError(
            f"{path}.start", message.start, "give a wall time such as 2026-01-31T09:00:00"
        ) from error
    until = wire.day_of(message.until, f"{path}.until") if message.until else None
    unit = wire.member_of(Unit, message.unit, f"{path}.unit")
    month_end = wire.member_of(MonthEnd, message.month_end or int(MonthEnd.LAST_DAY), f"{path}.month_end")
    with wire.below(path):
        return Recurrence(start, message.zone, unit, message.every or 1, message.day, month_end, until, message.count)
