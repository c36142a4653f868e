"""Reconciliation in the database: statement files in, runs over what stands open, decisions about exceptions.

Rules:
- a file is stored once, known by the hash of its bytes; a statement or movement that comes again must say the same,
  and comes under its own name;
- a run reads, matches and stores under one lock, so that two at once give what one after the other would;
- a run that finds nothing new stores nothing; what it matched or a person decided, no later run changes;
- everything is written through functions that judge it again; the application's role can write no row by itself.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import psycopg

from ledger.archived import telling_archived
from ledger.errors import ConflictError, InvalidValueError, NotFoundError
from ledger.queries import query
from ledger.reconciliation.exceptions import Period
from ledger.reconciliation.matching import match_account
from ledger.reconciliation.records import (
    ACTOR_LENGTH_MAX,
    PARTY_LENGTH_MAX,
    RECORD_KEY_LENGTH_MAX,
    REFERENCE_LENGTH_MAX,
    REFERENCES_MAX,
    STATEMENT_NAME_LENGTH_MAX,
    ExplainedGroup,
    ExternalStatement,
    Match,
    OpenException,
    StatementFile,
    UnmatchedPosting,
    UnmatchedRecord,
    check_text,
    normal_reference,
    normal_references,
)
from ledger.reconciliation.rules import MatchRule, rules_as_json

AHEAD_MAX = timedelta(days=31)
"""How far in the future a statement's last day may lie: one that covers all days to come would make every posting yet
to be made an exception, and hide all later statements from the status, for good."""

PART_CHARACTERS = 40_000_000
"""Length of the matches, some 260,000, that the database is given at once: the binary form that it makes of them is up
to six times as long, and may have 256 MiB."""

_LOCK = b"SELECT pg_advisory_xact_lock(hashtext('ledger.reconciliation'))"


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What a statement file brought.

    Args:
        new_file: false when the very file was stored before; then nothing is new.
    """

    new_file: bool
    new_statements: int
    new_records: int


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What a run changed.

    Args:
        run: its number; None when nothing changed, and nothing was stored. The last number where a run found so many
            matches that they are kept as several, in one commit.
        matched: new matches.
        opened: new exceptions.
        cleared: exceptions that ended because their members were matched or stand in others now.
    """

    run: int | None
    account_count: int
    matched: int
    opened: int
    cleared: int

    def plus(self, run: int | None, matched: int, opened: int, cleared: int) -> RunOutcome:
        """Return the outcome with another part of it."""
        return RunOutcome(
            run or self.run,
            self.account_count,
            self.matched + matched,
            self.opened + opened,
            self.cleared + cleared,
        )


@telling_archived()
def import_statement_file(
    connection: psycopg.Connection[Any],
    file: StatementFile,
    *,
    actor: str,
    now: datetime,
    may_repeat: bool = False,
) -> ImportOutcome:
    """Store a statement file, once.

    Args:
        actor: who imports it.
        may_repeat: statements may list what another one lists under another name: the bank truly booked it twice.
    Raises:
        NotFoundError: the books have no such account.
        InvalidValueError: an account counts another asset, a name stands twice in the file, or a statement covers days
            far in the future.
        ConflictError: a statement or movement stored before says something else now, or comes again under another
            name; names it.
        ArchivedError: what an account moved by the day of a movement is archived.
    """
    check_text("actor", actor, ACTOR_LENGTH_MAX)
    _check_names(file)
    for statement in file.statements:
        if statement.last_day > now.date() + AHEAD_MAX:
            reason = f"covers days until {statement.last_day}, more than {AHEAD_MAX.days} days to come"
            raise InvalidValueError("statement", statement.reference, reason)
    numbered = list(enumerate(file.statements, start=1))
    statements = [_statement_row(number, statement, may_repeat) for number, statement in numbered]
    records = [row for number, statement in numbered for row in _record_rows(number, statement)]
    row = connection.execute(
        "SELECT * FROM ledger.reconcile_import(%s, %s, %s, %s, %s, %s)",
        (file.digest, file.format, actor, now, json.dumps(statements), json.dumps(records)),
    ).fetchone()
    assert row is not None
    code, detail, new_statements, new_records = row
    if code == "account_not_found":
        raise NotFoundError(f"account {detail!r} does not exist: open it, or correct the mapping of accounts")
    if code == "asset_mismatch":
        raise InvalidValueError("account", detail, "counts another asset than the statement")
    if code == "record_conflict":
        raise ConflictError(f"movement {detail!r} was received before with another amount, day or reference")
    if code == "statement_conflict":
        raise ConflictError(f"statement {detail!r} was received before with other balances, days or movements")
    if code == "other_format":
        raise ConflictError(
            f"statement {detail!r} covers days that came in another format: each movement would count twice"
        )
    if code == "statement_repeated":
        raise ConflictError(
            f"{code}: statement {detail} again, which would count twice: leave it out, or say that it may repeat them "
            "where the bank booked all of them twice"
        )
    return ImportOutcome(code == "imported", new_statements, new_records)


def run_reconciliation(
    connection: psycopg.Connection[Any],
    rules: Sequence[MatchRule],
    *,
    actor: str,
    now: datetime,
    accounts: Sequence[str] | None = None,
) -> RunOutcome:
    """Match what stands open between statements and books, and bring the queue of exceptions up to date.

    Args:
        rules: tried in this order; their names are stored with the matches.
        accounts: references; None for all accounts with a statement.
    Raises:
        NotFoundError: an account without a statement.
    """
    check_text("actor", actor, ACTOR_LENGTH_MAX)
    with connection.transaction():
        connection.execute(_LOCK)
        scope = _Scope.read(connection, accounts)
        days = max((rule.days for rule in rules), default=0)
        scope.read_open_items(connection, days)
        matches: list[tuple[int, Match]] = []
        exceptions: list[tuple[int, OpenException]] = []
        for account, asset in scope.assets.items():
            found = match_account(
                scope.records[account],
                scope.postings[account],
                rules,
                asset=asset,
                periods=scope.periods[account],
                explained=scope.explained[account],
            )
            matches += ((account, match) for match in found.matches)
            exceptions += ((account, item) for item in found.exceptions)
        head = (list(scope.assets), actor, now, json.dumps(rules_as_json(rules)))
        standing = json.dumps([_exception_row(*item, number) for number, item in enumerate(exceptions, 1)])
        outcome = RunOutcome(None, len(scope.assets), 0, 0, 0)
        for part in _in_parts(matches):
            # Each part knows all exceptions: the first opens and ends them, and the others find them as they stand.
            outcome = outcome.plus(*_store(connection, *head, part, standing))
    return outcome


def _store(connection: psycopg.Connection[Any], *given: Any) -> tuple[int | None, int, int, int]:
    try:
        row = connection.execute("SELECT * FROM ledger.reconcile_store(%s, %s, %s, %s, %s, %s)", given).fetchone()
    except psycopg.errors.ProgramLimitExceeded as error:
        reason = "are more than one run can store, about a million: reconcile fewer accounts, or post what is missing"
        raise InvalidValueError("exceptions", "those of this run", reason) from error
    assert row is not None
    run, matched, opened, cleared = row
    return run, matched, opened, cleared


def _in_parts(matches: Sequence[tuple[int, Match]]) -> Iterator[str]:
    """Yield the matches as JSON arrays that the database takes, one at the least."""
    part: list[str] = []
    length = 0
    for number, item in enumerate(matches, 1):
        text = json.dumps(_match_row(*item, number))
        if part and length + len(text) > PART_CHARACTERS:
            yield f"[{','.join(part)}]"
            part, length = [], 0
        part.append(text)
        length += len(text)
    yield f"[{','.join(part)}]"


def erase_counterparties(connection: psycopg.Connection[Any], account: str, before: date) -> int:
    """Erase the other parties' names and text from an account's records booked before a day; return how many.

    Amounts, days, references and matches stay. A file that is received again does not bring them back.
    """
    row = connection.execute("SELECT ledger.reconcile_erase(%s, %s)", (account, before)).fetchone()
    assert row is not None
    return int(row[0])


class _Scope:
    """What a run looks at, by account."""

    def __init__(self, assets: dict[int, str]) -> None:
        self.assets = assets
        self.periods: dict[int, list[Period]] = defaultdict(list)
        self.records: dict[int, list[UnmatchedRecord]] = defaultdict(list)
        self.postings: dict[int, list[UnmatchedPosting]] = defaultdict(list)
        self.explained: dict[int, list[ExplainedGroup]] = defaultdict(list)

    @classmethod
    def read(cls, connection: psycopg.Connection[Any], accounts: Sequence[str] | None) -> _Scope:
        wanted = None if accounts is None else list(accounts)
        found = connection.execute(query("reconcile_accounts"), {"accounts": wanted}).fetchall()
        missing = sorted(set(accounts or ()) - {reference for _, reference, _ in found})
        if missing:
            raise NotFoundError(f"account {missing[0]!r} has no statement to reconcile with")
        return cls({account: asset for account, _, asset in found})

    def read_open_items(self, connection: psycopg.Connection[Any], days: int) -> None:
        accounts = list(self.assets)
        for account, first, last in connection.execute(query("reconcile_periods"), (accounts,)):
            self.periods[account].append(Period(first, last))
        for account, record, change, value_day, booking_day, references in connection.execute(
            query("reconcile_records"), (accounts,)
        ):
            known = normal_references(references)
            self.records[account].append(UnmatchedRecord(record, change, value_day, booking_day, known))
        for account, seq, number, change, day, settlement, key, description in connection.execute(
            query("reconcile_postings"), {"accounts": accounts, "days": days}
        ):
            self.postings[account].append(
                UnmatchedPosting(seq, number, change, day, normal_reference(settlement), key, description)
            )
        for account, records, seqs, numbers in connection.execute(query("reconcile_explained"), (accounts,)):
            postings = frozenset(zip(seqs, numbers, strict=True))
            self.explained[account].append(ExplainedGroup(frozenset(records), postings))


def _check_names(file: StatementFile) -> None:
    """Every name fits the database and stands once in the file; errors tell it before anything is stored."""
    names: set[tuple[str, str]] = set()
    keys: set[tuple[str, str]] = set()
    for statement in file.statements:
        check_text("statement", statement.reference, STATEMENT_NAME_LENGTH_MAX)
        name = (statement.account, statement.reference)
        if name in names:
            raise InvalidValueError("statement", statement.reference, "stands twice in the file")
        names.add(name)
        for record in statement.records:
            check_text("movement", record.key, RECORD_KEY_LENGTH_MAX)
            if (statement.account, record.key) in keys:
                raise InvalidValueError("movement", record.key, "stands twice in the file")
            keys.add((statement.account, record.key))
            if len(record.references) > REFERENCES_MAX:
                raise InvalidValueError("movement", record.key, f"has more than {REFERENCES_MAX} references")
            for reference in record.references:
                check_text("reference", reference, REFERENCE_LENGTH_MAX)
            if record.counterparty:
                check_text("counterparty of the movement", record.counterparty, PARTY_LENGTH_MAX)


def _statement_row(number: int, statement: ExternalStatement, may_repeat: bool) -> dict[str, Any]:
    return {
        "number": number,
        "account": statement.account,
        "asset": statement.asset,
        "reference": statement.reference,
        "first_day": statement.first_day.isoformat(),
        "last_day": statement.last_day.isoformat(),
        "opening": statement.opening,
        "closing": statement.closing,
        "record_count": len(statement.records),
        "may_repeat": may_repeat,
    }


def _record_rows(number: int, statement: ExternalStatement) -> list[dict[str, Any]]:
    return [
        {
            "statement": number,
            "key": record.key,
            "number": record.number,
            "change": record.change,
            "value_day": record.value_day.isoformat(),
            "booking_day": record.booking_day.isoformat(),
            "reference": list(record.references),
            "party": record.counterparty,
        }
        for record in statement.records
    ]


def _match_row(account: int, match: Match, number: int) -> dict[str, Any]:
    more = {"rule": match.rule, "tolerance": match.tolerance}
    return _group_row(account, match, number) | more


def _exception_row(account: int, item: OpenException, number: int) -> dict[str, Any]:
    return _group_row(account, item, number) | {"kind": int(item.kind)}


def _group_row(account: int, group: Match | OpenException, number: int) -> dict[str, Any]:
    return {
        "number": number,
        "account_id": account,
        "record_id": list(group.records),
        "posting_seq": [seq for seq, _ in group.postings],
        "posting_number": [place for _, place in group.postings],
    }
