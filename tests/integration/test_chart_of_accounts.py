"""The chart of accounts and the hierarchy on a real PostgreSQL, as the application's own role. Tables of rules and
accounts, so that an accountant can read them; the history of a book is compared whole."""

from __future__ import annotations

import doctest
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from ledger import metadata, structure
from ledger.account import Account, NewAccount, Side, Terms
from ledger.balances import find_account, open_account, open_new_account
from ledger.chart import Chart, ChartRule
from ledger.errors import ChartRefusedError, ConflictError, InvalidValueError, NotFoundError
from ledger.structure import (
    CodeBalance,
    GroupBalance,
    Misfit,
    code_balances,
    define_chart,
    find_chart,
    group_balances,
    list_books,
    list_changes,
    list_misfits,
    list_portfolios,
    list_segments,
    open_book,
    open_portfolio,
    open_segment,
    place_account,
)
from node.postgres import PostgresCluster
from tests.support.chart_books import BY, START, Connection, as_owner, migrated_database, refused, rolled_back

CHART = """
    assets:cash            debit  EUR      -
    assets:nostro:{bank}   debit  EUR,USD  negative
    customers:{id=digits}  credit EUR,USD  -
    fees:*                 credit any      -
"""
"""Pattern, normal side, assets, whether balances may be negative."""


def rules(table: str) -> tuple[ChartRule, ...]:
    found = []
    for line in table.strip().splitlines():
        pattern, side, assets, negative = line.split()
        codes = () if assets == "any" else tuple(assets.split(","))
        found.append(ChartRule(pattern, Side[side.upper()], codes, negative == "negative"))
    return tuple(found)


@pytest.fixture(scope="module")
def books_url(postgres_cluster: PostgresCluster) -> str:
    return migrated_database(postgres_cluster, "chart_of_accounts")


@pytest.fixture
def connection(books_url: str) -> Iterator[Connection]:
    with rolled_back(books_url) as connection:
        yield connection


def opened(connection: Connection, reference: str, **more: Any) -> Account:
    side = more.pop("side", Side.CREDIT)
    new = NewAccount(reference, more.pop("asset", "EUR"), side, more.pop("terms", Terms(floor=0)), **more)
    return open_new_account(connection, new, **BY)[0]


def move_money(connection: Connection, table: str) -> None:
    """Write balances past the doors, as the owner: how they came about is not what is tested here."""
    with as_owner(connection) as owner:
        for line in table.strip().splitlines():
            reference, balance = line.split()
            owner.execute("UPDATE ledger.account SET balance = %s WHERE reference = %s", (int(balance), reference))


@pytest.mark.parametrize("module", [structure, metadata])
def test_example_of_module_runs_as_written(connection: Connection, module: Any) -> None:
    names = {**vars(module), "connection": connection, "now": START}
    (example,) = doctest.DocTestFinder(recurse=False).find(module, globs=names)
    assert len(example.examples) > 5
    assert doctest.DocTestRunner().run(example).failed == 0


def test_books_begin_with_main_whose_chart_is_empty_and_not_enforced(connection: Connection) -> None:
    assert list_books(connection) == ["main"]
    assert find_chart(connection) == Chart("main", (), enforced=False, version=0)
    account, created = open_account(connection, "anything-goes", "EUR", Side.DEBIT, floor=None, now=START)
    assert created and account.facts.normal_side is Side.DEBIT


def test_chart_stands_as_defined_and_the_same_again_changes_nothing(connection: Connection) -> None:
    chart = define_chart(connection, Chart(rules=rules(CHART), enforced=True), **BY)
    assert (chart.rules, chart.enforced, chart.version) == (Chart(rules=rules(CHART)).rules, True, 1)
    assert define_chart(connection, Chart(rules=tuple(reversed(rules(CHART))), enforced=True), **BY) == chart
    assert define_chart(connection, Chart(rules=rules(CHART)), **BY).version == 2  # no longer enforced


