"""The one door for writing: posts batches of entries, each batch in one database transaction.

Rules:
- one writer: it takes the books over with a new epoch, and an older writer can no longer commit (``FencedError``);
- a batch gives what its entries would give one after the other; a refused entry never stops the others;
- in the entries' own commit stand: postings, balances, leaves, the decision records of the injected rules, and the
  writer's signature over the leaves; nothing is answered before that commit;
- PostgreSQL is the only truth. Remembered are only facts that never change (account ids, assets, sides).

Left to others: collecting callers into batches (``node.books``), the rules of the decision (``Decider``).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import psycopg

from ledger import pack
from ledger.account import AccountFacts, Side
from ledger.batch import KnownAccount, PreparedBatch, prepare_batch
from ledger.canonical import LEAF_BYTES, batch_digest
from ledger.connections import WriterConnections, translated
from ledger.errors import BooksUnavailableError, FencedError
from ledger.hold import Hold, NewHold
from ledger.journal import EPOCH, AcceptedEntry, Decider, EntryResult, NewEntry, Outcome, ResultCode
from ledger.money import Asset
from ledger.queries import query

APPLICATION_ROLE = "dwaybank_application"
"""May call the functions and read; may change no table."""

ACCOUNTS_REMEMBERED_MAX = 500_000
"""Facts of accounts kept in memory, about 700 bytes each; over this they are forgotten and learnt anew."""

MESSAGES = {
    ResultCode.POSTED: "",
    ResultCode.EXISTS: "this key was posted before with the same body",
    ResultCode.EXISTS_WITH_DIFFERENT_BODY: "this key was posted before with another body: use a new key",
    ResultCode.ACCOUNT_NOT_FOUND: "an account of this entry does not exist: open it first",
    ResultCode.UNBALANCED: "debits do not equal credits in every asset",
    ResultCode.HOLD_NOT_FOUND: "the hold to capture does not exist",
    ResultCode.HOLD_NOT_PLACED: "the hold was captured or released before",
    ResultCode.HOLD_EXPIRED: "the hold's deadline has passed",
    ResultCode.HOLD_MISMATCH: "the entry does not take exactly the held amount from the held account",
    ResultCode.ACCOUNT_CLOSED: "an account of this entry is closed",
    ResultCode.ACCOUNT_FROZEN: "an account of this entry is frozen",
    ResultCode.BALANCE_OVERFLOW: "a balance would leave the range the books can hold",
    ResultCode.EXCEEDS_AVAILABLE: "an account's available balance is too low",
}
"""A sentence for each code; nothing in it depends on the entry."""


_CODES = tuple(ResultCode)


class Writer:
    """Posts to the books; used by one thread at a time.

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
        self._accounts: dict[str, KnownAccount] = {}
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

    @property
    def connected(self) -> bool:
        """Whether both connections stand, as far as is known."""
        return self._connections.standing

    def ensure_connected(self) -> None:
        """Connect again if a connection was lost; see ``reconnect`` for what it raises."""
        if not self.connected:
            self.reconnect()

    def post(self, entries: Sequence[NewEntry]) -> list[EntryResult]:
        """Post a batch and return the results in order, after the commit.

        Raises:
            FencedError: another writer took over; nothing was posted.
            BooksUnavailableError: the outcome is unknown; posting the same entries again is safe.
        """
        return self.commit(self.prepare(entries)) if entries else []

    def prepare(self, entries: Sequence[NewEntry]) -> PreparedBatch:
        """Return the batch ready to commit; another thread may commit the batch before it meanwhile."""
        try:
            self._learn_accounts(entries)
        except psycopg.Error as error:
            raise translated(error, self.epoch) from error
        self._last_posted_at = max(self._last_posted_at, self._now())
        return prepare_batch(
            entries,
            accounts=self._accounts,
            decider=self._decider,
            posted_at=self._last_posted_at,
            random_bytes=self._random_bytes,
        )

    def commit(self, batch: PreparedBatch) -> list[EntryResult]:
        """Post a prepared batch in one database transaction; batches must come in the order they were prepared."""
        connection = self._connections.writing
        try:
            with connection.transaction(), connection.cursor(binary=True) as cursor:
                cursor.execute(query("post_entries"), (self.epoch, *batch.columns), prepare=True)
                row = cursor.fetchone()
                assert row is not None
                codes, seqs, outcomes, leaves = row
                accepted = _accepted(batch, codes, seqs, bytes(leaves))
                if accepted:
                    self._finish(cursor, batch, accepted, bytes(leaves))
        except psycopg.Error as error:
            raise translated(error, self.epoch) from error
        except Exception as error:
            # The rules may wrap what the database said; a lost connection stays a lost connection.
            if connection.closed:
                raise BooksUnavailableError("the connection to the database was lost") from error
            raise
        return self._results(codes, seqs, outcomes, accepted)

    def _finish(
        self, cursor: psycopg.Cursor[Any], batch: PreparedBatch, accepted: dict[int, AcceptedEntry], leaves: bytes
    ) -> None:
        """Write what belongs to the accepted entries in their own commit."""
        described = [i for i in batch.descriptions if i in accepted]
        if described:
            columns = (
                pack.pack_int8([accepted[i].seq for i in described]),
                pack.pack_hashes([batch.descriptions[i] for i in described]),
                pack.pack_texts([batch.entries[i].description for i in described]),
            )
            cursor.execute("SELECT ledger.describe_entries(%s, %s, %s, %s)", (self.epoch, *columns))
        in_order = list(accepted.values())
        self._decider.in_commit(cursor, in_order, batch.posted_at)
        first, last = in_order[0].seq, in_order[-1].seq
        digest = batch_digest(first, last, leaves)
        signed = (self.epoch, first, last, digest, self._sign(digest))
        cursor.execute("SELECT ledger.sign_batch(%s, %s, %s, %s, %s)", signed)

    def _results(
        self, codes: list[int], seqs: list[int | None], outcomes: list[int], accepted: dict[int, AcceptedEntry]
    ) -> list[EntryResult]:
        repeated = self._leaves_of([seq for code, seq in zip(codes, seqs, strict=True) if code == 1 and seq])
        results = []
        for i, (number, seq) in enumerate(zip(codes, seqs, strict=True)):
            code = _CODES[number]
            if code is ResultCode.POSTED:
                done = accepted[i]
                results.append(EntryResult(code, done.seq, done.decision.outcome, done.leaf))
            elif code is ResultCode.EXISTS:
                assert seq is not None
                results.append(EntryResult(code, seq, Outcome(outcomes[i]), repeated[seq], MESSAGES[code]))
            else:
                results.append(EntryResult(code, message=MESSAGES[code]))
        return results

    def _leaves_of(self, seqs: Sequence[int]) -> dict[int, bytes]:
        if not seqs:
            return {}
        rows = self._connections.writing.execute(query("entry_leaves"), (list(seqs),)).fetchall()
        return {seq: bytes(leaf) for seq, leaf in rows}

    def place_hold(self, hold: NewHold) -> tuple[str, Hold | None]:
        """Reserve money and return the code (``sql/functions/place_hold.sql`` lists them) and the hold if it stands."""
        now = self._hold_time()
        arguments = (self.epoch, hold.id, hold.account, hold.amount, hold.expires_at, now)
        code = str(self._one(b"SELECT ledger.place_hold(%s, %s, %s, %s, %s, %s)", arguments)[0])
        return code, self.find_hold(hold.id)

    def release_hold(self, hold_id: uuid.UUID) -> tuple[str, Hold | None]:
        """Give held money back; see ``sql/functions/end_hold.sql`` for the codes."""
        code = str(self._one(b"SELECT ledger.release_hold(%s, %s, %s)", (self.epoch, hold_id, self._hold_time()))[0])
        return code, self.find_hold(hold_id)

    def expire_holds(self, count_max: int = 1000) -> int:
        """Give back the money of holds whose deadline has passed; returns how many."""
        return int(self._one(b"SELECT ledger.expire_holds(%s, %s, %s)", (self.epoch, self._now(), count_max))[0])

    def set_account_status(self, reference: str, status: str) -> str:
        """Open, freeze or close an account, in line with the postings; returns the function's code."""
        number = {"open": 1, "frozen": 2, "closed": 3}[status]
        arguments = (self.epoch, reference, number)
        return str(self._one(b"SELECT ledger.set_account_status(%s, %s, %s::smallint)", arguments)[0])

    def find_hold(self, hold_id: uuid.UUID) -> Hold | None:
        """Return the hold as it stands, None when there is none."""
        try:
            row = self._connections.writing.execute(query("hold"), (hold_id,)).fetchone()
        except psycopg.Error as error:
            raise translated(error, self.epoch) from error
        return Hold(*row) if row is not None else None

    def _hold_time(self) -> datetime:
        self._last_posted_at = max(self._last_posted_at, self._now())
        return self._last_posted_at

    def _learn_accounts(self, entries: Sequence[NewEntry]) -> None:
        """Look up accounts not met before; an unknown one is asked for again each time, as it may be opened."""
        known = self._accounts
        unknown = {p.account for entry in entries for p in entry.postings if p.account not in known}
        if not unknown:
            return
        if len(known) > ACCOUNTS_REMEMBERED_MAX:
            known.clear()
            unknown = {posting.account for entry in entries for posting in entry.postings}
        rows = self._connections.looking.execute(query("account_facts"), (list(unknown),)).fetchall()
        for number, reference, code, scale, side in rows:
            facts = AccountFacts(number, reference, Asset(code, scale), Side(side))
            known[reference] = KnownAccount.of(facts)

    def _one(self, statement: bytes, arguments: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        try:
            row = self._connections.writing.execute(statement, arguments).fetchone()
        except psycopg.Error as error:
            raise translated(error, self.epoch) from error
        assert row is not None
        return tuple(row)


def _accepted(batch: PreparedBatch, codes: list[int], seqs: list[int], leaves: bytes) -> dict[int, AcceptedEntry]:
    """Return the accepted entries by their place in the batch; leaves stand in the same order."""
    accepted = {}
    at = 0
    for i, code in enumerate(codes):
        if code == ResultCode.POSTED:
            leaf = leaves[at : at + LEAF_BYTES]
            at += LEAF_BYTES
            accepted[i] = AcceptedEntry(seqs[i], batch.entries[i], batch.decisions[i], leaf)
    assert at == len(leaves)
    return accepted
