"""Batches on a real PostgreSQL equal one-by-one execution in the pure model: codes, numbers, balances, holds, running
balances; whatever mix of accounts, repeats, refusals, captures and deadlines hypothesis finds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.account import Side
from ledger.audit import recompute_leaves, verify_books
from ledger.balances import find_account, open_account
from ledger.errors import InvalidValueError
from ledger.hold import HoldRelease, NewHold
from ledger.journal import NewEntry, Posting
from ledger.money import AMOUNT_MAX
from ledger.posting import Writer
from ledger.statements import statement_page
from tests.support.books import START, Clock, key, open_writer, verify
from tests.support.books_model import BooksModel, ModelAccount

KINDS = [
    ("EUR", Side.DEBIT, None, "open"),
    ("EUR", Side.CREDIT, 0, "open"),
    ("EUR", Side.CREDIT, -30, "open"),
    ("EUR", Side.DEBIT, 0, "open"),
    ("USD", Side.CREDIT, None, "open"),
    ("USD", Side.DEBIT, None, "open"),
    ("EUR", Side.CREDIT, None, "frozen"),
    ("EUR", Side.CREDIT, None, "closed"),
]
NOBODY = len(KINDS)
"""Number of an account that nobody opened."""

accounts = st.integers(0, NOBODY)
amounts = st.one_of(st.integers(1, 60), st.just(AMOUNT_MAX))
keys = st.integers(0, 25)
holds = st.integers(0, 4)


class Post(NamedTuple):
    items: list[tuple[int, list[tuple[int, Side, int]], int | None]]


class Place(NamedTuple):
    number: int
    account: int
    amount: int
    seconds: int


class Release(NamedTuple):
    number: int


class Wait(NamedTuple):
    seconds: int
    sweep: bool


transfers = st.tuples(accounts, accounts, amounts).map(lambda t: [(t[0], Side.DEBIT, t[2]), (t[1], Side.CREDIT, t[2])])
any_legs = st.lists(st.tuples(accounts, st.sampled_from(Side), st.integers(1, 20)), min_size=2, max_size=5)
items = st.tuples(keys, st.one_of(transfers, transfers, any_legs), st.one_of(st.none(), st.none(), holds))
commands = st.one_of(
    st.builds(Post, st.lists(items, min_size=1, max_size=12)),
    st.builds(Post, st.lists(items, min_size=1, max_size=12)),
    st.builds(Place, holds, accounts, st.integers(1, 40), st.integers(0, 5)),
    st.builds(Release, holds),
    st.builds(Wait, st.integers(0, 4), st.booleans()),
)


class Books(NamedTuple):
    writer: Writer
    connection: psycopg.Connection[tuple[object, ...]]
    clock: Clock


@pytest.fixture
def books(database_url: str) -> Iterator[Books]:
    clock = Clock()
    with open_writer(database_url, clock) as writer, psycopg.connect(database_url, autocommit=True) as connection:
        yield Books(writer, connection, clock)


_worlds = iter(range(1, 1_000_000))


class World:
    """One example: fresh accounts and keys in the shared database, and the model of them."""

    def __init__(self, books: Books) -> None:
        self.number = next(_worlds)
        self.books = books
        self.model = BooksModel()
        row = books.connection.execute("SELECT next_seq - 1 FROM ledger.head").fetchone()
        assert row is not None
        self.seq_before = int(row[0])  # type: ignore[call-overload]
        for i, (asset, side, floor, status) in enumerate(KINDS):
            open_account(books.connection, self.name(i), asset, side, floor=floor, now=START)
            books.writer.set_account_status(self.name(i), status)
            self.model.accounts[self.name(i)] = ModelAccount(asset, side, floor, status)

    def name(self, number: int) -> str:
        return f"w{self.number}-{number}"

    def key(self, number: int):  # type: ignore[no-untyped-def]
        return key(self.number << 32 | number)

    def run(self, command: Post | Place | Release | Wait) -> None:
        now = self.books.clock()
        if isinstance(command, Post):
            entries = [entry for item in command.items if (entry := self.entry(*item)) is not None]
            got = [(result.code, result.seq) for result in self.books.writer.post(entries)]
            wanted = [self.model.post(entry, now) for entry in entries]
            assert got == [(code, seq and seq + self.seq_before) for code, seq in wanted]
        elif isinstance(command, Place):
            hold = NewHold(
                self.key(1000 + command.number),
                self.name(command.account),
                command.amount,
                now + timedelta(seconds=command.seconds),
            )
            assert self.books.writer.post([hold])[0].text == self.model.place_hold(hold, now)
        elif isinstance(command, Release):
            hold_id = self.key(1000 + command.number)
            assert self.books.writer.post([HoldRelease(hold_id)])[0].text == self.model.release_hold(hold_id, now)
        else:
            self.books.clock.move(seconds=command.seconds)
            if command.sweep:
                assert self.books.writer.expire_holds() == self.model.expire_holds(self.books.clock())

    def entry(self, number: int, legs: list[tuple[int, Side, int]], hold: int | None) -> NewEntry | None:
        postings = tuple(Posting(self.name(account), side, amount) for account, side, amount in legs)
        hold_id = None if hold is None else self.key(1000 + hold)
        try:
            return NewEntry(self.key(number), postings, hold_id=hold_id)
        except InvalidValueError:
            return None

    def compare(self) -> None:
        for name, wanted in self.model.accounts.items():
            got = find_account(self.books.connection, name)
            assert (got.balance, got.held) == (wanted.balance, wanted.held)
            assert got.posting_count == len(wanted.lines)
            page = statement_page(self.books.connection, name, entry_count_max=500)
            lines = [(line.seq - self.seq_before, line.balance_after) for line in reversed(page.lines)]
            assert lines == wanted.lines

    def finish(self) -> None:
        """Leave no hold behind that the next example's sweep would count."""
        self.books.clock.move(seconds=100)
        assert self.books.writer.expire_holds() == self.model.expire_holds(self.books.clock())


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(commands, min_size=1, max_size=8))
def test_batches_equal_one_by_one_execution(books: Books, script: list[Post | Place | Release | Wait]) -> None:
    world = World(books)
    try:
        for command in script:
            world.run(command)
        world.compare()
    finally:
        world.finish()
    assert verify_books(books.connection) == []


def test_what_the_property_posted_is_covered_and_unchanged(books: Books) -> None:
    world = World(books)
    for start in range(0, 40, 8):
        transfer_items = [(n, [(0, Side.DEBIT, n + 1), (1, Side.CREDIT, n + 1)], None) for n in range(start, start + 8)]
        world.run(Post(transfer_items))
    world.compare()
    found = list(recompute_leaves(books.connection, verify, from_seq=3, to_seq=20))
    assert [item.seq for item in found] == list(range(3, 21))
    assert all(item.covered and item.unchanged for item in found)
