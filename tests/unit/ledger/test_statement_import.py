"""Statement files and mappings: every sign rule, every way a line can be wrong (named by line, column and value), and
hostile files that must not fill the memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import yaml

from ledger.account import Side
from ledger.errors import MappingError, StatementFormatError
from ledger.statement_import import LINE_BYTES_MAX, Movement, entry_of, read_movements
from ledger.statement_mapping import StatementMapping, parse_mapping, read_mapping
from tests.support.shared_data import REPOSITORY

BASE: dict[str, Any] = {
    "name": "test",
    "file": {"delimiter": ";"},
    "asset": {"code": "EUR", "scale": 2},
    "columns": {
        "id": "id",
        "account": "account",
        "date": {"column": "day", "form": "%Y-%m-%d"},
        "amount": {"column": "amount"},
        "balance": {"column": "balance", "rounding": "0.10"},
    },
    "sign": {"column": "type", "credit": ["C"], "debit": ["D", "X"]},
    "accounts": {"reference": "customer:{account}", "numbers": "pseudonyms", "floor": "0.00"},
    "contra": [
        {"when": {"bank": "*"}, "account": "bank:clearing-{bank}", "normal_side": "debit"},
        {"when": {"kind": ["FEE"]}, "account": "bank:fees", "normal_side": "credit"},
        {"when": {"kind": ["CASH", "CARD"]}, "account": "bank:cash", "normal_side": "debit"},
    ],
    "description": ["kind", "bank"],
}
HEADER = "id;account;day;type;kind;amount;balance;bank\n"
GOOD = "7;100;2026-03-02;C;CASH;12.50;12.50;\n"


def mapping(**changes: Any) -> StatementMapping:
    return parse_mapping(yaml.safe_dump(BASE | changes))


def read(text: str | bytes, used: StatementMapping | None = None, **more: Any) -> list[Movement]:
    data = text if isinstance(text, bytes) else text.encode()
    return list(read_movements(io.BytesIO(data), used or mapping(), **more))


def test_credit_line_becomes_a_movement_and_an_entry() -> None:
    (movement,) = read(HEADER + GOOD)
    assert (movement.line, movement.id, movement.change, movement.balance) == (2, "7", 1250, 1250)
    assert (movement.day, movement.description) == (date(2026, 3, 2), "CASH")
    assert (movement.account.reference, movement.account.floor, movement.contra.floor) == ("customer:100", 0, None)
    entry = entry_of(movement, mapping())
    assert [(p.account, p.side, p.amount) for p in entry.postings] == [
        ("bank:cash", Side.DEBIT, 1250),
        ("customer:100", Side.CREDIT, 1250),
    ]
    assert entry.effective_at == datetime(2026, 3, 2, tzinfo=UTC)
    assert entry == entry_of(movement, mapping())


def test_debit_line_takes_from_the_customer() -> None:
    (movement,) = read(HEADER + "8;100;2026-03-02;X;FEE;1.00;11.50;\n")
    assert movement.change == -100
    entry = entry_of(movement, mapping())
    assert [(p.account, p.side) for p in entry.postings] == [("customer:100", Side.DEBIT), ("bank:fees", Side.CREDIT)]


def test_key_follows_from_name_and_id_alone() -> None:
    first, second = read(HEADER + GOOD + GOOD.replace("7;", "8;", 1))
    keys = {entry_of(first, mapping()).key, entry_of(second, mapping()).key, entry_of(first, mapping(name="other")).key}
    assert len(keys) == 3
    assert str(entry_of(first, mapping()).key) == "3fd4cffa-a111-5b51-a8bc-9c967ea9f3dc"


def test_contra_account_may_come_from_the_row_and_first_rule_wins() -> None:
    (movement,) = read(HEADER + GOOD.replace("12.50;\n", "12.50;YZ\n"))
    assert (movement.contra.reference, movement.description) == ("bank:clearing-YZ", "CASH YZ")


@pytest.mark.parametrize(
    ("sign", "columns", "line", "change"),
    [
        ({"amount": "signed"}, {}, "-3.00", -300),
        ({"amount": "signed"}, {}, "3.00", 300),
    ],
)
def test_signed_amounts(sign: dict[str, Any], columns: dict[str, Any], line: str, change: int) -> None:
    (movement,) = read(HEADER + GOOD.replace("12.50", line, 1), mapping(sign=sign))
    assert movement.change == change


def two_columns() -> StatementMapping:
    columns = {name: value for name, value in BASE["columns"].items() if name not in ("amount", "balance")}
    columns["balance"] = {"column": "balance"}
    return mapping(sign={"credit_column": "in", "debit_column": "out"}, columns=columns)


def test_two_amount_columns() -> None:
    header = "id;account;day;kind;in;out;balance;bank\n"
    lines = "1;5;2026-03-02;CASH;2.00;;2.00;\n2;5;2026-03-02;CASH;;1.50;0.50;\n"
    assert [movement.change for movement in read(header + lines, two_columns())] == [200, -150]
    for wrong in ("1;5;2026-03-02;CASH;;;0;\n", "1;5;2026-03-02;CASH;1;1;0;\n"):
        with pytest.raises(StatementFormatError, match="exactly one"):
            read(header + wrong, two_columns())


def test_keyed_pseudonyms_hide_the_number_and_need_a_key() -> None:
    keyed = mapping(accounts={"reference": "customer:{account}", "numbers": "keyed"})
    (movement,) = read(HEADER + GOOD, keyed, pseudonym_key=b"k" * 16)
    (other,) = read(HEADER + GOOD, keyed, pseudonym_key=b"l" * 16)
    assert "100" not in movement.account.reference.removeprefix("customer:")[:3]
    assert movement.account.reference != other.account.reference
    assert len(movement.account.reference) == len("customer:") + 32
    with pytest.raises(MappingError, match="secret key"):
        read(HEADER + GOOD, keyed)


def test_file_without_header_takes_names_from_the_mapping() -> None:
    names = HEADER.strip().split(";")
    used = mapping(file={"delimiter": ";", "column_names": names})
    assert [movement.line for movement in read(GOOD, used)] == [1]


def test_byte_order_mark_belongs_to_no_value() -> None:
    """Without a header it would stand in an id, and with it in a key: the same file without it would post again."""
    names = HEADER.strip().split(";")
    headless = mapping(file={"delimiter": ";", "column_names": names})
    (bare,) = read(GOOD, headless)
    assert read(b"\xef\xbb\xbf" + GOOD.encode(), headless) == [bare]
    wide = mapping(file={"delimiter": ";", "column_names": names, "encoding": "utf-8-sig"})
    assert read(b"\xef\xbb\xbf" + GOOD.encode(), wide) == [bare]
    assert [movement.id for movement in read(b"\xef\xbb\xbf" + (HEADER + GOOD).encode())] == ["7"]
    keyed = {"accounts": {"reference": "customer:{account}", "numbers": "keyed"}}
    first = mapping(file={"delimiter": ";", "column_names": [*names[1::-1], *names[2:]]}, **keyed)
    both = [read(mark + GOOD.encode(), first, pseudonym_key=b"k" * 16)[0].account for mark in (b"", b"\xef\xbb\xbf")]
    assert both[0] == both[1]


BAD_LINES = [
    (GOOD.replace("7;", ";", 1), "id", "", "is blank"),
    (GOOD.replace("100", " "), "account", " ", "is blank"),
    (GOOD.replace("100", "DE 89"), "account", "customer:DE 89", "gives no account reference"),
    (GOOD.replace("2026-03-02", "2026-02-30"), "day", "2026-02-30", "is no date"),
    (GOOD.replace("2026-03-02", "02.03.2026"), "day", "02.03.2026", "is no date"),
    (GOOD.replace(";C;", ";Q;"), "type", "Q", "neither a credit nor a debit word"),
    (GOOD.replace("12.50", "12,50", 1), "amount", "12,50", "is no amount"),
    (GOOD.replace("12.50", "", 1), "amount", "", "is no amount"),
    (GOOD.replace("12.50", "12.505", 1), "amount", "12.505", "more than 2"),
    (GOOD.replace("12.50", "-12.50", 1), "amount", "-12.50", "is negative"),
    (GOOD.replace("12.50", "0.00", 1), "amount", "0.00", "moves nothing"),
    (GOOD.replace("12.50", "9" * 19, 1), "amount", "9" * 19, "is no amount"),
    (GOOD.replace("12.50;\n", "x;\n"), "balance", "x", "is no amount"),
    (GOOD.replace("CASH", "GIFT"), "bank, kind", "bank=; kind=GIFT", "meets no rule"),
    (GOOD.replace("12.50;\n", "12.50;Y Z\n"), "bank", "bank:clearing-Y Z", "gives no account reference"),
    ("7;100\n", "", "7;100", "2 values stand under 8 columns"),
    ('7;"100;2026-03-02\n', "", None, "cannot be split"),
    ("7;1\x0000;2026-03-02;C;CASH;1;1;\n", "", None, "zero character"),
]


@pytest.mark.parametrize(("line", "column", "value", "reason"), BAD_LINES)
def test_bad_line_is_named_by_line_column_and_value(line: str, column: str, value: str | None, reason: str) -> None:
    with pytest.raises(StatementFormatError, match=reason) as refused:
        read(HEADER + GOOD + line)
    assert (refused.value.line, refused.value.column) == (3, column)
    assert value is None or refused.value.value == value
    assert str(refused.value).startswith("line 3")


def test_movements_before_the_bad_line_are_given() -> None:
    stream = read_movements(io.BytesIO((HEADER + GOOD + "broken\n").encode()), mapping())
    assert next(stream).id == "7"
    with pytest.raises(StatementFormatError):
        next(stream)


def test_bytes_that_are_not_the_encoding_are_refused_by_line() -> None:
    with pytest.raises(StatementFormatError, match=r"line 2.*is not utf-8 text"):
        read(HEADER.encode() + b"7;\xff\xfe;\n")
    with pytest.raises(MappingError, match="no known encoding"):
        read(HEADER, mapping(file={"delimiter": ";", "encoding": "klingon"}))


def test_endless_line_is_refused_without_being_read() -> None:
    class Endless(io.RawIOBase):
        """Gives x for ever and counts what was taken."""

        taken = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None and size > 0
            self.taken += size
            return b"x" * size

    source = Endless()
    with pytest.raises(StatementFormatError, match="is longer than"):
        list(read_movements(source, mapping()))  # type: ignore[arg-type]
    assert source.taken == LINE_BYTES_MAX + 1


def test_reading_is_a_stream() -> None:
    def lines() -> Iterator[bytes]:
        yield HEADER.encode()
        for number in range(10**9):
            yield GOOD.replace("7;", f"{number};", 1).encode()

    class Huge(io.RawIOBase):
        source = lines()

        def readline(self, size: int | None = -1, /) -> bytes:
            return next(self.source)

    stream = read_movements(Huge(), mapping())  # type: ignore[arg-type]
    assert [next(stream).id for _ in range(3)] == ["0", "1", "2"]


def test_missing_and_doubled_columns_are_named() -> None:
    with pytest.raises(MappingError, match="no column balance, bank"):
        read("id;account;day;type;kind;amount\n")
    with pytest.raises(MappingError, match="twice"):
        read(HEADER.replace("\n", ";id\n"))


def without(part: str, name: str) -> dict[str, Any]:
    return {part: {key: value for key, value in BASE[part].items() if key != name}}


BAD_MAPPINGS = [
    ({"colour": "red"}, "colour"),
    ({"name": 7}, "name"),
    ({"file": {"delimiter": ";;"}}, "file.delimiter"),
    ({"file": {"delimeter": ";"}}, "file.delimeter"),
    ({"asset": {"code": "EUR", "scale": 19}}, "asset.scale"),
    ({"asset": {"code": "EUR", "scale": True}}, "asset.scale"),
    (without("columns", "id"), "columns.id"),
    (without("columns", "amount"), "columns.amount"),
    ({"sign": {"credit_column": "in", "debit_column": "out"}}, "columns.amount"),
    ({"sign": {"column": "type", "credit": ["C"], "debit": ["C"]}}, "sign.credit"),
    ({"sign": {"amount": "unsigned"}}, "sign.amount"),
    ({"accounts": {"reference": "fixed", "numbers": "pseudonyms"}}, "accounts.reference"),
    ({"accounts": {"reference": "{account}", "numbers": "real"}}, "accounts.numbers"),
    ({"accounts": {"reference": "{account}", "numbers": "keyed", "floor": "x"}}, "accounts.floor"),
    ({"contra": {"account": "x"}}, "contra"),
    ({"contra": [{"account": "x", "normal_side": "left"}]}, r"contra\[0\].normal_side"),
    ({"contra": [{"normal_side": "debit"}]}, r"contra\[0\].account"),
    ({"description": 5}, "description"),
    ({"columns": "id"}, "columns"),
]


@pytest.mark.parametrize(("changes", "setting"), BAD_MAPPINGS)
def test_bad_mapping_is_named_by_its_setting(changes: dict[str, Any], setting: str) -> None:
    with pytest.raises(MappingError, match=f"mapping setting {setting}:"):
        mapping(**changes)


def test_mapping_that_is_no_yaml_or_no_file_is_refused(tmp_path: Any) -> None:
    for text in ("{", "- a\n- b", "just text", "!!python/object/apply:os.getcwd []"):
        with pytest.raises(MappingError):
            parse_mapping(text)
    with pytest.raises(MappingError, match="cannot be read"):
        read_mapping(tmp_path / "absent.yaml")


@pytest.mark.parametrize("name", ["berka.yaml", "dwaybank.yaml"])
def test_shipped_mappings_are_understood(name: str) -> None:
    assert read_mapping(REPOSITORY / "fixtures" / "mappings" / name).contra
