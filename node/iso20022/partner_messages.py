"""Messages between partner banks that no received one asks for: returns, orders from bank to bank, vostro statements.

Rules:
- a returned payment is named by its UETR, which is its settlement's id; the names it had in its own message stand in
  the return where that message is at hand, else ``NOTPROVIDED``, as the standard's usage guidelines say;
- the account a partner keeps for us is told as he signed it: his entries, his balances; nothing of our books.

Left to others: reading what a message asks for (``settlements``), our own customers' statements (``statements``).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from ledger.account import Side
from ledger.errors import InvalidValueError
from ledger.money import Asset
from ledger.statements import StatementLine
from node.iso20022.content import (
    Account,
    AccountNotification,
    AccountStatement,
    Agent,
    Code,
    InstitutionCreditTransfer,
    OtherId,
    PaymentReturn,
    Reason,
    SettlementMethod,
    StatementAccount,
)
from node.iso20022.directory import Directory
from node.iso20022.settlements import ORDER_MESSAGE, Order, message_name
from node.iso20022.statements import Period, account_notification, account_statement
from node.iso20022.values import UETR, Amount, RefusedTextError

NOT_PROVIDED = "NOTPROVIDED"
_BIC_LENGTHS = (8, 11)


@dataclass(frozen=True, slots=True)
class ReturnedPayment:
    """A received payment that was sent back.

    Args:
        settlement_id: of the payment that came.
        amount: minor units.
        reason: of ExternalReturnReason1Code.
        returned_at: when the return was ordered.
        return_id: settlement id of the return.
        sender_msp_id: who had paid.
    """

    settlement_id: str
    amount: int
    asset: Asset
    reason: str
    returned_at: datetime
    return_id: str
    sender_msp_id: str


def return_message(
    returned: ReturnedPayment,
    original: Order | None,
    directory: Directory,
    *,
    message_id: str,
    now: datetime,
) -> PaymentReturn:
    """Return the pacs.004 that tells a partner of a return.

    Args:
        returned: what was sent back.
        original: the message that had ordered it; None where it is not at hand.
        directory: names of both banks.
        message_id: of the return, 1 to 35 characters.
        now: time of the message.
    Raises:
        InvalidValueError: the original is about another payment, or a bank has no name in the directory.
    """
    if original is not None and str(original.uetr) != returned.settlement_id:
        raise InvalidValueError("UETR", str(original.uetr), f"the payment sent back is {returned.settlement_id}")
    return PaymentReturn(
        message_id=message_id,
        created_at=now,
        settlement_method=SettlementMethod.INSTRUCTING_AGENT,
        return_id=returned.return_id[:35],
        original_message_id=NOT_PROVIDED if original is None else original.message_id,
        original_message_name=ORDER_MESSAGE if original is None else message_name(original),
        original_created_at=None if original is None else original.created_at,
        original_instruction_id=None if original is None else original.instruction_id,
        original_end_to_end_id=None if original is None else original.end_to_end_id,
        original_transaction_id=None if original is None else original.transaction_id,
        original_uetr=_as_uetr(returned.settlement_id),
        original_amount=Amount(returned.amount, returned.asset),
        original_settlement_date=None if original is None else original.settlement_date,
        returned_amount=Amount(returned.amount, returned.asset),
        settlement_date=returned.returned_at.date(),
        reasons=(Reason(Code(returned.reason)),),
        instructing_agent=agent_of(directory, directory.own_msp_id),
        instructed_agent=agent_of(directory, returned.sender_msp_id),
    )


def bank_order(
    directory: Directory,
    receiver_msp_id: str,
    *,
    debtor_account: str,
    creditor_account: str,
    amount: Amount,
    uetr: uuid.UUID,
    day: date,
    message_id: str,
    now: datetime,
) -> InstitutionCreditTransfer:
    """Return the pacs.009 by which this bank pays a partner from an account of its own to one of his.

    Args:
        day: on which it is settled.
    Raises:
        InvalidValueError: a bank has no name in the directory.
    """
    own, partner = agent_of(directory, directory.own_msp_id), agent_of(directory, receiver_msp_id)
    return InstitutionCreditTransfer(
        message_id=message_id,
        created_at=now,
        settlement_method=SettlementMethod.INSTRUCTING_AGENT,
        end_to_end_id=NOT_PROVIDED,
        uetr=uetr,
        amount=amount,
        settlement_date=day,
        instructing_agent=own,
        instructed_agent=partner,
        debtor=own,
        creditor=partner,
        debtor_account=Account(OtherId(debtor_account)),
        creditor_account=Account(OtherId(creditor_account)),
    )


def vostro_message(
    account: StatementAccount,
    normal_side: Side,
    lines: Sequence[StatementLine],
    period: Period,
    *,
    notification: bool,
) -> AccountStatement | AccountNotification:
    """Return the camt.053, or camt.054, of an account that a partner keeps.

    Args:
        account: whose.
        normal_side: of the account.
        lines: of the period, oldest first, one at least.
        period: which.
        notification: movements without balances.
    """
    if notification:
        return account_notification(account, lines, period)
    first = lines[0]
    opening = first.balance_after - (first.amount if first.side is normal_side else -first.amount)
    return account_statement(account, normal_side, opening, lines, period)


def agent_of(directory: Directory, msp_id: str) -> Agent:
    """Return a bank by its names in the directory.

    Raises:
        InvalidValueError: it has none.
    """
    names = [name for name, bank in directory.banks.items() if bank == msp_id]
    bic = next((name for name in names if len(name) in _BIC_LENGTHS), None)
    lei = next((name for name in names if len(name) not in _BIC_LENGTHS), None)
    if bic is None and lei is None:
        raise InvalidValueError("bank", msp_id, "has neither BIC nor LEI in the directory: add one")
    return Agent(bic=bic, lei=lei)


def _as_uetr(text: str) -> uuid.UUID | None:
    try:
        return UETR.parse(text)
    except RefusedTextError:
        return None
