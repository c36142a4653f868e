"""Messages that are refused, each by its name: hostile XML, elements in the wrong place, values that cannot be.

Aim: nothing is passed over, and each refusal names line, path, value and the code to answer with. Method: one sound
message of each kind, changed in one place.
"""

from __future__ import annotations

import doctest
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

import node.iso20022
from ledger.money import Asset
from ledger.reconciliation.camt053 import read_camt053
from ledger.reconciliation.statement_account import StatementAccount, StatementAccounts
from node.iso20022 import MESSAGE_BYTES_MAX, describe_message, read_message, write_message
from node.iso20022.catalogue import MESSAGE_TYPES, type_of
from node.iso20022.content import Agent, CreditorReference, Mark, Party, ReferenceKind, Status
from node.iso20022.currencies import CURRENCIES
from node.iso20022.errors import UnacceptableMessageError, UnwritableMessageError
from node.iso20022.values import Amount
from tests.support.iso20022 import (
    EXAMPLES,
    IBANS,
    NOTICE,
    REPORT,
    RETURN,
    STATEMENT_OF_A_DAY,
    TRANSFER,
    schema_error,
)
from tests.support.shared_data import REPOSITORY

ORDER = write_message(TRANSFER).decode()
DAY = write_message(STATEMENT_OF_A_DAY).decode()
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def refusal(data: bytes | str) -> UnacceptableMessageError:
    with pytest.raises(UnacceptableMessageError) as refused:
        read_message(data if isinstance(data, bytes) else data.encode())
    return refused.value


def changed(message: str, old: str, new: str) -> str:
    assert old in message
    return message.replace(old, new, 1)


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type_of(message).name)
def test_example_is_valid_and_read_back_equal(message: object) -> None:
    written = write_message(message)  # type: ignore[arg-type]
    assert schema_error(type_of(message), written) == ""  # type: ignore[arg-type]
    assert read_message(written) == message
    assert written == write_message(read_message(written))


def test_the_example_of_the_package_runs() -> None:
    assert doctest.testmod(node.iso20022) == (0, 3)


HOSTILE = {
    "entity bomb": ("<Document ", '<!DOCTYPE d [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><Document ', "document type"),
    "external entity": (
        "<Document ",
        '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/hostname">]><Document ',
        "document type",
    ),
    "external schema in a document type": (
        "<Document ",
        '<!DOCTYPE Document SYSTEM "http://e/x.dtd"><Document ',
        "document type",
    ),
    "entity that nobody declared": ("Erika", "&erika;", "undefined entity"),
    "comment": ("Erika Muster", "Erika <!-- not --> Muster", "a comment has no place"),
    "comment before the message": ("<Document ", "<!-- sent by us --><Document ", "a comment has no place"),
    "processing instruction": ("<Document ", '<?xml-stylesheet href="a"?><Document ', "a processing instruction"),
    "another encoding": ('encoding="UTF-8"', 'encoding="ISO-8859-1"', "is not XML 1.0 in UTF-8"),
    "an encoding nobody knows": ('encoding="UTF-8"', 'encoding="utf-7"', "is not XML 1.0 in UTF-8"),
    "XML 1.1": ('version="1.0"', 'version="1.1"', "is not XML 1.0"),
    "an open end": ("</Document>", "", "no well-formed XML"),
    "a second document": ("</Document>", "</Document><Document/>", "no well-formed XML"),
    "an attribute twice": ('Ccy="EUR"', 'Ccy="EUR" Ccy="USD"', "duplicate attribute"),
    "a prefix nobody bound": ("<ChrgBr>", "<x:ChrgBr>", "no well-formed XML"),
    "a zero character": ("Erika", "&#0;", "no well-formed XML"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_document_is_refused_before_it_is_understood(name: str) -> None:
    old, new, reason = HOSTILE[name]
    refused = refusal(changed(ORDER, old, new))
    assert reason in str(refused)
    assert refused.code == "FF01"
    assert refused.line >= 1


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x00", b"hello", b"\xef\xbb\xbf" + ORDER.encode(), ORDER.encode("utf-16"), ORDER.encode("utf-16-le"),
        ORDER.replace("Erika", "Müller").encode("latin-1"), ORDER.encode("utf-32"),
    ],
    ids=["empty", "zero", "text", "byte order mark", "UTF-16", "UTF-16 without a mark", "latin-1", "UTF-32"],
)  # fmt: skip
def test_bytes_that_are_no_plain_utf8_document_are_refused(data: bytes) -> None:
    assert refusal(data).code == "FF01"


