"""Aim: every posted entry has exactly one decision record in its own commit; epochs over them are what the contract
accepts, are built once, and prove each decision.

Method: the real writer, rules and PostgreSQL; the epochs go through the contract's own code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import psycopg
import pytest

from chaincode.compliance import ComplianceContract
from ledger.errors import LedgerError
from ledger.journal import Outcome, ResultCode, transfer
from ledger.posting import Writer
from ledger.schema import migrate as migrate_ledger
from network import merkle
from node.compliance.decisions import ComplianceDecider, decision_leaf, encode_stored
from node.compliance.epochs import EpochBuilder
from node.compliance.errors import DecisionStoreError, EpochError
from node.compliance.rules import parse_rules
from node.compliance.store import ComplianceStore, migrate
from tests.support.books import Clock, key, open_accounts, sign
from tests.support.contract_runner import ContractLedger, InProcessRunner
from tests.support.contract_state import serialized_identity

SETTINGS = {"reporting_currency": "EUR", "reporting_scale": 2, "review_threshold_minor": 1_000_000, "rates": {}}
RULES = parse_rules(SETTINGS)
STRICTER = parse_rules({**SETTINGS, "review_threshold_minor": 100})
ACCOUNTS = """
    cash  EUR debit  -
    alice EUR credit 0
    gold  USD debit  -
    carol USD credit -
"""


class Counter:
    """Reproducible stand-in for the random source."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, count: int) -> bytes:
        self.calls += 1
        return hashlib.shake_256(self.calls.to_bytes(8, "big")).digest(count)


@dataclass
class Bench:
    writer: Writer
    decider: ComplianceDecider
    store: ComplianceStore
    connection: psycopg.Connection[tuple[object, ...]]

    def post(self, *amounts: int, first_key: int = 1) -> list[ResultCode]:
        entries = [transfer(key(first_key + n), "cash", "alice", amount) for n, amount in enumerate(amounts)]
        return [result.code for result in self.writer.post(entries)]


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        migrate_ledger(connection)
        migrate(connection)
        open_accounts(connection, ACCOUNTS)
        decider = ComplianceDecider(RULES, Counter())
        store = ComplianceStore(database_url)
        store.open()
        writer = Writer(database_url, sign=sign, decider=decider, now=Clock())
        writer.open()
        yield Bench(writer, decider, store, connection)
        writer.close()
        store.close()


def test_decision_when_entry_is_posted_then_recorded_once_and_bound_to_it(bench: Bench) -> None:
    assert bench.post(500, 1_000_001) == [ResultCode.POSTED] * 2
    bench.writer.post([transfer(key(9), "gold", "carol", 5)])
    assert bench.store.violations() == []
    outcomes = [item.outcome for item in bench.store.leaves(1, 10)]
    assert outcomes == [
        Outcome.AUTOMATED_APPROVAL,
        Outcome.REQUIRES_MANUAL_REVIEW,
        Outcome.REQUIRES_MANUAL_REVIEW,
    ]
    for seq, amount in ((1, 500), (2, 1_000_001), (3, None)):
        stored = bench.store.decision(seq)
        assert stored is not None
        assert (stored.reporting_amount_minor, stored.rules_text) == (amount, RULES.text)
        assert decision_leaf(stored.salt, encode_stored(stored, RULES)) == stored.leaf
        changed = replace(stored, reporting_amount_minor=499)
        assert decision_leaf(stored.salt, encode_stored(changed, RULES)) != stored.leaf
    row = bench.connection.execute("SELECT decision_leaf FROM ledger.entry WHERE seq = 1").fetchone()
    stored = bench.store.decision(1)
    assert row is not None
    assert stored is not None
    assert row[0] == stored.leaf
    assert bench.store.decision(4) is None


def test_decision_when_entry_is_refused_or_repeated_then_leaves_no_trace(bench: Bench) -> None:
    bench.post(500)
    overdraw = transfer(key(2), "alice", "cash", 501)
    codes = [r.code for r in bench.writer.post([overdraw, transfer(key(1), "cash", "alice", 500)])]
    assert codes == [ResultCode.EXCEEDS_AVAILABLE, ResultCode.EXISTS]
    assert [item.seq for item in bench.store.leaves(1, 10)] == [1]
    assert bench.store.violations() == []


def test_decision_when_its_record_cannot_be_written_then_nothing_is_posted(bench: Bench) -> None:
    bench.connection.execute("ALTER TABLE compliance.decision ADD CHECK (reporting_amount < 600)")
    with pytest.raises(LedgerError, match="decision"):
        bench.post(500, 700)
    row = bench.connection.execute("SELECT count(*) FROM ledger.entry").fetchone()
    assert row == (0,)


def test_history_when_edited_then_the_database_refuses(bench: Bench) -> None:
    bench.post(500)
    EpochBuilder(bench.store).build_epoch(1, 1, 1)
    for statement in (
        b"UPDATE compliance.decision SET outcome = 2",
        b"DELETE FROM compliance.decision",
        b"TRUNCATE compliance.decision",
        b"UPDATE compliance.rule_set SET text = ''",
        b"DELETE FROM compliance.epoch",
    ):
        with pytest.raises(psycopg.Error, match="decisions are history"):
            bench.connection.execute(statement)


