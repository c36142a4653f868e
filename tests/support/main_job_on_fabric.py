"""The whole main job with the shared ledger on Fabric: a home whose ``consortium.yaml`` puts it there, and the demo."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from network.topology import Consortium, default_consortium
from node.home import Home, prepare_home
from node.ports import free_port
from tests.support.consortium import free_base_port
from tests.support.consortium_in_memory import Material
from tests.support.fabric_channel import HOST
from tests.support.fabric_programs import FabricTools
from tests.support.fabric_tools import ConsortiumTools
from tests.support.mixed_network import FabricNetwork, prepare_folder
from tests.support.shared_data import REPOSITORY

_DEMO_S = 500


@contextmanager
def running_fabric(folder: Path, *, peers: bool) -> Iterator[tuple[ConsortiumTools, FabricNetwork]]:
    """Make a home whose orderer is Fabric's, and its peers too where ``peers`` says so; all running."""
    tools = FabricTools.found()
    described = default_consortium(free_base_port())
    orderer = described.orderer.model_copy(update={"external": True})
    members = tuple(
        member.model_copy(update={"fabric_peer": f"{HOST}:{member.node_port + 6}" if peers else None})
        for member in described.organizations
    )
    described = described.model_copy(update={"orderer": orderer, "organizations": members})
    with tempfile.TemporaryDirectory(prefix="dwaybank-interop-") as root:
        Path(root).chmod(0o755)
        home, consortium = prepare_home(Path(root) / "home", lambda: described, datetime.now(UTC), {})
        prepare_folder(tools, folder)
        crypto = Material(home.root / "crypto")
        ports = [consortium.orderer.port]
        fabric = FabricNetwork(tools, folder, crypto, consortium.channel, home.genesis, ports, {})
        try:
            fabric.start_orderer(0, free_port(), consortium.orderer.host)
            if peers:
                start_peers(fabric, home, consortium)
            yield ConsortiumTools(tools, home, consortium), fabric
        finally:
            for name in list(fabric.processes):
                fabric.stop(name)


def start_peers(fabric: FabricNetwork, home: Home, consortium: Consortium) -> None:
    """Start a Go peer for each member, with our contracts as services."""
    for member in consortium.organizations:
        assert member.fabric_peer is not None
        fabric.start_peer(member.msp_id, int(member.fabric_peer.partition(":")[2]), host_name="peer")
        fabric.succeed(fabric.peer(member.msp_id, "channel", "join", "-b", str(home.genesis)))
    members = [member.msp_id for member in consortium.organizations]
    for chaincode in consortium.chaincodes:
        options = ["--signature-policy", chaincode.endorsement_policy]
        if chaincode.collections:
            options += ["--collections-config", str(home.collections(chaincode))]
        fabric.serve(chaincode.name, chaincode.contract, *options, members=members)


def main_job(home: Home, report: Path, *, shown: bool = False) -> list[str]:
    """Run the demo in a home; return its checks, all of which held.

    Args:
        home: prepared.
        report: file for its report.
        shown: on the screen as it goes.
    """
    command = [sys.executable, "-m", "node", "demo", "--keep", str(home.root), "--report", str(report)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=not shown, text=True, timeout=_DEMO_S, check=False)
    assert done.returncode == 0, "" if shown else done.stdout[-4000:] + done.stderr[-2000:]
    return [check["claim"] for check in json.loads(report.read_text())["checks"] if check["held"]]
