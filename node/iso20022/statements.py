"""Statements and notifications from the books' own lines: one line of the account's statement is one entry.

Rules:
- the order is that of posting; booking time is the time of posting, value time the effective time;
- the opening balance is what the books say of the moment before the period, the closing balance what they say after
  its last line; that the lines lead from one to the other is checked again as the message is written;
- a settlement id that is a UUID of version 4, as this node's are, stands as the UETR: it is the name that both banks'
  books have for the payment; another one is the transaction id, or in pieces where it is longer than that may be.

Source of the codes: ISO 20022 bank transaction codes; XTND/NTAV/NTAV says that none is known.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ledger.account import Side
from ledger.money import Asset
from ledger.statements import StatementLine
from node.iso20022.content import (
    AccountNotification,
    AccountStatement,
    Balance,
    BalanceKind,
    Entry,
    EntryCode,
    EntryDetails,
    Mark,
    OtherReference,
    StatementAccount,
)
from node.iso20022.values import UETR, Amount, RefusedTextError

REFERENCE_LENGTH_MAX = 35
SETTLEMENT_REFERENCE = "SETTLEMENT-ID"
"""Type of the proprietary references that hold a settlement id in pieces."""

SENT = EntryCode("PMNT", "ICDT", "OTHR")
RECEIVED = EntryCode("PMNT", "RCDT", "OTHR")
UNKNOWN = EntryCode("XTND", "NTAV", "NTAV")


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time, both ends included, and the message that tells of it.

    Args:
        message_id: of the message; the statement has the same id.
        made_at: when the books were read.
    """

    begins_at: datetime
    ends_at: datetime
    message_id: str
    made_at: datetime


def account_statement(
    account: StatementAccount, normal_side: Side, opening: int, lines: Sequence[StatementLine], period: Period
) -> AccountStatement:
    """Return the statement of a period.

    Args:
        account: whose.
        normal_side: of the account; its balances count there.
        opening: balance before the period, minor units.
        lines: of the period, oldest first.
        period: which.
    """
    closing = lines[-1].balance_after if lines else opening
    balances = (
        _balance(BalanceKind.OPENING, opening, normal_side, account.currency, period.begins_at),
        _balance(BalanceKind.CLOSING, closing, normal_side, account.currency, period.ends_at),
    )
    return AccountStatement(
        message_id=period.message_id,
        created_at=period.made_at,
        statement_id=period.message_id,
        account=account,
        balances=balances,
        entries=_entries(lines, account.currency),
        begins_at=period.begins_at,
        ends_at=period.ends_at,
    )


def account_notification(
    account: StatementAccount, lines: Sequence[StatementLine], period: Period
) -> AccountNotification:
    """Return the notification of all movements of a period; there must be one at least to be written."""
    return AccountNotification(
        message_id=period.message_id,
        created_at=period.made_at,
        notification_id=period.message_id,
        account=account,
        entries=_entries(lines, account.currency),
        begins_at=period.begins_at,
        ends_at=period.ends_at,
    )


def _balance(kind: BalanceKind, minor: int, normal_side: Side, asset: Asset, at: datetime) -> Balance:
    """To its owner an account's money is a credit, whichever side the bank counts it on."""
    in_credit = (minor >= 0) is (normal_side is Side.CREDIT) or minor == 0
    return Balance(kind, Amount(abs(minor), asset), Mark.CREDIT if in_credit else Mark.DEBIT, at.astimezone(UTC).date())


def _entries(lines: Sequence[StatementLine], asset: Asset) -> tuple[Entry, ...]:
    return tuple(_entry(line, asset) for line in lines)


def _entry(line: StatementLine, asset: Asset) -> Entry:
    mark = Mark.DEBIT if line.side is Side.DEBIT else Mark.CREDIT
    code = UNKNOWN
    if line.settlement_id:
        code = SENT if mark is Mark.DEBIT else RECEIVED
    return Entry(
        amount=Amount(line.amount, asset),
        mark=mark,
        booked_at=line.posted_at,
        value_at=line.effective_at,
        code=code,
        reference=str(line.seq),
        servicer_reference=str(line.seq),
        details=_details(line.settlement_id) if line.settlement_id else None,
        text=_printable(line.description),
    )


def _details(settlement_id: str) -> EntryDetails:
    known = EntryDetails(uetr=_as_uetr(settlement_id))
    if known.uetr is not None:
        return known
    if len(settlement_id) <= REFERENCE_LENGTH_MAX:
        return EntryDetails(transaction_id=settlement_id)
    pieces = [
        settlement_id[place : place + REFERENCE_LENGTH_MAX]
        for place in range(0, len(settlement_id), REFERENCE_LENGTH_MAX)
    ]
    return replace(known, other_references=tuple(OtherReference(SETTLEMENT_REFERENCE, piece) for piece in pieces))


def _as_uetr(text: str) -> uuid.UUID | None:
    try:
        return UETR.parse(text)
    except RefusedTextError:
        return None


def _printable(text: str) -> str | None:
    """A description on one line; None where nothing is left of it."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return shown if shown.strip() else None
