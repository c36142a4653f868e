"""Statements of account nostro and entries that change it, for tests of reconciliation."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from typing import Any

import psycopg

from ledger.account import Side
from ledger.journal import NewEntry, Posting
from ledger.posting import Writer
from ledger.reconciliation.records import ExternalRecord, ExternalStatement, StatementFile
from ledger.reconciliation.rules import STANDARD_RULES, MatchRule
from ledger.reconciliation.store import ImportOutcome, RunOutcome, import_statement_file, run_reconciliation
from tests.support.books import START, key

Connection = psycopg.Connection[Any]
ACTOR = "auditor"


def post(writer: Writer, number: int, change: int, day: int, settlement: str = "") -> int:
    """Post an entry that changes nostro; return its number."""
    sides = (Side.DEBIT, Side.CREDIT) if change > 0 else (Side.CREDIT, Side.DEBIT)
    postings = tuple(Posting(name, side, abs(change)) for name, side in zip(("nostro", "clients"), sides, strict=True))
    when = datetime(2026, 3, day, 12, tzinfo=UTC)
    (result,) = writer.post([NewEntry(key(number), postings, settlement_id=settlement, effective_at=when)])
    return result.seq


def record(name: str, change: int, day: int, *references: str, party: str = "") -> ExternalRecord:
    when = date(2026, 3, day)
    return ExternalRecord(name, int(name[1:]), change, when, when, references, party)


def file_of(name: str, *records: ExternalRecord, days: tuple[int, int] = (1, 31), **more: Any) -> StatementFile:
    statement = ExternalStatement(
        **{
            "account": "nostro",
            "asset": "EUR",
            "reference": name,
            "first_day": date(2026, 3, days[0]),
            "last_day": date(2026, 3, days[1]),
            "opening": 0,
            "closing": sum(item.change for item in records),
            "records": records,
            **more,
        }
    )
    digest = hashlib.sha256(repr((name, records, days, more)).encode()).digest()
    return StatementFile(digest, "camt.053", (statement,))


def bring(connection: Connection, file: StatementFile) -> ImportOutcome:
    return import_statement_file(connection, file, actor=ACTOR, now=START)


def run(connection: Connection, rules: tuple[MatchRule, ...] = STANDARD_RULES) -> RunOutcome:
    return run_reconciliation(connection, rules, actor=ACTOR, now=START)
