"""Aim: what is archived leaves all after it exact, keeps every proof and comes back as it was; or nothing happens.

Method: real PostgreSQL; books with everything an entry can have, in partitions of a few entries; a whole copy beside
the archived one answers the same questions; processes killed with SIGKILL at every step.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.archive import Archivist
from ledger.archive_entry import disclose_from
from ledger.archive_proof import Carried, prove_archive
from ledger.archive_state import list_archives
from ledger.balances import trial_balance
from ledger.balances_in_time import balance_at, snapshot, trial_balance_at, verify_times
from ledger.copy_rows import INSERTED_ROWS_MAX
from ledger.errors import ArchivedError, ArchiveRefusedError, CheckpointError, ImportRefusedError
from ledger.export import export_books
from ledger.import_books import import_books
from ledger.journal import ResultCode, transfer
from ledger.journal_parts import end_part, list_parts
from ledger.outbox import Position, read_page
from ledger.periods import close_period, list_periods, reopen_period, report_periods, verify_periods
from ledger.reconciliation import ExternalRecord, ExternalStatement, StatementFile, import_statement_file
from ledger.rows import disclose
from ledger.statements import effect_page, entries_of_settlement, find_entry, statement_lines, statement_page
from ledger.verify import Verification, VerifyReport
from ledger.verify_checkpoint import CheckpointFile
from node.postgres import PostgresCluster
from node.webhooks.store import WebhookStore
from tests.support.archived_books import ALL, ARCHIVED_AT, END, archivist, prepare, sealed
from tests.support.books import START, Clock, PlainRules, key, open_writer, sign, verify
from tests.support.server import CopyingCluster

ACCOUNTS = ("cash", "alice", "bob", "fees", "yen", "taro")
_names = itertools.count(1)


class Books:
    """A database and its archive's folder."""

    def __init__(self, cluster: CopyingCluster, folder: Path, template: str) -> None:
        self.cluster, self.folder, self.template = cluster, folder, template
        self._names: list[str] = []
        self.url = self.copy()

    @cached_property
    def whole(self) -> str:
        """A copy of the database in which nothing was archived."""
        return self.copy()

    def copy(self) -> str:
        self._names.append(f"archive_{next(_names)}")
        return self.cluster.copy_database(self.template, self._names[-1])

    def archive(self, **more: Any) -> list[Path]:
        made = list(archivist(self.url).archive(self.folder, **{"before": END, "proved_seq": ALL} | more))
        return [self.folder / each.record.file_name for each in made]

    def findings(self, **more: Any) -> list[str]:
        report = Verification(self.url, verify, **{"workers": 1, "range_entries": 10, **more}).run()
        return [f"{found.subject}: {found.problem}" for found in report.findings]

    def run(self, statement: str, url: str = "") -> Any:
        with psycopg.connect(url or self.url, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description is not None else cursor.rowcount

    def drop(self) -> None:
        with psycopg.connect(self.cluster.url(), autocommit=True) as connection:
            for name in self._names:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="module", params=[20, 7])
