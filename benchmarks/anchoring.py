"""How long an entry takes from posted to anchored and attested, under a steady load and after a burst.

Counted from the posting call's reply at the bank to the moment the regulator's own peer has committed, as VALID, the
checkpoint that covers the entry (anchored), or another member's cosignature of such a checkpoint (attested).
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.consortium import Running, cpu_ms_each, running_consortium, shown_cpu_ms, wait_until_anchored
from benchmarks.load_client import new_transfer, open_accounts
from benchmarks.measure import Result, latency_ms
from network.client import GatewayClient
from network.identity import SigningIdentity
from node.own_node import LEDGER, OwnNode, ledger_pb2

ENTRIES_PER_S = 200
STEADY_S = 20.0
BURST_ENTRIES = 20_000
BURST_CALL = 200
LAG_P95_S_MAX = 2.0


@dataclass(slots=True)
class Timeline:
    """When entries were posted, and when heads of the log came to another member."""

    posted: dict[int, float] = field(default_factory=dict)
    heads: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: {"anchored": [], "attested": []})

    def lags(self, state: str) -> list[float]:
        """Seconds from posting to the first head that covers each entry, for those covered."""
        heads = sorted(self.heads[state])
        found, place = [], 0
        for seq, posted in sorted(self.posted.items()):
            while place < len(heads) and heads[place][0] < seq:
                place += 1
            if place < len(heads):
                found.append(max(0.0, min(when for _, when in heads[place : place + 50]) - posted))
        return found


def run() -> Result:
    """Measure on a consortium of its own."""
    result = Result("anchoring", "From posted to anchored and attested in another member's copy")
    with running_consortium() as running:
        asyncio.run(_measure(running, result))
    return result


async def _measure(running: Running, result: Result) -> None:
    async with running.node() as bank, running.node(running.consortium.organizations[-1]) as regulator:
        await open_accounts(bank)
        await _post(bank, Timeline(), 0, 1)
        await wait_until_anchored(running, 1)
        for name, load in (("steady", _steady), ("burst", _burst)):
            timeline = Timeline()
            watcher = asyncio.create_task(_watch(running, regulator, timeline))
            before = running.cpu_s()
            began = time.perf_counter()
            await load(bank, timeline)
            posting_s = time.perf_counter() - began
            await wait_until_anchored(running, max(timeline.posted))
            after = running.cpu_s()
            await asyncio.sleep(0.5)
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
            result.rows += _rows(name, timeline, posting_s, cpu_ms_each(before, after, len(timeline.posted)))
    steady = result.rows[0]
    result.below("posted to anchored under a steady load, p95 (s)", LAG_P95_S_MAX, steady["p95_ms"] / 1000)


def _rows(load: str, timeline: Timeline, posting_s: float, cpu_ms: dict[str, float]) -> list[dict[str, Any]]:
    common = {
        "load": load,
        "entries": len(timeline.posted),
        "entries_per_s": round(len(timeline.posted) / posting_s, 1),
    }
    return [
        {
            **common,
            "until": state,
            **latency_ms(timeline.lags(state)),
            "covered": len(timeline.lags(state)),
            "heads": len(timeline.heads[state]),
            "consortium_cpu_ms": cpu_ms["total"],
            "cpu_ms_by_process": shown_cpu_ms(cpu_ms),
        }
        for state in timeline.heads
    ]


async def _steady(bank: OwnNode, timeline: Timeline) -> None:
    """Post at a fixed rate whatever the answers do, as customers would."""
    count = int(ENTRIES_PER_S * STEADY_S)
    began = time.perf_counter()
    calls = []
    for number in range(count):
        await asyncio.sleep(began + number / ENTRIES_PER_S - time.perf_counter())
        calls.append(asyncio.create_task(_post(bank, timeline, number, 1)))
    await asyncio.gather(*calls)


async def _burst(bank: OwnNode, timeline: Timeline) -> None:
    """Post as fast as four callers can."""
    numbers = iter(range(0, BURST_ENTRIES, BURST_CALL))

    async def work() -> None:
        for number in numbers:
            await _post(bank, timeline, number, BURST_CALL)

    await asyncio.gather(*(work() for _ in range(4)))


async def _post(bank: OwnNode, timeline: Timeline, number: int, count: int) -> None:
    request = ledger_pb2.PostEntriesRequest(entries=[new_transfer(number + n) for n in range(count)])
    reply = await bank.call(LEDGER, "PostEntries", request, ledger_pb2.PostEntriesResponse)
    now = time.perf_counter()
    for entry in reply.results:
        if entry.code != "posted":
            raise RuntimeError(f"an entry was refused: {entry.code}")
        timeline.posted[entry.seq] = now


async def _watch(running: Running, regulator: OwnNode, timeline: Timeline) -> None:
    """Note the heads of the bank's log as the regulator's peer commits them."""
    member = running.consortium.organizations[-1]
    identity = SigningIdentity.from_msp_folder(running.home.user(member, "User1") / "msp", member.msp_id)
    client = GatewayClient(regulator.channel, identity, running.consortium.channel)
    states = {"Checkpoint": "anchored", "Cosignature": "attested"}
    async for event in client.chaincode_events("audit"):
        content = json.loads(event.payload)
        if event.name in states and content["organization"] == running.bank.msp_id:
            timeline.heads[states[event.name]].append((content["size"], time.perf_counter()))
