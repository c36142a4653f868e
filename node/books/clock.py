"""The clock that the books go by: one that leaps forward is not believed.

Entries are dated in their order, so one that was dated next month dates all that follow it until then, and nothing
takes that back; holds end and schedules run by the same clock. What leaps is the machine's clock against the time that
went by since it started: a process that starts believes it as it is. A clock that goes back is no harm: entries keep
the time of the last one until it has come there.

A virtual machine that its host held still (suspended, moved, put back from a snapshot) does not count the time that
went by meanwhile: when its clock is set right by more than five minutes, that is a leap like any other. Who knows that
it is right now starts the node again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from ledger.errors import ClockLeaptError

LEAP_MAX = timedelta(minutes=5)
"""More than is set right by the second, and what two banks bear with in one another."""


def _since_the_machine_started() -> timedelta:
    return timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME))  # sleep counts in


class BooksClock:
    """Gives the time of what is posted.

    Args:
        now: this machine's clock, UTC.
        running: what has gone by since some moment, whatever the clock is set to.
    """

    def __init__(
        self, now: Callable[[], datetime], running: Callable[[], timedelta] = _since_the_machine_started
    ) -> None:
        self._now, self._running = now, running
        self._began = now() - running()
        """The clock when ``running`` was 0, by the latest time that was believed."""

    def __call__(self) -> datetime:
        """Return the time.

        Raises:
            ClockLeaptError: the clock leapt forward.
        """
        now = self._now()
        began = now - self._running()
        if began - self._began > LEAP_MAX:
            raise ClockLeaptError(
                f"this machine's clock leapt forward by {began - self._began}, to {now.isoformat(timespec='seconds')}: "
                "nothing is posted until it is set right; if it is right now, start the node again"
            )
        self._began = max(began, self._began)
        return now
