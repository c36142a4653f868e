"""Lines of the books' statements as camt.053 and camt.054: sides, references, balances, and what adds up."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.account import Side
from ledger.statements import StatementLine
from node.iso20022 import read_message, write_message
from node.iso20022.catalogue import type_of
from node.iso20022.content import AccountStatement, Mark, OtherId, StatementAccount
from node.iso20022.currencies import CURRENCIES
from node.iso20022.errors import UnwritableMessageError
from node.iso20022.statements import RECEIVED, SENT, UNKNOWN, Period, account_notification, account_statement
from tests.support.iso20022 import UETR, schema_error

ACCOUNT = StatementAccount(OtherId("cust-erika"), CURRENCIES["EUR"])
PERIOD = Period(
    datetime(2026, 3, 1, tzinfo=UTC),
    datetime(2026, 3, 31, 23, 59, 59, 999999, UTC),
    "S1",
    datetime(2026, 4, 1, tzinfo=UTC),
)
POSTED = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
EFFECTIVE = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


def line(seq: int, side: Side, amount: int, balance: int, settlement: str = "", text: str = "") -> StatementLine:
    return StatementLine(seq, side, amount, balance, POSTED, EFFECTIVE, settlement, text)


def signed(mark: Mark, minor: int) -> int:
    return minor if mark is Mark.CREDIT else -minor


def test_customer_account_in_credit() -> None:
    lines = [line(3, Side.CREDIT, 500, 1500, text="salary"), line(7, Side.DEBIT, 1600, -100, str(UETR))]
    statement = account_statement(ACCOUNT, Side.CREDIT, 1000, lines, PERIOD)
    assert schema_error(type_of(statement), write_message(statement)) == ""
    assert read_message(write_message(statement)) == statement
    assert [signed(b.mark, b.amount.minor) for b in statement.balances] == [1000, -100]
    assert [b.at for b in statement.balances] == [date(2026, 3, 1), date(2026, 3, 31)]
    salary, payment = statement.entries
    assert (salary.mark, salary.text, salary.code, salary.details) == (Mark.CREDIT, "salary", UNKNOWN, None)
    assert (payment.mark, payment.code, payment.reference) == (Mark.DEBIT, SENT, "7")
    assert payment.details is not None
    assert payment.details.uetr == UETR
    assert (payment.booked_at, payment.value_at) == (POSTED, EFFECTIVE)


def test_asset_account_counts_the_other_way() -> None:
    lines = [line(1, Side.DEBIT, 500, 500), line(2, Side.CREDIT, 700, -200, "x")]
    statement = account_statement(ACCOUNT, Side.DEBIT, 0, lines, PERIOD)
    assert [signed(b.mark, b.amount.minor) for b in statement.balances] == [0, 200]
    assert statement.entries[1].code == RECEIVED
    assert read_message(write_message(statement)) == statement


def test_period_without_movement_has_both_balances_and_no_notification() -> None:
    statement = account_statement(ACCOUNT, Side.CREDIT, 42, [], PERIOD)
    assert read_message(write_message(statement)) == statement
    with pytest.raises(UnwritableMessageError, match="Ntry"):
        write_message(account_notification(ACCOUNT, [], PERIOD))


def test_lines_that_do_not_lead_from_one_balance_to_the_other_are_never_written() -> None:
    statement = account_statement(ACCOUNT, Side.CREDIT, 1001, [line(3, Side.CREDIT, 500, 1500)], PERIOD)
    with pytest.raises(UnwritableMessageError, match="opening balance with all entries"):
        write_message(statement)


@pytest.mark.parametrize("length", [1, 35, 36, 64])
def test_settlement_id_of_any_length_is_told(length: int) -> None:
    notification = account_notification(ACCOUNT, [line(1, Side.CREDIT, 1, 1, "s" * length)], PERIOD)
    assert schema_error(type_of(notification), write_message(notification)) == ""
    details = notification.entries[0].details
    assert details is not None
    pieces = [reference.reference for reference in details.other_references]
    assert (details.transaction_id or "".join(pieces)) == "s" * length
    assert details.uetr is None


def test_description_that_no_message_carries_is_told_on_one_line() -> None:
    notification = account_notification(ACCOUNT, [line(1, Side.CREDIT, 1, 1, text="a\tb\u0007")], PERIOD)
    assert notification.entries[0].text == "a b "
    blank = account_notification(ACCOUNT, [line(1, Side.CREDIT, 1, 1, text="\n")], PERIOD)
    assert blank.entries[0].text is None


movements = st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 10**12), st.text(max_size=500)), max_size=8)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(Side), st.integers(-(10**12), 10**12), movements)
def test_any_statement_of_the_books_is_valid_and_adds_up(normal: Side, opening: int, moved: list[Any]) -> None:
    lines, balance = [], opening
    for seq, (side, amount, text) in enumerate(moved, 1):
        balance += amount if side is normal else -amount
        lines.append(line(seq, side, amount, balance, text=text))
    statement = account_statement(ACCOUNT, normal, opening, lines, PERIOD)
    written = write_message(statement)
    assert schema_error(type_of(statement), written) == ""
    read = read_message(written)
    assert isinstance(read, AccountStatement)
    first, last = (signed(b.mark, b.amount.minor) for b in read.balances)
    assert first + sum(entry.change for entry in read.entries) == last
    assert last == (balance if normal is Side.CREDIT else -balance)
