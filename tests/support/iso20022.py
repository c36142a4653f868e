"""Messages of ISO 20022 for tests: drawn from the grammar itself, and held against the official schemas."""

from __future__ import annotations

import functools
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from lxml import etree

from node.iso20022.camt import NOTIFICATION, STATEMENT
from node.iso20022.catalogue import MessageType
from node.iso20022.content import (
    Account,
    AccountNotification,
    AccountStatement,
    Agent,
    Balance,
    BalanceKind,
    ChargeBearer,
    Code,
    CreditorReference,
    CustomerCreditTransfer,
    Entry,
    EntryCode,
    EntryDetails,
    Iban,
    InstitutionCreditTransfer,
    Mark,
    OtherId,
    Party,
    PaymentReturn,
    PostalAddress,
    Reason,
    ReferenceKind,
    SettlementMethod,
    StatementAccount,
    Status,
    StatusReport,
)
from node.iso20022.currencies import CURRENCIES
from node.iso20022.grammar import Choice, Computed, Content, Inside, Money, Part, Record, Step, Wrapped
from node.iso20022.values import DIGITS_MAX, Amount, Value
from tests.support.shared_data import REPOSITORY

SCHEMAS = REPOSITORY / "fixtures" / "iso20022" / "schemas"
VARIABLE = "DWAYBANK_ISO20022_SCHEMAS"
HOW_TO_ENABLE = (
    f"its official schema is not here: set {VARIABLE} to a folder with those of iso20022.org that "
    "fixtures/iso20022/README.md lists"
)

IBANS = (
    "DE89370400440532013000", "FR1420041010050500013M02606", "GB29NWBK60161331926819", "NL91ABNA0417164300",
    "ES9121000418450200051332", "CH9300762011623852957", "NO9386011117947", "MT84MALT011000012345MTLCAST001S",
)  # fmt: skip
"""Examples of the IBAN registry."""

BICS = ("DEUTDEFF", "DEUTDEFF500", "BNPAFRPP", "CHASUS33XXX", "NEDSZAJJ")
LEIS = ("529900T8BM49AURSDO55", "7LTWFZYICNSX8D621K86", "5493001KJTIIGC8Y1R12")
CREDITOR_REFERENCES = ("RF18539007547034", "RF712348231")


def schema_file(name: str) -> Path | None:
    """The official schema of a message: one of the fixtures, or of the folder that was named; None without."""
    folders = [SCHEMAS, *map(Path, filter(None, [os.environ.get(VARIABLE)]))]
    return next((path for folder in folders if (path := folder / f"{name}.xsd").exists()), None)


@functools.cache
def schema(name: str) -> etree.XMLSchema | None:
    """The official schema of a message, read without touching anything else."""
    path, parser = schema_file(name), etree.XMLParser(no_network=True, resolve_entities=False)
    return etree.XMLSchema(etree.parse(str(path), parser)) if path is not None else None


def schema_error(kind: MessageType, data: bytes) -> str:
    """What the official schema has against a message; empty where it is valid.

    Where there is no schema this tells nothing: ``test_iso20022_schemas`` says of which messages, by skips.
    """
    parser = etree.XMLParser(no_network=True, resolve_entities=False, huge_tree=False)
    checked = schema(kind.name)
    if checked is None:
        return ""
    return "" if checked.validate(etree.fromstring(data, parser)) else str(checked.error_log.last_error)


