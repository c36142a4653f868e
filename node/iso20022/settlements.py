"""Between messages and settlements: a pacs.008 or pacs.009 as an order to settle, and what became of it as pacs.002 or
pacs.004.

Rules:
- the UETR names the payment: it is the order's idempotency key, so a message that comes twice pays once;
- an order is made only where the settlement does exactly what the message asks: the partner is paid in full, on the
  day, over the account he holds here; anything else is refused with path and code;
- what a settlement does not carry to the partner (names, addresses, purposes) is listed, never lost unseen.

Left to others: sending the order (``node.commands.iso20022``), the settlement itself (``node.partner``).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from ledger.errors import StatementFormatError
from ledger.reconciliation.xml_tree import Element, parse_xml
from node.iso20022.catalogue import describe_message
from node.iso20022.content import (
    Agent,
    Code,
    CustomerCreditTransfer,
    InstitutionCreditTransfer,
    PaymentReturn,
    Reason,
    SettlementMethod,
    Status,
    StatusReport,
)
from node.iso20022.directory import Directory
from node.iso20022.errors import UnacceptableMessageError, UnsupportedOrderError
from node.iso20022.parts import MAX35
from node.iso20022.values import UETR, RefusedTextError
from node.partner.settlement import SenderState

Order = CustomerCreditTransfer | InstitutionCreditTransfer
"""What may order a settlement: a customer's payment, or a bank's own."""

ORDER_MESSAGE = "pacs.008.001.08"
BANK_ORDER_MESSAGE = "pacs.009.001.08"

_REASON_TEXT_LENGTH_MAX = 105

_TX = "CdtTrfTxInf"

_CARRIED = (
    "GrpHdr/", f"{_TX}/PmtId/UETR", f"{_TX}/IntrBkSttlmAmt", f"{_TX}/IntrBkSttlmDt", f"{_TX}/InstdAmt", f"{_TX}/ChrgBr",
    f"{_TX}/InstgAgt/FinInstnId/BICFI", f"{_TX}/InstgAgt/FinInstnId/LEI", f"{_TX}/InstdAgt/FinInstnId/BICFI",
    f"{_TX}/InstdAgt/FinInstnId/LEI", f"{_TX}/DbtrAgt/FinInstnId/BICFI", f"{_TX}/DbtrAgt/FinInstnId/LEI",
    f"{_TX}/CdtrAgt/FinInstnId/BICFI", f"{_TX}/CdtrAgt/FinInstnId/LEI", f"{_TX}/DbtrAcct/Id/", f"{_TX}/CdtrAcct/Id/",
    f"{_TX}/Dbtr/FinInstnId/BICFI", f"{_TX}/Dbtr/FinInstnId/LEI", f"{_TX}/Cdtr/FinInstnId/BICFI",
    f"{_TX}/Cdtr/FinInstnId/LEI", f"{_TX}/DbtrAcct/Ccy", f"{_TX}/CdtrAcct/Ccy", f"{_TX}/RmtInf/Ustrd[1]",
)  # fmt: skip
"""Places whose meaning the order or the settlement itself has."""

_NARRATIVE = ("NARR", "NARR")

_REASONS = {
    "account_not_found": ("AC01", "AC01"),
    "account_closed": ("AC04", "AC04"),
    "account_frozen": ("AC06", "AC06"),
    "asset_not_found": ("AM03", "AM03"),
    "asset_mismatch": ("AM03", "AM03"),
    "asset_digits_differ": ("AM03", "AM03"),
    "exceeds_available": ("AM04", "AM04"),
    "exceeds_ceiling": ("AM02", "AM02"),
    "balance_overflow": ("AM02", "AM02"),
    "settlement_id_reused": ("AM05", "AM05"),
    "period_closed": ("DT01", "DT01"),
    "deadline_passed": ("AB05", "TM01"),
    "hold_expired": ("AB05", "TM01"),
    "cancelled": ("DS02", "CUST"),
    "exceeds_single_limit": ("AM02", "AM02"),
    "exceeds_daily_limit": ("AM02", "AM02"),
}
"""Refusals of the books and of the partner, as ExternalStatusReason1Code and ExternalReturnReason1Code."""

_STATUS = {
    SenderState.ORDERED: Status.RECEIVED,
    SenderState.HELD: Status.IN_SETTLEMENT,
    SenderState.PREPARED: Status.IN_SETTLEMENT,
    SenderState.CAPTURED: Status.IN_SETTLEMENT,
    SenderState.COMPLETED: Status.CREDITED,
    SenderState.ABORTED: Status.REJECTED,
    SenderState.EXPIRED: Status.REJECTED,
}


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """What a pacs.008 asks this node to settle: the fields of ``SendPayment``.

    Args:
        amount: minor units.
        not_carried: paths of the message that the partner does not hear of.
    """

    payment_id: uuid.UUID
    debtor_account: str
    receiver_msp_id: str
    beneficiary_account: str
    asset: str
    amount: int
    description: str
    not_carried: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a payment, as the node tells it.

    Args:
        state: of the settlement.
        refusal: why it ended without payment; empty for none.
        seq: entry that took the customer's money; 0 for none yet.
    """

    state: SenderState
    refusal: str = ""
    seq: int = 0


