"""Ends the calls of a connection whose time is up.

A timer of the event loop for each call would cost as much as the call's task. Calls whose deadlines fall within the
same ``TICK_S`` share one; a call may therefore end that much late, never early.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

TICK_S = 0.01


class Expiring(Protocol):
    """A call that can end for want of time."""

    def expire(self) -> None:
        """End with DEADLINE_EXCEEDED."""


class Deadlines:
    """The deadlines of one connection's calls.

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

    def due(self, tick: int) -> bool:
        """Say whether the deadlines of a tick are passing, though its timer may be yet to come."""
        return self._loop.time() >= (tick - 1) * TICK_S

    def _expire(self, tick: int) -> None:
        _, calls = self._ticks.pop(tick)
        for call in calls:
            call.expire()
