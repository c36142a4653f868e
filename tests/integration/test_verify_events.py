"""Aim: ``verify`` holds what events tell against holds, accounts, periods and monitors, and these against events.

Method: real PostgreSQL; books with every kind of step, one of each; superuser SQL with triggers and constraints off, on
a copy for each case; what books older than events have, made by taking events away and running the migration again.
"""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from ledger.hold import HoldRelease, NewHold
from ledger.journal import transfer
from ledger.monitor_store import set_monitor
from ledger.monitors import Field, Monitor, Operator
from ledger.periods import close_period, reopen_period
from ledger.posting import AccountTerms
from ledger.queries import SQL_FOLDER
from tests.support.books import START, Clock, PlainRules, key, open_accounts, open_writer
from tests.support.tampering import proved, tamper, told

PART, WHOLE, FREED, LATE, PLACED = (key(number) for number in range(9001, 9006))
DAY = timedelta(days=1)


def fill(url: str) -> None:
    """Post entries 1 to 6, and between them the steps of five holds, an account, a period and a monitor."""
    clock = Clock()
    with open_writer(url, clock, PlainRules()) as writer, psycopg.connect(url, autocommit=True) as connection:
        open_accounts(connection, "cash EUR debit -\nalice EUR credit -\nbob EUR credit -")
        writer.post([transfer(key(1), "cash", "alice", 1000)])
        monitor = Monitor(key(7), "alice", Field.AVAILABLE, Operator.BELOW, 200)
        assert set_monitor(writer.run, monitor, writer.now()) == "created"
        clock.move(seconds=1)
        holds = [NewHold(hold, "alice", 100, START + DAY) for hold in (PART, WHOLE, FREED, PLACED)]
        writer.post([*holds, NewHold(LATE, "alice", 100, START + timedelta(minutes=1))])
        clock.move(seconds=1)
        writer.post(
            [transfer(key(2), "alice", "bob", 30, hold_id=PART), transfer(key(3), "alice", "bob", 100, hold_id=WHOLE)]
        )
        clock.move(seconds=1)
        writer.post([transfer(key(4), "alice", "bob", 20, hold_id=PART, hold_final=True), HoldRelease(FREED)])
        clock.move(seconds=1)
        writer.post([transfer(key(5), "alice", "bob", 500)])
        clock.move(minutes=2)
        assert writer.expire_holds() == 1
        terms = AccountTerms(status="open", floor=-1000, overdraft=0, ceiling=10**9)
        assert writer.set_account_terms("bob", terms, "clerk-7") == "changed"
        number = close_period(writer, START - DAY, actor="clerk-7")
        reopen_period(writer, number, actor="clerk-7", reason="a bill came late")
        clock.move(seconds=1)
        writer.post([transfer(key(6), "cash", "alice", 7)])


HOLDS = {name: f"hold {hold}" for name, hold in (("part", PART), ("whole", WHOLE), ("freed", FREED), ("late", LATE))}

