"""How fast proofs of many entries are built and verified, and many single ones of one channel: part of ``proofs``."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message

from benchmarks.consortium import Running
from network.bundle_claims import VerifiedClaim
from network.bundle_verifier import BundleVerifier
from node.audit.entry_fields import describe_entry, read_entry
from node.own_node import PROOFS, proofs_pb2

ROUNDS = 5
RANGE_PER_S_MIN = 20_000
SINGLE_PER_S_MIN = 300


async def build_claims(running: Running) -> dict[str, tuple[bytes, float]]:
    """Have the node build one bundle of each kind over all entries; return bundle and seconds, the median of rounds."""
    asked: dict[str, tuple[str, Message, type[Any]]] = {
        "range, all shown": ("ProveRange", proofs_pb2.ProveRangeRequest(), proofs_pb2.ProveRangeResponse),
        "range, leaves only": (
            "ProveRange", proofs_pb2.ProveRangeRequest(leaves_only=True), proofs_pb2.ProveRangeResponse
        ),
        "statement": (
            "ProveAccount", proofs_pb2.ProveAccountRequest(account="bench-1", asset="EUR"),
            proofs_pb2.ProveAccountResponse,
        ),
        "day close": ("ProvePeriod", proofs_pb2.ProvePeriodRequest(), proofs_pb2.ProvePeriodResponse),
    }  # fmt: skip
    found: dict[str, tuple[bytes, float]] = {}
    async with running.node() as bank:
        for what, (method, request, reply) in asked.items():
            seconds = []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                answer = await bank.call(PROOFS, method, request, reply, 60)
                seconds.append(time.perf_counter() - began)
            found[what] = (answer.bundle, statistics.median(seconds))
    return found


def claim_rows(claims: dict[str, tuple[bytes, float]], entries: int, genesis_hash: bytes) -> list[dict[str, Any]]:
    """Return rows of building and verifying, in entries a second; verified from the genesis block each time."""
    rows = []
    for what, (bundle, seconds) in claims.items():
        rows.append({"what": f"build a {what} (entries)", "per_second": round(entries / seconds), "bytes": len(bundle)})
        elapsed = statistics.median(_seconds(_verified, bundle, genesis_hash) for _ in range(ROUNDS))
        rows.append({"what": f"verify a {what} (entries)", "per_second": round(entries / elapsed)})
    return rows


def same_channel_row(bundles: Sequence[bytes], genesis_hash: bytes) -> dict[str, Any]:
    """Return the row of single bundles verified one after the other by one verifier, the channel checked once."""

    def verify_all() -> None:
        verifier = BundleVerifier(genesis_hash, describe=describe_entry, read=read_entry)
        for bundle in bundles:
            verifier.verify(bundle, datetime.now(UTC))

    elapsed = statistics.median(_seconds(verify_all) for _ in range(ROUNDS))
    return {"what": "verify bundles of one channel, fields compared", "per_second": round(len(bundles) / elapsed, 1)}


def _verified(bundle: bytes, genesis_hash: bytes) -> None:
    proved = BundleVerifier(genesis_hash, read=read_entry).verify(bundle, datetime.now(UTC))
    assert isinstance(proved, VerifiedClaim)


def _seconds(operation: Callable[..., object], *arguments: Any) -> float:
    began = time.process_time()
    operation(*arguments)
    return time.process_time() - began