def printable(length_max: int) -> st.SearchStrategy[str]:
    letters = st.characters(exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"))
    few = st.text(st.sampled_from("abZ09 -/<>&'\"é€ß漢"), min_size=1, max_size=min(length_max, 12))
    return st.one_of(few, st.text(letters, min_size=1, max_size=length_max)).filter(str.strip)


def _number_of(name: str) -> int:
    return int(name.removeprefix("Max").partition("Text")[0])


moments = st.datetimes(datetime(1990, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))
days = st.dates(date(1990, 1, 1), date(2099, 1, 1))
external_codes = st.text(st.sampled_from("ABCXYZ019"), min_size=1, max_size=4)

SIMPLE: dict[str, st.SearchStrategy[Any]] = {
    "IBAN2007Identifier": st.sampled_from(IBANS),
    "BICFIDec2014Identifier": st.sampled_from(BICS),
    "LEIIdentifier": st.sampled_from(LEIS),
    "UUIDv4Identifier": st.uuids(version=4),
    "ISODate": days,
    "ISODateTime": moments,
    "Max15NumericText": st.integers(0, 10**15 - 1),
    "TrueFalseIndicator": st.booleans(),
    "CountryCode": st.sampled_from(("DE", "FR", "ZA")),
    "External4Code": external_codes,
    "External35Code": external_codes,
    "CurrencyCode": st.sampled_from(sorted(CURRENCIES.values(), key=lambda asset: asset.code)),
    "DecimalNumber": st.decimals(0, 10**6, places=2),
}


def simple(value: Value[Any]) -> st.SearchStrategy[Any]:
    if value.name in SIMPLE:
        return SIMPLE[value.name]
    if value.name.endswith("Text free"):
        return printable(_number_of(value.name))
    if value.name.startswith("Max"):
        return printable(_number_of(value.name)).map(str.strip).filter(bool)
    enumeration = {kind.__name__: kind for kind in _enumerations()}
    return st.sampled_from(list(enumeration[value.name]))


def _enumerations() -> list[Any]:
    from node.iso20022 import content

    return [kind for kind in vars(content).values() if isinstance(kind, type) and issubclass(kind, content.enum.Enum)]


@st.composite
def amounts(draw: Callable[[Any], Any], *, positive: bool = True) -> Amount:
    asset = draw(SIMPLE["CurrencyCode"])
    return Amount(draw(st.integers(1 if positive else 0, 10**DIGITS_MAX - 1)), asset)


_DRAWN: dict[int, st.SearchStrategy[Any]] = {}


def drawn(content: Content) -> st.SearchStrategy[Any]:
    """Values of a content; made once for each, since the grammar's parts live as long as the program."""
    if id(content) not in _DRAWN:
        _DRAWN[id(content)] = _drawn(content)
    return _DRAWN[id(content)]


def _drawn(content: Content) -> st.SearchStrategy[Any]:
    match content:
        case Value():
            return simple(content)
        case Wrapped():
            return simple(content.content).map(content.make)
        case Money():
            return amounts(positive=content.positive)
        case Choice():
            return st.one_of([drawn(inner) for _, _, inner in content.options])
        case Record():
            return fitting(content)


@st.composite
def fitting(draw: Callable[[Any], Any], record: Record) -> Any:
    """A value of a record whose parts fit together."""
    fields: dict[str, Any] = {}
    _fill(draw, record.steps, fields, present=True)
    if not fields:
        part = draw(st.sampled_from(list(_parts(record.steps))))
        fields[part.name] = _drawn_part(draw, part)
    return FIT.get(record.make, lambda _, made: made)(draw, record.make(**fields))


def _parts(steps: tuple[Step, ...]) -> Iterator[Part]:
    for step in steps:
        if isinstance(step, Part):
            yield step
        elif isinstance(step, Inside):
            yield from _parts(step.steps)


def _fill(draw: Callable[[Any], Any], steps: tuple[Step, ...], fields: dict[str, Any], *, present: bool) -> None:
    for step in steps:
        wanted = present and (step.required or draw(st.integers(0, 2)) == 0)
        if isinstance(step, Inside):
            _fill(draw, step.steps, fields, present=wanted)
        elif isinstance(step, Part) and wanted:
            fields[step.name] = _drawn_part(draw, step)
        else:
            assert not wanted or isinstance(step, Computed)


def _drawn_part(draw: Callable[[Any], Any], part: Part) -> Any:
    one = drawn(part.content)
    if part.most is None:
        return draw(one)
    return tuple(draw(st.lists(one, min_size=1, max_size=min(part.most, 3))))


def _fit_agent(draw: Callable[[Any], Any], agent: Any) -> Any:
    return agent if agent.bic or agent.lei else replace(agent, bic=draw(st.sampled_from(BICS)))


def _fit_reference(draw: Callable[[Any], Any], named: CreditorReference) -> CreditorReference:
    if named.kind is ReferenceKind.CREDITOR_REFERENCE:
        return replace(named, reference=draw(st.sampled_from(CREDITOR_REFERENCES)))
    return named if named.kind is not None else replace(named, issuer=None)


def _fit_report(draw: Callable[[Any], Any], report: StatusReport) -> StatusReport:
    if report.status is Status.REJECTED and not report.reasons:
        return replace(report, status=Status.PENDING)
    return report


def _fit_return(draw: Callable[[Any], Any], returned: PaymentReturn) -> PaymentReturn:
    original = returned.original_amount
    if original is None:
        return returned
    return replace(returned, returned_amount=replace(original, minor=draw(st.integers(1, original.minor))))


def _fit_transfer(draw: Callable[[Any], Any], transfer: CustomerCreditTransfer) -> CustomerCreditTransfer:
    return transfer if transfer.instructed_amount is None else replace(transfer, instructed_amount=transfer.amount)


def _fit_notification(draw: Callable[[Any], Any], told: AccountNotification) -> AccountNotification:
    return _fit_entries(draw, told)


def _fit_entries(draw: Callable[[Any], Any], told: Any) -> Any:
    currency = told.account.currency
    entries = tuple(replace(entry, amount=Amount(draw(st.integers(1, 10**14)), currency)) for entry in told.entries)
    begins, ends = told.begins_at, told.ends_at
    if begins is not None and ends is not None:
        begins, ends = sorted((begins, ends))
    return replace(told, entries=entries, begins_at=begins, ends_at=ends)


def _fit_statement(draw: Callable[[Any], Any], statement: AccountStatement) -> AccountStatement:
    statement = _fit_entries(draw, statement)
    opening = draw(st.integers(-(10**14), 10**14))
    closing = opening + sum(entry.change for entry in statement.entries)
    currency = statement.account.currency
    at = statement.balances[0].at
    return replace(
        statement,
        balances=tuple(
            Balance(kind, Amount(abs(minor), currency), Mark.DEBIT if minor < 0 else Mark.CREDIT, at)
            for kind, minor in ((BalanceKind.OPENING, opening), (BalanceKind.CLOSING, closing))
        ),
    )


FIT: dict[type, Callable[[Any, Any], Any]] = {
    Agent: _fit_agent,
    CreditorReference: _fit_reference,
    CustomerCreditTransfer: _fit_transfer,
    StatusReport: _fit_report,
    PaymentReturn: _fit_return,
    NOTIFICATION.make: _fit_notification,
    STATEMENT.make: _fit_statement,
}
BANK = Agent(bic="DWAYDEFF", lei="9845000000DWAYBANK05", name="Dway Bank")
PARTNER = Agent(bic="PRTNFRPP")
EURO = CURRENCIES["EUR"]
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
UETR = uuid.UUID("7f1c3f4e-52a6-4c1b-9a3e-2f6d8f0a4b11")

TRANSFER = CustomerCreditTransfer(
    message_id="DWAY-2026-0001",
    created_at=NOON,
    settlement_method=SettlementMethod.INSTRUCTING_AGENT,
    end_to_end_id="INVOICE-4711",
    uetr=UETR,
    amount=Amount(12550, EURO),
    settlement_date=date(2026, 3, 2),
    charge_bearer=ChargeBearer.SHARED,
    instructing_agent=BANK,
    instructed_agent=PARTNER,
    debtor=Party(name="Erika Muster", address=PostalAddress(town="Frankfurt", country="DE")),
    debtor_account=Account(Iban(IBANS[0])),
    debtor_agent=BANK,
    creditor_agent=PARTNER,
    creditor=Party(name="Jean Exemple"),
    creditor_account=Account(OtherId("cust-jean")),
    remittance=("Invoice 4711",),
)
INSTITUTION_TRANSFER = InstitutionCreditTransfer(
    message_id="DWAY-2026-0002",
    created_at=NOON,
    settlement_method=SettlementMethod.INSTRUCTED_AGENT,
    end_to_end_id="COVER-1",
    uetr=UETR,
    amount=Amount(5, CURRENCIES["JPY"]),
    settlement_date=date(2026, 3, 2),
    instructing_agent=BANK,
    instructed_agent=PARTNER,
    debtor=BANK,
    creditor=PARTNER,
)
REPORT = StatusReport(
    message_id="PRTN-2026-0001",
    created_at=NOON,
    original_message_id=TRANSFER.message_id,
    original_message_name="pacs.008.001.08",
    original_uetr=UETR,
    status=Status.REJECTED,
    reasons=(Reason(Code("AC03"), texts=("no such account",)),),
)
RETURN = PaymentReturn(
    message_id="PRTN-2026-0002",
    created_at=NOON,
    settlement_method=SettlementMethod.INSTRUCTED_AGENT,
    original_message_id=TRANSFER.message_id,
    original_message_name="pacs.008.001.08",
    original_uetr=UETR,
    original_amount=TRANSFER.amount,
    returned_amount=TRANSFER.amount,
    settlement_date=date(2026, 3, 3),
    reasons=(Reason(Code("AC04")),),
)
ENTRY = Entry(
    amount=Amount(12550, EURO),
    mark=Mark.DEBIT,
    booked_at=NOON,
    value_at=date(2026, 3, 2),
    code=EntryCode("PMNT", "ICDT", "OTHR"),
    reference="17",
    details=EntryDetails(uetr=UETR, remittance=("Invoice 4711",)),
)
ACCOUNT = StatementAccount(OtherId("cust-erika"), EURO)
STATEMENT_OF_A_DAY = AccountStatement(
    message_id="DWAY-STMT-1",
    created_at=NOON,
    statement_id="2026-03-02",
    account=ACCOUNT,
    balances=(
        Balance(BalanceKind.OPENING, Amount(20000, EURO), Mark.CREDIT, date(2026, 3, 2)),
        Balance(BalanceKind.CLOSING, Amount(7450, EURO), Mark.CREDIT, date(2026, 3, 2)),
    ),
    entries=(ENTRY,),
)
NOTICE = AccountNotification("DWAY-NTFY-1", NOON, "2026-03-02/1", ACCOUNT, (ENTRY,))

EXAMPLES = (TRANSFER, INSTITUTION_TRANSFER, REPORT, RETURN, STATEMENT_OF_A_DAY, NOTICE)
"""One message of each kind; the people in them are made up."""
