"""Reads a bank's statement file through a mapping, as a stream of movements and the entries they become.

Rules:
- memory stays bounded whatever the size of the file: one line at a time, lines of ``LINE_BYTES_MAX`` at most;
- a line that cannot be understood stops the reading with its number, column and value; nothing is guessed;
- an entry's key follows from the mapping's name and the movement's id, so that importing a file twice posts once;
- account references are pseudonyms: the file's own where the mapping says so, else a keyed hash of the number.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import BinaryIO

from ledger.account import Side, check_reference
from ledger.errors import InvalidValueError, MappingError, StatementFormatError
from ledger.journal import DESCRIPTION_LENGTH_MAX, NewEntry, Posting
from ledger.money import parse_decimal
from ledger.statement_mapping import NOT_BLANK, ContraRule, StatementMapping, TwoColumns, TypeSign, placeholders

LINE_BYTES_MAX = 65_536
"""Longest line; a file without line ends must not fill the memory."""

KEY_NAMESPACE = uuid.UUID("6f1c1d6e-52b1-5c41-9f6e-0c2f4f3c7a10")
"""Namespace of the keys made here; any change would post every imported file again."""

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AccountToOpen:
    """An account a movement needs.

    Args:
        floor: lowest available balance, None for no floor.
    """

    reference: str
    asset: str
    normal_side: Side
    floor: int | None


@dataclass(frozen=True, slots=True)
class Movement:
    """One line of a statement.

    Args:
        line: line number in the file, from 1.
        id: the bank's own number of the movement.
        account: the customer's account.
        contra: the account on the other side.
        day: booking day.
        change: minor units by which the customer's balance changes.
        balance: recorded balance after the movement; None when the file records none.
        description: free text.
    """

    line: int
    id: str
    account: AccountToOpen
    contra: AccountToOpen
    day: date
    change: int
    balance: int | None
    description: str


def read_movements(
    file: BinaryIO, mapping: StatementMapping, *, pseudonym_key: bytes | None = None
) -> Iterator[Movement]:
    """Yield the movements of a statement file in the file's order.

    Args:
        file: opened for reading bytes.
        mapping: how to read it.
        pseudonym_key: secret of at least 16 bytes for mappings with keyed pseudonyms.
    Raises:
        StatementFormatError: at the first line that cannot be understood.
        MappingError: keyed pseudonyms without a key, or a column the file does not have.
    """
    if mapping.keyed_pseudonyms and (pseudonym_key is None or len(pseudonym_key) < 16):
        raise MappingError("accounts.numbers", "keyed pseudonyms need a secret key of at least 16 bytes")
    lines = _Lines(file, mapping.encoding)
    reader = csv.reader(lines, delimiter=mapping.delimiter, quotechar=mapping.quote, strict=True)
    names: Sequence[str] = mapping.column_names
    try:
        for values in reader:
            if not names:
                names = values
                _check_columns(names, mapping)
                continue
            if not values:
                continue
            if len(values) != len(names):
                reason = f"{len(values)} values stand under {len(names)} columns"
                raise StatementFormatError(lines.number, "", mapping.delimiter.join(values), reason)
            yield _movement(lines.number, dict(zip(names, values, strict=True)), mapping, pseudonym_key)
    except csv.Error as error:
        raise StatementFormatError(lines.number, "", lines.last, f"cannot be split into columns ({error})") from error


def entry_of(movement: Movement, mapping: StatementMapping) -> NewEntry:
    """Return the entry that a movement becomes; the same for the same movement, always."""
    amount = abs(movement.change)
    own, other = (Side.CREDIT, Side.DEBIT) if movement.change > 0 else (Side.DEBIT, Side.CREDIT)
    postings = (Posting(movement.account.reference, own, amount), Posting(movement.contra.reference, other, amount))
    if own is Side.CREDIT:
        postings = (postings[1], postings[0])
    return NewEntry(
        key=entry_key(movement, mapping),
        postings=postings,
        effective_at=datetime.combine(movement.day, time(), UTC),
        description=movement.description,
    )


def entry_key(movement: Movement, mapping: StatementMapping) -> uuid.UUID:
    """Return the idempotency key of the entry that a movement becomes."""
    return uuid.uuid5(KEY_NAMESPACE, f"{mapping.name}\n{movement.id}")


class _Lines:
    """The file's lines as text, counted, each of bounded length."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._encoding = encoding
        self.number = 0
        self.last = ""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        raw = self._file.readline(LINE_BYTES_MAX + 1)
        if not raw:
            raise StopIteration
        self.number += 1
        if len(raw) > LINE_BYTES_MAX:
            shown = raw[:40].decode("ascii", "replace")
            raise StatementFormatError(self.number, "", shown, f"is longer than {LINE_BYTES_MAX} bytes")
        try:
            self.last = raw.decode(self._encoding)
        except UnicodeDecodeError as error:
            shown = raw[max(0, error.start - 20) : error.end].decode("ascii", "replace")
            raise StatementFormatError(self.number, "", shown, f"is not {self._encoding} text") from error
        except LookupError as error:
            raise MappingError("file.encoding", f"{self._encoding!r} is no known encoding") from error
        if self.number == 1:
            # A byte order mark is no part of the first value, which may be a number that a key is made of.
            self.last = self.last.removeprefix("\ufeff")
        if "\x00" in self.last:
            raise StatementFormatError(self.number, "", self.last, "holds a zero character")
        return self.last


