"""The collector in front of the writer, where the moment matters: the writer stands still until the test lets it go."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, cast

import pytest

from ledger.errors import FencedError
from ledger.journal import transfer
from ledger.posting import Writer
from node.books.collector import SMALL_BATCH_ENTRIES, Collector
from tests.support.books import key


class FencedWriter:
    """Prepares at once; commits nothing, and says so when it is let go."""

    def __init__(self) -> None:
        self.committing = threading.Event()
        self.let_go = threading.Event()

    def prepare(self, requests: Any) -> Any:
        return requests

    def commit(self, prepared: Any) -> Any:
        self.committing.set()
        self.let_go.wait(10)
        raise FencedError(1)


async def test_who_waits_behind_a_commit_that_is_fenced_is_told_and_the_collector_ends_in_peace() -> None:
    writer = FencedWriter()
    collector = Collector(cast(Writer, writer), lambda: None)
    await collector.start()
    many = [transfer(key(number + 1), "a", "b", 1) for number in range(SMALL_BATCH_ENTRIES + 1)]
    first = asyncio.create_task(collector.post(many))
    await asyncio.to_thread(writer.committing.wait, 10)
    # Too few to be prepared beside the commit: the collector waits for its end before it looks at them.
    second = asyncio.create_task(collector.post(many[:1]))
    await asyncio.sleep(0.05)
    writer.let_go.set()
    for caller in (first, second):
        with pytest.raises(FencedError):
            await caller
    assert collector.fenced
    await asyncio.sleep(0.05)  # the collector looks at what waits: nothing does any more
    await collector.stop()
