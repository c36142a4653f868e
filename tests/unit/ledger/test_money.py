"""Amounts are parsed strictly and written exactly; nothing passes through a float."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidValueError, shorten
from ledger.money import AMOUNT_MAX, format_decimal, parse_amount_minor, parse_balance_minor, parse_decimal

BAD_AMOUNTS = [
    "",
    "0",
    "00",
    "01",
    "-1",
    "+1",
    "1.0",
    "1e3",
    " 1",
    "1 ",
    "1\n",
    "1_000",
    "٣",
    str(AMOUNT_MAX + 1),
    "9" * 99,
]


@pytest.mark.parametrize("text", BAD_AMOUNTS)
def test_malformed_amount_is_refused_with_its_field(text: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        parse_amount_minor(text, "amount_minor")
    assert refused.value.field == "amount_minor"
    assert refused.value.value == text


def test_amounts_and_balances_reach_their_limits() -> None:
    assert parse_amount_minor(str(AMOUNT_MAX), "a") == AMOUNT_MAX
    assert parse_balance_minor(str(-AMOUNT_MAX), "b") == -AMOUNT_MAX
    assert parse_balance_minor("0", "b") == 0
    for text in ("-0", "-", "--1", str(-AMOUNT_MAX - 1)):
        with pytest.raises(InvalidValueError):
            parse_balance_minor(text, "b")


@given(st.integers(-AMOUNT_MAX, AMOUNT_MAX), st.integers(0, 18))
def test_written_amount_is_read_back(minor: int, scale: int) -> None:
    assert parse_decimal(format_decimal(minor, scale), scale, "x") == minor


@pytest.mark.parametrize(
    ("text", "scale", "point", "minor"),
    [
        ("700.00", 2, ".", 70_000),
        ("0.1", 2, ".", 10),
        ("-0.05", 2, ".", -5),
        ("12", 2, ".", 1200),
        ("12,5", 2, ",", 1250),
        ("12.000", 2, ".", 1200),
        ("7", 0, ".", 7),
    ],
)
def test_decimal_becomes_minor_units(text: str, scale: int, point: str, minor: int) -> None:
    assert parse_decimal(text, scale, "x", point) == minor


@pytest.mark.parametrize(
    "text", ["", ".", "1.", ".5", "1.2.3", "1,5", "1.001", "+1", "1e5", "NaN", "inf", "1 000", "9" * 19]
)
def test_malformed_decimal_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError):
        parse_decimal(text, 2, "x")


def test_point_is_no_decimal_mark_where_the_comma_is() -> None:
    with pytest.raises(InvalidValueError):
        parse_decimal("1.5", 2, "x", ",")


def test_long_values_are_shown_shortened() -> None:
    assert len(shorten("x" * 10_000)) == 60
