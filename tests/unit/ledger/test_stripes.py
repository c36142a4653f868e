"""Postings on striped accounts are divided exactly, alike each time, and only where one stripe cannot bear them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.account import AccountFacts, NewAccount, Side, Terms
from ledger.errors import InvalidValueError
from ledger.journal import NewEntry, Posting
from ledger.money import AMOUNT_MAX, Asset
from ledger.state import OPEN, AccountState, State
from ledger.stripes import Striped, put_on_stripes

EURO = Asset("EUR", 2)


def opened(state: State, name: str, side: Side, balance: int = 0, floor: int | None = 0) -> AccountState:
    facts = AccountFacts(len(state.listed) + 1, name, EURO, side)
    figures = {"balance": balance, "held": 0, "terms": 0, "last_seq": len(state.listed) + 1, "posting_count": 0}
    return state.add_stripe(facts, 1, status=OPEN, floor=floor, overdraft=0, ceiling=None, **figures)


def striped(balances: list[int], side: Side = Side.CREDIT, floor: int | None = 0) -> tuple[State, AccountState]:
    state = State(80, None)
    state.begin_batch()
    whole = opened(state, "busy", side, sum(balances), floor)
    stripes = enumerate(balances, 1)
    state.stripe(whole, [opened(state, f"busy#{at:02}", side, balance, floor) for at, balance in stripes])
    return state, whole


def put(key: int, books: tuple[State, AccountState], side: Side, *amounts: int) -> Striped:
    state, whole = books
    other, other_side = opened(state, "cash", Side.DEBIT, floor=None), Side(3 - side)
    postings = [Posting("busy", side, amount) for amount in amounts] + [Posting("cash", other_side, sum(amounts))]
    return put_on_stripes(state, NewEntry(uuid.UUID(int=key), tuple(postings)), [whole] * len(amounts) + [other])


def parts(found: Striped) -> list[tuple[str, int]]:
    return [(posting.account, posting.amount) for posting in found.postings]


def test_key_chooses_the_stripe() -> None:
    for key, name in ((0, "busy#01"), (1, "busy#02"), (2, "busy#03"), (3, "busy#01")):
        assert parts(put(key, striped([5, 5, 5]), Side.CREDIT, 7)) == [(name, 7), ("cash", 7)]
        assert parts(put(key, striped([5, 5, 5]), Side.DEBIT, 4)) == [(name, 4), ("cash", 4)]


def test_what_one_stripe_cannot_bear_goes_on_to_the_next_ones_in_turn() -> None:
    state, whole = books = striped([5, 3, 0, 9])
    found = put(2, books, Side.DEBIT, 15)
    assert parts(found) == [("busy#04", 9), ("busy#01", 5), ("busy#02", 1), ("cash", 15)]
    assert [stripe.balance for stripe in whole.stripes] == [0, 2, 0, 0]
    assert [(stripe.facts.reference, before) for stripe, before in found.before.items()] == [
        ("busy#04", (9, 5)),
        ("busy#01", (5, 2)),
        ("busy#02", (3, 3)),
    ]
    assert [stripe.last_seq for stripe in whole.stripes] == [79, 79, 4, 79]
    assert state.changed == [whole.stripes[at].row for at in (3, 0, 1)]
    assert [stripe.posting_count for stripe in whole.stripes] == [1, 1, 0, 1]


def test_postings_of_one_entry_go_one_after_the_other() -> None:
    assert parts(put(0, striped([5, 4]), Side.DEBIT, 4, 3)) == [
        ("busy#01", 4),
        ("busy#01", 1),
        ("busy#02", 2),
        ("cash", 7),
    ]


def test_without_a_floor_nothing_is_divided_before_a_balance_leaves_its_range() -> None:
    books = striped([AMOUNT_MAX, -AMOUNT_MAX], floor=None)
    assert parts(put(0, books, Side.DEBIT, 3))[0] == ("busy#01", 3)
    assert parts(put(0, books, Side.CREDIT, 5))[:2] == [("busy#01", 3), ("busy#02", 2)]


@given(st.data())
def test_parts_sum_and_no_stripe_goes_further_than_it_may(data: st.DataObject) -> None:
    floor = data.draw(st.sampled_from([0, None]))
    balances = st.one_of(st.integers(0, 9), st.sampled_from([AMOUNT_MAX // 64, AMOUNT_MAX // 64 - 1]))
    _, whole = books = striped(data.draw(st.lists(balances, min_size=2, max_size=64)), floor=floor)
    side = data.draw(st.sampled_from(Side))
    room = AMOUNT_MAX - whole.balance if side is Side.CREDIT else whole.balance
    if room < 1:
        return
    amount = data.draw(st.integers(1, room))
    key = data.draw(st.integers(0, 2**128 - 1))
    before = [stripe.balance for stripe in whole.stripes]
    found = put(key, books, side, amount)
    assert sum(posting.amount for posting in found.postings[:-1]) == amount
    lowest = -AMOUNT_MAX if floor is None else floor
    assert all(lowest <= stripe.balance <= AMOUNT_MAX for stripe in whole.stripes)
    change = amount if side is Side.CREDIT else -amount
    assert sum(stripe.balance for stripe in whole.stripes) == sum(before) + change
    names = [posting.account for posting in found.postings]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"stripes": 1}, "give 2 to 64"),
        ({"stripes": 65}, "give 2 to 64"),
        ({"stripes": -2}, "give 2 to 64"),
        ({"stripes": 2, "reference": "x" * 62}, "at most 61 characters"),
        ({"stripes": 2, "terms": Terms(-1)}, "floor of 0 or none"),
        ({"stripes": 2, "terms": Terms(0, 5)}, "floor of 0 or none"),
        ({"stripes": 2, "terms": Terms(0, 0, 5)}, "no ceiling"),
    ],
)
def test_account_that_cannot_be_striped_is_refused(more: dict[str, Any], reason: str) -> None:
    given = {"reference": "busy", "asset": "EUR", "normal_side": Side.CREDIT, "terms": Terms(0)} | more
    with pytest.raises(InvalidValueError, match=reason):
        NewAccount(**given)
