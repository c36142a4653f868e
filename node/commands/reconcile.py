"""``dwaybank reconcile``: statements of other banks held against an organization's books.

Works in the organization's own database, as the node's working role, on the machine that holds the data directory:
reconciliation needs no writer, and its functions judge again whatever they are given.
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.commands.options import HomeOption, JsonOption, OrgOption, find

if TYPE_CHECKING:
    import psycopg

    from ledger.reconciliation import AccountSummary, QueuedException, ReconciliationSettings, StoredMatch

SettingsOption = Annotated[
    Path | None, typer.Option("--settings", help="YAML file: our account for each number, and matching rules.")
]
ActorOption = Annotated[str, typer.Option("--actor", help="Who does this; default: the user of this machine.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="Hold statements of other banks against the books.", no_args_is_help=True)
    group.command("import", help="Store a statement file: camt.053, MT940, or CSV with a mapping.")(import_file)
    group.command("run", help="Match what stands open; a second run changes nothing.")(run)
    group.command("status", help="Show how far each account is reconciled.")(status)
    group.command("exceptions", help="List what no rule could match.")(exceptions)
    group.command("decide", help="Decide exceptions: explained, matched_by_hand, written_off, reopened.")(decide)
    group.command("matches", help="List matches that hold.")(matches)
    group.command("take-apart", help="Dissolve a match that a run made and you found wrong.")(take_apart_match)
    app.add_typer(group, name="reconcile", rich_help_panel="Books")


def import_file(
    statement_file: Annotated[Path, typer.Argument(metavar="FILE", help="Statement file.")],
    settings: SettingsOption = None,
    mapping: Annotated[Path | None, typer.Option(help="YAML file that explains the columns of a CSV file.")] = None,
    may_repeat: Annotated[
        bool, typer.Option("--may-repeat", help="The bank truly booked twice what an earlier statement lists as well.")
    ] = False,
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Store a statement file, once."""
    from ledger.currency import check_digits
    from ledger.reconciliation import import_statement_file, read_statement_file
    from ledger.statement_mapping import read_mapping
    from node.config import read_file, read_key

    opened, _, organization = find(home, org)
    told, columns = _settings(settings), None if mapping is None else read_mapping(mapping)
    file = read_statement_file(
        read_file(statement_file),
        told.accounts,
        mapping=columns,
        pseudonym_key=read_key(opened.secret(organization, "pseudonym.key")),
    )
    with _books(home, org) as connection:
        check_digits(connection, told.assets if columns is None else [columns.asset])
        done = import_statement_file(
            connection, file, actor=_actor(actor), now=datetime.now(UTC), may_repeat=may_repeat
        )
    if as_json:
        typer.echo(
            json.dumps({"new_file": done.new_file, "statements": done.new_statements, "records": done.new_records})
        )
    elif done.new_file:
        typer.echo(f"{file.format}: {done.new_statements} statements and {done.new_records} movements stored")
    else:
        typer.echo("this very file was stored before: nothing is new")


