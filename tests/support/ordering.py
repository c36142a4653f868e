"""A channel to be ordered: certificates, a genesis block, envelopes, and an orderer on a free port."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2

from network import rpc
from network.crypto_material import OrganizationSpec, generate_organization
from network.envelope import seek_envelope, signed_payload
from network.genesis import ChannelSpec, OrgSpec, genesis_block
from network.identity import SigningIdentity
from node.orderer.orderer import Orderer

CHANNEL = "anchors"
BANK, PARTNER, ORDERER = "DwaybankMSP", "PartnerMSP", "OrdererMSP"
DOMAINS = {BANK: "dwaybank.test", PARTNER: "partner.test", ORDERER: "orderer.test"}
BROADCAST = "/orderer.AtomicBroadcast/Broadcast"
DELIVER = "/orderer.AtomicBroadcast/Deliver"


def utc_now() -> datetime:
    """Return the time now."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Material:
    """Certificates and keys of two banks and an orderer organization, below ``root``."""

    root: Path

    def folder(self, msp_id: str) -> Path:
        """Return an organization's folder."""
        kind = "orderer" if msp_id == ORDERER else "peer"
        return self.root / f"{kind}Organizations" / DOMAINS[msp_id]

    def host(self, msp_id: str) -> Path:
        """Return the folder of an organization's one host."""
        kind = "orderers" if msp_id == ORDERER else "peers"
        return self.folder(msp_id) / kind / f"node.{DOMAINS[msp_id]}"

    def user(self, msp_id: str, name: str = "User1") -> SigningIdentity:
        """Return a client of an organization."""
        return SigningIdentity.from_msp_folder(
            self.folder(msp_id) / "users" / f"{name}@{DOMAINS[msp_id]}" / "msp", msp_id
        )

    def node(self, msp_id: str) -> SigningIdentity:
        """Return the identity of an organization's host."""
        return SigningIdentity.from_msp_folder(self.host(msp_id) / "msp", msp_id)

    def tls_roots(self) -> bytes:
        """Return all organizations' TLS authorities."""
        return b"".join((self.host(msp_id) / "tls" / "ca.crt").read_bytes() for msp_id in DOMAINS)

    def server_tls(self, msp_id: str) -> rpc.ServerTls:
        """Return mutual TLS for an organization's host."""
        tls = self.host(msp_id) / "tls"
        return rpc.ServerTls((tls / "server.crt").read_bytes(), (tls / "server.key").read_bytes(), self.tls_roots())

    def client_tls(self, msp_id: str) -> rpc.ClientTls:
        """Return mutual TLS for a client of an organization."""
        tls = self.folder(msp_id) / "users" / f"User1@{DOMAINS[msp_id]}" / "tls"
        return rpc.ClientTls(self.tls_roots(), (tls / "client.crt").read_bytes(), (tls / "client.key").read_bytes())

    def genesis(self, path: Path, **settings: Any) -> Path:
        """Write a genesis block; ``settings`` go to ``ChannelSpec``."""
        endpoint = ("127.0.0.1:7050",)
        settings.setdefault("channel_id", CHANNEL)
        spec = ChannelSpec(
            orderer_orgs=(OrgSpec(ORDERER, self.folder(ORDERER) / "msp", orderer_endpoints=endpoint),),
            application_orgs=tuple(OrgSpec(msp_id, self.folder(msp_id) / "msp") for msp_id in (BANK, PARTNER)),
            **settings,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(genesis_block(spec).SerializeToString(deterministic=True))
        return path

    def envelope(self, data: bytes = b"", **changes: Any) -> bytes:
        """Return a signed envelope that means nothing to anybody; an orderer does not ask."""
        signer = changes.pop("signer", None) or self.user(BANK)
        fields: dict[str, Any] = {
            "header_type": common_pb2.ENDORSER_TRANSACTION,
            "channel_id": CHANNEL,
            "timestamp": utc_now(),
            "nonce": secrets.token_bytes(24),
            "tx_id": True,
        }
        fields |= changes
        return bytes(signed_payload(data=data, signer=signer, **fields).SerializeToString())


def make_material(root: Path, not_before: datetime | None = None) -> Material:
    """Generate the organizations."""
    for msp_id, domain in DOMAINS.items():
        spec = OrganizationSpec(
            name=domain,
            msp_id=msp_id,
            domain=domain,
            kind="orderer" if msp_id == ORDERER else "peer",
            hosts=("node",),
            users=("User1",),
        )
        generate_organization(root, spec, not_before or utc_now() - timedelta(days=1))
    return Material(root)


@asynccontextmanager
async def running(
    orderer: Orderer, tls: rpc.ServerTls | None = None, client_tls: rpc.ClientTls | None = None, port: int = 0
) -> AsyncIterator[rpc.Channel]:
    """Serve an orderer and yield a connection to it."""
    await orderer.start()
    server = rpc.Server("127.0.0.1", port, tls)
    orderer.register(server)
    channel = rpc.Channel(f"localhost:{await server.start()}", client_tls)
    try:
        yield channel
    finally:
        await channel.close()
        await orderer.stop()
        await server.stop(0)


async def broadcast(channel: rpc.Channel, envelopes: Iterable[bytes]) -> list[tuple[int, str]]:
    """Send envelopes on one stream; return each one's status and info."""

    async def requests() -> AsyncIterator[bytes]:
        for envelope in envelopes:
            yield envelope

    replies = [ab_pb2.BroadcastResponse.FromString(reply) async for reply in channel.bidi(BROADCAST, requests(), 30)]
    return [(reply.status, reply.info) for reply in replies]


async def deliver(
    channel: rpc.Channel, request: bytes, timeout_s: float = 10, enough: Callable[[int], bool] = lambda _: False
) -> tuple[list[common_pb2.Block], int]:
    """Send one seek request; return the blocks and the status, 0 when ``enough`` of the number of blocks ended it."""

    async def requests() -> AsyncIterator[bytes]:
        yield request

    blocks: list[common_pb2.Block] = []
    async for reply in channel.bidi(DELIVER, requests(), timeout_s):
        response = ab_pb2.DeliverResponse.FromString(reply)
        if response.WhichOneof("Type") == "status":
            return blocks, response.status
        blocks.append(response.block)
        if enough(len(blocks)):
            break
    return blocks, 0


def seek(signer: SigningIdentity, start: int | None = 0, **settings: Any) -> bytes:
    """Return a seek request; ``settings`` go to ``seek_envelope``."""
    fields: dict[str, Any] = {"nonce": secrets.token_bytes(24), "timestamp": utc_now()} | settings
    return bytes(seek_envelope(CHANNEL, signer, start=start, **fields).SerializeToString())


async def serve(root: Path, genesis: Path, data: Path, port: int) -> None:
    """Run an orderer until the process ends."""
    orderer = Orderer(data, [genesis], Material(root).node(ORDERER), utc_now)
    async with running(orderer, port=port) as channel:
        print(f"ready {channel.address}", flush=True)
        await asyncio.Event().wait()
