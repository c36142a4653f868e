"""Books to be measured: a server of their own, accounts, the least of rules, and a load of transfers from a seed."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg
from nacl.signing import SigningKey

from benchmarks.measure import cpu_s
from ledger.account import NewAccount, Side, Terms
from ledger.balances import open_account, open_new_account
from ledger.decision import AcceptedEntries, Decider, Decisions
from ledger.journal import NewEntry, Outcome, ResultCode, transfer
from ledger.posting import Writer
from ledger.prepared import Request
from ledger.schema import migrate
from ledger.script import Executes
from node.books.books import Books
from node.ports import free_port
from node.postgres import ClusterSettings, PostgresCluster
from node.service import settle_interpreter

ACCOUNTS = 10_000
BATCH = 4_000
SEED = 20261122
LOG_SEGMENTS = 64
"""1 GiB: all that the longest case writes between two checkpoints."""
STRIPED = "bench:striped"
REVIEWED_ABOVE = 1_000_000
"""Minor units."""


class PlainRules:
    """A random id, an outcome and a hash for each entry: the least a decision can be. Writes no records."""

    def decide(self, entries: AcceptedEntries, now: datetime) -> Decisions:
        count, debits = len(entries), entries.debits
        reviewed = np.zeros(count, np.bool_)
        reviewed[debits.entry[debits.amount > REVIEWED_ABOVE]] = True
        outcomes = np.where(reviewed, Outcome.REQUIRES_MANUAL_REVIEW, Outcome.AUTOMATED_APPROVAL)
        drawn, sha256 = os.urandom(48 * count), hashlib.sha256
        ids = b"".join([drawn[at : at + 16] for at in range(0, len(drawn), 48)])
        leaves = b"".join([sha256(drawn[at : at + 48]).digest() for at in range(0, len(drawn), 48)])
        return Decisions(ids, outcomes.astype(np.uint8).tobytes(), leaves)

    def in_commit(self, script: Executes, accepted: AcceptedEntries, now: datetime) -> None:
        return


def now() -> datetime:
    return datetime.now(UTC)


KEYS_A_MS = 50
"""Time-ordered keys of one millisecond, as callers of 50,000 a second make them; their order within it is chance."""


def time_ordered_key(ms: int, draw: random.Random) -> uuid.UUID:
    """A key in the manner of UUIDv7 (RFC 9562): milliseconds first, then chance."""
    bits = (1_772_442_000_000 + ms) << 80 | 7 << 76 | draw.getrandbits(12) << 64 | 2 << 62
    return uuid.UUID(int=bits | draw.getrandbits(62))


def account_name(number: int) -> str:
    return f"bench:{number:06d}"


class Load:
    """Transfers between accounts, the same for the same seed.

    Args:
        distribution: which accounts it meets: ``uniform``, ``zipf`` (exponent 1), ``hot`` (all debit one account),
            ``part hot`` (every fourth debits that one) or ``striped`` (all debit one account of eight stripes).
        keys: ``time-ordered`` or ``random`` idempotency keys.
    """

    def __init__(self, distribution: str, keys: str = "time-ordered") -> None:
        self.draw = random.Random(SEED)
        self._distribution = distribution
        self.keys = keys
        self.keys_a_ms = KEYS_A_MS
        """1 makes keys as one caller does who waits for each answer."""
        self._ms = self._in_ms = 0
        self._weights = [1 / rank for rank in range(1, ACCOUNTS + 1)] if distribution == "zipf" else None

    def entries(self, count: int) -> list[NewEntry]:
        """The next transfers of the load."""
        draw = self.draw
        if self._weights is not None:
            sides = draw.choices(range(ACCOUNTS), self._weights, k=2 * count)
        else:
            sides = [draw.randrange(ACCOUNTS) for _ in range(2 * count)]
        if self._distribution == "hot":
            sides[::2] = [0] * count
        elif self._distribution == "part hot":
            sides[::8] = [0] * len(sides[::8])
        made = []
        for debit, credit in zip(sides[::2], sides[1::2], strict=True):
            other = credit if credit != debit else (credit + 1) % ACCOUNTS
            debited = STRIPED if self._distribution == "striped" else account_name(debit)
            made.append(transfer(self.key(), debited, account_name(other), draw.randrange(1, 2000)))
        return made

    def key(self) -> uuid.UUID:
        """The next idempotency key."""
        if self.keys == "random":
            return uuid.UUID(int=self.draw.getrandbits(128), version=4)
        self._in_ms += 1
        if self._in_ms >= self.keys_a_ms:
            self._ms, self._in_ms = self._ms + 1, 0
        return time_ordered_key(self._ms, self.draw)


@contextmanager
def cluster() -> Iterator[PostgresCluster]:
    """A server of our own with fsync on, its log as long as that of one that has run for a while."""
    with tempfile.TemporaryDirectory(prefix="dwaybank-bench-") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "org"
        home.mkdir(mode=0o755)
        server = PostgresCluster(ClusterSettings(home / "postgres", free_port(), shared_buffers_mb=256, sync=True))
        server.start()
        try:
            _lengthen_log(server.url())
            yield server
        finally:
            server.stop()


def _lengthen_log(url: str) -> None:
    """Let the server make its segments of the write-ahead log now.

    A segment is made and synced once, some 13 ms, by whoever needs it first, and used again after each checkpoint: who
    measures a second of work on a new server would measure mostly that.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(LOG_SEGMENTS):
            connection.execute("SELECT pg_logical_emit_message(false, 'bench', 'x')")
            connection.execute("SELECT pg_switch_wal()")
        connection.execute("CHECKPOINT")


