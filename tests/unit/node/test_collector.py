"""The collector in front of the writer, where the moment matters: the writer stands still until the test lets it go."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from ledger.errors import FencedError, StaleCopyError
from ledger.journal import transfer
from ledger.posting import Writer
from node.books.collector import BATCH_ENTRIES_MAX, SMALL_BATCH_ENTRIES, Collector
from tests.support.books import key


async def until(holds: Callable[[], object]) -> None:
    """Wait until the writer, in its own thread, has come so far."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - the writer has no events of this loop
            await asyncio.sleep(0.005)


class FencedWriter:
    """Prepares at once; commits nothing, and says so when it is let go."""

    def __init__(self) -> None:
        self.committing = threading.Event()
        self.let_go = threading.Event()

    def prepare(self, requests: Any) -> Any:
        return requests

    def commit(self, prepared: Any, await_turn: Any) -> Any:
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


class StaleOnceWriter:
    """Whose first batch is stale; the commits and posts it was asked for, by their first requests' keys, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.prepared = 0
        self.forgotten = 0
        self.let_go = threading.Event()

    def prepare(self, requests: Any) -> Any:
        self.prepared += 1
        return requests

    def commit(self, prepared: Any, await_turn: Any) -> Any:
        await_turn()
        number = prepared[0].key.int
        self.told.append(("commit", number))
        if number == 1:
            self.let_go.wait(10)
        if number == 1 or self.forgotten == 0:
            raise StaleCopyError("doubt")
        return list(prepared)

    def forget(self) -> None:
        self.forgotten += 1

    def post(self, requests: Any) -> Any:
        self.told.append(("post", requests[0].key.int))
        return list(requests)


async def test_batches_behind_one_that_is_stale_are_posted_again_in_their_order() -> None:
    writer = StaleOnceWriter()
    collector = Collector(cast(Writer, writer), lambda: None)
    await collector.start()
    batches = [
        [transfer(key(first + place * 1_000), "a", "b", 1) for place in range(BATCH_ENTRIES_MAX)]
        for first in range(1, 5)
    ]
    callers = [asyncio.create_task(collector.post(batch)) for batch in batches]
    await until(lambda: writer.prepared == 3)  # two under way, the third prepared behind them
    writer.let_go.set()
    answers = await asyncio.gather(*callers)
    assert answers == batches
    assert [number for what, number in writer.told if what == "post"] == [1, 2]
    # The third goes on as it was prepared: nothing of it was begun before the first two stood.
    assert writer.told[-2:] == [("commit", 3), ("commit", 4)]
    await collector.stop()


class SlowWriter:
    """Whose small batches stand still until they are let go; what it was asked for, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.let_go = threading.Event()

    def send(self, requests: Any) -> None:
        """Everything takes a thread here."""

    def post(self, requests: Any) -> Any:
        self.told.append("post begun")
        self.let_go.wait(10)
        self.told.append("post ended")
        return list(requests)

    def prepare(self, requests: Any) -> Any:
        self.told.append("prepare")
        return requests

    def commit(self, prepared: Any, await_turn: Any) -> Any:
        await_turn()
        return list(prepared)


async def test_nothing_is_prepared_beside_a_small_batch_which_may_drop_the_copy_of_the_books() -> None:
    writer, rung = SlowWriter(), []
    collector = Collector(cast(Writer, writer), lambda: rung.append(len(writer.told)))
    await collector.start()
    await asyncio.sleep(0)  # the collector begins to wait for work
    many = [transfer(key(number + 1), "a", "b", 1) for number in range(BATCH_ENTRIES_MAX)]
    one = asyncio.create_task(collector.post(many[:1]))
    await asyncio.sleep(0)
    others = asyncio.create_task(collector.post(many))
    await until(lambda: writer.told)
    await asyncio.sleep(0.05)
    assert writer.told == ["post begun"]
    writer.let_go.set()
    assert (await one, await others) == (many[:1], many)
    assert writer.told == ["post begun", "post ended", "prepare"]
    assert rung == [2, 3]  # before anyone is answered
    await collector.stop()


async def test_a_caller_who_gives_up_leaves_the_others_their_answers() -> None:
    writer = SlowWriter()
    collector = Collector(cast(Writer, writer), lambda: None)
    await collector.start()
    await asyncio.sleep(0)
    entry = [transfer(key(1), "a", "b", 1)]
    gone = asyncio.create_task(collector.post(entry))
    await until(lambda: writer.told)
    gone.cancel()
    next_one = asyncio.create_task(collector.post(entry))
    writer.let_go.set()
    assert await next_one == entry
    assert gone.cancelled()
    await collector.stop()


class CountingWriter:
    """How many requests each batch had."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def send(self, requests: Any) -> None:
        """Everything takes a thread here."""

    def post(self, requests: Any) -> Any:
        self.batches.append(len(requests))
        return list(requests)


async def test_callers_who_are_answered_together_are_collected_again() -> None:
    writer = CountingWriter()
    collector = Collector(cast(Writer, writer), lambda: None)
    await collector.start()
    await asyncio.sleep(0)
    entry = [transfer(key(1), "a", "b", 1)]

    async def caller() -> None:
        for _ in range(10):
            await collector.post(entry)

    await asyncio.gather(*(caller() for _ in range(4)))
    # The first found the books idle and went alone; soon all are together. The last batch lacks the first caller.
    assert writer.batches[0] == 1
    assert set(writer.batches[4:-1]) == {4}
    await collector.stop()
