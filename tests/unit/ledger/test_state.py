"""The copy of the books: what is taken back leaves no trace, and its numbers are those that stand in databases."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import numpy as np

from ledger import state as states
from ledger.account import AccountFacts, Side
from ledger.account_columns import NO_TIME
from ledger.journal import microseconds
from ledger.money import Asset
from ledger.state import OPEN, PLACED, HoldState, OriginalEntry, State
from tests.support.books import START


def new_state() -> State:
    state = State(next_seq=5, closed_before=None)
    for number, name in enumerate(("alice", "bob"), 1):
        facts = AccountFacts(number, name, Asset("EUR", 2), Side.CREDIT)
        terms: dict[str, Any] = {"status": OPEN, "floor": 0, "overdraft": 0, "ceiling": None}
        state.add_account(facts, 1, **terms, balance=500, held=0, last_seq=4, posting_count=2)
    return state


FIGURES = {"account": 1, "amount": 30, "placed_us": microseconds(START), "expires_us": microseconds(START) + 1}


def standing_hold(state: State) -> HoldState:
    state.remember_holds([7], state=PLACED, ended_us=NO_TIME, **FIGURES)
    hold = state.hold(uuid.UUID(int=7))
    assert hold is not None
    return hold


def test_numbers_of_states_are_those_that_stand_in_databases() -> None:
    assert (states.OPEN, states.FROZEN, states.CLOSED) == (1, 2, 3)
    assert (states.PLACED, states.CAPTURED, states.RELEASED, states.EXPIRED) == (1, 2, 3, 4)
    assert states.HOLD_STATES == {1: "placed", 2: "captured", 3: "released", 4: "expired"}


def test_hold_is_new_in_the_batch_that_placed_it() -> None:
    state = new_state()
    standing_hold(state)
    state.begin_batch()
    state.place_holds([8], **FIGURES)
    views = state.hold_columns.views()
    assert (views.placed_in[[state.holds[7], state.holds[8]]] == state.batch).tolist() == [False, True]
    state.begin_batch()
    assert not (views.placed_in == state.batch).any()


def test_hold_that_is_not_known_is_none() -> None:
    state = new_state()
    assert state.hold(uuid.UUID(int=7)) is None and state.hold_columns.views().state.tolist() == [0]


def test_holds_have_rows_and_ids_in_the_order_they_were_named() -> None:
    state = new_state()
    rows = state.remember_holds([7, 2**127, 9], **FIGURES | {"amount": np.array([1, 2, 3])})
    assert [state.holds[number] for number in (7, 2**127, 9)] == rows.tolist() == [1, 2, 3]
    assert [uuid.UUID(bytes=each).int for each in state.hold_columns.ids(rows[::-1]).tolist()] == [9, 2**127, 7]
    assert state.hold_columns.views().amount[rows].tolist() == [1, 2, 3]
    hold = state.hold(uuid.UUID(int=9))
    assert hold is not None and hold.account is state.accounts["alice"]
    assert (hold.remaining, hold.expires_at) == (3, START + timedelta(microseconds=1))


def test_holds_of_a_run_are_told_once_and_together_with_those_touched_alone() -> None:
    state = new_state()
    first = standing_hold(state)
    rows = state.remember_holds([8, 9], **FIGURES)
    state.begin_batch()
    state.touch_hold(first)
    state.touch_hold_rows(np.array([*rows, first.row]))
    state.touch_hold_rows(rows)
    assert state.changed_holds == [first.row, *rows]


def test_hold_taken_back_is_neither_known_nor_told_to_the_commit() -> None:
    state = new_state()
    state.begin_batch()
    state.undo = []
    state.place_holds([7], **FIGURES)
    assert len(state.changed_holds) == len(state.holds) == 1
    state.take_back()
    assert state.changed_holds == [] and state.holds == {}


def test_changes_are_taken_back_last_first() -> None:
    state = new_state()
    account = state.accounts["alice"]
    state.begin_batch()
    state.undo = []
    for balance in (480, 460):
        state.touch(account)
        account.balance, account.last_seq, account.posting_count = balance, 5, account.posting_count + 1
    original = OriginalEntry(3, False, {1: 40}, {(1, False)})
    state.add_original(original)
    state.touch_original(original)
    original.remaining = {1: 0}
    state.take_back()
    assert (account.balance, account.last_seq, account.posting_count) == (500, 4, 2)
    assert original.remaining == {1: 40} and state.originals == {}


def test_account_is_told_once_in_a_batch_with_what_stood_before_it() -> None:
    state = new_state()
    account = state.accounts["alice"]
    for before in (500, 480):
        state.begin_batch()
        state.touch(account)
        account.balance -= 20
        account.posting_count += 1
        state.touch(account)
        assert state.changed == [account.row]
        assert (account.balance_before, account.count_before) == (before, account.posting_count - 1)


def test_hold_is_told_once_in_a_batch_and_taken_back() -> None:
    state = new_state()
    hold = standing_hold(state)
    for captured in (0, 10):
        state.begin_batch()
        state.undo = []
        state.touch_hold(hold)
        hold.captured += 10
        state.touch_hold(hold)
        hold.captured, hold.entry_seq = 30, 6
        hold.end(states.CAPTURED, START)
        assert (hold.state, hold.ended_us, hold.remaining) == (states.CAPTURED, microseconds(START), 0)
        assert state.changed_holds == [hold.row]
        state.take_back()
        assert (hold.captured, hold.state, hold.ended_us, hold.entry_seq) == (captured, PLACED, NO_TIME, 0)
        hold.captured = 10


def test_accounts_of_a_run_are_told_once_and_together_with_those_touched_alone() -> None:
    state = new_state()
    alice, bob = state.accounts["alice"], state.accounts["bob"]
    state.begin_batch()
    state.touch(bob)
    bob.balance = 480
    state.touch_rows(np.array([alice.row, bob.row]))
    assert state.changed == [bob.row, alice.row]
    assert (bob.balance_before, alice.balance_before, alice.held_before, alice.count_before) == (500, 500, 0, 2)
