"""How fast the books post: batches, many callers at once, one caller; through the engine the node runs.

Everything is durable and honest: PostgreSQL with fsync and synchronous_commit on, unique permanent keys, balances and
floors checked, compliance decision, leaf and signed batch in the entries' own commit, and all of it re-proved from the
postings afterwards. Requests start as entries in memory: no network and no decoding. The driver shares the machine with
the server. ``docs/adr/0015-rules-in-python.md`` explains the design that is measured.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog

from benchmarks.books import (
    ACCOUNTS,
    BATCH,
    KEYS_A_MS,
    Load,
    PlainRules,
    cluster,
    new_books,
    post_one_by_one,
    prepare,
    rate_of,
    timed_batches,
)
from benchmarks.measure import REPOSITORY, Result, latency_ms
from ledger.decision import Decider
from node.books.books import Books

TRANSFERS = 100_000
"""Of one run."""
RUNS = 3
CALLERS = ((1, 1000), (1000, 20))
"""Callers at once, and transfers of each."""

TRANSFERS_PER_S_MIN = 40_000
ONE_CALLER_P50_MS_MAX = 1.0


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the result.

    Args:
        distribution: which accounts the load meets; see ``Load``.
        rules: ``plain`` (a random id and a hash) or ``node`` (the node's rules with their records).
        keys: ``time-ordered`` or ``random`` idempotency keys.
    """

    distribution: str
    rules: str = "plain"
    keys: str = "time-ordered"


CASES = (
    Case("uniform"),
    Case("zipf"),
    Case("hot"),
    Case("striped"),
    Case("uniform", keys="random"),
    Case("uniform", rules="node"),
)


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


async def measure_batches(books: Books, load: Load, server_pid: int) -> dict[str, float]:
    """Every batch is one request; all wait at once."""
    count = TRANSFERS // BATCH
    spent = [await timed_batches(books, [load.entries(BATCH) for _ in range(count)], server_pid) for _ in range(RUNS)]
    wall, driver, server = zip(*spent, strict=True)
    return {
        **rate_of(TRANSFERS, wall),
        "python_cpu_us": round(sum(driver) / (RUNS * TRANSFERS) * 1e6, 1),
        "server_cpu_us": round(sum(server) / (RUNS * TRANSFERS) * 1e6, 1),
    }


async def measure_callers(books: Books, load: Load, callers: int, each: int) -> dict[str, float]:
    """Callers of one transfer at a time, each waiting for its answer."""
    load.keys_a_ms = 1 if callers == 1 else KEYS_A_MS
    work = [load.entries(each) for _ in range(callers)]
    begun = time.perf_counter()
    latencies = await asyncio.gather(*(post_one_by_one(books, entries) for entries in work))
    elapsed = time.perf_counter() - begun
    return {"per_second": round(callers * each / elapsed), **latency_ms([each for own in latencies for each in own])}


async def measure(url: str, case: Case, server_pid: int, callers: bool) -> list[dict[str, Any]]:
    """Measure one case in a database of its own and prove the books afterwards."""
    books = new_books(url, rules_of(case.rules, url))
    await books.start()
    load = Load(case.distribution, case.keys)
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
    result.at_least("batched transfers a second, uniform", TRANSFERS_PER_S_MIN, result.rows[0]["per_second"])
    one = next(row for row in result.rows if row["load"] == "1 callers")
    result.below("one transfer at a time, p50 (ms)", ONE_CALLER_P50_MS_MAX, one["p50_ms"])
    return result
