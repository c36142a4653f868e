"""Finishes what is unfinished: after a restart, after a pause, at a deadline.

It wakes twice a second, takes the settlements whose next attempt is due and drives them, a few at a time. It owns
nothing: a second worker, or a request that drives the same settlement, does no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from ledger.errors import LedgerError
from node.background import BackgroundWork, Waits
from node.partner.driver import SettlementDriver
from node.partner.errors import SettlementError
from node.partner.receiver import SettlementReceiver
from node.partner.store import SettlementStore

log = structlog.get_logger(__name__)

INTERVAL_S = 0.5
BATCH_SIZE = 50
CONCURRENCY = 4


class SettlementWorker(BackgroundWork):
    """Drives unfinished settlements, both ways.

    Args:
        store: where they stand.
        driver: carries outgoing ones on.
        receiver: carries incoming ones on.
        now: clock.
        interval_s: time between two looks.
    """

    def __init__(
        self,
        store: SettlementStore,
        driver: SettlementDriver,
        receiver: SettlementReceiver,
        *,
        now: Callable[[], datetime],
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._store = store
        self._driver = driver
        self._receiver = receiver
        self._now = now
        self._interval_s = interval_s
        self._waits = Waits(log, "settlement.worker_waits")
        self._wakes_all = False

    async def start(self) -> None:
        """Begin to work; everything unfinished is due at once."""
        self._wakes_all = True
        await super().start()

    async def work_once(self) -> None:
        """Take one look and drive what is due.

        Raises:
            SettlementStoreError: the records do not answer.
        """
        if self._wakes_all:
            # Not at the start: with a clock that is not believed yet the process starts, and waits here.
            await self._store.wake_outgoing(self._now())
            self._wakes_all = False
        await self._receiver.resume(BATCH_SIZE)
        due = await self._store.due_outgoing(self._now(), BATCH_SIZE)
        gate = asyncio.Semaphore(CONCURRENCY)

        async def drive(settlement_id: str) -> None:
            async with gate:
                try:
                    await self._driver.drive(settlement_id)
                except (SettlementError, LedgerError) as error:
                    self._driver.stuck.tell(error, settlement_id, settlement_id=settlement_id)

        await asyncio.gather(*(drive(settlement_id) for settlement_id in due))

    async def _run(self) -> None:
        while True:
            try:
                await self.work_once()
            except (SettlementError, LedgerError) as error:
                self._waits.tell(error)
            except Exception as error:  # the root of the worker's task: it must outlive one bad settlement
                log.error("settlement.worker_failed", exc_info=error)
            else:
                self._waits.over()
            await asyncio.sleep(self._interval_s)
