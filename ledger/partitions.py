"""The journal's partitions: which table takes which entries. Pure.

Rules:
- each partition holds a range of numbers and goes on where the one before it ends;
- the writer puts rows into the partitions themselves, readers read ``ledger.entry`` as a whole
  (docs/adr/0016-journal-partitions.md).

Left to others: making them (``sql/functions/make_partitions.sql``).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_NUMBER = slice(6, 14)
"""Where a row in COPY form has its number: after the count of fields and the length of the first."""


class Partition(NamedTuple):
    """The table with entries ``first_seq`` to ``last_seq``."""

    first_seq: int
    last_seq: int
    table: str


def partitions_of(partitions: Sequence[Partition], first_seq: int, last_seq: int) -> list[Partition]:
    """Return those that take any of these entries; none where there are no entries."""
    return [part for part in partitions if part.first_seq <= last_seq and part.last_seq >= first_seq]


def rows_by_partition(rows: Sequence[bytes], partitions: Sequence[Partition]) -> Iterator[tuple[str, Sequence[bytes]]]:
    """Divide rows in COPY form, in the order of their numbers, over the tables that take them."""
    if rows and len(partitions) == 1:
        yield partitions[0].table, rows
        return
    at = 0
    for part in partitions:
        # Numbers are above zero: their bytes sort as they do.
        end = bisect_right(rows, part.last_seq.to_bytes(8, "big"), at, key=lambda row: row[_NUMBER])
        if end > at:
            yield part.table, rows[at:end]
        at = end
