"""Entries of a log made for proof vectors: canonical forms of every version, and bytes that are none, one a leaf.

One checkpoint anchors them all, so each is proved to stand in the log, and only its own bytes can speak against it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from ledger.account import Side
from ledger.canonical import CanonicalEntry, CanonicalPosting, encode_entry, field
from ledger.journal import Outcome
from network.merkle import leaf_hash

SALT = bytes(range(32))
TAG = field(b"dwaybank.node/entry")
POSTED_AT_US = 1_767_225_600_123_456


@dataclass(frozen=True)
class EntryForm:
    """One leaf of the log."""

    name: str
    canonical: bytes
    reason: str | None
    """Why a bundle of it is refused."""


def decision_record(seq: int) -> bytes:
    """Return the leaf data of an entry's decision: salt, then record."""
    return bytes(32) + b"automated_approval of entry " + str(seq).encode()


def entry(seq: int) -> CanonicalEntry:
    """Return a plain entry of version 3."""
    postings = (
        CanonicalPosting("customer:4711", "EUR", 2, Side.DEBIT, 12_345),
        CanonicalPosting("bank:cash", "EUR", 2, Side.CREDIT, 12_345),
    )
    return CanonicalEntry(
        seq, uuid.UUID(int=seq), POSTED_AT_US, 1_767_225_600_000_000, postings, "", b"", bytes(15) + b"\x07",
        Outcome.AUTOMATED_APPROVAL, leaf_hash(decision_record(seq)),
    )  # fmt: skip


def _extended(seq: int) -> bytes:
    """All optional parts at once, the largest and the oddest values."""
    postings = (
        CanonicalPosting("a", "XX", 18, Side.DEBIT, 2**127 - 1),
        CanonicalPosting("b" * 64, "USDC-SETTLEMENT", 0, Side.CREDIT, 1),
    )
    return encode_entry(
        replace(
            entry(seq), postings=postings, effective_at_us=-1, settlement_id="Überweisung 💶 \u0000", actor="teller:7",
            description_commitment=bytes(32), metadata_commitment=bytes(32), reverses=1, hold_id=uuid.UUID(int=9),
            chain_seq=seq, refusals=bytes(31) + b"\x01", outcome=Outcome.REQUIRES_MANUAL_REVIEW,
        )
    )  # fmt: skip


def _changed(seq: int, old: bytes, new: bytes) -> bytes:
    canonical = encode_entry(entry(seq))
    assert canonical.count(old) >= 1
    return canonical.replace(old, new, 1)


def _amount(amount: int) -> Callable[[int], bytes]:
    minor = (12_345).to_bytes(16, "big")
    return lambda seq: _changed(seq, field(minor), field(amount.to_bytes(16, "big", signed=True)))


_OUTCOME, _SIDE = field(bytes(15) + b"\x07") + field(b"\x01"), field(b"\x02") + field(b"\x01")

