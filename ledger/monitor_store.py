"""Where monitors are kept: set and dropped in the writer's line, read with the accounts they watch."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import psycopg

from ledger.monitors import Field, Monitor, Operator
from ledger.queries import query

Run = Callable[[bytes, tuple[Any, ...]], tuple[Any, ...]]

MONITORS_MAX = 32
"""Most monitors of one account: each is judged at every posting of it."""


def set_monitor(run: Run, monitor: Monitor, now: datetime, tenant: int | None = None) -> str:
    """Watch from here on; returns the code that ``sql/functions/monitor_set.sql`` lists.

    Args:
        run: the writer's ``run``: calls a function of the books in line with the postings.
        monitor: what to watch.
        now: the writer's time.
        tenant: who asks, by number; None for the organization. Only who set it, or the organization, may drop it.
    """
    values = (monitor.id, monitor.account, monitor.field, monitor.operator, monitor.value, MONITORS_MAX, now, tenant)
    (code,) = run(query("set_monitor"), values)
    return str(code)


def drop_monitor(run: Run, monitor_id: uuid.UUID, now: datetime, tenant: int | None = None) -> str:
    """Watch no longer; returns the code that ``sql/functions/monitor_set.sql`` lists."""
    (code,) = run(query("drop_monitor"), (monitor_id, now, tenant))
    return str(code)


def monitors_of(connection: psycopg.Connection[Any], account_ids: Sequence[int]) -> dict[int, tuple[Monitor, ...]]:
    """Return the monitors of accounts by their ids inside the database; accounts without one are left out."""
    found: dict[int, list[Monitor]] = {}
    rows = connection.execute(query("monitors_of"), (list(account_ids),))
    for account_id, number, reference, field, symbol, value in rows:
        monitor = Monitor(number, reference, Field(field), Operator(symbol), value)
        found.setdefault(account_id, []).append(monitor)
    return {account_id: tuple(monitors) for account_id, monitors in found.items()}


def list_monitors(
    connection: psycopg.Connection[Any], *, account: str = "", after: uuid.UUID, count_max: int
) -> list[Monitor]:
    """Return monitors that watch, by id.

    Args:
        connection: any that may read the books.
        account: only those of this account; empty for all.
        after: id that they come behind; the zero UUID for the first page.
        count_max: most of them.
    """
    rows = connection.execute(query("monitors"), {"after": after, "account": account, "count_max": count_max})
    return [
        Monitor(number, reference, Field(field), Operator(symbol), value)
        for number, reference, field, symbol, value in rows
    ]
