"""Aim: what somebody noticed about a member stands on the shared ledger, and each step of it is taken by who may.

Method: every case in process and over the chaincode stream; golden JSON.
"""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime

import pytest

from chaincode.audit import AuditContract
from chaincode.findings import KINDS, STEPS_MAX
from network.audit_record import finding_id_of
from tests.support.contract_runner import ContractLedger, Outcome, Runner
from tests.support.contract_state import serialized_identity

BANK, PARTNER, REGULATOR = "DwaybankMSP", "PartnerMSP", "RegulatorMSP"
BANK_CLIENT = serialized_identity(BANK)
BANK_PEER = serialized_identity(BANK, units=("peer",))
PARTNER_CLIENT = serialized_identity(PARTNER)
REGULATOR_CLIENT = serialized_identity(REGULATOR)
EVIDENCE, TEXT = "ab" * 32, "cd" * 32
LATE = ("late_checkpoint", "checkpoint/4711")
ID = finding_id_of(REGULATOR, LATE[0], BANK, LATE[1])


@pytest.fixture
def ledger(runner: Runner) -> ContractLedger:
    return ContractLedger(AuditContract(), runner)


async def opened(ledger: ContractLedger, *, creator: bytes = REGULATOR_CLIENT, about: str = BANK) -> Outcome:
    return await ledger.submit(creator, "OpenFinding", about, *LATE, EVIDENCE)


async def test_a_finding_goes_through_its_life_and_keeps_every_step(ledger: ContractLedger) -> None:
    first = await opened(ledger)
    assert first.status == 200, first
    assert first.event == (
        "Finding",
        f'{{"finding_id":"{ID}","kind":"late_checkpoint","opened_by":"{REGULATOR}","organization":"{BANK}","status":"open"}}'
        .encode(),
    )  # fmt: skip
    assert (await ledger.submit(BANK_CLIENT, "ExplainFinding", ID, TEXT)).json()["status"] == "explained"
    assert (await ledger.submit(REGULATOR_CLIENT, "EscalateFinding", ID)).json()["status"] == "escalated"
    assert (await ledger.submit(BANK_CLIENT, "ExplainFinding", ID, EVIDENCE)).json()["status"] == "explained"
    assert (await ledger.submit(REGULATOR_CLIENT, "CloseFinding", ID, "remedied")).json()["status"] == "closed"
    found = (await ledger.submit(PARTNER_CLIENT, "GetFinding", ID)).json()
    assert [(step["status"], step["by"]) for step in found["steps"]] == [
        ("open", REGULATOR), ("explained", BANK), ("escalated", REGULATOR), ("explained", BANK), ("closed", REGULATOR),
    ]  # fmt: skip
    assert [step.get("explanation") for step in found["steps"]] == [None, TEXT, None, EVIDENCE, None]
    assert found["steps"][-1]["outcome"] == "remedied"


@pytest.mark.parametrize("year", [1, 5, 999, 1000, 9999])
async def test_time_of_a_step_can_be_read_whatever_year_a_client_says_it_is(ledger: ContractLedger, year: int) -> None:
    # Once every list of findings and every daily report broke on the year 5, for good.
    told = datetime(year, 3, 1, 12, tzinfo=UTC)
    assert (await ledger.submit(REGULATOR_CLIENT, "OpenFinding", BANK, *LATE, EVIDENCE, timestamp=told)).status == 200
    (step,) = (await ledger.submit(PARTNER_CLIENT, "GetFinding", ID)).json()["steps"]
    assert datetime.fromisoformat(step["timestamp"]) == told


async def test_a_finding_when_stored_then_json_is_exactly_this(ledger: ContractLedger) -> None:
    await opened(ledger)
    stored = {
        "evidence": EVIDENCE, "finding_id": ID, "kind": LATE[0], "opened_by": REGULATOR, "organization": BANK,
        "status": "open", "steps": [{
            "by": REGULATOR, "status": "open", "timestamp": "2026-03-01T12:00:00.123456Z", "transaction_id": "tx1",
        }],
        "subject": LATE[1],
    }  # fmt: skip
    expected = json.dumps(stored, sort_keys=True, separators=(",", ":")).encode()
    assert ledger.state.values == {("", f"finding~{ID}"): expected}


