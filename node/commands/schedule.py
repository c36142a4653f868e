"""``dwaybank schedule``: entries that are ordered once and posted by the node when they are due."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.commands.options import HomeOption, JsonOption, OrgOption
from node.commands.own_books import ActorOption, actor_name, own_books

if TYPE_CHECKING:
    from ledger.schedule_store import KeptSchedule

IdArgument = Annotated[uuid.UUID, typer.Argument(metavar="ID", help="Schedule.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="Entries the node posts when they are due.", no_args_is_help=True)
    group.command("create", help="Order an entry for a time, or again and again.")(create)
    group.command("list", help="List schedules.")(list_all)
    group.command("runs", help="What became of a schedule's occurrences.")(runs)
    group.command("pause", help="Post nothing until it is resumed.")(pause)
    group.command("resume", help="Go on; what was missed is handled as ordered.")(resume)
    group.command("cancel", help="End it for good.")(cancel)
    group.command("forget", help="Erase the description of a schedule that has ended.")(forget)
    group.command("audit", help="Hold every occurrence's record against its entry.")(audit)
    app.add_typer(group, name="schedule", rich_help_panel="Books")


def create(
    debit: Annotated[str, typer.Option(help="Account to debit.")],
    credit: Annotated[str, typer.Option(help="Account to credit.")],
    amount: Annotated[str, typer.Option(help="Amount in the asset's units, e.g. 12.50.")],
    start: Annotated[str, typer.Option(help="Wall time from which on it counts, e.g. 2026-01-31T09:00.")],
    zone: Annotated[str, typer.Option(help="Time zone of the wall time, e.g. Europe/Berlin.")] = "UTC",
    unit: Annotated[str, typer.Option(help="once, day, week or month.")] = "once",
    every: Annotated[int, typer.Option(help="Every so many units.")] = 1,
    day: Annotated[int, typer.Option(help="For months: day 1 to 31.")] = 0,
    month_end: Annotated[str, typer.Option(help="For months without that day: last_day or skip.")] = "last_day",
    until: Annotated[str, typer.Option(help="Last local day, e.g. 2027-12-31.")] = "",
    count: Annotated[int, typer.Option(help="Number of occurrences; 0 for no such end.")] = 0,
    catch_up: Annotated[str, typer.Option(help="Missed occurrences: all, latest or skip.")] = "all",
    description: Annotated[str, typer.Option(help="Stays in the books.")] = "",
    schedule_id: Annotated[str, typer.Option("--id", help="UUID that names it; made up when absent.")] = "",
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Keep an order; the same id again finds the first."""
    from ledger.account import Side
    from ledger.balances import find_account
    from ledger.journal import Posting
    from ledger.money import parse_money
    from ledger.recurrence import MonthEnd, Recurrence, Unit
    from ledger.schedule import CatchUp, Schedule, Template
    from ledger.schedule_store import create_schedule

    rule = Recurrence(
        _moment(start),
        zone,
        _word(Unit, "--unit", unit),
        every,
        day,
        _word(MonthEnd, "--month-end", month_end),
        _day(until) if until else None,
        count,
    )
    missed, named = _word(CatchUp, "--catch-up", catch_up), _id(schedule_id, "--id")
    with own_books(home, org) as connection:
        minor = parse_money(amount, find_account(connection, debit).facts.asset, "--amount")
        postings = (Posting(debit, Side.DEBIT, minor), Posting(credit, Side.CREDIT, minor))
        order = Schedule(named, actor_name(actor), Template(postings, description=description), rule, missed)
        kept, new = create_schedule(connection, order, datetime.now(UTC))
    typer.echo(f"schedule {kept.schedule.id} {'is kept' if new else 'was kept before'}: {_state(kept)}")


