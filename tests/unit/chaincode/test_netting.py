"""Aim: a cycle is settled for all or none; the net positions are sums of the gross obligations and nothing else opens
them; whoever is not bound cannot take part.

Method: three banks, every case in process and over the chaincode stream; sums against plain arithmetic.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import pytest

from chaincode.encoding import format_time
from network import value_commitment
from network.obligation import ObligationDetails
from tests.support.contract_runner import Outcome, Runner
from tests.support.settlement_case import BANK, PARTNER, REGULATOR, THIRD, SettlementCase, details, later, obligation_id

CYCLE = "0c" * 16
ADDED, CUT_OFF, SETTLE_BY = later(minutes=1), later(hours=1), later(hours=2)
BANKS = [BANK, PARTNER, THIRD]

GROSS = {
    1: details(1, 10_000),
    2: details(2, 4_000, debtor=PARTNER, creditor=BANK),
    3: details(3, 9_000, debtor=PARTNER, creditor=THIRD),
    4: details(4, 7_000, debtor=THIRD, creditor=BANK),
    5: details(5, 500, debtor=THIRD, creditor=BANK, asset="USD"),
}
NET = {
    BANK: {"EUR": -1_000, "USD": -500},
    PARTNER: {"EUR": 3_000},
    THIRD: {"EUR": -2_000, "USD": 500},
}


@pytest.fixture
def case(runner: Runner) -> SettlementCase:
    return SettlementCase(runner)


async def opened(
    case: SettlementCase, *, by: str = BANK, members: object = BANKS, cut_off: datetime = CUT_OFF
) -> Outcome:
    arguments = (CYCLE, json.dumps(members), format_time(cut_off), format_time(SETTLE_BY))
    return await case.call(by, "OpenCycle", *arguments)


async def agreed(case: SettlementCase, number: int, told: ObligationDetails) -> None:
    booking = told.commitment.hex()
    await case.agreed((number, told), by=told.debtor, booking=booking)
    assert (await case.call(told.creditor, "Book", obligation_id(number), booking)).json()["books"] == "agreed"


async def add(case: SettlementCase, *numbers: int, by: str, other: str, at: datetime = ADDED) -> Outcome:
    ids = json.dumps([obligation_id(number) for number in numbers])
    return await case.call(by, "AddToCycle", CYCLE, other, ids, at=at)


async def gathered(case: SettlementCase) -> None:
    """Open a cycle, add everything, cut off."""
    for number, told in GROSS.items():
        await agreed(case, number, told)
    assert (await opened(case)).status == 200
    for numbers, by, other in (((1, 2), BANK, PARTNER), ((3,), THIRD, PARTNER), ((4, 5), BANK, THIRD)):
        assert (await add(case, *numbers, by=by, other=other)).status == 200
    assert (await case.call(THIRD, "CutOffCycle", CYCLE, at=CUT_OFF)).status == 200


def opening(bank: str, **changes: object) -> dict[str, object]:
    """Return what a bank knows from its own obligations."""
    own = [told for told in GROSS.values() if bank in (told.debtor, told.creditor)]
    first = [told if bank == min(told.debtor, told.creditor) else None for told in own]
    blinding = sum(told.blinding if mine else -told.blinding for told, mine in zip(own, first, strict=True))
    net = value_commitment.total((told.asset, told.amount if told.debtor == bank else -told.amount) for told in own)
    told: dict[str, object] = {
        "net": {asset: str(amount) for asset, amount in net.items()},
        "blinding": (blinding % value_commitment.ORDER).to_bytes(32, "big").hex(),
    }
    return told | changes


async def confirm(case: SettlementCase, bank: str, **changes: object) -> Outcome:
    return await case.call(bank, "ConfirmPosition", CYCLE, at=later(minutes=61), position=opening(bank, **changes))


async def test_cycle_is_settled_once_every_member_confirmed_its_net(case: SettlementCase) -> None:
    await gathered(case)
    for bank, state in zip(BANKS, ("cut_off", "cut_off", "settled"), strict=True):
        net = {asset: int(str(amount)) for asset, amount in opening(bank)["net"].items()}  # type: ignore[attr-defined]
        assert net == NET[bank]
        assert (await confirm(case, bank)).json()["state"] == state
    assert case.state(1) == "netting"
    ids = json.dumps([obligation_id(1), obligation_id(2)])
    assert (await case.call(PARTNER, "FinishNetted", CYCLE, BANK, ids)).status == 200
    assert (case.state(1), case.state(2), case.state(3)) == ("settled", "settled", "netting")
    assert (await case.call(BANK, "GetTerms", PARTNER)).json()["debts"] == {BANK: {}, PARTNER: {}}


async def test_positions_are_sums_that_anybody_adds_up_again_and_come_to_nothing(case: SettlementCase) -> None:
    await gathered(case)
    cycle = (await case.call(REGULATOR, "GetCycle", CYCLE)).json()
    again = dict.fromkeys(BANKS, value_commitment.NEUTRAL)
    for number in GROSS:
        record = case.record(number)
        value = bytes.fromhex(record["value"])
        for bank, part in zip(record["banks"], (value, value_commitment.negate(value)), strict=True):
            again[bank] = value_commitment.add(again[bank], part)
    assert cycle["positions"] == {bank: point.hex() for bank, point in again.items()}
    assert value_commitment.add(*again.values()) == value_commitment.NEUTRAL
    assert (cycle["count"], [pair["count"] for pair in cycle["pairs"]]) == (5, [2, 2, 1])
    for secret in ("3000", "1000", "EUR", "USD"):
        assert secret not in case.public()


@pytest.mark.parametrize(
    "changes",
    [
        {"net": {"EUR": "3001"}}, {"net": {"EUR": "2999"}}, {"net": {}}, {"net": {"EUR": "3000", "USD": "1"}},
        {"net": {"USD": "3000"}}, {"net": {"EUR": "-3000"}}, {"blinding": "00" * 32},
    ],
)  # fmt: skip
async def test_net_that_does_not_follow_from_the_gross_is_refused(
    case: SettlementCase, changes: dict[str, object]
) -> None:
    await gathered(case)
    assert (await confirm(case, PARTNER, **changes)).code == "wrong_position"
    assert (await confirm(case, PARTNER)).status == 200


async def test_position_of_another_bank_is_not_confirmed_for_it(case: SettlementCase) -> None:
    await gathered(case)
    mine = opening(PARTNER)
    assert (await case.call(BANK, "ConfirmPosition", CYCLE, at=CUT_OFF, position=mine)).code == "wrong_position"
    assert (await case.call(REGULATOR, "ConfirmPosition", CYCLE, at=CUT_OFF, position=mine)).status == 403
    assert (await confirm(case, PARTNER)).status == 200
    assert (await confirm(case, PARTNER)).code == "already_confirmed"


async def test_cycle_that_one_member_does_not_confirm_settles_nothing(case: SettlementCase) -> None:
    await gathered(case)
    await confirm(case, BANK)
    await confirm(case, THIRD)
    ids = json.dumps([obligation_id(1)])
    assert (await case.call(BANK, "FinishNetted", CYCLE, PARTNER, ids)).code == "wrong_state"
    assert (await case.call(BANK, "FailCycle", CYCLE, at=SETTLE_BY)).code == "too_early"
    assert (await case.call(REGULATOR, "FailCycle", CYCLE, at=later(hours=3))).status == 403
    assert (await case.call(BANK, "FailCycle", CYCLE, at=later(hours=3))).json()["state"] == "failed"
    assert (await confirm(case, PARTNER)).code == "wrong_state"
    assert (await case.call(BANK, "FinishNetted", CYCLE, PARTNER, ids)).status == 200
    assert (case.state(1), case.record(1)["cycle"]) == ("agreed", "")
    assert (await case.call(BANK, "GetTerms", PARTNER)).json()["debts"][BANK] == {"EUR": "10000"}
    assert (await case.call(BANK, "FinishNetted", CYCLE, PARTNER, ids)).code == "wrong_cycle"


async def test_only_what_both_booked_alike_and_nobody_disputes_is_netted(case: SettlementCase) -> None:
    told = details(1)
    await case.agreed((1, told))
    await opened(case)
    assert (await add(case, 1, by=BANK, other=PARTNER)).code == "not_booked_alike"
    for bank in (BANK, PARTNER):
        await case.call(bank, "Book", obligation_id(1), told.commitment.hex())
    dispute = ("0d" * 16, obligation_id(1), "amount", "ab" * 32, format_time(later(hours=1)))
    assert (await case.call(PARTNER, "OpenDispute", *dispute)).status == 200
    assert (await add(case, 1, by=BANK, other=PARTNER)).code == "disputed"
    await case.call(PARTNER, "ResolveDispute", dispute[0], "withdrawn")
    assert (await add(case, 1, by=BANK, other=PARTNER)).status == 200
    assert (await add(case, 1, by=BANK, other=PARTNER)).code == "wrong_state", "not twice"
    assert (await case.settle(1)).code == "wrong_state", "and not settled beside the cycle"


async def test_linked_obligations_are_not_netted(case: SettlementCase) -> None:
    back = replace(details(2, debtor=PARTNER, creditor=BANK), asset="USD")
    await case.agreed((1, details(1)), (2, back), linked={1: 2, 2: 1})
    await opened(case)
    assert (await add(case, 1, by=BANK, other=PARTNER)).code == "linked"


async def test_nothing_is_added_after_the_cut_off_nor_by_others(case: SettlementCase) -> None:
    await agreed(case, 1, GROSS[1])
    await agreed(case, 4, GROSS[4])
    await opened(case, members=[BANK, PARTNER])
    assert (await add(case, 4, by=BANK, other=THIRD)).status == 403, "not a member"
    assert (await add(case, 1, by=BANK, other=THIRD)).status == 403, "not this pair's"
    assert (await add(case, 1, by=BANK, other=PARTNER, at=CUT_OFF)).code == "past_cut_off"
    assert (await case.call(BANK, "CutOffCycle", CYCLE)).code == "too_early"
    assert (await case.call(THIRD, "CutOffCycle", CYCLE, at=CUT_OFF)).status == 403
    assert (await case.call(BANK, "CutOffCycle", CYCLE, at=CUT_OFF)).status == 200
    assert (await case.call(BANK, "CutOffCycle", CYCLE, at=CUT_OFF)).code == "wrong_state"
    # Nothing was added: a net of nothing is opened by nothing.
    for bank in (BANK, PARTNER):
        empty = {"net": {}, "blinding": "00" * 32}
        assert (await case.call(bank, "ConfirmPosition", CYCLE, at=CUT_OFF, position=empty)).status == 200
    assert (await case.call(REGULATOR, "GetCycle", CYCLE)).json()["state"] == "settled"


async def test_cycles_that_cannot_be_are_refused(case: SettlementCase) -> None:
    for members in (
        [BANK],
        [BANK, BANK],
        [PARTNER, THIRD],
        [BANK, 5],
        [BANK, "a~b"],
        [BANK] + [f"M{n}" for n in range(20)],
    ):
        assert (await opened(case, members=members)).status in (400, 403), members
    for cut_off in (later(), later(hours=-1), later(hours=2)):
        assert (await opened(case, cut_off=cut_off)).status == 400, cut_off
    far = (CYCLE, json.dumps(BANKS), format_time(later(days=6)), format_time(later(days=8)))
    assert (await case.call(BANK, "OpenCycle", *far)).status == 400
    assert case.ledger.state.values == {}
    assert (await opened(case)).status == 200
    assert (await opened(case)).code == "cycle_exists"
    assert [each["cycle_id"] for each in (await case.call(REGULATOR, "ListCycles", "")).json()] == [CYCLE]
    assert (await case.call(REGULATOR, "ListCycles", CYCLE)).json() == []
    assert (await case.call(REGULATOR, "GetCycle", "00" * 16)).status == 404


@pytest.mark.parametrize(
    "position",
    [
        None, "x", {}, {"net": [], "blinding": "00" * 32}, {"net": {}, "blinding": 5}, {"net": {}, "blinding": "00"},
        {"net": {"EUR": 5}, "blinding": "00" * 32}, {"net": {"EUR": "0"}, "blinding": "00" * 32},
        {"net": {"EUR": "05"}, "blinding": "00" * 32}, {"net": {"E R": "5"}, "blinding": "00" * 32},
        {"net": {f"A{n}": "1" for n in range(51)}, "blinding": "00" * 32},
    ],
    ids=str,
)  # fmt: skip
async def test_openings_that_cannot_be_read_are_refused(case: SettlementCase, position: object) -> None:
    await opened(case, members=[BANK, PARTNER])
    await case.call(BANK, "CutOffCycle", CYCLE, at=CUT_OFF)
    assert (await case.call(BANK, "ConfirmPosition", CYCLE, at=CUT_OFF, position=position)).status == 400
