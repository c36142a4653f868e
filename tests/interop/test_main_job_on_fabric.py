"""The whole main job with the shared ledger ordered by Fabric: chosen by one line of the consortium file.

Aim: three organizations start, import, pay, anchor, prove and catch a dishonest administrator, while their peers take
blocks from an orderer of Fabric 3.1. Method: a home is made with ``external: true`` for its orderer; Fabric's orderer
starts from our genesis block with our certificates; then the demo runs in that home, and every check of it must hold.

To run it: see ``tests/support/fabric_programs.py``.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from network.block import parse_block
from network.topology import default_consortium
from node.home import prepare_home
from node.postgres import free_port
from tests.support.consortium_in_memory import Material
from tests.support.fabric_programs import FabricTools
from tests.support.fabric_tools import ConsortiumTools
from tests.support.mixed_network import FabricNetwork, prepare_folder

pytestmark = pytest.mark.interop

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def ordered_by_fabric(tmp_path: Path) -> Iterator[ConsortiumTools]:
    """A home whose orderer is Fabric's, running."""
    tools = FabricTools.found()
    described = default_consortium(random.randrange(10_000, 30_000, 100))
    described = described.model_copy(update={"orderer": described.orderer.model_copy(update={"external": True})})
    with tempfile.TemporaryDirectory(prefix="dwaybank-interop-") as folder:
        Path(folder).chmod(0o755)
        home, consortium = prepare_home(Path(folder) / "home", lambda: described, datetime.now(UTC), {})
        prepare_folder(tools, tmp_path)
        crypto = Material(home.root / "crypto")
        ports = [consortium.orderer.port]
        fabric = FabricNetwork(tools, tmp_path, crypto, consortium.channel, home.genesis, ports, {})
        try:
            fabric.start_orderer(0, free_port(), consortium.orderer.host)
            yield ConsortiumTools(tools, home, consortium)
        finally:
            for name in list(fabric.processes):
                fabric.stop(name)


def test_every_check_of_the_main_job_holds_on_an_orderer_of_fabrics(
    ordered_by_fabric: ConsortiumTools, tmp_path: Path
) -> None:
    root, report = ordered_by_fabric.home.root, tmp_path / "report.json"
    command = [sys.executable, "-m", "node", "demo", "--keep", str(root), "--report", str(report)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    checks = json.loads(report.read_text())["checks"]
    assert len(checks) > 20
    # The blocks are the Fabric orderer's: it alone has them.
    newest = tmp_path / "newest.block"
    fetch = ("channel", "fetch", "newest", str(newest), "-c", ordered_by_fabric.consortium.channel)
    assert ordered_by_fabric.peer("dwaybank", *fetch, *ordered_by_fabric.ordering("dwaybank")).status == 0
    assert parse_block(newest.read_bytes()).header.number > 10
