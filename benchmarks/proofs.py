"""How fast proofs are made and checked: bundles built by a running node, verified offline; inclusion in large logs.

Building is timed by the clock, at the client; verifying by the processor time of this process, on one core.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.consortium import Running, cpu_ms_each, running_consortium, shown_cpu_ms, wait_until_anchored
from benchmarks.load_client import new_transfer, open_accounts
from benchmarks.measure import Result, latency_ms
from benchmarks.proof_claims import (
    RANGE_PER_S_MIN,
    SINGLE_PER_S_MIN,
    build_claims,
    claim_rows,
    same_channel_row,
)
from network.block import header_hash, parse_block
from network.bundle import verify_bundle
from network.merkle import build_inclusion_proof, leaf_hash, root, verify_inclusion
from node.audit.entry_fields import describe_entry
from node.own_node import AUDIT, LEDGER, audit_pb2, ledger_pb2

ENTRIES = 2_000
BUNDLES = 200
IN_FLIGHT = 8
LOG_SIZE = 1 << 17
CHECKS = 2_000
SEED = 20261122


def run() -> Result:
    """Measure on a consortium of its own, and in this process."""
    result = Result("proofs", "Proofs: built by the node, verified without it")
    with running_consortium() as running:
        bundles = asyncio.run(_build(running, result))
        claims = asyncio.run(build_claims(running))
        genesis_hash = header_hash(parse_block(running.home.genesis.read_bytes()).header)
    result.rows.append(
        _rate("verify a bundle, fields compared", bundles, lambda bundle: _verify(bundle, genesis_hash))
        | {"bytes": round(statistics.mean(map(len, bundles)))}
    )
    same_channel = same_channel_row(bundles, genesis_hash)
    ranges = claim_rows(claims, ENTRIES, genesis_hash)
    result.rows += [same_channel, *ranges, *_inclusion()]
    result.at_least(
        "bundles of one channel verified (per second and core)", SINGLE_PER_S_MIN, same_channel["per_second"]
    )
    slowest = min(row["per_second"] for row in ranges if row["what"].startswith("verify"))
    result.at_least("entries verified in ranges, slowest kind (per second and core)", RANGE_PER_S_MIN, slowest)
    return result


async def _build(running: Running, result: Result) -> list[bytes]:
    async with running.node() as bank:
        await open_accounts(bank)
        for start in range(0, ENTRIES, 200):
            request = ledger_pb2.PostEntriesRequest(entries=[new_transfer(start + n) for n in range(200)])
            await bank.call(LEDGER, "PostEntries", request, ledger_pb2.PostEntriesResponse)
        await wait_until_anchored(running, ENTRIES)
        seqs = iter(random.Random(SEED).sample(range(1, ENTRIES + 1), BUNDLES))
        bundles: list[bytes] = []
        latencies: list[float] = []

        async def work() -> None:
            for seq in seqs:
                began = time.perf_counter()
                request = audit_pb2.GetProofRequest(seq=seq, wait_ms=5_000)
                reply = await bank.call(AUDIT, "GetProof", request, audit_pb2.GetProofResponse)
                latencies.append(time.perf_counter() - began)
                bundles.append(reply.bundle)

        before, began = running.cpu_s(), time.perf_counter()
        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
        elapsed = time.perf_counter() - began
        cpu_ms = cpu_ms_each(before, running.cpu_s(), len(bundles))
    result.rows.append(
        {
            "what": f"build a bundle (GetProof, {IN_FLIGHT} in flight)",
            "per_second": round(len(bundles) / elapsed, 1),
            "cpu_ms": cpu_ms["total"],
            "bytes": round(statistics.mean(map(len, bundles))),
            **latency_ms(latencies),
        }
    )
    result.details["build_cpu_ms_by_process"] = shown_cpu_ms(cpu_ms)
    return bundles


def _verify(bundle: bytes, genesis_hash: bytes) -> None:
    verify_bundle(bundle, genesis_hash, witnesses_min=1, describe=describe_entry)


def _inclusion() -> list[dict[str, Any]]:
    """Inclusion alone, in a log of ``LOG_SIZE`` entries."""
    levels = [[leaf_hash(number.to_bytes(8, "big")) for number in range(LOG_SIZE)]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = zip(below[::2], below[1::2], strict=True)
        levels.append([hashlib.sha256(b"\x01" + left + right).digest() for left, right in pairs])
    assert levels[-1][0] == root(levels[0])
    indexes = random.Random(SEED).sample(range(LOG_SIZE), CHECKS)

    def read_node(level: int, index: int) -> bytes:
        return levels[level][index]

    proofs = {index: build_inclusion_proof(read_node, index, LOG_SIZE) for index in indexes}
    head = levels[-1][0]
    return [
        _rate(
            f"build an inclusion proof, log of {LOG_SIZE:,}",
            indexes,
            lambda index: build_inclusion_proof(read_node, index, LOG_SIZE),
        ),
        _rate(
            f"verify an inclusion proof, log of {LOG_SIZE:,}",
            indexes,
            lambda index: verify_inclusion(levels[0][index], index, LOG_SIZE, proofs[index], head),
        ),
    ]


def _rate(what: str, inputs: Sequence[Any], operation: Callable[[Any], object]) -> dict[str, Any]:
    """Call ``operation`` once for each input; the rate by the clock, and the CPU time each took."""
    operation(inputs[0])
    latencies: list[float] = []
    cpu_began, began = time.process_time(), time.perf_counter()
    for value in inputs:
        start = time.perf_counter()
        operation(value)
        latencies.append(time.perf_counter() - start)
    elapsed = time.perf_counter() - began
    cpu_ms = (time.process_time() - cpu_began) * 1000 / len(inputs)
    figures = {name: round(value, 3) for name, value in latency_ms(latencies).items()}
    return {"what": what, "per_second": round(len(inputs) / elapsed, 1), "cpu_ms": round(cpu_ms, 4), **figures}
