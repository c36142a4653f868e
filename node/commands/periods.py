"""``dwaybank ledger``: an organization's trial balance at any two times, and its closed periods."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from node.commands.options import HomeOption, JsonOption, OrgOption
from node.commands.own_books import own_books
from node.commands.times import AtOption, KnownAtOption, last_moment

if TYPE_CHECKING:
    from ledger.periods import Period


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="Trial balances and closed periods.", no_args_is_help=True)
    group.command("trial-balance", help="Show the trial balance, now or at any time.")(trial_balance)
    group.command("periods", help="List closed periods with their figures.")(periods)
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
