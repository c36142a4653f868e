"""Rich books in small partitions, their period closed, ready to be archived; and who archives them."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

import psycopg

from ledger.archive import Archivist
from ledger.balances_in_time import snapshot
from ledger.periods import close_period, report_periods
from ledger.schema import migrate
from tests.support.books import START, Clock, PlainRules, open_writer, sign, verify
from tests.support.database_stage import divide_journal
from tests.support.rich_books import LAST, fill

END = START + timedelta(days=40)
"""The books are closed for times before; everything in them is older."""

ALL = 10**9
"""As if every entry were anchored."""


def prepare(url: str, partition_entries: int) -> None:
    """Divide an empty ledger, post rich books and what comes later, close the period of the former."""
    with psycopg.connect(url, autocommit=True) as connection:
        migrate(connection)
        connection.execute("SET session_replication_role = replica")
        divide_journal(connection, partition_entries)
        connection.execute("SET session_replication_role = origin")
    fill(url)
    close(url)


def close(url: str) -> None:
    """Let the deadlines of holds pass and close the period."""
    clock = Clock(END + timedelta(days=1))
    with open_writer(url, clock, PlainRules()) as writer:
        writer.expire_holds()
        close_period(writer, END, actor="auditor-1")
    with psycopg.connect(url, autocommit=True) as connection:
        report_periods(connection, now=clock())
        snapshot(connection, block=2)


def archivist(url: str, **more: Any) -> Archivist:
    """Return who archives with the test's key."""
    given: dict[str, Any] = {"sign": sign, "verify": verify, "actor": "operator", "now": lambda: ARCHIVED_AT}
    return Archivist(url, "DwaybankMSP", **given | more)


def sealed(lines: list[bytes]) -> list[bytes]:
    """Seal the lines of a file anew, as whoever changed them would."""
    seal = json.loads(lines[-1])
    seal |= {"lines": len(lines) - 1, "sha256": hashlib.sha256(b"".join(lines[:-1])).hexdigest()}
    return [*lines[:-1], json.dumps(seal, separators=(",", ":")).encode() + b"\n"]


ARCHIVED_AT = datetime.fromisoformat("2026-06-01T12:00:00+00:00")

__all__ = ["ALL", "ARCHIVED_AT", "END", "LAST", "archivist", "close", "prepare", "sealed"]
