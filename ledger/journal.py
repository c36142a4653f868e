"""Journal entries: what a caller asks the books to post, and what the books answer.

Rules:
- a posting is one leg: an account, a side and an amount above zero;
- an entry has 2 to ``POSTING_COUNT_MAX`` postings; per asset its debits equal its credits; it names no account on
  both sides;
- its idempotency key names it for ever; ``request_hash`` tells a repeat from another entry under the same key;
- what can never be right raises ``InvalidValueError`` here; what depends on the state of the books is a ``ResultCode``.

The decision of the compliance rules comes from a ``Decider`` that the caller of the writer injects: the books store and
bind it, and refuse an entry without one, but do not know the rules.
"""

from __future__ import annotations

import enum
import hashlib
import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import psycopg

from ledger.account import AccountFacts, Side, check_reference
from ledger.errors import InvalidValueError
from ledger.money import AMOUNT_MAX

POSTING_COUNT_MAX = 1000
"""Most postings of one entry."""

TEXT_LENGTH_MAX = 64
"""Longest settlement id, in characters."""

DESCRIPTION_LENGTH_MAX = 500
"""Longest description, in characters."""

_REQUEST_TAG = b"dwaybank.node/request\x01"
_NO_HOLD = bytes(16)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY_MICROSECONDS = 86_400_000_000


class ResultCode(enum.IntEnum):
    """Outcome of one entry, in order of precedence: the first that applies is the answer (docs/result-codes.md)."""

    POSTED = 0
    EXISTS = 1
    EXISTS_WITH_DIFFERENT_BODY = 2
    ACCOUNT_NOT_FOUND = 3
    UNBALANCED = 4
    HOLD_NOT_FOUND = 5
    HOLD_NOT_PLACED = 6
    HOLD_EXPIRED = 7
    HOLD_MISMATCH = 8
    ACCOUNT_CLOSED = 9
    ACCOUNT_FROZEN = 10
    BALANCE_OVERFLOW = 11
    EXCEEDS_AVAILABLE = 12

    @property
    def text(self) -> str:
        """The code as services and documents spell it, e.g. ``"exceeds_available"``."""
        return self.name.lower()


class Outcome(enum.IntEnum):
    """What the compliance rules decided; the numbers stand in the canonical form and never change."""

    AUTOMATED_APPROVAL = 1
    REQUIRES_MANUAL_REVIEW = 2

    @property
    def text(self) -> str:
        """The outcome as services and contracts spell it, e.g. ``"automated_approval"``."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Posting:
    """One leg of an entry.

    Args:
        account: reference of the account.
        side: debit or credit.
        amount: minor units of the account's asset, above zero.
    """

    account: str
    side: Side
    amount: int

    def __post_init__(self) -> None:
        if not 0 < self.amount <= AMOUNT_MAX:
            raise InvalidValueError("amount_minor", self.amount, f"give 1 to {AMOUNT_MAX}")


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry to be posted.

    Args:
        key: idempotency key; time-ordered ones (UUIDv7) keep the index of keys small in memory.
        postings: its legs.
        effective_at: when it counts for; None for the moment of posting.
        settlement_id: shared by both banks' entries of one settlement; empty for none.
        description: free text for the books only; empty for none.
        hold_id: the hold this entry captures; None for none.
    """

    key: uuid.UUID
    postings: tuple[Posting, ...]
    effective_at: datetime | None = None
    settlement_id: str = ""
    description: str = ""
    hold_id: uuid.UUID | None = None

    def __post_init__(self) -> None:
        if not 2 <= len(self.postings) <= POSTING_COUNT_MAX:
            raise InvalidValueError("postings", len(self.postings), f"an entry has 2 to {POSTING_COUNT_MAX} postings")
        if self.effective_at is not None and self.effective_at.tzinfo is None:
            raise InvalidValueError("effective_at", self.effective_at, "give a time with its zone")
        if self.settlement_id:
            _check_text("settlement_id", self.settlement_id, TEXT_LENGTH_MAX)
        if self.description:
            _check_text("description", self.description, DESCRIPTION_LENGTH_MAX)
        _check_sides(self.postings)


