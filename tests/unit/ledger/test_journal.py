"""Entries are valid by construction; the request hash tells every two different bodies apart."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.account import Side, check_reference
from ledger.canonical import encode_account, encode_posting
from ledger.errors import InvalidValueError
from ledger.hold import NewHold
from ledger.journal import (
    EPOCH,
    MESSAGES,
    NewEntry,
    Outcome,
    Posting,
    ResultCode,
    microseconds,
    request_hash,
    transfer,
)
from ledger.money import AMOUNT_MAX

KEY = uuid.UUID(int=1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize("amount", [0, -1, AMOUNT_MAX + 1])
def test_posting_outside_the_range_is_refused(amount: int) -> None:
    with pytest.raises(InvalidValueError, match="amount_minor"):
        Posting("a", Side.DEBIT, amount)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"postings": ()}, "postings"),
        ({"postings": (Posting("a", Side.DEBIT, 1),)}, "postings"),
        ({"postings": (Posting("a", Side.DEBIT, 1),) * 1001}, "postings"),
        ({"effective_at": datetime(2026, 1, 1)}, "effective_at"),
        ({"settlement_id": "x" * 65}, "settlement_id"),
        ({"description": "x" * 501}, "description"),
        ({"description": "a\x00b"}, "description"),
        ({"description": "\ud800"}, "description"),
    ],
)
def test_malformed_entry_is_refused_with_its_field(changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        replace(transfer(KEY, "a", "b", 1), **changes)
    assert refused.value.field == field


def test_account_on_both_sides_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="both sides"):
        transfer(KEY, "a", "a", 1)
    legs = (Posting("a", Side.DEBIT, 1), Posting("b", Side.DEBIT, 1), Posting("b", Side.CREDIT, 2))
    with pytest.raises(InvalidValueError, match="both sides"):
        NewEntry(KEY, legs)


@pytest.mark.parametrize("reference", ["", "a b", "a\n", "ä", "a/b", "x" * 65, "a;b", "'"])
def test_malformed_reference_is_refused(reference: str) -> None:
    with pytest.raises(InvalidValueError):
        check_reference(reference)
    with pytest.raises(InvalidValueError):
        transfer(KEY, reference, "b", 1)


def test_hold_without_zone_or_amount_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="expires_at"):
        NewHold(KEY, "a", 1, NOON.replace(tzinfo=None))
    with pytest.raises(InvalidValueError, match="amount_minor"):
        NewHold(KEY, "a", 0, NOON)


BODIES = [
    transfer(KEY, "a", "b", 1),
    transfer(KEY, "b", "a", 1),
    transfer(KEY, "a", "b", 2),
    transfer(KEY, "ab", "c", 1),
    transfer(KEY, "a", "bc", 1),
    transfer(KEY, "a", "b", 1, settlement_id="x"),
    transfer(KEY, "a", "b", 1, description="x"),
    transfer(KEY, "a", "b", 1, settlement_id="x", description="x"),
    transfer(KEY, "a", "b", 1, effective_at=NOON),
    transfer(KEY, "a", "b", 1, effective_at=EPOCH),
    transfer(KEY, "a", "b", 1, hold_id=uuid.UUID(int=0)),
    transfer(KEY, "a", "b", 1, hold_id=KEY),
    NewEntry(KEY, (Posting("a", Side.DEBIT, 2), Posting("b", Side.CREDIT, 1), Posting("c", Side.CREDIT, 1))),
    NewEntry(KEY, (Posting("a", Side.DEBIT, 2), Posting("c", Side.CREDIT, 1), Posting("b", Side.CREDIT, 1))),
]


def hash_of(entry: NewEntry) -> bytes:
    return request_hash(
        entry, [encode_posting(encode_account(p.account, "EUR", 2), p.side, p.amount) for p in entry.postings]
    )


def test_every_two_bodies_have_different_hashes() -> None:
    assert len({hash_of(body) for body in BODIES}) == len(BODIES)


def test_hash_depends_on_neither_key_nor_zone() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5)))
    first = transfer(KEY, "a", "b", 1, effective_at=NOON)
    assert hash_of(first) == hash_of(transfer(uuid.UUID(int=2), "a", "b", 1, effective_at=elsewhere))


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_are_exact(moment: datetime) -> None:
    assert EPOCH + timedelta(microseconds=microseconds(moment)) == moment


def test_every_code_has_its_number_text_and_sentence() -> None:
    assert [code.value for code in ResultCode] == list(range(22))
    assert set(MESSAGES) == set(ResultCode)
    assert ResultCode.EXCEEDS_AVAILABLE.text == "exceeds_available"
    assert [outcome.text for outcome in Outcome] == ["automated_approval", "requires_manual_review"]


def test_a_plain_entry_is_made_alike_in_both_ways() -> None:
    one, other = Posting("a", Side.DEBIT, 2), Posting("b", Side.CREDIT, 2)
    quick, usual = NewEntry.plain(KEY, one, other), NewEntry(KEY, (one, other))
    assert quick == usual and repr(quick) == repr(usual) and hash(quick) == hash(usual)
    assert (quick.is_simple, quick.is_plain) == (usual.is_simple, usual.is_plain) == (True, True)
    with pytest.raises(InvalidValueError, match="stands on both sides"):
        NewEntry.plain(KEY, one, Posting("a", Side.CREDIT, 2))


def test_a_capture_is_simple_but_not_plain() -> None:
    capture = transfer(KEY, "a", "b", 2, hold_id=KEY)
    assert capture.is_simple and not capture.is_plain
    assert not replace(capture, hold_final=True).is_simple
