"""``dwaybank ledger``: an organization's trial balance at any two times, and its closed periods."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from node.commands import ledger_archive, ledger_files, ledger_refusals, ledger_verify, tenant
from node.commands.options import HomeOption, JsonOption, OrgOption, with_node
from node.commands.own_books import ActorOption, actor_name, own_books
from node.commands.times import AtOption, KnownAtOption, first_moment, last_moment

if TYPE_CHECKING:
    from ledger.periods import Period
    from node.own_node import OwnNode

REPORT_TIMEOUT_S = 600.0
"""A period's report reads all its entries."""


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(
        help="Trial balances and periods; refusals; proof, export and import of books.", no_args_is_help=True
    )
    group.command("trial-balance", help="Show the trial balance, now or at any time.")(trial_balance)
    group.command("periods", help="List closed periods with their figures.")(periods)
    group.command("close-period", help="Refuse entries that count for a time before a day.")(close_period)
    group.command("reopen-period", help="Open the period closed last again.")(reopen_period)
    ledger_verify.register(group)
    ledger_refusals.register(group)
    ledger_files.register(group)
    ledger_archive.register(group)
    tenant.register(group)
    app.add_typer(group, name="ledger", rich_help_panel="Books")


def trial_balance(
    at: AtOption = None,
    known_at: KnownAtOption = None,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show debit and credit balances of each asset, in minor units; equal in sound books."""
    from ledger.balances_in_time import trial_balance_at

    times = {"known_at": last_moment(known_at, "--known-at"), "effective_at": last_moment(at, "--at")}
    with own_books(home, org) as connection:
        lines = trial_balance_at(connection, **times)
    for line in lines:
        if as_json:
            sums = {"debit_minor": str(line.debit), "credit_minor": str(line.credit)}
            typer.echo(json.dumps({"asset": line.asset, **sums, "account_count": line.account_count}))
        else:
            typer.echo(f"{line.asset:<6} debit {line.debit:>24} credit {line.credit:>24} {line.account_count} accounts")


def periods(org: OrgOption = "dwaybank", home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List closed periods, oldest first; figures are in minor units."""
    from ledger.periods import list_periods

    with own_books(home, org) as connection:
        found = list_periods(connection)
    for period in found:
        typer.echo(json.dumps(_as_dict(period)) if as_json else _sentence(period))


def close_period(
    closed_before: Annotated[str, typer.Argument(metavar="DAY", help="First day that stays open, e.g. 2026-04-01.")],
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Close the books for times before a day, through the node, which posts."""
    from node.own_node import PERIODS, periods_pb2

    request = periods_pb2.ClosePeriodRequest(actor=actor_name(actor))
    moment = first_moment(closed_before, "DAY")
    assert moment is not None
    request.closed_before.FromDatetime(moment)

    async def run(node: OwnNode) -> None:
        reply = await node.call(PERIODS, "ClosePeriod", request, periods_pb2.ClosePeriodResponse, REPORT_TIMEOUT_S)
        typer.echo(f"period {reply.period.number} closed: {reply.period.entry_count} entries")

    with_node(home, org, run)


def reopen_period(
    number: Annotated[int, typer.Argument(min=1, max=2**31 - 1, help="Number of the period closed last.")],
    reason: Annotated[str, typer.Option(help="Why; stays on record.")],
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Accept entries that count for the period closed last again."""
    from node.own_node import PERIODS, periods_pb2

    request = periods_pb2.ReopenPeriodRequest(number=number, actor=actor_name(actor), reason=reason)

    async def run(node: OwnNode) -> None:
        await node.call(PERIODS, "ReopenPeriod", request, periods_pb2.ReopenPeriodResponse, REPORT_TIMEOUT_S)
        typer.echo(f"period {number} is open again")

    with_node(home, org, run)


def _sentence(period: Period) -> str:
    since = "the beginning" if period.opened_at is None else f"{period.opened_at:%Y-%m-%d %H:%M}"
    state = "closed" if period.reopening is None else f"opened again: {period.reopening.reason}"
    text = f"period {period.number}, {since} to before {period.closed_before:%Y-%m-%d %H:%M} UTC, {state}"
    if period.report is None:
        return f"{text}; its report is not written yet"
    lines = []
    for line in period.report.lines:
        turnover = f"turnover {line.debit_turnover} = {line.credit_turnover}"
        lines.append(f"  {line.asset:<6} balances {line.debit} = {line.credit}, {turnover}")
    return "\n".join([f"{text}: {period.report.entry_count} entries", *lines])


def _as_dict(period: Period) -> dict[str, object]:
    report, reopening = period.report, period.reopening
    told: dict[str, object] = {
        "number": period.number,
        "opened_at": None if period.opened_at is None else period.opened_at.isoformat(),
        "closed_before": period.closed_before.isoformat(),
        "closed_at": period.closed_at.isoformat(),
        "last_seq": period.last_seq,
        "actor": period.actor,
    }
    if reopening is not None:
        told["reopened"] = {"at": reopening.at.isoformat(), "actor": reopening.actor, "reason": reopening.reason}
    if report is not None:
        told["entry_count"] = report.entry_count
        told["digest"] = report.digest.hex()
        told["lines"] = [
            {
                "asset": line.asset,
                "debit_minor": str(line.debit),
                "credit_minor": str(line.credit),
                "debit_turnover_minor": str(line.debit_turnover),
                "credit_turnover_minor": str(line.credit_turnover),
            }
            for line in report.lines
        ]
    return told
