"""Simple types of ISO 20022: the text of an element or attribute, and the value it stands for.

Rules:
- a text is read in one way only: no blanks around it, no second spelling of a number, a time or an identifier but the
  ones named here, none that the schema's own type would refuse;
- a value is written only if its text is read back as the same value;
- times name their offset and are kept in UTC, to the microsecond; money is whole minor units.

Source: ISO 20022 data types; ISO 4217, 8601, 9362 (BIC), 11649 (creditor reference), 13616 (IBAN), 17442 (LEI).
"""

from __future__ import annotations

import enum
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar

from stdnum import bic, iban, iso11649, lei
from stdnum.exceptions import ValidationError

from ledger.money import Asset, format_decimal, parse_decimal
from node.iso20022.currencies import CURRENCIES
from node.iso20022.errors import Iso20022Error

V = TypeVar("V")
E = TypeVar("E", bound=enum.StrEnum)

DIGITS_MAX = 18
"""Most digits of an amount, before and after the point together (ActiveCurrencyAndAmount); the books take as many."""

OFFSET_MAX = timedelta(hours=14)
"""Largest offset of a time (XML Schema, dateTime)."""

FORM = "CH16"
"""Reason code ElementContentFormallyIncorrect."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Hours up to 23: Python reads 24:00 as the next midnight from 3.13 on, and refuses it before.
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_AMOUNT = re.compile(r"(0|[1-9][0-9]*)(?:\.([0-9]+))?")
_WHOLE = re.compile(r"0|[1-9][0-9]{0,14}")
_IDENTIFIER = re.compile(r"[0-9A-Z]+")


class RefusedTextError(Iso20022Error):
    """A text is none of its type; the grammar turns this into an error with a path.

    Args:
        reason: what is wrong, and what would be right.
        code: reason code of the answer.
    """

    def __init__(self, reason: str, code: str = FORM) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


@dataclass(frozen=True, slots=True)
class Value(Generic[V]):
    """A simple type.

    Args:
        name: of the ISO 20022 data type.
        parse: the value of a text; raises ``RefusedTextError``.
        show: the text of a value.
    """

    name: str
    parse: Callable[[str], V]
    show: Callable[[V], str]

    def text(self, value: Any) -> str:
        """Return the text of a value.

        Raises:
            RefusedTextError: its text would not be read back as this value.
        """
        shown = self.show(value)
        if self.parse(shown) != value:
            raise RefusedTextError(f"cannot be written as {self.name}")
        return shown


@dataclass(frozen=True, slots=True, order=True)
class Amount:
    """Money of a message.

    Args:
        minor: minor units, never negative.
        asset: the currency.
    """

    minor: int
    asset: Asset

    @property
    def text(self) -> str:
        """As the message shows it, without its currency: always with all digits of the currency."""
        return format_decimal(self.minor, self.asset.scale)


def parse_amount(text: str, currency: str) -> Amount:
    """Return the amount of a decimal text and a currency code.

    Raises:
        RefusedTextError: no such currency, no plain decimal, or digits below the currency's minor unit.
    """
    asset = CURRENCIES.get(currency)
    if asset is None:
        raise RefusedTextError("is no currency of ISO 4217 with a minor unit", "AM11")
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise RefusedTextError("is no amount: write digits, at most one point, no sign", "AM12")
    whole, fraction = match[1], match[2] or ""
    if len(fraction) > asset.scale:
        raise RefusedTextError(f"has more than the {asset.scale} decimal digits of {currency}", "CH20")
    if len(whole) + asset.scale > DIGITS_MAX:
        raise RefusedTextError(f"has more than {DIGITS_MAX} digits, those of the minor unit counted", "AM12")
    return Amount(parse_decimal(text, asset.scale, "amount"), asset)


def _text(value: str) -> str:
    return value


def reference(length_max: int) -> Value[str]:
    """Return the type of names that machines compare: printable, no blank at either end."""

    def parse(text: str) -> str:
        _check_length(text, length_max)
        if text != text.strip():
            raise RefusedTextError("begins or ends with a blank: leave it out")
        return text

    return Value(f"Max{length_max}Text", parse, _text)


def free_text(length_max: int) -> Value[str]:
    """Return the type of texts for people: printable, kept as it stands."""

    def parse(text: str) -> str:
        _check_length(text, length_max)
        if not text.strip():
            raise RefusedTextError("is blank: leave the element out")
        return text

    return Value(f"Max{length_max}Text free", parse, _text)


def _check_length(text: str, length_max: int) -> None:
    if not 1 <= len(text) <= length_max:
        raise RefusedTextError(f"has {len(text)} characters: give 1 to {length_max}")
    if not text.isprintable():
        raise RefusedTextError("holds a line break, a tab or another character that cannot be printed")


def pattern(name: str, form: str, told: str) -> Value[str]:
    """Return the type of texts of one form."""
    compiled = re.compile(form)

    def parse(text: str) -> str:
        if not compiled.fullmatch(text):
            raise RefusedTextError(f"is no {told}")
        return text

    return Value(name, parse, _text)


def code_of(kind: type[E]) -> Value[E]:
    """Return the type of a closed list of codes."""

    def parse(text: str) -> E:
        try:
            return kind(text)
        except ValueError:
            raise RefusedTextError(f"is not supported here: give {' or '.join(kind)}") from None

    return Value(kind.__name__, parse, lambda value: kind(value).value)


def _checked(name: str, validate: Callable[[str], str], told: str, code: str) -> Value[str]:
    """Return the type of an identifier whose check digits a library knows; its own spelling is the only one."""

    def parse(text: str) -> str:
        try:
            if _IDENTIFIER.fullmatch(text) and validate(text) == text:
                return text
        except ValidationError as error:
            raise RefusedTextError(f"is no {told}: {str(error).rstrip('.').lower()}", code) from error
        raise RefusedTextError(f"is no {told}: write it in capital letters and digits, without blanks", code)

    return Value(name, parse, _text)


def _parse_uetr(text: str) -> uuid.UUID:
    try:
        parsed = uuid.UUID(text)
    except ValueError:
        raise RefusedTextError("is no UETR: give a UUID of version 4 in small letters") from None
    if str(parsed) != text or parsed.version != 4:
        raise RefusedTextError("is no UETR: give a UUID of version 4 in small letters")
    return parsed


def _parse_date(text: str) -> date:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise RefusedTextError("is no date YYYY-MM-DD", "DT01")


def _parse_moment(text: str) -> datetime:
    if not _TIME.fullmatch(text):
        raise RefusedTextError("is no time YYYY-MM-DDThh:mm:ss, at most six further digits, and Z or an offset", "DT01")
    try:
        moment = datetime.fromisoformat(text)
        if abs(moment.utcoffset() or timedelta(0)) <= OFFSET_MAX:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise RefusedTextError("is no time", "DT01")


def _show_moment(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise RefusedTextError("names no time zone")
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"


def _parse_decimal(text: str) -> Decimal:
    match = _AMOUNT.fullmatch(text)
    if match is None or len(match[1]) + len(match[2] or "") > DIGITS_MAX:
        raise RefusedTextError(f"is no sum: write at most {DIGITS_MAX} digits, at most one point, no sign")
    return Decimal(text)


def _parse_count(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise RefusedTextError("is no count: write up to 15 digits without zeros before them", "AM18")
    return int(text)


def _parse_indicator(text: str) -> bool:
    if text not in ("true", "false"):
        raise RefusedTextError("is neither true nor false")
    return text == "true"


# The register of countries and structures; national check digits below it change more often than the library.
IBAN = _checked("IBAN2007Identifier", lambda text: iban.validate(text, check_country=False), "IBAN", "AC01")
BIC = _checked("BICFIDec2014Identifier", bic.validate, "BIC", "RC01")
LEI = _checked("LEIIdentifier", lei.validate, "LEI", FORM)
CREDITOR_REFERENCE = _checked("ISO 11649", iso11649.validate, "creditor reference", FORM)
UETR = Value("UUIDv4Identifier", _parse_uetr, str)
DATE = Value("ISODate", _parse_date, date.isoformat)
MOMENT = Value("ISODateTime", _parse_moment, _show_moment)
COUNT = Value("Max15NumericText", _parse_count, str)
SUM = Value("DecimalNumber", _parse_decimal, str)
INDICATOR = Value("TrueFalseIndicator", _parse_indicator, lambda value: "true" if value else "false")
COUNTRY = pattern("CountryCode", "[A-Z]{2}", "country: give two capital letters (ISO 3166)")
EXTERNAL_CODE = pattern(
    "External4Code", "[A-Z0-9]{1,4}", "code of an external code set: 1 to 4 capital letters, digits"
)
CURRENCY = Value("CurrencyCode", lambda text: parse_amount("0", text).asset, lambda asset: asset.code)