def _check_sides(postings: tuple[Posting, ...]) -> None:
    if len(postings) == 2:
        first, second = postings
        if first.account == second.account:
            raise InvalidValueError("account", first.account, "stands on both sides of the entry")
        return
    debited = {posting.account for posting in postings if posting.side is Side.DEBIT}
    for posting in postings:
        if posting.side is Side.CREDIT and posting.account in debited:
            raise InvalidValueError("account", posting.account, "stands on both sides of the entry")


def _check_text(field: str, text: str, length_max: int) -> None:
    if len(text) > length_max or "\x00" in text or not _encodes(text):
        raise InvalidValueError(field, text, f"give at most {length_max} characters of valid text")


def _encodes(text: str) -> bool:
    """Lone surrogates are Python strings that no UTF-8 can carry."""
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in text)


def transfer(key: uuid.UUID, debit: str, credit: str, amount: int, **more: Any) -> NewEntry:
    """Return the entry with one debit and one credit of the same amount; ``more`` are ``NewEntry``'s other fields."""
    for reference in (debit, credit):
        check_reference(reference)
    return NewEntry(key, (Posting(debit, Side.DEBIT, amount), Posting(credit, Side.CREDIT, amount)), **more)


_REQUEST_HEAD = struct.Struct("!B16sqH")


def request_hash(entry: NewEntry, posting_fields: Sequence[bytes]) -> bytes:
    """Return the SHA-256 that tells a repeat of this entry from another body under the same key.

    It covers everything the caller asked for except the key: hold, effective time, postings in their order, settlement
    id and description, each with its length. It stays in the books.

    Args:
        entry: what was asked.
        posting_fields: the canonical fields of its postings (``canonical.encode_posting``), in order.
    """
    hold = entry.hold_id.bytes if entry.hold_id is not None else _NO_HOLD
    when = microseconds(entry.effective_at) if entry.effective_at is not None else 0
    given = (entry.effective_at is not None) | (entry.hold_id is not None) << 1
    head = _REQUEST_TAG + _REQUEST_HEAD.pack(given, hold, when, len(posting_fields)) + b"".join(posting_fields)
    settlement_id = entry.settlement_id.encode()
    length = len(settlement_id).to_bytes(2, "big")
    return hashlib.sha256(head + length + settlement_id + entry.description.encode()).digest()


def microseconds(moment: datetime) -> int:
    """Return microseconds since 1970-01-01 UTC; exact, without a float."""
    since = moment - EPOCH
    return since.days * _DAY_MICROSECONDS + since.seconds * 1_000_000 + since.microseconds


@dataclass(frozen=True, slots=True)
class Decision:
    """What the compliance rules decided about one entry, and the leaf that commits to the full record.

    Args:
        id: 16 random bytes that mean nothing elsewhere.
        outcome: approved automatically, or to be reviewed by a person.
        leaf: 32 bytes, the RFC 6962 leaf hash of the decision record.
    """

    id: bytes
    outcome: Outcome
    leaf: bytes


@dataclass(frozen=True, slots=True)
class EntryResult:
    """Answer to one entry.

    Args:
        code: the outcome.
        seq: number of the posted entry, also for a repeat; None when refused.
        outcome: the decision stored with it; None when refused.
        leaf: its leaf hash; empty when refused.
        message: one sentence for people; empty for posted.
    """

    code: ResultCode
    seq: int | None = None
    outcome: Outcome | None = None
    leaf: bytes = b""
    message: str = ""


@dataclass(frozen=True, slots=True)
class AcceptedEntry:
    """An entry of the batch that is about to commit, as the hook of the same commit sees it.

    Args:
        seq: its number.
        entry: what was asked.
        decision: the decision stored with it.
        leaf: its leaf hash.
    """

    seq: int
    entry: NewEntry
    decision: Decision
    leaf: bytes


class Decider(Protocol):
    """The compliance rules, as the writer of the books calls them (in its own thread, never concurrently)."""

    def decide(
        self, entries: Sequence[NewEntry], accounts: Sequence[Sequence[AccountFacts]], now: datetime
    ) -> Sequence[Decision]:
        """Return one decision for each entry, in order; ``accounts`` holds the facts of each entry's postings.

        Entries that the books refuse afterwards leave no trace of their decision.
        """

    def in_commit(self, cursor: psycopg.Cursor[Any], accepted: Sequence[AcceptedEntry], now: datetime) -> None:
        """Write the decision records of the accepted entries in the entries' own database transaction.

        It may not commit or roll back; what it raises undoes the whole batch.
        """
