"""A network of Fabric's own orderers and peers, on certificates that our own generator made.

Everything lies in one folder; every process is one this module started, and is ended by it. An organization may be
left out, so that a peer of ours takes its place.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg

from network import rpc
from network.crypto_material import OrganizationSpec, generate_organization
from network.msp_folder import read_msp_config
from node.operations.peer_metrics import PeerMetrics
from node.peer.database import migrate
from node.peer.gateway.endorsers import PeerEndpoint
from node.peer.peer import Peer, PeerSettings
from node.ports import free_port
from tests.support.consortium_in_memory import BANK, DOMAINS, ORDERER, PARTNER, REGULATOR, START, Material
from tests.support.fabric_channel import HOST, OrderingService, genesis_by_configtxgen
from tests.support.fabric_programs import FabricTools, Outcome
from tests.support.packages import package_id, service_package
from tests.support.shared_data import REPOSITORY

MEMBERS = (BANK, PARTNER, REGULATOR)
START_TIMEOUT_S = 30
BFT_DIAL_S = 3
"""Longer than SmartBFT orderers wait before they dial one another again."""

_BUILDER = {
    "detect": 'grep -q ccaas "$2/metadata.json"',
    "build": 'cp "$1/connection.json" "$3/"',
    "release": 'mkdir -p "$2/chaincode/server" && cp "$1/connection.json" "$2/chaincode/server/"',
}
"""What lets a Go peer take chaincode that runs as a service (Fabric docs, External Builders)."""


def make_fabric_material(root: Path, orderers: int) -> Material:
    """Generate all organizations below ``root``, with so many orderers."""
    for msp_id, domain in DOMAINS.items():
        ordering = msp_id == ORDERER
        spec = OrganizationSpec(
            name=domain,
            msp_id=msp_id,
            domain=domain,
            kind="orderer" if ordering else "peer",
            hosts=tuple(f"node{number}" for number in range(orderers)) if ordering else ("node",),
            users=("Node",),
        )
        generate_organization(root, spec, START - timedelta(days=1))
    return Material(root)


@dataclass
class FabricNetwork:
    """The network while it runs."""

    tools: FabricTools
    folder: Path
    material: Material
    channel_id: str
    genesis: Path
    orderers: list[int]
    peers: dict[str, int]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    operations_ports: dict[int, int] = field(default_factory=dict)
    admin_ports: dict[int, int] = field(default_factory=dict)

    def organization(self, msp_id: str) -> Path:
        """Return the folder of an organization's certificates."""
        kind = "orderer" if msp_id == ORDERER else "peer"
        return self.material.root / f"{kind}Organizations" / DOMAINS[msp_id]

    def tls_roots(self, msp_id: str) -> Path:
        """Return the file with an organization's TLS authority."""
        return self.organization(msp_id) / "msp" / "tlscacerts" / f"tlsca.{DOMAINS[msp_id]}-cert.pem"

    def client_tls(self, msp_id: str) -> rpc.ClientTls:
        """Return TLS of a client of a member, trusting every organization."""
        tls = self.organization(msp_id) / "users" / f"Node@{DOMAINS[msp_id]}" / "tls"
        roots = b"".join(self.tls_roots(name).read_bytes() for name in DOMAINS)
        return rpc.ClientTls(roots, (tls / "client.crt").read_bytes(), (tls / "client.key").read_bytes())

    def peer(self, msp_id: str, *arguments: str) -> Outcome:
        """Run ``peer`` as a member's administrator against that member's own peer."""
        admin = self.organization(msp_id) / "users" / f"Admin@{DOMAINS[msp_id]}"
        return self.tools.peer(
            arguments,
            port=self.peers[msp_id],
            msp_id=msp_id,
            user=admin,
            roots=self.tls_roots(msp_id),
            tls=admin / "tls",
        )

    def ordering(self) -> list[str]:
        """Return the options by which ``peer`` reaches the first orderer."""
        return ["-o", f"{HOST}:{self.orderers[0]}", "--tls", "--cafile", str(self.tls_roots(ORDERER))]

    def endorsing(self, *msp_ids: str) -> list[str]:
        """Return the options that name the peers to endorse."""
        options = []
        for msp_id in msp_ids:
            options += ["--peerAddresses", f"{HOST}:{self.peers[msp_id]}"]
            options += ["--tlsRootCertFiles", str(self.tls_roots(msp_id))]
        return options

    def succeed(self, step: Outcome) -> Outcome:
        """Return a step that must have succeeded."""
        assert step.status == 0, step.text
        return step

    def height(self, msp_id: str) -> int:
        """Return the height of a member's peer."""
        info = self.succeed(self.peer(msp_id, "channel", "getinfo", "-c", self.channel_id))
        return int(info.output.partition('"height":')[2].partition(",")[0])

    def until(self, *arguments: str, msp_id: str = BANK) -> Outcome:
        """Run ``peer`` until it succeeds: right after a join there may be no leader yet."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while (step := self.peer(msp_id, *arguments)).status and time.monotonic() < deadline:
            time.sleep(0.3)
        return self.succeed(step)

    def define(self, name: str, package: Path, package_id: str, *options: str, members: Sequence[str]) -> None:
        """Install a package at these members' peers, approve and commit a definition."""
        defined = ("-C", self.channel_id, "-n", name, "--version", "1.0", "--sequence", "1", *options)
        for msp_id in members:
            self.install(msp_id, package, package_id, defined)
        commit = ("commit", *self.ordering(), *defined, *self.endorsing(*members))
        self.until("lifecycle", "chaincode", *commit)

    def serve(self, name: str, contract: str, *options: str, members: Sequence[str]) -> None:
        """Run a contract of ours as a service of each member's peer, and commit its definition."""
        defined = ("-C", self.channel_id, "-n", name, "--version", "1.0", "--sequence", "1", *options)
        for msp_id in members:
            port = free_port()
            content = service_package(f"{name}_1", address=f"{HOST}:{port}", dial_timeout="10s")
            package, identifier = self.folder / f"{name}-{msp_id}.tgz", package_id(f"{name}_1", content)
            package.write_bytes(content)
            settings = {"CHAINCODE_ID": identifier, "CHAINCODE_SERVER_ADDRESS": f"{HOST}:{port}"}
            command = [sys.executable, "-m", "chaincode", "serve", contract]
            self.start(f"{name}-{msp_id}", command, settings | {"PYTHONPATH": str(REPOSITORY)})
            wait_for_port(port)
            self.install(msp_id, package, identifier, defined)
        self.until("lifecycle", "chaincode", "commit", *self.ordering(), *defined, *self.endorsing(*members))

    def install(self, msp_id: str, package: Path, package_id: str, defined: Sequence[str]) -> None:
        """Install a package at a member's peer and approve a definition with it."""
        self.succeed(self.peer(msp_id, "lifecycle", "chaincode", "install", str(package)))
        approve = ("approveformyorg", *self.ordering(), *defined, "--package-id", package_id)
        self.until("lifecycle", "chaincode", *approve, msp_id=msp_id)

    def start(self, name: str, command: Sequence[str], environment: dict[str, str]) -> None:
        """Start a process of Fabric's."""
        defaults = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "FABRIC_CFG_PATH": str(self.folder / "cfg"),
            "FABRIC_LOGGING_SPEC": "warn",
        }
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=self.folder, env=defaults | environment, stdout=log, stderr=subprocess.STDOUT
            )

    def stop(self, name: str) -> None:
        """End one process, without grace."""
        process = self.processes.pop(name)
        process.kill()
        process.wait(20)

    def leader(self) -> int:
        """Return the number of the orderer that leads the Raft cluster."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            for number, port in self.operations_ports.items():
                if f"orderer{number}" in self.processes and self._leads(port):
                    return number
            time.sleep(0.2)
        raise AssertionError("no orderer leads")

    def _leads(self, operations_port: int) -> bool:
        with urllib.request.urlopen(f"http://{HOST}:{operations_port}/metrics", timeout=5) as page:
            return f'consensus_etcdraft_is_leader{{channel="{self.channel_id}"}} 1' in page.read().decode()

    def start_peer(self, msp_id: str, port: int, *, host_name: str = "node", mutual_tls: bool = False) -> None:
        """Start a Go peer of a member.

        Args:
            host_name: whose certificates it has.
            mutual_tls: it shows its certificate to orderers, as ours want it, and asks clients for theirs.
        """
        self.peers[msp_id] = port
        host = self.organization(msp_id) / "peers" / f"{host_name}.{DOMAINS[msp_id]}"
        data = self.folder / f"data-{msp_id}"
        settings = {
            "CORE_PEER_ID": msp_id,
            "CORE_PEER_ADDRESS": f"{HOST}:{port}",
            "CORE_PEER_LISTENADDRESS": f"{HOST}:{port}",
            "CORE_PEER_CHAINCODELISTENADDRESS": f"{HOST}:{free_port()}",
            "CORE_PEER_GOSSIP_BOOTSTRAP": f"{HOST}:{port}",
            "CORE_PEER_GOSSIP_EXTERNALENDPOINT": f"{HOST}:{port}",
            "CORE_PEER_GOSSIP_RECONNECTINTERVAL": "2s",
            # Our peers speak no gossip: nobody answers a Go peer that asks for private values, and each block waits.
            "CORE_PEER_GOSSIP_PVTDATA_PULLRETRYTHRESHOLD": "1s",
            "CORE_PEER_LOCALMSPID": msp_id,
            "CORE_PEER_MSPCONFIGPATH": str(host / "msp"),
            "CORE_PEER_FILESYSTEMPATH": str(data),
            "CORE_LEDGER_SNAPSHOTS_ROOTDIR": str(data / "snapshots"),
            "CORE_OPERATIONS_LISTENADDRESS": f"{HOST}:0",
            "CORE_VM_ENDPOINT": "",
            # The default of 500 is fewer than a benchmark keeps in flight.
            "CORE_PEER_LIMITS_CONCURRENCY_GATEWAYSERVICE": "2500",
            "CORE_CHAINCODE_EXTERNALBUILDERS": json.dumps([{"name": "ccaas", "path": str(self.folder / "builder")}]),
            "CORE_PEER_TLS_ENABLED": "true",
            "CORE_PEER_TLS_CERT_FILE": str(host / "tls" / "server.crt"),
            "CORE_PEER_TLS_KEY_FILE": str(host / "tls" / "server.key"),
            "CORE_PEER_TLS_ROOTCERT_FILE": str(host / "tls" / "ca.crt"),
        }
        if mutual_tls:
            settings["CORE_PEER_TLS_CLIENTAUTHREQUIRED"] = "true"
            settings["CORE_PEER_TLS_CLIENTROOTCAS_FILES"] = str(self.tls_roots(msp_id))
        self.start(f"peer-{msp_id}", [str(self.tools.programs / "peer"), "node", "start"], settings)
        wait_for_port(port)

    def start_orderer(self, number: int, admin_port: int, host_name: str) -> None:
        """Start an orderer and have it take the channel up."""
        self.operations_ports[number] = free_port()
        host = self.organization(ORDERER) / "orderers" / f"{host_name}.{DOMAINS[ORDERER]}"
        data = self.folder / f"orderer{number}"
        certificate, key, roots = (str(host / "tls" / name) for name in ("server.crt", "server.key", "ca.crt"))
        settings = {
            "ORDERER_GENERAL_LISTENADDRESS": HOST,
            "ORDERER_GENERAL_LISTENPORT": str(self.orderers[number]),
            "ORDERER_GENERAL_LOCALMSPID": ORDERER,
            "ORDERER_GENERAL_LOCALMSPDIR": str(host / "msp"),
            "ORDERER_GENERAL_TLS_ENABLED": "true",
            "ORDERER_GENERAL_TLS_CERTIFICATE": certificate,
            "ORDERER_GENERAL_TLS_PRIVATEKEY": key,
            "ORDERER_GENERAL_TLS_ROOTCAS": f"[{roots}]",
            "ORDERER_GENERAL_CLUSTER_CLIENTCERTIFICATE": certificate,
            "ORDERER_GENERAL_CLUSTER_CLIENTPRIVATEKEY": key,
            "ORDERER_GENERAL_CLUSTER_ROOTCAS": f"[{roots}]",
            "ORDERER_ADMIN_LISTENADDRESS": f"{HOST}:{admin_port}",
            "ORDERER_ADMIN_TLS_ENABLED": "true",
            "ORDERER_ADMIN_TLS_CERTIFICATE": certificate,
            "ORDERER_ADMIN_TLS_PRIVATEKEY": key,
            "ORDERER_ADMIN_TLS_CLIENTROOTCAS": f"[{roots}]",
            "ORDERER_OPERATIONS_LISTENADDRESS": f"{HOST}:{self.operations_ports[number]}",
            "ORDERER_METRICS_PROVIDER": "prometheus",
            "ORDERER_FILELEDGER_LOCATION": str(data),
            "ORDERER_CONSENSUS_WALDIR": str(data / "wal"),
            "ORDERER_CONSENSUS_SNAPDIR": str(data / "snap"),
        }
        self.start(f"orderer{number}", [str(self.tools.programs / "orderer")], settings)
        wait_for_port(admin_port)
        self.admin_ports[number] = admin_port
        self.order_channel(number, host_name, self.channel_id, self.genesis)

    def order_channel(self, number: int, host_name: str, channel_id: str, genesis: Path) -> None:
        """Have an orderer take a channel up."""
        tls = self.organization(ORDERER) / "orderers" / f"{host_name}.{DOMAINS[ORDERER]}" / "tls"
        client = ("--client-cert", str(tls / "server.crt"), "--client-key", str(tls / "server.key"))
        place = ("-o", f"{HOST}:{self.admin_ports[number]}", "--ca-file", str(tls / "ca.crt"))
        join = ("channel", "join", "--channelID", channel_id, "--config-block", str(genesis))
        joined = self.tools.run("osnadmin", [*join, *place, *client])
        assert "Status: 201" in joined.output, joined.text


@contextlib.contextmanager
def fabric_network(
    tools: FabricTools,
    material: Material,
    folder: Path,
    *,
    go_peers: Sequence[str],
    orderers: int = 1,
    byzantine: bool = False,
    channel_id: str = "anchors",
    batch_timeout: str = "200ms",
    batch_size: int = 100,
    more_channels: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Iterator[FabricNetwork]:
    """Run orderers, and peers for some of the members, all on one channel.

    Args:
        more_channels: members of others that are ordered too; ``<id>.block`` in the folder begins each.
    """
    prepare_folder(tools, folder)
    ports = [free_port() for _ in range(orderers)]
    root = material.root / "ordererOrganizations" / DOMAINS[ORDERER]
    hosts = [root / "orderers" / f"node{number}.{DOMAINS[ORDERER]}" for number in range(orderers)]
    endpoints = tuple(zip(ports, hosts, strict=True))
    service = OrderingService(ORDERER, root / "msp", endpoints, byzantine, batch_timeout, batch_size)
    anchors = {msp_id: free_port() for msp_id in go_peers}
    blocks = {}
    for name, on_it in {channel_id: MEMBERS, **more_channels}.items():
        members = {msp_id: material.root / "peerOrganizations" / DOMAINS[msp_id] / "msp" for msp_id in on_it}
        blocks[name] = genesis_by_configtxgen(tools, name, service, members, folder, anchors=anchors)
    genesis = blocks.pop(channel_id)
    network = FabricNetwork(tools, folder, material, channel_id, genesis, ports, {})
    try:
        for number in range(orderers):
            network.start_orderer(number, free_port(), f"node{number}")
            for name, block in blocks.items():
                network.order_channel(number, f"node{number}", name, block)
        if byzantine:
            # The first ones dialled the last before these listened, and wait before they try again; one that misses
            # the first proposal lags for half a minute, and a peer that asked just that one with it.
            time.sleep(BFT_DIAL_S)
        for msp_id, port in anchors.items():
            network.start_peer(msp_id, port)
            network.succeed(network.peer(msp_id, "channel", "join", "-b", str(genesis)))
        yield network
    finally:
        for name in list(network.processes):
            network.stop(name)


async def start_our_peer(
    fabric: FabricNetwork,
    msp_id: str,
    database_url: str,
    stack: AsyncExitStack,
    *,
    others: Sequence[str],
    metrics: PeerMetrics | None = None,
    **settings: Any,
) -> tuple[Peer, int]:
    """Start a peer of ours for a member; return it and its port.

    Args:
        database_url: an empty database.
        stack: ends it.
        others: members whose Go peers it knows.
        metrics: where it counts.
        settings: beside the usual.
    """
    with psycopg.connect(database_url) as owner:
        migrate(owner)
    port = free_port()
    host = fabric.organization(msp_id) / "peers" / f"node.{DOMAINS[msp_id]}"
    certificate, key = ((host / "tls" / name).read_bytes() for name in ("server.crt", "server.key"))
    tls = replace(fabric.client_tls(msp_id), certificate_pem=certificate, key_pem=key)
    usual = PeerSettings(
        database_url=database_url,
        channel_id=fabric.channel_id,
        genesis=fabric.genesis.read_bytes(),
        identity=fabric.material.signer(msp_id, "peer"),
        local_msp=read_msp_config(fabric.organization(msp_id) / "msp", msp_id),
        address=f"{HOST}:{port}",
        other_peers=[PeerEndpoint(f"{HOST}:{fabric.peers[other]}", other) for other in others],
        client_tls=tls,
    )
    peer = Peer(replace(usual, **settings), metrics=metrics)
    await peer.start()
    stack.push_async_callback(peer.stop)
    server = rpc.Server(HOST, port, rpc.ServerTls(certificate, key, tls.roots_pem))
    peer.register(server)
    await server.start()
    stack.push_async_callback(server.stop, 0)
    return peer, port


def prepare_folder(tools: FabricTools, folder: Path) -> None:
    """Write what every process of Fabric's reads at its start."""
    (folder / "cfg").mkdir()
    for name in ("core.yaml", "orderer.yaml"):
        (folder / "cfg" / name).write_text((tools.settings / name).read_text())
    (folder / "builder" / "bin").mkdir(parents=True)
    for name, line in _BUILDER.items():
        script = folder / "builder" / "bin" / name
        script.write_text(f"#!/bin/sh\n{line}\n")
        script.chmod(0o755)


def wait_for_port(port: int) -> None:
    """Return once something listens on a port."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            socket.create_connection((HOST, port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, f"nothing listens on port {port}"
            time.sleep(0.1)
        else:
            return
