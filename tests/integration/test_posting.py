"""The one door for writing, on a real PostgreSQL: codes in their precedence, idempotency, holds, and what the database
itself refuses. Tables of accounts and entries, so that an accountant can read them."""

from __future__ import annotations

import select
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from ledger.account import Side
from ledger.audit import recompute_leaves, verify_books
from ledger.balances import find_account, list_accounts, open_account, trial_balance
from ledger.canonical import batch_digest
from ledger.copy_rows import INSERTED_ROWS_MAX
from ledger.errors import (
    BooksUnavailableError,
    ConflictError,
    FencedError,
    InvalidValueError,
    NotFoundError,
    StaleCopyError,
)
from ledger.hold import Hold, HoldRelease, NewHold
from ledger.journal import NewEntry, Outcome, Posting, ResultCode, transfer
from ledger.lookup import Lookup, find_hold
from ledger.money import AMOUNT_MAX
from ledger.posting import LOOKUP_ENTRIES_MAX, SENT_POSTINGS_MAX, Writer
from ledger.prepared import PreparedBatch, Request
from ledger.refusal_store import list_refusals
from ledger.schema import migrate
from ledger.statements import entries_of_settlement, find_entry, statement_page
from tests.support.books import START, Clock, PlainRules, key, new_writer, open_accounts, open_writer, verify

ACCOUNTS = """
    cash        EUR debit  -
    alice       EUR credit 0
    bob         EUR credit 0
    fees        EUR credit -
    dollars     USD debit  -
    carol       USD credit 0
"""


