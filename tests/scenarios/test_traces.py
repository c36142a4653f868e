"""Traces of a whole consortium: one posting, followed over all processes by one trace id.

Method: every process is told of a collector that takes OTLP over gRPC in its settings; an entry is posted, and its
checkpoint is anchored. The collector must have received the spans of that one transaction on the shared ledger: made by
the anchorer, endorsed at two members, ordered, committed.

Skips where the extra is not installed: ``pip install 'dwaybank-node[otel]'``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from network.topology import default_consortium
from node.home import prepare_home
from tests.support.consortium import RunningConsortium, free_base_port, home_folder, remove_home
from tests.support.otlp_collector import CollectedSpan, OtlpCollector

pytest.importorskip("opentelemetry.sdk", reason="traces need the extra: pip install 'dwaybank-node[otel]'")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def spans() -> AsyncIterator[list[CollectedSpan]]:
    """What arrives while a consortium posts and anchors one entry."""
    collector = OtlpCollector()
    await collector.start()
    folder, base_port = home_folder(), free_base_port()
    running = RunningConsortium(folder / "home", base_port)
    try:
        prepare_home(running.root, lambda: default_consortium(base_port), datetime.now(UTC), {})
        trace_all(running.root, collector.port)
        await asyncio.to_thread(running.start)
        await running.open_account(running.bank, "alice")
        await running.deposit(running.bank, "alice", 100)
        await running.settled()
        # A process that ends sends what it has left.
        await asyncio.to_thread(running.stop)
        yield collector.spans
    finally:
        await asyncio.to_thread(remove_home, running, folder)
        await collector.stop()


def trace_all(root: Path, port: int) -> None:
    """Tell every process of a collector."""
    for name in ("node.yaml", "orderer.yaml", "gateway.yaml"):
        for path in root.glob(f"*/{name}"):
            settings = yaml.safe_load(path.read_text())
            settings["tracing"] = {"endpoint": f"http://127.0.0.1:{port}"}
            path.write_text(yaml.safe_dump(settings))


async def test_one_transaction_has_one_trace_over_all_processes(spans: list[CollectedSpan]) -> None:
    anchored = [span for span in spans if span.name == "anchor checkpoint"]
    traces = [[span for span in spans if span.trace_id == root.trace_id] for root in anchored]
    whole = next(found for found in traces if {"commit", "orderer.AtomicBroadcast/Broadcast"} <= names_of(found))
    places = {(span.service.partition(" ")[0], span.name, span.kind) for span in whole}
    client, server = 3, 2
    assert places >= {
        ("node", "gateway.Gateway/Endorse", client),
        ("node", "gateway.Gateway/Endorse", server),
        ("node", "protos.Endorser/ProcessProposal", client),
        ("node", "protos.Endorser/ProcessProposal", server),
        ("node", "simulate", 1),
        ("node", "gateway.Gateway/Submit", server),
        ("node", "orderer.AtomicBroadcast/Broadcast", client),
        ("orderer", "orderer.AtomicBroadcast/Broadcast", server),
        ("node", "gateway.Gateway/CommitStatus", server),
        ("node", "commit", 1),
    }
    assert len({span.service for span in whole}) >= 3
    (root,) = [span for span in whole if not span.parent_id]
    assert root.name == "anchor checkpoint"
    known = {span.span_id for span in whole}
    assert all(span.parent_id in known for span in whole if span is not root)
    (commit,) = [span for span in whole if span.name == "commit"]
    assert commit.attributes["validation_code"] == "0"
    assert commit.attributes["tx_id"] in {span.attributes.get("tx_id") for span in whole if span.name == "simulate"}


async def test_postings_are_traced_by_their_number_only(spans: list[CollectedSpan]) -> None:
    posted = [span for span in spans if span.name == "post batch"]
    assert [set(span.attributes) for span in posted] == [{"entries"}] * len(posted)
    assert "alice" not in repr(spans)


def names_of(spans: list[CollectedSpan]) -> set[str]:
    return {span.name for span in spans}
