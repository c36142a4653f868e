"""Aim: the journal's partitions are felt by nobody: not by who posts, not by who reads, not by books from before them.

Method: real PostgreSQL; partitions of a few entries; books filled under the migrations of the release before, then
migrated; plans read from EXPLAIN.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.copy_rows import INSERTED_ROWS_MAX
from ledger.journal import NewEntry, ResultCode, transfer
from ledger.queries import query
from ledger.schema import keep_partition_ahead, migrate
from ledger.statements import statement_page
from ledger.verify import Verification
from tests.support.books import Clock, PlainRules, key, new_writer, open_accounts, verify
from tests.support.database_stage import divide_journal
from tests.support.old_books import make_old_books, sign_old_books


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        yield connection


def divide(connection: psycopg.Connection[Any], entries: int) -> None:
    """Prepare books whose partitions hold so many entries."""
    migrate(connection)
    connection.execute("SET session_replication_role = replica")
    divide_journal(connection, entries)
    connection.execute("SET session_replication_role = origin")
    open_accounts(connection, "cash EUR debit -\nalice EUR credit -\nbob EUR credit -")


def partitions(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT first_seq, last_seq, table_name FROM ledger.partition ORDER BY first_seq"
    ).fetchall()


def entries(*numbers: int) -> list[NewEntry]:
    return [transfer(key(number), "cash", "alice", number) for number in numbers]


def findings(url: str, **more: Any) -> list[str]:
    report = Verification(url, verify, **{"workers": 1, "range_entries": 10, **more}).run()
    return [f"{found.subject}: {found.problem}" for found in report.findings]


# Migrating ------------------------------------------------------------------------------------------------------------


def test_rows_from_before_become_the_first_partition_unread_and_go_on(
    empty: psycopg.Connection[Any], empty_database_url: str, tmp_path: Path
) -> None:
    make_old_books(empty, tmp_path, 40)
    file = empty.execute("SELECT pg_relation_filenode('ledger.entry')").fetchone()
    # A row that breaks a rule which was never proved of it must not keep the node from starting.
    empty.execute("SET session_replication_role = replica")
    empty.execute("ALTER TABLE ledger.entry DROP CONSTRAINT entry_times_finite")
    empty.execute("UPDATE ledger.entry SET effective_at = 'infinity' WHERE seq = 30")
    empty.execute(
        "ALTER TABLE ledger.entry ADD CONSTRAINT entry_times_finite"
        " CHECK (isfinite(posted_at) AND isfinite(effective_at)) NOT VALID"
    )
    empty.execute("SET session_replication_role = origin")
    migrate(empty)
    assert partitions(empty) == [(1, 8388608, "entry_1")]
    assert empty.execute("SELECT pg_relation_filenode('ledger.entry_1')").fetchone() == file
    empty.execute("SET session_replication_role = replica")
    empty.execute("UPDATE ledger.entry SET effective_at = posted_at WHERE seq = 30")
    sign_old_books(empty, 40)
    writer = new_writer(empty_database_url, Clock(), PlainRules(), role="dwaybank_application")
    writer.open()
    try:
        (result, refused) = writer.post([*entries(41), transfer(key(7), "cash", "alice", 1)])
    finally:
        writer.close()
    assert (result.code, result.seq) == (ResultCode.POSTED, 41)
    assert refused.code is ResultCode.EXISTS_WITH_DIFFERENT_BODY
    assert findings(empty_database_url) == []
    page = statement_page(empty, "alice", entry_count_max=3)
    assert [line.seq for line in page.lines] == [41, 40, 39]
    with pytest.raises(psycopg.Error, match="history cannot be edited"):
        empty.execute("UPDATE ledger.entry_1 SET amount = 1 WHERE seq = 40")


def test_empty_books_from_before_begin_with_the_better_form(
    empty: psycopg.Connection[Any], empty_database_url: str, tmp_path: Path
) -> None:
    make_old_books(empty, tmp_path, 0)
    migrate(empty)
    assert partitions(empty) == [(1, 8388608, "entry_1")]
    open_accounts(empty, "cash EUR debit -\nalice EUR credit -")
    writer = new_writer(empty_database_url)
    writer.open()
    try:
        assert [result.code for result in writer.post(entries(1, 2))] == [ResultCode.POSTED] * 2
    finally:
        writer.close()
    widths = empty.execute(
        "SELECT attlen FROM pg_attribute WHERE attrelid = 'ledger.entry_1'::regclass AND attnum > 0 ORDER BY attnum"
    ).fetchall()
    # Widest first, as far as every entry has them: no byte is lost to alignment.
    assert [width for (width,) in widths[:15]] == [8] * 10 + [2] * 3 + [16] * 2
    assert findings(empty_database_url) == []


def test_new_partitions_have_every_rule_of_an_entry(connection: psycopg.Connection[Any]) -> None:
    divide(connection, 5)
    connection.execute("SELECT ledger.make_partitions(10)")
    rules = (
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'"
    )
    form = {(name, text.removesuffix(" NOT VALID")) for name, text in connection.execute(rules, ("ledger.entry_form",))}
    assert {"entry_balanced", "entry_times_finite", "entry_request_told", "entry_form_salt_check"} <= dict(form).keys()
    for table in ("ledger.entry_1", "ledger.entry_6"):
        # Without NOT VALID: they hold for every row.
        assert set(connection.execute(rules, (table,))) == form
        (triggers,) = connection.execute(
            "SELECT array_agg(tgname::text ORDER BY tgname) FROM pg_trigger WHERE tgrelid = %s::regclass", (table,)
        ).fetchone() or ([],)
        assert triggers == ["entry_arrives", "entry_is_history"]


# Room -----------------------------------------------------------------------------------------------------------------


def test_next_partition_is_made_when_the_newest_is_three_quarters_full(
    connection: psycopg.Connection[Any], database_url: str
) -> None:
    divide(connection, 8)
    writer = new_writer(database_url)
    writer.open()
    try:
        for number in range(1, 7):
            writer.post(entries(number))
            keep_partition_ahead(connection)
            assert [row[1] for row in partitions(connection)] == ([8] if number < 7 else [8, 16])
        writer.post(entries(7))
        keep_partition_ahead(connection)
        assert [row[1] for row in partitions(connection)] == [8, 16]
        keep_partition_ahead(connection)
        assert len(partitions(connection)) == 2
    finally:
        writer.close()


@pytest.mark.parametrize("count", [1, 3, 9, 40])
def test_batch_finds_room_though_nobody_made_it(
    connection: psycopg.Connection[Any], database_url: str, count: int
) -> None:
    divide(connection, 4)
    writer = new_writer(database_url, role="dwaybank_application")
    writer.open()
    try:
        first = 1
        for _ in range(3):
            results = writer.post(entries(*range(first, first + count)))
            assert [(result.code, result.seq) for result in results] == [
                (ResultCode.POSTED, seq) for seq in range(first, first + count)
            ]
            first += count
    finally:
        writer.close()
    sizes = connection.execute("SELECT count(*) FROM ledger.entry GROUP BY tableoid ORDER BY min(seq)").fetchall()
    assert [size for (size,) in sizes] == [4] * ((first - 1) // 4) + [(first - 1) % 4] * ((first - 1) % 4 > 0)
    assert findings(database_url) == []


def test_nobody_has_partitions_made_far_ahead(connection: psycopg.Connection[Any]) -> None:
    divide(connection, 4)
    connection.execute("SET ROLE dwaybank_application")
    with pytest.raises(psycopg.Error, match="too far ahead"):
        connection.execute("SELECT ledger.provide_partitions(2000000)")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT ledger.make_partitions(2000000)")


# Keys -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["rising", "falling", "mixed"])
def test_key_stands_once_whatever_partition_it_is_in(
    connection: psycopg.Connection[Any], database_url: str, order: str
) -> None:
    """Large batches do not look keys up: what tells them is the settlement."""
    divide(connection, 50)
    numbers = list(range(1, 201))
    if order == "falling":
        numbers.reverse()
    elif order == "mixed":
        numbers = numbers[::2] + numbers[1::2]
    writer = new_writer(database_url)
    writer.open()
    try:
        for at in range(0, 200, 20):
            writer.post(entries(*numbers[at : at + 20]))
        for repeated in (numbers[3], numbers[60], numbers[149], numbers[199]):
            fresh = range(1000 + repeated * 100, 1000 + repeated * 100 + 70)
            results = writer.post([*entries(*fresh), *entries(repeated), transfer(key(repeated), "cash", "bob", 1)])
            assert {result.code for result in results[:70]} == {ResultCode.POSTED}
            assert (results[70].code, results[70].seq) == (ResultCode.EXISTS, numbers.index(repeated) + 1)
            assert results[71].code is ResultCode.EXISTS_WITH_DIFFERENT_BODY
    finally:
        writer.close()
    assert findings(database_url) == []


def test_settlement_refuses_a_key_of_an_older_partition(connection: psycopg.Connection[Any], database_url: str) -> None:
    divide(connection, 4)
    writer = new_writer(database_url)
    writer.open()
    try:
        for number in (900, 2, 3, 4, 5, 6):
            writer.post(entries(number))
        for number in (900, 4, 5):
            batch = writer.prepare(entries(*range(number * 1000, number * 1000 + INSERTED_ROWS_MAX + 1)))
            # What a writer would send that never looked.
            (rows,) = batch.rows.values()
            rows[1] = rows[1].replace(key(number * 1000 + 1).bytes, key(number).bytes)
            with pytest.raises(Exception, match="a key of the batch was posted before"):
                writer.commit(batch)
    finally:
        writer.close()
    assert connection.execute("SELECT max(seq) FROM ledger.entry").fetchone() == (6,)


# Reading --------------------------------------------------------------------------------------------------------------


def partitions_read(connection: psycopg.Connection[Any], statement: bytes, arguments: Any) -> set[str]:
    """Run a statement; return the partitions that its plan went to."""
    explain = b"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, FORMAT JSON) " + statement
    row = connection.execute(explain, arguments, prepare=False).fetchone()
    assert row is not None
    found, nodes = set(), [row[0][0]["Plan"]]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        if node["Actual Loops"] > 0 and node.get("Relation Name", "").startswith("entry_"):
            found.add(node["Relation Name"])
    return found


READS: dict[str, tuple[bytes, Any, set[str]]] = {
    "entry by number": (query("entry_by_seq"), (12,), {"entry_11"}),
    "newest entry": (b"SELECT seq FROM ledger.entry ORDER BY seq DESC LIMIT 1", (), {"entry_26", "entry_31"}),
    "leaves of a range": (
        query("stored_leaves"), {"first": 9, "last": 12, "count": 9}, {"entry_6", "entry_11"},
    ),
    "rows of a range": (b"SELECT * FROM ledger.entry WHERE seq BETWEEN %s AND %s", (6, 10), {"entry_6"}),
    "sums of a range": (query("control_totals"), (16, 20), {"entry_16"}),
    "postings of an entry": (b"SELECT * FROM ledger.signed_posting WHERE seq = %s", (7,), {"entry_6"}),
}  # fmt: skip


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_only_the_partitions_that_can_hold_it_are_read(
    connection: psycopg.Connection[Any], database_url: str, name: str, mode: str
) -> None:
    divide(connection, 5)
    writer = new_writer(database_url, Clock(), PlainRules())
    writer.open()
    writer.post(entries(*range(1, 31)))
    writer.close()
    connection.execute(f"SET plan_cache_mode = {mode}".encode())
    statement, arguments, wanted = READS[name]
    read = partitions_read(connection, statement, arguments)
    assert read
    assert read <= wanted
