"""The outbox as an endless stream: first what happened since a position, then what happens, as it is committed.

Rules:
- a bell in this process tells that something was committed; it carries nothing, the database is read. A bell that was
  not heard costs a second, never an event;
- the next page is read when the page before was taken: a slow reader slows nobody but himself, and nothing piles up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from ledger.outbox import OutboxPage, Position

PAGE_POSITIONS = 500
POLL_S = 1.0
"""Longest wait for the bell: what another process commits, an operator's tool for example, rings none here."""


class Bell:
    """Wakes every coroutine that waits; rung and heard in one event loop."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake all who wait now."""
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()

    def listen(self) -> Callable[[float], Awaitable[None]]:
        """Return what waits for the next ring from this moment on, or for some seconds if none comes.

        Listen first, then look, then wait: a ring between looking and waiting is heard.
        """
        rung = self._rung

        async def wait(timeout_s: float) -> None:
            # Not wait_for: before Python 3.12 it swallows a cancellation that comes together with the ring.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await rung.wait()

        return wait


async def follow_outbox(
    read: Callable[[Position], Awaitable[OutboxPage]], bell: Bell, after: Position, *, poll_s: float = POLL_S
) -> AsyncIterator[OutboxPage]:
    """Yield pages of the outbox behind a position, for ever; what is yielded first is what is there.

    Args:
        read: gives the page behind a position, filters applied, ``PAGE_POSITIONS`` at most.
        bell: rung after each commit.
        after: the last position the reader knows.
        poll_s: longest wait for the bell.
    Yields:
        Pages with events, and one without whenever nothing passed the filters but the position moved: its ``after`` is
        where a reader that comes back may begin.
    """
    while True:
        wait = bell.listen()
        page = await read(after)
        moved, after = page.after > after, page.after
        if moved:
            yield page
        else:
            await wait(poll_s)
