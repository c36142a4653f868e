"""Aim: events of many holds, kept in runs, read as rows would; the database takes no others, and ``verify`` knows both.

Method: real PostgreSQL; what was recorded is compared with what every page size reads from every place; runs of the
writer's own with tampering on a copy for each case.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.balances import find_account
from ledger.event import HOLD_CAPTURED, HOLD_EXPIRED, HOLD_PLACED, HOLD_RELEASED, NewEvent, hold_changed
from ledger.export import export_books
from ledger.hold import HoldRelease, NewHold
from ledger.import_books import import_books
from ledger.journal import transfer
from ledger.outbox import Position, newest_position, record_events
from ledger.posting import Writer
from node.webhooks.store import WebhookStore
from tests.support.books import START as MORNING
from tests.support.books import Clock, PlainRules, key, open_accounts, open_writer, verify
from tests.support.events import as_application, read_all
from tests.support.tampering import proved, tamper, told

ACCOUNTS = "cash EUR debit -\nshop:alice EUR credit -\nbank:carol EUR credit -"
KINDS = (HOLD_PLACED, HOLD_CAPTURED, HOLD_RELEASED, HOLD_EXPIRED)


class Bench:
    """Books, and a session with the application's rights that records events of holds that nobody placed."""

    def __init__(self, url: str, writer: Writer, connection: psycopg.Connection[Any]) -> None:
        self.url, self.writer, self.connection = url, writer, connection
        self.accounts = {name: find_account(connection, name).facts.id for name in ("shop:alice", "bank:carol")}
        self.recorded: list[tuple[Position, str, str, dict[str, str]]] = []
        """As the outbox must tell them."""
        self.posted = self.told = 0

    def post(self) -> None:
        self.posted, self.told = self.posted + 1, 0
        self.writer.post([transfer(key(self.posted), "cash", "shop:alice", 1)])

    def record(self, count: int) -> None:
        """Record so many events after the newest entry, each of another kind, hold and amount."""
        events: list[NewEvent] = []
        for _ in range(count):
            at = len(self.recorded)
            self.told += 1
            kind, account, hold = KINDS[at % 4], ("shop:alice", "bank:carol")[at % 3 == 0], uuid.UUID(int=at + 1)
            number = self.accounts[account]
            events.append(hold_changed(kind, hold, number, self.posted, amount=at + 1, remaining=at % 5))
            payload = {"hold": str(hold), "amount_minor": str(at + 1), "remaining_minor": str(at % 5)}
            self.recorded.append((Position(self.posted, self.told), kind, account, payload))
        with self.connection.transaction(), self.connection.cursor() as cursor:
            record_events(cursor, self.writer.epoch, events, MORNING)

    def read(self, **more: Any) -> list[tuple[Position, str, str, dict[str, str]]]:
        """Return all but the entries."""
        return [
            (event.position, event.kind, event.account, dict(event.payload))
            for event in read_all(self.connection, **more)
            if event.kind != "entry.posted"
        ]

    def runs(self) -> list[int]:
        """Return how many events each run has."""
        return [
            row[0]
            for row in self.connection.execute(
                "SELECT cardinality(hold_ids) FROM ledger.event_run ORDER BY last_seq, last_number"
            )
        ]

    def count(self, table: str) -> int:
        row = self.connection.execute(f"SELECT count(*) FROM ledger.{table}".encode()).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    with (
        open_writer(database_url, Clock()) as writer,
        psycopg.connect(database_url, autocommit=True) as owner,
        as_application(database_url) as connection,
    ):
        open_accounts(owner, ACCOUNTS)
        yield Bench(database_url, writer, connection)


@pytest.mark.parametrize(
    ("events", "runs"),
    [
        (1, []),
        (127, []),
        (128, [128]),
        (256, [256]),
        (257, [128, 129]),
        (600, [200, 200, 200]),
        (769, [192] * 3 + [193]),
    ],
)
def test_many_events_of_holds_stand_in_runs_and_few_as_rows(bench: Bench, events: int, runs: list[int]) -> None:
    bench.record(events)
    assert (bench.runs(), bench.count("event")) == (runs, 0 if runs else events)
    assert bench.read(count_max=1000) == bench.recorded


