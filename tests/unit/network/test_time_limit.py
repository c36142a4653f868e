"""Time limits of work: as ``asyncio.timeout`` keeps them, but that all of one tick share a timer."""

from __future__ import annotations

import asyncio
import time

import pytest

from network.rpc import TICK_S, TimeLimit


async def test_work_in_time_is_left_alone() -> None:
    limit = TimeLimit(2 * TICK_S)
    with limit:
        await asyncio.sleep(0)
    await asyncio.sleep(5 * TICK_S)
    assert not limit.expired


async def test_work_that_takes_too_long_ends_never_early() -> None:
    limit, begun = TimeLimit(3 * TICK_S), time.monotonic()
    with pytest.raises(TimeoutError), limit:
        await asyncio.sleep(10)
    assert 3 * TICK_S <= time.monotonic() - begun < 5
    assert limit.expired
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize("limit_s", [0, -1])
async def test_without_time_left_work_ends_where_it_first_waits(limit_s: float) -> None:
    with pytest.raises(TimeoutError), TimeLimit(limit_s):
        await asyncio.sleep(10)


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    async def work() -> None:
        with TimeLimit(10):
            await asyncio.sleep(10)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_in_the_same_moment_is_not_swallowed() -> None:
    async def work() -> None:
        with TimeLimit(TICK_S):
            await asyncio.sleep(10)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    # Both before the task runs again: its own limit, and somebody who wants it to end.
    time.sleep(3 * TICK_S)  # noqa: ASYNC251 - nothing else may run meanwhile
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_works_own_errors_pass() -> None:
    with pytest.raises(ValueError, match="mine"), TimeLimit(10):
        raise ValueError("mine")
    with pytest.raises(TimeoutError, match="mine"), TimeLimit(10):
        raise TimeoutError("mine")


async def test_the_inner_limit_ends_the_inner_work_only() -> None:
    with TimeLimit(10):
        with pytest.raises(TimeoutError), TimeLimit(TICK_S):
            await asyncio.sleep(10)
        await asyncio.sleep(0)


async def test_the_outer_limit_ends_both() -> None:
    inner = TimeLimit(10)
    with pytest.raises(TimeoutError), TimeLimit(TICK_S), inner:
        await asyncio.sleep(10)
    assert not inner.expired


async def test_many_limits_leave_no_timer_behind() -> None:
    async def work(number: int) -> None:
        with TimeLimit(60 + number / 10_000):
            await asyncio.sleep(0)

    await asyncio.gather(*(work(number) for number in range(1000)))
    timers = [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
    assert timers == []


def test_outside_of_a_task_there_is_none() -> None:
    loop = asyncio.new_event_loop()
    told: list[str] = []

    def work() -> None:
        try:
            with TimeLimit(1):
                pass
        except RuntimeError as error:
            told.append(str(error))
        loop.stop()

    loop.call_soon(work)
    loop.run_forever()
    loop.close()
    assert told == ["only a task's work can be given a time limit"]
