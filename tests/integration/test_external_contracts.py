"""The consortium's own contracts in processes of their own, named in ``node.yaml``: dialled by a peer, dialling one.

Method: a whole consortium of real processes. DwayBank runs the contracts in its node; the partner's node dials them as
services over mutual TLS; the regulator's contracts dial the regulator's node. Every checkpoint, cosignature and record
then needs endorsements from two ways of running the same contract. Processes are those of ``python -m chaincode``.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from network.topology import Organization
from node.ports import free_port
from tests.support.consortium import REPOSITORY, RunningConsortium, own_consortium

CONTRACTS = {"audit": "chaincode.audit:AuditContract", "compliance": "chaincode.compliance:ComplianceContract"}


def package_id(name: str) -> str:
    return f"{name}_1.0:00112233"


def peer_tls(running: RunningConsortium, member: Organization) -> Path:
    return running.home.crypto(member) / "peers" / member.node_host / "tls"


def change_settings(running: RunningConsortium, member: Organization, *, ports: dict[str, int], listen: int) -> None:
    """Have a member's node run its contracts in processes of their own, dialled where ``ports`` says so."""
    folder = running.home.organization(member)
    settings = yaml.safe_load((folder / "node.yaml").read_text())
    for chaincode in settings["chaincodes"]:
        name = chaincode["name"]
        chaincode.pop("contract")
        chaincode["service"] = {"package_id": package_id(name)}
        if name in ports:
            chaincode["service"]["connection_file"] = f"{name}.connection.json"
            (folder / f"{name}.connection.json").write_text(json.dumps(connection(running, member, ports[name])))
    settings["chaincode_port"] = listen
    (folder / "node.yaml").write_text(yaml.safe_dump(settings))


def connection(running: RunningConsortium, member: Organization, port: int) -> dict[str, object]:
    tls = peer_tls(running, member)
    return {
        "address": f"127.0.0.1:{port}",
        "dial_timeout": "10s",
        "tls_required": True,
        "client_auth_required": True,
        "root_cert": running.tls_roots(member).decode(),
        "client_cert": (tls / "server.crt").read_text(),
        "client_key": (tls / "server.key").read_text(),
    }


@contextlib.contextmanager
def chaincode_process(command: str, name: str, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a contract as its operator does."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "chaincode", command, CONTRACTS[name]],
            cwd=REPOSITORY,
            env=os.environ | {"CHAINCODE_ID": package_id(name)} | environment,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def service_environment(running: RunningConsortium, port: int, roots: Path) -> dict[str, str]:
    tls = peer_tls(running, running.partner)
    return {
        "CHAINCODE_SERVER_ADDRESS": f"127.0.0.1:{port}",
        "CHAINCODE_TLS_DISABLED": "false",
        "CHAINCODE_TLS_CERT": str(tls / "server.crt"),
        "CHAINCODE_TLS_KEY": str(tls / "server.key"),
        "CHAINCODE_CLIENT_CA_CERT": str(roots),
    }


def dialling_environment(running: RunningConsortium, port: int, roots: Path) -> dict[str, str]:
    tls = running.home.user(running.regulator, "Node") / "tls"
    return {
        "CORE_PEER_ADDRESS": f"127.0.0.1:{port}",
        "CORE_PEER_TLS_ENABLED": "true",
        "CORE_PEER_TLS_ROOTCERT_FILE": str(roots),
        "CORE_TLS_CLIENT_CERT_FILE": str(tls / "client.crt"),
        "CORE_TLS_CLIENT_KEY_FILE": str(tls / "client.key"),
    }


class ExternalContracts:
    """The contracts' processes: the partner's, which its peer dials, and the regulator's, which dial their peer."""

    def __init__(self, running: RunningConsortium, folder: Path) -> None:
        self._running = running
        self._folder = folder
        self._ports = {name: free_port() for name in CONTRACTS}
        self._listen = free_port()
        self._roots = folder / "roots.pem"
        self._roots.write_bytes(running.tls_roots(running.partner))
        self._processes = contextlib.ExitStack()
        change_settings(running, running.partner, ports=self._ports, listen=free_port())
        change_settings(running, running.regulator, ports={}, listen=self._listen)

    def start(self) -> None:
        """Start all four."""
        for name in CONTRACTS:
            service = service_environment(self._running, self._ports[name], self._roots)
            self._enter("serve", name, service)
            self._enter("dial", name, dialling_environment(self._running, self._listen, self._roots))

    def stop(self) -> None:
        """Stop all four."""
        self._processes.close()

    def _enter(self, command: str, name: str, environment: dict[str, str]) -> None:
        log = self._folder / f"{command}-{name}.log"
        self._processes.enter_context(chaincode_process(command, name, log, **environment))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningConsortium, ExternalContracts]]:
    with own_consortium() as running:
        running.stop()
        contracts = ExternalContracts(running, tmp_path_factory.mktemp("contracts"))
        contracts.start()
        try:
            running.start()
            yield running, contracts
        finally:
            contracts.stop()


async def test_postings_are_attested_with_contracts_that_run_in_three_ways(
    stage: tuple[RunningConsortium, ExternalContracts],
) -> None:
    running, _ = stage
    await running.open_account(running.bank, "customer-1")
    await running.open_account(running.partner, "customer-2")
    for amount in (1, 2, 3):
        await running.deposit(running.bank, "customer-1", amount)
        await running.deposit(running.partner, "customer-2", amount)
    statuses = await running.settled()
    assert [status.attested_size for status in statuses] == [3, 3, 0]
    assert len({status.commit_hash for status in statuses}) == 1


async def test_nothing_is_anchored_while_the_contracts_are_down_and_all_once_they_are_back(
    stage: tuple[RunningConsortium, ExternalContracts],
) -> None:
    running, contracts = stage
    before = await running.settled()
    contracts.stop()
    await running.deposit(running.bank, "customer-1", 4)
    with pytest.raises(TimeoutError):
        await running.settled(timeout_s=6)
    assert (await running.anchor_status(running.bank)).attested_size == before[0].attested_size
    contracts.start()
    after = await running.settled()
    assert after[0].attested_size == before[0].attested_size + 1
