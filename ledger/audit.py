"""Proves the books to a doubter: recomputes every leaf and every balance from the rows as they stand now. Reads only.

Rules:
- nothing the writer remembers is trusted: account names and assets are read afresh, so that a changed name shows too;
- an entry is *covered* when a batch signed by the writer holds exactly the leaves that stand in the rows;
- findings name the entry or account and say what is wrong; sound books give none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from ledger.account import Side
from ledger.canonical import CanonicalEntry, CanonicalPosting, batch_digest, encode_entry, leaf_hash
from ledger.journal import Outcome, microseconds
from ledger.queries import query

_PAGE = 2000
_LAST = 2**62

Accounts = dict[int, tuple[str, str, int, int]]
"""Account id to reference, asset code, scale and asset id."""


@dataclass(frozen=True, slots=True)
class RecomputedLeaf:
    """A leaf recomputed for the audit.

    Args:
        leaf: from the row as it stands now; 32 zero bytes where the row cannot be an entry at all.
        covered: a valid batch signature covers the row's stored leaf.
        unchanged: the recomputed leaf equals the stored one.
    """

    seq: int
    leaf: bytes
    covered: bool
    unchanged: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong in the books.

    Args:
        subject: ``"entry 12"``, ``"account customer:7"`` or ``"head"``.
        problem: one sentence.
    """

    subject: str
    problem: str


def leaves(connection: psycopg.Connection[Any], from_seq: int, count_max: int) -> list[tuple[int, bytes]]:
    """Return stored leaves as (seq, leaf), in order, from ``from_seq`` on."""
    return [(seq, bytes(leaf)) for seq, leaf in connection.execute(query("leaves"), (from_seq, count_max))]


def recompute_leaves(
    connection: psycopg.Connection[Any],
    verify: Callable[[bytes, bytes], bool],
    *,
    from_seq: int = 1,
    to_seq: int = _LAST,
) -> Iterator[RecomputedLeaf]:
    """Yield the leaf of every row as it stands now, in order; memory stays bounded.

    Args:
        verify: whether a signature (second) over a digest (first) is the writer's.
        from_seq: first entry wanted.
        to_seq: last entry wanted.
    """
    accounts = _accounts(connection)
    while from_seq <= to_seq:
        rows = connection.execute(query("canonical_rows"), (from_seq, to_seq, _PAGE)).fetchall()
        if not rows:
            return
        covered = _covered(connection, from_seq, rows[-1][0], verify)
        for row in rows:
            leaf = _recompute(row, accounts)
            yield RecomputedLeaf(row[0], leaf, row[0] in covered, leaf == bytes(row[-1]))
        from_seq = rows[-1][0] + 1


def _recompute(row: tuple[Any, ...], accounts: Accounts) -> bytes:
    try:
        return leaf_hash(bytes(row[-2]), encode_entry(canonical_entry(row, accounts)))
    except (KeyError, TypeError, ValueError):
        # A forged row may name accounts or numbers that exist nowhere; no honest leaf is all zeros.
        return bytes(32)


def canonical_entry(row: tuple[Any, ...], accounts: Accounts) -> CanonicalEntry:
    """Return the entry that a row of ``canonical_rows`` tells."""
    seq, key, posted_at, effective_at, settlement_id, ids, assets, amounts, commitment, decision_id, *rest = row
    outcome, decision_leaf = rest[0], rest[1]
    postings = []
    for number, asset_id, amount in zip(ids, assets, amounts, strict=True):
        reference, code, scale, own_asset_id = accounts[number]
        if asset_id != own_asset_id:
            raise ValueError(f"account {reference} has another asset")
        postings.append(
            CanonicalPosting(reference, code, scale, Side.DEBIT if amount > 0 else Side.CREDIT, abs(amount))
        )
    return CanonicalEntry(
        seq,
        key,
        microseconds(posted_at),
        microseconds(effective_at),
        tuple(postings),
        settlement_id,
        bytes(commitment),
        decision_id.bytes,
        Outcome(outcome),
        bytes(decision_leaf),
    )


def _accounts(connection: psycopg.Connection[Any]) -> Accounts:
    rows = connection.execute(query("all_account_facts"))
    return {number: (reference, code, scale, asset_id) for number, reference, code, scale, _, asset_id in rows}


def _covered(
    connection: psycopg.Connection[Any], from_seq: int, to_seq: int, verify: Callable[[bytes, bytes], bool]
) -> set[int]:
    """Return the entries in the range that a valid batch covers; a batch is judged whole."""
    covered: set[int] = set()
    for first, last, digest, signature in connection.execute(query("batches"), (from_seq, to_seq)).fetchall():
        stored = dict(leaves_between(connection, first, last))
        if sorted(stored) != list(range(first, last + 1)):
            continue
        joined = b"".join(stored[seq] for seq in range(first, last + 1))
        if batch_digest(first, last, joined) == bytes(digest) and verify(bytes(digest), bytes(signature)):
            covered.update(range(first, last + 1))
    return covered


def leaves_between(connection: psycopg.Connection[Any], first_seq: int, last_seq: int) -> list[tuple[int, bytes]]:
    """Return stored leaves as (seq, leaf) of the range, in order."""
    return [item for item in leaves(connection, first_seq, last_seq - first_seq + 1) if item[0] <= last_seq]


def verify_books(connection: psycopg.Connection[Any]) -> list[Finding]:
    """Re-prove sequence, balance rule, running balances, chains, holds and account totals from the postings.

    Returns:
        What is wrong, in the order of entries, then accounts; empty for sound books.
    """
    rows = connection.execute(query("verify_books")).fetchall()
    return [Finding(subject, problem) for subject, problem in rows]
