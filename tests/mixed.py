"""Networks of Fabric's programs and ours, started by one command each: it shows what holds there, as checks.

    make mixed-raft          our peer beside Go peers on three Raft orderers of Fabric's; two of them are killed
    make mixed-bft           the same on four SmartBFT orderers
    make mixed-endorsement   Go peers and ours endorse together, every kind of call
    make mixed-go-peer       a Go peer joins a network of ours from its genesis block, and follows our orderer
    make demo-fabric         the whole main job with the shared ledger on an orderer and peers of Fabric's

``FABRIC_BIN`` and ``FABRIC_SAMPLE_CFG`` name Fabric's programs (``tests/support/fabric_programs.py``). With
``MIXED_OPTIONS=--keep`` nothing is killed and the network stays up until Ctrl-C. The tests hold the same by the same
code: ``tests/interop/test_mixed_network.py``, ``test_go_peer.py``, ``test_main_job_on_fabric.py``.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

import pytest
import structlog
from rich.console import Console

from network.errors import NetworkError
from node.demo.checks import Report
from tests.support.consortium_in_memory import BANK, PARTNER, make_material
from tests.support.fabric_programs import FabricTools
from tests.support.go_peer import (
    CHAINCODES,
    commit_much,
    committed_definitions,
    compare,
    follow,
    joined_go_peer,
    network_of_ours,
)
from tests.support.main_job_on_fabric import main_job, running_fabric
from tests.support.mixed_channel import Mixed, mixed_channel
from tests.support.mixed_network import FabricNetwork
from tests.support.mixed_scenario import (
    compare_blocks,
    endorse_together,
    lose_an_orderer,
    lose_another_orderer,
    submit_through_both_gateways,
)
from tests.support.peer_network import PeerNetwork
from tests.support.server import running_cluster

WHOLE_JOB_CHECKS_MIN = 20


class Shown:
    """One scenario while it is shown.

    Args:
        folder: empty work folder.
        keep: nothing is killed, and everything stays up in the end.
    """

    def __init__(self, folder: Path, *, keep: bool) -> None:
        self.folder = folder
        self.keep = keep
        self.report = Report(Console())

    async def check(self, claim: str, seen: Awaitable[str]) -> None:
        """Show whether a claim holds, and what was seen."""
        try:
            detail = await seen
        except (AssertionError, NetworkError, TimeoutError) as error:
            self.report.check(claim, False, str(error)[:2000] or type(error).__name__)
        else:
            self.report.check(claim, True, detail)

    async def stay(self, fabric: FabricNetwork, *more: str) -> None:
        """Where all is to be kept, say where it is, and stay up until the user has had enough."""
        if not self.keep:
            return
        for name, process in fabric.processes.items():
            self.report.console.print(f"   {name}: process {process.pid}", highlight=False)
        orderers = ", ".join(f"127.0.0.1:{port}" for port in fabric.orderers)
        peers = ", ".join(f"{msp_id} 127.0.0.1:{port}" for msp_id, port in fabric.peers.items())
        lines = (f"orderers {orderers}; peers {peers}", f"channel {fabric.channel_id}", *more)
        for line in (*lines, f"certificates in {fabric.material.root}, logs in {fabric.folder}; Ctrl-C ends all"):
            self.report.console.print(f"   {line}", highlight=False, soft_wrap=True)
        enough = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, enough.set)
        await enough.wait()


async def show_ordering(consensus: str, shown: Shown) -> None:
    """Our peer and Go peers on Fabric's orderers, of which one and then another is killed."""
    with running_cluster(sync=False) as cluster:
        async with mixed_channel(consensus, cluster, shown.folder, consensus, watch_interval_s=0.5) as mixed:
            with shown.report.step("Both kinds of peer come to the same ledger"):
                await show_agreement(mixed, shown)
            await shown.stay(mixed.fabric)
            if shown.keep:
                return
            with shown.report.step("Orderers are killed"):
                await shown.check("without one of them the others go on", lose_an_orderer(mixed, consensus))
                await shown.check("every block is still the same", compare_blocks(mixed))
                await shown.check("without two nothing is ordered, nothing forks", lose_another_orderer(mixed))