@pytest.mark.parametrize(
    "line",
    """
    assets:cash         debit  EUR 0    0  | opened
    assets:cash         debit  USD 0    0  | assets:cash            wrong_asset
    assets:cash         credit EUR 0    0  | assets:cash            wrong_side
    assets:cash         debit  EUR none 0  | assets:cash            negative_not_allowed
    assets:nostro:cz    debit  USD none 0  | opened
    assets:vault        debit  EUR 0    0  | none                   no_rule
    customers:4711      credit EUR 0    0  | opened
    customers:4711      credit EUR 0    50 | customers:{id=digits}  negative_not_allowed
    customers:4711      credit EUR -50  0  | customers:{id=digits}  negative_not_allowed
    customers:maria     credit EUR 0    0  | none                   no_rule
    fees:cards:atm      credit CZK 0    0  | opened
    fees                credit CZK 0    0  | none                   no_rule
    """.strip().splitlines(),
)
def test_enforced_chart_opens_and_refuses_as_the_table_says(connection: Connection, line: str) -> None:
    request, expected = line.split("|")
    reference, side, asset, floor, overdraft = request.split()
    terms = Terms(None if floor == "none" else int(floor), int(overdraft))
    chart = define_chart(connection, Chart(rules=rules(CHART), enforced=True), **BY)
    refusal = chart.refusal(reference, asset, Side[side.upper()], terms)
    if expected.strip() == "opened":
        assert opened(connection, reference, side=Side[side.upper()], asset=asset, terms=terms).status == "open"
        assert refusal is None
        return
    with pytest.raises(ChartRefusedError) as caught:
        opened(connection, reference, side=Side[side.upper()], asset=asset, terms=terms)
    assert f"{caught.value.rule or 'none'} {caught.value.code}".split() == expected.split()
    assert caught.value.code == refusal  # without the database the same is known
    with pytest.raises(NotFoundError):
        find_account(connection, reference)


def test_chart_that_is_not_enforced_lets_all_in_and_lists_who_does_not_fit(connection: Connection) -> None:
    opened(connection, "assets:cash", side=Side.DEBIT)
    opened(connection, "customers:maria")
    opened(connection, "customers:1", side=Side.DEBIT)
    opened(connection, "customers:2", asset="CZK")
    opened(connection, "fees:atm", terms=Terms())
    define_chart(connection, Chart(rules=rules(CHART)), **BY)
    opened(connection, "zzz")
    expected = [
        Misfit("customers:1", "customers:{id=digits}", "wrong_side"),
        Misfit("customers:2", "customers:{id=digits}", "wrong_asset"),
        Misfit("customers:maria", "", "no_rule"),
        Misfit("fees:atm", "fees:*", "negative_not_allowed"),
        Misfit("zzz", "", "no_rule"),
    ]
    assert list_misfits(connection, "main") == expected
    assert list_misfits(connection, "main", after="customers:1", count_max=2) == expected[1:3]
    assert list_misfits(connection, "nowhere") == []


def test_accounts_stay_valid_when_a_chart_that_refuses_them_is_enforced(connection: Connection) -> None:
    before = opened(connection, "old-account")
    define_chart(connection, Chart(rules=rules(CHART), enforced=True), **BY)
    again, created = open_new_account(connection, NewAccount("old-account", "EUR", Side.CREDIT, Terms(floor=0)), **BY)
    assert (again, created) == (before, False)


def test_account_opened_by_the_chart_takes_side_and_terms_from_its_rule(connection: Connection) -> None:
    line = ChartRule("loans:*", Side.DEBIT, negative=True, terms=Terms(floor=-5, overdraft=70, ceiling=1000))
    define_chart(connection, Chart(rules=(line,)), **BY)
    account, created = open_new_account(connection, NewAccount("loans:1", "EUR"), **BY)
    assert created and account.facts.normal_side is Side.DEBIT
    assert (account.floor, account.overdraft, account.ceiling) == (-5, 70, 1000)
    # The rule changes, the request stays what it was: a repeat finds the account as it was opened.
    define_chart(connection, Chart(rules=(ChartRule("loans:*", Side.CREDIT),)), **BY)
    assert open_new_account(connection, NewAccount("loans:1", "EUR"), **BY) == (account, False)
    with pytest.raises(ChartRefusedError, match="no rule for it"):
        open_new_account(connection, NewAccount("unknown", "EUR"), **BY)


@pytest.mark.parametrize(
    "change",
    [
        {"asset": "USD"},
        {"side": Side.DEBIT},
        {"terms": Terms(floor=-1)},
        {"terms": Terms(floor=0, overdraft=1)},
        {"terms": Terms(floor=0, ceiling=1)},
        {"portfolio": "north"},
        {"segment": "retail"},
        {"alias": "@other"},
        {"metadata": {"tariff": "adult"}},
        {"book": "second"},
    ],
)
def test_opening_again_is_the_same_only_with_the_same_body(connection: Connection, change: dict[str, Any]) -> None:
    open_book(connection, "second", **BY)
    open_portfolio(connection, "main", "north", **BY)
    open_segment(connection, "main", "retail", **BY)
    body = {"alias": "@maria", "metadata": {"tariff": "student"}}
    first = opened(connection, "customers:1", **body)
    assert opened(connection, "customers:1", **body) == first
    with pytest.raises(ConflictError, match="customers:1"):
        opened(connection, "customers:1", **{**body, **change})


