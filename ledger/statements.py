"""Entries and statements as readers outside the books see them. Reads only."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from ledger.account import Side
from ledger.balances import find_account
from ledger.errors import InvalidValueError, NotFoundError
from ledger.queries import query

PAGE_SIZE_MAX = 500
"""Most entries of one statement page."""


@dataclass(frozen=True, slots=True)
class EntryPosting:
    """One leg of a posted entry."""

    account: str
    side: Side
    amount: int
    asset: str
    balance_after: int


@dataclass(frozen=True, slots=True)
class PostedEntry:
    """An entry as it stands in the books.

    Args:
        decision: ``"automated_approval"`` or ``"requires_manual_review"``.
        leaf: its leaf hash in the transparency log.
    """

    seq: int
    key: uuid.UUID
    posted_at: datetime
    effective_at: datetime
    settlement_id: str
    description: str
    decision: str
    leaf: bytes
    postings: tuple[EntryPosting, ...]


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One posting of an account, with the balance after it."""

    seq: int
    side: Side
    amount: int
    balance_after: int
    posted_at: datetime
    effective_at: datetime
    settlement_id: str
    description: str


@dataclass(frozen=True, slots=True)
class StatementPage:
    """Part of a statement, newest first.

    Args:
        next_seq: where the next page begins; 0 when there is none.
    """

    lines: tuple[StatementLine, ...]
    next_seq: int


def statement_page(
    connection: psycopg.Connection[Any], reference: str, *, from_seq: int = 0, entry_count_max: int = 50
) -> StatementPage:
    """Return a page of an account's statement, newest first.

    Args:
        from_seq: ``next_seq`` of the page before; 0 for the newest.
        entry_count_max: entries of the page, 1 to ``PAGE_SIZE_MAX``; an entry may give several lines.
    Raises:
        NotFoundError: no such account.
        InvalidValueError: page size out of range.
    """
    if not 1 <= entry_count_max <= PAGE_SIZE_MAX:
        raise InvalidValueError("page_size", entry_count_max, f"give 1 to {PAGE_SIZE_MAX}")
    account = find_account(connection, reference)
    rows = connection.execute(query("statement_page"), (account.facts.id, from_seq, entry_count_max)).fetchall()
    lines = tuple(
        StatementLine(seq, Side.DEBIT if amount > 0 else Side.CREDIT, abs(amount), *rest)
        for seq, amount, *rest, _ in rows
    )
    return StatementPage(lines, rows[-1][-1] if rows else 0)


def find_entry(connection: psycopg.Connection[Any], by: int | uuid.UUID) -> PostedEntry:
    """Return an entry by its number or by its idempotency key.

    Raises:
        NotFoundError: the books have no such entry.
    """
    name = "entry_by_seq" if isinstance(by, int) else "entry_by_key"
    row = connection.execute(query(name), (by,)).fetchone()
    if row is None:
        raise NotFoundError(f"entry {by} does not exist")
    return _entry(connection, row)


def entries_of_settlement(connection: psycopg.Connection[Any], settlement_id: str) -> list[PostedEntry]:
    """Return the entries that carry a settlement id, in the order of their numbers."""
    rows = connection.execute(query("entries_by_settlement"), (settlement_id,)).fetchall()
    return [_entry(connection, row) for row in rows]


def _entry(connection: psycopg.Connection[Any], row: tuple[Any, ...]) -> PostedEntry:
    postings = tuple(
        EntryPosting(account, Side(side), amount, asset, balance)
        for account, side, amount, asset, balance in connection.execute(query("entry_postings"), (row[0],))
    )
    seq, key, posted_at, effective_at, settlement_id, description, decision, leaf = row
    return PostedEntry(seq, key, posted_at, effective_at, settlement_id, description, decision, bytes(leaf), postings)
