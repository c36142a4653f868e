"""Foreign exchange: one asset for another as an entry of four postings, and the revaluation of what stays open.

Rules:
- each asset balances for itself: a leg's account and the position account of the same asset; the bank's open position
  in an asset is the credit balance of its position account;
- an amount is given in one asset, the other follows from the rate exactly, rounded once by the rule that is recorded;
- rate, pair, source, time of the quote, rounding and the given asset stand in the entry's metadata, which its leaf
  binds; ``ledger.rate_audit`` derives every amount again, in SQL, and names what does not follow;
- rates are ratios of whole numbers, kept as the text they came as; nothing here is a float.

A position is kept against the reporting asset: its account counts the foreign asset, its counter account the reporting
asset paid for it. A trade between two foreign assets is two exchanges through the reporting asset, ``linked``.
Left to others: where rates come from and are kept (``ledger.currency``), and posting.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from fractions import Fraction
from typing import Any

from ledger.account import Side, check_reference
from ledger.errors import InvalidValueError
from ledger.journal import NewEntry, Posting
from ledger.money import AMOUNT_MAX, Asset, capacity

_DECIMAL = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,18}))?")
_RATIO = re.compile(r"([0-9]{1,18})/([0-9]{1,18})")
_SOURCE = re.compile(r"[A-Za-z0-9:_.\-]{1,64}")
_KEY_TAG = b"dwaybank.node/revaluation\x01"


class Rounding(Enum):
    """How a fraction of a minor unit ends, by size and whatever the sign."""

    HALF_EVEN = "half_even"
    """To the nearest; a half to the even neighbour."""

    HALF_UP = "half_up"
    """To the nearest; a half away from zero."""

    DOWN = "down"
    """Towards zero."""

    UP = "up"
    """Away from zero."""


def round_ratio(ratio: Fraction, rounding: Rounding) -> int:
    """Return the whole number that a rounding rule makes of a ratio.

    >>> [round_ratio(Fraction(5, 2), rule) for rule in Rounding]
    [2, 3, 2, 3]
    """
    whole, rest = divmod(abs(ratio.numerator), ratio.denominator)
    twice = 2 * rest - ratio.denominator
    match rounding:
        case Rounding.HALF_EVEN:
            up = twice > 0 or (twice == 0 and whole % 2 == 1)
        case Rounding.HALF_UP:
            up = twice >= 0
        case Rounding.DOWN:
            up = False
        case Rounding.UP:
            up = rest > 0
    return (whole + up) if ratio > 0 else -(whole + up)


def parse_rate(text: str, field: str = "rate") -> Fraction:
    """Return the ratio a rate's text names: a decimal such as ``"1.0843"`` or whole numbers such as ``"10843/10000"``.

    Raises:
        InvalidValueError: another form, more than 18 digits on either side, or not above zero.
    """
    if ratio := _RATIO.fullmatch(text):
        numerator, denominator = int(ratio[1]), int(ratio[2])
    elif decimal := _DECIMAL.fullmatch(text):
        digits = decimal[2] or ""
        numerator, denominator = int(decimal[1] + digits), 10 ** len(digits)
    else:
        raise InvalidValueError(field, text, 'give a decimal such as "1.0843" or a ratio such as "10843/10000"')
    if not numerator or not denominator:
        raise InvalidValueError(field, text, "a rate is above zero")
    return Fraction(numerator, denominator)


@dataclass(frozen=True, slots=True)
class Rate:
    """What one asset costs in another, as someone quoted it.

    Args:
        base: the asset that is priced; one whole unit of it (not one minor unit) costs
        quote: so many whole units of this asset.
        text: the rate as quoted; see ``parse_rate``.
        source: who quoted it, up to 64 letters, digits and ``:-_.``.
        quoted_at: when.
    """

    base: Asset
    quote: Asset
    text: str
    source: str
    quoted_at: datetime

    def __post_init__(self) -> None:
        parse_rate(self.text)
        if self.base.code == self.quote.code:
            raise InvalidValueError("pair", self.pair, "a rate is between two assets")
        if not _SOURCE.fullmatch(self.source):
            raise InvalidValueError("source", self.source, 'use 1 to 64 letters, digits, ":", "-", "_" or "."')
        if self.quoted_at.tzinfo is None:
            raise InvalidValueError("quoted_at", self.quoted_at, "give a time with its zone")

    @property
    def pair(self) -> str:
        """The pair as it is written, base first: ``"EUR/USD"``."""
        return f"{self.base.code}/{self.quote.code}"

    def convert(self, amount: int, given: str, rounding: Rounding = Rounding.HALF_EVEN) -> int:
        """Return what an amount of one asset of the pair is worth in the other.

        Args:
            amount: minor units of ``given``; below zero for a short position.
            given: code of the asset the amount counts.
            rounding: how a fraction of a minor unit ends.
        Raises:
            InvalidValueError: an asset outside the pair, or a result beyond what the books can hold.

        >>> rate = Rate(Asset("EUR", 2), Asset("JPY", 0), "161.27", "ECB", datetime(2026, 3, 2, tzinfo=UTC))
        >>> rate.convert(10_00, "EUR"), rate.convert(1613, "JPY")
        (1613, 1000)
        """
        ratio = parse_rate(self.text)
        if given == self.base.code:
            wanted, exact = self.quote, amount * ratio * _units(self.quote) / _units(self.base)
        elif given == self.quote.code:
            wanted, exact = self.base, amount / ratio * _units(self.base) / _units(self.quote)
        else:
            raise InvalidValueError("asset", given, f"the rate is for {self.pair}")
        result = round_ratio(exact, rounding)
        if abs(result) > AMOUNT_MAX:
            raise InvalidValueError(
                "amount_minor", amount, f"comes to more {wanted.code} than the {capacity(wanted)} that the books hold"
            )
        return result

    def evidence(self, rounding: Rounding) -> dict[str, str]:
        """Return the metadata that every entry made at this rate carries."""
        return {
            "fx.pair": self.pair,
            "fx.quoted_at": self.quoted_at.astimezone(UTC).isoformat(timespec="microseconds"),
            "fx.rate": self.text,
            "fx.rounding": rounding.value,
            "fx.source": self.source,
        }


def _units(asset: Asset) -> int:
    return int(10**asset.scale)


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of an exchange.

    Args:
        asset: code of the asset.
        account: whose money it is.
        position: the bank's position account of the same asset.
    """

    asset: str
    account: str
    position: str

    def __post_init__(self) -> None:
        check_reference(self.account, "account")
        check_reference(self.position, "position")


