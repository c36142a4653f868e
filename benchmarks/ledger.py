"""The books' speed, all of it by one command: ``make bench-ledger``. docs/benchmarks.md says what each row measures.

Rules:
- one server of its own with fsync and synchronous_commit on; each case has a database of its own in it, made from one
  template with the same accounts;
- requests are made before the clock starts; every one of them must be done, and the books are proved afterwards;
- a figure is the median of the runs.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
import structlog

from benchmarks.books import (
    ACCOUNTS,
    BATCH,
    KEYS_A_MS,
    Load,
    PlainRules,
    account_name,
    cluster,
    median_of,
    new_books,
    now,
    post_one_by_one,
    prepare,
    rate_of,
    timed_batches,
)
from benchmarks.ledger_growth import READS, growth_rows
from benchmarks.ledger_remote import remote_rows
from benchmarks.measure import Result, latency_ms
from benchmarks.transport import TRANSPORTS
from ledger.account import Side
from ledger.balances import entry_count
from ledger.hold import NewHold
from ledger.journal import NewEntry, Posting, transfer
from ledger.prepared import Request
from node.books.books import Books
from node.postgres import PostgresCluster

RUN_BATCHES = 50
"""Batches of one run."""
ONE_CALLER_CALLS = 1_000
HOLD_TERM = timedelta(days=1)
DISTRIBUTIONS = ("uniform", "zipf", "hot")
KEYS = ("time-ordered", "random")
_TEMPLATE = "prepared"

_Make = Callable[[Load, int], Sequence[Request]]
"""Makes a batch of so many requests."""


@dataclass(frozen=True, slots=True)
class Work:
    """Requests of one kind.

    Args:
        what: as the result names it.
        make: makes one batch.
        counted: of so many requests, one counts in the rate.
    """

    what: str
    make: _Make
    counted: int = 1


def transfers(load: Load, count: int) -> list[NewEntry]:
    """Entries of two postings."""
    return load.entries(count)


def four_postings(load: Load, count: int) -> list[NewEntry]:
    """Entries of two debits and two credits on four accounts."""
    made = []
    for _ in range(count):
        accounts = [account_name(number) for number in load.draw.sample(range(ACCOUNTS), 4)]
        first, second = load.draw.randrange(1, 1000), load.draw.randrange(1, 1000)
        amounts = (first, second, first + second - 1, 1)
        sides = (Side.DEBIT, Side.DEBIT, Side.CREDIT, Side.CREDIT)
        postings = tuple(Posting(*leg) for leg in zip(accounts, sides, amounts, strict=True))
        made.append(NewEntry(load.key(), postings))
    return made


def holds(load: Load, count: int) -> list[Request]:
    """Half a batch of holds, then the entries that capture them, each in whole."""
    until = now() + HOLD_TERM
    placed: list[Request] = []
    captured: list[Request] = []
    for asked in load.entries(count // 2):
        debit, credit = asked.postings
        hold_id = uuid.UUID(int=asked.key.int ^ 1)
        placed.append(NewHold(hold_id, debit.account, debit.amount, until))
        captured.append(transfer(asked.key, debit.account, credit.account, debit.amount, hold_id=hold_id))
    return placed + captured


def mixed(load: Load, count: int) -> list[Request]:
    """A quarter entries of four postings, the rest holds with their captures: two such entries to three holds."""
    return [*four_postings(load, count // 4), *holds(load, count - count // 4)]


TRANSFERS = Work(f"transfers, batches of {BATCH:,}", transfers)
MORE_WORK = (
    Work("entries with 4 postings", four_postings),
    Work("holds placed and captured", holds, counted=2),
    Work("requests, 2 entries with 4 postings to 3 holds", mixed),
)


@dataclass(frozen=True, slots=True)
class Bench:
    """A server with the accounts, and how much is asked of it.

    Args:
        server: running.
        runs: of each case.
        scale: part of the usual load; a tiny one only shows that everything works.
    """

    server: PostgresCluster
    runs: int
    scale: float

    def scaled(self, count: int) -> int:
        """Return so much of a usual count, at least 1."""
        return max(1, round(count * self.scale))

    @property
    def server_pid(self) -> int:
        """The server's process."""
        assert self.server.pid is not None
        return self.server.pid

    def prepare(self) -> None:
        """Make the template."""
        prepare(self.server.create_database(_TEMPLATE))

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """Yield the URL of a new database that has the accounts; its vacuuming shall not burden what comes after it."""
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}".encode())
            yield self.server.url(name)
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


async def posted_rows(bench: Bench, url: str, work: Work, accounts: str, one_caller: bool = False) -> list[Any]:
    """Post batches of one kind of work in one process, and prove the books; with a caller of single transfers too."""
    books, load = new_books(url, PlainRules()), Load(accounts)
    await books.start()
    try:
        await books.post_batch(work.make(load, BATCH))
        rows = [{"what": work.what, "load": accounts} | await _rates(bench, books, load, work)]
        if one_caller:
            for keys, load.keys_a_ms in (("in order", 1), ("50 a millisecond", KEYS_A_MS)):
                named = {"what": "one transfer at a time", "load": "in process", "keys": keys}
                rows.append(named | await _one_caller(bench, books, load))
        findings = await books.verify()
        assert not findings, findings
    finally:
        await books.stop()
    return rows


