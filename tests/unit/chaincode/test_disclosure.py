"""Aim: whoever demands disclosure, and whoever refuses it, leaves a record that holds no free text.

Method: every case in process and over the chaincode stream; golden JSON.
"""

from __future__ import annotations

import json

import pytest

from chaincode.audit import AuditContract
from chaincode.disclosure import REASONS
from tests.support.contract_runner import ContractLedger, Outcome, Runner
from tests.support.contract_state import serialized_identity

BANK, PARTNER, REGULATOR = "DwaybankMSP", "PartnerMSP", "RegulatorMSP"
BANK_CLIENT = serialized_identity(BANK)
BANK_PEER = serialized_identity(BANK, units=("peer",))
PARTNER_CLIENT = serialized_identity(PARTNER)
REGULATOR_CLIENT = serialized_identity(REGULATOR)
ID, KEY = "0123456789abcdef" * 2, "ab" * 32
ENTRY, ALL = '["entry"]', '["entry","description","customer"]'
DEMAND = (ID, BANK, "[1,5,7]", "supervisory_review", ALL)


@pytest.fixture
def ledger(runner: Runner) -> ContractLedger:
    return ContractLedger(AuditContract(), runner)


async def demanded(ledger: ContractLedger) -> Outcome:
    return await ledger.submit(REGULATOR_CLIENT, "Demand", *DEMAND)


async def test_demand_when_made_then_caller_scope_and_key_are_recorded_and_id_is_spent(ledger: ContractLedger) -> None:
    assert (await ledger.submit(REGULATOR_CLIENT, "RegisterDisclosureKey", KEY)).status == 200
    outcome = await demanded(ledger)
    assert outcome.event == ("Demand", b'{"demand_id":"%s","organization":"DwaybankMSP"}' % ID.encode())
    assert ledger.state.values[("", "demand~" + ID)].decode() == (
        '{"demand_id":"' + ID + '","demanding_organization":"RegulatorMSP","organization":"DwaybankMSP",'
        '"purpose":"supervisory_review","scope":["entry","description","customer"],"sealed_to":"' + KEY + '",'
        '"seqs":[1,5,7],"timestamp":"2026-03-01T12:00:00.123456Z","transaction_id":"tx2"}'
    )
    assert (await ledger.submit(BANK_CLIENT, "GetDemand", ID)).json()["demanding_organization"] == "RegulatorMSP"
    again = await ledger.submit(PARTNER_CLIENT, "Demand", *DEMAND)
    assert (again.status, again.code) == (409, "demand_exists")


async def test_demand_when_no_key_is_registered_then_it_says_so(ledger: ContractLedger) -> None:
    assert (await demanded(ledger)).json()["sealed_to"] == ""


@pytest.mark.parametrize(
    "args",
    [
        ("id", BANK, "[1]", "review", ENTRY),
        (ID.upper(), BANK, "[1]", "review", ENTRY),
        (ID, "", "[1]", "review", ENTRY),
        (ID, "x" * 65, "[1]", "review", ENTRY),
        (ID, BANK, "[]", "review", ENTRY),
        (ID, BANK, "[0]", "review", ENTRY),
        (ID, BANK, "[2,1]", "review", ENTRY),
        (ID, BANK, "[1,1]", "review", ENTRY),
        (ID, BANK, "[true]", "review", ENTRY),
        (ID, BANK, '["1"]', "review", ENTRY),
        (ID, BANK, "[[1]]", "review", ENTRY),
        (ID, BANK, json.dumps(list(range(1, 1002))), "review", ENTRY),
        (ID, BANK, "[1]", "About Anna Example", ENTRY),
        (ID, BANK, "[1]", "", ENTRY),
        (ID, BANK, "[1]", "x" * 41, ENTRY),
        (ID, BANK, "[1]", "review", "[]"),
        (ID, BANK, "[1]", "review", '["customer"]'),
        (ID, BANK, "[1]", "review", '["customer","entry"]'),
        (ID, BANK, "[1]", "review", '["entry","entry"]'),
        (ID, BANK, "[1]", "review", '["entry","all of it about Anna"]'),
        (ID, BANK, "[1]", "review", '["entry",["customer"]]'),
        (ID, BANK, "[1]", "review", '"entry"'),
    ],
)
async def test_demand_when_argument_is_hostile_then_refused(ledger: ContractLedger, args: tuple[str, ...]) -> None:
    outcome = await ledger.submit(REGULATOR_CLIENT, "Demand", *args)
    assert (outcome.status, outcome.code) == (400, "bad_argument"), outcome.message
    assert ledger.state.values == {}


