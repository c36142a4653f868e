"""Batches are judged in order and encoded once: answers, numbers, rows and what the commit has to write. Pure: the copy
of the books is made in memory."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta

from ledger.account import AccountFacts, Side
from ledger.batch import BatchJudge
from ledger.canonical import CanonicalEntry, CanonicalPosting, decode_entry, encode_entry, leaf_hash
from ledger.decision import AcceptedEntries, Decisions
from ledger.encoding import encode_batch
from ledger.event import monitor_fired
from ledger.hold import HoldRelease, NewHold
from ledger.journal import NewEntry, Posting, ResultCode, microseconds, transfer
from ledger.money import Asset
from ledger.monitors import Field, Monitor, Operator
from ledger.partitions import Partition, partitions_of
from ledger.prepared import DatedPosting, Judged, PreparedBatch, Request, Surroundings, note_changes
from ledger.run import RUN_ENTRIES_MIN
from ledger.state import State
from tests.support.books import START, PlainRules, key


def new_state() -> State:
    state = State(1, None, [Partition(1, 40, "one"), Partition(41, 1000, "two")])
    table = (("a", "EUR", None), ("b", "EUR", None), ("c", "USD", None), ("poor", "EUR", 0))
    for number, (name, code, floor) in enumerate(table, 11):
        facts = AccountFacts(number, name, Asset(code, 2), Side.CREDIT)
        state.add_account(facts, 1 if code == "EUR" else 2, status=1, floor=floor, overdraft=0, ceiling=None)
    return state


def judge(
    *requests: Request, state: State | None = None, rules: PlainRules | None = None, now: datetime = START
) -> PreparedBatch:
    state = state or new_state()
    batch = PreparedBatch(0, requests, now, state.next_seq)
    judge = BatchJudge(state, batch, Surroundings({}, {}, (), {"gateway": 7}))
    judge.run()
    note_changes(state, batch)
    batch.partitions = partitions_of(state.partitions, batch.first_seq, batch.last_seq)
    encode_batch(state, batch, rules or PlainRules(), lambda count: b"s" * count, {"gateway": 7})
    judge.answer_repeats()
    return batch


def codes(batch: PreparedBatch) -> list[str]:
    return [result.code.text for result in batch.results]


def changes(batch: PreparedBatch) -> list[tuple[int, ...]]:
    assert batch.accounts is not None
    return list(zip(*(column.tolist() for column in batch.accounts), strict=True))


def test_each_refusal_leaves_the_others_alone() -> None:
    crossed = transfer(key(2), "a", "c", 5)
    one_sided = NewEntry(key(3), (Posting("a", Side.DEBIT, 5), Posting("b", Side.DEBIT, 5)))
    batch = judge(transfer(key(1), "a", "b", 5), crossed, one_sided, transfer(key(4), "a", "x", 5))
    assert codes(batch) == ["posted", "asset_mismatch", "unbalanced", "account_not_found"]
    assert batch.last_seq == 1


def test_rules_see_only_accepted_entries() -> None:
    asked: list[NewEntry] = []

    class Watching(PlainRules):
        def decide(self, entries: AcceptedEntries, now: datetime) -> Decisions:
            asked.extend(entries.entries)
            debits = entries.debits
            assert [(*each,) for each in zip(debits.entry, debits.asset, debits.amount, strict=True)] == [
                (0, 0, 5),
                (1, 0, 1),
            ]
            assert debits.assets == [Asset("EUR", 2)]
            return super().decide(entries, now)

    good = transfer(key(2), "a", "b", 5)
    turned = NewEntry(key(3), (Posting("b", Side.CREDIT, 1), Posting("a", Side.DEBIT, 1)))
    judge(transfer(key(1), "poor", "b", 5), good, turned, rules=Watching())
    assert asked == [good, turned]


def test_repeats_inside_a_batch_are_answered_like_repeats_of_old_entries() -> None:
    other = transfer(key(1), "a", "b", 6)
    batch = judge(transfer(key(1), "a", "b", 5), transfer(key(1), "a", "b", 5), other, transfer(key(2), "poor", "a", 1))
    assert codes(batch) == ["posted", "exists", "exists_with_different_body", "exceeds_available"]
    assert batch.results[1].seq == 1 and batch.results[1].leaf == batch.results[0].leaf != b""


def test_refused_request_does_not_burn_its_key() -> None:
    batch = judge(transfer(key(1), "poor", "a", 5), transfer(key(9), "a", "poor", 5), transfer(key(1), "poor", "a", 5))
    assert codes(batch) == ["exceeds_available", "posted", "posted"]


def test_accounts_are_told_once_with_what_stood_before() -> None:
    batch = judge(transfer(key(1), "a", "b", 5), transfer(key(2), "b", "a", 2), transfer(key(3), "a", "b", 1))
    assert changes(batch) == [(11, 0, -4, 0, 0, 0, 3, 0, 3), (12, 0, 4, 0, 0, 0, 3, 0, 3)]


def test_chain_falls_as_a_whole_and_leaves_no_trace() -> None:
    state = new_state()
    chain = (transfer(key(1), "a", "b", 5, linked=True), transfer(key(2), "poor", "b", 5))
    batch = judge(*chain, transfer(key(3), "a", "b", 1), state=state)
    assert codes(batch) == ["linked_failed", "exceeds_available", "posted"]
    assert (state.accounts["b"].balance, state.next_seq) == (1, 2)
    assert batch.places == [2]


def test_linked_entries_know_the_first_of_their_chain() -> None:
    batch = judge(transfer(key(1), "a", "b", 5, linked=True), transfer(key(2), "b", "a", 5))
    assert [judged.chain_seq for judged in batch.judged if isinstance(judged, Judged)] == [1, 1]


def test_what_happens_to_holds_is_told_with_amounts_after_the_newest_entry() -> None:
    hold, deadline = uuid.UUID(int=77), START + timedelta(hours=1)
    capture = {"hold_id": hold, "hold_final": False}
    state = new_state()
    batch = judge(
        NewHold(hold, "a", 50, deadline),
        transfer(key(1), "b", "a", 500),
        NewHold(hold, "a", 50, deadline),
        transfer(key(2), "a", "b", 20, **capture),
        HoldRelease(hold),
        NewHold(uuid.UUID(int=78), "a", 9, deadline),
        state=state,
    )
    assert codes(batch) == ["posted", "posted", "exists", "posted", "posted", "posted"]
    assert batch.holds is not None and batch.holds.is_new.tolist() == [True, True]
    assert [(e.after_seq, e.kind, e.account_id, e.hold_id, e.amount, e.remaining) for e in batch.events] == [
        (0, "hold.placed", 11, hold, 50, 50),
        (2, "hold.captured", 11, hold, 20, 30),
        (2, "hold.released", 11, hold, 30, 0),
        (2, "hold.placed", 11, uuid.UUID(int=78), 9, 9),
    ]


def test_held_money_is_out_of_reach_of_a_run() -> None:
    state, hold = new_state(), uuid.UUID(int=77)
    judge(transfer(key(1), "b", "poor", 30), NewHold(hold, "poor", 8, START + timedelta(hours=1)), state=state)

    def spend_one_each(first: int) -> list[str]:
        return codes(judge(*(transfer(key(first + n), "poor", "a", 1) for n in range(RUN_ENTRIES_MIN)), state=state))

    assert spend_one_each(100) + spend_one_each(200) == ["posted"] * 22 + ["exceeds_available"] * (
        2 * RUN_ENTRIES_MIN - 22
    )
    judge(HoldRelease(hold), state=state)
    assert spend_one_each(300) == ["posted"] * 8 + ["exceeds_available"] * (RUN_ENTRIES_MIN - 8)


def test_sweep_tells_what_an_expired_hold_gave_back() -> None:
    state = new_state()
    hold = uuid.UUID(int=77)
    judge(NewHold(hold, "a", 50, START + timedelta(hours=1)), state=state)
    batch = judge(HoldRelease(hold), state=state, now=START + timedelta(hours=1))
    assert codes(batch) == ["hold_expired"]
    assert [(e.after_seq, e.kind, e.amount, e.remaining) for e in batch.events] == [(0, "hold.expired", 50, 0)]


def test_monitor_fires_after_the_entry_or_hold_that_crossed_it() -> None:
    state = new_state()
    high = Monitor(uuid.UUID(int=1), "a", Field.BALANCE, Operator.AT_LEAST, 100)
    held = Monitor(uuid.UUID(int=2), "a", Field.HELD, Operator.ABOVE, 0)
    state.accounts["a"].monitors = (high, held)
    state.accounts["a"].bound()
    batch = judge(
        transfer(key(1), "b", "a", 99),
        transfer(key(2), "b", "a", 1),
        transfer(key(3), "b", "a", 7),
        NewHold(uuid.UUID(int=77), "a", 5, START + timedelta(hours=1)),
        state=state,
    )
    assert codes(batch) == ["posted"] * 4
    fired = [(e.after_seq, e.account_id, e.payload) for e in batch.events if e.kind == "monitor.fired"]
    assert fired == [
        (2, 11, monitor_fired(high, 11, 2, (99, 0), (100, 0)).payload),
        (3, 11, monitor_fired(held, 11, 3, (107, 0), (107, 5)).payload),
    ]


def test_chain_taken_back_tells_nothing() -> None:
    hold = NewHold(uuid.UUID(int=77), "a", 50, START + timedelta(hours=1), linked=True)
    earlier = transfer(key(2), "a", "b", 3, effective_at=START - timedelta(days=1), linked=True)
    batch = judge(hold, earlier, transfer(key(3), "poor", "a", 5))
    assert codes(batch) == ["linked_failed", "linked_failed", "exceeds_available"]
    assert (batch.events, batch.dated, batch.judged, batch.holds) == ([], [], [], None)


def test_entry_of_another_day_is_told_for_every_account_of_it() -> None:
    moment = START - timedelta(days=1)
    batch = judge(transfer(key(1), "a", "b", 3), transfer(key(2), "a", "b", 5, effective_at=moment))
    assert batch.dated == [DatedPosting(11, moment, 2, -5), DatedPosting(12, moment, 2, 5)]


def test_leaf_is_the_hash_of_the_canonical_form() -> None:
    moment = START - timedelta(days=1)
    plain = NewEntry(key(1), (Posting("b", Side.CREDIT, 5), Posting("a", Side.DEBIT, 5)))
    full = NewEntry(
        key(2), (Posting("a", Side.DEBIT, 5), Posting("b", Side.CREDIT, 2), Posting("poor", Side.CREDIT, 3)),
        effective_at=moment, settlement_id="s", actor="gateway", metadata=(("order", "7"),), description="d",
    )  # fmt: skip
    batch = judge(plain, full)
    salt = b"s" * 32
    assert batch.accepted is not None
    for number, (entry, accepted) in enumerate(zip((plain, full), batch.accepted, strict=True), 1):
        postings = sorted(entry.postings, key=lambda posting: posting.side)
        canonical = encode_entry(
            CanonicalEntry(
                accepted.seq, entry.key, microseconds(START), microseconds(entry.effective_at or START),
                tuple(CanonicalPosting(p.account, "EUR", 2, p.side, p.amount) for p in postings), entry.settlement_id,
                hashlib.sha256(b"dwaybank.node/description\x01" + salt + b"d").digest() if entry.description else b"",
                accepted.decision.id, accepted.decision.outcome, accepted.decision.leaf, actor=entry.actor,
                metadata_commitment=hashlib.sha256(b'dwaybank.node/metadata\x01' + salt + b'{"order":"7"}').digest()
                if entry.metadata else b"",
            )
        )  # fmt: skip
        own = hashlib.sha256(b"dwaybank.node/salt\x01" + salt + number.to_bytes(8, "big")).digest()
        assert accepted.leaf == leaf_hash(own, canonical)
        assert encode_entry(decode_entry(canonical)) == canonical
    assert [result.code for result in batch.results] == [ResultCode.POSTED] * 2
