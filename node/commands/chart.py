"""``dwaybank chart``: the chart of accounts, and the names that accounts have beside their references.

Works in the organization's own database, as the node's working role, on the machine that holds the data directory:
nothing here touches a balance, so it needs no writer, and the database judges again whatever it is given.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from node.commands.options import HomeOption, JsonOption, OrgOption
from node.commands.own_books import ActorOption, actor_name, own_books

BookOption = Annotated[str, typer.Option("--book", help="Book.")]
LimitOption = Annotated[int, typer.Option(min=1, max=1000, help="Lines to show.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="The chart of accounts, and what accounts are called.", no_args_is_help=True)
    group.command("define", help="Make a chart file the chart of its book.")(define)
    group.command("show", help="Show the rules of a book, the first that fits decides.")(show)
    group.command("misfits", help="List accounts that the chart would refuse today.")(misfits)
    group.command("balances", help="Sum balances up the tree of codes.")(balances)
    group.command("history", help="List changes of a book's structure.")(history)
    group.command("books", help="List books with their portfolios and segments.")(books)
    group.command("open-book", help="Open a book.")(open_new_book)
    group.command("open-portfolio", help="Open a portfolio of a book.")(open_new_portfolio)
    group.command("open-segment", help="Open a segment of a book.")(open_new_segment)
    group.command("place", help="Move an account to a portfolio and a segment of its book.")(place)
    group.command("find", help="Find accounts by metadata, reference and place.")(find_accounts)
    group.command("describe", help="Set or remove pairs of an account's metadata.")(describe)
    group.command("alias", help="Let an alias stand for an account.")(alias)
    app.add_typer(group, name="chart", rich_help_panel="Books")


def define(
    chart_file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML file: docs/chart-of-accounts.md.")],
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Make a chart file the chart of its book, whole; accounts that stand already stay."""
    from ledger.chart_file import read_chart
    from ledger.structure import define_chart, list_misfits

    given = read_chart(chart_file)
    with own_books(home, org) as connection:
        chart = define_chart(connection, given, actor=actor_name(actor), now=datetime.now(UTC))
        misfit = bool(list_misfits(connection, chart.book, count_max=1))
    enforced = "enforced" if chart.enforced else "not enforced"
    typer.echo(f"book {chart.book}, version {chart.version}: {len(chart.rules)} rules, {enforced}")
    if misfit:
        typer.echo(f"some accounts do not fit: dwaybank chart misfits --book {chart.book}")


def show(book: BookOption = "main", org: OrgOption = "dwaybank", home: HomeOption = None) -> None:
    """Show the rules of a book in their order."""
    from ledger.structure import find_chart

    with own_books(home, org) as connection:
        chart = find_chart(connection, book)
    typer.echo(f"book {chart.book}, version {chart.version}, {'enforced' if chart.enforced else 'not enforced'}")
    for rule in chart.rules:
        assets = ",".join(rule.assets) or "any asset"
        negative = "may be negative" if rule.negative else "never negative"
        typer.echo(f"{rule.pattern:<40} {rule.normal_side.name.lower():<6} {assets:<16} {negative}")


