"""Health while something is broken: a node without its database says so, figures go stale, and all comes back."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from node import status
from node.start import running_pid
from node.status import consortium_status, is_well
from tests.support.consortium import RunningConsortium, eventually, own_consortium

pytestmark = pytest.mark.faults


def health(port: int) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=10)


def failed_checks(port: int) -> set[str]:
    answer = health(port)
    return (
        {item["component"] for item in answer.json().get("failed_checks", [])} if answer.status_code == 503 else set()
    )


@pytest.fixture
def broken() -> Iterator[RunningConsortium]:
    """A consortium of this test's own."""
    with own_consortium() as running:
        yield running


async def test_node_whose_database_hangs_is_not_well_until_it_answers(broken: RunningConsortium) -> None:
    bank = broken.bank
    assert bank.operations_port is not None
    assert bank.gateway_operations_port is not None
    port, gateway = bank.operations_port, bank.gateway_operations_port
    assert health(port).status_code == health(gateway).status_code == 200
    stopped = _stop_database(broken)
    try:

        async def unwell() -> bool:
            return "database" in failed_checks(port) and "database" in failed_checks(gateway)

        await eventually(unwell, "node and gateway say that their database does not answer", 40)
        answer = await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{port}/metrics", timeout=30)
        assert answer.status_code == 200
        assert 'dwaybank_metrics_stale{part="trail"} 1' in answer.text
        assert broken.bank.name not in health(port).text, "the reason names a database or role"
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)

    async def well() -> bool:
        return health(port).status_code == 200 and health(gateway).status_code == 200

    await eventually(well, "node and gateway are well again", 40)


@pytest.mark.parametrize("kind", ["orderer", "node", "gateway", "portal", "postgres"])
async def test_process_that_is_stopped_shows_in_the_status(consortium: RunningConsortium, kind: str) -> None:
    name = next(name for name in consortium.processes() if name.endswith(kind))
    await _until_well(consortium)
    os.kill(pid := int(consortium.processes()[name]["pid"]), signal.SIGSTOP)
    try:
        found = await asyncio.to_thread(consortium_status, consortium.home.root)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert [process["name"] for process in found["processes"] if process["answers"] is False] == [name]
    assert not is_well(found)


async def test_supervisor_that_is_stopped_shows_in_the_status(
    consortium: RunningConsortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "UNWATCHED_S", 3.0)
    supervisor = running_pid(consortium.home)
    assert supervisor is not None
    os.kill(supervisor, signal.SIGSTOP)
    try:
        await asyncio.sleep(4)
        found = await asyncio.to_thread(consortium_status, consortium.home.root)
    finally:
        os.kill(supervisor, signal.SIGCONT)
    assert not found["watched"]
    assert not is_well(found)
    await _until_well(consortium)


async def _until_well(consortium: RunningConsortium) -> None:
    async def well() -> bool:
        return is_well(await asyncio.to_thread(consortium_status, consortium.home.root))

    await eventually(well, "every process is well")


def _stop_database(consortium: RunningConsortium) -> list[int]:
    """Stop every process of the bank's database server without ending it; return their ids."""
    server = int(consortium.processes()[f"{consortium.bank.name}-postgres"]["pid"])
    children = [int(pid) for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split()]
    for pid in (server, *children):
        os.kill(pid, signal.SIGSTOP)
    return [*children, server]
