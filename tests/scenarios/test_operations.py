"""The operations services of a running consortium: every process tells its health, figures, log levels and version.

Method: the consortium as `dwaybank up` starts it, asked over HTTP as Prometheus and a supervisor ask; the figures are
held against what the nodes themselves say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from node.operations.process_operations import VERSION
from tests.support.consortium import RunningConsortium, eventually, new_entry


def services(consortium: RunningConsortium) -> dict[str, int]:
    """Return the operations port of each process."""
    ports = {"orderer": consortium.consortium.orderer.operations_port}
    for member in consortium.consortium.organizations:
        ports[f"{member.name}-node"] = member.operations_port
        ports[f"{member.name}-gateway"] = member.gateway_operations_port
    return {name: port for name, port in ports.items() if port is not None}


def ask(port: int, path: str, method: str = "GET", **options: object) -> httpx.Response:
    return httpx.request(method, f"http://127.0.0.1:{port}{path}", timeout=10, **options)  # type: ignore[arg-type]


def samples(port: int, name: str) -> Iterator[tuple[dict[str, str], float]]:
    """Yield labels and value of a metric, as Prometheus's own parser reads them."""
    text = ask(port, "/metrics").text
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            # The parser gives counters a suffix that Fabric's names do not have.
            if sample.name in (name, f"{name}_total"):
                yield sample.labels, sample.value


def value(port: int, name: str, **labels: str) -> float:
    found = [amount for seen, amount in samples(port, name) if labels.items() <= seen.items()]
    assert found, f"{name} {labels} is not there"
    return sum(found)


def test_every_process_is_healthy_and_says_its_version(consortium: RunningConsortium) -> None:
    assert len(services(consortium)) == 6
    for name, port in services(consortium).items():
        answer = ask(port, "/healthz")
        assert (answer.status_code, answer.json()["status"]) == (200, "OK"), (name, answer.text)
        assert ask(port, "/version").json() == {"CommitSHA": "", "Version": VERSION}


async def test_figures_are_those_of_the_nodes(consortium: RunningConsortium) -> None:
    ports = services(consortium)
    await consortium.open_account(consortium.bank, "ops:figures")
    await consortium.deposit(consortium.bank, "ops:figures", 100)
    await consortium.settled()
    before = value(ports["dwaybank-node"], "grpc_server_unary_requests_received", method="PostEntries")
    await consortium.post(consortium.bank, new_entry("bank:cash", "ops:figures", 100))
    after = value(ports["dwaybank-node"], "grpc_server_unary_requests_received", method="PostEntries")
    assert after == before + 1
    await consortium.settled()
    status = await consortium.anchor_status(consortium.bank)
    for member in consortium.consortium.organizations:
        height = value(ports[f"{member.name}-node"], "ledger_blockchain_height", channel="anchors")
        assert abs(height - status.block_height) <= 2
    assert abs(value(ports["orderer"], "ledger_blockchain_height") - status.block_height) <= 2
    valid = value(ports["dwaybank-node"], "ledger_transaction_count", validation_code="VALID", channel="anchors")
    assert valid >= status.checkpoint_count > 0
    assert value(ports["orderer"], "broadcast_processed_count", status="SUCCESS") >= valid - 1
    assert value(ports["orderer"], "deliver_blocks_sent", channel="anchors") > 0
    assert value(ports["dwaybank-node"], "endorser_proposals_received") > 0


async def test_books_and_anchoring_are_told(consortium: RunningConsortium) -> None:
    port = services(consortium)["dwaybank-node"]
    await consortium.open_account(consortium.bank, "ops:anchored")
    posted = await consortium.deposit(consortium.bank, "ops:anchored", 100)
    await consortium.settled()

    async def told() -> bool:
        return value(port, "dwaybank_entries", state="attested") >= posted

    await eventually(told, "metrics tell of the attested entry", 20)
    for state in ("posted", "sealed", "anchored"):
        assert value(port, "dwaybank_entries", state=state) >= posted
    assert value(port, "dwaybank_anchoring_stalled") == 0
    assert value(port, "dwaybank_anchoring_lag_seconds", quantile="0.95") > 0
    assert value(port, "dwaybank_books_epoch") >= 1
    assert value(port, "dwaybank_metrics_stale") == 0


