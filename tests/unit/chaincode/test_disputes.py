"""Aim: a dispute goes its way step by step, each taken by whose it is; an arbiter decides only when he was called.

Method: every case in process and over the chaincode stream; every step tried by everybody in every state.
"""

from __future__ import annotations

import itertools

import pytest

from chaincode.encoding import format_time
from tests.support.contract_runner import Outcome, Runner
from tests.support.contract_state import serialized_identity
from tests.support.settlement_case import BANK, PARTNER, REGULATOR, THIRD, SettlementCase, details, later, obligation_id

ID, TEXT = "0d" * 16, "ab" * 32
ANSWER_BY = later(hours=1)


@pytest.fixture
async def case(runner: Runner) -> SettlementCase:
    found = SettlementCase(runner)
    await found.agreed((1, details(1)))
    return found


async def opened(case: SettlementCase, *, by: str = PARTNER, dispute: str = ID, **changes: str) -> Outcome:
    fields = {
        "obligation": obligation_id(1),
        "reason": "amount",
        "statement": TEXT,
        "answer_by": format_time(ANSWER_BY),
    }
    return await case.call(by, "OpenDispute", dispute, *(fields | changes).values())


async def test_dispute_that_is_answered_escalated_and_decided_keeps_every_step(case: SettlementCase) -> None:
    first = await opened(case)
    assert first.status == 200, first
    assert first.event == (
        "Dispute", f'{{"dispute_id":"{ID}","obligation_id":"{obligation_id(1)}","state":"open"}}'.encode(),
    )  # fmt: skip
    assert (await case.call(BANK, "AnswerDispute", ID, "cd" * 32)).json()["state"] == "answered"
    assert (await case.call(BANK, "EscalateDispute", ID)).json()["state"] == "escalated"
    assert (await case.call(REGULATOR, "ResolveDispute", ID, "rejected")).json()["state"] == "resolved"
    found = (await case.call(THIRD, "GetDispute", ID)).json()
    assert [(step["state"], step["by"]) for step in found["steps"]] == [
        ("open", PARTNER), ("answered", BANK), ("escalated", BANK), ("resolved", REGULATOR),
    ]  # fmt: skip
    assert [step.get("statement", step.get("outcome")) for step in found["steps"]] == [
        TEXT,
        "cd" * 32,
        None,
        "rejected",
    ]
    assert ("", f"disputed~{obligation_id(1)}") not in case.ledger.state.values
    assert (await case.call(THIRD, "ListDisputes", "")).json() == [found]


async def test_no_step_of_a_dispute_needs_the_other_banks_peer(case: SettlementCase) -> None:
    await opened(case)
    await case.call(BANK, "AnswerDispute", ID, TEXT)
    assert ("", f"dispute~{ID}") not in case.ledger.state.metadata
    assert not any(key.startswith("dispute") for where, key in case.ledger.state.values if where)


async def test_silence_is_escalated_by_who_opened_it_after_the_deadline_only(case: SettlementCase) -> None:
    await opened(case)
    assert (await case.call(PARTNER, "EscalateDispute", ID, at=ANSWER_BY)).code == "too_early"
    assert (await case.call(BANK, "EscalateDispute", ID, at=later(hours=2))).code == "wrong_state"
    assert (await case.call(PARTNER, "EscalateDispute", ID, at=later(hours=2))).json()["state"] == "escalated"
    assert (await case.call(BANK, "AnswerDispute", ID, TEXT)).code == "wrong_state"


async def test_each_outcome_belongs_to_one_of_the_three(case: SettlementCase) -> None:
    allowed = {
        "withdrawn": PARTNER, "remedied": PARTNER, "conceded": BANK, "upheld": REGULATOR, "rejected": REGULATOR,
    }  # fmt: skip
    for number, (state, caller, outcome) in enumerate(
        itertools.product(("open", "answered", "escalated"), (PARTNER, BANK, REGULATOR, THIRD), allowed)
    ):
        dispute = f"{number:032x}"
        await opened(case, dispute=dispute)
        if state != "open":
            await case.call(BANK, "AnswerDispute", dispute, TEXT)
        if state == "escalated":
            await case.call(PARTNER, "EscalateDispute", dispute)
        ended = await case.call(caller, "ResolveDispute", dispute, outcome)
        good = allowed[outcome] == caller and (caller != REGULATOR or state == "escalated")
        assert (ended.status == 200) == good, (state, caller, outcome, ended)
        if not good:
            assert (await case.call(PARTNER, "ResolveDispute", dispute, "withdrawn")).status == 200


async def test_an_obligation_has_one_dispute_at_a_time(case: SettlementCase) -> None:
    await opened(case)
    assert (await opened(case, by=BANK, dispute="0e" * 16)).code == "disputed"
    await case.call(PARTNER, "ResolveDispute", ID, "remedied")
    assert (await opened(case, by=BANK)).code == "dispute_exists"
    assert (await opened(case, by=BANK, dispute="0e" * 16)).status == 200
    for call in (("AnswerDispute", ID, TEXT), ("EscalateDispute", ID), ("ResolveDispute", ID, "withdrawn")):
        assert (await case.call(PARTNER, *call)).code == "wrong_state", "what is resolved stays so"


async def test_without_an_arbiter_nobody_is_called(case: SettlementCase) -> None:
    await case.agreed((2, details(2)), arbiter="")
    await opened(case, obligation=obligation_id(2))
    await case.call(BANK, "AnswerDispute", ID, TEXT)
    assert (await case.call(PARTNER, "EscalateDispute", ID)).code == "no_arbiter"
    assert (await case.call(BANK, "ResolveDispute", ID, "conceded")).status == 200


async def test_who_is_not_bound_and_what_binds_nobody_is_refused(case: SettlementCase) -> None:
    for caller in (REGULATOR, THIRD):
        assert (await opened(case, by=caller)).status == 403
    peer = serialized_identity(PARTNER, units=("peer",))
    arguments = (ID, obligation_id(1), "amount", TEXT, format_time(ANSWER_BY))
    assert (await case.ledger.submit(peer, "OpenDispute", *arguments)).status == 403
    await case.call(PARTNER, "Cancel", obligation_id(1))
    assert (await opened(case)).code == "wrong_state"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"dispute": "xy"}, 400),
        ({"obligation": "00" * 16}, 404),
        ({"obligation": "zz"}, 400),
        ({"reason": "the manager is a crook"}, 400),
        ({"statement": TEXT.upper()}, 400),
        ({"statement": ""}, 400),
        ({"answer_by": "tomorrow"}, 400),
        ({"answer_by": format_time(later())}, 400),
    ],
)
async def test_arguments_that_cannot_be_used_are_refused(
    case: SettlementCase, changes: dict[str, str], status: int
) -> None:
    before = dict(case.ledger.state.values)
    assert (await opened(case, **changes)).status == status
    assert (await case.call(PARTNER, "GetDispute", "00" * 16)).status == 404
    assert case.ledger.state.values == before
