"""``dwaybank chart`` on a bank's books: the example chart is defined, shown and enforced, accounts are found by what
they were described with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from ledger.account import NewAccount, Side, Terms
from ledger.balances import find_account, open_new_account
from ledger.errors import ChartRefusedError, ConflictError, MappingError, NotFoundError
from ledger.posting import AccountTerms
from ledger.schema import migrate
from network.topology import default_consortium
from node.errors import ConfigurationError
from node.home import Home, prepare_home
from tests.support.books import open_writer
from tests.support.command_line import invoke
from tests.support.shared_data import REPOSITORY

EXAMPLE = str(REPOSITORY / "fixtures" / "chart_of_accounts" / "retail-bank.yaml")
NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    root = tmp_path_factory.mktemp("chart") / "consortium"
    return prepare_home(root, lambda: default_consortium(31_000), datetime(2026, 1, 1, tzinfo=UTC), {})[0]


@pytest.fixture
def books(home: Home, database_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        migrate(connection)
        (home.root / "dwaybank" / "secrets" / "node.url").write_text(database_url)
        yield connection


def command(home: Home, *arguments: str) -> str:
    done = invoke(["chart", *arguments, "--home", str(home.root)])
    assert done.exit_code == 0, done.output
    return done.output


def open_by_chart(books: psycopg.Connection[tuple[object, ...]], *references: str) -> None:
    for reference in references:
        open_new_account(books, NewAccount(reference, "EUR"), now=NOW)


def test_chart_is_defined_shown_and_enforced(home: Home, books: psycopg.Connection[tuple[object, ...]]) -> None:
    assert "version 0, not enforced" in command(home, "show")
    assert command(home, "define", EXAMPLE) == "book main, version 1: 9 rules, enforced\n"
    assert command(home, "define", EXAMPLE) == "book main, version 1: 9 rules, enforced\n"
    shown = " ".join(command(home, "show").split())
    assert "assets:loans:{contract=digits} debit any asset never negative" in shown
    open_by_chart(books, "customers:4711", "customers:4711:child")
    assert find_account(books, "customers:4711:child").ceiling == 100_000
    with pytest.raises(ChartRefusedError):
        open_by_chart(books, "customers:maria")
    assert command(home, "misfits") == ""
    assert '"enforced": true' in command(home, "history") and command(home, "history", "--after", "1") == ""
    lines = [json.loads(line) for line in command(home, "balances", "--depth", "2", "--json").splitlines()]
    assert [(line["code"], line["accounts"]) for line in lines] == [("customers", 2), ("customers:4711", 2)]
    assert "customers " in command(home, "balances")


def test_accounts_that_do_not_fit_are_told_when_the_chart_is_defined(
    home: Home, books: psycopg.Connection[tuple[object, ...]], tmp_path: Path
) -> None:
    free = tmp_path / "free.yaml"
    free.write_text("rules:\n- {pattern: '*', normal_side: credit}\n")
    command(home, "define", str(free))
    open_by_chart(books, "old-account")
    assert "some accounts do not fit" in command(home, "define", EXAMPLE)
    assert command(home, "misfits").split() == ["old-account", "no_rule"]


def test_accounts_are_described_named_and_found(home: Home, books: psycopg.Connection[tuple[object, ...]]) -> None:
    command(home, "define", EXAMPLE)
    open_by_chart(books, "customers:1", "customers:2")
    assert command(home, "describe", "customers:1", "tariff=student", "branch=12") == "customers:1: changed\n"
    assert command(home, "describe", "customers:1", "tariff=student") == "customers:1: stood so already\n"
    command(home, "describe", "customers:2", "tariff=student", "--actor", "clerk-7")
    command(home, "describe", "customers:2", "tariff=")
    assert command(home, "alias", "@wages", "customers:1") == "@wages: changed\n"
    with pytest.raises(ConflictError):
        command(home, "alias", "@wages", "customers:2")
    (found,) = command(home, "find", "tariff=student", "--prefix", "customers:", "--json").splitlines()
    assert json.loads(found) == {
        "account": "customers:1",
        "status": "open",
        "book": "main",
        "portfolio": "",
        "segment": "",
        "aliases": ["@wages"],
        "metadata": {"tariff": "student", "branch": "12"},
    }
    assert "@wages branch=12 tariff=student" in command(home, "find", "branch=12")
    command(home, "alias", "@wages", "customers:2", "--move")
    assert command(home, "alias", "@wages", "") == "@wages: changed\n"
    assert command(home, "find", "tariff=adult") == ""


@pytest.mark.parametrize("what", ["balances", "misfits", "history", "show"])
def test_book_that_is_not_there_is_told_and_not_shown_as_empty(
    home: Home, books: psycopg.Connection[tuple[object, ...]], what: str
) -> None:
    with pytest.raises(NotFoundError, match="book 'retial' does not exist"):
        command(home, what, "--book", "retial")


def test_words_that_are_none_are_refused(
    home: Home, books: psycopg.Connection[tuple[object, ...]], tmp_path: Path
) -> None:
    for words in (("tariff",), ("a=1", "a=2")):
        with pytest.raises(ConfigurationError, match="write NAME=VALUE"):
            command(home, "find", *words)
    with pytest.raises(MappingError):
        command(home, "define", str(tmp_path / "absent.yaml"))


def test_structure_is_opened_listed_and_accounts_placed_in_it(
    home: Home, books: psycopg.Connection[tuple[object, ...]]
) -> None:
    assert command(home, "open-book", "retail") == "book retail: opened\n"
    assert command(home, "open-book", "retail") == "book retail: stood open already\n"
    command(home, "open-portfolio", "branch-12", "--book", "retail")
    command(home, "open-segment", "private", "--book", "retail")
    listed = [line.split() for line in command(home, "books").splitlines()]
    assert listed == [
        ["main", "portfolios:", "none", "segments:", "none"],
        ["retail", "portfolios:", "branch-12", "segments:", "private"],
    ]
    open_new_account(books, NewAccount("alice", "EUR", Side.CREDIT, Terms(0), book="retail"), now=NOW)
    assert command(home, "place", "alice", "--portfolio", "branch-12") == "alice: moved\n"
    assert command(home, "place", "alice", "--portfolio", "branch-12") == "alice: stood there already\n"
    found = json.loads(command(home, "find", "--portfolio", "branch-12", "--json"))
    assert (found["account"], found["book"], found["segment"]) == ("alice", "retail", "")


def test_history_of_an_account_tells_each_change_with_its_actor(home: Home, database_url: str) -> None:
    (home.root / "dwaybank" / "secrets" / "node.url").write_text(database_url)
    with open_writer(database_url) as writer, psycopg.connect(database_url, autocommit=True) as connection:
        open_new_account(connection, NewAccount("alice", "EUR", Side.CREDIT, Terms(0)), now=NOW)
        assert writer.set_account_terms("alice", AccountTerms("frozen", 0, 50, None), "judge-3") == "changed"
    done = invoke(["account", "history", "alice", "--home", str(home.root)])
    assert done.exit_code == 0
    assert done.output.split("judge-3")[1].strip() == (
        "open (floor 0, overdraft 0, ceiling none) -> frozen (floor 0, overdraft 50, ceiling none)"
    )
