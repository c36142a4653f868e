"""``dwaybank iso20022 statement`` on real books: periods that meet, both normal sides, and what cannot be told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from ledger.errors import NotFoundError
from ledger.journal import ResultCode, transfer
from network.topology import default_consortium
from node.errors import ConfigurationError
from node.home import Home, prepare_home
from node.iso20022 import read_message
from node.iso20022.catalogue import type_of
from node.iso20022.content import AccountNotification, AccountStatement, Balance, Iban, Mark
from node.iso20022.errors import UnwritableMessageError
from tests.support.books import Clock, key, open_accounts, open_writer
from tests.support.command_line import invoke
from tests.support.iso20022 import IBANS, UETR, schema_error


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    root = tmp_path_factory.mktemp("statement") / "consortium"
    return prepare_home(root, lambda: default_consortium(31_000), datetime(2026, 1, 1, tzinfo=UTC), {})[0]


def day(month: int, number: int) -> datetime:
    return datetime(2026, month, number, 9, tzinfo=UTC)


@pytest.fixture
def books(home: Home, database_url: str) -> Iterator[Home]:
    clock = Clock(day(3, 1))
    with open_writer(database_url, clock) as writer, psycopg.connect(database_url, autocommit=True) as connection:
        open_accounts(connection, "cash EUR debit -\nalice EUR credit -\nvostro EUR credit -\nidle EUR credit -")
        for number, (posted, debit, credit, amount, more) in enumerate(
            [
                (day(3, 1), "cash", "alice", 100_000, {}),
                (day(3, 28), "alice", "vostro", 25_050, {"settlement_id": str(UETR), "description": "rent"}),
                (day(4, 2), "cash", "alice", 5, {"effective_at": day(3, 20)}),
                (day(4, 3), "alice", "cash", 80_000, {}),
            ],
            1,
        ):
            clock.moment = posted
            (result,) = writer.post([transfer(key(number), debit, credit, amount, **more)])
            assert result.code is ResultCode.POSTED
        (home.root / "dwaybank" / "secrets" / "node.url").write_text(database_url)
        yield home


def written(home: Home, folder: Path, account: str, since: str, until: str, *more: str) -> AccountStatement:
    output = folder / "statement.xml"
    arguments = ["iso20022", "statement", account, "--from", since, "--to", until, "--output", str(output), *more]
    done = invoke([*arguments, "--home", str(home.root)])
    assert done.exit_code == 0, done.output
    message = read_message(output.read_bytes())
    assert schema_error(type_of(message), output.read_bytes()) == ""
    return message  # type: ignore[return-value]


def signed(balance: Balance) -> int:
    return balance.amount.minor if balance.mark is Mark.CREDIT else -balance.amount.minor


def test_periods_that_meet_have_balances_that_meet(books: Home, tmp_path: Path) -> None:
    march = written(books, tmp_path, "alice", "2026-03-01", "2026-03-31", "--bic", "DWAYDEFF", "--iban", IBANS[0])
    april = written(books, tmp_path, "alice", "2026-04-01", "2026-04-30")
    assert [signed(balance) for balance in march.balances] == [0, 74_950]
    assert [signed(balance) for balance in april.balances] == [74_950, -5_045]
    assert (march.account.id, march.account.servicer) != (april.account.id, april.account.servicer)
    assert march.account.id == Iban(IBANS[0])
    rent = march.entries[1]
    assert rent.details is not None
    assert (rent.mark, rent.text, rent.details.uetr) == (Mark.DEBIT, "rent", UETR)
    # Posted in April, though it counts for March: the order of posting is what a statement told is told in.
    assert [entry.value_at for entry in april.entries] == [day(3, 20), day(4, 3)]


def test_account_of_the_bank_counts_the_other_way(books: Home, tmp_path: Path) -> None:
    cash = written(books, tmp_path, "cash", "2026-03-01", "2026-04-30")
    assert [signed(balance) for balance in cash.balances] == [0, -20_005]


def test_period_without_movement_is_told_as_a_statement_only(books: Home, tmp_path: Path) -> None:
    quiet = written(books, tmp_path, "alice", "2026-03-02", "2026-03-27")
    assert (quiet.entries, [signed(balance) for balance in quiet.balances]) == ((), [100_000, 100_000])
    assert [signed(b) for b in written(books, tmp_path, "idle", "2026-03-02", "2026-03-27").balances] == [0, 0]
    with pytest.raises(UnwritableMessageError, match="Ntry"):
        written(books, tmp_path, "alice", "2026-03-02", "2026-03-27", "--notification")


def test_notification_tells_the_same_movements(books: Home, tmp_path: Path) -> None:
    statement = written(books, tmp_path, "alice", "2026-03-01", "2026-04-30")
    notification = written(books, tmp_path, "alice", "2026-03-01", "2026-04-30", "--notification")
    assert isinstance(notification, AccountNotification)
    assert notification.entries == statement.entries


@pytest.mark.parametrize(
    ("account", "period", "more", "error"),
    [
        ("nobody", ("2026-03-01", "2026-03-31"), (), NotFoundError),
        ("alice", ("2026-03-31", "2026-03-01"), (), ConfigurationError),
        ("alice", ("2026-03-01", "2099-03-31"), (), ConfigurationError),
        ("alice", ("2026-03-01", "2026-03-31"), ("--iban", "DE00"), UnwritableMessageError),
        ("alice", ("2026-03-01", "2026-03-31"), ("--bic", "DWAY"), UnwritableMessageError),
    ],
)
def test_what_cannot_be_told_is_refused_and_nothing_written(
    books: Home, tmp_path: Path, account: str, period: tuple[str, str], more: tuple[str, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        written(books, tmp_path, account, *period, *more)
    assert not (tmp_path / "statement.xml").exists()
