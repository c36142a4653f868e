"""``dwaybank partner obligations|obligation|reconcile|terms|term``: what banks owe one another on the shared ledger."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.commands.options import HomeOption, JsonOption, OrgOption, with_node

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from network.pb.dwaybank.partner.v1 import obligations_pb2
    from node.own_node import OwnNode

PartnerArgument = Annotated[str, typer.Argument(metavar="PARTNER", help="MSP id of the other bank.")]
AllPartners = Annotated[str, typer.Option("--partner", help="Only with this bank, an MSP id.")]


def register(group: typer.Typer) -> None:
    """Add these commands to ``dwaybank partner``."""
    group.command("obligations", help="List what banks owe one another by payments that are completed.")(obligations)
    group.command("obligation", help="Show one as the shared ledger has it, or take its next step.")(obligation)
    group.command("exchange", help="Propose a payment versus payment to a bank.")(exchange)
    group.command("reconcile", help="Show where own books, partner and shared ledger differ.")(reconcile)
    group.command("terms", help="Show limits, collateral, cut-off times and debts with a bank.")(terms)
    group.command("term", help="Set a limit, collateral or a cut-off time on the shared ledger.")(term)


def obligations(
    partner: AllPartners = "",
    state: Annotated[str, typer.Option(help="proposed, agreed, netting, settled, ...")] = "",
    breaks: Annotated[bool, typer.Option("--breaks", help="Only those that both did not book alike yet.")] = False,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """One line each, in the order in which the payments were completed."""
    from node.own_node import OBLIGATIONS, obligations_pb2

    async def run(node: OwnNode) -> None:
        request = obligations_pb2.ListObligationsRequest(
            partner_msp_id=partner, state=state, breaks=breaks, page_size=500
        )
        reply = obligations_pb2.ListObligationsResponse
        async for page in node.pages(OBLIGATIONS, "ListObligations", request, reply):
            for each in page.obligations:
                typer.echo(json.dumps(fields_of(each)) if as_json else _line(each))

    with_node(home, org, run)


def obligation(
    obligation: Annotated[str, typer.Argument(metavar="ID", help="Of the obligation, 32 hex digits.")],
    step: Annotated[str, typer.Option(help="agree, settle, return, cancel, expire or book.")] = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show all steps and both bookings; or sign the next step as this bank."""
    from node.own_node import OBLIGATIONS, obligations_pb2

    async def run(node: OwnNode) -> None:
        if step:
            move = obligations_pb2.MoveObligationRequest(obligation_id=obligation, step=step)
            moved = await node.call(OBLIGATIONS, "MoveObligation", move, obligations_pb2.MoveObligationResponse, 60)
            typer.echo(f"{obligation}  {moved.state}  books {moved.books}")
            return
        request = obligations_pb2.GetObligationRequest(obligation_id=obligation)
        found = await node.call(OBLIGATIONS, "GetObligation", request, obligations_pb2.GetObligationResponse)
        if as_json:
            typer.echo(json.dumps(fields_of(found), indent=2))
            return
        _show(found)

    with_node(home, org, run)


