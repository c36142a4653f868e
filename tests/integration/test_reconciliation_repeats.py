"""A statement that comes again under another name: refused, because each of its movements would count twice, while
statements of one day that go on from one another are taken, however alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import psycopg
import pytest

from ledger.errors import ConflictError
from ledger.reconciliation import ExternalRecord, ExternalStatement, StatementFile, import_statement_file
from ledger.reconciliation.csv_statement import read_csv_statements
from ledger.statement_mapping import parse_mapping
from tests.support.books import START, open_accounts

Connection = psycopg.Connection[Any]
Movement = tuple[int, int]
"""Day of March, change."""


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True) as connected:
        open_accounts(connected, "nostro EUR debit -\nother EUR debit -")
        yield connected


def statement(
    name: str, days: tuple[int, int], opening: int, *movements: Movement, account: str = "nostro"
) -> ExternalStatement:
    """A statement whose movements are named after it, as camt.053 and MT940 name them."""
    records = tuple(
        ExternalRecord(f"{name}#{n}", n, change, date(2026, 3, day), date(2026, 3, day), (f"{name}-{n}",))
        for n, (day, change) in enumerate(movements, 1)
    )
    closing = opening + sum(change for _, change in movements)
    first, last = (date(2026, 3, day) for day in days)
    return ExternalStatement(account, "EUR", name, first, last, opening, closing, records)


def bring(connection: Connection, *statements: ExternalStatement, may_repeat: bool = False) -> int:
    digest = hashlib.sha256(repr(statements).encode()).digest()
    file = StatementFile(digest, "camt.053", statements)
    return import_statement_file(connection, file, actor="auditor", now=START, may_repeat=may_repeat).new_records


MONDAY = statement("MON", (2, 2), 100, (2, 50), (2, -20))
TUESDAY = statement("TUE", (3, 3), 130, (3, 7))
WEEK = statement("WEEK", (2, 8), 100, (2, -20), (2, 50), (3, 7), (5, 1))


@pytest.mark.parametrize(
    ("before", "again"),
    [
        pytest.param([MONDAY], statement("MON-2", (2, 2), 100, (2, -20), (2, 50)), id="under another id"),
        pytest.param([MONDAY], statement("MON-2", (1, 2), 100, (2, 50), (2, -20)), id="with another first day"),
        pytest.param([MONDAY, TUESDAY], WEEK, id="the week after its days"),
        pytest.param([WEEK], TUESDAY, id="a day after its week"),
        pytest.param([WEEK], statement("END", (5, 12), 137, (5, 1), (9, 4)), id="weeks that overlap"),
        pytest.param(
            [statement("A", (2, 2), 0, (2, 5)), statement("B", (2, 2), 5, (2, 6))],
            statement("DAYS", (2, 3), 0, (2, 5), (2, 6), (3, 8)),
            id="two of one day in one of two",
        ),
    ],
)
def test_movements_that_came_under_another_name_are_refused(
    connection: Connection, before: Sequence[ExternalStatement], again: ExternalStatement
) -> None:
    for each in before:
        bring(connection, each)
    stored = connection.execute("SELECT count(*) FROM ledger.external_record").fetchone()
    with pytest.raises(ConflictError, match=f"statement_repeated: statement '{again.reference}' lists"):
        bring(connection, again)
    assert connection.execute("SELECT count(*) FROM ledger.external_record").fetchone() == stored
    assert connection.execute("SELECT count(*) FROM ledger.statement_file").fetchone() == (len(before),)
    assert bring(connection, again, may_repeat=True) == len(again.records)
    told = connection.execute("SELECT reference FROM ledger.external_statement WHERE may_repeat").fetchall()
    assert told == [(again.reference,)]


def test_a_file_that_holds_a_statement_under_two_names_is_refused(connection: Connection) -> None:
    with pytest.raises(ConflictError, match="'MON-2' lists the movements of 'MON'"):
        bring(connection, MONDAY, TUESDAY, statement("MON-2", (2, 2), 100, (2, 50), (2, -20)))
    assert connection.execute("SELECT count(*) FROM ledger.external_statement").fetchone() == (0,)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(statement("MON-2", (2, 2), 130, (2, 50), (2, -20)), id="another of the day goes on from it"),
        pytest.param(statement("MON-2", (2, 2), 100, (2, 50), (2, -21)), id="another amount"),
        pytest.param(statement("NEXT", (2, 3), 130, (2, 50), (2, -20), (3, 1)), id="begins on the day it goes on from"),
        pytest.param(statement("PAST", (1, 2), 70, (2, 50), (2, -20)), id="ends on the day it comes before"),
        pytest.param(statement("LATER", (9, 9), 100, (9, 50), (9, -20)), id="another day"),
        pytest.param(statement("MON-2", (2, 2), 100, (2, 50), (2, -20), account="other"), id="another account"),
        pytest.param(statement("NONE", (2, 2), 100), id="nothing moved"),
    ],
)
def test_statements_that_are_merely_alike_are_taken(connection: Connection, more: ExternalStatement) -> None:
    bring(connection, MONDAY)
    assert bring(connection, more) == len(more.records)


def test_statements_of_nothing_count_nothing_twice(connection: Connection) -> None:
    bring(connection, statement("SUN", (1, 1), 100))
    assert bring(connection, statement("SUN-2", (1, 1), 100)) == 0


def test_a_thousand_statements_of_one_day_that_go_on_from_one_another_are_taken(connection: Connection) -> None:
    many = [statement(f"S{n}", (2, 2), n, (2, 1)) for n in range(1000)]
    assert bring(connection, *many) == 1000
    again = [statement(f"T{n}", (2, 2), 1000 + n, (2, 1)) for n in range(1000)]
    assert bring(connection, *again) == 1000


CSV = """
name: {name}
asset: {{code: EUR, scale: 2}}
file: {{column_names: [number, account, day, amount]}}
columns: {{id: number, account: account, date: {{column: day, form: "%Y-%m-%d"}}, amount: {{column: amount}}}}
sign: {{amount: signed}}
accounts: {{reference: "{{account}}", numbers: pseudonyms}}
contra: [{{account: "elsewhere", normal_side: debit}}]
"""


def bring_csv(connection: Connection, mapping: str, *lines: str, may_repeat: bool = False) -> int:
    file = read_csv_statements("\n".join(lines).encode(), parse_mapping(CSV.format(name=mapping)))
    return import_statement_file(connection, file, actor="auditor", now=START, may_repeat=may_repeat).new_records


FIRST, SECOND, THIRD = "17,nostro,2026-03-02,0.50", "18,nostro,2026-03-02,-0.20", "19,nostro,2026-03-03,0.07"


def test_csv_under_a_renamed_mapping_counts_no_movement_twice(connection: Connection) -> None:
    assert bring_csv(connection, "bank", FIRST, SECOND) == 2
    assert bring_csv(connection, "bank", FIRST, SECOND, THIRD) == 1
    again = (SECOND, "20,nostro,2026-03-04,1.00")
    with pytest.raises(ConflictError, match=r"statement_repeated: statement 'bank-2 [0-9a-f]{32}' lists .* of 'bank "):
        bring_csv(connection, "bank-2", *again)
    assert connection.execute("SELECT count(*) FROM ledger.external_record").fetchone() == (3,)
    assert bring_csv(connection, "bank-2", *again, may_repeat=True) == 2


@pytest.mark.parametrize(
    "more",
    [
        pytest.param("21,nostro,2026-03-02,0.50", id="another number"),
        pytest.param("17,nostro,2026-03-03,0.50", id="another day"),
        pytest.param("17,nostro,2026-03-02,0.51", id="another amount"),
        pytest.param("17,other,2026-03-02,0.50", id="another account"),
    ],
)
def test_csv_of_another_mapping_that_is_merely_alike_is_taken(connection: Connection, more: str) -> None:
    bring_csv(connection, "cards", FIRST, SECOND)
    assert bring_csv(connection, "transfers", more) == 1
