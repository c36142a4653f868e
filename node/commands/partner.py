"""``dwaybank partner``: partner banks, payments to them and what became of them.

Other modules add commands to the same ``group``.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.commands import partner_evidence, partner_messages, partner_reports
from node.commands.options import HomeOption, JsonOption, OrgOption, with_node

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from network.pb.dwaybank.partner.v1 import partner_pb2
    from node.own_node import OwnNode

PaymentArgument = Annotated[str, typer.Argument(metavar="PAYMENT", help="Id of the payment: a UUID, its UETR.")]
PartnerOption = Annotated[str, typer.Option("--partner", help="MSP id of the partner bank, e.g. PartnerMSP.")]

group = typer.Typer(help="Partner banks: pay, send back, compare.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group.command("version", help="Ask each partner whether he answers, and in which version.")(version)
    group.command("limits", help="Show what each partner may do here, and how much of it is used.")(limits)
    group.command("positions", help="Compare positions as both sides' books state them.")(positions)
    group.command("pay", help="Pay an account at a partner.")(pay)
    group.command("status", help="Show how a payment stands.")(status)
    group.command("cancel", help="Give up a payment whose money was not yet taken.")(cancel)
    group.command("return", help="Send a received payment back.")(send_back)
    partner_reports.register(group)
    partner_messages.register(group)
    partner_evidence.register(group)
    app.add_typer(group, name="partner", rich_help_panel="Books")


def version(org: OrgOption = "dwaybank", home: HomeOption = None, as_json: JsonOption = False) -> None:
    """One line for each partner; exit status 1 when one does not answer or speaks no version of ours."""
    standings = _standings(org, home)
    for each in standings:
        if as_json:
            told = {"partner": each.msp_id, "reachable": each.reachable, "version": each.version}
            typer.echo(json.dumps(told | {"problem": each.problem}))
        else:
            typer.echo(f"{each.msp_id}: {f'version {each.version}' if each.reachable else each.problem}")
    if not all(each.reachable for each in standings):
        raise typer.Exit(1)


def limits(org: OrgOption = "dwaybank", home: HomeOption = None, as_json: JsonOption = False) -> None:
    """As ``node.yaml`` sets them, with what was agreed to since midnight UTC."""
    for each in _standings(org, home):
        if as_json:
            amounts = [
                {
                    "asset": limit.asset,
                    "single_minor": limit.single_minor,
                    "daily_minor": limit.daily_minor,
                    "used_minor": limit.used_minor,
                }
                for limit in each.limits
            ]
            told = {"partner": each.msp_id, "open": each.open, "open_max": each.open_max, "amounts": amounts}
            typer.echo(json.dumps(told | {"calls_per_s": each.calls_per_s, "calls_burst": each.calls_burst}))
            continue
        calls = f"{each.calls_per_s:g} calls/s, {each.calls_burst} at once" if each.calls_per_s else "calls unlimited"
        typer.echo(f"{each.msp_id}: {each.open} open of {each.open_max or 'any number'}; {calls}")
        for limit in each.limits:
            single, daily = limit.single_minor or "no limit", limit.daily_minor or "no limit"
            typer.echo(f"  {limit.asset:<8} single {single}, daily {daily}, used today {limit.used_minor}")


def positions(org: OrgOption = "dwaybank", home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Exit status 1 when one differs, or a partner does not answer."""
    from node.own_node import SETTLEMENT, partner_pb2

    found = partner_pb2.ComparePositionsResponse()

    async def run(node: OwnNode) -> None:
        request = partner_pb2.ComparePositionsRequest()
        found.CopyFrom(await node.call(SETTLEMENT, "ComparePositions", request, partner_pb2.ComparePositionsResponse))

    with_node(home, org, run)
    for row in found.comparisons:
        if as_json:
            told = {"partner": row.partner_msp_id, "asset": row.asset, "own_minor": row.own_minor}
            typer.echo(json.dumps(told | {"partner_minor": row.partner_minor, "agree": row.agree}))
        else:
            verdict = "agree" if row.agree else "differ" if row.partner_minor else "the partner does not answer"
            typer.echo(
                f"{row.partner_msp_id} {row.asset}: owes us {row.own_minor} by our books,"
                f" {row.partner_minor or '?'} by his: {verdict}"
            )
    if not all(row.agree for row in found.comparisons):
        raise typer.Exit(1)


