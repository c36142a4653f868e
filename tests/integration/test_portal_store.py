"""What the node keeps for its portal: cases that only grow, passkeys whose counters only grow."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from node.anchor.database import Database, migrate
from node.anchor.errors import AnchorError
from node.audit.cases import Cases
from node.audit.errors import BadRequestError, NotYetError, UnknownEntryError
from node.audit.passkeys import Passkey, Passkeys

NOW = datetime(2026, 11, 29, 9, tzinfo=UTC)
KEY = Passkey(b"id", "ada", b"key", 3, "phone", NOW, None)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        migrate(connection)
    opened = Database(database_url)
    opened.open()
    yield opened
    opened.close()


def test_a_case_keeps_what_was_put_into_it_in_order(database: Database) -> None:
    cases = Cases(database)
    case_id = cases.open("Round sums", "ada", NOW)
    cases.add(case_id, "entry", "DwaybankMSP/17", "too round", "bob", NOW + timedelta(minutes=1))
    cases.add(case_id, "note", "", "ask the bank", "ada", NOW + timedelta(minutes=2))
    assert [(item.number, item.kind, item.subject, item.note) for item in cases.items(case_id)] == [
        (1, "opened", "", "Round sums"), (2, "entry", "DwaybankMSP/17", "too round"), (3, "note", "", "ask the bank"),
    ]  # fmt: skip
    other = cases.open("Another", "ada", NOW + timedelta(minutes=3))
    assert [case.case_id for case in cases.page()[0]] == [other, case_id]


def test_a_closed_case_takes_nothing_until_it_is_reopened(database: Database) -> None:
    cases = Cases(database)
    case_id = cases.open("Round sums", "ada", NOW)
    with pytest.raises(NotYetError, match="open already"):
        cases.add(case_id, "reopened", "", "", "ada", NOW)
    cases.add(case_id, "closed", "", "", "ada", NOW)
    assert cases.page()[0][0].is_closed
    for kind, note in (("note", "late"), ("closed", "")):
        with pytest.raises(NotYetError, match="reopen it first"):
            cases.add(case_id, kind, "", note, "ada", NOW)
    cases.add(case_id, "reopened", "", "", "ada", NOW)
    assert not cases.page()[0][0].is_closed
    cases.add(case_id, "note", "", "again", "ada", NOW)


@pytest.mark.parametrize(
    ("kind", "subject", "note"),
    [
        ("opened", "", "x"), ("", "", "x"), ("entry", "DwaybankMSP", ""), ("entry", "DwaybankMSP/0", ""),
        ("entry", "../../x/1", ""), ("finding", "<script>", ""), ("demand", "AB" * 16, ""), ("note", "", " "),
        ("note", "x", "y"), ("note", "", "x" * 4_001), ("note", "", "a\x00b"),
    ],
)  # fmt: skip
def test_what_is_no_item_is_refused(database: Database, kind: str, subject: str, note: str) -> None:
    cases = Cases(database)
    case_id = cases.open("Round sums", "ada", NOW)
    with pytest.raises(BadRequestError):
        cases.add(case_id, kind, subject, note, "ada", NOW)
    assert len(cases.items(case_id)) == 1


def test_titles_and_cases_that_are_none_are_refused(database: Database) -> None:
    cases = Cases(database)
    for title in ("", " x", "a\nb", "x" * 121):
        with pytest.raises(BadRequestError, match="title"):
            cases.open(title, "ada", NOW)
    with pytest.raises(UnknownEntryError):
        cases.add(uuid.uuid4(), "note", "", "x", "ada", NOW)


def test_many_who_add_at_once_leave_no_gap(database: Database) -> None:
    cases = Cases(database)
    case_id = cases.open("Round sums", "ada", NOW)

    def add() -> None:
        for _ in range(10):
            cases.add(case_id, "note", "", "x", "ada", NOW)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [item.number for item in cases.items(case_id)] == list(range(1, 42))


def test_nothing_in_a_case_is_changed_or_removed(database: Database, database_url: str) -> None:
    Cases(database).open("Round sums", "ada", NOW)
    with psycopg.connect(database_url, autocommit=True) as connection:
        for statement in (b"UPDATE log.case_item SET note = 'x'", b"DELETE FROM log.case_item"):
            with pytest.raises(psycopg.Error):
                connection.execute(statement)


def test_a_passkeys_counter_only_grows(database: Database) -> None:
    passkeys = Passkeys(database)
    passkeys.add(KEY)
    passkeys.use(b"id", 4, NOW)
    for old in (4, 3, 0):
        with pytest.raises(NotYetError, match="did not grow"):
            passkeys.use(b"id", old, NOW)
    assert [(key.sign_count, key.used_at) for key in passkeys.listed("ada")] == [(4, NOW)]


def test_a_passkey_that_never_counts_may_be_used_again(database: Database) -> None:
    passkeys = Passkeys(database)
    passkeys.add(KEY._replace(sign_count=0))
    passkeys.use(b"id", 0, NOW)
    passkeys.use(b"id", 0, NOW)


def test_a_passkey_is_somebodys_once_and_gone_when_dropped(database: Database) -> None:
    passkeys = Passkeys(database)
    passkeys.add(KEY)
    with pytest.raises(BadRequestError, match="known already"):
        passkeys.add(KEY._replace(person="eve"))
    assert passkeys.listed("eve") == []
    passkeys.drop(b"id")
    assert passkeys.listed() == []
    with pytest.raises(UnknownEntryError):
        passkeys.drop(b"id")
    with pytest.raises(NotYetError):
        passkeys.use(b"id", 9, NOW)


@pytest.mark.parametrize(
    "changes",
    [{"person": ""}, {"person": "a\nb"}, {"label": "x" * 201}, {"credential_id": b""}, {"credential_id": bytes(1_024)},
     {"public_key": b""}, {"sign_count": -1}],
)  # fmt: skip
def test_what_is_no_passkey_is_refused(database: Database, changes: dict[str, object]) -> None:
    with pytest.raises((BadRequestError, AnchorError)):
        Passkeys(database).add(KEY._replace(**changes))  # type: ignore[arg-type]
