"""Whole statements through the books and back: the project's own month and 49,102 real movements of a real bank are
imported, imported again, and reconciled against the balances the bank itself recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import psycopg

from ledger.audit import verify_books
from ledger.balances import find_account, open_account, trial_balance
from ledger.journal import ResultCode
from ledger.posting import Writer
from ledger.reconciliation import Reconciliation, day_changes, reconcile, recorded_days
from ledger.statement_import import AccountToOpen, Movement, entry_of, read_movements
from ledger.statement_mapping import StatementMapping, read_mapping
from tests.support.books import START, open_writer
from tests.support.shared_data import REPOSITORY, shared_data

BATCH = 2000


def mapping_of(name: str) -> StatementMapping:
    return read_mapping(REPOSITORY / "fixtures" / "mappings" / name)


def movements_of(path: Path, mapping: StatementMapping) -> Iterator[Movement]:
    with path.open("rb") as file:
        yield from read_movements(file, mapping)


def import_all(
    writer: Writer, connection: psycopg.Connection[tuple[object, ...]], path: Path, mapping: StatementMapping
) -> tuple[Counter[str], set[str]]:
    opened: dict[str, AccountToOpen] = {}
    codes: Counter[str] = Counter()
    customers: set[str] = set()
    stream = movements_of(path, mapping)
    while batch := list(islice(stream, BATCH)):
        for movement in batch:
            customers.add(movement.account.reference)
            for account in (movement.account, movement.contra):
                if account.reference not in opened:
                    opened[account.reference] = account
                    open_account(
                        connection,
                        account.reference,
                        account.asset,
                        account.normal_side,
                        floor=account.floor,
                        now=START,
                    )
        codes.update(result.code.text for result in writer.post([entry_of(item, mapping) for item in batch]))
    return codes, customers


def reconcile_all(
    connection: psycopg.Connection[tuple[object, ...]], path: Path, mapping: StatementMapping, customers: set[str]
) -> Reconciliation:
    days = recorded_days(movements_of(path, mapping))
    return reconcile(days, day_changes(connection, sorted(customers)), rounding=mapping.balance_rounding)


def test_real_bank_is_swallowed_whole_and_every_break_is_found(database_url: str) -> None:
    path, mapping = shared_data("berka/trans.asc"), mapping_of("berka.yaml")
    with open_writer(database_url) as writer, psycopg.connect(database_url, autocommit=True) as connection:
        codes, customers = import_all(writer, connection, path, mapping)
        assert codes == {"posted": 49_102}
        again, _ = import_all(writer, connection, path, mapping)
        assert again == {"exists": 49_102}

        outcome = reconcile_all(connection, path, mapping, customers)
        # The figures that stand in the data's own description.
        assert (outcome.account_count, outcome.agreeing_account_count, len(outcome.breaking_accounts)) == (
            1229,
            347,
            882,
        )
        first = {found.account: found.difference for found in reversed(outcome.breaks)}
        assert sum(abs(difference) != 10 for difference in first.values()) == 5
        assert len(first) == 882

        negative = connection.execute(
            "SELECT count(*) FROM ledger.posting_view WHERE starts_with(account, 'berka:') AND balance_after < 0"
        ).fetchone()
        assert negative == (114,)
        (line,) = trial_balance(connection)
        assert (line.asset, line.debit == line.credit, line.account_count > 1229) == ("CZK", True, True)
        assert verify_books(connection) == []


def test_own_month_reconciles_without_a_break(database_url: str) -> None:
    path, mapping = REPOSITORY / "fixtures/statements/dwaybank-2026-09.csv", mapping_of("dwaybank.yaml")
    with open_writer(database_url) as writer, psycopg.connect(database_url, autocommit=True) as connection:
        codes, customers = import_all(writer, connection, path, mapping)
        assert codes == {"posted": 20_834}
        outcome = reconcile_all(connection, path, mapping, customers)
        assert (outcome.account_count, outcome.breaks) == (1000, ())
        assert find_account(connection, "bank:internal-clearing").balance == 0
        assert verify_books(connection) == []


def test_wrong_posting_in_the_books_shows_as_a_break_from_that_day_on(database_url: str) -> None:
    path, mapping = REPOSITORY / "fixtures/statements/dwaybank-2026-09.csv", mapping_of("dwaybank.yaml")
    with open_writer(database_url) as writer, psycopg.connect(database_url, autocommit=True) as connection:
        stream = movements_of(path, mapping)
        movements = list(islice(stream, 8000))
        entries = [entry_of(movement, mapping) for movement in movements]
        victim = movements[5000]
        for movement in movements:
            for account in (movement.account, movement.contra):
                open_account(connection, account.reference, account.asset, account.normal_side, floor=None, now=START)
        results = writer.post([entry for i, entry in enumerate(entries) if i != 5000])
        assert {result.code for result in results} == {ResultCode.POSTED}
        customers = sorted({movement.account.reference for movement in movements})
        outcome = reconcile(recorded_days(movements), day_changes(connection, customers))
        assert outcome.breaking_accounts == (victim.account.reference,)
        assert outcome.breaks[0].day == victim.day
        assert {found.difference for found in outcome.breaks} == {victim.change}
