"""The outbox on a real PostgreSQL: one order for entries and events, pages that skip nothing and repeat nothing while
others write, and what the database itself refuses."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from ledger.account import Side
from ledger.balances import find_account
from ledger.errors import InvalidValueError
from ledger.event import HOLD_PLACED, NewEvent, hold_changed
from ledger.journal import NewEntry, Posting, transfer
from ledger.monitor_store import drop_monitor, monitors_of, set_monitor
from ledger.monitors import Field, Monitor, Operator
from ledger.outbox import (
    START,
    OutboxEvent,
    Position,
    check_kinds,
    newest_position,
    parse_cursor,
    read_page,
    record_events,
)
from ledger.posting import Writer
from tests.support.books import START as MORNING
from tests.support.books import Clock, key, open_accounts, open_writer
from tests.support.events import as_application, read_all

ACCOUNTS = """
    cash        EUR debit  -
    shop:alice  EUR credit 0
    shop:bob    EUR credit 0
    bank:carol  EUR credit 0
"""


@dataclass
class Bench:
    url: str
    writer: Writer
    connection: psycopg.Connection[Any]

    def watch(self, number: int, reference: str, operator: Operator, value: int) -> Monitor:
        monitor = Monitor(uuid.UUID(int=number), reference, Field.BALANCE, operator, value)
        assert set_monitor(self.writer.run, monitor, MORNING) == "created"
        return monitor

    def record(self, *events: NewEvent) -> None:
        with self.connection.transaction(), self.connection.cursor() as cursor:
            record_events(cursor, self.writer.epoch, events, MORNING)

    def note(self, after_seq: int, number: int = 1, account: str = "shop:alice") -> NewEvent:
        account_id = find_account(self.connection, account).facts.id
        return hold_changed(HOLD_PLACED, uuid.UUID(int=number), account_id, after_seq, amount=5, remaining=5)


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    with (
        open_writer(database_url, Clock()) as writer,
        psycopg.connect(database_url, autocommit=True) as owner,
        as_application(database_url) as connection,
    ):
        open_accounts(owner, ACCOUNTS)
        yield Bench(database_url, writer, connection)


def places(events: list[OutboxEvent]) -> list[str]:
    return [f"{event.position} {event.kind}" for event in events]


def test_books_without_anything_have_an_empty_outbox(bench: Bench) -> None:
    assert read_all(bench.connection) == []
    assert newest_position(bench.connection) == START


def test_entries_and_events_stand_in_the_order_they_happened(bench: Bench) -> None:
    bench.record(bench.note(0, 1), bench.note(0, 2))
    bench.writer.post([transfer(key(1), "cash", "shop:alice", 500), transfer(key(2), "cash", "shop:bob", 5)])
    bench.record(bench.note(2, 3))
    bench.writer.post([transfer(key(3), "cash", "shop:bob", 5)])
    assert places(read_all(bench.connection)) == [
        "0.1 hold.placed", "0.2 hold.placed", "1.0 entry.posted", "2.0 entry.posted", "2.1 hold.placed",
        "3.0 entry.posted",
    ]  # fmt: skip
    assert newest_position(bench.connection) == Position(3, 0)


def test_monitor_fires_between_the_entries_of_its_own_batch(bench: Bench) -> None:
    bench.watch(1, "shop:alice", Operator.AT_LEAST, 100)
    bench.writer.post(
        [
            transfer(key(1), "cash", "shop:alice", 150),
            transfer(key(2), "shop:alice", "shop:bob", 100),
            transfer(key(3), "cash", "shop:alice", 60),
            transfer(key(4), "cash", "shop:alice", 60),
        ]
    )
    events = read_all(bench.connection)
    assert places(events) == [
        "1.0 entry.posted", "1.1 monitor.fired", "2.0 entry.posted", "3.0 entry.posted", "3.1 monitor.fired",
        "4.0 entry.posted",
    ]  # fmt: skip
    assert events[4].account == "shop:alice"
    assert events[4].payload == {
        "monitor": str(uuid.UUID(int=1)), "field": "balance", "operator": ">=", "value_minor": "100",
        "balance_minor": "110", "held_minor": "0", "balance_before_minor": "50", "held_before_minor": "0",
    }  # fmt: skip


def test_monitor_fires_once_when_the_same_entry_is_sent_again(bench: Bench) -> None:
    bench.watch(1, "shop:alice", Operator.AT_LEAST, 100)
    for _ in range(3):
        bench.writer.post([transfer(key(1), "cash", "shop:alice", 150)])
    assert places(read_all(bench.connection)) == ["1.0 entry.posted", "1.1 monitor.fired"]


def test_event_is_gone_when_its_commit_is(bench: Bench) -> None:
    with pytest.raises(RuntimeError), bench.connection.transaction(), bench.connection.cursor() as cursor:
        record_events(cursor, bench.writer.epoch, [bench.note(0)], MORNING)
        raise RuntimeError("the writer died here")
    assert read_all(bench.connection) == []


def test_entry_tells_references_amounts_and_balances_and_no_text(bench: Bench) -> None:
    bench.writer.post([transfer(key(7), "cash", "shop:alice", 500, description="for Alice Example, with love")])
    (event,) = read_all(bench.connection)
    assert set(event.payload) == {"entry_seq", "key", "effective_at", "leaf", "postings"}
    assert event.payload["key"] == str(key(7))
    assert event.payload["effective_at"] == "2026-03-02T09:00:00.000000Z"
    assert event.payload["postings"] == [
        {"account": "cash", "asset": "EUR", "side": "debit", "amount_minor": "500", "balance_minor": "500"},
        {"account": "shop:alice", "asset": "EUR", "side": "credit", "amount_minor": "500", "balance_minor": "500"},
    ]
    assert "Alice Example" not in json.dumps(dict(event.payload))


def test_entry_of_many_postings_shows_a_prefix_only_its_own(bench: Bench) -> None:
    legs = (
        Posting("cash", Side.DEBIT, 30),
        Posting("shop:alice", Side.CREDIT, 10),
        Posting("shop:bob", Side.CREDIT, 15),
        Posting("bank:carol", Side.CREDIT, 5),
    )
    bench.writer.post([NewEntry(key(1), legs), transfer(key(2), "cash", "bank:carol", 5)])
    events = read_all(bench.connection, account_prefix="shop:")
    assert [[posting["account"] for posting in event.payload["postings"]] for event in events] == [
        ["shop:alice", "shop:bob"]
    ]


def test_filters_leave_out_what_is_not_wanted_and_pages_go_on_behind_it(bench: Bench) -> None:
    bench.writer.post([transfer(key(number), "cash", "bank:carol", 1) for number in range(1, 21)])
    bench.record(bench.note(20, 1, "shop:bob"), bench.note(20, 2, "bank:carol"))
    for count_max in (1, 2, 7, 100):
        holds = read_all(bench.connection, count_max=count_max, kinds=("hold.placed",))
        assert places(holds) == ["20.1 hold.placed", "20.2 hold.placed"]
        shop = read_all(bench.connection, count_max=count_max, account_prefix="shop:")
        assert places(shop) == ["20.1 hold.placed"]
    page = read_page(bench.connection, START, count_max=5, account_prefix="shop:")
    assert (page.events, page.after, page.is_last) == ((), Position(5, 0), False)


@pytest.mark.parametrize("count_max", [1, 3, 1000])
def test_reading_again_from_any_position_gives_the_rest(bench: Bench, count_max: int) -> None:
    for number in range(1, 6):
        bench.writer.post([transfer(key(number), "cash", "shop:alice", 1)])
        bench.record(bench.note(number, 1), bench.note(number, 2))
    everything = read_all(bench.connection, count_max=count_max)
    assert len(everything) == 15
    for place, event in enumerate(everything):
        assert read_all(bench.connection, event.position, count_max=count_max) == everything[place + 1 :]


def test_readers_beside_writers_see_everything_once_and_in_order(bench: Bench) -> None:
    """Readers page on without a pause while entries, monitors and other events are committed by two sessions."""
    bench.watch(1, "shop:alice", Operator.EQUAL, 1)
    done = threading.Event()

    def read(count_max: int) -> list[Position]:
        found: list[Position] = []
        with psycopg.connect(bench.url, autocommit=True) as connection:
            after = START
            while True:
                ended = done.is_set()
                page = read_page(connection, after, count_max=count_max)
                found += [event.position for event in page.events]
                after = page.after
                if ended and page.is_last:
                    return found

    def tell() -> None:
        """Events of another door than the writer's: they only know the head's line."""
        with psycopg.connect(bench.url, autocommit=True) as connection:
            for _ in range(150):
                connection.execute("SELECT ledger.add_event('period.closed', NULL, now(), '{}')")

    with ThreadPoolExecutor(4) as threads:
        readings = [threads.submit(read, count_max) for count_max in (1, 5, 300)]
        teller = threads.submit(tell)
        try:
            for number in range(60):
                bench.writer.post(
                    [
                        transfer(key(4 * number + 1), "cash", "shop:alice", 1),
                        transfer(key(4 * number + 2), "shop:alice", "shop:bob", 1),
                        transfer(key(4 * number + 3), "cash", "shop:bob", 1),
                    ]
                )
            teller.result()
        finally:
            done.set()
    whole = [event.position for event in read_all(bench.connection, count_max=1000)]
    assert len(whole) == 60 * 3 + 60 + 150
    assert whole == sorted(set(whole))
    assert [reading.result() for reading in readings] == [whole] * 3


def test_event_older_than_the_newest_entry_is_refused(bench: Bench) -> None:
    bench.writer.post([transfer(key(1), "cash", "shop:alice", 1), transfer(key(2), "cash", "shop:alice", 1)])
    for seq in (0, 1, 3):
        with pytest.raises(psycopg.Error, match="events may follow entries 2 to 2 only"):
            bench.record(bench.note(seq))
    bench.record(bench.note(2))


def test_event_of_a_replaced_writer_is_refused(bench: Bench) -> None:
    with pytest.raises(psycopg.Error, match="was replaced"), bench.connection.cursor() as cursor:
        record_events(cursor, bench.writer.epoch - 1, [bench.note(0)], MORNING)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO ledger.event VALUES (0, 9, 'hold.placed', NULL, now(), '{}')",
        "UPDATE ledger.event SET payload = '{}'",
        "DELETE FROM ledger.event",
        "TRUNCATE ledger.event",
        "SELECT ledger.add_event('hold.placed', NULL, now(), '{}')",
        "UPDATE ledger.monitor SET value = 0",
        "INSERT INTO ledger.webhook SELECT * FROM ledger.webhook",
    ],
)
def test_application_changes_no_event_monitor_or_endpoint_by_itself(bench: Bench, statement: str) -> None:
    bench.record(bench.note(0))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        bench.connection.execute(statement.encode())


@pytest.mark.parametrize("change", ["UPDATE ledger.event SET kind = 'a.b'", "DELETE FROM ledger.event"])
def test_owner_edits_no_event_either(bench: Bench, change: str) -> None:
    bench.record(bench.note(0))
    with psycopg.connect(bench.url) as owner, pytest.raises(psycopg.Error, match="history cannot be edited"):
        owner.execute(change.encode())


@pytest.mark.parametrize(
    ("kind", "payload"),
    [("Hold.Placed", {}), ("hold", {}), ("hold.placed", {"text": "x" * 2000}), ("hold.placed", ["a list"])],
)
def test_event_of_another_form_is_refused(bench: Bench, kind: str, payload: Any) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        bench.record(NewEvent(0, kind, None, payload))


@pytest.mark.parametrize(
    "event",
    [
        NewEvent(0, HOLD_PLACED, None, None),
        NewEvent(0, HOLD_PLACED, None, {}, uuid.UUID(int=1), 5, 5),
        NewEvent(0, HOLD_PLACED, None, None, uuid.UUID(int=1), 0, 5),
        NewEvent(0, HOLD_PLACED, None, None, uuid.UUID(int=1), 5, -1),
    ],
    ids=["nothing", "both", "no amount", "less than nothing remains"],
)
def test_event_carries_a_payload_or_a_hold_with_its_amounts(bench: Bench, event: NewEvent) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        bench.record(event)


def test_columns_of_unequal_length_are_refused(bench: Bench) -> None:
    with pytest.raises(psycopg.Error, match="differ in length"):
        bench.connection.execute(
            b"SELECT ledger.record_events(%s, now(), '{0}', '{1}', '{a.b}', '{1}', '{null}', '{0}', '{0,0}', %s)",
            (bench.writer.epoch, ["{}"]),
        )


def test_monitor_is_set_once_and_dropped_once(bench: Bench) -> None:
    monitor = bench.watch(1, "shop:alice", Operator.BELOW, 100)
    run, other = bench.writer.run, Monitor(uuid.UUID(int=1), "shop:bob", Field.BALANCE, Operator.BELOW, 100)
    assert set_monitor(run, monitor, MORNING) == "exists"
    assert set_monitor(run, other, MORNING) == "exists_with_different_body"
    nobody = Monitor(uuid.UUID(int=2), "shop:nobody", Field.HELD, Operator.ABOVE, 0)
    assert set_monitor(run, nobody, MORNING) == "account_not_found"
    number = find_account(bench.connection, "shop:alice").facts.id
    assert monitors_of(bench.connection, [number, 10**9]) == {number: (monitor,)}
    assert drop_monitor(run, monitor.id, MORNING) == "dropped"
    assert drop_monitor(run, monitor.id, MORNING) == "exists"
    assert drop_monitor(run, uuid.UUID(int=9), MORNING) == "monitor_not_found"
    assert monitors_of(bench.connection, [number]) == {}


def test_account_takes_a_limited_number_of_monitors(bench: Bench) -> None:
    for number in range(1, 33):
        bench.watch(number, "shop:alice", Operator.BELOW, number)
    more = Monitor(uuid.UUID(int=99), "shop:alice", Field.HELD, Operator.ABOVE, 0)
    assert set_monitor(bench.writer.run, more, MORNING) == "too_many_monitors"


@pytest.mark.parametrize(
    ("text", "position"), [("", START), ("0.0", START), ("12.0", Position(12, 0)), ("12.3", Position(12, 3))]
)
def test_cursor_reads_back(text: str, position: Position) -> None:
    assert parse_cursor(text) == position
    assert parse_cursor(str(position)) == position


@pytest.mark.parametrize(
    "text", ["12", "12.", ".1", "-1.0", "01.0", "1.0 ", "a.b", "9223372036854775808.0", "1.2147483648", "1.0.0"]
)
def test_cursor_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="cursor"):
        parse_cursor(text)


def test_kinds_are_sorted_and_malformed_ones_refused() -> None:
    assert check_kinds(["hold.placed", "entry.posted", "hold.placed"]) == ("entry.posted", "hold.placed")
    with pytest.raises(InvalidValueError, match="kinds"):
        check_kinds(["entry.posted", "everything"])
