"""What can be no hold is refused by its field; what a hold's answer is called."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest

from ledger.errors import InvalidValueError
from ledger.hold import Hold, HoldRelease, HoldResult, NewHold
from ledger.journal import ResultCode
from ledger.money import AMOUNT_MAX
from tests.support.books import START

ID = uuid.UUID(int=7)
GOOD: dict[str, Any] = {"id": ID, "account": "alice", "amount": 5, "expires_at": START}


@pytest.mark.parametrize("amount", [1, AMOUNT_MAX])
def test_hold_of_the_least_and_the_most_is_a_hold(amount: int) -> None:
    hold = NewHold(**GOOD | {"amount": amount})
    assert (hold.amount, hold.linked) == (amount, False)
    assert HoldRelease(ID).linked is False


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"amount": 0}, "amount_minor"),
        ({"amount": -1}, "amount_minor"),
        ({"amount": AMOUNT_MAX + 1}, "amount_minor"),
        ({"expires_at": datetime(2026, 3, 2)}, "expires_at"),
        ({"account": "two words"}, "account"),
    ],
)
def test_hold_that_can_never_be_placed_is_refused_by_its_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        NewHold(**GOOD | wrong)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("code", "state", "text"),
    [
        (ResultCode.POSTED, "placed", "placed"),
        (ResultCode.POSTED, "released", "released"),
        (ResultCode.POSTED, None, "posted"),
        (ResultCode.EXISTS, "placed", "exists"),
        (ResultCode.HOLD_EXPIRED, "expired", "hold_expired"),
        (ResultCode.HOLD_NOT_FOUND, None, "hold_not_found"),
    ],
)
def test_answer_is_called_by_what_was_done_or_by_its_code(code: ResultCode, state: str | None, text: str) -> None:
    hold = None if state is None else Hold(ID, "alice", 5, state, START + timedelta(hours=1), None)
    assert HoldResult(code, hold).text == text
    assert hold is None or hold.captured == 0
