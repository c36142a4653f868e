"""The whole main job with the shared ledger on Fabric, chosen by the consortium file alone.

Aim: three organizations start, import, pay, anchor, prove and catch a dishonest administrator, while blocks come from
an orderer of Fabric 3.1; once with peers of ours, once with Fabric's peers in their place. Method: a home is made with
``external: true`` for its orderer, and ``fabric_peer`` for its members; Fabric's programs start from our genesis block
with our certificates; then the demo runs in that home, and every check of it must hold.

To run it: see ``tests/support/fabric_programs.py``.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fabric_protos.common import common_pb2

from network.block import parse_block
from network.topology import Consortium, default_consortium
from node.home import Home, prepare_home
from node.postgres import free_port
from tests.support.consortium_in_memory import BANK, Material
from tests.support.fabric_channel import HOST
from tests.support.fabric_programs import FabricTools
from tests.support.fabric_tools import ConsortiumTools
from tests.support.mixed_network import FabricNetwork, prepare_folder

pytestmark = pytest.mark.interop

REPOSITORY = Path(__file__).parents[2]


@contextmanager
def running_fabric(tmp_path: Path, *, peers: bool) -> Iterator[tuple[ConsortiumTools, FabricNetwork]]:
    """Make a home whose orderer is Fabric's, and its peers too where ``peers`` says so; all running."""
    tools = FabricTools.found()
    described = default_consortium(random.randrange(10_000, 30_000, 100))
    orderer = described.orderer.model_copy(update={"external": True})
    members = tuple(
        member.model_copy(update={"fabric_peer": f"{HOST}:{member.node_port + 5}" if peers else None})
        for member in described.organizations
    )
    described = described.model_copy(update={"orderer": orderer, "organizations": members})
    with tempfile.TemporaryDirectory(prefix="dwaybank-interop-") as folder:
        Path(folder).chmod(0o755)
        home, consortium = prepare_home(Path(folder) / "home", lambda: described, datetime.now(UTC), {})
        prepare_folder(tools, tmp_path)
        crypto = Material(home.root / "crypto")
        ports = [consortium.orderer.port]
        fabric = FabricNetwork(tools, tmp_path, crypto, consortium.channel, home.genesis, ports, {})
        try:
            fabric.start_orderer(0, free_port(), consortium.orderer.host)
            if peers:
                start_peers(fabric, home.genesis, consortium)
            yield ConsortiumTools(tools, home, consortium), fabric
        finally:
            for name in list(fabric.processes):
                fabric.stop(name)


def start_peers(fabric: FabricNetwork, genesis: Path, consortium: Consortium) -> None:
    """Start a Go peer for each member, with our contracts as services."""
    for member in consortium.organizations:
        assert member.fabric_peer is not None
        fabric.start_peer(member.msp_id, int(member.fabric_peer.partition(":")[2]), host_name="peer")
        fabric.succeed(fabric.peer(member.msp_id, "channel", "join", "-b", str(genesis)))
    members = [member.msp_id for member in consortium.organizations]
    for chaincode in consortium.chaincodes:
        policy = ("--signature-policy", chaincode.endorsement_policy)
        fabric.serve(chaincode.name, chaincode.contract, *policy, members=members)


def hold_the_main_job(home: Home, tmp_path: Path) -> None:
    """Run the demo in a home; every check of it must hold."""
    root, report = home.root, tmp_path / "report.json"
    command = [sys.executable, "-m", "node", "demo", "--keep", str(root), "--report", str(report)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    checks = json.loads(report.read_text())["checks"]
    assert len(checks) > 20


def test_every_check_of_the_main_job_holds_on_an_orderer_of_fabrics(tmp_path: Path) -> None:
    with running_fabric(tmp_path, peers=False) as (ordered_by_fabric, _):
        hold_the_main_job(ordered_by_fabric.home, tmp_path)
        newest = newest_block(ordered_by_fabric, tmp_path)
    assert newest.header.number > 10


def test_every_check_of_the_main_job_holds_on_peers_of_fabrics(tmp_path: Path) -> None:
    with running_fabric(tmp_path, peers=True) as (tools, fabric):
        hold_the_main_job(tools.home, tmp_path)
        info = fabric.succeed(fabric.peer(BANK, "channel", "getinfo", "-c", tools.consortium.channel)).output
    height = int(info.partition('"height":')[2].partition(",")[0])
    assert height > 10


def newest_block(ordered_by_fabric: ConsortiumTools, tmp_path: Path) -> common_pb2.Block:
    """Fetch the newest block from Fabric's orderer: it alone has ordered any."""
    newest = tmp_path / "newest.block"
    fetch = ("channel", "fetch", "newest", str(newest), "-c", ordered_by_fabric.consortium.channel)
    assert ordered_by_fabric.peer("dwaybank", *fetch, *ordered_by_fabric.ordering("dwaybank")).status == 0
    return parse_block(newest.read_bytes())
