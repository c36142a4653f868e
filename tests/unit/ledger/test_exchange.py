"""Exchanged amounts follow from the rate exactly, whichever side is given and however the fraction ends.

Method: tables with results worked out by hand; properties against the definition of each rounding with ``decimal``.
"""

from __future__ import annotations

import dataclasses
import decimal
import doctest
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import exchange as module
from ledger.account import Side
from ledger.errors import InvalidValueError
from ledger.exchange import (
    Leg,
    Position,
    Rate,
    Rounding,
    exchange,
    parse_rate,
    revaluation,
    revaluation_reversal,
    round_ratio,
)
from ledger.journal import NewEntry
from ledger.money import AMOUNT_MAX, Asset

EUR, USD, JPY, KWD = Asset("EUR", 2), Asset("USD", 2), Asset("JPY", 0), Asset("KWD", 3)
ETH = Asset("ETH", 18)
KEY = uuid.UUID(int=1)
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
CLOSING = datetime(2026, 3, 31, 22, tzinfo=UTC)
BOOKS = Position("fx:EUR", "fx:EUR:USD", "fx:EUR:revaluation", "income:fx", "expense:fx")
DECIMAL_RULES = {
    Rounding.HALF_EVEN: decimal.ROUND_HALF_EVEN,
    Rounding.HALF_UP: decimal.ROUND_HALF_UP,
    Rounding.DOWN: decimal.ROUND_DOWN,
    Rounding.UP: decimal.ROUND_UP,
}


def rate_of(base: Asset, quote: Asset, text: str) -> Rate:
    return Rate(base, quote, text, "ECB", START)


def lines(entry: NewEntry | None) -> str:
    assert entry is not None
    return " ".join(f"{leg.side.name[0]} {leg.account} {leg.amount}" for leg in entry.postings)


TABLE = [
    (EUR, USD, "1.0843", 10000, "EUR", Rounding.HALF_EVEN, 10843),
    (EUR, USD, "1.0843", 10843, "USD", Rounding.HALF_EVEN, 10000),
    (EUR, USD, "10843/10000", 1, "EUR", Rounding.DOWN, 1),
    (EUR, USD, "1.5", 1, "EUR", Rounding.HALF_EVEN, 2),
    (EUR, USD, "2.5", 1, "EUR", Rounding.HALF_EVEN, 2),
    (EUR, USD, "2.5", 1, "EUR", Rounding.HALF_UP, 3),
    (EUR, USD, "2.5", -1, "EUR", Rounding.HALF_UP, -3),
    (EUR, USD, "2.1", 1, "EUR", Rounding.UP, 3),
    (EUR, USD, "2.9", 1, "EUR", Rounding.DOWN, 2),
    (EUR, JPY, "161.27", 100, "EUR", Rounding.HALF_EVEN, 161),
    (EUR, JPY, "161.27", 161, "JPY", Rounding.HALF_EVEN, 100),
    (KWD, JPY, "490", 1, "KWD", Rounding.UP, 1),
    (USD, JPY, "1/3", 100, "USD", Rounding.HALF_EVEN, 0),
    (ETH, EUR, "2312.40", 10**18, "ETH", Rounding.HALF_EVEN, 231240),
    (ETH, EUR, "2312.40", 231240, "EUR", Rounding.HALF_EVEN, 10**18),
]


@pytest.mark.parametrize(("base", "quote", "text", "amount", "asset", "rounding", "expected"), TABLE)
def test_rate_converts_both_ways_as_worked_out_by_hand(
    base: Asset, quote: Asset, text: str, amount: int, asset: str, rounding: Rounding, expected: int
) -> None:
    assert rate_of(base, quote, text).convert(amount, asset, rounding) == expected


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6), st.sampled_from(Rounding))
def test_rounding_is_that_of_decimal_arithmetic(numerator: int, denominator: int, rounding: Rounding) -> None:
    denominator = 2 ** (denominator % 12) * 5 ** (denominator % 7)  # ends exactly as a decimal
    exact = decimal.Decimal(numerator) / decimal.Decimal(denominator)
    expected = exact.quantize(decimal.Decimal(1), rounding=DECIMAL_RULES[rounding])
    assert round_ratio(Fraction(numerator, denominator), rounding) == expected