TAMPERINGS = {
    "event of a capture deleted": (
        "DELETE FROM ledger.event WHERE after_seq = 3",
        f"entry 3: no event tells that it captured {HOLDS['whole']}",
        f"{HOLDS['whole']}: says 100 was captured, its events tell of 0",
    ),
    "event of a release deleted": (
        "DELETE FROM ledger.event WHERE kind = 'hold.released'",
        f"{HOLDS['freed']}: its release or expiry is told by 0 events",
        f"{HOLDS['freed']}: its release or expiry is told by 0 events",
    ),
    "event among others deleted": (
        "DELETE FROM ledger.event WHERE (after_seq, number) = (1, 2)",
        "event 1.2: is missing: event 1.3 stands after it",
        f"{HOLDS['whole']}: its placing is told by 0 events",
    ),
    "all events deleted": (
        "DELETE FROM ledger.event",
        f"entry 2: no event tells that it captured {HOLDS['part']}",
        "period 1: is told by 0 events",
    ),
    "amount of a capture": (
        "UPDATE ledger.event SET amount = amount + 1 WHERE after_seq = 2",
        f"event 2.1: tells of what does not stand so: hold.captured of {HOLDS['part']}",
        f"{HOLDS['part']}: says 50 was captured, its events tell of 51",
    ),
    "what a capture left": (
        "UPDATE ledger.event SET remaining = 71 WHERE after_seq = 2",
        f"entry 2: its event tells that 71 of {HOLDS['part']} remained, it was 70",
        f"entry 2: its event tells that 71 of {HOLDS['part']} remained, it was 70",
    ),
    "what a last capture left": (
        "UPDATE ledger.event SET remaining = 50 WHERE (after_seq, number) = (4, 1)",
        f"entry 4: its event tells that 50 of {HOLDS['part']} remained, it was 0",
        f"entry 4: its event tells that 50 of {HOLDS['part']} remained, it was 0",
    ),
    "what a placing reserved": (
        "UPDATE ledger.event SET remaining = 99 WHERE (after_seq, number) = (1, 3)",
        f"event 1.3: tells of what does not stand so: hold.placed of {HOLDS['freed']}",
        f"event 1.3: tells of what does not stand so: hold.placed of {HOLDS['freed']}",
    ),
    "account of a placing": (
        "UPDATE ledger.event SET account_id = 3 WHERE (after_seq, number) = (1, 3)",
        f"event 1.3: tells of what does not stand so: hold.placed of {HOLDS['freed']}",
        f"event 1.3: tells of what does not stand so: hold.placed of {HOLDS['freed']}",
    ),
    "hold of a capture": (
        f"UPDATE ledger.event SET hold_id = '{PLACED}' WHERE after_seq = 3",
        f"event 3.1: tells of what does not stand so: hold.captured of hold {PLACED}",
        f"hold {PLACED}: says 0 was captured, its events tell of 100",
    ),
    "events renumbered": (
        "UPDATE ledger.event SET number = number + 100",
        "event 1.1: is missing: event 1.101 stands after it",
        "event 5.1: is missing: event 5.101 stands after it",
    ),
    "event made up": (
        "INSERT INTO ledger.event SELECT 5, 6, kind, account_id, at, payload, hold_id, amount, remaining "
        "FROM ledger.event WHERE after_seq = 3",
        "event 5.6: is told for another time than it stands at",
        f"event 5.6: tells of what does not stand so: hold.captured of {HOLDS['whole']}",
    ),
    "event told twice": (
        "INSERT INTO ledger.event SELECT 4, 3, kind, account_id, at, payload, hold_id, amount, remaining "
        "FROM ledger.event WHERE kind = 'hold.released'",
        f"{HOLDS['freed']}: its release or expiry is told by 2 events",
        f"{HOLDS['freed']}: its release or expiry is told by 2 events",
    ),
    "capture told twice": (
        "INSERT INTO ledger.event SELECT 3, 2, kind, account_id, at, payload, hold_id, amount, remaining "
        "FROM ledger.event WHERE after_seq = 3",
        f"{HOLDS['whole']}: says 100 was captured, its events tell of 200",
        f"{HOLDS['whole']}: says 100 was captured, its events tell of 200",
    ),
    "event moved to another entry": (
        "UPDATE ledger.event SET after_seq = 6, number = 1 WHERE kind = 'hold.released'",
        "event 6.1: is told for another time than it stands at",
        "event 6.1: is told for another time than it stands at",
    ),
    "event ahead of all entries": (
        "UPDATE ledger.event SET after_seq = 4000, number = 1 WHERE kind = 'hold.released'",
        "event 4000.1: follows entry 4000, which does not stand",
        "event 4000.1: follows entry 4000, which does not stand",
    ),
    "event before all entries": (
        "ALTER TABLE ledger.event DROP CONSTRAINT event_after_seq_check; "
        "UPDATE ledger.event SET after_seq = -4, number = 1 WHERE kind = 'hold.released'",
        "event -4.1: follows entry -4, which does not stand",
        "event -4.1: follows entry -4, which does not stand",
    ),
    "event of a kind that there is not": (
        "INSERT INTO ledger.event (after_seq, number, kind, at, payload) VALUES (6, 1, 'bank.closed', now(), '{}')",
        "event 6.1: tells of what does not stand so: bank.closed",
        "event 6.1: tells of what does not stand so: bank.closed",
    ),
    "release said to be an expiry": (
        f"UPDATE ledger.hold SET state = 4 WHERE id = '{FREED}'",
        f"event 4.2: tells of what does not stand so: hold.released of {HOLDS['freed']}",
        f"{HOLDS['freed']}: its state, its times and what was captured of it do not fit together",
    ),
    "release said to be an expiry, and its event with it": (
        f"UPDATE ledger.hold SET state = 4 WHERE id = '{FREED}'; "
        "UPDATE ledger.event SET kind = 'hold.expired' WHERE (after_seq, number) = (4, 2)",
        f"{HOLDS['freed']}: its state, its times and what was captured of it do not fit together",
        f"{HOLDS['freed']}: its state, its times and what was captured of it do not fit together",
    ),
    "expiry said to be a release, and its event with it": (
        f"UPDATE ledger.hold SET state = 3 WHERE id = '{LATE}'; "
        "UPDATE ledger.event SET kind = 'hold.released' WHERE (after_seq, number) = (5, 2)",
        f"{HOLDS['late']}: its state, its times and what was captured of it do not fit together",
        f"{HOLDS['late']}: its state, its times and what was captured of it do not fit together",
    ),
    "capture said to be a release": (
        f"UPDATE ledger.hold SET state = 3 WHERE id = '{PART}'",
        f"entry 4: its event tells that 0 of {HOLDS['part']} remained, it was 50",
        f"{HOLDS['part']}: its release or expiry is told by 0 events",
    ),
    "end of a release moved": (
        f"UPDATE ledger.hold SET ended_at = ended_at + interval '9 hours' WHERE id = '{FREED}'",
        f"event 4.2: tells of what does not stand so: hold.released of {HOLDS['freed']}",
        f"event 4.2: tells of what does not stand so: hold.released of {HOLDS['freed']}",
    ),
    "end of a capture moved": (
        f"UPDATE ledger.hold SET ended_at = ended_at + interval '9 hours' WHERE id = '{WHOLE}'",
        f"{HOLDS['whole']}: its state, its times and what was captured of it do not fit together",
        f"{HOLDS['whole']}: its state, its times and what was captured of it do not fit together",
    ),
    "amount of a released hold": (
        f"UPDATE ledger.hold SET amount = amount + 7 WHERE id = '{FREED}'",
        f"event 1.3: tells of what does not stand so: hold.placed of {HOLDS['freed']}",
        f"event 4.2: tells of what does not stand so: hold.released of {HOLDS['freed']}",
    ),
    "deadline moved before a capture": (
        f"UPDATE ledger.hold SET expires_at = '{START + timedelta(seconds=2)}' WHERE id = '{WHOLE}'",
        f"event 3.1: tells of what does not stand so: hold.captured of {HOLDS['whole']}",
        f"event 3.1: tells of what does not stand so: hold.captured of {HOLDS['whole']}",
    ),
    "hold deleted": (
        f"DELETE FROM ledger.hold WHERE id = '{FREED}'",
        f"event 1.3: tells of what does not stand so: hold.placed of {HOLDS['freed']}",
        f"event 4.2: tells of what does not stand so: hold.released of {HOLDS['freed']}",
    ),
    "hold made up": (
        f"INSERT INTO ledger.hold SELECT (jsonb_populate_record(hold, jsonb_build_object('id', '{key(9999)}'))).* "
        f"FROM ledger.hold WHERE id = '{FREED}'",
        f"hold {key(9999)}: its placing is told by 0 events",
        f"hold {key(9999)}: its placing is told by 0 events",
    ),
    "change of an account told otherwise": (
        "UPDATE ledger.event SET payload = payload || '{\"floor_minor\": \"-2000\"}' WHERE kind = 'account.changed'",
        "event 5.3: tells of what does not stand so: account.changed",
        "event 5.3: tells of what does not stand so: account.changed",
    ),
    "change of an account told of another": (
        "UPDATE ledger.event SET account_id = 2 WHERE kind = 'account.changed'",
        "event 5.3: tells of what does not stand so: account.changed",
        "change 1 of account bob: is told by 0 events",
    ),
    "period told otherwise": (
        "UPDATE ledger.period SET closed_before = closed_before + interval '1 hour'",
        "event 5.4: tells of what does not stand so: period.closed",
        "event 5.4: tells of what does not stand so: period.closed",
    ),
    "event of a reopening deleted": (
        "DELETE FROM ledger.event WHERE kind = 'period.reopened'",
        "reopening of period 1: is told by 0 events",
        "reopening of period 1: is told by 0 events",
    ),
    "reopening deleted": (
        "DELETE FROM ledger.period_reopening",
        "event 5.5: tells of what does not stand so: period.reopened",
        "head: says periods are closed before -infinity, the last one that is closed says 2026-03-01 09:00:00+00",
    ),
    "monitor changed": (
        "UPDATE ledger.monitor SET value = 300",
        "event 5.1: tells of what does not stand so: monitor.fired",
        "event 5.1: tells of what does not stand so: monitor.fired",
    ),
    "monitor's event told of another account": (
        "UPDATE ledger.event SET account_id = 3 WHERE kind = 'monitor.fired'",
        "event 5.1: tells of what does not stand so: monitor.fired",
        "event 5.1: tells of what does not stand so: monitor.fired",
    ),
    "payload that is none": (
        'UPDATE ledger.event SET payload = \'{"period": "x", "monitor": "-"}\' WHERE payload IS NOT NULL',
        "event 5.3: tells of what does not stand so: account.changed",
        "event 5.5: tells of what does not stand so: period.reopened",
    ),
}
"""Name to statement, first finding, further finding (the same where there is one only)."""


