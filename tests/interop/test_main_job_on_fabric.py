"""The whole main job with the shared ledger on Fabric, chosen by the consortium file alone.

Aim: three organizations start, import, pay, anchor, prove and catch a dishonest administrator, while blocks come from
an orderer of Fabric 3.1; once with peers of ours, once with Fabric's peers in their place. Method: a home is made with
``external: true`` for its orderer, and ``fabric_peer`` for its members; Fabric's programs start from our genesis block
with our certificates; then the demo runs in that home, and every check of it must hold.

To run it: see ``tests/support/fabric_programs.py``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from fabric_protos.common import common_pb2

from network.block import parse_block
from tests.support.consortium_in_memory import BANK
from tests.support.fabric_tools import ConsortiumTools
from tests.support.main_job_on_fabric import main_job, running_fabric

pytestmark = pytest.mark.interop


def test_every_check_of_the_main_job_holds_on_an_orderer_of_fabrics(tmp_path: Path) -> None:
    with running_fabric(tmp_path, peers=False) as (ordered_by_fabric, _):
        assert len(main_job(ordered_by_fabric.home, tmp_path / "report.json")) > 20
        newest = newest_block(ordered_by_fabric, tmp_path)
    assert newest.header.number > 10


def test_every_check_of_the_main_job_holds_on_peers_of_fabrics(tmp_path: Path) -> None:
    with running_fabric(tmp_path, peers=True) as (tools, fabric):
        held = main_job(tools.home, tmp_path / "report.json")
        assert len(held) > 20
        # The contract settlement with its private collections, endorsed by Go peers of both banks.
        assert sum("booked the same" in claim for claim in held) == 2
        assert fabric.height(BANK) > 10


def newest_block(ordered_by_fabric: ConsortiumTools, tmp_path: Path) -> common_pb2.Block:
    """Fetch the newest block from Fabric's orderer: it alone has ordered any."""
    newest = tmp_path / "newest.block"
    fetch = ("channel", "fetch", "newest", str(newest), "-c", ordered_by_fabric.consortium.channel)
    assert ordered_by_fabric.peer("dwaybank", *fetch, *ordered_by_fabric.ordering("dwaybank")).status == 0
    return parse_block(newest.read_bytes())
