"""``dwaybank asset`` and ``dwaybank rate``: what the books count, and what it was worth by whose word."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from node.commands import exchange
from node.commands.options import HomeOption, JsonOption, OrgOption
from node.commands.own_books import ActorOption, actor_name, own_books

CodeArgument = Annotated[str, typer.Argument(metavar="CODE", help="Code, e.g. EUR.")]
PairArgument = Annotated[str, typer.Argument(metavar="BASE/QUOTE", help="Pair, e.g. EUR/USD.")]
SourceOption = Annotated[str, typer.Option(help="Who quotes it, e.g. ECB.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    asset = typer.Typer(help="Assets the books count.", no_args_is_help=True)
    asset.command("list", help="List assets, their digits, and who registered them.")(list_known)
    asset.command("register", help="Make an asset known; its digits can never be changed.")(register_new)
    app.add_typer(asset, name="asset", rich_help_panel="Books")
    rate = typer.Typer(help="Exchange rates on record.", no_args_is_help=True)
    rate.command("record", help="Keep a rate as evidence.")(record)
    rate.command("show", help="Show the newest rate of a source.")(show)
    rate.command("audit", help="Derive every exchange and revaluation again.")(audit)
    exchange.register(rate)
    app.add_typer(rate, name="rate", rich_help_panel="Books")


def list_known(
    after: Annotated[str, typer.Option(help="Only codes after this one.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 1000,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List registered assets."""
    from ledger.currency import list_assets
    from ledger.money import capacity

    with own_books(home, org) as connection:
        for item in list_assets(connection, after=after, count_max=limit):
            code, scale = item.asset.code, item.asset.scale
            if as_json:
                told = {"code": code, "scale": scale, "actor": item.actor, "reason": item.reason}
                typer.echo(json.dumps(told | {"at": item.at.isoformat()}))
            else:
                typer.echo(f"{code:<16} {scale:>2} digits, at most {capacity(item.asset)}  {item.actor}: {item.reason}")


def register_new(
    code: CodeArgument,
    scale: Annotated[int, typer.Option(help="Decimal digits of the minor unit, 0 to 18.")],
    reason: Annotated[str, typer.Option(help="Why, for the record; no personal data.")],
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Register an asset."""
    from ledger.currency import register_asset
    from ledger.money import Asset, capacity

    with own_books(home, org) as connection:
        new = register_asset(connection, code, scale, actor=actor_name(actor), reason=reason, now=datetime.now(UTC))
    typer.echo(
        f"{code} {'is registered' if new else 'was known'}: at most {capacity(Asset(code, scale))} in one amount"
    )


def record(
    pair: PairArgument,
    rate: Annotated[str, typer.Argument(help="One base costs so many quote: 1.0843 or 10843/10000.")],
    source: SourceOption,
    quoted_at: Annotated[str, typer.Option(help="When, with zone, e.g. 2026-03-02T15:00:00Z.")],
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Keep a rate as it was quoted."""
    from ledger.currency import find_asset, record_rate
    from ledger.errors import InvalidValueError
    from ledger.exchange import Rate

    base, quote = _pair(pair)
    try:
        moment = datetime.fromisoformat(quoted_at)
        moment = moment if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidValueError("--quoted-at", quoted_at, "write a time such as 2026-03-02T15:00:00Z") from error
    with own_books(home, org) as connection:
        quoted = Rate(find_asset(connection, base), find_asset(connection, quote), rate, source, moment)
        new = record_rate(connection, quoted, actor=actor_name(actor), now=datetime.now(UTC))
    typer.echo(f"{quoted.pair} {quoted.text} of {quoted.source} {'is on record' if new else 'was on record'}")


def show(pair: PairArgument, source: SourceOption, org: OrgOption = "dwaybank", home: HomeOption = None) -> None:
    """Show the newest rate of a source."""
    from ledger.currency import rate_at

    with own_books(home, org) as connection:
        found = rate_at(connection, *_pair(pair), source, datetime.now(UTC))
    typer.echo(f"{found.pair} {found.text} of {found.source}, quoted {found.quoted_at.isoformat()}")


def audit(org: OrgOption = "dwaybank", home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Name entries whose amounts do not follow from the rate they name; exit status 1 if there are any."""
    from ledger.currency import audit_exchanges

    with own_books(home, org) as connection:
        found = audit_exchanges(connection)
    for finding in found:
        told = {"seq": finding.seq, "problem": finding.problem}
        typer.echo(json.dumps(told) if as_json else f"entry {finding.seq}: {finding.problem}")
    if found:
        raise typer.Exit(1)
    if not as_json:
        typer.echo("every exchange and revaluation follows from its rate")


def _pair(text: str) -> tuple[str, str]:
    from ledger.errors import InvalidValueError

    base, separator, quote = text.partition("/")
    if not separator:
        raise InvalidValueError("pair", text, "write BASE/QUOTE, e.g. EUR/USD")
    return base, quote
