"""The one door for writing: judges batches of requests and posts each batch in one database transaction.

Rules:
- one writer: it takes the books over with a new epoch, and an older writer can no longer commit (``FencedError``);
- a batch gives what its requests would give one after the other; a refused request never stops the others;
- the rules decide on a copy of the books in memory, and the same commit proves the copy true (balances, held money,
  terms, sequence, epoch). At the first doubt the copy is dropped and read again: PostgreSQL is the only truth;
- in the entries' own commit stand: postings, balances, leaves, the refusals that are kept, the decision records of the
  injected rules, and the writer's signatures over leaves and refusals; nothing is answered before that commit.

Left to others: collecting callers into batches (``node.books``), the rules of the decision (``Decider``).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from ledger.batch import BatchJudge
from ledger.commit import roll_back, script_of, send_rows, write_batch
from ledger.connections import WriterConnections, translated
from ledger.copy_rows import INSERTED_ROWS_MAX
from ledger.decision import Decider
from ledger.encoding import encode_batch
from ledger.errors import BooksUnavailableError, FencedError, InvalidValueError, StaleCopyError
from ledger.hold import HoldRelease
from ledger.journal import EPOCH, EntryResult, NewEntry, ResultCode, microseconds
from ledger.lookup import Lookup, MustReadError
from ledger.partitions import partitions_of
from ledger.prepared import PreparedBatch, Request, Result, Surroundings, bind_refusals, note_changes
from ledger.refusal import heads_to_bind, link
from ledger.sending import Sending, WriterConnection
from ledger.state import CLOSED, FROZEN, OPEN, State

ACCOUNTS_REMEMBERED_MAX = 500_000
"""Accounts and holds kept in memory, about 1 kB each; over this they are forgotten and read anew."""

BATCHES_REMEMBERED = 1
"""Committed batches whose keys are kept in memory, so that quick repeats need no look-up."""

LOOKUP_ENTRIES_MAX = 64
"""Up to so many entries, keys are looked up before; a larger batch relies on the unique index."""

SENT_POSTINGS_MAX = 16
"""Entries of more postings are left to a thread: whoever sends them waits for nothing, and is often an event loop."""

LOOKUPS_AFTER_REPEAT = 64
"""After the unique index refused a batch, so many batches look their keys up."""


STATUS_NUMBERS = {"open": OPEN, "frozen": FROZEN, "closed": CLOSED}
"""Status of an account as its functions take it."""


OPERATOR = "operator"
"""Who changes terms where the caller does not say."""


class AccountTerms(NamedTuple):
    """How far an account may go.

    Args:
        status: ``"open"``, ``"frozen"`` or ``"closed"``.
        floor: lowest available balance before the overdraft line; None for none.
        overdraft: how far below the floor the available balance may go.
        ceiling: highest balance; None for none.
    """

    status: str
    floor: int | None
    overdraft: int
    ceiling: int | None


class Sent:
    """A small batch on its way into the books.

    Args:
        writing: the connection to send it on.
        batch: prepared last, and alone.
        doubting: what tells errors of the database as ours, and drops the copy of the books.
    """

    def __init__(
        self,
        writing: AbstractContextManager[WriterConnection],
        batch: PreparedBatch,
        doubting: Callable[[psycopg.Connection[Any]], AbstractContextManager[None]],
    ) -> None:
        self._batch = batch
        self._doubting = doubting
        # Given back when it is answered.
        self._open = ExitStack()
        self._connection = self._open.enter_context(writing)
        with self._failing():
            self._sending = Sending(self._connection, batch.script.statements)
        self.socket = self._sending.socket
        """To call ``results`` whenever it can be read."""

    def results(self) -> list[Any] | None:
        """Return the results once they stand, None before; see ``Writer.post`` for what it raises."""
        with self._failing():
            if not self._sending.ended():
                return None
        self._open.close()
        self._batch.let_go()
        return self._batch.results

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            with self._doubting(self._connection):
                yield
        except BaseException:
            self._open.close()
            raise


class Writer:
    """Posts to the books. One thread may prepare a batch while others commit the ones before it.

    Args:
        url: connection URL of the organization's database.
        sign: Ed25519 signature of a batch digest, 64 bytes.
        decider: the compliance rules.
        now: the clock, UTC.
        random_bytes: source of salts.
        role: database role to act as; None keeps the connection's own.
    """

    def __init__(
        self,
        url: str,
        *,
        sign: Callable[[bytes], bytes],
        decider: Decider,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes] = os.urandom,
        role: str | None = None,
    ) -> None:
        self._connections = WriterConnections(url, role)
        self._sign = sign
        self._decider = decider
        self._now = now
        self._random_bytes = random_bytes
        self._lookup = Lookup(self._connections)
        self._judging = threading.Lock()
        self._state: State | None = None
        self._generation = 0
        self._recent: dict[int, int] = {}
        self._batches: list[PreparedBatch] = []
        self._lookups_left = 0
        self._last_posted_at = EPOCH
        self.epoch = 0
        """The epoch this writer holds; 0 before ``open``."""

    def open(self) -> None:
        """Connect and take the books over from any writer before.

        Raises:
            BooksUnavailableError: the database cannot be reached.
        """
        self._connections.open()
        row = self._one(b"SELECT epoch, nullif(posted_at, '-infinity') FROM ledger.take_over()")
        self.epoch = row[0]
        self._last_posted_at = max(self._last_posted_at, row[1] or EPOCH)
        self.forget()

    def close(self) -> None:
        """Close the connections; what was committed stays, what was not never happened."""
        self._connections.close()

    def reconnect(self) -> None:
        """Connect again under the same epoch after the connection was lost.

        Raises:
            FencedError: another writer took over meanwhile.
            BooksUnavailableError: the database cannot be reached.
        """
        self._connections.open()
        if self._one(b"SELECT epoch FROM ledger.head")[0] != self.epoch:
            raise FencedError(self.epoch)
        self.forget()

    @property
    def connected(self) -> bool:
        """Whether all connections stand, as far as is known."""
        return self._connections.standing

    def ensure_connected(self) -> None:
        """Connect again if a connection was lost; see ``reconnect`` for what it raises."""
        if not self.connected:
            self.reconnect()

    def post(self, requests: Sequence[Request]) -> list[Any]:
        """Post a batch and return the results in order, after the commit: ``EntryResult`` or ``HoldResult``.

        Raises:
            FencedError: another writer took over; nothing was posted.
            BooksUnavailableError: the outcome is unknown; posting the same requests again is safe.
            InvalidValueError: the last request is linked to one that does not follow.
        """
        if not requests:
            return []
        try:
            return self.commit(self.prepare(requests))
        except StaleCopyError:
            # An old key, or the books are not as remembered: both are known after reading again.
            return self.commit(self.prepare(requests))

    def send(self, requests: Sequence[Request]) -> Sent | None:
        """Prepare a few requests and send them to the database, and wait for nothing.

        Nothing else may be under way. Returns None, and has done nothing, where it takes more than that: many requests
        or postings, something to be read before, or nothing to be written. ``post`` does it then.

        Raises:
            BooksUnavailableError: the connection is lost; posting the same requests again is safe.
            InvalidValueError: the last request is linked to one that does not follow.
        """
        if len(requests) > INSERTED_ROWS_MAX:
            return None
        if any(isinstance(request, NewEntry) and len(request.postings) > SENT_POSTINGS_MAX for request in requests):
            return None
        try:
            with self._lookup.without_reading():
                batch = self.prepare(requests)
        except MustReadError:
            return None
        if not batch.writes:
            batch.let_go()
            return None
        return Sent(self._writing(), batch, self._doubting)

    def dry_run(self, requests: Sequence[Request]) -> list[Result]:
        """Return what ``post`` would answer now, on the same path, and write nothing. Leaves are left out."""
        with self._judging:
            batch = self._judge(requests, dry=True)
        return [
            result._replace(leaf=b"")
            if isinstance(result, EntryResult) and result.code is ResultCode.POSTED
            else result
            for result in batch.results
        ]

    def prepare(self, requests: Sequence[Request]) -> PreparedBatch:
        """Return the batch ready to commit; other threads may commit the batches before it meanwhile.

        Every prepared batch must be committed, in the order of preparation; one that cannot be must be followed by
        ``forget``, because the copy of the books counts it in.
        """
        with self._judging:
            return self._judge(requests, dry=False)

    def forget(self) -> None:
        """Drop the copy of the books; batches prepared on it are void."""
        self._generation += 1
        self._state = None

    def _judge(self, requests: Sequence[Request], *, dry: bool) -> PreparedBatch:
        if requests and requests[-1].linked:
            raise InvalidValueError("linked", True, "the last request has none after it to stand or fall with")
        try:
            # Read before the copy is: whoever forgets it in between makes the batch void.
            generation, state = self._generation, self._state_now()
            self._last_posted_at = max(self._last_posted_at, self._now())
            batch = PreparedBatch(generation, requests, self._last_posted_at, state.next_seq, state.closed_before)
            entries = [request for request in requests if isinstance(request, NewEntry)]
            look_up = self._wants_lookup(len(entries)) or dry
            facts = self._lookup.learn(state, requests, entries, with_keys=look_up)
            around = Surroundings(facts.standing, self._recent, tuple(self._batches), facts.actors)
            state.undo = [] if dry else None
            if not dry:
                self._lookup.make_room(state, len(entries))
            judge = BatchJudge(state, batch, around)
            judge.run()
            if not look_up:
                # A key that stands goes before every other refusal.
                judge.answer_standing(self._lookup.standing(state, judge.refused()))
            note_changes(state, batch)
            if not dry:
                state.greatest_key = max((state.greatest_key, *batch.keys))
                self._keep_refusals(state, batch, judge)
            batch.partitions = partitions_of(state.partitions, batch.first_seq, batch.last_seq)
            encode_batch(state, batch, self._decider, self._random_bytes, facts.actors)
            judge.answer_repeats()
            if dry:
                self._take_back(state, batch)
            else:
                self._batches.append(batch)
                if batch.writes:
                    batch.script = script_of(self.epoch, batch, self._decider, self._sign)
        except MustReadError:
            raise
        except psycopg.Error as error:
            self.forget()
            raise translated(error, self.epoch) from error
        except Exception:
            self.forget()
            raise
        return batch

    def _keep_refusals(self, state: State, batch: PreparedBatch, judge: BatchJudge) -> None:
        """Give the refusals their places in the chain, and let the entries that follow them carry its head."""
        before, at_us = state.refusals, microseconds(batch.posted_at)
        batch.first_refusal, batch.refusals_before = before.number + 1, before.head
        batch.refusals, state.refusals = link(before, judge.refusals(), at_us, self._random_bytes)
        bind_refusals(batch, heads_to_bind(before, batch.refusals))

    def _state_now(self) -> State:
        """Return the copy, read again where it was dropped or has grown too large."""
        state = self._state
        while len(self._batches) > BATCHES_REMEMBERED and self._batches[0].committed:
            for key in self._batches.pop(0).keys:
                self._recent.pop(key, None)
        # Holds by their rows: those that were taken back have some too.
        if state is not None and len(state.accounts) + state.hold_columns.count > ACCOUNTS_REMEMBERED_MAX:
            state = None if all(batch.committed for batch in self._batches) else state
        if state is None:
            self._recent, self._batches = {}, []
            state = self._state = self._lookup.new_state()
        return state

    def _wants_lookup(self, count: int) -> bool:
        if count <= LOOKUP_ENTRIES_MAX:
            return True
        self._lookups_left = max(0, self._lookups_left - 1)
        return self._lookups_left > 0

    def _take_back(self, state: State, batch: PreparedBatch) -> None:
        state.take_back()
        state.undo = None
        state.next_seq = batch.first_seq
        for key in batch.keys:
            del self._recent[key]

    def commit(self, batch: PreparedBatch, await_turn: Callable[[], object] = lambda: None) -> list[Any]:
        """Post a prepared batch in one database transaction.

        Args:
            await_turn: returns when the batch before has been committed, or never will be. Rows travel meanwhile: both
                cores of a small machine have work then.
        Raises:
            StaleCopyError: the books are not as the copy said, or an old key is repeated; nothing was posted, the copy
                is dropped, ``post`` with the same requests will know.
        """
        with self._writing() as connection:
            ahead = batch.writes and not batch.few and batch.generation == self._generation
            if ahead:
                with self._doubting(connection):
                    send_rows(connection, batch)
            await_turn()
            if batch.generation != self._generation:
                if ahead:
                    with self._doubting(connection):
                        roll_back(connection)
                raise StaleCopyError("the batch was judged on a copy of the books that was dropped since")
            with self._doubting(connection):
                if batch.writes:
                    write_batch(connection, batch)
                elif connection.execute(b"SELECT epoch FROM ledger.head").fetchall() != [(self.epoch,)]:
                    # Nothing to write: but only the writer of the books may say so.
                    raise FencedError(self.epoch)
        batch.let_go()
        return batch.results

    @contextmanager
    def _writing(self) -> Iterator[WriterConnection]:
        """Take a connection for a prepared batch; without one the copy, which counts the batch in, is dropped."""
        try:
            with self._connections.writing() as connection:
                yield connection
        except BooksUnavailableError:
            self.forget()
            raise

    @contextmanager
    def _doubting(self, connection: psycopg.Connection[Any]) -> Iterator[None]:
        """Drop the copy of the books whatever goes wrong, and tell it as an error of ours."""
        try:
            yield
        except psycopg.errors.UniqueViolation as error:
            self.forget()
            self._lookups_left = LOOKUPS_AFTER_REPEAT
            raise StaleCopyError("a key of the batch was posted before") from error
        except psycopg.Error as error:
            self.forget()
            raise translated(error, self.epoch) from error
        except Exception as error:
            self.forget()
            # The rules may wrap what the database said; a lost connection stays a lost connection.
            if connection.closed:
                raise BooksUnavailableError("the connection to the database was lost") from error
            raise

    def expire_holds(self, count_max: int = 1000) -> int:
        """Give back the money of holds whose deadline has passed; returns how many. Nothing may be under way."""
        due = self._all(b"SELECT ledger.due_holds(%s, %s)", (self._now(), count_max))
        results = self.post([HoldRelease(row[0]) for row in due])
        return sum(result.code is ResultCode.HOLD_EXPIRED for result in results)

    def run(self, statement: bytes, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Call one of the functions that change terms, periods or monitors, in line with the postings.

        The copy is dropped, as such a function may change what it holds. Nothing may be under way.
        """
        self.forget()
        return self._one(statement, (self.epoch, *arguments))

    def set_account_terms(self, reference: str, terms: AccountTerms, actor: str) -> str:
        """Set status and all terms of an account; returns the code of ``sql/functions/account_terms.sql``."""
        status = STATUS_NUMBERS[terms.status]
        arguments = (reference, status, terms.floor, terms.overdraft, terms.ceiling, actor, self.now())
        return str(self.run(b"SELECT ledger.set_account_terms(%s, %s, %s::smallint, %s, %s, %s, %s, %s)", arguments)[0])

    def change_account_terms(self, reference: str, change: Callable[[AccountTerms], AccountTerms], actor: str) -> str:
        """Set what ``change`` makes of an account's status and terms: of those that stand, so that what others changed
        a moment before stays. Nothing may be under way."""
        rows = self._all(
            b"SELECT status, floor, overdraft, ceiling FROM ledger.account_view WHERE reference = %s", (reference,)
        )
        standing = AccountTerms(*rows[0]) if rows else AccountTerms("open", None, 0, None)
        return self.set_account_terms(reference, change(standing), actor)

    def set_account_status(self, reference: str, status: str, actor: str = OPERATOR) -> str:
        """Open, freeze or close an account and leave its terms as they are."""
        return self.change_account_terms(reference, lambda terms: terms._replace(status=status), actor)

    @property
    def last_posted_at(self) -> datetime:
        """The time of the newest batch, as far as is known; the epoch's where there is none."""
        return self._last_posted_at

    def now(self) -> datetime:
        """Return the time of the next batch: never before the last one's."""
        self._last_posted_at = max(self._last_posted_at, self._now())
        return self._last_posted_at

    def _one(self, statement: bytes, arguments: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        (row,) = self._all(statement, arguments)
        return row

    def _all(self, statement: bytes, arguments: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            with self._connections.writing() as connection:
                return connection.execute(statement, arguments).fetchall()
        except psycopg.Error as error:
            raise translated(error, self.epoch) from error
