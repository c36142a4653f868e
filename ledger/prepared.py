"""A batch on its way from the rules to the commit: what was asked, what the rules left, what is to be written. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import repeat
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from ledger.account import Side
from ledger.account_columns import Numbers
from ledger.canonical import encode_account, encode_posting
from ledger.copy_rows import INSERTED_ROWS_MAX
from ledger.decision import AcceptedEntries
from ledger.event import Events, NewEvent
from ledger.hold import Hold, HoldRelease, HoldResult, NewHold
from ledger.hold_columns import HoldViews
from ledger.journal import MESSAGES, EntryResult, NewEntry, Outcome, Posting, ResultCode, microseconds, request_hash
from ledger.partitions import Partition
from ledger.refusal import FIRST_HEAD, Link
from ledger.run import Flags
from ledger.run_judge import JudgedRun
from ledger.script import Script
from ledger.state import HOLD_STATES, PLACED, AccountState, HoldState, State
from ledger.stripes import Striped

Request = NewEntry | NewHold | HoldRelease
Result = EntryResult | HoldResult


@dataclass(frozen=True, slots=True)
class Standing:
    """An entry of the books that stands under a key asked for again.

    Args:
        request_hash: of the request that made it, whole or its first 16 bytes; None where ``told`` says it all.
        seq: its number.
        outcome: its decision.
        leaf: its leaf hash.
        told: of an entry of two postings and nothing beside them: accounts by number, and amounts, debit above zero.
    """

    request_hash: bytes | None
    seq: int
    outcome: Outcome
    leaf: bytes
    told: Sequence[tuple[int, int]] = ()

    def is_of(self, entry: NewEntry, accounts: Sequence[AccountState | None]) -> bool:
        """Whether this entry was asked for; ``accounts`` as for ``hash_request``."""
        if self.request_hash is not None:
            return hash_request(entry, accounts).startswith(self.request_hash)
        asked = [
            (account.id if account is not None else 0, signed(posting))
            for posting, account in zip(entry.postings, accounts, strict=True)
        ]
        return entry.is_plain and asked == self.told


class Judged(NamedTuple):
    """An accepted entry as the rules left it.

    Args:
        entry: what was asked.
        postings: as the books keep them: those asked for, of two the debit first, divided over stripes.
        accounts: theirs, in order.
        balances: each account's balance after its posting.
        previous: each account's entry before this one.
        chain_seq: first entry of its chain of linked entries; None outside one.
        refusals: head of the chain of refusals that it binds; empty where none stands right before it.
        asked: the accounts asked for, in the order of the request, where postings stand on stripes.
    """

    entry: NewEntry
    postings: Sequence[Posting]
    accounts: Sequence[AccountState]
    balances: Sequence[int]
    previous: Sequence[int]
    chain_seq: int | None
    refusals: bytes = b""
    asked: Sequence[AccountState] = ()


class DatedPosting(NamedTuple):
    """Change of an account by an entry that counts for another time than that of its posting."""

    account_id: int
    effective_at: datetime
    seq: int
    change: int


class AccountChanges(NamedTuple):
    """How a batch leaves the accounts that it changes, by columns; ``*_before`` is how they stood.

    Args:
        id: number inside the database.
        last_seq: newest entry that touched the account.
        terms: how many times status or terms were changed.
    """

    id: Numbers
    balance_before: Numbers
    balance: Numbers
    held_before: Numbers
    held: Numbers
    terms: Numbers
    last_seq: Numbers
    count_before: Numbers
    posting_count: Numbers


class HoldChanges(NamedTuple):
    """How a batch leaves the holds that it changes, by columns; times as microseconds since 1970.

    Args:
        id: 16 bytes.
        account_id: of the account inside the database.
        captured: taken so far.
        state: ``state.PLACED`` and the others.
        ended_us: ``NO_TIME`` while it is placed.
        entry_seq: newest entry that captured of it; 0 before.
        tenant: who placed it, by number; 0 for the organization.
        is_new: whether the batch placed it.
    """

    id: npt.NDArray[np.void]
    account_id: Numbers
    amount: Numbers
    captured: Numbers
    state: Numbers
    ended_us: Numbers
    entry_seq: Numbers
    placed_us: Numbers
    expires_us: Numbers
    tenant: Numbers
    is_new: Flags

    def only(self, these: Flags) -> HoldChanges:
        """Return some of them."""
        return HoldChanges._make(column[these] for column in self)


@dataclass(slots=True)
class PreparedBatch:
    """A batch as its database transaction writes it.

    Args:
        generation: of the copy of the books it was judged on; another one makes it void.
        requests: what was asked, in order of arrival.
        posted_at: time of the batch.
        first_seq: number of its first entry.
        closed_before: entries that count for an earlier time were refused.
        partitions: of the journal, that take its entries.
        keys: idempotency keys that it makes stand.
        places: place among the requests of each accepted entry, in the order of their numbers.
        judged: what the judges left of them: runs, and entries that were judged alone, in the same order.
        results: one for each request, true once the batch is committed.
        accepted: its entries as the decider sees them.
        rows: of its entries in binary COPY form, without head and end, by the columns they have.
        holds: how it leaves the holds that it changes; None for none of them.
        descriptions: number of the entry, salt, text.
        metadata: number of the entry, salt, pairs.
        dated: changes of accounts by entries that count for another time.
        events: what happened beside postings, in order.
        refusals: those that are kept, in their places in the chain.
        first_refusal: number of the first of them.
        refusals_before: head of the chain before them.
        script: what its database transaction does after its rows were sent.
        salt_secret: what the salts of its entries follow from.
        committed: whether the books have it.
    """

    generation: int
    requests: Sequence[Request]
    posted_at: datetime
    first_seq: int
    closed_before: datetime | None = None
    partitions: Sequence[Partition] = ()
    keys: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    judged: list[JudgedRun | Judged] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    accepted: AcceptedEntries | None = None
    rows: dict[tuple[str, ...], list[bytes]] = field(default_factory=dict)
    accounts: AccountChanges | None = None
    holds: HoldChanges | None = None
    descriptions: list[tuple[int, bytes, str]] = field(default_factory=list)
    metadata: list[tuple[int, bytes, tuple[tuple[str, str], ...]]] = field(default_factory=list)
    dated: list[DatedPosting] = field(default_factory=list)
    events: list[NewEvent | Events] = field(default_factory=list)
    refusals: Sequence[Link] = ()
    first_refusal: int = 1
    refusals_before: bytes = FIRST_HEAD
    script: Script = field(default_factory=Script)
    salt_secret: bytes = b""
    committed: bool = False

    def let_go(self) -> None:
        """Remember that the books have the batch, and only what answers a quick repeat."""
        self.committed, self.script = True, Script()
        self.rows, self.judged, self.events, self.refusals = {}, [], [], ()
        self.accounts = self.holds = None

    @property
    def few(self) -> bool:
        """Whether its rows go in one by one."""
        return len(self.places) <= INSERTED_ROWS_MAX

    @property
    def writes(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.places or self.holds or self.refusals)

    @property
    def last_seq(self) -> int:
        """Number of its last entry; one less than the first where it has none."""
        return self.first_seq + len(self.places) - 1

    def entry(self, seq: int) -> NewEntry:
        """Return one of its accepted entries."""
        request = self.requests[self.places[seq - self.first_seq]]
        assert isinstance(request, NewEntry)
        return request


@dataclass(slots=True)
class Surroundings:
    """What a batch must know beside the copy of the books.

    Args:
        standing: entries of the books under keys that the batch asks for again, by key.
        recent: numbers of entries judged lately, under way or just committed, by key; the batch adds its own.
        batches: the batches those belong to, oldest first.
        actors: numbers of actors, by name; every one the batch names.
    """

    standing: Mapping[int, Standing]
    recent: dict[int, int]
    batches: Sequence[PreparedBatch]
    actors: Mapping[str, int]


def judged_entry(
    entry: NewEntry,
    accounts: Sequence[AccountState],
    before: Mapping[AccountState, tuple[int, int]],
    chain_seq: int | None,
    striped: Striped | None,
) -> Judged:
    """Return an accepted entry with the running balance after each posting.

    Args:
        accounts: of the postings asked for, in their order.
        before: balance and newest entry of each account, from before.
        striped: where the postings stand, where any of the accounts is striped.
    """
    asked: Sequence[AccountState] = ()
    postings: Sequence[Posting] = entry.postings
    if striped is not None:
        asked, postings, accounts, before = accounts, striped.postings, striped.accounts, {**before, **striped.before}
    if len(postings) == 2 and postings[0].side is Side.CREDIT:
        postings, accounts = postings[::-1], accounts[::-1]
    running = {account: balance for account, (balance, _) in before.items()}
    balances = []
    for posting, account in zip(postings, accounts, strict=True):
        running[account] += signed(posting) * account.sign
        balances.append(running[account])
    previous = [before[account][1] for account in accounts]
    return Judged(entry, postings, accounts, balances, previous, chain_seq, asked=asked)


def signed(posting: Posting) -> int:
    """Return the amount of a posting, debit above zero."""
    return posting.amount if posting.side is Side.DEBIT else -posting.amount


def judged_alone(state: State, run: JudgedRun, place: int) -> Judged:
    """Return an entry of a run as the rules would have left it."""
    legs = run.legs
    own = slice(int(legs.starts[place]), int(legs.starts[place] + legs.counts[place]))
    accounts = [state.listed[row - 1] for row in legs.row[own].tolist()]
    head = run.heads.get(place, b"")
    entry, figures = legs.entries[place], (run.balance[own].tolist(), run.previous[own].tolist())
    asked = [state.accounts[posting.account] for posting in entry.postings]
    if not any(account.stripes for account in asked):
        asked = []
    return Judged(entry, in_order(entry), accounts, *figures, None, head, asked)


def dated_postings(state: State, run: JudgedRun, posted_at: datetime) -> list[DatedPosting]:
    """Return what the entries that count for another time than that of their posting do to accounts."""
    legs, views = run.legs, state.columns.views()
    dated = []
    for place in np.flatnonzero(legs.told & (legs.effective_us != microseconds(posted_at))).tolist():
        own = slice(int(legs.starts[place]), int(legs.starts[place] + legs.counts[place]))
        rows = legs.row[own]
        changes: dict[int, int] = {}
        for account_id, change in zip(
            views.id[rows].tolist(), (legs.amount[own] * views.sign[rows]).tolist(), strict=True
        ):
            changes[account_id] = changes.get(account_id, 0) + change
        effective_at = cast(datetime, legs.entries[place].effective_at)
        dated += [DatedPosting(number, effective_at, run.first_seq + place, each) for number, each in changes.items()]
    return dated


def legs_asked(judged: Judged) -> Iterable[tuple[Posting, AccountState]]:
    """Return the postings asked for with their accounts, striped ones as such."""
    if judged.asked:
        return zip(judged.entry.postings, judged.asked, strict=True)
    return zip(judged.postings, judged.accounts, strict=True)


def in_order(entry: NewEntry) -> Sequence[Posting]:
    """Return the postings as the books keep them: of two, the debit stands first."""
    postings = entry.postings
    return postings[::-1] if len(postings) == 2 and postings[0].side is Side.CREDIT else postings


def bind_refusals(batch: PreparedBatch, heads: Mapping[int, bytes]) -> None:
    """Let entries of the batch, by their numbers, carry heads of the chain of refusals; skip other numbers."""
    wanted = {seq - batch.first_seq: head for seq, head in heads.items() if seq >= batch.first_seq}
    first = 0
    for number, judged in enumerate(batch.judged):
        if not wanted:
            break
        end = first + (len(judged.legs.entries) if isinstance(judged, JudgedRun) else 1)
        for place in [place for place in wanted if place < end]:
            head = wanted.pop(place)
            if isinstance(judged, JudgedRun):
                judged.heads[place - first] = head
            else:
                batch.judged[number] = judged._replace(refusals=head)
        first = end


def hash_request(entry: NewEntry, accounts: Sequence[AccountState | None]) -> bytes:
    """Return ``journal.request_hash`` of an entry.

    Args:
        accounts: of its postings, in its order. An unknown one has no asset: its fields only have to differ from those
            of every entry ever posted.
    """
    fields = []
    for posting, account in zip(entry.postings, accounts, strict=True):
        if account is None:
            fields.append(encode_posting(encode_account(posting.account, "", 0), posting.side, posting.amount))
        else:
            fields.append(account.head_of(posting.side) + posting.amount.to_bytes(8, "big"))
    return request_hash(entry, fields)


def hold_of(hold: HoldState) -> Hold:
    """Return a hold as callers see it."""
    return Hold(
        hold.id, hold.account.facts.reference, hold.amount, HOLD_STATES[hold.state], hold.expires_at,
        hold.entry_seq or None, hold.captured,
    )  # fmt: skip


def placed_answers(holds: Sequence[NewHold]) -> Iterator[HoldResult]:
    """Yield the answers to holds that were just placed."""
    # What named tuples' own constructors do, without their detour.
    state, code = HOLD_STATES[PLACED], ResultCode.POSTED
    fields = [(hold.id, hold.account, hold.amount, state, hold.expires_at, None, 0) for hold in holds]
    placed = map(tuple.__new__, repeat(Hold), fields)
    return map(tuple.__new__, repeat(HoldResult), zip(repeat(code), placed, repeat(MESSAGES[code])))


def note_changes(state: State, batch: PreparedBatch) -> None:
    """Write down, for the commit, how the batch left accounts and holds."""
    rows, views = np.array(state.changed, np.intp), state.columns.views()
    # In the order of their numbers they lie side by side in the database.
    rows = rows[np.argsort(views.id[rows])]
    batch.accounts = AccountChanges(*(getattr(views, name)[rows] for name in AccountChanges._fields))
    if state.changed_holds:
        batch.holds = _hold_changes(state, np.array(state.changed_holds, np.intp))


def _hold_changes(state: State, rows: npt.NDArray[np.intp]) -> HoldChanges:
    views = state.hold_columns.views()
    return HoldChanges(
        id=state.hold_columns.ids(rows),
        account_id=state.columns.views().id[views.account[rows]],
        is_new=views.placed_in[rows] == state.batch,
        **{name: getattr(views, name)[rows] for name in HoldChanges._fields if name in HoldViews._fields},
    )
