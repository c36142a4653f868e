"""A Go peer on a network of ours: what our peers commit before it joins, how it joins, and its ledger beside ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from network import rpc
from network.block import parse_block
from network.client import GatewayClient
from network.envelope import ENDORSEMENT_POLICY_FAILURE, MVCC_READ_CONFLICT, VALID
from network.errors import CommitError
from node.peer.definition import approved_definition
from node.ports import free_port
from node.postgres import PostgresCluster
from tests.support.config_updates import batch_size_update
from tests.support.consortium_in_memory import BANK, CHANNEL, ORDERER, PARTNER, REGULATOR, Material
from tests.support.fabric_channel import HOST
from tests.support.fabric_programs import FabricTools
from tests.support.member_changes import change_all
from tests.support.mixed_network import FabricNetwork, prepare_folder
from tests.support.ordering import broadcast
from tests.support.peer_network import CONTRACT, POLICY, PeerNetwork, client_tls, running_network
from tests.support.private_collections import collection_package

CHAINCODES = ("pc", "default")
_BILATERAL = "OR('DwaybankMSP.member', 'PartnerMSP.member')"


def network_of_ours(
    material: Material, cluster: PostgresCluster, folder: Path
) -> AbstractAsyncContextManager[PeerNetwork]:
    """Return our orderer and our three peers, with two chaincodes defined."""
    definitions = (
        approved_definition("pc", "1.0", 1, POLICY),
        replace(approved_definition("default", "1.0", 1), collections=collection_package("bilateral", _BILATERAL)),
    )
    contracts = dict.fromkeys(CHAINCODES, CONTRACT)
    return running_network(material, cluster, folder, "go_peer", definitions=definitions, contracts=contracts)


@asynccontextmanager
async def joined_go_peer(network: PeerNetwork, tools: FabricTools, folder: Path) -> AsyncIterator[FabricNetwork]:
    """Run a Go peer of the partner that joins from our genesis block."""
    prepare_folder(tools, folder)
    genesis = network.orderer.folder / "genesis.block"
    fabric = FabricNetwork(tools, folder, network.material, CHANNEL, genesis, [network.orderer.port], {})
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
    assert await too_few(client) == ENDORSEMENT_POLICY_FAILURE
    await client.submit("pc", "Put", "hot", "0")
    updates = [await client.endorse("pc", "Update", "hot", str(number)) for number in range(3)]
    await asyncio.gather(*(client.submit_prepared(item) for item in updates))
    codes = sorted([(await client.commit_status(item.tx_id)).code for item in updates])
    assert codes == [VALID, MVCC_READ_CONFLICT, MVCC_READ_CONFLICT]
    await reconfigure(network)
    await change_all(network, network.orderer.folder)
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


async def too_few(client: GatewayClient) -> int:
    """Submit with too few endorsements; return the validation code."""
    try:
        await client.submit("pc", "Put", "few", "x", endorsing_organizations=[BANK])
    except CommitError as error:
        return error.validation_code
    return VALID


async def follow(network: PeerNetwork) -> None:
    """Commit thirty more, all at once."""
    await asyncio.gather(*(network.client().submit("pc", "Put", f"many{n}", str(n)) for n in range(30)))
    await network.wait_for_height(network.peer().height)


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


async def committed_definitions(fabric: FabricNetwork) -> str:
    """Return what the Go peer says of the definitions that our peers' settings approved."""
    arguments = ("lifecycle", "chaincode", "querycommitted", "-C", CHANNEL)
    return (await asyncio.to_thread(fabric.peer, PARTNER, *arguments)).text
