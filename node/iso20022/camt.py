"""Grammar of the messages to the owner of an account: camt.053 (statement) and camt.054 (notification), version 8.

One statement or notification in a message, booked entries only. What comes in from other banks for reconciliation,
in all versions, is read by ``ledger.reconciliation.camt053``; this grammar is what this node writes and takes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from ledger.money import Asset, format_decimal
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
    ProprietaryEntryCode,
    StatementAccount,
)
from node.iso20022.grammar import WRONG_SUM, Choice, Computed, Finding, Inside, Money, Part, Record, Step
from node.iso20022.pacs import DAY_OR_MOMENT
from node.iso20022.parts import ACCOUNT_ID, AGENT, MAX35, PARTY, SEVERAL
from node.iso20022.values import (
    COUNT,
    CURRENCY,
    EXTERNAL_CODE,
    INDICATOR,
    MOMENT,
    SUM,
    UETR,
    code_of,
    free_text,
    pattern,
)

ENTRIES_MAX = 10_000
"""Most entries of one message; a longer period is told in several."""

MARK = code_of(Mark)
_BOOKED = pattern("ExternalEntryStatus1Code", "BOOK", "booked entry: give BOOK")


def _header() -> Inside:
    return Inside(
        "GrpHdr",
        (Part("MsgId", "message_id", MAX35, required=True), Part("CreDtTm", "created_at", MOMENT, required=True)),
        required=True,
    )


ACCOUNT = Record(
    StatementAccount,
    (
        Part("Id", "id", ACCOUNT_ID, required=True),
        Part("Ccy", "currency", CURRENCY, required=True),
        Part("Nm", "name", free_text(70)),
        Part("Ownr", "owner", PARTY),
        Part("Svcr", "servicer", AGENT),
    ),
)

BALANCE = Record(
    Balance,
    (
        Inside(
            "Tp",
            (Inside("CdOrPrtry", (Part("Cd", "kind", code_of(BalanceKind), required=True),), required=True),),
            required=True,
        ),
        Part("Amt", "amount", Money(positive=False), required=True),
        Part("CdtDbtInd", "mark", MARK, required=True),
        Part("Dt", "at", DAY_OR_MOMENT, required=True),
    ),
)

DETAILS = Record(
    EntryDetails,
    (
        Inside(
            "Refs",
            (
                Part("MsgId", "message_id", MAX35),
                Part("AcctSvcrRef", "servicer_reference", MAX35),
                Part("InstrId", "instruction_id", MAX35),
                Part("EndToEndId", "end_to_end_id", MAX35),
                Part("UETR", "uetr", UETR),
                Part("TxId", "transaction_id", MAX35),
                Part(
                    "Prtry",
                    "other_references",
                    Record(
                        OtherReference,
                        (Part("Tp", "kind", MAX35, required=True), Part("Ref", "reference", MAX35, required=True)),
                    ),
                    most=SEVERAL,
                ),
            ),
        ),
        Inside("RmtInf", (Part("Ustrd", "remittance", free_text(140), most=SEVERAL),)),
    ),
)

ENTRY_CODE = Choice(
    (
        (
            "Domn",
            EntryCode,
            Record(
                EntryCode,
                (
                    Part("Cd", "domain", EXTERNAL_CODE, required=True),
                    Inside(
                        "Fmly",
                        (
                            Part("Cd", "family", EXTERNAL_CODE, required=True),
                            Part("SubFmlyCd", "sub_family", EXTERNAL_CODE, required=True),
                        ),
                        required=True,
                    ),
                ),
            ),
        ),
        (
            "Prtry",
            ProprietaryEntryCode,
            Record(ProprietaryEntryCode, (Part("Cd", "code", MAX35, required=True), Part("Issr", "issuer", MAX35))),
        ),
    )
)

ENTRY = Record(
    Entry,
    (
        Part("NtryRef", "reference", MAX35),
        Part("Amt", "amount", Money(), required=True),
        Part("CdtDbtInd", "mark", MARK, required=True),
        Part("RvslInd", "reversal", INDICATOR),
        Inside("Sts", (Computed("Cd", _BOOKED, lambda _: "BOOK", required=True),), required=True),
        Part("BookgDt", "booked_at", DAY_OR_MOMENT, required=True),
        Part("ValDt", "value_at", DAY_OR_MOMENT, required=True),
        Part("AcctSvcrRef", "servicer_reference", MAX35),
        Part("BkTxCd", "code", ENTRY_CODE, required=True),
        Inside("NtryDtls", (Part("TxDtls", "details", DETAILS, required=True),)),
        Part("AddtlNtryInf", "text", free_text(500)),
    ),
)


def _total(told: Any, mark: Mark | None = None) -> Decimal:
    """Sum of the entries' amounts, exact: the text of whole minor units."""
    minor = sum(entry.amount.minor for entry in told.entries if mark in (None, entry.mark))
    return Decimal(format_decimal(minor, told.account.currency.scale))


