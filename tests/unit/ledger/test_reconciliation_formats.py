"""camt.053 and MT940: both fixtures tell the same two days, and every change to them that carries money is refused.

A case changes one place of a sound file; the error must name the line or the element, and what is wrong.
"""

from __future__ import annotations

from datetime import date

import pytest

from ledger.errors import StatementFormatError
from ledger.money import Asset
from ledger.reconciliation import statement_account
from ledger.reconciliation.camt053 import read_camt053
from ledger.reconciliation.csv_statement import read_csv_statements
from ledger.reconciliation.mt940 import read_mt940
from ledger.reconciliation.records import ExternalStatement
from ledger.reconciliation.settings import read_settings
from ledger.reconciliation.statement_account import FILE_BYTES_MAX, StatementAccount, StatementAccounts, days_between
from ledger.reconciliation.xml_tree import ATTRIBUTES_MAX, DEPTH_MAX, PIECE_BYTES, TAG_BYTES_MAX, parse_xml
from ledger.statement_mapping import read_mapping
from tests.support.shared_data import REPOSITORY

FOLDER = REPOSITORY / "fixtures" / "statements"
CAMT = (FOLDER / "correspondent-2026-03.camt053.xml").read_text(encoding="utf-8")
MT940 = (FOLDER / "correspondent-2026-03.mt940").read_bytes().decode("ascii")
ACCOUNTS = read_settings(FOLDER / "correspondent.yaml").accounts
SECOND, THIRD = date(2026, 3, 2), date(2026, 3, 3)


def camt(text: str) -> tuple[ExternalStatement, ...]:
    return read_camt053(text.encode(), ACCOUNTS).statements


def mt940(text: str) -> tuple[ExternalStatement, ...]:
    return read_mt940(text.encode(), ACCOUNTS).statements


@pytest.mark.parametrize("statements", [camt(CAMT), mt940(MT940)], ids=["camt.053", "mt940"])
def test_both_formats_tell_the_same_days(statements: tuple[ExternalStatement, ...]) -> None:
    euro, yen = statements
    assert (euro.account, euro.asset, euro.opening, euro.closing) == ("nostro-EUR", "EUR", 1_000_000, 1_172_450)
    assert (euro.first_day, euro.last_day) == (SECOND, THIRD)
    assert [record.change for record in euro.records] == [125_000, -40_000, 7_500, -50, 80_000]
    assert [(r.value_day, r.booking_day) for r in euro.records][:2] == [(SECOND, SECOND), (THIRD, SECOND)]
    assert set(euro.records[1].references) == {"CORR-7002", "PAY-501", "PAY-502", "RUN-88"}
    assert "PAY-499" in euro.records[2].references
    assert "Example Trading Ltd" in euro.records[0].counterparty
    assert "Account fee" in euro.records[3].counterparty
    assert (yen.account, yen.asset, yen.opening, yen.closing) == ("nostro-JPY", "JPY", -500, 1000)
    assert sum(record.change for record in yen.records) == 1500
    assert len({record.key for record in (*euro.records, *yen.records)}) == 5 + len(yen.records)


def test_reversal_of_a_credit_lowers_the_balance() -> None:
    _, yen = mt940(MT940)
    assert [record.change for record in yen.records] == [2000, -500]


def test_a_balance_of_the_last_day_of_the_calendar_has_no_day_behind_it() -> None:
    assert days_between(date.max, (), date.max) == (date.max, date.max)


def test_first_day_follows_the_closing_day_of_the_statement_before() -> None:
    _, yen = camt(CAMT)
    assert (yen.first_day, yen.last_day) == (THIRD, THIRD)


