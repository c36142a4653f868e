"""``dwaybank reconcile`` from the file to the decision, over the statements of a correspondent bank: the same entries
are held against camt.053 and against MT940, and both must tell the same story."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import pytest

from ledger.account import Side
from ledger.errors import ConflictError, MappingError, StatementFormatError
from ledger.journal import NewEntry, Posting
from ledger.posting import Writer
from ledger.reconciliation import ExternalStatement, StatementFile, import_statement_file
from ledger.schema import migrate
from network.topology import default_consortium
from node.errors import ConfigurationError, PostgresError
from node.home import Home, prepare_home
from tests.support.books import key, open_accounts, open_writer
from tests.support.command_line import invoke
from tests.support.shared_data import REPOSITORY

STATEMENTS = REPOSITORY / "fixtures" / "statements"
SETTINGS = str(STATEMENTS / "correspondent.yaml")
MAY = date(2026, 5, 4)
FILES = ("correspondent-2026-03.camt053.xml", "correspondent-2026-03.mt940")

ENTRIES = """
1 nostro-EUR 125000 2 INV-1001
2 nostro-EUR -15000 2 PAY-501
3 nostro-EUR -25000 2 PAY-502
4 nostro-EUR -45 3 -
5 nostro-EUR 80000 2 -
6 nostro-JPY 2000 3 -
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    root = tmp_path_factory.mktemp("reconcile") / "consortium"
    return prepare_home(root, lambda: default_consortium(31_000), datetime(2026, 1, 1, tzinfo=UTC), {})[0]


@pytest.fixture
def books(home: Home, database_url: str) -> Iterator[Writer]:
    with open_writer(database_url) as writer, psycopg.connect(database_url, autocommit=True) as connection:
        open_accounts(
            connection, "nostro-EUR EUR debit -\nc-EUR EUR credit -\nnostro-JPY JPY debit -\nc-JPY JPY credit -"
        )
        for line in ENTRIES.strip().splitlines():
            post(writer, line)
        node_url(home).write_text(database_url)
        yield writer


def node_url(home: Home) -> Path:
    return home.root / "dwaybank" / "secrets" / "node.url"


def post(writer: Writer, line: str) -> int:
    number, account, change, day, reference = line.split()
    sides = (Side.DEBIT, Side.CREDIT) if int(change) > 0 else (Side.CREDIT, Side.DEBIT)
    contra = account.replace("nostro", "c")
    legs = tuple(Posting(name, side, abs(int(change))) for name, side in zip((account, contra), sides, strict=True))
    when = datetime(2026, 3, int(day), 12, tzinfo=UTC)
    entry = NewEntry(key(int(number)), legs, settlement_id=reference.strip("-"), effective_at=when)
    (result,) = writer.post([entry])
    return result.seq


def command(home: Home, *arguments: str) -> str:
    done = invoke(["reconcile", *arguments, "--home", str(home.root)])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("name", FILES)
def test_statement_is_imported_matched_and_decided(home: Home, books: Writer, name: str) -> None:
    file = str(STATEMENTS / name)
    imported = json.loads(command(home, "import", file, "--settings", SETTINGS, "--json"))
    assert (imported["new_file"], imported["statements"]) == (True, 2)
    assert "stored before" in command(home, "import", file, "--settings", SETTINGS)

    done = json.loads(command(home, "run", "--settings", SETTINGS, "--json"))
    yen_matched = int(name.endswith("mt940"))
    assert done["matched"] == 4 + yen_matched
    assert "nothing new" in command(home, "run", "--settings", SETTINGS)
    with psycopg.connect(node_url(home).read_text()) as connection:
        rules = connection.execute(
            "SELECT rule, difference FROM ledger.reconciliation_match ORDER BY number LIMIT 4"
        ).fetchall()
    assert rules == [
        ("our reference", 0),
        ("our references, a batch", 0),
        ("fee within five cents", -5),
        ("amount within two days", 0),
    ]

    waiting = [
        json.loads(line) for line in command(home, "exceptions", "--account", "nostro-EUR", "--json").splitlines()
    ]
    assert [(item["kind"], item["difference_minor"]) for item in waiting] == [("missing_in_books", "7500")]
    (returned,) = waiting
    seq = post(books, "9 nostro-EUR 7500 9 -")
    number = str(returned["id"])
    command(home, "decide", number, "--as", "written_off", "--reason", "returned payment", "--entry", str(seq))
    assert command(home, "exceptions", "--account", "nostro-EUR") == ""
    assert "written_off" in command(home, "exceptions", "--account", "nostro-EUR", "--state", "all")
    command(home, "decide", number, "--as", "reopened", "--reason", "wrong entry")
    assert "missing_in_books" in command(home, "exceptions", "--account", "nostro-EUR")

    listed = command(home, "matches", "--account", "nostro-EUR")
    batch = next(line for line in listed.splitlines() if "our references, a batch" in line)
    assert "entries: 2, 3" in batch
    command(home, "take-apart", batch.split()[0], "--reason", "two payments of another run")
    assert command(home, "exceptions").count("taken_apart") == 3


