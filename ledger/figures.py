"""What sealing and anchoring ask beside leaves: the newest number, times, sums, decision leaves. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from ledger.canonical import LEAF_BYTES
from ledger.errors import DamagedRowError
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


def decision_leaves(connection: psycopg.Connection[Any], from_seq: int, to_seq: int) -> list[bytes]:
    """Return the decision leaves of all rows of a range, in order.

    Raises:
        DamagedRowError: a row of them is missing, stands twice, or has no decision leaf.
    """
    leaves: list[bytes] = []
    count = to_seq - from_seq + 1
    for seq, leaf in connection.execute(query("decision_leaves"), (from_seq, to_seq, count)):
        expected = from_seq + len(leaves)
        if seq != expected or len(leaf) != LEAF_BYTES:
            raise DamagedRowError(expected, "it is missing, stands twice or has no decision leaf")
        leaves.append(bytes(leaf))
    if len(leaves) != count:
        raise DamagedRowError(from_seq + len(leaves), "it does not stand in the books")
    return leaves


def seqs_of_decisions(connection: psycopg.Connection[Any], decision_ids: Sequence[bytes]) -> dict[bytes, int]:
    """Return the numbers of the entries that these decisions were made for."""
    numbers = [UUID(bytes=number) for number in decision_ids]
    return {found.bytes: seq for found, seq in connection.execute(query("seqs_of_decisions"), (numbers,))}
