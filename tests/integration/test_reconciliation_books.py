"""Reconciliation in a real database: files stored once, runs that can be repeated, decisions that cannot be undone
silently, and an application role that can write none of it by itself."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import psycopg
import pytest

from ledger.audit import verify_books
from ledger.errors import ConflictError, InvalidValueError, NotFoundError
from ledger.posting import Writer
from ledger.reconciliation.queue import (
    Decision,
    ExceptionState,
    QueuedException,
    decide_exceptions,
    decisions_of,
    list_exceptions,
    list_matches,
    take_apart,
)
from ledger.reconciliation.records import StatementFile
from ledger.reconciliation.rules import STANDARD_RULES
from ledger.reconciliation.store import (
    ImportOutcome,
    RunOutcome,
    erase_counterparties,
    run_reconciliation,
)
from ledger.reconciliation.summary import AccountSummary, summarise
from tests.support.books import START, open_accounts, open_writer
from tests.support.statements import ACTOR, bring, file_of, post, record, run

Connection = psycopg.Connection[Any]


@pytest.fixture
def books(database_url: str) -> Iterator[tuple[Writer, Connection]]:
    with open_writer(database_url) as writer, psycopg.connect(database_url, autocommit=True) as connection:
        open_accounts(connection, "nostro EUR debit -\nclients EUR credit -\nnostro-usd USD debit -")
        yield writer, connection
        assert verify_books(connection) == []


def stored(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    tables = ("run", "match", "exception", "decision")
    return {
        name: connection.execute(f"SELECT * FROM ledger.reconciliation_{name} ORDER BY id".encode()).fetchall()
        for name in tables
    } | {
        name: connection.execute(f"SELECT * FROM ledger.match_{name} ORDER BY 1, 2, 3".encode()).fetchall()
        for name in ("record", "posting")
    }


def told(items: list[QueuedException]) -> list[str]:
    return [f"{item.kind.text} {item.difference:+}" for item in items]


def test_run_matches_and_queues_and_a_second_run_changes_nothing(books: tuple[Writer, Connection]) -> None:
    writer, connection = books
    post(writer, 1, 500, 3, "PAY-1")
    post(writer, 2, -70, 4)
    post(writer, 3, 900, 5, "PAY-3")
    post(writer, 4, 33, 6)
    file = file_of(
        "S1", record("r1", 500, 3, "pay-1"), record("r2", -70, 4), record("r3", 895, 5, "PAY-3"), record("r4", 12, 9)
    )
    assert bring(connection, file) == ImportOutcome(True, 1, 4)
    assert run(connection) == RunOutcome(1, 1, 2, 3, 0)
    assert told(list_exceptions(connection)) == [
        "missing_in_books +12",
        "missing_on_statement -33",
        "amount_differs -5",
    ]
    before = stored(connection)
    assert run(connection) == RunOutcome(None, 1, 0, 0, 0)
    assert stored(connection) == before


def test_batch_of_many_is_one_movement_matched_by_the_references_of_all(books: tuple[Writer, Connection]) -> None:
    writer, connection = books
    numbers = range(1, 401)
    for number in numbers:
        post(writer, number, 2, 3, settlement=f"pay-{number}")
    references = tuple(sorted(f"{kind}-{number}" for kind in ("pay", "mandate", "bank") for number in numbers))
    assert bring(connection, file_of("s1", record("r1", 800, 3, *references))).new_records == 1
    outcome = run(connection)
    assert (outcome.matched, outcome.opened) == (1, 0)


def test_later_statement_continues_and_keeps_what_was_matched(books: tuple[Writer, Connection]) -> None:
    writer, connection = books
    post(writer, 1, 500, 15, "PAY-1")
    post(writer, 2, 600, 15)
    bring(connection, file_of("S1", record("r1", 500, 15, "PAY-1"), days=(1, 15)))
    assert run(connection) == RunOutcome(1, 1, 1, 1, 0)
    first = stored(connection)
    bring(connection, file_of("S2", record("r2", 600, 16), record("r3", 500, 16, "PAY-1"), days=(16, 31)))
    assert run(connection) == RunOutcome(2, 1, 1, 1, 1)
    after = stored(connection)
    assert after["match"][: len(first["match"])] == first["match"]
    assert told(list_exceptions(connection)) == ["missing_in_books +500"]
    (cleared,) = list_exceptions(connection, states=[ExceptionState.CLEARED])
    assert told([cleared]) == ["missing_on_statement -600"]


def test_same_file_is_stored_once(books: tuple[Writer, Connection]) -> None:
    _, connection = books
    file = file_of("S1", record("r1", 500, 3, party="A person"))
    assert bring(connection, file).new_file
    assert bring(connection, file) == ImportOutcome(False, 0, 0)
    (row,) = connection.execute("SELECT party FROM ledger.external_party").fetchall()
    assert row == ("A person",)


def test_statement_sent_again_in_another_file_brings_nothing_new(books: tuple[Writer, Connection]) -> None:
    _, connection = books
    first = file_of("S1", record("r1", 500, 3))
    bring(connection, first)
    again = StatementFile(hashlib.sha256(b"other bytes").digest(), "camt.053", first.statements)
    assert bring(connection, again) == ImportOutcome(True, 0, 0)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (file_of("S1", record("r1", 501, 3)), "movement 'r1'"),
        (file_of("S1", record("r1", 500, 4)), "movement 'r1'"),
        (file_of("S1", record("r1", 500, 3, "X")), "movement 'r1'"),
        (file_of("S1", record("r1", 500, 3), closing=501), "statement 'S1'"),
        (file_of("S1", record("r1", 500, 3), days=(1, 30)), "statement 'S1'"),
        (file_of("S1", record("r1", 500, 3), record("r2", 1, 3)), "statement 'S1'"),
        (file_of("S1"), "statement 'S1'"),
        (file_of("S2", record("r1", 777, 3)), "movement 'r1'"),
    ],
)
def test_same_name_with_other_content_is_a_conflict(
    books: tuple[Writer, Connection], changed: StatementFile, named: str
) -> None:
    _, connection = books
    bring(connection, file_of("S1", record("r1", 500, 3)))
    with pytest.raises(ConflictError, match=named):
        bring(connection, changed)
    assert connection.execute("SELECT count(*) FROM ledger.statement_file").fetchone() == (1,)


def test_days_that_another_format_covered_are_refused(books: tuple[Writer, Connection]) -> None:
    _, connection = books
    bring(connection, file_of("S1", record("r1", 500, 3), days=(1, 15)))
    for name, days in (("S2", (15, 31)), ("S3", (16, 31))):
        file = file_of(name, record("r9", 500, 20), days=days)
        other = StatementFile(file.digest, "mt940", file.statements)
        if name == "S2":
            with pytest.raises(ConflictError, match="another format"):
                bring(connection, other)
        else:
            assert bring(connection, other).new_records == 1


def test_unknown_account_other_asset_and_repeated_names_are_refused(books: tuple[Writer, Connection]) -> None:
    _, connection = books
    with pytest.raises(NotFoundError, match="nowhere"):
        bring(connection, file_of("S1", account="nowhere"))
    with pytest.raises(InvalidValueError, match="another asset"):
        bring(connection, file_of("S1", account="nostro-usd"))
    with pytest.raises(InvalidValueError, match=r"r1.*twice"):
        bring(connection, file_of("S1", record("r1", 1, 1), record("r1", 1, 1)))
    with pytest.raises(NotFoundError, match="no statement"):
        run_reconciliation(connection, STANDARD_RULES, actor=ACTOR, now=START, accounts=["nostro"])


def open_ids(connection: Connection) -> list[int]:
    return [item.id for item in list_exceptions(connection)]


def decide(connection: Connection, ids: list[int], decision: Decision, entry_seq: int | None = None) -> None:
    decide_exceptions(connection, ids, decision, actor="clerk", reason="checked", now=START, entry_seq=entry_seq)


def test_matching_by_hand_needs_equal_sums_and_can_be_taken_back(books: tuple[Writer, Connection]) -> None:
    writer, connection = books
    post(writer, 1, 500, 3)
    post(writer, 2, 400, 3)
    bring(connection, file_of("S1", record("r1", 900, 3), record("r2", 7, 3)))
    run(connection)
    nine, seven, five, four = open_ids(connection)
    with pytest.raises(ConflictError, match="differ by 400"):
        decide(connection, [nine, five], Decision.MATCHED_BY_HAND)
    decide(connection, [nine, five, four], Decision.MATCHED_BY_HAND)
    assert open_ids(connection) == [seven]
    assert run(connection).run is None
    with pytest.raises(ConflictError, match="reopen it first"):
        decide(connection, [nine], Decision.EXPLAINED)
    # One of them taken back takes back the match, and with it all of them.
    decide(connection, [five], Decision.REOPENED)
    assert open_ids(connection) == [nine, seven, five, four]
    assert run(connection).run is None
    assert [item.decision for item in decisions_of(connection, nine)] == [Decision.MATCHED_BY_HAND, Decision.REOPENED]
    (taken, _) = decisions_of(connection, nine)
    assert (taken.actor, taken.reason, taken.decided_at) == ("clerk", "checked", START)


def test_write_off_needs_the_entry_that_corrects(books: tuple[Writer, Connection]) -> None:
    writer, connection = books
    post(writer, 1, 495, 3, "PAY-1")
    bring(connection, file_of("S1", record("r1", 500, 3, "PAY-1")))
    run(connection)
    (short,) = open_ids(connection)
    with pytest.raises(NotFoundError, match="entry 99"):
        decide(connection, [short], Decision.WRITTEN_OFF, 99)
    wrong = post(writer, 2, 4, 20)
    with pytest.raises(ConflictError, match="differ by 1 minor"):
        decide(connection, [short], Decision.WRITTEN_OFF, wrong)
    right = post(writer, 3, 5, 20)
    decide(connection, [short], Decision.WRITTEN_OFF, right)
    assert run(connection).opened == 1
    assert told(list_exceptions(connection)) == ["missing_on_statement -4"]
    with pytest.raises(InvalidValueError, match="entry_seq"):
        decide(connection, [short], Decision.WRITTEN_OFF)
    matched = connection.execute("SELECT seq FROM ledger.match_posting WHERE live ORDER BY seq").fetchall()
    assert matched == [(1,), (right,)]


def test_entry_in_a_match_corrects_nothing_else(books: tuple[Writer, Connection]) -> None:
    writer, connection = books
    five = post(writer, 1, 5, 3, "PAY-5")
    bring(connection, file_of("S1", record("r1", 5, 3, "PAY-5"), record("r2", 5, 9)))
    run(connection)
    (missing,) = open_ids(connection)
    with pytest.raises(ConflictError, match="in a match already"):
        decide(connection, [missing], Decision.WRITTEN_OFF, five)


def test_correcting_entry_that_waits_itself_is_decided_with_what_it_corrects(books: tuple[Writer, Connection]) -> None:
    writer, connection = books
    bring(connection, file_of("S1", record("r1", 500, 3, "PAY-1"), record("r2", 5, 9)))
    five = post(writer, 1, 500, 3, "PAY-1")
    run(connection)
    (match,) = list_matches(connection)
    take_apart(connection, match.id, actor=ACTOR, reason="of another customer", now=START)
    rest, record_apart, posting_apart = open_ids(connection)
    with pytest.raises(ConflictError, match="waits in another exception: name that one too"):
        decide(connection, [record_apart], Decision.WRITTEN_OFF, five)
    decide(connection, [record_apart, posting_apart], Decision.WRITTEN_OFF, five)
    assert open_ids(connection) == [rest]
    assert [summary.waiting_difference for summary in summarise(connection)] == [5]


def test_explained_exception_stays_quiet_until_a_later_entry_matches_it(books: tuple[Writer, Connection]) -> None:
    writer, connection = books
    bring(connection, file_of("S1", record("r1", 500, 3)))
    run(connection)
    (missing,) = open_ids(connection)
    decide(connection, [missing], Decision.EXPLAINED)
    assert run(connection).run is None
    assert open_ids(connection) == []
    post(writer, 1, 500, 3)
    assert run(connection) == RunOutcome(2, 1, 1, 0, 1)
    (cleared,) = list_exceptions(connection, states=[ExceptionState.CLEARED])
    assert cleared.id == missing
    with pytest.raises(ConflictError, match="decided or cleared"):
        decide(connection, [missing], Decision.REOPENED)


def test_reopened_explanation_waits_again(books: tuple[Writer, Connection]) -> None:
    _, connection = books
    bring(connection, file_of("S1", record("r1", 500, 3)))
    run(connection)
    (missing,) = open_ids(connection)
    decide(connection, [missing], Decision.EXPLAINED)
    decide(connection, [missing], Decision.REOPENED)
    assert open_ids(connection) == [missing]
    assert run(connection).run is None


def test_exception_that_does_not_exist_is_named(books: tuple[Writer, Connection]) -> None:
    _, connection = books
    with pytest.raises(NotFoundError):
        decide(connection, [7], Decision.EXPLAINED)
    with pytest.raises(InvalidValueError, match="exceptions"):
        decide(connection, [7, 7], Decision.EXPLAINED)


def test_summary_sets_statement_beside_books_and_names_a_missing_statement(books: tuple[Writer, Connection]) -> None:
    writer, connection = books
    post(writer, 1, 500, 3)
    post(writer, 2, 70, 9)
    post(writer, 3, 1, 25)
    bring(connection, file_of("S1", record("r1", 500, 3), days=(1, 10), opening=0, closing=500))
    run(connection)
    expected = AccountSummary("nostro", "EUR", 2, "S1", date(2026, 3, 10), 500, 570, 1, 0, -70, "")
    assert summarise(connection) == [expected]
    bring(connection, file_of("S2", record("r2", 70, 11), days=(11, 15), opening=500, closing=570))
    run(connection)
    (now,) = summarise(connection, account="nostro")
    assert (now.statement, now.recorded, now.computed, now.open, now.gap) == ("S2", 570, 570, 0, "")
    # S3 is lost on its way.
    bring(connection, file_of("S4", record("r4", 1, 25), days=(21, 31), opening=600, closing=601))
    assert [(item.recorded, item.gap) for item in summarise(connection)] == [(601, "S4")]
    bring(connection, file_of("S3", record("r3", 30, 17), days=(16, 20), opening=570, closing=600))
    assert [(item.statement, item.gap) for item in summarise(connection)] == [("S4", "")]
    assert summarise(connection, after="nostro") == summarise(connection, account="clients") == []


def test_names_of_others_are_erased_and_do_not_come_back(books: tuple[Writer, Connection]) -> None:
    _, connection = books
    first = file_of("S1", record("r1", 5, 3, party="A person"), record("r2", 6, 20, party="B person"))
    bring(connection, first)
    assert erase_counterparties(connection, "nostro", date(2026, 3, 20)) == 1
    bring(connection, StatementFile(hashlib.sha256(b"again").digest(), "camt.053", first.statements))
    assert connection.execute("SELECT party FROM ledger.external_party").fetchall() == [("B person",)]
    assert connection.execute("SELECT count(*) FROM ledger.external_record").fetchone() == (2,)


def test_match_taken_apart_is_not_made_again_by_any_run(books: tuple[Writer, Connection]) -> None:
    writer, connection = books
    post(writer, 1, 500, 3)
    bring(connection, file_of("S1", record("r1", 500, 3)))
    run(connection)
    (wrong,) = list_matches(connection, account="nostro")
    assert (wrong.rule, wrong.records, wrong.postings, wrong.run) == ("amount on the day", (1,), ((1, 1),), 1)
    take_apart(connection, wrong.id, actor="clerk", reason="another customer's", now=START)
    assert list_matches(connection) == []
    assert told(list_exceptions(connection)) == ["taken_apart +500", "taken_apart -500"]
    assert run(connection).run is None
    movement, posting = open_ids(connection)
    assert [taken.decision for taken in decisions_of(connection, movement)] == [Decision.TAKEN_APART]
    with pytest.raises(ConflictError, match="dissolved already"):
        take_apart(connection, wrong.id, actor="clerk", reason="again", now=START)
    with pytest.raises(NotFoundError, match="match 99"):
        take_apart(connection, 99, actor="clerk", reason="x", now=START)

    # The right posting comes: a person matches it by hand, and explains the other one.
    post(writer, 2, 500, 9)
    assert run(connection).opened == 1
    (right,) = [item.id for item in list_exceptions(connection) if item.kind.text == "missing_on_statement"]
    decide(connection, [movement, right], Decision.MATCHED_BY_HAND)
    decide(connection, [posting], Decision.EXPLAINED)
    assert run(connection).run is None
    (made,) = list_matches(connection)
    assert (made.rule, made.run) == ("matched_by_hand", None)
    with pytest.raises(ConflictError, match="reopen an exception"):
        take_apart(connection, made.id, actor="clerk", reason="x", now=START)
    decide(connection, [movement], Decision.REOPENED)
    assert run(connection).run is None
    assert told(list_exceptions(connection)) == ["taken_apart +500", "missing_on_statement -500"]


def test_group_taken_apart_gives_each_member_back(books: tuple[Writer, Connection]) -> None:
    writer, connection = books
    post(writer, 1, 300, 3, "SUM")
    post(writer, 2, 600, 3, "SUM")
    bring(connection, file_of("S1", record("r1", 400, 3, "SUM"), record("r2", 500, 3, "SUM")))
    run(connection)
    take_apart(connection, list_matches(connection)[0].id, actor="clerk", reason="wrong", now=START)
    assert sorted(item.difference for item in list_exceptions(connection)) == [-600, -300, 400, 500]
    assert run(connection).run is None


ATTEMPTS = {
    "forge a file": "INSERT INTO ledger.statement_file (digest, format, imported_at, imported_by)"
    " VALUES (sha256('x'), 'csv', now(), 'me')",
    "change an amount": "UPDATE ledger.external_record SET change = change + 1",
    "take a record away": "DELETE FROM ledger.external_record",
    "take an exception away": "DELETE FROM ledger.reconciliation_exception",
    "settle an exception silently": "UPDATE ledger.reconciliation_exception SET state = 2",
    "rewrite a decision": "UPDATE ledger.reconciliation_decision SET actor = 'someone else'",
    "take a match away": "DELETE FROM ledger.reconciliation_match",
    "bind without a decision": "SELECT ledger.reconcile_bind(1, ARRAY[3], 'matched_by_hand', NULL, now())",
    "reopen without a decision": "SELECT ledger.reconcile_reopen(ARRAY[1], now())",
}


@pytest.mark.parametrize("name", ATTEMPTS)
def test_application_role_cannot(books: tuple[Writer, Connection], name: str) -> None:
    writer, connection = books
    post(writer, 1, 495, 3, "PAY-1")
    post(writer, 2, 700, 3, "PAY-2")
    bring(connection, file_of("S1", record("r1", 500, 3, "PAY-1"), record("r2", 1, 1), record("r3", 700, 25, "PAY-2")))
    run(connection)
    assert told(list_exceptions(connection)) == ["missing_in_books +1", "amount_differs +5", "date_out_of_window +0"]
    decide(connection, open_ids(connection)[:1], Decision.EXPLAINED)
    before = stored(connection)
    connection.execute("SET ROLE dwaybank_application")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(ATTEMPTS[name].encode())
    connection.execute("RESET ROLE")
    assert stored(connection) == before


def test_application_role_can_do_the_work(books: tuple[Writer, Connection]) -> None:
    writer, connection = books
    post(writer, 1, 500, 3)
    connection.execute("SET ROLE dwaybank_application")
    bring(connection, file_of("S1", record("r1", 500, 3), record("r2", 1, 1)))
    assert run(connection).matched == 1
    decide(connection, open_ids(connection), Decision.EXPLAINED)


@pytest.mark.parametrize(
    "name", ["rewrite a decision", "change an amount", "take a match away", "take an exception away"]
)
def test_owner_cannot_rewrite_history_either(books: tuple[Writer, Connection], name: str) -> None:
    _, connection = books
    with pytest.raises(psycopg.Error, match="history cannot be edited"):
        connection.execute(ATTEMPTS[name].encode())


def test_files_and_runs_at_once_give_what_one_after_the_other_would(
    database_url: str, books: tuple[Writer, Connection]
) -> None:
    writer, connection = books
    for number in range(1, 41):
        post(writer, number, number, 3)
    file = file_of("S1", *(record(f"r{number}", number, 3) for number in range(1, 51)))

    def at_once(work: Callable[[Connection], Any]) -> list[Any]:
        barrier = threading.Barrier(4)

        def one(_: int) -> Any:
            with psycopg.connect(database_url, autocommit=True) as own:
                barrier.wait()
                return work(own)

        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(one, range(4)))

    assert Counter(done.new_file for done in at_once(lambda own: bring(own, file))) == {True: 1, False: 3}
    assert Counter((done.matched, done.opened) for done in at_once(run)) == {(40, 10): 1, (0, 0): 3}
    (first, *_) = open_ids(connection)

    def explain(own: Connection) -> bool:
        try:
            decide(own, [first], Decision.EXPLAINED)
        except ConflictError:
            return False
        return True

    assert Counter(at_once(explain)) == {True: 1, False: 3}


def test_match_that_does_not_hold_is_refused_by_the_database(books: tuple[Writer, Connection]) -> None:
    writer, connection = books
    post(writer, 1, 495, 3)
    bring(connection, file_of("S1", record("r1", 500, 3)))
    store = "SELECT ledger.reconcile_store(ARRAY[1::bigint], 'x', now(), '[]', %s, '[]')"
    group = (
        '[{"number":1,"account_id":1,"rule":"r","tolerance":%d,"record_id":[%d],'
        '"posting_seq":[1],"posting_number":[1]}]'
    )
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(store.encode(), (group % (4, 1),))
    with pytest.raises(psycopg.Error, match="does not have"):
        connection.execute(store.encode(), (group % (5, 2),))
    connection.execute(store.encode(), (group % (5, 1),))
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(store.encode(), (group % (5, 1),))
