"""The queue of exceptions: what waits for a person, and what persons decided.

A decision names actor, time and reason and is never changed; taking it back is a further decision.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from ledger.archived import telling_archived
from ledger.errors import ConflictError, InvalidValueError, NotFoundError
from ledger.queries import query
from ledger.reconciliation.records import ACTOR_LENGTH_MAX, ExceptionKind, PostingId, check_text

PAGE_SIZE_MAX = 1000
REASON_LENGTH_MAX = 500


class ExceptionState(enum.IntEnum):
    """Where an exception stands; the numbers stand in the database."""

    OPEN = 1
    EXPLAINED = 2
    """Understood, and still unmatched; a later statement or entry may match it."""
    MATCHED_BY_HAND = 3
    WRITTEN_OFF = 4
    """A correcting entry stands for the difference."""
    CLEARED = 5
    """A later run matched its members, or found them in other exceptions."""


class Decision(enum.Enum):
    """What a person may decide about exceptions."""

    EXPLAINED = "explained"
    MATCHED_BY_HAND = "matched_by_hand"
    WRITTEN_OFF = "written_off"
    REOPENED = "reopened"
    TAKEN_APART = "taken_apart"
    """Of a match that a run made; see ``take_apart``."""


_DECISIONS = (None, *Decision)


@dataclass(frozen=True, slots=True)
class QueuedException:
    """An exception as it stands.

    Args:
        records: ids of external records.
        difference: sum of the records' changes less that of the postings', minor units.
    """

    id: int
    account: str
    asset: str
    scale: int
    kind: ExceptionKind
    state: ExceptionState
    records: tuple[int, ...]
    postings: tuple[PostingId, ...]
    difference: int
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class StoredMatch:
    """A match that holds.

    Args:
        difference: within the rule's tolerance, minor units.
        run: the run that found it; None when a person decided it.
    """

    id: int
    account: str
    asset: str
    scale: int
    rule: str
    difference: int
    run: int | None
    matched_at: datetime
    records: tuple[int, ...]
    postings: tuple[PostingId, ...]


@dataclass(frozen=True, slots=True)
class DecisionTaken:
    """One decision about an exception.

    Args:
        entry_seq: correcting entry of a write-off.
        match_id: the match that was made, where one was.
    """

    exception: int
    decision: Decision
    actor: str
    decided_at: datetime
    reason: str
    entry_seq: int | None
    match_id: int | None


def list_exceptions(
    connection: psycopg.Connection[Any],
    *,
    account: str = "",
    states: Sequence[ExceptionState] = (ExceptionState.OPEN,),
    after: int = 0,
    count_max: int = 100,
) -> list[QueuedException]:
    """Return a page of exceptions, oldest first.

    Args:
        account: reference; empty for all.
        after: only exceptions with a larger id: the last of the page before.
        count_max: 1 to ``PAGE_SIZE_MAX``.
    """
    if not 1 <= count_max <= PAGE_SIZE_MAX:
        raise InvalidValueError("page_size", count_max, f"give 1 to {PAGE_SIZE_MAX}")
    settings = {"account": account, "states": [int(state) for state in states], "after": after, "count": count_max}
    return [
        QueuedException(
            id_,
            reference,
            asset,
            scale,
            ExceptionKind(kind),
            ExceptionState(state),
            tuple(records),
            tuple(zip(seqs, numbers, strict=True)),
            difference,
            opened_at,
        )
        for id_, reference, asset, scale, kind, state, records, seqs, numbers, difference, opened_at in (
            connection.execute(query("reconcile_exceptions"), settings)
        )
    ]


def list_matches(
    connection: psycopg.Connection[Any], *, account: str = "", after: int = 0, count_max: int = 100
) -> list[StoredMatch]:
    """Return a page of matches that hold, oldest first; see ``list_exceptions``."""
    if not 1 <= count_max <= PAGE_SIZE_MAX:
        raise InvalidValueError("page_size", count_max, f"give 1 to {PAGE_SIZE_MAX}")
    rows = connection.execute(query("reconcile_matches"), {"account": account, "after": after, "count": count_max})
    return [
        StoredMatch(
            id_,
            reference,
            asset,
            scale,
            rule,
            difference,
            run,
            matched_at,
            tuple(records),
            tuple(zip(seqs, numbers, strict=True)),
        )
        for id_, reference, asset, scale, rule, difference, run, matched_at, records, seqs, numbers in rows
    ]


@telling_archived()
def take_apart(connection: psycopg.Connection[Any], match: int, *, actor: str, reason: str, now: datetime) -> None:
    """Dissolve a match that a run made and a person found wrong.

    Each of its members becomes an exception of its own, which no run matches again; a person decides it.

    Raises:
        NotFoundError: no such match.
        ConflictError: it is dissolved already, or a person made it: his decision is reopened instead.
        ArchivedError: a posting of it is archived.
    """
    check_text("reason", reason, REASON_LENGTH_MAX)
    check_text("actor", actor, ACTOR_LENGTH_MAX)
    if not 0 < match < 2**63:
        raise InvalidValueError("match", match, "numbers run from 1")
    row = connection.execute(
        "SELECT ledger.reconcile_take_apart(%s, %s, %s, %s)", (match, actor, reason, now)
    ).fetchone()
    assert row is not None
    if row[0] == "match_not_found":
        raise NotFoundError(f"match {match} does not exist")
    if row[0] == "wrong_state":
        raise ConflictError(f"match {match} is dissolved already, or was decided: reopen an exception of it instead")


def decisions_of(connection: psycopg.Connection[Any], exception: int) -> list[DecisionTaken]:
    """Return all decisions about an exception, oldest first."""
    taken = []
    for id_, number, *rest in connection.execute(query("reconcile_decisions"), (exception,)):
        decision = _DECISIONS[number]
        assert decision is not None
        taken.append(DecisionTaken(id_, decision, *rest))
    return taken


@telling_archived()
def decide_exceptions(
    connection: psycopg.Connection[Any],
    exceptions: Sequence[int],
    decision: Decision,
    *,
    actor: str,
    reason: str,
    now: datetime,
    entry_seq: int | None = None,
) -> None:
    """Decide exceptions of one account, together.

    Args:
        exceptions: ids. ``MATCHED_BY_HAND`` makes one match of all their members, whose sums must be equal.
        reason: why, for whoever audits it; no personal data.
        entry_seq: for ``WRITTEN_OFF``: the entry, posted before, that puts the difference on the account.
    Raises:
        NotFoundError: an exception or the entry does not exist.
        ConflictError: an exception is not in a state that allows it, or the sums do not agree.
        ArchivedError: a posting that would have to be looked at is archived.
        InvalidValueError: a value that can never be valid.
    """
    if decision is Decision.TAKEN_APART:
        raise InvalidValueError("decision", decision.value, "is of matches, not of exceptions")
    if not exceptions or len(set(exceptions)) != len(exceptions):
        raise InvalidValueError("exceptions", list(exceptions), "name at least one, each once")
    if not all(0 < number < 2**63 for number in (*exceptions, entry_seq or 1)):
        raise InvalidValueError("exceptions", list(exceptions), "numbers run from 1")
    check_text("reason", reason, REASON_LENGTH_MAX)
    check_text("actor", actor, ACTOR_LENGTH_MAX)
    if (decision is Decision.WRITTEN_OFF) != (entry_seq is not None):
        raise InvalidValueError("entry_seq", entry_seq, "belongs to a write-off: the number of the correcting entry")
    row = connection.execute(
        "SELECT * FROM ledger.reconcile_decide(%s, %s, %s, %s, %s, %s)",
        (list(exceptions), decision.value, actor, reason, entry_seq, now),
    ).fetchone()
    assert row is not None
    code, difference = row
    if code in ("exception_not_found", "entry_not_found"):
        what = "one of the exceptions" if code == "exception_not_found" else f"entry {entry_seq} with such an account"
        raise NotFoundError(f"{what} does not exist")
    if code == "sums_differ":
        raise ConflictError(f"records and postings differ by {difference} minor units: post an entry for the rest")
    if code != "decided":
        raise ConflictError(_CONFLICTS[code])


_CONFLICTS = {
    "wrong_state": "an exception is decided or cleared already: reopen it first",
    "accounts_differ": "the exceptions are of several accounts: decide those of one account together",
    "posting_matched": "the entry's posting is in a match already: post an entry of its own",
    "posting_waits": "the entry's posting waits in another exception: name that one too",
}