def misfits(
    book: BookOption = "main",
    after: Annotated[str, typer.Option(help="Only references after this one.")] = "",
    limit: LimitOption = 100,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """List accounts that the chart would refuse today, in the order of their references."""
    from ledger.structure import find_chart, list_misfits

    with own_books(home, org) as connection:
        find_chart(connection, book)
        found = list_misfits(connection, book, after=after, count_max=limit)
    for misfit in found:
        typer.echo(f"{misfit.reference:<40} {misfit.code:<20} {misfit.rule}")


def balances(
    book: BookOption = "main",
    depth: Annotated[int, typer.Option(min=1, max=16, help="Parts of the deepest codes.")] = 1,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sum balances up the tree of codes; in minor units."""
    from ledger.structure import code_balances, find_chart

    with own_books(home, org) as connection:
        find_chart(connection, book)
        lines = code_balances(connection, book, depth=depth)
    for line in lines:
        if as_json:
            numbers = {"debit_minor": str(line.debit), "credit_minor": str(line.credit)}
            typer.echo(json.dumps({"code": line.code, "asset": line.asset, **numbers, "accounts": line.account_count}))
        else:
            typer.echo(f"{line.code:<40} {line.asset:<6} debit {line.debit:>20} credit {line.credit:>20}")


def history(
    book: BookOption = "main",
    after: Annotated[int, typer.Option(min=0, help="Only changes with a larger number.")] = 0,
    limit: LimitOption = 100,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """List changes of a book's structure, oldest first."""
    from ledger.structure import find_chart, list_changes

    with own_books(home, org) as connection:
        find_chart(connection, book)
        changes = list_changes(connection, book, after=after, count_max=limit)
    for change in changes:
        typer.echo(f"{change.number:>6}  {change.at:%Y-%m-%d %H:%M:%S}  {change.actor:<16} {json.dumps(change.what)}")


def books(org: OrgOption = "dwaybank", home: HomeOption = None) -> None:
    """List books with their portfolios and segments."""
    from ledger.structure import list_books, list_portfolios, list_segments

    with own_books(home, org) as connection:
        for book in list_books(connection):
            portfolios = ",".join(list_portfolios(connection, book)) or "none"
            segments = ",".join(list_segments(connection, book)) or "none"
            typer.echo(f"{book:<24} portfolios: {portfolios}  segments: {segments}")


def open_new_book(
    book: Annotated[str, typer.Argument(help="Code of the book.")],
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Open a book; it is never closed."""
    from ledger.structure import open_book

    with own_books(home, org) as connection:
        created = open_book(connection, book, actor=actor_name(actor), now=datetime.now(UTC))
    typer.echo(f"book {book}: {'opened' if created else 'stood open already'}")


def open_new_portfolio(
    portfolio: Annotated[str, typer.Argument(help="Code of the portfolio.")],
    book: BookOption = "main",
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Open a portfolio."""
    from ledger.structure import open_portfolio

    with own_books(home, org) as connection:
        created = open_portfolio(connection, book, portfolio, actor=actor_name(actor), now=datetime.now(UTC))
    typer.echo(f"portfolio {portfolio} of book {book}: {'opened' if created else 'stood open already'}")


def open_new_segment(
    segment: Annotated[str, typer.Argument(help="Code of the segment.")],
    book: BookOption = "main",
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Open a segment."""
    from ledger.structure import open_segment

    with own_books(home, org) as connection:
        created = open_segment(connection, book, segment, actor=actor_name(actor), now=datetime.now(UTC))
    typer.echo(f"segment {segment} of book {book}: {'opened' if created else 'stood open already'}")


def place(
    account: Annotated[str, typer.Argument(help="Account reference.")],
    portfolio: Annotated[str, typer.Option(help="Portfolio; empty for none.")] = "",
    segment: Annotated[str, typer.Option(help="Segment; empty for none.")] = "",
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Say where in its book an account stands: what is left out is none."""
    from ledger.structure import place_account

    now = datetime.now(UTC)
    with own_books(home, org) as connection:
        changed = place_account(
            connection, account, portfolio=portfolio, segment=segment, actor=actor_name(actor), now=now
        )
    typer.echo(f"{account}: {'moved' if changed else 'stood there already'}")


def find_accounts(
    pairs: Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE", help="Pairs all of which it has.")] = None,
    prefix: Annotated[str, typer.Option(help="Only references that begin with this.")] = "",
    book: Annotated[str, typer.Option(help="Only accounts of this book.")] = "",
    portfolio: Annotated[str, typer.Option(help="Only accounts of this portfolio.")] = "",
    segment: Annotated[str, typer.Option(help="Only accounts of this segment.")] = "",
    after: Annotated[str, typer.Option(help="Only references after this one.")] = "",
    limit: LimitOption = 100,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find accounts that fit all that is asked, in the order of their references."""
    from ledger.metadata import search_accounts

    with own_books(home, org) as connection:
        found = search_accounts(
            connection,
            metadata=_pairs(pairs),
            prefix=prefix,
            book=book,
            portfolio=portfolio,
            segment=segment,
            after=after,
            count_max=limit,
        )
    for item in found:
        named = {name: value for name, value in asdict(item).items() if name != "account"}
        reference = item.account.facts.reference
        if as_json:
            typer.echo(json.dumps({"account": reference, "status": item.account.status, **named}))
        else:
            words = [*item.aliases, *(f"{name}={value}" for name, value in item.metadata.items())]
            typer.echo(f"{reference:<40} {item.account.facts.asset.code:<6} {item.account.status:<7} {' '.join(words)}")


def describe(
    account: Annotated[str, typer.Argument(help="Account reference.")],
    pairs: Annotated[list[str], typer.Argument(metavar="NAME=VALUE", help="An empty value removes the name.")],
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Set or remove pairs of an account's metadata; no personal data, their history stays for ever."""
    from ledger.metadata import set_metadata

    given = {name: value or None for name, value in _pairs(pairs).items()}
    with own_books(home, org) as connection:
        changed = set_metadata(connection, account, given, actor=actor_name(actor), now=datetime.now(UTC))
    typer.echo(f"{account}: {'changed' if changed else 'stood so already'}")


def alias(
    name: Annotated[str, typer.Argument(help='"@" and a name.')],
    account: Annotated[str, typer.Argument(help="Account reference; empty to take the alias back.")],
    move: Annotated[bool, typer.Option("--move", help="Take it from the account it stands for now.")] = False,
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Let an alias stand for an account, or for none."""
    from ledger.metadata import set_alias, take_alias_back

    who, now = actor_name(actor), datetime.now(UTC)
    with own_books(home, org) as connection:
        if account:
            changed = set_alias(connection, name, account, actor=who, now=now, move=move)
        else:
            changed = take_alias_back(connection, name, actor=who, now=now)
    typer.echo(f"{name}: {'changed' if changed else 'stood so already'}")


def _pairs(words: list[str] | None) -> dict[str, str]:
    from node.errors import ConfigurationError

    pairs = {}
    for word in words or ():
        name, equals, value = word.partition("=")
        if not equals or name in pairs:
            raise ConfigurationError(f"{word}: write NAME=VALUE, each name once")
        pairs[name] = value
    return pairs
