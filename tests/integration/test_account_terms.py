"""Changes of an account's terms in the database: a table of what an account has, what is asked, and the answer; every
change is a row of history, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
import pytest

from ledger.account import NewAccount, Side, Terms
from ledger.balances import find_account, open_new_account
from ledger.chart import Chart, ChartRule
from ledger.money import AMOUNT_MAX
from ledger.structure import define_chart
from node.postgres import PostgresCluster
from tests.support.chart_books import START, Connection, as_owner, migrated_database, refused, rolled_back

STATUS = {"open": 1, "frozen": 2, "closed": 3}


class Bench(NamedTuple):
    connection: Connection
    epoch: int

    def change(self, status: str, floor: int | None, overdraft: int, ceiling: int | None) -> str:
        arguments = (self.epoch, "alice", STATUS[status], floor, overdraft, ceiling, "clerk-7", START)
        row = self.connection.execute(
            "SELECT ledger.set_account_terms(%s, %s, %s::smallint, %s, %s, %s, %s, %s)", arguments
        ).fetchone()
        assert row is not None
        return str(row[0])

    def give(self, balance: int, held: int) -> None:
        """Write a balance past the doors: how it came about is not what is tested here."""
        with as_owner(self.connection) as owner:
            owner.execute("UPDATE ledger.account SET balance = %s, held = %s", (balance, held))

    def history(self) -> list[tuple[Any, ...]]:
        return self.connection.execute(
            "SELECT number, at, actor, before, after FROM ledger.account_change ORDER BY account_id, number"
        ).fetchall()


@pytest.fixture(scope="module")
def books_url(postgres_cluster: PostgresCluster) -> str:
    return migrated_database(postgres_cluster, "account_terms")


@pytest.fixture
def bench(books_url: str) -> Iterator[Bench]:
    with rolled_back(books_url) as connection:
        row = connection.execute("SELECT epoch FROM ledger.take_over()").fetchone()
        assert row is not None
        open_new_account(connection, NewAccount("alice", "EUR", Side.CREDIT, Terms(floor=0)), now=START)
        yield Bench(connection, row[0])


def amount(text: str) -> int | None:
    return None if text == "-" else int(text)


@pytest.mark.parametrize(
    "line",
    """
    100 0   | frozen 0    0   -   | changed
    100 0   | open   0    0   -   | unchanged
    100 0   | open   100  0   -   | changed
    100 0   | open   101  0   -   | below_floor
    100 0   | open   101  1   -   | changed
    100 30  | open   70   0   -   | changed
    100 30  | open   71   0   -   | below_floor
    100 0   | open   -    0   -   | changed
    100 0   | open   -50  0   -   | changed
    100 0   | open   0    50  -   | changed
    100 0   | open   0    0   100 | changed
    100 0   | open   0    0   99  | above_ceiling
    100 0   | open   101  0   99  | below_floor
    100 0   | closed 0    0   -   | account_not_empty
    0   0   | closed 0    0   -   | changed
    0   0   | closed 1    0   -   | below_floor
    10  10  | closed 0    0   -   | account_not_empty
    """.strip().splitlines(),
)
def test_terms_are_changed_or_refused_as_the_table_says(bench: Bench, line: str) -> None:
    """Balance, held | status, floor, overdraft, ceiling | code."""
    has, asked, expected = (cell.split() for cell in line.split("|"))
    bench.give(int(has[0]), int(has[1]))
    before = find_account(bench.connection, "alice")
    status, floor, overdraft, ceiling = asked
    code = bench.change(status, amount(floor), int(overdraft), amount(ceiling))
    assert code == expected[0]
    after = find_account(bench.connection, "alice")
    if code == "changed":
        assert (after.status, after.floor, after.overdraft, after.ceiling, after.terms) == (
            *(status, amount(floor), int(overdraft), amount(ceiling)),
            1,
        )
        assert len(bench.history()) == 1
    else:
        assert after == before and bench.history() == []


def test_history_of_terms_is_gapless_and_tells_old_and_new(bench: Bench) -> None:
    assert bench.change("frozen", 0, 0, None) == "changed"
    assert bench.change("frozen", 0, 0, None) == "unchanged"
    assert bench.change("open", -5, 70, 1000) == "changed"
    assert bench.change("closed", None, 0, None) == "changed"
    assert bench.change("open", None, 0, None) == "changed"
    names = ("status", "floor", "overdraft", "ceiling")
    terms = [
        ("open", 0, 0, None),
        ("frozen", 0, 0, None),
        ("open", -5, 70, 1000),
        ("closed", None, 0, None),
        ("open", None, 0, None),
    ]
    told = [dict(zip(names, values, strict=True)) for values in terms]
    assert bench.history() == [
        (number, START, "clerk-7", told[number - 1], told[number]) for number in range(1, len(terms))
    ]
    assert find_account(bench.connection, "alice").terms == 4


def test_terms_at_the_ends_of_the_range_are_judged_without_overflow(bench: Bench) -> None:
    assert bench.change("open", None, 0, None) == "changed"
    bench.give(-AMOUNT_MAX, 0)
    assert bench.change("open", -AMOUNT_MAX, AMOUNT_MAX, -AMOUNT_MAX) == "changed"
    assert bench.change("open", AMOUNT_MAX, 0, None) == "below_floor"
    assert bench.change("open", 0, AMOUNT_MAX, None) == "changed"


def test_account_that_nobody_opened_has_no_terms(bench: Bench) -> None:
    row = bench.connection.execute(
        "SELECT ledger.set_account_terms(%s, 'nobody', 1::smallint, 0, 0, NULL, 'clerk-7', now())", (bench.epoch,)
    ).fetchone()
    assert row == ("account_not_found",)


def test_writer_that_was_replaced_changes_no_terms(bench: Bench) -> None:
    bench.connection.execute("SELECT ledger.take_over()")
    with refused(bench.connection, psycopg.Error) as caught:
        bench.change("frozen", 0, 0, None)
    assert caught.value.sqlstate == "DW001" and bench.history() == []


def test_enforced_chart_lets_no_balance_below_zero_but_every_account_be_frozen(bench: Bench) -> None:
    define_chart(
        bench.connection, Chart(rules=(ChartRule("alice", Side.CREDIT),), enforced=True), actor="clerk-7", now=START
    )
    assert bench.change("open", None, 0, None) == "chart_refused"
    assert bench.change("open", 0, 1, None) == "chart_refused"
    assert bench.change("frozen", 0, 0, 500) == "changed"
    # The account no longer stands on the side of its rule: it may still be closed, but not be given more room.
    define_chart(
        bench.connection, Chart(rules=(ChartRule("alice", Side.DEBIT),), enforced=True), actor="clerk-7", now=START
    )
    assert bench.change("frozen", -1, 0, 500) == "chart_refused"
    assert bench.change("closed", 0, 0, 500) == "changed"


def test_application_cannot_change_terms_or_their_history_past_the_door(bench: Bench) -> None:
    bench.change("frozen", 0, 0, None)
    for statement in (
        "UPDATE ledger.account SET floor = NULL",
        "UPDATE ledger.account SET status = 1",
        "UPDATE ledger.account_change SET actor = 'nobody'",
        "DELETE FROM ledger.account_change",
        "INSERT INTO ledger.account_change VALUES (1, 2, now(), 'clerk-7', '{}', '{}')",
    ):
        with refused(bench.connection, psycopg.errors.InsufficientPrivilege):
            bench.connection.execute(statement.encode())
