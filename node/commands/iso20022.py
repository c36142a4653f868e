"""``dwaybank iso20022``: messages of ISO 20022 checked, paid, answered, and statements written as such."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.commands.options import HomeOption, JsonOption, OrgOption, with_node
from node.commands.own_books import own_books
from node.commands.times import first_moment, last_moment

if TYPE_CHECKING:
    from network.pb.dwaybank.partner.v1 import partner_pb2
    from node.iso20022.content import AnyMessage, StatementAccount
    from node.iso20022.directory import Directory
    from node.iso20022.settlements import Order, PaymentOrder
    from node.own_node import OwnNode

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="Message, XML.")]
DirectoryOption = Annotated[Path, typer.Option("--directory", help="YAML file: who is who.")]
DayOption = Annotated[str | None, typer.Option("--day", help="Business day that counts as today, e.g. 2026-03-02.")]
AnswerOption = Annotated[Path, typer.Option("--answer", help="Where to write the answer (pacs.002 or pacs.004).")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="Messages of ISO 20022: check, pay, answer, write statements.", no_args_is_help=True)
    group.command("check", help="Say what a message says, or why it is refused.")(check)
    group.command("order", help="Show the payment that a pacs.008 or pacs.009 asks for; nothing is sent.")(order)
    group.command("send", help="Pay what a pacs.008 or pacs.009 asks for, and write the answer.")(send)
    group.command("answer", help="Write how the payment of such a message stands now.")(answer)
    group.command("statement", help="Write an account's statement as camt.053, or as camt.054.")(statement)
    app.add_typer(group, name="iso20022", rich_help_panel="Books")


def check(file: FileArgument, as_json: JsonOption = False) -> None:
    """Check a message against everything this node holds messages to."""
    from node.iso20022 import describe_message, read_message
    from node.iso20022.catalogue import type_of
    from node.iso20022.errors import UnacceptableMessageError

    try:
        message = read_message(_read(file))
    except UnacceptableMessageError as error:
        if as_json:
            told = {"accepted": False, "code": error.code, "line": error.line, "path": error.path}
            typer.echo(json.dumps(told | {"value": error.value, "reason": error.reason}, ensure_ascii=False))
        else:
            typer.echo(f"refused, answer {error.code}: {error}")
        raise typer.Exit(1) from error
    kind = type_of(message)
    if as_json:
        says = dict(describe_message(message))
        typer.echo(json.dumps({"accepted": True, "message": kind.name, "says": says}, ensure_ascii=False))
        return
    typer.echo(f"{kind.name}, {kind.title}: accepted")
    for path, text in describe_message(message):
        typer.echo(f"  {path:<44} {text}")


def order(file: FileArgument, directory: DirectoryOption, day: DayOption = None) -> None:
    """Show what `send` would send."""
    from node.iso20022.errors import UnacceptableMessageError, UnsupportedOrderError

    try:
        _, asked = _asked(_read(file), directory_of(directory), business_day(day))
    except (UnacceptableMessageError, UnsupportedOrderError) as error:
        typer.echo(f"refused, answer {error.code}: {error}")
        raise typer.Exit(1) from error
    typer.echo(json.dumps(_as_dict(asked), indent=2, ensure_ascii=False))


def send(
    file: FileArgument,
    directory: DirectoryOption,
    answer_file: AnswerOption,
    day: DayOption = None,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Pay once, however often it is called with the same message; the answer says how far it came."""
    from node.iso20022.errors import UnacceptableMessageError, UnsupportedOrderError
    from node.iso20022.settlements import rejection

    data = _read(file)
    try:
        transfer, asked = _asked(data, directory_of(directory), business_day(day))
        payment = _paid(asked, org, home)
    except (UnacceptableMessageError, UnsupportedOrderError) as error:
        refused = rejection(data, error, message_id=uuid.uuid4().hex, now=datetime.now(UTC))
        if refused is not None:
            write(answer_file, refused)
        told = f"answer in {answer_file}" if refused else "no answer, because it does not say which message it is"
        typer.echo(f"refused, answer {error.code}: {error}; {told}")
        raise typer.Exit(1) from error
    _answer(transfer, payment, answer_file)


def _paid(asked: PaymentOrder, org: str, home: Path | None) -> partner_pb2.Payment:
    """Send the order; the same one again is answered as the first."""
    from network.rpc import RpcError, StatusCode
    from node.iso20022.settlements import uetr_taken
    from node.own_node import SETTLEMENT, partner_pb2

    reply = partner_pb2.SendPaymentResponse()

    async def run(node: OwnNode) -> None:
        reply.CopyFrom(await node.call(SETTLEMENT, "SendPayment", _request(asked), partner_pb2.SendPaymentResponse))

    try:
        with_node(home, org, run)
    except RpcError as error:
        if error.code != StatusCode.ALREADY_EXISTS:
            raise
        raise uetr_taken(asked.payment_id) from error
    return reply.payment