def pay(
    debtor: Annotated[str, typer.Option("--from", help="Account here that pays.")],
    beneficiary: Annotated[str, typer.Option("--to", help="Account at the partner.")],
    partner: PartnerOption,
    amount_minor: Annotated[str, typer.Option(help="Minor units, e.g. 12550 for EUR 125.50.")],
    asset: Annotated[str, typer.Option(help="Code.")] = "EUR",
    description: Annotated[str, typer.Option(help="For the debtor's statement.")] = "",
    quote: Annotated[str, typer.Option(help="Id of the partner's quote it is ordered under.")] = "",
    payment_id: Annotated[str, typer.Option("--id", help="UUID; the same one pays once. Default: a new one.")] = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pay once, however often it is called with the same id."""
    from node.own_node import partner_pb2

    request = partner_pb2.SendPaymentRequest(
        payment_id=payment_id or str(uuid.uuid4()),
        debtor_account=debtor,
        receiver_msp_id=partner,
        beneficiary_account=beneficiary,
        asset=asset,
        amount_minor=amount_minor,
        description=description,
        quote_id=quote,
    )
    _show(_payment("SendPayment", request, partner_pb2.SendPaymentResponse, org, home), as_json)


def status(
    payment: PaymentArgument,
    ask: Annotated[bool, typer.Option("--ask", help="Ask the partner too, and show what his records say.")] = False,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """As this bank's records have it."""
    from node.own_node import partner_pb2

    request = partner_pb2.GetPaymentRequest(payment_id=payment)
    found = _payment("GetPayment", request, partner_pb2.GetPaymentResponse, org, home)
    if ask:
        _show_partner_status(found, org, home, as_json)
    _show(found, as_json)


def _show_partner_status(payment: partner_pb2.Payment, org: str, home: Path | None, as_json: bool) -> None:
    from node.own_node import SETTLEMENT, partner_pb2

    partner = payment.receiver_msp_id

    async def run(node: OwnNode) -> None:
        request = partner_pb2.AskStatusRequest(partner_msp_id=partner, settlement_id=payment.settlement_id)
        answer = (await node.call(SETTLEMENT, "AskStatus", request, partner_pb2.AskStatusResponse)).answer
        if as_json:
            typer.echo(json.dumps({"partner": partner, "partner_state": answer.state, "partner_seq": answer.seq}))
        else:
            entry = f", entry {answer.seq}" if answer.seq else ""
            typer.echo(f"at {partner}: {answer.state}{entry}")

    with_node(home, org, run)


def cancel(
    payment: PaymentArgument, org: OrgOption = "dwaybank", home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """The held money is free at once; the partner is told."""
    from node.own_node import partner_pb2

    request = partner_pb2.CancelPaymentRequest(payment_id=payment)
    _show(_payment("CancelPayment", request, partner_pb2.CancelPaymentResponse, org, home), as_json)


def send_back(
    settlement: Annotated[str, typer.Argument(metavar="SETTLEMENT", help="Id of the received settlement.")],
    partner: PartnerOption,
    reason: Annotated[str, typer.Option(help="Code of ExternalReturnReason1Code, e.g. AC04, CUST.")],
    description: Annotated[str, typer.Option(help="For the statement of the account that pays back.")] = "",
    payment_id: Annotated[str, typer.Option("--id", help="UUID of the return. Default: a new one.")] = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The whole amount goes back to the account it came from, as a settlement of its own."""
    from node.own_node import partner_pb2

    request = partner_pb2.ReturnPaymentRequest(
        payment_id=payment_id or str(uuid.uuid4()),
        partner_msp_id=partner,
        settlement_id=settlement,
        reason=reason,
        description=description,
    )
    _show(_payment("ReturnPayment", request, partner_pb2.ReturnPaymentResponse, org, home), as_json)


def _payment(method: str, request: Message, reply: type[Message], org: str, home: Path | None) -> partner_pb2.Payment:
    from node.own_node import SETTLEMENT, partner_pb2

    payment = partner_pb2.Payment()

    async def run(node: OwnNode) -> None:
        answer: Any = await node.call(SETTLEMENT, method, request, reply)
        payment.CopyFrom(answer.payment)

    with_node(home, org, run)
    return payment


def _standings(org: str, home: Path | None) -> list[partner_pb2.PartnerStanding]:
    from node.own_node import SETTLEMENT, partner_pb2

    found = partner_pb2.ListPartnersResponse()

    async def run(node: OwnNode) -> None:
        request = partner_pb2.ListPartnersRequest()
        found.CopyFrom(await node.call(SETTLEMENT, "ListPartners", request, partner_pb2.ListPartnersResponse))

    with_node(home, org, run)
    return list(found.partners)


def _show(payment: partner_pb2.Payment, as_json: bool) -> None:
    """Print a payment; exit status 1 for one that ended without payment."""
    if as_json:
        told: dict[str, object] = {
            field.name: getattr(payment, field.name)
            for field in payment.DESCRIPTOR.fields
            if field.type != field.TYPE_MESSAGE
        }
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        refusal = f" ({payment.refusal})" if payment.refusal else ""
        entry = f", entry {payment.seq}" if payment.seq else ""
        theirs = f", entry {payment.partner_seq} at {payment.receiver_msp_id}" if payment.partner_seq else ""
        typer.echo(f"payment {payment.payment_id}: {payment.state}{refusal}{entry}{theirs}")
    if payment.state in ("aborted", "expired", "returned") and payment.refusal != "cancelled":
        raise typer.Exit(1)
