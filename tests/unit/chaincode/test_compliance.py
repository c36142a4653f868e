"""Aim: epochs cover every entry once, flags are unique, a review is decided once by one who may.

Method: every case in process and over the chaincode stream; golden vectors for stored JSON.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from chaincode.compliance import ComplianceContract
from tests.support.contract_runner import ContractLedger, Outcome, Runner
from tests.support.contract_state import serialized_identity

BANK, PARTNER, REGULATOR = "DwaybankMSP", "PartnerMSP", "RegulatorMSP"
BANK_CLIENT = serialized_identity(BANK)
BANK_REVIEWER = serialized_identity(BANK, units=("client", "reviewer"))
PARTNER_CLIENT = serialized_identity(PARTNER)
PARTNER_REVIEWER = serialized_identity(PARTNER, units=("client", "reviewer"))
REGULATOR_CLIENT = serialized_identity(REGULATOR)
REGULATOR_REVIEWER = serialized_identity(REGULATOR, units=("client", "reviewer"))
ROOT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
RULES = "cd" * 32
REASON = "ef" * 32


def record_id(number: int) -> str:
    return f"{number:032x}"


def epoch_of(number: int, first: int, last: int, flags: list[str], **fields: Any) -> dict[str, Any]:
    manual = len(flags)
    return {
        "epoch": number,
        "from_seq": first,
        "to_seq": last,
        "root": ROOT,
        "counts": {"automated_approval": last - first + 1 - manual, "requires_manual_review": manual},
        "rules_hash": RULES,
        "flags": flags,
        **fields,
    }


async def anchor(ledger: ContractLedger, epoch: dict[str, Any], creator: bytes = BANK_CLIENT) -> Outcome:
    return await ledger.submit(creator, "AnchorEpoch", json.dumps(epoch))


@pytest.fixture
def ledger(runner: Runner) -> ContractLedger:
    return ContractLedger(ComplianceContract(), runner)


async def test_epochs_when_contiguous_then_all_are_stored(ledger: ContractLedger) -> None:
    assert (await anchor(ledger, epoch_of(1, 1, 10, [record_id(1), record_id(2)]))).status == 200
    outcome = await anchor(ledger, epoch_of(2, 11, 11, []))
    assert outcome.event == (
        "Epoch",
        b'{"counts":{"automated_approval":1,"requires_manual_review":0},"epoch":2,"from_seq":11,'
        b'"organization":"DwaybankMSP","to_seq":11}',
    )
    assert (await ledger.submit(REGULATOR_CLIENT, "GetEpoch", BANK, "1")).json()["to_seq"] == 10
    assert (await ledger.submit(REGULATOR_CLIENT, "GetLastEpoch", BANK)).json()["epoch"] == 2
    assert (await ledger.submit(REGULATOR_CLIENT, "GetEpoch", BANK, "3")).status == 404
    assert (await ledger.submit(REGULATOR_CLIENT, "GetLastEpoch", PARTNER)).status == 404


async def test_epoch_when_stored_then_json_is_exactly_this(ledger: ContractLedger) -> None:
    await anchor(ledger, epoch_of(1, 1, 3, [record_id(7)]))
    stored = (
        b'{"counts":{"automated_approval":2,"requires_manual_review":1},"epoch":1,"from_seq":1,'
        b'"organization":"DwaybankMSP","root":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",'
        b'"rules_hash":"' + RULES.encode() + b'","timestamp":"2026-03-01T12:00:00.123456Z","to_seq":3,'
        b'"transaction_id":"tx1"}'
    )
    assert ledger.state.values == {
        ("", "epoch~DwaybankMSP~00000000000000000001"): stored,
        ("", "epochs~DwaybankMSP"): stored,
        ("", "flag~00000000000000000000000000000007"): (
            b'{"epoch":1,"organization":"DwaybankMSP","record_id":"00000000000000000000000000000007",'
            b'"status":"requires_manual_review"}'
        ),
    }


@pytest.mark.parametrize(
    ("epoch", "code"),
    [
        (epoch_of(1, 1, 4, []), "already_anchored"),
        (epoch_of(3, 5, 6, []), "not_contiguous"),
        (epoch_of(2, 6, 6, []), "not_contiguous"),
        (epoch_of(2, 4, 6, []), "not_contiguous"),
        (epoch_of(2, 5, 6, [record_id(1)]), "id_in_use"),
    ],
)
async def test_epoch_when_not_the_next_then_refused(ledger: ContractLedger, epoch: dict[str, Any], code: str) -> None:
    await anchor(ledger, epoch_of(1, 1, 4, [record_id(1)]))
    before = dict(ledger.state.values)
    outcome = await anchor(ledger, epoch)
    assert (outcome.status, outcome.code) == (409, code), outcome.message
    assert ledger.state.values == before


async def test_flag_id_when_another_organization_uses_it_then_refused(ledger: ContractLedger) -> None:
    await anchor(ledger, epoch_of(1, 1, 1, [record_id(1)]))
    outcome = await anchor(ledger, epoch_of(1, 1, 1, [record_id(1)]), PARTNER_CLIENT)
    assert outcome.code == "id_in_use"
    assert ledger.stored("flag~" + record_id(1))["organization"] == BANK


@pytest.mark.parametrize(
    "change",
    [
        {"extra": 1},
        {"epoch": 0},
        {"epoch": True},
        {"epoch": "1"},
        {"from_seq": 0},
        {"from_seq": 2},
        {"to_seq": 0},
        {"to_seq": -1},
        {"to_seq": None},
        {"root": "AAEC"},
        {"root": 5},
        {"root": ROOT + "===="},
        {"root": ROOT[:-2] + "9="},
        {"rules_hash": RULES.upper()},
        {"rules_hash": "cd" * 31},
        {"counts": {}},
        {"counts": {"automated_approval": 3}},
        {"counts": {"automated_approval": 4, "requires_manual_review": -1}},
        {"counts": {"automated_approval": 3, "requires_manual_review": 1}},
        {"counts": {"automated_approval": 2, "requires_manual_review": 0}},
        {"counts": {"automated_approval": 3, "requires_manual_review": 0, "other": 0}},
        {"counts": [3, 0]},
        {"flags": "no"},
        {"flags": [record_id(1)]},
        {"flags": [1], "counts": {"automated_approval": 2, "requires_manual_review": 1}},
        {"flags": ["Anna Example"], "counts": {"automated_approval": 2, "requires_manual_review": 1}},
        {"flags": [record_id(1)] * 2, "counts": {"automated_approval": 1, "requires_manual_review": 2}},
        {"flags": [record_id(n) for n in range(10_001)]},
    ],
)
async def test_epoch_when_argument_is_hostile_then_refused(ledger: ContractLedger, change: dict[str, Any]) -> None:
    outcome = await anchor(ledger, {**epoch_of(1, 1, 3, []), **change})
    assert outcome.status == 400, outcome.message
    assert outcome.code in ("bad_argument", "wrong_counts")
    assert ledger.state.values == {}


async def test_epoch_when_a_field_is_missing_or_not_json_then_refused(ledger: ContractLedger) -> None:
    for name in sorted(epoch_of(1, 1, 1, [])):
        epoch = epoch_of(1, 1, 1, [])
        del epoch[name]
        assert (await anchor(ledger, epoch)).code == "bad_argument"
    for text in ("", "[]", "null", '{"epoch":1,"epoch":1}', '{"epoch":1.0}'):
        assert (await ledger.submit(BANK_CLIENT, "AnchorEpoch", text)).code == "bad_argument"


async def test_epoch_when_flags_are_at_the_limit_then_accepted(ledger: ContractLedger) -> None:
    flags = [record_id(n) for n in range(10_000)]
    assert (await anchor(ledger, epoch_of(1, 1, 10_000, flags))).status == 200
    assert len(ledger.state.values) == 10_002


@pytest.mark.parametrize(
    ("reviewer", "decision", "organization"),
    [(BANK_REVIEWER, "approved", BANK), (REGULATOR_REVIEWER, "rejected", REGULATOR)],
)
async def test_review_when_decided_by_one_who_may_then_stored(
    ledger: ContractLedger, reviewer: bytes, decision: str, organization: str
) -> None:
    await anchor(ledger, epoch_of(1, 1, 1, [record_id(1)]))
    assert (await ledger.submit(BANK_CLIENT, "GetReview", record_id(1))).json() == {
        "epoch": 1,
        "organization": BANK,
        "record_id": record_id(1),
        "review": None,
        "status": "requires_manual_review",
    }
    outcome = await ledger.submit(reviewer, "DecideReview", record_id(1), decision, REASON)
    assert outcome.event == (
        "Review",
        b'{"decision":"%s","record_id":"%s"}' % (decision.encode(), record_id(1).encode()),
    )
    assert ledger.state.values[("", "review~" + record_id(1))].decode() == (
        '{"decision":"' + decision + '","organization":"DwaybankMSP","reason_commitment":"' + REASON + '",'
        '"record_id":"' + record_id(1) + '","reviewer_organization":"' + organization + '",'
        '"timestamp":"2026-03-01T12:00:00.123456Z","transaction_id":"tx3"}'
    )
    found = (await ledger.submit(PARTNER_CLIENT, "GetReview", record_id(1))).json()
    assert (found["status"], found["review"]["reviewer_organization"]) == (decision, organization)


@pytest.mark.parametrize(
    ("creator", "status"),
    [(BANK_CLIENT, 403), (PARTNER_REVIEWER, 403), (REGULATOR_CLIENT, 403)],
    ids=["client", "foreign reviewer", "regulator's client"],
)
async def test_review_when_caller_may_not_then_refused(ledger: ContractLedger, creator: bytes, status: int) -> None:
    await anchor(ledger, epoch_of(1, 1, 1, [record_id(1)]))
    outcome = await ledger.submit(creator, "DecideReview", record_id(1), "approved", REASON)
    assert (outcome.status, outcome.code) == (status, "access_denied")
    assert ledger.stored("flag~" + record_id(1))["status"] == "requires_manual_review"


async def test_review_when_decided_before_then_refused(ledger: ContractLedger) -> None:
    await anchor(ledger, epoch_of(1, 1, 1, [record_id(1)]))
    await ledger.submit(BANK_REVIEWER, "DecideReview", record_id(1), "approved", REASON)
    for reviewer in (BANK_REVIEWER, REGULATOR_REVIEWER):
        outcome = await ledger.submit(reviewer, "DecideReview", record_id(1), "rejected", REASON)
        assert (outcome.status, outcome.code) == (409, "already_decided")


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ((record_id(9), "approved", REASON), "not_found"),
        (("x", "approved", REASON), "bad_argument"),
        ((record_id(1), "maybe", REASON), "bad_argument"),
        ((record_id(1), "requires_manual_review", REASON), "bad_argument"),
        ((record_id(1), "approved", "because of Anna Example"), "bad_argument"),
    ],
)
async def test_review_when_argument_is_hostile_then_refused(
    ledger: ContractLedger, args: tuple[str, ...], code: str
) -> None:
    await anchor(ledger, epoch_of(1, 1, 1, [record_id(1)]))
    assert (await ledger.submit(BANK_REVIEWER, "DecideReview", *args)).code == code