def test_account_opened_before_charts_is_found_by_its_asset_side_and_floor(connection: Connection) -> None:
    with as_owner(connection) as owner:
        owner.execute(
            "INSERT INTO ledger.account (reference, asset_id, normal_side, floor, opened_at)"
            " SELECT 'old', id, 2, 0, %s FROM ledger.asset WHERE code = 'EUR'",
            (START,),
        )
    assert not open_account(connection, "old", "EUR", Side.CREDIT, floor=0, now=START)[1]
    for side, floor in ((Side.DEBIT, 0), (Side.CREDIT, None)):
        with pytest.raises(ConflictError):
            open_account(connection, "old", "EUR", side, floor=floor, now=START)
    epoch = connection.execute("SELECT epoch FROM ledger.take_over()").fetchone()
    assert epoch is not None
    connection.execute(
        "SELECT ledger.set_account_terms(%s, 'old', 1::smallint, -50, 0, NULL, 'clerk-7', %s)", (epoch[0], START)
    )
    assert not open_account(connection, "old", "EUR", Side.CREDIT, floor=0, now=START)[1]
    assert place_account(connection, "old", portfolio="", segment="", **BY) is False
    assert not open_account(connection, "old", "EUR", Side.CREDIT, floor=0, now=START)[1]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"asset": "XXX"}, "asset"),
        ({"book": "nowhere"}, "book"),
        ({"portfolio": "nowhere"}, "portfolio"),
        ({"segment": "nowhere"}, "segment"),
        ({"book": "second", "portfolio": "north"}, "portfolio"),  # another book's
    ],
)
def test_opening_names_what_is_not_registered(connection: Connection, change: dict[str, Any], field: str) -> None:
    open_book(connection, "second", **BY)
    open_portfolio(connection, "main", "north", **BY)
    with pytest.raises(InvalidValueError) as caught:
        opened(connection, "customers:1", **change)
    assert caught.value.field == field


