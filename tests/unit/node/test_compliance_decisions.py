"""Aim: a decision is bound to its entry, its rules and its time; the bytes are fixed for ever.

Method: a golden vector joined by hand in this file, and one change of every field.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime

from ledger.account import AccountFacts, Side
from ledger.journal import NewEntry, Outcome, Posting, transfer
from ledger.money import Asset
from network import merkle
from node.compliance.decisions import ComplianceDecider, decision_leaf, encode_decision, shared_fields
from node.compliance.rules import parse_rules

RULES = parse_rules(
    {"reporting_currency": "EUR", "reporting_scale": 2, "review_threshold_minor": 1_000_000, "rates": {}}
)
EUR = Asset("EUR", 2)
CASH = AccountFacts(1, "cash", EUR, Side.DEBIT)
ALICE = AccountFacts(2, "alice", EUR, Side.CREDIT)
BOB = AccountFacts(3, "bob", EUR, Side.CREDIT)
GOLD = AccountFacts(4, "gold", Asset("XAU", 4), Side.DEBIT)
NOW = datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
ID, KEY, SALT = bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 64))


def test_canonical_form_when_encoded_then_exactly_these_bytes() -> None:
    canonical = encode_decision(
        ID, KEY, Outcome.AUTOMATED_APPROVAL, shared_fields(RULES, 1_772_366_400_000_001), 1_000_000
    )
    expected = (
        bytes.fromhex("0016")
        + b"dwaybank.node/decision"
        + bytes.fromhex("000101" + "0010" + ID.hex() + "0010" + KEY.hex() + "000101" + "0020")
        + RULES.hash
        + bytes.fromhex("0008" + "00064bf535af1001" + "0003")
        + b"EUR"
        + bytes.fromhex("0008" + "00000000000f4240")
    )
    assert canonical == expected
    assert decision_leaf(SALT, canonical) == merkle.leaf_hash(SALT + canonical)
    assert decision_leaf(SALT, canonical).hex() == "13f641296399b9f17efd51acca1c74bb5763620a17eef4383d25abc8b9daa121"


def test_canonical_form_when_any_field_changes_then_other_bytes() -> None:
    other_rules = parse_rules(
        {"reporting_currency": "EUR", "reporting_scale": 2, "review_threshold_minor": 999_999, "rates": {}}
    )
    forms = [
        encode_decision(ID, KEY, Outcome(1), shared_fields(RULES, 5), 7),
        encode_decision(KEY, KEY, Outcome(1), shared_fields(RULES, 5), 7),
        encode_decision(ID, ID, Outcome(1), shared_fields(RULES, 5), 7),
        encode_decision(ID, KEY, Outcome(2), shared_fields(RULES, 5), 7),
        encode_decision(ID, KEY, Outcome(1), shared_fields(other_rules, 5), 7),
        encode_decision(ID, KEY, Outcome(1), shared_fields(RULES, 6), 7),
        encode_decision(ID, KEY, Outcome(1), shared_fields(RULES, 5), 8),
        encode_decision(ID, KEY, Outcome(1), shared_fields(RULES, 5), None),
        encode_decision(ID, KEY, Outcome(1), shared_fields(RULES, 5), 0),
    ]
    assert len(set(forms)) == len(forms)


def test_decider_when_given_a_batch_then_one_decision_each_with_fresh_id_and_salt() -> None:
    drawn = []

    def random_bytes(count: int) -> bytes:
        drawn.append(count)
        return hashlib.shake_256(b"seed").digest(count)

    entries = [
        transfer(uuid.UUID(int=1), "alice", "bob", 1_000_000),
        transfer(uuid.UUID(int=2), "alice", "bob", 1_000_001),
        transfer(uuid.UUID(int=3), "gold", "gold2", 1),
        NewEntry(
            uuid.UUID(int=4),
            (
                Posting("cash", Side.DEBIT, 600_000),
                Posting("alice", Side.DEBIT, 400_001),
                Posting("bob", Side.CREDIT, 1_000_001),
            ),
        ),
    ]
    facts = [[ALICE, BOB], [ALICE, BOB], [GOLD, GOLD], [CASH, ALICE, BOB]]
    decisions = ComplianceDecider(RULES, random_bytes).decide(entries, facts, NOW)
    assert drawn == [4 * 48]
    assert [decision.outcome for decision in decisions] == [
        Outcome.AUTOMATED_APPROVAL,
        Outcome.REQUIRES_MANUAL_REVIEW,
        Outcome.REQUIRES_MANUAL_REVIEW,
        Outcome.REQUIRES_MANUAL_REVIEW,
    ]
    recorded = [decision.record for decision in decisions]
    assert [record.reporting_amount_minor for record in recorded] == [1_000_000, 1_000_001, None, 1_000_001]
    assert len({decision.id for decision in decisions} | {record.salt[:16] for record in recorded}) == 8
    first = decisions[0]
    canonical = encode_decision(
        first.id, entries[0].key.bytes, Outcome(1), shared_fields(RULES, 1_772_366_400_000_001), 1_000_000
    )
    assert first.leaf == decision_leaf(first.record.salt, canonical)
