"""Quotes: what a payment to a customer of ours costs, and what arrives in which asset. Pure.

- The fee is taken out of the amount that is settled; the beneficiary gets the rest, exchanged where his account counts
  another asset.
- A rate is one on record in the books, from the source that the settings name, and no older than they allow; so every
  exchange can be derived again from the books alone (``ledger.rate_audit``).
- A quote is given once for its id, holds until its end, and one settlement may be ordered under it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction

from ledger.exchange import Rate, Rounding, round_ratio
from ledger.money import AMOUNT_MAX

BASIS_POINTS = 10_000
"""Of one whole."""


@dataclass(frozen=True, slots=True)
class Fee:
    """What is kept of a payment: a flat amount, minor units, and a share in basis points, rounded up."""

    flat: int = 0
    basis_points: int = 0

    def of(self, amount: int) -> int:
        """Return the fee of an amount, minor units.

        >>> Fee(flat=30, basis_points=10).of(12_345)
        43
        """
        return self.flat + round_ratio(Fraction(amount * self.basis_points, BASIS_POINTS), Rounding.UP)


@dataclass(frozen=True, slots=True)
class QuoteTerms:
    """On what terms this bank quotes to one partner.

    Args:
        fees: by asset of the payment; one not named costs nothing.
        rate_source: whose rates are used; empty: nothing is exchanged.
        rate_age_max: older rates are not used.
        lifetime: how long a quote holds.
    """

    fees: Mapping[str, Fee] = field(default_factory=dict)
    rate_source: str = ""
    rate_age_max: timedelta = timedelta(minutes=15)
    lifetime: timedelta = timedelta(minutes=1)

    def fee(self, asset: str, amount: int) -> int:
        """Return the fee of a payment, minor units."""
        return self.fees[asset].of(amount) if asset in self.fees else 0


@dataclass(frozen=True, slots=True)
class GivenQuote:
    """A quote of ours.

    Args:
        amount: what is settled, minor units of ``asset``.
        fee: what we keep of it.
        credited_amount: what the beneficiary gets, minor units of ``credited_asset``.
        rate: as quoted by its source; empty where nothing is exchanged, as are pair, source and time.
        valid_until: a settlement that is ordered later is refused.
    """

    asking_msp_id: str
    quote_id: str
    asset: str
    amount: int
    fee: int
    credited_asset: str
    credited_amount: int
    rate: str
    rate_pair: str
    rate_source: str
    rate_quoted_at: datetime | None
    quoted_at: datetime
    valid_until: datetime


def quote_of(
    asking_msp_id: str,
    quote_id: str,
    *,
    asset: str,
    amount: int,
    credited_asset: str,
    terms: QuoteTerms,
    rate: Rate | None,
    now: datetime,
) -> GivenQuote | str:
    """Return the quote for a payment, or why there is none.

    Args:
        rate: between both assets; None where they are the same, or where there is none.
    """
    fee = terms.fee(asset, amount)
    if fee >= amount:
        return "fee_exceeds_amount"
    credited = amount - fee
    if asset != credited_asset:
        if rate is None:
            return "no_rate"
        if now - rate.quoted_at > terms.rate_age_max:
            return "rate_too_old"
        credited = rate.convert(credited, asset)
        if not 0 < credited <= AMOUNT_MAX:
            return "amount_comes_to_nothing"
    return GivenQuote(
        asking_msp_id=asking_msp_id,
        quote_id=quote_id,
        asset=asset,
        amount=amount,
        fee=fee,
        credited_asset=credited_asset,
        credited_amount=credited,
        rate="" if rate is None else rate.text,
        rate_pair="" if rate is None else rate.pair,
        rate_source="" if rate is None else rate.source,
        rate_quoted_at=None if rate is None else rate.quoted_at,
        quoted_at=now,
        valid_until=now + terms.lifetime,
    )


def order_refusal(quote: GivenQuote | None, *, asset: str, amount: int, now: datetime) -> str:
    """Return why a settlement cannot be ordered under a quote, empty where it can."""
    if quote is None:
        return "quote_not_found"
    if now >= quote.valid_until:
        return "quote_expired"
    return "" if (quote.asset, quote.amount) == (asset, amount) else "quote_for_another_payment"
