"""Journal entries: what a caller asks the books to post, and what the books answer.

Rules:
- a posting is one leg: an account, a side and an amount above zero;
- an entry has 2 to ``POSTING_COUNT_MAX`` postings; per asset its debits equal its credits; it names no account on
  both sides;
- its idempotency key names it for ever; ``request_hash`` tells a repeat from another entry under the same key;
- what can never be right raises ``InvalidValueError`` here; what depends on the state of the books is a ``ResultCode``.

The decision of the compliance rules (``Outcome``) comes from a ``decision.Decider`` that the caller of the writer
injects: the books store and bind it, and refuse an entry without one, but do not know the rules.
"""

from __future__ import annotations

import enum
import hashlib
import re
import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from ledger.account import Side, check_actor, check_reference
from ledger.errors import InvalidValueError
from ledger.money import AMOUNT_MAX

POSTING_COUNT_MAX = 1000
"""Most postings of one entry."""

TEXT_LENGTH_MAX = 64
"""Longest settlement id, in characters."""

DESCRIPTION_LENGTH_MAX = 500
"""Longest description, in characters."""

METADATA_COUNT_MAX = 16
"""Most pairs of one entry's metadata."""

METADATA_VALUE_LENGTH_MAX = 256
"""Longest value, in characters."""

METADATA_NAME = re.compile(r"[A-Za-z0-9:_.\-]{1,64}")

SEQ_MAX = 2**63 - 1
"""Highest number an entry could have."""

REQUEST_HASH_BYTES = 16
"""So much of a request's hash is kept: two bodies of one caller that agree in it would harm only him."""

REQUEST_TAG = b"dwaybank.node/request\x01"
_NO_HOLD = bytes(16)
NO_TEXT = bytes(2)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY_MICROSECONDS = 86_400_000_000


class ResultCode(enum.IntEnum):
    """Outcome of one request, in order of precedence: the first that applies is the answer (docs/result-codes.md).

    Numbers say the order and nothing else: what is stored, signed or sent is the text.
    """

    POSTED = 0
    EXISTS = 1
    EXISTS_WITH_DIFFERENT_BODY = 2
    ACCOUNT_NOT_FOUND = 3
    ASSET_MISMATCH = 4
    UNBALANCED = 5
    ACCOUNT_STRIPED = 6
    PERIOD_CLOSED = 7
    ENTRY_NOT_FOUND = 8
    ENTRY_ARCHIVED = 9
    EXCEEDS_ORIGINAL = 10
    HOLD_NOT_FOUND = 11
    HOLD_NOT_PLACED = 12
    HOLD_EXPIRED = 13
    HOLD_MISMATCH = 14
    ACCOUNT_CLOSED = 15
    ACCOUNT_FROZEN = 16
    DEADLINE_PASSED = 17
    BALANCE_OVERFLOW = 18
    EXCEEDS_AVAILABLE = 19
    EXCEEDS_CEILING = 20
    LINKED_FAILED = 21

    @property
    def text(self) -> str:
        """The code as services and documents spell it, e.g. ``"exceeds_available"``."""
        return self.name.lower()


MESSAGES = {
    ResultCode.POSTED: "",
    ResultCode.EXISTS: "this key was posted before with the same body",
    ResultCode.EXISTS_WITH_DIFFERENT_BODY: "this key was posted before with another body: use a new key",
    ResultCode.ACCOUNT_NOT_FOUND: "an account of this entry does not exist: open it first",
    ResultCode.ASSET_MISMATCH: "the two accounts do not count the same asset",
    ResultCode.UNBALANCED: "debits do not equal credits in every asset",
    ResultCode.ACCOUNT_STRIPED: "no money of a striped account can be held: its stripes have no limit in common",
    ResultCode.PERIOD_CLOSED: "the entry counts for a period that is closed: give a later effective time",
    ResultCode.ENTRY_NOT_FOUND: "the entry to reverse does not exist, or is a reversal itself",
    ResultCode.ENTRY_ARCHIVED: "the entry to reverse is archived: post a new entry that undoes it",
    ResultCode.EXCEEDS_ORIGINAL: "more would be reversed than remains of the entry",
    ResultCode.HOLD_NOT_FOUND: "the hold does not exist",
    ResultCode.HOLD_NOT_PLACED: "the hold was captured or released before",
    ResultCode.HOLD_EXPIRED: "the hold's deadline has passed",
    ResultCode.HOLD_MISMATCH: "the entry takes nothing from the held account, or more than is still held",
    ResultCode.ACCOUNT_CLOSED: "an account of this entry is closed",
    ResultCode.ACCOUNT_FROZEN: "an account of this entry is frozen",
    ResultCode.DEADLINE_PASSED: "the deadline lies in the past",
    ResultCode.BALANCE_OVERFLOW: "a balance would leave the range the books can hold",
    ResultCode.EXCEEDS_AVAILABLE: "an account's available balance is too low",
    ResultCode.EXCEEDS_CEILING: "an account's balance would go above its ceiling",
    ResultCode.LINKED_FAILED: "another request of the same chain was refused",
}
"""A sentence for each code; nothing in it depends on the request."""


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


class Scope(NamedTuple):
    """On whose behalf a request is asked inside the organization (``ledger.scope``).

    Args:
        tenant: by number.
        books: the tenant's, by number: the request keeps within them.
    """

    tenant: int
    books: frozenset[int]


