"""Reads customer statements of SWIFT, MT940, with or without the blocks of a SWIFT message around them.

Rules:
- opening balance, movements and closing balance must agree to the minor unit;
- a tag that is not of MT940, or not where it belongs, is refused by name;
- a reversal of a credit lowers the balance, a reversal of a debit raises it;
- pages of one statement (60M, 62M) are statements of their own, each with its own balances.

Source: SWIFT Standards, Category 9, MT 940 Customer Statement Message.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from ledger.errors import StatementFormatError
from ledger.money import Asset
from ledger.reconciliation.records import PARTY_LENGTH_MAX, ExternalRecord, ExternalStatement, StatementFile
from ledger.reconciliation.statement_account import (
    StatementAccount,
    StatementAccounts,
    amount_of,
    check_bytes,
    check_count,
    check_sum,
    days_between,
    plain_text,
)

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_TAG = re.compile(r":([0-9]{2}[A-Z]?):(.*)", re.DOTALL)
_BALANCE = re.compile(r"([CD])([0-9]{6})([A-Z]{3})([0-9]{1,14},[0-9]{0,14})")
_MOVEMENT = re.compile(
    r"(?P<value>[0-9]{6})(?P<entry>[0-9]{4})?(?P<mark>RC|RD|C|D)(?P<funds>[A-Z])?(?P<amount>[0-9]{1,14},[0-9]{0,14})"
    r"(?P<type>[A-Z][A-Z0-9]{3})(?P<reference>.{0,16}?)(?://(?P<bank>.{1,34}))?"
)
_SIGNS = {"C": 1, "RD": 1, "D": -1, "RC": -1}
_OPENING, _CLOSING = ("60F", "60M"), ("62F", "62M")
_KNOWN = {"20", "21", "25", "25P", "28", "28C", *_OPENING, "61", "86", *_CLOSING, "64", "65"}
_ONCE = {"20", "21", "25", "25P", "28", "28C", "64"}
_LABELS = re.compile(r"\b(EREF|KREF|CREF|MREF|PREF|CRED|DEBT|SVWZ|ABWA|ABWE|COAM|OAMT|PURP)\+")
"""What German banks write before each part of field 86; the first five before a reference."""

_SLASHED = re.compile(r"/(?:EREF|PREF|MREF)/([^/]{1,35})")
"""References between slashes, as Dutch banks write them."""

_STRUCTURED = re.compile(r"[0-9]{3}\?[0-9]{2}")
_SUBFIELD = re.compile(r"\?[0-9]{2}")
_SUBFIELD_LENGTH = 27
"""Where a structured field 86 cuts a longer text, whatever stands there, and goes on in the next subfield."""


@dataclass(slots=True)
class _Field:
    tag: str
    line: int
    lines: list[str]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass(slots=True)
class _Message:
    line: int
    single: dict[str, _Field] = field(default_factory=dict)
    movements: list[tuple[_Field, _Field | None]] = field(default_factory=list)
    opening: _Field | None = None
    closing: _Field | None = None

    def take(self, item: _Field) -> None:
        """Put a field where it belongs; refuse one that does not."""
        if item.tag in _ONCE and self.single.setdefault(item.tag, item) is not item:
            raise StatementFormatError(item.line, item.tag, item.text, "stands twice in the statement")
        if item.tag in _OPENING:
            self._refuse(item, self.opening is not None or bool(self.movements))
            self.opening = item
        elif item.tag == "61":
            self._refuse(item, self.opening is None or self.closing is not None)
            self.movements.append((item, None))
        elif item.tag == "86" and self.closing is None:
            self._refuse(item, not self.movements or self.movements[-1][1] is not None)
            self.movements[-1] = self.movements[-1][0], item
        elif item.tag in _CLOSING:
            self._refuse(item, self.opening is None or self.closing is not None)
            self.closing = item

    @staticmethod
    def _refuse(item: _Field, wrong: bool) -> None:
        if wrong:
            raise StatementFormatError(item.line, item.tag, item.text, "does not belong here")


def read_mt940(data: bytes, accounts: StatementAccounts) -> StatementFile:
    """Return the statements of a file.

    Args:
        data: the file as received: UTF-8 or, where it is not, Latin-1.
        accounts: our account for each number.
    Raises:
        StatementFormatError: at the first place that cannot be understood or does not add up; names line and tag.
    """
    check_bytes(data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    statements = tuple(_statement(message, accounts) for message in _messages(_fields(text)))
    if not statements:
        raise StatementFormatError(1, "20", "", "is missing: this is no MT940")
    return StatementFile(hashlib.sha256(data).digest(), "mt940", statements)


def _fields(text: str) -> Iterator[_Field]:
    current: _Field | None = None
    for number, raw in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        line = _unwrapped(raw)
        if _CONTROL.search(line):
            raise StatementFormatError(number, "", line, "holds a control character")
        match = _TAG.fullmatch(line)
        if match is not None:
            if current is not None:
                yield current
            if match.group(1) not in _KNOWN:
                raise StatementFormatError(number, match.group(1), match.group(2), "is no tag of an MT940")
            current = _Field(match.group(1), number, [match.group(2)])
        elif line.strip() in ("", "-"):
            continue
        # In 25P the bank's own code stands in a second line, behind the account.
        elif current is None or (current.tag not in ("61", "86") and len(current.lines) > (current.tag == "25P")):
            raise StatementFormatError(number, "", line, "belongs to no field")
        else:
            current.lines.append(line)
    if current is not None:
        yield current


def _unwrapped(line: str) -> str:
    """The line without the blocks of a SWIFT message: headers before the text, trailers after it."""
    line = re.sub(r"^-\}(?:\{[5S]:(?:[^{}]|\{[^{}]*\})*\})*", "", line)
    line = re.sub(r"^(?:\{[1-3]:(?:[^{}]|\{[^{}]*\})*\})*\{4:", "", line)
    return line.rstrip()


def _messages(fields: Iterator[_Field]) -> Iterator[_Message]:
    message: _Message | None = None
    movement_count = 0
    for item in fields:
        movement_count += item.tag == "61"
        check_count(item.line, item.tag, movement_count)
        if item.tag == "20":
            if message is not None:
                yield message
            message = _Message(item.line)
        if message is None:
            raise StatementFormatError(item.line, item.tag, item.text, "stands before tag 20, which begins a statement")
        message.take(item)
    if message is not None:
        yield message


def _statement(message: _Message, accounts: StatementAccounts) -> ExternalStatement:
    number = _needed(message, "25", "25P")
    account = accounts.find(number.line, number.tag, number.lines[0])
    sequence = _needed(message, "28C", "28")
    for item, name in ((message.opening, "60F"), (message.closing, "62F")):
        if item is None:
            raise StatementFormatError(message.line, name, "", "is missing")
    assert message.opening is not None
    assert message.closing is not None
    opening, first = _balance(message.opening, account.asset)
    closing, last = _balance(message.closing, account.asset)
    # Numbers begin again, with many banks every day, so the day belongs to the statement's name.
    reference = f"{last.isoformat()} {sequence.text.strip()}"
    records = tuple(
        _record(movement, more, place, reference, account)
        for place, (movement, more) in enumerate(message.movements, 1)
    )
    changes = (record.change for record in records)
    check_sum(message.closing.line, message.closing.tag, opening, changes, closing)
    if first > last:
        raise StatementFormatError(message.opening.line, message.opening.tag, str(first), f"is after {last}")
    days = days_between(first, records, last)
    return ExternalStatement(account.account, account.asset.code, reference, *days, opening, closing, records)


def _needed(message: _Message, *tags: str) -> _Field:
    found = next((message.single[tag] for tag in tags if tag in message.single), None)
    if found is None or not found.text.strip():
        raise StatementFormatError(message.line, tags[0], "", "is missing")
    return found


def _balance(item: _Field, asset: Asset) -> tuple[int, date]:
    match = _BALANCE.fullmatch(item.text.strip())
    if match is None:
        raise StatementFormatError(item.line, item.tag, item.text, "is no balance: mark, date, currency, amount")
    mark, day, currency, amount = match.groups()
    if currency != asset.code:
        raise StatementFormatError(item.line, item.tag, currency, f"is not {asset.code}")
    minor = _amount(item, amount, asset)
    return minor if mark == "C" else -minor, _day(item, day)


def _amount(item: _Field, text: str, asset: Asset) -> int:
    # "12," is how SWIFT writes a whole number.
    return amount_of(item.line, item.tag, text.removesuffix(","), asset, ",")


def _day(item: _Field, text: str) -> date:
    year = int(text[:2])
    try:
        return date(1900 + year if year > 79 else 2000 + year, int(text[2:4]), int(text[4:6]))
    except ValueError as error:
        raise StatementFormatError(item.line, item.tag, text, "is no date YYMMDD") from error


def _record(item: _Field, more: _Field | None, place: int, statement: str, account: StatementAccount) -> ExternalRecord:
    match = _MOVEMENT.fullmatch(item.lines[0])
    if match is None or len(item.lines) > 2:
        raise StatementFormatError(item.line, item.tag, item.text, "is no movement of an MT940")
    amount = _amount(item, match["amount"], account.asset)
    if amount == 0:
        raise StatementFormatError(item.line, item.tag, match["amount"], "moves nothing")
    valued = _day(item, match["value"])
    text = more.text if more is not None else ""
    own = (match["reference"], match["bank"] or "", *_labelled(text))
    return ExternalRecord(
        key=f"{statement}#{place}",
        number=item.line,
        change=_SIGNS[match["mark"]] * amount,
        value_day=valued,
        booking_day=_entry_day(item, match["entry"], valued),
        references=tuple(sorted({word.strip() for word in own} - {""})),
        counterparty=plain_text(" ".join((*item.lines[1:], text)), PARTY_LENGTH_MAX),
    )


def _labelled(text: str) -> Iterator[str]:
    """The references that stand behind a label in field 86."""
    whole = _remittance(text.replace("\n", ""))
    _, *parts = _LABELS.split(whole)
    for label, value in zip(parts[::2], parts[1::2], strict=True):
        if label.endswith("REF") and value[:1].strip():
            yield value.split()[0][:35]
    yield from _SLASHED.findall(whole)


def _remittance(text: str) -> str:
    """The text of a field 86 without the numbers of its subfields, where it has any."""
    if _STRUCTURED.match(text) is None:
        return text
    whole, length = "", 0
    for piece in _SUBFIELD.split(text):
        goes_on = length >= _SUBFIELD_LENGTH and _LABELS.match(piece) is None
        whole += piece if goes_on else f" {piece}"
        length = len(piece)
    return whole


def _entry_day(item: _Field, text: str | None, valued: date) -> date:
    """The booking day, written without its year: the one that is nearest to the value day."""
    if text is None:
        return valued
    days = []
    for year in (valued.year - 1, valued.year, valued.year + 1):
        try:
            days.append(date(year, int(text[:2]), int(text[2:])))
        except ValueError:  # 29 February exists in some of the years only
            continue
    if not days:
        raise StatementFormatError(item.line, item.tag, text, "is no date MMDD")
    return min(days, key=lambda day: abs((day - valued).days))
