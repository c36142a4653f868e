"""Ends calls, and pieces of work, whose time is up.

A timer of the event loop for each would cost as much as a call's task. Those whose deadlines fall within the same
``TICK_S`` share one; they may therefore end that much late, never early.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Protocol
from weakref import WeakKeyDictionary

TICK_S = 0.01


class Expiring(Protocol):
    """A call that can end for want of time."""

    def expire(self) -> None:
        """End with DEADLINE_EXCEEDED."""


class Deadlines:
    """The deadlines of one connection's calls, or of one event loop's work.

    Args:
        loop: event loop; its clock is the deadlines' clock.
    """

    __slots__ = ("_loop", "_ticks")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ticks: dict[int, tuple[asyncio.TimerHandle, set[Expiring]]] = {}

    def add(self, deadline: float, call: Expiring) -> int:
        """Let a call end at ``deadline``; return the tick that ``remove`` wants."""
        tick = int(deadline / TICK_S) + 1
        found = self._ticks.get(tick)
        if found is None:
            found = self._ticks[tick] = (self._loop.call_at(tick * TICK_S, self._expire, tick), set())
        found[1].add(call)
        return tick

    def remove(self, tick: int, call: Expiring) -> None:
        """Forget a call that has ended, and the timer with the last of its tick. Idempotent."""
        found = self._ticks.get(tick)
        if found is not None:
            found[1].discard(call)
            if not found[1]:
                found[0].cancel()
                del self._ticks[tick]

    def _expire(self, tick: int) -> None:
        _, calls = self._ticks.pop(tick)
        for call in calls:
            call.expire()


_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Deadlines] = WeakKeyDictionary()


class TimeLimit:
    """Ends the work inside a ``with`` when its time is up: ``asyncio.timeout`` for what is done thousands of times.

    Args:
        limit_s: seconds from the ``with`` on; what has no time left ends where it first waits.

    Attributes:
        expired: whether the time was up before the work was done.

    Raises:
        TimeoutError: at the end of the ``with``, in place of the cancellation that ended the work.
    """

    __slots__ = ("_cancelling", "_deadlines", "_limit_s", "_task", "_tick", "expired")

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self.expired = False

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task's work can be given a time limit")
        deadlines = _of_loops.get(loop)
        if deadlines is None:
            deadlines = _of_loops[loop] = Deadlines(loop)
        self._task, self._deadlines, self._cancelling = task, deadlines, task.cancelling()
        self._tick = deadlines.add(loop.time() + self._limit_s, self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self.expired:
            self._deadlines.remove(self._tick, self)
        elif self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """End the work."""
        self.expired = True
        self._task.cancel()
