"""``verify``: re-proves the whole books, range by range, on several cores, from where an interrupted run stopped.

Each range (``ledger.ranges``) is read by a worker process of its own, which also recomputes every leaf and checks the
signatures that cover it; the results are taken in order here. What was proved up to some entry is kept in a checkpoint
file: how far, what later ranges need, findings, and a digest of all recomputed leaves so far.

Rules:
- reads only; the books may be written to meanwhile: the last range, accounts, holds and head are proved as they stand
  at one moment;
- a checkpoint is believed only for the books it was made of: they must still hold the entry where it ends, unchanged,
  under the same or a later writer;
- findings come in the order of entries; head, refusals, accounts and holds follow.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import psycopg

from ledger.archive_check import check_files
from ledger.archive_state import Archive, check_archives, standing_archives
from ledger.audit import KeptWalk, RecomputedLeaf, RowWalk
from ledger.canonical import LEAF_BYTES
from ledger.errors import ConflictError
from ledger.queries import query
from ledger.ranges import (
    FINDINGS_MAX,
    RANGE_ENTRIES,
    Bounds,
    Carried,
    Finding,
    RangeFacts,
    Standing,
    next_bounds,
    read_range,
    read_standing,
)
from ledger.rows import SEQ_MAX
from ledger.signed import Verify
from ledger.verify_checkpoint import Checkpoint, CheckpointFile

WORKERS = min(16, os.cpu_count() or 1)
"""Each has a connection, and our own server has 60 for everybody; one process takes what all of them read."""

_AHEAD = 2
"""Ranges that each worker may be ahead of the one that is taken next."""


@dataclass(frozen=True, slots=True)
class VerifiedRange:
    """What a worker says of a range.

    Args:
        runs: recomputed leaves, joined, of each run of numbers from 1 on that has no gap, with its first number.
    """

    bounds: Bounds
    facts: RangeFacts
    leaf_findings: list[Finding]
    runs: list[tuple[int, bytes]]


@dataclass(slots=True)
class VerifyReport:
    """What a run found.

    Args:
        entry_count: rows proved, those of an earlier run that this one went on from included.
        resumed_after: the entry after which this run began; 0 for all.
        digest: SHA-256 over digest before, first number and leaves of each range; to compare two runs alike.
        findings: in order.
        archives: those that hold the entries before.
        proved_files: SHA-256 of the files of the archive that were proved; of other archives only what they left.
    """

    entry_count: int
    resumed_after: int
    digest: bytes
    standing: Standing
    findings: list[Finding]
    archives: list[Archive]
    proved_files: frozenset[bytes]


class LeafLog(Protocol):
    """A log that the leaves must stand in."""

    def compare(self, first_seq: int, leaves: bytes) -> list[Finding]:
        """Compare leaves from ``first_seq`` on with the log, as far as it goes."""

    def finish(self, last_seq: int) -> list[Finding]:
        """Compare the log as a whole, once every leaf was given."""


@dataclass(slots=True)
class Verification:
    """One run over the books of a database.

    Args:
        url: of the database; a role that may read the books.
        verify: whether a signature is the writer's; a function of a module where there are several workers.
        workers: processes that read; 1 reads in this one.
        checkpoint: where to keep how far the run is; None for nowhere.
        log: what the leaves are compared with; None for nothing.
        archive_files: files of the archive, proved too, and held against the books.
        progress: called with entries done and entries to do.
    """

    url: str
    verify: Verify
    workers: int = WORKERS
    range_entries: int = RANGE_ENTRIES
    checkpoint: CheckpointFile | None = None
    log: LeafLog | None = None
    archive_files: Sequence[Path] = ()
    progress: Callable[[int, int], None] = lambda done, whole: None
    _carried: Carried = field(default_factory=Carried)
    _findings: list[Finding] = field(default_factory=list)
    _bounds: Bounds | None = None
    _count: int = 0
    _newest: int = 0
    _digest: bytes = bytes(32)
    _taking: bool = False
    _archives: list[Archive] = field(default_factory=list)
    _proved_files: list[bytes] = field(default_factory=list)

    def run(self) -> VerifyReport:
        """Prove everything; an interrupted run keeps what it had in the checkpoint.

        Raises:
            CheckpointError: the checkpoint is of other books.
            ConflictError: entries were archived or restored meanwhile.
            ArchiveRefusedError: a file of the archive does not prove.
            psycopg.Error: the database cannot be read.
        """
        with _connect(self.url) as connection:
            self._archives = standing_archives(connection)
            resumed_after = self._resume(connection)
            try:
                self._check_archives(connection)
                if not resumed_after:
                    self._begin(connection)
                self._go(connection)
                report = self._end(connection, resumed_after)
            except BaseException:
                # What is wrong with the connection is told by the first error; the last checkpoint stands then.
                with suppress(psycopg.Error):
                    self._keep(connection, now=True)
                raise
        if self.checkpoint is not None:
            self.checkpoint.remove()
        return report

    def _resume(self, connection: psycopg.Connection[Any]) -> int:
        kept = self.checkpoint.read(connection) if self.checkpoint is not None else None
        if kept is None:
            return 0
        self._carried, self._findings, self._bounds = kept.carried, kept.findings, kept.bounds
        self._count, self._digest, self._newest = kept.entry_count, kept.digest, kept.bounds.last
        return self._newest

    def _check_archives(self, connection: psycopg.Connection[Any]) -> None:
        """Prove what archives left, and their files; an interrupted run may have found the same."""
        found = list(check_archives(connection, self._archives, self.verify))
        for proved, more in check_files(connection, self._archives, self.archive_files, self.verify, self.progress):
            self._proved_files.append(proved.file_sha256)
            found += more
        self._findings += [finding for finding in found if finding not in self._findings]

    def _begin(self, connection: psycopg.Connection[Any]) -> None:
        """Begin where archived entries end, once their leaves are those of the log."""
        self._carried = Carried.at_border(connection)
        walk = KeptWalk(self.verify)
        while page := walk.page(connection):
            found, runs = _judge(page)
            for first_seq, leaves in runs:
                self._findings += self.log.compare(first_seq, leaves) if self.log is not None else []
            self._findings += found
            self._newest = page[-1].seq

    def _go(self, connection: psycopg.Connection[Any]) -> None:
        """Prove all whole ranges that stand now; what is left is a part of one, or came meanwhile."""
        row = connection.execute(query("newest_seq")).fetchone()
        newest = 0 if row is None or row[0] is None else row[0]
        self.progress(self._count, max(newest, self._count))
        for verified in self._verified(self._ranges(connection, newest)):
            self._take(connection, verified)
            self.progress(self._count, max(newest, self._count))
            self._keep(connection)
            if self._enough():
                return

    def _enough(self) -> bool:
        return len(self._findings) >= FINDINGS_MAX

    def _ranges(self, connection: psycopg.Connection[Any], newest: int) -> Iterator[Bounds]:
        bounds = next_bounds(connection, self._bounds, newest, self.range_entries)
        while bounds is not None and bounds.row_count == self.range_entries:
            yield bounds
            bounds = next_bounds(connection, bounds, newest, self.range_entries)

    def _verified(self, ranges: Iterator[Bounds]) -> Iterator[VerifiedRange]:
        """Yield ranges in order, read by the workers ahead of time."""
        if self.workers == 1:
            with _connect(self.url) as connection:
                for bounds in ranges:
                    yield verify_range(connection, bounds, self.verify)
            return
        context = get_context("spawn")
        with ProcessPoolExecutor(self.workers, context, _open_worker, (self.url, self.verify)) as pool:
            waiting: deque[Future[VerifiedRange]] = deque()
            try:
                for bounds in ranges:
                    waiting.append(pool.submit(_work, bounds))
                    if len(waiting) >= _AHEAD * self.workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _take(self, connection: psycopg.Connection[Any], verified: VerifiedRange) -> None:
        """Judge the next range by those before it."""
        self._taking = True
        bounds = verified.bounds
        found = verified.leaf_findings + self._carried.take(verified.facts)
        for first_seq, leaves in verified.runs:
            if self.log is not None:
                found += self.log.compare(first_seq, leaves)
            self._digest = hashlib.sha256(self._digest + first_seq.to_bytes(8, "big") + leaves).digest()
            self._newest = first_seq + len(leaves) // LEAF_BYTES - 1
        self._findings += sorted(found, key=lambda finding: finding.seq)
        self._findings += self._carried.settle_captures(connection, at_end=False)
        self._bounds = bounds
        self._count += bounds.row_count
        self._taking = False

    def _end(self, connection: psycopg.Connection[Any], resumed_after: int) -> VerifyReport:
        """Prove what is left, and what follows from all entries, as it stands at one moment."""
        standing = Standing()
        with connection.transaction():
            connection.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            while not self._enough():
                bounds = next_bounds(connection, self._bounds, SEQ_MAX, self.range_entries)
                if bounds is None:
                    break
                self._take(connection, verify_range(connection, bounds, self.verify))
                self.progress(self._count, self._count)
            if standing_archives(connection) != self._archives:
                raise ConflictError("entries were archived or restored meanwhile: prove the books again")
            if not self._enough():
                standing = read_standing(connection, self._carried, self.verify)
                self._findings += standing.findings
                self._findings += self.log.finish(self._newest) if self.log is not None else []
        findings = self._findings[:FINDINGS_MAX]
        proved = frozenset(self._proved_files)
        return VerifyReport(self._count, resumed_after, self._digest, standing, findings, self._archives, proved)

    def _keep(self, connection: psycopg.Connection[Any], *, now: bool = False) -> None:
        # A range that was interrupted while it was taken is taken in part: the last checkpoint stands then.
        if self.checkpoint is None or self._bounds is None or self._taking or self._bounds.last == SEQ_MAX:
            return
        if now or self.checkpoint.due():
            kept = Checkpoint(self._bounds, self._count, self._digest, self._carried, self._findings)
            self.checkpoint.write(connection, kept)


def verify_range(connection: psycopg.Connection[Any], bounds: Bounds, verify: Verify) -> VerifiedRange:
    """Prove a range with its leaves and signatures."""
    facts = read_range(connection, bounds)
    walk = RowWalk(verify, bounds.first, bounds.last)
    rows: list[RecomputedLeaf] = []
    while page := walk.page(connection):
        rows += page
    return VerifiedRange(bounds, facts, *_judge(rows))


def _judge(rows: Sequence[RecomputedLeaf]) -> tuple[list[Finding], list[tuple[int, bytes]]]:
    """Return what is wrong with rows, and their leaves, joined, of each run without a gap with its first number."""
    found: list[Finding] = []
    runs: list[tuple[int, list[bytes]]] = []
    for row in rows:
        if row.seq > 0:
            if not runs or row.seq != runs[-1][0] + len(runs[-1][1]):
                runs.append((row.seq, []))
            runs[-1][1].append(row.leaf)
        if row.seq == 0:
            # Stands for rows without a number too: told by key at the end, and below number 1 by the sequence.
            continue
        if not row.unchanged:
            found.append(Finding(row.seq, f"entry {row.seq}", _CHANGED))
        elif not row.covered:
            found.append(Finding(row.seq, f"entry {row.seq}", _UNSIGNED))
    return found, [(first, b"".join(leaves)) for first, leaves in runs]


_CHANGED = "its row does not give the leaf that stands with it"
_UNSIGNED = "no batch that the posting engine signed holds it"

_worker: tuple[psycopg.Connection[Any], Verify] | None = None


def _open_worker(url: str, verify: Verify) -> None:
    global _worker
    _worker = (psycopg.connect(url, autocommit=True, options=_OPTIONS), verify)


def _work(bounds: Bounds) -> VerifiedRange:
    assert _worker is not None
    connection, verify = _worker
    return verify_range(connection, bounds, verify)


_OPTIONS = "-c jit=off -c timezone=UTC -c application_name=dwaybank-verify"


@contextmanager
def _connect(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True, options=_OPTIONS) as connection:
        yield connection
