"""``dwaybank partner quote|statement|follow``: what is asked of a partner, each answer as he signed it."""

from __future__ import annotations

import json
import uuid
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.commands.options import HomeOption, JsonOption, OrgOption, with_node
from node.commands.times import first_moment, last_moment, span

if TYPE_CHECKING:
    from network.pb.dwaybank.partner.v1 import partner_pb2
    from node.own_node import OwnNode

PartnerOption = Annotated[str, typer.Option("--partner", help="MSP id of the partner bank, e.g. PartnerMSP.")]
AssetOption = Annotated[str, typer.Option(help="Code.")]

LINES_MAX = 100_000
"""Longest statement fetched at once."""


def register(group: typer.Typer) -> None:
    """Add these commands to ``dwaybank partner``."""
    group.command("quote", help="Ask a partner what a payment costs and what arrives.")(quote)
    group.command("statement", help="Fetch the account that a partner keeps for us.")(statement)
    group.command("follow", help="Show what happens to settlements as the partner tells it.")(follow)


def quote(
    partner: PartnerOption,
    amount_minor: Annotated[str, typer.Option(help="What would be settled, minor units.")],
    asset: AssetOption = "EUR",
    credited_asset: Annotated[str, typer.Option(help="What the beneficiary's account counts; the same if empty.")] = "",
    quote_id: Annotated[str, typer.Option("--id", help="UUID; the same one gets the same quote.")] = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Exit status 1 when the partner gives none. Order under it with `partner pay --quote ID`."""
    from node.own_node import SETTLEMENT, partner_pb2

    request = partner_pb2.RequestQuoteRequest(
        quote_id=quote_id or str(uuid.uuid4()),
        partner_msp_id=partner,
        asset=asset,
        amount_minor=amount_minor,
        credited_asset=credited_asset,
    )
    reply = partner_pb2.RequestQuoteResponse()

    async def run(node: OwnNode) -> None:
        reply.CopyFrom(await node.call(SETTLEMENT, "RequestQuote", request, partner_pb2.RequestQuoteResponse))

    with_node(home, org, run)
    found = reply.quote
    valid_until = found.valid_until.ToDatetime(tzinfo=UTC).isoformat(timespec="seconds")
    if as_json:
        told = {"quote_id": found.quote_id, "refusal": found.refusal, "asset": found.asset}
        told |= {"amount_minor": found.amount_minor, "fee_minor": found.fee_minor, "rate": found.rate}
        told |= {"credited_asset": found.credited_asset, "credited_minor": found.credited_minor}
        typer.echo(json.dumps(told | {"valid_until": "" if found.refusal else valid_until}))
    elif found.refusal:
        typer.echo(f"{partner} gives no quote: {found.refusal}")
    else:
        rate = f", at {found.rate} {found.rate_pair} of {found.rate_source}" if found.rate else ""
        typer.echo(
            f"quote {found.quote_id}: of {found.amount_minor} {found.asset} {partner} keeps {found.fee_minor}; "
            f"{found.credited_minor} {found.credited_asset} arrive{rate}; until {valid_until}"
        )
    if found.refusal:
        raise typer.Exit(1)


def statement(
    partner: PartnerOption,
    asset: AssetOption = "EUR",
    nostro: Annotated[bool, typer.Option("--nostro", help="What we owe him, in the place of what he owes us.")] = False,
    since: Annotated[str | None, typer.Option("--from", help="First day of posting, or a time.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Last day of posting, or a time.")] = None,
    evidence: Annotated[Path | None, typer.Option(help="Folder for the pages as the partner signed them.")] = None,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lines newest first, as they stand in the partner's books."""
    from node.config import write_file

    pages = fetch_pages(partner, asset, nostro=nostro, since=since, until=until, org=org, home=home)
    if evidence is not None:
        for number, page in enumerate(pages, 1):
            write_file(evidence / f"statement-{number:04}.signed", page.signed.SerializeToString(), with_folder=True)
    kind = "nostro" if nostro else "vostro"
    if not as_json:
        typer.echo(f"{partner}'s {kind} account for us, {asset}: balance {pages[0].page.balance_minor}")
    for page in pages:
        for line in page.page.lines:
            posted_at = line.posted_at.ToDatetime(tzinfo=UTC).isoformat(timespec="seconds")
            if as_json:
                told = {"seq": line.seq, "change_minor": line.change_minor, "balance_minor": line.balance_minor}
                typer.echo(json.dumps(told | {"posted_at": posted_at, "settlement_id": line.settlement_id}))
            else:
                amounts = f"{line.change_minor:>16} {line.balance_minor:>18}"
                typer.echo(f"{line.seq:>10}  {posted_at}  {amounts}  {line.settlement_id}")


def follow(
    partner: PartnerOption,
    after: Annotated[int, typer.Option(help="Number of the last update known; 0 for all.")] = 0,
    count: Annotated[int, typer.Option(help="End after so many; 0 for no end.")] = 0,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """One line for each; a stream that the partner ends is taken up again where it ended."""
    from node.own_node import SETTLEMENT, partner_pb2

    async def run(node: OwnNode) -> None:
        newest, left = after, count
        while True:
            request = partner_pb2.FollowPartnerRequest(partner_msp_id=partner, after_sequence=newest)
            replies = node.stream(SETTLEMENT, "FollowPartner", request, partner_pb2.FollowPartnerResponse)
            async for reply in replies:
                newest = reply.update.sequence
                _tell(reply.update, as_json)
                left -= 1
                if left == 0:
                    return

    with_node(home, org, run)


def fetch_pages(
    partner: str, asset: str, *, nostro: bool, since: str | None, until: str | None, org: str, home: Path | None
) -> list[partner_pb2.FetchStatementResponse]:
    """Return all pages of a statement, newest first; one at least.

    Raises:
        ConfigurationError: it is longer than ``LINES_MAX``.
    """
    from node.errors import ConfigurationError
    from node.own_node import SETTLEMENT, partner_pb2

    request = partner_pb2.FetchStatementRequest(partner_msp_id=partner, asset=asset, page_size=500)
    request.account = partner_pb2.ACCOUNT_KIND_NOSTRO if nostro else partner_pb2.ACCOUNT_KIND_VOSTRO
    begin, end = span(first_moment(since, "--from"), last_moment(until, "--to"), "--from, --to")
    for bound, moment in ((request.since, begin), (request.until, end)):
        if moment is not None:
            bound.FromDatetime(moment.astimezone(UTC))
    pages: list[partner_pb2.FetchStatementResponse] = []

    async def run(node: OwnNode) -> None:
        while True:
            reply = await node.call(SETTLEMENT, "FetchStatement", request, partner_pb2.FetchStatementResponse)
            pages.append(reply)
            request.from_seq = reply.page.next_seq
            if not request.from_seq:
                return
            if sum(len(page.page.lines) for page in pages) > LINES_MAX:
                raise ConfigurationError(f"more than {LINES_MAX} lines: narrow --from and --to")

    with_node(home, org, run)
    return pages


def _tell(update: partner_pb2.SettlementUpdate, as_json: bool) -> None:
    at = update.at.ToDatetime(tzinfo=UTC).isoformat(timespec="milliseconds")
    if as_json:
        told = {"sequence": update.sequence, "settlement_id": update.settlement_id, "state": update.state}
        told |= {"ours": update.from_asking_bank, "refusal": update.refusal, "asset": update.asset, "at": at}
        typer.echo(json.dumps(told | {"amount_minor": update.amount_minor, "seq": update.seq}))
        return
    way = "from us" if update.from_asking_bank else "to us"
    refusal = f" ({update.refusal})" if update.refusal else ""
    typer.echo(
        f"{update.sequence:>8}  {at}  {update.settlement_id}  {way}  {update.amount_minor} {update.asset}"
        f"  {update.state}{refusal}"
    )
