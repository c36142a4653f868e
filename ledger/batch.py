"""Judges a batch of requests on the writer's copy of the books, and tells what the commit has to write. Pure.

Rules:
- requests keep their order of arrival; what they give is what they would give one after the other;
- a repeated key is answered from what stands under it, in the books, in a batch under way or in this one;
- linked requests are judged as a chain: one that fails takes all of it back.

Numbers are given here; rows, leaves and decisions follow in ``ledger.encoding``, for accepted entries only, and the
places of refusals in their chain in ``ledger.refusal``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import numpy as np

from ledger.account_columns import Numbers
from ledger.event import HOLD_CAPTURED, HOLD_EXPIRED, HOLD_PLACED, HOLD_RELEASED, hold_changed, monitor_fired
from ledger.hold import HoldRelease, HoldResult, NewHold
from ledger.journal import MESSAGES, EntryResult, NewEntry, ResultCode, microseconds
from ledger.monitors import crossed
from ledger.prepared import (
    DatedPosting,
    PreparedBatch,
    Standing,
    Surroundings,
    dated_postings,
    hash_request,
    hold_of,
    judged_entry,
    placed_answers,
    signed,
)
from ledger.refusal import RECORDED, Kind, Refused, hold_request_hash
from ledger.rules import is_same_hold, judge_entry, judge_hold, judge_release
from ledger.run import RUN_ENTRIES_MIN, Legs, Simple, legs_of, met_before
from ledger.run_holds import change_holds, find_held
from ledger.run_judge import Verdict, is_regular, is_summable, judge_run
from ledger.scope import accounts_of_entry, own_account, own_hold
from ledger.state import EXPIRED, PLACED, RELEASED, AccountState, HoldState, OriginalEntry, State
from ledger.stripes import choose_stripes, put_on_stripes, sum_up

_HOLD_EVENTS = {PLACED: HOLD_PLACED, RELEASED: HOLD_RELEASED, EXPIRED: HOLD_EXPIRED}

_POSTED = ResultCode.POSTED

_NO_RESULT = EntryResult(_POSTED)
_NO_PAIRS = np.zeros((0, 2), np.int64)
"""Stands in for answers not yet known."""


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
        self._recent = around.recent
        self._now = batch.posted_at
        self._repeats: list[tuple[int, int]] = []
        """Places of repeats of recent entries, and the entry's number: answered when those are encoded."""
        self._refused: list[tuple[int, int, bool]] = []
        """Places of refused requests, the entry after which each was judged, whether its chain failed with it."""
        self._refuses = False
        """Whether anything was refused; mostly nothing is."""

    def run(self) -> None:
        """Judge every request; entries still lack their rows afterwards."""
        requests = self._batch.requests
        self._batch.results = [_NO_RESULT] * len(requests)
        self._state.begin_batch()
        simple = self._simple_ones()
        captures, placed = self._captures_of_new_holds()
        at = 0
        while at < len(requests):
            end = simple.index(False, at)
            if end > at and len(captures):
                # A run ends before a hold that is placed in it is captured.
                end = min([end, *captures[placed >= at][:1].tolist()])
            if requests[at].linked:
                at = self._judge_chain(at)
            elif end > at:
                self._judge_run(at, end)
                at = end
            else:
                self._judge(at, None)
                at += 1

    def _simple_ones(self) -> list[bool]:
        """Return for each request whether it may be judged in a run, and false for the end."""
        state, requests = self._state, self._batch.requests
        closed = state.closed_before is not None and state.closed_before > self._now
        if closed or state.undo is not None or len(requests) < RUN_ENTRIES_MIN:
            return [False] * (len(requests) + 1)
        return [*[request.is_simple for request in requests], False]

    def _captures_of_new_holds(self) -> tuple[Numbers, Numbers]:
        """Return the places of entries that capture a hold placed in the batch before, and the places of those."""
        placed: dict[int, int] = {}
        captures: list[tuple[int, int]] = []
        for at, request in enumerate(self._batch.requests):
            if type(request) is NewHold:
                placed[request.id.int] = at
            elif placed and type(request) is NewEntry and request.hold_id is not None:
                before = placed.get(request.hold_id.int)
                if before is not None:
                    captures.append((at, before))
        found = np.array(captures, np.int64).reshape(-1, 2) if captures else _NO_PAIRS
        return found[:, 0], found[:, 1]

    def _judge_run(self, start: int, end: int) -> None:
        """Judge simple requests by columns, and those that have anything out of the ordinary one by one."""
        if end - start < RUN_ENTRIES_MIN:
            self._judge_each(start, end)
            return
        legs = legs_of(cast(Sequence[Simple], self._batch.requests[start:end]), self._state.rows)
        regular = find_held(self._state, legs, self._now)
        choose_stripes(self._state, legs)
        regular &= is_regular(legs, self._state.columns.views())
        regular[self._repeated(legs)] = False
        if self._state.closed_before is not None:
            regular &= ~legs.told | (legs.effective_us >= microseconds(self._state.closed_before))
        first = 0
        for stop in (*np.flatnonzero(~regular).tolist(), end - start):
            if first < stop:
                self._judge_regular(legs.part(first, stop), start + first)
            if start + stop < end:
                self._judge(start + stop, None)
            first = stop + 1

    def _judge_each(self, start: int, end: int) -> None:
        for at in range(start, end):
            self._judge(at, None)

    def _judge_regular(self, legs: Legs, start: int) -> None:
        end = start + len(legs.requests)
        if end - start < RUN_ENTRIES_MIN or not is_summable(legs, self._state.columns.views()):
            self._judge_each(start, end)
            return
        verdict = judge_run(self._state, legs)
        for place, code in verdict.refused.items():
            self._refuse(start + place, code)
            self._refused.append((start + place, int(verdict.newest[place]), False))
        if legs.held.any():
            self._change_holds(legs, start, verdict)
        judged = verdict.run
        if not judged.legs.entries:
            return
        self._batch.places += (start + np.flatnonzero(verdict.accepted & ~legs.placing)).tolist()
        self._batch.judged.append(judged)
        self._batch.dated += dated_postings(self._state, judged, self._now)
        self._batch.keys += judged.legs.keys
        self._recent.update(zip(judged.legs.keys, range(judged.first_seq, self._state.next_seq), strict=True))

    def _change_holds(self, legs: Legs, start: int, verdict: Verdict) -> None:
        """Let accepted holds and captures of a run do what they do, and answer the holds."""
        accepted = verdict.accepted
        told = change_holds(self._state, legs.only(accepted), verdict.newest[accepted], self._now)
        if not told.kind:
            return
        self._batch.events.append(told)
        places = np.flatnonzero(accepted & legs.placing).tolist()
        placed = [cast(NewHold, legs.requests[place]) for place in places]
        answers = placed_answers(placed)
        for place, answer in zip(places, answers, strict=True):
            self._batch.results[start + place] = answer

    def _repeated(self, legs: Legs) -> list[int]:
        """Return the places of entries whose keys stand already, or occur before in the same run."""
        standing = self._around.standing
        entries: Sequence[int] = range(len(legs.keys))
        keys = legs.keys
        if legs.placing.any():
            entries = np.flatnonzero(~legs.placing).tolist()
            keys = [legs.keys[place] for place in entries]
        if len({*keys}) == len(keys) and self._recent.keys().isdisjoint(keys) and standing.keys().isdisjoint(keys):
            return []
        return met_before(entries, keys, {*self._recent, *standing})

    def _judge_chain(self, start: int) -> int:
        """Judge the chain of linked requests that begins here; return the place after it.

        It stands if every request of it does, or if all of it stood before; otherwise all of it is taken back.
        """
        state, batch = self._state, self._batch
        end = start
        while batch.requests[end].linked and end + 1 < len(batch.requests):
            end += 1
        outer, state.undo = state.undo, []
        first_seq, judged, posted = state.next_seq, len(batch.judged), len(batch.places)
        dated, events = len(batch.dated), len(batch.events)
        codes: list[ResultCode] = []
        for at in range(start, end + 1):
            codes.append(self._judge(at, first_seq))
            if codes[-1] not in (_POSTED, ResultCode.EXISTS):
                break
        if len(set(codes)) > 1 or codes[-1] not in (_POSTED, ResultCode.EXISTS):
            state.take_back()
            state.next_seq = first_seq
            for key in batch.keys[posted:]:
                del self._recent[key]
            del batch.judged[judged:], batch.places[posted:], batch.keys[posted:]
            del batch.dated[dated:], batch.events[events:]
            if codes[-1] > ResultCode.EXISTS:
                self._refused.append((start + len(codes) - 1, first_seq - 1, True))
            self._refuse_others(range(start, end + 1), codes)
        elif outer is not None:
            outer += state.undo
        state.undo = outer
        return end + 1

    def _refuse_others(self, places: range, codes: Sequence[ResultCode]) -> None:
        """Answer a failed chain: whoever has no reason of its own failed with the others, unless it stood before."""
        refused = {at for at, code in zip(places, codes, strict=False) if code not in (_POSTED, ResultCode.EXISTS)}
        self._repeats = [(at, seq) for at, seq in self._repeats if at not in places]
        for at in places:
            if at not in refused and not self._stood_before(at):
                self._refuse(at, ResultCode.LINKED_FAILED)

    def _stood_before(self, at: int) -> bool:
        """Answer a request of a failed chain that is an exact repeat; nobody may do it again under a new key."""
        request = self._batch.requests[at]
        if isinstance(request, NewEntry):
            accounts = accounts_of_entry(self._state, request)
            return self._repeat(at, request, accounts) is ResultCode.EXISTS
        hold = own_hold(self._state, request.id, request.scope)
        if isinstance(request, NewHold):
            account = own_account(self._state, request.account, request.scope)
            stood = hold is not None and is_same_hold(hold, request, account)
        else:
            stood = hold is not None and hold.state == RELEASED
        if stood and hold is not None:
            code = ResultCode.EXISTS
            self._batch.results[at] = HoldResult(code, hold_of(hold), MESSAGES[code])
        return stood

    def _refuse(self, at: int, code: ResultCode) -> ResultCode:
        self._refuses = True
        if isinstance(self._batch.requests[at], NewEntry):
            self._batch.results[at] = EntryResult(code, message=MESSAGES[code])
        else:
            self._batch.results[at] = HoldResult(code, None, MESSAGES[code])
        return code

    def _judge(self, at: int, chain_seq: int | None) -> ResultCode:
        """Judge one request by the full rules and answer it, unless it is an accepted entry."""
        request = self._batch.requests[at]
        if isinstance(request, NewEntry):
            code, done = self._judge_entry(at, request, chain_seq), False
        else:
            code, done = self._judge_hold(at, request)
        if code > ResultCode.EXISTS and not done and chain_seq is None:
            self._refused.append((at, self._state.next_seq - 1, False))
        return code

    def _judge_hold(self, at: int, request: NewHold | HoldRelease) -> tuple[ResultCode, bool]:
        """Judge and answer a request about a hold; return its code, and whether anything was done.

        A release that comes too late is told so, and gives the money back all the same.
        """
        known = own_hold(self._state, request.id, request.scope)
        account = known.account if known is not None else None
        if isinstance(request, NewHold):
            account = own_account(self._state, request.account, request.scope)
            before = account.money if account is not None else (0, 0)
            code = judge_hold(self._state, request, account, self._now)
        else:
            before = account.money if account is not None else (0, 0)
            code = judge_release(self._state, known, self._now)
        hold = own_hold(self._state, request.id, request.scope)
        done = account is not None and account.money != before
        if account is not None and hold is not None and done:
            self._tell_hold(hold, _HOLD_EVENTS[hold.state], abs(account.held - before[1]), self._state.next_seq - 1)
            if account.monitors:
                self._watch({account: before})
        self._batch.results[at] = HoldResult(code, hold_of(hold) if hold is not None else None, MESSAGES[code])
        return code, done

    def _tell_hold(self, hold: HoldState, kind: str, amount: int, after_seq: int) -> None:
        """Note what happened to a hold after this entry."""
        remaining = hold.remaining if hold.state == PLACED else 0
        self._batch.events.append(
            hold_changed(kind, hold.id, hold.account.id, after_seq, amount=amount, remaining=remaining)
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
        accounts = accounts_of_entry(state, entry)
        repeated = self._repeat(at, entry, accounts)
        if repeated is not None:
            return repeated
        if entry.reverses is not None and entry.reverses not in state.originals:
            self._remember_original(entry.reverses)
        sum_up(accounts)
        before = {account: (account.balance, account.last_seq) for account in accounts if account is not None}
        watched = {account: account.money for account in before if account.monitors}
        seq, effective_at = state.next_seq, entry.effective_at or self._now
        code = judge_entry(state, entry, accounts, self._now, effective_at=effective_at)
        if code is not _POSTED:
            return self._refuse(at, code)
        known = [account for account in accounts if account is not None]
        striped = put_on_stripes(state, entry, known) if any(account.stripes for account in known) else None
        batch.judged.append(judged_entry(entry, known, before, chain_seq, striped))
        batch.places.append(at)
        if effective_at != self._now:
            moved = before if striped is None else {**before, **striped.before}
            batch.dated += [
                DatedPosting(account.id, effective_at, seq, account.balance - balance)
                for account, (balance, _) in moved.items()
                if not account.stripes
            ]
        if entry.hold_id is not None:
            hold = state.hold(entry.hold_id)
            assert hold is not None
            self._tell_hold(hold, HOLD_CAPTURED, abs(hold.account.balance - before[hold.account][0]), seq)
        self._watch(watched)
        batch.keys.append(key)
        self._recent[key] = seq
        return code

    def _repeat(self, at: int, entry: NewEntry, accounts: Sequence[AccountState | None]) -> ResultCode | None:
        """Answer an entry whose key stands already; None where it does not."""
        key = entry.key.int
        recent_seq = self._recent.get(key)
        standing = self._around.standing.get(key)
        if recent_seq is None and standing is None:
            return None
        if recent_seq is not None:
            batch = self._batch_of(recent_seq)
            assert batch is not None
            first = batch.entry(recent_seq)
            if hash_request(entry, accounts) != hash_request(first, self._accounts_of(first)):
                return self._refuse(at, ResultCode.EXISTS_WITH_DIFFERENT_BODY)
            self._repeats.append((at, recent_seq))
            return ResultCode.EXISTS
        assert standing is not None
        return self._compare(at, entry, accounts, standing)

    def _compare(
        self, at: int, entry: NewEntry, accounts: Sequence[AccountState | None], standing: Standing
    ) -> ResultCode:
        """Answer an entry whose key stands in the books."""
        if not standing.is_of(entry, accounts):
            return self._refuse(at, ResultCode.EXISTS_WITH_DIFFERENT_BODY)
        code = ResultCode.EXISTS
        self._batch.results[at] = EntryResult(code, standing.seq, standing.outcome, standing.leaf, MESSAGES[code])
        return code

    def _batch_of(self, seq: int) -> PreparedBatch | None:
        for batch in (self._batch, *reversed(self._around.batches)):
            if batch.first_seq <= seq <= batch.last_seq:
                return batch
        return None

    def _accounts_of(self, entry: NewEntry) -> list[AccountState | None]:
        return [self._state.accounts.get(posting.account) for posting in entry.postings]

    def _remember_original(self, seq: int) -> None:
        """Let an entry that is not in the books yet be reversed like any other."""
        batch = self._batch_of(seq)
        if batch is None:
            return
        entry = batch.entry(seq)
        remaining: dict[int, int] = {}
        accounts = [account for account in self._accounts_of(entry) if account is not None]
        for posting, account in zip(entry.postings, accounts, strict=True):
            remaining[account.id] = remaining.get(account.id, 0) + signed(posting)
        places = {(account.book, account.shared) for account in accounts}
        self._state.add_original(OriginalEntry(seq, entry.reverses is not None, remaining, places))

    def refusals(self) -> Iterator[Refused]:
        """Yield the refusals that are kept, once every answer but those of repeats is known."""
        for at, after_seq, chained in self._refused:
            request, code = self._batch.requests[at], self._batch.results[at].code
            if code not in RECORDED:
                continue
            if isinstance(request, NewEntry):
                asked = hash_request(request, self._accounts_of(request))
                kind, key, actor = Kind.ENTRY, request.key, request.actor
            else:
                kind = Kind.HOLD if isinstance(request, NewHold) else Kind.RELEASE
                key, asked, actor = request.id, hold_request_hash(request), ""
            yield Refused(after_seq, kind, key.bytes, code.text, chained, asked, actor)

    def refused(self) -> list[NewEntry]:
        """Return the entries that were refused, for whatever reason."""
        if not self._refuses:
            return []
        answers = zip(self._batch.requests, self._batch.results, strict=True)
        return [request for request, result in answers if result.code > ResultCode.EXISTS and type(request) is NewEntry]

    def answer_standing(self, standing: Mapping[int, Standing]) -> None:
        """Answer refused entries whose keys stand in the books; to the books nothing changes by that.

        Args:
            standing: entries of the books by key, for the keys of ``refused``.
        """
        if not standing:
            return
        for at, (request, result) in enumerate(zip(self._batch.requests, self._batch.results, strict=True)):
            if result.code <= ResultCode.EXISTS or not isinstance(request, NewEntry):
                continue
            found = standing.get(request.key.int)
            if found is None:
                continue
            code = self._compare(at, request, accounts_of_entry(self._state, request), found)
            if code is not ResultCode.EXISTS and result.code is ResultCode.LINKED_FAILED:
                self._batch.results[at] = result

    def answer_repeats(self) -> None:
        """Answer repeats of recent entries, now that those of this batch are encoded."""
        for at, seq in self._repeats:
            batch = self._batch_of(seq)
            assert batch is not None and batch.accepted is not None
            first = batch.accepted.at(seq - batch.first_seq)
            code = ResultCode.EXISTS
            self._batch.results[at] = EntryResult(code, seq, first.decision.outcome, first.leaf, MESSAGES[code])
