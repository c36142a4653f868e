"""Balances and statements at any two times, from SQL, equal the definition applied to a list of postings: whatever is
dated back or forward, posted at the same moment, or summed beforehand, and wherever the times asked for lie."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.account import Side
from ledger.balances import open_account
from ledger.balances_in_time import balance_at, snapshot
from ledger.journal import NewEntry, Posting, ResultCode
from ledger.posting import Writer
from ledger.statements import EffectPlace, StatementLine, effect_page, statement_page
from tests.support.books import START, Clock, key, open_writer
from tests.support.time_model import ModelPosting, TimeModel

ACCOUNTS = [("EUR", Side.DEBIT), ("EUR", Side.CREDIT), ("EUR", Side.CREDIT)]
BLOCK = 3
"""Dated postings summed together: few, so that examples have whole blocks."""

accounts = st.integers(0, len(ACCOUNTS) - 1)
amounts = st.integers(1, 50)
shifts = st.one_of(st.none(), st.integers(-30, 30))
"""Seconds between effective time and posting; none for an entry that counts when it is posted."""

transfers = st.tuples(accounts, accounts, amounts).map(lambda t: [(t[0], Side.DEBIT, t[2]), (t[1], Side.CREDIT, t[2])])
split = st.tuples(st.permutations(range(3)), amounts, amounts).map(
    lambda t: [(t[0][0], Side.CREDIT, t[1]), (t[0][1], Side.DEBIT, t[1] + t[2]), (t[0][0], Side.CREDIT, t[2])]
)
Legs = list[tuple[int, Side, int]]
entries = st.tuples(st.one_of(transfers, transfers, split), shifts)


class Commit(NamedTuple):
    entries: list[tuple[Legs, int | None]]
    wait_s: int
    snapshot: bool


commits = st.builds(Commit, st.lists(entries, min_size=1, max_size=12), st.integers(0, 5), st.booleans())
moments = st.one_of(st.none(), st.tuples(st.integers(-40, 80), st.sampled_from([0, 0, -1, 1])))
"""Seconds and microseconds after the example began; none for no bound."""


class Books(NamedTuple):
    writer: Writer
    connection: psycopg.Connection[Any]
    clock: Clock


@pytest.fixture
def books(database_url: str) -> Iterator[Books]:
    clock = Clock()
    with open_writer(database_url, clock) as writer, psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        yield Books(writer, connection, clock)


_worlds = iter(range(1, 1_000_000))


class World:
    """One example: fresh accounts in the shared database, and the list of what was posted to them."""

    def __init__(self, books: Books) -> None:
        self.number = next(_worlds)
        self.books = books
        books.clock.move(seconds=200)
        self.began = books.clock()
        self.keys = iter(range(self.number << 32, (self.number + 1) << 32))
        self.model = TimeModel({self.name(i): kind for i, kind in enumerate(ACCOUNTS)})
        for i, (asset, side) in enumerate(ACCOUNTS):
            open_account(books.connection, self.name(i), asset, side, floor=None, now=START)

    def name(self, number: int) -> str:
        return f"w{self.number}-{number}"

    def moment(self, offset: tuple[int, int] | None) -> datetime | None:
        return None if offset is None else self.began + timedelta(seconds=offset[0], microseconds=offset[1])

    def run(self, commit: Commit) -> None:
        now = self.books.clock()
        batch = [self.entry(legs, shift, now) for legs, shift in commit.entries if legs[0][0] != legs[1][0]]
        for entry, result in zip(batch, self.books.writer.post(batch), strict=True):
            assert result.code is ResultCode.POSTED
            legs = [(posting.account, posting.side, posting.amount) for posting in entry.postings]
            self.model.add(result.seq, legs, now, entry.effective_at)
        self.books.clock.move(seconds=commit.wait_s)
        if commit.snapshot:
            snapshot(self.books.connection, block=BLOCK)

    def entry(self, legs: Legs, shift: int | None, now: datetime) -> NewEntry:
        postings = tuple(Posting(self.name(account), side, amount) for account, side, amount in legs)
        effective_at = None if shift is None else now + timedelta(seconds=shift)
        return NewEntry(key(next(self.keys)), postings, effective_at=effective_at)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    script=st.lists(commits, min_size=1, max_size=8),
    pairs=st.lists(st.tuples(accounts, moments, moments), min_size=5, max_size=12),
)
def test_balance_at_any_two_times_equals_the_definition(books: Books, script: list[Commit], pairs: list[Any]) -> None:
    world = World(books)
    for commit in script:
        world.run(commit)
    for account, known, effective in pairs:
        times = {"known_at": world.moment(known), "effective_at": world.moment(effective)}
        got = balance_at(books.connection, world.name(account), **times).balance
        assert got == world.model.balance(world.name(account), **times)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    script=st.lists(commits, min_size=1, max_size=8),
    more=commits,
    account=accounts,
    known=moments,
    bounds=st.tuples(moments, moments),
    size=st.sampled_from([1, 2, 7, 50]),
)
def test_statements_of_both_orders_equal_the_definition_though_entries_arrive_between_pages(
    books: Books, script: list[Commit], more: Commit, account: int, known: Any, bounds: Any, size: int
) -> None:
    world = World(books)
    for commit in script:
        world.run(commit)
    name, since, until = world.name(account), world.moment(bounds[0]), world.moment(bounds[1])
    known_at = world.moment(known)
    by_effect = world.model.statement(name, by_effect=True, known_at=known_at, since=since, until=until)
    by_posting = world.model.statement(name, by_effect=False, since=since, until=until)

    page = effect_page(books.connection, name, entry_count_max=size, since=since, until=until, known_at=known_at)
    first = statement_page(books.connection, name, entry_count_max=size, since=since, until=until)
    world.run(more)

    lines, place = list(page.lines), page.next_place
    while place is not None:
        page = effect_page(books.connection, name, place, entry_count_max=size, since=since)
        lines, place = lines + list(page.lines), page.next_place
    assert [facts(line) for line in lines] == [expected(posting) for posting in by_effect]

    lines, seq = list(first.lines), first.next_seq
    while seq:
        part = statement_page(books.connection, name, from_seq=seq, entry_count_max=size, since=since)
        lines, seq = lines + list(part.lines), part.next_seq
    assert [facts(line) for line in lines] == [expected(posting) for posting in by_posting]


def facts(line: StatementLine) -> tuple[Any, ...]:
    return line.seq, line.side, line.amount, line.balance_after, line.posted_at, line.effective_at


def expected(posting: ModelPosting) -> tuple[Any, ...]:
    amounts = posting.seq, posting.side, posting.amount, posting.balance_after
    return *amounts, posting.posted_at, posting.effective_at


def test_place_beyond_the_last_page_gives_an_empty_page(books: Books) -> None:
    world = World(books)
    world.run(Commit([([(0, Side.DEBIT, 5), (1, Side.CREDIT, 5)], None)], 0, False))
    page = effect_page(books.connection, world.name(0), EffectPlace(10**9, START - timedelta(days=900), 1))
    assert page.lines == () and page.next_place is None