def test_message_that_is_too_large_too_deep_or_too_long_is_refused() -> None:
    assert "bytes: give" in str(refusal(ORDER + " " * MESSAGE_BYTES_MAX))
    deep = "<A>" * 100_000 + "</A>" * 100_000
    assert "too deep or too many" in str(refusal(changed(ORDER, "<ChrgBr>", f"{deep}<ChrgBr>")))
    assert "too deep or too many" in str(refusal(changed(ORDER, "<ChrgBr>", f"{'<A/>' * 600_000}<ChrgBr>")))


TX = "Document/FIToFICstmrCdtTrf/CdtTrfTxInf"
HEADER = "Document/FIToFICstmrCdtTrf/GrpHdr"
ELEMENTS = {
    "an unknown element": ("<ChrgBr>", "<Own>1</Own><ChrgBr>", f"{TX}/Own", "CH17"),
    "an element not supported: charges": (
        "<InstgAgt>",
        '<ChrgsInf><Amt Ccy="EUR">1.00</Amt></ChrgsInf><InstgAgt>',
        f"{TX}/ChrgsInf",
        "CH17",
    ),
    "an element not supported: exchange": ("<ChrgBr>", "<XchgRate>1.1</XchgRate><ChrgBr>", f"{TX}/XchgRate", "CH17"),
    "an element not supported: intermediary": ("<Dbtr>", "<IntrmyAgt1/><Dbtr>", f"{TX}/IntrmyAgt1", "CH17"),
    "an element not supported: supplementary data": (
        "</CdtTrfTxInf>",
        "<SplmtryData><Envlp/></SplmtryData></CdtTrfTxInf>",
        f"{TX}/SplmtryData",
        "CH17",
    ),
    "an element not supported: clearing member": (
        "<BICFI>",
        "<ClrSysMmbId><MmbId>1</MmbId></ClrSysMmbId><BICFI>",
        f"{TX}/InstgAgt/FinInstnId/ClrSysMmbId",
        "CH17",
    ),
    "an element doubled": ("<ChrgBr>SHAR</ChrgBr>", "<ChrgBr>SHAR</ChrgBr>" * 2, f"{TX}/ChrgBr", "CH17"),
    "an element in the wrong place": (
        "<IntrBkSttlmDt>2026-03-02</IntrBkSttlmDt>\n      <ChrgBr>SHAR</ChrgBr>",
        "<ChrgBr>SHAR</ChrgBr><IntrBkSttlmDt>2026-03-02</IntrBkSttlmDt>",
        f"{TX}/ChrgBr",
        "CH17",
    ),
    "an element missing": ("<ChrgBr>SHAR</ChrgBr>", "", TX, "CH21"),
    "no UETR": ("<UETR>7f1c3f4e-52a6-4c1b-9a3e-2f6d8f0a4b11</UETR>", "", f"{TX}/PmtId", "CH21"),
    "an element of another namespace": ("<ChrgBr>", '<ChrgBr xmlns="urn:other">', f"{TX}/{{urn:other}}ChrgBr", "CH17"),
    "an element of no namespace": ("<ChrgBr>", '<ChrgBr xmlns="">', f"{TX}/{{}}ChrgBr", "CH17"),
    "a second transaction": ("</CdtTrfTxInf>", "</CdtTrfTxInf><CdtTrfTxInf></CdtTrfTxInf>", TX, "CH17"),
    "a second message": (
        "</FIToFICstmrCdtTrf>",
        "</FIToFICstmrCdtTrf><FIToFICstmrCdtTrf/>",
        "Document/FIToFICstmrCdtTrf",
        "CH17",
    ),
    "text between elements": ("<ChrgBr>", "pay twice<ChrgBr>", TX, "CH17"),
    "text beside the message": ("</Document>", "hello</Document>", "Document", "CH17"),
    "elements in a text": ("<ChrgBr>SHAR", "<ChrgBr><Cd>SHAR</Cd>", f"{TX}/ChrgBr/Cd", "CH17"),
    "an attribute": ("<ChrgBr>", '<ChrgBr Own="1">', f"{TX}/ChrgBr/@Own", "CH17"),
    "an attribute of an amount": ('Ccy="EUR"', 'Ccy="EUR" Sign="-"', f"{TX}/IntrBkSttlmAmt/@Sign", "CH17"),
    "a type of its own": ("<ChrgBr>", f'<ChrgBr {XSI} xsi:type="Max35Text">', f"{TX}/ChrgBr/@type", "CH17"),
    "a nil": ("<ChrgBr>", f'<ChrgBr {XSI} xsi:nil="true">', f"{TX}/ChrgBr/@nil", "CH17"),
    "a language": ("<ChrgBr>", '<ChrgBr xml:lang="en">', f"{TX}/ChrgBr/@lang", "CH17"),
    "both of a choice": (
        "<IBAN>DE89370400440532013000</IBAN>",
        "<IBAN>DE89370400440532013000</IBAN><Othr><Id>1</Id></Othr>",
        f"{TX}/DbtrAcct/Id/Othr",
        "CH17",
    ),
    "none of a choice": ("<IBAN>DE89370400440532013000</IBAN>", "", f"{TX}/DbtrAcct/Id", "CH21"),
    "another of a choice": (
        "<IBAN>DE89370400440532013000</IBAN>",
        "<Prxy>a</Prxy>",
        f"{TX}/DbtrAcct/Id/Prxy",
        "CH17",
    ),
    "an element without content": ("<Nm>Jean Exemple</Nm>", "", f"{TX}/Cdtr", "CH21"),
    "an agent without BIC and LEI": (
        "<BICFI>PRTNFRPP</BICFI>",
        "<Nm>Partner</Nm>",
        f"{TX}/InstdAgt/FinInstnId",
        "CH21",
    ),
    "eight lines of address": (
        "<Ctry>DE</Ctry>",
        "<Ctry>DE</Ctry>" + "<AdrLine>a</AdrLine>" * 8,
        f"{TX}/Dbtr/PstlAdr/AdrLine",
        "CH17",
    ),
}


