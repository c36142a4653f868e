"""Work that a thread with a database connection does for the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from node.peer.database import Connection
from node.peer.errors import PeerError


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