def prepare(url: str) -> None:
    """Bring the schema up to date and open the accounts, every second one with a floor far below its reach."""
    with psycopg.connect(url, autocommit=True) as connection:
        migrate(connection)
        with connection.transaction():
            for number in range(ACCOUNTS):
                floor = -(10**12) if number % 2 else None
                open_account(connection, account_name(number), "EUR", Side.CREDIT, floor=floor, now=now())
            open_new_account(connection, NewAccount(STRIPED, "EUR", Side.CREDIT, Terms(), stripes=8), now=now())
        connection.execute("VACUUM ANALYZE ledger.account")


def new_books(url: str, rules: Decider, clock: Callable[[], datetime] = now) -> Books:
    """The engine the node runs, with a signing key of its own; not yet started."""
    key = SigningKey.generate()
    return Books(url, Writer(url, sign=lambda digest: key.sign(digest).signature, decider=rules, now=clock), now=clock)


async def timed_batches(books: Books, batches: Sequence[Sequence[Request]], server_pid: int) -> tuple[float, ...]:
    """Post batches that all wait at once, so that one is prepared while another commits; every request must be done.

    Returns:
        Seconds of the clock, of the driver's processor time, and of the server's.
    """
    settle_interpreter()
    driver, server, begun = time.process_time(), cpu_s(server_pid), time.perf_counter()
    answers = await asyncio.gather(*(books.post_batch(batch) for batch in batches))
    spent = time.perf_counter() - begun, time.process_time() - driver, cpu_s(server_pid) - server
    assert {result.code for answer in answers for result in answer} == {ResultCode.POSTED}
    return spent


async def post_one_by_one(books: Books, entries: Sequence[NewEntry]) -> list[float]:
    """Post entries as one caller who waits for each answer; return the latencies in seconds."""
    latencies = []
    for entry in entries:
        begun = time.perf_counter()
        result = await books.post(entry)
        latencies.append(time.perf_counter() - begun)
        assert result.code is ResultCode.POSTED
    return latencies


def rate_of(count: int, seconds: Sequence[float]) -> dict[str, int]:
    """Return median, lowest and highest rate of runs that each did ``count``."""
    rates = [count / each for each in seconds]
    return {"per_second": round(statistics.median(rates)), "min": round(min(rates)), "max": round(max(rates))}


def median_of(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the median of each figure over runs."""
    return {name: round(statistics.median(row[name] for row in rows), 3) for name in rows[0]}