def message_name(transfer: Order) -> str:
    """Return the name by which answers call the message of an order."""
    return ORDER_MESSAGE if isinstance(transfer, CustomerCreditTransfer) else BANK_ORDER_MESSAGE


def order_of(transfer: Order, directory: Directory, business_day: date) -> PaymentOrder:
    """Return the order that does what a message asks.

    Args:
        transfer: the message.
        directory: who is who.
        business_day: the day that counts as today.
    Raises:
        UnsupportedOrderError: a settlement would not do exactly this.
    """
    for found in _unsupported(transfer, business_day):
        raise found
    receiver = _receiver(transfer, directory)
    debtor, beneficiary = transfer.debtor_account, transfer.creditor_account
    own = None if debtor is None else directory.own_account(debtor)
    if own is None:
        raise UnsupportedOrderError(f"{_TX}/DbtrAcct/Id", "", "is no account that the directory lists", "AC02")
    theirs = None if beneficiary is None else directory.other_account(beneficiary)
    if theirs is None:
        reason = "is neither listed nor a reference of the creditor's bank: add it to the directory"
        raise UnsupportedOrderError(f"{_TX}/CdtrAcct/Id", "", reason, "AC03")
    return PaymentOrder(
        payment_id=transfer.uetr,
        debtor_account=own,
        receiver_msp_id=receiver,
        beneficiary_account=theirs,
        asset=transfer.amount.asset.code,
        amount=transfer.amount.minor,
        description=transfer.remittance[0] if transfer.remittance else "",
        not_carried=tuple(path for path, _ in describe_message(transfer) if not path.startswith(_CARRIED)),
    )


def _unsupported(transfer: Order, business_day: date) -> Iterator[UnsupportedOrderError]:
    if transfer.settlement_method is not SettlementMethod.INSTRUCTING_AGENT:
        reason = "is not how this node pays: it credits the partner's account in its own books (INGA)"
        yield UnsupportedOrderError("GrpHdr/SttlmInf/SttlmMtd", transfer.settlement_method, reason, "AG03")
    if transfer.settlement_account is not None:
        reason = "is not chosen by a message: leave it out"
        yield UnsupportedOrderError("GrpHdr/SttlmInf/SttlmAcct", "", reason, "CH17")
    if transfer.settlement_date != business_day:
        code = "DT04" if transfer.settlement_date > business_day else "DT05"
        reason = f"is not {business_day.isoformat()}, the day it would be settled"
        yield UnsupportedOrderError(f"{_TX}/IntrBkSttlmDt", transfer.settlement_date.isoformat(), reason, code)
    for name, account in (("DbtrAcct", transfer.debtor_account), ("CdtrAcct", transfer.creditor_account)):
        if account is not None and account.currency not in (None, transfer.amount.asset):
            assert account.currency is not None
            reason = f"is not {transfer.amount.asset.code}, the currency of the payment"
            yield UnsupportedOrderError(f"{_TX}/{name}/Ccy", account.currency.code, reason, "AM03")


def _receiver(transfer: Order, directory: Directory) -> str:
    """Return the partner; the message goes from this bank to him, and no other bank takes part."""
    own = directory.own_msp_id
    of_bank = isinstance(transfer, InstitutionCreditTransfer)
    payer = ("Dbtr", transfer.debtor) if isinstance(transfer, InstitutionCreditTransfer) else None
    for name, agent, code in (
        ("InstgAgt", transfer.instructing_agent, "AGNT"),
        *(((*payer, "RC03"),) if payer else ()),
        *((("DbtrAgt", transfer.debtor_agent, "RC03"),) if transfer.debtor_agent is not None else ()),
    ):
        if directory.bank(agent) != own:
            raise UnsupportedOrderError(f"{_TX}/{name}", _named(agent), f"is not this bank, {own}", code)
    place, payee = ("Cdtr", transfer.creditor) if of_bank else ("CdtrAgt", transfer.creditor_agent)
    assert isinstance(payee, Agent)
    receiver = directory.bank(payee)
    if receiver is None or receiver == own:
        reason = "is no partner bank that the directory lists under these names"
        raise UnsupportedOrderError(f"{_TX}/{place}", _named(payee), reason, "RC04")
    if transfer.creditor_agent is not None and directory.bank(transfer.creditor_agent) != receiver:
        reason = f"is not {receiver}, who is paid: no other bank takes part"
        raise UnsupportedOrderError(f"{_TX}/CdtrAgt", _named(transfer.creditor_agent), reason, "RC04")
    if directory.bank(transfer.instructed_agent) != receiver:
        reason = f"is not {receiver}, the creditor's bank: payments pass no bank in between"
        raise UnsupportedOrderError(f"{_TX}/InstdAgt", _named(transfer.instructed_agent), reason, "AGNT")
    return receiver


def _named(agent: Agent) -> str:
    return " ".join(name for name in (agent.bic, agent.lei) if name is not None)


