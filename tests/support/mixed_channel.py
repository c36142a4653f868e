"""One channel with Fabric's orderers, Go peers of two organizations, a peer of ours for the third, one contract."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaincode.in_process import load
from chaincode.shim.server import ChaincodeServer
from network import rpc
from network.client import GatewayClient, PreparedTransaction
from network.operations.metrics import Metrics
from node.operations.peer_metrics import PeerMetrics
from node.peer.peer import Peer
from node.ports import free_port
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, PARTNER, REGULATOR
from tests.support.fabric_channel import HOST
from tests.support.fabric_programs import FabricTools
from tests.support.mixed_network import MEMBERS, FabricNetwork, fabric_network, make_fabric_material, start_our_peer
from tests.support.packages import package_id, service_package

TWIN = "tests.support.twin_contract:TwinContract"
POLICY = "OutOf(2, 'DwaybankMSP.peer', 'PartnerMSP.peer', 'RegulatorMSP.peer')"
_ANYBODY = "OR('DwaybankMSP.member', 'PartnerMSP.member', 'RegulatorMSP.member')"
COLLECTIONS = [
    {
        "name": name,
        "policy": _ANYBODY,
        "requiredPeerCount": 0,
        "maxPeerCount": 1,
        "blockToLive": 3,
        "memberOnlyRead": True,
        "memberOnlyWrite": False,
        **more,
    }
    for name, more in (
        ("shared", {}),
        ("guarded", {"endorsementPolicy": {"signaturePolicy": "OR('PartnerMSP.peer')"}}),
    )
]
NETWORKS = {"raft": {"orderers": 3, "byzantine": False}, "bft": {"orderers": 4, "byzantine": True}}


@dataclass
class Mixed:
    """The network, our peer on it, and a client of each kind of gateway."""

    fabric: FabricNetwork
    ours: Peer
    go_client: GatewayClient
    our_client: GatewayClient
    metrics: Metrics
    """What our peer counts."""

    async def settle(self) -> None:
        """Wait until both kinds of peer have the same height."""
        deadline = asyncio.get_running_loop().time() + 30
        while (height := await self.go_height()) != self.ours.height:
            assert asyncio.get_running_loop().time() < deadline, (height, self.ours.height, self.ours.stopped)
            await asyncio.sleep(0.2)

    async def go_height(self) -> int:
        """Return the height of the bank's Go peer."""
        return await asyncio.to_thread(self.fabric.height, BANK)

    async def order(self, *prepared: PreparedTransaction) -> list[int]:
        """Have transactions ordered as they are; return what became of each."""
        for item in prepared:
            await self.our_client.submit_prepared(item)
        statuses = [await self.our_client.commit_status(item.tx_id) for item in prepared]
        return [status.code for status in statuses]


@asynccontextmanager
async def mixed_channel(
    consensus: str, postgres_cluster: PostgresCluster, folder: Path, name: str, **settings: Any
) -> AsyncIterator[Mixed]:
    """Run everything.

    Args:
        consensus: key of ``NETWORKS``.
        folder: empty work folder.
        name: of our peer's database.
        settings: of our peer, beside the usual.
    """
    tools = FabricTools.found()
    network = NETWORKS[consensus]
    material = make_fabric_material(folder / "crypto", int(network["orderers"]))
    async with AsyncExitStack() as stack:
        (folder / "network").mkdir()
        running = fabric_network(
            tools,
            material,
            folder / "network",
            go_peers=(BANK, PARTNER),
            orderers=int(network["orderers"]),
            byzantine=bool(network["byzantine"]),
        )
        # Starting and stopping wait for processes; the loop must go on for ours meanwhile.
        fabric = await asyncio.to_thread(running.__enter__)
        stack.push_async_callback(asyncio.to_thread, running.__exit__, None, None, None)
        metrics = Metrics()
        ours, port = await start_our_peer(
            fabric,
            REGULATOR,
            postgres_cluster.create_database(name),
            stack,
            others=(BANK, PARTNER),
            metrics=PeerMetrics(metrics),
            **settings,
        )
        fabric.peers[REGULATOR] = port
        content = service_package("twin_1", address=f"{HOST}:{(service_port := free_port())}", dial_timeout="10s")
        identifier = package_id("twin_1", content)
        service = ChaincodeServer(load(TWIN), identifier, HOST, service_port)
        await service.start()
        stack.push_async_callback(service.stop, 0)
        (folder / "twin.tgz").write_bytes(content)
        (folder / "collections.json").write_text(json.dumps(COLLECTIONS))
        options = ("--signature-policy", POLICY, "--collections-config", str(folder / "collections.json"))
        await asyncio.to_thread(fabric.define, "twin", folder / "twin.tgz", identifier, *options, members=MEMBERS)
        clients = [client(fabric, msp_id, stack) for msp_id in (BANK, REGULATOR)]
        mixed = Mixed(fabric, ours, *clients, metrics)
        await mixed.settle()
        yield mixed


def client(fabric: FabricNetwork, msp_id: str, stack: AsyncExitStack) -> GatewayClient:
    """Return our asyncio client, connected to a member's own peer."""
    channel = rpc.Channel(f"{HOST}:{fabric.peers[msp_id]}", fabric.client_tls(msp_id))
    stack.push_async_callback(channel.close)
    return GatewayClient(channel, fabric.material.signer(msp_id), fabric.channel_id)