CAMT_REFUSED = {
    "digits below the cent": ('<Amt Ccy="EUR">1250.00</Amt>', '<Amt Ccy="EUR">1250.001</Amt>', "decimal digits"),
    "digits of a yen": ('<Amt Ccy="JPY">1500</Amt>', '<Amt Ccy="JPY">1500.5</Amt>', "0 decimal digits"),
    "an exponent": ('<Amt Ccy="EUR">1250.00</Amt>', '<Amt Ccy="EUR">1.25E3</Amt>', "is no amount"),
    "a negative amount": ('<Amt Ccy="EUR">0.50</Amt>', '<Amt Ccy="EUR">-0.50</Amt>', "direction stands elsewhere"),
    "another currency in an entry": ('<Amt Ccy="EUR">0.50</Amt>', '<Amt Ccy="USD">0.50</Amt>', "is not EUR"),
    "another currency of the account": ("<Ccy>EUR</Ccy>", "<Ccy>USD</Ccy>", "is not EUR"),
    "a closing balance that does not add up": ("11724.50", "11724.51", "they give 1172450"),
    "a total that does not add up": ("<Sum>2525.5</Sum>", "<Sum>2525.6</Sum>", "is not the sum"),
    "a count that is not the count": ("<NbOfNtries>5<", "<NbOfNtries>6<", "is not the count"),
    "an entry of nothing": ('<Amt Ccy="EUR">0.50</Amt>', '<Amt Ccy="EUR">0.00</Amt>', "moves nothing"),
    "an entry that is not booked": ("<Sts><Cd>BOOK</Cd></Sts>", "<Sts><Cd>PDNG</Cd></Sts>", "is not booked"),
    "no direction": ("<CdtDbtInd>CRDT</CdtDbtInd>", "<CdtDbtInd>PLUS</CdtDbtInd>", "neither CRDT nor DBIT"),
    "an unknown reversal mark": ("<RvslInd>true", "<RvslInd>maybe", "neither true nor false"),
    "no opening balance": ("<Cd>OPBD</Cd>", "<Cd>OPAV</Cd>", "exactly one balance OPBD or PRCD"),
    "two closing balances": ("<Cd>CLAV</Cd>", "<Cd>CLBD</Cd>", "exactly one balance CLBD"),
    "an unknown kind of balance": ("<Cd>CLAV</Cd>", "<Cd>XXXX</Cd>", "'XXXX' is no kind of balance"),
    "money in an unknown place": (
        "<AddtlNtryInf>",
        '<Adjstmnt><Amt Ccy="EUR">3.00</Amt></Adjstmnt><AddtlNtryInf>',
        "Ntry/Adjstmnt/Amt': '3.00' carries money in an unknown place",
    ),
    "money beside the entries": (
        "<Ntry>",
        '<Crrctn Ccy="EUR">3.00</Crrctn><Ntry>',
        "Stmt/Crrctn': '3.00' carries money in an unknown place",
    ),
    "a credit line inside the balance": (
        "<Dt><Dt>2026-03-02</Dt></Dt>",
        "<CdtLine><Incl>true</Incl></CdtLine><Dt><Dt>2026-03-02</Dt></Dt>",
        "credit line",
    ),
    "an account nobody listed": ("XX00TEST00000000000001", "XX00TEST00000000000077", "…0077"),
    "a report": ("camt.053.001.08", "camt.052.001.08", "is no camt.053"),
    "no id": ("<Id>EUR-2026-042</Id>", "<Id> </Id>", "is blank"),
    "a day that does not exist": ("<ToDtTm>2026-03-03", "<ToDtTm>2026-02-30", "is no date"),
    "a period that ends before it begins": ("<ToDtTm>2026-03-03", "<ToDtTm>2026-03-01", "is after 2026-03-01"),
    "no day": ("<BookgDt><DtTm>2026-03-03T10:15:00+09:00</DtTm></BookgDt>", "", "BookgDt"),
    "a document type": (
        "<Document ",
        '<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Document ',
        "a document type has no place",
    ),
    "an external entity": (
        "<Document ",
        '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/hostname">]><Document ',
        "a document type has no place",
    ),
    "an open end": ("</Document>", "", "no well-formed XML"),
}


