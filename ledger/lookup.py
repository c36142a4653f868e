"""Reads what the writer must know before it can judge: accounts, holds, entries to reverse, keys, actors.

Rules:
- it reads on a connection of its own, while the batch before may be committing: whatever that batch touches is in the
  copy already, so what is read here is nobody's unfinished work;
- only what the copy lacks is asked for, all of one kind with one statement.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg

from ledger import pack
from ledger.account import AccountFacts, Side
from ledger.account_columns import NO_TIME
from ledger.archived import archived_seq
from ledger.connections import WriterConnections
from ledger.hold import Hold, NewHold
from ledger.journal import NewEntry, Outcome, microseconds
from ledger.money import Asset
from ledger.monitor_store import monitors_of
from ledger.partitions import Partition
from ledger.prepared import Request, Standing
from ledger.queries import query
from ledger.refusal import NO_REFUSALS, ChainEnd
from ledger.state import AccountState, OriginalEntry, State


def find_hold(connection: psycopg.Connection[Any], hold_id: uuid.UUID) -> Hold | None:
    """Return a hold as it stands in the books, None when there is none."""
    row = connection.execute(query("hold"), (hold_id,)).fetchone()
    return Hold(*row) if row is not None else None


class MustReadError(Exception):
    """The copy of the books lacks something, and it was not to be read."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What does not belong into the copy.

    Args:
        standing: entries of the books under keys asked for again, by key.
        actors: numbers of the actors named, by name.
    """

    standing: dict[int, Standing]
    actors: dict[str, int]


class Lookup:
    """Fills the copy of the books with what a batch needs.

    Args:
        connections: the writer's.
    """

    def __init__(self, connections: WriterConnections) -> None:
        self._connections = connections
        self._actors: dict[str, int] = {}
        self._may_read = True

    @contextmanager
    def without_reading(self) -> Iterator[None]:
        """Raise ``MustReadError`` meanwhile, before anything was changed, where the copy lacks something."""
        self._may_read = False
        try:
            yield
        finally:
            self._may_read = True

    @property
    def _reading(self) -> psycopg.Connection[Any]:
        if not self._may_read:
            raise MustReadError
        return self._connections.looking

    def new_state(self) -> State:
        """Return an empty copy of the books as they stand."""
        ((next_seq, closed_before, key, hold, *newest),) = self._rows("head_state", ())
        refusals = NO_REFUSALS if newest[0] is None else ChainEnd(*newest)
        greatest_key, greatest_hold = (-1 if greatest is None else greatest.int for greatest in (key, hold))
        return State(next_seq, closed_before, greatest_key, greatest_hold, self._partitions(), refusals)

    def make_room(self, state: State, count: int) -> None:
        """See to it that the journal has partitions for so many more entries; mostly it has (``node.books``)."""
        last_seq = state.next_seq + count - 1
        if state.partitions and state.partitions[-1].last_seq >= last_seq:
            return
        self._reading.execute(b"SELECT ledger.provide_partitions(%s)", (last_seq,))
        state.partitions = self._partitions()

    def _partitions(self) -> list[Partition]:
        return [Partition(*row) for row in self._rows("partitions", ())]

    def learn(
        self, state: State, requests: Sequence[Request], entries: Sequence[NewEntry], *, with_keys: bool
    ) -> Facts:
        """Read what is missing into the copy and return the rest.

        Args:
            entries: the entries among the requests.
            with_keys: whether to look the entries' keys up. Those of linked ones always are: what a chain that fails
                did before it failed leaves no trace by which a repeat in it could be told afterwards.
        """
        others = [entry for entry in entries if not entry.is_plain]
        about_holds = [request for request in requests if not isinstance(request, NewEntry)]
        placed = [request for request in about_holds if type(request) is NewHold]
        known = state.accounts
        wanted = {posting.account for entry in entries for posting in entry.postings if posting.account not in known}
        wanted |= {hold.account for hold in placed if hold.account not in known}
        holds = {request.id.int for request in about_holds}
        holds |= {entry.hold_id.int for entry in others if entry.hold_id is not None}
        # Ids in the order of time cost no look-up where holds are placed, as in ``standing``.
        unknown = [n.to_bytes(16, "big") for n in holds.difference(state.holds) if n <= state.greatest_hold]
        rows = self._rows("hold_states", (pack.pack_uuids(unknown),)) if unknown else []
        self._learn_accounts(state, wanted | {row[1] for row in rows})
        _remember_holds(state, rows)
        self._learn_originals(state, {entry.reverses for entry in others if entry.reverses is not None})
        if not with_keys:
            entries = _in_chains(requests) if any(request.linked for request in (*others, *about_holds)) else ()
        standing = self.standing(state, entries)
        return Facts(standing, self._actor_numbers({entry.actor for entry in others if entry.actor}))

    def _learn_accounts(self, state: State, wanted: set[str]) -> None:
        unknown = wanted.difference(state.accounts)
        if not unknown:
            return
        learnt: dict[int, str] = {}
        striped: dict[int, list[AccountState]] = {}
        for row in self._rows("account_states", (list(unknown), [])):
            account = _remember_account(state.add_account, row)
            learnt[account.id] = account.facts.reference
            if row[-1]:
                striped[account.id] = []
        if striped:
            self._learn_stripes(state, striped, learnt)
        for number, monitors in monitors_of(self._reading, list(learnt)).items():
            account = state.accounts[learnt[number]]
            account.monitors = monitors
            account.bound()

    def _learn_stripes(self, state: State, striped: dict[int, list[AccountState]], learnt: Mapping[int, str]) -> None:
        """Give striped accounts their stripes, in the order of their numbers."""
        for whole, *row in self._rows("account_states", ([], list(striped))):
            striped[whole].append(_remember_account(state.add_stripe, (whole, *row)))
        for number, stripes in striped.items():
            state.stripe(state.accounts[learnt[number]], stripes)

    def _learn_originals(self, state: State, wanted: set[int]) -> None:
        if not wanted:
            return
        # Asked each time: what the copy remembers may be archived since. The commit proves that none was.
        state.archived_seq = archived_seq(self._reading)
        unknown = {seq for seq in wanted - state.originals.keys() if seq > state.archived_seq}
        if not unknown:
            return
        for seq, is_reversal, account_id, remaining, book, shared in self._rows("originals", (list(unknown),)):
            original = state.originals.setdefault(seq, OriginalEntry(seq, is_reversal, {}, set()))
            original.remaining[account_id] = int(remaining)
            original.places.add((book, shared))

    def standing(self, state: State, entries: Sequence[NewEntry]) -> dict[int, Standing]:
        """Return the entries of the books under the keys of these, by key.

        Keys in the order of time (UUIDv7) are greater than all before them, and cost no look-up.
        """
        keys = [entry.key for entry in entries if entry.key.int <= state.greatest_key]
        rows = self._rows("standing", (keys,)) if keys else []
        return {
            key.int: Standing(
                bytes(asked) if asked is not None else None,
                seq,
                Outcome(outcome),
                bytes(leaf),
                [(debit, amount), (credit, -amount)] if asked is None else (),
            )
            for key, asked, seq, outcome, leaf, debit, credit, amount in rows
        }

    def _actor_numbers(self, names: set[str]) -> dict[str, int]:
        unknown = names - self._actors.keys()
        if unknown:
            self._actors.update(self._rows("actor_numbers", (sorted(unknown),)))
        return self._actors

    def _rows(self, name: str, arguments: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return self._reading.execute(query(name), arguments, prepare=True, binary=True).fetchall()


def _in_chains(requests: Sequence[Request]) -> list[NewEntry]:
    before = (False, *(request.linked for request in requests))
    return [
        request
        for request, follows in zip(requests, before, strict=False)
        if isinstance(request, NewEntry) and (request.linked or follows)
    ]


def _remember_account(add: Callable[..., AccountState], row: tuple[Any, ...]) -> AccountState:
    _, number, reference, code, scale, asset_id, side, status, balance, held, *terms = row
    floor, overdraft, ceiling, terms_number, last_seq, count, book, shared, _ = terms
    return add(
        AccountFacts(number, reference, Asset(code, scale), Side(side)),
        asset_id,
        status=status,
        balance=balance,
        held=held,
        floor=floor,
        overdraft=overdraft,
        ceiling=ceiling,
        terms=terms_number,
        last_seq=last_seq,
        posting_count=count,
        book=book,
        shared=shared,
    )


def _remember_holds(state: State, rows: Sequence[tuple[Any, ...]]) -> None:
    if not rows:
        return
    ids, accounts, amounts, captured, states, placed, expires, ended, seqs, tenants = zip(*rows, strict=True)
    state.remember_holds(
        [number.int for number in ids],
        account=np.array([state.rows[reference] for reference in accounts]),
        amount=np.array(amounts),
        captured=np.array(captured),
        state=np.array(states),
        placed_us=np.array([*map(microseconds, placed)]),
        expires_us=np.array([*map(microseconds, expires)]),
        ended_us=np.array([NO_TIME if moment is None else microseconds(moment) for moment in ended]),
        entry_seq=np.array([seq or 0 for seq in seqs]),
        tenant=np.array([tenant or 0 for tenant in tenants]),
    )
