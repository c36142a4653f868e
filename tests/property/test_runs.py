"""Runs judged by columns give what the rules give one by one: answers, numbers, balances, rows, leaves, all of it.

Method: hypothesis draws batches, mostly of plain entries, on accounts with every kind of term; one copy of the books
judges them with runs from the first entry on, the other with none. No database.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.account import AccountFacts, Side
from ledger.account_columns import NO_TIME, AccountColumns
from ledger.batch import BatchJudge
from ledger.encoding import encode_batch
from ledger.event import joined
from ledger.hold import HoldRelease, NewHold
from ledger.journal import NewEntry, Posting, microseconds
from ledger.money import AMOUNT_MAX, Asset
from ledger.monitors import Field, Monitor, Operator
from ledger.partitions import Partition
from ledger.prepared import PreparedBatch, Request, Surroundings, bind_refusals, note_changes
from ledger.refusal import heads_to_bind, link
from ledger.run_judge import JudgedRun
from ledger.state import CAPTURED, CLOSED, FROZEN, OPEN, PLACED, AccountState, State
from tests.support.books import START, PlainRules, key

NAMES = (
    "a",
    "b",
    "c",
    "d",
    "low",
    "high",
    "wide",
    "deep",
    "usd",
    "usd2",
    "frozen",
    "closed",
    "watched",
    "huge",
    "unknown",
)
REGULAR = NAMES[:8]
TIMES = (START, START - timedelta(3), START + timedelta(1))
"""Of effect: that of the batch, before the close of the books, and a later one."""
HELD = (*REGULAR, "a", "b", "c", "low", "d", "frozen", "watched", "huge")
"""Whose money each hold reserves, mostly."""
HELD_AMOUNT = 3
"""Of each hold that stands from before."""
STRIPES = {"wide": 3, "deep": 2}
"""Of accounts with and without a floor."""


def new_state() -> State:
    """Accounts of every kind; the second partition of the journal begins early."""
    state = State(1, START - timedelta(1), [Partition(1, 7, "one"), Partition(8, 10**6, "two")])
    for number, name in enumerate(NAMES[:-1], 101):
        code = "USD" if name.startswith("usd") else "EUR"
        facts = AccountFacts(number, name, Asset(code, 2), Side.DEBIT if number % 2 else Side.CREDIT)
        account = state.add_account(
            facts,
            1 if code == "EUR" else 2,
            status={"frozen": FROZEN, "closed": CLOSED}.get(name, OPEN),
            floor={"low": -5, "c": 0, "wide": 0}.get(name),
            overdraft=3 if name == "c" else 0,
            ceiling=20 if name == "high" else None,
            balance=AMOUNT_MAX - 100 if name == "huge" else 0,
            last_seq=0,
        )
        if name in STRIPES:
            state.stripe(account, [_stripe(state, account, at) for at in range(STRIPES[name])])
        if name == "watched":
            account.monitors = (Monitor(uuid.UUID(int=1), name, Field.BALANCE, Operator.AT_LEAST, 3),)
            account.bound()
    for number, name in enumerate(HELD):
        if name not in STRIPES:
            _hold(state, number, state.accounts[name])
    return state


def _hold(state: State, number: int, account: AccountState) -> None:
    """Let a hold stand from before; of some, the deadline has passed."""
    state.remember_holds(
        [key(1000 + number).int],
        account=account.row,
        amount=HELD_AMOUNT,
        state=PLACED,
        placed_us=microseconds(START - timedelta(2)),
        expires_us=microseconds(START + timedelta(1 if number % 4 else 0)),
        ended_us=NO_TIME,
    )
    account.held += HELD_AMOUNT
    account.bound()


def _stripe(state: State, account: AccountState, number: int) -> AccountState:
    facts = replace(account.facts, id=10 * account.id + number, reference=f"{account.facts.reference}#{number + 1:02}")
    return state.add_stripe(facts, 1, status=OPEN, floor=account.floor, overdraft=0, ceiling=None, balance=0)


amounts = st.one_of(st.integers(1, 9), st.integers(1, 9), st.sampled_from([50, AMOUNT_MAX - 100, AMOUNT_MAX]))


@st.composite
def entries(draw: Any, names: tuple[str, ...] = NAMES) -> NewEntry:
    """An entry of two postings or more, balanced or not, the credit first or the debit."""
    number = key(draw(st.integers(1, 40)))
    debits = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3))
    credits = draw(st.lists(st.sampled_from([name for name in names if name not in debits]), min_size=1, max_size=3))
    rest = amount = draw(amounts)
    postings = []
    if len(credits) == 1:
        debits = debits[:1] if amount < 3 else debits
        each = [amount // len(debits)] * len(debits)
        each[0] += amount - sum(each)
        postings = [Posting(name, Side.DEBIT, part) for name, part in zip(debits, each, strict=True)]
        postings.append(Posting(credits[0], Side.CREDIT, amount))
    else:
        postings = [Posting(debits[0], Side.DEBIT, amount)]
        for name in credits:
            part = min(rest, draw(st.integers(1, 5)))
            if part:
                postings.append(Posting(name, Side.CREDIT, part))
            rest -= part
    if draw(st.booleans()):
        postings.reverse()
    more = draw(
        st.sampled_from([{}] * 6 + [{"effective_at": at} for at in TIMES] + [{"settlement_id": "s"}, {"linked": True}])
    )
    return NewEntry(number, tuple(postings), **more)


numbers = st.integers(0, len(HELD) - 1)


@st.composite
def holds(draw: Any) -> NewHold:
    number = draw(numbers)
    name = draw(st.sampled_from([HELD[number]] * 9 + ["unknown"]))
    until = draw(st.sampled_from([START + timedelta(1)] * 9 + [START]))
    return NewHold(key(number + draw(st.sampled_from([1000, 2000, 3000, 4000]))), name, draw(amounts), until)


@st.composite
def captures(draw: Any) -> NewEntry:
    """An entry that takes from a hold, mostly on the right side of the right account."""
    number, placed = draw(numbers), draw(st.sampled_from([1000] * 5 + [2000]))
    other = draw(st.sampled_from([name for name in REGULAR if name != HELD[number]]))
    legs = [
        Posting(HELD[number], Side.CREDIT, amount := draw(st.integers(1, HELD_AMOUNT + 1))),
        Posting(other, Side.DEBIT, amount),
    ]
    if draw(st.sampled_from([True] * 9 + [False])) and NAMES.index(HELD[number]) % 2:
        legs = [Posting(leg.account, Side(3 - leg.side), leg.amount) for leg in legs]
    more = draw(st.sampled_from([{}] * 6 + [{"effective_at": at} for at in TIMES] + [{"hold_final": True}]))
    return NewEntry(
        key(draw(st.integers(1, 40))),
        tuple(legs[:: draw(st.sampled_from([1, -1]))]),
        hold_id=key(placed + number),
        **more,
    )


releases = st.builds(lambda number: HoldRelease(key(1000 + number)), numbers)
requests = st.one_of(*[entries(REGULAR)] * 6, *[entries()] * 2, *[holds(), captures()] * 3, releases)
batches = st.lists(requests, min_size=1, max_size=30).filter(lambda batch: not batch[-1].linked)


@contextmanager
def runs_from(count: int) -> Iterator[None]:
    with patch("ledger.batch.RUN_ENTRIES_MIN", count):
        yield


class Books:
    """A copy of the books that takes what is posted for committed."""

    def __init__(self, runs_from: int) -> None:
        self.state = new_state()
        self._runs_from = runs_from
        self._recent: dict[int, int] = {}
        self._batches: list[PreparedBatch] = []
        self.run_count = 0

    def post(self, asked: list[Request]) -> PreparedBatch:
        batch = PreparedBatch(0, asked, START, self.state.next_seq)
        judge = BatchJudge(self.state, batch, Surroundings({}, self._recent, tuple(self._batches), {}))
        with runs_from(self._runs_from):
            judge.run()
        self.run_count += sum(isinstance(judged, JudgedRun) for judged in batch.judged)
        note_changes(self.state, batch)
        before = self.state.refusals
        batch.refusals, self.state.refusals = link(before, judge.refusals(), 7, _counted_bytes)
        bind_refusals(batch, heads_to_bind(before, batch.refusals))
        # Rows one by one, as for a border between partitions, so that they can be compared.
        batch.partitions = self.state.partitions
        encode_batch(self.state, batch, PlainRules(), _counted_bytes, {})
        judge.answer_repeats()
        self._batches.append(batch)
        return batch

    def figures(self) -> list[tuple[int, ...]]:
        """Of all accounts but striped ones, whose own rows mean nothing."""
        rows = [account.row for account in self.state.listed if not account.stripes]
        return [tuple(column[row] for column in self.state.columns.figures) for row in rows]


def _counted_bytes(count: int) -> bytes:
    return bytes(n % 251 for n in range(count))


def told(batch: PreparedBatch) -> tuple[Any, ...]:
    """All that a batch would write and answer."""
    assert all(rows == sorted(rows) for rows in batch.rows.values()), "a row begins with its number"
    accounts = [column.tolist() for column in batch.accounts or ()]
    changes = sorted(zip(*accounts, strict=True))
    leaves = batch.accepted.leaves if batch.accepted is not None else b""
    holds = sorted(zip(*(column.tolist() for column in batch.holds), strict=True)) if batch.holds is not None else []
    events = [[*column] for column in joined(batch.events)] if batch.events else []
    beside = holds, events, sorted(batch.dated), batch.refusals
    return batch.results, batch.places, batch.keys, batch.rows, leaves, changes, beside


@settings(max_examples=400, deadline=None)
@given(asked=st.lists(batches, min_size=1, max_size=3))
def test_runs_give_what_the_rules_give(asked: list[list[Request]]) -> None:
    by_columns, one_by_one = Books(1), Books(10**9)
    for batch in asked:
        assert told(by_columns.post(batch)) == told(one_by_one.post(batch))
        assert by_columns.figures() == one_by_one.figures()
    assert one_by_one.run_count == 0


def test_the_comparison_meets_runs() -> None:
    books = Books(1)
    books.post([NewEntry(key(n), (Posting("a", Side.DEBIT, n), Posting("b", Side.CREDIT, n))) for n in (1, 2)])
    assert books.run_count == 1


def test_the_comparison_meets_captures_in_runs() -> None:
    books = Books(1)
    placed = [NewHold(key(2000 + n), "d", 5, START + timedelta(1)) for n in (1, 2)]
    legs = Posting("d", Side.DEBIT, 5), Posting("a", Side.CREDIT, 5)
    batch = books.post([*placed, *(NewEntry(key(n), legs, hold_id=key(2000 + n)) for n in (1, 2))])
    assert books.run_count == 1 and [len(rows) for rows in batch.rows.values()] == [2]
    assert batch.holds is not None and {*batch.holds.state.tolist()} == {CAPTURED}


def test_a_refused_hold_holds_nothing_against_those_behind_it() -> None:
    by_columns, one_by_one = Books(1), Books(10**9)
    funds = NewEntry(key(1), (Posting("c", Side.DEBIT, 20), Posting("a", Side.CREDIT, 20)))
    wanted = [NewHold(key(2000 + n), "c", amount, START + timedelta(1)) for n, amount in enumerate((30, 10, 9, 2))]
    for books in (by_columns, one_by_one):
        codes = [result.code.text for result in books.post([funds, *wanted]).results]
        assert codes == ["posted", "exceeds_available", "posted", "exceeds_available", "posted"]
    assert by_columns.run_count == 1 and by_columns.figures() == one_by_one.figures()


def test_what_a_refused_entry_would_have_moved_stands_in_nobodys_way() -> None:
    wanted = [
        NewEntry(key(number), (Posting("a", Side.DEBIT, amount), Posting("high", Side.CREDIT, amount)))
        for number, amount in enumerate((15, 10, 5, 1), 1)
    ]
    by_columns, one_by_one = Books(1), Books(10**9)
    posted = by_columns.post([*wanted])
    codes = [result.code.text for result in posted.results]
    assert codes == ["posted", "exceeds_ceiling", "posted", "exceeds_ceiling"]
    assert told(posted) == told(one_by_one.post([*wanted])) and by_columns.run_count == 1


def test_an_entry_may_reach_a_bound_by_several_postings_and_none_goes_beyond() -> None:
    legs = [
        [Posting("a", Side.DEBIT, 4), Posting("high", Side.CREDIT, 4)],
        [Posting("a", Side.DEBIT, 16), Posting("high", Side.CREDIT, 10), Posting("high", Side.CREDIT, 6)],
        [Posting("a", Side.DEBIT, 1), Posting("high", Side.CREDIT, 1)],
    ]
    asked: list[Request] = [NewEntry(key(number), tuple(each)) for number, each in enumerate(legs, 1)]
    by_columns, one_by_one = Books(1), Books(10**9)
    posted = by_columns.post(asked)
    assert [result.code.text for result in posted.results] == ["posted", "posted", "exceeds_ceiling"]
    assert told(posted) == told(one_by_one.post(asked)) and by_columns.run_count == 1


def test_each_posting_of_an_account_names_the_one_before_it() -> None:
    by_columns, one_by_one = Books(1), Books(10**9)
    for number in (1, 4):
        asked: list[Request] = [
            NewEntry(key(at), (Posting("a", Side.DEBIT, 1), Posting("b", Side.CREDIT, 1)))
            for at in range(number, number + 3)
        ]
        posted = by_columns.post(asked)
        assert [len(rows) for rows in posted.rows.values()] == [3]
        assert told(posted) == told(one_by_one.post(asked))


def test_a_hold_nobody_placed_gives_nothing() -> None:
    by_columns, one_by_one = Books(1), Books(10**9)
    for books in (by_columns, one_by_one):
        # The first row of holds too is one that could be taken from.
        books.state.hold_columns.views().expires_us[1] = microseconds(START + timedelta(1))
        for account, sides in (("a", (Side.CREDIT, Side.DEBIT)), ("huge", (Side.DEBIT, Side.CREDIT))):
            for side, other in (sides, sides[::-1]):
                legs = Posting(account, side, 2), Posting("b", other, 2)
                number = books.state.next_seq
                (result,) = books.post([NewEntry(uuid.UUID(int=number), legs, hold_id=key(7777))]).results
                assert result.code.text == "hold_not_found"
    assert by_columns.figures() == one_by_one.figures()


def test_a_capture_takes_by_its_own_postings_and_not_by_those_before_it() -> None:
    by_columns, one_by_one = Books(1), Books(10**9)
    funds = NewEntry(key(1), (Posting("c", Side.DEBIT, 20), Posting("b", Side.CREDIT, 20)))
    before = NewEntry(key(2), legs := (Posting("d", Side.DEBIT, 2), Posting("c", Side.CREDIT, 2)))
    capture = NewEntry(key(3), legs, hold_id=key(1010))
    asked: list[Request] = [funds, before, capture]
    posted = by_columns.post(asked)
    assert {result.code.text for result in posted.results} == {"posted"}
    assert told(posted) == told(one_by_one.post(asked))
    assert by_columns.figures() == one_by_one.figures() and by_columns.run_count == 1


@settings(max_examples=200, deadline=None)
@given(asked=st.lists(batches, min_size=1, max_size=2), shortest=st.integers(2, 6))
def test_where_runs_begin_makes_no_difference(asked: list[list[Request]], shortest: int) -> None:
    some, others = Books(shortest), Books(1)
    for batch in asked:
        assert told(some.post(batch)) == told(others.post(batch))


def test_row_0_is_no_account() -> None:
    views = AccountColumns().views()
    assert views.lowest[0] > AMOUNT_MAX and views.highest[0] < -AMOUNT_MAX
