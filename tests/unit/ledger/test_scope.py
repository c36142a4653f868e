"""What a tenant's requests may do, as tables: the same answer for what is another's as for what nobody has.

Two tenants, A with book 2 and B with book 3; accounts of the organization stand in book 1. Pure: the copy of the books
is made in memory.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ledger.account import AccountFacts, Side
from ledger.batch import BatchJudge
from ledger.encoding import encode_batch
from ledger.hold import HoldRelease, HoldResult, NewHold
from ledger.journal import EntryResult, NewEntry, Outcome, Posting, Scope, transfer
from ledger.money import Asset
from ledger.prepared import PreparedBatch, Request, Standing, Surroundings, hash_request
from ledger.state import OriginalEntry, State
from tests.support.books import START, PlainRules, key

A, B = Scope(1, frozenset({2})), Scope(2, frozenset({3}))
LATER = START + timedelta(days=1)

ACCOUNTS = """
a1       EUR 2 -
a2       EUR 2 -
ausd     USD 2 -
aclear   EUR 2 shared
b1       EUR 3 -
vault    EUR 1 -
clear    EUR 1 shared
clear2   EUR 1 shared
clearusd USD 1 shared
"""


def new_state() -> State:
    state = State(1, None)
    for number, line in enumerate(ACCOUNTS.split("\n")[1:-1], 11):
        name, code, book, shared = line.split()
        state.add_account(
            AccountFacts(number, name, Asset(code, 2), Side.CREDIT), 1 if code == "EUR" else 2, status=1, floor=None,
            overdraft=0, ceiling=None, book=int(book), shared=shared == "shared",
        )  # fmt: skip
    return state


def judge(*requests: Request, state: State | None = None, standing: dict[int, Standing] | None = None) -> PreparedBatch:
    state = state or new_state()
    batch = PreparedBatch(0, requests, START, state.next_seq)
    judge = BatchJudge(state, batch, Surroundings(standing or {}, {}, (), {}))
    judge.run()
    encode_batch(state, batch, PlainRules(), lambda count: b"s" * count, {})
    judge.answer_repeats()
    return batch


def codes(batch: PreparedBatch) -> list[str]:
    return [result.text if isinstance(result, HoldResult) else result.code.text for result in batch.results]


def entry(legs: str, scope: Scope | None = A, number: int = 1, **more: object) -> NewEntry:
    """An entry from text: account, amount above zero for a debit."""
    postings = []
    for leg in legs.split(","):
        name, amount = leg.split()
        side = Side.DEBIT if int(amount) > 0 else Side.CREDIT
        postings.append(Posting(name, side, abs(int(amount))))
    return NewEntry(key(number), tuple(postings), scope=scope, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("legs", "code"),
    [
        ("a1 5, a2 -5", "posted"),
        ("a1 5, b1 -5", "account_not_found"),
        ("b1 5, a1 -5", "account_not_found"),
        ("a1 5, vault -5", "account_not_found"),
        ("a1 5, nobody -5", "account_not_found"),
        ("a1 5, clear -5", "posted"),
        ("clear 5, a1 -5", "posted"),
        ("a1 6, clear -5, a2 -1", "posted"),
        ("a1 6, clear -5, clear2 -1", "posted"),
        # Shared accounts are counterparts of his own: between them he moves nothing.
        ("clear 5, clear2 -5", "account_not_found"),
        ("clear 5, clear2 -5, a1 1, a2 -1", "account_not_found"),
        ("clear 6, clear2 -5, a1 -1", "account_not_found"),
        # In each asset by itself: an exchange has one on either side.
        ("a1 5, clear -5, clearusd 7, ausd -7", "posted"),
        ("a1 5, a2 -5, clearusd 7, ausd -7", "posted"),
        # His own that is shared is his own all the same.
        ("aclear 5, a1 -5", "posted"),
        ("aclear 5, clear -5", "posted"),
        ("clear 5, aclear -5", "posted"),
        # What is wrong besides comes after.
        ("a1 5, ausd -5", "asset_mismatch"),
        ("b1 5, ausd -5", "account_not_found"),
        ("a1 5, clear -5, a2 -1", "unbalanced"),
    ],
)
def test_an_entry_of_a_tenant_keeps_within_his_books(legs: str, code: str) -> None:
    assert codes(judge(entry(legs))) == [code]


@pytest.mark.parametrize("legs", ["a1 5, b1 -5", "a1 5, vault -5", "clear 5, clear2 -5", "aclear 5, b1 -5"])
def test_the_organization_posts_to_all(legs: str) -> None:
    assert codes(judge(entry(legs, None))) == ["posted"]


def test_the_owner_of_a_shared_account_is_not_another() -> None:
    assert codes(judge(entry("b1 5, aclear -5", B), entry("b1 5, a1 -5", B, 2))) == ["posted", "account_not_found"]


def test_a_refused_entry_changes_nothing_and_leaves_the_others_alone() -> None:
    state = new_state()
    batch = judge(entry("a1 5, b1 -5"), entry("a1 3, a2 -3", number=2), state=state)
    assert codes(batch) == ["account_not_found", "posted"]
    assert {name: account.balance for name, account in state.accounts.items() if account.balance} == {"a1": -3, "a2": 3}


def test_a_chain_falls_with_what_is_not_his() -> None:
    first = entry("a1 5, a2 -5", linked=True)
    batch = judge(first, entry("a1 5, b1 -5", number=2), entry("a1 1, a2 -1", number=3))
    assert codes(batch) == ["linked_failed", "account_not_found", "posted"]


# Keys -----------------------------------------------------------------------------------------------------------------


def test_a_repeat_is_told_to_whom_it_belongs() -> None:
    asked = entry("a1 5, a2 -5")
    assert codes(judge(asked, asked)) == ["posted", "exists"]
    # The same body under another's name: what stands, and that it does, is not told as a repeat.
    assert codes(judge(asked, replace(asked, scope=B))) == ["posted", "exists_with_different_body"]
    assert codes(judge(asked, entry("b1 5, aclear -5", B))) == ["posted", "exists_with_different_body"]


def test_a_standing_key_of_another_gives_nothing_away() -> None:
    state = new_state()
    theirs = entry("b1 5, vault -5", None)
    accounts = [state.accounts["b1"], state.accounts["vault"]]
    standing = {theirs.key.int: Standing(hash_request(theirs, accounts), 7, Outcome.AUTOMATED_APPROVAL, b"leaf")}
    (same,) = judge(theirs, state=state, standing=standing).results
    assert isinstance(same, EntryResult) and (same.code.text, same.seq) == ("exists", 7)
    (other,) = judge(replace(theirs, scope=A), state=new_state(), standing=standing).results
    assert isinstance(other, EntryResult)
    assert (other.code.text, other.seq, other.leaf) == ("exists_with_different_body", None, b"")


# Holds ----------------------------------------------------------------------------------------------------------------


def hold(number: int, account: str, scope: Scope | None, amount: int = 5) -> NewHold:
    return NewHold(key(number), account, amount, LATER, scope=scope)


@pytest.mark.parametrize(
    ("account", "code"),
    [("a1", "placed"), ("aclear", "placed"), ("b1", "account_not_found"), ("vault", "account_not_found"),
     ("clear", "account_not_found"), ("nobody", "account_not_found")],
)  # fmt: skip
def test_money_is_held_on_own_accounts_only(account: str, code: str) -> None:
    assert codes(judge(hold(50, account, A))) == [code]


def test_a_hold_is_ended_by_who_placed_it() -> None:
    state = new_state()
    placed = [hold(50, "a1", A), hold(51, "a1", None), hold(52, "b1", B)]
    assert codes(judge(*placed, state=state)) == ["placed"] * 3
    asked: list[Request] = [
        HoldRelease(key(52), scope=A),  # another tenant's
        HoldRelease(key(51), scope=A),  # the organization's, on his account
        HoldRelease(key(99), scope=A),  # nobody's
        entry("a1 5, a2 -5", number=3, hold_id=key(51)),
        entry("a1 5, a2 -5", number=4, hold_id=key(50)),
        HoldRelease(key(51)),
        HoldRelease(key(52)),
    ]
    batch = judge(*asked, state=state)
    assert codes(batch) == ["hold_not_found"] * 4 + ["posted", "released", "released"]
    assert all(result.hold is None for result in batch.results[:3] if isinstance(result, HoldResult))
    assert [account.held for account in state.accounts.values()] == [0] * len(state.accounts)


def test_the_id_of_anothers_hold_is_taken_and_tells_nothing() -> None:
    batch = judge(hold(50, "b1", B), hold(50, "a1", A), hold(50, "b1", A), hold(50, "b1", B))
    assert codes(batch) == ["placed", "exists_with_different_body", "exists_with_different_body", "exists"]
    assert [result.hold is None for result in batch.results if isinstance(result, HoldResult)] == [
        False, True, True, False,
    ]  # fmt: skip
    same_place = judge(hold(50, "a1", None), hold(50, "a1", A))
    assert codes(same_place) == ["placed", "exists_with_different_body"]


def test_a_new_hold_remembers_who_placed_it() -> None:
    state = new_state()
    judge(hold(50, "a1", A), hold(51, "a1", None), state=state)
    tenants = state.hold_columns.views().tenant
    assert {number: int(tenants[row]) for number, row in state.holds.items()} == {50: 1, 51: 0}


def test_a_chain_answers_for_a_hold_of_another_as_for_none() -> None:
    state = new_state()
    judge(hold(50, "b1", B), HoldRelease(key(50), scope=B), state=state)
    batch = judge(HoldRelease(key(50), scope=A, linked=True), entry("a1 5, nobody -5"), state=state)
    assert codes(batch) == ["hold_not_found", "linked_failed"]


# Reversals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("legs", "code"),
    [
        ("a1 5, a2 -5", "posted"),
        ("a1 5, clear -5", "posted"),
        ("a1 5, aclear -5", "posted"),
        ("a1 5, b1 -5", "entry_not_found"),
        ("b1 5, clear -5", "entry_not_found"),
        ("clear 5, clear2 -5", "entry_not_found"),
    ],
)
def test_an_entry_is_taken_back_where_it_touches_nobody_else(legs: str, code: str) -> None:
    """What is taken back of it is on one of his accounts, whatever else the entry touched."""
    state = new_state()
    debited, credited = (state.accounts[leg.split()[0]] for leg in legs.split(","))
    places = {(account.book, account.shared) for account in (debited, credited)}
    state.originals[9] = OriginalEntry(9, False, {debited.id: 5, credited.id: -5}, places)
    counterpart = credited.facts.reference if credited.facts.reference in ("a2", "clear", "aclear") else "a2"
    own = "a1" if counterpart != "clear" or legs.startswith("a1") else "a2"
    assert codes(judge(entry(f"{counterpart} 5, {own} -5", reverses=9), state=state)) == [code]


def test_a_number_that_nobody_has_is_no_entry_to_take_back() -> None:
    assert codes(judge(entry("a2 5, a1 -5", reverses=4711))) == ["entry_not_found"]


def test_an_entry_of_the_same_batch_is_taken_back_within_the_books() -> None:
    asked = entry("a1 5, clear -5", None)
    batch = judge(
        asked,
        entry("clear 2, a1 -2", number=2, reverses=1),
        entry("b1 5, vault -5", None, 3),
        entry("a2 5, a1 -5", number=4, reverses=3),
    )
    assert codes(batch) == ["posted", "posted", "posted", "entry_not_found"]


# The organization's own way is not touched ----------------------------------------------------------------------------


def test_a_plain_entry_stays_plain_and_one_with_a_scope_is_judged_in_full() -> None:
    plain = transfer(key(1), "a1", "a2", 5)
    assert plain.is_plain and not replace(plain, scope=A).is_plain
