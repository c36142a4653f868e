"""Finds out whether a silent peer is still there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

AFTER_S = 120.0
"""Silence after which the peer is asked."""

TIMEOUT_S = 20.0
"""Time it has to answer: anything it sends is an answer."""


class Keepalive:
    """Watches one connection.

    Args:
        loop: event loop.
        wanted: whether silence should be questioned now.
        ask: sends a PING.
        give_up: called when there is no answer.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        wanted: Callable[[], bool],
        ask: Callable[[], None],
        give_up: Callable[[], None],
    ) -> None:
        self.heard = False
        self._loop, self._wanted, self._ask, self._give_up = loop, wanted, ask, give_up
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Look again after a while."""
        self.heard = False
        self._timer = self._loop.call_later(AFTER_S, self._look)

    def _look(self) -> None:
        if self.heard or not self._wanted():
            self.watch()
        else:
            self._ask()
            self._timer = self._loop.call_later(TIMEOUT_S, self._judge)

    def _judge(self) -> None:
        if self.heard:
            self.watch()
        else:
            self._give_up()

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
