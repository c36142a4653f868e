"""Kills what posts, and what stores, again and again under load; then proves that no acknowledged entry is lost, none
is doubled, and the books are sound. The dying poster is a process of its own; PostgreSQL runs with fsync on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import psycopg
import pytest

from ledger.account import Side
from ledger.audit import recompute_leaves, verify_books
from ledger.balances import find_account, open_account
from ledger.errors import BooksUnavailableError
from ledger.journal import EntryResult, NewEntry, ResultCode, transfer
from ledger.schema import migrate
from node.books.books import Books
from tests.support.books import START, Clock, key, new_writer, verify
from tests.support.server import CopyingCluster
from tests.support.shared_data import REPOSITORY

KILLS = 12
BACKEND_KILLS = 4

POSTER = """
import sys
from ledger.journal import transfer
from tests.support.books import key, new_writer
writer = new_writer(sys.argv[1])
writer.open()
number = int(sys.argv[2])
while True:
    entries = [transfer(key(n), "cash", "alice", 1, description="x") for n in range(number, number + 7)]
    results = writer.post(entries)
    sys.stdout.write("".join(f"{number + i} {result.seq}\\n" for i, result in enumerate(results)))
    sys.stdout.flush()
    number += 5  # two of every batch are repeats
"""


@pytest.fixture
def url(durable_cluster: CopyingCluster) -> str:
    made = durable_cluster.create_empty_database("books")
    with psycopg.connect(made, autocommit=True) as connection:
        migrate(connection)
        open_account(connection, "cash", "EUR", Side.DEBIT, floor=None, now=START)
        open_account(connection, "alice", "EUR", Side.CREDIT, floor=0, now=START)
    return made


def prove(url: str) -> int:
    """Prove the books and return how many entries they hold."""
    with psycopg.connect(url, autocommit=True) as connection:
        assert verify_books(connection) == []
        found = list(recompute_leaves(connection, verify))
        assert all(leaf.covered and leaf.unchanged for leaf in found)
        assert find_account(connection, "alice").balance == len(found)
        return len(found)


@pytest.mark.faults
def test_killed_poster_loses_and_doubles_nothing(url: str) -> None:
    draw = random.Random(os.urandom(8))
    acknowledged: dict[int, int] = {}
    next_number = 1
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", POSTER, url, str(next_number)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(draw.random() * 0.3)
        process.kill()
        lines = [first, *process.stdout.read().splitlines(keepends=True)]
        process.wait()
        process.stdout.close()
        for line in lines:
            if line.endswith("\n"):
                number, seq = (int(part) for part in line.split())
                assert acknowledged.setdefault(number, seq) == seq
        next_number = max(acknowledged) - 3  # the next poster repeats some of what this one was told
    count = prove(url)
    assert len(set(acknowledged.values())) == len(acknowledged) <= count
    with psycopg.connect(url) as connection:
        stored = dict(connection.execute("SELECT key, seq FROM ledger.entry").fetchall())
    assert all(stored[key(number)] == seq for number, seq in acknowledged.items())


@pytest.mark.faults
async def test_killed_database_backend_loses_and_doubles_nothing(url: str) -> None:
    books = Books(url, new_writer(url), now=Clock())
    await books.start()
    stop = asyncio.Event()
    recovered = asyncio.Event()
    answered: dict[int, int] = {}
    wanted = [0]

    async def post(lane: int) -> None:
        number = lane * 1_000_000
        while not stop.is_set():
            number += 1
            result = await _answered(books, transfer(key(number), "cash", "alice", 1))
            assert result.code in (ResultCode.POSTED, ResultCode.EXISTS)
            assert result.seq is not None
            answered[number] = result.seq
            if len(answered) >= wanted[0]:
                recovered.set()

    async def kill() -> None:
        for _ in range(BACKEND_KILLS):
            await asyncio.sleep(0.3)
            pid = books._writer._connections._all[-1].info.backend_pid
            # SIGKILL of one backend makes PostgreSQL drop all and recover from its log.
            os.kill(pid, signal.SIGKILL)
            recovered.clear()
            wanted[0] = len(answered) + 20
            await asyncio.wait_for(recovered.wait(), 30)
        stop.set()

    try:
        await asyncio.gather(kill(), *(post(lane) for lane in range(1, 9)))
    finally:
        await books.stop()
    assert len(set(answered.values())) == len(answered) == prove(url)


async def _answered(books: Books, entry: NewEntry) -> EntryResult:
    """Post an entry, and ask again under its key while the database takes long to recover."""
    for _ in range(10):
        with contextlib.suppress(BooksUnavailableError):
            return await books.post(entry)
    raise AssertionError("the books did not come back")
