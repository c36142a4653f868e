"""Entries and statements as readers outside the books see them. Reads only.

A statement has one of two orders, each with its own running balance: of posting, which only grows at its end, and of
effect, where a backdated entry stands at the time it counts for (docs/balances-in-time.md).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from ledger.account import Side
from ledger.archived import refuse_archived_entry, telling_archived
from ledger.balances import find_account
from ledger.balances_in_time import known_seq_of, lower_bound, upper_bound
from ledger.errors import InvalidValueError, NotFoundError
from ledger.queries import query

PAGE_SIZE_MAX = 500
"""Most entries of one statement page."""

SEQ_END = (1 << 63) - 1
"""Above the number of every entry."""


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
        actor: pseudonym of who asked; empty for none.
        metadata: pairs of name and value, in the order of names; empty also where they were erased.
        reverses: number of the entry it takes back; None for none.
        hold_id: the hold it captured; None for none.
        chain_seq: first entry of its chain of linked entries; None outside one.
    """

    seq: int
    key: uuid.UUID
    posted_at: datetime
    effective_at: datetime
    settlement_id: str
    description: str
    decision: str
    leaf: bytes
    actor: str
    metadata: tuple[tuple[str, str], ...]
    reverses: int | None
    hold_id: uuid.UUID | None
    chain_seq: int | None
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


@telling_archived()
def statement_page(
    connection: psycopg.Connection[Any],
    reference: str,
    *,
    from_seq: int = 0,
    entry_count_max: int = 50,
    since: datetime | None = None,
    until: datetime | None = None,
) -> StatementPage:
    """Return a page of an account's statement in the order of posting, newest first.

    Args:
        from_seq: ``next_seq`` of the page before; 0 for the newest.
        entry_count_max: entries of the page, 1 to ``PAGE_SIZE_MAX``; an entry may give several lines.
        since: earliest time of posting shown; None for all. The same for every page.
        until: latest time of posting shown; None for all. Only the first page asks for it.
    Raises:
        NotFoundError: no such account.
        InvalidValueError: page size out of range, or a time without a zone.
        ArchivedError: all of the page is archived.
    """
    _check_page(entry_count_max)
    bounds = lower_bound("since", since), upper_bound("until", until)
    account = find_account(connection, reference)
    arguments = (account.facts.id, from_seq, entry_count_max, *bounds)
    rows = connection.execute(query("striped_page" if account.stripes else "statement_page"), arguments).fetchall()
    return StatementPage(tuple(_line(row[:-1]) for row in rows), rows[-1][-1] if rows else 0)


@dataclass(frozen=True, slots=True)
class EffectPlace:
    """Where a page of a statement in the order of effect begins.

    Args:
        known_seq: newest entry the statement knows; the same for all its pages, so that entries posted meanwhile move
            nothing.
        effective_at: latest effective time of the page; None for the end of time.
        seq: latest entry of that very time.
    """

    known_seq: int
    effective_at: datetime | None = None
    seq: int = SEQ_END


@dataclass(frozen=True, slots=True)
class EffectPage:
    """Part of a statement in the order of effect, newest first; balances count in that order.

    Args:
        next_place: where the next page begins; None when there is none.
    """

    lines: tuple[StatementLine, ...]
    next_place: EffectPlace | None