@given(
    st.integers(1, 10**11),
    st.fractions(min_value=Fraction(1, 10**6), max_value=10**6, max_denominator=10**6),
    st.sampled_from([EUR, JPY, KWD]),
    st.sampled_from(Rounding),
)
def test_result_is_within_one_unit_of_the_exact_value_and_turns_with_its_sign(
    amount: int, ratio: Fraction, quote: Asset, rounding: Rounding
) -> None:
    rate = rate_of(USD, quote, f"{ratio.numerator}/{ratio.denominator}")
    result = rate.convert(amount, "USD", rounding)
    assert abs(result - amount * ratio * Fraction(10**quote.scale, 100)) < 1
    assert rate.convert(-amount, "USD", rounding) == -result


@pytest.mark.parametrize(
    "text", ["", "0", "0.0", "1/0", "0/1", "-1", "1.", ".5", "1e3", "1,5", "1" * 19, "0." + "1" * 19, "١"]
)
def test_rate_that_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="rate"):
        parse_rate(text)


def test_rate_without_zone_source_or_two_assets_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="quoted_at"):
        Rate(EUR, USD, "1", "ECB", datetime(2026, 1, 1))
    with pytest.raises(InvalidValueError, match="source"):
        Rate(EUR, USD, "1", "", START)
    with pytest.raises(InvalidValueError, match="pair"):
        Rate(EUR, EUR, "1", "ECB", START)
    with pytest.raises(InvalidValueError, match=r"rate is for EUR/USD"):
        rate_of(EUR, USD, "1").convert(1, "JPY")


def test_result_beyond_the_books_names_asset_and_capacity() -> None:
    with pytest.raises(InvalidValueError, match=r"more ETH than the 4\.611686018427387903"):
        rate_of(EUR, ETH, "1").convert(500, "EUR")
    assert rate_of(EUR, USD, "1").convert(AMOUNT_MAX, "EUR") == AMOUNT_MAX


EUR_LEG, USD_LEG = Leg("EUR", "ann:eur", "fx:EUR"), Leg("USD", "ann:usd", "fx:EUR:USD")


def test_exchange_balances_each_asset_and_carries_its_evidence() -> None:
    rate = Rate(EUR, USD, "1.0843", "ECB", datetime(2026, 3, 2, 15, 30, tzinfo=timezone(timedelta(hours=1))))
    entry = exchange(KEY, rate, 100_00, "EUR", debit=EUR_LEG, credit=USD_LEG, metadata={"deal": "7"}, actor="desk")
    assert lines(entry) == "D ann:eur 10000 C fx:EUR 10000 D fx:EUR:USD 10843 C ann:usd 10843"
    assert dict(entry.metadata) == {
        "deal": "7",
        "fx": "exchange",
        "fx.given": "EUR",
        "fx.pair": "EUR/USD",
        "fx.quoted_at": "2026-03-02T14:30:00.000000+00:00",
        "fx.rate": "1.0843",
        "fx.rounding": "half_even",
        "fx.source": "ECB",
    }
    assert entry.actor == "desk"


def test_exchange_with_the_credited_amount_given_derives_the_debited_one() -> None:
    entry = exchange(KEY, rate_of(EUR, USD, "1.5"), 100, "USD", debit=EUR_LEG, credit=USD_LEG, rounding=Rounding.UP)
    assert lines(entry) == "D ann:eur 67 C fx:EUR 67 D fx:EUR:USD 100 C ann:usd 100"


def test_exchange_that_comes_to_nothing_or_fits_no_rate_is_refused() -> None:
    rate = rate_of(EUR, USD, "0.001")
    with pytest.raises(InvalidValueError, match="comes to nothing"):
        exchange(KEY, rate, 1, "EUR", debit=EUR_LEG, credit=USD_LEG)
    with pytest.raises(InvalidValueError, match="more than zero"):
        exchange(KEY, rate, 0, "EUR", debit=EUR_LEG, credit=USD_LEG)
    with pytest.raises(InvalidValueError, match="rate is for EUR/USD"):
        exchange(KEY, rate, 1, "EUR", debit=EUR_LEG, credit=dataclasses.replace(USD_LEG, asset="JPY"))
    with pytest.raises(InvalidValueError, match="belong to the exchange"):
        exchange(KEY, rate, 1000, "EUR", debit=EUR_LEG, credit=USD_LEG, metadata={"fx.rate": "9"})


