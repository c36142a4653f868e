"""Entries of a call are read the short way or the long one, and come out alike: the same entry, or the same error."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidValueError
from ledger.journal import EntryResult, NewEntry, Outcome, ResultCode
from ledger.money import AMOUNT_MAX
from network.pb.dwaybank.ledger.v1 import ledger_pb2 as pb
from node.books import wire

KEY = "0190b6a0-5e7f-7c11-8000-3b1f6f0c2a55"
KEYS = (
    KEY,
    KEY.upper(),
    KEY.replace("-", ""),
    f"{{{KEY}}}",
    f"urn:uuid:{KEY}",
    KEY[:-1] + "g",
    KEY[:-1],
    KEY + "\n",
    "",
)
ACCOUNTS = ("a", "customer:1", "two words", "", "x" * 65, "é")
AMOUNTS = ("1", "250", "0", "007", "-5", "1.5", "1e3", "٣", "", str(AMOUNT_MAX), str(AMOUNT_MAX + 1))

postings = st.builds(
    pb.Posting,
    account=st.sampled_from(ACCOUNTS),
    side=st.sampled_from([0, 1, 2, 7]),
    amount_minor=st.sampled_from(AMOUNTS),
)
good = st.builds(
    pb.Posting,
    account=st.sampled_from(ACCOUNTS[:2]),
    side=st.sampled_from([1, 2]),
    amount_minor=st.sampled_from(AMOUNTS[:2]),
)
beside = st.fixed_dictionaries(
    {},
    optional={
        "settlement_id": st.sampled_from(["", "s"]),
        "description": st.sampled_from(["", "d"]),
        "hold_id": st.sampled_from(["", KEY]),
        "hold_final": st.booleans(),
        "linked": st.booleans(),
        "reverses": st.sampled_from([0, 3, -1]),
        "actor": st.sampled_from(["", "clerk", "no body"]),
        "metadata": st.sampled_from([{}, {"a": "b"}]),
    },
)
entries = st.builds(
    lambda key, legs, more: pb.NewEntry(idempotency_key=key, postings=legs, **more),
    st.one_of(st.just(KEY), st.sampled_from(KEYS)),
    st.one_of(st.lists(good, min_size=2, max_size=2), st.lists(postings, max_size=3)),
    st.one_of(st.just({}), beside),
)


def read(work: Any) -> NewEntry | tuple[str, object, str]:
    try:
        entry: NewEntry = work()
    except InvalidValueError as error:
        return error.field, error.value, error.reason
    return entry


@given(entries)
def test_short_way_and_long_way_agree(message: pb.NewEntry) -> None:
    short = read(lambda: wire.new_entries([message])[0])
    assert short == read(lambda: wire.new_entry(message, "entries[0]"))


def field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2, len(data)]) + data


LEG = field(1, b"a") + b"\x10\x01" + field(3, b"5")
OTHER = field(1, b"b") + b"\x10\x02" + field(3, b"5")
CRAFTED = {
    "plain": field(2, LEG) + field(2, OTHER),
    "the second posting inside the first": field(2, LEG + field(2, OTHER)),
    "the second posting inside the first's amount": field(
        2, LEG[:-2] + bytes([3 + len(OTHER)]) + b"5" + field(2, OTHER)
    ),
    "side and amount inside the account": field(2, field(1, LEG[2:])) + field(2, OTHER),
    "an unknown field in a posting": field(2, LEG + field(9, b"5")) + field(2, OTHER),
    "an unknown field after the postings": field(2, LEG) + field(2, OTHER) + field(15, b"5"),
    "fields in another order": field(2, LEG[3:] + LEG[:3]) + field(2, OTHER),
    "one account twice": field(2, LEG) + field(2, LEG[:3] + OTHER[3:]),
}


@pytest.mark.parametrize("crafted", CRAFTED.values(), ids=CRAFTED)
def test_lengths_tell_where_fields_end(crafted: bytes) -> None:
    message = pb.NewEntry.FromString(field(1, KEY.encode()) + crafted)
    assert read(lambda: wire.new_entries([message])[0]) == read(lambda: wire.new_entry(message, "entries[0]"))


def test_most_entries_go_the_short_way() -> None:
    for name, crafted in CRAFTED.items():
        message = pb.NewEntry.FromString(field(1, KEY.encode()) + crafted)
        short = name in ("plain", "fields in another order")
        assert (wire._plain_transfer(message) is not None) is short, name


def test_an_error_names_the_entry_by_its_place() -> None:
    leg = pb.Posting(account="a", side=pb.SIDE_DEBIT, amount_minor="5")
    right = pb.NewEntry(idempotency_key=KEY, postings=[leg, pb.Posting(account="b", side=2, amount_minor="5")])
    wrong = pb.NewEntry(idempotency_key=KEY, postings=[leg, pb.Posting(account="b", side=2, amount_minor="05")])
    with pytest.raises(InvalidValueError) as caught:
        wire.new_entries([right, wrong])
    assert caught.value.field == "entries[1].postings[1].amount_minor"


def test_answers_tell_code_number_and_decision() -> None:
    results = [
        EntryResult(ResultCode.POSTED, 7, Outcome.REQUIRES_MANUAL_REVIEW, b"leaf"),
        EntryResult(ResultCode.EXCEEDS_AVAILABLE, message="too low"),
    ]
    assert list(wire.post_response(results).results) == [
        pb.EntryResult(code="posted", seq=7, decision="requires_manual_review"),
        pb.EntryResult(code="exceeds_available", message="too low"),
    ]
