"""What an archive leaves behind in the books: its record, which the posting engine signs, and the digests in it. Pure.

Rules:
- the record binds the file, the keys that are kept of its entries, and where accounts and holds stood at its end: none
  of them can be changed unseen by whoever does not hold the posting engine's key;
- digests of rows are over the very lines that PostgreSQL's COPY writes of them as text, so that a file and a database
  come to the same.

Source: PostgreSQL, COPY, "Text Format".
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ledger.canonical import field

KEY_COLUMNS = (
    "seq", "debit_account", "credit_account", "amount", "key", "decision_outcome", "leaf", "request_hash",
    "settlement_id",
)  # fmt: skip
"""What is kept of an archived entry, in the order of its digest."""

_TAG = b"dwaybank.node/archive\x01"
_ESCAPES = str.maketrans({"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"})


@dataclass(frozen=True, slots=True)
class ArchiveRecord:
    """One archive, as it is signed.

    Args:
        number: counts the archives of these books from 1; what was restored and archived anew has two.
        latest_us: no entry was posted later or counts for a later time; microseconds since 1970.
        posted_us: when the last entry was posted.
        greatest_key: of its entries.
        file_sha256: over the whole file.
        keys_sha256: over its rows of ``past_key`` in the order of their numbers, ``KEY_COLUMNS``.
        state_sha256: over ``account_opening`` and ``hold_opening`` after it (``state_digest``).
    """

    number: int
    first_seq: int
    last_seq: int
    latest_us: int
    posted_us: int
    greatest_key: UUID
    file_name: str
    file_bytes: int
    file_sha256: bytes
    keys_sha256: bytes
    state_sha256: bytes

    def digest(self) -> bytes:
        """Return what the posting engine signs."""
        numbers = (self.number, self.first_seq, self.last_seq, self.latest_us, self.posted_us, self.file_bytes)
        parts = [number.to_bytes(8, "big", signed=True) for number in numbers]
        parts += [self.greatest_key.bytes, self.file_name.encode()]
        parts += [self.file_sha256, self.keys_sha256, self.state_sha256]
        return hashlib.sha256(_TAG + b"".join(map(field, parts))).digest()


def copy_line(values: Sequence[str | None]) -> bytes:
    """Return a row as COPY writes it."""
    return ("\t".join("\\N" if value is None else value.translate(_ESCAPES) for value in values) + "\n").encode()