@dataclass(frozen=True)
class NewEntry:
    """An entry to be posted.

    Args:
        key: idempotency key; time-ordered ones (UUIDv7) keep the index of keys small in memory.
        postings: its legs.
        effective_at: when it counts for; None for the moment of posting.
        settlement_id: shared by both banks' entries of one settlement; empty for none.
        description: free text for the books only; empty for none.
        hold_id: the hold this entry captures, in whole or in part; None for none.
        hold_final: with the capture the hold ends and what remains of it is given back.
        linked: stands or falls together with the next request of the same call.
        reverses: number of the entry that this one takes back, in whole or in part; None for none.
        actor: pseudonym of who asked; empty for none.
        metadata: pairs of name and value, each name once, in the order of names.
        scope: the tenant that asks; None for the organization. No part of what is asked.
    """

    key: uuid.UUID
    postings: tuple[Posting, ...]
    effective_at: datetime | None = None
    settlement_id: str = ""
    description: str = ""
    hold_id: uuid.UUID | None = None
    hold_final: bool = False
    linked: bool = False
    reverses: int | None = None
    actor: str = ""
    metadata: tuple[tuple[str, str], ...] = ()
    scope: Scope | None = None
    is_simple: bool = field(init=False, compare=False, repr=False)
    """Postings, a key, maybe a time of effect and a hold to capture, nothing else: most entries, and the fast way
    through the books."""
    is_plain: bool = field(init=False, compare=False, repr=False)
    """Postings and a key: what was asked follows from the row."""

    def __post_init__(self) -> None:
        if not 2 <= len(self.postings) <= POSTING_COUNT_MAX:
            raise InvalidValueError("postings", len(self.postings), f"an entry has 2 to {POSTING_COUNT_MAX} postings")
        _check_sides(self.postings)
        has_extras = (
            self.settlement_id
            or self.description
            or self.hold_final
            or self.linked
            or self.reverses is not None
            or self.actor
            or self.metadata
            or self.scope is not None
        )
        is_dated = self.effective_at is not None
        if has_extras or is_dated:
            self._check_extras()
        object.__setattr__(self, "is_simple", not has_extras)
        object.__setattr__(self, "is_plain", not (has_extras or is_dated or self.hold_id is not None))

    @classmethod
    def plain(cls, key: uuid.UUID, one: Posting, other: Posting) -> NewEntry:
        """Return an entry of two postings and nothing beside them, in a third of the usual time.

        Raises:
            InvalidValueError: both are on one account.
        """
        postings = one, other
        if one.account == other.account:
            _check_sides(postings)
        entry = object.__new__(cls)
        # What is left out has its default from the class.
        entry.__dict__.update(key=key, postings=postings, is_simple=True, is_plain=True)
        return entry

    def _check_extras(self) -> None:
        if self.effective_at is not None and self.effective_at.tzinfo is None:
            raise InvalidValueError("effective_at", self.effective_at, "give a time with its zone")
        if self.settlement_id:
            _check_text("settlement_id", self.settlement_id, TEXT_LENGTH_MAX)
        if self.description:
            _check_text("description", self.description, DESCRIPTION_LENGTH_MAX)
        if self.hold_final and self.hold_id is None:
            raise InvalidValueError("hold_final", self.hold_final, "only an entry that captures a hold can end it")
        if self.reverses is not None and not 1 <= self.reverses <= SEQ_MAX:
            raise InvalidValueError("reverses", self.reverses, "give the number of a posted entry")
        if self.actor:
            check_actor(self.actor)
        if self.metadata:
            check_metadata(self.metadata)


def check_metadata(pairs: Sequence[tuple[str, str]]) -> None:
    """Check names and values of an entry's metadata.

    Raises:
        InvalidValueError: too many, too long, out of order, or a name twice.
    """
    if len(pairs) > METADATA_COUNT_MAX:
        raise InvalidValueError("metadata", len(pairs), f"give at most {METADATA_COUNT_MAX} pairs")
    for name, value in pairs:
        if not METADATA_NAME.fullmatch(name):
            raise InvalidValueError("metadata name", name, 'use 1 to 64 letters, digits, ":", "-", "_" or "."')
        _check_text(f"metadata {name}", value, METADATA_VALUE_LENGTH_MAX)
    names = [name for name, _ in pairs]
    if names != sorted(set(names)):
        raise InvalidValueError("metadata", ", ".join(names), "give each name once, in the order of names")


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

    It covers everything the caller asked for except the key, each part with its length. What came later than the
    first release (below) stands at the end and only where given, so that requests of that release keep their hash.

    Args:
        entry: what was asked.
        posting_fields: the canonical fields of its postings (``canonical.encode_posting``), in order.
    """
    hold = entry.hold_id.bytes if entry.hold_id is not None else _NO_HOLD
    when = microseconds(entry.effective_at) if entry.effective_at is not None else 0
    later = not entry.is_simple and (
        entry.hold_final or entry.linked or entry.reverses is not None or entry.actor or entry.metadata
    )
    given = (entry.effective_at is not None) | (entry.hold_id is not None) << 1 | bool(later) << 2
    head = REQUEST_TAG + _REQUEST_HEAD.pack(given, hold, when, len(posting_fields)) + b"".join(posting_fields)
    if entry.is_simple:
        return hashlib.sha256(head + NO_TEXT).digest()
    parts = [head, _text_field(entry.settlement_id)]
    if later:
        flags = entry.hold_final | entry.linked << 1 | (entry.reverses is not None) << 2
        parts += (bytes([flags]), (entry.reverses or 0).to_bytes(8, "big"), _text_field(entry.actor))
        parts.append(len(entry.metadata).to_bytes(2, "big"))
        parts += [_text_field(text) for pair in entry.metadata for text in pair]
    return hashlib.sha256(b"".join(parts) + entry.description.encode()).digest()


def _text_field(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def microseconds(moment: datetime) -> int:
    """Return microseconds since 1970-01-01 UTC; exact, without a float."""
    since = moment - EPOCH
    return since.days * _DAY_MICROSECONDS + since.seconds * 1_000_000 + since.microseconds


class EntryResult(NamedTuple):
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
