"""Refusals that matter are kept, bound and proved: on a real PostgreSQL, with the writer's own batches and roles.

Aim: what is kept is what docs/result-codes.md marks, each with the entry after which it was judged; the next entry
binds it; nobody but the writer can add one, and nobody can change or lose one unseen.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from ledger.audit import recompute_leaves, verify_books
from ledger.errors import FencedError, InvalidValueError, StaleCopyError
from ledger.hold import HoldRelease, NewHold
from ledger.journal import EntryResult, NewEntry, Posting, Side, request_hash, transfer
from ledger.money import AMOUNT_MAX
from ledger.posting import AccountTerms, Writer
from ledger.refusal import Kind
from ledger.refusal_store import KeptRefusal, RefusalFilter, list_refusals
from network.pb.dwaybank.ledger.v1 import ledger_pb2 as pb
from network.rpc import StatusCode
from node.books.ledger_service import SERVICE, LedgerService
from tests.support.books import START, Clock, key, new_writer, open_accounts, open_writer, verify
from tests.support.own_service import open_books, open_port

ACCOUNTS = """
    cash        EUR debit  -
    alice       EUR credit 0
    bob         EUR credit 0
    dollars     USD debit  -
    carol       USD credit 0
"""
LATER = START + timedelta(hours=1)


@dataclass
class Bench:
    writer: Writer
    connection: psycopg.Connection[tuple[Any, ...]]
    clock: Clock
    url: str

    def kept(self) -> list[KeptRefusal]:
        return list_refusals(self.connection)[::-1]

    def binding(self) -> dict[int, bytes]:
        """What entries carry."""
        rows = self.connection.execute("SELECT seq, refusals FROM ledger.entry WHERE refusals IS NOT NULL")
        return dict(rows.fetchall())  # type: ignore[arg-type]


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    clock = Clock()
    with (
        open_writer(database_url, clock) as writer,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        open_accounts(connection, ACCOUNTS)
        yield Bench(writer, connection, clock, database_url)
        assert verify_books(connection, verify) == []
        assert all(leaf.covered and leaf.unchanged for leaf in recompute_leaves(connection, verify))


def too_much(number: int, **more: Any) -> NewEntry:
    return transfer(key(number), "alice", "bob", 1_000_000, **more)


def told(bench: Bench) -> list[tuple[int, str, uuid.UUID, str]]:
    return [(kept.after_seq, kept.kind.name.lower(), kept.key, kept.code) for kept in bench.kept()]


def test_refusals_that_follow_from_the_books_are_kept_and_no_others(bench: Bench) -> None:
    post = bench.writer.post
    post([transfer(key(1), "cash", "alice", 100), NewHold(key(50), "alice", 10, START + timedelta(seconds=5))])
    bench.writer.set_account_status("carol", "frozen")
    post(
        [
            transfer(key(1), "cash", "alice", 100),  # exists
            transfer(key(1), "cash", "alice", 101),
            transfer(key(2), "cash", "nobody", 1),  # account_not_found
            transfer(key(3), "cash", "carol", 1),  # asset_mismatch
            NewEntry(key(4), (Posting("cash", Side.DEBIT, 2), Posting("alice", Side.CREDIT, 1))),  # unbalanced
            transfer(key(5), "alice", "bob", 1, reverses=9),
            transfer(key(6), "alice", "cash", 101, reverses=1),
            transfer(key(7), "alice", "bob", 1, hold_id=key(99)),
            transfer(key(8), "alice", "bob", 11, hold_id=key(50)),
            transfer(key(9), "dollars", "carol", 1),
            NewHold(key(51), "alice", 1, START),
            NewHold(key(52), "bob", 1, LATER),
            NewHold(key(50), "alice", 11, START + timedelta(seconds=5)),
            transfer(key(10), "cash", "alice", AMOUNT_MAX),
            HoldRelease(key(99)),
        ]
    )
    assert told(bench) == [
        (1, "entry", key(1), "exists_with_different_body"),
        (1, "entry", key(5), "entry_not_found"),
        (1, "entry", key(6), "exceeds_original"),
        (1, "entry", key(7), "hold_not_found"),
        (1, "entry", key(8), "hold_mismatch"),
        (1, "entry", key(9), "account_frozen"),
        (1, "hold", key(51), "deadline_passed"),
        (1, "hold", key(52), "exceeds_available"),
        (1, "hold", key(50), "exists_with_different_body"),
        (1, "entry", key(10), "balance_overflow"),
        (1, "release", key(99), "hold_not_found"),
    ]


def test_next_entry_binds_what_was_refused_right_before_it(bench: Bench) -> None:
    post = bench.writer.post
    post([too_much(1), transfer(key(2), "cash", "alice", 5), transfer(key(3), "cash", "alice", 5), too_much(4)])
    post([too_much(5)])
    assert list(bench.binding()) == [1]
    post([too_much(6), transfer(key(7), "cash", "alice", 5), transfer(key(8), "cash", "alice", 5)])
    heads = {kept.number: kept.head for kept in bench.kept()}
    assert bench.binding() == {1: heads[1], 3: heads[4]}
    batches = bench.connection.execute("SELECT first_number, last_number FROM ledger.refusal_batch").fetchall()
    assert batches == [(1, 2), (3, 3), (4, 4)]


def test_entry_with_everything_binds_refusals_too(bench: Bench) -> None:
    bench.writer.post([transfer(key(1), "cash", "alice", 50), NewHold(key(2), "alice", 20, LATER), too_much(3)])
    extras: dict[str, Any] = {"description": "rent", "metadata": (("unit", "7"),), "actor": "teller"}
    past = START - timedelta(days=3)
    captured = transfer(key(4), "alice", "bob", 5, hold_id=key(2), effective_at=past, **extras)
    three = NewEntry(
        key(5), (Posting("cash", Side.DEBIT, 3), Posting("alice", Side.CREDIT, 2), Posting("bob", Side.CREDIT, 1))
    )
    swapped = NewEntry(key(8), (Posting("bob", Side.CREDIT, 3), Posting("cash", Side.DEBIT, 3)))
    results = bench.writer.post([captured, too_much(6), three, too_much(7), swapped])
    assert list(bench.binding()) == [2, 3, 4]
    again = bench.writer.post([captured, three, swapped])
    assert [result.leaf for result in again] == [results[0].leaf, results[2].leaf, results[4].leaf]
    assert {result.code.text for result in again} == {"exists"}


def test_chain_that_fails_keeps_what_made_it_fail(bench: Bench) -> None:
    bench.writer.post([transfer(key(1), "cash", "alice", 100)])
    chain = [
        transfer(key(2), "cash", "alice", 1, linked=True),
        too_much(3, linked=True),
        transfer(key(4), "cash", "bob", 1),
    ]
    plain = transfer(key(5), "cash", "bob", 1)
    codes = [result.code.text for result in bench.writer.post([plain, *chain, plain])]
    assert codes == ["posted", "linked_failed", "exceeds_available", "linked_failed", "exists"]
    (kept,) = bench.kept()
    assert (kept.after_seq, kept.key, kept.code, kept.chained) == (2, key(3), "exceeds_available", True)


def test_deadline_that_gives_money_back_is_no_refusal_and_what_comes_later_is(bench: Bench) -> None:
    bench.writer.post([transfer(key(1), "cash", "alice", 100)])
    deadline = START + timedelta(seconds=5)
    bench.writer.post([NewHold(key(number), "alice", 5, deadline) for number in (10, 11, 12)])
    bench.clock.move(seconds=6)
    released = bench.writer.post([HoldRelease(key(10)), HoldRelease(key(10))])
    assert [result.code.text for result in released] == ["hold_expired", "hold_expired"]
    assert bench.writer.expire_holds() == 2
    chain = [HoldRelease(key(11), linked=True), transfer(key(2), "cash", "bob", 1)]
    bench.writer.post(chain)
    assert [(kept.kind, kept.key, kept.chained) for kept in bench.kept()] == [
        (Kind.RELEASE, key(10), False),
        (Kind.RELEASE, key(11), True),
    ]


def test_dry_run_leaves_nothing(bench: Bench) -> None:
    assert [result.code.text for result in bench.writer.dry_run([too_much(1)])] == ["exceeds_available"]
    bench.writer.post([transfer(key(2), "cash", "alice", 1)])
    assert (bench.kept(), bench.binding()) == ([], {})


def test_batches_under_way_at_once_make_one_chain(bench: Bench) -> None:
    first = bench.writer.prepare([transfer(key(1), "cash", "alice", 1), too_much(2)])
    second = bench.writer.prepare([too_much(3)])
    bench.writer.commit(first)
    third = bench.writer.prepare([transfer(key(4), "cash", "alice", 1)])
    bench.writer.commit(second)
    bench.writer.commit(third)
    assert bench.binding() == {2: bench.kept()[-1].head}


def test_successor_goes_on_with_the_chain_and_the_fenced_one_keeps_nothing(bench: Bench) -> None:
    bench.writer.post([too_much(1)])
    late = bench.writer.prepare([too_much(2)])
    successor = new_writer(bench.url, bench.clock)
    successor.open()
    try:
        with pytest.raises(FencedError):
            bench.writer.commit(late)
        successor.post([too_much(3)])
        successor.post([transfer(key(4), "cash", "alice", 1)])
    finally:
        successor.close()
    assert [kept.key for kept in bench.kept()] == [key(1), key(3)]
    assert bench.binding() == {1: bench.kept()[-1].head}


def test_old_key_in_a_large_batch_is_kept_by_what_stands_under_it(bench: Bench) -> None:
    """Large batches look keys up only after they were judged: what was refused may have stood before."""
    bench.writer.post([transfer(key(1), "cash", "alice", 900_000), transfer(key(2), "alice", "bob", 900_000)])
    bench.writer.forget()
    many = [transfer(key(1000 + number), "cash", "carol", 1) for number in range(70)]
    repeat, other = transfer(key(2), "alice", "bob", 900_000), transfer(key(1), "alice", "bob", 5)
    results = bench.writer.post([*many, repeat, other, too_much(3)])
    assert [result.code.text for result in results[70:]] == [
        "exists", "exists_with_different_body", "exceeds_available",
    ]  # fmt: skip
    assert told(bench) == [
        (2, "entry", key(1), "exists_with_different_body"),
        (2, "entry", key(3), "exceeds_available"),
    ]


def test_kept_hash_tells_whether_just_that_was_posted_later(bench: Bench) -> None:
    later = transfer(key(1), "alice", "bob", 70, actor="teller")
    bench.writer.post([later])
    bench.writer.post([transfer(key(2), "cash", "alice", 100), later])
    (kept,) = bench.kept()
    assert (kept.actor, kept.at, kept.after_seq) == ("teller", START, 0)
    (row,) = bench.connection.execute("SELECT request_hash FROM ledger.entry WHERE key = %s", (key(1),)).fetchall()
    assert kept.request_hash.startswith(row[0]) and len(row[0]) == 16
    assert len(request_hash(later, [])) == len(kept.request_hash)


# Reading --------------------------------------------------------------------------------------------------------------


def keys_of(bench: Bench, **wanted: Any) -> list[int]:
    return [kept.key.int for kept in list_refusals(bench.connection, RefusalFilter(**wanted))]


def test_pages_and_filters(bench: Bench) -> None:
    for number in range(1, 6):
        bench.writer.post([too_much(number), HoldRelease(key(100 + number))])
        bench.clock.move(seconds=10)
    bench.writer.post([too_much(3)])
    assert keys_of(bench) == [3, 105, 5, 104, 4, 103, 3, 102, 2, 101, 1]
    assert keys_of(bench, code="hold_not_found") == [105, 104, 103, 102, 101]
    assert keys_of(bench, key=key(3)) == [3, 3]

    def second(count: int) -> datetime:
        return START + timedelta(seconds=count)

    assert keys_of(bench, since=second(30)) == [3, 105, 5, 104, 4]
    assert keys_of(bench, until=second(10)) == [102, 2, 101, 1]
    assert keys_of(bench, since=second(10), until=second(29)) == [103, 3, 102, 2]
    assert keys_of(bench, since=second(1), until=second(9)) == []
    assert keys_of(bench, since=second(51)) == keys_of(bench, until=second(-1)) == []
    page = list_refusals(bench.connection, before=9, count_max=3)
    assert [kept.number for kept in page] == [8, 7, 6]
    for wrong in (0, 501):
        with pytest.raises(InvalidValueError, match="page_size"):
            list_refusals(bench.connection, count_max=wrong)
    with pytest.raises(InvalidValueError, match="give one of account_closed"):
        RefusalFilter(code="unbalanced")


async def test_service_lists_refusals_page_by_page(database_url: str) -> None:
    async with open_books(database_url, Clock()) as books, open_port(lambda m: [LedgerService(books, m)]) as port:
        with psycopg.connect(database_url, autocommit=True) as connection:
            open_accounts(connection, ACCOUNTS)
        await books.post_batch([too_much(1, actor="teller"), too_much(2), HoldRelease(key(3))])
        client = port.client(SERVICE)
        first = await client.ask("ListRefusals", pb.ListRefusalsRequest(page_size=2), pb.ListRefusalsResponse)
        token = first.next_page_token
        request = pb.ListRefusalsRequest(page_size=2, page_token=token)
        second = await client.ask("ListRefusals", request, pb.ListRefusalsResponse)
        assert [each.number for each in (*first.refusals, *second.refusals)] == [3, 2, 1]
        assert second.next_page_token == ""
        oldest, release = second.refusals[0], first.refusals[0]
        assert (oldest.key, oldest.kind, oldest.code) == (str(key(1)), "entry", "exceeds_available")
        assert (oldest.actor, oldest.after_seq, oldest.chained) == ("teller", 0, False)
        assert oldest.refused_at.ToDatetime(tzinfo=START.tzinfo) == START
        assert (release.kind, len(release.head), len(release.request_hash)) == ("release", 32, 32)
        wanted = pb.ListRefusalsRequest(key=str(key(2)), code="exceeds_available")
        wanted.refused_from.FromDatetime(START)
        wanted.refused_to.FromDatetime(START)
        found = await client.ask("ListRefusals", wanted, pb.ListRefusalsResponse)
        assert [each.number for each in found.refusals] == [2]
        for wrong, field in (
            (pb.ListRefusalsRequest(key="x"), "key"),
            (pb.ListRefusalsRequest(code="posted"), "code"),
            (pb.ListRefusalsRequest(page_token="x"), "page_token"),
            (pb.ListRefusalsRequest(page_size=501), "page_size"),
        ):
            code, message = await client.refusal("ListRefusals", wrong)
            assert code is StatusCode.INVALID_ARGUMENT and field in message
        code, _ = await port.client(SERVICE, "OtherMSP").refusal("ListRefusals", pb.ListRefusalsRequest())
        assert code is StatusCode.PERMISSION_DENIED


# What nobody may do ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        b"UPDATE ledger.refusal SET code = 'account_closed'",
        b"DELETE FROM ledger.refusal",
        b"TRUNCATE ledger.refusal",
        b"UPDATE ledger.refusal_batch SET epoch = 9",
        b"DELETE FROM ledger.refusal_batch",
        b"TRUNCATE ledger.refusal_batch",
    ],
)
def test_history_of_refusals_is_closed_to_owner_and_application(bench: Bench, statement: bytes) -> None:
    bench.writer.post([too_much(1)])
    with pytest.raises(psycopg.Error, match="history cannot be edited"):
        bench.connection.execute(statement)
    bench.connection.execute("SET ROLE dwaybank_application")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        bench.connection.execute(statement)
    bench.connection.execute("RESET ROLE")


def test_application_role_keeps_refusals_through_the_function_alone(bench: Bench) -> None:
    writer = new_writer(bench.url, role="dwaybank_application")
    writer.open()
    try:
        writer.post([too_much(1)])
    finally:
        writer.close()
    assert [kept.key for kept in bench.kept()] == [key(1)]
    bench.connection.execute("SET ROLE dwaybank_application")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        bench.connection.execute("INSERT INTO ledger.refusal SELECT * FROM ledger.refusal")
    bench.connection.execute("RESET ROLE")


def test_chain_that_was_cut_under_the_writer_is_not_gone_on_with_unseen(bench: Bench) -> None:
    bench.writer.post([too_much(1)])
    bench.writer.post([too_much(2)])
    waiting = bench.writer.prepare([too_much(3)])
    with bench.connection.transaction():
        bench.connection.execute("SET LOCAL session_replication_role = replica")
        bench.connection.execute("DELETE FROM ledger.refusal WHERE number = 2")
    with pytest.raises(StaleCopyError):
        bench.writer.commit(waiting)
    # The number is signed for: the books stop at it until a person looks.
    with pytest.raises(StaleCopyError):
        bench.writer.post([too_much(3)])
    assert [result.code.text for result in bench.writer.post([transfer(key(4), "cash", "alice", 1)])] == ["posted"]
    (found,) = verify_books(bench.connection, verify)
    assert (found.subject, found.problem) == ("refusals 2 to 2", "are signed for, but the last of them does not stand")
    with bench.connection.transaction():
        bench.connection.execute("SET LOCAL session_replication_role = replica")
        bench.connection.execute("DELETE FROM ledger.refusal_batch WHERE first_number = 2")


def test_account_that_was_changed_lets_what_was_refused_be_told_afresh(bench: Bench) -> None:
    """Terms change in line: the refusal stands with the entry after which it was judged."""
    bench.writer.post([transfer(key(1), "cash", "alice", 10)])
    bench.writer.post([transfer(key(2), "alice", "bob", 20)])
    bench.writer.set_account_terms("alice", AccountTerms("open", 0, 50, None), "teller")
    (result,) = bench.writer.post([transfer(key(2), "alice", "bob", 20)])
    assert isinstance(result, EntryResult) and result.seq == 2
    assert told(bench) == [(1, "entry", key(2), "exceeds_available")]
