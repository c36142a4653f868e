"""What the posting engine signed, held against the leaves that stand in the rows.

A batch *holds* when its digest is that of the stored leaves of every number it names, and the signature over the digest
is the writer's. A signature alone proves nothing: anyone may copy one to other numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg

from ledger.canonical import batch_digest
from ledger.queries import query
from ledger.rows import SEQ_MAX

BATCH_ENTRIES_MAX = 65_536
"""Most entries of one commit that are believed; the writer's are far smaller."""

_BATCHES_READ = 2_000
_FORGED_BATCHES_READ = 20_000

Verify = Callable[[bytes, bytes], bool]
"""Whether a signature (second) over a digest (first) is the writer's."""


class Batch(NamedTuple):
    """One row of ``ledger.batch``."""

    first_seq: int
    last_seq: int
    digest: bytes
    signature: bytes

    def holds(self, stored: Mapping[int, bytes], verify: Verify) -> bool:
        """Tell whether these are the leaves that the writer signed for these numbers."""
        if not 0 < self.first_seq <= self.last_seq < self.first_seq + BATCH_ENTRIES_MAX:
            return False
        leaves = [stored.get(seq, b"") for seq in range(self.first_seq, self.last_seq + 1)]
        if any(len(leaf) != 32 for leaf in leaves):
            return False
        digest = bytes(self.digest)
        return batch_digest(self.first_seq, self.last_seq, b"".join(leaves)) == digest and verify(
            digest, bytes(self.signature)
        )


@dataclass(frozen=True, slots=True)
class SignedLeaves:
    """Rows that may enter a log.

    Args:
        leaves: of the rows from the one asked for, without a gap, each in a batch that holds.
        problem: why the row after them may not follow, naming it; empty when it may, or when there is none.
    """

    leaves: Sequence[bytes]
    problem: str = ""


def signed_leaves(connection: psycopg.Connection[Any], verify: Verify, from_seq: int, count_max: int) -> SignedLeaves:
    """Return rows from ``from_seq`` on whose batches hold, whole batches only, at least one if there is one."""
    # The next row is looked for first: whatever is seen here has its batch in what is read next.
    next_seq = connection.execute(query("next_seq"), (from_seq,)).fetchone()
    batches = _batches_from(connection, from_seq, count_max)
    if not batches:
        found = next_seq[0] if next_seq is not None else None
        return SignedLeaves((), _uncovered(found) if found is not None else "")
    last = min(batches[-1].last_seq, from_seq + count_max + BATCH_ENTRIES_MAX)
    stored = stored_leaves(connection, from_seq, last)
    leaves: list[bytes] = []
    for batch in batches:
        problem = _problem(batch, from_seq + len(leaves), stored, verify)
        if problem:
            return SignedLeaves(leaves, problem)
        leaves += [stored[seq] for seq in range(batch.first_seq, batch.last_seq + 1)]
    return SignedLeaves(leaves)


def stored_leaves(connection: psycopg.Connection[Any], first_seq: int, last_seq: int) -> dict[int, bytes]:
    """Return the stored leaves of a range by number; one that several rows share has none."""
    count_max = last_seq - first_seq + 1
    stored: dict[int, bytes] = {}
    bounds = {"first": first_seq, "last": last_seq, "count": count_max}
    for seq, leaf in connection.execute(query("stored_leaves"), bounds):
        stored[seq] = b"" if seq in stored else bytes(leaf)
    return stored


def covered_ranges(
    connection: psycopg.Connection[Any], verify: Verify, stored: Mapping[int, bytes], last_seq: int
) -> list[range]:
    """Return the numbers of every batch that holds and begins at one of the rows given.

    Args:
        stored: leaves by number of all rows from some number to ``last_seq``.
    """
    found = connection.execute(query("batches_at"), (list(stored), _FORGED_BATCHES_READ))
    return _holding(connection, verify, [Batch(*row) for row in found], stored, last_seq)


def ranges_across(connection: psycopg.Connection[Any], verify: Verify, seq: int) -> list[range]:
    """Return the numbers of every batch that holds and covers ``seq``, but begins before it."""
    bounds = {"first": max(1, seq - BATCH_ENTRIES_MAX), "seq": seq, "count": _FORGED_BATCHES_READ}
    found = connection.execute(query("batches_across"), bounds)
    return _holding(connection, verify, [Batch(*row) for row in found], {}, seq - 1)


def _holding(
    connection: psycopg.Connection[Any],
    verify: Verify,
    batches: Sequence[Batch],
    stored: Mapping[int, bytes],
    last_seq: int,
) -> list[range]:
    ranges = []
    for batch in batches:
        within = batch.last_seq <= last_seq
        if batch.last_seq - batch.first_seq >= BATCH_ENTRIES_MAX:
            continue
        leaves = stored if within else stored_leaves(connection, batch.first_seq, batch.last_seq)
        if batch.holds(leaves, verify):
            ranges.append(range(batch.first_seq, batch.last_seq + 1))
    return ranges


def _batches_from(connection: psycopg.Connection[Any], from_seq: int, count_max: int) -> list[Batch]:
    found: list[Batch] = []
    for row in connection.execute(query("batches_from"), (min(from_seq, SEQ_MAX), _BATCHES_READ)):
        batch = Batch(*row)
        if found and batch.last_seq - from_seq >= count_max:
            break
        found.append(batch)
    return found


def _problem(batch: Batch, expected: int, stored: Mapping[int, bytes], verify: Verify) -> str:
    """Return why a batch may not enter the log next; empty when it may."""
    if batch.first_seq != expected:
        return _uncovered(expected) if expected in stored else _missing(expected)
    if batch.holds(stored, verify):
        return ""
    absent = next((seq for seq in range(batch.first_seq, batch.last_seq + 1) if seq not in stored), None)
    if absent is not None:
        return _missing(absent)
    return f"entries {batch.first_seq} to {batch.last_seq} are not what the posting engine signed: audit the books"


def _uncovered(seq: int) -> str:
    return f"entry {seq} stands in the books, but no batch signed by the posting engine covers it: audit the books"


def _missing(seq: int) -> str:
    return f"entry {seq} is missing from the books, though the posting engine signed for it: audit the books"
