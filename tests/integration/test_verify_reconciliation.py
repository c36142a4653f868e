"""Aim: ``verify`` proves what reconciliation wrote down by the rows it was made of.

Method: real PostgreSQL; books with matches by a run and by hand, a write-off, one taken apart, a decision taken back;
superuser SQL with triggers and constraints off, on a copy for each case.
"""

from __future__ import annotations

import psycopg
import pytest

from ledger.reconciliation.queue import Decision, decide_exceptions, list_exceptions, list_matches, take_apart
from tests.support.books import START, open_accounts, open_writer
from tests.support.statements import ACTOR, Connection, bring, file_of, post, record, run
from tests.support.tampering import proved, tamper, told


def decide(connection: Connection, ids: list[int], decision: Decision, entry_seq: int | None = None) -> None:
    decide_exceptions(connection, ids, decision, actor="clerk", reason="checked", now=START, entry_seq=entry_seq)


def fill(url: str) -> None:
    """Match r1 by a run and r2 (taken apart), r3 by hand, write r4 off; explain r5, take that of r6 back; r7 waits."""
    with open_writer(url) as writer, psycopg.connect(url, autocommit=True) as connection:
        open_accounts(connection, "nostro EUR debit -\nclients EUR credit -")
        for number, (change, reference) in enumerate([(500, "P-1"), (60, "P-2"), (400, ""), (300, "")], start=1):
            post(writer, number, change, 3, reference)
        records = [record("r1", 500, 3, "P-1"), record("r2", 60, 3, "P-2"), record("r3", 700, 3)]
        records += [record(f"r{number}", number, 3) for number in (4, 5, 6, 7)]
        bring(connection, file_of("S1", *records))
        run(connection)
        _, apart = list_matches(connection)
        take_apart(connection, apart.id, actor=ACTOR, reason="of another customer", now=START)
        by_difference = {item.difference: item.id for item in list_exceptions(connection)}
        decide(connection, [by_difference[700], by_difference[-400], by_difference[-300]], Decision.MATCHED_BY_HAND)
        correcting = post(writer, 9, 4, 20)
        decide(connection, [by_difference[4]], Decision.WRITTEN_OFF, correcting)
        decide(connection, [by_difference[5]], Decision.EXPLAINED)
        decide(connection, [by_difference[6]], Decision.EXPLAINED)
        decide(connection, [by_difference[6]], Decision.REOPENED)


SUMS = "does not differ by what its records and postings give"
STATE = "is not in the state that its newest decision left"