def close(amount: int, carried: int, text: str = "1.09", revision: int = 0) -> NewEntry | None:
    return revaluation(
        BOOKS,
        amount=amount,
        carried=carried,
        rate=rate_of(EUR, USD, text),
        on=date(2026, 3, 31),
        effective_at=CLOSING,
        revision=revision,
    )


@pytest.mark.parametrize(
    ("amount", "carried", "expected"),
    [
        (10000, 10843, "D fx:EUR:revaluation 57 C income:fx 57"),
        (10000, 11000, "D expense:fx 100 C fx:EUR:revaluation 100"),
        (-10000, -10843, "D expense:fx 57 C fx:EUR:revaluation 57"),
        (-10000, -11000, "D fx:EUR:revaluation 100 C income:fx 100"),
        (0, 25, "D expense:fx 25 C fx:EUR:revaluation 25"),
        (0, -25, "D fx:EUR:revaluation 25 C income:fx 25"),
    ],
)
def test_revaluation_takes_the_difference_to_gain_or_loss(amount: int, carried: int, expected: str) -> None:
    entry = close(amount, carried)
    assert lines(entry) == expected
    assert entry is not None
    assert entry.effective_at == CLOSING


def test_position_at_its_closing_value_needs_no_entry() -> None:
    assert close(10000, 10900) is None


def test_revaluation_key_follows_from_position_pair_date_and_revision_only() -> None:
    first, again, other, next_one = close(10000, 1), close(10000, 1), close(777, 5), close(10000, 1, revision=1)
    assert first is not None and again is not None and other is not None and next_one is not None
    assert first == again
    assert first.key == other.key != next_one.key
    assert first.key.version == 8


def test_keys_of_revaluations_are_fixed_for_ever() -> None:
    """Changing the derivation would post again what was posted: these bytes may never change."""
    entry = close(10000, 10843)
    assert entry is not None
    assert str(entry.key) == "cd1fe87f-bd45-8b76-9074-deb33e78a9ad"
    assert str(revaluation_reversal(entry, 41, CLOSING).key) == "2398ad93-75ca-8984-96f4-7fbd63f93d9e"


def test_reversal_swaps_the_sides_and_names_the_original() -> None:
    entry = close(10000, 10843)
    assert entry is not None
    reversal = revaluation_reversal(entry, 41, CLOSING + timedelta(hours=2))
    assert lines(reversal) == "C fx:EUR:revaluation 57 D income:fx 57"
    assert reversal.reverses == 41
    assert reversal.key == revaluation_reversal(entry, 41, CLOSING).key != entry.key


@given(
    st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(1, 10**7)), min_size=1, max_size=8),
    st.sampled_from(Rounding),
)
def test_gains_and_losses_of_all_closings_sum_to_what_the_position_made(
    days: list[tuple[int, int]], rounding: Rounding
) -> None:
    """Whatever the trades between closings, the position ends at its value and the result has the whole difference."""
    amount = paid = revalued = result = 0
    for number, (bought, micro) in enumerate(days):
        rate = rate_of(EUR, USD, f"{micro}/1000000")
        amount, paid = amount + bought, paid + rate.convert(bought, "EUR", rounding)
        entry = revaluation(
            BOOKS,
            amount=amount,
            carried=paid + revalued,
            rate=rate,
            on=date(2026, 1, 1) + timedelta(days=number),
            effective_at=CLOSING,
            rounding=rounding,
        )
        for leg in entry.postings if entry is not None else ():
            signed = leg.amount if leg.side is Side.DEBIT else -leg.amount
            if leg.account == BOOKS.revaluation:
                revalued += signed
            else:
                assert leg.account == (BOOKS.loss if signed > 0 else BOOKS.gain)
                result -= signed
        assert paid + revalued == rate.convert(amount, "EUR", rounding)
        assert result == revalued


def test_examples_in_the_text_are_true() -> None:
    assert doctest.testmod(module).failed == 0
