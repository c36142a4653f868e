"""A peer of Fabric's on a network of ours: it joins from genesis, follows our orderer and comes to the same ledger.

Aim: Fabric 3.1 accepts our genesis block, our orderer's blocks and our peers' endorsements. Method: our orderer and our
three peers commit transactions of many kinds, some made to fail, and a configuration update; a Go peer then joins by
``peer channel join``, catches up, follows, and is compared with ours, block by block.

To run it: see ``tests/support/fabric_programs.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from network import rpc
from network.block import parse_block
from network.client import GatewayClient
from network.envelope import MVCC_READ_CONFLICT, VALID
from network.errors import CommitError
from node.peer.definition import approved_definition
from node.postgres import PostgresCluster, free_port
from tests.support.config_updates import batch_size_update
from tests.support.consortium_in_memory import (
    BANK,
    CHANNEL,
    ORDERER,
    PARTNER,
    REGULATOR,
    Material,
    make_material,
)
from tests.support.fabric_channel import HOST
from tests.support.fabric_programs import FabricTools
from tests.support.mixed_network import FabricNetwork, prepare_folder
from tests.support.ordering import broadcast
from tests.support.peer_network import CONTRACT, POLICY, PeerNetwork, client_tls, running_network
from tests.support.private_collections import collection_package

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

BILATERAL = "OR('DwaybankMSP.member', 'PartnerMSP.member')"


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(
    material: Material, postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PeerNetwork]:
    FabricTools.found()
    definitions = (
        approved_definition("pc", "1.0", 1, POLICY),
        replace(approved_definition("default", "1.0", 1), collections=collection_package("bilateral", BILATERAL)),
    )
    contracts = {definition.name: CONTRACT for definition in definitions}
    folder = tmp_path_factory.mktemp("network")
    async with running_network(
        material, postgres_cluster, folder, "go_peer", definitions=definitions, contracts=contracts
    ) as network:
        yield network


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def go_peer(
    network: PeerNetwork, material: Material, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FabricNetwork]:
    """A Go peer of the partner, joined after our peers have committed much."""
    await commit_much(network)
    tools, folder = FabricTools.found(), tmp_path_factory.mktemp("go")
    prepare_folder(tools, folder)
    genesis = network.orderer.folder / "genesis.block"
    fabric = FabricNetwork(tools, folder, material, CHANNEL, genesis, [network.orderer.port], {})
    try:
        await asyncio.to_thread(fabric.start_peer, PARTNER, free_port(), mutual_tls=True)
        joined = await asyncio.to_thread(fabric.peer, PARTNER, "channel", "join", "-b", str(genesis))
        assert joined.status == 0, joined.text + (folder / f"peer-{PARTNER}.log").read_text()[-3000:]
        yield fabric
    finally:
        for name in list(fabric.processes):
            fabric.stop(name)


async def commit_much(network: PeerNetwork) -> None:
    """Commit transactions of many kinds, valid and not, and a configuration update."""
    client = network.client()
    await client.submit("pc", "PutMany", "r", "120")
    await client.submit("default", "CountRange", "r", "s")
    await client.submit("pc", "CountRange", "r0000", "r0110")
    await client.submit("pc", "Emit", "paid", "5")
    await client.submit("default", "PutPrivate", "bilateral", "p", transient={"value": b"secret"})
    with pytest.raises(CommitError):
        await client.submit("pc", "Put", "few", "x", endorsing_organizations=[BANK])
    await client.submit("pc", "Put", "hot", "0")
    updates = [await client.endorse("pc", "Update", "hot", str(number)) for number in range(3)]
    await asyncio.gather(*(client.submit_prepared(item) for item in updates))
    codes = sorted([(await client.commit_status(item.tx_id)).code for item in updates])
    assert codes == [VALID, MVCC_READ_CONFLICT, MVCC_READ_CONFLICT]
    await reconfigure(network)
    await client.submit("pc", "Put", "after", "x")


async def reconfigure(network: PeerNetwork) -> None:
    """Have the orderer cut blocks of at most ten."""
    genesis = parse_block((network.orderer.folder / "genesis.block").read_bytes())
    administrator = network.material.signer(ORDERER, "Admin")
    channel = rpc.Channel(f"localhost:{network.orderer.port}", client_tls(network.material, ORDERER))
    try:
        update = batch_size_update(genesis, 10, [administrator], administrator)
        assert await broadcast(channel, [update]) == [(200, "")]
    finally:
        await channel.close()


def go_client(network: PeerNetwork, fabric: FabricNetwork) -> tuple[rpc.Channel, GatewayClient]:
    """Return a client of the Go peer; the connection is the caller's to close."""
    channel = rpc.Channel(f"{HOST}:{fabric.peers[PARTNER]}", client_tls(network.material, PARTNER))
    return channel, GatewayClient(channel, network.material.signer(PARTNER), CHANNEL)


async def compare(network: PeerNetwork, fabric: FabricNetwork) -> int:
    """Compare every block of the Go peer with ours, its flags and commit hash among it; return the height."""
    height = network.peer(REGULATOR).height
    channel, client = go_client(network, fabric)
    compared = 0
    try:
        async with asyncio.timeout(60):
            async for theirs in client.blocks(0, stop=height - 1):
                ours = parse_block(await network.peer(REGULATOR).block(theirs.header.number) or b"")
                assert theirs.header == ours.header
                assert theirs.data == ours.data
                if theirs.header.number:
                    assert list(theirs.metadata.metadata) == list(ours.metadata.metadata), theirs.header.number
                compared += 1
    finally:
        await channel.close()
    assert compared == height
    return height


async def test_go_peer_catches_up_to_the_same_ledger(network: PeerNetwork, go_peer: FabricNetwork) -> None:
    await network.wait_for_height(network.peer().height)
    assert await compare(network, go_peer) > 10


async def test_go_peer_follows_our_orderer(network: PeerNetwork, go_peer: FabricNetwork) -> None:
    await asyncio.gather(*(network.client().submit("pc", "Put", f"many{n}", str(n)) for n in range(30)))
    await network.wait_for_height(network.peer().height)
    before = network.peer().height
    assert await compare(network, go_peer) >= before


async def test_go_peer_reads_definitions_that_settings_approved(network: PeerNetwork, go_peer: FabricNetwork) -> None:
    arguments = ("lifecycle", "chaincode", "querycommitted", "-C", CHANNEL)
    found = await asyncio.to_thread(go_peer.peer, PARTNER, *arguments)
    for name in ("pc", "default"):
        assert f"Name: {name}, Version: 1.0, Sequence: 1" in found.output, found.text
