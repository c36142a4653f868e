"""How fast the books post: batches, many callers at once, one caller; through the engine the node runs.

Everything is durable and honest: PostgreSQL with fsync and synchronous_commit on, unique permanent keys, balances and
floors checked, compliance decision, leaf and signed batch in the entries' own commit, and all of it re-proved from the
postings afterwards. Requests start as entries in memory: no network and no decoding. The driver shares the machine with
the server. ``docs/adr/0002-entry-rows.md`` explains the design that is measured.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import os
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import structlog
from nacl.signing import SigningKey

from benchmarks.measure import REPOSITORY, Result, cpu_s, latency_ms
from ledger.account import AccountFacts, Side
from ledger.balances import open_account
from ledger.journal import AcceptedEntry, Decider, Decision, NewEntry, Outcome, ResultCode, transfer
from ledger.posting import Writer
from ledger.schema import migrate
from node.books.books import Books
from node.postgres import ClusterSettings, PostgresCluster, free_port

ACCOUNTS = 10_000
BATCH = 4_000
TRANSFERS = 100_000
"""Of one run."""
RUNS = 3
CALLERS = ((1, 1000), (1000, 20))
"""Callers at once, and transfers of each."""
SEED = 20261122

TRANSFERS_PER_S_MIN = 40_000
ONE_CALLER_P50_MS_MAX = 1.0


class PlainRules:
    """A random id, an outcome and a hash for each entry: the least a decision can be. Writes no records."""

    def decide(
        self, entries: Sequence[NewEntry], accounts: Sequence[Sequence[AccountFacts]], now: datetime
    ) -> list[Decision]:
        drawn = os.urandom(48 * len(entries))
        decisions = []
        for entry, start in zip(entries, range(0, len(drawn), 48), strict=True):
            large = entry.postings[0].amount > 1_000_000
            outcome = Outcome.REQUIRES_MANUAL_REVIEW if large else Outcome.AUTOMATED_APPROVAL
            leaf = hashlib.sha256(drawn[start : start + 48]).digest()
            decisions.append(Decision(drawn[start : start + 16], outcome, leaf))
        return decisions

    def in_commit(self, cursor: psycopg.Cursor[Any], accepted: Sequence[AcceptedEntry], now: datetime) -> None:
        return


def now() -> datetime:
    return datetime.now(UTC)


def time_ordered_key(number: int, draw: random.Random) -> uuid.UUID:
    """A key in the manner of UUIDv7: time first, then chance."""
    bits = (1_772_442_000_000 + number // 50) << 80 | 7 << 76 | draw.getrandbits(12) << 64 | 2 << 62
    return uuid.UUID(int=bits | draw.getrandbits(62))


def account_name(number: int) -> str:
    return f"bench:{number:06d}"


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the result.

    Args:
        distribution: which accounts the load meets: uniform, zipf (exponent 1) or hot (all debit one account).
        rules: ``plain`` (a random id and a hash) or ``node`` (the node's rules with their records).
        keys: ``time-ordered`` or ``random`` idempotency keys.
    """

    distribution: str
    rules: str = "plain"
    keys: str = "time-ordered"


CASES = (Case("uniform"), Case("zipf"), Case("hot"), Case("uniform", keys="random"), Case("uniform", rules="node"))


class Load:
    """Transfers between accounts, the same for the same seed."""

    def __init__(self, case: Case) -> None:
        self._draw = random.Random(SEED)
        self._case = case
        self._made = 0
        self._weights = [1 / rank for rank in range(1, ACCOUNTS + 1)] if case.distribution == "zipf" else None

    def entries(self, count: int) -> list[NewEntry]:
        """The next transfers of the load."""
        draw = self._draw
        if self._weights is not None:
            sides = draw.choices(range(ACCOUNTS), self._weights, k=2 * count)
        else:
            sides = [draw.randrange(ACCOUNTS) for _ in range(2 * count)]
        if self._case.distribution == "hot":
            sides[::2] = [0] * count
        made = []
        for debit, credit in zip(sides[::2], sides[1::2], strict=True):
            other = credit if credit != debit else (credit + 1) % ACCOUNTS
            made.append(transfer(self._key(), account_name(debit), account_name(other), draw.randrange(1, 2000)))
        return made

    def _key(self) -> uuid.UUID:
        self._made += 1
        if self._case.keys == "random":
            return uuid.UUID(int=self._draw.getrandbits(128), version=4)
        return time_ordered_key(self._made, self._draw)


