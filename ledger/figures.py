"""What sealing and anchoring ask beside leaves: the newest number, times, sums. Reads only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg

from ledger.archived import archived_seq
from ledger.errors import ArchivedError
from ledger.queries import query


def newest_seq(connection: psycopg.Connection[Any]) -> int:
    """Return the number of the newest row, 0 for none."""
    row = connection.execute(query("newest_seq")).fetchone()
    return int(row[0]) if row is not None else 0


def posted_times(connection: psycopg.Connection[Any], from_seq: int, to_seq: int) -> list[datetime]:
    """Return when the rows of a range were posted, in order; times that no clock shows are left out."""
    return [row[0] for row in connection.execute(query("posted_times"), (from_seq, to_seq))]


def control_totals(connection: psycopg.Connection[Any], from_seq: int, to_seq: int) -> dict[str, tuple[int, int]]:
    """Return for each asset the sums of debits and credits over the rows of a range."""
    rows = connection.execute(query("control_totals"), (from_seq, to_seq))
    return {asset: (int(debits), int(credits_)) for asset, debits, credits_ in rows}


def sums_before(
    connection: psycopg.Connection[Any], seq: int, account: str = ""
) -> dict[tuple[str, str], tuple[int, int]]:
    """Return for each account and asset the sums of debits and credits over the rows before a number.

    Args:
        account: only this one and its stripes; empty for all.
    Raises:
        ArchivedError: some of the rows are archived.
    """
    archived = archived_seq(connection)
    if seq > 1 and archived:
        raise ArchivedError(
            f"entries up to {archived} are archived, sums before entry {seq} cannot be told: restore it"
        )
    rows = connection.execute(query("sums_before"), {"seq": seq, "account": account})
    return {(reference, asset): (int(debits), int(credits_)) for reference, asset, debits, credits_ in rows}
