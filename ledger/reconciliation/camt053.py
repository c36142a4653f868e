"""Reads bank statements of ISO 20022, camt.053 (BankToCustomerStatement), versions 1 to 13.

Rules:
- opening balance, entries and closing balance must agree to the minor unit, as must the totals where they are given;
- booked entries only; an entry's sign is its credit or debit mark, also where it is a reversal;
- an amount in a place that is not known to leave the balance alone is refused by its path: nothing that carries money
  is passed over;
- a batch is one record that carries the references of all its transactions.

Source: ISO 20022 message definition camt.053.001, in its versions' own namespaces.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from ledger.errors import StatementFormatError
from ledger.money import Asset
from ledger.reconciliation.records import (
    PARTY_LENGTH_MAX,
    ExternalRecord,
    ExternalStatement,
    StatementFile,
)
from ledger.reconciliation.statement_account import (
    StatementAccount,
    StatementAccounts,
    amount_of,
    check_bytes,
    check_sum,
    day_of,
    days_between,
    plain_text,
)
from ledger.reconciliation.xml_tree import Element, parse_xml

_NAMESPACE = re.compile(r"urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.(0[1-9]|1[0-3])")
_OPENING = ("OPBD", "PRCD")
_CLOSING = ("CLBD",)
_AVAILABLE = ("CLAV", "FWAV", "ITAV", "OPAV", "ITBD", "INFO", "XPCD")
"""Balances of availability and of the middle of a day; they do not enter the sum."""

_AMOUNT_PLACES = re.compile(
    r"Bal/(Amt|CdtLine/Amt|Avlbty/Amt)|TxsSummry/.+"
    r"|Ntry/(Amt|AmtDtls/.+|Chrgs/.+|Avlbty/Amt|Intrst/.+)"
    r"|Ntry/NtryDtls/Btch/TtlAmt"
    r"|Ntry/NtryDtls/TxDtls/(Amt|AmtDtls/.+|Chrgs/.+|Avlbty/.+|Intrst/.+|RmtInf/Strd/.+|Tax/.+)"
)
"""Where amounts may stand: balances and entries, which are added up, and what explains an entry without changing it."""

_REFERENCES = (
    "AcctSvcrRef", "EndToEndId", "TxId", "InstrId", "PmtInfId", "MsgId", "MndtId", "ChqNb", "ClrSysRef", "UETR",
    "AcctOwnrTxId", "AcctSvcrTxId", "MktInfrstrctrTxId", "PrcgId",
)  # fmt: skip


def read_camt053(data: bytes, accounts: StatementAccounts) -> StatementFile:
    """Return the statements of a file.

    Args:
        data: the file as received.
        accounts: our account for each number.
    Raises:
        StatementFormatError: at the first place that cannot be understood or does not add up; names line and path.
    """
    check_bytes(data)
    root = parse_xml(data)
    if root.name != "Document" or not _NAMESPACE.fullmatch(root.namespace):
        reason = "is no camt.053 of version 1 to 13: give a statement, not a report or notification"
        raise StatementFormatError(root.line, root.name, root.namespace, reason)
    message = root.need("BkToCstmrStmt")
    statements = tuple(_statement(element, accounts) for element in message.all("Stmt"))
    if not statements:
        raise StatementFormatError(message.line, message.path, "Stmt", "is missing")
    return StatementFile(hashlib.sha256(data).digest(), "camt.053", statements)


@dataclass(frozen=True, slots=True)
class _Balance:
    code: str
    amount: int
    day: date
    line: int


def _statement(element: Element, accounts: StatementAccounts) -> ExternalStatement:
    _check_amount_places(element)
    known = _account(element, accounts)
    opening = _balance(element, _OPENING, known.asset)
    closing = _balance(element, _CLOSING, known.asset)
    reference = _reference(element)
    records = tuple(
        _record(entry, number, reference, known.asset) for number, entry in enumerate(element.all("Ntry"), start=1)
    )
    check_sum(closing.line, f"{element.path}/Bal CLBD", opening.amount, (r.change for r in records), closing.amount)
    _check_totals(element, records, known.asset)
    first, last = _days(element, opening, closing, records)
    return ExternalStatement(
        known.account, known.asset.code, reference, first, last, opening.amount, closing.amount, records
    )


def _check_amount_places(statement: Element) -> None:
    for element in statement.walk():
        place = element.path.removeprefix(f"{statement.path}/")
        if "Ccy" in element.attributes and not _AMOUNT_PLACES.fullmatch(place):
            raise StatementFormatError(element.line, element.path, element.text, "carries money in an unknown place")
        if place == "Bal/CdtLine/Incl" and element.text == "true":
            raise StatementFormatError(element.line, element.path, "true", "puts a credit line into the balance")


def _account(statement: Element, accounts: StatementAccounts) -> StatementAccount:
    account = statement.need("Acct")
    number = account.find("Id", "IBAN") or account.need("Id", "Othr", "Id")
    known = accounts.find(number.line, number.path, number.text)
    currency = account.text_at("Ccy")
    if currency not in ("", known.asset.code):
        raise StatementFormatError(account.line, f"{account.path}/Ccy", currency, f"is not {known.asset.code}")
    return known


def _reference(statement: Element) -> str:
    """The statement's id, with its page where the sender splits a statement."""
    number = statement.need("Id")
    page = statement.text_at("StmtPgntn", "PgNb")
    if not number.text:
        raise StatementFormatError(number.line, number.path, "", "is blank")
    return f"{number.text}/{page}" if page else number.text