_FORMS: dict[str, tuple[str | None, Callable[[int], bytes]]] = {
    "of_version_3": (None, lambda seq: encode_entry(entry(seq))),
    "of_version_2": (None, lambda seq: encode_entry(replace(entry(seq), version=2))),
    "of_version_1": (None, lambda seq: encode_entry(replace(entry(seq), version=1))),
    "with_every_field": (None, _extended),
    "with_300_postings": (None, lambda seq: encode_entry(replace(entry(seq), postings=entry(seq).postings * 150))),
    "without_postings": (None, lambda seq: encode_entry(replace(entry(seq), postings=()))),
    "of_the_first_year": (None, lambda seq: encode_entry(replace(entry(seq), effective_at_us=-62_135_596_800_000_000))),
    "of_another_kind": ("unreadable_entry", lambda seq: _changed(seq, b"node/entry", b"node/batch")),
    "of_version_0": ("unreadable_entry", lambda seq: _changed(seq, TAG + field(b"\x03"), TAG + field(b"\x00"))),
    "of_version_4": ("unreadable_entry", lambda seq: _changed(seq, TAG + field(b"\x03"), TAG + field(b"\x04"))),
    "with_a_version_of_two_bytes": (
        "unreadable_entry",
        lambda seq: _changed(seq, TAG + field(b"\x03"), TAG + field(b"\x00\x03")),
    ),
    "of_version_1_with_fields_of_version_3": (
        "unreadable_entry",
        lambda seq: _changed(seq, TAG + field(b"\x03"), TAG + field(b"\x01")),
    ),
    "cut_off": ("unreadable_entry", lambda seq: encode_entry(entry(seq))[:-1]),
    "of_one_byte": ("unreadable_entry", lambda seq: bytes([seq])),
    "with_a_byte_more": ("unreadable_entry", lambda seq: encode_entry(entry(seq)) + b"\x00"),
    "with_a_field_more": ("unreadable_entry", lambda seq: encode_entry(entry(seq)) + field(b"")),
    "of_number_0": ("unreadable_entry", lambda seq: _changed(seq, field(seq.to_bytes(8, "big")), field(bytes(8)))),
    "of_a_negative_number": (
        "unreadable_entry",
        lambda seq: _changed(seq, field(seq.to_bytes(8, "big")), field(b"\xff" * 8)),
    ),
    "with_a_number_of_4_bytes": (
        "unreadable_entry",
        lambda seq: _changed(seq, field(seq.to_bytes(8, "big")), field(seq.to_bytes(4, "big"))),
    ),
    "with_amount_0": ("unreadable_entry", _amount(0)),
    "with_a_negative_amount": ("unreadable_entry", _amount(-12_345)),
    "with_an_amount_of_8_bytes": (
        "unreadable_entry",
        lambda seq: _changed(seq, field((12_345).to_bytes(16, "big")), field((12_345).to_bytes(8, "big"))),
    ),
    "with_side_3": ("unreadable_entry", lambda seq: _changed(seq, _SIDE, field(b"\x02") + field(b"\x03"))),
    "with_outcome_0": ("unreadable_entry", lambda seq: _changed(seq, _OUTCOME, _OUTCOME[:-1] + b"\x00")),
    "with_outcome_3": ("unreadable_entry", lambda seq: _changed(seq, _OUTCOME, _OUTCOME[:-1] + b"\x03")),
    "with_an_account_beyond_ascii": (
        "unreadable_entry",
        lambda seq: _changed(seq, b"bank:cash", "bank:câs".encode()),
    ),
    "with_a_settlement_beyond_utf8": (
        "unreadable_entry",
        lambda seq: encode_entry(replace(entry(seq), settlement_id="AAAA")).replace(b"AAAA", b"A\xed\xa0\x80"),
    ),
    "with_fewer_postings_than_counted": ("unreadable_entry", lambda seq: _changed(seq, b"\0\2\0\2", b"\0\2\0\3")),
    "with_more_postings_than_counted": ("unreadable_entry", lambda seq: _changed(seq, b"\0\2\0\2", b"\0\2\0\1")),
    "with_a_reversed_entry_of_4_bytes": (
        "unreadable_entry",
        lambda seq: encode_entry(replace(entry(seq), reverses=5)).replace(field(b"\0" * 7 + b"\5"), field(b"\0\0\0\5")),
    ),
    "with_a_hold_of_8_bytes": (
        "unreadable_entry",
        lambda seq: encode_entry(replace(entry(seq), hold_id=uuid.UUID(int=2**127))).replace(
            field(b"\x80" + bytes(15)), field(b"\x80" + bytes(7))
        ),
    ),
    "with_refusals_of_31_bytes": (
        "unreadable_entry",
        lambda seq: encode_entry(replace(entry(seq), refusals=bytes(32)))[:-34] + field(bytes(31)),
    ),
    "posted_beyond_the_calendar": (
        "unreadable_entry",
        lambda seq: encode_entry(replace(entry(seq), posted_at_us=2**62)),
    ),
    "effective_before_the_calendar": (
        "unreadable_entry",
        lambda seq: encode_entry(replace(entry(seq), effective_at_us=-62_135_596_800_000_001)),
    ),
    "of_another_number": ("wrong_fields", lambda seq: encode_entry(entry(seq + 1))),
    "of_a_number_beyond_json": ("wrong_fields", lambda seq: encode_entry(entry(2**53 + seq))),
    "bound_to_another_decision": (
        "wrong_decision",
        lambda seq: encode_entry(replace(entry(seq), decision_leaf=leaf_hash(decision_record(1)))),
    ),
}


def entry_forms() -> list[EntryForm]:
    """Return the entries of the log, in order; entry ``n`` of the log is number ``n``."""
    return [EntryForm(name, make(seq), reason) for seq, (name, (reason, make)) in enumerate(_FORMS.items(), 1)]


LEAVES = [leaf_hash(SALT + form.canonical) for form in entry_forms()]
DECISION_LEAVES = [leaf_hash(decision_record(seq)) for seq in range(1, len(LEAVES) + 1)]
