"""Aim: books that went out and came in again are the same books, and nothing else comes in.

Method: real PostgreSQL; books with everything an entry can have, some of them in the form of the first release; files
changed line by line, with and without the seal made again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.errors import ImportRefusedError
from ledger.export import export_books
from ledger.import_books import import_books
from ledger.journal import transfer
from ledger.schema import migrate
from ledger.verify import Verification
from tests.support.books import Clock, PlainRules, key, open_writer, verify
from tests.support.rich_books import LAST, Copies, age
from tests.support.server import CopyingCluster

_numbers = count(1)
Line = dict[str, Any]


@pytest.fixture(scope="module")
def books(copies: Copies) -> Iterator[str]:
    with copies.copy() as url:
        age(url, 20)
        yield url


@pytest.fixture(scope="module")
def lines(books: str, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    path = tmp_path_factory.mktemp("export") / "books.jsonl"
    export_books(books, "DwaybankMSP", path)
    assert path.stat().st_mode & 0o777 == 0o600
    return path.read_bytes().splitlines(keepends=True)


@pytest.fixture
def empty(postgres_cluster: CopyingCluster) -> Iterator[str]:
    name = f"imported_{next(_numbers)}"
    yield postgres_cluster.create_empty_database(name)
    with psycopg.connect(postgres_cluster.url(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def write(path: Path, lines: list[bytes]) -> Path:
    file = path / "changed.jsonl"
    file.write_bytes(b"".join(lines))
    return file


def sealed(lines: list[bytes]) -> list[bytes]:
    """Seal lines anew, as whoever changed them would; the root is left as it was."""
    seal = json.loads(lines[-1])
    seal |= {"lines": len(lines) - 1, "sha256": hashlib.sha256(b"".join(lines[:-1])).hexdigest()}
    return [*lines[:-1], json.dumps(seal, separators=(",", ":")).encode() + b"\n"]


def refused(url: str, file: Path, by: Callable[[bytes, bytes], bool] = verify) -> ImportRefusedError:
    with pytest.raises(ImportRefusedError, match="nothing was imported") as caught:
        import_books(url, file, by)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM ledger.entry").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM ledger.account").fetchone() == (0,)
        assert connection.execute("SELECT bool_and(tgenabled = 'O') FROM pg_trigger").fetchone() == (True,)
    return caught.value


def place(lines: list[bytes], table: str, number: int = 0) -> int:
    """Return the index of a row of a table."""
    return [at for at, line in enumerate(lines) if line.startswith(f'{{"{table}":['.encode())][number]


def changed(lines: list[bytes], at: int, column: str, value: str | None) -> list[bytes]:
    header, row = json.loads(lines[0]), json.loads(lines[at])
    ((table, values),) = row.items()
    values[header["tables"][table].index(column)] = value
    return [*lines[:at], json.dumps(row, separators=(",", ":")).encode() + b"\n", *lines[at + 1 :]]


def test_same_books_come_out_of_the_copy_and_go_on(books: str, lines: list[bytes], empty: str, tmp_path: Path) -> None:
    file = write(tmp_path, lines)
    imported = import_books(empty, file, verify)
    assert (imported.organization, imported.entries, imported.rows) == ("DwaybankMSP", LAST, len(lines) - 2)
    again = tmp_path / "again.jsonl"
    assert export_books(empty, "DwaybankMSP", again).root == imported.root
    assert again.read_bytes() == b"".join(lines)
    assert Verification(empty, verify, workers=1, range_entries=10).run().findings == []
    with open_writer(empty, Clock(), PlainRules()) as writer:
        repeat, fresh = writer.post([transfer(key(30), "cash", "bob", 130), transfer(key(999), "cash", "alice", 5)])
        assert (repeat.code.text, repeat.seq) == ("exists", 30)
        assert (fresh.code.text, fresh.seq) == ("posted", LAST + 1)
        with (
            psycopg.connect(empty, autocommit=True) as connection,
            pytest.raises(psycopg.DatabaseError, match="history"),
        ):
            connection.execute("DELETE FROM ledger.entry")
    assert Verification(empty, verify, workers=1, range_entries=10).run().findings == []


def test_header_names_form_head_and_rules(lines: list[bytes]) -> None:
    header = json.loads(lines[0])
    assert (header["format"], header["version"], header["organization"]) == ("dwaybank-ledger", 1, "DwaybankMSP")
    assert header["head"]["next_seq"] == LAST + 1
    assert set(header["digests"]) == {"leaf", "batch", "refusals", "root", "sha256"}
    assert {"entry", "batch", "account", "hold", "description", "webhook", "fx_rate"} <= set(header["tables"])


CHANGED = {
    "amount": ("entry", 30, "amount", "1", "does not give the leaf"),
    "salt": ("entry", 30, "salt", "\\x" + "00" * 32, "does not give the leaf"),
    "balance after": ("entry", 30, "debit_balance", "1", "leaves balance 1"),
    "value of another type": ("entry", 30, "amount", "many", "invalid input syntax"),
    "value that the database refuses": ("entry", 30, "amount", "-5", "violates check constraint"),
    "key twice": ("entry", 30, "key", str(key(30)), "duplicate key"),
    "list of the first release": ("entry", 3, "posting_amount", "{104,-105}", "violates check constraint"),
    "reference": ("account", 0, "reference", "vault", "does not give the leaf"),
    "unknown asset": ("account", 0, "asset_id", "30000", "violates foreign key"),
    "signature": ("batch", 30, "signature", "\\x" + "00" * 64, "no batch that the posting engine signed"),
    "description": ("description", 0, "description", "loan", "its description is not what it commits to"),
    "held money": ("account", 1, "held", "1", "holds 1, its placed holds sum to 430"),
    "captured money": ("hold", 0, "captured", "9", "holds 430, its placed holds sum to"),
    "end of a hold": ("hold", 2, "state", "4", "tells of what does not stand so: hold.released"),
    "event": ("event", 0, "amount", "501", "tells of what does not stand so: hold.placed"),
    "head": ("head", 0, "next_seq", "99", "says the next entry is 99"),
    "refusal": ("refusal", 0, "code", "account_closed", "does not give the leaf"),
    "refusal that no entry binds yet": ("refusal", 4, "code", "account_closed", "does not give the head of the chain"),
    "signature of refusals": ("refusal_batch", 1, "signature", "\\x" + "00" * 64, "not what the posting engine signed"),
}
LINES = {"description": 63, "signature": 31, "refusal": 31}
"""Entries that these changes show at; others show where they are, or at no line."""


@pytest.mark.parametrize("name", CHANGED)
def test_changed_row_is_refused_by_its_line_though_it_was_sealed_anew(
    lines: list[bytes], empty: str, tmp_path: Path, name: str
) -> None:
    table, number, column, value, reason = CHANGED[name]
    at = place(lines, table, number)
    assert json.loads(lines[at]) != json.loads(changed(lines, at, column, value)[at])
    error = refused(empty, write(tmp_path, sealed(changed(lines, at, column, value))))
    assert reason in error.reason
    if name in LINES:
        assert error.line == place(lines, "entry", LINES[name] - 1) + 1
    elif table == "entry":
        assert error.line == at + 1


def test_lines_that_do_not_fit_are_refused_by_number(lines: list[bytes], empty: str, tmp_path: Path) -> None:
    middle, text = place(lines, "entry", 10), place(lines, "description")
    for name, (given, line, reason) in {
        "no file": ([], 1, "the file ends here"),
        "cut": (lines[:middle], middle + 1, "the file ends here"),
        "half a line": ([*lines[:middle], lines[middle][:-9]], middle + 1, "the file ends here"),
        "no JSON": ([*lines[:middle], b"{\n"], middle + 1, "no JSON object"),
        "no object": ([*lines[:middle], b"3\n"], middle + 1, "no JSON object"),
        "another table": ([*lines[:middle], b'{"what":[]}\n', *lines[middle:]], middle + 1, "neither a row"),
        "too few values": ([*lines[:middle], b'{"entry":["1"]}\n', *lines[middle:]], middle + 1, "no row of table"),
        "row left out": (sealed([*lines[:middle], *lines[middle + 1 :]]), middle + 1, "is missing"),
        "text left out": (
            [*lines[:text], *lines[text + 1 :]], len(lines) - 1, "not those that were sealed",
        ),
        "more after the seal": ([*lines, b"{}\n"], len(lines) + 1, "something follows"),
        "another root": (
            [*lines[:-1], lines[-1].replace(b'"root":"', b'"root":"0')], len(lines), "root is not that of the entries",
        ),
        "another format": ([lines[0].replace(b"dwaybank-ledger", b"other"), *lines[1:]], 1, "no header"),
        "other migrations": ([lines[0].replace(b"0001_books", b"0001_other"), *lines[1:]], 1, "migrations"),
        "other columns": ([lines[0].replace(b'"salt"', b'"pepper"'), *lines[1:]], 1, "columns"),
    }.items():  # fmt: skip
        error = refused(empty, write(tmp_path, given))
        assert (error.line, reason in error.reason) == (line, True), (name, error)


def test_books_that_another_writer_signed_are_refused(lines: list[bytes], empty: str, tmp_path: Path) -> None:
    error = refused(empty, write(tmp_path, lines), lambda digest, signature: False)
    assert (error.line, error.reason) == (
        place(lines, "entry") + 1,
        "entry 1: no batch that the posting engine signed holds it",
    )


def test_ledger_that_was_used_is_left_alone(books: str, lines: list[bytes], tmp_path: Path) -> None:
    with pytest.raises(ImportRefusedError, match="table entry has rows"):
        import_books(books, write(tmp_path, lines), verify)
    assert Verification(books, verify, workers=1).run().findings == []


def test_name_of_an_export_is_on_disk_before_it_is_told(
    empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(empty) as connection:
        migrate(connection)
    synced, fsync = list[Path](), os.fsync

    def noted(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", noted)
    export_books(empty, "DwaybankMSP", tmp_path / "books")
    assert synced == [tmp_path / "books.new", tmp_path]


def test_empty_books_go_out_and_in(empty: str, copies: Copies, tmp_path: Path) -> None:
    with psycopg.connect(empty, autocommit=True) as connection:
        migrate(connection)
    file = tmp_path / "empty.jsonl"
    assert export_books(empty, "DwaybankMSP", file).entries == 0
    assert import_books(empty, file, verify).root == hashlib.sha256().digest()