def test_account_is_opened_once_when_two_ask_at_the_same_moment(postgres_cluster: PostgresCluster) -> None:
    database_url = migrated_database(postgres_cluster, "opened_at_once")
    created, refused = [], []
    barrier = threading.Barrier(2)

    def ask(number: int) -> None:
        with psycopg.connect(database_url, autocommit=True) as own:
            for i in range(20):
                barrier.wait()
                new = NewAccount(f"a:{i}-{number}", "EUR", Side.CREDIT, Terms(), alias=f"@a{i}")
                try:
                    created.append(open_new_account(own, new, **BY)[1])
                except ConflictError:
                    refused.append(number)
                barrier.wait()
                created_too = open_new_account(own, NewAccount(f"b:{i}", "EUR", Side.CREDIT, Terms()), **BY)[1]
                (created if created_too else refused).append(created_too)

    threads = [threading.Thread(target=ask, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Each alias and each reference went to one of the two.
    assert (len(created), len(refused)) == (40, 40)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM ledger.account").fetchone() == (40,)


def test_chart_is_refused_whole_for_what_is_wrong_in_it(connection: Connection) -> None:
    chart = define_chart(connection, Chart(rules=rules(CHART)), **BY)
    with pytest.raises(InvalidValueError, match="XXX"):
        define_chart(connection, Chart(rules=(ChartRule("a", Side.DEBIT, ("EUR", "XXX")),)), **BY)
    with pytest.raises(NotFoundError):
        define_chart(connection, Chart("nowhere"), **BY)
    with pytest.raises(ConflictError, match="version 0"):
        define_chart(connection, Chart(), if_version=0, **BY)
    assert find_chart(connection) == chart
    assert define_chart(connection, Chart(), if_version=1, **BY).rules == ()


def test_database_refuses_a_chart_that_python_would_not_send(connection: Connection) -> None:
    call = b"SELECT * FROM ledger.chart_define('main', %s::jsonb, false, NULL, 'clerk-7', now())"
    rule = '{"pattern": "%s", "normal_side": 1, "assets": [], "negative": %s, "floor": %s, "overdraft": 0}'
    twice = f"[{rule % ('a:{x}', 'false', 0)}, {rule % ('a:{y}', 'false', 0)}]"
    row = connection.execute(call, (twice,)).fetchone()
    assert row == ("pattern_stands_twice", "a:{x}")
    for wrong in (rule % ("a:", "false", 0), rule % ("a", "false", -1), rule % ("a", "false", "null")):
        with refused(connection, psycopg.errors.CheckViolation):
            connection.execute(call, (f"[{wrong}]",))


def test_history_of_a_book_tells_every_change_of_its_structure(connection: Connection) -> None:
    open_portfolio(connection, "main", "north", **BY)
    open_portfolio(connection, "main", "north", **BY)
    open_segment(connection, "main", "retail", **BY)
    opened(connection, "customers:1", portfolio="north")
    assert place_account(connection, "customers:1", portfolio="", segment="retail", actor="clerk-8", now=START)
    assert not place_account(connection, "customers:1", portfolio="", segment="retail", actor="clerk-9", now=START)
    define_chart(connection, Chart(rules=rules("a debit EUR -"), enforced=True), **BY)
    rule = {"pattern": "a", "normal_side": 1, "assets": ["EUR"], "negative": False}
    assert [(change.number, change.actor, change.what) for change in list_changes(connection, "main")] == [
        (1, "clerk-7", {"portfolio": "north"}),
        (2, "clerk-7", {"segment": "retail"}),
        (3, "clerk-8", {"account": "customers:1", "portfolio": ["north", None], "segment": [None, "retail"]}),
        (4, "clerk-7", {"enforced": True, "rules": [{**rule, "floor": 0, "overdraft": 0, "ceiling": None}]}),
    ]
    assert [change.number for change in list_changes(connection, "main", after=1, count_max=2)] == [2, 3]
    assert list_portfolios(connection, "main") == ["north"] and list_segments(connection, "main") == ["retail"]


def test_placing_names_what_does_not_exist(connection: Connection) -> None:
    with pytest.raises(NotFoundError, match="account 'customers:1'"):
        place_account(connection, "customers:1", portfolio="", segment="", **BY)
    opened(connection, "customers:1")
    with pytest.raises(NotFoundError, match="portfolio 'north'"):
        place_account(connection, "customers:1", portfolio="north", segment="", **BY)
    with pytest.raises(NotFoundError, match="segment 'retail'"):
        place_account(connection, "customers:1", portfolio="", segment="retail", **BY)
    with pytest.raises(NotFoundError, match="book 'nowhere'"):
        open_portfolio(connection, "nowhere", "north", **BY)


def test_balances_sum_up_the_tree_of_codes_and_over_groups(connection: Connection) -> None:
    open_portfolio(connection, "main", "north", **BY)
    open_segment(connection, "main", "retail", **BY)
    opened(connection, "assets:cash", side=Side.DEBIT)
    opened(connection, "assets:nostro:cz", side=Side.DEBIT, terms=Terms())
    opened(connection, "customers:1", portfolio="north", segment="retail")
    opened(connection, "customers:2", portfolio="north", segment="retail")
    opened(connection, "customers:3", asset="USD", portfolio="north")
    move_money(
        connection,
        """
        assets:cash       1000
        assets:nostro:cz  -200
        customers:1        500
        customers:2        300
        """,
    )
    assert code_balances(connection) == [
        CodeBalance("assets", "EUR", 1000, 200, 2),
        CodeBalance("customers", "EUR", 0, 800, 2),
        CodeBalance("customers", "USD", 0, 0, 1),
    ]
    assert [(line.code, line.debit, line.credit) for line in code_balances(connection, depth=3)[:4]] == [
        ("assets", 1000, 200),
        ("assets:cash", 1000, 0),
        ("assets:nostro", 0, 200),
        ("assets:nostro:cz", 0, 200),
    ]
    assert group_balances(connection) == [
        GroupBalance("", "", "EUR", 1000, 200, 2),
        GroupBalance("north", "", "USD", 0, 0, 1),
        GroupBalance("north", "retail", "EUR", 0, 800, 2),
    ]


@pytest.mark.parametrize("depth", [0, 17])
def test_depth_of_sums_is_bounded(connection: Connection, depth: int) -> None:
    with pytest.raises(InvalidValueError):
        code_balances(connection, depth=depth)