@pytest.mark.parametrize("name", ELEMENTS)
def test_element_without_a_place_is_refused_by_its_path(name: str) -> None:
    old, new, path, code = ELEMENTS[name]
    refused = refusal(changed(ORDER, old, new))
    assert (refused.path, refused.code) == (path, code)
    assert path in str(refused)


VALUES = {
    "more decimals than the currency has": ("125.50", "125.505", f"{TX}/IntrBkSttlmAmt", "CH20"),
    "more decimals, though zeros": ("125.50", "125.500", f"{TX}/IntrBkSttlmAmt", "CH20"),
    "decimals of a currency without": ('Ccy="EUR">125.50', 'Ccy="JPY">125.50', f"{TX}/IntrBkSttlmAmt", "CH20"),
    "nothing": ("125.50", "0.00", f"{TX}/IntrBkSttlmAmt", "AM01"),
    "less than nothing": ("125.50", "-125.50", f"{TX}/IntrBkSttlmAmt", "AM12"),
    "a sign": ("125.50", "+125.50", f"{TX}/IntrBkSttlmAmt", "AM12"),
    "a comma": ("125.50", "125,50", f"{TX}/IntrBkSttlmAmt", "AM12"),
    "an exponent": ("125.50", "1e2", f"{TX}/IntrBkSttlmAmt", "AM12"),
    "no digit before the point": ("125.50", ".50", f"{TX}/IntrBkSttlmAmt", "AM12"),
    "nineteen digits": ("125.50", "9" * 17 + ".50", f"{TX}/IntrBkSttlmAmt", "AM12"),
    "eighteen digits before the point": ("125.50", "9" * 18, f"{TX}/IntrBkSttlmAmt", "AM12"),
    "digits of another script": ("125.50", "١٢٥.50", f"{TX}/IntrBkSttlmAmt", "AM12"),
    "no amount": ("125.50", "", f"{TX}/IntrBkSttlmAmt", "AM12"),
    "blanks around an amount": ("125.50", " 125.50 ", f"{TX}/IntrBkSttlmAmt", "AM12"),
    "gold": ('Ccy="EUR"', 'Ccy="XAU"', f"{TX}/IntrBkSttlmAmt", "AM11"),
    "no currency": (' Ccy="EUR"', "", f"{TX}/IntrBkSttlmAmt/@Ccy", "CH21"),
    "two transactions told": ("<NbOfTxs>1", "<NbOfTxs>2", f"{HEADER}/NbOfTxs", "AM18"),
    "a wrong check digit of the debtor's IBAN": ("DE8937", "DE8837", f"{TX}/DbtrAcct/Id/IBAN", "AC02"),
    "an IBAN of the wrong length": ("532013000<", "53201300<", f"{TX}/DbtrAcct/Id/IBAN", "AC02"),
    "an IBAN with blanks": ("DE8937040044", "DE89 3704 0044", f"{TX}/DbtrAcct/Id/IBAN", "AC02"),
    "an IBAN in small letters": ("DE8937040044", "de8937040044", f"{TX}/DbtrAcct/Id/IBAN", "AC02"),
    "an IBAN of no country": ("DE8937040044", "XX8937040044", f"{TX}/DbtrAcct/Id/IBAN", "AC02"),
    "a BIC of no country": ("DWAYDEFF", "DWAYXXFF", f"{TX}/InstgAgt/FinInstnId/BICFI", "RC01"),
    "a BIC of nine characters": ("DWAYDEFF", "DWAYDEFF1", f"{TX}/InstgAgt/FinInstnId/BICFI", "RC01"),
    "a LEI with wrong check digits": (
        "9845000000DWAYBANK",
        "9845000001DWAYBANK",
        f"{TX}/InstgAgt/FinInstnId/LEI",
        "CH16",
    ),
    "a UUID of another version": ("-4c1b-", "-1c1b-", f"{TX}/PmtId/UETR", "CH16"),
    "a UETR in capitals": ("7f1c3f4e", "7F1C3F4E", f"{TX}/PmtId/UETR", "CH16"),
    "a day that does not exist": (
        "<IntrBkSttlmDt>2026-03-02",
        "<IntrBkSttlmDt>2026-02-29",
        f"{TX}/IntrBkSttlmDt",
        "DT01",
    ),
    "a day with an offset": ("<IntrBkSttlmDt>2026-03-02", "<IntrBkSttlmDt>2026-03-02Z", f"{TX}/IntrBkSttlmDt", "DT01"),
    "a time without an offset": ("12:00:00Z", "12:00:00", f"{HEADER}/CreDtTm", "DT01"),
    "a time with an offset too large": ("12:00:00Z", "12:00:00+14:30", f"{HEADER}/CreDtTm", "DT01"),
    "midnight at the end": ("12:00:00Z", "24:00:00Z", f"{HEADER}/CreDtTm", "DT01"),
    "below the microsecond": ("12:00:00Z", "12:00:00.0000001Z", f"{HEADER}/CreDtTm", "DT01"),
    "a settlement method": ("INGA", "CLRG", f"{HEADER}/SttlmInf/SttlmMtd", "CH16"),
    "a charge bearer": ("SHAR", "FREE", f"{TX}/ChrgBr", "CH16"),
    "a reference of 36 characters": ("INVOICE-4711", "x" * 36, f"{TX}/PmtId/EndToEndId", "CH16"),
    "an empty reference": ("INVOICE-4711", "", f"{TX}/PmtId/EndToEndId", "CH16"),
    "a reference with a blank at its end": ("INVOICE-4711", "INVOICE-4711 ", f"{TX}/PmtId/EndToEndId", "CH16"),
    "a name of 141 characters": ("Jean Exemple", "x" * 141, f"{TX}/Cdtr/Nm", "CH16"),
    "a blank name": ("Jean Exemple", "   ", f"{TX}/Cdtr/Nm", "CH16"),
    "a line break in a name": ("Jean Exemple", "Jean\nExemple", f"{TX}/Cdtr/Nm", "CH16"),
    "a name that turns its direction": ("Jean Exemple", "Jean \u202eelpmexE", f"{TX}/Cdtr/Nm", "CH16"),
    "a country": ("<Ctry>DE", "<Ctry>Germany", f"{TX}/Dbtr/PstlAdr/Ctry", "CH16"),
    "another instructed amount": (
        "<ChrgBr>",
        '<InstdAmt Ccy="EUR">130.00</InstdAmt><ChrgBr>',
        f"{TX}/InstdAmt",
        "AM09",
    ),
    "a creditor reference with wrong check digits": (
        "</Ustrd>",
        "</Ustrd><Strd><CdtrRefInf><Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry></Tp><Ref>RF17539007547034</Ref>"
        "</CdtrRefInf></Strd>",
        f"{TX}/RmtInf/Strd[1]/CdtrRefInf/Ref",
        "CH16",
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_value_that_cannot_be_is_refused_with_its_path_and_code(name: str) -> None:
    old, new, path, code = VALUES[name]
    refused = refusal(changed(ORDER, old, new))
    assert (refused.path, refused.code) == (path, code)
    line = next(n for n, text in enumerate(changed(ORDER, old, new).splitlines(), 1) if f"<{_tag(path)}" in text)
    assert refused.line >= line


def _tag(path: str) -> str:
    return re.sub(r"\[\d+\]", "", path.partition("/@")[0].rpartition("/")[2])


STMT = "Document/BkToCstmrStmt/Stmt"
STATEMENTS = {
    "a closing balance that does not follow": (">74.50<", ">74.51<", f"{STMT}/Bal[2]/Amt", "AM10"),
    "one balance": ("<Cd>CLBD</Cd>", "<Cd>OPBD</Cd>", STMT, "CH16"),
    "an entry in another currency": (
        '<Ntry>\n        <NtryRef>17</NtryRef>\n        <Amt Ccy="EUR">',
        '<Ntry><Amt Ccy="USD">',
        f"{STMT}/Ntry[1]/Amt",
        "AM11",
    ),
    "a wrong count": ("<NbOfNtries>1<", "<NbOfNtries>2<", f"{STMT}/TxsSummry/TtlNtries/NbOfNtries", "AM18"),
    "a wrong sum": ("<Sum>125.50<", "<Sum>125.51<", f"{STMT}/TxsSummry/TtlNtries/Sum", "AM10"),
    "a wrong direction of the net": (
        "</Amt>\n            <CdtDbtInd>DBIT",
        "</Amt><CdtDbtInd>CRDT",
        f"{STMT}/TxsSummry/TtlNtries/TtlNetNtry/CdtDbtInd",
        "AM10",
    ),
    "an entry that is not booked": ("BOOK", "PDNG", f"{STMT}/Ntry[1]/Sts/Cd", "CH16"),
    "a batch": ("<TxDtls>", "<Btch/><TxDtls>", f"{STMT}/Ntry[1]/NtryDtls/Btch", "CH17"),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_statement_that_does_not_add_up_is_refused(name: str) -> None:
    old, new, path, code = STATEMENTS[name]
    refused = refusal(changed(DAY, old, new))
    assert (refused.path, refused.code) == (path, code)


def test_status_report_without_a_reason_for_a_rejection_is_refused() -> None:
    report = write_message(REPORT).decode()
    without = re.sub(r"<StsRsnInf>.*</StsRsnInf>", "", report, flags=re.DOTALL)
    assert (refusal(without).path, refusal(without).code) == ("Document/FIToFIPmtStsRpt/TxInfAndSts/TxSts", "CH21")


def test_return_of_more_than_was_paid_is_refused() -> None:
    more = changed(
        write_message(RETURN).decode(), 'RtrdIntrBkSttlmAmt Ccy="EUR">125.50', 'RtrdIntrBkSttlmAmt Ccy="EUR">125.51'
    )
    assert (refusal(more).path, refusal(more).code) == ("Document/PmtRtr/TxInf/RtrdIntrBkSttlmAmt", "AM09")


@pytest.mark.parametrize(
    "namespace",
    ["pacs.008.001.07", "pacs.008.001.080", "pain.001.001.09", "head.001.001.02"],
)
def test_message_of_another_kind_or_version_is_refused_by_its_name(namespace: str) -> None:
    refused = refusal(changed(ORDER, "pacs.008.001.08", namespace))
    assert (refused.value, refused.code) == (namespace, "AG03")
    assert "pacs.008.001.08" in refused.reason


def test_hint_where_the_schema_lies_is_taken_only_for_the_own_namespace() -> None:
    own = MESSAGE_TYPES[0].namespace
    hint = f'<Document {XSI} xsi:schemaLocation="{own} pacs.008.001.08.xsd" '
    assert read_message(changed(ORDER, "<Document ", hint).encode()) == TRANSFER
    for attribute in (
        f'{XSI} xsi:schemaLocation="urn:other a.xsd"', f'{XSI} xsi:schemaLocation="{own} a.xsd urn:other b.xsd"',
        f'{XSI} xsi:noNamespaceSchemaLocation="a.xsd"', 'Own="1"',
    ):  # fmt: skip
        assert refusal(changed(ORDER, "<Document ", f"<Document {attribute} ")).code == "CH17"


def test_the_same_message_in_another_dress_says_the_same() -> None:
    prefixed = re.sub(r"<(/?)([A-Z])", r"<\1p:\2", ORDER).replace("xmlns=", "xmlns:p=")
    for same in (
        prefixed,
        ORDER.replace("\n", "\r\n"),
        re.sub(r">\s+<", "><", ORDER),
        changed(ORDER, "Erika Muster", "<![CDATA[Erika Muster]]>"),
        changed(ORDER, "12:00:00Z", "13:00:00+01:00"),
        ORDER.partition("\n")[2],
    ):
        assert read_message(same.encode()) == TRANSFER


def test_markup_in_a_text_stays_text() -> None:
    name = "A & B <Ltd> ]]> \"quoted\" 'too'"
    transfer = replace(TRANSFER, debtor=Party(name=name))
    assert read_message(write_message(transfer)) == transfer
    assert dict(describe_message(transfer))["CdtTrfTxInf/Dbtr/Nm"] == name


UNWRITABLE = {
    "no printable text": (replace(TRANSFER, debtor=Party(name="a\nb")), "CdtTrfTxInf/Dbtr/Nm"),
    "no text": (replace(TRANSFER, end_to_end_id=""), "CdtTrfTxInf/PmtId/EndToEndId"),
    "a time of no zone": (replace(TRANSFER, created_at=datetime(2026, 1, 1)), "GrpHdr/CreDtTm"),
    "a negative amount": (replace(TRANSFER, amount=Amount(-1, CURRENCIES["EUR"])), "CdtTrfTxInf/IntrBkSttlmAmt"),
    "nothing": (replace(TRANSFER, amount=Amount(0, CURRENCIES["EUR"])), "CdtTrfTxInf/IntrBkSttlmAmt"),
    "an amount too long": (replace(TRANSFER, amount=Amount(10**18, CURRENCIES["EUR"])), "CdtTrfTxInf/IntrBkSttlmAmt"),
    "another scale than ISO's": (replace(TRANSFER, amount=Amount(1, Asset("EUR", 3))), "CdtTrfTxInf/IntrBkSttlmAmt"),
    "no bank": (replace(TRANSFER, creditor_agent=Agent(name="Bank")), "CdtTrfTxInf/CdtrAgt/FinInstnId"),
    "an empty party": (replace(TRANSFER, creditor=Party()), "CdtTrfTxInf/Cdtr"),
    "something else": (replace(TRANSFER, creditor=Agent(bic="DWAYDEFF")), "CdtTrfTxInf/Cdtr"),
    "something missing": (replace(TRANSFER, creditor=None), "CdtTrfTxInf/Cdtr"),
    "a wrong creditor reference": (
        replace(TRANSFER, references=(CreditorReference("RF00", ReferenceKind.CREDITOR_REFERENCE),)),
        "CdtTrfTxInf/RmtInf/Strd[1]/CdtrRefInf/Ref",
    ),
    "too many": (replace(TRANSFER, remittance=("x",) * 101), "CdtTrfTxInf/RmtInf/Ustrd"),
    "a rejection without a reason": (replace(REPORT, reasons=()), "TxInfAndSts/TxSts"),
    "a balance that does not follow": (
        replace(STATEMENT_OF_A_DAY, entries=(replace(STATEMENT_OF_A_DAY.entries[0], mark=Mark.CREDIT),)),
        "Stmt/Bal[2]/Amt",
    ),
    "a period that ends before it begins": (
        replace(NOTICE, begins_at=datetime(2026, 3, 2, tzinfo=UTC), ends_at=datetime(2026, 3, 1, tzinfo=UTC)),
        "Ntfctn/FrToDt/ToDtTm",
    ),
    "a notification of nothing": (replace(NOTICE, entries=()), "Ntfctn/Ntry"),
}


@pytest.mark.parametrize("name", UNWRITABLE)
def test_value_that_no_message_carries_is_not_written(name: str) -> None:
    message, path = UNWRITABLE[name]
    with pytest.raises(UnwritableMessageError) as refused:
        write_message(message)
    assert refused.value.path == f"Document/{type_of(message).root}/{path}"


def test_status_reasons_are_optional_where_nothing_is_rejected() -> None:
    pending = replace(REPORT, status=Status.PENDING, reasons=())
    assert read_message(write_message(pending)) == pending


def test_currencies_are_those_of_the_books() -> None:
    known: dict[str, int] = {}
    for name in ("0001_books", "0007_currencies"):
        text = Path(REPOSITORY, "ledger", "sql", "migrations", f"{name}.sql").read_text(encoding="utf-8")
        known |= {code: int(scale) for code, scale in re.findall(r"\('([A-Z]{3})', (\d)\)", text)}
    assert len(known) > 150
    assert {code: asset.scale for code, asset in CURRENCIES.items()} == known


def test_statement_is_read_by_reconciliation_with_the_same_figures() -> None:
    accounts = StatementAccounts([StatementAccount("cust-erika", "nostro", Asset("EUR", 2))])
    (statement,) = read_camt053(DAY.encode(), accounts).statements
    assert (statement.opening, statement.closing) == (20000, 7450)
    (record,) = statement.records
    assert (record.change, record.value_day) == (-12550, date(2026, 3, 2))
    assert str(TRANSFER.uetr) in record.references


def test_ibans_of_many_countries_are_known() -> None:
    for iban in IBANS:
        assert read_message(changed(ORDER, "DE89370400440532013000", iban).encode())
