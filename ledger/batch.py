"""Judges a batch of requests on the writer's copy of the books, and tells what the commit has to write. Pure.

Rules:
- requests keep their order of arrival; what they give is what they would give one after the other;
- a repeated key is answered from what stands under it, in the books, in a batch under way or in this one;
- linked requests are judged as a chain: one that fails takes all of it back.

Numbers are given here; rows, leaves and decisions follow in ``ledger.encoding``, for accepted entries only.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from ledger.account import Side
from ledger.canonical import encode_account, encode_posting
from ledger.event import (
    HOLD_CAPTURED,
    HOLD_EXPIRED,
    HOLD_PLACED,
    HOLD_RELEASED,
    NewEvent,
    hold_changed,
    monitor_fired,
)
from ledger.hold import Hold, HoldRelease, HoldResult, NewHold
from ledger.journal import MESSAGES, AcceptedEntry, EntryResult, NewEntry, Outcome, Posting, ResultCode, request_hash
from ledger.monitors import crossed
from ledger.rules import is_same_hold, judge_entry, judge_hold, judge_release
from ledger.state import EXPIRED, HOLD_STATES, PLACED, RELEASED, AccountState, HoldState, OriginalEntry, State

_HOLD_EVENTS = {PLACED: HOLD_PLACED, RELEASED: HOLD_RELEASED, EXPIRED: HOLD_EXPIRED}

Request = NewEntry | NewHold | HoldRelease
Result = EntryResult | HoldResult

_POSTED = ResultCode.POSTED


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
    """

    at: int
    entry: NewEntry
    accounts: Sequence[AccountState]
    balances: Sequence[int]
    previous: Sequence[int]
    chain_seq: int | None


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
        keys: idempotency keys that it makes stand.
        judged: what the rules left of each accepted entry, in the order of their numbers.
        results: one for each request, true once the batch is committed.
        accepted: its entries as the decider sees them.
        plain_rows, other_rows: their rows in binary COPY form, without head and end.
        leaves: their leaf hashes, joined.
        descriptions: number of the entry, salt, text.
        metadata: number of the entry, salt, pairs.
        dated: changes of accounts by entries that count for another time.
        events: what happened beside postings, in order.
        committed: whether the books have it.
    """

    generation: int
    requests: Sequence[Request]
    posted_at: datetime
    first_seq: int
    keys: list[int] = field(default_factory=list)
    judged: list[PlainJudged | Judged] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    accepted: list[AcceptedEntry] = field(default_factory=list)
    plain_rows: list[bytes] = field(default_factory=list)
    other_rows: list[bytes] = field(default_factory=list)
    leaves: bytes = b""
    accounts: list[AccountChange] = field(default_factory=list)
    holds: list[HoldRow] = field(default_factory=list)
    descriptions: list[tuple[int, bytes, str]] = field(default_factory=list)
    metadata: list[tuple[int, bytes, tuple[tuple[str, str], ...]]] = field(default_factory=list)
    dated: list[DatedPosting] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)
    committed: bool = False

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


class BatchJudge:
    """Judges one batch on the copy of the books.

    Args:
        state: the copy; left as it stands after the batch.
        batch: to be filled.
        around: see ``Surroundings``.
    """

    def __init__(self, state: State, batch: PreparedBatch, around: Surroundings) -> None:
        self._state = state
        self._batch = batch
        self._around = around
        self._now = batch.posted_at
        self._repeats: list[tuple[int, int]] = []
        """Places of repeats of recent entries, and the entry's number: answered when those are encoded."""

    def run(self) -> None:
        """Judge every request; entries still lack their rows afterwards."""
        state, requests = self._state, self._batch.requests
        self._batch.results = [_NO_RESULT] * len(requests)
        state.begin_batch()
        closed = state.closed_before is not None and state.closed_before > self._now
        at = 0
        while at < len(requests):
            request = requests[at]
            if request.linked:
                at = self._judge_chain(at)
                continue
            if type(request) is not NewEntry or not request.is_plain or closed or not self._take_plain(at, request):
                self._judge(at, None)
            at += 1

    def _take_plain(self, at: int, entry: NewEntry) -> bool:
        """Let a plain entry stand if nothing about it is out of the ordinary; otherwise change nothing.

        The same as ``rules.judge_entry`` for the common case, written out for speed.
        """
        state = self._state
        first, second = entry.postings
        swapped = first.side is Side.CREDIT
        if swapped:
            first, second = second, first
        debit, credit = state.accounts.get(first.account), state.accounts.get(second.account)
        amount = first.amount
        key = entry.key.int
        if (
            debit is None or credit is None or second.amount != amount or first.side is second.side
            or debit.asset_id != credit.asset_id or state.undo is not None
            or key in self._around.recent or key in self._around.standing
        ):  # fmt: skip
            return False
        debit_balance = debit.balance + amount * debit.sign
        credit_balance = credit.balance - amount * credit.sign
        if not (debit.lowest <= debit_balance <= debit.highest and credit.lowest <= credit_balance <= credit.highest):
            return False
        number = state.batch
        if debit.batch != number:
            state.touch(debit)
        if credit.batch != number:
            state.touch(credit)
        seq = state.next_seq
        self._batch.judged.append(
            (
                at, entry, debit, credit, amount, debit_balance, credit_balance, debit.last_seq, credit.last_seq,
                swapped,
            )
        )  # fmt: skip
        debit.balance, credit.balance = debit_balance, credit_balance
        debit.last_seq = credit.last_seq = seq
        debit.posting_count += 1
        credit.posting_count += 1
        self._around.recent[key] = seq
        self._batch.keys.append(key)
        state.next_seq = seq + 1
        return True

    def _judge_chain(self, start: int) -> int:
        """Judge the chain of linked requests that begins here; return the place after it.

        It stands if every request of it does, or if all of it stood before; otherwise all of it is taken back.
        """
        state, batch = self._state, self._batch
        end = start
        while batch.requests[end].linked and end + 1 < len(batch.requests):
            end += 1
        outer, state.undo = state.undo, []
        first_seq, judged, keys = state.next_seq, len(batch.judged), len(batch.keys)
        dated, events = len(batch.dated), len(batch.events)
        codes: list[ResultCode] = []
        for at in range(start, end + 1):
            codes.append(self._judge(at, first_seq))
            if codes[-1] not in (_POSTED, ResultCode.EXISTS):
                break
        if len(set(codes)) > 1 or codes[-1] not in (_POSTED, ResultCode.EXISTS):
            state.take_back()
            state.next_seq = first_seq
            for key in batch.keys[keys:]:
                del self._around.recent[key]
            del batch.judged[judged:], batch.keys[keys:], batch.dated[dated:], batch.events[events:]
            self._refuse_others(range(start, end + 1), codes, first_seq)
        elif outer is not None:
            outer += state.undo
        state.undo = outer
        return end + 1

    def _refuse_others(self, places: range, codes: Sequence[ResultCode], first_seq: int) -> None:
        """Answer a failed chain: whoever has no reason of its own failed with the others, unless it stood before."""
        own = {at for at, code in zip(places, codes, strict=False) if code is not _POSTED}
        gone = {at for at, seq in self._repeats if at in places and seq >= first_seq}
        self._repeats = [(at, seq) for at, seq in self._repeats if at not in gone]
        for at in places:
            if (at not in own or at in gone) and not self._stood_before(at):
                self._refuse(at, ResultCode.LINKED_FAILED)

    def _stood_before(self, at: int) -> bool:
        """Answer a request of a failed chain that is an exact repeat; nobody may do it again under a new key."""
        request = self._batch.requests[at]
        if isinstance(request, NewEntry):
            accounts = [self._state.accounts.get(posting.account) for posting in request.postings]
            return self._repeat(at, request, accounts) is ResultCode.EXISTS
        hold = self._state.holds.get(request.id)
        if isinstance(request, NewHold):
            account = self._state.accounts.get(request.account)
            stood = hold is not None and is_same_hold(hold, request, account)
        else:
            stood = hold is not None and hold.state == RELEASED
        if stood and hold is not None:
            code = ResultCode.EXISTS
            self._batch.results[at] = HoldResult(code, hold_of(hold), MESSAGES[code])
        return stood

    def _refuse(self, at: int, code: ResultCode) -> ResultCode:
        if isinstance(self._batch.requests[at], NewEntry):
            self._batch.results[at] = EntryResult(code, message=MESSAGES[code])
        else:
            self._batch.results[at] = HoldResult(code, None, MESSAGES[code])
        return code

    def _judge(self, at: int, chain_seq: int | None) -> ResultCode:
        """Judge one request by the full rules and answer it, unless it is an accepted entry."""
        request = self._batch.requests[at]
        if isinstance(request, NewEntry):
            return self._judge_entry(at, request, chain_seq)
        known = self._state.holds.get(request.id)
        account = known.account if known is not None else None
        if isinstance(request, NewHold):
            account = self._state.accounts.get(request.account)
            before = account.money if account is not None else (0, 0)
            code = judge_hold(self._state, request, account, self._now)
        else:
            before = account.money if account is not None else (0, 0)
            code = judge_release(self._state, request.id, self._now)
        hold = self._state.holds.get(request.id)
        if account is not None and hold is not None and account.money != before:
            self._tell_hold(hold, _HOLD_EVENTS[hold.state], abs(account.held - before[1]))
            self._watch({account: before})
        self._batch.results[at] = HoldResult(code, hold_of(hold) if hold is not None else None, MESSAGES[code])
        return code

    def _tell_hold(self, hold: HoldState, kind: str, amount: int) -> None:
        """Note what happened to a hold after the newest entry judged."""
        remaining = hold.remaining if hold.state == PLACED else 0
        self._batch.events.append(
            hold_changed(kind, hold.id, hold.account.id, self._state.next_seq - 1, amount=amount, remaining=remaining)
        )

    def _watch(self, before: Mapping[AccountState, tuple[int, int]]) -> None:
        """Note the monitors that fire between then and now."""
        after_seq = self._state.next_seq - 1
        for account, money in before.items():
            self._batch.events += [
                monitor_fired(monitor, account.id, after_seq, money, account.money)
                for monitor in crossed(account.monitors, money, account.money)
            ]

    def _judge_entry(self, at: int, entry: NewEntry, chain_seq: int | None) -> ResultCode:
        state, batch = self._state, self._batch
        key = entry.key.int
        accounts = [state.accounts.get(posting.account) for posting in entry.postings]
        repeated = self._repeat(at, entry, accounts)
        if repeated is not None:
            return repeated
        if entry.reverses is not None and entry.reverses not in state.originals:
            self._remember_original(entry.reverses)
        before = {account: (account.balance, account.last_seq) for account in accounts if account is not None}
        watched = {account: account.money for account in before if account.monitors}
        seq, effective_at = state.next_seq, entry.effective_at or self._now
        code = judge_entry(state, entry, accounts, self._now, effective_at=effective_at)
        if code is not _POSTED:
            return self._refuse(at, code)
        known = [account for account in accounts if account is not None]
        if len(known) == 2 and entry.postings[0].side is Side.CREDIT:
            known.reverse()
        batch.judged.append(_judged(at, entry, known, before, chain_seq))
        if effective_at != self._now:
            batch.dated += [
                DatedPosting(account.id, effective_at, seq, account.balance - balance)
                for account, (balance, _) in before.items()
            ]
        if entry.hold_id is not None:
            hold = state.holds[entry.hold_id]
            self._tell_hold(hold, HOLD_CAPTURED, abs(hold.account.balance - before[hold.account][0]))
        self._watch(watched)
        batch.keys.append(key)
        self._around.recent[key] = seq
        return code

    def _repeat(self, at: int, entry: NewEntry, accounts: Sequence[AccountState | None]) -> ResultCode | None:
        """Answer an entry whose key stands already; None where it does not."""
        key = entry.key.int
        recent_seq = self._around.recent.get(key)
        standing = self._around.standing.get(key)
        if recent_seq is None and standing is None:
            return None
        asked = hash_request(entry, accounts)
        if recent_seq is not None:
            judged = self._find_judged(recent_seq)
            if asked != hash_request(judged[1], accounts_of(judged)):
                return self._refuse(at, ResultCode.EXISTS_WITH_DIFFERENT_BODY)
            self._repeats.append((at, recent_seq))
            return ResultCode.EXISTS
        assert standing is not None
        if not asked.startswith(standing.request_hash):
            return self._refuse(at, ResultCode.EXISTS_WITH_DIFFERENT_BODY)
        message = MESSAGES[ResultCode.EXISTS]
        self._batch.results[at] = EntryResult(ResultCode.EXISTS, standing.seq, standing.outcome, standing.leaf, message)
        return ResultCode.EXISTS

    def _batch_of(self, seq: int) -> PreparedBatch | None:
        for batch in (self._batch, *reversed(self._around.batches)):
            if batch.first_seq <= seq <= batch.last_seq:
                return batch
        return None

    def _find_judged(self, seq: int) -> PlainJudged | Judged:
        batch = self._batch_of(seq)
        assert batch is not None
        return batch.judged[seq - batch.first_seq]

    def _remember_original(self, seq: int) -> None:
        """Let an entry that is not in the books yet be reversed like any other."""
        batch = self._batch_of(seq)
        if batch is None:
            return
        judged = batch.judged[seq - batch.first_seq]
        remaining: dict[int, int] = {}
        if isinstance(judged, Judged):
            for posting, account in zip(in_order(judged.entry), judged.accounts, strict=True):
                signed = posting.amount if posting.side is Side.DEBIT else -posting.amount
                remaining[account.id] = remaining.get(account.id, 0) + signed
        else:
            remaining = {judged[2].id: judged[4], judged[3].id: -judged[4]}
        self._state.add_original(OriginalEntry(seq, judged[1].reverses is not None, remaining))

    def answer_repeats(self) -> None:
        """Answer repeats of recent entries, now that those of this batch are encoded."""
        for at, seq in self._repeats:
            batch = self._batch_of(seq)
            assert batch is not None
            first = batch.accepted[seq - batch.first_seq]
            code = ResultCode.EXISTS
            self._batch.results[at] = EntryResult(code, seq, first.decision.outcome, first.leaf, MESSAGES[code])


def _judged(
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
        hold.new = False


_NO_RESULT = EntryResult(_POSTED)
"""Stands in for answers not yet known."""
