"""A network of Fabric's with a Go peer for every member, and beside them a peer of ours to be compared with those.

Ours stands for the regulator with the identity that the regulator's Go peer has too, so both kinds tell of the same
identities. Chaincodes are defined and installed everywhere; who wants to invoke them runs them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from network import rpc
from node.peer.peer import Peer
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, PARTNER, REGULATOR
from tests.support.fabric_channel import HOST
from tests.support.fabric_programs import FabricTools
from tests.support.mixed_network import (
    MEMBERS,
    START_TIMEOUT_S,
    FabricNetwork,
    fabric_network,
    make_fabric_material,
    start_our_peer,
)
from tests.support.packages import package_id, service_package


@dataclass
class SideBySide:
    """The network while it runs.

    Args:
        fabric: Fabric's part of it.
        ours: our peer.
        our_port: where it listens.
        packages: package id of each chaincode.
        go_channel: connection of the bank's user to the bank's Go peer.
        our_channel: connection of the bank's user to our peer.
    """

    fabric: FabricNetwork
    ours: Peer
    our_port: int
    packages: Mapping[str, str]
    go_channel: rpc.Channel
    our_channel: rpc.Channel


@asynccontextmanager
async def peers_side_by_side(
    folder: Path,
    cluster: PostgresCluster,
    defined: Mapping[str, Sequence[str]],
    collections: Mapping[str, Sequence[Mapping[str, Any]]],
    services: Mapping[str, int] = MappingProxyType({}),
) -> AsyncIterator[SideBySide]:
    """Run the network until our peer has all of its blocks, or skip the test where Fabric's programs are not.

    Args:
        defined: options of ``peer lifecycle chaincode commit`` for each chaincode.
        collections: private collections of chaincodes that have some, as Fabric's tools take them.
        services: ports of those that somebody will run.
    """
    tools = FabricTools.found()
    material = make_fabric_material(folder / "crypto", 1)
    async with AsyncExitStack() as stack:
        (folder / "network").mkdir()
        running = fabric_network(tools, material, folder / "network", go_peers=MEMBERS)
        # Starting and stopping wait for processes; the loop must go on for ours meanwhile.
        fabric = await asyncio.to_thread(running.__enter__)
        stack.push_async_callback(asyncio.to_thread, running.__exit__, None, None, None)
        packages = {name: folder / f"{name}.tgz" for name in defined}
        identifiers = {}
        for name, package in packages.items():
            content = service_package(name, address=f"{HOST}:{services.get(name, 1)}", dial_timeout="10s")
            package.write_bytes(content)
            options = [*defined[name]]
            if name in collections:
                (folder / f"{name}.json").write_text(json.dumps(collections[name]))
                options += ["--collections-config", str(folder / f"{name}.json")]
            identifiers[name] = package_id(name, content)
            await asyncio.to_thread(fabric.define, name, package, identifiers[name], *options, members=MEMBERS)
        database = cluster.create_database(folder.name.replace("-", "_"))
        ours, port = await start_our_peer(
            fabric, REGULATOR, database, stack, others=(BANK, PARTNER), snapshots_folder=folder / "snapshots"
        )
        async with asyncio.timeout(START_TIMEOUT_S):
            await ours.wait_for_height(await asyncio.to_thread(fabric.height, BANK))
        go_port, fabric.peers[REGULATOR] = fabric.peers[REGULATOR], port
        for package in packages.values():
            install = ("lifecycle", "chaincode", "install", str(package))
            fabric.succeed(await asyncio.to_thread(fabric.peer, REGULATOR, *install))
        fabric.peers[REGULATOR] = go_port
        channels = [rpc.Channel(f"{HOST}:{at}", fabric.client_tls(BANK)) for at in (fabric.peers[BANK], port)]
        for channel in channels:
            stack.push_async_callback(channel.close)
        yield SideBySide(fabric, ours, port, identifiers, *channels)