@pytest.mark.parametrize("count_max", [13, 128, 129, 1000])
def test_every_page_from_every_place_reads_rows_and_runs_in_their_order(bench: Bench, count_max: int) -> None:
    for count in (3, 300, 2):
        bench.record(count)
    for count in (130, 2, 200, 256):
        bench.post()
        bench.record(count)
        bench.record(count // 2)
    with psycopg.connect(bench.url, autocommit=True) as owner:
        owner.execute("SELECT ledger.add_event('period.closed', NULL, now(), '{}')")
    bench.recorded.append((Position(bench.posted, bench.told + 1), "period.closed", "", {}))
    assert len(bench.runs()) == 6
    assert newest_position(bench.connection) == bench.recorded[-1][0]
    assert bench.read(count_max=count_max) == bench.recorded
    for place in range(0, len(bench.recorded), 97):
        position = bench.recorded[place][0]
        assert bench.read(after=position, count_max=count_max) == bench.recorded[place + 1 :]


def test_filters_see_what_stands_in_runs(bench: Bench) -> None:
    bench.record(300)
    for kinds, prefix in (((HOLD_RELEASED,), ""), ((), "shop:"), ((HOLD_PLACED, HOLD_EXPIRED), "bank:")):
        wanted = [each for each in bench.recorded if (not kinds or each[1] in kinds) and each[2].startswith(prefix)]
        assert bench.read(kinds=kinds, account_prefix=prefix) == wanted


def hold_and_capture(url: str) -> list[tuple[Any, ...]]:
    """Post batches of holds and captures, whole, in part and released, and return all that is told of them."""
    clock, until = Clock(), MORNING + timedelta(hours=1)
    with open_writer(url, clock, PlainRules()) as writer, psycopg.connect(url, autocommit=True) as connection:
        open_accounts(connection, ACCOUNTS)
        numbers = range(1000, 1300)
        holds = [NewHold(key(number), "shop:alice", 2 + number, until) for number in numbers]
        parts = [transfer(key(2000 + number), "shop:alice", "cash", 2, hold_id=key(number)) for number in numbers]
        rests = [transfer(key(4000 + at), "shop:alice", "cash", at, hold_id=key(at)) for at in numbers[:140]]
        for batch in (
            [transfer(key(1), "cash", "shop:alice", 10**6)],
            holds[:200],
            [*holds[200:], *parts[:100]],
            [*parts[100:], *rests],
            [HoldRelease(key(number)) for number in numbers[140:280]],
        ):
            clock.move(seconds=1)
            writer.post(batch)
        clock.move(hours=2)
        writer.expire_holds()
        assert proved(url, range_entries=50).findings == []
        return [(e.position, e.kind, e.account, e.at, e.payload) for e in read_all(connection, count_max=1000)]


def test_what_the_writer_tells_is_the_same_in_runs_and_as_rows(
    monkeypatch: pytest.MonkeyPatch, database_url: str, regulator_url: str
) -> None:
    in_runs = hold_and_capture(database_url)
    monkeypatch.setattr("ledger.outbox.RUN_EVENTS_MIN", 10**6)
    as_rows = hold_and_capture(regulator_url)
    leafless = [[(*each[:4], {**each[4], "leaf": ""}) for each in events] for events in (in_runs, as_rows)]
    assert leafless[0] == leafless[1]
    with psycopg.connect(database_url) as connection, psycopg.connect(regulator_url) as other:
        for found, rows, runs in ((connection, 20, 5), (other, 900, 0)):
            assert found.execute("SELECT count(*) FROM ledger.event").fetchone() == (rows,)
            assert found.execute("SELECT count(*) FROM ledger.event_run").fetchone() == (runs,)


RECORD = """SELECT ledger.record_hold_events(
    {epoch}, now(), {seqs}, {numbers}, {kinds}, {accounts}, {holds}, {amounts}, {rest}
)"""
WRONG = {
    "too few": ({"count": 127}, "event_run_length"),
    "none": ({"count": 0}, "events may follow entries 2 to 2 only"),
    "before the newest entry": ({"seqs": "array_fill(1::bigint, '{128}')"}, "events may follow entries 2 to 2 only"),
    "ahead of all entries": ({"seqs": "array_fill(3::bigint, '{128}')"}, "events may follow entries 2 to 2 only"),
    "after nothing": ({"seqs": "array_fill(NULL::bigint, '{128}')"}, "events may follow entries 2 to 2 only"),
    "out of order": ({"seqs": "'{3}'::bigint[] || array_fill(2::bigint, '{127}')"}, "not in the order of entries"),
    "of no kind": ({"kinds": "array_fill(5::smallint, '{128}')"}, "event_run_kinds_check"),
    "of a kind that is null": ({"kinds": "array_fill(NULL::smallint, '{128}')"}, "event_run_nulls"),
    "of no account": ({"accounts": "array_fill(NULL::bigint, '{128}')"}, "event_run_nulls"),
    "of no hold": ({"holds": "array_fill(NULL::uuid, '{128}')"}, "event_run_nulls"),
    "of no amount": ({"amounts": "array_fill(0::bigint, '{128}')"}, "event_run_amounts_check"),
    "of an amount that is null": ({"amounts": "array_fill(NULL::bigint, '{128}')"}, "event_run_nulls"),
    "less than nothing remains": ({"rest": "array_fill(-1::bigint, '{128}')"}, "event_run_remaining_check"),
    "null remains": ({"rest": "array_fill(NULL::bigint, '{128}')"}, "event_run_nulls"),
    "columns of unequal length": ({"rest": "array_fill(1::bigint, '{127}')"}, "event_run_columns"),
    "of a writer that was replaced": ({"epoch": -1}, "was replaced"),
}


@pytest.mark.parametrize("name", WRONG)
def test_runs_that_cannot_be_are_refused(bench: Bench, name: str) -> None:
    bench.post()
    bench.post()
    change, reason = WRONG[name]
    count = change.get("count", 128)
    columns = {
        "epoch": bench.writer.epoch, "seqs": f"array_fill(2::bigint, '{{{count}}}')",
        "numbers": f"ARRAY(SELECT generate_series(1, {count}))", "kinds": f"array_fill(1::smallint, '{{{count}}}')",
        "accounts": f"array_fill(1::bigint, '{{{count}}}')", "amounts": f"array_fill(5::bigint, '{{{count}}}')",
        "holds": f"array_fill(gen_random_uuid(), '{{{count}}}')", "rest": f"array_fill(5::bigint, '{{{count}}}')",
    }  # fmt: skip
    with pytest.raises(psycopg.Error, match=reason):
        bench.connection.execute(RECORD.format(**{**columns, **change}).encode())
    assert bench.runs() == []


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO ledger.event_run SELECT * FROM ledger.event_run",
        "UPDATE ledger.event_run SET first_number = 2",
        "DELETE FROM ledger.event_run",
        "TRUNCATE ledger.event_run",
    ],
)
def test_nobody_edits_a_run(bench: Bench, statement: str) -> None:
    bench.record(128)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        bench.connection.execute(statement.encode())
    if not statement.startswith("INSERT"):
        with psycopg.connect(bench.url) as owner, pytest.raises(psycopg.Error, match="history cannot be edited"):
            owner.execute(statement.encode())