def test_certificates_of_the_process_and_the_channel_are_watched(consortium: RunningConsortium) -> None:
    told = samples(services(consortium)["dwaybank-node"], "dwaybank_certificate_expires_at_seconds")
    found = {labels["use"]: amount for labels, amount in told}
    members = {f"authority of {member.msp_id}" for member in consortium.consortium.organizations}
    assert {"peer", "tls", "node", "reviewer", "authority of OrdererMSP"} | members == set(found)
    assert min(found.values()) > 1_900_000_000


def test_requests_of_customers_are_counted_by_route(consortium: RunningConsortium) -> None:
    port = services(consortium)["dwaybank-gateway"]
    customers = f"http://127.0.0.1:{consortium.bank.gateway_port}"
    for path in ("/v1/health", "/v1/accounts/7/nowhere", "/invented/by/a/stranger"):
        httpx.get(customers + path, timeout=10)
    assert value(port, "dwaybank_http_requests_completed", route="/v1/health", code="200") >= 1
    assert value(port, "dwaybank_http_requests_completed", route="", code="404") >= 1
    assert "stranger" not in ask(port, "/metrics").text
    # Customers' own port shows nothing of this.
    assert httpx.get(customers + "/metrics", timeout=10).status_code == 404


@pytest.mark.parametrize("process", ["orderer", "regulator-node", "dwaybank-gateway"])
def test_log_levels_change_while_the_process_runs(consortium: RunningConsortium, process: str) -> None:
    port = services(consortium)[process]
    log = consortium.root / "logs" / f"{process}.log"
    try:
        answer = ask(port, "/logspec", "PUT", content=json.dumps({"spec": "network.operations=debug:error"}))
        assert answer.status_code == 204
        assert ask(port, "/logspec").json() == {"spec": "network.operations=debug:error"}
        assert json.loads(log.read_text().splitlines()[-1])["event"] == "log levels changed"
        lines = log.read_text()
        assert ask(port, "/logspec", "PUT", content='{"spec":"fatal"}').status_code == 204
        assert log.read_text() == lines, "a line below the level was written"
    finally:
        ask(port, "/logspec", "PUT", content='{"spec":"info"}')
    assert ask(port, "/logspec").json() == {"spec": "info"}


def test_proxy_that_the_gateway_does_not_trust_is_told_by_status(consortium: RunningConsortium) -> None:
    assert "trusted_proxies" not in consortium.command("status").stdout
    port = consortium.bank.gateway_port
    body = {"email": "nobody@example.org", "password": "correct horse battery"}
    header = {"X-Forwarded-For": "203.0.113.9"}
    assert httpx.post(f"http://127.0.0.1:{port}/v1/auth/login", json=body, headers=header).status_code == 401
    status = consortium.command("status")
    assert status.returncode == 0
    assert "WARNING: dwaybank-gateway: 127.0.0.1 forwards requests and is not in trusted_proxies" in status.stdout
    told = json.loads(consortium.command("status", "--json").stdout)["warnings"]
    assert [line.split(" forwards")[0] for line in told if "trusted_proxies" in line] == ["dwaybank-gateway: 127.0.0.1"]
    log = (consortium.home.logs / "dwaybank-gateway.log").read_text()
    assert log.count('"gateway.forwarded_by_untrusted"') == 1


def test_what_a_process_finds_wrong_with_itself_is_told_by_status_and_at_a_start(consortium: RunningConsortium) -> None:
    with consortium.kept_down("dwaybank-node"):
        told = consortium.command("status").stdout
        assert "WARNING: dwaybank-gateway: node: the organization's node does not answer" in told
        again = consortium.command("up")
        assert again.returncode == 0 and "WARNING: dwaybank-gateway: node: " in again.stdout
