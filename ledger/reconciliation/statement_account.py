"""Whose statement it is: the sender's account number, our account for it, and its asset.

A number that is not listed is refused; nobody may choose the account by what he writes into a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from ledger.errors import InvalidValueError, StatementFormatError
from ledger.money import Asset, parse_decimal
from ledger.reconciliation.records import ExternalRecord

FILE_BYTES_MAX = 64 * 1024 * 1024
"""Largest statement file; it is held in memory."""

MOVEMENTS_MAX = 500_000
"""Most movements of a file: the shortest of 64 MiB would be millions, and take gigabytes of memory."""

LINES_MAX = 5_000_000
"""Most lines of a file: one of 64 MiB of nothing but line ends would be read for minutes."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True, slots=True)
class StatementAccount:
    """One line of the mapping of accounts.

    Args:
        number: as the sender writes it: IBAN or his own number.
        account: reference in our books.
    """

    number: str
    account: str
    asset: Asset


class StatementAccounts:
    """The mapping of accounts."""

    def __init__(self, accounts: Iterable[StatementAccount]) -> None:
        self._known: Mapping[str, StatementAccount] = {normal_number(item.number): item for item in accounts}

    def find(self, line: int, column: str, number: str) -> StatementAccount:
        """Return our account for a number.

        Raises:
            StatementFormatError: it is not listed; shows the last four characters only.
        """
        known = self._known.get(normal_number(number))
        if known is None:
            reason = "is no account of the mapping: add it with our account, or leave the statement out"
            raise StatementFormatError(line, column, f"…{normal_number(number)[-4:]}", reason)
        return known


def normal_number(number: str) -> str:
    """Return an account number without spaces, in upper case."""
    return "".join(number.split()).upper()


def amount_of(line: int, column: str, text: str, asset: Asset, point: str) -> int:
    """Return minor units of an unsigned amount.

    Raises:
        StatementFormatError: no plain amount, or digits below the minor unit.
    """
    try:
        amount = parse_decimal(text, asset.scale, column, point)
    except InvalidValueError as error:
        raise StatementFormatError(line, column, text, f"is no amount of {asset.code}: {error.reason}") from error
    if text.startswith("-"):
        raise StatementFormatError(line, column, text, "is negative, but the direction stands elsewhere")
    return amount


def check_sum(line: int, column: str, opening: int, changes: Iterable[int], closing: int) -> None:
    """Hold the opening balance and the movements against the closing balance.

    Raises:
        StatementFormatError: they do not agree; tells the difference.
    """
    computed = opening + sum(changes)
    if computed != closing:
        reason = f"is not the opening balance with all movements: they give {computed}, minor units"
        raise StatementFormatError(line, column, str(closing), reason)


def days_between(opening: date, records: Iterable[ExternalRecord], closing: date) -> tuple[date, date]:
    """Return the days a statement covers whose opening balance is the closing balance of the day before it begins."""
    days = [record.booking_day for record in records]
    begin = [opening + timedelta(days=1)] if opening < date.max else []
    return min([*days, *begin, closing]), closing


def check_bytes(data: bytes) -> None:
    """Refuse a file that is empty, or larger than ``FILE_BYTES_MAX`` and ``LINES_MAX`` allow."""
    if not 0 < len(data) <= FILE_BYTES_MAX:
        raise StatementFormatError(1, "", f"{len(data)} bytes", f"is no size for a statement: 1 to {FILE_BYTES_MAX}")
    if (lines := data.count(b"\n")) > LINES_MAX:
        raise StatementFormatError(1, "", f"{lines} lines", f"are too many: a file has up to {LINES_MAX}; split it")


def check_count(line: int, tag: str, count: int) -> None:
    """Refuse a file at the movement that is more than ``MOVEMENTS_MAX``."""
    if count > MOVEMENTS_MAX:
        raise StatementFormatError(
            line, tag, str(count), f"movements are too many: a file has up to {MOVEMENTS_MAX}; split it"
        )


def plain_text(text: str, length_max: int) -> str:
    """Return free text on one line without control characters, cut."""
    return " ".join(_CONTROL.sub(" ", text).split())[:length_max]


def day_of(line: int, column: str, text: str) -> date:
    """Return the day of an ISO date, or of a date and time as it is written there.

    Raises:
        StatementFormatError: no such day.
    """
    try:
        return date.fromisoformat(text[:10] if len(text) > 10 and text[10] in "T+-Z" else text)
    except ValueError as error:
        raise StatementFormatError(line, column, text, "is no date YYYY-MM-DD") from error
