"""Makes each past day's supervisory summary by itself, once, so that none is missing when somebody asks for it.

What is there already says what is still to make: a restart makes nothing twice, and a node that was away makes the days
it missed, a week of them at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

import structlog

from network.errors import NetworkError
from node.anchor.errors import AnchorError
from node.background import BackgroundWork
from node.reports.maker import ReportMaker, Wanted

logger = structlog.get_logger(__name__)

AFTER_MIDNIGHT = timedelta(minutes=10)
"""How long after a day's end, UTC, its summary is made: what was sent before midnight is committed by then."""

DAYS_BACK = 7
PAUSE_S = 60.0
KIND = "daily"


class DailyWorker(BackgroundWork):
    """Works until stopped.

    Args:
        maker: makes and keeps reports.
        since: the time from which on days are this node's to sum up.
        now: the clock, UTC.
    """

    def __init__(
        self, maker: ReportMaker, user: str, *, since: Callable[[], datetime | None], now: Callable[[], datetime]
    ) -> None:
        self._maker = maker
        self._user = user
        self._since = since
        self._now = now

    async def work(self) -> list[date]:
        """Make the summaries that are missing now; return their days."""
        since = await asyncio.to_thread(self._since)
        if since is None:
            return []
        ended = (self._now() - AFTER_MIDNIGHT).date()
        made = await asyncio.to_thread(self._maker.days_of, KIND)
        begun = [ended - timedelta(days=back) for back in range(DAYS_BACK, 0, -1)]
        missing = [day for day in begun if day not in made and end_of(day) > since]
        for day in missing:
            await self._maker.make(Wanted(KIND, day), self._user)
            logger.info("daily_report_made", day=day.isoformat())
        return missing

    async def _run(self) -> None:
        while True:
            try:
                await self.work()
            except (NetworkError, AnchorError) as error:
                logger.warning("daily_report_not_made", reason=str(error))
            await asyncio.sleep(PAUSE_S)


def end_of(day: date) -> datetime:
    """Return the moment in which a day ends, UTC."""
    return datetime.combine(day + timedelta(days=1), time(), UTC)
