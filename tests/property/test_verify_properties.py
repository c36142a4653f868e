"""Whatever was asked of the books: they prove clean in ranges of any size, any single change is found, and they go out
to a file and come in again as they were.

Method: hypothesis draws commands as the ledger's state machine does; the real books on a real PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.export import export_books
from ledger.import_books import import_books
from ledger.verify import Verification
from node.postgres import PostgresCluster
from tests.support.books import verify
from tests.support.database_stage import DatabaseStage, EmptyLedgers
from tests.support.journal import NO_CHECKS
from tests.support.ledger_commands import ACCOUNTS, Idea, Planner, batches
from tests.support.ledger_stage import ModelStage

CHANGES = (
    "amount = amount + 1",
    "posting_amount[1] = posting_amount[1] - 1",
    "debit_balance = debit_balance + 1",
    "posting_balance[2] = posting_balance[2] - 1",
    "credit_previous = credit_previous + 1",
    "posting_previous[1] = posting_previous[1] - 1",
    "effective_at = coalesce(effective_at, posted_at) - interval '1 day'",
    "posted_at = posted_at + interval '1 microsecond'",
    "settlement_id = 's-99'",
    "salt = sha256(leaf)",
    "leaf = sha256(leaf)",
    "decision_outcome = 3 - decision_outcome",
    "decision_id = key",
    "key = decision_id",
    "form = 3 - form",
    "reverses = coalesce(reverses, 0) + 1",
    "hold_id = decision_id",
    "chain_seq = coalesce(chain_seq, 0) + 1",
    "description_commitment = sha256(leaf)",
    "metadata_commitment = sha256(leaf)",
)
"""Each changes a row in which nothing of it is null; ``request_hash`` alone is nobody's proof but its sender's."""

TOLD_CHANGES = {
    "event": (
        "amount = amount + 1",
        "remaining = remaining + 1",
        "at = at + interval '1 microsecond'",
        "account_id = account_id + 1",
        "hold_id = gen_random_uuid()",
        "number = number + 1000",
        "kind = CASE kind WHEN 'hold.placed' THEN 'hold.released' ELSE 'hold.placed' END",
    ),
    "hold": (
        "amount = amount + 1",
        "captured = captured + 1",
        "account_id = account_id + 1",
        "placed_at = placed_at + interval '1 microsecond'",
        "ended_at = ended_at + interval '1 microsecond'",
        "state = state % 4 + 1",
        "id = gen_random_uuid()",
    ),
}
"""By table: changes of holds and of what is told of them."""


@pytest.fixture(scope="module")
def ledgers(postgres_cluster: PostgresCluster) -> Iterator[tuple[EmptyLedgers, EmptyLedgers]]:
    both = EmptyLedgers(postgres_cluster), EmptyLedgers(postgres_cluster)
    yield both
    for each in both:
        each.close()


def play(url: str, calls: list[list[Idea]]) -> None:
    truth = ModelStage()
    planner = Planner(truth.model)
    with DatabaseStage(url) as stage:
        for name, account in ACCOUNTS.items():
            stage.open_account(name, account)
            truth.open_account(name, account)
        for drawn in calls:
            requests = planner.plan(drawn, truth.now)
            if requests:
                assert stage.post(requests) == truth.post(requests)
            stage.wait(1)
            truth.wait(1)


def findings(url: str, range_entries: int) -> list[str]:
    report = Verification(url, verify, workers=1, range_entries=range_entries).run()
    return [f"{found.subject}: {found.problem}" for found in report.findings]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(batches, min_size=3, max_size=12), size=st.integers(1, 40), data=st.data())
def test_random_books_prove_clean_travel_and_hide_no_change(
    ledgers: tuple[EmptyLedgers, EmptyLedgers], tmp_path: Path, calls: list[list[Idea]], size: int, data: Any
) -> None:
    with ledgers[0].fresh() as url, ledgers[1].fresh() as other:
        play(url, calls)
        assert findings(url, size) == []
        first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
        entries = export_books(url, "BankMSP", first).entries
        import_books(other, first, verify)
        export_books(other, "BankMSP", second)
        assert first.read_bytes() == second.read_bytes()
        table = data.draw(st.sampled_from([*TOLD_CHANGES]))
        change, place = data.draw(st.sampled_from(TOLD_CHANGES[table])), data.draw(st.integers(0, 30))
        if change_told(other, table, change, place):
            assert findings(other, size) != [], (table, change, place)
        if entries == 0:
            return
        seq = data.draw(st.integers(1, entries))
        change = data.draw(st.sampled_from(CHANGES))
        if make(url, change, seq):
            assert any(text.startswith(f"entry {seq}: ") for text in findings(url, size)), (change, seq)


def make(url: str, change: str, seq: int) -> bool:
    """Change a row as a superuser can; tell whether it reads otherwise now."""
    column = change.partition("=")[0].partition("[")[0].strip()
    value = f"SELECT {column}::text FROM ledger.entry WHERE seq = {seq}".encode()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(NO_CHECKS.encode())
        before = connection.execute(value).fetchone()
        connection.execute(f"UPDATE ledger.entry SET {change} WHERE seq = {seq}".encode())
        return connection.execute(value).fetchone() != before


def change_told(url: str, table: str, change: str, place: int) -> bool:
    """Change a hold or an event of one as a superuser can; tell whether there was one to change."""
    column = change.partition("=")[0].strip()
    chosen = f"SELECT ctid FROM ledger.{table} WHERE {column} IS NOT NULL ORDER BY ctid LIMIT 1 OFFSET {place}"
    if table == "event":
        chosen = chosen.replace("ORDER", "AND hold_id IS NOT NULL ORDER")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for (name,) in connection.execute(
            "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass", (f"ledger.{table}",)
        ).fetchall():
            connection.execute(f"ALTER TABLE ledger.{table} DROP CONSTRAINT {name}".encode())
        return connection.execute(f"UPDATE ledger.{table} SET {change} WHERE ctid = ({chosen})".encode()).rowcount == 1
