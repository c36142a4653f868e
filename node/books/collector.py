"""Collects requests from many callers into batches for the one writer (group commit).

Rules:
- requests are served in the order they came; what waits when the writer is free becomes the next batch, so an idle
  engine answers at once and a busy one grows its batches;
- while one batch commits, the next is prepared in another thread;
- after a lost connection the same batch is posted again: keys make that safe. A batch the database refuses as a whole
  is posted request by request, so that one caller's fault stays with that caller;
- a fenced writer answers everyone with ``FencedError`` from then on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from ledger.errors import BooksUnavailableError, FencedError, InvalidValueError, LedgerError, StaleCopyError
from ledger.posting import Writer
from ledger.prepared import PreparedBatch, Request
from network import tracing

BATCH_ENTRIES_MAX = 4000
"""Most entries collected into one batch; one caller's larger request still goes whole."""

WAITING_ENTRIES_MAX = 200_000
"""Most entries that may wait; more are refused at once, so that memory stays bounded."""

WORTHWHILE_ENTRIES = 400
"""From here on the next batch is prepared while one commits, rather than left to grow: both cores have work then.
With 2,000, eight callers of 200 never met it, and nothing overlapped (docs/benchmarks.md)."""

SMALL_BATCH_ENTRIES = 64
"""Up to here preparing costs less than handing the batch to another thread."""

RECONNECT_TRIES = 20
RECONNECT_PAUSE_S = 0.25
"""A restarted server answers within seconds; after that callers are told instead of kept waiting."""

T = TypeVar("T")
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Post:
    """Requests of one caller, posted together and in order."""

    requests: Sequence[Request]
    answer: asyncio.Future[list[Any]]


@dataclass(slots=True)
class _Command(Generic[T]):
    """Anything else that must stand in the writer's line."""

    work: Callable[[Writer], T]
    answer: asyncio.Future[T]