def exchange(
    key: uuid.UUID,
    rate: Rate,
    amount: int,
    given: str,
    *,
    debit: Leg,
    credit: Leg,
    rounding: Rounding = Rounding.HALF_EVEN,
    metadata: Mapping[str, str] | None = None,
    **more: Any,
) -> NewEntry:
    """Return the entry that exchanges one asset for another.

    Args:
        key: idempotency key.
        rate: between the assets of both legs.
        amount: minor units of ``given``, above zero; the other leg's amount follows.
        given: asset of the leg whose amount is given.
        debit: the account that is debited: a customer's account that pays, or the bank's own account that receives.
        credit: the account that is credited.
        rounding: how a fraction of a minor unit ends.
        metadata: further pairs; names that begin with ``fx`` are this function's own.
        more: other fields of ``NewEntry``.
    Raises:
        InvalidValueError: assets that the rate does not price, an amount that comes to nothing or to more than the
            books can hold.

    >>> eur, usd = Leg("EUR", "ann:eur", "fx:EUR"), Leg("USD", "ann:usd", "fx:EUR:USD")
    >>> rate = Rate(Asset("EUR", 2), Asset("USD", 2), "1.0843", "ECB", datetime(2026, 3, 2, tzinfo=UTC))
    >>> entry = exchange(uuid.UUID(int=1), rate, 100_00, "EUR", debit=eur, credit=usd)
    >>> [(p.account, p.side.name, p.amount) for p in entry.postings]  # doctest: +NORMALIZE_WHITESPACE
    [('ann:eur', 'DEBIT', 10000), ('fx:EUR', 'CREDIT', 10000),
     ('fx:EUR:USD', 'DEBIT', 10843), ('ann:usd', 'CREDIT', 10843)]
    """
    if {debit.asset, credit.asset} != {rate.base.code, rate.quote.code}:
        raise InvalidValueError("pair", f"{debit.asset}/{credit.asset}", f"the rate is for {rate.pair}")
    if amount <= 0:
        raise InvalidValueError("amount_minor", amount, "give more than zero")
    other = rate.convert(amount, given, rounding)
    if not other:
        raise InvalidValueError("amount_minor", amount, f"comes to nothing at {rate.text} {rate.pair}")
    debited, credited = (amount, other) if given == debit.asset else (other, amount)
    return NewEntry(
        key,
        (
            Posting(debit.account, Side.DEBIT, debited),
            Posting(debit.position, Side.CREDIT, debited),
            Posting(credit.position, Side.DEBIT, credited),
            Posting(credit.account, Side.CREDIT, credited),
        ),
        metadata=_pairs({"fx": "exchange", "fx.given": given, **rate.evidence(rounding)}, metadata or {}),
        **more,
    )