def exchange(
    partner: PartnerArgument,
    give_asset: Annotated[str, typer.Argument(help="Asset this bank will owe.")],
    give_minor: Annotated[str, typer.Argument(help="How much of it, minor units.")],
    take_asset: Annotated[str, typer.Argument(help="Asset this bank will be owed.")],
    take_minor: Annotated[str, typer.Argument(help="How much of it, minor units.")],
    reference: Annotated[str, typer.Option(help="Names the exchange for ever; random when absent.")] = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Two obligations, one each way: settled in one transaction once both banks are paid, or not at all."""
    from node.own_node import OBLIGATIONS, obligations_pb2

    async def run(node: OwnNode) -> None:
        request = obligations_pb2.ProposeExchangeRequest(
            partner_msp_id=partner,
            give_asset=give_asset,
            give_amount_minor=give_minor,
            take_asset=take_asset,
            take_amount_minor=take_minor,
            reference=reference,
        )
        reply = await node.call(OBLIGATIONS, "ProposeExchange", request, obligations_pb2.ProposeExchangeResponse, 60)
        typer.echo(f"{reply.give_obligation_id}  owed {give_minor} {give_asset} to {partner}")
        typer.echo(f"{reply.take_obligation_id}  owed {take_minor} {take_asset} by {partner}")

    with_node(home, org, run)


def reconcile(
    partner: AllPartners = "", org: OrgOption = "dwaybank", home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """One line for each break with both sides' evidence below it; exit status 1 when there is one."""
    from node.own_node import OBLIGATIONS, obligations_pb2

    async def run(node: OwnNode) -> None:
        request = obligations_pb2.ReconcileRequest(partner_msp_id=partner)
        found = await node.call(OBLIGATIONS, "Reconcile", request, obligations_pb2.ReconcileResponse, 600)
        for each in found.breaks:
            if as_json:
                typer.echo(json.dumps(fields_of(each)))
            else:
                _show_break(each)
        if not as_json:
            typer.echo(f"{found.compared} obligations compared, {found.break_count} breaks")
        if found.break_count > len(found.breaks):
            typer.echo(
                f"the first {len(found.breaks)} of {found.break_count} breaks are listed: mend them and ask again",
                err=True,
            )
        if found.breaks:
            raise typer.Exit(1)

    with_node(home, org, run)


def terms(
    partner: PartnerArgument, org: OrgOption = "dwaybank", home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """One line for each limit, pledge, cut-off and debt between the two banks."""
    from node.own_node import OBLIGATIONS, obligations_pb2

    async def run(node: OwnNode) -> None:
        request = obligations_pb2.GetTermsRequest(partner_msp_id=partner)
        found = await node.call(OBLIGATIONS, "GetTerms", request, obligations_pb2.GetTermsResponse)
        for each in found.terms:
            typer.echo(
                json.dumps(fields_of(each))
                if as_json
                else f"{each.kind:<11} {each.bank:<14} {each.asset:<6} {each.value}"
            )

    with_node(home, org, run)


def term(
    partner: PartnerArgument,
    kind: Annotated[str, typer.Argument(help="limit, collateral or cut_off.")],
    asset: Annotated[str, typer.Argument(help="Asset code.")],
    value: Annotated[str, typer.Argument(help="Minor units, or HH:MM UTC; '' takes it away.")],
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """A limit and a cut-off are set by whom is owed, collateral by who owes."""
    from node.own_node import OBLIGATIONS, obligations_pb2

    async def run(node: OwnNode) -> None:
        request = obligations_pb2.SetTermRequest(partner_msp_id=partner, kind=kind, asset=asset, value=value)
        await node.call(OBLIGATIONS, "SetTerm", request, obligations_pb2.SetTermResponse, 60)
        typer.echo(f"{kind} with {partner} in {asset}: {value or 'none'}")

    with_node(home, org, run)


def fields_of(message: Message) -> dict[str, Any]:
    """Return a message as JSON, absent fields included."""
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def _line(each: obligations_pb2.Obligation) -> str:
    way = "to" if each.outgoing else "from"
    said = f"{each.state or 'not there':<9} books {each.books or '-':<9}"
    line = (
        f"{each.obligation_id or '-':<32}  {said}  {way:<4} {each.partner_msp_id:<14} "
        f"{each.amount_minor:>15} {each.asset:<5} entry {each.seq}"
    )
    return f"{line}  ({each.note})" if each.note else line


def _show(found: obligations_pb2.GetObligationResponse) -> None:
    typer.echo(f"{found.obligation_id}  {found.state}  books {found.books}  between {' and '.join(found.banks)}")
    if found.HasField("details"):
        told = found.details
        typer.echo(
            f"{told.debtor} owes {told.creditor} {told.amount_minor} {told.asset} minor units, value "
            f"{told.value_date}, settlement {told.settlement_id}"
        )
    typer.echo(f"commitment {found.commitment.hex()}")
    if found.linked:
        typer.echo(f"settled together with {found.linked}, or not at all")
    for step in found.steps:
        typer.echo(f"{step.taken_at}  {step.state:<9} by {step.by:<14} transaction {step.transaction_id}")
    for said in found.bookings:
        _show_booking(said)


def _show_booking(said: obligations_pb2.Booking) -> None:
    fits = "as agreed" if said.fits else f"NOT AS AGREED ({said.commitment.hex()})"
    typer.echo(f"{said.taken_at}  booked    by {said.by:<14} transaction {said.transaction_id}  {fits}")


def _show_break(each: obligations_pb2.Break) -> None:
    typer.echo(f"{each.kind}: {each.explanation}")
    typer.echo(f"  {_line(each.obligation)}")
    if each.own_booked_minor:
        typer.echo(f"  own books: {each.own_booked_minor} {each.obligation.asset} in entry {each.obligation.seq}")
    for said in each.bookings:
        fits = "as agreed" if said.fits else "not as agreed"
        typer.echo(f"  {said.by} anchored {said.commitment.hex()} in {said.transaction_id}: {fits}")
    for signed in each.evidence:
        typer.echo(
            f"  signed by the partner: {signed.kind}, {len(signed.payload)} bytes, {signed.received_at.ToJsonString()}"
        )