@pytest.mark.parametrize("name", CAMT_REFUSED)
def test_camt053_refuses(name: str) -> None:
    old, new, reason = CAMT_REFUSED[name]
    assert old in CAMT
    with pytest.raises(StatementFormatError) as refused:
        camt(CAMT.replace(old, new, 1))
    assert reason in str(refused.value)
    assert refused.value.line >= 1


def test_camt053_accepts_the_older_form_of_a_status() -> None:
    older = CAMT.replace("camt.053.001.08", "camt.053.001.02").replace("<Sts><Cd>BOOK</Cd></Sts>", "<Sts>BOOK</Sts>")
    assert [len(statement.records) for statement in camt(older)] == [5, 1]


def test_page_of_a_split_statement_is_a_statement_of_its_own() -> None:
    paged = CAMT.replace(
        "<ElctrncSeqNb>", "<StmtPgntn><PgNb>2</PgNb><LastPgInd>true</LastPgInd></StmtPgntn><ElctrncSeqNb>"
    )
    assert camt(paged)[0].reference == "EUR-2026-042/2"


MT940_REFUSED = {
    "digits below the cent": ("C1250,00N", "C1250,001N", "decimal digits"),
    "digits of a yen": ("RC500,N", "RC500,5N", "0 decimal digits"),
    "a point": ("C1250,00N", "C1250.00N", "is no movement"),
    "an unknown tag": (":64:C260303EUR11624,50", ":66:C260303EUR11624,50", "column '66'"),
    "another currency": (":62F:C260303EUR", ":62F:C260303USD", "is not EUR"),
    "a closing balance that does not add up": ("EUR11724,50", "EUR11724,51", "they give 1172450"),
    "an unknown mark": ("0303RD75,00", "0303XD75,00", "is no movement"),
    "a movement of nothing": ("260303D0,5N", "260303D0,0N", "moves nothing"),
    "no opening balance": (":60F:C260301EUR10000,00\r\n", "", "does not belong here"),
    "two opening balances": (
        ":60F:C260301EUR10000,00",
        ":60F:C260301EUR10000,00\r\n:60F:C260301EUR10000,00",
        "does not belong here",
    ),
    "no closing balance": (":62F:C260303EUR11724,50\r\n", "", "column '62F'"),
    "a movement after the end": (
        ":64:C260303EUR11624,50",
        ":61:2603030303C1,NTRFNONREF",
        "does not belong here",
    ),
    "text without a movement": (":61:260303D0,5NCHGNONREF\r\n", "", "does not belong here"),
    "a repeated tag": (":25:NOSTRO-JPY-9", ":25:NOSTRO-JPY-9\r\n:25:NOSTRO-JPY-9", "stands twice"),
    "an account nobody listed": ("NOSTRO-JPY-9", "NOSTRO-JPY-1", "…PY-1"),
    "no account": (":25:NOSTRO-JPY-9\r\n", "", "column '25'"),
    "no number": (":28C:7\r\n", "", "column '28C'"),
    "a balance that is none": (":60F:D260302JPY500,", ":60F:D260302JPY", "is no balance"),
    "a day that does not exist": ("2603030303RC500", "2602300303RC500", "is no date YYMMDD"),
    "a booking day that does not exist": ("2603030303RC500", "2603030231RC500", "is no date MMDD"),
    "a movement over three lines": ("Account closed", "Account closed\r\nmore", "is no movement"),
    "a zero character": ("CORR-9001", "CORR\x009001", "control character"),
    "text outside of fields": (":28C:7", ":28C:7\r\nhello", "belongs to no field"),
    "a field before the beginning": (":20:CORR20260303\r\n", "", "before tag 20"),
    "an end before its beginning": (":60F:D260302JPY500,", ":60F:D260304JPY500,", "is after"),
}


@pytest.mark.parametrize("name", MT940_REFUSED)
def test_mt940_refuses(name: str) -> None:
    old, new, reason = MT940_REFUSED[name]
    assert old in MT940
    with pytest.raises(StatementFormatError) as refused:
        mt940(MT940.replace(old, new, 1))
    assert reason in str(refused.value)
    assert refused.value.line >= 1


