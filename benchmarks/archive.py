"""What it costs to archive old entries, what is gained, and what it costs to prove and restore them.

One full partition of transfers among the usual accounts; a hundredth of them has a text, a hundredth counts for another
day. At the end one caller posts meanwhile. Bytes are those of the whole schema after VACUUM, and of the file.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from nacl.signing import SigningKey

from benchmarks.books import ACCOUNTS, BATCH, Load, PlainRules, cluster, now, prepare
from benchmarks.measure import Result
from ledger.archive import Archivist
from ledger.archive_entry import disclose_from
from ledger.archive_state import Archive
from ledger.journal_parts import end_part
from ledger.periods import close_period, report_periods
from ledger.posting import Writer
from ledger.verify import Verification
from node.anchor.log_check import is_signed

ENTRIES = 200_000

KEY = SigningKey(bytes(31) + b"\x01")
"""The posting engine's; the same in every process that verifies."""

T = TypeVar("T")


def run(entries: int = ENTRIES) -> Result:
    """Archive a partition, prove its file, read one entry from it, restore it; each step is a row."""
    result = Result("archive", f"Archive of {entries:,} transfers among {ACCOUNTS:,} accounts")
    with cluster() as server, tempfile.TemporaryDirectory() as folder:
        url = server.create_database("bench")
        prepare(url)
        fill(url, entries)
        before = size_of(url)
        rows = result.rows

        def step(name: str, work: Callable[[], T]) -> T:
            begun = time.perf_counter()
            done = work()
            seconds = time.perf_counter() - begun
            rows.append({"step": name, "seconds": round(seconds, 2), "entries_per_s": round(entries / seconds)})
            return done

        step("verify the books before", lambda: proved(url))
        (made,) = step("archive: write, prove, let go", lambda: archive(url, folder, entries))
        file = Path(folder) / made.record.file_name
        after = size_of(url)
        step("verify what is left, and the file", lambda: proved(url, file))
        begun = time.perf_counter()
        disclose_from(file, entries)
        result.details["last_entry_from_file_s"] = round(time.perf_counter() - begun, 2)
        step("restore", lambda: archivist(url).restore(file))
        proved(url)
        result.details["longest_wait_ms"] = longest_wait(url, folder, entries)
        result.details |= {
            "database_bytes_each": round(before / entries),
            "left_bytes_each": round(after / entries),
            "file_bytes_each": round(made.record.file_bytes / entries),
        }
        rows.append({"step": "bytes of an entry: database before, left, file", **result.details})
    return result


def fill(url: str, entries: int) -> None:
    """Post a full partition and one entry more, and close the books for all but that one."""
    writer = Writer(url, sign=lambda digest: KEY.sign(digest).signature, decider=PlainRules(), now=now)
    writer.open()
    load = Load("uniform", "time-ordered")
    for first in range(0, entries, BATCH):
        batch = load.entries(min(BATCH, entries - first))
        for at in range(0, len(batch), 100):
            batch[at] = replace(batch[at], description="rent", effective_at=now() - timedelta(days=40))
        writer.post(batch)
    with psycopg.connect(url, autocommit=True) as connection:
        assert end_part(connection) == entries
        close_period(writer, now(), actor="bench")
        report_periods(connection, now=now())
        writer.post(load.entries(1))
    writer.close()


def longest_wait(url: str, folder: str, entries: int) -> float:
    """Archive again in another process while one caller posts transfer after transfer; return his longest wait, ms."""
    waits: list[float] = []
    load = Load("uniform", "random")
    writer = Writer(url, sign=lambda digest: KEY.sign(digest).signature, decider=PlainRules(), now=now)
    writer.open()
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        archiving = pool.submit(archive, url, folder, entries)
        while not archiving.done():
            begun = time.perf_counter()
            writer.post(load.entries(1))
            waits.append(time.perf_counter() - begun)
        archiving.result()
    writer.close()
    return round(max(waits) * 1000, 1)


def archive(url: str, folder: str, entries: int) -> list[Archive]:
    """Archive the full partition."""
    return list(archivist(url).archive(Path(folder), before=now() - timedelta(seconds=1), proved_seq=entries))


def archivist(url: str) -> Archivist:
    """Return who archives with the benchmark's key."""
    sign = KEY.sign
    return Archivist(url, "BenchMSP", sign=lambda digest: sign(digest).signature, verify=verify, actor="bench", now=now)


def proved(url: str, *files: Path) -> None:
    """Prove the books on every core."""
    findings = Verification(url, verify, workers=os.cpu_count() or 1, archive_files=files).run().findings
    assert not findings, findings


def verify(digest: bytes, signature: bytes) -> bool:
    """Whether the benchmark's writer signed it."""
    return is_signed(bytes(KEY.verify_key), digest, signature)


def size_of(url: str) -> int:
    """Return the bytes of all tables of the books with their indexes, once what is dead is gone."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM")
        row: tuple[Any, ...] | None = connection.execute(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'ledger'::regnamespace"
        ).fetchone()
    assert row is not None
    return int(row[0])
