"""What sealing and anchoring ask beside leaves: the newest number, times, sums. Reads only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg

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
