"""Anomalies tried on purpose: lost update, skew between accounts, phantom keys, balances nobody committed, a superuser
who changes rows under the writer. The commit refuses what the writer's copy of the books got wrong; it never lies.

Method: the writer's two halves, ``prepare`` and ``commit``, with something happening between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from threading import Thread
from typing import Any

import psycopg
import pytest

from ledger.audit import verify_books
from ledger.balances import find_account
from ledger.errors import BooksUnavailableError, FencedError, StaleCopyError
from ledger.hold import HoldRelease, NewHold
from ledger.journal import NewEntry, transfer
from ledger.posting import Writer
from tests.support.books import START, Clock, key, new_writer, open_accounts, open_writer

ACCOUNTS = """
    cash  EUR debit  -
    alice EUR credit 0
    bob   EUR credit 0
    carol EUR credit 0
"""
SOON = START + timedelta(hours=1)
REFUSED = (StaleCopyError, BooksUnavailableError)
"""How a commit says that the books are not as the writer's copy has them; posting again reads them anew."""

FILLERS = 100
"""More entries than a batch may have to be looked up by key."""


@dataclass
class Bench:
    writer: Writer
    administrator: psycopg.Connection[Any]
    url: str

    def balance(self, reference: str) -> int:
        return find_account(self.administrator, reference).balance

    def run(self, statement: str) -> None:
        self.administrator.execute(statement.encode())

    def post(self, *requests: Any) -> list[str]:
        return [result.code.text for result in self.writer.post(requests)]

    def commit(self, batch: Any) -> list[str]:
        return [result.code.text for result in self.writer.commit(batch)]


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    with (
        open_writer(database_url, Clock()) as writer,
        psycopg.connect(database_url, autocommit=True) as administrator,
    ):
        open_accounts(administrator, ACCOUNTS)
        bench = Bench(writer, administrator, database_url)
        assert bench.post(transfer(key(1), "cash", "alice", 100)) == ["posted"]
        yield bench


def fillers() -> list[NewEntry]:
    """Entries that have nothing to do with alice, so that a batch is large."""
    return [transfer(key(1000 + number), "cash", "carol", 1) for number in range(FILLERS)]


# What an administrator does under the writer --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.account SET balance = balance + 50 WHERE reference = 'alice'",
        "UPDATE ledger.account SET balance = balance - 50 WHERE reference = 'alice'",
        "UPDATE ledger.account SET held = 100 WHERE reference = 'alice'",
        "UPDATE ledger.account SET terms = terms + 1 WHERE reference = 'alice'",
        "UPDATE ledger.account SET floor = 1 WHERE reference = 'alice'",
        "UPDATE ledger.account SET ceiling = 0 WHERE reference = 'bob'",
    ],
)
def test_account_changed_between_judgement_and_commit_is_refused_by_the_commit(bench: Bench, statement: str) -> None:
    batch = bench.writer.prepare([transfer(key(2), "alice", "bob", 100)])
    bench.run(statement)
    with pytest.raises(REFUSED):
        bench.writer.commit(batch)
    assert bench.balance("bob") == 0
    assert bench.administrator.execute("SELECT count(*) FROM ledger.entry").fetchone() == (1,)


def test_changed_balance_is_judged_as_it_stands_and_named_by_the_audit(bench: Bench) -> None:
    assert bench.post(transfer(key(2), "alice", "bob", 10)) == ["posted"]
    bench.run("UPDATE ledger.account SET balance = 20 WHERE reference = 'alice'")
    assert bench.post(transfer(key(3), "alice", "bob", 30)) == ["exceeds_available"]
    assert {finding.subject for finding in verify_books(bench.administrator)} == {"account alice"}


def test_hold_released_under_the_writer_cannot_be_captured(bench: Bench) -> None:
    assert bench.post(NewHold(key(50), "alice", 60, SOON)) == ["posted"]
    batch = bench.writer.prepare([transfer(key(2), "alice", "bob", 60, hold_id=key(50))])
    bench.run("UPDATE ledger.hold SET state = 3, ended_at = now()")
    with pytest.raises(REFUSED):
        bench.writer.commit(batch)
    assert bench.post(transfer(key(2), "alice", "bob", 60, hold_id=key(50))) == ["hold_not_placed"]


def test_lost_update_by_an_open_transaction_is_waited_for_and_refused(bench: Bench) -> None:
    """The administrator's transaction began first and ends last: the writer's change may not overwrite it."""
    batch = bench.writer.prepare([transfer(key(2), "alice", "bob", 100)])
    outcome: list[BaseException | list[str]] = []

    def commit() -> None:
        try:
            outcome.append(bench.commit(batch))
        except REFUSED as error:
            outcome.append(error)

    with bench.administrator.transaction():
        bench.run("UPDATE ledger.account SET balance = 7 WHERE reference = 'alice'")
        thread = Thread(target=commit)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    thread.join()
    assert isinstance(outcome[0], REFUSED)
    assert (bench.balance("alice"), bench.balance("bob")) == (7, 0)


def test_change_that_is_rolled_back_leaves_the_posting_alone(bench: Bench) -> None:
    batch = bench.writer.prepare([transfer(key(2), "alice", "bob", 100)])
    outcome: list[list[str]] = []
    with bench.administrator.transaction(force_rollback=True):
        bench.run("UPDATE ledger.account SET balance = 7 WHERE reference = 'alice'")
        thread = Thread(target=lambda: outcome.append(bench.commit(batch)))
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    thread.join()
    assert outcome == [["posted"]]
    assert (bench.balance("alice"), bench.balance("bob")) == (0, 100)
    assert verify_books(bench.administrator) == []


# Batches that know of one another -------------------------------------------------------------------------------------


