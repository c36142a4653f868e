"""Aim: what banks owe one another goes only the ways its automaton has, each step by whom it binds, and nothing of it
is public but ids, states and commitments; two bookings that differ are found by the contract itself.

Method: every case in process and over the chaincode stream, on a committed state that keeps Fabric's rules.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from chaincode.obligations import TRANSITIONS
from chaincode.shim.key_endorsement import KeyEndorsementPolicy
from network.obligation import details_of
from tests.support.contract_runner import Runner
from tests.support.contract_state import serialized_identity
from tests.support.settlement_case import (
    BANK,
    PAIR,
    PARTNER,
    REGULATOR,
    THIRD,
    SettlementCase,
    details,
    later,
    obligation_id,
)

EUR, USD = details(1), details(2, 13_700, debtor=PARTNER, creditor=BANK, asset="USD")
WRONG = "ab" * 32


@pytest.fixture
def case(runner: Runner) -> SettlementCase:
    return SettlementCase(runner)


async def test_an_obligation_goes_from_proposal_to_settlement_and_keeps_every_step(case: SettlementCase) -> None:
    proposed = await case.propose((1, EUR))
    assert proposed.status == 200, proposed
    assert proposed.event == ("Obligations", f'{{"ids":["{obligation_id(1)}"],"state":"proposed"}}'.encode())
    assert (await case.agree(1)).json() == {"ids": [obligation_id(1)], "state": "agreed"}
    assert (await case.settle(1)).json() == {"ids": [obligation_id(1)], "state": "settled"}
    record = case.record(1)
    assert [(step["state"], step["by"]) for step in record["steps"]] == [
        ("proposed", BANK), ("agreed", PARTNER), ("settled", PARTNER),
    ]  # fmt: skip
    assert record["commitment"] == EUR.commitment.hex()
    assert record["value"] == EUR.value.hex()


async def test_nothing_but_ids_states_and_commitments_is_public(case: SettlementCase) -> None:
    await case.agreed((1, EUR), (2, USD))
    await case.call(PARTNER, "SetLimit", BANK, term={"asset": "EUR", "value": "4711000", "salt": "01" * 32})
    for secret in ("12500", "13700", "EUR", "USD", "settlement-1", EUR.salt.hex(), "4711000", '2026-03-01"'):
        assert secret not in case.public()
    private = {key for where, key in case.ledger.state.values if where == PAIR}
    assert private == {"terms", "exposures", f"details~{obligation_id(1)}", f"details~{obligation_id(2)}"}
    # Every private value carries a salt: its hash is in the block, and could be guessed otherwise.
    for (where, _), value in case.ledger.state.values.items():
        assert where == "" or len(json.loads(value)["salt"]) == 64


async def test_a_key_of_an_obligation_asks_for_a_peer_of_each_bank(case: SettlementCase) -> None:
    await case.propose((1, EUR))
    policy = case.ledger.state.metadata["", f"obligation~{obligation_id(1)}"]["VALIDATION_PARAMETER"]
    assert KeyEndorsementPolicy(policy).organizations() == [BANK, PARTNER]


async def test_who_is_not_bound_or_not_entitled_cannot_take_a_step(case: SettlementCase) -> None:
    await case.propose((1, EUR))
    assert (await case.agree(1, by=BANK, other=PARTNER)).status == 403, "who proposed does not agree"
    assert (await case.agree(1, by=REGULATOR)).status == 403
    assert (await case.call(THIRD, "Cancel", obligation_id(1))).status == 403
    assert (await case.agree(1)).status == 200
    assert (await case.settle(1, by=BANK, other=PARTNER)).status == 403, "the debtor does not say that it is paid"
    for function in ("Cancel", "ReturnObligation"):
        assert (await case.call(BANK, function, obligation_id(1))).status == 403
    assert (await case.call(PARTNER, "ReturnObligation", obligation_id(1))).status == 200
    peer = serialized_identity(PARTNER, units=("peer",))
    assert (await case.ledger.submit(peer, "Cancel", obligation_id(1))).status == 403


async def test_from_every_state_only_the_steps_of_the_automaton_are_open(case: SettlementCase) -> None:
    steps = {
        "agreed": lambda number: case.agree(number),
        "settled": lambda number: case.settle(number),
        "returned": lambda number: case.call(PARTNER, "ReturnObligation", obligation_id(number)),
        "cancelled": lambda number: case.call(PARTNER, "Cancel", obligation_id(number)),
        "expired": lambda number: case.call(PARTNER, "Expire", obligation_id(number), at=later(hours=2)),
    }
    ways: dict[str, list[str]] = {"proposed": [], "agreed": ["agreed"]}
    ways |= {state: ["agreed", state] for state in ("settled", "returned")}
    ways |= {state: [state] for state in ("cancelled", "expired")}
    for number, (state, target) in enumerate(itertools.product(ways, steps)):
        await case.propose((number, details(number)))
        for step in ways[state]:
            assert (await steps[step](number)).status == 200
        outcome = await steps[target](number)
        allowed = target in TRANSITIONS.get(state, ())
        assert (outcome.status == 200) == allowed, (state, target, outcome)
        assert case.state(number) == (target if allowed else state)


async def test_time_ends_a_proposal_and_nothing_that_was_agreed(case: SettlementCase) -> None:
    await case.propose((1, EUR), (2, USD))
    assert (await case.call(BANK, "Expire", obligation_id(1))).code == "too_early"
    assert (await case.agree(1, at=later(hours=2))).code == "too_late"
    assert (await case.call(BANK, "Expire", obligation_id(1), at=later(hours=2))).status == 200
    await case.agree(2)
    assert (await case.call(BANK, "Expire", obligation_id(2), at=later(hours=2))).code == "wrong_state"


async def test_the_same_obligation_is_proposed_once_and_a_batch_stands_or_falls_as_one(case: SettlementCase) -> None:
    await case.propose((1, EUR))
    again = await case.propose((2, USD), (1, EUR))
    assert again.code == "obligation_exists"
    assert ("", f"obligation~{obligation_id(2)}") not in case.ledger.state.values


async def test_what_nobody_answered_in_time_is_proposed_anew_by_who_proposed_it(case: SettlementCase) -> None:
    await case.propose((1, EUR), booking=EUR.commitment.hex())
    await case.propose((2, EUR), (3, USD), linked={2: 3, 3: 2})
    await case.propose((4, EUR))
    await case.agree(4)
    anew = replace(EUR, value_date=EUR.value_date + timedelta(days=1))
    assert (await case.propose((1, anew), at=later(minutes=59))).code == "obligation_exists"
    assert (await case.propose((1, anew), by=PARTNER, at=later(hours=2))).code == "obligation_exists"
    assert (await case.propose((4, EUR), at=later(hours=2))).code == "obligation_exists", "it was answered"
    again = await case.propose((2, EUR), (3, USD), linked={2: 3, 3: 2}, at=later(hours=2))
    assert again.code == "obligation_exists", "what is linked stands and falls with the other"
    assert (await case.propose((2, EUR), at=later(hours=2))).code == "obligation_exists"
    assert (await case.propose((1, anew), booking=anew.commitment.hex(), at=later(hours=2))).status == 200
    record = case.record(1)
    assert [step["state"] for step in record["steps"]] == ["proposed", "proposed"]
    assert (record["commitment"], record["books"]) == (anew.commitment.hex(), "one_sided")
    assert (await case.agree(1, booking=anew.commitment.hex(), at=later(hours=2))).status == 200
    assert case.record(1)["books"] == "agreed"
    await case.call(BANK, "Cancel", obligation_id(2))
    assert (await case.propose((2, EUR), at=later(hours=2))).code == "obligation_exists", "somebody ended it"


async def test_both_bookings_that_fit_are_agreed(case: SettlementCase) -> None:
    booking = EUR.commitment.hex()
    await case.propose((1, EUR), booking=booking)
    assert case.record(1)["books"] == "one_sided"
    await case.agree(1, booking=booking)
    assert case.record(1)["books"] == "agreed"
    assert (await case.call(PARTNER, "Book", obligation_id(1), WRONG)).code == "already_booked"
    assert (await case.call(REGULATOR, "ListDiverged", "")).json() == []


async def test_a_booking_of_another_amount_diverges_names_the_bank_and_shows_no_amount(case: SettlementCase) -> None:
    await case.propose((1, EUR), booking=EUR.commitment.hex())
    other = details(1, 12_499)
    await case.agree(1, booking=other.commitment.hex())
    [found] = (await case.call(REGULATOR, "ListDiverged", "")).json()
    assert (found["obligation_id"], found["books"]) == (obligation_id(1), "diverged")
    assert found["bookings"][PARTNER][-1]["booking"] == other.commitment.hex() != found["commitment"]
    assert "12499" not in case.public()
    # Put right, both agree again, and what was said first stays said.
    assert (await case.call(PARTNER, "Book", obligation_id(1), EUR.commitment.hex())).json()["books"] == "agreed"
    assert len(case.record(1)["bookings"][PARTNER]) == 2
    assert (await case.call(REGULATOR, "ListDiverged", "")).json() == []


async def test_one_wrong_booking_alone_diverges_already(case: SettlementCase) -> None:
    await case.propose((1, EUR), booking=WRONG)
    assert case.record(1)["books"] == "diverged"
    assert (await case.call(REGULATOR, "Book", obligation_id(1), WRONG)).status == 403
    for _ in range(9):
        assert (await case.call(BANK, "Book", obligation_id(1), WRONG)).status == 200
    assert (await case.call(BANK, "Book", obligation_id(1), WRONG)).code == "too_many_bookings"


async def test_payment_versus_payment_settles_both_or_neither(case: SettlementCase) -> None:
    await case.agreed((1, EUR), (2, USD), linked={1: 2, 2: 1})
    assert (await case.settle(1)).json()["ids"] == []
    assert (case.state(1), case.state(2)) == ("agreed", "agreed")
    assert (await case.settle(1)).json()["ids"] == [], "saying it twice does not settle the other"
    assert (await case.settle(2)).status == 403, "nor does the debtor of the other"
    assert (await case.settle(2, by=BANK, other=PARTNER)).json()["ids"] == [obligation_id(2), obligation_id(1)]
    assert (case.state(1), case.state(2)) == ("settled", "settled")
    assert case.record(1)["steps"][-1]["transaction_id"] == case.record(2)["steps"][-1]["transaction_id"]


async def test_linked_obligations_are_cancelled_by_both_creditors_or_not_at_all(case: SettlementCase) -> None:
    await case.agreed((1, EUR), (2, USD), linked={1: 2, 2: 1})
    await case.settle(1)
    assert (await case.call(BANK, "Cancel", obligation_id(2))).json()["ids"] == []
    assert (case.state(1), case.state(2)) == ("agreed", "agreed"), "one is ready to settle, the other to cancel"
    assert (await case.call(PARTNER, "ReturnObligation", obligation_id(1))).code == "linked"
    await case.call(PARTNER, "Cancel", obligation_id(1))
    assert (case.state(1), case.state(2)) == ("cancelled", "cancelled")


async def test_linked_obligations_are_agreed_and_expire_together(case: SettlementCase) -> None:
    await case.propose((1, EUR), (2, USD), linked={1: 2, 2: 1})
    assert (await case.agree(1)).status == 400
    assert (await case.call(BANK, "Expire", obligation_id(2), at=later(hours=2))).status == 200
    assert (case.state(1), case.state(2)) == ("expired", "expired")


@pytest.mark.parametrize(
    ("second", "linked"),
    [
        (details(2, asset="USD"), {1: 2, 2: 1}),
        (details(2, debtor=PARTNER, creditor=BANK), {1: 2, 2: 1}),
        (USD, {1: 2, 2: 3}),
        (USD, {1: 1, 2: 2}),
    ],
    ids=["same_way", "same_asset", "not_back", "to_itself"],
)
async def test_links_that_could_never_be_settled_are_refused(
    case: SettlementCase, second: object, linked: dict[int, int]
) -> None:
    refused = await case.propose((1, EUR), (2, second), linked=linked)  # type: ignore[arg-type]
    assert refused.status == 400, refused
    assert case.ledger.state.values == {}


@pytest.mark.parametrize(
    "change",
    [
        {"amount": "0"}, {"amount": "-5"}, {"amount": "1.5"}, {"amount": "007"}, {"amount": str(2**63)}, {"amount": 5},
        {"asset": "E U R"}, {"asset": ""}, {"creditor": BANK}, {"creditor": THIRD}, {"value_date": "2026-3-1"},
        {"value_date": "2026-02-30"}, {"salt": "ab"}, {"salt": "AB" * 32}, {"reference": ""}, {"more": "x"},
        {"reference": "a\x00b"}, {"amount": "٣"},
    ],
    ids=lambda change: "_".join(map(str, *change.items())),
)  # fmt: skip
async def test_details_that_cannot_be_used_are_refused_and_change_nothing(
    case: SettlementCase, change: dict[str, object]
) -> None:
    item = {"obligation_id": obligation_id(1), "booking": "", "deadline": "2026-03-01T13:00:00.000000Z", "linked": ""}
    refused = await case.call(
        BANK, "Propose", PARTNER, REGULATOR, json.dumps([item]), details=[{**EUR.fields(), **change}]
    )
    assert refused.status == 400, refused
    assert case.ledger.state.values == {}


async def test_arguments_that_cannot_be_used_are_refused_and_change_nothing(case: SettlementCase) -> None:
    item = {"obligation_id": obligation_id(1), "booking": "", "deadline": "2026-03-01T13:00:00.000000Z", "linked": ""}
    for other, arbiter, items in (
        (BANK, REGULATOR, [item]),
        ("Partner~MSP", REGULATOR, [item]),
        ("Partner.MSP", REGULATOR, [item]),
        (PARTNER, BANK, [item]),
        (PARTNER, "x" * 65, [item]),
        (PARTNER, REGULATOR, []),
        (PARTNER, REGULATOR, [item] * 2),
        (PARTNER, REGULATOR, ["x"]),
        (PARTNER, REGULATOR, [{**item, "obligation_id": "XY"}]),
        (PARTNER, REGULATOR, [{**item, "obligation_id": 5}]),
        (PARTNER, REGULATOR, [{**item, "booking": "zz"}]),
        (PARTNER, REGULATOR, [{**item, "deadline": "tomorrow"}]),
        (PARTNER, REGULATOR, [{**item, "deadline": "2026-03-01T13:00:00Z"}]),
        (PARTNER, REGULATOR, [{**item, "linked": "x"}]),
        (PARTNER, REGULATOR, [{**item, "state": "settled"}]),
    ):
        refused = await case.call(BANK, "Propose", other, arbiter, json.dumps(items), details=[EUR.fields()])
        assert refused.status == 400, (other, arbiter, items, refused)
    for given in ("x", [], [EUR.fields(), EUR.fields()], ["x"], None):
        refused = await case.call(BANK, "Propose", PARTNER, "", json.dumps([item]), details=given)
        assert refused.status == 400, given
    assert (await case.call(BANK, "Propose", PARTNER, "", json.dumps([item]))).status == 400, "no transient map"
    assert (await case.call(BANK, "GetObligation", obligation_id(9))).status == 404
    assert (await case.call(BANK, "Settle", PARTNER, json.dumps([obligation_id(9)]))).status == 404
    assert case.ledger.state.values == {}


async def test_limit_with_collateral_bounds_what_is_owed(case: SettlementCase) -> None:
    term = {"asset": "EUR", "value": "20000", "salt": "01" * 32}
    assert (await case.call(PARTNER, "SetLimit", BANK, term=term)).status == 200
    await case.agreed((1, details(1, 12_500)))
    await case.propose((2, details(2, 7_501)), (3, details(3, 99_999, debtor=PARTNER, creditor=BANK)))
    assert (await case.agree(2)).code == "limit_exceeded"
    assert (await case.agree(3)).status == 200, "the other way and other assets are bounded by other limits"
    pledged = {"asset": "EUR", "value": "1", "salt": "02" * 32}
    assert (await case.call(BANK, "SetCollateral", PARTNER, term=pledged)).status == 200
    assert (await case.agree(2)).status == 200
    assert (await case.call(BANK, "SetCollateral", PARTNER, term={**pledged, "value": ""})).code == "limit_exceeded"
    assert (await case.call(BANK, "GetTerms", PARTNER)).json() == {
        "limits": {PARTNER: {"EUR": "20000"}}, "collateral": {BANK: {"EUR": "1"}}, "cut_offs": {},
        "debts": {BANK: {"EUR": "20001"}, PARTNER: {"EUR": "99999"}},
    }  # fmt: skip
    matrix = await case.call(REGULATOR, "GetPairTerms", PARTNER, BANK)
    assert matrix.json() == (await case.call(PARTNER, "GetTerms", BANK)).json()
    await case.settle(1)
    assert (await case.call(BANK, "SetCollateral", PARTNER, term={**pledged, "value": ""})).status == 200
    assert (await case.call(BANK, "GetTerms", PARTNER)).json()["debts"][BANK] == {"EUR": "7501"}


async def test_a_batch_counts_against_the_limit_as_a_whole(case: SettlementCase) -> None:
    await case.call(PARTNER, "SetLimit", BANK, term={"asset": "EUR", "value": "100", "salt": "01" * 32})
    await case.propose((1, details(1, 60)), (2, details(2, 60)))
    assert (await case.agree(1, 2)).code == "limit_exceeded"
    assert (case.state(1), case.state(2)) == ("proposed", "proposed")


async def test_after_the_cut_off_only_the_next_value_date_is_taken(case: SettlementCase) -> None:
    term = {"asset": "EUR", "value": "12:00", "salt": "01" * 32}
    assert (await case.call(PARTNER, "SetCutOff", BANK, term=term)).status == 200
    assert (await case.propose((1, EUR), at=later(minutes=-1))).status == 200
    assert (await case.propose((2, details(2)))).code == "past_cut_off"
    assert (await case.propose((2, USD))).status == 200, "the cut-off is the creditor's, for one asset"
    assert (await case.propose((3, details(3)), at=later(days=1))).code == "past_cut_off", "a day that is over"
    tomorrow = {**details(3).fields(), "value_date": "2026-03-02"}
    assert (await case.propose((3, details_of(tomorrow)))).status == 200


@pytest.mark.parametrize(
    ("function", "term"),
    [
        ("SetLimit", {"asset": "EUR", "value": "-1", "salt": "01" * 32}),
        ("SetLimit", {"asset": "EUR", "value": "01", "salt": "01" * 32}),
        ("SetLimit", {"asset": "EUR", "value": 5, "salt": "01" * 32}),
        ("SetLimit", {"asset": "EUR", "value": "5", "salt": "01"}),
        ("SetLimit", {"asset": "eu ro", "value": "5", "salt": "01" * 32}),
        ("SetLimit", {"asset": "EUR", "value": "5"}),
        ("SetCutOff", {"asset": "EUR", "value": "24:00", "salt": "01" * 32}),
        ("SetCollateral", {"asset": "EUR", "value": str(2**63), "salt": "01" * 32}),
        ("SetCollateral", ["EUR"]),
    ],
)
async def test_terms_that_cannot_be_used_are_refused(case: SettlementCase, function: str, term: object) -> None:
    assert (await case.call(BANK, function, PARTNER, term=term)).status == 400
    assert case.ledger.state.values == {}


async def test_details_are_read_back_and_lists_go_on_after_an_id(case: SettlementCase) -> None:
    await case.propose((1, EUR), (2, USD))
    assert (await case.call(PARTNER, "GetDetails", obligation_id(1))).json() == EUR.fields()
    ids = sorted(obligation_id(number) for number in (1, 2))
    listed = (await case.call(REGULATOR, "ListObligations", "")).json()
    assert [each["obligation_id"] for each in listed] == ids
    assert [each["obligation_id"] for each in (await case.call(THIRD, "ListObligations", ids[0])).json()] == ids[1:]
    asked = json.dumps([ids[1], obligation_id(7), ids[0]])
    assert [each["obligation_id"] for each in (await case.call(THIRD, "GetObligations", asked)).json()] == ids[::-1]