def list_all(
    after: Annotated[str, typer.Option(help="Only schedules after this id.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List schedules in the order of their ids."""
    from ledger.schedule_store import definition_of, list_schedules

    beginning = _id(after, "--after") if after else uuid.UUID(int=0)
    with own_books(home, org) as connection:
        found = list_schedules(connection, after=beginning, count_max=limit)
    for kept in found:
        if as_json:
            told = {"id": str(kept.schedule.id), **_told(kept), "order": definition_of(kept.schedule)}
            typer.echo(json.dumps(told))
        else:
            typer.echo(f"{kept.schedule.id}  {kept.schedule.actor}  {_state(kept)}")


def runs(
    schedule_id: IdArgument,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 1000,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show each try and each skip of a schedule's occurrences, in order."""
    from ledger.schedule_store import find_schedule, list_runs

    with own_books(home, org) as connection:
        find_schedule(connection, schedule_id)
        found = list_runs(connection, schedule_id, count_max=limit)
    for run in found:
        told = {"number": run.number, "due_at": run.due_at.isoformat(), "attempt": run.attempt, "code": run.code}
        if as_json:
            typer.echo(json.dumps(told | {"seq": run.seq, "at": run.at.isoformat()}))
        else:
            entry = "" if run.seq is None else f", entry {run.seq}"
            typer.echo(f"{run.number:>6}  due {run.due_at.isoformat()}  try {run.attempt}: {run.code}{entry}")


def pause(
    schedule_id: IdArgument, actor: ActorOption = "", org: OrgOption = "dwaybank", home: HomeOption = None
) -> None:
    """Pause a schedule."""
    _change(schedule_id, "pause", actor, org, home)


def resume(
    schedule_id: IdArgument, actor: ActorOption = "", org: OrgOption = "dwaybank", home: HomeOption = None
) -> None:
    """Resume a paused schedule."""
    _change(schedule_id, "resume", actor, org, home)


def cancel(
    schedule_id: IdArgument, actor: ActorOption = "", org: OrgOption = "dwaybank", home: HomeOption = None
) -> None:
    """Cancel a schedule."""
    _change(schedule_id, "cancel", actor, org, home)


def forget(
    schedule_id: IdArgument, actor: ActorOption = "", org: OrgOption = "dwaybank", home: HomeOption = None
) -> None:
    """Erase the description of an ended schedule."""
    _change(schedule_id, "forget", actor, org, home)


def audit(org: OrgOption = "dwaybank", home: HomeOption = None) -> None:
    """Name occurrences whose record does not fit their entry; exit status 1 if there are any."""
    from ledger.schedule_store import audit_schedules

    with own_books(home, org) as connection:
        found = audit_schedules(connection)
    for finding in found:
        typer.echo(f"schedule {finding.schedule_id}, due {finding.due_at.isoformat()}: {finding.problem}")
    if found:
        raise typer.Exit(1)
    typer.echo("every occurrence's record fits its entry")


def _change(schedule_id: uuid.UUID, what: str, actor: str, org: str, home: Any) -> None:
    from ledger.schedule_store import change_schedule, find_schedule

    with own_books(home, org) as connection:
        changed = change_schedule(connection, schedule_id, what, actor=actor_name(actor), now=datetime.now(UTC))
        kept = find_schedule(connection, schedule_id)
    typer.echo(f"schedule {schedule_id}{'' if changed else ' was so before'}: {_state(kept)}")


def _told(kept: KeptSchedule) -> dict[str, Any]:
    state, wake_at = kept.state, kept.state.wake_at
    return {"status": state.status.name.lower(), "next_look": None if wake_at is None else wake_at.isoformat()}


def _state(kept: KeptSchedule) -> str:
    told = _told(kept)
    waits = told["next_look"] is not None and told["status"] == "active"
    return f"{told['status']}, looked at next at {told['next_look']}" if waits else str(told["status"])


def _word(kind: Any, option: str, text: str) -> Any:
    """Return the member of an enumeration that a person wrote in lower case."""
    from ledger.errors import InvalidValueError

    known = {item.name.lower(): item for item in kind}
    if text not in known:
        raise InvalidValueError(option, text, f"write {', '.join(known)}")
    return known[text]


def _moment(text: str) -> datetime:
    from ledger.errors import InvalidValueError

    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidValueError("--start", text, "write a wall time such as 2026-01-31T09:00") from error


def _day(text: str) -> date:
    from ledger.errors import InvalidValueError

    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidValueError("--until", text, "write a day such as 2027-12-31") from error


def _id(text: str, option: str) -> uuid.UUID:
    from ledger.errors import InvalidValueError

    try:
        return uuid.UUID(text) if text else uuid.uuid4()
    except ValueError as error:
        raise InvalidValueError(option, text, "write a UUID") from error
