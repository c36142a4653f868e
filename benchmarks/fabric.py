"""The shared ledger beside real Hyperledger Fabric: one run, one client, one contract, one policy, the same machine.

The networks are measured in turn, twice each, so that all meet the same disturbances: ours with the contract within
each node's process, ours with the contract as a process beside each node, and Fabric's, of its own orderer (Raft) and
three of its peers, each with our contract as a service beside it. Fabric's programs are found by the variables that
``tests/support/fabric_programs.py`` explains; without them only ours are measured.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.books import median_of
from benchmarks.consortium import BENCHMARK, CONTRACT, running_consortium
from benchmarks.load_client import SEEDED_KEY, UnderLoad
from benchmarks.measure import Result, cpu_s, memory_mib
from benchmarks.network import measured_row, node_memory, seed
from network import rpc
from network.client import GatewayClient
from network.errors import EndorseError
from tests.support.consortium_in_memory import BANK, DOMAINS
from tests.support.fabric_channel import HOST
from tests.support.fabric_programs import FabricTools
from tests.support.mixed_network import (
    MEMBERS,
    FabricNetwork,
    fabric_network,
    make_fabric_material,
)

OURS = "DwayBank Node"
AS_SERVICE = f"{OURS}, contract as a service"
POLICY = f"OutOf(2, {', '.join(repr(f'{msp_id}.peer') for msp_id in MEMBERS)})"
LOADS = (*(("submit", level) for level in (1, 64, 256, 512)), ("submit_asking", 512), ("evaluate", 64))
BATCHES = (("2s", 500), ("200ms", 500))
"""Of Fabric: its default timeout with blocks of 500, best for rate; and a short one, best for latency."""
RUNS = 2
TIMES_FABRIC_MIN = 2
SERVICE_SHARE_MIN = 2 / 3
"""Of the rate with the contract in the node's process: a process of its own may cost a third."""


@dataclass
class RunningFabric:
    """A network of Fabric's own programs, with the benchmark's contract committed."""

    network: FabricNetwork

    def client_options(self) -> tuple[str, ...]:
        """The options by which a load client finds the bank's peer."""
        network, domain = self.network, DOMAINS[BANK]
        return (
            "--peer", f"{HOST}:{network.peers[BANK]}", "--roots", str(network.tls_roots(BANK)),
            "--user", str(network.organization(BANK) / "users" / f"Node@{domain}"),
            "--msp-id", BANK, "--channel", network.channel_id,
        )  # fmt: skip

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds of each of its processes."""
        return {name: cpu_s(process.pid) for name, process in self.network.processes.items()}

    def memory(self) -> dict[str, float]:
        """Memory of each peer, MiB."""
        processes = self.network.processes.items()
        return {name: memory_mib([process.pid])["pss_mib"] for name, process in processes if name.startswith("peer-")}


_Measurable = tuple[UnderLoad, Callable[[], dict[str, float]]]
"""A network, and what tells the memory of its peers."""


def run() -> Result:
    """Measure both kinds of network in turn."""
    result = Result("fabric", "The same client, contract and policy on this network and on Fabric 3.1")
    found: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    memory: dict[str, dict[str, float]] = {}
    for _ in range(RUNS):
        for name, network in _networks():
            with network() as (under_load, memory_of):
                for operation, concurrency in LOADS:
                    row = asyncio.run(measured_row(under_load, operation, concurrency))
                    found.setdefault((name, operation, concurrency), []).append(row)
                memory[name] = memory_of()
    result.rows = [{"network": name, **_median_row(rows)} for (name, *_), rows in found.items()]
    result.details["memory_mib"] = memory
    best: dict[str, float] = {}
    for row in result.rows:
        if row["operation"] != "evaluate":
            best[row["network"]] = max(best.get(row["network"], 0), row["per_second"])
    ours = best.pop(OURS)
    result.at_least("best rate as a service, of that in process", SERVICE_SHARE_MIN, best.pop(AS_SERVICE) / ours)
    if best:
        result.at_least("best rate, times Fabric's best", TIMES_FABRIC_MIN, ours / max(best.values()))
    return result


def _networks() -> Iterator[tuple[str, Callable[[], AbstractContextManager[_Measurable]]]]:
    yield OURS, partial(_our_network, as_service=False)
    yield AS_SERVICE, partial(_our_network, as_service=True)
    if "FABRIC_BIN" in os.environ:
        for timeout, size in BATCHES:
            yield f"Fabric, {timeout} / {size}", partial(_fabric, timeout, size)


@contextmanager
def _our_network(*, as_service: bool) -> Iterator[_Measurable]:
    with running_consortium(as_service=as_service) as running:
        asyncio.run(seed(running))
        yield running, lambda: node_memory(running)


@contextmanager
def _fabric(timeout: str, size: int) -> Iterator[_Measurable]:
    with tempfile.TemporaryDirectory(prefix="dwaybank-bench-") as name:
        folder = Path(name)
        material = make_fabric_material(folder / "crypto", 1)
        (folder / "net").mkdir()
        with fabric_network(
            FabricTools.found(),
            material,
            folder / "net",
            go_peers=MEMBERS,
            batch_timeout=timeout,
            batch_size=size,
        ) as network:
            network.serve(BENCHMARK, CONTRACT, "--signature-policy", POLICY, members=MEMBERS)
            asyncio.run(_seed(network))
            running = RunningFabric(network)
            yield running, running.memory


async def _seed(network: FabricNetwork) -> None:
    """Write the key that is read; Go peers learn of one another only after a moment."""
    channel = rpc.Channel(f"{HOST}:{network.peers[BANK]}", network.client_tls(BANK))
    client = GatewayClient(channel, network.material.signer(BANK), network.channel_id)
    async with asyncio.timeout(60):
        while True:
            try:
                await client.submit("benchmark", "Put", SEEDED_KEY, "value")
                break
            except EndorseError:
                await asyncio.sleep(0.5)
    await channel.close()


def _median_row(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the median of each figure over runs, with the slowest and the fastest run."""
    rates = [row["per_second"] for row in rows]
    texts = {name: value for name, value in rows[0].items() if not isinstance(value, int | float)}
    figures = median_of([{name: value for name, value in row.items() if name not in texts} for row in rows])
    return {**texts, **figures, "min": min(rates), "max": max(rates)}
