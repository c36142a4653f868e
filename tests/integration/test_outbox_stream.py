"""The outbox as a stream over a real PostgreSQL: the past, then the present without a gap, no page before its time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import psycopg
import pytest

from ledger.journal import transfer
from ledger.outbox import START, OutboxPage, Position, read_page
from ledger.posting import Writer
from node.books.outbox_stream import Bell, follow_outbox
from tests.support.books import Clock, key, open_accounts, open_writer

ACCOUNTS = """
    cash   EUR debit  -
    alice  EUR credit 0
"""


@dataclass
class Bench:
    url: str
    writer: Writer
    bell: Bell
    posted: int = 0
    reads: list[Position] = field(default_factory=list)
    kinds: tuple[str, ...] = ()

    def post(self, count: int = 1, *, ring: bool = True) -> None:
        numbers = range(self.posted + 1, self.posted + count + 1)
        self.posted += count
        self.writer.post([transfer(key(number), "cash", "alice", 1) for number in numbers])
        if ring:
            self.bell.ring()

    async def read(self, after: Position) -> OutboxPage:
        self.reads.append(after)

        def on_connection() -> OutboxPage:
            with psycopg.connect(self.url, autocommit=True) as connection:
                return read_page(connection, after, count_max=4, kinds=self.kinds)

        return await asyncio.to_thread(on_connection)

    def follow(self, after: Position = START, poll_s: float = 30) -> AsyncIterator[OutboxPage]:
        return follow_outbox(self.read, self.bell, after, poll_s=poll_s)


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[Bench]:
    with (
        open_writer(database_url, Clock()) as writer,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        open_accounts(connection, ACCOUNTS)
        yield Bench(database_url, writer, Bell())


async def take(pages: AsyncIterator[OutboxPage], count: int) -> list[int]:
    """Return the numbers of the next events."""
    found: list[int] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            found += [event.position.seq for event in (await anext(pages)).events]
    return found


async def test_stream_tells_the_past_and_then_the_present(bench: Bench) -> None:
    bench.post(10)
    pages = bench.follow()
    assert await take(pages, 10) == list(range(1, 11))
    waiting = asyncio.create_task(take(pages, 3))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    bench.post(3)
    assert await waiting == [11, 12, 13]


async def test_stream_goes_on_where_its_reader_left(bench: Bench) -> None:
    bench.post(6)
    assert await take(bench.follow(Position(4, 0)), 2) == [5, 6]


async def test_bell_wakes_at_once_and_a_missed_one_costs_a_pause(bench: Bench) -> None:
    pages = bench.follow(poll_s=0.2)
    waiting = asyncio.create_task(take(pages, 1))
    await asyncio.sleep(0.05)
    began = time.monotonic()
    bench.post(1, ring=False)
    assert await waiting == [1]
    assert time.monotonic() - began < 5


async def test_commit_between_looking_and_waiting_is_heard(bench: Bench) -> None:
    pages = bench.follow(poll_s=30)
    read, bell = bench.read, bench.bell

    async def commit_after_the_look(after: Position) -> OutboxPage:
        page = await read(after)
        if not bench.posted:
            bench.post(1)
        return page

    late = follow_outbox(commit_after_the_look, bell, START, poll_s=30)
    assert await take(late, 1) == [1]
    assert await take(pages, 1) == [1]


async def test_slow_reader_is_read_no_page_ahead(bench: Bench) -> None:
    bench.post(40)
    pages = bench.follow()
    assert len((await anext(pages)).events) == 4
    await asyncio.sleep(0.1)
    assert bench.reads == [START]
    assert len((await anext(pages)).events) == 4
    assert bench.reads == [START, Position(4, 0)]


async def test_many_readers_hear_the_same(bench: Bench) -> None:
    streams = [asyncio.create_task(take(bench.follow(), 30)) for _ in range(5)]
    for _ in range(10):
        bench.post(3)
        await asyncio.sleep(0)
    assert await asyncio.gather(*streams) == [list(range(1, 31))] * 5


async def test_page_without_events_tells_how_far_the_reader_may_skip(bench: Bench) -> None:
    with psycopg.connect(bench.url) as connection:
        connection.execute("SELECT ledger.add_event('period.closed', NULL, now(), '{}')")
    bench.kinds = ("hold.placed",)
    page = await anext(bench.follow())
    assert (page.events, page.after) == ((), Position(0, 1))
