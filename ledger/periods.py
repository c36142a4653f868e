"""Closing the books for a time that is over, and what stood in them then.

Rules:
- a close moves forward only and never past the moment it is made; from its commit on, entries that count for an earlier
  time are refused (``PERIOD_CLOSED``), so a closed period's figures can never change;
- its report holds, for each asset, the trial balance at its end and the turnover within it, and a digest that covers
  the report before as well;
- the period closed last may be opened again, with who and why on record; its report stays, and the next close makes a
  new period over the same time.

Source: docs/balances-in-time.md.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from ledger.account import check_actor
from ledger.errors import ConflictError, InvalidValueError, NotFoundError
from ledger.journal import microseconds
from ledger.posting import Writer
from ledger.queries import query

REASON_LENGTH_MAX = 500
"""Longest reason for opening a period again, in characters."""

_TAG = b"dwaybank.node/period\x01"


@dataclass(frozen=True, slots=True)
class PeriodLine:
    """One asset in a period's report; debit equals credit in both pairs of sound books. Minor units.

    Args:
        debit: balances on the debit side at the period's end.
        credit: balances on the credit side.
        debit_turnover: debits that count for the period.
        credit_turnover: credits that count for it.
    """

    asset: str
    debit: int
    credit: int
    debit_turnover: int
    credit_turnover: int


@dataclass(frozen=True, slots=True)
class PeriodReport:
    """What a closed period held.

    Args:
        entry_count: entries that count for the period.
        digest: SHA-256 over the period, these figures and the report before; see ``report_digest``.
    """

    entry_count: int
    lines: tuple[PeriodLine, ...]
    digest: bytes


@dataclass(frozen=True, slots=True)
class Reopening:
    """The act of opening a closed period again."""

    at: datetime
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Period:
    """A closed period.

    Args:
        opened_at: first moment it counts for; None for the first period.
        closed_before: entries that count for an earlier time are refused since.
        closed_at: when it was closed: everything its report tells was known then.
        last_seq: newest entry at that moment.
        actor: pseudonym of who closed it.
        reopening: None while it stands closed.
        report: None until ``report_periods`` ran.
    """

    number: int
    opened_at: datetime | None
    closed_before: datetime
    closed_at: datetime
    last_seq: int
    actor: str
    reopening: Reopening | None
    report: PeriodReport | None


def close_period(writer: Writer, closed_before: datetime, *, actor: str) -> int:
    """Refuse from here on every entry that counts for a time before ``closed_before``; returns the period's number.

    Takes its place in line with the postings for a moment; nothing of the writer may be under way. The report is made
    afterwards, beside the writer: ``report_periods``.

    Args:
        actor: pseudonym of who asks.
    Raises:
        InvalidValueError: the time has no zone or is not over yet, or the actor is malformed.
        ConflictError: the books are closed that far already.
        FencedError, BooksUnavailableError: as for postings.
    """
    check_actor(actor)
    if closed_before.tzinfo is None:
        raise InvalidValueError("closed_before", closed_before, "give a time with its zone")
    code, number = writer.run(query("close_period"), (closed_before, actor, writer.now()))
    if code == "not_over_yet":
        raise InvalidValueError("closed_before", closed_before.isoformat(), "is not over yet: give a time in the past")
    if code == "not_after_last":
        raise ConflictError(
            f"the books are closed for times before {closed_before.isoformat()} already: a close moves forward only"
        )
    return int(number)


def reopen_period(writer: Writer, number: int, *, actor: str, reason: str) -> None:
    """Open the period closed last again; entries that count for it are accepted from here on.

    Raises:
        InvalidValueError: the actor or the reason is malformed.
        NotFoundError: no such period.
        ConflictError: it is open again already, or a later one stands closed.
        ArchivedError: entries of it are archived.
        FencedError, BooksUnavailableError: as for postings.
    """
    check_actor(actor)
    if not 1 <= len(reason) <= REASON_LENGTH_MAX or "\x00" in reason:
        raise InvalidValueError("reason", reason, f"give 1 to {REASON_LENGTH_MAX} characters")
    (code,) = writer.run(query("reopen_period"), (number, actor, reason, writer.now()))
    if code == "period_not_found":
        raise NotFoundError(f"period {number} does not exist")
    if code == "not_the_last":
        raise ConflictError(f"period {number} is open, or a later one is closed: only the last closed one opens")


def report_periods(connection: psycopg.Connection[Any], *, now: datetime) -> int:
    """Write the report of every closed period that has none yet; returns how many were written. Safe to repeat."""
    row = connection.execute("SELECT ledger.report_periods(%s)", (now,)).fetchone()
    assert row is not None
    return int(row[0])


def list_periods(connection: psycopg.Connection[Any]) -> list[Period]:
    """Return every period ever closed, oldest first, those opened again included."""
    return [_period(row) for row in connection.execute(query("periods"))]


def report_digest(period: Period, entry_count: int, lines: tuple[PeriodLine, ...], previous: bytes) -> bytes:
    """Return the digest of a period's report.

    It is the SHA-256 of a tag, the digest of the report before (empty for the first), and lines of text: number, bounds
    and time of closing in microseconds since 1970 UTC ("-" where there is no bound), newest entry, actor, number of
    entries, then one line for each asset.
    """
    opened = "-" if period.opened_at is None else str(microseconds(period.opened_at))
    text = [
        str(period.number),
        opened,
        str(microseconds(period.closed_before)),
        str(microseconds(period.closed_at)),
        str(period.last_seq),
        period.actor,
        str(entry_count),
    ]
    text += [f"{line.asset} {line.debit} {line.credit} {line.debit_turnover} {line.credit_turnover}" for line in lines]
    return hashlib.sha256(_TAG + previous + "\n".join(text).encode()).digest()


def verify_periods(connection: psycopg.Connection[Any]) -> list[str]:
    """Recompute every reported period from the entries; returns a sentence for each that differs, none in sound books.

    A report tells what was known when its period was closed, so this holds for periods opened again as well. Reports of
    periods with archived entries are held to their digests only.
    """
    figures = {number: (count, _lines(lines)) for number, count, lines in connection.execute(query("period_figures"))}
    problems, previous = [], b""
    for period in list_periods(connection):
        if period.report is None:
            continue
        report = period.report
        given = report.entry_count, report.lines
        if figures.get(period.number, given) != given:
            problems.append(f"period {period.number}: its report differs from what the entries give")
        if report.digest != report_digest(period, report.entry_count, report.lines, previous):
            problems.append(f"period {period.number}: its digest does not cover its report")
        previous = report.digest
    return problems


def _period(row: tuple[Any, ...]) -> Period:
    *facts, reopened_at, reopened_by, reason, entry_count, lines, digest = row
    reopening = None if reopened_at is None else Reopening(reopened_at, reopened_by, reason)
    report = None if digest is None else PeriodReport(entry_count, _lines(lines), bytes(digest))
    number, opened_at, closed_before, closed_at, last_seq, actor = facts
    return Period(number, opened_at, closed_before, closed_at, last_seq, actor, reopening, report)


def _lines(lines: list[dict[str, str]]) -> tuple[PeriodLine, ...]:
    return tuple(
        PeriodLine(
            line["asset"],
            int(line["debit"]),
            int(line["credit"]),
            int(line["debit_turnover"]),
            int(line["credit_turnover"]),
        )
        for line in lines
    )
