"""How fast the shared ledger is: transactions endorsed by two of three members, ordered, committed, over mutual TLS."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.consortium import Running, cpu_ms_each, running_consortium, shown_cpu_ms
from benchmarks.load_client import SEEDED_KEY, UnderLoad, start_client
from benchmarks.measure import Result, descendants, memory_mib
from network.client import GatewayClient
from network.identity import SigningIdentity
from node.own_node import AUDIT, audit_pb2

CONCURRENCY = (1, 16, 64, 256, 512)
EVALUATED_AT_ONCE = (1, 64, 256)
SECONDS = 8.0
WARM_UP_S = 2.0
CONNECTIONS = {"submit": 1, "submit_asking": 1, "evaluate": 4}
"""Of the load client. One that submits needs no more, and follows the channel's blocks once."""

TX_PER_S_MIN = 1000
EVALUATIONS_PER_S_MIN = 5000
MEMORY_MIB_MAX = 150
ALONE_MS_MAX = {"p50_ms": 15, "p99_ms": 60}
P50_MS_MAX = {64: 110, 256: 350}


def run() -> Result:
    """Measure on a consortium of its own."""
    result = Result("network", "Shared ledger: endorsement to commit, 2 of 3 members, mutual TLS")
    with running_consortium() as running:
        asyncio.run(_measure(running, result))
    return result


async def _measure(running: Running, result: Result) -> None:
    await seed(running)
    for concurrency in CONCURRENCY:
        result.rows.append(await _submit_row(running, concurrency))
    result.rows.append(await measured_row(running, "submit_asking", max(CONCURRENCY)))
    result.details["memory_mib"] = memory = node_memory(running)
    evaluations = [await measured_row(running, "evaluate", concurrency) for concurrency in EVALUATED_AT_ONCE]
    result.rows += evaluations
    submits = {row["concurrency"]: row for row in result.rows if row["operation"] == "submit"}
    best = max(row["per_second"] for row in submits.values())
    result.at_least("committed transactions a second, best", TX_PER_S_MIN, best)
    for figure, bound in ALONE_MS_MAX.items():
        result.below(f"submit to VALID, one in flight, {figure}", bound, submits[1][figure])
    for concurrency, bound in P50_MS_MAX.items():
        result.below(f"submit to VALID, {concurrency} in flight, p50_ms", bound, submits[concurrency]["p50_ms"])
    result.at_least("evaluations a second, best", EVALUATIONS_PER_S_MIN, max(row["per_second"] for row in evaluations))
    result.below("memory of a node after the load (PSS, MiB), largest", MEMORY_MIB_MAX, max(memory.values()))


async def _submit_row(running: Running, concurrency: int) -> dict[str, Any]:
    height = await _height(running)
    row = await measured_row(running, "submit", concurrency)
    if blocks := await _height(running) - height:
        # Of the whole load, its warm-up included.
        row["tx_a_block"] = round(row["per_second"] * (SECONDS + WARM_UP_S) / blocks, 1)
    return row


async def measured_row(under_load: UnderLoad, operation: str, concurrency: int) -> dict[str, Any]:
    """Return one row: rate, latency, processor time of one operation."""
    connections = min(CONNECTIONS[operation], concurrency)
    found, before, after = await start_client(
        under_load, operation, "--concurrency", str(concurrency), "--connections", str(connections),
        "--seconds", str(SECONDS), "--warm-up", str(WARM_UP_S),
    )  # fmt: skip
    cpu_ms = cpu_ms_each(before, after, found["operations"])
    errors = found.pop("errors")
    row = {"operation": operation, **found, "consortium_cpu_ms": cpu_ms["total"], "failed": sum(errors.values())}
    return row | {"cpu_ms_by_process": shown_cpu_ms(cpu_ms)} | ({"errors": str(errors)} if errors else {})


def node_memory(running: Running) -> dict[str, float]:
    """Return the memory of each node with what it started, MiB, without its database."""
    nodes = {name: pid for name, pid in running.pids().items() if name.endswith("-node")}
    return {name: memory_mib([pid, *descendants(pid)])["pss_mib"] for name, pid in nodes.items()}


async def _height(running: Running) -> int:
    async with running.node() as node:
        status = await node.call(
            AUDIT, "GetAnchorStatus", audit_pb2.GetAnchorStatusRequest(), audit_pb2.GetAnchorStatusResponse
        )
        return int(status.block_height)


async def seed(running: Running) -> None:
    """Write the key that is read; wait for the contract's definition to be committed first."""
    async with running.node() as node:
        identity = SigningIdentity.from_msp_folder(
            running.home.user(running.bank, "User1") / "msp", running.bank.msp_id
        )
        client = GatewayClient(node.channel, identity, running.consortium.channel)
        await client.submit("benchmark", "Put", SEEDED_KEY, "value")
