"""Whole statements held against books that were posted from them: 49,102 real movements of a real bank, and the
project's own month with mistakes put into the books on purpose."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.balances import open_account
from ledger.posting import Writer
from ledger.queries import query
from ledger.reconciliation import day_changes, reconcile, recorded_days
from ledger.reconciliation.csv_statement import read_csv_statements
from ledger.reconciliation.queue import Decision, decide_exceptions, list_exceptions
from ledger.reconciliation.rules import STANDARD_RULES, Agreement, MatchRule
from ledger.reconciliation.store import RunOutcome, import_statement_file, run_reconciliation
from ledger.statement_import import Movement, entry_of, read_movements
from ledger.statement_mapping import StatementMapping, read_mapping
from tests.support.books import START, open_writer
from tests.support.shared_data import REPOSITORY, shared_data

Connection = psycopg.Connection[Any]

RECEIVED = datetime(2026, 10, 1, tzinfo=UTC)


def mapping_of(name: str) -> StatementMapping:
    return read_mapping(REPOSITORY / "fixtures" / "mappings" / name)


def movements_of(path: Path, mapping: StatementMapping) -> list[Movement]:
    with path.open("rb") as file:
        return list(read_movements(file, mapping))


def post_all(writer: Writer, connection: Connection, movements: list[Movement], mapping: StatementMapping) -> None:
    accounts = {item.reference: item for movement in movements for item in (movement.account, movement.contra)}
    for account in accounts.values():
        open_account(connection, account.reference, account.asset, account.normal_side, floor=account.floor, now=START)
    stream = iter(movements)
    while batch := list(islice(stream, 2000)):
        codes = {result.code.text for result in writer.post([entry_of(item, mapping) for item in batch])}
        assert codes <= {"posted", "exists"}


def run(connection: Connection, rules: tuple[MatchRule, ...]) -> RunOutcome:
    return run_reconciliation(connection, rules, actor="auditor", now=RECEIVED)


def test_real_bank_matches_movement_by_movement_and_breaks_only_in_its_recorded_balances(database_url: str) -> None:
    path, mapping = shared_data("berka/trans.asc"), mapping_of("berka.yaml")
    movements = movements_of(path, mapping)
    with open_writer(database_url) as writer, psycopg.connect(database_url, autocommit=True) as connection:
        post_all(writer, connection, movements, mapping)
        file = read_csv_statements(path.read_bytes(), mapping)
        outcome = import_statement_file(connection, file, actor="auditor", now=RECEIVED)
        assert (outcome.new_statements, outcome.new_records) == (1229, 49_102)

        by_key = (MatchRule("key", agree=frozenset({Agreement.KEY})),)
        assert run(connection, by_key) == RunOutcome(1, 1229, 49_102, 0, 0)
        assert run(connection, by_key) == RunOutcome(None, 1229, 0, 0, 0)
        customers = sorted({movement.account.reference for movement in movements})
        daily = reconcile(
            recorded_days(movements), day_changes(connection, customers), rounding=mapping.balance_rounding
        )
        assert (daily.account_count, daily.agreeing_account_count, len(daily.breaking_accounts)) == (1229, 347, 882)


def test_mistakes_in_the_books_are_found_and_nothing_else(database_url: str) -> None:
    path, mapping = REPOSITORY / "fixtures/statements/dwaybank-2026-09.csv", mapping_of("dwaybank.yaml")
    movements = movements_of(path, mapping)
    forgotten, invented = movements[5000], movements[7000]
    with open_writer(database_url) as writer, psycopg.connect(database_url, autocommit=True) as connection:
        post_all(writer, connection, [item for item in movements if item is not forgotten], mapping)
        lines = path.read_bytes().splitlines(keepends=True)
        bytes_less = b"".join(lines[: invented.line - 1] + lines[invented.line :])
        import_statement_file(connection, read_csv_statements(bytes_less, mapping), actor="auditor", now=RECEIVED)
        outcome = run(connection, STANDARD_RULES)
        assert (outcome.matched, outcome.opened) == (len(movements) - 2, 2)
        items = sorted(list_exceptions(connection), key=lambda item: item.kind)
        assert [(item.kind.text, item.account, item.difference) for item in items] == [
            ("missing_in_books", forgotten.account.reference, forgotten.change),
            ("missing_on_statement", invented.account.reference, -invented.change),
        ]

        # The bank sends the whole month again, and the forgotten movement is posted: the queue empties itself.
        writer.post([entry_of(forgotten, mapping)])
        again = read_csv_statements(path.read_bytes(), mapping)
        assert import_statement_file(connection, again, actor="auditor", now=RECEIVED).new_records == 1
        assert run(connection, STANDARD_RULES) == RunOutcome(2, 1000, 2, 0, 2)
        assert list_exceptions(connection) == []


def stored(connection: Connection) -> tuple[list[tuple[Any, ...]], ...]:
    """Which members stand in matches, and which exceptions there are, without the runs that made them."""
    matched = """
        SELECT (SELECT array_agg(record_id ORDER BY record_id) FROM ledger.match_record WHERE match_id = made.id),
            (SELECT array_agg(seq ORDER BY seq) FROM ledger.match_posting WHERE match_id = made.id), made.rule
        FROM ledger.reconciliation_match AS made ORDER BY 1, 2
    """
    items = """
        SELECT kind, record_id, posting_seq, difference, state, cleared_run_id IS NULL
        FROM ledger.reconciliation_exception ORDER BY fingerprint, state
    """
    return connection.execute(matched).fetchall(), connection.execute(items).fetchall()


@pytest.mark.every_postgres
def test_more_matches_than_the_database_takes_at_once_are_stored_in_parts(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, mapping = REPOSITORY / "fixtures/statements/dwaybank-2026-09.csv", mapping_of("dwaybank.yaml")
    movements = movements_of(path, mapping)
    forgotten, invented, late = movements[5000], movements[7000], movements[9000]
    with open_writer(database_url) as writer, psycopg.connect(database_url, autocommit=True) as connection:
        post_all(writer, connection, [item for item in movements if item not in (forgotten, late)], mapping)
        lines = path.read_bytes().splitlines(keepends=True)
        first = b"".join(lines[:9500])
        import_statement_file(connection, read_csv_statements(first, mapping), actor="auditor", now=RECEIVED)
        none = (MatchRule("nothing", agree=frozenset({Agreement.SETTLEMENT_ID})),)
        assert run(connection, none).matched == 0
        explained = next(
            item
            for item in list_exceptions(connection, account=late.account.reference)
            if item.difference == late.change
        )
        decide_exceptions(
            connection, [explained.id], Decision.EXPLAINED, actor="auditor", reason="to come", now=RECEIVED
        )
        writer.post([entry_of(late, mapping)])
        bytes_less = b"".join(lines[: invented.line - 1] + lines[invented.line :])
        import_statement_file(connection, read_csv_statements(bytes_less, mapping), actor="auditor", now=RECEIVED)
        with connection.transaction(force_rollback=True):
            at_once = run(connection, STANDARD_RULES)
            whole = stored(connection)
        monkeypatch.setattr("ledger.reconciliation.store.PART_CHARACTERS", 100_000)
        in_parts = run(connection, STANDARD_RULES)
        assert in_parts.run is not None and at_once.run is not None and in_parts.run > at_once.run + 10
        assert replace(in_parts, run=at_once.run) == at_once
        assert at_once.matched > 19_000 and at_once.cleared > 1_000
        assert stored(connection) == whole
        assert run(connection, STANDARD_RULES).run is None
        assert connection.execute(query("verify_reconciliation"), (10,)).fetchall() == []