@telling_archived()
def effect_page(
    connection: psycopg.Connection[Any],
    reference: str,
    place: EffectPlace | None = None,
    *,
    entry_count_max: int = 50,
    since: datetime | None = None,
    until: datetime | None = None,
    known_at: datetime | None = None,
) -> EffectPage:
    """Return a page of an account's statement in the order of effective time, newest first.

    Entries of the same effective time stand in the order of their numbers.

    Args:
        place: ``next_place`` of the page before; None for the first page.
        entry_count_max: entries of the page, 1 to ``PAGE_SIZE_MAX``; an entry may give several lines.
        since: earliest effective time shown; None for all. The same for every page.
        until: latest effective time shown; None for all. Only the first page asks for it.
        known_at: shows what was posted by then; None for all. Only the first page asks for it.
    Raises:
        NotFoundError: no such account.
        InvalidValueError: page size out of range, or a time without a zone.
        ArchivedError: all of the page may be archived.
    """
    _check_page(entry_count_max)
    lower = lower_bound("since", since)
    account = find_account(connection, reference)
    if account.stripes:
        raise InvalidValueError("account", reference, "is striped: its statement is in the order of posting only")
    if place is None:
        known_seq = known_seq_of(connection, account.facts.id, upper_bound("known_at", known_at))
        place = EffectPlace(known_seq, until)
    upper = upper_bound("until", place.effective_at)
    arguments = (account.facts.id, place.known_seq, upper, place.seq, entry_count_max, lower)
    rows = connection.execute(query("statement_by_effect"), arguments).fetchall()
    next_place = EffectPlace(place.known_seq, *rows[-1][-2:]) if rows and rows[-1][-1] is not None else None
    return EffectPage(tuple(_line(row[:-2]) for row in rows), next_place)


def statement_lines(
    connection: psycopg.Connection[Any],
    reference: str,
    *,
    by_effect: bool,
    since: datetime | None = None,
    until: datetime | None = None,
    known_at: datetime | None = None,
) -> Iterator[StatementLine]:
    """Yield the lines of a whole statement in either order, newest first, a page at a time.

    Raises:
        InvalidValueError: a known-at in the order of posting, which is what ``until`` says there.
        NotFoundError, InvalidValueError: as the pages do.
    """
    if by_effect:
        page = effect_page(connection, reference, since=since, until=until, known_at=known_at)
        yield from page.lines
        while page.next_place is not None:
            page = effect_page(connection, reference, page.next_place, since=since)
            yield from page.lines
        return
    if known_at is not None:
        raise InvalidValueError("known_at", known_at.isoformat(), "in the order of posting, bound the time of posting")
    found = statement_page(connection, reference, since=since, until=until)
    yield from found.lines
    while found.next_seq:
        found = statement_page(connection, reference, from_seq=found.next_seq, since=since)
        yield from found.lines


def _check_page(entry_count_max: int) -> None:
    if not 1 <= entry_count_max <= PAGE_SIZE_MAX:
        raise InvalidValueError("page_size", entry_count_max, f"give 1 to {PAGE_SIZE_MAX}")


def _line(row: tuple[Any, ...]) -> StatementLine:
    seq, amount, balance, *rest = row
    return StatementLine(seq, Side.DEBIT if amount > 0 else Side.CREDIT, abs(amount), int(balance), *rest)


def find_entry(connection: psycopg.Connection[Any], by: int | uuid.UUID) -> PostedEntry:
    """Return an entry by its number or by its idempotency key.

    Raises:
        NotFoundError: the books have no such entry.
        ArchivedError: it is archived.
    """
    name = "entry_by_seq" if isinstance(by, int) else "entry_by_key"
    row = connection.execute(query(name), (by,)).fetchone()
    if row is None:
        refuse_archived_entry(connection, by)
        raise NotFoundError(f"entry {by} does not exist")
    return _entry(connection, row)


def entries_of_settlement(connection: psycopg.Connection[Any], settlement_id: str) -> list[PostedEntry]:
    """Return the entries that carry a settlement id, in the order of their numbers.

    Raises:
        ArchivedError: one of them is archived.
    """
    refuse_archived_entry(connection, settlement_id)
    rows = connection.execute(query("entries_by_settlement"), (settlement_id,)).fetchall()
    return [_entry(connection, row) for row in rows]


def _entry(connection: psycopg.Connection[Any], row: tuple[Any, ...]) -> PostedEntry:
    postings = tuple(
        EntryPosting(account, Side(side), amount, asset, balance)
        for account, side, amount, asset, balance in connection.execute(query("entry_postings"), (row[0],))
    )
    seq, key, posted_at, effective_at, settlement_id, description, decision, leaf, *more = row
    actor, metadata, reverses, hold_id, chain_seq = more
    return PostedEntry(
        seq,
        key,
        posted_at,
        effective_at,
        settlement_id,
        description,
        decision,
        bytes(leaf),
        actor,
        tuple(sorted(metadata.items())),
        reverses,
        hold_id,
        chain_seq,
        postings,
    )
