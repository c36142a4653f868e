"""Balances at any two times: what was posted by *known-at* and counts for no later than *effective-at*. Reads only.

Rules:
- exact for every pair, whatever was dated back or forward since; sums derived beforehand make it fast, and where they
  lag behind the entries themselves are summed (docs/balances-in-time.md);
- both times belong to what they ask for: a posting of that very microsecond counts;
- a known-at in the past always gives the same answer; one that is not over yet may still see entries arrive.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from ledger.archived import telling_archived
from ledger.audit import FINDINGS_MAX, Finding
from ledger.balances import TrialBalanceLine, find_account
from ledger.errors import InvalidValueError
from ledger.money import Asset
from ledger.queries import query

DATED_BLOCK = 4096
"""Dated postings of an account summed together; docs/balances-in-time.md has the measurements."""


@dataclass(frozen=True, slots=True)
class BalanceAt:
    """An account's balance at two times.

    Args:
        balance: minor units on the account's normal side.
        known_seq: newest entry that was known; with it the answer can be asked for again, to the entry.
    """

    asset: Asset
    balance: int
    known_seq: int


@telling_archived()
def balance_at(
    connection: psycopg.Connection[Any],
    reference: str,
    *,
    known_at: datetime | None = None,
    effective_at: datetime | None = None,
) -> BalanceAt:
    """Return an account's balance from what was posted by ``known_at`` and counts for ``effective_at`` or before.

    Args:
        known_at: None for everything posted.
        effective_at: None for every effective time, those to come included.
    Raises:
        NotFoundError: no such account.
        InvalidValueError: a time without a zone.
        ArchivedError: entries that tell it are archived.
    """
    known, effective = upper_bound("known_at", known_at), upper_bound("effective_at", effective_at)
    account = find_account(connection, reference)
    known_seq = known_seq_of(connection, account.facts.id, known)
    given = {"account": account.facts.id, "known_seq": known_seq, "effective_at": effective}
    row = connection.execute(query("balance_at"), given).fetchone()
    assert row is not None
    return BalanceAt(account.facts.asset, int(row[0]), known_seq)


@telling_archived()
def trial_balance_at(
    connection: psycopg.Connection[Any], *, known_at: datetime | None = None, effective_at: datetime | None = None
) -> list[TrialBalanceLine]:
    """Return the trial balance at two times, one line for each asset in use, in the order of their codes.

    Raises:
        InvalidValueError: a time without a zone.
        ArchivedError: entries that tell it are archived.
    """
    known, effective = upper_bound("known_at", known_at), upper_bound("effective_at", effective_at)
    rows = connection.execute(query("trial_balance_at"), (known, effective))
    return [TrialBalanceLine(asset, int(debit), int(credit), count) for asset, debit, credit, count in rows]


def snapshot(connection: psycopg.Connection[Any], *, block: int = DATED_BLOCK) -> None:
    """Sum the dated postings made since the last call, so that balances in time stay fast; changes no answer.

    Safe to run beside the writer at any time; on a connection outside a transaction each step commits by itself.
    """
    more = True
    while more:
        row = connection.execute("SELECT ledger.snapshot_dated(%s)", (block,)).fetchone()
        assert row is not None
        more = row[0]


def verify_times(connection: psycopg.Connection[Any]) -> list[Finding]:
    """Hold everything that balances in time are computed from against the entries; empty when sound.

    Derived rows that are missing are none of it: they make answers slower, never wrong.
    """
    rows = connection.execute(query("verify_times"), (FINDINGS_MAX,)).fetchall()
    return [Finding(seq, f"entry {seq}", f"on account {account} {problem}") for seq, account, problem in rows]


@telling_archived()
def known_seq_of(connection: psycopg.Connection[Any], account_id: int, moment: datetime | str) -> int:
    """Return the newest entry that a question about an account at a moment has to look at, 0 for none.

    To a tenant it is the account's own newest one, which gives the same answers.
    """
    row = connection.execute("SELECT ledger.known_seq(%s, %s)", (account_id, moment)).fetchone()
    assert row is not None
    return int(row[0])


@telling_archived()
def seq_at(connection: psycopg.Connection[Any], moment: datetime | str) -> int:
    """Return the newest entry posted at a moment or before, 0 for none; ``"infinity"`` gives the newest of all."""
    row = connection.execute("SELECT ledger.seq_at(%s)", (moment,)).fetchone()
    assert row is not None
    return int(row[0])


def upper_bound(field: str, moment: datetime | None) -> datetime | str:
    """Return a time as the database takes it, None as the end of time.

    Raises:
        InvalidValueError: it has no zone.
    """
    return "infinity" if moment is None else _zoned(field, moment)


def lower_bound(field: str, moment: datetime | None) -> datetime | str:
    """Return a time as the database takes it, None as the beginning of time; raises as ``upper_bound``."""
    return "-infinity" if moment is None else _zoned(field, moment)


def _zoned(field: str, moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise InvalidValueError(field, moment, "give a time with its zone")
    return moment
