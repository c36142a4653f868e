"""How fast transfers are posted through a running bank's own port: one to a call and 200 to a call, over mutual TLS."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.consortium import Running, cpu_ms_each, running_consortium, shown_cpu_ms
from benchmarks.load_client import start_client
from benchmarks.measure import Result

LOADS = ((1, 1), (1, 16), (1, 64), (200, 1), (200, 4))
"""Transfers to a call, calls in flight."""
SECONDS = 6.0
CONNECTIONS = 4


def run() -> Result:
    """Measure on a consortium of its own, which anchors what is posted meanwhile."""
    result = Result("transfers", "Transfers through LedgerService.PostEntries, decided, signed and anchored")
    with running_consortium() as running:
        for batch, concurrency in LOADS:
            result.rows.append(asyncio.run(_row(running, batch, concurrency)))
    return result


async def _row(running: Running, batch: int, concurrency: int) -> dict[str, Any]:
    found, before, after = await start_client(
        running, "post", "--batch", str(batch), "--concurrency", str(concurrency),
        "--connections", str(min(CONNECTIONS, concurrency)), "--seconds", str(SECONDS),
    )  # fmt: skip
    cpu_ms = cpu_ms_each(before, after, found["operations"])
    errors = found.pop("errors")
    row = {"transfers_a_call": batch, **found, "consortium_cpu_ms": cpu_ms["total"], "failed": sum(errors.values())}
    return row | {"cpu_ms_by_process": shown_cpu_ms(cpu_ms)} | ({"errors": str(errors)} if errors else {})
