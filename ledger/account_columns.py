"""What changes about accounts while batches are judged, by columns: an array for each figure, a row for each account.

Rules:
- there is one truth: ``state.AccountState`` reads and writes single figures of its row, ``AccountColumns.views`` shows
  the same memory as numpy arrays, so that a whole run of entries is judged at once (``run_judge``);
- a view must be let go before the next account is added: an array cannot grow while it is looked at;
- row 0 is no account; its bounds allow nothing, so whoever looks up an unknown reference meets a row all the same.
"""

from __future__ import annotations

from array import array
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]

NEVER = 2**63 - 1
"""No balance comes near it: as a bound it sends every entry on the account to the full rules."""

NO_TIME = -(2**63)
"""In the place of a time that there is not, among microseconds since 1970."""


class Views(NamedTuple):
    """The columns as arrays.

    Args:
        id: number of the account inside the database.
        asset_id: of what it counts.
        sign: 1 where debits make the balance grow, -1 where credits do.
        balance: minor units, on the normal side.
        held: minor units reserved by placed holds.
        terms: how many times status or terms were changed.
        last_seq: newest entry that touched it.
        posting_count: postings it has seen.
        least: floor and overdraft line of the available balance; ``-NEVER`` where there is none.
        lowest, highest: bounds of the balance after an entry that is plainly allowed; see ``AccountState.bound``.
        batch: number of the batch that changed it last.
        balance_before, held_before, count_before: as they stood before that batch.
    """

    id: Numbers
    asset_id: Numbers
    sign: Numbers
    balance: Numbers
    held: Numbers
    terms: Numbers
    last_seq: Numbers
    posting_count: Numbers
    least: Numbers
    lowest: Numbers
    highest: Numbers
    batch: Numbers
    balance_before: Numbers
    held_before: Numbers
    count_before: Numbers


Shown = TypeVar("Shown", bound=tuple[Numbers, ...])


class Columns(Generic[Shown]):
    """Figures of things of one kind, a column each.

    Args:
        shown: a named tuple of the columns as arrays, which gives their order.
    """

    __slots__ = ("_shown", "figures", "names")

    def __init__(self, shown: type[Shown]) -> None:
        self._shown = shown
        self.names: tuple[str, ...] = shown._fields  # type: ignore[attr-defined]
        self.figures: tuple[array[int], ...] = tuple(array("q") for _ in self.names)

    def add(self, **figures: int) -> int:
        """Add one and return its row; figures not named are 0."""
        for name, column in zip(self.names, self.figures, strict=True):
            column.append(figures.get(name, 0))
        return self.count - 1

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.figures[0])

    def views(self) -> Shown:
        """Return the columns as arrays over the same memory."""
        return self._shown(*(np.frombuffer(column, np.int64) for column in self.figures))


class AccountColumns(Columns[Views]):
    """Figures of accounts, in the order of ``Views``."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(Views)
        self.add(lowest=NEVER, highest=-NEVER)


def exact_total(amounts: Numbers) -> int:
    """Return the sum of amounts, none below 0 and fewer than 2^31 of them, exactly: in 64 bits it could overflow."""
    return (int((amounts >> 32).sum()) << 32) + int((amounts & 0xFFFF_FFFF).sum())
