"""What is matched and what comes of it: movements of outside statements, postings of the books, matches, exceptions.

Rules:
- a ``change`` is in minor units and above zero when it raises the account's balance on its normal side, on both sides
  of the comparison, so that a record and its posting carry equal numbers;
- a reference is compared without regard to case or outer spaces; words that say "there is none" are none;
- the other party's name and text are personal data: they stand apart, and matching never looks at them.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from ledger.errors import InvalidValueError

ACTOR_LENGTH_MAX = 100
STATEMENT_NAME_LENGTH_MAX = 140
RECORD_KEY_LENGTH_MAX = 200
PARTY_LENGTH_MAX = 2000
REFERENCE_LENGTH_MAX = 200
REFERENCES_MAX = 100_000
"""Most references of one record: a batch carries those of all its transactions."""

NO_REFERENCE = frozenset({"notprovided", "nonref", "none", "n/a"})
"""What banks write where there is no reference: ISO 20022 NOTPROVIDED, SWIFT NONREF."""

PostingId = tuple[int, int]
"""Entry number and the posting's place in the entry, from 1."""


@dataclass(frozen=True, slots=True)
class ExternalRecord:
    """One movement as a statement records it.

    Args:
        key: what the movement is known by within its account, the same whenever it is received again.
        number: line of the file, or place in the statement, from 1.
        change: minor units.
        references: as received; each may be one that the books know.
        counterparty: names and free text of the other party; personal data.
    """

    key: str
    number: int
    change: int
    value_day: date
    booking_day: date
    references: tuple[str, ...]
    counterparty: str = ""


@dataclass(frozen=True, slots=True)
class ExternalStatement:
    """One account's statement.

    Args:
        account: reference in our books.
        reference: the sender's own name of the statement, unique for the account.
        first_day, last_day: what it covers, both included.
        opening, closing: recorded balances, minor units; None where the file records none.
    """

    account: str
    asset: str
    reference: str
    first_day: date
    last_day: date
    opening: int | None
    closing: int | None
    records: tuple[ExternalRecord, ...]


@dataclass(frozen=True, slots=True)
class StatementFile:
    """A file as it was received.

    Args:
        digest: SHA-256 of its bytes.
        format: ``"csv"``, ``"camt.053"`` or ``"mt940"``.
    """

    digest: bytes
    format: str
    statements: tuple[ExternalStatement, ...]


@dataclass(frozen=True, slots=True)
class UnmatchedRecord:
    """A stored record that no match holds yet.

    Args:
        references: normal forms.
    """

    id: int
    change: int
    value_day: date
    booking_day: date
    references: frozenset[str]


@dataclass(frozen=True, slots=True)
class UnmatchedPosting:
    """A posting of the account that no match holds yet.

    Args:
        day: effective day, UTC.
        settlement_id: normal form, empty for none.
        key: the entry's idempotency key as text.
        description: the entry's text, empty where it was erased.
    """

    seq: int
    number: int
    change: int
    day: date
    settlement_id: str = ""
    key: str = ""
    description: str = ""

    @property
    def id(self) -> PostingId:
        """What the posting is known by."""
        return self.seq, self.number


@dataclass(frozen=True, slots=True)
class Match:
    """Records and postings that are the same movements.

    Args:
        rule: name of the rule that found it.
        difference: sum of the records' changes less that of the postings', within the rule's tolerance.
    """

    rule: str
    records: tuple[int, ...]
    postings: tuple[PostingId, ...]
    difference: int
    tolerance: int = 0


class ExceptionKind(enum.IntEnum):
    """Why something stays open; the numbers stand in the database."""

    MISSING_IN_BOOKS = 1
    """The statement has it, the books do not."""
    MISSING_ON_STATEMENT = 2
    """The books have it on a day that a statement covers, the statement does not."""
    AMOUNT_DIFFERS = 3
    """The reference agrees, the amount does not."""
    DATE_OUT_OF_WINDOW = 4
    """It is found, but too many days away."""
    AMBIGUOUS = 5
    """Several could be it, or no rule decides; nothing is guessed."""
    TAKEN_APART = 6
    """It was in a match that a person found wrong; no run matches it again."""

    @property
    def text(self) -> str:
        """The kind as it is written."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class OpenException:
    """Records and postings that no rule could match, for a person to decide.

    Args:
        difference: sum of the records' changes less that of the postings'.
    """

    kind: ExceptionKind
    records: tuple[int, ...]
    postings: tuple[PostingId, ...]
    difference: int


@dataclass(frozen=True, slots=True)
class ExplainedGroup:
    """What a person explained already: it may still be matched, but does not become an exception again."""

    records: frozenset[int]
    postings: frozenset[PostingId]


@dataclass(frozen=True, slots=True)
class Matching:
    """Outcome for one account; every record and posting stands in one match or exception at most."""

    matches: tuple[Match, ...]
    exceptions: tuple[OpenException, ...]


def check_text(field: str, value: str, length_max: int) -> None:
    """Refuse a text that the database could not hold.

    Raises:
        InvalidValueError: empty, too long, or with a zero character.
    """
    if not 1 <= len(value) <= length_max or "\x00" in value:
        raise InvalidValueError(field, value, f"give 1 to {length_max} characters")


def normal_reference(text: str) -> str:
    """Return the form in which references are compared; empty where the text says that there is none."""
    normal = text.strip().casefold()
    return "" if normal in NO_REFERENCE else normal


def normal_references(texts: Iterable[str]) -> frozenset[str]:
    """Return the normal forms of all that are references."""
    return frozenset(normal_reference(text) for text in texts) - {""}