def run(
    accounts: Annotated[list[str] | None, typer.Argument(help="Accounts; all that have a statement if none.")] = None,
    settings: SettingsOption = None,
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Match what stands open between statements and books."""
    from ledger.currency import check_digits
    from ledger.reconciliation import run_reconciliation

    told = _settings(settings)
    with _books(home, org) as connection:
        check_digits(connection, told.assets)
        done = run_reconciliation(
            connection, told.rules, actor=_actor(actor), now=datetime.now(UTC), accounts=accounts or None
        )
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "run": done.run,
                    "accounts": done.account_count,
                    "matched": done.matched,
                    "opened": done.opened,
                    "cleared": done.cleared,
                }
            )
        )
    elif done.run is None:
        typer.echo(f"{done.account_count} accounts: nothing new")
    else:
        typer.echo(
            f"run {done.run}, {done.account_count} accounts: {done.matched} matches, {done.opened} new exceptions, "
            f"{done.cleared} cleared"
        )


def status(
    account: Annotated[str, typer.Option(help="Only this account.")] = "",
    after: Annotated[str, typer.Option(help="Only accounts after this one.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many accounts.", show_default="all")] = None,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Show each account's newest statement beside the books; exit status 1 if a statement is missing."""
    from ledger.money import format_decimal

    with _books(home, org) as connection:
        found = list(islice(_summaries(connection, account, after), limit))
    for item in found:
        recorded = "no balance" if item.recorded is None else format_decimal(item.recorded, item.scale)
        computed = "archived" if item.computed is None else format_decimal(item.computed, item.scale)
        typer.echo(
            f"{item.account}  until {item.last_day}  statement: {recorded}  books: "
            f"{computed} {item.asset}  {item.open} open, {item.explained} explained, "
            f"difference {format_decimal(item.waiting_difference, item.scale)}"
        )
        if item.gap:
            typer.echo(f"    A STATEMENT IS MISSING before {item.gap!r}: it begins where no other one ended")
    if any(item.gap for item in found):
        raise typer.Exit(1)


def _summaries(connection: psycopg.Connection[Any], account: str, after: str) -> Iterator[AccountSummary]:
    """All pages of them: one account beyond a page may be the one whose statement is missing."""
    from ledger.reconciliation import summarise
    from ledger.reconciliation.summary import PAGE_SIZE_MAX

    while found := summarise(connection, account=account, after=after, count_max=PAGE_SIZE_MAX):
        yield from found
        after = found[-1].account


def exceptions(
    account: Annotated[str, typer.Option(help="Only this account.")] = "",
    state: Annotated[
        str, typer.Option(help="open, explained, matched_by_hand, written_off, cleared, or all.")
    ] = "open",
    after: Annotated[int, typer.Option(min=0, help="Only exceptions with a larger number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what no rule could match, oldest first."""
    from ledger.money import format_decimal
    from ledger.reconciliation import ExceptionState, list_exceptions
    from node.errors import ConfigurationError

    known = {item.name.lower(): [item] for item in ExceptionState} | {"all": list(ExceptionState)}
    if state not in known:
        raise ConfigurationError(f"--state {state}: write {', '.join(known)}")
    with _books(home, org) as connection:
        found = list_exceptions(connection, account=account, states=known[state], after=after, count_max=limit)
    for item in found:
        if as_json:
            typer.echo(json.dumps(_as_dict(item)))
            continue
        entries = ", ".join(str(seq) for seq, _ in item.postings) or "none"
        records = ", ".join(str(record) for record in item.records) or "none"
        typer.echo(
            f"{item.id:>6}  {item.account}  {item.kind.text:<21} {item.state.name.lower():<15} "
            f"{format_decimal(item.difference, item.scale):>14} {item.asset}  movements: {records}; entries: {entries}"
        )
    _say_more(found, limit)


def decide(
    numbers: Annotated[list[int], typer.Argument(help="Exceptions of one account.")],
    decision: Annotated[str, typer.Option("--as", help="explained, matched_by_hand, written_off or reopened.")],
    reason: Annotated[str, typer.Option(help="Why; no personal data.")],
    entry: Annotated[int | None, typer.Option(min=1, help="For written_off: number of the correcting entry.")] = None,
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Decide exceptions of one account, together."""
    from ledger.reconciliation import Decision, decide_exceptions
    from node.errors import ConfigurationError

    known = {item.value: item for item in Decision}
    if decision not in known:
        raise ConfigurationError(f"--as {decision}: write {', '.join(known)}")
    with _books(home, org) as connection:
        decide_exceptions(
            connection,
            numbers,
            known[decision],
            actor=_actor(actor),
            reason=reason,
            now=datetime.now(UTC),
            entry_seq=entry,
        )
    typer.echo(f"{len(numbers)} exceptions: {decision}")


def matches(
    account: Annotated[str, typer.Option(help="Only this account.")] = "",
    after: Annotated[int, typer.Option(min=0, help="Only matches with a larger number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """List matches that hold, oldest first."""
    from ledger.money import format_decimal
    from ledger.reconciliation import list_matches

    with _books(home, org) as connection:
        found = list_matches(connection, account=account, after=after, count_max=limit)
    for item in found:
        entries = ", ".join(str(seq) for seq, _ in item.postings) or "none"
        records = ", ".join(str(record) for record in item.records) or "none"
        typer.echo(
            f"{item.id:>6}  {item.account}  {item.rule}  {format_decimal(item.difference, item.scale)} {item.asset}  "
            f"movements: {records}; entries: {entries}"
        )
    _say_more(found, limit)


def _say_more(found: Sequence[QueuedException | StoredMatch], limit: int) -> None:
    if len(found) == limit:
        typer.echo(f"{limit} are shown; there may be more: --after {found[-1].id}", err=True)


def take_apart_match(
    number: Annotated[int, typer.Argument(min=1, help="Match.")],
    reason: Annotated[str, typer.Option(help="Why; no personal data.")],
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Dissolve a match; its members wait for a decision, and no run matches them again."""
    from ledger.reconciliation import take_apart

    with _books(home, org) as connection:
        take_apart(connection, number, actor=_actor(actor), reason=reason, now=datetime.now(UTC))
    typer.echo(f"match {number} is dissolved: decide its members, they are exceptions now")


def _as_dict(item: QueuedException) -> dict[str, Any]:
    return {
        "id": item.id,
        "account": item.account,
        "asset": item.asset,
        "kind": item.kind.text,
        "state": item.state.name.lower(),
        "difference_minor": str(item.difference),
        "records": list(item.records),
        "postings": [list(posting) for posting in item.postings],
        "opened_at": item.opened_at.isoformat(),
    }


def _settings(path: Path | None) -> ReconciliationSettings:
    from ledger.reconciliation.settings import parse_reconciliation_settings, read_settings

    return parse_reconciliation_settings("{}") if path is None else read_settings(path)


def _actor(given: str) -> str:
    return given or getpass.getuser()


@contextmanager
def _books(home: Path | None, organization: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to the organization's database, as the node's working role."""
    import psycopg

    from node.config import read_url
    from node.databases import NODE
    from node.errors import PostgresError

    opened, _, member = find(home, organization)
    url = read_url(opened.secret(member, f"{NODE}.url"))
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            yield connection
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        raise PostgresError(f"the books of {member.name} cannot be reached: {reason}") from error
