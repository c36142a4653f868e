"""Books that grow: how fast they still post, and how long reads take among so many entries.

The load is spread over a year by a clock of its own, a tick for each batch, so that dates mean something. Every fourth
transfer debits one account, the hot one; every fiftieth counts for a random moment of that year instead of its own.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg

from benchmarks.books import (
    ACCOUNTS,
    BATCH,
    SEED,
    Load,
    PlainRules,
    account_name,
    median_of,
    new_books,
    now,
    rate_of,
    timed_batches,
)
from benchmarks.measure import latency_ms
from ledger import balances, statements
from ledger.balances_in_time import balance_at, verify_times
from ledger.journal import NewEntry
from node.books.books import Books

POINT = 500_000
"""Entries from one point of the curve to the next."""
READS = 200
"""Reads of each kind in one run."""
PAGE = 50
YEAR = timedelta(days=365)
DATED_EVERY = 50

_Read = Callable[[str], Awaitable[Any]]


class Year:
    """A clock that goes through the year before now, a tick at each look.

    Args:
        ticks: so many make the year.
    """

    def __init__(self, ticks: int) -> None:
        self.begin = self.now = now() - YEAR
        self._tick = YEAR / ticks

    def __call__(self) -> datetime:
        self.now += self._tick
        return self.now

    def moment(self, draw: random.Random, earliest: float = 0, latest: float = 1) -> datetime:
        """A random moment between two parts of the year."""
        return self.begin + YEAR * draw.uniform(earliest, latest)


async def growth_rows(
    url: str, keys: str, server_pid: int, entries: int, runs: int, reads: int
) -> list[dict[str, Any]]:
    """Post so many entries and tell the rate on the way, then read among them; prove the books at the end.

    Args:
        keys: ``time-ordered``, after which the reads are measured, or ``random``.
        reads: of each kind in a run; 0 for none.
    """
    year = Year(-(-entries // BATCH))
    books = new_books(url, PlainRules(), year)
    await books.start()
    try:
        rows = await _grow(books, Load("part hot", keys), year, server_pid, entries, runs)
        if reads:
            with psycopg.connect(url, autocommit=True) as connection:
                # What autovacuum does within a minute of such a load.
                connection.execute("VACUUM ANALYZE")
            rows += await _read_rows(books, year, runs, reads)
        findings = await books.verify() + await books.read(verify_times)
        assert not findings, findings
    finally:
        await books.stop()
    return rows


async def _grow(books: Books, load: Load, year: Year, server_pid: int, entries: int, runs: int) -> list[dict[str, Any]]:
    points = -(-entries // POINT)
    each = entries // points // runs
    rows = []
    for point in range(1, points + 1):
        spent = []
        for _ in range(runs):
            made = _dated(load, each, year)
            spent.append(
                await timed_batches(books, [made[at : at + BATCH] for at in range(0, each, BATCH)], server_pid)
            )
        wall, driver, server = zip(*spent, strict=True)
        rows.append(
            {
                "what": f"growth, {load.keys} keys",
                "load": "part hot",
                "entries": point * runs * each,
                **rate_of(each, wall),
                "client_us": round(sum(driver) / runs / each * 1e6, 1),
                "postgres_us": round(sum(server) / runs / each * 1e6, 1),
            }
        )
    return rows


def _dated(load: Load, count: int, year: Year) -> list[NewEntry]:
    made = load.entries(count)
    for at in range(0, count, DATED_EVERY):
        made[at] = replace(made[at], effective_at=year.moment(load.draw))
    return made


async def _read_rows(books: Books, year: Year, runs: int, reads: int) -> list[dict[str, Any]]:
    draw = random.Random(SEED)
    count = await books.read(balances.entry_count)
    rows = []
    for what, read in _kinds(books, year, draw).items():
        for load in ("random accounts", "the hot account"):
            measured = []
            for _ in range(runs):
                names = [
                    account_name(draw.randrange(1, ACCOUNTS) if load == "random accounts" else 0) for _ in range(reads)
                ]
                measured.append(latency_ms([await _timed(read, name) for name in names]))
            rows.append({"what": what, "load": load, "entries": count, **median_of(measured)})
    await _check_reads(books, draw)
    return rows


def _kinds(books: Books, year: Year, draw: random.Random) -> dict[str, _Read]:
    """Return the kinds of reads by name; each takes an account."""

    def middle() -> datetime:
        return year.moment(draw, 0.25, 0.75)

    return {
        "balance": lambda name: books.read(balances.find_account, name),
        "statement page, newest": lambda name: books.read(statements.statement_page, name, entry_count_max=PAGE),
        "statement page, by date": lambda name: books.read(
            statements.statement_page, name, entry_count_max=PAGE, until=middle()
        ),
        "statement page, by effect": lambda name: books.read(
            statements.effect_page, name, entry_count_max=PAGE, until=middle()
        ),
        "bi-temporal balance": lambda name: books.read(
            balance_at, name, known_at=middle(), effective_at=year.moment(draw)
        ),
    }


async def _timed(read: _Read, name: str) -> float:
    begun = time.perf_counter()
    await read(name)
    return time.perf_counter() - begun


async def _check_reads(books: Books, draw: random.Random) -> None:
    """The newest balance, the newest line of the statement and the balance at the end of time must agree."""
    for number in (0, *draw.sample(range(1, ACCOUNTS), 20)):
        name = account_name(number)
        account = await books.read(balances.find_account, name)
        page = await books.read(statements.statement_page, name, entry_count_max=PAGE)
        assert len(page.lines) == min(PAGE, account.posting_count)
        assert not page.lines or page.lines[0].balance_after == account.balance
        assert (await books.read(balance_at, name)).balance == account.balance
