"""Time limits that share timers, for work of which hundreds of pieces are under way at once.

``asyncio.timeout`` makes a timer of the event loop for each limit, and a transaction meets five on its way through a
gateway. Here those that end within the same hundredth of a second share one: work may go on that much longer, never
shorter.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from network.rpc.http2.deadlines import TICK_S, Deadlines

LATE_S = TICK_S
"""How much later than said a limit may end work."""


class TimeLimits:
    """The time limits of one part; all in its event loop."""

    def __init__(self) -> None:
        self._deadlines: Deadlines | None = None

    def until(self, moment_s: float) -> TimeLimit:
        """Return a limit for ``with``, in a task: what goes on there after that is cancelled, and TimeoutError raised.

        Args:
            moment_s: by ``time.monotonic()``.
        """
        if self._deadlines is None:
            self._deadlines = Deadlines(asyncio.get_running_loop())
        return TimeLimit(self._deadlines, moment_s)


class TimeLimit:
    """One limit, as ``asyncio.timeout`` has it."""

    __slots__ = ("_cancelling", "_deadlines", "_expired", "_moment_s", "_task", "_tick")

    def __init__(self, deadlines: Deadlines, moment_s: float) -> None:
        self._deadlines = deadlines
        self._moment_s = moment_s
        self._expired = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "a time limit needs a task that it can cancel"
        self._task = task
        self._cancelling = task.cancelling()
        self._tick = self._deadlines.add(self._moment_s, self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deadlines.remove(self._tick, self)
        # Whoever else cancelled the task meanwhile is to have his way.
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """Cancel what goes on."""
        self._expired = True
        self._task.cancel()
