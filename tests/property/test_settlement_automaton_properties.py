"""The sender's automaton alone: whatever the books and the partner answer, in whatever order, its promises hold.

Method: hypothesis draws an answer for every step the automaton asks for, and cancels or lets time pass in between; the
walk is checked at each state. No database: what a bank does with the steps is ``test_settlement_properties``.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

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
refusals = st.sampled_from(["", "", "account_closed", "quote_expired"])
codes = st.sampled_from(["posted", "posted", "exists", "hold_expired", "hold_not_found", "account_frozen"])
STEPS_MAX = 40


def _order() -> Outgoing:
    key = uuid.UUID(int=7)
    return Outgoing(
        settlement_id=str(key),
        payment_id=key,
        receiver_msp_id="PartnerMSP",
        debtor_account="cust-a",
        beneficiary_account="cust-b",
        asset="EUR",
        amount=100,
        description="",
        ordered_at=NOW,
        deadline=NOW + timedelta(minutes=2),
    )


def _step(settlement: Outgoing, step: Step, data: st.DataObject) -> Outgoing:
    match step:
        case Step.PLACE_HOLD:
            code = data.draw(st.sampled_from(["placed", "exists", "exceeds_available"]))
            return after_hold(settlement, code, data.draw(st.sampled_from(["placed", "placed", "expired", "released"])))
        case Step.PREPARE:
            refusal = data.draw(refusals)
            return after_prepare(settlement, "" if refusal else "R-1", refusal)
        case Step.EXPIRE:
            return after_expiry(settlement)
        case Step.CAPTURE:
            code = data.draw(codes)
            return after_capture(settlement, code, 5 if code in ("posted", "exists") else None)
        case Step.COMPLETE:
            refusal = data.draw(refusals)
            return after_complete(settlement, None if refusal else 9, refusal)
        case Step.RETURN:
            return after_return(settlement, 6)
        case _:
            return after_abort_notice(settlement)


@given(st.data())
def test_every_walk_ends_and_money_that_was_taken_is_paid_or_given_back(data: st.DataObject) -> None:
    settlement, now, taken = _order(), NOW, False
    for _ in range(STEPS_MAX):
        now += data.draw(st.sampled_from([timedelta(), timedelta(), timedelta(minutes=1)]))
        if data.draw(st.integers(0, 9)) == 0:
            settlement = _cancelled(settlement, data.draw(st.sampled_from(["", "released", "captured"])))
        step = next_step(settlement, now)
        if step is Step.NOTHING:
            break
        changed = after_failure(settlement) if data.draw(st.integers(0, 3)) == 0 else _step(settlement, step, data)
        _check(settlement, changed)
        taken = taken or changed.seq is not None
        settlement = changed
    # Failures only delay: without them every walk ends within seven steps.
    for _ in range(7):
        step = next_step(settlement, now + timedelta(hours=1))
        if step is Step.NOTHING:
            break
        changed = _step(settlement, step, data)
        _check(settlement, changed)
        settlement = changed
    assert settlement.state in FINAL_STATES
    assert not settlement.abort_due
    assert (settlement.seq is not None) is (settlement.state in (SenderState.COMPLETED, SenderState.RETURNED))
    assert not taken or settlement.seq is not None
    assert (settlement.partner_seq is not None) is (settlement.state is SenderState.COMPLETED)
    assert (settlement.return_seq is not None) is (settlement.state is SenderState.RETURNED)


def _cancelled(settlement: Outgoing, hold_state: str) -> Outgoing:
    try:
        return after_cancel(settlement, hold_state)
    except NotCancellableError:
        assert hold_state == "captured"
    except TransitionError:
        assert settlement.state not in (SenderState.ORDERED, SenderState.HELD, SenderState.PREPARED)
    return settlement


def _check(before: Outgoing, after: Outgoing) -> None:
    """What was ordered never changes, nothing leaves an end, and nothing is aborted once it was captured."""
    assert (before.settlement_id, before.amount, before.debtor_account) == (
        after.settlement_id,
        after.amount,
        after.debtor_account,
    )
    if before.state in FINAL_STATES:
        assert after.state is before.state
    if before.seq is not None:
        assert after.seq == before.seq
        assert after.state in (SenderState.CAPTURED, SenderState.COMPLETED, SenderState.RETURNED)
    if after.state is SenderState.RETURNED and before.state is not SenderState.RETURNED:
        assert before.refusal