async def show_endorsement(shown: Shown) -> None:
    """Go peers and ours endorse every kind of call together."""
    with running_cluster(sync=False) as cluster:
        async with mixed_channel("raft", cluster, shown.folder, "endorsement") as mixed:
            with shown.report.step("Two Go peers and one of ours endorse together"):
                await show_agreement(mixed, shown)
                await shown.check("endorsements of all three are equal byte for byte", endorse_together(mixed))
                await shown.check("so is every block", compare_blocks(mixed))
            await shown.stay(mixed.fabric)


async def show_agreement(mixed: Mixed, shown: Shown) -> None:
    """Both kinds of gateway commit, and the blocks agree."""
    await shown.check("what one kind of gateway commits, the other reads", submit_through_both_gateways(mixed))
    await shown.check("every block has the same flags and commit hash", compare_blocks(mixed))


async def show_go_peer(shown: Shown) -> None:
    """A Go peer joins a network of ours and follows it."""
    tools, material = FabricTools.found(), make_material(shown.folder / "crypto")
    for name in ("network", "go"):
        (shown.folder / name).mkdir()
    with running_cluster(sync=False) as cluster:
        async with network_of_ours(material, cluster, shown.folder / "network") as network:
            with shown.report.step("Three peers of ours commit, a few transactions of them invalid"):
                await shown.check("valid, refused, conflicting, and a new configuration", committed(network))
            async with joined_go_peer(network, tools, shown.folder / "go") as fabric:
                with shown.report.step("A Go peer joins by peer channel join"):
                    await shown.check("it catches up to the same ledger", same_ledger(network, fabric))
                    await follow(network)
                    await shown.check("it follows our orderer", same_ledger(network, fabric))
                    await shown.check("it knows the chaincodes", known_chaincodes(fabric))
                await shown.stay(fabric)


async def committed(network: PeerNetwork) -> str:
    """Commit what the Go peer shall judge."""
    await commit_much(network)
    await network.wait_for_height(network.peer().height)
    return f"height {network.peer().height}"


async def same_ledger(network: PeerNetwork, fabric: FabricNetwork) -> str:
    """Compare the Go peer's ledger with ours."""
    height = await compare(network, fabric)
    return f"{height} blocks, commit hash {network.peer().commit_hash.hex()[:16]}"


async def known_chaincodes(fabric: FabricNetwork) -> str:
    """Ask the Go peer for the definitions."""
    found = await committed_definitions(fabric)
    assert all(f"Name: {name}, Version: 1.0" in found for name in CHAINCODES), found
    return ", ".join(CHAINCODES)


async def show_main_job(shown: Shown) -> None:
    """The whole main job on an orderer and peers of Fabric's, by configuration alone."""
    with running_fabric(shown.folder, peers=True) as (tools, fabric):
        home = tools.home
        shown.report.console.print(f" consortium.yaml: external: true, fabric_peer: ...; home {home.root}")

        async def all_checks() -> str:
            claims = await asyncio.to_thread(main_job, home, shown.folder / "report.json", shown=True)
            assert len(claims) > WHOLE_JOB_CHECKS_MIN
            heights = {await asyncio.to_thread(fabric.height, msp_id) for msp_id in (BANK, PARTNER)}
            return f"{len(claims)} checks; height {heights} at Fabric's peers"

        with shown.report.step("The main job, with the shared ledger on Fabric"):
            await shown.check("every check of the demo holds", all_checks())
        await shown.stay(fabric, f"dwaybank up --home {home.root} starts the nodes again, on this network")


SCENARIOS: Mapping[str, Callable[[Shown], Awaitable[None]]] = {
    "raft": partial(show_ordering, "raft"),
    "bft": partial(show_ordering, "bft"),
    "endorsement": show_endorsement,
    "go-peer": show_go_peer,
    "main-job": show_main_job,
}


def main(arguments: list[str]) -> int:
    """Show a scenario; return 0 only when every check held."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mixed", description="Networks of Fabric's programs and ours."
    )
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--keep", action="store_true", help="kill nothing, and stay up until Ctrl-C")
    options = parser.parse_args(arguments)
    try:
        FabricTools.found()
    except pytest.skip.Exception as missing:
        print(missing, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="dwaybank-mixed-") as folder, (Path(folder) / "ours.log").open("w") as log:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(log))
        shown = Shown(Path(folder), keep=options.keep)
        shown.report.console.print("Starting Fabric's programs and ours ...")
        asyncio.run(SCENARIOS[options.scenario](shown))
    shown.report.print_summary()
    return 0 if shown.report.all_held else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