def test_balance_of_a_batch_under_way_is_not_spent_twice(bench: Bench) -> None:
    """Write skew: an entry and a hold, judged apart, would each find the money."""
    first = bench.writer.prepare([transfer(key(2), "alice", "bob", 60)])
    second = bench.writer.prepare([NewHold(key(50), "alice", 60, SOON), transfer(key(3), "alice", "carol", 41)])
    third = bench.writer.prepare([NewHold(key(51), "alice", 40, SOON), transfer(key(4), "bob", "carol", 60)])
    assert bench.commit(first) == ["posted"]
    assert bench.commit(second) == ["exceeds_available", "exceeds_available"]
    assert bench.commit(third) == ["posted", "posted"]
    assert verify_books(bench.administrator) == []


def test_money_that_never_came_is_not_spent(bench: Bench) -> None:
    """The second batch was judged on the first one's outcome; when that fails, it may not stand."""
    first = bench.writer.prepare([transfer(key(2), "cash", "bob", 500)])
    second = bench.writer.prepare([transfer(key(3), "bob", "carol", 500)])
    bench.run(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    with pytest.raises(BooksUnavailableError):
        bench.writer.commit(first)
    with pytest.raises(REFUSED):
        bench.writer.commit(second)
    bench.writer.ensure_connected()
    assert bench.post(transfer(key(3), "bob", "carol", 500)) == ["exceeds_available"]
    assert bench.post(transfer(key(2), "cash", "bob", 500), transfer(key(3), "bob", "carol", 500)) == ["posted"] * 2
    assert verify_books(bench.administrator) == []


def test_hold_is_captured_by_one_of_two_batches(bench: Bench) -> None:
    assert bench.post(NewHold(key(50), "alice", 60, SOON)) == ["posted"]
    batches = [
        bench.writer.prepare([transfer(key(2), "alice", "bob", 60, hold_id=key(50))]),
        bench.writer.prepare([transfer(key(3), "alice", "carol", 60, hold_id=key(50))]),
        bench.writer.prepare([HoldRelease(key(50))]),
    ]
    assert [bench.commit(batch) for batch in batches] == [["posted"], ["hold_not_placed"], ["hold_not_placed"]]


def test_entry_is_reversed_by_one_of_two_batches(bench: Bench) -> None:
    batches = [
        bench.writer.prepare([transfer(key(2), "alice", "cash", 60, reverses=1)]),
        bench.writer.prepare([transfer(key(3), "alice", "cash", 40, reverses=1)]),
        bench.writer.prepare([transfer(key(4), "alice", "cash", 1, reverses=1)]),
    ]
    assert [bench.commit(batch) for batch in batches] == [["posted"], ["posted"], ["exceeds_original"]]


# Keys that the writer does not remember -------------------------------------------------------------------------------


def test_old_key_in_a_large_batch_is_told_as_a_repeat(bench: Bench) -> None:
    with closing(new_writer(bench.url)) as successor:
        successor.open()
        results = successor.post([*fillers(), transfer(key(1), "cash", "alice", 100)])
    assert [result.code.text for result in results] == ["posted"] * FILLERS + ["exists"]
    assert bench.balance("alice") == 100


def test_old_key_in_a_large_batch_is_a_repeat_though_it_would_be_refused_now(bench: Bench) -> None:
    """A customer told ``exceeds_available`` of a payment that stands would pay again under a new key."""
    spent = transfer(key(2), "alice", "bob", 100)
    assert bench.post(spent) == ["posted"]
    with closing(new_writer(bench.url)) as successor:
        successor.open()
        results = successor.post([*fillers(), spent, transfer(key(2), "alice", "bob", 99)])
    assert [result.code.text for result in results[FILLERS:]] == ["exists", "exists_with_different_body"]


def test_old_key_of_a_chain_in_a_large_batch_is_told_as_a_repeat(bench: Bench) -> None:
    chain = [transfer(key(2), "alice", "bob", 100, linked=True), transfer(key(3), "bob", "carol", 100)]
    assert bench.post(*chain) == ["posted"] * 2
    with closing(new_writer(bench.url)) as successor:
        successor.open()
        results = successor.post([*fillers(), *chain])
    assert [result.code.text for result in results[FILLERS:]] == ["exists", "exists"]


# Two writers ----------------------------------------------------------------------------------------------------------


def test_batch_judged_before_another_took_over_is_fenced(bench: Bench) -> None:
    batch = bench.writer.prepare([transfer(key(2), "alice", "bob", 100)])
    with closing(new_writer(bench.url)) as successor:
        successor.open()
        assert [r.code.text for r in successor.post([transfer(key(3), "alice", "carol", 100)])] == ["posted"]
        with pytest.raises((FencedError, StaleCopyError)):
            bench.writer.commit(batch)
        with pytest.raises(FencedError):
            bench.writer.post([transfer(key(4), "cash", "bob", 1)])
    assert (bench.balance("bob"), bench.balance("carol")) == (0, 100)
    assert verify_books(bench.administrator) == []


def test_writer_that_was_replaced_gives_no_answer_from_memory(bench: Bench) -> None:
    """A refusal needs no commit, and still may not come from books that another has changed since."""
    assert bench.post(transfer(key(2), "bob", "alice", 1)) == ["exceeds_available"]
    with closing(new_writer(bench.url)) as successor:
        successor.open()
        successor.post([transfer(key(3), "cash", "bob", 5)])
        with pytest.raises(FencedError):
            bench.writer.post([transfer(key(2), "bob", "alice", 1)])


def test_account_opened_after_it_was_asked_for_is_found(bench: Bench) -> None:
    entry = transfer(key(2), "alice", "dave", 1)
    assert bench.post(entry) == ["account_not_found"]
    open_accounts(bench.administrator, "dave EUR credit 0")
    assert bench.post(entry) == ["posted"]