# --- keys ---


async def test_key_when_registered_again_then_the_newer_one_counts_for_demands_to_come(ledger: ContractLedger) -> None:
    first = await ledger.submit(REGULATOR_CLIENT, "RegisterDisclosureKey", KEY)
    assert first.json() == {
        "organization": REGULATOR, "key": KEY, "number": 1, "timestamp": "2026-03-01T12:00:00.123456Z",
        "transaction_id": "tx1",
    }  # fmt: skip
    await demanded(ledger)
    newer = await ledger.submit(REGULATOR_CLIENT, "RegisterDisclosureKey", "cd" * 32)
    assert newer.json()["number"] == 2
    assert (await ledger.submit(PARTNER_CLIENT, "GetDisclosureKey", REGULATOR)).json()["key"] == "cd" * 32
    assert (await ledger.submit(BANK_CLIENT, "GetDemand", ID)).json()["sealed_to"] == KEY


async def test_key_when_it_cannot_be_used_then_refused(ledger: ContractLedger) -> None:
    for key in ("", KEY[:-2], KEY.upper(), "g" * 64):
        assert (await ledger.submit(REGULATOR_CLIENT, "RegisterDisclosureKey", key)).status == 400
    assert (await ledger.submit(BANK_PEER, "RegisterDisclosureKey", KEY)).status == 403
    assert (await ledger.submit(REGULATOR_CLIENT, "RegisterDisclosureKey", KEY)).status == 200
    again = await ledger.submit(REGULATOR_CLIENT, "RegisterDisclosureKey", KEY)
    assert (again.status, again.code) == (409, "registered")
    assert (await ledger.submit(BANK_CLIENT, "GetDisclosureKey", PARTNER)).status == 404


# --- refusals ---


async def test_refusal_when_given_then_it_stands_beside_the_demand(ledger: ContractLedger) -> None:
    await demanded(ledger)
    outcome = await ledger.submit(BANK_CLIENT, "RefuseDemand", ID, "too_wide")
    assert outcome.event == ("Refusal", b'{"demand_id":"%s","organization":"DwaybankMSP"}' % ID.encode())
    assert ledger.state.values[("", "refusal~" + ID)].decode() == (
        '{"demand_id":"' + ID + '","demanding_organization":"RegulatorMSP","organization":"DwaybankMSP",'
        '"reason":"too_wide","timestamp":"2026-03-01T12:00:00.123456Z","transaction_id":"tx2"}'
    )
    again = await ledger.submit(BANK_CLIENT, "RefuseDemand", ID, "privileged")
    assert (again.status, again.code) == (409, "already_refused")


async def test_refusal_when_not_by_who_is_asked_or_without_reason_then_refused(ledger: ContractLedger) -> None:
    assert (await ledger.submit(BANK_CLIENT, "RefuseDemand", ID, REASONS[0])).status == 404
    await demanded(ledger)
    before = dict(ledger.state.values)
    for creator in (PARTNER_CLIENT, REGULATOR_CLIENT, BANK_PEER):
        assert (await ledger.submit(creator, "RefuseDemand", ID, REASONS[0])).status == 403
    for reason in ("", "because Anna asked us", "Erased"):
        assert (await ledger.submit(BANK_CLIENT, "RefuseDemand", ID, reason)).status == 400
    assert (await ledger.submit(BANK_CLIENT, "RefuseDemand", "xy", REASONS[0])).status == 400
    assert ledger.state.values == before
