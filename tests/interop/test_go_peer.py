"""A peer of Fabric's on a network of ours: it joins from genesis, follows our orderer and comes to the same ledger.

Aim: Fabric 3.1 accepts our genesis block, our orderer's blocks and our peers' endorsements. Method: our orderer and our
three peers commit transactions of many kinds, some made to fail, and a configuration update; a Go peer then joins by
``peer channel join``, catches up, follows, and is compared with ours, block by block.

To run it: see ``tests/support/fabric_programs.py``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import make_material
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
from tests.support.mixed_network import FabricNetwork
from tests.support.peer_network import PeerNetwork

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(
    postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PeerNetwork]:
    FabricTools.found()
    material = make_material(tmp_path_factory.mktemp("crypto"))
    async with network_of_ours(material, postgres_cluster, tmp_path_factory.mktemp("network")) as network:
        yield network


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def go_peer(network: PeerNetwork, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FabricNetwork]:
    """A Go peer of the partner, joined after our peers have committed much."""
    await commit_much(network)
    async with joined_go_peer(network, FabricTools.found(), tmp_path_factory.mktemp("go")) as fabric:
        yield fabric


async def test_go_peer_catches_up_to_the_same_ledger(network: PeerNetwork, go_peer: FabricNetwork) -> None:
    await network.wait_for_height(network.peer().height)
    assert await compare(network, go_peer) > 10


async def test_go_peer_follows_our_orderer(network: PeerNetwork, go_peer: FabricNetwork) -> None:
    await follow(network)
    before = network.peer().height
    assert await compare(network, go_peer) >= before


async def test_go_peer_reads_definitions_that_settings_approved(go_peer: FabricNetwork) -> None:
    found = await committed_definitions(go_peer)
    for name in CHAINCODES:
        assert f"Name: {name}, Version: 1.0, Sequence: 1" in found