def test_mt940_without_the_blocks_of_a_message_reads_the_same() -> None:
    bare = "\n".join(line for line in MT940.split("\r\n") if line[:1] != "{" and line[:1] != "-")
    assert [s.records[0].change for s in mt940(bare)] == [s.records[0].change for s in mt940(MT940)]


def test_mt940_booking_day_is_found_across_the_turn_of_the_year() -> None:
    text = ":20:X\n:25:NOSTRO-JPY-9\n:28C:1\n:60F:C251231JPY0,\n:61:2512311%sC5,NTRFNONREF\n:62F:C260102JPY5,"
    ((record,),) = (statement.records for statement in mt940(text % "231"))
    assert record.booking_day == date(2025, 12, 31)
    new_year = text.replace("2512311%s", "2512310102")
    ((record,),) = (statement.records for statement in mt940(new_year))
    assert (record.value_day, record.booking_day) == (date(2025, 12, 31), date(2026, 1, 2))


def test_mt940_account_is_read_with_the_code_of_its_bank_behind_it() -> None:
    coded = MT940.replace(":25:NOSTRO-JPY-9\r\n", ":25P:NOSTRO-JPY-9\r\nEXAMJPJTXXX\r\n")
    assert coded != MT940
    assert mt940(coded)[1].account == "nostro-JPY"
    with pytest.raises(StatementFormatError, match="belongs to no field"):
        mt940(coded.replace("EXAMJPJTXXX\r\n", "EXAMJPJTXXX\r\nEXAMPLE\r\n"))


def test_mt940_in_latin_letters_is_read() -> None:
    data = MT940.replace("Account fee", "Kontoführung").encode("latin-1")
    euro, _ = read_mt940(data, ACCOUNTS).statements
    assert "Kontoführung" in euro.records[3].counterparty


@pytest.mark.parametrize(
    ("details", "references"),
    [
        ("EREF+PAY-501 KREF+RE-2024/17", {"PAY-501", "RE-2024/17"}),
        ("166?00CREDIT?109248?20EREF+RE-2024/17?21KREF+K-9?22SVWZ+Invoice 17?32EXAMPLE LTD", {"RE-2024/17", "K-9"}),
        # Cut after 27 characters, and by the lines of the message wherever those end.
        ("177?20EREF+ABCDEFGHIJKLMNOPQRSTUV?21WXYZ-1?22MREF\n+M-1?23CRED+DE9", {"ABCDEFGHIJKLMNOPQRSTUVWXYZ-1", "M-1"}),
        ("177?20KREF+ABCDEFGHIJKLMNOPQRSTUV?21EREF+E-1?30COBADEFF", {"ABCDEFGHIJKLMNOPQRSTUV", "E-1"}),
        ("166?20EREF+?21SVWZ+PREFERRED CUSTOMER", set()),
        ("/TRTP/SEPA/EREF/INVOICE 2021-\n17/PREF/P 4//REMI/PREFIX", {"INVOICE 2021-17", "P 4"}),
    ],
)  # fmt: skip
def test_mt940_finds_the_references_in_the_details_of_a_movement(details: str, references: set[str]) -> None:
    text = (
        f":20:X\n:25:NOSTRO-JPY-9\n:28C:1\n:60F:C260101JPY0,\n:61:260102C5,NTRFNONREF\n:86:{details}\n:62F:C260102JPY5,"
    )
    ((record,),) = (statement.records for statement in mt940(text))
    assert set(record.references) == {"NONREF", *references}


@pytest.mark.parametrize("read", [read_camt053, read_mt940])
@pytest.mark.parametrize("data", [b"", b"\x00\xff", b"hello", b"<a/>"])
def test_what_is_no_statement_is_refused(read, data: bytes) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(StatementFormatError):
        read(data, ACCOUNTS)


def test_file_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(StatementFormatError, match="no size for a statement"):
        read_mt940(bytes(FILE_BYTES_MAX + 1), ACCOUNTS)


