"""What a partner bank may do here: single and daily amounts, open settlements, calls a second. Pure; no clock.

- An amount beyond a limit is refused by name at Prepare, and the refusal is final for that settlement.
- Too many open settlements or calls are no refusal but back-pressure: RESOURCE_EXHAUSTED with the time after which to
  ask again, and nothing has happened.
- A day begins at midnight UTC and counts what was agreed to on it, except what was aborted or sent back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from network.errors import RpcError
from network.rpc import StatusCode

OPEN_RETRY_S = 1.0
"""When to ask again while too many settlements are open."""

RETRY_S_MAX = 60.0
"""Longest wait that is taken from a partner's hint."""


@dataclass(frozen=True, slots=True)
class MemberLimits:
    """What one partner may do.

    Args:
        single: largest amount of one settlement by asset, minor units; an asset not named has no limit.
        daily: largest sum of a day by asset, minor units; the same.
        open_max: settlements agreed to and not yet completed or aborted; 0 for no limit.
        calls_per_s: on average; 0 for no limit.
        calls_burst: at once.
    """

    single: Mapping[str, int] = field(default_factory=dict)
    daily: Mapping[str, int] = field(default_factory=dict)
    open_max: int = 10_000
    calls_per_s: float = 500.0
    calls_burst: int = 1_000


@dataclass(frozen=True, slots=True)
class Usage:
    """What a partner has used: settlements that are open, and the sum of the day by asset, minor units."""

    open_count: int = 0
    agreed: Mapping[str, int] = field(default_factory=dict)


def amount_refusal(limits: MemberLimits, usage: Usage, asset: str, amount: int) -> str:
    """Return why an amount is refused, empty where it is not.

    >>> amount_refusal(MemberLimits(daily={"EUR": 100}), Usage(agreed={"EUR": 60}), "EUR", 41)
    'exceeds_daily_limit'
    """
    if asset in limits.single and amount > limits.single[asset]:
        return "exceeds_single_limit"
    if asset in limits.daily and usage.agreed.get(asset, 0) + amount > limits.daily[asset]:
        return "exceeds_daily_limit"
    return ""


def check_open(limits: MemberLimits, usage: Usage) -> None:
    """Let pass while few enough settlements are open.

    Raises:
        RpcError: RESOURCE_EXHAUSTED with a hint when to ask again.
    """
    if limits.open_max and usage.open_count >= limits.open_max:
        raise busy(f"{usage.open_count} settlements are open, {limits.open_max} may be: finish some", OPEN_RETRY_S)


class CallRate:
    """Calls of one partner: a bucket that fills with time and gives one token to each call.

    Args:
        limits: how fast it fills, and how much it holds.
        at_s: now, of a clock that never goes back.
    """

    def __init__(self, limits: MemberLimits, at_s: float) -> None:
        self._limits = limits
        self._tokens = float(limits.calls_burst)
        self._filled_at_s = at_s

    def take(self, at_s: float) -> None:
        """Count a call.

        Raises:
            RpcError: RESOURCE_EXHAUSTED with a hint when to ask again.
        """
        rate = self._limits.calls_per_s
        if not rate:
            return
        filled = self._tokens + (at_s - self._filled_at_s) * rate
        self._tokens, self._filled_at_s = min(float(self._limits.calls_burst), filled), at_s
        if self._tokens < 1:
            raise busy(f"more than {rate:g} calls a second", (1 - self._tokens) / rate)
        self._tokens -= 1


def busy(message: str, retry_after_s: float) -> RpcError:
    """Return the refusal of a call that may be made again after a while.

    Source: google/rpc/error_details.proto, RetryInfo.
    """
    hint = Duration()
    hint.FromNanoseconds(int(retry_after_s * 1e9))
    status = status_pb2.Status(code=StatusCode.RESOURCE_EXHAUSTED, message=message)
    status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=hint))
    text = f"{message}; ask again after {retry_after_s:.3f} s"
    return RpcError(StatusCode.RESOURCE_EXHAUSTED, text, status.SerializeToString())


def retry_after_s(error: RpcError) -> float:
    """Return the hint of such a refusal, seconds from 0 to ``RETRY_S_MAX``; 0 where there is none that can be read."""
    try:
        status = status_pb2.Status.FromString(error.details)
        for detail in status.details:
            hint = error_details_pb2.RetryInfo()
            if detail.Unpack(hint):
                seconds = int(hint.retry_delay.ToNanoseconds()) / 1e9
                return min(max(0.0, seconds), RETRY_S_MAX)
    except (DecodeError, ValueError, OverflowError):
        # The hint is a courtesy: one that cannot be read is as good as none.
        return 0.0
    return 0.0
