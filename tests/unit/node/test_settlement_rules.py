"""The two automatons of a settlement as a table: from each state, after each answer, to which state.

Method: a settlement is put into a state and given every answer the partner or the books can give; the result is
compared with the table. What is not in the table must be refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from node.partner.errors import NotCancellableError, TransitionError
from node.partner.settlement import (
    FINAL_STATES,
    Outgoing,
    SenderState,
    Step,
    after_abort_notice,
    after_cancel,
    after_capture,
    after_complete,
    after_expiry,
    after_failure,
    after_hold,
    after_prepare,
    after_return,
    next_step,
)

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
DEADLINE = NOW + timedelta(minutes=2)
S = SenderState


def _settlement(state: SenderState, **more: object) -> Outgoing:
    settlement = Outgoing(
        settlement_id="s-1",
        payment_id=UUID(int=1),
        receiver_msp_id="PartnerMSP",
        debtor_account="cust-a",
        beneficiary_account="cust-b",
        asset="EUR",
        amount=100,
        description="",
        ordered_at=NOW,
        deadline=DEADLINE,
        state=state,
        attempts=3,
    )
    return replace(settlement, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "more", "now", "step"),
    [
        (S.ORDERED, {}, NOW, Step.PLACE_HOLD),
        (S.ORDERED, {}, DEADLINE, Step.PLACE_HOLD),
        (S.HELD, {}, NOW, Step.PREPARE),
        (S.HELD, {}, DEADLINE - timedelta(microseconds=1), Step.PREPARE),
        (S.HELD, {}, DEADLINE, Step.EXPIRE),
        (S.PREPARED, {}, NOW, Step.CAPTURE),
        (S.PREPARED, {}, DEADLINE, Step.CAPTURE),
        (S.CAPTURED, {}, NOW, Step.COMPLETE),
        (S.CAPTURED, {}, DEADLINE + timedelta(days=99), Step.COMPLETE),
        (S.CAPTURED, {"refusal": "account_closed"}, NOW, Step.RETURN),
        (S.COMPLETED, {}, NOW, Step.NOTHING),
        (S.RETURNED, {"refusal": "account_closed"}, NOW, Step.NOTHING),
        (S.ABORTED, {}, NOW, Step.NOTHING),
        (S.ABORTED, {"abort_due": True}, NOW, Step.NOTIFY_ABORT),
        (S.EXPIRED, {"abort_due": True}, NOW, Step.NOTIFY_ABORT),
    ],
)
def test_next_step_of_each_state(state: SenderState, more: dict[str, object], now: datetime, step: Step) -> None:
    assert next_step(_settlement(state, **more), now) is step


@pytest.mark.parametrize(
    ("state", "answer", "expected"),
    [
        (S.ORDERED, lambda s: after_hold(s, "placed", "placed"), (S.HELD, "", False)),
        (S.ORDERED, lambda s: after_hold(s, "exists", "placed"), (S.HELD, "", False)),
        (S.ORDERED, lambda s: after_hold(s, "exists", "expired"), (S.EXPIRED, "hold_expired", False)),
        (S.ORDERED, lambda s: after_hold(s, "exceeds_available", ""), (S.ABORTED, "exceeds_available", False)),
        (S.HELD, lambda s: after_prepare(s, "R-1", ""), (S.PREPARED, "", False)),
        (S.HELD, lambda s: after_prepare(s, "", "account_not_found"), (S.ABORTED, "account_not_found", False)),
        (S.HELD, after_expiry, (S.EXPIRED, "deadline_passed", True)),
        (S.PREPARED, lambda s: after_capture(s, "posted", 7), (S.CAPTURED, "", False)),
        (S.PREPARED, lambda s: after_capture(s, "exists", 7), (S.CAPTURED, "", False)),
        (S.PREPARED, lambda s: after_capture(s, "hold_expired", None), (S.EXPIRED, "hold_expired", True)),
        (S.PREPARED, lambda s: after_capture(s, "hold_not_placed", None), (S.EXPIRED, "hold_not_placed", True)),
        (S.PREPARED, lambda s: after_capture(s, "account_frozen", None), (S.ABORTED, "account_frozen", True)),
        (S.CAPTURED, lambda s: after_complete(s, 9, ""), (S.COMPLETED, "", False)),
        (S.CAPTURED, lambda s: after_complete(s, None, "account_closed"), (S.CAPTURED, "account_closed", False)),
    ],
)
def test_answer_leads_to_the_state_of_the_table(
    state: SenderState, answer: Callable[[Outgoing], Outgoing], expected: tuple[SenderState, str, bool]
) -> None:
    changed = answer(_settlement(state))
    assert (changed.state, changed.refusal, changed.abort_due) == expected
    assert changed.attempts == 0


ANSWERS: dict[str, tuple[Callable[[Outgoing], Outgoing], set[SenderState]]] = {
    "hold": (lambda s: after_hold(s, "placed", "placed"), {S.ORDERED}),
    "prepare": (lambda s: after_prepare(s, "R-1", ""), {S.HELD}),
    "expiry": (after_expiry, {S.HELD}),
    "capture": (lambda s: after_capture(s, "posted", 1), {S.PREPARED}),
    "complete": (lambda s: after_complete(s, 1, ""), {S.CAPTURED}),
    "return": (lambda s: after_return(s, 1), {S.CAPTURED}),
    "abort_notice": (after_abort_notice, {S.ABORTED, S.EXPIRED}),
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("state", list(S))
def test_answer_in_any_other_state_is_refused(name: str, state: SenderState) -> None:
    answer, allowed = ANSWERS[name]
    settlement = _settlement(state, refusal="account_closed" if name == "return" else "")
    if state in allowed:
        assert answer(settlement) != settlement
    else:
        with pytest.raises(TransitionError, match=state.value):
            answer(settlement)


def test_money_is_never_returned_without_the_partners_refusal() -> None:
    with pytest.raises(TransitionError, match="without the partner's refusal"):
        after_return(_settlement(S.CAPTURED), 5)


def test_returned_settlement_keeps_both_entries() -> None:
    done = after_return(_settlement(S.CAPTURED, refusal="account_closed", seq=4), 5)
    assert (done.state, done.seq, done.return_seq) == (S.RETURNED, 4, 5)


def test_failure_counts_and_changes_nothing_else() -> None:
    settlement = _settlement(S.CAPTURED)
    assert after_failure(settlement) == replace(settlement, attempts=4)


def test_final_states_are_those_without_a_step() -> None:
    assert {state for state in S if next_step(_settlement(state), NOW) is Step.NOTHING} == FINAL_STATES


def test_derived_ids_are_fixed_for_ever_and_differ_by_purpose() -> None:
    settlement = _settlement(S.HELD)
    # Another value after an upgrade would make a repeated step post twice.
    assert [str(found) for found in (settlement.hold_id, settlement.capture_key, settlement.return_key)] == [
        "251c4901-0049-5ed2-8c11-a9b05050bd59",
        "b359af1c-f1e0-5e2c-a386-6bb200a8dcbd",
        "66853b8b-2914-516c-868c-d3910f23b54f",
    ]


@pytest.mark.parametrize("state", [S.ORDERED, S.HELD, S.PREPARED])
@pytest.mark.parametrize("hold_state", ["", "released", "expired"])
def test_payment_is_cancelled_while_its_money_was_not_taken_and_the_partner_is_told(
    state: SenderState, hold_state: str
) -> None:
    cancelled = after_cancel(_settlement(state), hold_state)
    assert (cancelled.state, cancelled.refusal, cancelled.abort_due) == (S.ABORTED, "cancelled", True)
    assert next_step(cancelled, NOW) is Step.NOTIFY_ABORT


def test_payment_whose_money_was_taken_is_never_cancelled() -> None:
    with pytest.raises(NotCancellableError):
        after_cancel(_settlement(S.PREPARED), "captured")
    for state in set(SenderState) - {S.ORDERED, S.HELD, S.PREPARED}:
        with pytest.raises(TransitionError):
            after_cancel(_settlement(state), "released")
