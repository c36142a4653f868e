"""Holds statements of other banks against the books: which movement is which posting, and what stays open.

The parts, in the order of the work (``docs/reconciliation.md`` tells it for people who run it):

- ``statement_files`` reads CSV, camt.053 and MT940 into ``StatementFile``; what does not add up is refused;
- ``store`` keeps files once and runs the matching over what stands open; a second run changes nothing;
- ``matching`` is the pure function between them, by the ``rules`` of the ``settings`` file; it never guesses;
- ``queue`` is what waits for a person, and what persons decided; ``summary`` tells how far each account is;
- ``daily_balances`` compares recorded with computed balances day by day, for statements that record them.

Matching alone, with nothing but values::

    >>> from datetime import date
    >>> from ledger.reconciliation import Agreement, MatchRule, Shape, UnmatchedPosting, UnmatchedRecord, match_account
    >>> day = date(2026, 3, 2)
    >>> records = [
    ...     UnmatchedRecord(1, 90_000, day, day, frozenset({"run-88"})),
    ...     UnmatchedRecord(2, -450, day, day, frozenset()),
    ... ]
    >>> postings = [
    ...     UnmatchedPosting(seq=7, number=1, change=40_000, day=day, settlement_id="run-88"),
    ...     UnmatchedPosting(seq=8, number=1, change=50_000, day=day, settlement_id="run-88"),
    ...     UnmatchedPosting(seq=9, number=2, change=-455, day=day),
    ... ]
    >>> rules = [
    ...     MatchRule("batch", Shape.ONE_TO_MANY, agree=frozenset({Agreement.SETTLEMENT_ID}), days=3),
    ...     MatchRule("fee", tolerance={"EUR": 5}),
    ... ]
    >>> for match in match_account(records, postings, rules, asset="EUR").matches:
    ...     print(match.rule, match.records, match.postings, match.difference)
    batch (1,) ((7, 1), (8, 1)) 0
    fee (2,) ((9, 2),) 5

In the books, with a connection of the role ``dwaybank_application`` and the time given by the caller::

    settings = read_settings(Path("correspondent.yaml"))
    file = read_statement_file(Path("statement.xml").read_bytes(), settings.accounts)
    import_statement_file(connection, file, actor="treasury", now=now)
    run_reconciliation(connection, settings.rules, actor="treasury", now=now)
    for item in list_exceptions(connection):
        print(item.id, item.account, item.kind.text, item.difference)
    decide_exceptions(connection, [3], Decision.EXPLAINED, actor="a. clerk", reason="paid out on 2 April", now=now)
"""

from __future__ import annotations

from ledger.reconciliation.daily_balances import (
    Break,
    DayChange,
    Reconciliation,
    RecordedDay,
    day_changes,
    reconcile,
    recorded_days,
)
from ledger.reconciliation.exceptions import Period
from ledger.reconciliation.matching import match_account
from ledger.reconciliation.queue import (
    Decision,
    DecisionTaken,
    ExceptionState,
    QueuedException,
    StoredMatch,
    decide_exceptions,
    decisions_of,
    list_exceptions,
    list_matches,
    take_apart,
)
from ledger.reconciliation.records import (
    ExceptionKind,
    ExternalRecord,
    ExternalStatement,
    Match,
    Matching,
    OpenException,
    StatementFile,
    UnmatchedPosting,
    UnmatchedRecord,
)
from ledger.reconciliation.rules import STANDARD_RULES, Agreement, MatchRule, Shape
from ledger.reconciliation.settings import ReconciliationSettings, read_settings
from ledger.reconciliation.statement_files import read_statement_file
from ledger.reconciliation.store import (
    ImportOutcome,
    RunOutcome,
    erase_counterparties,
    import_statement_file,
    run_reconciliation,
)
from ledger.reconciliation.summary import AccountSummary, summarise

__all__ = [
    "STANDARD_RULES",
    "AccountSummary",
    "Agreement",
    "Break",
    "DayChange",
    "Decision",
    "DecisionTaken",
    "ExceptionKind",
    "ExceptionState",
    "ExternalRecord",
    "ExternalStatement",
    "ImportOutcome",
    "Match",
    "MatchRule",
    "Matching",
    "OpenException",
    "Period",
    "QueuedException",
    "Reconciliation",
    "ReconciliationSettings",
    "RecordedDay",
    "RunOutcome",
    "Shape",
    "StatementFile",
    "StoredMatch",
    "UnmatchedPosting",
    "UnmatchedRecord",
    "day_changes",
    "decide_exceptions",
    "decisions_of",
    "erase_counterparties",
    "import_statement_file",
    "list_exceptions",
    "list_matches",
    "match_account",
    "read_settings",
    "read_statement_file",
    "reconcile",
    "recorded_days",
    "run_reconciliation",
    "summarise",
    "take_apart",
]
