"""Metadata and aliases of accounts on a real PostgreSQL, as the application's own role: their history, the search by
them, and what neither the application nor the owner can do to either."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from ledger.account import PAIR_COUNT_MAX, NewAccount, Side, Terms
from ledger.balances import open_new_account
from ledger.errors import ConflictError, InvalidValueError, NotFoundError
from ledger.metadata import (
    AliasChange,
    MetadataChange,
    list_alias_changes,
    list_aliases,
    list_metadata_changes,
    resolve,
    search_accounts,
    set_alias,
    set_metadata,
    take_alias_back,
)
from ledger.queries import query
from ledger.structure import open_book, open_portfolio, open_segment
from node.postgres import PostgresCluster
from tests.support.chart_books import BY, START, Connection, as_owner, migrated_database, refused, rolled_back

LATER = START + timedelta(hours=1)

ACCOUNTS = """
    customers:1  north retail @maria  tariff=student branch=12
    customers:2  north retail -       tariff=adult   branch=12
    customers:3  north -      @karel  tariff=student branch=7
    vault        -     -      -       -
"""
"""Reference, portfolio, segment, alias, metadata."""


@pytest.fixture(scope="module")
def books_url(postgres_cluster: PostgresCluster) -> str:
    return migrated_database(postgres_cluster, "account_names")


@pytest.fixture
def connection(books_url: str) -> Iterator[Connection]:
    with rolled_back(books_url) as connection:
        open_portfolio(connection, "main", "north", **BY)
        open_segment(connection, "main", "retail", **BY)
        for line in ACCOUNTS.strip().splitlines():
            reference, *names = line.split()
            portfolio, segment, alias, *pairs = ("" if name == "-" else name for name in names)
            new = NewAccount(
                reference,
                "EUR",
                Side.CREDIT,
                Terms(floor=0),
                portfolio=portfolio,
                segment=segment,
                alias=alias,
                metadata=dict(pair.split("=") for pair in pairs if pair),
            )
            open_new_account(connection, new, **BY)
        yield connection


def found(connection: Connection, **asked: Any) -> list[str]:
    return [found.account.facts.reference for found in search_accounts(connection, **asked)]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, "customers:1 customers:2 customers:3 vault"),
        ({"metadata": {"tariff": "student"}}, "customers:1 customers:3"),
        ({"metadata": {"tariff": "student", "branch": "12"}}, "customers:1"),
        ({"metadata": {"tariff": "stud"}}, ""),
        ({"metadata": {"Tariff": "student"}}, ""),
        ({"prefix": "cust"}, "customers:1 customers:2 customers:3"),
        ({"prefix": "c%"}, ""),
        ({"portfolio": "north"}, "customers:1 customers:2 customers:3"),
        ({"portfolio": "north", "segment": "retail"}, "customers:1 customers:2"),
        ({"segment": "retail", "metadata": {"tariff": "adult"}}, "customers:2"),
        ({"book": "main", "prefix": "v"}, "vault"),
        ({"book": "nowhere"}, ""),
        ({"after": "customers:1", "count_max": 2}, "customers:2 customers:3"),
        ({"metadata": {"branch": "12"}, "after": "customers:1"}, "customers:2"),
    ],
)
def test_search_finds_what_fits_all_that_is_asked(connection: Connection, asked: dict[str, Any], expected: str) -> None:
    assert found(connection, **asked) == expected.split()


def test_found_account_carries_its_place_and_names(connection: Connection) -> None:
    (maria,) = search_accounts(connection, metadata={"branch": "12", "tariff": "student"})
    assert (maria.book, maria.portfolio, maria.segment, maria.aliases) == ("main", "north", "retail", ("@maria",))
    assert maria.metadata == {"tariff": "student", "branch": "12"}
    (vault,) = search_accounts(connection, prefix="vault")
    assert (vault.book, vault.portfolio, vault.segment, vault.aliases, vault.metadata) == ("main", "", "", (), {})


def test_search_pages_end_where_the_accounts_end(connection: Connection) -> None:
    pages, after = [], ""
    while page := found(connection, after=after, count_max=3):
        pages.append(page)
        after = page[-1]
    assert pages == [["customers:1", "customers:2", "customers:3"], ["vault"]]
    for count in (0, 1001):
        with pytest.raises(InvalidValueError):
            search_accounts(connection, count_max=count)


def test_search_by_metadata_and_by_portfolio_take_their_indexes(connection: Connection) -> None:
    """With too few rows for the planner to care, it is asked what it would take if reading all were dear."""
    connection.execute("SET enable_seqscan = off")
    nothing = {"pairs": "{}", "prefix": "", "book": "", "portfolio": "", "segment": "", "after": "", "count_max": 10}
    for asked, index in (
        ({"pairs": '{"tariff": "student"}'}, "account_metadata_by_pair"),
        ({"portfolio": "north"}, "account_place_by_portfolio"),
        ({"segment": "retail"}, "account_place_by_segment"),
        ({"prefix": "customers:"}, "account_reference_key"),
    ):
        connection.execute("SET enable_indexscan = " + ("on" if index == "account_reference_key" else "off"))
        plan = connection.execute(b"EXPLAIN " + query("search_accounts"), {**nothing, **asked}, prepare=False)
        assert index in "\n".join(line for (line,) in plan), index


def test_history_of_metadata_tells_each_change_of_each_name(connection: Connection) -> None:
    assert set_metadata(connection, "vault", {"b": "2", "a": "1"}, **BY)
    assert not set_metadata(connection, "vault", {"a": "1"}, actor="clerk-8", now=LATER)
    assert not set_metadata(connection, "vault", {"never": None}, actor="clerk-8", now=LATER)
    assert set_metadata(connection, "vault", {"a": None, "b": "2", "c": "3"}, actor="clerk-8", now=LATER)
    assert set_metadata(connection, "vault", {"a": "9"}, actor="clerk-9", now=LATER)
    assert list_metadata_changes(connection, "vault") == [
        MetadataChange(1, START, "clerk-7", "a", None, "1"),
        MetadataChange(2, START, "clerk-7", "b", None, "2"),
        MetadataChange(3, LATER, "clerk-8", "a", "1", None),
        MetadataChange(4, LATER, "clerk-8", "c", None, "3"),
        MetadataChange(5, LATER, "clerk-9", "a", None, "9"),
    ]
    assert search_accounts(connection, prefix="vault")[0].metadata == {"a": "9", "b": "2", "c": "3"}
    assert [change.number for change in list_metadata_changes(connection, "vault", name="a")] == [1, 3, 5]
    assert [change.number for change in list_metadata_changes(connection, "vault", after=2, count_max=2)] == [3, 4]


def test_metadata_of_opening_are_history_too(connection: Connection) -> None:
    assert list_metadata_changes(connection, "customers:2") == [
        MetadataChange(1, START, "clerk-7", "branch", None, "12"),
        MetadataChange(2, START, "clerk-7", "tariff", None, "adult"),
    ]


def test_account_has_no_more_pairs_than_allowed(connection: Connection) -> None:
    assert set_metadata(connection, "vault", {f"n{i}": "1" for i in range(PAIR_COUNT_MAX)}, **BY)
    with pytest.raises(InvalidValueError, match="at most 64"):
        set_metadata(connection, "vault", {"one-more": "1"}, **BY)
    assert set_metadata(connection, "vault", {"one-more": "1", "n0": None}, **BY)
    with pytest.raises(NotFoundError):
        set_metadata(connection, "nobody", {"a": "1"}, **BY)


@pytest.mark.parametrize(
    "pairs", ['{"a b": "1"}', '{"a": ""}', '{"a": "line\\nbreak"}', '{"a": 1}', '{"a": {"b": "c"}}']
)
def test_database_refuses_pairs_that_python_would_not_send(connection: Connection, pairs: str) -> None:
    with refused(connection, psycopg.errors.CheckViolation):
        connection.execute("SELECT ledger.account_set_metadata('vault', %s::jsonb, 'clerk-7', now())", (pairs,))
    assert list_metadata_changes(connection, "vault") == []


def test_alias_is_moved_taken_back_and_given_again_with_its_history(connection: Connection) -> None:
    assert set_alias(connection, "@wages", "customers:1", **BY)
    assert not set_alias(connection, "@wages", "customers:1", **BY)
    with pytest.raises(ConflictError, match="another account"):
        set_alias(connection, "@wages", "customers:2", **BY)
    assert set_alias(connection, "@wages", "customers:2", actor="clerk-8", now=LATER, move=True)
    assert resolve(connection, ["@wages", "vault", "@wages"]) == ["customers:2", "vault", "customers:2"]
    assert take_alias_back(connection, "@wages", **BY) and not take_alias_back(connection, "@wages", **BY)
    with pytest.raises(NotFoundError, match="@wages"):
        resolve(connection, ["@wages"])
    assert set_alias(connection, "@wages", "customers:3", **BY)
    assert list_alias_changes(connection, "@wages") == [
        AliasChange(1, START, "clerk-7", "", "customers:1"),
        AliasChange(2, LATER, "clerk-8", "customers:1", "customers:2"),
        AliasChange(3, START, "clerk-7", "customers:2", ""),
        AliasChange(4, START, "clerk-7", "", "customers:3"),
    ]


def test_aliases_are_listed_by_prefix_and_page(connection: Connection) -> None:
    set_alias(connection, "@wages", "customers:1", **BY)
    assert list_aliases(connection) == [
        ("@karel", "customers:3"),
        ("@maria", "customers:1"),
        ("@wages", "customers:1"),
    ]
    assert list_aliases(connection, prefix="@m") == [("@maria", "customers:1")]
    assert list_aliases(connection, after="@karel", count_max=1) == [("@maria", "customers:1")]
    assert search_accounts(connection, prefix="customers:1")[0].aliases == ("@maria", "@wages")


def test_alias_needs_an_account_and_opening_needs_a_free_alias(connection: Connection) -> None:
    with pytest.raises(NotFoundError):
        set_alias(connection, "@x", "nobody", **BY)
    assert not take_alias_back(connection, "@x", **BY)
    with pytest.raises(ConflictError, match="@maria"):
        open_new_account(connection, NewAccount("new", "EUR", Side.CREDIT, Terms(), alias="@maria"), **BY)
    assert found(connection, prefix="new") == []
    with pytest.raises(InvalidValueError):
        resolve(connection, ["customers 1"])


def test_names_of_two_books_do_not_mix_in_search(connection: Connection) -> None:
    open_book(connection, "second", **BY)
    open_portfolio(connection, "second", "north", **BY)
    new = NewAccount("other", "EUR", Side.CREDIT, Terms(), book="second", portfolio="north")
    open_new_account(connection, new, **BY)
    assert found(connection, book="second", portfolio="north") == ["other"]
    assert found(connection, book="second", segment="retail") == []


TABLES = (
    "book portfolio segment chart_rule chart_change account_place account_metadata metadata_change alias alias_change"
)


@pytest.mark.parametrize("table", TABLES.split())
def test_application_cannot_write_tables_past_the_doors(connection: Connection, table: str) -> None:
    for statement in ("INSERT INTO ledger.{} DEFAULT VALUES", "DELETE FROM ledger.{}", "TRUNCATE ledger.{}"):
        with refused(connection, psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.format(table).encode())
    columns = connection.execute(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = 'ledger' AND table_name = %s AND is_identity = 'NO' AND is_generated = 'NEVER'",
        (table,),
    ).fetchall()
    for (column,) in columns:
        with refused(connection, psycopg.errors.InsufficientPrivilege):
            connection.execute(f"UPDATE ledger.{table} SET {column} = {column}".encode())


def test_application_cannot_write_history_through_the_inner_functions(connection: Connection) -> None:
    with refused(connection, psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT ledger.chart_note(1::smallint, 'clerk-7', now(), '{}')")


@pytest.mark.parametrize("table", ["chart_change", "metadata_change", "alias_change", "account_change"])
def test_owner_cannot_edit_history_by_plain_statements(connection: Connection, table: str) -> None:
    for statement in (
        "UPDATE ledger.{} SET number = number + 1",
        "DELETE FROM ledger.{}",
        "TRUNCATE ledger.{} CASCADE",
    ):
        with as_owner(connection), refused(connection, psycopg.Error) as caught:
            connection.execute(statement.format(table).encode())
        assert caught.value.sqlstate == "DW002"


def test_what_is_indexed_of_accounts_never_changes(connection: Connection) -> None:
    """A balance stays on its page as long as no index holds a column that changes with it."""
    rows = connection.execute(
        "SELECT DISTINCT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)"
        " WHERE indrelid = 'ledger.account'::regclass"
    ).fetchall()
    assert {name for (name,) in rows} == {"id", "reference", "book_id", "stripe_of"}
