"""The bell: who listens hears the next ring, and a cancellation is never taken for one."""

from __future__ import annotations

import asyncio

import pytest

from node.books.outbox_stream import Bell


async def test_ring_wakes_all_who_listened_before_it() -> None:
    bell = Bell()
    waiting = [asyncio.create_task(bell.listen()(30)) for _ in range(3)]
    await asyncio.sleep(0)
    bell.ring()
    async with asyncio.timeout(20):
        await asyncio.gather(*waiting)


async def test_ring_between_listening_and_waiting_is_heard() -> None:
    bell = Bell()
    wait = bell.listen()
    bell.ring()
    async with asyncio.timeout(20):
        await wait(30)


async def test_ring_before_listening_is_not_heard() -> None:
    bell = Bell()
    bell.ring()
    waiting = asyncio.create_task(bell.listen()(30))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    bell.ring()
    async with asyncio.timeout(20):
        await waiting


async def test_waiting_ends_when_nobody_rings() -> None:
    async with asyncio.timeout(20):
        await Bell().listen()(0.01)


@pytest.mark.parametrize("steps", range(5))
async def test_cancellation_together_with_a_ring_is_a_cancellation(steps: int) -> None:
    bell = Bell()
    waiting = asyncio.create_task(bell.listen()(30))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    bell.ring()
    for _ in range(steps):
        await asyncio.sleep(0)
    was_running = waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled() == was_running
