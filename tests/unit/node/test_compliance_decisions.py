"""Aim: a decision is bound to its entry, its rules and its time; the bytes are fixed for ever.

Method: a golden vector joined by hand in this file, and one change of every field.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ledger.account import AccountFacts, Side
from ledger.batch import BatchJudge
from ledger.decision import AcceptedEntries, Debits
from ledger.encoding import accepted_entries
from ledger.journal import NewEntry, Outcome, Posting, transfer
from ledger.money import Asset
from ledger.prepared import PreparedBatch, Surroundings
from ledger.state import State
from network import merkle
from node.compliance.decisions import ComplianceDecider, decision_leaf, encode_decision, shared_fields, worths_of
from node.compliance.rules import Rate, parse_rules

RULES = parse_rules(
    {"reporting_currency": "EUR", "reporting_scale": 2, "review_threshold_minor": 1_000_000, "rates": {}}
)
RATED = replace(RULES, rates={"XAU": Rate(scale=4, numerator=3, denominator=7)})
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
    worths = [1_000_000, 1_000_001, 0, 1_000_001]
    decisions = ComplianceDecider(RULES, random_bytes).decide(accepted(entries), NOW)
    assert drawn == [4 * 48]
    assert [Outcome(number) for number in decisions.outcomes] == [
        Outcome.AUTOMATED_APPROVAL,
        Outcome.REQUIRES_MANUAL_REVIEW,
        Outcome.REQUIRES_MANUAL_REVIEW,
        Outcome.REQUIRES_MANUAL_REVIEW,
    ]
    record = decisions.record
    assert record.worths.tolist() == worths
    salts = [record.salts[at : at + 32] for at in range(0, 4 * 32, 32)]
    assert len({decisions.at(n).id for n in range(4)} | {salt[:16] for salt in salts}) == 8
    shared = shared_fields(RULES, 1_772_366_400_000_001)
    for n, entry in enumerate(entries):
        decision = decisions.at(n)
        canonical = encode_decision(decision.id, entry.key.bytes, decision.outcome, shared, worths[n] or None)
        assert decision.leaf == decision_leaf(salts[n], canonical)


ACCOUNTS = {"alice": ALICE, "bob": BOB, "cash": CASH, "gold": GOLD, "gold2": GOLD}


def accepted(entries: list[NewEntry]) -> AcceptedEntries:
    """The entries as the books hand them to the rules."""
    state = State(1, None)
    for name, facts in ACCOUNTS.items():
        asset_id = 1 if facts.asset == ALICE.asset else 2
        state.add_account(replace(facts, reference=name), asset_id, status=1, floor=None, overdraft=0, ceiling=None)
    batch = PreparedBatch(0, entries, NOW, 1)
    BatchJudge(state, batch, Surroundings({}, {}, (), {})).run()
    return accepted_entries(state, batch)


assets = st.sampled_from(["alice", "bob", "cash", "gold"])
debits = st.lists(st.tuples(assets, st.integers(1, 2**62 - 1)), min_size=1, max_size=4)


@given(st.lists(debits, min_size=1, max_size=6))
def test_worths_of_a_batch_are_those_of_its_entries(drawn: list[list[tuple[str, int]]]) -> None:
    assets = [ALICE.asset, GOLD.asset]
    flat = [(n, ACCOUNTS[name], amount) for n, own in enumerate(drawn) for name, amount in own]
    columns = Debits(
        np.array([n for n, _, _ in flat]),
        np.array([assets.index(facts.asset) for _, facts, _ in flat]),
        np.array([amount for _, _, amount in flat]),
        assets,
    )
    one_by_one = [RATED.reporting_amount([(ACCOUNTS[name].asset, amount) for name, amount in own]) for own in drawn]
    assert worths_of(RATED, columns).tolist() == [worth or 0 for worth in one_by_one]
    assert [Outcome(n) for n in RATED.judge_all(worths_of(RATED, columns))] == [RATED.judge(w) for w in one_by_one]
