"""What an orderer refuses: the same odd envelope to an orderer of Fabric's and to ours has the same status and text.

Method: each is on a channel of its own organizations with the same name; each envelope is signed by a member of it.

To run it: see ``tests/support/fabric_programs.py``.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.orderer import ab_pb2

from network import rpc
from network.envelope import signed_payload
from network.errors import RpcError
from network.identity import SigningIdentity
from node.orderer.orderer import Orderer
from tests.support import ordering
from tests.support.consortium_in_memory import BANK, ORDERER
from tests.support.fabric_channel import HOST
from tests.support.fabric_programs import FabricTools
from tests.support.mixed_network import fabric_network, make_fabric_material

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]
RUBBISH, LARGEST = b"\xff", 10 * 1024 * 1024


@dataclass
class Place:
    channel: rpc.Channel
    channel_id: str
    signer: SigningIdentity


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def places(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Place]]:
    tools, folder = FabricTools.found(), tmp_path_factory.mktemp("orderers")
    material = make_fabric_material(folder / "crypto", 1)
    (folder / "network").mkdir()
    running = fabric_network(tools, material, folder / "network", go_peers=())
    fabric = await asyncio.to_thread(running.__enter__)
    try:
        theirs = rpc.Channel(f"{HOST}:{fabric.orderers[0]}", fabric.client_tls(BANK))
        own = ordering.make_material(folder / "own")
        genesis = own.genesis(folder / "genesis.block", channel_id=fabric.channel_id, absolute_max_bytes=LARGEST)
        orderer = Orderer(folder / "store", [genesis], own.node(ORDERER), ordering.utc_now)
        async with ordering.running(orderer) as ours:
            yield [
                Place(theirs, fabric.channel_id, fabric.material.signer(BANK)),
                Place(ours, fabric.channel_id, own.user(BANK)),
            ]
        await theirs.close()
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


def envelope(place: Place, data: bytes = b"data", *, edit: Any = None, **changes: Any) -> bytes:
    """Return a signed envelope; ``edit`` changes its payload before it is signed."""
    fields: dict[str, Any] = {
        "header_type": common_pb2.ENDORSER_TRANSACTION,
        "channel_id": place.channel_id,
        "timestamp": datetime.now(UTC),
        "nonce": secrets.token_bytes(24),
        "tx_id": True,
        "signer": place.signer,
        "data": data,
    } | changes
    found = signed_payload(**fields)
    if edit is not None:
        payload = common_pb2.Payload.FromString(found.payload)
        edit(payload)
        found.payload = payload.SerializeToString()
        found.signature = place.signer.sign(found.payload)
    return bytes(found.SerializeToString())


def signed(place: Place, payload: bytes, signature: bytes | None = None) -> bytes:
    made = common_pb2.Envelope(
        payload=payload, signature=place.signer.sign(payload) if signature is None else signature
    )
    return bytes(made.SerializeToString())


def header(**fields: Any) -> Callable[[Any], None]:
    def edit(payload: Any) -> None:
        channel = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        for name, value in fields.items():
            setattr(channel, name, value)
        payload.header.channel_header = channel.SerializeToString()

    return edit


def headers(**fields: bytes) -> Callable[[Any], None]:
    def edit(payload: Any) -> None:
        for name, value in fields.items():
            setattr(payload.header, name, value)

    return edit


def update(place: Place, content: bytes, **changes: Any) -> bytes:
    return envelope(place, content, header_type=common_pb2.CONFIG_UPDATE, **changes)


def updating(**fields: Any) -> bytes:
    inside = configtx_pb2.ConfigUpdate(**fields).SerializeToString()
    return bytes(configtx_pb2.ConfigUpdateEnvelope(config_update=inside).SerializeToString())


CASES: dict[str, Callable[[Place], bytes]] = {
    "nothing": lambda place: b"",
    "rubbish payload": lambda place: signed(place, RUBBISH),
    "no payload": lambda place: signed(place, b""),
    "no header": lambda place: signed(place, common_pb2.Payload(data=b"x").SerializeToString()),
    "an empty header": lambda place: signed(place, b"\x0a\x00"),
    "no channel header": lambda place: envelope(place, edit=headers(channel_header=b"")),
    "a rubbish channel header": lambda place: envelope(place, edit=headers(channel_header=RUBBISH)),
    "no signature header": lambda place: envelope(place, edit=headers(signature_header=b"")),
    "a rubbish signature header": lambda place: envelope(place, edit=headers(signature_header=RUBBISH)),
    "no channel": lambda place: envelope(place, channel_id=""),
    "another channel": lambda place: envelope(place, channel_id="other"),
    "an update of another channel": lambda place: update(place, updating(channel_id="other"), channel_id="other"),
    "configuration": lambda place: envelope(place, header_type=common_pb2.CONFIG),
    "orderer's transaction": lambda place: envelope(place, header_type=common_pb2.ORDERER_TRANSACTION),
    "no signature": lambda place: signed(place, common_pb2.Envelope.FromString(envelope(place)).payload, b""),
    "another signature": lambda place: signed(place, common_pb2.Envelope.FromString(envelope(place)).payload, b"x"),
    "a rubbish creator": lambda place: envelope(
        place, edit=headers(signature_header=common_pb2.SignatureHeader(creator=RUBBISH).SerializeToString())
    ),
    "too large": lambda place: envelope(place, bytes(LARGEST)),
    "a rubbish update": lambda place: update(place, RUBBISH),
    "no update": lambda place: update(place, b""),
    "an update of nothing": lambda place: update(place, updating(channel_id=place.channel_id)),
    "an update of another": lambda place: update(place, updating(channel_id="other")),
    "an unknown type": lambda place: envelope(place, header_type=99),
    "a message": lambda place: envelope(place, header_type=common_pb2.MESSAGE),
    "no data": lambda place: envelope(place, b""),
    "another epoch": lambda place: envelope(place, edit=header(epoch=7)),
    "another id": lambda place: envelope(place, edit=header(tx_id="x")),
    "no id": lambda place: envelope(place, edit=header(tx_id="")),
}


async def sent(place: Place, request: bytes) -> tuple[tuple[int, str], ...]:
    async def requests() -> AsyncIterator[bytes]:
        yield request

    answers: list[tuple[int, str]] = []
    try:
        async with aclosing(place.channel.bidi("/orderer.AtomicBroadcast/Broadcast", requests(), 20)) as replies:
            async for reply in replies:
                answer = ab_pb2.BroadcastResponse.FromString(reply)
                # Go's library puts now a space and now a hard space; signatures are of 70 to 72 bytes.
                info = re.sub(r"is \d+ bytes", "is so many bytes", answer.info.replace("\xa0", " "))
                answers.append((answer.status, info))
    except RpcError as refusal:
        answers.append((refusal.code, refusal.message.replace("\xa0", " ")))
    return tuple(answers)


async def ready(place: Place) -> None:
    """Wait until a Raft orderer leads."""
    async with asyncio.timeout(30):
        while True:
            if await sent(place, envelope(place)) == ((common_pb2.SUCCESS, ""),):
                return
            await asyncio.sleep(0.2)


async def test_envelopes_are_answered_the_same(places: list[Place]) -> None:
    differing = {}
    await ready(places[0])
    for what, make in CASES.items():
        theirs, ours = [await sent(place, make(place)) for place in places]
        if "update" in what:
            # Ours say which element, and what to do.
            theirs, ours = [tuple(status for status, _ in answers) for answers in (theirs, ours)]
        if theirs != ours:
            differing[what] = {"Fabric": theirs, "ours": ours}
    assert differing == {}
