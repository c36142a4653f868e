"""Aim: whatever banks do, in whatever order, debts are exactly what is agreed and not ended, no obligation leaves its
automaton, and what is netted comes to nothing in total.

Method: random calls by random callers at random times against the real contract, beside a model that knows only which
calls succeeded; after each call the books of the model and the private state are compared.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chaincode.encoding import format_time
from chaincode.obligations import TRANSITIONS
from network import value_commitment
from network.obligation import pair_collection
from node.partner.netting import position_of
from tests.support.contract_runner import InProcessRunner, Outcome
from tests.support.contract_state import NOW
from tests.support.settlement_case import BANK, PARTNER, REGULATOR, THIRD, SettlementCase, details, obligation_id

BANKS = (BANK, PARTNER, THIRD)
CYCLE = "0c" * 16
NUMBERS = 6

STEPS = (
    "agreed", "agreed", "booked", "booked", "propose", "agree", "book", "settle", "cancel", "return", "expire", "add",
    "add", "add", "cut", "confirm", "netted", "fail", "finish", "finish", "limit",
)  # fmt: skip
steps = st.lists(
    st.tuples(
        st.sampled_from(STEPS),
        st.sampled_from(("debtor", "creditor", "creditor", "outsider")),
        st.integers(0, NUMBERS - 1),
        st.integers(0, 5),
    ),
    min_size=10,
    max_size=50,
)


def told(number: int) -> Any:
    """An obligation between two of three banks, the same for the same number."""
    debtor, creditor = BANKS[number % 3], BANKS[(number + 1 + number // 3) % 3]
    return details(number, 100 * (number + 1), debtor=debtor, creditor=creditor, asset="EUR" if number % 2 else "USD")


class World:
    """The contract beside a model of it."""

    def __init__(self) -> None:
        self.case = SettlementCase(InProcessRunner())
        self.states: dict[int, str] = {}

    async def take(self, step: str, role: str, number: int, hours: int) -> Outcome:
        """Make one call, or two that follow one another."""
        case, each, at = self.case, told(number), NOW + timedelta(minutes=30 * hours)
        outsider = next(bank for bank in (*BANKS, REGULATOR) if bank not in (each.debtor, each.creditor))
        caller = {"debtor": each.debtor, "creditor": each.creditor, "outsider": outsider}[role]
        other = each.debtor if caller == each.creditor else each.creditor
        ids, booking = json.dumps([obligation_id(number)]), each.commitment.hex()
        if step in ("agreed", "booked"):
            mine = booking if step == "booked" else ""
            await case.propose((number, each), by=each.debtor, booking=mine)
            self.check()
            return await case.agree(number, by=each.creditor, other=each.debtor, booking=mine)
        if step == "confirm":
            return await self.confirm_all()
        if step == "netted":
            await case.call(each.debtor, "AddToCycle", CYCLE, each.creditor, ids)
            await case.call(BANK, "CutOffCycle", CYCLE, at=NOW + timedelta(minutes=90))
            self.check()
            await self.confirm_all()
            return await case.call(each.creditor, "FinishNetted", CYCLE, each.debtor, ids)
        if step == "propose":
            if caller == outsider:
                return await case.call(caller, "Cancel", obligation_id(number))
            return await case.propose((number, each), by=caller, booking=booking if hours % 2 else "")
        if step == "agree":
            return await case.agree(number, by=caller, other=other, at=at)
        if step == "limit":
            term = {"asset": each.asset, "value": str(150 * hours), "salt": "01" * 32}
            return await case.call(caller, "SetLimit", other, term=term)
        calls: dict[str, tuple[str, ...]] = {
            "book": ("Book", obligation_id(number), each.commitment.hex()),
            "settle": ("Settle", other, ids),
            "cancel": ("Cancel", obligation_id(number)),
            "return": ("ReturnObligation", obligation_id(number)),
            "expire": ("Expire", obligation_id(number)),
            "add": ("AddToCycle", CYCLE, other, ids),
            "cut": ("CutOffCycle", CYCLE),
            "fail": ("FailCycle", CYCLE),
            "finish": ("FinishNetted", CYCLE, other, ids),
        }
        return await case.call(caller, *calls[step], at=at)

    async def confirm_all(self) -> Outcome:
        """Let every member open its position, as it follows from its own obligations."""
        netted = [told(number) for number in self.states if self.case.record(number)["cycle"] == CYCLE]
        for bank in BANKS:
            own = [each for each in netted if bank in (each.debtor, each.creditor)]
            opening = position_of(own, bank).opening()
            outcome = await self.case.call(bank, "ConfirmPosition", CYCLE, position=opening)
            assert outcome.code != "wrong_position", outcome
        return outcome

    def check(self) -> None:
        """Compare everything."""
        debts: dict[tuple[str, str, str], int] = defaultdict(int)
        for number in range(NUMBERS):
            key = ("", f"obligation~{obligation_id(number)}")
            if key not in self.case.ledger.state.values:
                assert number not in self.states
                continue
            record = self.case.record(number)
            before, now = self.states.get(number, ""), record["state"]
            assert now == before or not before or now in TRANSITIONS[before], (number, before, now)
            self.states[number] = now
            if now in ("agreed", "netting"):
                each = told(number)
                debts[each.debtor, each.creditor, each.asset] += each.amount
        assert self.debts() == dict(debts)

    def debts(self) -> dict[tuple[str, str, str], int]:
        """What the collections say is owed, by debtor, creditor and asset."""
        found = {}
        for one, two in ((BANK, PARTNER), (BANK, THIRD), (PARTNER, THIRD)):
            kept = self.case.ledger.state.values.get((pair_collection(one, two), "exposures"))
            for debtor, owed in (json.loads(kept)["debts"] if kept else {}).items():
                for asset, amount in owed.items():
                    found[debtor, two if debtor == one else one, asset] = int(amount)
        return found


@settings(max_examples=80, deadline=None)
@given(steps)
def test_debts_are_what_is_agreed_and_states_follow_the_automaton(taken: list[tuple[str, str, int, int]]) -> None:
    async def run() -> None:
        world = World()
        times = (format_time(NOW + timedelta(hours=1)), format_time(NOW + timedelta(hours=2)))
        assert (await world.case.call(BANK, "OpenCycle", CYCLE, json.dumps(BANKS), *times)).status == 200
        for step, caller, number, hours in taken:
            outcome = await world.take(step, caller, number, hours)
            assert outcome.status < 500, (step, outcome)
            world.check()
        cycle = (await world.case.call(REGULATOR, "GetCycle", CYCLE)).json()
        if cycle["positions"]:
            positions = [bytes.fromhex(point) for point in cycle["positions"].values()]
            assert value_commitment.add(*positions) == value_commitment.NEUTRAL

    asyncio.run(run())
