"""``dwaybank schedule``, ``asset`` and ``rate`` as an operator uses them, on the books of an organization."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from ledger.currency import rate_at
from ledger.errors import ConflictError, InvalidValueError, NotFoundError
from ledger.exchange import Leg, exchange
from ledger.journal import NewEntry
from ledger.posting import Writer
from network.topology import default_consortium
from node.errors import PostgresError
from node.home import Home, prepare_home
from tests.support.books import key, open_accounts, open_writer
from tests.support.command_line import invoke

ID = str(uuid.UUID(int=5))
RENT = ("--debit", "ann", "--credit", "rent", "--amount", "500.00", "--actor", "ann", "--id", ID)
ACCOUNTS = """
ann        EUR credit -
rent       EUR credit -
ann:usd    USD credit -
fx:EUR     EUR credit -
fx:EUR:USD USD debit  -
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    root = tmp_path_factory.mktemp("schedule") / "consortium"
    return prepare_home(root, lambda: default_consortium(31_100), datetime(2026, 1, 1, tzinfo=UTC), {})[0]


@pytest.fixture
def books(home: Home, database_url: str) -> Iterator[Writer]:
    with open_writer(database_url) as writer, psycopg.connect(database_url, autocommit=True) as connection:
        open_accounts(connection, ACCOUNTS)
        node_url(home).write_text(database_url)
        yield writer


def node_url(home: Home) -> Path:
    return home.root / "dwaybank" / "secrets" / "node.url"


def command(home: Home, *arguments: str, status: int = 0) -> str:
    done = invoke([*arguments, "--home", str(home.root)])
    assert done.exit_code == status, done.output
    return done.output.strip()


def test_schedule_is_ordered_paused_resumed_cancelled_and_forgotten(home: Home, books: Writer) -> None:
    order = ("schedule", "create", *RENT, "--start", "2036-01-31T09:00", "--zone", "Europe/Berlin")
    monthly = (*order, "--unit", "month", "--day", "31", "--until", "2037-12-31", "--description", "rent")
    assert command(home, *monthly) == f"schedule {ID} is kept: active, looked at next at 2036-01-31T08:00:00+00:00"
    assert "was kept before" in command(home, *monthly)
    with pytest.raises(ConflictError, match="another order"):
        command(home, *order)
    assert ID in command(home, "schedule", "list")
    (told,) = command(home, "schedule", "list", "--json").splitlines()
    assert json.loads(told)["order"]["postings"] == [["ann", 1, "50000"], ["rent", 2, "50000"]]
    assert command(home, "schedule", "list", "--after", ID) == ""

    assert command(home, "schedule", "pause", ID) == f"schedule {ID}: paused"
    assert command(home, "schedule", "pause", ID) == f"schedule {ID} was so before: paused"
    resumed = command(home, "schedule", "resume", ID)
    assert resumed == f"schedule {ID}: active, looked at next at 2036-01-31T08:00:00+00:00"
    assert command(home, "schedule", "cancel", ID) == f"schedule {ID}: cancelled"
    assert command(home, "schedule", "forget", ID) == f"schedule {ID}: cancelled"
    assert "description" not in command(home, "schedule", "list", "--json")
    assert command(home, "schedule", "runs", ID) == ""
    assert command(home, "schedule", "audit") == "every occurrence's record fits its entry"


def test_runs_of_a_schedule_and_what_the_audit_finds_are_shown(home: Home, books: Writer) -> None:
    command(home, "schedule", "create", *RENT, "--start", "2026-01-31T09:00", "--unit", "day", "--count", "2")
    with psycopg.connect(node_url(home).read_text(), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO ledger.schedule_run (schedule_id, due_at, attempt, number, key, code, seq, at)"
            " VALUES (%s, '2026-01-31 09:00Z', 1, 1, %s, 'exceeds_available', NULL, '2026-01-31 09:01Z'),"
            " (%s, '2026-01-31 09:00Z', 2, 1, %s, 'posted', 41, '2026-01-31 10:01Z')",
            (ID, key(1), ID, key(1)),
        )
    assert command(home, "schedule", "runs", ID).splitlines() == [
        "1  due 2026-01-31T09:00:00+00:00  try 1: exceeds_available",
        "     1  due 2026-01-31T09:00:00+00:00  try 2: posted, entry 41",
    ]
    told = [json.loads(line) for line in command(home, "schedule", "runs", ID, "--json").splitlines()]
    assert [(run["code"], run["seq"]) for run in told] == [("exceeds_available", None), ("posted", 41)]
    assert "names an entry that does not stand" in command(home, "schedule", "audit", status=1)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("--start", "tomorrow"), "--start"),
        (("--start", "2036-01-01", "--unit", "year"), "--unit"),
        (("--start", "2036-01-01", "--until", "never"), "--until"),
        (("--start", "2036-01-01", "--catch-up", "some"), "--catch-up"),
        (("--start", "2036-01-01", "--unit", "month", "--day", "1", "--month-end", "x"), "--month-end"),
        (("--start", "2036-01-01", "--zone", "Atlantis"), "zone"),
        (("--start", "2036-01-01", "--id", "seven"), "--id"),
        (("--start", "2036-01-01", "--amount", "1.001"), "--amount"),
        (("--start", "2036-01-01", "--credit", "@landlord"), "account"),
    ],
)
def test_wrong_option_is_refused_by_its_name(
    home: Home, request: pytest.FixtureRequest, arguments: tuple[str, ...], field: str
) -> None:
    has_books = field in ("--amount", "account")
    if has_books:
        request.getfixturevalue("books")
    with pytest.raises(InvalidValueError) as refused:
        command(home, "schedule", "create", *RENT, *arguments)
    assert refused.value.field == field
    if has_books:
        assert command(home, "schedule", "list") == ""