def _balance(statement: Element, kinds: tuple[str, ...], asset: Asset) -> _Balance:
    found = []
    for balance in statement.all("Bal"):
        kind = balance.need("Tp")
        code = kind.text_at("CdOrPrtry", "Cd")
        if code in kinds:
            found.append((kinds.index(code), balance))
        elif code not in _OPENING + _CLOSING + _AVAILABLE:
            shown = code or kind.text_at("CdOrPrtry", "Prtry")
            raise StatementFormatError(balance.line, kind.path, shown, "is no kind of balance that is known here")
    if not found or [rank for rank, _ in found].count(min(rank for rank, _ in found)) > 1:
        reason = f"must give exactly one balance {' or '.join(kinds)}"
        raise StatementFormatError(statement.line, f"{statement.path}/Bal", str(len(found)), reason)
    rank, balance = min(found, key=lambda item: item[0])
    return _Balance(kinds[rank], _signed(balance, asset), _day(balance, "Dt"), balance.line)


def _signed(element: Element, asset: Asset) -> int:
    amount = element.need("Amt")
    currency = amount.attributes.get("Ccy", "")
    if currency != asset.code:
        raise StatementFormatError(amount.line, f"{amount.path} Ccy", currency, f"is not {asset.code}")
    minor = amount_of(amount.line, amount.path, amount.text, asset, ".")
    mark = element.need("CdtDbtInd")
    if mark.text not in ("CRDT", "DBIT"):
        raise StatementFormatError(mark.line, mark.path, mark.text, "is neither CRDT nor DBIT")
    return minor if mark.text == "CRDT" else -minor


def _day(element: Element, name: str) -> date:
    choice = element.need(name)
    place = choice.find("Dt") or choice.need("DtTm")
    return day_of(place.line, place.path, place.text)


def _record(entry: Element, number: int, statement: str, asset: Asset) -> ExternalRecord:
    status = entry.need("Sts")
    code = status.text_at("Cd") or status.text
    if code != "BOOK":
        raise StatementFormatError(status.line, status.path, code, "is not booked: a statement holds booked entries")
    change = _signed(entry, asset)
    if change == 0:
        raise StatementFormatError(entry.line, f"{entry.path}/Amt", "0", "moves nothing")
    reversal = entry.text_at("RvslInd")
    if reversal not in ("", "true", "false", "1", "0"):
        raise StatementFormatError(entry.line, f"{entry.path}/RvslInd", reversal, "is neither true nor false")
    booked = _day(entry, "BookgDt") if entry.find("BookgDt") else None
    valued = _day(entry, "ValDt") if entry.find("ValDt") else None
    if booked is None and valued is None:
        raise StatementFormatError(entry.line, entry.path, "BookgDt", "is missing, and so is ValDt")
    references = tuple(sorted(set(_references_of(entry))))
    return ExternalRecord(
        key=f"{statement}#{number}",
        number=number,
        change=change,
        value_day=valued or booked or date.min,
        booking_day=booked or valued or date.min,
        references=references,
        counterparty=plain_text(" ".join(_party_texts(entry)), PARTY_LENGTH_MAX),
    )


def _references_of(entry: Element) -> Iterator[str]:
    if own := entry.text_at("AcctSvcrRef"):
        yield own
    for details in entry.all("NtryDtls"):
        for batch in details.all("Btch"):
            yield from (child.text for child in batch.children if child.name in _REFERENCES and child.text)
        for transaction in details.all("TxDtls"):
            for references in transaction.all("Refs"):
                yield from (child.text for child in references.children if child.name in _REFERENCES and child.text)
            for structured in transaction.walk():
                if structured.path.endswith("/RmtInf/Strd/CdtrRefInf/Ref") and structured.text:
                    yield structured.text


def _party_texts(entry: Element) -> Iterator[str]:
    """Names and free text, as they stand; addresses and account numbers are left out."""
    if text := entry.text_at("AddtlNtryInf"):
        yield text
    for element in entry.walk():
        if element.text and re.search(r"/(RltdPties/.*/Nm|RmtInf/Ustrd|AddtlTxInf)$", element.path):
            yield element.text


def _check_totals(statement: Element, records: tuple[ExternalRecord, ...], asset: Asset) -> None:
    for name, chosen in (
        ("TtlNtries", records),
        ("TtlCdtNtries", tuple(record for record in records if record.change > 0)),
        ("TtlDbtNtries", tuple(record for record in records if record.change < 0)),
    ):
        total = statement.find("TxsSummry", name)
        if total is None:
            continue
        count, amount = total.find("NbOfNtries"), total.find("Sum")
        if count is not None and count.text != str(len(chosen)):
            raise StatementFormatError(count.line, count.path, count.text, f"is not the count, {len(chosen)}")
        if amount is not None:
            computed = sum(abs(record.change) for record in chosen)
            if amount_of(amount.line, amount.path, amount.text, asset, ".") != computed:
                raise StatementFormatError(amount.line, amount.path, amount.text, f"is not the sum, {computed} minor")


def _days(
    statement: Element, opening: _Balance, closing: _Balance, records: tuple[ExternalRecord, ...]
) -> tuple[date, date]:
    """What the statement says it covers; else from its opening balance's day to its closing balance's."""
    period = statement.find("FrToDt")
    if period is not None:
        start, end = period.need("FrDtTm"), period.need("ToDtTm")
        first, last = day_of(start.line, start.path, start.text), day_of(end.line, end.path, end.text)
        if first > last:
            raise StatementFormatError(period.line, period.path, str(first), f"is after {last}")
        return first, last
    if opening.code == "OPBD":
        return min(opening.day, closing.day), closing.day
    return days_between(opening.day, records, closing.day)
