"""Work that a thread with a database connection does for the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import Any, Generic, TypeVar

from node.peer.database import Connection
from node.peer.errors import PeerError

Item = TypeVar("Item")


class DatabaseJob:
    """One piece of work for a database thread, and who waits for it."""

    def __init__(self, work: Callable[[Connection], Any], loop: asyncio.AbstractEventLoop) -> None:
        self._work = work
        self._loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()

    def perform(self, connection: Connection) -> None:
        """Do the work and hand over its result, or the refusal it ended with.

        Raises:
            StoreError: the connection was lost on the way, so another try may succeed.
        """
        try:
            result = self._work(connection)
        except PeerError as error:
            if connection.closed:
                raise
            self.fail(error)
        else:
            self._settle(lambda: self.future.set_result(result))

    def fail(self, error: Exception) -> None:
        """Let who waits know that it is in vain."""
        self._settle(lambda: self.future.set_exception(error))

    def _settle(self, settle: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(lambda: None if self.future.done() else settle())


class Handover(Generic[Item]):
    """Hands things to one thread, which may end before it has taken all of them: nobody waits for it then.

    Args:
        size: things that may wait to be taken.
    """

    def __init__(self, size: int) -> None:
        self._items: Queue[Item] = Queue(size)
        self._ended: Exception | None = None

    def put(self, item: Item) -> bool:
        """Hand over, waiting for room; False when the thread has ended and takes nothing more."""
        while self._ended is None:
            try:
                self._items.put(item, timeout=0.2)
            except Full:
                continue
            self._refuse_rest()
            return True
        return False

    def get(self) -> Item:
        """Take the next thing, waiting for it."""
        return self._items.get()

    def end(self, reason: Exception) -> None:
        """Take nothing more: jobs that wait or are on their way fail for this reason."""
        self._ended = reason
        self._refuse_rest()

    def _refuse_rest(self) -> None:
        with suppress(Empty):
            while self._ended is not None:
                item = self._items.get_nowait()
                if isinstance(item, DatabaseJob):
                    item.fail(self._ended)