def test_schedule_that_is_not_there_is_not_found(home: Home, books: Writer) -> None:
    with pytest.raises(InvalidValueError, match="--after 'seven'"):
        command(home, "schedule", "list", "--after", "seven")
    for what in ("runs", "pause"):
        with pytest.raises(NotFoundError, match="does not exist"):
            command(home, "schedule", what, ID)


def test_assets_are_listed_and_registered(home: Home, books: Writer) -> None:
    told = command(home, "asset", "register", "GWEI", "--scale", "9", "--reason", "custody", "--actor", "desk")
    assert told == "GWEI is registered: at most 4611686018.427387903 in one amount"
    assert "was known" in command(home, "asset", "register", "GWEI", "--scale", "9", "--reason", "custody")
    listed = command(home, "asset", "list", "--after", "GTQ").splitlines()
    assert re.fullmatch(r"GWEI +9 digits, at most 4611686018\.427387903  desk: custody", listed[0])
    first = json.loads(command(home, "asset", "list", "--limit", "1", "--json"))
    assert (first["code"], first["scale"], first["actor"]) == ("AED", 2, "dwaybank")


def test_rates_are_recorded_shown_and_audited(home: Home, books: Writer) -> None:
    keep = ("rate", "record", "EUR/USD", "1.0843", "--source", "ECB", "--quoted-at", "2026-03-02T15:00:00Z")
    assert command(home, *keep) == "EUR/USD 1.0843 of ECB is on record"
    assert command(home, *keep) == "EUR/USD 1.0843 of ECB was on record"
    shown = command(home, "rate", "show", "EUR/USD", "--source", "ECB")
    assert shown == "EUR/USD 1.0843 of ECB, quoted 2026-03-02T15:00:00+00:00"
    assert command(home, "rate", "audit") == "every exchange and revaluation follows from its rate"

    with psycopg.connect(node_url(home).read_text(), autocommit=True) as connection:
        rate = rate_at(connection, "EUR", "USD", "ECB", datetime(2027, 1, 1, tzinfo=UTC))
    legs = {"debit": Leg("EUR", "ann", "fx:EUR"), "credit": Leg("USD", "ann:usd", "fx:EUR:USD")}
    honest = exchange(key(1), rate, 100_00, "EUR", **legs)
    wrong = tuple(sorted({**dict(honest.metadata), "fx.rate": "1.0844"}.items()))
    books.post([honest, NewEntry(key(2), honest.postings, metadata=wrong)])
    assert command(home, "rate", "audit", status=1) == "entry 2: its amount is 10843, the rate gives 10844"
    assert json.loads(command(home, "rate", "audit", "--json", status=1))["seq"] == 2

    for arguments, field in (
        (("EURUSD", "1", "--source", "E", "--quoted-at", "2026-03-02T15:00:00Z"), "pair"),
        (("EUR/USD", "1,1", "--source", "E", "--quoted-at", "2026-03-02T15:00:00Z"), "rate"),
        (("EUR/USD", "1", "--source", "E", "--quoted-at", "noon"), "--quoted-at"),
        (("EUR/USD", "1", "--source", "E", "--quoted-at", "9999-12-31T23:59-14:00"), "--quoted-at"),
        (("EUR/USD", "1", "--source", "E", "--quoted-at", "2026-03-02T15:00:00"), "quoted_at"),
    ):
        with pytest.raises(InvalidValueError) as refused:
            command(home, "rate", "record", *arguments)
        assert refused.value.field == field


def test_arguments_that_can_be_no_time_number_or_text_are_named(home: Home, books: Writer) -> None:
    accounts = ("--account", "a", "--counter", "a", "--revaluation", "a", "--gain", "a", "--loss", "a")
    revalue = ("rate", "revalue", "EUR/USD", "--source", "ECB", "--on", "2026-03-31", *accounts)
    with pytest.raises(InvalidValueError, match=r"--at '0001-01-01T00:00\+14:00': write a time"):
        command(home, *revalue, "--at", "0001-01-01T00:00+14:00")
    for arguments in (
        (*revalue, "--at", "2026-03-31T22:00Z", "--revision", str(2**31)),
        ("ledger", "reopen-period", str(2**31), "--reason", "late"),
        ("account", "open", "new", "--stripes", "65"),
        ("post", "--debit", "a", "--credit", "b", "--amount", "1", "--reverses", str(2**63)),
    ):
        command(home, *arguments, status=2)
    show = [sys.executable, "-m", "node", "rate", "show", "EUR/USD", "--source", b"E\xff", "--home", str(home.root)]
    done = subprocess.run(show, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "dwaybank: 'E\\udcff' is not written in UTF-8: write it again\n")


def test_books_that_do_not_answer_are_named(home: Home) -> None:
    node_url(home).write_text("postgresql://nobody:x@127.0.0.1:1/none")
    with pytest.raises(PostgresError, match="cannot be reached"):
        command(home, "asset", "list")
