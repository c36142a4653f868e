"""A consortium of its own for a benchmark: three members, temporary data, free ports, all as ``up`` starts it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import REPOSITORY, cpu_s
from network.errors import RpcError
from network.topology import Chaincode, Consortium, Organization, default_consortium
from node.config import ChaincodeService, NodeConfig, load_settings, save_settings
from node.errors import NodeError
from node.home import Home, prepare_home
from node.own_node import AUDIT, OwnNode, audit_pb2
from node.ports import free_port
from node.start import free_base_port, launch_supervisor, read_status, stop_consortium

BENCHMARK = "benchmark"
CONTRACT = "benchmarks.contract:BenchmarkContract"
PACKAGE_ID = "benchmark:1"
FIRST_PORT = 24_000
READY_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Running:
    """A running consortium."""

    home: Home
    consortium: Consortium
    services: Mapping[str, int] = field(default_factory=dict)
    """Process id of each contract that runs as a process of its own."""

    @property
    def bank(self) -> Organization:
        """The member whose node the benchmarks call."""
        return self.consortium.organizations[0]

    def pids(self) -> dict[str, int]:
        """Process id of each part, by its name in ``dwaybank status``."""
        return {row["name"]: row["pid"] for row in read_status(self.home)["processes"]} | dict(self.services)

    def client_options(self) -> tuple[str, ...]:
        """The options by which a load client finds it."""
        return ("--home", str(self.home.root))

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds each part has used so far."""
        return {name: cpu_s(pid) for name, pid in self.pids().items()}

    def node(self, organization: Organization | None = None) -> OwnNode:
        """A connection to a member's own node; use as ``async with``."""
        return OwnNode(self.home, self.consortium, organization or self.bank)


def cpu_ms_each(before: Mapping[str, float], after: Mapping[str, float], count: int) -> dict[str, float]:
    """Return CPU milliseconds for each of ``count`` operations, by process, with their sum as ``total``."""
    spent = {name: round((after[name] - before[name]) * 1000 / max(count, 1), 3) for name in before if name in after}
    return {**spent, "total": round(sum(spent.values()), 3)}


def shown_cpu_ms(cpu_ms: Mapping[str, float]) -> str:
    """Return the processes that count, most expensive first, for a table."""
    parts = sorted(((ms, name) for name, ms in cpu_ms.items() if name != "total" and ms >= 0.02), reverse=True)
    return ", ".join(f"{name} {ms:.2f}" for ms, name in parts)


def benchmark_consortium(base_port: int) -> Consortium:
    """Return the default consortium with the benchmark's own contract beside the usual ones."""
    usual = default_consortium(base_port)
    contract = Chaincode(
        name=BENCHMARK,
        contract=CONTRACT,
        endorsement_policy=usual.chaincodes[0].endorsement_policy,
    )
    return usual.model_copy(update={"chaincodes": (*usual.chaincodes, contract)})


@contextmanager
def running_consortium(*, as_service: bool = False) -> Iterator[Running]:
    """Start a fresh consortium, wait until its contracts can be called, stop and remove it at the end.

    Args:
        as_service: the benchmark's contract runs beside each node as a process of its own, instead of within the node.
    """
    root = Path(tempfile.mkdtemp(prefix="dwaybank-bench-"))
    _make_importable()
    base_port = free_base_port(FIRST_PORT + os.getpid() % 200 * 100)
    home, consortium = prepare_home(root, lambda: benchmark_consortium(base_port), datetime.now(UTC), {})
    with ExitStack() as services:
        members = consortium.organizations if as_service else ()
        pids = {f"{own.name}-contract": services.enter_context(_contract_beside(home, own)) for own in members}
        try:
            launch_supervisor(home)
            running = Running(home, consortium, pids)
            # One transaction defines each contract; the members' registrations follow.
            asyncio.run(wait_for_height(running, 1 + len(consortium.chaincodes)))
            yield running
        finally:
            with suppress(NodeError):
                stop_consortium(home.root)
            shutil.rmtree(root, ignore_errors=True)


@contextmanager
def _contract_beside(home: Home, own: Organization) -> Iterator[int]:
    """Serve the benchmark's contract to a member's node, which is yet to start; give the process id."""
    address = f"127.0.0.1:{free_port()}"
    file = home.organization(own) / "node.yaml"
    settings = load_settings(NodeConfig, file)
    # Without TLS, as Fabric's peers call the same contract in the benchmark beside it.
    service = {"contract": "", "service": ChaincodeService(package_id=PACKAGE_ID, address=address, tls=False)}
    chaincodes = [
        chaincode.model_copy(update=service) if chaincode.name == BENCHMARK else chaincode
        for chaincode in settings.chaincodes
    ]
    save_settings(settings.model_copy(update={"chaincodes": chaincodes}), file)
    command = [sys.executable, "-m", "chaincode", "serve", CONTRACT, "--package-id", PACKAGE_ID, "--address", address]
    process = subprocess.Popen(command, cwd=REPOSITORY)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(20)


async def wait_for_height(running: Running, height: int) -> None:
    """Return when every member has committed this many blocks.

    Raises:
        TimeoutError: they did not come in time.
    """

    async def wait(organization: Organization) -> None:
        # A channel that found nobody waits longer before each further try: it is made when somebody listens.
        while True:
            if await _listens(organization.node_port):
                break
            await asyncio.sleep(0.02)
        async with running.node(organization) as node:
            while True:
                with suppress(RpcError):
                    status = await node.call(
                        AUDIT,
                        "GetAnchorStatus",
                        audit_pb2.GetAnchorStatusRequest(),
                        audit_pb2.GetAnchorStatusResponse,
                        5,
                    )
                    if status.block_height >= height:
                        return
                await asyncio.sleep(0.05)

    async with asyncio.timeout(READY_TIMEOUT_S):
        await asyncio.gather(*(wait(organization) for organization in running.consortium.organizations))


async def wait_until_anchored(running: Running, seq: int) -> float:
    """Return the seconds until the bank's entry ``seq`` is attested by another member.

    Raises:
        TimeoutError: it was not in time.
    """
    started = time.monotonic()
    async with running.node() as node, asyncio.timeout(READY_TIMEOUT_S):
        while True:
            status = await node.call(
                AUDIT, "GetAnchorStatus", audit_pb2.GetAnchorStatusRequest(), audit_pb2.GetAnchorStatusResponse
            )
            if status.attested_size >= seq:
                return time.monotonic() - started
            await asyncio.sleep(0.05)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _make_importable() -> None:
    """Let the nodes find the benchmark's contract wherever this was started."""
    paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
