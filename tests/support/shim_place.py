"""A peer of either kind with our shim's contract on two channels: the same clients reach both, and see no difference.

Whichever it is, three organizations are on the first channel and two of them on the second, the bank's peer runs what
is tested, and the contract is a service of our shim. All is defined through Fabric's lifecycle, by clients of ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fabric_protos.peer.lifecycle import lifecycle_pb2

from chaincode.in_process import load
from chaincode.shim.server import ChaincodeServer
from network import rpc
from network.client import CommittedTransaction, GatewayClient
from network.errors import GatewayError
from node.peer.definition import approved_definition
from node.ports import free_port
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, PARTNER, Material, make_material
from tests.support.fabric_channel import HOST
from tests.support.fabric_programs import FabricTools
from tests.support.mixed_network import fabric_network, make_fabric_material
from tests.support.packages import package_id, service_package
from tests.support.peer_network import ask_peer, running_network
from tests.support.private_collections import collection_package

CONTRACT = "tests.support.shim_contract:ShimContract"
CHANNEL, SECOND = "anchors", "second"
OURS, GO = "our peer", "Go peer"
DEFINED_BY = (BANK, PARTNER)
"""Members that approve: a majority."""

_POLICY = "OR('DwaybankMSP.peer')"
_MEMBERS = "OR('DwaybankMSP.member', 'PartnerMSP.member')"
_PATIENCE_S = 60


@dataclass
class ShimPlace:
    """The bank's peer, with ``shim`` and ``other`` on the first channel and ``shim`` on the second."""

    kind: str
    connections: Mapping[str, rpc.Channel]
    """To the peers of ``DEFINED_BY``."""
    material: Material

    def client(self, channel_id: str = CHANNEL, msp_id: str = BANK, user: str = "Node") -> GatewayClient:
        """Return a client of a member, connected to that member's peer, or else to the bank's."""
        connection = self.connections.get(msp_id, self.connections[BANK])
        return GatewayClient(connection, self.material.signer(msp_id, user), channel_id)

    async def submit(self, function: str, *args: str, channel_id: str = CHANNEL, **options: Any) -> bytes:
        """Submit by the bank's endorsement alone; return the answer."""
        return (await self.commit(function, *args, channel_id=channel_id, **options)).result

    async def commit(
        self, function: str, *args: str, channel_id: str = CHANNEL, **options: Any
    ) -> CommittedTransaction:
        """Submit by the bank's endorsement alone; return what was committed."""
        client = self.client(channel_id)
        return await client.submit("shim", function, *args, endorsing_organizations=[BANK], **options)

    async def evaluate(self, function: str, *args: str, channel_id: str = CHANNEL, **options: Any) -> bytes:
        """Return what the bank's peer answers."""
        return await self.client(channel_id).evaluate("shim", function, *args, target_organizations=[BANK], **options)

    async def join(self, genesis: bytes) -> None:
        """Have the peers join a channel."""
        for msp_id in DEFINED_BY:
            await self._ask(msp_id, "cscc", b"JoinChain", genesis)

    async def define(self, channel_id: str, name: str, package: bytes, **changes: Any) -> None:
        """Install a package, approve and commit a definition with it."""
        definition = replace(approved_definition(name, "1.0", 1, _POLICY), **changes)
        label = f"{name}_1"
        for msp_id in DEFINED_BY:
            await self._install(msp_id, package)
            await self._lifecycle(
                channel_id,
                msp_id,
                [msp_id],
                "ApproveChaincodeDefinitionForMyOrg",
                definition.approve_arguments(package_id(label, package)),
            )
        await self._lifecycle(channel_id, BANK, DEFINED_BY, "CommitChaincodeDefinition", definition.commit_arguments())

    async def _install(self, msp_id: str, package: bytes) -> None:
        arguments = lifecycle_pb2.InstallChaincodeArgs(chaincode_install_package=package).SerializeToString()
        await self._ask(msp_id, "_lifecycle", b"InstallChaincode", arguments, known="already successfully installed")

    async def _ask(self, msp_id: str, chaincode: str, *args: bytes, known: str = "") -> None:
        signer = self.material.signer(msp_id, "Admin")
        answer = (await ask_peer(self.connections[msp_id], signer, chaincode, *args)).response
        assert answer.status == 200 or (known and known in answer.message), answer.message

    async def _lifecycle(self, channel_id: str, msp_id: str, endorsers: Any, function: str, arguments: bytes) -> None:
        """Submit, again while a fresh network's orderer has no leader and its peers do not know one another."""
        client = self.client(channel_id, msp_id, "Admin")
        deadline = asyncio.get_running_loop().time() + _PATIENCE_S
        while True:
            try:
                await client.submit("_lifecycle", function, arguments, endorsing_organizations=endorsers)
            except GatewayError:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.5)
            else:
                return


@asynccontextmanager
async def shim_place(kind: str, cluster: PostgresCluster, folder: Path) -> AsyncIterator[ShimPlace]:
    """Run a place.

    Args:
        kind: ``OURS`` or ``GO``.
        cluster: PostgreSQL, for peers of ours.
        folder: empty work folder.
    """
    running = _ours(cluster, folder) if kind == OURS else _go(folder)
    async with running as place, AsyncExitStack() as stack:
        await place.join((folder / "network" / f"{SECOND}.block").read_bytes())
        packages = {name: await _serve(name, stack) for name in ("shim", "other")}
        for channel_id, name in ((CHANNEL, "shim"), (CHANNEL, "other"), (SECOND, "shim")):
            await place.define(channel_id, name, packages[name], collections=collection_package("shared", _MEMBERS))
        yield place


async def _serve(name: str, stack: AsyncExitStack) -> bytes:
    """Run the contract as a service; return its package."""
    port = free_port()
    package = service_package(f"{name}_1", address=f"{HOST}:{port}", dial_timeout="10s")
    service = ChaincodeServer(load(CONTRACT), package_id(f"{name}_1", package), HOST, port)
    await service.start()
    stack.push_async_callback(service.stop, 0)
    return package


@asynccontextmanager
async def _ours(cluster: PostgresCluster, folder: Path) -> AsyncIterator[ShimPlace]:
    material = make_material(folder / "crypto")
    (folder / "network").mkdir()
    running = running_network(
        material, cluster, folder / "network", "shim", definitions=(), contracts={}, more_channels={SECOND: DEFINED_BY}
    )
    async with running as network:
        yield ShimPlace(OURS, {msp_id: network.channel(msp_id) for msp_id in DEFINED_BY}, material)


@asynccontextmanager
async def _go(folder: Path) -> AsyncIterator[ShimPlace]:
    tools, material = FabricTools.found(), make_fabric_material(folder / "crypto", 1)
    (folder / "network").mkdir()
    running = fabric_network(
        tools, material, folder / "network", go_peers=DEFINED_BY, channel_id=CHANNEL, more_channels={SECOND: DEFINED_BY}
    )
    # Starting and stopping wait for processes; the loop must go on meanwhile.
    fabric = await asyncio.to_thread(running.__enter__)
    connections = {
        msp_id: rpc.Channel(f"{HOST}:{fabric.peers[msp_id]}", fabric.client_tls(msp_id)) for msp_id in DEFINED_BY
    }
    try:
        yield ShimPlace(GO, connections, material)
    finally:
        await asyncio.gather(*(channel.close() for channel in connections.values()))
        await asyncio.to_thread(running.__exit__, None, None, None)