def template(postgres_cluster: PostgresCluster, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"archive_{next(_names)}"
    prepare(postgres_cluster.create_database(name), request.param)
    yield name
    with psycopg.connect(postgres_cluster.url(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def books(postgres_cluster: CopyingCluster, template: str, tmp_path: Path) -> Iterator[Books]:
    books = Books(postgres_cluster, tmp_path, template)
    yield books
    books.drop()


def border_of(books: Books) -> int:
    return int(books.run("SELECT ledger.archived_seq()")[0][0])


# What is left ---------------------------------------------------------------------------------------------------------


def test_archived_books_are_sound_and_say_what_is_archived(books: Books) -> None:
    files = books.archive()
    border = border_of(books)
    report = Verification(books.url, verify, workers=1, range_entries=10).run()
    assert report.findings == []
    assert report.entry_count == 75 - border
    assert [each.record.last_seq for each in report.archives][-1] == border
    assert report.proved_files == frozenset()
    with psycopg.connect(books.url, autocommit=True) as connection:
        assert verify_times(connection) == []
        assert verify_periods(connection) == []
        parts = list_parts(connection)
        snapshot(connection, block=2)
        assert verify_times(connection) == []
    assert [part.state for part in parts][: len(files)] == ["archived"] * len(files)
    assert {part.state for part in parts[len(files) :]} <= {"full", "open", "ahead"}
    numbers = [number for part in parts for number in (part.first_seq, part.last_seq)]
    assert numbers[0] == 1
    assert all(last + 1 == first for last, first in zip(numbers[1::2], numbers[2::2], strict=False))
    assert [path.stat().st_mode & 0o777 for path in files] == [0o600] * len(files)
    assert [part.size for part in parts[: len(files)]] == [path.stat().st_size for path in files]


def test_everything_after_the_border_is_answered_as_before(books: Books) -> None:
    books.archive()
    border = border_of(books)
    with (
        psycopg.connect(books.url, autocommit=True) as archived,
        psycopg.connect(books.whole, autocommit=True) as whole,
    ):
        ((latest,),) = archived.execute("SELECT latest_at FROM ledger.archive_border()").fetchall()
        times = [latest + timedelta(microseconds=1), latest + timedelta(days=1), END, None]
        for connection_of in (trial_balance, list_periods):
            assert connection_of(archived) == connection_of(whole)
        for known_at, effective_at in itertools.product([latest, *times], [latest, *times]):
            pair = {"known_at": known_at, "effective_at": effective_at}
            assert trial_balance_at(archived, **pair) == trial_balance_at(whole, **pair), pair
            for account in ACCOUNTS:
                assert balance_at(archived, account, **pair) == balance_at(whole, account, **pair), (account, pair)
        for account in ACCOUNTS:
            for since in times[:2]:
                for by_effect in (False, True):
                    lines = [
                        list(statement_lines(c, account, by_effect=by_effect, since=since)) for c in (archived, whole)
                    ]
                    assert lines[0] == lines[1], (account, since, by_effect)
            page, wanted = [], [line for line in statement_lines(whole, account, by_effect=False) if line.seq > border]
            from_seq = 0
            try:
                while True:
                    found = statement_page(archived, account, from_seq=from_seq, entry_count_max=2)
                    page += found.lines
                    from_seq = found.next_seq
                    if not from_seq:
                        break
            except ArchivedError as error:
                assert "SHA-256" in str(error)
            assert page == wanted
        for seq in range(border + 1, 76):
            assert find_entry(archived, seq) == find_entry(whole, seq)
            assert disclose(archived, seq) == disclose(whole, seq)
        position = Position(border, 0)
        assert read_page(archived, position, count_max=100) == read_page(whole, position, count_max=100)


QUESTIONS: dict[str, Callable[[psycopg.Connection[Any]], object]] = {
    "entry by number": lambda c: find_entry(c, 3),
    "entry by key": lambda c: find_entry(c, key(3)),
    "disclosure": lambda c: disclose(c, 3),
    "statement to the beginning": lambda c: list(statement_lines(c, "cash", by_effect=False)),
    "statement by effect to the beginning": lambda c: list(statement_lines(c, "cash", by_effect=True)),
    "statement until": lambda c: statement_page(c, "cash", until=START + timedelta(seconds=2)),
    "statement by effect until": lambda c: effect_page(c, "cash", until=START + timedelta(seconds=2)),
    "statement by effect known at": lambda c: effect_page(c, "cash", known_at=START + timedelta(seconds=2)),
    "balance known at": lambda c: balance_at(c, "cash", known_at=START + timedelta(seconds=2)),
    "balance effective at": lambda c: balance_at(c, "cash", effective_at=START + timedelta(seconds=2)),
    "trial balance": lambda c: trial_balance_at(c, effective_at=START + timedelta(seconds=2)),
    "trial balance known at": lambda c: trial_balance_at(c, known_at=START + timedelta(seconds=2)),
    "outbox": lambda c: read_page(c, Position(0, 0), count_max=10),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_question_before_the_border_names_the_file_and_the_way_out(books: Books, name: str) -> None:
    (first, *_) = books.archive()
    with psycopg.connect(books.url, autocommit=True) as connection:
        with pytest.raises(ArchivedError, match=r"is archived: entries .* restore it") as caught:
            QUESTIONS[name](connection)
        digests = [archive.record.file_sha256.hex() for archive in list_archives(connection)]
    assert any(digest in str(caught.value) for digest in digests)
    if name.startswith("entry"):
        assert first.name in str(caught.value)


def test_settlement_with_an_archived_entry_is_not_told_in_part(books: Books) -> None:
    books.archive()
    if border_of(books) < 61:
        assert [entry.seq for entry in _settlement(books)] == [61]
        return
    with pytest.raises(ArchivedError, match="an entry of settlement s-1 is archived: entries"):
        _settlement(books)


def _settlement(books: Books) -> list[Any]:
    with psycopg.connect(books.url, autocommit=True) as connection:
        return entries_of_settlement(connection, "s-1")


def test_period_with_archived_entries_stays_closed(books: Books) -> None:
    books.archive()
    with (
        open_writer(books.url, Clock(END + timedelta(days=2)), PlainRules()) as writer,
        pytest.raises(ArchivedError, match="a part of period 1 is archived"),
    ):
        reopen_period(writer, 1, actor="auditor-1", reason="found late")


def test_account_opened_later_knows_no_border(books: Books) -> None:
    from ledger.account import Side
    from ledger.balances import open_account

    books.archive()
    clock = Clock(END + timedelta(days=2))
    with (
        psycopg.connect(books.url, autocommit=True) as connection,
        open_writer(books.url, clock, PlainRules()) as writer,
    ):
        open_account(connection, "carol", "EUR", Side.CREDIT, floor=None, now=clock())
        writer.post([transfer(key(700), "cash", "carol", 5), transfer(key(701), "cash", "carol", 6)])
        early = START - timedelta(days=300)
        assert balance_at(connection, "carol", effective_at=early).balance == 0
        assert balance_at(connection, "carol").balance == 11
        assert [line.amount for line in statement_lines(connection, "carol", by_effect=False)] == [6, 5]
        assert [line.amount for line in statement_lines(connection, "carol", by_effect=True)] == [6, 5]
        assert statement_page(connection, "carol", until=early).lines == ()
        assert effect_page(connection, "carol", until=early).lines == ()
    assert books.findings() == []


# Posting goes on ------------------------------------------------------------------------------------------------------


def test_keys_of_archived_entries_are_answered_for_ever(books: Books) -> None:
    books.archive()
    border = border_of(books)
    with open_writer(books.url, Clock(END + timedelta(days=2)), PlainRules()) as writer:
        for fresh in ([], [transfer(key(10_000 + n), "cash", "bob", 1) for n in range(100)]):
            asked = [transfer(key(n), "cash", "alice" if n % 3 else "bob", 100 + n) for n in (1, 6, 7)]
            same = writer.post([*fresh, *asked])[len(fresh) :]
            assert [(result.code, result.seq) for result in same] == [(ResultCode.EXISTS, n) for n in (1, 6, 7)]
            with psycopg.connect(books.whole) as connection:
                leaves = [find_entry(connection, n).leaf for n in (1, 6, 7)]
            assert [result.leaf for result in same] == leaves
            fresh = [transfer(key(20_000 + n), "cash", "bob", 1) for n in range(len(fresh))]
            other = writer.post([*fresh, transfer(key(6), "cash", "bob", 999), transfer(key(7), "alice", "bob", 107)])
            assert [result.code for result in other[len(fresh) :]] == [ResultCode.EXISTS_WITH_DIFFERENT_BODY] * 2
        assert border >= 7
        (reversal, unknown) = writer.post(
            [
                transfer(key(900), "alice", "cash", 1, reverses=2),
                transfer(key(901), "alice", "cash", 1, reverses=10**6),
            ]
        )
        assert (reversal.code, unknown.code) == (ResultCode.ENTRY_ARCHIVED, ResultCode.ENTRY_NOT_FOUND)
        batch = writer.prepare([transfer(key(30_000 + n), "cash", "alice", 5) for n in range(INSERTED_ROWS_MAX + 1)])
        for rows in batch.rows.values():
            rows[:] = [row.replace(key(30_001).bytes, key(7).bytes) for row in rows]
        with pytest.raises(Exception, match="a key of the batch was posted before"):
            writer.commit(batch)
    assert books.findings() == []


# Files and proofs -----------------------------------------------------------------------------------------------------


def test_every_archived_entry_is_proved_from_its_file(books: Books) -> None:
    files = books.archive()
    carried = Carried()
    with psycopg.connect(books.whole, autocommit=True) as whole:
        for path in files:
            proved, alone = prove_archive(path, verify, carried), prove_archive(path, verify)
            assert (proved.closing, proved.keys_sha256) == (alone.closing, alone.keys_sha256)
            for seq in range(proved.first_seq, proved.last_seq + 1):
                assert disclose_from(path, seq) == disclose(whole, seq)
        with pytest.raises(ArchiveRefusedError, match="entry 80 is not in it"):
            disclose_from(files[0], 80)
    assert carried.last_seq == border_of(books)
    assert books.findings(archive_files=files) == []
    assert books.findings(archive_files=files[::-1]) == []
    assert books.findings(archive_files=files[-1:]) == []
    assert books.findings(archive_files=files[:1]) == []


def test_file_of_other_books_is_named(books: Books, tmp_path: Path) -> None:
    files = books.archive()
    other = tmp_path / "other"
    other.mkdir()
    theirs = list(archivist(books.whole, actor="somebody").archive(other, before=END, proved_seq=ALL))
    assert books.findings(archive_files=[other / theirs[0].record.file_name]) == []
    changed = tmp_path / "renamed.jsonl"
    lines = files[0].read_bytes().splitlines(keepends=True)
    header = json.loads(lines[0]) | {"number": 9}
    lines[0] = json.dumps(header, separators=(",", ":")).encode() + b"\n"
    changed.write_bytes(b"".join(sealed(lines)))
    (found,) = books.findings(archive_files=[changed])
    assert "is that of no archive of these books" in found


CHANGES = {
    "amount": ("entry", 3, "amount", "1", "does not give the leaf"),
    "salt": ("entry", 3, "salt", "\\x" + "00" * 32, "does not give the leaf"),
    "leaf": ("entry", 3, "leaf", "\\x" + "00" * 32, "does not give the leaf"),
    "key": ("entry", 3, "key", str(key(999)), "does not give the leaf"),
    "balance after": ("entry", 3, "debit_balance", "1", "leaves balance 1"),
    "pointer": ("entry", 3, "credit_previous", "1", "points back to entry 1"),
    "number": ("entry", 3, "seq", "9", "does not give the leaf"),
    "time": ("entry", 3, "posted_at", "infinity", "cannot be read"),
    "number of no kind": ("entry", 3, "amount", "many", "cannot be read"),
    "account": ("account", 0, "reference", "vault", "does not give the leaf"),
    "side": ("account", 0, "normal_side", "2", "leaves balance"),
    "asset": ("asset", 0, "scale", "3", "does not give the leaf"),
    "asset unknown": ("account", 0, "asset_id", "30000", "cannot be read"),
    "signature": ("batch", 3, "signature", "\\x" + "00" * 64, "are not what the posting engine signed"),
    "digest": ("batch", 3, "digest", "\\x" + "00" * 32, "are not what the posting engine signed"),
    "batch": ("batch", 3, "last_seq", "6", "does not follow the batch before it"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_file_is_refused_by_its_line_though_it_was_sealed_anew(books: Books, name: str) -> None:
    (file, *_) = books.archive()
    table, number, column, value, reason = CHANGES[name]
    lines = file.read_bytes().splitlines(keepends=True)
    header = json.loads(lines[0])
    at = [place for place, line in enumerate(lines) if line.startswith(f'{{"{table}":['.encode())][number]
    row = json.loads(lines[at])
    row[table][header["tables"][table].index(column)] = value
    lines[at] = json.dumps(row, separators=(",", ":")).encode() + b"\n"
    file.write_bytes(b"".join(sealed(lines)))
    with pytest.raises(ArchiveRefusedError, match=reason) as caught:
        prove_archive(file, verify)
    assert f"file {file}, line" in str(caught.value)
    with pytest.raises(ArchiveRefusedError):
        archivist(books.url).restore(file)
    assert books.findings() == []


def test_lines_that_do_not_fit_are_refused(books: Books) -> None:
    (file, *_) = books.archive()
    lines = file.read_bytes().splitlines(keepends=True)
    place = next(at for at, line in enumerate(lines) if line.startswith(b'{"entry"')) + 2
    for given, reason in [
        ([], "its last line, which seals it, is missing"),
        (lines[:place], "its last line, which seals it, is missing"),
        ([*lines[:place], b"{\n"], "no JSON object"),
        ([*lines[:place], b"[]\n", *lines[place:]], "no JSON object"),
        ([*lines[:place], b'{"what":[]}\n', *lines[place:]], "neither a row"),
        ([*lines[:place], b'{"entry":["1"]}\n', *lines[place:]], "neither a row"),
        ([*lines[:place], lines[place].replace(b'"2"', b"2"), *lines[place + 1 :]], "no row of table|not those"),
        (lines[:place] + lines[place + 1 :], "is missing|does not follow|no batch|not what the posting engine"),
        (sealed(lines[:place] + lines[place + 1 :]), "is missing|does not follow|no batch|not what the posting engine"),
        (sealed(lines[: place - 1] + lines[place + 1 :]), "is missing|does not follow"),
        ([*lines, b"{}\n"], "something follows"),
        ([lines[0].replace(b"dwaybank-archive", b"dwaybank-ledger"), *lines[1:]], "no header"),
        (sealed([lines[0].replace(b'"last_seq":', b'"last_seq":1'), *lines[1:]]), "is missing"),
    ]:
        file.write_bytes(b"".join(given))
        with pytest.raises(ArchiveRefusedError, match=reason):
            prove_archive(file, verify)


def test_other_posting_engine_signed_nothing_of_it(books: Books) -> None:
    (file, *_) = books.archive()
    with pytest.raises(ArchiveRefusedError, match="not what the posting engine signed"):
        prove_archive(file, lambda digest, signature: False)
    report = Verification(books.url, lambda digest, signature: False, workers=1).run()
    assert "its record is not what the posting engine signed" in {found.problem for found in report.findings}


TAMPERINGS = {
    "leaf kept": ("UPDATE ledger.past_key SET leaf = sha256(leaf) WHERE seq = 2", "were changed"),
    "key kept": ("UPDATE ledger.past_key SET key = gen_random_uuid() WHERE seq = 2", "were changed"),
    "key gone": ("DELETE FROM ledger.past_key WHERE seq = 2", "were changed"),
    "body kept": ("UPDATE ledger.past_key SET amount = 9 WHERE seq = 2", "were changed"),
    "key more": (
        "INSERT INTO ledger.past_key SELECT 999, debit_account, credit_account, amount, gen_random_uuid(), 1, leaf,"
        " request_hash FROM ledger.past_key WHERE seq = 2",
        "keys are kept of entries that are not archived",
    ),
    "opening balance": (
        "UPDATE ledger.account_opening SET balance = balance + 1 WHERE account_id = 1",
        "stood there was",
    ),
    "opening gone": ("DELETE FROM ledger.account_opening WHERE account_id = 1", "stood there was changed"),
    "record": ("UPDATE ledger.archive SET file_sha256 = sha256(file_sha256) WHERE number = 1", "not what the posting"),
    "latest time": (
        "UPDATE ledger.archive SET latest_at = latest_at - interval '1 s' WHERE number = 1",
        "not what the",
    ),
    "record gone": ("DELETE FROM ledger.archive WHERE number = 1", "does not follow|is missing|is archived|changed"),
    "batch": ("UPDATE ledger.batch SET signature = sha256('x') || sha256('y') WHERE first_seq = 2", "signed holds it"),
    "entry among archived ones": (
        "CREATE TABLE ledger.elsewhere PARTITION OF ledger.entry DEFAULT; INSERT INTO ledger.entry SELECT"
        " (jsonb_populate_record(entry, jsonb_build_object('seq', 3, 'key', gen_random_uuid()))).* FROM ledger.entry"
        " AS entry WHERE seq = 74",
        "among archived ones",
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_archives_left_cannot_be_changed_unseen(books: Books, name: str) -> None:
    books.archive()
    statement, problem = TAMPERINGS[name]
    assert books.run(statement) != 0
    import re

    found = books.findings()
    assert any(re.search(problem, each) for each in found), found


# Conditions -----------------------------------------------------------------------------------------------------------


def refused(books: Books, **more: Any) -> str:
    before = books.run("SELECT count(*) FROM ledger.entry")
    with pytest.raises(ArchiveRefusedError) as caught:
        books.archive(**more)
    assert books.run("SELECT count(*) FROM ledger.entry") == before
    assert list(books.folder.glob("*.jsonl")) == []
    return caught.value.reason


def test_nothing_goes_that_may_still_be_asked_for(books: Books) -> None:
    assert "which is not before" in refused(books, before=START)
    assert "entry 6 is not anchored yet" in refused(books, proved_seq=5)
    books.run("UPDATE ledger.head SET closed_before = '2026-03-01'")
    assert "close the period first" in refused(books)
    books.run(f"UPDATE ledger.head SET closed_before = '{END.isoformat()}'")
    books.run("DELETE FROM ledger.period_report")
    assert "period 1 has no report yet" in refused(books)
    books.run(
        "INSERT INTO ledger.period_report SELECT 1, now(), 1, '[]', sha256('x');"
        " INSERT INTO ledger.webhook (id, url, kinds, account_prefix, secret_name, seq, number, added_at)"
        " VALUES (gen_random_uuid(), 'http://x', '{}', '', 's', 3, 0, now())"
    )
    assert "has not received what happened after entry 3" in refused(books)
    books.run("DELETE FROM ledger.webhook")
    hold = "(SELECT hold_id FROM ledger.entry WHERE seq = 68)"
    books.run(f"UPDATE ledger.hold SET state = 1, ended_at = NULL, entry_seq = NULL WHERE id = {hold}")
    books.run(f"UPDATE ledger.entry SET hold_id = {hold}, request_hash = sha256('x') WHERE seq = 2")
    assert "is still placed" in refused(books)


def test_endpoint_that_wants_no_entries_stands_in_the_way_of_its_events_only(books: Books) -> None:
    hook = uuid.UUID(int=1)
    books.run(
        "INSERT INTO ledger.webhook (id, url, kinds, account_prefix, secret_name, seq, number, added_at)"
        f" VALUES ('{hook}', 'http://x', '{{monitor.fired}}', '', 's', 3, 0, now());"
        " INSERT INTO ledger.event (after_seq, number, kind, at, payload) VALUES (5, 1, 'monitor.fired', now(), '{}')"
    )
    assert "has not received what happened after entry 3" in refused(books)
    books.run("UPDATE ledger.webhook SET seq = 5, number = 1")
    books.archive()
    border = border_of(books)
    # Nothing it waits for stands before: an attempt from where it stood would be refused for ever.
    assert books.run("SELECT seq, number FROM ledger.webhook") == [(border, 0)]
    store = WebhookStore(books.url)
    store.open()
    try:
        (known,) = store.all()
        assert store.page(known).events == ()
        for position in (Position(border - 1, 0), Position(0, 0)):
            with pytest.raises(ArchivedError, match=f"what came after entry {position.seq} is archived"):
                store.resume(hook, position)
            with pytest.raises(ArchivedError, match=f"what came after entry {position.seq} is archived"):
                store.add(replace(known, id=uuid.UUID(int=2), position=position), START, 10)
        books.run("UPDATE ledger.webhook SET state = 2, seq = 1")
        with pytest.raises(ArchivedError, match="what came after entry 1 is archived"):
            store.resume(hook, None)
        assert store.all() == [replace(known, state="dead", position=Position(1, 0))]
        assert store.resume(hook, Position(border, 0))
    finally:
        store.close()


def test_part_that_is_ended_goes_up_to_the_newest_entry(postgres_cluster: PostgresCluster, tmp_path: Path) -> None:
    """Partitions are large: where one is ended at the close of a period, that period can go."""
    url = postgres_cluster.create_database(f"archive_{next(_names)}")
    prepare(url, 1_000_000)
    clock = Clock(END + timedelta(days=2))
    with psycopg.connect(url, autocommit=True) as connection, open_writer(url, clock, PlainRules()) as writer:
        writer.post([transfer(key(4000 + n), "cash", "alice", 1) for n in range(2)])
        connection.execute("SELECT ledger.make_partitions(2000000)")
        assert [part.state for part in list_parts(connection)] == ["open", "ahead"]
        assert end_part(connection) == 77
        assert [(p.first_seq, p.last_seq, p.state) for p in list_parts(connection)] == [
            (1, 77, "full"), (78, 1_000_077, "ahead"),
        ]  # fmt: skip
        assert end_part(connection) == 77
        # The writer remembers the journal as it was divided before: it reads again, nobody notices.
        for first in (4100, 4200):
            results = writer.post([transfer(key(first + n), "cash", "alice", 1) for n in range(100)])
            assert {result.code for result in results} == {ResultCode.POSTED}
        with pytest.raises(ArchiveRefusedError, match="which is not before"):
            list(archivist(url).archive(tmp_path, before=END, proved_seq=ALL))
        clock.move(seconds=1)
        close_period(writer, clock(), actor="auditor-1")
        report_periods(connection, now=clock())
    (archive,) = archivist(url).archive(tmp_path, before=clock(), proved_seq=ALL)
    assert (archive.record.first_seq, archive.record.last_seq) == (1, 77)
    assert Verification(url, verify, workers=1).run().findings == []


def test_file_that_stands_already_is_never_written_over(books: Books) -> None:
    files = books.archive()
    kept = files[0].read_bytes()
    for path in reversed(files):
        archivist(books.url).restore(path)
    for other in (b"a letter", kept.replace(b'"101"', b'"102"'), files[-1].read_bytes()):
        files[0].write_bytes(other)
        with pytest.raises(ArchiveRefusedError, match="stands already and holds something else"):
            books.archive()
        assert (files[0].read_bytes(), border_of(books)) == (other, 0)
    files[0].write_bytes(kept)
    assert books.archive() == files


def test_newest_entry_never_goes(books: Books) -> None:
    books.archive()
    assert border_of(books) < 75
    with pytest.raises(ArchiveRefusedError, match="it holds the newest entry, which stays"):
        books.archive()


def test_postings_that_wait_for_reconciliation_stay(books: Books) -> None:
    books.run(
        "INSERT INTO ledger.external_statement (file_id, account_id, reference, first_day, last_day, record_count)"
        " SELECT 1, id, 's', '2026-01-01', '2026-12-31', 0 FROM ledger.account WHERE reference = 'alice'"
    )
    assert "on account alice are not matched with its statements yet" in refused(books)


def bring(books: Books, name: str, day: date) -> int:
    """Import a statement of alice with a movement that is booked on a day and valued at the beginning."""
    moved = ExternalRecord(f"{name}#1", 1, 50, START.date(), day, ())
    told = ExternalStatement("alice", "EUR", name, day, day, None, None, (moved,))
    file = StatementFile(hashlib.sha256(name.encode()).digest(), "csv", (told,))
    with psycopg.connect(books.url, autocommit=True) as connection:
        return import_statement_file(connection, file, actor="auditor", now=ARCHIVED_AT).new_records


def test_statement_with_movements_of_archived_times_waits_until_they_are_restored(books: Books) -> None:
    files = books.archive()
    with pytest.raises(ArchivedError, match=r"what account alice moved by 2026-03-02 is archived: .* or restore it"):
        bring(books, "late", START.date())
    assert bring(books, "in time", ARCHIVED_AT.date()) == 1
    for path in reversed(files):
        archivist(books.url).restore(path)
    assert bring(books, "late", START.date()) == 1


def test_statement_of_archived_times_is_taken_where_statements_before_kept_unmatched_postings(books: Books) -> None:
    books.archive()
    books.run(
        "INSERT INTO ledger.external_statement (file_id, account_id, reference, first_day, last_day, record_count)"
        " SELECT 1, id, 's', '2026-03-01', '2026-03-01', 0 FROM ledger.account WHERE reference = 'alice'"
    )
    assert bring(books, "late", START.date()) == 1


# Restoring ------------------------------------------------------------------------------------------------------------


def test_books_that_were_archived_and_restored_are_the_same_books(books: Books, tmp_path: Path) -> None:
    before, after = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    export_books(books.whole, "DwaybankMSP", before)
    files = books.archive()
    assert len(files) > 1
    with pytest.raises(ArchiveRefusedError, match="only the newest archive is restored"):
        archivist(books.url).restore(files[0])
    for path in reversed(files):
        archivist(books.url).restore(path)
        assert books.findings() == []
    with pytest.raises(ArchiveRefusedError, match="nothing is archived"):
        archivist(books.url).restore(files[0])
    export_books(books.url, "DwaybankMSP", after)
    kept = [line for line in after.read_bytes().splitlines() if not line.startswith(b'{"archive":')]
    assert kept[:-1] == before.read_bytes().splitlines()[:-1]
    with psycopg.connect(books.url) as connection:
        assert connection.execute("SELECT bool_and(tgenabled = 'O') FROM pg_trigger").fetchone() == (True,)
        with pytest.raises(psycopg.Error, match="history cannot be edited"):
            connection.execute("DELETE FROM ledger.entry_1")
    again = books.archive()
    assert [path.name for path in again] == [path.name for path in files]
    assert books.findings(archive_files=again) == []


def test_texts_erased_meanwhile_stay_erased(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    if border_of_partition(books, 63) is None:
        pytest.skip("its partition holds the newest entry")
    from ledger import archive

    proving = archive.prove_archive

    def erase_meanwhile(path: Path, *given: Any, **more: Any) -> Any:
        if b'"rent"' in path.read_bytes():
            books.run("DELETE FROM ledger.description WHERE seq = 63")
        return proving(path, *given, **more)

    monkeypatch.setattr(archive, "prove_archive", erase_meanwhile)
    with pytest.raises(ArchiveRefusedError, match="texts were erased meanwhile"):
        books.archive()
    assert not any(b'"rent"' in path.read_bytes() for path in books.folder.iterdir())
    monkeypatch.undo()
    files = books.archive()
    assert all(b'"rent"' not in path.read_bytes() for path in files)
    assert books.findings(archive_files=sorted(books.folder.glob("*.jsonl"))) == []


def border_of_partition(books: Books, seq: int) -> int | None:
    rows = books.run(
        f"SELECT last_seq FROM ledger.partition WHERE {seq} BETWEEN first_seq AND last_seq AND last_seq < 75"
    )
    return rows[0][0] if rows else None


# Export and import ----------------------------------------------------------------------------------------------------


def test_archived_books_travel_and_go_on(books: Books, postgres_cluster: CopyingCluster, tmp_path: Path) -> None:
    files = books.archive()
    out, again = tmp_path / "books.jsonl", tmp_path / "again.jsonl"
    exported = export_books(books.url, "DwaybankMSP", out)
    whole = export_books(books.whole, "DwaybankMSP", tmp_path / "whole.jsonl")
    assert (exported.entries, exported.root) == (75 - border_of(books), whole.root)
    url = postgres_cluster.create_empty_database(f"archive_{next(_names)}")
    imported = import_books(url, out, verify)
    assert (imported.entries, imported.root) == (exported.entries, exported.root)
    export_books(url, "DwaybankMSP", again)
    assert again.read_bytes() == out.read_bytes()
    report = Verification(url, verify, workers=1, range_entries=10, archive_files=files).run()
    assert (report.findings, len(report.proved_files)) == ([], len(files))
    with open_writer(url, Clock(END + timedelta(days=3)), PlainRules()) as writer:
        (repeat, fresh) = writer.post([transfer(key(2), "cash", "alice", 102), transfer(key(3000), "cash", "alice", 1)])
    assert (repeat.code, fresh.code) == (ResultCode.EXISTS, ResultCode.POSTED)
    for path in reversed(files):
        Archivist(url, "DwaybankMSP", sign=sign, verify=verify, actor="x", now=lambda: END).restore(path)
    assert Verification(url, verify, workers=1).run().findings == []


def test_import_refuses_what_archives_left_where_it_was_changed(
    books: Books, postgres_cluster: CopyingCluster, tmp_path: Path
) -> None:
    books.archive()
    books.run("UPDATE ledger.account_opening SET balance = balance + 1 WHERE account_id = 1")
    export_books(books.url, "DwaybankMSP", tmp_path / "books.jsonl")
    url = postgres_cluster.create_empty_database(f"archive_{next(_names)}")
    with pytest.raises(ImportRefusedError, match="where accounts or holds stood there was changed"):
        import_books(url, tmp_path / "books.jsonl", verify)


def test_interrupted_run_is_not_gone_on_with_over_another_border(books: Books, tmp_path: Path) -> None:
    (*_, newest) = books.archive()
    file = tmp_path / "checkpoint"

    def run(**more: Any) -> VerifyReport:
        kept = CheckpointFile(file, every_s=0)
        return Verification(books.url, verify, workers=1, range_entries=3, checkpoint=kept, **more).run()

    def stop(done: int, whole: int) -> None:
        if done >= 3:
            raise KeyboardInterrupt

    for more in ({}, {"archive_files": [newest]}):
        with pytest.raises(KeyboardInterrupt):
            run(progress=stop)
        assert file.exists()
        report = run(**more)
        assert (report.resumed_after > border_of(books), report.findings) == (True, [])
        assert len(report.proved_files) == len(more)
    with pytest.raises(KeyboardInterrupt):
        run(progress=stop)
    archivist(books.url).restore(newest)
    with pytest.raises(CheckpointError, match="entries were archived or restored since it was made"):
        run()


# Dying ----------------------------------------------------------------------------------------------------------------

DYING = """
import sys, time
from pathlib import Path
from ledger import archive
from tests.support.archived_books import ALL, ARCHIVED_AT, END, archivist

def stop(*given, **more):
    print("there", flush=True)
    time.sleep(600)

where, url, folder = sys.argv[1:4]
name, when = where.split(":")
target = archive.Archivist if hasattr(archive.Archivist, name) else archive
real = getattr(target, name)

def replaced(*given, **more):
    if when == "before":
        stop()
    found = real(*given, **more)
    stop()
    return found

setattr(target, name, replaced)
who = archivist(url)
if len(sys.argv) > 4:
    who.restore(Path(sys.argv[4]))
else:
    list(who.archive(Path(folder), before=END, proved_seq=ALL))
"""

STEPS = (
    "_obstacles:before", "prove_archive:before", "prove_archive:after", "sync_folder:after", "_let_go:before",
    "keys_digest:before", "_keep_state:before", "_keep_state:after", "_insert:after", "lock_journal:after",
    "drop_part:before", "drop_part:after", "_let_go:after",
)  # fmt: skip


def die(books: Books, where: str, *restored: Path) -> None:
    command = [sys.executable, "-c", DYING, where, books.url, str(books.folder), *map(str, restored)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        process.send_signal(signal.SIGKILL)
    # The server ends the transaction once it sees the connection gone.
    books.run(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )


@pytest.mark.faults
@pytest.mark.parametrize("where", STEPS)
def test_killed_archive_leaves_everything_or_nothing(books: Books, where: str) -> None:
    die(books, where)
    assert border_of(books) == 0
    assert books.run("SELECT count(*) FROM ledger.entry") == [(75,)]
    assert books.run("SELECT count(*) FROM ledger.past_key") == [(0,)]
    assert books.findings() == []
    files = books.archive()
    assert files
    assert books.findings(archive_files=files) == []
    assert list(books.folder.glob("*.new")) == []


@pytest.mark.faults
@pytest.mark.parametrize(
    "where", ["_copy_back:before", "_copy_back:after", "_restore_state:after", "lock_journal:after", "_put_back:after"]
)
def test_killed_restore_leaves_everything_or_nothing(books: Books, where: str) -> None:
    files = books.archive()
    border = border_of(books)
    die(books, where, files[-1])
    assert border_of(books) == border
    assert books.findings(archive_files=files) == []
    archivist(books.url).restore(files[-1])
    assert books.findings() == []


def test_two_do_not_archive_at_once(books: Books) -> None:
    with psycopg.connect(books.url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (0xA2C417E5,))
        with pytest.raises(ArchiveRefusedError, match="somebody else archives or restores"):
            books.archive()


def test_who_reads_all_the_time_is_told_and_nothing_happens(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.journal_parts.LOCK_TRIES", 2)
    with psycopg.connect(books.url) as reader:
        reader.execute("SELECT count(*) FROM ledger.entry")
        with pytest.raises(ArchiveRefusedError, match="it is read without a pause"):
            books.archive()
    assert books.findings() == []


def test_posting_goes_on_while_entries_are_archived_and_restored(books: Books) -> None:
    import threading

    clock, done, codes = Clock(END + timedelta(days=3)), threading.Event(), []
    # What is posted meanwhile goes into one partition, as it would in practice.
    books.run("UPDATE ledger.partition_size SET entries = 100000")

    def post() -> None:
        with open_writer(books.url, clock, PlainRules()) as writer:
            number = 50_000
            while not done.wait(0.02):
                codes.extend(result.code for result in writer.post([transfer(key(number), "cash", "alice", 1)]))
                number += 1

    thread = threading.Thread(target=post)
    thread.start()
    try:
        files = books.archive(before=START + timedelta(days=1))
        for path in reversed(files):
            archivist(books.url).restore(path)
        files = books.archive(before=START + timedelta(days=1))
    finally:
        done.set()
        thread.join()
    assert set(codes) == {ResultCode.POSTED}
    assert books.findings(archive_files=files) == []