def test_endpoint_behind_a_run_is_due_and_waits_for_what_stands_before_an_archive(bench: Bench) -> None:
    bench.record(3)
    bench.post()
    bench.record(300)
    bench.post()
    with psycopg.connect(bench.url, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO ledger.webhook (id, url, kinds, account_prefix, secret_name, seq, number, added_at)"
            " VALUES (gen_random_uuid(), 'http://x', '{hold.placed}', '', 's', 1, 299, now())"
        )
        waits = "SELECT ledger.webhook_waits(webhook, %s) FROM ledger.webhook"
        assert [owner.execute(waits, (seq,)).fetchone() for seq in (1, 2)] == [(False,), (True,)]
        store = WebhookStore(bench.url)
        store.open()
        try:
            assert len(store.due(MORNING)) == 1
            owner.execute("UPDATE ledger.webhook SET number = 300")
            assert store.due(MORNING) == []
            assert owner.execute(waits, (2,)).fetchone() == (False,)
        finally:
            store.close()


HOLDS = [key(number) for number in range(1000, 1300)]


def fill(url: str) -> None:
    """Post entry 1, place 300 holds, capture each by one of entries 2 to 301: events 1.1 to 1.300, 2.1 to 301.1."""
    clock, until = Clock(), MORNING + timedelta(hours=1)
    with open_writer(url, clock, PlainRules()) as writer, psycopg.connect(url, autocommit=True) as connection:
        open_accounts(connection, ACCOUNTS)
        writer.post([transfer(key(1), "cash", "shop:alice", 10**6)])
        clock.move(seconds=1)
        writer.post([NewHold(hold, "shop:alice", 5, until) for hold in HOLDS])
        clock.move(seconds=1)
        captures = [transfer(key(at), "shop:alice", "cash", 5, hold_id=hold) for at, hold in enumerate(HOLDS, 2)]
        writer.post(captures)