def uetr_taken(uetr: uuid.UUID) -> UnsupportedOrderError:
    """Return the refusal of a message whose UETR names a payment that another message ordered."""
    reason = "stands for another payment already: a new one needs a UETR of its own"
    return UnsupportedOrderError(f"{_TX}/PmtId/UETR", str(uetr), reason, "DU03")


def require_paid_by(transfer: Order, asset: str, amount: int) -> None:
    """Let pass a message whose UETR names a payment of what it asks for.

    Args:
        transfer: the message.
        asset: of the payment.
        amount: of the payment, minor units.
    Raises:
        UnsupportedOrderError: the payment is another one: what became of it answers another message.
    """
    if (asset, amount) != (transfer.amount.asset.code, transfer.amount.minor):
        raise uetr_taken(transfer.uetr)


def outcome_message(
    transfer: Order, outcome: Outcome, *, message_id: str, now: datetime
) -> StatusReport | PaymentReturn:
    """Return what became of a payment: a status report, or a return where the money had left the customer's account.

    Args:
        transfer: the message that asked for it.
        outcome: how the settlement stands.
        message_id: of the answer, 1 to 35 characters.
        now: time of the answer.
    """
    status, returned = _REASONS.get(outcome.refusal, _NARRATIVE)
    if outcome.state is SenderState.RETURNED:
        return PaymentReturn(
            message_id=message_id,
            created_at=now,
            settlement_method=transfer.settlement_method,
            original_message_id=transfer.message_id,
            original_message_name=message_name(transfer),
            original_created_at=transfer.created_at,
            original_instruction_id=transfer.instruction_id,
            original_end_to_end_id=transfer.end_to_end_id,
            original_transaction_id=transfer.transaction_id,
            original_uetr=transfer.uetr,
            original_amount=transfer.amount,
            original_settlement_date=transfer.settlement_date,
            returned_amount=transfer.amount,
            settlement_date=now.date(),
            reasons=(_reason(returned, outcome.refusal),),
            # The answer goes the other way.
            instructing_agent=transfer.instructed_agent,
            instructed_agent=transfer.instructing_agent,
        )
    state = _STATUS[outcome.state]
    return StatusReport(
        message_id=message_id,
        created_at=now,
        original_message_id=transfer.message_id,
        original_message_name=message_name(transfer),
        original_created_at=transfer.created_at,
        original_instruction_id=transfer.instruction_id,
        original_end_to_end_id=transfer.end_to_end_id,
        original_transaction_id=transfer.transaction_id,
        original_uetr=transfer.uetr,
        status=state,
        reasons=(_reason(status, outcome.refusal),) if state is Status.REJECTED else (),
        settled_on=transfer.settlement_date if state is Status.CREDITED else None,
        servicer_reference=str(outcome.seq) if outcome.seq else None,
        instructing_agent=transfer.instructed_agent,
        instructed_agent=transfer.instructing_agent,
    )


def rejection(
    data: bytes, error: UnacceptableMessageError | UnsupportedOrderError, *, message_id: str, now: datetime
) -> StatusReport | None:
    """Return the answer to a message that is refused; None where it does not say which message it is.

    Args:
        data: the message as received.
        error: why it is refused.
        message_id: of the answer.
        now: time of the answer.
    """
    try:
        root = parse_xml(data, plain=True)
    except StatementFormatError:
        return None
    name = root.namespace.rpartition(":")[2]
    told = {tag: _first(root, tag) for tag in ("MsgId", "InstrId", "EndToEndId", "TxId")}
    if told["MsgId"] is None or not _is_reference(name):
        return None
    return StatusReport(
        message_id=message_id,
        created_at=now,
        original_message_id=told["MsgId"],
        original_message_name=name,
        original_instruction_id=told["InstrId"],
        original_end_to_end_id=told["EndToEndId"],
        original_transaction_id=told["TxId"],
        original_uetr=_uetr(root),
        status=Status.REJECTED,
        reasons=(_reason(error.code, f"{error.path} {error.reason}"),),
    )


def _reason(code: str, text: str) -> Reason:
    """A reason with its text in pieces that fit, up to ten of them."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    size = _REASON_TEXT_LENGTH_MAX
    pieces = (printable[place : place + size] for place in range(0, min(len(printable), 10 * size), size))
    return Reason(Code(code), texts=tuple(piece for piece in pieces if piece.strip()))


def _first(root: Element, tag: str) -> str | None:
    """The only text of a name that a status report can repeat; None where there is none, or more than one."""
    found = ["".join(element.pieces) for element in root.walk() if element.name == tag]
    return found[0] if len(found) == 1 and _is_reference(found[0]) else None


def _uetr(root: Element) -> uuid.UUID | None:
    found = ["".join(element.pieces) for element in root.walk() if element.name == "UETR"]
    try:
        return UETR.parse(found[0]) if len(found) == 1 else None
    except RefusedTextError:
        return None


def _is_reference(text: str) -> bool:
    try:
        MAX35.parse(text)
    except RefusedTextError:
        return False
    return True
