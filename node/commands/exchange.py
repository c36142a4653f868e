"""``dwaybank rate exchange`` and ``dwaybank rate revalue``: entries made at a rate on record, through the node."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from node.commands.options import HomeOption, OrgOption, with_node
from node.commands.own_books import ActorOption, actor_name

if TYPE_CHECKING:
    from network.pb.dwaybank.ledger.v1 import currencies_pb2, ledger_pb2
    from node.own_node import OwnNode

SERVICE = "dwaybank.ledger.v1.CurrencyService"

PairArgument = Annotated[str, typer.Argument(metavar="BASE/QUOTE", help="Pair, e.g. EUR/USD.")]
SourceOption = Annotated[str, typer.Option(help="Whose rate, e.g. ECB.")]
AtOption = Annotated[str, typer.Option(help="The newest rate quoted by then, with zone, e.g. 2026-03-02T15:00:00Z.")]
RoundingOption = Annotated[str, typer.Option(help="half_even, half_up, down or up.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Tell what would be posted, and post nothing.")]


def register(group: typer.Typer) -> None:
    """Add these commands to those about rates."""
    group.command("exchange", help="Exchange one asset for another at a rate on record.")(exchange)
    group.command("revalue", help="Bring an open position to its value at a closing rate.")(revalue)


def exchange(
    pair: PairArgument,
    source: SourceOption,
    at: AtOption,
    amount: Annotated[str, typer.Option(help="Amount of the given asset, e.g. 100.00.")],
    given: Annotated[str, typer.Option(help="Asset whose amount is given; the other follows.")],
    debit: Annotated[str, typer.Option(help="Account to debit.")],
    debit_position: Annotated[str, typer.Option(help="The bank's position account of the same asset.")],
    credit: Annotated[str, typer.Option(help="Account to credit.")],
    credit_position: Annotated[str, typer.Option(help="The bank's position account of the same asset.")],
    rounding: RoundingOption = "half_even",
    description: Annotated[str, typer.Option(help="Stays in the books.")] = "",
    key: Annotated[str, typer.Option(help="UUID that names the entry; made up when absent.")] = "",
    dry_run: DryRunOption = False,
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Post the four postings of an exchange; the same key again returns the first outcome."""
    from ledger.errors import InvalidValueError
    from ledger.money import parse_decimal
    from network.pb.dwaybank.ledger.v1 import currencies_pb2 as pb

    async def run(node: OwnNode) -> None:
        scales: dict[str, int] = {}
        legs = []
        for account, position in ((debit, debit_position), (credit, credit_position)):
            facts = await _account(node, account)
            scales[facts.asset] = facts.scale
            legs.append(pb.ExchangeLeg(asset=facts.asset, account=account, position=position))
        if given not in scales:
            raise InvalidValueError("--given", given, f"the accounts count {' and '.join(sorted(scales))}")
        request = pb.PostExchangeRequest(
            idempotency_key=key or str(uuid.uuid4()),
            choice=_choice(pair, source, at),
            amount_minor=str(parse_decimal(amount, scales[given], "--amount")),
            given=given,
            debit=legs[0],
            credit=legs[1],
            rounding=_rounding(rounding),
            description=description,
            actor=actor_name(actor),
            dry_run=dry_run,
        )
        reply = await node.call(SERVICE, "PostExchange", request, pb.PostExchangeResponse)
        _tell(reply.rate, reply.postings, reply.result, dry_run=dry_run)

    with_node(home, org, run)


def revalue(
    pair: PairArgument,
    source: SourceOption,
    at: AtOption,
    on: Annotated[str, typer.Option(help="Closing day, e.g. 2026-03-31.")],
    account: Annotated[str, typer.Option(help="Position account; counts the base asset.")],
    counter: Annotated[str, typer.Option(help="Its counter account; counts the quote asset, as the next three.")],
    revaluation: Annotated[str, typer.Option(help="Its revaluation account.")],
    gain: Annotated[str, typer.Option(help="Account credited with gains.")],
    loss: Annotated[str, typer.Option(help="Account debited with losses.")],
    revision: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="0 for the first of the day.")] = 0,
    rounding: RoundingOption = "half_even",
    dry_run: DryRunOption = False,
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Post the difference between what a position stands at and what it is worth; nothing where there is none."""
    from network.pb.dwaybank.ledger.v1 import currencies_pb2 as pb

    request = pb.RevalueRequest(
        position=pb.Position(account=account, counter=counter, revaluation=revaluation, gain=gain, loss=loss),
        choice=_choice(pair, source, at),
        on=on,
        rounding=_rounding(rounding),
        revision=revision,
        actor=actor_name(actor),
        dry_run=dry_run,
    )

    async def run(node: OwnNode) -> None:
        reply = await node.call(SERVICE, "Revalue", request, pb.RevalueResponse)
        if reply.HasField("result"):
            _tell(reply.rate, reply.postings, reply.result, dry_run=dry_run)
        else:
            typer.echo(f"{account} stands at its value already: {reply.carried_minor} minor units")

    with_node(home, org, run)


def _tell(
    rate: currencies_pb2.Rate, postings: Sequence[ledger_pb2.Posting], result: ledger_pb2.EntryResult, *, dry_run: bool
) -> None:
    from network.pb.dwaybank.ledger.v1 import ledger_pb2
    from node.errors import NodeError

    if result.code not in {"posted", "exists"}:
        raise NodeError(f"entry refused: {result.code}: {result.message}")
    typer.echo(f"at {rate.rate} {rate.base}/{rate.quote} of {rate.source}, quoted {rate.quoted_at.ToJsonString()}:")
    for posting in postings:
        side = "debit " if posting.side == ledger_pb2.SIDE_DEBIT else "credit"
        typer.echo(f"  {side} {posting.account:<40} {posting.amount_minor:>20} minor units")
    typer.echo("nothing was posted: a dry run" if dry_run else f"{result.code}: entry {result.seq}")


async def _account(node: OwnNode, reference: str) -> ledger_pb2.Account:
    from node.own_node import LEDGER, ledger_pb2

    request = ledger_pb2.GetAccountRequest(account=reference)
    return (await node.call(LEDGER, "GetAccount", request, ledger_pb2.GetAccountResponse)).account


def _choice(pair: str, source: str, at: str) -> currencies_pb2.RateChoice:
    from ledger.errors import InvalidValueError
    from network.pb.dwaybank.ledger.v1 import currencies_pb2 as pb

    base, separator, quote = pair.partition("/")
    if not separator:
        raise InvalidValueError("pair", pair, "write BASE/QUOTE, e.g. EUR/USD")
    choice = pb.RateChoice(base=base, quote=quote, source=source)
    try:
        moment = datetime.fromisoformat(at)
        choice.at.FromDatetime(moment)
    except (ValueError, OverflowError) as error:
        raise InvalidValueError("--at", at, "write a time such as 2026-03-02T15:00:00Z") from error
    if moment.tzinfo is None:
        raise InvalidValueError("--at", at, "give its zone, such as Z or +01:00")
    return choice


def _rounding(word: str) -> currencies_pb2.Rounding:
    from ledger.errors import InvalidValueError
    from network.pb.dwaybank.ledger.v1 import currencies_pb2 as pb

    known = {
        "half_even": pb.ROUNDING_HALF_EVEN,
        "half_up": pb.ROUNDING_HALF_UP,
        "down": pb.ROUNDING_DOWN,
        "up": pb.ROUNDING_UP,
    }
    if word not in known:
        raise InvalidValueError("--rounding", word, f"write {', '.join(known)}")
    return known[word]
