"""How fast the shared ledger is: transactions endorsed by two of three members, ordered, committed, over mutual TLS."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.consortium import Running, cpu_ms_each, running_consortium, shown_cpu_ms
from benchmarks.load_client import SEEDED_KEY, start_client
from benchmarks.measure import Result
from network.client import GatewayClient
from network.identity import SigningIdentity
from node.own_node import AUDIT, audit_pb2

CONCURRENCY = (1, 16, 64, 256)
SECONDS = 8.0
WARM_UP_S = 2.0
CONNECTIONS = 4

TX_PER_S_MIN = 250
P50_MS_MAX = 30


def run() -> Result:
    """Measure on a consortium of its own."""
    result = Result("network", "Shared ledger: endorsement to commit, 2 of 3 members, mutual TLS")
    with running_consortium() as running:
        asyncio.run(_measure(running, result))
    return result


async def _measure(running: Running, result: Result) -> None:
    await _seed(running)
    for concurrency in CONCURRENCY:
        result.rows.append(await _row(running, "submit", concurrency))
    for concurrency in (1, 64):
        result.rows.append(await _row(running, "evaluate", concurrency))
    submits = [row for row in result.rows if row["operation"] == "submit"]
    result.at_least("committed transactions a second, best", TX_PER_S_MIN, max(row["per_second"] for row in submits))
    result.below("submit to VALID at concurrency 1, p50 (ms)", P50_MS_MAX, submits[0]["p50_ms"])


async def _row(running: Running, operation: str, concurrency: int) -> dict[str, Any]:
    connections = min(CONNECTIONS, concurrency)
    height = await _height(running)
    found, before, after = await start_client(
        running, operation, "--concurrency", str(concurrency), "--connections", str(connections),
        "--seconds", str(SECONDS), "--warm-up", str(WARM_UP_S),
    )  # fmt: skip
    cpu_ms = cpu_ms_each(before, after, found["operations"])
    errors = found.pop("errors")
    blocks = await _height(running) - height
    if operation == "submit" and blocks:
        # Of the whole load, its warm-up included.
        found["tx_a_block"] = round(found["per_second"] * (SECONDS + WARM_UP_S) / blocks, 1)
    row = {"operation": operation, **found, "consortium_cpu_ms": cpu_ms["total"], "failed": sum(errors.values())}
    return row | {"cpu_ms_by_process": shown_cpu_ms(cpu_ms)} | ({"errors": str(errors)} if errors else {})


async def _height(running: Running) -> int:
    async with running.node() as node:
        status = await node.call(
            AUDIT, "GetAnchorStatus", audit_pb2.GetAnchorStatusRequest(), audit_pb2.GetAnchorStatusResponse
        )
        return int(status.block_height)


async def _seed(running: Running) -> None:
    """Write the key that is read; wait for the contract's definition to be committed first."""
    async with running.node() as node:
        identity = SigningIdentity.from_msp_folder(
            running.home.user(running.bank, "User1") / "msp", running.bank.msp_id
        )
        client = GatewayClient(node.channel, identity, running.consortium.channel)
        await client.submit("benchmark", "Put", SEEDED_KEY, "value")
