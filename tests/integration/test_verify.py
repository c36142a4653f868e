"""Aim: ``verify`` proves sound books and names each tampering; what it kept is enough to go on after any interruption.

Method: real PostgreSQL, small ranges so that every check crosses a border; superuser SQL with triggers off.
"""

from __future__ import annotations

import psycopg
import pytest

from ledger.journal import transfer
from ledger.verify import Verification
from tests.support.books import START, Clock, PlainRules, key, open_accounts, open_writer, verify


@pytest.mark.parametrize("workers", [1, 2])
def test_sound_books_give_no_findings_whatever_the_workers(database_url: str, workers: int) -> None:
    with (
        open_writer(database_url, Clock(), PlainRules()) as writer,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        open_accounts(connection, "cash EUR debit -\nalice EUR credit -")
        for number in range(1, 30):
            writer.post([transfer(key(number), "cash", "alice", number, effective_at=START)])
    report = Verification(database_url, verify, workers=workers, range_entries=10).run()
    assert report.findings == []
    assert report.entry_count == 29
    assert report.standing.account_count == 2