def _check_columns(names: Sequence[str], mapping: StatementMapping) -> None:
    missing = sorted(mapping.columns_used() - set(names))
    if missing:
        raise MappingError("columns", f"the file has no column {', '.join(missing)}; it has {', '.join(names)[:200]}")
    if len(set(names)) != len(names):
        raise MappingError("columns", "the file's header names a column twice")


def _movement(line: int, row: Row, mapping: StatementMapping, pseudonym_key: bytes | None) -> Movement:
    number = _filled(line, row, mapping.id_column)
    change = _change(line, row, mapping)
    balance = None
    if mapping.balance_column:
        balance = _decimal(line, row, mapping.balance_column, mapping)
    texts = (row[column].strip() for column in mapping.description_columns)
    return Movement(
        line=line,
        id=number,
        account=_account(line, row, mapping, pseudonym_key),
        contra=_contra_account(line, row, mapping),
        day=_day(line, row, mapping),
        change=change,
        balance=balance,
        description=" ".join(text for text in texts if text)[:DESCRIPTION_LENGTH_MAX],
    )


def _filled(line: int, row: Row, column: str) -> str:
    value = row[column].strip()
    if not value:
        raise StatementFormatError(line, column, row[column], "is blank")
    return value


def _decimal(line: int, row: Row, column: str, mapping: StatementMapping) -> int:
    try:
        return parse_decimal(row[column].strip(), mapping.asset.scale, column, mapping.point)
    except InvalidValueError as error:
        raise StatementFormatError(line, column, row[column], f"is no amount: {error.reason}") from error


def _change(line: int, row: Row, mapping: StatementMapping) -> int:
    sign = mapping.sign
    column = mapping.amount_column
    if isinstance(sign, TwoColumns):
        filled = [name for name in (sign.credit, sign.debit) if row[name].strip()]
        if len(filled) != 1:
            reason = f"exactly one of the columns {sign.credit!r} and {sign.debit!r} must be filled"
            raise StatementFormatError(line, sign.credit, row[sign.credit], reason)
        column = filled[0]
    amount = _decimal(line, row, column, mapping)
    if amount == 0:
        raise StatementFormatError(line, column, row[column], "moves nothing")
    if not isinstance(sign, TwoColumns | TypeSign):
        return amount
    if amount < 0:
        raise StatementFormatError(line, column, row[column], "is negative, but the direction stands elsewhere")
    if isinstance(sign, TwoColumns):
        return amount if column == sign.credit else -amount
    word = row[sign.column].strip()
    if word not in sign.credit | sign.debit:
        raise StatementFormatError(line, sign.column, row[sign.column], "is neither a credit nor a debit word")
    return amount if word in sign.credit else -amount


def _account(line: int, row: Row, mapping: StatementMapping, pseudonym_key: bytes | None) -> AccountToOpen:
    number = _filled(line, row, mapping.account_column)
    if mapping.keyed_pseudonyms:
        assert pseudonym_key is not None
        number = hmac.digest(pseudonym_key, f"{mapping.name}\n{number}".encode(), hashlib.sha256).hex()[:32]
    reference = mapping.account_reference.replace("{account}", number)
    _check_reference(line, mapping.account_column, reference)
    return AccountToOpen(reference, mapping.asset.code, Side.CREDIT, mapping.floor)


def _contra_account(line: int, row: Row, mapping: StatementMapping) -> AccountToOpen:
    for rule in mapping.contra:
        if _applies(rule, row):
            reference = rule.account
            for column in placeholders(reference):
                reference = reference.replace(f"{{{column}}}", _filled(line, row, column))
            _check_reference(line, ", ".join(placeholders(rule.account)), reference)
            return AccountToOpen(reference, mapping.asset.code, rule.normal_side, None)
    columns = sorted({column for rule in mapping.contra for column in rule.when})
    shown = "; ".join(f"{column}={row[column]}" for column in columns)
    raise StatementFormatError(line, ", ".join(columns), shown, "meets no rule under contra of the mapping")


def _applies(rule: ContraRule, row: Row) -> bool:
    return all(
        row[column].strip() in allowed or (NOT_BLANK in allowed and row[column].strip() != "")
        for column, allowed in rule.when.items()
    )


def _check_reference(line: int, column: str, reference: str) -> None:
    try:
        check_reference(reference)
    except InvalidValueError as error:
        raise StatementFormatError(line, column, reference, f"gives no account reference: {error.reason}") from error


@lru_cache(maxsize=4096)
def _parse_day(text: str, form: str) -> date:
    return datetime.strptime(text, form).replace(tzinfo=UTC).date()


def _day(line: int, row: Row, mapping: StatementMapping) -> date:
    text = row[mapping.date_column].strip()
    try:
        return _parse_day(text, mapping.date_form)
    except ValueError as error:
        raise StatementFormatError(
            line, mapping.date_column, text, f"is no date of form {mapping.date_form}"
        ) from error
