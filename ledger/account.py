"""Accounts: who holds how much of one asset, how far the balance may go, and what the account is called.

Rules:
- a reference is a pseudonym, unique in the organization and never reused; it holds no personal data;
- reference, asset and normal side never change; balance, held money, status and terms do, through the writer only;
- balance = normal side − other side; available = balance − held; available never falls below floor − overdraft, the
  balance never rises above the ceiling;
- an alias begins with ``@``, which no reference can hold: so neither can be mistaken for the other;
- metadata are pairs of texts that help to find accounts. Their history stays for ever: so no personal data in them.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field

from ledger.errors import InvalidValueError
from ledger.money import AMOUNT_MAX, Asset

MAIN_BOOK = "main"
"""The book that stands in every database, and holds the accounts opened before there were others."""

UNNAMED_ACTOR = "unnamed"
"""Who did it where the caller does not say."""

PAIR_COUNT_MAX = 64
"""Most pairs of one account's metadata."""

STRIPES_MIN, STRIPES_MAX = 2, 64
"""How many stripes a striped account has."""

STRIPED_LENGTH_MAX = 61
"""Longest reference of a striped account: its stripes are called by it, "#" and two digits."""

VALUE_LENGTH_MAX = 256
"""Longest value of a pair, in characters."""

_REFERENCE = re.compile(r"[A-Za-z0-9:_.\-]{1,64}")
_ALIAS = re.compile(r"@[A-Za-z0-9:_.\-]{1,63}")
_CODE = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_ACTOR = re.compile(r"[A-Za-z0-9:_.@\-]{1,64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Side(enum.IntEnum):
    """Debit or credit; the numbers stand in the canonical form and never change."""

    DEBIT = 1
    CREDIT = 2


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What never changes about an account, so that it may be remembered.

    Args:
        id: number inside the database; means nothing outside.
        reference: public name.
        asset: what the account counts.
        normal_side: the side that makes the balance grow.
    """

    id: int
    reference: str
    asset: Asset
    normal_side: Side


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it stands.

    Args:
        facts: what never changes.
        status: ``"open"``, ``"frozen"`` or ``"closed"``.
        balance: minor units on the normal side.
        held: minor units reserved by placed holds.
        floor: lowest available balance before the overdraft line; None for no floor.
        posting_count: postings the account has seen.
        overdraft: how far below the floor the available balance may go.
        ceiling: highest balance allowed; None for no ceiling.
        terms: how many times status or terms were changed.
        stripes: how many accounts underneath hold its money; 0 for an account of its own.
    """

    facts: AccountFacts
    status: str
    balance: int
    held: int
    floor: int | None
    posting_count: int
    overdraft: int = 0
    ceiling: int | None = None
    terms: int = 0
    stripes: int = 0

    @property
    def available(self) -> int:
        """What may still be spent down to the floor: balance less held money."""
        return self.balance - self.held


@dataclass(frozen=True, slots=True)
class Terms:
    """How far an account may go, in minor units.

    Args:
        floor: lowest available balance before the overdraft line; None for no floor.
        overdraft: how far below the floor the available balance may go.
        ceiling: highest balance allowed; None for no ceiling.
    """

    floor: int | None = None
    overdraft: int = 0
    ceiling: int | None = None

    def __post_init__(self) -> None:
        for name, value, lowest in (
            ("floor_minor", self.floor, -AMOUNT_MAX),
            ("overdraft_minor", self.overdraft, 0),
            ("ceiling_minor", self.ceiling, -AMOUNT_MAX),
        ):
            if value is not None and not lowest <= value <= AMOUNT_MAX:
                raise InvalidValueError(name, value, f"give {lowest} to {AMOUNT_MAX}")

    @property
    def may_be_striped(self) -> bool:
        """Whether what all stripes keep is what their sum keeps."""
        return self.floor in (0, None) and not self.overdraft and self.ceiling is None

    @property
    def may_be_negative(self) -> bool:
        """Whether an account with these terms may fall below zero."""
        return self.floor is None or self.floor < self.overdraft


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to be opened.

    Args:
        reference: pseudonym; never holds personal data.
        asset: code of a registered asset.
        normal_side: None where side and terms come from the chart of the book.
        terms: None where ``normal_side`` is; the account begins empty, so the floor may not be above zero.
        book: code of the book.
        portfolio: code of a portfolio of the book; empty for none.
        segment: code of a segment of the book; empty for none.
        alias: another name, ``@`` first; empty for none.
        metadata: pairs of texts; no personal data.
        stripes: accounts underneath that share its postings; 0 for none. A striped account has a floor of 0 or none, no
            overdraft and no ceiling.
    """

    reference: str
    asset: str
    normal_side: Side | None = None
    terms: Terms | None = None
    book: str = MAIN_BOOK
    portfolio: str = ""
    segment: str = ""
    alias: str = ""
    metadata: Mapping[str, str] = dataclass_field(default_factory=dict)
    stripes: int = 0

    def __post_init__(self) -> None:
        check_reference(self.reference)
        if self.stripes:
            _check_stripes(self)
        if "\x00" in self.asset:  # text no database can hold, which the driver would report as a failure of its own
            raise InvalidValueError("asset", self.asset, "is not registered")
        if (self.normal_side is None) != (self.terms is None):
            raise InvalidValueError("normal_side", self.normal_side, "give side and terms, or leave both to the chart")
        if self.terms is not None and self.terms.floor is not None and self.terms.floor > 0:
            raise InvalidValueError(
                "floor_minor", self.terms.floor, "a new account is empty: give zero or less, or no floor"
            )
        if self.terms is not None and self.terms.ceiling is not None and self.terms.ceiling < 0:
            raise InvalidValueError(
                "ceiling_minor", self.terms.ceiling, "a new account is empty: give zero or more, or no ceiling"
            )
        check_code(self.book, "book")
        for name, code in (("portfolio", self.portfolio), ("segment", self.segment)):
            if code:
                check_code(code, name)
        if self.alias:
            check_alias(self.alias)
        check_metadata(self.metadata)


def _check_stripes(new: NewAccount) -> None:
    if not STRIPES_MIN <= new.stripes <= STRIPES_MAX:
        raise InvalidValueError("stripes", new.stripes, f"give {STRIPES_MIN} to {STRIPES_MAX}, or 0 for none")
    if len(new.reference) > STRIPED_LENGTH_MAX:
        raise InvalidValueError(
            "account", new.reference, f"give at most {STRIPED_LENGTH_MAX} characters: it has stripes"
        )
    if new.terms is not None and not new.terms.may_be_striped:
        raise InvalidValueError("stripes", new.stripes, "needs a floor of 0 or none, no overdraft and no ceiling")


def check_reference(reference: str, field: str = "account") -> str:
    """Return the reference if it is well formed.

    Raises:
        InvalidValueError: empty, over 64 characters, or with other characters than letters, digits and ``:-_.``.
    """
    if not _REFERENCE.fullmatch(reference):
        raise InvalidValueError(field, reference, 'use 1 to 64 letters, digits, ":", "-", "_" or "."')
    return reference


def check_alias(alias: str, field: str = "alias") -> str:
    """Return the alias if it is well formed.

    Raises:
        InvalidValueError: does not begin with ``@``, over 64 characters, or with characters no reference has.
    """
    if not _ALIAS.fullmatch(alias):
        raise InvalidValueError(field, alias, 'use "@" and 1 to 63 letters, digits, ":", "-", "_" or "."')
    return alias


def check_code(code: str, field: str) -> str:
    """Return the code of a book, portfolio or segment, or the name of a pair, if it is well formed.

    Raises:
        InvalidValueError: empty, over 64 characters, or with other characters than letters, digits and ``-_.``.
    """
    if not _CODE.fullmatch(code):
        raise InvalidValueError(field, code, 'use 1 to 64 letters, digits, "-", "_" or "."')
    return code


def check_actor(actor: str) -> str:
    """Return the pseudonym of who acts if it is well formed.

    Raises:
        InvalidValueError: empty, over 64 characters, or with other characters than letters, digits and ``:-_.@``.
    """
    if not _ACTOR.fullmatch(actor):
        raise InvalidValueError("actor", actor, 'use 1 to 64 letters, digits, ":", "-", "_", "." or "@"')
    return actor


def check_metadata(pairs: Mapping[str, str | None]) -> None:
    """Pass if these may be pairs of an account's metadata; a value of None removes its name.

    Raises:
        InvalidValueError: too many pairs, a malformed name, an empty or long value, or control characters in it.
    """
    if len(pairs) > PAIR_COUNT_MAX:
        raise InvalidValueError("metadata", len(pairs), f"give at most {PAIR_COUNT_MAX} pairs")
    for name, value in pairs.items():
        check_code(name, "metadata name")
        if value is None:
            continue
        if not 1 <= len(value) <= VALUE_LENGTH_MAX or _CONTROL.search(value):
            raise InvalidValueError(
                f"metadata {name}", value, f"give 1 to {VALUE_LENGTH_MAX} characters, none of them a control character"
            )
