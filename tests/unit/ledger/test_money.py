"""Amounts are parsed strictly and written exactly; nothing passes through a float."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import money
from ledger.errors import InvalidValueError, shorten
from ledger.money import (
    AMOUNT_MAX,
    SCALE_MAX,
    Asset,
    capacity,
    format_decimal,
    format_money,
    parse_amount_minor,
    parse_balance_minor,
    parse_decimal,
    parse_money,
)

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
    ("minor", "scale", "text"),
    [
        (0, 2, "0.00"),
        (0, 0, "0"),
        (1, 2, "0.01"),
        (-1, 2, "-0.01"),
        (-1, 0, "-1"),
        (1250, 2, "12.50"),
        (7, 18, "0." + "7".rjust(18, "0")),
    ],
)
def test_minor_units_are_written_as_people_do(minor: int, scale: int, text: str) -> None:
    assert format_decimal(minor, scale) == text


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


@given(st.integers(-AMOUNT_MAX, AMOUNT_MAX), st.integers(0, SCALE_MAX))
def test_amounts_of_any_asset_survive_being_written_and_read(minor: int, scale: int) -> None:
    asset = Asset("ANY", scale)
    assert parse_money(format_money(minor, asset).removesuffix(" ANY"), asset) == minor


@given(st.integers(AMOUNT_MAX + 1, 10**20), st.integers(0, SCALE_MAX))
def test_amount_beyond_the_books_is_refused_with_the_asset_by_name(minor: int, scale: int) -> None:
    with pytest.raises(InvalidValueError) as refused:
        parse_money(format_decimal(minor, scale), Asset("BIG", scale), "price")
    assert refused.value.field == "price"
    if len(str(minor)) <= 19:
        assert refused.value.reason == f"the books hold at most {capacity(Asset('BIG', scale))} BIG in one amount"


def test_asset_of_18_digits_holds_four_units_and_a_half() -> None:
    ether = Asset("ETH", 18)
    assert ether.scale == SCALE_MAX
    assert parse_money("4.611686018427387903", ether) == AMOUNT_MAX
    for text in ("4.611686018427387904", "5", "-5"):
        with pytest.raises(InvalidValueError, match=r"at most 4\.611686018427387903 ETH"):
            parse_money(text, ether)
    assert parse_money("4611686018.427387903", Asset("GWEI", 9)) == AMOUNT_MAX


def test_amount_finer_than_the_asset_is_refused_never_rounded() -> None:
    assert parse_money("1.500", Asset("EUR", 2)) == 150
    with pytest.raises(InvalidValueError, match="more than 2 decimal digits"):
        parse_money("1.501", Asset("EUR", 2))


def test_examples_in_the_text_are_true() -> None:
    assert doctest.testmod(money).failed == 0
