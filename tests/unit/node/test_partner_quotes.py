"""Quotes as a table: what a payment costs and what arrives; and when a settlement may be ordered under one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ledger.exchange import Rate
from ledger.money import Asset
from node.partner.quotes import Fee, GivenQuote, QuoteTerms, order_refusal, quote_of

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
TERMS = QuoteTerms(fees={"EUR": Fee(flat=30, basis_points=10)}, rate_source="ECB")
RATE = Rate(Asset("EUR", 2), Asset("USD", 2), "1.0843", "ECB", NOW - timedelta(minutes=1))
YEN = Rate(Asset("JPY", 0), Asset("EUR", 2), "0.0062", "ECB", NOW)


def _quote(asset: str = "EUR", amount: int = 10_000, credited: str = "EUR", rate: Rate | None = None) -> object:
    return quote_of(
        "PartnerMSP", "q", asset=asset, amount=amount, credited_asset=credited, terms=TERMS, rate=rate, now=NOW
    )


@pytest.mark.parametrize(
    ("asset", "amount", "credited", "rate", "fee", "arrives"),
    [
        ("EUR", 10_000, "EUR", None, 40, 9_960),
        ("EUR", 10_001, "EUR", None, 41, 9_960),
        ("USD", 10_000, "USD", None, 0, 10_000),
        ("EUR", 10_000, "USD", RATE, 40, 10_800),
        ("USD", 10_843, "EUR", RATE, 0, 10_000),
        ("JPY", 10_000, "EUR", YEN, 0, 6_200),
    ],
)
def test_quote_tells_fee_and_what_arrives(
    asset: str, amount: int, credited: str, rate: Rate | None, fee: int, arrives: int
) -> None:
    quote = _quote(asset, amount, credited, rate)
    assert isinstance(quote, GivenQuote)
    assert (quote.fee, quote.credited_amount, quote.rate) == (fee, arrives, "" if rate is None else rate.text)
    assert quote.valid_until == NOW + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("amount", "credited", "rate", "why"),
    [
        (30, "EUR", None, "fee_exceeds_amount"),
        (31, "EUR", None, "fee_exceeds_amount"),
        (10_000, "USD", None, "no_rate"),
        (10_000, "USD", replace(RATE, quoted_at=NOW - timedelta(minutes=16)), "rate_too_old"),
    ],
)
def test_no_quote_is_given_and_why(amount: int, credited: str, rate: Rate | None, why: str) -> None:
    assert _quote("EUR", amount, credited, rate) == why


def test_settlement_is_ordered_under_its_quote_until_it_ends() -> None:
    quote = _quote()
    assert isinstance(quote, GivenQuote)

    def refusal(found: GivenQuote | None, asset: str = "EUR", amount: int = 10_000, after_s: int = 59) -> str:
        return order_refusal(found, asset=asset, amount=amount, now=NOW + timedelta(seconds=after_s))

    assert refusal(quote) == ""
    assert refusal(None) == "quote_not_found"
    assert refusal(quote, after_s=60) == "quote_expired"
    assert refusal(quote, amount=9_999) == refusal(quote, asset="USD") == "quote_for_another_payment"
