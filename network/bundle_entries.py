"""The entries of a range: each at its place in the log, those that are shown read, in the order they were posted.

Rules kept here:
- an item of 32 bytes is a leaf; a longer one is a salt of 32 bytes and a canonical form; nothing else is an entry;
- the whole range hashes to the head's root before any entry is read;
- a shown entry bears the number of its place; where times matter, none is before the one shown before it;
- a range covers a period when an entry shown on each side lies outside it, or nothing is there.

How a canonical form is read is the caller's: it gives a reader.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from network.bundle_head import VerifiedHead
from network.bundle_many import HASH_BYTES, SALT_BYTES, RangeClaim, Window
from network.errors import ProofError
from network.merkle_range import verify_range

SECOND_US = 1_000_000


class PostingReading(Protocol):
    """One leg of an entry."""

    @property
    def account(self) -> str:
        """Reference of the account."""
        ...

    @property
    def asset(self) -> str:
        """Code of the asset."""
        ...

    @property
    def side(self) -> int:
        """1 debit, 2 credit."""
        ...

    @property
    def amount(self) -> int:
        """Minor units, above zero."""
        ...


class EntryReading(Protocol):
    """An entry as its canonical form tells it."""

    @property
    def seq(self) -> int:
        """Its number."""
        ...

    @property
    def posted_at_us(self) -> int:
        """When it was posted, microseconds since 1970-01-01 UTC."""
        ...

    @property
    def postings(self) -> Sequence[PostingReading]:
        """Its legs."""
        ...


ReadEntry = Callable[[bytes], EntryReading]
"""From canonical bytes to what they tell; raises where they are no entry."""


def verify_places(claim: RangeClaim, head: VerifiedHead) -> None:
    """Check that every item of a range stands at its place in the head's log.

    Raises:
        ProofError: ``index_out_of_range``, ``wrong_range``, ``wrong_salt``, ``malformed_hash``, ``wrong_proof_length``
            or ``wrong_inclusion``.
    """
    if claim.first < 1:
        raise ProofError("index_out_of_range", "entries are numbered from 1")
    count = claim.last - claim.first + 1
    if count < 1 or len(claim.items) != count:
        told = f"entries {claim.first} to {claim.last}, and holds {len(claim.items)}"
        raise ProofError("wrong_range", f"the range says it holds {told}")
    if min(map(len, claim.items)) < SALT_BYTES:
        raise ProofError("wrong_salt", f"an entry's salt has {SALT_BYTES} bytes and its canonical form at least one")
    sha256 = hashlib.sha256
    leaves = [item if len(item) == HASH_BYTES else sha256(b"\x00" + item).digest() for item in claim.items]
    verify_range(leaves, claim.first - 1, head.size, claim.proof, head.root)


def withheld_count(claim: RangeClaim) -> int:
    """Return of how many entries only the leaf is shown."""
    return sum(len(item) == HASH_BYTES for item in claim.items)


def shown_entries(claim: RangeClaim, read: ReadEntry) -> Iterator[EntryReading]:
    """Give the entries that a range shows, in order.

    Raises:
        ProofError: ``unreadable_entry`` or ``wrong_fields``.
    """
    for seq, item in enumerate(claim.items, claim.first):
        if len(item) == HASH_BYTES:
            continue
        try:
            entry = read(item[SALT_BYTES:])
        except Exception as error:
            raise ProofError("unreadable_entry", f"the canonical form of entry {seq} cannot be read") from error
        if entry.seq != seq:
            raise ProofError("wrong_fields", f"the entry at place {seq} says it is number {entry.seq}")
        yield entry


class PeriodWatch:
    """Tells for each entry, in order, whether it lies in a period; and at the end whether the range covers it.

    Args:
        window: the period.
        claim: the range.
    """

    def __init__(self, window: Window, claim: RangeClaim) -> None:
        self._begin_us = window.begin_us if window.begin_us is not None else -(2**63)
        self._end_us = window.end_us if window.end_us is not None else 2**63
        self._window = window
        self._claim = claim
        self._first_us: int | None = None
        self._last_us: int | None = None
        self._newest_us = -(2**63)

    def place(self, entry: EntryReading) -> int:
        """Return -1 for an entry before the period, 0 for one in it, 1 for one after it.

        Raises:
            ProofError: ``times_descend``, when an entry shown before it was posted later.
        """
        posted_us = entry.posted_at_us
        if posted_us < self._newest_us:
            raise ProofError("times_descend", f"entry {entry.seq} was posted before an entry before it")
        self._newest_us = posted_us
        if entry.seq == self._claim.first:
            self._first_us = posted_us
        if entry.seq == self._claim.last:
            self._last_us = posted_us
        return -1 if posted_us < self._begin_us else 0 if posted_us < self._end_us else 1

    def require_covered(self, head: VerifiedHead) -> None:
        """Check, when all entries were placed, that none of the period can lie beside the range.

        Raises:
            ProofError: ``period_not_covered``, when an entry before or after the range may lie in the period;
                ``period_open``, when the log ended before the period did.
        """
        claim = self._claim
        is_before = self._first_us is not None and self._first_us < self._begin_us
        if self._window.begin_us is not None and claim.first > 1 and not is_before:
            raise ProofError("period_not_covered", f"entry {claim.first} is not shown to be before the period")
        if self._window.end_us is None or (self._last_us is not None and self._last_us >= self._end_us):
            return
        if claim.last < head.size:
            raise ProofError("period_not_covered", f"entry {claim.last} is not shown to be after the period")
        seen_us = max((int(witness.time.timestamp()) * SECOND_US for witness in head.witnesses), default=0)
        if seen_us < self._end_us:
            raise ProofError("period_open", "no witness saw the log end with this entry when the period was over")
