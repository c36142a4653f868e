"""Builders for tests of events: whole readings of the outbox, connections with the application's rights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from ledger import pack
from ledger.outbox import START, OutboxEvent, Position, read_page


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
