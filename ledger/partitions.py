"""The journal's partitions: which table takes an entry, and when the next one has to be made. Pure.

Rules:
- every partition holds a range of numbers, without a gap to the one before; the writer puts rows into the partitions
  themselves, readers read the journal as a whole (docs/adr/0016-journal-partitions.md);
- the next one is made before it is needed, so that no commit waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

PARTITION_ENTRIES = 8_388_608
"""Numbers in a new partition: some 2.5 GB with its indexes."""

_SEQ = slice(6, 14)
"""Where a row in COPY form has its number: after the count of fields and the length of the first."""


class Partition(NamedTuple):
    """A table with the entries ``first_seq`` to ``last_seq`` of the journal."""

    first_seq: int
    last_seq: int
    table_name: str


@dataclass(frozen=True, slots=True)
class Partitions:
    """The partitions there are, oldest first."""

    known: Sequence[Partition] = ()

    @property
    def last_seq(self) -> int:
        """The highest number that there is room for; 0 for none."""
        return self.known[-1].last_seq if self.known else 0

    def wants_more(self, last_seq: int) -> bool:
        """Whether to make the next one: the newest has no room for entry ``last_seq``, or is three quarters full."""
        if not self.known:
            return True
        newest = self.known[-1]
        return last_seq > newest.last_seq - (newest.last_seq - newest.first_seq + 1) // 4

    def of(self, first_seq: int, last_seq: int) -> list[Partition]:
        """Return those that hold any of these entries."""
        return [part for part in self.known if part.first_seq <= last_seq and part.last_seq >= first_seq]


def rows_by_partition(rows: Sequence[bytes], parts: Sequence[Partition]) -> Iterator[tuple[Partition, Sequence[bytes]]]:
    """Divide rows in COPY form, in the order of their numbers, over the partitions that take them."""
    at = 0
    for part in parts:
        end = len(rows)
        while end > at and int.from_bytes(rows[end - 1][_SEQ], "big") > part.last_seq:
            end -= 1
        if end > at:
            yield part, rows[at:end]
        at = end