def test_file_of_too_many_movements_is_refused_at_the_first_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement_account, "MOVEMENTS_MAX", 6)
    with pytest.raises(StatementFormatError, match=r"line 25, column '61': '7' movements .*up to 6"):
        mt940(MT940)
    mapping = read_mapping(REPOSITORY / "fixtures/mappings/dwaybank.yaml")
    lines = (FOLDER / "dwaybank-2026-09.csv").read_bytes().splitlines(keepends=True)
    assert len(read_csv_statements(b"".join(lines[:7]), mapping).statements) == 6
    with pytest.raises(StatementFormatError, match=r"line 8, column 'id': .*up to 6"):
        read_csv_statements(b"".join(lines[:8]), mapping)


def test_names_of_xml_that_come_again_are_kept_once() -> None:
    root = parse_xml(b"<Doc xmlns='urn:x'><Name>1</Name><Name>2</Name></Doc>")
    first, second = root.children
    assert first.path is second.path and first.name is second.name and root.namespace is first.namespace


@pytest.mark.parametrize("read", [camt, mt940])
def test_file_of_nothing_but_lines_is_refused_before_it_is_read(read) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(StatementFormatError, match="'5000001 lines' are too many"):
        read("\n" * 5_000_001)


def test_deep_xml_is_refused() -> None:
    with pytest.raises(StatementFormatError, match="too deep"):
        parse_xml(b"<a>" * (DEPTH_MAX + 1) + b"</a>" * (DEPTH_MAX + 1))


def test_account_number_is_found_however_it_is_spaced() -> None:
    accounts = StatementAccounts([StatementAccount("xx00 test", "nostro-EUR", Asset("EUR", 2))])
    assert accounts.find(1, "25", "XX00TEST").account == "nostro-EUR"


def attributes(count: int) -> bytes:
    return b" ".join(b'a%d=""' % number for number in range(count))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"<a " + attributes(300_000) + b"/>", "has a tag or comment of more than 1048576 bytes"),
        (b'<a b="' + b"x" * 2 * TAG_BYTES_MAX + b'"/>', "has a tag or comment of more than 1048576 bytes"),
        (b"<a><!--" + b"x" * 2 * TAG_BYTES_MAX + b"--></a>", "has a tag or comment of more than 1048576 bytes"),
        (
            b"<a>" + (b"<b " + attributes(1000) + b"/>") * (ATTRIBUTES_MAX // 1000 + 1) + b"</a>",
            "one attribute too many",
        ),
    ],
    ids=["one element with all attributes", "one long value", "one long comment", "many elements with many attributes"],
)
def test_xml_that_would_take_much_memory_is_refused(text: bytes, told: str) -> None:
    with pytest.raises(StatementFormatError, match=told):
        parse_xml(text)


@pytest.mark.parametrize(
    "padding", [b"\n" * 2 * TAG_BYTES_MAX, b"<!-- page -->" * 200_000], ids=["blank lines", "comments"]
)
def test_xml_with_much_that_is_no_tag_around_and_in_it_is_read(padding: bytes) -> None:
    document = b'<?xml version="1.0"?>' + padding + b"<a>" + padding + b"<b>1</b></a>" + padding
    assert parse_xml(document).need("b").text == "1"


def test_xml_is_read_alike_wherever_its_pieces_end() -> None:
    begin = b"<Doc><Long>" + "ü".encode() * PIECE_BYTES + b"</Long>"
    for shift in range(40):
        text = begin + b" " * (2 * PIECE_BYTES - 20 - len(begin) % PIECE_BYTES + shift)
        root = parse_xml(text + '<Amt Ccy="EUR">1.ä</Amt></Doc>'.encode())
        assert (root.text_at("Long"), root.need("Amt").text) == ("ü" * PIECE_BYTES, "1.ä")
        assert root.need("Amt").attributes == {"Ccy": "EUR"}
    wide = parse_xml(b"<a " + attributes(90_000) + b"/>")
    assert len(wide.attributes) == 90_000
