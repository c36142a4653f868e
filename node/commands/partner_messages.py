"""``dwaybank partner ...-message``: payments, returns and statements between banks as messages of ISO 20022."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.commands.iso20022 import DayOption, DirectoryOption, answer, business_day, directory_of, order_in, send, write
from node.commands.options import HomeOption, OrgOption, with_node
from node.commands.partner_reports import AssetOption, PartnerOption, fetch_pages
from node.commands.times import first_moment, last_moment

if TYPE_CHECKING:
    from ledger.account import Side
    from ledger.money import Asset
    from ledger.statements import StatementLine
    from network.pb.dwaybank.partner.v1 import partner_pb2
    from node.iso20022.content import StatementAccount
    from node.own_node import OwnNode

OutputOption = Annotated[Path, typer.Option("--output", help="Where to write the message.")]


def register(group: typer.Typer) -> None:
    """Add these commands to ``dwaybank partner``."""
    group.command("pay-message", help="Pay what a pacs.008 or pacs.009 asks for, and write the answer.")(send)
    group.command("answer-message", help="Write how the payment of such a message stands now (pacs.002, pacs.004).")(
        answer
    )
    group.command("order-message", help="Write the pacs.009 by which this bank pays a partner.")(order_message)
    group.command("return-message", help="Write the pacs.004 of a payment that was sent back.")(return_message)
    group.command("statement-message", help="Write the account a partner keeps for us as camt.053, or camt.054.")(
        statement_message
    )


def order_message(
    partner: PartnerOption,
    debtor: Annotated[str, typer.Option("--from", help="Account of this bank that pays.")],
    creditor: Annotated[str, typer.Option("--to", help="Account of the partner, e.g. bank-settlement-EUR.")],
    amount_minor: Annotated[str, typer.Option(help="Minor units.")],
    directory: DirectoryOption,
    output: OutputOption,
    asset: AssetOption = "EUR",
    day: DayOption = None,
    uetr: Annotated[str, typer.Option("--id", help="UUID of version 4: the payment's UETR. Default: a new one.")] = "",
) -> None:
    """Nothing is sent: `pay-message` does that."""
    from ledger.money import parse_amount_minor
    from node.iso20022.partner_messages import bank_order
    from node.iso20022.values import UETR, Amount

    made = bank_order(
        directory_of(directory),
        partner,
        debtor_account=debtor,
        creditor_account=creditor,
        amount=Amount(parse_amount_minor(amount_minor, "--amount-minor"), _currency(asset)),
        uetr=UETR.parse(uetr) if uetr else uuid.uuid4(),
        day=business_day(day),
        message_id=uuid.uuid4().hex,
        now=datetime.now(UTC),
    )
    write(output, made)
    typer.echo(f"payment {made.uetr}: order in {output}")


def return_message(
    payment: Annotated[str, typer.Argument(metavar="RETURN", help="Id of the return, as `partner return` printed it.")],
    directory: DirectoryOption,
    output: OutputOption,
    original: Annotated[
        Path | None, typer.Option(help="The pacs.008 or pacs.009 that had ordered the payment.")
    ] = None,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Only once the return is completed: before, nothing has gone back."""
    from node.errors import ConfigurationError
    from node.iso20022.partner_messages import ReturnedPayment
    from node.iso20022.partner_messages import return_message as made_of
    from node.own_node import SETTLEMENT, partner_pb2

    found = partner_pb2.GetPaymentResponse()

    async def run(node: OwnNode) -> None:
        request = partner_pb2.GetPaymentRequest(payment_id=payment)
        found.CopyFrom(await node.call(SETTLEMENT, "GetPayment", request, partner_pb2.GetPaymentResponse))

    with_node(home, org, run)
    told = found.payment
    if not told.return_of or told.state != "completed":
        what = f"a return that is {told.state}" if told.return_of else "no return"
        raise ConfigurationError(f"payment {payment}: is {what}; only a completed return has a message")
    returned = ReturnedPayment(
        settlement_id=told.return_of,
        amount=int(told.amount_minor),
        asset=_currency(told.asset),
        reason=told.return_reason,
        returned_at=told.ordered_at.ToDatetime(tzinfo=UTC),
        return_id=told.settlement_id,
        sender_msp_id=told.receiver_msp_id,
    )
    asked = None if original is None else order_in(original)
    now = datetime.now(UTC)
    write(output, made_of(returned, asked, directory_of(directory), message_id=uuid.uuid4().hex, now=now))
    typer.echo(f"return {payment} of {told.return_of}: message in {output}")


def statement_message(
    partner: PartnerOption,
    since: Annotated[str, typer.Option("--from", help="First day of posting, or a time.")],
    until: Annotated[str, typer.Option("--to", help="Last day of posting, or a time.")],
    output: OutputOption,
    asset: AssetOption = "EUR",
    nostro: Annotated[bool, typer.Option("--nostro", help="What we owe him, in the place of what he owes us.")] = False,
    notification: Annotated[bool, typer.Option("--notification", help="camt.054: movements without balances.")] = False,
    bic: Annotated[str, typer.Option(help="BIC of the partner.")] = "",
    lei: Annotated[str, typer.Option(help="LEI of the partner.")] = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """As the partner's books have it, each page signed by his node."""
    from ledger.account import Side
    from node.errors import ConfigurationError
    from node.iso20022.partner_messages import vostro_message
    from node.iso20022.statements import Period

    begins, ends, now = first_moment(since, "--from"), last_moment(until, "--to"), datetime.now(UTC)
    assert begins is not None
    assert ends is not None
    if not begins <= ends < now:
        raise ConfigurationError(
            f"--from {since} --to {until}: give a period that is over, its end not before its begin"
        )
    pages = fetch_pages(partner, asset, nostro=nostro, since=since, until=until, org=org, home=home)
    side = Side.DEBIT if nostro else Side.CREDIT
    lines = [_line(line, side) for page in pages for line in page.page.lines][::-1]
    if not lines:
        raise ConfigurationError(f"{partner} tells of no movement from {since} to {until}: there is nothing to write")
    kind = "nostro" if nostro else "vostro"
    account = _account(f"{kind}-{pages[0].page.receiver_msp_id}-{asset}", asset, bic, lei)
    period = Period(begins, ends, uuid.uuid4().hex, now)
    write(output, vostro_message(account, side, lines, period, notification=notification))
    typer.echo(f"{output}: {len(lines)} movements of {kind} at {partner}")


def _line(line: partner_pb2.StatementLine, side: Side) -> StatementLine:
    from ledger.account import Side
    from ledger.statements import StatementLine

    change = int(line.change_minor)
    other = Side.DEBIT if side is Side.CREDIT else Side.CREDIT
    return StatementLine(
        seq=line.seq,
        side=side if change > 0 else other,
        amount=abs(change),
        balance_after=int(line.balance_minor),
        posted_at=line.posted_at.ToDatetime(tzinfo=UTC),
        effective_at=line.effective_at.ToDatetime(tzinfo=UTC),
        settlement_id=line.settlement_id,
        description="",
    )


def _account(reference: str, asset: str, bic: str, lei: str) -> StatementAccount:
    from node.iso20022.content import Agent, OtherId, StatementAccount

    servicer = Agent(bic=bic or None, lei=lei or None) if bic or lei else None
    return StatementAccount(OtherId(reference), _currency(asset), servicer=servicer)


def _currency(code: str) -> Asset:
    from node.errors import ConfigurationError
    from node.iso20022.currencies import CURRENCIES

    if code not in CURRENCIES:
        raise ConfigurationError(f"asset {code}: is no currency of ISO 4217, which messages are in")
    return CURRENCIES[code]