def test_runs_go_out_and_come_in_again(url: str, empty_database_url: str, tmp_path: Path) -> None:
    export_books(url, "DwaybankMSP", tmp_path / "books.jsonl")
    import_books(empty_database_url, tmp_path / "books.jsonl", verify)
    with psycopg.connect(url) as books, psycopg.connect(empty_database_url) as copy:
        assert read_all(copy, count_max=1000) == read_all(books, count_max=1000)
    assert told(proved(empty_database_url)) == []


TAMPERINGS = {
    "amount of a placing": (
        "UPDATE ledger.event_run SET amounts[7] = 6 WHERE (last_seq, last_number) = (1, 150)",
        f"event 1.7: tells of what does not stand so: hold.placed of hold {HOLDS[6]}",
    ),
    "amount of a capture": (
        "UPDATE ledger.event_run SET amounts[7] = 4 WHERE last_seq = 151",
        f"event 8.1: tells of what does not stand so: hold.captured of hold {HOLDS[6]}",
    ),
    "what a capture left": (
        "UPDATE ledger.event_run SET remaining[7] = 4 WHERE last_seq = 151",
        f"entry 8: its event tells that 4 of hold {HOLDS[6]} remained, it was 0",
    ),
    "kind": (
        "UPDATE ledger.event_run SET kinds[7] = 3 WHERE (last_seq, last_number) = (1, 150)",
        f"event 1.7: tells of what does not stand so: hold.released of hold {HOLDS[6]}",
    ),
    "account": (
        "UPDATE ledger.event_run SET account_ids[7] = 3 WHERE (last_seq, last_number) = (1, 150)",
        f"event 1.7: tells of what does not stand so: hold.placed of hold {HOLDS[6]}",
    ),
    "hold": (
        f"UPDATE ledger.event_run SET hold_ids[7] = '{HOLDS[0]}' WHERE last_seq = 151",
        f"event 8.1: tells of what does not stand so: hold.captured of hold {HOLDS[0]}",
    ),
    "time": (
        "UPDATE ledger.event_run SET at = at + interval '1 hour' WHERE last_seq = 151",
        "event 2.1: is told for another time than it stands at",
    ),
    "entry that one follows": (
        "UPDATE ledger.event_run SET after_seqs[7] = 7 WHERE last_seq = 151",
        f"event 7.2: tells of what does not stand so: hold.captured of hold {HOLDS[6]}",
    ),
    "first number": (
        "UPDATE ledger.event_run SET first_number = 152 WHERE (last_seq, last_number) = (1, 300)",
        "event 1.151: is missing: event 1.152 stands after it",
    ),
    "where one ends": (
        "UPDATE ledger.event_run SET last_number = 151 WHERE (last_seq, last_number) = (1, 150)",
        "events up to 1.151: are not those that stand in their run",
    ),
    "run deleted": (
        "DELETE FROM ledger.event_run WHERE last_seq = 151",
        f"entry 2: no event tells that it captured hold {HOLDS[0]}",
    ),
    "first run deleted": (
        "DELETE FROM ledger.event_run WHERE (last_seq, last_number) = (1, 150)",
        "event 1.1: is missing: event 1.151 stands after it",
    ),
    "last run of placings deleted": (
        "DELETE FROM ledger.event_run WHERE (last_seq, last_number) = (1, 300)",
        f"hold {HOLDS[150]}: its placing is told by 0 events",
    ),
    "told twice": (
        "INSERT INTO ledger.event SELECT 8, 2, 'hold.captured', account_ids[7], at, NULL, hold_ids[7], 5, 0 "
        "FROM ledger.event_run WHERE last_seq = 151",
        f"hold {HOLDS[6]}: says 5 was captured, its events tell of 10",
    ),
}


@pytest.mark.parametrize("range_entries", [1, 100, 151, 1000])
def test_books_with_runs_are_sound_whatever_ranges(url: str, range_entries: int) -> None:
    assert told(proved(url, range_entries=range_entries)) == []


@pytest.mark.parametrize("name", TAMPERINGS)
@pytest.mark.parametrize("range_entries", [3, 1000])
def test_tampering_with_a_run_is_named(url: str, name: str, range_entries: int) -> None:
    statement, finding = TAMPERINGS[name]
    tamper(url, statement)
    assert finding in told(proved(url, range_entries=range_entries))
