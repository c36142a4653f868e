"""A whole network in one process: an orderer and a peer for each of three organizations, mutual TLS between them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import psycopg
from fabric_protos.peer import proposal_response_pb2

from network import rpc
from network.client import GatewayClient
from network.errors import EndorseError, GatewayError
from network.genesis import ChannelSpec, genesis_block
from network.identity import SigningIdentity
from network.msp_folder import read_msp_config
from network.proposal import new_proposal, signed_proposal
from node.orderer.orderer import Orderer
from node.peer.database import migrate
from node.peer.definition import Definition, approved_definition
from node.peer.gateway.endorsers import PeerEndpoint
from node.peer.gateway.orderers import OrdererEndpoint
from node.peer.peer import SERVICE_NAMES, Peer, PeerSettings
from node.ports import free_port
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, CHANNEL, DOMAINS, ORDERER, PARTNER, REGULATOR, Material

MEMBERS = (BANK, PARTNER, REGULATOR)
POLICY = "OutOf(2, 'DwaybankMSP.peer', 'PartnerMSP.peer', 'RegulatorMSP.peer')"
CONTRACT = "tests.support.peer_contract:PeerContract"


def utc_now() -> datetime:
    """Return the time now."""
    return datetime.now(UTC)


@dataclass
class Member:
    """One organization's running peer and its server."""

    msp_id: str
    settings: PeerSettings
    port: int
    tls: rpc.ServerTls
    peer: Peer = field(init=False)
    server: rpc.Server = field(init=False)

    async def start(self) -> None:
        """Start peer and server."""
        self.peer = Peer(self.settings)
        await self.peer.start()
        self.server = rpc.Server("127.0.0.1", self.port, self.tls)
        self.peer.register(self.server)
        self.peer.register_chaincodes(self.server)
        self.server.enable_reflection(SERVICE_NAMES)
        await self.server.start()

    async def stop(self) -> None:
        """Stop both."""
        await self.server.stop(0)
        await self.peer.stop()


@dataclass
class OrdererHost:
    """The running orderer of every channel whose genesis block lies in its folder, and its server."""

    folder: Path
    identity: SigningIdentity
    port: int
    tls: rpc.ServerTls
    orderer: Orderer = field(init=False)
    server: rpc.Server = field(init=False)

    async def start(self) -> None:
        """Start orderer and server."""
        genesis_blocks = sorted(self.folder.glob("*.block"))
        self.orderer = Orderer(self.folder / "orderer", genesis_blocks, self.identity, utc_now)
        await self.orderer.start()
        self.server = rpc.Server("127.0.0.1", self.port, self.tls)
        self.orderer.register(self.server)
        await self.server.start()

    async def stop(self) -> None:
        """Stop both."""
        await self.server.stop(0)
        await self.orderer.stop()


T = TypeVar("T")


