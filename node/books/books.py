"""Everything the other parts of the node ask of the organization's books, as coroutines.

Rules:
- postings and holds go through the collector, one after the other; reads use connections of their own and see what was
  committed before they began;
- expired holds are given back by a sweep; a capture after the deadline is refused whether or not the sweep was there.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
import structlog
from psycopg_pool import ConnectionPool, PoolTimeout

from ledger import audit, balances, balances_in_time, periods, schema, statements, tenants
from ledger.account import UNNAMED_ACTOR, Account, NewAccount, Side, Terms
from ledger.errors import BooksUnavailableError, ConflictError, InvalidValueError, LedgerError, NotFoundError
from ledger.hold import Hold, HoldRelease, HoldResult, NewHold
from ledger.journal import EntryResult, NewEntry
from ledger.lookup import find_hold
from ledger.monitor_store import MONITORS_MAX, drop_monitor, set_monitor
from ledger.monitors import Monitor
from ledger.posting import AccountTerms, Writer
from ledger.prepared import Request
from node.background import Waits
from node.books.collector import Collector
from node.books.outbox_stream import Bell

READERS = 4
"""Connections and threads for reads."""

READ_TIMEOUT_S = 10.0
SWEEP_PAUSE_S = 1.0
"""Time between two looks for expired holds."""

SUMS_PAUSE_S = 5.0
"""Time between two looks for dated postings to sum up, and for room in the journal."""

P = ParamSpec("P")
T = TypeVar("T")
_log = structlog.get_logger(__name__)


class Books:
    """The books of this organization.

    Args:
        url: connection URL for reads.
        writer: not yet open; this process's only one.
        now: the clock, UTC.
        taken_over: called with the newest entry's time, the epoch's where there is none, before anything is dated.
    """

    def __init__(
        self,
        url: str,
        writer: Writer,
        *,
        now: Callable[[], datetime],
        taken_over: Callable[[datetime], None] = lambda newest: None,
    ) -> None:
        self._url = url
        self._taken_over = taken_over
        self._writer = writer
        self.now = now
        self.bell = Bell()
        """Rung after each commit of this process."""
        self.tenant = ""
        """Empty: these are the books of the whole organization (``tenant_books`` has those of a tenant)."""
        self.number: int | None = None
        """The tenant's number, if these were a tenant's."""
        self._collector = Collector(writer, self.bell.ring)
        self._pool: ConnectionPool[psycopg.Connection[Any]] | None = None
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="books-read")
        self._chores: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Take the books over and begin to serve.

        Raises:
            BooksUnavailableError: the database cannot be reached.
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._readers, self._writer.open)
        self._taken_over(self._writer.last_posted_at)
        self._pool = ConnectionPool(
            self._url,
            min_size=1,
            max_size=READERS,
            kwargs={"autocommit": True},
            timeout=READ_TIMEOUT_S,
            check=ConnectionPool.check_connection,
            open=False,
        )
        await loop.run_in_executor(self._readers, self._pool.open)
        await self._collector.start()
        self._chores = [asyncio.create_task(chore()) for chore in (self._sweep, self._sum_up)]
        _log.info("books_opened", epoch=self._writer.epoch)

    async def stop(self) -> None:
        """Finish the batch under way, then close."""
        for chore in self._chores:
            chore.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await chore
        await self._collector.stop()
        if self._pool is not None:
            await asyncio.to_thread(self._pool.close)
        await asyncio.to_thread(self._writer.close)
        await asyncio.to_thread(self._readers.shutdown)

    @property
    def fenced(self) -> bool:
        """Whether another process took the books over: this one must end."""
        return self._collector.fenced

    @property
    def epoch(self) -> int:
        """The epoch this process holds; 0 before ``start``."""
        return self._writer.epoch

    async def post(self, entry: NewEntry) -> EntryResult:
        """Post one entry and return its result after the commit; see ``Collector.post`` for what it raises."""
        (result,) = await self._collector.post((entry,))
        assert isinstance(result, EntryResult)
        return result

    async def post_batch(self, requests: Sequence[Request]) -> list[Any]:
        """Post entries, holds and releases in order; return their results after the commit; see ``Collector.post``."""
        return await self._collector.post(requests)

    async def dry_run(self, requests: Sequence[Request]) -> list[Any]:
        """Return what ``post_batch`` would answer now, and write nothing."""
        return await self._collector.run(lambda writer: writer.dry_run(requests))

    async def place_hold(self, hold: NewHold) -> HoldResult:
        """Reserve money; the result carries the hold if it stands."""
        return await self._hold(hold)

    async def release_hold(self, hold_id: uuid.UUID) -> HoldResult:
        """Give held money back; the result carries the hold if it stands."""
        return await self._hold(HoldRelease(hold_id))

    async def _hold(self, request: NewHold | HoldRelease) -> HoldResult:
        (result,) = await self._collector.post((request,))
        assert isinstance(result, HoldResult)
        return result

    async def find_hold(self, hold_id: uuid.UUID) -> Hold | None:
        """Return the hold as it stands, None when there is none."""
        return await self.read(find_hold, hold_id)

    async def change_account_terms(
        self, reference: str, change: Callable[[AccountTerms], AccountTerms], actor: str
    ) -> str:
        """Set what ``change`` makes of an account's status and terms, in line with the postings; see the writer's."""
        return await self._collector.run(lambda writer: writer.change_account_terms(reference, change, actor))

    async def set_account_status(self, reference: str, status: str) -> str:
        """Open, freeze or close an account, in line with the postings."""
        return await self._collector.run(lambda writer: writer.set_account_status(reference, status))

    async def open_account(self, reference: str, asset: str, normal_side: Side, floor: int | None) -> str:
        """Open an account: ``"created"``, ``"exists"``, ``"exists_with_different_body"`` or ``"asset_not_found"``.

        Raises:
            InvalidValueError: malformed reference, or a floor above zero.
        """
        try:
            _, created = await self.open_account_of(reference, asset, normal_side, floor)
        except ConflictError:
            return "exists_with_different_body"
        except InvalidValueError as error:
            if error.field == "asset":
                return "asset_not_found"
            raise
        return "created" if created else "exists"

    async def open_account_of(
        self, reference: str, asset: str, normal_side: Side, floor: int | None
    ) -> tuple[Account, bool]:
        """Open an account with a floor only and return it, and whether it is new; see ``open_new_account``."""
        return await self.open_new_account(NewAccount(reference, asset, normal_side, Terms(floor)))

    async def open_new_account(self, new: NewAccount, actor: str = UNNAMED_ACTOR) -> tuple[Account, bool]:
        """Open an account and return it, and whether it is new; see ``balances.open_new_account``."""
        return await self.read(balances.open_new_account, new, now=self.now(), actor=actor)

    async def find_account(self, reference: str) -> Account | None:
        """Return an account as it stands, None when there is none."""
        try:
            return await self.read(balances.find_account, reference)
        except NotFoundError:
            return None

    async def find_entry(self, by: int | uuid.UUID) -> statements.PostedEntry | None:
        """Return an entry by number or key, None when there is none."""
        try:
            return await self.read(statements.find_entry, by)
        except NotFoundError:
            return None

    async def close_period(self, closed_before: datetime, actor: str) -> periods.Period:
        """Close the books for times before; the report is written when this returns.

        Raises:
            InvalidValueError: the time is not over, or the actor is malformed.
            ConflictError: they are closed that far already.
        """
        number = await self._collector.run(lambda writer: periods.close_period(writer, closed_before, actor=actor))
        await self.read(periods.report_periods, now=self.now())
        return await self._period(number)

    async def reopen_period(self, number: int, actor: str, reason: str) -> periods.Period:
        """Open the period closed last again; see ``periods.reopen_period`` for what it raises."""
        await self.read(periods.report_periods, now=self.now())
        await self._collector.run(lambda writer: periods.reopen_period(writer, number, actor=actor, reason=reason))
        return await self._period(number)

    async def _period(self, number: int) -> periods.Period:
        return (await self.read(periods.list_periods))[number - 1]

    async def set_monitor(self, monitor: Monitor, *, tenant: int | None = None) -> bool:
        """Watch from here on, in line with the postings; false when it is watched already.

        Args:
            monitor: what to watch.
            tenant: who asks, by number; None for the organization.
        Raises:
            NotFoundError: no such account.
            ConflictError: the id stands for another condition, or the account has as many as it may.
        """
        code = await self._collector.run(lambda writer: set_monitor(writer.run, monitor, writer.now(), tenant))
        if code == "account_not_found":
            raise NotFoundError(f"account {monitor.account} does not exist")
        if code == "account_striped":
            raise InvalidValueError("account", monitor.account, "is striped: nothing can be watched on it")
        if code == "exists_with_different_body":
            raise ConflictError(f"monitor {monitor.id} stands already with another condition")
        if code == "too_many_monitors":
            raise ConflictError(f"account {monitor.account} has {MONITORS_MAX} monitors: drop one first")
        return code == "created"

    async def drop_monitor(self, monitor_id: uuid.UUID, *, tenant: int | None = None) -> bool:
        """Watch no longer; false when it was dropped before.

        Args:
            monitor_id: the monitor.
            tenant: who asks, by number; None for the organization. A tenant drops what he set himself.
        Raises:
            NotFoundError: no such monitor.
        """
        code = await self._collector.run(lambda writer: drop_monitor(writer.run, monitor_id, writer.now(), tenant))
        if code == "monitor_not_found":
            raise NotFoundError(f"monitor {monitor_id} does not exist")
        return code == "dropped"

    async def share_account(self, reference: str, *, shared: bool, actor: str) -> bool:
        """Let all tenants post to an account, or no longer; see ``tenants.share_account``."""
        return await self._collector.run(
            lambda writer: tenants.share_account(writer.run, reference, shared=shared, actor=actor, now=writer.now())
        )

    async def verify(self) -> list[audit.Finding]:
        """Re-prove the books from their postings; empty when sound."""
        return await self.read(audit.verify_books)

    def actor(self, given: str) -> str:
        """Return whom the books name as the one who acts."""
        return given

    async def require_account(self, reference: str) -> None:
        """Let pass: what is asked of all books finds out itself whether an account exists."""

    async def require_own_alias(self, alias: str) -> None:
        """Let pass: the organization may name its accounts as it likes."""

    async def write(
        self,
        work: Callable[Concatenate[psycopg.Connection[Any], P], T],
        /,
        *arguments: P.args,
        **named: P.kwargs,
    ) -> T:
        """Run one of the functions of ``ledger`` that change what needs no place in the writer's line; as ``read``."""
        return await self.read(work, *arguments, **named)

    async def read(
        self,
        work: Callable[Concatenate[psycopg.Connection[Any], P], T],
        /,
        *arguments: P.args,
        **named: P.kwargs,
    ) -> T:
        """Run one of the reading functions of ``ledger`` on a connection of its own.

        Raises:
            BooksUnavailableError: the database does not answer.
            LedgerError: what the function raises.
        """

        def on_connection() -> T:
            if self._pool is None:
                raise BooksUnavailableError("the books are not open")
            try:
                with self._pool.connection() as connection:
                    return work(connection, *arguments, **named)
            except PoolTimeout as error:
                raise BooksUnavailableError("the database does not answer") from error
            except psycopg.Error as error:
                reason = error.diag.message_primary or str(error).splitlines()[0]
                raise BooksUnavailableError(f"the database refused the work: {reason}") from error

        return await asyncio.get_running_loop().run_in_executor(self._readers, on_connection)

    async def _sweep(self) -> None:
        waits = Waits(_log, "hold_sweep_waits")
        while True:
            await asyncio.sleep(SWEEP_PAUSE_S)
            try:
                expired = await self._collector.run(Writer.expire_holds)
            except LedgerError as error:
                waits.tell(error)
                continue
            waits.over()
            if expired:
                _log.info("holds_expired", count=expired)

    async def _sum_up(self) -> None:
        """Keep partitions, sums of dated postings and reports of closed periods up to date, whatever a stop left."""
        waits = Waits(_log, "sums_wait")
        while True:
            try:
                await self.read(schema.keep_partition_ahead)
                await self.read(balances_in_time.snapshot)
                await self.read(periods.report_periods, now=self.now())
            except LedgerError as error:
                waits.tell(error)
            else:
                waits.over()
            await asyncio.sleep(SUMS_PAUSE_S)