@contextmanager
def cluster() -> Iterator[PostgresCluster]:
    """A server of our own with fsync on."""
    with tempfile.TemporaryDirectory(prefix="dwaybank-bench-") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "org"
        home.mkdir(mode=0o755)
        server = PostgresCluster(ClusterSettings(home / "postgres", free_port(), shared_buffers_mb=256, sync=True))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def rules_of(name: str, url: str) -> Decider:
    """The rules to decide by; the node's own write a decision record for each entry."""
    if name == "plain":
        return PlainRules()
    from node.compliance.decisions import ComplianceDecider
    from node.compliance.rules import load_rules
    from node.compliance.store import migrate as migrate_compliance

    with psycopg.connect(url, autocommit=True) as connection:
        migrate_compliance(connection)
    return ComplianceDecider(load_rules(REPOSITORY / "node" / "compliance" / "default_rules.yaml"), os.urandom)


def prepare(url: str) -> None:
    """Bring the schema up to date and open the accounts, every second one with a floor far below its reach."""
    with psycopg.connect(url, autocommit=True) as connection:
        migrate(connection)
        with connection.transaction():
            for number in range(ACCOUNTS):
                floor = -(10**12) if number % 2 else None
                open_account(connection, account_name(number), "EUR", Side.CREDIT, floor=floor, now=now())
        connection.execute("VACUUM ANALYZE ledger.account")


async def measure_batches(books: Books, load: Load, server_pid: int) -> dict[str, float]:
    """Every batch is one request; all wait at once, so one is prepared while another commits."""
    rates = []
    driver_s = server_s = 0.0
    for _ in range(RUNS):
        batches = [load.entries(BATCH) for _ in range(TRANSFERS // BATCH)]
        gc.collect()
        gc.freeze()
        driver, server, begun = time.process_time(), cpu_s(server_pid), time.perf_counter()
        answers = await asyncio.gather(*(books.post_batch(batch) for batch in batches))
        rates.append(TRANSFERS / (time.perf_counter() - begun))
        driver_s += time.process_time() - driver
        server_s += cpu_s(server_pid) - server
        assert {result.code for answer in answers for result in answer} == {ResultCode.POSTED}
    return {
        "transfers_per_s": round(statistics.median(rates)),
        "min": round(min(rates)),
        "max": round(max(rates)),
        "python_cpu_us": round(driver_s / (RUNS * TRANSFERS) * 1e6, 1),
        "server_cpu_us": round(server_s / (RUNS * TRANSFERS) * 1e6, 1),
    }


async def measure_callers(books: Books, load: Load, callers: int, each: int) -> dict[str, float]:
    """Callers of one transfer at a time, each waiting for its answer."""
    work = [load.entries(each) for _ in range(callers)]
    latencies: list[float] = []

    async def call(entries: list[NewEntry]) -> None:
        for entry in entries:
            begun = time.perf_counter()
            result = await books.post(entry)
            latencies.append(time.perf_counter() - begun)
            assert result.code is ResultCode.POSTED

    begun = time.perf_counter()
    await asyncio.gather(*(call(entries) for entries in work))
    return {"transfers_per_s": round(callers * each / (time.perf_counter() - begun)), **latency_ms(latencies)}


async def measure(url: str, case: Case, server_pid: int, callers: bool) -> list[dict[str, Any]]:
    """Measure one case in a database of its own and prove the books afterwards."""
    key = SigningKey.generate()
    writer = Writer(url, sign=lambda digest: key.sign(digest).signature, decider=rules_of(case.rules, url), now=now)
    books = Books(url, writer, now=now)
    await books.start()
    load = Load(case)
    rows: list[dict[str, Any]] = []
    try:
        await books.post_batch(load.entries(BATCH))
        named = {"load": f"batches of {BATCH}", "accounts": case.distribution, "keys": case.keys, "rules": case.rules}
        rows.append(named | await measure_batches(books, load, server_pid))
        if callers:
            for count, each in CALLERS:
                rows.append(named | {"load": f"{count} callers"} | await measure_callers(books, load, count, each))
        findings = await books.verify()
        assert not findings, findings
    finally:
        await books.stop()
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT pg_total_relation_size('ledger.entry') / count(*) FROM ledger.entry"
        ).fetchone()
    assert row is not None
    rows[0]["bytes_each"] = row[0]
    return rows


def run() -> Result:
    """Measure every case on a fresh server; return a row for each."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    result = Result("posting", f"Posting: transfers between {ACCOUNTS:,} accounts, fsync on, in one process")
    for number, case in enumerate(CASES):
        with cluster() as server:
            assert server.pid is not None
            url = server.create_database("bench")
            prepare(url)
            result.rows += asyncio.run(measure(url, case, server.pid, callers=number == 0))
    result.at_least("batched transfers a second, uniform", TRANSFERS_PER_S_MIN, result.rows[0]["transfers_per_s"])
    one = next(row for row in result.rows if row["load"] == "1 callers")
    result.below("one transfer at a time, p50 (ms)", ONE_CALLER_P50_MS_MAX, one["p50_ms"])
    return result