def _pairs(own: Mapping[str, str], given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    if taken := [name for name in given if name == "fx" or name.startswith("fx.")]:
        raise InvalidValueError("metadata name", taken[0], "names that begin with fx belong to the exchange")
    return tuple(sorted({**own, **given}.items()))


@dataclass(frozen=True, slots=True)
class Position:
    """Where an open position stands in the books; all accounts but the first count the reporting asset.

    Args:
        account: counts the foreign asset; its credit balance is what the bank is long.
        counter: its debit balance is what was paid for the position.
        revaluation: its debit balance is what earlier revaluations added.
        gain: credited with gains.
        loss: debited with losses.
    """

    account: str
    counter: str
    revaluation: str
    gain: str
    loss: str


def revaluation(
    position: Position,
    *,
    amount: int,
    carried: int,
    rate: Rate,
    on: date,
    effective_at: datetime,
    rounding: Rounding = Rounding.HALF_EVEN,
    revision: int = 0,
    **more: Any,
) -> NewEntry | None:
    """Return the entry that brings an open position to its value at a closing rate; None when it stands there already.

    Its key follows from position, pair, date and revision, so that a second run on the same day posts nothing twice;
    one that finds other figures is refused under the same key and takes the next revision, which posts the difference.

    Args:
        position: the accounts.
        amount: minor units of ``rate.base`` that the position is long (above zero) or short.
        carried: minor units of ``rate.quote`` that it stands at: debit less credit of counter and revaluation accounts.
        rate: closing rate, foreign asset first.
        on: the closing day, as the bank names it.
        effective_at: the closing moment.
        rounding: how a fraction of a minor unit ends.
        revision: 0 for the first of the day.
        more: other fields of ``NewEntry``.

    >>> books = Position("fx:EUR", "fx:EUR:USD", "fx:EUR:revaluation", "income:fx", "expense:fx")
    >>> closing = datetime(2026, 3, 31, 22, tzinfo=UTC)
    >>> rate = Rate(Asset("EUR", 2), Asset("USD", 2), "1.09", "ECB", closing)
    >>> entry = revaluation(
    ...     books, amount=100_00, carried=108_43, rate=rate, on=date(2026, 3, 31), effective_at=closing
    ... )
    >>> [(p.account, p.side.name, p.amount) for p in entry.postings]
    [('fx:EUR:revaluation', 'DEBIT', 57), ('income:fx', 'CREDIT', 57)]
    """
    difference = rate.convert(amount, rate.base.code, rounding) - carried
    if not difference:
        return None
    debit, credit = (position.revaluation, position.gain) if difference > 0 else (position.loss, position.revaluation)
    evidence = {
        "fx": "revaluation",
        "fx.carried": str(carried),
        "fx.on": on.isoformat(),
        "fx.position": position.account,
        "fx.position_amount": str(amount),
        "fx.revision": str(revision),
        **rate.evidence(rounding),
    }
    return NewEntry(
        _revaluation_key(position.account, rate.pair, on, revision),
        (Posting(debit, Side.DEBIT, abs(difference)), Posting(credit, Side.CREDIT, abs(difference))),
        effective_at=effective_at,
        metadata=_pairs(evidence, {}),
        **more,
    )


def revaluation_reversal(entry: NewEntry, seq: int, effective_at: datetime, **more: Any) -> NewEntry:
    """Return the entry that takes a posted revaluation back, usually at the start of the next day; run once for ever.

    Args:
        entry: what ``revaluation`` returned.
        seq: the number it was posted under.
        effective_at: when the reversal counts.
        more: other fields of ``NewEntry``.
    """
    swapped = tuple(
        Posting(leg.account, Side.CREDIT if leg.side is Side.DEBIT else Side.DEBIT, leg.amount)
        for leg in entry.postings
    )
    return NewEntry(_key(b"reversal", entry.key.bytes), swapped, effective_at=effective_at, reverses=seq, **more)


def _revaluation_key(account: str, pair: str, on: date, revision: int) -> uuid.UUID:
    return _key(account.encode(), pair.encode(), on.isoformat().encode(), str(revision).encode())


def _key(*parts: bytes) -> uuid.UUID:
    """Return a key (UUID version 8, RFC 9562) that follows from its parts, each taken with its length."""
    text = _KEY_TAG + b"".join(len(part).to_bytes(2, "big") + part for part in parts)
    digest = bytearray(hashlib.sha256(text).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return uuid.UUID(bytes=bytes(digest))