@dataclass
class Bench:
    writer: Writer
    connection: psycopg.Connection[tuple[object, ...]]
    clock: Clock
    rules: PlainRules
    url: str

    def balance(self, reference: str) -> int:
        return find_account(self.connection, reference).balance

    def held(self, reference: str) -> int:
        return find_account(self.connection, reference).held


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    clock, rules = Clock(), PlainRules()
    with (
        open_writer(database_url, clock, rules) as writer,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        open_accounts(connection, ACCOUNTS)
        yield Bench(writer, connection, clock, rules, database_url)
        assert verify_books(connection) == []


def codes(bench: Bench, *entries: NewEntry) -> list[str]:
    return [result.code.text for result in bench.writer.post(entries)]


def place(bench: Bench, hold: NewHold) -> tuple[str, Hold | None]:
    (result,) = bench.writer.post([hold])
    return result.text, result.hold


def release(bench: Bench, hold_id: uuid.UUID) -> tuple[str, Hold | None]:
    (result,) = bench.writer.post([HoldRelease(hold_id)])
    return result.text, result.hold


def legs(number: int, *postings: str, **more: object) -> NewEntry:
    """An entry from lines such as ``debit cash 100``."""
    split = [line.split() for line in postings]
    made = tuple(Posting(account, Side[side.upper()], int(amount)) for side, account, amount in split)
    return NewEntry(key(number), made, **more)  # type: ignore[arg-type]


def test_transfer_moves_money_and_is_numbered_and_decided(bench: Bench) -> None:
    first, second = bench.writer.post([transfer(key(1), "cash", "alice", 500), transfer(key(2), "alice", "bob", 200)])
    assert (first.code, first.seq, second.seq) == (ResultCode.POSTED, 1, 2)
    assert first.outcome is Outcome.AUTOMATED_APPROVAL
    assert (bench.balance("cash"), bench.balance("alice"), bench.balance("bob")) == (500, 300, 200)
    assert [item.seq for item in bench.rules.recorded] == [1, 2]
    assert bench.rules.recorded[0].leaf == first.leaf


def test_large_entry_is_posted_with_its_decision(bench: Bench) -> None:
    (result,) = bench.writer.post([transfer(key(1), "cash", "alice", 1_000_001)])
    assert result.outcome is Outcome.REQUIRES_MANUAL_REVIEW
    assert find_entry(bench.connection, 1).decision == "requires_manual_review"


def test_entry_of_many_postings_balances_per_asset(bench: Bench) -> None:
    both = legs(1, "debit cash 100", "credit alice 70", "credit fees 30", "debit dollars 5", "credit carol 5")
    crossed = legs(2, "debit cash 100", "credit carol 100")
    short = legs(3, "debit cash 100", "credit alice 70", "credit fees 29")
    assert codes(bench, both, crossed, short) == ["posted", "asset_mismatch", "unbalanced"]
    assert (bench.balance("fees"), bench.balance("carol")) == (30, 5)


def test_account_named_twice_on_one_side_is_judged_by_the_sum(bench: Bench) -> None:
    assert codes(bench, transfer(key(1), "cash", "alice", 100)) == ["posted"]
    too_much = legs(2, "debit alice 60", "debit alice 60", "credit bob 120")
    enough = legs(3, "debit alice 60", "debit alice 40", "credit bob 100")
    assert codes(bench, too_much, enough) == ["exceeds_available", "posted"]
    page = statement_page(bench.connection, "alice")
    assert [(line.seq, line.amount, line.balance_after) for line in page.lines] == [
        (2, 40, 0),
        (2, 60, 40),
        (1, 100, 100),
    ]


def test_same_key_with_same_body_gives_first_outcome_for_ever(bench: Bench) -> None:
    entry = transfer(key(1), "cash", "alice", 1_500_000, settlement_id="s-1")
    (first,) = bench.writer.post([entry])
    bench.writer.set_account_status("alice", "frozen")
    bench.clock.move(days=400)
    (again,) = bench.writer.post([entry])
    assert (again.code, again.seq, again.leaf, again.outcome) == (
        ResultCode.EXISTS, first.seq, first.leaf, Outcome.REQUIRES_MANUAL_REVIEW
    )  # fmt: skip
    assert bench.balance("alice") == 1_500_000


@pytest.mark.parametrize(
    "other",
    [
        transfer(key(1), "cash", "alice", 101),
        transfer(key(1), "cash", "bob", 100),
        transfer(key(1), "cash", "alice", 100, settlement_id="s"),
        transfer(key(1), "cash", "alice", 100, description="d"),
        transfer(key(1), "cash", "alice", 100, effective_at=START),
        transfer(key(1), "cash", "alice", 100, hold_id=key(9)),
        transfer(key(1), "cash", "nobody", 100),
    ],
)
def test_same_key_with_another_body_is_a_conflict(bench: Bench, other: NewEntry) -> None:
    assert codes(bench, transfer(key(1), "cash", "alice", 100)) == ["posted"]
    assert codes(bench, other) == ["exists_with_different_body"]


def test_keys_greater_than_all_before_are_not_looked_up_and_every_other_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []
    rows = Lookup._rows

    def noted(self: Lookup, name: str, arguments: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        if name == "standing":
            asked.append([each.int for each in arguments[0]])
        return rows(self, name, arguments)

    monkeypatch.setattr(Lookup, "_rows", noted)
    one, two, three, six, seven = (transfer(key(number), "cash", "alice", 5) for number in (1, 2, 3, 6, 7))
    assert codes(bench, three) + codes(bench, six) == ["posted", "posted"]
    assert asked == []
    # The greatest of all, one that stands below it, one that does not, and one above.
    assert codes(bench, six, three, two, seven) == ["exists", "exists", "posted", "posted"]
    assert asked == [[key(6).int, key(3).int, key(2).int]]
    # What is known of the books is read again: by this writer, then by another.
    bench.writer.forget()
    assert codes(bench, seven, one) == ["exists", "posted"]
    with closing(new_writer(bench.url)) as successor:
        successor.open()
        assert [result.code.text for result in successor.post([seven, one])] == ["exists", "exists"]
    assert asked[1:] == [[key(7).int, key(1).int]] * 2


def test_holds_greater_than_all_before_are_not_looked_up_and_every_other_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[set[int]] = []
    rows = Lookup._rows

    def noted(self: Lookup, name: str, arguments: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        if name == "hold_states":
            # PostgreSQL's form of an array: 20 bytes of head, then each id behind its length.
            ids = arguments[0].data[20:]
            asked.append({int.from_bytes(ids[at + 4 : at + 20]) for at in range(0, len(ids), 20)})
        return rows(self, name, arguments)

    def told(writer: Writer, *requests: Request) -> list[str]:
        return [result.code.text for result in writer.post(requests)]

    monkeypatch.setattr(Lookup, "_rows", noted)
    assert codes(bench, transfer(key(1), "cash", "alice", 90)) == ["posted"]
    until = START + timedelta(hours=1)
    one, two, three, four = (NewHold(key(number), "alice", 10, until) for number in (101, 102, 103, 104))
    capture = transfer(key(2), "alice", "bob", 10, hold_id=three.id)
    assert told(bench.writer, one, three, capture) == ["posted"] * 3
    assert place(bench, replace(three, amount=11))[0] == "exists_with_different_body"  # this writer knows it
    assert asked == []
    assert place(bench, two)[0] == "placed"
    assert asked == [{two.id.int}]
    # Another writer knows no hold, only which is the greatest.
    with closing(new_writer(bench.url)) as successor:
        successor.open()
        capture = transfer(key(3), "alice", "bob", 10, hold_id=four.id)
        assert told(successor, one, capture, four) == ["exists", "hold_not_found", "posted"]
        assert asked[1:] == [{one.id.int}]
        assert told(successor, three, HoldRelease(two.id)) == ["exists", "posted"]
        assert asked[2:] == [{three.id.int, two.id.int}]


@pytest.mark.parametrize("count", [0, LOOKUP_ENTRIES_MAX])
def test_chain_of_which_a_part_stands_is_told_alike_in_a_batch_of_any_size(bench: Bench, count: int) -> None:
    first = transfer(key(1001), "alice", "bob", 60, linked=True)
    last = transfer(key(1002), "alice", "bob", 30)
    assert codes(bench, transfer(key(1000), "cash", "alice", 200), first, last) == ["posted"] * 3
    # Alice has 110 left: a chain fails for what stands in it already, not for money that would be spent twice.
    chains = [
        [first, transfer(key(1003), "alice", "bob", 100)],
        [replace(first, description="other"), transfer(key(1004), "alice", "bob", 100)],
        [NewHold(key(1005), "alice", 100, START + timedelta(hours=1), linked=True), last],
    ]
    others = [transfer(key(2000 + number), "cash", "bob", 1) for number in range(count)]
    bench.writer.forget()
    assert codes(bench, *others, *(request for chain in chains for request in chain))[count:] == [
        "exists", "linked_failed",
        "exists_with_different_body", "linked_failed",
        "linked_failed", "exists",
    ]  # fmt: skip
    kept = [(refusal.key, refusal.code) for refusal in list_refusals(bench.connection)]
    assert kept == [(key(1001), "exists_with_different_body")]


def send(bench: Bench, *entries: NewEntry) -> list[str] | None:
    """Codes of requests that nobody waits for in a thread; None where somebody has to."""
    sent = bench.writer.send(entries)
    if sent is None:
        return None
    while (results := sent.results()) is None:
        select.select((sent.socket,), (), ())
    return [result.code.text for result in results]


def test_a_few_requests_are_sent_without_waiting_where_nothing_has_to_be_read(bench: Bench) -> None:
    one, two, three = (transfer(key(number), "cash", "alice", 5, description="rent") for number in (1, 2, 3))
    assert send(bench, one) is None  # neither the head nor the accounts are known
    assert codes(bench, one) == ["posted"]
    assert send(bench, two) == ["posted"]
    assert send(bench, two) is None  # what stands under its key must be read
    assert send(bench, transfer(key(4), "cash", "bob", 5)) is None  # this account is not known yet
    too_much, linked = transfer(key(5), "alice", "cash", 11), (replace(three, linked=True), replace(three, key=key(6)))
    assert send(bench, too_much, *linked) == ["exceeds_available", "posted", "posted"]
    assert send(bench, *(transfer(key(10 + n), "cash", "alice", 1) for n in range(INSERTED_ROWS_MAX + 1))) is None
    many = [f"credit alice {n + 1}" for n in range(SENT_POSTINGS_MAX)]
    assert send(bench, legs(7, f"debit cash {sum(range(SENT_POSTINGS_MAX + 1))}", *many)) is None
    assert codes(bench, one, two, *linked) == ["exists"] * 4
    assert bench.balance("alice") == 20


def test_what_was_sent_in_vain_stands_nowhere_and_is_posted_after_reading_again(bench: Bench) -> None:
    one, two = transfer(key(1), "cash", "alice", 5), transfer(key(2), "alice", "cash", 5)
    assert codes(bench, one) == ["posted"]
    frozen = bench.connection.execute(
        "SELECT ledger.set_account_terms(%s, 'alice', 2::smallint, 0, 0, NULL, 'operator', %s)",
        (bench.writer.epoch, START),
    )
    assert frozen.fetchone() == ("changed",)
    with pytest.raises(StaleCopyError):
        send(bench, two)
    assert send(bench, two) is None  # the copy was dropped
    assert codes(bench, two) == ["account_frozen"]


def test_statements_that_the_server_forgot_cost_no_caller_an_answer(bench: Bench) -> None:
    assert codes(bench, transfer(key(1), "cash", "alice", 5)) == ["posted"]
    for connection in bench.writer._connections._all:
        connection.execute("DEALLOCATE ALL")
    assert codes(bench, transfer(key(2), "cash", "alice", 5)) == ["posted"]
    # A large batch that the database refuses is rolled back, and psycopg lets the server forget what is prepared.
    many = [transfer(key(1000 + number), "cash", "alice", 1) for number in range(LOOKUP_ENTRIES_MAX + 1)]
    assert codes(bench, *many) == ["posted"] * len(many)
    bench.writer.forget()
    assert codes(bench, *many) == ["exists"] * len(many)
    assert codes(bench, transfer(key(3), "cash", "alice", 5)) == ["posted"]


def test_batch_without_a_connection_counts_for_nothing(bench: Bench) -> None:
    one, two = transfer(key(1), "cash", "alice", 5), transfer(key(2), "cash", "alice", 5)
    assert codes(bench, one) == ["posted"]
    connections = bench.writer._connections
    taken = [connections.take(), connections.take()]
    for attempt in (bench.writer.send, bench.writer.post):
        with pytest.raises(BooksUnavailableError, match="busy"):
            attempt([two])
    for connection in taken:
        assert connection is not None
        connections.give_back(connection)
    assert codes(bench, two) == ["posted"]


def test_connection_lost_while_nobody_waits_is_told_and_mended(bench: Bench) -> None:
    one, two = transfer(key(1), "cash", "alice", 5), transfer(key(2), "cash", "alice", 5)
    assert codes(bench, one) == ["posted"]
    with bench.connection.transaction():
        bench.connection.execute("LOCK TABLE ledger.head")
        sent = bench.writer.send([two])
        assert sent is not None
        assert sent.results() is None
        bench.connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with pytest.raises(BooksUnavailableError):
        while sent.results() is None:
            select.select((sent.socket,), (), ())
    assert not bench.writer.connected
    bench.writer.reconnect()
    assert codes(bench, one, two) == ["exists", "posted"]


def test_repeats_inside_one_batch_are_told_like_repeats_later(bench: Bench) -> None:
    entry, other = transfer(key(1), "cash", "alice", 100), transfer(key(1), "cash", "alice", 99)
    assert codes(bench, entry, entry, other, entry) == ["posted", "exists", "exists_with_different_body", "exists"]
    assert bench.balance("alice") == 100


def test_refused_request_does_not_burn_its_key(bench: Bench) -> None:
    entry = transfer(key(1), "alice", "bob", 100)
    funding = transfer(key(2), "cash", "alice", 100)
    assert codes(bench, entry, funding, entry, entry) == ["exceeds_available", "posted", "posted", "exists"]
    assert bench.balance("bob") == 100


def test_refused_entries_never_stop_the_others(bench: Bench) -> None:
    batch = [
        transfer(key(1), "cash", "alice", 100),
        transfer(key(2), "cash", "nobody", 100),
        transfer(key(3), "alice", "bob", 101),
        transfer(key(4), "alice", "bob", 100),
    ]
    assert codes(bench, *batch) == ["posted", "account_not_found", "exceeds_available", "posted"]
    assert find_entry(bench.connection, 2).key == key(4)


def test_codes_stand_in_their_precedence(bench: Bench) -> None:
    open_accounts(bench.connection, "shut EUR credit 0\ncold EUR credit 0")
    assert bench.writer.set_account_status("shut", "closed") == "changed"
    assert bench.writer.set_account_status("cold", "frozen") == "changed"
    assert codes(bench, transfer(key(90), "cash", "fees", AMOUNT_MAX)) == ["posted"]
    overflow = "credit fees 1"
    table = [
        (legs(1, "debit nobody 2", "credit carol 1", "credit shut 1"), "account_not_found"),
        (legs(2, "debit alice 3", "credit shut 1", "credit cold 1"), "unbalanced"),
        (legs(3, "debit alice 2", "credit shut 2", hold_id=key(9)), "hold_not_found"),
        (legs(4, "debit alice 3", "credit cold 1", "credit shut 1", overflow), "account_closed"),
        (legs(5, "debit alice 2", "credit cold 1", overflow), "account_frozen"),
        (legs(6, "debit alice 1", overflow), "balance_overflow"),
        (legs(7, "debit alice 1", "credit bob 1"), "exceeds_available"),
    ]
    assert codes(bench, *(entry for entry, _ in table)) == [code for _, code in table]
    assert [ResultCode[code.upper()] for _, code in table] == sorted(ResultCode[code.upper()] for _, code in table)


def test_floor_below_zero_is_an_overdraft_line(bench: Bench) -> None:
    open_accounts(bench.connection, "dave EUR credit -50")
    assert codes(bench, transfer(key(1), "dave", "bob", 51), transfer(key(2), "dave", "bob", 50)) == [
        "exceeds_available",
        "posted",
    ]
    assert bench.balance("dave") == -50


def test_hold_counts_in_available_until_released(bench: Bench) -> None:
    bench.writer.post([transfer(key(1), "cash", "alice", 100)])
    hold = NewHold(key(50), "alice", 80, START + timedelta(hours=1))
    code, placed = place(bench, hold)
    assert code == "placed" and placed is not None and placed.state == "placed"
    assert codes(bench, transfer(key(2), "alice", "bob", 21), transfer(key(3), "alice", "bob", 20)) == [
        "exceeds_available",
        "posted",
    ]
    assert place(bench, hold)[0] == "exists"
    assert place(bench, NewHold(key(50), "alice", 81, hold.expires_at))[0] == "exists_with_different_body"
    assert place(bench, NewHold(key(51), "alice", 1, hold.expires_at))[0] == "exceeds_available"
    assert release(bench, key(50))[0] == "released"
    assert release(bench, key(50))[0] == "exists"
    assert bench.held("alice") == 0
    assert codes(bench, transfer(key(4), "alice", "bob", 80)) == ["posted"]


def test_capture_spends_the_held_money_once(bench: Bench) -> None:
    bench.writer.post([transfer(key(1), "cash", "alice", 100)])
    place(bench, NewHold(key(50), "alice", 100, START + timedelta(hours=1)))
    wrong = transfer(key(2), "alice", "bob", 101, hold_id=key(50))
    capture = transfer(key(3), "alice", "bob", 100, hold_id=key(50))
    second = transfer(key(4), "alice", "bob", 100, hold_id=key(50))
    assert codes(bench, wrong, capture, second, capture) == ["hold_mismatch", "posted", "hold_not_placed", "exists"]
    hold = find_hold(bench.connection, key(50))
    assert hold is not None and (hold.state, hold.entry_seq) == ("captured", 2)
    assert release(bench, key(50))[0] == "hold_not_placed"
    assert (bench.balance("alice"), bench.held("alice")) == (0, 0)


def test_capture_refused_later_in_the_entry_leaves_the_hold_in_place(bench: Bench) -> None:
    bench.writer.post([transfer(key(1), "cash", "alice", 100)])
    place(bench, NewHold(key(50), "alice", 60, START + timedelta(hours=1)))
    bench.writer.set_account_status("bob", "frozen")
    assert codes(
        bench,
        transfer(key(2), "alice", "bob", 60, hold_id=key(50)),
        transfer(key(3), "alice", "fees", 41),
        transfer(key(4), "alice", "fees", 40),
    ) == ["account_frozen", "exceeds_available", "posted"]
    assert bench.held("alice") == 60


def test_deadline_is_kept_by_the_database(bench: Bench) -> None:
    bench.writer.post([transfer(key(1), "cash", "alice", 100)])
    for number in (50, 51):
        place(bench, NewHold(key(number), "alice", 50, START + timedelta(seconds=10)))
    bench.clock.move(seconds=10)
    late = transfer(key(2), "alice", "bob", 50, hold_id=key(50))
    assert codes(bench, late) == ["hold_expired"]
    assert release(bench, key(50))[0] == "hold_expired"
    assert bench.writer.expire_holds() == 1
    assert bench.writer.expire_holds() == 0
    assert codes(bench, late) == ["hold_expired"]
    assert bench.held("alice") == 0
    assert place(bench, NewHold(key(52), "alice", 1, START))[0] == "deadline_passed"


def test_closed_account_must_be_empty(bench: Bench) -> None:
    bench.writer.post([transfer(key(1), "cash", "alice", 1)])
    assert bench.writer.set_account_status("alice", "closed") == "account_not_empty"
    assert bench.writer.set_account_status("nobody", "closed") == "account_not_found"


def test_opening_the_same_account_again_changes_nothing(bench: Bench) -> None:
    same, created = open_account(bench.connection, "alice", "EUR", Side.CREDIT, floor=0, now=START)
    assert not created and same.facts.reference == "alice"
    with pytest.raises(ConflictError):
        open_account(bench.connection, "alice", "EUR", Side.CREDIT, floor=None, now=START)
    with pytest.raises(InvalidValueError, match="asset 'XXX'"):
        open_account(bench.connection, "new", "XXX", Side.CREDIT, floor=0, now=START)
    with pytest.raises(InvalidValueError, match="floor_minor 1"):
        open_account(bench.connection, "new", "EUR", Side.CREDIT, floor=1, now=START)
    with pytest.raises(NotFoundError):
        find_account(bench.connection, "new")


def test_statement_pages_run_from_the_newest_to_the_first(bench: Bench) -> None:
    bench.writer.post([transfer(key(n), "cash", "alice" if n % 3 else "bob", n) for n in range(1, 31)])
    seen, from_seq, pages = [], 0, 0
    while True:
        page = statement_page(bench.connection, "alice", from_seq=from_seq, entry_count_max=7)
        seen += [line.seq for line in page.lines]
        pages += 1
        from_seq = page.next_seq
        if not from_seq:
            break
    assert seen == [n for n in range(30, 0, -1) if n % 3]
    assert pages == 3
    assert statement_page(bench.connection, "alice", from_seq=3).lines == ()


def test_reads_tell_what_was_posted(bench: Bench) -> None:
    bench.writer.post([transfer(key(7), "cash", "alice", 5, description="Miete März", settlement_id="s-7")])
    entry = find_entry(bench.connection, key(7))
    assert entry == find_entry(bench.connection, 1)
    assert (entry.description, entry.settlement_id, entry.posted_at) == ("Miete März", "s-7", START)
    assert [(p.account, p.side, p.amount, p.asset, p.balance_after) for p in entry.postings] == [
        ("cash", Side.DEBIT, 5, "EUR", 5),
        ("alice", Side.CREDIT, 5, "EUR", 5),
    ]
    assert entries_of_settlement(bench.connection, "s-7") == [entry]
    assert entries_of_settlement(bench.connection, "s-8") == []
    assert [account.facts.reference for account in list_accounts(bench.connection, prefix="c")] == ["carol", "cash"]
    assert [account.facts.reference for account in list_accounts(bench.connection, after="carol", count_max=1)] == [
        "cash"
    ]
    assert [(line.asset, line.debit, line.credit) for line in trial_balance(bench.connection)] == [
        ("EUR", 5, 5),
        ("USD", 0, 0),
    ]


def test_leaves_recomputed_from_rows_equal_the_stored_ones(bench: Bench) -> None:
    bench.writer.post([transfer(key(1), "cash", "alice", 5, description="x"), transfer(key(2), "cash", "nobody", 1)])
    bench.writer.post([legs(3, "debit cash 3", "credit bob 1", "credit fees 2", effective_at=START, settlement_id="s")])
    found = list(recompute_leaves(bench.connection, verify))
    assert [(item.seq, item.covered, item.unchanged) for item in found] == [(1, True, True), (2, True, True)]
    rows = bench.connection.execute("SELECT first_seq, last_seq, digest, signature FROM ledger.batch").fetchall()
    assert [row[:2] for row in rows] == [(1, 1), (2, 2)]
    assert bytes(rows[1][2]) == batch_digest(2, 2, found[1].leaf)  # type: ignore[call-overload]


# What the database itself refuses -------------------------------------------------------------------------------------

COPIED = (
    "key, request_hash, posted_at, effective_at, decision_id, decision_outcome, decision_leaf, salt, leaf, "
    "debit_account, credit_account, debit_balance, credit_balance, debit_previous, credit_previous, asset_id, amount, "
    "posting_account, posting_asset, posting_amount, posting_balance, posting_previous"
)
LIST = {
    "debit_account": "NULL", "credit_account": "NULL", "debit_balance": "NULL", "credit_balance": "NULL",
    "debit_previous": "NULL", "credit_previous": "NULL", "asset_id": "NULL", "amount": "NULL",
    "posting_account": "ARRAY[debit_account, credit_account]", "posting_asset": "ARRAY[asset_id, asset_id]",
    "posting_amount": "ARRAY[amount, -amount]", "posting_balance": "ARRAY[0, 0]::bigint[]",
    "posting_previous": "ARRAY[0, 0]::bigint[]", "request_hash": "substring(leaf FOR 16)",
}  # fmt: skip
"""The first entry with its postings listed, as entries of more postings have them."""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount": "0"}, "entry_balanced"),
        ({"amount": "-amount"}, "entry_balanced"),
        ({"amount": "NULL"}, "entry_balanced"),
        ({"credit_account": "debit_account"}, "entry_balanced"),
        ({"credit_balance": "NULL"}, "entry_balanced"),
        ({"posting_amount": "ARRAY[amount, -amount]"}, "entry_balanced"),
        (LIST | {"posting_amount": "ARRAY[5, -4]::bigint[]"}, "entry_balanced"),
        (LIST | {"posting_amount": "ARRAY[0, 0]::bigint[]"}, "entry_balanced"),
        (LIST | {"posting_amount": "ARRAY[5, -2, -3]::bigint[]"}, "entry_balanced"),
        (LIST | {"posting_previous": "ARRAY[0, NULL]::bigint[]"}, "entry_balanced"),
        (LIST | {"amount": "5"}, "entry_balanced"),
        ({"request_hash": "substring(leaf FOR 8)"}, "request_hash"),
        ({"settlement_id": "'s'"}, "entry_request_told"),
        (LIST | {"request_hash": "NULL"}, "entry_request_told"),
        ({"decision_leaf": "NULL"}, "decision_leaf"),
        ({}, "no signed batch covers"),
        (LIST, "no signed batch covers"),
        ({"seq": "9"}, "no signed batch covers"),
    ],
)
def test_database_refuses_what_is_no_entry(bench: Bench, changes: dict[str, str], reason: str) -> None:
    bench.writer.post([transfer(key(1), "cash", "alice", 5)])
    parts = {name: name for name in COPIED.split(", ")} | {"key": "gen_random_uuid()", "seq": "2"} | changes
    insert = f"INSERT INTO ledger.entry ({', '.join(parts)}) SELECT {', '.join(parts.values())} FROM ledger.entry"
    with pytest.raises(psycopg.Error, match=reason), bench.connection.transaction():
        bench.connection.execute(insert.encode())


@pytest.mark.parametrize(("account", "reason"), [("0", "1 accounts that do not exist"), ("NULL", "null value")])
def test_database_refuses_a_hold_of_no_account(bench: Bench, account: str, reason: str) -> None:
    place = (
        "SELECT ledger.place_holds(%s, ARRAY[gen_random_uuid(), gen_random_uuid()],"
        f" ARRAY[(SELECT id FROM ledger.account WHERE reference = 'alice'), {account}], ARRAY[5, 5]::bigint[],"
        " ARRAY[0, 0]::bigint[], ARRAY[1, 1]::smallint[], ARRAY[now(), now()], ARRAY[0, 0]::bigint[],"
        " ARRAY[now(), now()], ARRAY[now() + '1 hour', now() + '1 hour'])"
    )
    with pytest.raises(psycopg.Error, match=reason), bench.connection.transaction():
        bench.connection.execute(place.encode(), (bench.writer.epoch,))
    assert bench.connection.execute("SELECT count(*) FROM ledger.hold").fetchone() == (0,)


def settle(bench: Bench, first: int, last: int, *, balance: int = 5, held: int = 0, terms: int = 0) -> None:
    """Ask for the settlement of what was appended, as a writer that believes alice to stand so."""
    bench.connection.execute(
        "SELECT ledger.settle_batch(%s, now(), NULL, %s, %s,"
        " (SELECT array_agg(id) FROM ledger.account WHERE reference = 'alice'),"
        " ARRAY[%s]::bigint[], ARRAY[6]::bigint[], ARRAY[%s]::bigint[], ARRAY[0]::bigint[], ARRAY[%s]::bigint[],"
        " ARRAY[2]::bigint[], ARRAY[2]::bigint[], '{}', '{}', '{}', %s, %s, %s)",
        (bench.writer.epoch, first, last, balance, held, terms, bytes(32), bytes(64), bytes(32)),
    )


@pytest.mark.parametrize(
    ("appended", "first", "believes", "reason"),
    [
        ((2,), 2, {"balance": 4}, "do not stand as the writer knew them"),
        ((2,), 2, {"held": 1}, "do not stand as the writer knew them"),
        ((2,), 2, {"terms": 1}, "do not stand as the writer knew them"),
        ((2,), 1, {}, "the books at 2"),
        ((3,), 3, {}, "the books at 2"),
        ((2, 4), 2, {}, "do not continue the sequence"),
        ((3,), 2, {}, "do not continue the sequence"),
        ((), 2, {}, "do not continue the sequence"),
    ],
)
def test_settlement_is_refused_to_a_writer_that_knows_the_books_wrongly(
    bench: Bench, appended: tuple[int, ...], first: int, believes: dict[str, int], reason: str
) -> None:
    bench.writer.post([transfer(key(1), "cash", "alice", 5)])
    with pytest.raises(psycopg.Error, match=reason), bench.connection.transaction():
        for seq in appended:
            bench.connection.execute(
                f"INSERT INTO ledger.entry (seq, {COPIED}) SELECT {seq}, "
                f"{COPIED.replace('key', 'gen_random_uuid()', 1)} FROM ledger.entry WHERE seq = 1".encode()
            )
        settle(bench, first, max(appended, default=2), **believes)


@pytest.mark.parametrize(
    "statement",
    [
        b"UPDATE ledger.entry SET amount = 6",
        b"DELETE FROM ledger.entry",
        b"TRUNCATE ledger.entry CASCADE",
        b"DELETE FROM ledger.batch",
        b"UPDATE ledger.batch SET last_seq = 9",
        b"DELETE FROM ledger.account",
        b"UPDATE ledger.account SET reference = 'other' WHERE reference = 'alice'",
        b"UPDATE ledger.head SET next_seq = 1",
        b"UPDATE ledger.head SET next_seq = 9",
        b"DELETE FROM ledger.head",
        b"UPDATE ledger.account SET balance = -1 WHERE reference = 'alice'",
        b"INSERT INTO ledger.account (reference, asset_id, normal_side, opened_at) VALUES ('two words', 1, 1, now())",
    ],
)
def test_owner_cannot_edit_history_by_plain_sql(bench: Bench, statement: bytes) -> None:
    bench.writer.post([transfer(key(1), "cash", "alice", 5)])
    with pytest.raises(psycopg.Error):
        bench.connection.execute(statement)


def test_application_role_can_change_no_table(bench: Bench) -> None:
    tables = bench.connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'ledger'").fetchall()
    assert len(tables) > 10
    bench.connection.execute("SET ROLE dwaybank_application")
    for (table,) in tables:
        for statement in ("DELETE FROM ledger.{}", "INSERT INTO ledger.{} DEFAULT VALUES", "TRUNCATE ledger.{}"):
            # Partitions of the journal take its entries, but none that no signed batch covers.
            if table == "entry_1" and statement.startswith("INSERT"):
                continue
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                bench.connection.execute(statement.format(table).encode())
    bench.connection.execute("RESET ROLE")


def test_application_role_cannot_commit_an_entry_past_the_settlement(bench: Bench) -> None:
    bench.writer.post([transfer(key(1), "cash", "alice", 5)])
    bench.connection.execute("SET ROLE dwaybank_application")
    parts = COPIED.replace("key", "gen_random_uuid()", 1)
    with pytest.raises(psycopg.Error, match="no signed batch covers"):
        bench.connection.execute(
            f"INSERT INTO ledger.entry_1 (seq, {COPIED}) SELECT 2, {parts} FROM ledger.entry WHERE seq = 1".encode()
        )
    bench.connection.execute("RESET ROLE")


def test_application_role_posts_through_the_functions(bench: Bench) -> None:
    writer = new_writer(bench.url, role="dwaybank_application")
    writer.open()
    try:
        entry = transfer(key(1), "cash", "alice", 5, description="x")
        assert [result.code for result in writer.post([entry])] == [ResultCode.POSTED]
    finally:
        writer.close()


# Fencing and failure --------------------------------------------------------------------------------------------------


def test_second_writer_fences_the_first(bench: Bench) -> None:
    second = new_writer(bench.url)
    second.open()
    try:
        with pytest.raises(FencedError):
            bench.writer.post([transfer(key(1), "cash", "alice", 1)])
        with pytest.raises(FencedError):
            place(bench, NewHold(key(5), "cash", 1, START + timedelta(1)))
        with pytest.raises(FencedError):
            bench.writer.reconnect()
        assert [result.seq for result in second.post([transfer(key(1), "cash", "alice", 1)])] == [1]
    finally:
        second.close()


class Crash(Exception):
    """Stands for the end of the process."""


def crash_in_rules(writer: Writer) -> None:
    def in_commit(cursor: object, accepted: object, now: object) -> None:
        raise Crash

    writer._decider.in_commit = in_commit  # type: ignore[method-assign]


def crash_in_signing(writer: Writer) -> None:
    def sign(digest: bytes) -> bytes:
        raise Crash

    writer._sign = sign


def crash_while_the_server_drops_us(writer: Writer) -> None:
    def in_commit(cursor: psycopg.Cursor[tuple[object, ...]], accepted: object, now: object) -> None:
        cursor.execute(b"SELECT pg_terminate_backend(pg_backend_pid())")

    writer._decider.in_commit = in_commit  # type: ignore[method-assign,assignment]


def crash_before_the_answer(writer: Writer) -> None:
    commit = writer.commit

    def crash(batch: PreparedBatch) -> list[object]:
        commit(batch)
        raise Crash

    writer.commit = crash  # type: ignore[method-assign,assignment]


@pytest.mark.parametrize(
    ("crash", "posted"),
    [
        (crash_in_rules, False),
        (crash_in_signing, False),
        (crash_while_the_server_drops_us, False),
        (crash_before_the_answer, True),
    ],
)
def test_crash_at_any_step_posts_all_of_the_batch_or_nothing(
    bench: Bench, crash: Callable[[Writer], None], posted: bool
) -> None:
    batch = [transfer(key(n), "cash", "alice", n, description="x") for n in range(1, 6)]
    dying = new_writer(bench.url, rules=PlainRules())
    dying.open()
    crash(dying)
    with pytest.raises((Crash, BooksUnavailableError)):
        dying.post(batch)
    dying.close()
    assert bench.balance("alice") == (15 if posted else 0)
    successor = new_writer(bench.url)
    successor.open()
    try:
        codes_after = {result.code.text for result in successor.post(batch)}
        assert codes_after == {"exists" if posted else "posted"}
        assert [result.seq for result in successor.post(batch)] == [1, 2, 3, 4, 5]
    finally:
        successor.close()
    assert bench.balance("alice") == 15


def test_successor_that_comes_between_rows_and_settlement_wins(bench: Bench) -> None:
    successor = new_writer(bench.url)
    batch = bench.writer.prepare([transfer(key(n), "cash", "alice", 1) for n in range(1, INSERTED_ROWS_MAX + 2)])
    try:
        with pytest.raises(FencedError):
            bench.writer.commit(batch, await_turn=successor.open)
        assert bench.balance("alice") == 0
        assert [r.seq for r in successor.post([transfer(key(2), "cash", "alice", 1)])] == [1]
    finally:
        successor.close()


def test_accounts_are_learnt_anew_when_too_many_are_remembered(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.posting.ACCOUNTS_REMEMBERED_MAX", 1)
    assert codes(bench, transfer(key(1), "cash", "alice", 1)) == ["posted"]
    assert codes(bench, transfer(key(2), "cash", "bob", 1), transfer(key(3), "cash", "alice", 1)) == ["posted"] * 2


def test_server_defaults_cannot_weaken_the_writer(bench: Bench) -> None:
    bench.connection.execute(
        "DO $$ BEGIN"
        " EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database());"
        " EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database());"
        " END $$"
    )
    writer = new_writer(bench.url)
    writer.open()
    try:
        with writer._connections.writing() as connection, connection.transaction():
            for setting, wanted in (("synchronous_commit", "on"), ("transaction_isolation", "read committed")):
                assert connection.execute(f"SHOW {setting}".encode()).fetchone() == (wanted,)
    finally:
        writer.close()


def test_connection_killed_between_batches_is_told_and_mended(bench: Bench) -> None:
    entry = transfer(key(1), "cash", "alice", 1)
    bench.writer.post([entry])
    bench.connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with pytest.raises(BooksUnavailableError):
        bench.writer.post([transfer(key(2), "cash", "alice", 1)])
    bench.writer.reconnect()
    assert codes(bench, entry, transfer(key(2), "cash", "alice", 1)) == ["exists", "posted"]


def test_time_of_posting_never_runs_backwards(bench: Bench) -> None:
    bench.writer.post([transfer(key(1), "cash", "alice", 1)])
    bench.clock.move(hours=-5)
    bench.writer.post([transfer(key(2), "cash", "alice", 1)])
    assert find_entry(bench.connection, 2).posted_at == START


def test_migrating_twice_is_safe(bench: Bench) -> None:
    migrate(bench.connection)
    assert codes(bench, transfer(uuid.UUID(int=77), "cash", "alice", 1)) == ["posted"]
