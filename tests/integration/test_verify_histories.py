"""Aim: ``verify`` proves that histories have no gap, follow from change to change and end where things stand.

Method: real PostgreSQL; books with changes of terms, metadata, an alias, a chart, a schedule and a reported period;
superuser SQL with triggers and constraints off, on a copy for each case.
"""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from ledger.account import Side
from ledger.journal import Posting, transfer
from ledger.metadata import set_alias, set_metadata, take_alias_back
from ledger.periods import close_period, report_periods
from ledger.posting import AccountTerms
from ledger.recurrence import Recurrence, Unit
from ledger.schedule import Schedule, Template
from ledger.schedule_store import change_schedule, create_schedule
from ledger.structure import open_book, open_portfolio
from tests.support.books import START, Clock, PlainRules, key, open_accounts, open_writer
from tests.support.tampering import proved, tamper, told

DAY = timedelta(days=1)
RENT = Schedule(
    key(7),
    "alice",
    Template((Posting("alice", Side.DEBIT, 500), Posting("bob", Side.CREDIT, 500))),
    Recurrence(START.replace(tzinfo=None), "UTC", Unit.DAY, count=3),
)


def fill(url: str) -> None:
    """Change everything that keeps a history, most of it twice."""
    clock = Clock()
    with open_writer(url, clock, PlainRules()) as writer, psycopg.connect(url, autocommit=True) as connection:
        open_accounts(connection, "cash EUR debit -\nalice EUR credit -\nbob EUR credit -")
        for floor in (-1000, -2000, -3000):
            terms = AccountTerms(status="open", floor=floor, overdraft=0, ceiling=None)
            assert writer.set_account_terms("bob", terms, "clerk-7") == "changed"
        by = {"actor": "clerk-7", "now": START}
        for pairs in ({"tier": "gold", "branch": "7"}, {"tier": "silver"}, {"branch": None}):
            assert set_metadata(connection, "alice", pairs, **by)
        assert set_alias(connection, "@rent", "alice", **by)
        assert set_alias(connection, "@rent", "bob", move=True, **by)
        assert set_alias(connection, "@gone", "bob", **by)
        assert take_alias_back(connection, "@gone", **by)
        open_book(connection, "branch", **by)
        open_portfolio(connection, "branch", "north", **by)
        create_schedule(connection, RENT, START)
        assert change_schedule(connection, RENT.id, "pause", actor="alice", now=START)
        writer.post([transfer(key(1), "cash", "alice", 1000)])
        clock.move(days=3)
        for days in (1, 2):
            close_period(writer, START + days * DAY, actor="clerk-7")
        report_periods(connection, now=clock())


RUN = f"INSERT INTO ledger.schedule_run VALUES ('{RENT.id}', '{START}', 1, 1, '{key(1)}', 'posted', 1, '{START}')"

TAMPERINGS = {
    "terms in between": (
        "UPDATE ledger.account_change SET after = jsonb_set(after, '{floor}', '-2500') WHERE number = 2",
        "terms of account bob: change 3 does not begin where the change before it ends",
    ),
    "change of metadata deleted": (
        "DELETE FROM ledger.metadata_change WHERE number = 3",
        "metadata of account alice: change 3 is missing: change 4 stands after it",
    ),
    "value in the history of metadata": (
        "UPDATE ledger.metadata_change SET after = 'platinum' WHERE after = 'gold'",
        "metadata of account alice: change 3 does not begin where the change before it ends",
    ),
    "metadata": (
        'UPDATE ledger.account_metadata SET pairs = pairs || \'{"tier": "gold"}\'',
        "metadata of account alice: stands otherwise than its history ends: tier",
    ),
    "metadata made up": (
        'UPDATE ledger.account_metadata SET pairs = pairs || \'{"age": "7"}\'',
        "metadata of account alice: stands otherwise than its history ends: age",
    ),
    "metadata deleted": (
        "DELETE FROM ledger.account_metadata",
        "metadata of account alice: stands otherwise than its history ends: tier",
    ),
    "alias moved": (
        "UPDATE ledger.alias SET account_id = 2 WHERE alias = '@rent'",
        "alias @rent: stands otherwise than its history ends",
    ),
    "alias back again": (
        "UPDATE ledger.alias SET account_id = 2 WHERE alias = '@gone'",
        "alias @gone: stands otherwise than its history ends",
    ),
    "history of an alias": (
        "UPDATE ledger.alias_change SET before = 1 WHERE (alias, number) = ('@rent', 2)",
        "alias @rent: change 2 does not begin where the change before it ends",
    ),
    "change of a chart deleted": (
        "DELETE FROM ledger.chart_change WHERE number = 2",
        "chart of book branch: stands otherwise than its history ends: version",
    ),
    "first change of a chart deleted": (
        "DELETE FROM ledger.chart_change WHERE number = 1",
        "chart of book branch: change 1 is missing: change 2 stands after it",
    ),
    "order of a schedule deleted": (
        "DELETE FROM ledger.schedule_change WHERE number = 1",
        f"orders of schedule {RENT.id}: change 1 is missing: change 2 stands after it",
    ),
    "run of a schedule made up": (
        RUN.replace(f"'{key(1)}'", f"'{key(2)}'"),
        f"schedule {RENT.id} at 2026-03-02 09:00:00+00: its record names an entry that does not stand under its key",
    ),
    "figures of a period": (
        "UPDATE ledger.period_report SET entry_count = entry_count + 1 WHERE number = 1",
        "report of period 1: does not give its digest",
    ),
    "figures of a period, and their digest": (
        "UPDATE ledger.period_report SET digest = sha256(digest) WHERE number = 1",
        "report of period 2: does not give its digest",
    ),
}
"""Name to statement, and a finding."""


def test_sound_histories_prove(url: str) -> None:
    assert told(proved(url)) == []


@pytest.mark.parametrize("name", TAMPERINGS)
def test_each_tampering_is_named(url: str, name: str) -> None:
    statement, named = TAMPERINGS[name]
    tamper(url, statement)
    assert named in told(proved(url))