async def test_the_same_matter_is_opened_once_by_each_and_never_again(ledger: ContractLedger) -> None:
    await opened(ledger)
    assert (await opened(ledger)).status == 409
    await ledger.submit(REGULATOR_CLIENT, "CloseFinding", ID, "mistaken")
    assert (await opened(ledger)).status == 409, "also when it is closed"
    assert (await opened(ledger, creator=PARTNER_CLIENT)).status == 200
    assert (await opened(ledger, about=PARTNER)).status == 200


async def test_each_step_is_taken_by_who_may_and_in_its_time(ledger: ContractLedger) -> None:
    await opened(ledger)
    assert (await opened(ledger, creator=BANK_PEER)).status == 403
    for creator in (REGULATOR_CLIENT, PARTNER_CLIENT, BANK_PEER):
        assert (await ledger.submit(creator, "ExplainFinding", ID, TEXT)).status == 403
    for creator in (BANK_CLIENT, PARTNER_CLIENT):
        assert (await ledger.submit(creator, "EscalateFinding", ID)).status == 403
        assert (await ledger.submit(creator, "CloseFinding", ID, "mistaken")).status == 403
    assert (await ledger.submit(REGULATOR_CLIENT, "EscalateFinding", ID)).status == 200
    assert (await ledger.submit(REGULATOR_CLIENT, "EscalateFinding", ID)).status == 409
    assert (await ledger.submit(REGULATOR_CLIENT, "CloseFinding", ID, "sanctioned")).status == 200
    for call in (("EscalateFinding", ID), ("CloseFinding", ID, "mistaken")):
        assert (await ledger.submit(REGULATOR_CLIENT, *call)).status == 409
    assert (await ledger.submit(BANK_CLIENT, "ExplainFinding", ID, TEXT)).status == 409


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (("OpenFinding", "Bank~MSP", *LATE, EVIDENCE), 400),
        (("OpenFinding", BANK, "rumour", LATE[1], EVIDENCE), 400),
        (("OpenFinding", BANK, LATE[0], "checkpoint/0", EVIDENCE), 400),
        (("OpenFinding", BANK, LATE[0], "checkpoint/1\n", EVIDENCE), 400),
        (("OpenFinding", BANK, LATE[0], "the manager's rent", EVIDENCE), 400),
        (("OpenFinding", BANK, *LATE, EVIDENCE[:-2]), 400),
        (("OpenFinding", BANK, *LATE, EVIDENCE.upper()), 400),
        (("ExplainFinding", ID, "because"), 400),
        (("EscalateFinding", "xy"), 400),
        (("EscalateFinding", "00" * 16), 404),
        (("CloseFinding", ID, "forgotten"), 400),
        (("GetFinding", "00" * 16), 404),
    ],
)
async def test_arguments_that_cannot_be_used_are_refused_and_change_nothing(
    ledger: ContractLedger, call: tuple[str, ...], status: int
) -> None:
    assert (await ledger.submit(REGULATOR_CLIENT, *call)).status == status
    assert ledger.state.values == {}


async def test_every_kind_and_form_of_subject_is_taken(ledger: ContractLedger) -> None:
    subjects = (
        "log",
        "member",
        "checkpoint/1",
        "entry/9223372036854775807",
        f"demand/{'0a' * 16}",
        "block/0",
        f"obligation/{'0b' * 16}",
    )
    for kind, subject in itertools.product(KINDS, subjects):
        assert (await ledger.submit(PARTNER_CLIENT, "OpenFinding", BANK, kind, subject, EVIDENCE)).status == 200


async def test_a_quarrel_without_end_can_still_be_closed(ledger: ContractLedger) -> None:
    await opened(ledger)
    for _ in range(STEPS_MAX - 2):
        assert (await ledger.submit(BANK_CLIENT, "ExplainFinding", ID, TEXT)).status == 200
    assert (await ledger.submit(BANK_CLIENT, "ExplainFinding", ID, TEXT)).status == 409
    closed = (await ledger.submit(REGULATOR_CLIENT, "CloseFinding", ID, "remedied")).json()
    assert len(closed["steps"]) == STEPS_MAX
