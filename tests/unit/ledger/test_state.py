"""The copy of the books: what is taken back leaves no trace, and its numbers are those that stand in databases."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import numpy as np

from ledger import state as states
from ledger.account import AccountFacts, Side
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


def new_hold(state: State) -> HoldState:
    return HoldState(
        uuid.UUID(int=7), state.accounts["alice"], amount=30, captured=0, state=PLACED, placed_at=START,
        expires_at=START + timedelta(hours=1), ended_at=None, entry_seq=None,
    )  # fmt: skip


def test_numbers_of_states_are_those_that_stand_in_databases() -> None:
    assert (states.OPEN, states.FROZEN, states.CLOSED) == (1, 2, 3)
    assert (states.PLACED, states.CAPTURED, states.RELEASED, states.EXPIRED) == (1, 2, 3, 4)
    assert states.HOLD_STATES == {1: "placed", 2: "captured", 3: "released", 4: "expired"}


def test_hold_read_from_the_books_is_not_a_new_one() -> None:
    assert new_hold(new_state()).new is False


def test_hold_taken_back_is_neither_known_nor_told_to_the_commit() -> None:
    state = new_state()
    state.begin_batch()
    state.undo = []
    state.add_hold(new_hold(state))
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
    hold = new_hold(state)
    for captured in (0, 10):
        state.begin_batch()
        state.undo = []
        state.touch_hold(hold)
        hold.captured += 10
        state.touch_hold(hold)
        hold.captured, hold.state, hold.ended_at, hold.entry_seq = 30, states.CAPTURED, START, 6
        assert state.changed_holds == [hold]
        state.take_back()
        assert (hold.captured, hold.state, hold.ended_at, hold.entry_seq) == (captured, PLACED, None, None)
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
