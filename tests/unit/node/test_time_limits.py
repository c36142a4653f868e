"""Time limits that share timers: they end work as ``asyncio.timeout`` does, never early, and share what they wait with.

Method: short limits in a real event loop.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from node.time_limits import LATE_S, TimeLimits


async def test_work_that_ends_in_time_is_left_alone() -> None:
    with TimeLimits().until(time.monotonic() + 5):
        await asyncio.sleep(0.01)


async def test_work_beyond_its_limit_is_cancelled_and_never_early() -> None:
    moment = time.monotonic() + 0.03
    cancelled = False
    with pytest.raises(TimeoutError), TimeLimits().until(moment):
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            cancelled = True
            raise
    assert cancelled
    assert moment <= time.monotonic() < moment + LATE_S + 1


async def test_limit_that_has_passed_ends_work_at_its_first_wait() -> None:
    with pytest.raises(TimeoutError), TimeLimits().until(time.monotonic() - 1):
        await asyncio.sleep(5)


@pytest.mark.parametrize("outer_s,inner_s,heard", [(0.02, 5.0, "outer"), (5.0, 0.02, "inner")])
async def test_of_two_limits_around_each_other_the_first_to_pass_is_heard(
    outer_s: float, inner_s: float, heard: str
) -> None:
    limits, now, place = TimeLimits(), time.monotonic(), "none"
    try:
        with limits.until(now + outer_s):
            try:
                with limits.until(now + inner_s):
                    await asyncio.sleep(10)
            except TimeoutError:
                place = "inner"
    except TimeoutError:
        place = "outer"
    assert place == heard
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_who_is_cancelled_within_a_limit_hears_that_and_no_timeout() -> None:
    async def work() -> None:
        with TimeLimits().until(time.monotonic() + 5):
            await asyncio.sleep(10)

    task = asyncio.create_task(work())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_is_cancelled_as_his_limit_passes_hears_of_the_cancelling() -> None:
    limits = TimeLimits()

    async def work() -> None:
        with limits.until(time.monotonic() + 0.02):
            await asyncio.sleep(10)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    # Both come before the task has its next turn.
    await asyncio.to_thread(time.sleep, 0)
    time.sleep(0.05)  # noqa: ASYNC251
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_limits_that_end_together_share_one_timer_and_leave_none_behind() -> None:
    limits, moment = TimeLimits(), time.monotonic() + 30
    loop = asyncio.get_running_loop()
    made: list[float] = []
    call_at = loop.call_at

    def counted(when: float, *args: object) -> asyncio.TimerHandle:
        made.append(when)
        return call_at(when, *args)  # type: ignore[arg-type]

    loop.call_at = counted  # type: ignore[method-assign, assignment]
    gate = asyncio.Event()

    async def work() -> None:
        with limits.until(moment):
            await gate.wait()

    tasks = [asyncio.create_task(work()) for _ in range(100)]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*tasks)
    assert len(made) == 1
    assert limits._deadlines is not None
    assert not limits._deadlines._ticks