def _net(told: Any) -> int:
    return sum(entry.change for entry in told.entries)


def _totals(name: str, mark: Mark | None, *more: Step) -> Inside:
    return Inside(
        name,
        (
            Computed(
                "NbOfNtries",
                COUNT,
                lambda told: sum(mark in (None, entry.mark) for entry in told.entries),
                code="AM18",
            ),
            Computed("Sum", SUM, lambda told: _total(told, mark)),
            *more,
        ),
    )


TOTALS = Inside(
    "TxsSummry",
    (
        _totals(
            "TtlNtries",
            None,
            Inside(
                "TtlNetNtry",
                (
                    Computed(
                        "Amt",
                        SUM,
                        lambda told: Decimal(format_decimal(abs(_net(told)), told.account.currency.scale)),
                        required=True,
                    ),
                    Computed(
                        "CdtDbtInd", MARK, lambda told: Mark.DEBIT if _net(told) < 0 else Mark.CREDIT, required=True
                    ),
                ),
            ),
        ),
        _totals("TtlCdtNtries", Mark.CREDIT),
        _totals("TtlDbtNtries", Mark.DEBIT),
    ),
)

PERIOD = Inside(
    "FrToDt",
    (Part("FrDtTm", "begins_at", MOMENT, required=True), Part("ToDtTm", "ends_at", MOMENT, required=True)),
)


def _numbers(name: str, field: str) -> tuple[Step, ...]:
    return (
        Part("Id", field, MAX35, required=True),
        Part("ElctrncSeqNb", "electronic_number", COUNT),
        Part("CreDtTm", "made_at", MOMENT),
        PERIOD,
        Part("Acct", "account", ACCOUNT, required=True),
    )


def _one_currency(currency: Asset, amounts: Iterable[tuple[str, Asset]]) -> Iterator[Finding]:
    for place, asset in amounts:
        if asset != currency:
            yield Finding(f"{place}/Amt", asset.code, f"is not {currency.code}, the account's currency", "AM11")


def _period_in_order(told: AccountStatement | AccountNotification, name: str) -> Iterator[Finding]:
    if told.begins_at is not None and told.ends_at is not None and told.begins_at > told.ends_at:
        reason = f"is before the period's begin {told.begins_at.isoformat()}"
        yield Finding(f"{name}/FrToDt/ToDtTm", told.ends_at.isoformat(), reason, "DT01")


def _entries_fit(told: AccountStatement | AccountNotification, name: str) -> Iterator[Finding]:
    numbered = enumerate(told.entries, start=1)
    yield from _one_currency(told.account.currency, ((f"{name}/Ntry[{n}]", e.amount.asset) for n, e in numbered))
    yield from _period_in_order(told, name)


def _statement_adds_up(statement: AccountStatement) -> Iterator[Finding]:
    yield from _entries_fit(statement, "Stmt")
    numbered = enumerate(statement.balances, start=1)
    yield from _one_currency(statement.account.currency, ((f"Stmt/Bal[{n}]", b.amount.asset) for n, b in numbered))
    kinds = [balance.kind for balance in statement.balances]
    if kinds != [BalanceKind.OPENING, BalanceKind.CLOSING]:
        reason = "must be the opening (OPBD) and then the closing balance (CLBD)"
        yield Finding("Stmt", " ".join(kinds), reason, "CH16")
        return
    opening, closing = (b.amount.minor if b.mark is Mark.CREDIT else -b.amount.minor for b in statement.balances)
    computed = opening + sum(entry.change for entry in statement.entries)
    if computed != closing:
        shown = format_decimal(computed, statement.account.currency.scale)
        reason = f"is not the opening balance with all entries: they give {shown}"
        yield Finding("Stmt/Bal[2]/Amt", statement.balances[1].amount.text, reason, WRONG_SUM)


STATEMENT = Record(
    AccountStatement,
    (
        _header(),
        Inside(
            "Stmt",
            (
                *_numbers("Stmt", "statement_id"),
                Part("Bal", "balances", BALANCE, required=True, most=2),
                TOTALS,
                Part("Ntry", "entries", ENTRY, most=ENTRIES_MAX),
            ),
            required=True,
        ),
    ),
    rule=_statement_adds_up,
)

NOTIFICATION = Record(
    AccountNotification,
    (
        _header(),
        Inside(
            "Ntfctn",
            (
                *_numbers("Ntfctn", "notification_id"),
                TOTALS,
                Part("Ntry", "entries", ENTRY, required=True, most=ENTRIES_MAX),
            ),
            required=True,
        ),
    ),
    rule=lambda notification: _entries_fit(notification, "Ntfctn"),
)
