"""Contracts in the peer's process: whatever a contract does, the peer goes on.

Method: a contract that fails, hangs or computes for ever runs in the real runner, with short limits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from network.rwset import Version
from node.peer.chaincode_state import ChaincodeState
from node.peer.contract_runner import ContractRunner, Invocation
from node.peer.errors import ChaincodeError, StateError
from node.peer.range_scan import RangeScan
from node.peer.world_state import StateRange, StateValue

CONTRACT = "tests.support.peer_contract:PeerContract"


class Scan:
    """Rows of a range, as a simulation gives them."""

    def __init__(self, count: int) -> None:
        self._rows = tuple((f"k{n:04}".encode(), StateValue(b"v", b"", Version(1, 0))) for n in range(count))

    async def fetch_page(self, scan: RangeScan, start: bytes, limit: int) -> StateRange:
        rows = tuple(row for row in self._rows if row[0] >= start)[:limit]
        return StateRange(rows, 1, rows[-1][0] + b"\x00" if len(rows) == limit else None)


class State:
    """A chaincode's state in memory."""

    def __init__(self) -> None:
        self.written: dict[str, bytes] = {}
        self.known: dict[str, bytes] = {}

    def known_state(self, collection: str, key: str) -> bytes | None:
        return self.known.get(key)

    async def get_state(self, collection: str, key: str) -> bytes:
        await asyncio.sleep(0)
        if key == "refused":
            raise StateError("not today")
        return b"value of " + key.encode()

    async def put_state(self, collection: str, key: str, value: bytes) -> None:
        self.written[key] = value

    async def range_query(self, collection: str, start: str, end: str, page_size: int, bookmark: str) -> RangeScan:
        scan = RangeScan(Scan(250), "pc", "", start=start, end=end)
        await scan.open()
        return scan


def invocation(*args: str) -> Invocation:
    return Invocation("anchors", "tx", "pc", "pc", [arg.encode() for arg in args], b"", False)


@pytest.fixture(params=[20])
async def runner(request: pytest.FixtureRequest) -> AsyncIterator[ContractRunner]:
    """A runner whose contracts have so many seconds."""
    runner = ContractRunner({"pc": CONTRACT}, timeout_s=request.param, hold_limit_s=0.3)
    runner.start()
    yield runner
    await runner.stop()


async def run(runner: ContractRunner, *args: str, state: State | None = None) -> tuple[Any, Any]:
    return await runner.execute(invocation(*args), cast(ChaincodeState, state or State()))


async def test_contract_reads_writes_and_answers(runner: ContractRunner) -> None:
    state = State()
    response, event = await run(runner, "Update", "k", "new", state=state)
    assert (response.status, response.payload, event) == (200, b"value of k", None)
    assert state.written == {"k": b"new"}


async def test_what_is_known_is_read_without_going_back_to_the_peers_loop(runner: ContractRunner) -> None:
    state = State()
    state.known = {"refused": b"known"}
    response, _ = await run(runner, "Update", "refused", "new", state=state)
    assert (response.status, response.payload) == (200, b"known")


async def test_event_is_handed_over(runner: ContractRunner) -> None:
    assert (await run(runner, "Emit", "paid", "5"))[1] == ("paid", b"5")


async def test_range_longer_than_a_batch_arrives_whole(runner: ContractRunner) -> None:
    response, _ = await run(runner, "CountRange", "k", "l")
    assert response.payload == b"250"


@pytest.mark.parametrize("function", ["Fail", "Crash", "Unknown"])
async def test_failing_contract_is_an_answer(runner: ContractRunner, function: str) -> None:
    response, _ = await run(runner, function)
    assert response.status >= 400
    assert response.message


async def test_state_refusal_reaches_the_contract_as_failure(runner: ContractRunner) -> None:
    response, _ = await run(runner, "Get", "refused")
    assert response.status == 500


hasty = pytest.mark.parametrize("runner", [1], indirect=True)


@hasty
async def test_hanging_contract_ends_after_its_time(runner: ContractRunner) -> None:
    with pytest.raises(ChaincodeError, match="timeout expired while executing transaction"):
        await run(runner, "Sleep", "30")
    assert (await run(runner, "Get", "k"))[0].payload == b"value of k"


@hasty
async def test_computing_contract_does_not_hold_the_loop_and_its_thread_is_replaced(runner: ContractRunner) -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.01)
            turns += 1

    counting = asyncio.create_task(count_turns())
    with pytest.raises(ChaincodeError):
        await run(runner, "Spin")
    counting.cancel()
    assert turns > 5
    async with asyncio.timeout(10):
        while True:
            try:
                response, _ = await run(runner, "Get", "k")
            except ChaincodeError:
                continue
            break
    assert response.payload == b"value of k"


async def test_unknown_contract_path_is_refused_at_start() -> None:
    with pytest.raises(Exception, match="names no contract"):
        ContractRunner({"pc": "tests.support.peer_contract:Missing"})
