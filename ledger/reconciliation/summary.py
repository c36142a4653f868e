"""How far each account is reconciled: its newest statement beside the books, and what waits. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg

from ledger.errors import InvalidValueError
from ledger.queries import query

PAGE_SIZE_MAX = 1000


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """One account with statements.

    Args:
        statement: name of the newest one.
        last_day: last day that it covers.
        recorded: its closing balance, minor units; None where the format records none.
        computed: balance of the books at the end of that day (UTC); None where that is archived.
        open, explained: exceptions that wait, and that are understood but unmatched.
        waiting_difference: sum of the differences of both.
        gap: the first statement that begins with a balance no other ended with: one between them is missing; empty
            where there is none.
    """

    account: str
    asset: str
    scale: int
    statement: str
    last_day: date
    recorded: int | None
    computed: int | None
    open: int
    explained: int
    waiting_difference: int
    gap: str


def summarise(
    connection: psycopg.Connection[Any], *, account: str = "", after: str = "", count_max: int = 100
) -> list[AccountSummary]:
    """Return a page of accounts with statements, in the order of their references.

    Args:
        account: only this one; empty for all.
        after: only accounts after this reference: the last of the page before.
        count_max: 1 to ``PAGE_SIZE_MAX``.
    """
    if not 1 <= count_max <= PAGE_SIZE_MAX:
        raise InvalidValueError("page_size", count_max, f"give 1 to {PAGE_SIZE_MAX}")
    rows = connection.execute(query("reconcile_summary"), {"account": account, "after": after, "count": count_max})
    # The sum may be beyond the database's integers: it comes as a decimal.
    return [AccountSummary(*(*row[:-2], int(row[-2]), row[-1])) for row in rows]
