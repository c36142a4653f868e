"""The clock that the books go by: one that leaps forward is not believed.

Entries are dated in their order, so one that was dated next month dates all that follow it until then, and nothing
takes that back; holds end and schedules run by the same clock. What leaps is the machine's clock against the time that
went by since it started. A process that starts has seen no leap: it holds the clock against the newest entry and block
here, and does not believe one that is more than a month later until somebody says that it is right. A clock that goes
back is no harm: entries keep the time of the last one until it has come there.

A virtual machine that its host held still (suspended, moved, put back from a snapshot) does not count the time that
went by meanwhile: when its clock is set right by more than five minutes, that is a leap like any other. Who knows that
it is right now starts the node again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from ledger.errors import ClockLeaptError

LEAP_MAX = timedelta(minutes=5)
"""More than is set right by the second, and what two banks bear with in one another."""

REST_MAX = timedelta(days=31)
"""Longer than a bank's books and its shared ledger stand still at once."""

_log = structlog.get_logger(__name__)


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
        self._newest: datetime | None = None
        """What the clock lies too far after since the start; None where it does not."""
        self._is_right: Callable[[datetime], bool] = lambda _: False

    def begin(self, newest: datetime, is_right: Callable[[datetime], bool]) -> None:
        """Hold the clock against the newest time that is known here, at the start of the process.

        Args:
            newest: of an entry or a block.
            is_right: tells whether somebody has said lately, by the clock's time given, that it is right.
        """
        now = self._now()
        told = {"now": now.isoformat(timespec="seconds"), "newest": newest.isoformat(timespec="seconds")}
        if newest - now > LEAP_MAX:
            _log.error("clock_behind_at_start", **told)
        elif now - newest > REST_MAX and not is_right(now):
            _log.error("clock_ahead_at_start", **told)
            self._newest, self._is_right = newest, is_right

    def __call__(self) -> datetime:
        """Return the time.

        Raises:
            ClockLeaptError: the clock leapt forward.
        """
        now = self._now()
        began = now - self._running()
        if self._newest is not None:
            self._refuse_ahead(now, self._newest)
            # By this moment, not by the start's: another leap of that length would be believed.
            self._newest, self._began = None, began
        if began - self._began > LEAP_MAX:
            # Whole seconds: who waits says why again when the reason reads otherwise.
            leap = timedelta(seconds=round((began - self._began).total_seconds()))
            raise ClockLeaptError(
                f"this machine's clock leapt forward by {leap}, to {now.isoformat(timespec='seconds')}: "
                "nothing is posted until it is set right; if it is right now, start the node again"
            )
        self._began = max(began, self._began)
        return now

    def _refuse_ahead(self, now: datetime, newest: datetime) -> None:
        if now - newest > REST_MAX and not self._is_right(now):
            raise ClockLeaptError(
                f"this machine's clock says {now.isoformat(timespec='seconds')}, {(now - newest).days} days after the "
                f"newest entry and block here ({newest.isoformat(timespec='seconds')}): nothing is posted until it is "
                "set right; if it is right now, say so by `touch clock-is-right` in the node's folder of secrets"
            )
