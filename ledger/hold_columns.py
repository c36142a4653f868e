"""Holds of the writer's copy of the books, by columns: a run changes them without an object for each.

The rules are those of ``account_columns``: ``state.HoldState`` reads and writes the figures of one hold; row 0 is none,
and no request finds it placed.
"""

from __future__ import annotations

from array import array
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ledger.account_columns import Columns, Numbers

_ID_BYTES = 16


class HoldViews(NamedTuple):
    """The columns as arrays.

    Args:
        account: row of the account whose money is held.
        amount: minor units, when it was placed.
        captured: taken so far, minor units.
        state: ``state.PLACED`` and the others.
        placed_us, expires_us: microseconds since 1970.
        ended_us: likewise; ``NO_TIME`` while it is placed.
        entry_seq: newest entry that captured of it; 0 before.
        tenant: who placed it, by number; 0 for the organization.
        batch: number of the batch that changed it last.
        placed_in: number of the batch that placed it; 0 where it was read from the books.
    """

    account: Numbers
    amount: Numbers
    captured: Numbers
    state: Numbers
    placed_us: Numbers
    expires_us: Numbers
    ended_us: Numbers
    entry_seq: Numbers
    tenant: Numbers
    batch: Numbers
    placed_in: Numbers


class HoldColumns(Columns[HoldViews]):
    """Figures of holds, in the order of ``HoldViews``, and their ids."""

    __slots__ = ("_ids",)

    def __init__(self) -> None:
        super().__init__(HoldViews)
        self._ids = bytearray()
        self.place(bytes(_ID_BYTES))

    def place(self, ids: bytes, **figures: int | Numbers) -> Numbers:
        """Add holds and return their rows.

        Args:
            ids: 16 bytes for each, joined.
            figures: the same for all, or of each; those not named are 0.
        """
        first, count = self.count, len(ids) // _ID_BYTES
        for name, column in zip(self.names, self.figures, strict=True):
            value = figures.get(name, 0)
            if isinstance(value, np.ndarray):
                column.frombytes(np.broadcast_to(value, count).astype(np.int64, copy=False).tobytes())
            else:
                column.extend(array("q", (value,)) * count)
        self._ids += ids
        return np.arange(first, first + count)

    def ids(self, rows: Numbers) -> npt.NDArray[np.void]:
        """Return the ids of the holds in these rows, 16 bytes each."""
        ids: npt.NDArray[np.void] = np.frombuffer(self._ids, f"V{_ID_BYTES}")[rows]
        return ids