async def _rates(bench: Bench, books: Books, load: Load, work: Work) -> dict[str, Any]:
    count = bench.scaled(RUN_BATCHES)
    spent = []
    for _ in range(bench.runs):
        batches = [work.make(load, BATCH) for _ in range(count)]
        spent.append(await timed_batches(books, batches, bench.server_pid))
    wall, driver, server = zip(*spent, strict=True)
    each = count * BATCH // work.counted
    return {
        **rate_of(each, wall),
        "client_us": round(sum(driver) / bench.runs / each * 1e6, 1),
        "postgres_us": round(sum(server) / bench.runs / each * 1e6, 1),
    }


async def _one_caller(bench: Bench, books: Books, load: Load) -> dict[str, float]:
    calls = bench.scaled(ONE_CALLER_CALLS)
    runs = [await post_one_by_one(books, load.entries(calls)) for _ in range(bench.runs)]
    return {**rate_of(calls, [sum(run) for run in runs]), **median_of([latency_ms(run) for run in runs])}


def bytes_each(url: str) -> dict[str, int]:
    """Return bytes on disk for each entry, indexes in: of the whole schema, and of the entries alone."""
    size = "SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables WHERE schemaname = 'ledger'"
    entries = " AND (relname = 'entry' OR relid IN (SELECT inhrelid FROM pg_inherits))"
    with psycopg.connect(url) as connection:
        count = entry_count(connection)
        found = [connection.execute(text.encode()).fetchone() for text in (size, size + entries)]
    schema, own = (int(row[0]) // count for row in found if row is not None)
    return {"bytes_each": schema, "entry_bytes_each": own}


def run(entries: int = 1_000_000, runs: int = 5, scale: float = 1.0) -> Result:
    """Measure everything.

    Args:
        entries: how far the growth curve goes, and how many entries the reads find.
        runs: of each case.
        scale: part of the usual load, the growth curve and the reads included.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    result = Result("ledger", f"The books: {ACCOUNTS:,} accounts, fsync and synchronous_commit on, median of {runs}")
    result.details = {"runs": runs, "scale": scale}
    with cluster() as server:
        bench = Bench(server, runs, scale)
        bench.prepare()
        for accounts in DISTRIBUTIONS:
            with bench.database(accounts) as url:
                rows = asyncio.run(posted_rows(bench, url, TRANSFERS, accounts, one_caller=accounts == "uniform"))
                result.rows += [rows[0] | bytes_each(url), *rows[1:]]
        for number, work in enumerate(MORE_WORK):
            with bench.database(f"more_{number}") as url:
                result.rows += asyncio.run(posted_rows(bench, url, work, "uniform"))
        for transport in TRANSPORTS:
            with bench.database(transport) as url:
                result.rows += remote_rows(url, transport, bench.server_pid, runs, scale)
        for keys in KEYS:
            reads = bench.scaled(READS) if keys == KEYS[0] else 0
            with bench.database(f"growth_{keys.partition('-')[0]}") as url:
                result.rows += asyncio.run(growth_rows(url, keys, bench.server_pid, bench.scaled(entries), runs, reads))
    judge(result)
    return result


def judge(result: Result) -> None:
    """Compare with what is promised."""

    def rows(what: str, load: str = "") -> list[dict[str, Any]]:
        return [row for row in result.rows if row["what"].startswith(what) and row["load"].startswith(load)]

    for row in rows(TRANSFERS.what):
        result.at_least(f"batched transfers a second, {row['load']}", 150_000, row["per_second"])
        result.below(f"bytes on disk a transfer, {row['load']}", 300, row["bytes_each"])
    for work, least in zip(MORE_WORK, (40_000, 60_000), strict=False):
        result.at_least(f"{work.what} a second", least, rows(work.what)[0]["per_second"])
    result.below("one transfer at a time in process, p50 (ms)", 1, rows("one", "in process")[0]["p50_ms"])
    for transport in TRANSPORTS:
        batched, *_, callers, one = rows("", f"gRPC, {transport}")
        result.at_least(f"{batched['what']}, {transport}, a second", 50_000, batched["per_second"])
        result.at_least(f"{callers['what']}, {transport}, a second", 5_000, callers["per_second"])
        result.below(f"{callers['what']}, {transport}, p99 (ms)", 250, callers["p99_ms"])
        result.below(f"{one['what']}, {transport}, p50 (ms)", 2.5, one["p50_ms"])
    for what, most in (("balance", 5), ("statement page", 10), ("bi-temporal balance", 20)):
        result.below(f"{what}, slowest kind and account, p95 (ms)", most, max(row["p95_ms"] for row in rows(what)))
    curve = rows(f"growth, {KEYS[0]}")
    if len(curve) > 1:
        last = curve[-1]["per_second"] / curve[0]["per_second"] * 100
        result.at_least(f"last point of the curve, {KEYS[0]} keys, in % of the first", 75, last)
