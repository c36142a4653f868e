"""Tells who waits for a transaction that it is committed.

Who waits registers first and asks the index of transactions afterwards, so that no commit falls between.

Source: Fabric internal/pkg/gateway/commit/{finder,statusnotifier}.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple


class CommitStatus(NamedTuple):
    """What became of a transaction."""

    block_number: int
    validation_code: int


class CommitNotifier:
    """Those who wait for transactions of one channel; belongs to the event loop."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Future[CommitStatus]]] = {}

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
            for future in self._waiting.get(tx_id, ()):
                if not future.done():
                    future.set_result(CommitStatus(block_number, code))

    def fail(self, error: Exception) -> None:
        """Tell everyone who waits that nothing more will be committed."""
        for futures in self._waiting.values():
            for future in futures:
                if not future.done():
                    future.set_exception(error)