def test_books_with_every_step_are_sound_whatever_ranges(url: str) -> None:
    for range_entries in (1, 2, 1000):
        assert told(proved(url, range_entries=range_entries)) == []


@pytest.mark.parametrize("name", TAMPERINGS)
def test_each_tampering_is_named_first_and_fully(url: str, name: str) -> None:
    statement, first, other = TAMPERINGS[name]
    tamper(url, statement)
    found = told(proved(url, range_entries=2))
    assert found[0] == first
    assert other in found


AS_TEXT = """
    UPDATE ledger.event SET hold_id = NULL, amount = NULL, remaining = NULL, payload = jsonb_build_object(
        'hold', hold_id, 'amount_minor', amount::text, 'remaining_minor', remaining::text
    )
    WHERE hold_id IS NOT NULL AND after_seq < 5
"""
OLDER = {
    "none": ("DELETE FROM ledger.event", None),
    "the first ones": ("DELETE FROM ledger.event WHERE after_seq < 4", "DELETE FROM ledger.event WHERE after_seq = 4"),
    "of holds only": ("DELETE FROM ledger.event WHERE kind LIKE 'account.%' OR kind LIKE 'period.%'", None),
    "as text": (AS_TEXT, "DELETE FROM ledger.event WHERE after_seq = 4"),
}


@pytest.mark.parametrize("name", OLDER)
def test_books_older_than_events_are_sound_and_later_steps_must_be_told(url: str, name: str) -> None:
    older, lost = OLDER[name]
    tamper(url, older)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE ledger.head DROP COLUMN events_since")
        connection.execute((SQL_FOLDER / "migrations" / "0068_events_since.sql").read_bytes())
    assert told(proved(url, range_entries=2)) == []
    with open_writer(url, Clock(START + DAY / 2), PlainRules()) as writer:
        writer.post([transfer(key(7), "alice", "bob", 10, hold_id=PLACED)])
        writer.post([transfer(key(8), "cash", "bob", 10)])
    assert told(proved(url, range_entries=2)) == []
    tamper(url, lost or "DELETE FROM ledger.event WHERE after_seq = 7")
    assert told(proved(url, range_entries=2)) != []
