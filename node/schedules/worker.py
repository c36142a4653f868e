"""Posts scheduled entries when they are due: looks, posts what is due as one batch, records what became of it.

Rules:
- an occurrence's key is derived from its schedule and due time, so a crash between posting and recording costs nothing:
  after the restart the same entry is posted again, the books answer that it exists, and that is recorded;
- only the node that holds the writer's epoch can post, and only it can record (``ledger.schedule_record``);
- a schedule handles its occurrences one after the other; what is due afterwards is looked at in the next round, and the
  next round follows at once while there is anything to do;
- an entry that a tenant ordered keeps within the books that he has when it is posted;
- a schedule that this release cannot read is paused and named in the log; it stops no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from ledger.errors import FencedError, InvalidValueError, LedgerError
from ledger.journal import EntryResult, NewEntry
from ledger.schedule import Run, Schedule, State, entry_of, invalid, is_missed, judged, skipped
from ledger.schedule_store import KeptSchedule, change_schedule, due_schedules, record_runs
from node.background import BackgroundWork, Waits
from node.books.books import Books

INTERVAL_S = 1.0
"""Time between two looks when nothing is due."""

BATCH_SIZE = 200
"""Most occurrences of one round."""

ACTOR = "scheduler"
"""Who pauses a schedule that cannot be read."""

_log = structlog.get_logger(__name__)


class ScheduleWorker(BackgroundWork):
    """Works on the schedules of this organization's books.

    Args:
        books: open.
        epoch: the epoch the writer of these books holds.
        now: the clock, UTC.
        interval_s: time between two looks when nothing is due.
    """

    def __init__(
        self,
        books: Books,
        *,
        epoch: Callable[[], int],
        now: Callable[[], datetime],
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._books = books
        self._epoch = epoch
        self._now = now
        self._interval_s = interval_s
        self._waits = Waits(_log, "schedule_worker_waits")

    async def work_once(self) -> int:
        """Take one look, handle what is due, and return how many occurrences were settled or tried.

        Raises:
            FencedError: another writer took the books over.
            BooksUnavailableError: the books do not answer; nothing is lost.
        """
        now = self._now()
        due, unreadable = await self._books.read(due_schedules, now, BATCH_SIZE)
        for schedule_id in unreadable:
            _log.error("schedule_unreadable", schedule_id=str(schedule_id))
            await self._books.read(change_schedule, schedule_id, "pause", actor=ACTOR, now=now)
        done: list[tuple[Schedule, Run, State]] = []
        posting: list[tuple[KeptSchedule, NewEntry]] = []
        for kept in due:
            self._sort(kept, now, done, posting)
        for (kept, _), result in zip(posting, await self._post([entry for _, entry in posting]), strict=True):
            if result is not None:
                settled = judged(kept.schedule, kept.state, result.code, result.seq, self._now())
                done.append((kept.schedule, *settled))
        if not done:
            return 0
        recorded = await self._books.read(record_runs, self._epoch(), done)
        self._tell(done, recorded)
        return sum(recorded)

    def _sort(
        self,
        kept: KeptSchedule,
        now: datetime,
        done: list[tuple[Schedule, Run, State]],
        posting: list[tuple[KeptSchedule, NewEntry]],
    ) -> None:
        """Put an occurrence with those to be posted, or with those that are settled without."""
        schedule, state = kept.schedule, kept.state
        assert state.occurrence is not None
        if is_missed(schedule, state, now):
            done.append((schedule, *skipped(schedule, state, now)))
            return
        try:
            entry = entry_of(schedule, state.occurrence.due_at)
            posting.append((kept, replace(entry, scope=kept.scope)))
        except InvalidValueError:
            done.append((schedule, *invalid(schedule, state, now)))

    async def _post(self, entries: Sequence[NewEntry]) -> list[EntryResult | None]:
        """Post as one batch; one by one where the batch as a whole is refused, with None for what still is."""
        try:
            return list(await self._books.post_batch(entries))
        except FencedError:
            raise
        except LedgerError as error:
            if len(entries) == 1:
                _log.warning("schedule_waits", reason=str(error))
                return [None]
        return [result for entry in entries for result in await self._post([entry])]

    def _tell(self, done: Sequence[tuple[Schedule, Run, State]], recorded: Sequence[bool]) -> None:
        for (schedule, run, state), stands in zip(done, recorded, strict=True):
            if stands and run.seq is None:
                _log.warning(
                    "schedule_run_refused",
                    schedule_id=str(schedule.id),
                    due_at=run.due_at.isoformat(),
                    attempt=run.attempt,
                    code=run.code,
                    status=state.status.name.lower(),
                )

    async def _run(self) -> None:
        while True:
            worked = 0
            try:
                worked = await self.work_once()
            except FencedError as error:
                _log.error("schedule_worker_ends", reason=str(error))
                return
            except LedgerError as error:
                self._waits.tell(error)
            except Exception as error:  # noqa: BLE001 - root of the task: it outlives one bad schedule
                _log.error("schedule_worker_failed", exc_info=error)
            else:
                self._waits.over()
            await asyncio.sleep(0 if worked else self._interval_s)
