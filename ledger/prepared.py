"""A batch on its way from the rules to the commit: what was asked, what the rules left, what is to be written. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from ledger.account import Side
from ledger.canonical import encode_account, encode_posting
from ledger.event import NewEvent
from ledger.hold import Hold, HoldRelease, HoldResult, NewHold
from ledger.journal import AcceptedEntry, EntryResult, NewEntry, Outcome, Posting, request_hash
from ledger.partitions import Partition
from ledger.refusal import FIRST_HEAD, Link
from ledger.state import HOLD_STATES, AccountState, HoldState, State

Request = NewEntry | NewHold | HoldRelease
Result = EntryResult | HoldResult


@dataclass(frozen=True, slots=True)
class Standing:
    """An entry of the books that stands under a key asked for again.

    Args:
        request_hash: of the request that made it, whole or its first 16 bytes.
        seq: its number.
        outcome: its decision.
        leaf: its leaf hash.
    """

    request_hash: bytes
    seq: int
    outcome: Outcome
    leaf: bytes


PlainJudged = tuple[int, NewEntry, AccountState, AccountState, int, int, int, int, int, bool]
"""An accepted plain entry: place in the batch, entry, debited and credited account, amount, their balances after it,
their entries before it, whether the request names the credit first. A bare tuple, because there are so many."""


class Judged(NamedTuple):
    """Any other accepted entry, as the rules left it.

    Args:
        at: its place in the batch.
        accounts: the accounts of its postings, in order.
        balances: each account's balance after its posting.
        previous: each account's entry before this one.
        chain_seq: first entry of its chain of linked entries; None outside one.
        refusals: head of the chain of refusals that it binds; empty where none stands right before it.
    """

    at: int
    entry: NewEntry
    accounts: Sequence[AccountState]
    balances: Sequence[int]
    previous: Sequence[int]
    chain_seq: int | None
    refusals: bytes = b""


class DatedPosting(NamedTuple):
    """Change of an account by an entry that counts for another time than that of its posting."""

    account_id: int
    effective_at: datetime
    seq: int
    change: int


AccountChange = tuple[int, int, int, int, int, int, int, int, int]
"""Of one account: id, balance before and after, held money before and after, terms, newest entry, number of postings
before and after."""

HoldRow = tuple[uuid.UUID, int, int, int, int, datetime, datetime, "datetime | None", "int | None", bool]
"""A hold after the batch: id, account, amount, captured, state, placed_at, expires_at, ended_at, newest entry that
captured of it, whether it is new."""


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
        judged: what the rules left of each accepted entry, in the order of their numbers.
        results: one for each request, true once the batch is committed.
        accepted: its entries as the decider sees them.
        plain_rows, other_rows: their rows in binary COPY form, without head and end.
        leaves: their leaf hashes, joined.
        tenant_holds: new holds that tenants placed: id, tenant.
        descriptions: number of the entry, salt, text.
        metadata: number of the entry, salt, pairs.
        dated: changes of accounts by entries that count for another time.
        events: what happened beside postings, in order.
        refusals: those that are kept, in their places in the chain.
        first_refusal: number of the first of them.
        refusals_before: head of the chain before them.
        committed: whether the books have it.
    """

    generation: int
    requests: Sequence[Request]
    posted_at: datetime
    first_seq: int
    closed_before: datetime | None = None
    partitions: Sequence[Partition] = ()
    keys: list[int] = field(default_factory=list)
    judged: list[PlainJudged | Judged] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    accepted: list[AcceptedEntry] = field(default_factory=list)
    plain_rows: list[bytes] = field(default_factory=list)
    other_rows: list[bytes] = field(default_factory=list)
    leaves: bytes = b""
    accounts: list[AccountChange] = field(default_factory=list)
    holds: list[HoldRow] = field(default_factory=list)
    tenant_holds: list[tuple[uuid.UUID, int]] = field(default_factory=list)
    descriptions: list[tuple[int, bytes, str]] = field(default_factory=list)
    metadata: list[tuple[int, bytes, tuple[tuple[str, str], ...]]] = field(default_factory=list)
    dated: list[DatedPosting] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)
    refusals: Sequence[Link] = ()
    first_refusal: int = 1
    refusals_before: bytes = FIRST_HEAD
    committed: bool = False

    def let_go(self) -> None:
        """Remember that the books have the batch, and only what answers a quick repeat."""
        self.committed = True
        self.plain_rows, self.other_rows, self.accounts, self.refusals = [], [], [], ()

    @property
    def writes(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.judged or self.holds or self.refusals)

    @property
    def last_seq(self) -> int:
        """Number of its last entry; one less than the first where it has none."""
        return self.first_seq + len(self.judged) - 1


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
    at: int,
    entry: NewEntry,
    accounts: Sequence[AccountState],
    before: Mapping[AccountState, tuple[int, int]],
    chain_seq: int | None,
) -> Judged:
    """Return an accepted entry with the running balance after each posting."""
    running = {account: balance for account, (balance, _) in before.items()}
    balances = []
    for posting, account in zip(in_order(entry), accounts, strict=True):
        signed = posting.amount if posting.side is Side.DEBIT else -posting.amount
        running[account] += signed * account.sign
        balances.append(running[account])
    return Judged(at, entry, accounts, balances, [before[account][1] for account in accounts], chain_seq)


def in_order(entry: NewEntry) -> Sequence[Posting]:
    """Return the postings as the books keep them: of two, the debit stands first."""
    postings = entry.postings
    return postings[::-1] if len(postings) == 2 and postings[0].side is Side.CREDIT else postings


def accounts_of(judged: PlainJudged | Judged) -> Sequence[AccountState]:
    """Return the accounts in the order of the request."""
    if not isinstance(judged, Judged):
        return (judged[3], judged[2]) if judged[9] else (judged[2], judged[3])
    if len(judged.accounts) == 2 and judged.entry.postings[0].side is Side.CREDIT:
        return judged.accounts[::-1]
    return judged.accounts


def bind_refusals(batch: PreparedBatch, heads: Mapping[int, bytes]) -> None:
    """Let entries of the batch, by their numbers, carry heads of the chain of refusals; skip other numbers."""
    for seq, head in heads.items():
        if batch.first_seq <= seq <= batch.last_seq:
            place = seq - batch.first_seq
            judged = batch.judged[place]
            if not isinstance(judged, Judged):
                at, entry, debit, credit, _, *figures, _ = judged
                judged = Judged(at, entry, (debit, credit), figures[:2], figures[2:], None)
            batch.judged[place] = judged._replace(refusals=head)


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
        hold.id, hold.account.facts.reference, hold.amount, HOLD_STATES[hold.state], hold.expires_at, hold.entry_seq,
        hold.captured,
    )  # fmt: skip


def note_changes(state: State, batch: PreparedBatch) -> None:
    """Write down, for the commit, how the batch left accounts and holds."""
    batch.accounts = [
        (
            account.id, account.balance_before, account.balance, account.held_before, account.held, account.terms,
            account.last_seq, account.count_before, account.posting_count,
        )
        for account in state.changed
    ]  # fmt: skip
    for hold in state.changed_holds:
        batch.holds.append(
            (
                hold.id, hold.account.id, hold.amount, hold.captured, hold.state, hold.placed_at, hold.expires_at,
                hold.ended_at, hold.entry_seq, hold.new,
            )
        )  # fmt: skip
        if hold.new and hold.tenant is not None:
            batch.tenant_holds.append((hold.id, hold.tenant))
        hold.new = False
