"""Metrics as text: what Prometheus's own client library reads is what was counted; strangers cannot make it grow."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from network.operations.metrics import CELLS_MAX, Metrics
from network.operations.process_metrics import ProcessMetrics


async def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return what Prometheus's own parser reads; it adds ``_total`` to counters that have other names."""
    text = await metrics.text()
    return {
        (_name(sample.name, text), tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _name(name: str, text: str) -> str:
    return name if f"\n{name}" in text or text.startswith(name) else name.removesuffix("_total")


async def test_counters_and_gauges_keep_their_names_labels_and_values() -> None:
    metrics = Metrics()
    count = metrics.counter("ledger_transaction_count", "Number of transactions processed.", ["channel", "code"])
    count.of("anchors", "VALID").value += 3
    count.of("anchors", 'odd "name"\\\n').value += 1
    metrics.gauge("ledger_blockchain_height", "Height.").of().value = 7.25
    found = await samples(metrics)
    assert found["ledger_transaction_count", (("channel", "anchors"), ("code", "VALID"))] == 3
    assert found["ledger_transaction_count", (("channel", "anchors"), ("code", 'odd "name"\\\n'))] == 1
    assert found["ledger_blockchain_height", ()] == 7.25
    assert "# TYPE ledger_transaction_count counter\n" in await metrics.text()
    assert "# HELP ledger_blockchain_height Height.\n" in await metrics.text()


async def test_histogram_counts_cumulatively_and_sums() -> None:
    metrics = Metrics()
    histogram = metrics.histogram("seconds", "Time.", ["method"], (0.1, 1.0)).of("Evaluate")
    for value in (0.05, 0.1, 0.5, 3.0):
        histogram.observe(value)
    found = await samples(metrics)
    method = ("method", "Evaluate")
    assert [found["seconds_bucket", (("le", bound), method)] for bound in ("0.1", "1", "+Inf")] == [2, 3, 4]
    assert found["seconds_count", (method,)] == 4
    assert found["seconds_sum", (method,)] == pytest.approx(3.65)


async def test_family_without_cells_is_not_shown_and_forgotten_cells_are_gone() -> None:
    metrics = Metrics()
    family = metrics.gauge("webhook", "Endpoint.", ["id"])
    assert "webhook" not in await metrics.text()
    family.of("a").value = 1
    assert 'webhook{id="a"} 1' in await metrics.text()
    family.forget()
    assert "webhook" not in await metrics.text()


async def test_labels_invented_by_strangers_end_up_in_one_cell() -> None:
    metrics = Metrics()
    family = metrics.counter("proposals", "Proposals.", ["chaincode"])
    for number in range(CELLS_MAX + 500):
        family.of(f"invented{number}").value += 1
    found = await samples(metrics)
    assert sum(name == "proposals" for name, _ in found) == CELLS_MAX + 1
    assert found["proposals", (("chaincode", "other"),)] == 500
    family.of("invented7").value += 1
    assert (await samples(metrics))["proposals", (("chaincode", "invented7"),)] == 2


async def test_figures_asked_at_the_scrape_are_fresh() -> None:
    metrics = Metrics()
    gauge = metrics.gauge("asked", "Times.").of()

    async def refresh() -> None:
        gauge.value += 1

    metrics.before_scrape(refresh)
    assert [(await samples(metrics))["asked", ()] for _ in range(3)] == [1, 2, 3]


async def test_process_figures_are_those_of_this_process() -> None:
    metrics = Metrics()
    ProcessMetrics(metrics)
    held = b"x" * 20_000_000
    found = await samples(metrics)
    assert found["process_resident_memory_bytes", ()] > len(held)
    assert found["process_virtual_memory_bytes", ()] > found["process_resident_memory_bytes", ()]
    assert found["process_open_fds", ()] >= 3
    assert 0 < found["process_start_time_seconds", ()] <= datetime.now(UTC).timestamp() + 1
    times = os.times()
    assert found["process_cpu_seconds_total", ()] == pytest.approx(times.user + times.system, abs=0.5)
    assert threading.active_count() >= 1
