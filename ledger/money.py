"""Money: integers in minor units of a registered asset; never a float, anywhere.

Rules:
- an amount is a positive whole number of minor units ("1250" is 12.50 of an asset with two digits);
- amounts and balances stay within ±``AMOUNT_MAX``, so that no sum of two leaves 64 bits;
- text is parsed strictly: no spaces, signs, exponents or digits beyond the asset's scale.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ledger.errors import InvalidValueError

AMOUNT_MAX = 2**62 - 1
"""Largest amount and largest balance either way, in minor units: twice it still fits 64 bits."""

SCALE_MAX = 18
"""Most decimal digits an asset may have (Ether's)."""

ASSET_CODE = re.compile(r"[A-Z][A-Z0-9]{1,15}")
"""Codes that assets are registered under."""

_MINOR = re.compile(r"[1-9][0-9]{0,18}")
_SIGNED_MINOR = re.compile(r"(0|-?[1-9][0-9]{0,18})")
_DECIMAL = re.compile(r"(-?)([0-9]{1,19})(?:\.([0-9]{1,18}))?")


@dataclass(frozen=True, slots=True)
class Asset:
    """What is counted.

    Args:
        code: ISO 4217 code or another registered name, upper case.
        scale: decimal digits of the minor unit.
    """

    code: str
    scale: int


def parse_amount_minor(text: str, field: str) -> int:
    """Return a positive amount from its decimal string of minor units.

    Raises:
        InvalidValueError: not a plain positive whole number, or above ``AMOUNT_MAX``.
    """
    if not _MINOR.fullmatch(text) or int(text) > AMOUNT_MAX:
        raise InvalidValueError(field, text, f"give a whole number of minor units from 1 to {AMOUNT_MAX}")
    return int(text)


def parse_balance_minor(text: str, field: str) -> int:
    """Return a balance, which may be negative or zero, from its decimal string of minor units.

    Raises:
        InvalidValueError: not a plain whole number, or beyond ±``AMOUNT_MAX``.
    """
    if not _SIGNED_MINOR.fullmatch(text) or abs(int(text)) > AMOUNT_MAX:
        raise InvalidValueError(field, text, f"give a whole number of minor units within ±{AMOUNT_MAX}")
    return int(text)


def parse_decimal(text: str, scale: int, field: str, point: str = ".") -> int:
    """Return minor units from a decimal such as ``-700.00``.

    Args:
        text: digits, at most one decimal mark, an optional minus sign.
        scale: digits of the asset's minor unit; more digits in the text must be zeros.
        field: name for the error.
        point: the decimal mark.
    Raises:
        InvalidValueError: other characters, digits beyond the scale, or beyond ±``AMOUNT_MAX``.
    """
    match = _DECIMAL.fullmatch(text if point == "." else text.replace(".", "?").replace(point, "."))
    if match is None:
        raise InvalidValueError(field, text, f"give digits with at most one {point!r}")
    sign, whole, fraction = match.group(1), match.group(2), match.group(3) or ""
    if fraction[scale:].strip("0"):
        raise InvalidValueError(field, text, f"has more than {scale} decimal digits")
    minor = int(whole + fraction[:scale].ljust(scale, "0"))
    if minor > AMOUNT_MAX:
        raise InvalidValueError(field, text, f"is beyond {AMOUNT_MAX} minor units")
    return -minor if sign else minor


def format_decimal(minor: int, scale: int) -> str:
    """Return minor units as people write them: ``format_decimal(1250, 2) == "12.50"``."""
    digits = str(abs(minor)).rjust(scale + 1, "0")
    sign = "-" if minor < 0 else ""
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else f"{sign}{digits}"


def capacity(asset: Asset) -> str:
    """Return the largest amount of an asset that one account or entry can hold, as people write it.

    >>> capacity(Asset("ETH", 18)), capacity(Asset("EUR", 2))
    ('4.611686018427387903', '46116860184273879.03')
    """
    return format_decimal(AMOUNT_MAX, asset.scale)


def parse_money(text: str, asset: Asset, field: str = "amount") -> int:
    """Return the minor units of an amount that people wrote, such as ``"12.50"``.

    Raises:
        InvalidValueError: other characters, more digits than the asset has, or more than the books can hold of it.

    >>> parse_money("12.5", Asset("EUR", 2))
    1250
    """
    match = _DECIMAL.fullmatch(text)
    if match is not None and int(match[2] + (match[3] or "")[: asset.scale].ljust(asset.scale, "0")) > AMOUNT_MAX:
        raise InvalidValueError(field, text, f"the books hold at most {capacity(asset)} {asset.code} in one amount")
    return parse_decimal(text, asset.scale, field)


def format_money(minor: int, asset: Asset) -> str:
    """Return an amount as people write it, with its asset: ``format_money(1250, Asset("EUR", 2)) == "12.50 EUR"``."""
    return f"{format_decimal(minor, asset.scale)} {asset.code}"
