"""What a superuser may do to books, and what ``verify`` says of it."""

from __future__ import annotations

import psycopg

from ledger.verify import Verification, VerifyReport
from tests.support.books import verify
from tests.support.journal import NO_CHECKS


def tamper(url: str, statement: str) -> None:
    """Run a statement with triggers and foreign keys off, and the journal unchecked; it must change something."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(NO_CHECKS.encode())
        assert connection.execute(statement.encode()).rowcount != 0


def proved(url: str, **more: object) -> VerifyReport:
    """Prove the books in one process, by ranges of ten entries where nothing else is said."""
    return Verification(url, verify, **{"workers": 1, "range_entries": 10, **more}).run()  # type: ignore[arg-type]


def told(report: VerifyReport) -> list[str]:
    """Return what a report found, a line each."""
    return [f"{found.subject}: {found.problem}" for found in report.findings]
