"""Tells what became of transactions: to those who wait, and for a while to those who ask later.

Rules:
- who waits registers first and asks the index of transactions afterwards, so that no commit falls between;
- an id that this peer endorsed lately is followed from before the index was asked whether it is new; if it is, its
  outcome is known here, and the index need not be asked a second time.

Source: Fabric internal/pkg/gateway/commit/{finder,statusnotifier}.go.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

FOLLOWED_MAX = 20_000
"""Ids followed; of what was followed earlier, the index must be asked."""


class CommitStatus(NamedTuple):
    """What became of a transaction."""

    block_number: int
    validation_code: int


class CommitNotifier:
    """Those who wait for transactions of one channel; belongs to the event loop."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Future[CommitStatus]]] = {}
        self._followed: OrderedDict[str, CommitStatus | bool] = OrderedDict()
        """The outcome; before there is one, whether the index has said that the id is new."""

    def follow(self, tx_id: str) -> None:
        """Take note of what becomes of an id from here on; called before the index is asked whether it is new."""
        if tx_id not in self._followed:
            self._followed[tx_id] = False
            if len(self._followed) > FOLLOWED_MAX:
                self._followed.popitem(last=False)

    def settle(self, tx_id: str, *, is_new: bool) -> None:
        """Take note of what the index said of an id that is followed."""
        if not is_new:
            # Whichever occurrence was noted here, it may not be the first.
            self._followed.pop(tx_id, None)
        elif self._followed.get(tx_id) is False:
            self._followed[tx_id] = True

    def is_pending(self, tx_id: str) -> bool:
        """Say whether an id is known to stand in no committed block; False where only the index can tell."""
        return self._followed.get(tx_id) is True

    def outcome(self, tx_id: str) -> CommitStatus | None:
        """Return what became of an id that was followed and new; None where only the index can tell."""
        found = self._followed.get(tx_id)
        return found if isinstance(found, CommitStatus) else None

    @contextmanager
    def waiting(self, tx_id: str) -> Iterator[asyncio.Future[CommitStatus]]:
        """Give a future that is set when the transaction commits; it is forgotten at the end of the block."""
        future: asyncio.Future[CommitStatus] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tx_id, []).append(future)
        try:
            yield future
        finally:
            left = [other for other in self._waiting.get(tx_id, []) if other is not future]
            if left:
                self._waiting[tx_id] = left
            else:
                self._waiting.pop(tx_id, None)
            future.cancel()

    def notify(self, block_number: int, outcomes: Iterable[tuple[str, int]]) -> None:
        """Tell the validation code of each transaction of a block that has just become durable."""
        for tx_id, code in outcomes:
            self._note(tx_id, CommitStatus(block_number, code))
            for future in self._waiting.get(tx_id, ()):
                if not future.done():
                    future.set_result(CommitStatus(block_number, code))

    def _note(self, tx_id: str, status: CommitStatus) -> None:
        known = self._followed.get(tx_id)
        if known is True:
            self._followed[tx_id] = status
        elif known is False:
            # The index is being asked and may not have seen this block yet.
            del self._followed[tx_id]

    def fail(self, error: Exception) -> None:
        """Tell everyone who waits that nothing more will be committed."""
        for futures in self._waiting.values():
            for future in futures:
                if not future.done():
                    future.set_exception(error)
