"""Collects requests from many callers into batches for the one writer (group commit).

Rules:
- requests are served in the order they came; what waits when the writer is free becomes the next batch, so an idle
  engine answers at once and a busy one grows its batches. A lone caller's small request goes straight to the writer,
  and where nothing has to be read before, straight to the database: no thread waits for its answer;
- while one batch commits, the rows of the next travel, and the one after is prepared; they commit in the order they
  were prepared. Once one fails nothing new begins until it, and then each after it, was posted again or refused;
- after a lost connection the same batch is posted again: keys make that safe. A batch the database refuses as a whole
  is posted request by request, so that one caller's fault stays with that caller;
- a fenced writer answers everyone with ``FencedError`` from then on.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import structlog

from ledger.errors import (
    BooksUnavailableError,
    ClockLeaptError,
    FencedError,
    InvalidValueError,
    LedgerError,
    StaleCopyError,
)
from ledger.posting import Writer
from ledger.prepared import PreparedBatch, Request
from network import tracing

BATCH_ENTRIES_MAX = 12_000
"""Most entries collected into one batch; one caller's larger request still goes whole. A batch changes each account
once, however many of its entries move it: three of 4,000 as one cost the server a third less (docs/benchmarks.md)."""

FIRST_ENTRIES_MAX = 4_000
"""Most entries of a batch that finds nothing under way: the database stands idle while a large one is prepared."""

WAITING_ENTRIES_MAX = 200_000
"""Most entries that may wait; more are refused at once, so that memory stays bounded."""

WORTHWHILE_ENTRIES = 400
"""From here on the next batch is prepared while one commits, rather than left to grow: both cores have work then.
With 2,000, eight callers of 200 never met it, and nothing overlapped (docs/benchmarks.md)."""

FLIGHTS_MAX = 2
"""Batches on their way into the database at once: one settles while the rows of the next travel."""

AHEAD_ENTRIES = 4_000
"""From here on a third is prepared behind them rather than left to grow."""

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
        self._committing = ThreadPoolExecutor(FLIGHTS_MAX, thread_name_prefix="books-commit")
        self._flights: list[asyncio.Future[None]] = []
        self._jobs_before = 1
        """How many callers the batch before had."""
        self._unprepared: asyncio.Future[None] | None = None
        self._resting = False
        self._commits: set[asyncio.Future[Any]] = set()
        self._turn_ended = threading.Event()
        self._turn_ended.set()
        self._mending = False
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
        if isinstance(job, _Post):
            if self._jobs_before == 1 and self._is_idle() and _is_small((job,)):
                # One caller at a time, it seems. Not by way of the worker: a turn of the event loop is a tenth of the
                # time that one transfer takes. Of several callers the worker collects those of one turn.
                self._post_now((job,))
                return
            self._waiting_entries += len(job.requests)
        self._waiting.append(job)
        self._arrived.set()

    async def _work(self) -> None:
        """Serve for ever."""
        try:
            while True:
                await self._something_waits()
                if isinstance(self._waiting[0], _Command):
                    await self._landed()
                    command = self._waiting.popleft()
                    assert isinstance(command, _Command)
                    await self._run_command(command)
                    continue
                jobs = self._take_posts()
                try:
                    await self._begin(jobs)
                except asyncio.CancelledError:
                    for job in jobs:
                        _fail(job, BooksUnavailableError("the posting engine stops"))
                    raise
        finally:
            await asyncio.shield(self._landed())

    def _post_now(self, jobs: Sequence[_Post]) -> None:
        """Post a small batch in one go while nothing else is under way."""
        loop = asyncio.get_running_loop()
        landed: asyncio.Future[None] = loop.create_future()
        self._flights.append(landed)
        self._unprepared = landed

        def stands(results: list[Any]) -> None:
            self._committed()
            _answer(jobs, results)
            landed.set_result(None)

        def failed(error: Exception) -> None:
            posting: asyncio.Future[list[Any]] = loop.create_future()
            posting.set_exception(error)
            # Under way before this one has landed, so that nothing new begins in between.
            self._flights.append(asyncio.create_task(self._settle(jobs, posting)))
            landed.set_result(None)

        def post() -> None:
            try:
                with tracing.span("post batch", entries=_count(jobs)):
                    results = self._writer.post(requests)
            except Exception as error:  # noqa: BLE001 - root of the batch: told to those who wait for it
                loop.call_soon_threadsafe(failed, error)
            else:
                loop.call_soon_threadsafe(stands, results)

        def look() -> None:
            assert sent is not None
            try:
                results = sent.results()
                if results is None:
                    return
                go_on: Callable[[], object] = partial(stands, results)
            except StaleCopyError:
                go_on = partial(self._committing.submit, post)
            except Exception as error:  # noqa: BLE001 - as above
                go_on = partial(failed, error)
            loop.remove_reader(sent.socket)
            go_on()

        requests = _requests(jobs)
        try:
            # Two threads less to wake, which is a tenth of the time that one transfer takes; a span needs one.
            sent = None if tracing.active() else self._writer.send(requests)
        except Exception as error:  # noqa: BLE001 - as above
            failed(error)
            return
        if sent is None:
            self._committing.submit(post)
        else:
            loop.add_reader(sent.socket, look)

    async def _begin(self, jobs: Sequence[_Post]) -> None:
        """Begin to commit these jobs, behind the batches under way."""
        if not self._under_way() and _is_small(jobs):
            self._post_now(jobs)
            return
        if self._unprepared is not None:
            # Nothing is prepared beside it: it may drop the copy of the books.
            await asyncio.wait((self._unprepared,))
            self._unprepared = None
        prepared = await self._prepare(jobs)
        while len(self._under_way()) >= (1 if self._mending else FLIGHTS_MAX):
            await asyncio.wait(self._flights, return_when=asyncio.FIRST_COMPLETED)
        before = self._flights[-1] if self._flights else None
        self._flights.append(asyncio.create_task(self._settle(jobs, self._commit(jobs, prepared, before), before)))
        # The commit goes to its thread before the next preparation does, which would keep the interpreter from it.
        await asyncio.sleep(0)

    def _is_idle(self) -> bool:
        return self._resting and not self._waiting and not self._under_way()

    def _under_way(self) -> Sequence[asyncio.Future[None]]:
        """Return the batches that are being committed, oldest first."""
        self._flights = [task for task in self._flights if not task.done()]
        self._mending = self._mending and bool(self._flights)
        return self._flights

    async def _landed(self) -> None:
        """Return when nothing is under way."""
        while flights := self._under_way():
            await asyncio.wait(flights)

    async def _something_waits(self) -> None:
        """Return when there is work, and enough of it: while batches commit, the next one may grow."""
        while True:
            while not self._waiting:
                self._arrived.clear()
                self._resting = True
                try:
                    await self._arrived.wait()
                finally:
                    self._resting = False
            flights = self._under_way()
            worthwhile = WORTHWHILE_ENTRIES if len(flights) < FLIGHTS_MAX else AHEAD_ENTRIES
            if not flights or self._waiting_entries >= worthwhile:
                return
            # Looked at again afterwards: a commit that was fenced has answered all who waited.
            await asyncio.wait(flights, return_when=asyncio.FIRST_COMPLETED)

    def _take_posts(self) -> list[_Post]:
        jobs: list[_Post] = []
        count = 0
        most = BATCH_ENTRIES_MAX if self._under_way() else FIRST_ENTRIES_MAX
        while self._waiting:
            job = self._waiting[0]
            if isinstance(job, _Command) or (jobs and count + len(job.requests) > most):
                break
            self._waiting.popleft()
            jobs.append(job)
            count += len(job.requests)
        self._waiting_entries -= count
        self._jobs_before = len(jobs)
        return jobs

    async def _prepare(self, jobs: Sequence[_Post]) -> PreparedBatch | None:
        """Prepare ahead; None when that fails, because then the batch is prepared again when its turn comes."""
        try:
            return await self._in(self._preparing, self._writer.prepare, _requests(jobs))
        except LedgerError:
            return None

    async def _settle(
        self, jobs: Sequence[_Post], posting: Awaitable[list[Any]], before: asyncio.Future[None] | None = None
    ) -> None:
        """Answer callers once their batch is committed. Raises nothing."""
        with tracing.span("post batch", entries=_count(jobs) if tracing.active() else 0):
            try:
                results = await posting
            except FencedError as error:
                self._fence(error, jobs)
                return
            except Exception as error:  # noqa: BLE001 - root of the batch: every caller must get an answer
                await self._alone(before)
                await self._recover(jobs, error)
                return
            self._committed()
            _answer(jobs, results)

    async def _commit(
        self, jobs: Sequence[_Post], prepared: PreparedBatch | None, before: asyncio.Future[None] | None
    ) -> list[Any]:
        """Commit a prepared batch in its turn; judge it again on fresh books where its copy of them was stale."""
        if prepared is not None:
            my_turn, self._turn_ended = self._turn_ended, threading.Event()
            commit = asyncio.ensure_future(
                self._in(self._committing, self._commit_in_turn, prepared, my_turn, self._turn_ended)
            )
            self._commits.add(commit)
            commit.add_done_callback(self._commits.discard)
            with contextlib.suppress(StaleCopyError):
                return await commit
        await self._alone(before)
        return await self._in(self._preparing, self._post_anew, jobs)

    def _commit_in_turn(self, prepared: PreparedBatch, turn: threading.Event, ended: threading.Event) -> list[Any]:
        try:
            return self._writer.commit(prepared, turn.wait)
        finally:
            ended.set()

    def _post_anew(self, jobs: Sequence[_Post]) -> list[Any]:
        # Whatever was prepared since on the fresh copy came later, and has to stand behind these.
        self._writer.forget()
        return self._writer.post(_requests(jobs))

    async def _alone(self, before: asyncio.Future[None] | None) -> None:
        """Return when those before are answered and nobody commits; nothing new begins until this flight ends."""
        self._mending = True
        if before is not None:
            await asyncio.wait((before,))
        if self._commits:
            await asyncio.wait(tuple(self._commits))

    async def _recover(self, jobs: Sequence[_Post], error: Exception) -> None:
        """Post again after a lost connection, or apart when the batch as a whole was refused."""
        # Health tells of the clock, for as long as it lasts; a line for each caller would tell nothing more.
        if not isinstance(error, ClockLeaptError):
            _log.warning("books_batch_failed", entries=_count(jobs), error=type(error).__name__)
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
                await self._in(self._preparing, self._writer.ensure_connected)
                results = await self._in(self._preparing, self._writer.post, job.requests)
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


def _count(jobs: Sequence[_Post]) -> int:
    return sum(len(job.requests) for job in jobs)


def _is_small(jobs: Sequence[_Post]) -> bool:
    return _count(jobs) <= SMALL_BATCH_ENTRIES


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
