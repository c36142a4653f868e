"""A real Hyperledger Fabric network for tests, where this machine has Fabric's programs.

To have it: ``FABRIC_BIN`` names a folder with ``peer orderer configtxgen cryptogen osnadmin`` of version 3.1,
``FABRIC_SAMPLE_CFG`` one with Fabric's sample ``core.yaml`` and ``orderer.yaml``; ``DWAYBANK_FABRIC_NET`` one with the
scripts ``up.sh`` and ``down.sh`` that start and stop a network of three organizations (by default the folder
``shared/tools/fabric-net`` beside the repository).
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from network.identity import SigningIdentity
from tests.support.shared_data import REPOSITORY

CHANNEL = "anchors"
PEER_PORTS = {"dwaybank": 7151, "regulator": 7251, "partner": 7351}
MSP_IDS = {"dwaybank": "DwaybankMSP", "regulator": "RegulatorMSP", "partner": "PartnerMSP"}
_PORTS = (7050, 7053, *(port + offset for port in PEER_PORTS.values() for offset in (0, 1, 3)))
_START_S = 120


class FabricNetwork:
    """A running network.

    Args:
        folder: its work folder: certificates, data, logs, process ids.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def organization(self, name: str) -> Path:
        """Return an organization's folder of certificates."""
        return self.folder / "crypto" / "peerOrganizations" / f"{name}.test"

    def identity(self, name: str, user: str = "User1") -> SigningIdentity:
        """Return a user of an organization."""
        folder = self.organization(name) / "users" / f"{user}@{name}.test" / "msp"
        return SigningIdentity.from_msp_folder(folder, MSP_IDS[name])

    def profile(self, own: str) -> dict[str, Any]:
        """Return a connection profile of the form that fabric-samples writes, of all organizations."""
        return {
            "name": f"test-network-{own}",
            "version": "1.0.0",
            "client": {"organization": own, "connection": {"timeout": {"peer": {"endorser": "300"}}}},
            "organizations": {
                name: {"mspid": msp_id, "peers": [f"peer0.{name}.test"]} for name, msp_id in MSP_IDS.items()
            },
            "peers": {
                f"peer0.{name}.test": {
                    "url": f"grpcs://localhost:{port}",
                    "tlsCACerts": {"pem": next((self.organization(name) / "tlsca").glob("*-cert.pem")).read_text()},
                    "grpcOptions": {
                        "ssl-target-name-override": f"peer0.{name}.test",
                        "hostnameOverride": f"peer0.{name}.test",
                    },
                }
                for name, port in PEER_PORTS.items()
            },
        }

    def kill_peer(self, name: str) -> None:
        """Kill an organization's peer."""
        os.kill(int((self.folder / "pids" / f"peer-{name}.pid").read_text()), signal.SIGKILL)


@contextmanager
def running_fabric(folder: Path, contract: str, collections: Path | None = None) -> Iterator[FabricNetwork]:
    """Run a network of three organizations with one of our contracts as a service, named ``pc``; or skip.

    Args:
        folder: empty work folder.
        contract: ``module:Class``.
        collections: file of private data collections.
    """
    tools = _tools()
    environment = os.environ | {
        "NET": str(folder),
        "CHANNEL": CHANNEL,
        "BATCH_TIMEOUT": "200ms",
        "CC_NAME": "pc",
        "CC_CMD": f"env PYTHONPATH={REPOSITORY} {sys.executable} -m chaincode serve {contract}",
    }
    if collections is not None:
        environment["CC_COLLECTIONS"] = str(collections)
    try:
        started = subprocess.run(
            ["bash", tools / "up.sh"], env=environment, capture_output=True, text=True, timeout=_START_S, check=False
        )
        assert started.returncode == 0, started.stdout + started.stderr
        yield FabricNetwork(folder)
    finally:
        subprocess.run(["bash", tools / "down.sh"], env=environment, capture_output=True, timeout=60, check=False)


def _tools() -> Path:
    for variable, what in (
        ("FABRIC_BIN", "Fabric 3.1's programs (peer, orderer, configtxgen, cryptogen, osnadmin)"),
        ("FABRIC_SAMPLE_CFG", "Fabric's sample core.yaml and orderer.yaml"),
    ):
        if not os.environ.get(variable):
            pytest.skip(f"no real Fabric here: set {variable} to a folder with {what}")
    tools = Path(os.environ.get("DWAYBANK_FABRIC_NET", REPOSITORY.parent / "shared" / "tools" / "fabric-net"))
    if not (tools / "up.sh").exists():
        pytest.skip("no scripts to start a Fabric network: set DWAYBANK_FABRIC_NET to the folder with up.sh")
    for port in _PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                pytest.skip(f"port {port} is in use: another Fabric network or consortium runs on this machine")
    return tools