class Collector:
    """Feeds the writer from one event loop.

    Args:
        writer: open writer; belongs to the collector until ``stop``.
        committed: called in the event loop whenever something may have been committed, before anyone is answered.
    """

    def __init__(self, writer: Writer, committed: Callable[[], None]) -> None:
        self._writer = writer
        self._committed = committed
        self._waiting: deque[_Post | _Command[Any]] = deque()
        self._waiting_entries = 0
        self._arrived = asyncio.Event()
        self._preparing = ThreadPoolExecutor(1, thread_name_prefix="books-prepare")
        self._committing = ThreadPoolExecutor(1, thread_name_prefix="books-commit")
        self._worker: asyncio.Task[None] | None = None
        self._fenced: FencedError | None = None

    async def start(self) -> None:
        """Begin to serve."""
        self._worker = asyncio.create_task(self._work(), name="books-collector")

    async def stop(self) -> None:
        """Stop after the batch under way; whoever still waits is told that the books are not available."""
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker
        for job in self._waiting:
            _fail(job, BooksUnavailableError("the posting engine stops"))
        self._waiting.clear()
        self._preparing.shutdown()
        self._committing.shutdown()

    @property
    def fenced(self) -> bool:
        """Whether another writer took over: this process must not go on."""
        return self._fenced is not None

    async def post(self, requests: Sequence[Request]) -> list[Any]:
        """Post requests in order and return their results after the commit: ``EntryResult`` or ``HoldResult``.

        Raises:
            FencedError: another writer took over.
            BooksUnavailableError: the outcome is unknown or the engine is overloaded; asking again is safe.
            InvalidValueError: the last request is linked to one that does not follow.
        """
        if not requests:
            return []
        if requests[-1].linked:
            raise InvalidValueError("linked", True, "the last request has none after it to stand or fall with")
        if self._waiting_entries + len(requests) > WAITING_ENTRIES_MAX:
            raise BooksUnavailableError(f"more than {WAITING_ENTRIES_MAX} entries wait to be posted: slow down")
        job = _Post(requests, asyncio.get_running_loop().create_future())
        self._enqueue(job)
        return await job.answer

    async def run(self, work: Callable[[Writer], T]) -> T:
        """Run something else on the writer, in line with the postings before and after.

        Raises:
            FencedError: another writer took over.
            BooksUnavailableError: the database does not answer; whether the work was done is unknown.
        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._enqueue(_Command(work, answer))
        return await answer

    def _enqueue(self, job: _Post | _Command[Any]) -> None:
        if self._fenced is not None:
            raise self._fenced
        if self._worker is None or self._worker.done():
            raise BooksUnavailableError("the posting engine does not run")
        self._waiting.append(job)
        self._waiting_entries += len(job.requests) if isinstance(job, _Post) else 0
        self._arrived.set()

    async def _work(self) -> None:
        """Serve for ever. At most one batch commits while the next is prepared."""
        committing: asyncio.Task[None] | None = None
        try:
            while True:
                await self._something_waits(committing)
                if isinstance(self._waiting[0], _Command):
                    await _finished(committing)
                    command = self._waiting.popleft()
                    assert isinstance(command, _Command)
                    await self._run_command(command)
                    continue
                jobs = self._take_posts()
                try:
                    committing = await self._begin(jobs, committing)
                except asyncio.CancelledError:
                    for job in jobs:
                        _fail(job, BooksUnavailableError("the posting engine stops"))
                    raise
        finally:
            await _finished(committing)

    async def _begin(self, jobs: Sequence[_Post], committing: asyncio.Task[None] | None) -> asyncio.Task[None]:
        """Return the task that commits these jobs, begun after the batch before has ended."""
        idle = committing is None or committing.done()
        if idle and sum(len(job.requests) for job in jobs) <= SMALL_BATCH_ENTRIES:
            task = asyncio.create_task(self._settle(jobs, None))
            # Unprepared work may not run beside the preparation of the next batch.
            await asyncio.wait((task,))
            return task
        prepared = await self._prepare(jobs)
        await _finished(committing)
        return asyncio.create_task(self._settle(jobs, prepared))

    async def _something_waits(self, committing: asyncio.Task[None] | None) -> None:
        """Return when there is work, and enough of it: while a batch commits, the next one may grow."""
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            if committing is None or committing.done() or self._waiting_entries >= WORTHWHILE_ENTRIES:
                return
            # Looked at again afterwards: a commit that was fenced has answered all who waited.
            await asyncio.wait((committing,))

    def _take_posts(self) -> list[_Post]:
        jobs: list[_Post] = []
        count = 0
        while self._waiting:
            job = self._waiting[0]
            if isinstance(job, _Command) or (jobs and count + len(job.requests) > BATCH_ENTRIES_MAX):
                break
            self._waiting.popleft()
            jobs.append(job)
            count += len(job.requests)
        self._waiting_entries -= count
        return jobs

    async def _prepare(self, jobs: Sequence[_Post]) -> PreparedBatch | None:
        """Prepare ahead; None when that fails, because then the batch is prepared again when its turn comes."""
        try:
            return await self._in(self._preparing, self._writer.prepare, _requests(jobs))
        except LedgerError:
            return None

    async def _settle(self, jobs: Sequence[_Post], prepared: PreparedBatch | None) -> None:
        """Commit a batch and answer its callers. Raises nothing."""
        with tracing.span("post batch", entries=sum(len(job.requests) for job in jobs) if tracing.active() else 0):
            await self._settle_batch(jobs, prepared)

    async def _settle_batch(self, jobs: Sequence[_Post], prepared: PreparedBatch | None) -> None:
        try:
            if prepared is not None:
                results = await self._commit(jobs, prepared)
            else:
                results = await self._in(self._committing, self._writer.post, _requests(jobs))
        except FencedError as error:
            self._fence(error, jobs)
            return
        except Exception as error:  # noqa: BLE001 - root of the batch: every caller must get an answer
            await self._recover(jobs, error)
            return
        self._committed()
        _answer(jobs, results)

    async def _commit(self, jobs: Sequence[_Post], prepared: PreparedBatch) -> list[Any]:
        """Commit a prepared batch; judge it again on fresh books where its copy of them was stale."""
        try:
            return await self._in(self._committing, self._writer.commit, prepared)
        except StaleCopyError:
            return await self._in(self._committing, self._writer.post, _requests(jobs))

    async def _recover(self, jobs: Sequence[_Post], error: Exception) -> None:
        """Post again after a lost connection, or apart when the batch as a whole was refused."""
        _log.warning("books_batch_failed", entries=sum(len(job.requests) for job in jobs), error=type(error).__name__)
        reachable = True
        for job in jobs:
            if self._fenced is not None:
                _fail(job, self._fenced)
            elif reachable:
                reachable = await self._post_alone(job)
            else:
                _fail(job, BooksUnavailableError("the database does not answer"))

    async def _post_alone(self, job: _Post) -> bool:
        """Post one caller's entries, over a new connection where needed; return whether the database can be reached."""
        for attempt in range(RECONNECT_TRIES):
            try:
                await self._in(self._committing, self._writer.ensure_connected)
                results = await self._in(self._committing, self._writer.post, job.requests)
                self._committed()
                _answer([job], results)
            except FencedError as fenced:
                self._fence(fenced, [job])
            except BooksUnavailableError as error:
                if self._writer.connected or attempt == RECONNECT_TRIES - 1:
                    _fail(job, error)
                    return self._writer.connected
                await asyncio.sleep(RECONNECT_PAUSE_S if attempt else 0)
                continue
            except Exception as own:  # noqa: BLE001 - this caller's fault, or a fault of ours that he must hear of
                _fail(job, own)
            return True
        return False

    async def _run_command(self, command: _Command[Any]) -> None:
        try:
            result = await self._in(self._committing, command.work, self._writer)
        except FencedError as error:
            self._fence(error, ())
            _fail(command, error)
        except Exception as error:  # noqa: BLE001 - root of the command: its caller must get an answer
            _fail(command, error)
            with contextlib.suppress(LedgerError):
                await self._in(self._committing, self._writer.ensure_connected)
        else:
            self._committed()
            if not command.answer.done():
                command.answer.set_result(result)

    def _fence(self, error: FencedError, jobs: Sequence[_Post]) -> None:
        _log.error("books_fenced", epoch=error.epoch)
        self._fenced = error
        for job in (*jobs, *self._waiting):
            _fail(job, error)
        self._waiting.clear()
        self._waiting_entries = 0

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)


async def _finished(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        await asyncio.shield(task)


def _requests(jobs: Sequence[_Post]) -> list[Request]:
    return [request for job in jobs for request in job.requests]


def _answer(jobs: Sequence[_Post], results: Sequence[Any]) -> None:
    at = 0
    for job in jobs:
        end = at + len(job.requests)
        if not job.answer.done():
            job.answer.set_result(list(results[at:end]))
        at = end


def _fail(job: _Post | _Command[Any], error: Exception) -> None:
    # A caller that went away has cancelled its future; its entries were posted or not, and its key will tell.
    if not job.answer.done():
        job.answer.set_exception(error)
