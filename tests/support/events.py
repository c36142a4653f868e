"""Builders for tests of events: rules that judge monitors in the entries' own commit, whole readings of the outbox."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg

from ledger import pack
from ledger.balances import find_account
from ledger.event import NewEvent, monitor_fired
from ledger.journal import AcceptedEntry
from ledger.monitor_store import monitors_of
from ledger.monitors import Monitor, crossed
from ledger.outbox import START, OutboxEvent, Position, read_page, record_events
from tests.support.books import PlainRules


class WatchingRules(PlainRules):
    """Judges monitors entry by entry, as the writer does, and records what fires in the entries' own commit."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch = 0
        self.money: dict[str, tuple[int, int]] = {}
        self.monitors: dict[str, tuple[int, tuple[Monitor, ...]]] = {}

    def watch(self, connection: psycopg.Connection[Any], reference: str) -> None:
        """Learn the account as it stands, with its monitors."""
        account = find_account(connection, reference)
        self.money[reference] = (account.balance, account.held)
        number = account.facts.id
        self.monitors[reference] = (number, monitors_of(connection, [number]).get(number, ()))

    def in_commit(self, cursor: psycopg.Cursor[Any], accepted: Sequence[AcceptedEntry], now: datetime) -> None:
        super().in_commit(cursor, accepted, now)
        events = [event for entry in accepted for event in self._fired(entry)]
        if events:
            record_events(cursor, self.epoch, events, now)

    def _fired(self, accepted: AcceptedEntry) -> Iterator[NewEvent]:
        for posting in accepted.entry.postings:
            if posting.account not in self.monitors:
                continue
            number, monitors = self.monitors[posting.account]
            before = self.money[posting.account]
            # Accounts that tests watch have the credit side as their normal one.
            after = (before[0] + (posting.amount if posting.side == 2 else -posting.amount), before[1])
            self.money[posting.account] = after
            for monitor in crossed(monitors, before, after):
                yield monitor_fired(monitor, number, accepted.seq, before, after)


def read_all(connection: psycopg.Connection[Any], after: Position = START, **more: Any) -> list[OutboxEvent]:
    """Read to the end, page by page."""
    events: list[OutboxEvent] = []
    count_max = more.pop("count_max", 7)
    while True:
        page = read_page(connection, after, count_max=count_max, **more)
        events += page.events
        if page.is_last:
            return events
        assert page.after > after
        after = page.after


@contextmanager
def as_application(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection with the rights of the application and no more."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET ROLE dwaybank_application")
        pack.register(connection)
        yield connection
