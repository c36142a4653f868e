"""Statements of a bank that means harm: none of them stops the reconciliation of what others sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest

from ledger.account import Side
from ledger.errors import ConflictError, InvalidValueError
from ledger.journal import NewEntry, Posting
from ledger.money import AMOUNT_MAX
from ledger.posting import Writer
from ledger.reconciliation import (
    STANDARD_RULES,
    Decision,
    ExceptionKind,
    ExternalRecord,
    ExternalStatement,
    RunOutcome,
    StatementFile,
    decide_exceptions,
    import_statement_file,
    list_exceptions,
    run_reconciliation,
    summarise,
)
from tests.support.books import START, key, open_accounts, open_writer

Connection = psycopg.Connection[Any]


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with open_writer(database_url) as writer, psycopg.connect(database_url, autocommit=True) as connected:
        open_accounts(connected, "nostro EUR debit -\nother EUR debit -\nclients EUR credit -")
        for number, account in enumerate(("nostro", "other"), 1):
            post(writer, number, account)
        yield connected


def post(writer: Writer, number: int, account: str) -> None:
    legs = (Posting(account, Side.DEBIT, 500), Posting("clients", Side.CREDIT, 500))
    when = datetime(2026, 3, 2, 12, tzinfo=UTC)
    writer.post([NewEntry(key(number), legs, settlement_id=f"PAY-{number}", effective_at=when)])


def bring(
    connection: Connection, name: str, account: str, opening: int, *changes: int, reference: str, of: int = 2
) -> None:
    day = date(2026, 3, of)
    records = tuple(
        ExternalRecord(f"{name}#{n}", n, change, day, day, (reference,) if change > 0 else ())
        for n, change in enumerate(changes, 1)
    )
    statement = ExternalStatement(account, "EUR", name, day, day, opening, opening + sum(changes), records)
    file = StatementFile(hashlib.sha256(name.encode()).digest(), "camt.053", (statement,))
    import_statement_file(connection, file, actor="a", now=START)


def test_a_statement_of_days_far_ahead_is_refused(connection: Connection) -> None:
    for last, is_taken in ((date(2026, 4, 2), True), (date(2026, 4, 3), False), (date.max, False)):
        statement = ExternalStatement("nostro", "EUR", str(last), date(2026, 3, 2), last, 0, 0, ())
        file = StatementFile(hashlib.sha256(str(last).encode()).digest(), "camt.053", (statement,))
        if is_taken:
            assert import_statement_file(connection, file, actor="a", now=START).new_statements == 1
        else:
            with pytest.raises(InvalidValueError, match="days to come"):
                import_statement_file(connection, file, actor="a", now=START)


def run(connection: Connection) -> RunOutcome:
    return run_reconciliation(connection, STANDARD_RULES, actor="a", now=START)


def test_movements_tied_to_one_posting_that_come_to_more_than_the_database_holds_stand_alone(
    connection: Connection,
) -> None:
    bring(connection, "h", "nostro", 0, *[AMOUNT_MAX] * 3, *[-AMOUNT_MAX] * 3, reference="PAY-1")
    bring(connection, "s", "other", 0, 500, reference="PAY-2")
    done = run(connection)
    assert (done.matched, done.opened) == (1, 7)
    found = list_exceptions(connection)
    assert sorted(item.difference for item in found) == [*[-AMOUNT_MAX] * 3, -500, *[AMOUNT_MAX] * 3]
    assert {item.kind for item in found} == {ExceptionKind.MISSING_IN_BOOKS, ExceptionKind.MISSING_ON_STATEMENT}
    assert run(connection).run is None
    raising = [item.id for item in found if item.difference > 0]
    with pytest.raises(ConflictError, match=str(2**63 - 1)):
        decide_exceptions(connection, raising, Decision.MATCHED_BY_HAND, actor="a", reason="nonsense", now=START)
    decide_exceptions(connection, raising, Decision.EXPLAINED, actor="a", reason="nonsense", now=START)


def test_what_waits_may_come_to_more_than_the_database_holds(connection: Connection) -> None:
    for day in (2, 3, 4):
        bring(connection, f"d{day}", "nostro", -AMOUNT_MAX, AMOUNT_MAX, AMOUNT_MAX, reference="x", of=day)
    run(connection)
    nostro, *_ = summarise(connection)
    assert (nostro.account, nostro.waiting_difference) == ("nostro", 6 * AMOUNT_MAX - 500)
