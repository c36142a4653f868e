"""Limits of a partner: amounts in a table, calls against a bucket, and what a refusal tells of when to ask again."""

from __future__ import annotations

import pytest
from google.rpc import status_pb2

from network.errors import RpcError
from network.rpc import StatusCode
from node.partner.limits import (
    RETRY_S_MAX,
    CallRate,
    MemberLimits,
    Usage,
    amount_refusal,
    busy,
    check_open,
    retry_after_s,
)

LIMITS = MemberLimits(single={"EUR": 100}, daily={"EUR": 250}, open_max=2, calls_per_s=2, calls_burst=3)


@pytest.mark.parametrize(
    ("asset", "used", "amount", "refusal"),
    [
        ("EUR", 0, 100, ""),
        ("EUR", 0, 101, "exceeds_single_limit"),
        ("EUR", 150, 100, ""),
        ("EUR", 151, 100, "exceeds_daily_limit"),
        ("EUR", 250, 101, "exceeds_single_limit"),
        ("USD", 10**15, 10**15, ""),
    ],
)
def test_amount_is_refused_by_the_first_limit_it_is_beyond(asset: str, used: int, amount: int, refusal: str) -> None:
    assert amount_refusal(LIMITS, Usage(agreed={asset: used}), asset, amount) == refusal


def test_open_settlements_up_to_the_limit_pass() -> None:
    check_open(LIMITS, Usage(open_count=1))
    check_open(MemberLimits(open_max=0), Usage(open_count=10**9))
    with pytest.raises(RpcError) as refused:
        check_open(LIMITS, Usage(open_count=2))
    assert (refused.value.code, retry_after_s(refused.value)) == (StatusCode.RESOURCE_EXHAUSTED, 1.0)


def test_calls_pass_in_a_burst_and_then_at_the_rate() -> None:
    rate = CallRate(LIMITS, 10.0)
    for _ in range(3):
        rate.take(10.0)
    with pytest.raises(RpcError) as refused:
        rate.take(10.0)
    assert retry_after_s(refused.value) == pytest.approx(0.5)
    rate.take(10.5)
    with pytest.raises(RpcError):
        rate.take(10.5)
    for _ in range(3):
        rate.take(1_000.0)
    with pytest.raises(RpcError):
        rate.take(1_000.0)


def test_no_rate_lets_every_call_pass() -> None:
    rate = CallRate(MemberLimits(calls_per_s=0), 0.0)
    for _ in range(10_000):
        rate.take(0.0)


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        (b"", 0.0),
        (b"\xff", 0.0),
        (status_pb2.Status(code=8).SerializeToString(), 0.0),
        (busy("x", 1e9).details, RETRY_S_MAX),
        (busy("x", -5.0).details, 0.0),
    ],
)
def test_hint_that_is_missing_illegible_or_too_long_does_no_harm(details: bytes, expected: float) -> None:
    assert retry_after_s(RpcError(StatusCode.RESOURCE_EXHAUSTED, "busy", details)) == expected