class PeerNetwork:
    """The network while it runs."""

    def __init__(self, material: Material, members: Mapping[str, Member], orderer: OrdererHost) -> None:
        self.material = material
        self.members = members
        self.orderer = orderer
        self._clients: list[rpc.Channel] = []

    def peer(self, msp_id: str = BANK) -> Peer:
        """Return a member's peer."""
        return self.members[msp_id].peer

    def channel(self, msp_id: str = BANK, client: str = "") -> rpc.Channel:
        """Return a new connection to a member's peer, as a client of that member or of another."""
        channel = rpc.Channel(f"localhost:{self.members[msp_id].port}", client_tls(self.material, client or msp_id))
        self._clients.append(channel)
        return channel

    def client(
        self, msp_id: str = BANK, signer: SigningIdentity | None = None, now: Callable[[], datetime] = utc_now
    ) -> GatewayClient:
        """Return a client of a member, connected to its own peer."""
        return GatewayClient(self.channel(msp_id), signer or self.material.signer(msp_id), CHANNEL, now)

    async def commit_definition(self, definition: Definition) -> None:
        """Commit a definition that all members approve, and wait until all have it."""
        client = self.client()
        committed = await client.submit("_lifecycle", "CommitChaincodeDefinition", definition.commit_arguments())
        await self.wait_for_height(committed.block_number + 1)

    async def wait_for_height(self, height: int) -> None:
        """Wait until every peer has this many blocks."""
        async with asyncio.timeout(20):
            await asyncio.gather(*(member.peer.wait_for_height(height) for member in self.members.values()))

    async def found_again(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what work gives that needs a member who was away: who could not connect pauses before the next try."""
        async with asyncio.timeout(20):
            while True:
                try:
                    return await work()
                except EndorseError:
                    await asyncio.sleep(0.1)

    async def until_connected(self, chaincode: str, *call: str) -> None:
        """Evaluate a call on every peer until a chaincode in another process answers there."""
        async with asyncio.timeout(30):
            for msp_id in self.members:
                client = self.client(msp_id)
                while True:
                    if await _answers(client, chaincode, *call, target_organizations=[msp_id]):
                        break
                    await asyncio.sleep(0.1)

    async def close(self) -> None:
        """Drop the clients' connections."""
        await asyncio.gather(*(channel.close() for channel in self._clients))


async def _answers(client: GatewayClient, *call: str, **options: Any) -> bool:
    try:
        await client.evaluate(*call, **options)
    except GatewayError:
        return False
    return True


async def ask_peer(
    channel: rpc.Channel, signer: SigningIdentity, chaincode: str, *args: bytes
) -> proposal_response_pb2.ProposalResponse:
    """Send a proposal that names no channel, as command lines do for what concerns a peer."""
    _, proposal = new_proposal("", chaincode, args, signer.creator, secrets.token_bytes(24), utc_now())
    request = signed_proposal(proposal, signer.sign(proposal))
    reply = await channel.unary("/protos.Endorser/ProcessProposal", request, 20)
    return proposal_response_pb2.ProposalResponse.FromString(reply)


def host_tls(material: Material, msp_id: str) -> tuple[bytes, bytes]:
    """Return certificate and key of an organization's host."""
    kind = "orderer" if msp_id == ORDERER else "peer"
    folder = material.root / f"{kind}Organizations" / DOMAINS[msp_id] / f"{kind}s" / f"node.{DOMAINS[msp_id]}" / "tls"
    return (folder / "server.crt").read_bytes(), (folder / "server.key").read_bytes()


def tls_roots(material: Material) -> bytes:
    """Return all organizations' TLS authorities."""
    return b"".join(path.read_bytes() for path in sorted(material.root.glob("*/*/tlsca/*-cert.pem")))


def client_tls(material: Material, msp_id: str) -> rpc.ClientTls:
    """Return mutual TLS for whoever dials as an organization."""
    return rpc.ClientTls(tls_roots(material), *host_tls(material, msp_id))


@asynccontextmanager
async def running_network(
    material: Material,
    cluster: PostgresCluster,
    folder: Path,
    name: str,
    *,
    definitions: tuple[Definition, ...] = (approved_definition("pc", "1.0", 1, POLICY),),
    contracts: Mapping[str, str] | None = None,
    by_member: Mapping[str, Mapping[str, Any]] | None = None,
    more_channels: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ports: Mapping[str, int] = MappingProxyType({}),
) -> AsyncIterator[PeerNetwork]:
    """Run orderer and peers, commit the definitions, and stop all in the end.

    Args:
        definitions: committed at the start, approved by all.
        contracts: in every peer's process, by chaincode name.
        by_member: changes to single members' settings.
        more_channels: members of others that are ordered too; ``<id>.block`` in the folder begins each.
        ports: of members' peers; others get free ones.
    """
    orderer_port = free_port()
    genesis = _genesis(material, CHANNEL, MEMBERS, orderer_port)
    (folder / "genesis.block").write_bytes(genesis)
    for channel_id, on_it in more_channels.items():
        (folder / f"{channel_id}.block").write_bytes(_genesis(material, channel_id, on_it, orderer_port))
    orderer_tls = rpc.ServerTls(*host_tls(material, ORDERER), tls_roots(material))
    orderer = OrdererHost(folder, material.signer(ORDERER, "orderer"), orderer_port, orderer_tls)
    ports = {msp_id: free_port() for msp_id in MEMBERS} | dict(ports)
    members = {
        msp_id: Member(
            msp_id,
            replace(
                PeerSettings(
                    database_url=new_database(cluster, f"{name}_{number}"),
                    channel_id=CHANNEL,
                    genesis=genesis,
                    identity=material.signer(msp_id, "peer"),
                    local_msp=read_msp_config(material.org(msp_id).msp_folder, msp_id),
                    address=f"localhost:{ports[msp_id]}",
                    approved=definitions,
                    contracts={"pc": CONTRACT} if contracts is None else contracts,
                    orderers=[OrdererEndpoint(f"localhost:{orderer_port}", ORDERER)],
                    other_peers=[
                        PeerEndpoint(f"localhost:{ports[other]}", other) for other in MEMBERS if other != msp_id
                    ],
                    client_tls=client_tls(material, msp_id),
                ),
                **(by_member or {}).get(msp_id, {}),
            ),
            ports[msp_id],
            rpc.ServerTls(*host_tls(material, msp_id), tls_roots(material)),
        )
        for number, msp_id in enumerate(MEMBERS)
    }
    async with AsyncExitStack() as stack:
        await orderer.start()
        stack.push_async_callback(orderer.stop)
        for member in members.values():
            await member.start()
            stack.push_async_callback(member.stop)
        network = PeerNetwork(material, members, orderer)
        stack.push_async_callback(network.close)
        for definition in definitions:
            await network.commit_definition(definition)
        yield network


def _genesis(material: Material, channel_id: str, msp_ids: Sequence[str], orderer_port: int) -> bytes:
    orderer_org = replace(material.org(ORDERER), orderer_endpoints=(f"127.0.0.1:{orderer_port}",))
    members = tuple(material.org(msp_id) for msp_id in msp_ids)
    spec = ChannelSpec(channel_id, orderer_orgs=(orderer_org,), application_orgs=members)
    return bytes(genesis_block(spec).SerializeToString(deterministic=True))


def new_database(cluster: PostgresCluster, name: str) -> str:
    """Return the URL of a new database with the peer's tables."""
    url = cluster.create_database(name)
    with psycopg.connect(url) as owner:
        migrate(owner)
    return url
