"""``dwaybank account|hold|post|balance|statement|import``: one organization's books, through its own node."""

from __future__ import annotations

import asyncio
import enum
import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.commands.options import ADMIN, HomeOption, JsonOption, OrgOption, UserOption, find, only_admin, with_node
from node.commands.own_books import ActorOption, actor_name, own_books
from node.commands.texts import shown
from node.commands.times import AtOption, KnownAtOption, first_moment, last_moment, span

if TYPE_CHECKING:
    from ledger.account_history import Standing
    from network.pb.dwaybank.ledger.v1 import ledger_pb2
    from node.own_node import OwnNode

AccountArgument = Annotated[str, typer.Argument(help="Account reference, e.g. cash-vault-EUR.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    panel = "Books"
    account = typer.Typer(help="Open and list accounts.", no_args_is_help=True)
    account.command("open", help="Open an account.")(open_account)
    account.command("list", help="List accounts.")(list_accounts)
    account.command("history", help="List changes of an account's status and terms.")(account_history)
    account.command("terms", help="Freeze or close an account; change floor, overdraft, ceiling.")(set_terms)
    app.add_typer(account, name="account", rich_help_panel=panel)
    hold = typer.Typer(help="Reserve money and give it back.", no_args_is_help=True)
    hold.command("place", help="Reserve money of an account until a time.")(place_hold)
    hold.command("release", help="Give back what was not captured.")(release_hold)
    app.add_typer(hold, name="hold", rich_help_panel=panel)
    app.command("import", help="Post a bank statement file and reconcile it.", rich_help_panel=panel)(import_statement)
    app.command("post", help="Post one journal entry of two postings.", rich_help_panel=panel)(post)
    app.command("balance", help="Show an account's balance.", rich_help_panel=panel)(balance)
    app.command("statement", help="List an account's postings, newest first.", rich_help_panel=panel)(statement)


def open_account(
    account: AccountArgument,
    asset: Annotated[str, typer.Option(help="Asset code, e.g. EUR.")] = "EUR",
    normal_side: Annotated[
        str, typer.Option(help="debit (assets, expenses) or credit (liabilities, income).")
    ] = "credit",
    floor_minor: Annotated[str, typer.Option(help="Lowest balance in minor units; empty for none.")] = "0",
    by_chart: Annotated[bool, typer.Option("--by-chart", help="Side and terms come from the book's chart.")] = False,
    book: Annotated[str, typer.Option(help="Book it stands in.")] = "main",
    portfolio: Annotated[str, typer.Option(help="Portfolio of the book.")] = "",
    segment: Annotated[str, typer.Option(help="Segment of the book.")] = "",
    alias: Annotated[str, typer.Option(help='Another name, "@" first.')] = "",
    stripes: Annotated[
        int, typer.Option(min=0, max=64, help="Accounts underneath that share its postings, 2 to 64; 0 for none.")
    ] = 0,
    actor: ActorOption = "",
    user: UserOption = ADMIN,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Open an account; opening the same one again changes nothing."""
    from node.errors import ConfigurationError
    from node.own_node import LEDGER, ledger_pb2

    sides = {"debit": ledger_pb2.SIDE_DEBIT, "credit": ledger_pb2.SIDE_CREDIT}
    if normal_side not in sides:
        raise ConfigurationError(f"--normal-side {normal_side}: write debit or credit")
    request = ledger_pb2.OpenAccountRequest(
        account=account,
        asset=asset,
        normal_side=ledger_pb2.SIDE_UNSPECIFIED if by_chart else sides[normal_side],
        floor_minor="" if by_chart else floor_minor,
        by_chart=by_chart,
        book=book,
        portfolio=portfolio,
        segment=segment,
        alias=alias,
        stripes=stripes,
        actor=actor_name(actor),
    )

    async def run(node: OwnNode) -> None:
        reply = await node.call(LEDGER, "OpenAccount", request, ledger_pb2.OpenAccountResponse)
        typer.echo(f"{reply.account.account}: {'opened' if reply.created else 'was open already'}")

    with_node(home, org, run, user)


def list_accounts(
    prefix: Annotated[str, typer.Argument(help="Only references that begin with this.")] = "",
    user: UserOption = ADMIN,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List accounts in order of their references."""
    from google.protobuf.json_format import MessageToDict

    from node.own_node import LEDGER, ledger_pb2

    async def run(node: OwnNode) -> None:
        token = ""
        while True:
            request = ledger_pb2.ListAccountsRequest(prefix=prefix, page_size=200, page_token=token)
            reply = await node.call(LEDGER, "ListAccounts", request, ledger_pb2.ListAccountsResponse)
            for account in reply.accounts:
                if as_json:
                    typer.echo(json.dumps(MessageToDict(account, preserving_proto_field_name=True)))
                else:
                    typer.echo(f"{account.account:<40} {_money(account.balance_minor, account):>24} {account.status}")
            token = reply.next_page_token
            if not token:
                return

    with_node(home, org, run, user)


def account_history(
    account: AccountArgument,
    after: Annotated[int, typer.Option(min=0, help="Only changes with a larger number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Lines to show.")] = 100,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """List changes of an account's status and terms, oldest first; in minor units."""
    from ledger.account_history import list_account_changes
    from ledger.balances import find_account

    with own_books(home, org) as connection:
        find_account(connection, account)
        found = list_account_changes(connection, account, after=after, count_max=limit)
    for change in found:
        typer.echo(
            f"{change.number:>6}  {change.at:%Y-%m-%d %H:%M:%S}  {change.actor:<16} "
            f"{_standing(change.before)} -> {_standing(change.after)}"
        )


def _standing(standing: Standing) -> str:
    terms = standing.terms
    floor = "none" if terms.floor is None else terms.floor
    ceiling = "none" if terms.ceiling is None else terms.ceiling
    return f"{standing.status} (floor {floor}, overdraft {terms.overdraft}, ceiling {ceiling})"


def post(
    debit: Annotated[str, typer.Option(help="Account to debit.")],
    credit: Annotated[str, typer.Option(help="Account to credit.")],
    amount: Annotated[str, typer.Option(help="Amount in the asset's units, e.g. 12.50.")],
    description: Annotated[str, typer.Option(help="Stays in the books.")] = "",
    key: Annotated[str, typer.Option(help="UUID that names the entry; made up when absent.")] = "",
    effective: Annotated[str | None, typer.Option(help="Day or time it counts for, if not now.")] = None,
    hold: Annotated[str, typer.Option(help="Hold that the entry captures, in whole or in part.")] = "",
    final: Annotated[bool, typer.Option("--final", help="With it the hold ends; the rest is given back.")] = False,
    reverses: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Number of the entry that it takes back.")] = 0,
    meta: Annotated[
        list[str] | None, typer.Option(help="name=value, kept beside the entry; as often as needed.")
    ] = None,
    actor: ActorOption = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and do nothing.")] = False,
    user: UserOption = ADMIN,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Post one entry; the same key again returns the first outcome."""
    from ledger.money import parse_decimal
    from node.errors import NodeError
    from node.own_node import LEDGER, ledger_pb2

    async def run(node: OwnNode) -> None:
        facts = await _either_account(node, debit, credit)
        minor = str(parse_decimal(amount, facts.scale, "--amount"))
        # No effective time of its own: with one, the same command again would be another entry under the same key.
        entry = ledger_pb2.NewEntry(
            idempotency_key=key or str(uuid.uuid4()),
            postings=[
                ledger_pb2.Posting(account=debit, side=ledger_pb2.SIDE_DEBIT, amount_minor=minor),
                ledger_pb2.Posting(account=credit, side=ledger_pb2.SIDE_CREDIT, amount_minor=minor),
            ],
            description=description,
            hold_id=hold,
            hold_final=final,
            reverses=reverses,
            actor=actor_name(actor),
            metadata=_pairs(meta or ()),
        )
        if (moment := first_moment(effective, "--effective")) is not None:
            entry.effective_at.FromDatetime(moment)
        request = ledger_pb2.PostEntriesRequest(entries=[entry], dry_run=dry_run)
        reply = await node.call(LEDGER, "PostEntries", request, ledger_pb2.PostEntriesResponse)
        result = reply.results[0]
        if result.code not in {"posted", "exists"}:
            raise NodeError(f"entry refused: {result.code}: {result.message}")
        told = "would be " if dry_run and result.code == "posted" else ""
        typer.echo(f"{told}{result.code}: entry {result.seq}, {result.decision} (key {entry.idempotency_key})")

    with_node(home, org, run, user)


def _pairs(given: Sequence[str]) -> dict[str, str]:
    from node.errors import ConfigurationError

    pairs = dict(each.partition("=")[::2] for each in given)
    if len(pairs) != len(given) or any("=" not in each for each in given):
        raise ConfigurationError(f"--meta {' '.join(given)}: write name=value, each name once")
    return pairs


def set_terms(
    account: AccountArgument,
    status: Annotated[str, typer.Option(help="open, frozen or closed.")] = "",
    floor: Annotated[str | None, typer.Option(help='Lowest available balance, e.g. 0.00; "none" for none.')] = None,
    overdraft: Annotated[str | None, typer.Option(help="How far below the floor it may go.")] = None,
    ceiling: Annotated[str | None, typer.Option(help='Highest balance; "none" for none.')] = None,
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Freeze, close or open an account, or change how far it may go; what is not named stays."""
    from node.errors import NodeError
    from node.own_node import LEDGER, ledger_pb2

    async def run(node: OwnNode) -> None:
        facts = await _account(node, account)
        request = ledger_pb2.SetAccountTermsRequest(account=account, status=status, actor=actor_name(actor))
        for name, given in (("floor", floor), ("overdraft", overdraft), ("ceiling", ceiling)):
            if given is not None:
                setattr(request, f"{name}_minor", _limit(given, facts.scale, f"--{name}"))
        reply = await node.call(LEDGER, "SetAccountTerms", request, ledger_pb2.SetAccountTermsResponse)
        if reply.code not in {"changed", "unchanged"}:
            raise NodeError(f"terms of {account} refused: {reply.code}")
        now = reply.account
        floor_now = _money(now.floor_minor, now) if now.floor_minor else "none"
        ceiling_now = _money(now.ceiling_minor, now) if now.ceiling_minor else "none"
        typer.echo(
            f"{reply.code}: {now.account} is {now.status}, floor {floor_now}, "
            f"overdraft {_money(now.overdraft_minor, now)}, ceiling {ceiling_now}"
        )

    with_node(home, org, run)


def _limit(text: str, scale: int, option: str) -> str:
    """Return a limit in minor units; empty for none."""
    from ledger.money import parse_decimal

    return "" if text == "none" else str(parse_decimal(text, scale, option))


def place_hold(
    account: AccountArgument,
    amount: Annotated[str, typer.Argument(help="Amount in the asset's units, e.g. 12.50.")],
    until: Annotated[str, typer.Option(help="Day or time until which it may be captured.")],
    hold_id: Annotated[str, typer.Option("--id", help="UUID that names the hold; made up when absent.")] = "",
    user: UserOption = ADMIN,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Reserve money; `dwaybank post --hold ID` takes of it."""
    from ledger.money import parse_decimal
    from node.errors import NodeError
    from node.own_node import LEDGER, ledger_pb2

    async def run(node: OwnNode) -> None:
        facts = await _account(node, account)
        minor = str(parse_decimal(amount, facts.scale, "AMOUNT"))
        number = hold_id or str(uuid.uuid4())
        request = ledger_pb2.PlaceHoldRequest(hold_id=number, account=account, amount_minor=minor)
        moment = last_moment(until, "--until")
        assert moment is not None
        request.expires_at.FromDatetime(moment)
        reply = await node.call(LEDGER, "PlaceHold", request, ledger_pb2.PlaceHoldResponse)
        if reply.code not in {"placed", "exists"}:
            raise NodeError(f"hold refused: {reply.code}: {reply.message}")
        typer.echo(f"{reply.code}: hold {number} of {_money(minor, facts)} on {account}, {reply.hold.state}")

    with_node(home, org, run, user)


def release_hold(
    hold_id: Annotated[str, typer.Argument(help="The hold's UUID.")],
    user: UserOption = ADMIN,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Give back what was not captured."""
    from node.errors import NodeError
    from node.own_node import LEDGER, ledger_pb2

    async def run(node: OwnNode) -> None:
        request = ledger_pb2.ReleaseHoldRequest(hold_id=hold_id)
        reply = await node.call(LEDGER, "ReleaseHold", request, ledger_pb2.ReleaseHoldResponse)
        if reply.code not in {"released", "exists"}:
            raise NodeError(f"release refused: {reply.code}: {reply.message}")
        typer.echo(f"{reply.code}: hold {hold_id} on {reply.hold.account}, {reply.hold.state}")

    with_node(home, org, run, user)


def balance(
    account: AccountArgument,
    at: AtOption = None,
    known_at: KnownAtOption = None,
    user: UserOption = ADMIN,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show balance, held and available money of one account; with a time, the balance at that time."""
    from google.protobuf.json_format import MessageToDict

    if at is not None or known_at is not None:
        only_admin(user, "a balance at a time")
        _balance_at(account, at, known_at, org, home, as_json)
        return

    async def run(node: OwnNode) -> None:
        facts = await _account(node, account)
        if as_json:
            typer.echo(json.dumps(MessageToDict(facts, preserving_proto_field_name=True)))
            return
        typer.echo(
            f"{facts.account} ({facts.status}): balance {_money(facts.balance_minor, facts)}, "
            f"held {_money(facts.held_minor, facts)}, available {_money(facts.available_minor, facts)}"
        )

    with_node(home, org, run, user)


def _balance_at(account: str, at: str | None, known_at: str | None, org: str, home: Path | None, as_json: bool) -> None:
    from ledger.balances_in_time import balance_at
    from ledger.money import format_decimal

    times = {"effective_at": last_moment(at, "--at"), "known_at": last_moment(known_at, "--known-at")}
    with own_books(home, org) as connection:
        found = balance_at(connection, account, **times)
    if as_json:
        typer.echo(json.dumps({"balance_minor": str(found.balance), "known_seq": found.known_seq}))
    else:
        amount = f"{format_decimal(found.balance, found.asset.scale)} {found.asset.code}"
        typer.echo(f"{account}: balance {amount}, from entries up to {found.known_seq}")


class StatementOrder(enum.StrEnum):
    """What a statement is sorted by."""

    POSTING = "posting"
    EFFECTIVE = "effective"


def statement(
    account: AccountArgument,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Lines to show.")] = 50,
    by: Annotated[StatementOrder, typer.Option(help="Order of the lines and of the balance after each.")] = (
        StatementOrder.POSTING
    ),
    since: Annotated[str | None, typer.Option("--from", help="First day shown, or a time.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Last day shown, or a time.")] = None,
    known_at: KnownAtOption = None,
    user: UserOption = ADMIN,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List an account's postings with the balance after each, newest first."""
    if by is StatementOrder.EFFECTIVE or any(time is not None for time in (since, until, known_at)):
        only_admin(user, "a statement of a time")
        _statement_between(account, limit, by, (since, until, known_at), org, home, as_json)
        return
    from google.protobuf.json_format import MessageToDict

    from node.own_node import LEDGER, ledger_pb2

    async def run(node: OwnNode) -> None:
        facts = await _account(node, account)
        shown, token = 0, ""
        while shown < limit:
            request = ledger_pb2.GetStatementRequest(
                account=account, page_size=min(200, limit - shown), page_token=token
            )
            reply = await node.call(LEDGER, "GetStatement", request, ledger_pb2.GetStatementResponse)
            for line in reply.lines:
                if as_json:
                    typer.echo(json.dumps(MessageToDict(line, preserving_proto_field_name=True)))
                else:
                    side = "debit" if line.side == ledger_pb2.SIDE_DEBIT else "credit"
                    amounts = _money(line.amount_minor, facts), _money(line.balance_after_minor, facts)
                    typer.echo(
                        _statement_line(line.effective_at.ToDatetime(), line.seq, side, amounts, line.description)
                    )
            shown += len(reply.lines)
            token = reply.next_page_token
            if not token:
                return

    with_node(home, org, run, user)


def _statement_between(
    account: str,
    limit: int,
    by: StatementOrder,
    times: tuple[str | None, str | None, str | None],
    org: str,
    home: Path | None,
    as_json: bool,
) -> None:
    """List a statement in either order, straight from the organization's own books."""
    from ledger.balances import find_account
    from ledger.money import format_decimal
    from ledger.statements import statement_lines

    since, until = span(first_moment(times[0], "--from"), last_moment(times[1], "--to"), "--from, --to")
    bounds = {"since": since, "until": until, "known_at": last_moment(times[2], "--known-at")}
    with own_books(home, org) as connection:
        asset = find_account(connection, account).facts.asset
        lines = statement_lines(connection, account, by_effect=by is StatementOrder.EFFECTIVE, **bounds)
        for line in islice(lines, limit):
            side = line.side.name.lower()
            if as_json:
                told = {"seq": line.seq, "side": side, "amount_minor": str(line.amount)}
                told |= {"balance_after_minor": str(line.balance_after), "description": line.description}
                told |= {"posted_at": line.posted_at.isoformat(), "effective_at": line.effective_at.isoformat()}
                typer.echo(json.dumps(told))
            else:
                amounts = [f"{format_decimal(n, asset.scale)} {asset.code}" for n in (line.amount, line.balance_after)]
                typer.echo(_statement_line(line.effective_at, line.seq, side, amounts, line.description))


def _statement_line(
    effective_at: datetime, seq: int, side: str, amount_and_balance: Sequence[str], description: str
) -> str:
    amount, balance_after = amount_and_balance
    return f"{effective_at:%Y-%m-%d}  entry {seq:>8}  {side:<6} {amount:>18} {balance_after:>18}  {shown(description)}"


def import_statement(
    statement_file: Annotated[Path, typer.Argument(metavar="FILE", help="Bank statement file.")],
    mapping: Annotated[Path, typer.Option(help="YAML file that explains the statement's columns.")],
    breaks: Annotated[Path | None, typer.Option(help="Write every reconciliation break here (CSV).")] = None,
    may_repeat: Annotated[
        bool, typer.Option("--may-repeat", help="The bank truly booked twice what the books hold under other keys.")
    ] = False,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Post every movement of a statement file, then compare its recorded balances with the books."""
    from node.statement_import import import_and_reconcile

    opened, consortium, organization = find(home, org)
    report = asyncio.run(
        import_and_reconcile(opened, consortium, organization, statement_file, mapping, breaks, may_repeat=may_repeat)
    )
    typer.echo(json.dumps(report.as_dict(), indent=2) if as_json else report.sentence())
    if report.refused:
        raise typer.Exit(1)


async def _either_account(node: OwnNode, first: str, second: str) -> ledger_pb2.Account:
    """Return one of two accounts: a tenant sees that of his own only, and they count the same asset."""
    from network.rpc import RpcError, StatusCode

    try:
        return await _account(node, first)
    except RpcError as error:
        if error.code != StatusCode.NOT_FOUND:
            raise
        return await _account(node, second)


async def _account(node: OwnNode, reference: str) -> ledger_pb2.Account:
    from node.own_node import LEDGER, ledger_pb2

    reply = await node.call(
        LEDGER, "GetAccount", ledger_pb2.GetAccountRequest(account=reference), ledger_pb2.GetAccountResponse
    )
    return reply.account


def _money(minor: str, account: ledger_pb2.Account) -> str:
    from ledger.money import format_decimal

    return f"{format_decimal(int(minor or '0'), account.scale)} {account.asset}"