TAMPERINGS = {
    "amount of a record": ("UPDATE ledger.external_record SET change = 501 WHERE id = 1", f"match 1: {SUMS}"),
    "amount of a record that waits": (
        "UPDATE ledger.external_record SET change = 8 WHERE id = 7",
        f"exception 5: {SUMS}",
    ),
    "account of a record": (
        "UPDATE ledger.external_record SET account_id = 2 WHERE id = 7",
        "statement 1: says it lists 7 movements, 7 of it stand, not all of its account",
    ),
    "record made up": (
        "INSERT INTO ledger.external_record OVERRIDING SYSTEM VALUE "
        'SELECT (jsonb_populate_record(record, \'{"id": 8, "key": "r8"}\')).* '
        "FROM ledger.external_record AS record WHERE id = 7",
        "statement 1: says it lists 7 movements, 8 of it stand",
    ),
    "record deleted": (
        "ALTER TABLE ledger.match_record DROP CONSTRAINT match_record_record_id_fkey; "
        "DELETE FROM ledger.external_record WHERE id = 1",
        f"match 1: {SUMS}",
    ),
    "posting of a match": ("UPDATE ledger.match_posting SET seq = 2 WHERE match_id = 1", f"match 1: {SUMS}"),
    "member of a match deleted": (
        "DELETE FROM ledger.match_posting WHERE (match_id, seq) = (3, 4)",
        f"match 3: {SUMS}",
    ),
    "members of a match deleted": (
        "DELETE FROM ledger.match_record WHERE match_id = 1; DELETE FROM ledger.match_posting WHERE match_id = 1",
        f"match 1: {SUMS}",
    ),
    "difference of a match": (
        "UPDATE ledger.reconciliation_match SET difference = 1, tolerance = 1 WHERE id = 1",
        f"match 1: {SUMS}",
    ),
    "tolerance of a match": (
        "ALTER TABLE ledger.reconciliation_match DROP CONSTRAINT reconciliation_match_check, "
        "DROP CONSTRAINT reconciliation_match_tolerance_check; "
        "UPDATE ledger.reconciliation_match SET tolerance = -1 WHERE id = 1",
        f"match 1: {SUMS}",
    ),
    "match dissolved": (
        "UPDATE ledger.reconciliation_match SET dissolved_at = now() WHERE id = 1",
        "match 1: is dissolved and some of its members are not, or they are and it is not",
    ),
    "match alive again": (
        "UPDATE ledger.match_record SET live = true WHERE match_id = 2",
        "match 2: is dissolved and some of its members are not, or they are and it is not",
    ),
    "record in two matches": (
        "DROP INDEX ledger.record_in_one_match; INSERT INTO ledger.match_record VALUES (3, 1)",
        "record 1 of a statement: stands in more than one match",
    ),
    "posting in two matches": (
        "DROP INDEX ledger.posting_in_one_match; INSERT INTO ledger.match_posting VALUES (3, 1, 1)",
        "posting 1 of entry 1: stands in more than one match",
    ),
    "difference of an exception": (
        "UPDATE ledger.reconciliation_exception SET difference = 70 WHERE id = 5",
        f"exception 5: {SUMS}",
    ),
    "members of an exception": (
        "UPDATE ledger.reconciliation_exception SET record_id = '{6}' WHERE id = 5",
        "exception 5: names other members than it was opened for",
    ),
    "kind of an exception": (
        "UPDATE ledger.reconciliation_exception SET kind = 2 WHERE id = 5",
        "exception 5: names other members than it was opened for",
    ),
    "exception said to be explained": (
        "UPDATE ledger.reconciliation_exception SET state = 2 WHERE id = 5",
        f"exception 5: {STATE}",
    ),
    "exception said to wait": (
        "UPDATE ledger.reconciliation_exception SET state = 1 WHERE id = 2",
        f"exception 2: {STATE}",
    ),
    "exception said to be cleared": (
        "UPDATE ledger.reconciliation_exception SET state = 5, cleared_run_id = 1 WHERE id = 1",
        f"exception 1: {STATE}",
    ),
    "exception cleared by no run": (
        "UPDATE ledger.reconciliation_exception SET state = 5, cleared_run_id = 1 WHERE id = 5",
        "run 1 of reconciliation: says it made 2 matches and opened 7 and ended 0 exceptions, there are 2, 7 and 1",
    ),
    "exception deleted": (
        "DELETE FROM ledger.reconciliation_exception WHERE id = 5",
        "run 1 of reconciliation: says it made 2 matches and opened 7 and ended 0 exceptions, there are 2, 6 and 0",
    ),
    "decision deleted": ("DELETE FROM ledger.reconciliation_decision WHERE id = 9", f"exception 4: {STATE}"),
    "decision changed": (
        "UPDATE ledger.reconciliation_decision SET decision = 4 WHERE id = 7",
        f"exception 3: {STATE}",
    ),
    "match of a decision": (
        "UPDATE ledger.reconciliation_decision SET match_id = 4 WHERE id = 3",
        "decision 3: names a match that its exception is no part of",
    ),
    "entry of a write-off": (
        "UPDATE ledger.reconciliation_decision SET entry_seq = 4 WHERE id = 6",
        "decision 6: names entry 4, which is no part of its match",
    ),
}
"""Name to statement, and a finding."""


def test_sound_reconciliation_proves(url: str) -> None:
    assert told(proved(url)) == []


@pytest.mark.parametrize("name", TAMPERINGS)
def test_each_tampering_is_named(url: str, name: str) -> None:
    statement, named = TAMPERINGS[name]
    tamper(url, statement)
    assert named in told(proved(url))