def test_statement_under_another_number_is_stored_only_where_the_bank_booked_it_twice(
    home: Home, books: Writer, tmp_path: Path
) -> None:
    file = STATEMENTS / "correspondent-2026-03.mt940"
    command(home, "import", str(file), "--settings", SETTINGS)
    again = tmp_path / "again.mt940"
    again.write_text(file.read_text().replace(":28C:42/1", ":28C:43/1"))
    with pytest.raises(
        ConflictError, match="statement_repeated: statement '2026-03-03 43/1' lists the movements of '2"
    ):
        command(home, "import", str(again), "--settings", SETTINGS)
    done = json.loads(command(home, "import", str(again), "--settings", SETTINGS, "--may-repeat", "--json"))
    assert (done["statements"], done["records"]) == (1, 5)


def test_words_that_are_none_are_refused(home: Home, books: Writer) -> None:
    for arguments, words in (
        (("exceptions", "--state", "lost"), "--state lost"),
        (("decide", "1", "--as", "forgotten", "--reason", "x"), "--as forgotten"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            command(home, *arguments)


def test_books_out_of_reach_are_told_in_one_sentence(home: Home, books: Writer) -> None:
    node_url(home).write_text("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(PostgresError, match="books of dwaybank cannot be reached"):
        command(home, "run")


def test_file_of_no_known_format_is_refused(home: Home, books: Writer, tmp_path: Path) -> None:
    unknown = tmp_path / "statement.csv"
    unknown.write_text("a,b\n1,2\n")
    with pytest.raises(StatementFormatError, match="needs a mapping"):
        command(home, "import", str(unknown))


def test_settings_with_other_digits_than_the_books_are_refused(home: Home, books: Writer, tmp_path: Path) -> None:
    wrong = tmp_path / "settings.yaml"
    wrong.write_text(Path(SETTINGS).read_text().replace("{code: JPY, scale: 0}", "{code: JPY, scale: 2}"))
    for arguments in (["import", str(STATEMENTS / FILES[0])], ["run"]):
        with pytest.raises(MappingError, match="the books count JPY with 0"):
            command(home, *arguments, "--settings", str(wrong))


def test_statement_that_is_missing_is_told_however_many_accounts_come_before(home: Home, database_url: str) -> None:
    names = [f"customer:{number:03}" for number in range(150)]
    with psycopg.connect(database_url, autocommit=True) as connection:
        migrate(connection)
        open_accounts(connection, "\n".join(f"{name} EUR credit -" for name in [*names, "nostro"]))
        told = [ExternalStatement(name, "EUR", "CSV", MAY, MAY, None, None, ()) for name in names]
        days = [date(2026, 5, day) for day in (4, 6)]
        told += [
            ExternalStatement("nostro", "EUR", f"{day:%d}", day, day, number, number, ())
            for number, day in enumerate(days)
        ]
        file = StatementFile(bytes(32), "csv", tuple(told))
        import_statement_file(connection, file, actor="auditor", now=datetime(2026, 5, 7, tzinfo=UTC))
    node_url(home).write_text(database_url)
    done = invoke(["reconcile", "status", "--home", str(home.root)])
    assert done.exit_code == 1
    assert len(done.output.splitlines()) == 152
    assert done.output.endswith("    A STATEMENT IS MISSING before '06': it begins where no other one ended\n")
    assert len(command(home, "status", "--limit", "100").splitlines()) == 100
