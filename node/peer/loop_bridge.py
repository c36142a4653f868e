"""Runs coroutines of one thread's event loop in another's.

As ``asyncio.run_coroutine_threadsafe`` does, but whatever one turn of a loop hands over costs the other thread one
wake-up, and so do the outcomes on their way back: a wake-up is the dear part.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class LoopBridge:
    """Takes coroutines from one event loop to another.

    Args:
        here: whose thread asks.
        there: whose thread works.
    """

    def __init__(self, here: asyncio.AbstractEventLoop, there: asyncio.AbstractEventLoop) -> None:
        self._here = here
        self._requests = _Letterbox(here, there)
        self._outcomes = _Letterbox(there, here)
        self._there = there

    def run(self, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Run a coroutine there; called here.

        Returns:
            Its outcome. Whoever settles this future otherwise, by cancelling it say, cancels the work.
        """
        future: asyncio.Future[T] = self._here.create_future()
        self._requests.post(_Errand(work, future, self._there, self._requests, self._outcomes).start)
        return future


class _Errand:
    """One coroutine on its way."""

    def __init__(
        self,
        work: Coroutine[Any, Any, Any],
        future: asyncio.Future[Any],
        there: asyncio.AbstractEventLoop,
        requests: _Letterbox,
        outcomes: _Letterbox,
    ) -> None:
        self._work = work
        self._future = future
        self._there = there
        self._requests = requests
        self._outcomes = outcomes
        self._task: asyncio.Task[Any] | None = None
        future.add_done_callback(self._settled)

    def start(self) -> None:
        """Begin, there."""
        if self._future.done():
            self._work.close()
            return
        self._task = self._there.create_task(self._work)
        self._task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._outcomes.post(self._settle)

    def _settle(self) -> None:
        assert self._task is not None
        failure = None if self._task.cancelled() else self._task.exception()
        if self._future.done():
            return
        # It would be called in a turn of its own, to find that there is nothing to stop.
        self._future.remove_done_callback(self._settled)
        if self._task.cancelled():
            self._future.cancel()
        elif failure is not None:
            self._future.set_exception(failure)
        else:
            self._future.set_result(self._task.result())

    def _settled(self, future: asyncio.Future[Any]) -> None:
        if self._task is None or not self._task.done():
            self._requests.post(self._stop)

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()


class _Letterbox:
    """What one event loop wants done in another, in order; the letters of one turn go out together."""

    def __init__(self, sender: asyncio.AbstractEventLoop, receiver: asyncio.AbstractEventLoop) -> None:
        self._sender = sender
        self._receiver = receiver
        self._letters: deque[Callable[[], None]] = deque()
        self._announced = False

    def post(self, letter: Callable[[], None]) -> None:
        """Have ``letter`` called in the receiver's loop; called in the sender's."""
        # Put in before the announcement is looked at, as _empty looks after it has taken the announcement down: so
        # every letter is either announced or still to be taken.
        self._letters.append(letter)
        if not self._announced:
            self._announced = True
            self._sender.call_soon(self._announce)

    def _announce(self) -> None:
        # A closed loop does nothing more, and nobody waits for it.
        with suppress(RuntimeError):
            self._receiver.call_soon_threadsafe(self._empty)

    def _empty(self) -> None:
        self._announced = False
        while self._letters:
            self._letters.popleft()()