def test_violation_when_a_row_is_tampered_with_then_named(bench: Bench) -> None:
    bench.post(1, 2, 3, 4)
    bench.connection.execute("ALTER TABLE compliance.decision DISABLE TRIGGER ALL")
    bench.connection.execute("DELETE FROM compliance.decision WHERE seq = 1")
    bench.connection.execute("UPDATE compliance.decision SET outcome = 2 WHERE seq = 2")
    bench.connection.execute("UPDATE compliance.decision SET leaf = sha256('x') WHERE seq = 3")
    bench.connection.execute(
        "INSERT INTO compliance.decision SELECT 9, gen_random_uuid(), outcome, rule_set_id, reporting_amount,"
        " decided_at, salt, leaf FROM compliance.decision WHERE seq = 4"
    )
    assert bench.store.violations() == [
        (1, "entry without a decision"),
        (2, "another outcome"),
        (3, "another leaf"),
        (9, "decision without an entry"),
    ]
    with pytest.raises(EpochError, match="entry 1 has no decision"):
        EpochBuilder(bench.store).build_epoch(1, 1, 4)


async def test_epochs_when_built_then_the_contract_accepts_them_and_flags_lead_back(bench: Bench) -> None:
    bench.post(5, 2_000_000, 7, first_key=1)
    bench.post(8, 9, first_key=10)
    builder = EpochBuilder(bench.store)
    ledger = ContractLedger(ComplianceContract(), InProcessRunner())
    creator = serialized_identity("DwaybankMSP")
    for number, first, last in ((1, 1, 3), (2, 4, 5)):
        epoch = builder.build_epoch(number, first, last)
        assert (epoch["from_seq"], epoch["to_seq"]) == (first, last)
        outcome = await ledger.submit(creator, "AnchorEpoch", json.dumps(epoch))
        assert outcome.status == 200, outcome.message
    flag = builder.build_epoch(1, 1, 3)["flags"]
    assert len(flag) == 1
    assert bench.store.flagged_seq(bytes.fromhex(flag[0])) == 2
    assert bench.store.flagged_seq(bytes(16)) is None
    assert ledger.stored("epoch~DwaybankMSP~00000000000000000001")["rules_hash"] == RULES.hash.hex()


def test_epoch_when_rebuilt_after_more_entries_then_exactly_the_same(bench: Bench) -> None:
    bench.post(5, 6)
    builder = EpochBuilder(bench.store)
    first = builder.build_epoch(1, 1, 2)
    bench.post(7, 8, first_key=10)
    assert builder.build_epoch(1, 1, 4) == first
    with pytest.raises(EpochError, match="another channel"):
        builder.build_epoch(1, 2, 4)


def test_epoch_when_rules_change_or_flags_are_many_then_cut_there(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.post(5, 200)
    bench.decider.rules = STRICTER
    bench.post(300, 400, 500, first_key=10)
    builder = EpochBuilder(bench.store)
    first = builder.build_epoch(1, 1, 5)
    assert (first["to_seq"], first["rules_hash"], first["flags"]) == (2, RULES.hash.hex(), [])
    monkeypatch.setattr("node.compliance.epochs.FLAGS_MAX", 2)
    second = builder.build_epoch(2, 3, 5)
    assert (second["to_seq"], second["rules_hash"], len(second["flags"])) == (4, STRICTER.hash.hex(), 2)
    assert builder.build_epoch(3, 5, 5)["counts"] == {"automated_approval": 0, "requires_manual_review": 1}


def test_epoch_when_range_is_empty_or_unposted_then_refused(bench: Bench) -> None:
    bench.post(5)
    builder = EpochBuilder(bench.store)
    with pytest.raises(EpochError, match="empty"):
        builder.build_epoch(1, 2, 1)
    with pytest.raises(EpochError, match="entry 2 has no decision"):
        builder.build_epoch(1, 1, 3)


def test_proof_when_decision_is_in_an_epoch_then_it_verifies(bench: Bench) -> None:
    bench.post(*range(1, 12))
    builder = EpochBuilder(bench.store)
    builder.build_epoch(1, 1, 4)
    builder.build_epoch(2, 5, 10)
    for seq in (1, 4, 5, 10):
        proof = builder.prove(seq)
        stored = bench.store.decision(seq)
        assert stored is not None
        assert proof.leaf == stored.leaf
        merkle.verify_inclusion(proof.leaf, proof.index, proof.size, proof.path, proof.root)
    with pytest.raises(EpochError, match="no epoch covers entry 11"):
        builder.prove(11)
    bench.connection.execute("ALTER TABLE compliance.decision DISABLE TRIGGER ALL")
    bench.connection.execute("UPDATE compliance.decision SET leaf = sha256('x') WHERE seq = 3")
    with pytest.raises(EpochError, match="no longer lead"):
        builder.prove(1)


def test_store_when_database_refuses_then_one_clear_sentence(bench: Bench) -> None:
    with pytest.raises(DecisionStoreError, match="refused a statement"):
        bench.store.put_epoch(1, 1, 1, b"short", 1)
