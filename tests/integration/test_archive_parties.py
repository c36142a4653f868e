"""Aim: whoever shares the books with what is archived (stripes, tenants, monitors, schedules, holds) is served exactly.

Method: real PostgreSQL; two tenants and a striped account in partitions of five entries; a whole copy beside the
archived one answers the same questions.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.account import NewAccount, Side, Terms
from ledger.balances import find_account, open_new_account, trial_balance
from ledger.balances_in_time import balance_at
from ledger.errors import ArchivedError, NotFoundError
from ledger.hold import HoldRelease, NewHold
from ledger.journal import NewEntry, Posting, ResultCode, transfer
from ledger.monitor_store import set_monitor
from ledger.monitors import Field, Monitor, Operator
from ledger.outbox import Position, read_page
from ledger.posting import Writer
from ledger.reconciliation import day_changes
from ledger.recurrence import Recurrence, Unit
from ledger.schedule import Schedule, Template, entry_of, judged
from ledger.schedule_store import (
    audit_schedules,
    change_schedule,
    create_schedule,
    find_schedule,
    list_runs,
    record_runs,
)
from ledger.schema import migrate
from ledger.statements import find_entry, statement_lines, statement_page
from ledger.structure import open_book
from ledger.tenants import create_tenant, give_book
from ledger.verify import Verification
from tests.support.archived_books import ALL, END, archivist, close
from tests.support.books import START, Clock, PlainRules, key, open_writer, verify
from tests.support.database_stage import divide_journal
from tests.support.server import CopyingCluster
from tests.support.tenancy import acting_for, scope_of

BORDER, LAST = 20, 27
OPERATOR: dict[str, Any] = {"actor": "operator", "now": START}
SCHEDULE = Schedule(
    key(500),
    "operator",
    Template((Posting("cash", Side.DEBIT, 3), Posting("acme:alice", Side.CREDIT, 3))),
    Recurrence(START.replace(tzinfo=None), "UTC", Unit.DAY),
)
_names = itertools.count(1)


def prepare(url: str) -> None:
    """Post the books: stripe 0 of ``busy`` and account ``acme:quiet`` move before the border only."""
    with psycopg.connect(url, autocommit=True) as connection:
        migrate(connection)
        connection.execute("SET session_replication_role = replica")
        divide_journal(connection, 5)
        connection.execute("SET session_replication_role = origin")
        for tenant in ("acme", "bolt"):
            create_tenant(connection, tenant, **OPERATOR)
            open_book(connection, f"{tenant}-main", **OPERATOR)
            give_book(connection, f"{tenant}-main", tenant, **OPERATOR)
        for reference, stripes, book in (
            ("cash", 0, "main"), ("busy", 3, "main"), ("acme:alice", 0, "acme-main"), ("acme:till", 0, "acme-main"),
            ("acme:quiet", 0, "acme-main"), ("acme:busy", 2, "acme-main"), ("bolt:bob", 0, "bolt-main"),
        ):  # fmt: skip
            new = NewAccount(reference, "EUR", Side.CREDIT, Terms(), stripes=stripes, book=book)
            open_new_account(connection, new, now=START)
    clock = Clock()
    with open_writer(url, clock, PlainRules()) as writer, psycopg.connect(url, autocommit=True) as connection:
        create_schedule(connection, SCHEDULE, now=START)
        _post(writer, clock)
    close(url)


def _post(writer: Writer, clock: Clock) -> None:
    def post(number: int, debit: str, credit: str, amount: int, **more: Any) -> None:
        clock.move(minutes=1)
        (result,) = writer.post([transfer(key(number), debit, credit, amount, **more)])
        assert (result.code, result.seq) == (ResultCode.POSTED, number - 1000)

    for number in range(1001, 1010):  # keys 1002, 1005, 1008: stripe 0
        post(number, "cash", "busy", number - 900)
    post(1010, "acme:till", "acme:alice", 50)
    post(1011, "acme:till", "acme:quiet", 7)
    post(1012, "acme:till", "acme:busy", 11)
    post(1013, "acme:till", "acme:busy", 12, effective_at=START - timedelta(days=2))
    post(1014, "cash", "bolt:bob", 99)
    post(1015, "busy", "cash", 10, reverses=1)
    writer.post([NewHold(key(600), "acme:alice", 30, START + timedelta(days=9))])
    three = (
        Posting("acme:alice", Side.DEBIT, 10),
        Posting("acme:till", Side.CREDIT, 4),
        Posting("acme:quiet", Side.CREDIT, 6),
    )
    writer.post([NewEntry(key(1016), three, hold_id=key(600))])
    occurrence = entry_of(SCHEDULE, START)
    assert writer.post([occurrence])[0].seq == 17
    for number in (1018, 1019, 1020):
        post(number, "cash", "acme:alice", 1)
    clock.move(days=1)
    post(1021, "acme:alice", "acme:till", 5, hold_id=key(600))
    assert writer.post([HoldRelease(key(600))])[0].code is ResultCode.POSTED
    post(1022, "cash", "busy", 500)
    post(1023, "cash", "busy", 600)
    post(1024, "acme:till", "acme:busy", 13)
    post(1025, "busy", "cash", 100, reverses=22)
    post(1026, "acme:till", "acme:alice", 2)
    post(1027, "cash", "bolt:bob", 3)


@dataclass
class Books:
    url: str
    whole: str
    files: list[Path]


@pytest.fixture(scope="module")
def books(postgres_cluster: CopyingCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    """Archived books and a whole copy; tests change nothing in them."""
    folder = tmp_path_factory.mktemp("archive")
    name, whole = f"parties_{next(_names)}", f"parties_{next(_names)}"
    url = postgres_cluster.create_database(name)
    prepare(url)
    postgres_cluster.copy_database(name, whole)
    made = list(archivist(url).archive(folder, before=START + timedelta(hours=9), proved_seq=ALL))
    assert made[-1].record.last_seq == BORDER
    yield Books(url, postgres_cluster.url(whole), [folder / each.record.file_name for each in made])
    with psycopg.connect(postgres_cluster.url(), autocommit=True) as connection:
        for each in (name, whole):
            connection.execute(f"DROP DATABASE {each} WITH (FORCE)".encode())


@pytest.fixture
def changed(postgres_cluster: CopyingCluster, books: Books) -> Iterator[str]:
    """A copy of the archived books that a test may go on with."""
    name = f"parties_{next(_names)}"
    yield postgres_cluster.copy_database(books.url.rpartition("/")[2].partition("?")[0], name)
    with psycopg.connect(postgres_cluster.url(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def findings(url: str, files: list[Path]) -> list[str]:
    report = Verification(url, verify, workers=1, range_entries=10, archive_files=files).run()
    return [f"{found.subject}: {found.problem}" for found in report.findings]


def test_striped_books_are_sound_and_fit_to_their_files(books: Books) -> None:
    assert findings(books.whole, []) == []
    assert findings(books.url, []) == []
    assert findings(books.url, books.files) == []


def connect(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True)


# Stripes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("account", ["busy", "acme:busy"])
@pytest.mark.parametrize("size", [1, 2, 50])
def test_statement_of_a_striped_account_is_told_up_to_the_border(books: Books, account: str, size: int) -> None:
    with connect(books.url) as archived, connect(books.whole) as whole:
        wanted = [line for line in statement_lines(whole, account, by_effect=False) if line.seq > BORDER]
        assert wanted
        found, from_seq = [], 0
        with pytest.raises(ArchivedError, match="the statement before is archived"):
            while True:
                page = statement_page(archived, account, from_seq=from_seq, entry_count_max=size)
                found += page.lines
                from_seq = page.next_seq
                assert from_seq
        assert found == wanted
        since = START + timedelta(hours=9)
        assert list(statement_lines(archived, account, by_effect=False, since=since)) == wanted


def test_balances_of_striped_accounts_are_exact_after_the_border(books: Books) -> None:
    with connect(books.url) as archived, connect(books.whole) as whole:
        assert trial_balance(archived) == trial_balance(whole)
        after = [START + timedelta(hours=9), START + timedelta(days=1, minutes=21), START + timedelta(days=2), None]
        for account in ("busy", "acme:busy", "cash", "acme:quiet", "acme:alice"):
            assert find_account(archived, account) == find_account(whole, account)
            for known_at, effective_at in itertools.product(after, after):
                pair = {"known_at": known_at, "effective_at": effective_at}
                assert balance_at(archived, account, **pair) == balance_at(whole, account, **pair), (account, pair)
            with pytest.raises(ArchivedError):
                balance_at(archived, account, effective_at=START + timedelta(minutes=2))


# Tenants --------------------------------------------------------------------------------------------------------------


def test_a_tenant_is_served_as_before_after_the_border(books: Books) -> None:
    with acting_for(books.url, "acme") as archived, acting_for(books.whole, "acme") as whole:
        since = START + timedelta(hours=9)
        for account in ("acme:alice", "acme:quiet", "acme:busy", "acme:till"):
            lines = [list(statement_lines(c, account, by_effect=False, since=since)) for c in (archived, whole)]
            assert lines[0] == lines[1]
            for effective_at in (since, None):
                for known_at in (since, START + timedelta(days=1, minutes=25), None):
                    pair = {"known_at": known_at, "effective_at": effective_at}
                    found = [balance_at(c, account, **pair).balance for c in (archived, whole)]
                    assert found[0] == found[1], (account, pair)
        assert find_entry(archived, 26) == find_entry(whole, 26)
        found_events = [read_page(c, Position(BORDER, 0), count_max=50) for c in (archived, whole)]
        assert found_events[0] == found_events[1]


ASKED: dict[str, Callable[[psycopg.Connection[Any]], object]] = {
    "own entry": lambda c: find_entry(c, 10),
    "another's entry": lambda c: find_entry(c, 14),
    "own key": lambda c: find_entry(c, key(1010)),
    "statement": lambda c: list(statement_lines(c, "acme:quiet", by_effect=False)),
    "statement by effect": lambda c: list(statement_lines(c, "acme:alice", by_effect=True)),
    "striped statement": lambda c: list(statement_lines(c, "acme:busy", by_effect=False)),
    "balance": lambda c: balance_at(c, "acme:alice", effective_at=START),
    "day changes": lambda c: list(day_changes(c, ["acme:quiet"])),
    "day changes of a striped account": lambda c: list(day_changes(c, ["acme:busy"])),
    "outbox": lambda c: read_page(c, Position(3, 0), count_max=9),
}


@pytest.mark.parametrize("name", ASKED)
def test_a_tenant_is_told_that_it_is_archived_and_nothing_of_the_archive(books: Books, name: str) -> None:
    with acting_for(books.url, "acme") as acting, pytest.raises(ArchivedError) as caught:
        ASKED[name](acting)
    told = str(caught.value)
    assert "is archived: ask for times after 2026-03-02" in told
    assert not any(word in told for word in ("jsonl", "SHA", "bolt", "entries 1"))


def test_what_is_another_tenants_still_does_not_exist(books: Books) -> None:
    with acting_for(books.url, "acme") as acting:
        for ask in (find_account, statement_page, balance_at):
            with pytest.raises(NotFoundError, match=r"^account 'bolt:bob' does not exist$"):
                ask(acting, "bolt:bob")
        with pytest.raises(NotFoundError):
            find_entry(acting, 27)
        (bob,) = (row[0] for row in _owner(books.url, "SELECT id FROM ledger.account WHERE reference = 'bolt:bob'"))
        for function in ("statement_page(%s, 0, 9, '-infinity', 'infinity')", "known_seq(%s, '2026-03-02 09:01Z')"):
            acting.execute(f"SELECT * FROM ledger.{function}".encode(), (bob,))  # empty: no error tells of him
        assert list(day_changes(acting, ["bolt:bob"])) == []
        openings = acting.execute(
            "SELECT reference, (ledger.opening_of(id)).balance FROM ledger.account WHERE reference LIKE 'acme:quiet'"
            " UNION ALL SELECT 'bolt:bob', (ledger.opening_of(%s)).balance",
            (bob,),
        ).fetchall()
        assert openings == [("acme:quiet", 13), ("bolt:bob", None)]
        for table in ("archive", "past_key", "account_opening", "hold_opening"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), acting.transaction():
                acting.execute(f"SELECT FROM ledger.{table}".encode())


def test_keys_and_reversals_of_a_tenant_over_the_border(changed: str) -> None:
    with open_writer(changed, Clock(END + timedelta(days=2)), PlainRules()) as writer:
        with psycopg.connect(changed) as connection:
            scope = scope_of(connection, "acme")
        results = writer.post(
            [
                transfer(key(1010), "acme:till", "acme:alice", 50, scope=scope),
                transfer(key(1014), "acme:till", "acme:alice", 50, scope=scope),
                transfer(key(701), "acme:alice", "acme:till", 50, scope=scope, reverses=10),
                transfer(key(702), "acme:alice", "acme:till", 3, scope=scope, reverses=14),
                transfer(key(703), "acme:alice", "acme:till", 3, scope=scope, reverses=27),
                transfer(key(1005), "cash", "busy", 105),
                transfer(key(704), "busy", "cash", 500, reverses=23),
            ]
        )
    assert [result.code.text for result in results] == [
        "exists_with_different_body", "exists_with_different_body", "entry_archived", "entry_archived",
        "entry_not_found", "exists", "posted",
    ]  # fmt: skip
    assert findings(changed, []) == []


def _owner(url: str, statement: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement.encode()).fetchall()


# Monitors, schedules, writers that remember ---------------------------------------------------------------------------


def test_monitor_fires_once_from_where_archived_entries_left_the_account(changed: str) -> None:
    with open_writer(changed, Clock(END + timedelta(days=2)), PlainRules()) as writer:
        monitor = Monitor(key(900), "acme:quiet", Field.BALANCE, Operator.AT_LEAST, 20)
        assert set_monitor(writer.run, monitor, END + timedelta(days=2)) == "created"
        writer.post([transfer(key(710 + n), "acme:till", "acme:quiet", 6) for n in range(3)])
    with psycopg.connect(changed) as connection:
        events = read_page(connection, Position(LAST, 0), count_max=50, kinds=["monitor.fired"]).events
    assert [event.position.seq for event in events] == [LAST + 2]


def test_occurrence_whose_entry_was_archived_before_it_was_recorded_is_recorded(changed: str) -> None:
    clock = Clock(END + timedelta(days=2))
    with open_writer(changed, clock, PlainRules()) as writer, psycopg.connect(changed, autocommit=True) as connection:
        kept = find_schedule(connection, SCHEDULE.id)
        (again,) = writer.post([entry_of(SCHEDULE, START)])
        assert (again.code, again.seq) == (ResultCode.EXISTS, 17)
        run = judged(SCHEDULE, kept.state, again.code, again.seq, clock())
        assert record_runs(connection, writer.epoch, [(SCHEDULE, *run)]) == [True]
        assert [(found.code, found.seq) for found in list_runs(connection, SCHEDULE.id)] == [("exists", 17)]
        assert audit_schedules(connection) == []
        change_schedule(connection, SCHEDULE.id, "cancel", actor="operator", now=clock())
        assert audit_schedules(connection) == []


def test_writer_that_remembers_an_archived_entry_does_not_take_it_back(
    postgres_cluster: CopyingCluster, tmp_path: Path
) -> None:
    """A batch judged before the archive and committed after it is judged again."""
    url = postgres_cluster.create_database(f"parties_{next(_names)}")
    prepare(url)
    with open_writer(url, Clock(END + timedelta(days=2)), PlainRules()) as writer:
        first = writer.post([transfer(key(720), "acme:alice", "acme:till", 1, reverses=10)])
        batch = writer.prepare([transfer(key(721), "acme:alice", "acme:till", 1, reverses=10)])
        list(archivist(url).archive(tmp_path, before=START + timedelta(hours=9), proved_seq=ALL))
        with pytest.raises(Exception, match="do not stand as remembered"):
            writer.commit(batch)
        later = writer.post([transfer(key(721), "acme:alice", "acme:till", 1, reverses=10)])
    assert [result.code.text for result in (*first, *later)] == ["posted", "entry_archived"]
    assert findings(url, sorted(tmp_path.glob("*.jsonl"), key=lambda path: path.stat().st_mtime)) == []