def answer(
    file: FileArgument,
    answer_file: AnswerOption,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Ask the node for the payment that the message's UETR names; it must be of the message's amount."""
    from node.iso20022.errors import UnsupportedOrderError
    from node.iso20022.settlements import require_paid_by
    from node.own_node import SETTLEMENT, partner_pb2

    transfer = _transfer(_read(file))
    found = partner_pb2.GetPaymentResponse()

    async def run(node: OwnNode) -> None:
        request = partner_pb2.GetPaymentRequest(payment_id=str(transfer.uetr))
        found.CopyFrom(await node.call(SETTLEMENT, "GetPayment", request, partner_pb2.GetPaymentResponse))

    with_node(home, org, run)
    try:
        require_paid_by(transfer, found.payment.asset, int(found.payment.amount_minor))
    except UnsupportedOrderError as error:
        typer.echo(f"refused, answer {error.code}: {error}")
        raise typer.Exit(1) from error
    _answer(transfer, found.payment, answer_file)


def statement(
    account: Annotated[str, typer.Argument(help="Account reference, e.g. cust-anna.")],
    since: Annotated[str, typer.Option("--from", help="First day of posting, or a time.")],
    until: Annotated[str, typer.Option("--to", help="Last day of posting, or a time.")],
    output: Annotated[Path, typer.Option("--output", help="Where to write it.")],
    iban: Annotated[str, typer.Option(help="The account's IBAN; without it the reference names the account.")] = "",
    bic: Annotated[str, typer.Option(help="BIC of this bank.")] = "",
    lei: Annotated[str, typer.Option(help="LEI of this bank.")] = "",
    notification: Annotated[bool, typer.Option("--notification", help="camt.054: movements without balances.")] = False,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Write what was posted in a period that is over."""
    from datetime import timedelta

    from ledger.balances import find_account
    from ledger.balances_in_time import balance_at
    from ledger.statements import statement_lines
    from node.errors import ConfigurationError
    from node.iso20022.statements import Period, account_notification, account_statement

    begins, ends, now = first_moment(since, "--from"), last_moment(until, "--to"), datetime.now(UTC)
    assert begins is not None
    assert ends is not None
    if not begins <= ends < now:
        raise ConfigurationError(
            f"--from {since} --to {until}: give a period that is over, its end not before its begin"
        )
    period = Period(begins, ends, uuid.uuid4().hex, now)
    with own_books(home, org) as connection:
        facts = find_account(connection, account).facts
        told = _statement_account(account, iban, bic, lei, facts.asset.code)
        lines = [*statement_lines(connection, account, by_effect=False, since=begins, until=ends)][::-1]
        if notification:
            made: AnyMessage = account_notification(told, lines, period)
        else:
            opening = balance_at(connection, account, known_at=begins - timedelta(microseconds=1)).balance
            made = account_statement(told, facts.normal_side, opening, lines, period)
    write(output, made)
    typer.echo(f"{output}: {len(lines)} entries of {account}")


def _statement_account(reference: str, iban: str, bic: str, lei: str, currency: str) -> StatementAccount:
    from node.errors import ConfigurationError
    from node.iso20022.content import Agent, Iban, OtherId, StatementAccount
    from node.iso20022.currencies import CURRENCIES

    if currency not in CURRENCIES:
        raise ConfigurationError(f"account {reference} counts {currency}, which is no currency of ISO 4217")
    servicer = Agent(bic=bic or None, lei=lei or None) if bic or lei else None
    return StatementAccount(Iban(iban) if iban else OtherId(reference), CURRENCIES[currency], servicer=servicer)


def _answer(transfer: Order, payment: partner_pb2.Payment, answer_file: Path) -> None:
    from node.iso20022.settlements import Outcome, outcome_message
    from node.partner.settlement import SenderState

    outcome = Outcome(SenderState(payment.state), payment.refusal, payment.seq)
    write(answer_file, outcome_message(transfer, outcome, message_id=uuid.uuid4().hex, now=datetime.now(UTC)))
    refusal = f" ({payment.refusal})" if payment.refusal else ""
    typer.echo(f"payment {payment.payment_id}: {payment.state}{refusal}; answer in {answer_file}")


def _request(asked: PaymentOrder) -> partner_pb2.SendPaymentRequest:
    from node.own_node import partner_pb2

    fields = _as_dict(asked)
    del fields["not_carried"]
    return partner_pb2.SendPaymentRequest(**fields)  # type: ignore[arg-type]


def _as_dict(asked: PaymentOrder) -> dict[str, object]:
    """The order as ``SendPayment`` takes it, with what it leaves out."""
    return {
        "payment_id": str(asked.payment_id),
        "debtor_account": asked.debtor_account,
        "receiver_msp_id": asked.receiver_msp_id,
        "beneficiary_account": asked.beneficiary_account,
        "asset": asked.asset,
        "amount_minor": str(asked.amount),
        "description": asked.description,
        "not_carried": list(asked.not_carried),
    }


def _asked(data: bytes, directory: Directory, today: date) -> tuple[Order, PaymentOrder]:
    from node.iso20022.settlements import order_of

    transfer = _transfer(data)
    return transfer, order_of(transfer, directory, today)


def order_in(path: Path) -> Order:
    """Return the order of a file, pacs.008 or pacs.009."""
    return _transfer(_read(path))


def _transfer(data: bytes) -> Order:
    from node.iso20022 import read_message
    from node.iso20022.catalogue import type_of
    from node.iso20022.content import CustomerCreditTransfer, InstitutionCreditTransfer
    from node.iso20022.errors import UnsupportedOrderError

    message = read_message(data)
    if not isinstance(message, CustomerCreditTransfer | InstitutionCreditTransfer):
        reason = "is no order that this node pays: give a pacs.008 or pacs.009"
        raise UnsupportedOrderError("Document", type_of(message).name, reason, "AG03")
    return message


def directory_of(path: Path) -> Directory:
    """Return what a directory file says."""
    from node.errors import ConfigurationError
    from node.iso20022.directory import parse_directory

    try:
        return parse_directory(_read(path).decode())
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"directory {path} is no UTF-8 text") from error


def business_day(text: str | None) -> date:
    """Return the day that counts as today."""
    moment = first_moment(text, "--day")
    return (moment or datetime.now(UTC)).date()


def _read(path: Path) -> bytes:
    from node.config import read_file

    return read_file(path)


def write(path: Path, message: AnyMessage) -> None:
    """Write a message to a file."""
    from node.config import write_file
    from node.iso20022 import write_message

    write_file(path, write_message(message))
