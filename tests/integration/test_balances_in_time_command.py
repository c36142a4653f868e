"""``dwaybank balance --at``, ``statement --by effective`` and ``ledger``: the worked example of
docs/balances-in-time.md from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from ledger.errors import InvalidValueError
from ledger.journal import ResultCode, transfer
from ledger.periods import close_period, reopen_period, report_periods
from network.topology import default_consortium
from node.errors import ConfigurationError
from node.home import Home, prepare_home
from tests.support.books import Clock, key, open_accounts, open_writer
from tests.support.command_line import invoke


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    root = tmp_path_factory.mktemp("time") / "consortium"
    return prepare_home(root, lambda: default_consortium(31_000), datetime(2026, 1, 1, tzinfo=UTC), {})[0]


def day(month: int, number: int) -> datetime:
    return datetime(2026, month, number, 9, tzinfo=UTC)


@pytest.fixture
def books(home: Home, database_url: str) -> Iterator[Home]:
    clock = Clock(day(3, 1))
    with open_writer(database_url, clock) as writer, psycopg.connect(database_url, autocommit=True) as connection:
        open_accounts(connection, "cash EUR debit -\nalice EUR credit -\nfees EUR credit -")
        for number, (posted, debit, credit, amount, effective) in enumerate(
            [
                (day(3, 1), "cash", "alice", 100_000, None),
                (day(3, 28), "alice", "fees", 1_200, None),
                (day(4, 2), "cash", "alice", 25_000, day(3, 20)),
                (day(4, 3), "alice", "cash", 10_000, day(4, 10)),
            ],
            1,
        ):
            clock.moment = posted
            (result,) = writer.post([transfer(key(number), debit, credit, amount, effective_at=effective)])
            assert result.code is ResultCode.POSTED
        close_period(writer, datetime(2026, 4, 1, tzinfo=UTC), actor="accountant-7")
        report_periods(connection, now=clock())
        reopen_period(writer, 1, actor="accountant-7", reason="late fee")
        close_period(writer, datetime(2026, 3, 1, tzinfo=UTC), actor="accountant-7")
        (home.root / "dwaybank" / "secrets" / "node.url").write_text(database_url)
        yield home


def command(home: Home, *arguments: str) -> str:
    done = invoke([*arguments, "--home", str(home.root)])
    assert done.exit_code == 0, done.output
    return done.output


def test_balance_at_both_times(books: Home) -> None:
    assert command(books, "balance", "alice", "--at", "2026-03-31") == (
        "alice: balance 1238.00 EUR, from entries up to 4\n"
    )
    assert "988.00 EUR" in command(books, "balance", "alice", "--at", "20260328", "--known-at", "20260328")
    early = json.loads(command(books, "balance", "alice", "--at", "2026-03-31", "--known-at", "2026-03-31", "--json"))
    assert early == {"balance_minor": "98800", "known_seq": 2}
    assert "1250.00" not in command(books, "balance", "alice", "--known-at", "2026-04-02T08:59")


def test_statement_in_the_order_of_effect_between_days(books: Home) -> None:
    lines = command(books, "statement", "alice", "--by", "effective", "--to", "2026-03-31").splitlines()
    assert [line.split()[2] for line in lines] == ["2", "3", "1"]
    assert "2026-03-20" in lines[1] and "1250.00 EUR" in lines[1]
    told = json.loads(command(books, "statement", "alice", "--from", "2026-03-02", "--limit", "1", "--json"))
    assert (told["seq"], told["side"], told["balance_after_minor"]) == (4, "debit", "113800")
    known = command(books, "statement", "alice", "--by", "effective", "--known-at", "2026-03-31").splitlines()
    assert [line.split()[2] for line in known] == ["2", "1"]


def test_trial_balance_at_both_times(books: Home) -> None:
    assert command(books, "ledger", "trial-balance").split() == (
        ["EUR", "debit", "115000", "credit", "115000", "3", "accounts"]
    )
    told = json.loads(command(books, "ledger", "trial-balance", "--at", "2026-03-31", "--json"))
    assert told == {"asset": "EUR", "debit_minor": "125000", "credit_minor": "125000", "account_count": 3}


def test_periods_are_listed_with_figures_and_reopenings(books: Home) -> None:
    shown = command(books, "ledger", "periods")
    assert "period 1, the beginning to before 2026-04-01 00:00 UTC, opened again: late fee: 3 entries" in shown
    assert "EUR    balances 125000 = 125000, turnover 126200 = 126200" in shown
    assert "period 2, the beginning to before 2026-03-01 00:00 UTC, closed; its report is not written yet" in shown
    first, second = [json.loads(line) for line in command(books, "ledger", "periods", "--json").splitlines()]
    assert first["reopened"]["reason"] == "late fee" and first["lines"][0]["debit_turnover_minor"] == "126200"
    assert "lines" not in second


@pytest.mark.parametrize(
    "arguments", [("--at", "yesterday"), ("--known-at", "2026-13-01"), ("--at", "9999-12-31T23:59-14:00")]
)
def test_text_that_is_no_time_is_refused_by_name(books: Home, arguments: tuple[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=arguments[1]):
        command(books, "balance", "alice", *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("statement", "alice", "--from", "2026-04-01", "--to", "2026-03-31"),
        ("ledger", "refusals", "--from", "2026-04-01", "--to", "2026-03-31"),
        ("partner", "statement", "--partner", "PartnerMSP", "--from", "2026-04-01", "--to", "2026-03-31"),
        ("audit", "entries", "--posted", "2026-04-01..2026-03-31"),
        ("audit", "entries", "--anchored", "2026-04-01T12:00..2026-04-01T11:59"),
        ("audit", "entries", "--amount", "1000..999"),
    ],
)
def test_range_whose_end_lies_before_its_begin_is_refused_and_not_found_empty(
    books: Home, arguments: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigurationError, match="its end lies before its begin"):
        command(books, *arguments)


def test_known_at_in_the_order_of_posting_is_refused(books: Home) -> None:
    with pytest.raises(InvalidValueError, match="known_at"):
        command(books, "statement", "alice", "--known-at", "2026-03-31")
