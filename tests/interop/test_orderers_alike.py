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
from network.block import parse_block
from network.channel_config import config_of_block
from network.config_delta import config_delta, sign_update
from network.envelope import signed_payload
from network.errors import RpcError
from network.identity import SigningIdentity
from node.orderer.orderer import Orderer
from tests.support import ordering
from tests.support.consortium_in_memory import BANK, ORDERER, PARTNER
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
    genesis: common_pb2.Block


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
                Place(
                    theirs, fabric.channel_id, fabric.material.signer(BANK), parse_block(fabric.genesis.read_bytes())
                ),
                Place(ours, fabric.channel_id, own.user(BANK), parse_block(genesis.read_bytes())),
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


def configured(place: Place, path: str = "", **fields: Any) -> bytes:
    """Return an update signed by a member that writes one value of the group at a path as one writes what is new."""
    update = configtx_pb2.ConfigUpdate(channel_id=place.channel_id)
    read, write = update.read_set, update.write_set
    read.SetInParent()
    for name in path.split("/") if path else ():
        read, write = read.groups[name], write.groups[name]
    value = {"value": b"x", "mod_policy": "Admins"} | fields
    write.values[value.pop("name", "New")].CopyFrom(configtx_pb2.ConfigValue(**value))
    return _signed_update(place, update)


def changed(place: Place, change: Callable[[configtx_pb2.ConfigGroup], None]) -> bytes:
    """Return an update, signed by a member, that makes what ``change`` does of the configuration in force."""
    current = configtx_pb2.ConfigEnvelope.FromString(config_of_block(place.genesis)[1]).config.channel_group
    wanted = configtx_pb2.ConfigGroup()
    wanted.CopyFrom(current)
    change(wanted)
    return _signed_update(place, config_delta(place.channel_id, current, wanted))


def read_set(place: Place, **fields: Any) -> bytes:
    group = configtx_pb2.ConfigGroup(**fields)
    return _signed_update(place, configtx_pb2.ConfigUpdate(channel_id=place.channel_id, read_set=group))


def write_set(place: Place, **fields: Any) -> bytes:
    group = configtx_pb2.ConfigGroup(**fields)
    return _signed_update(place, configtx_pb2.ConfigUpdate(channel_id=place.channel_id, write_set=group))


def _signed_update(place: Place, made: configtx_pb2.ConfigUpdate) -> bytes:
    return bytes(sign_update(made, [place.signer], datetime.now(UTC), secrets.token_bytes).SerializeToString())


def batch_timeout(root: configtx_pb2.ConfigGroup) -> None:
    root.groups["Orderer"].values["BatchTimeout"].value = b"\x0a\x023s"


def readers_of(msp_id: str) -> Callable[[configtx_pb2.ConfigGroup], None]:
    def change(root: configtx_pb2.ConfigGroup) -> None:
        policy = root.groups["Application"].groups[msp_id].policies["Readers"]
        policy.mod_policy = "Writers"

    return change


VALUE = configtx_pb2.ConfigValue(mod_policy="Admins")
GROUP = configtx_pb2.ConfigGroup(mod_policy="Admins")
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
    "an update that is rubbish": lambda place: update(
        place, configtx_pb2.ConfigUpdateEnvelope(config_update=RUBBISH).SerializeToString()
    ),
    "an update signed by rubbish": lambda place: update(
        place,
        configtx_pb2.ConfigUpdateEnvelope(
            config_update=configtx_pb2.ConfigUpdate(channel_id=place.channel_id).SerializeToString(),
            signatures=[configtx_pb2.ConfigSignature(signature_header=RUBBISH)],
        ).SerializeToString(),
    ),
    "an update of nothing": lambda place: update(place, updating(channel_id=place.channel_id)),
    "an update of another": lambda place: update(place, updating(channel_id="other")),
    "an update that nobody signed who may": lambda place: changed(place, batch_timeout),
    "an update of one's own organization": lambda place: changed(place, readers_of(BANK)),
    "an update of another's": lambda place: changed(place, readers_of(PARTNER)),
    "an update of an older configuration": lambda place: read_set(place, version=7),
    "an update that read what is not there": lambda place: read_set(place, values={"None": VALUE}),
    "an update that read a name of no element": lambda place: read_set(place, values={"a b": VALUE}),
    "an update that wrote a name of no element": lambda place: write_set(place, groups={"": GROUP}),
    "an update that wrote a dot": lambda place: write_set(place, policies={"..": configtx_pb2.ConfigPolicy()}),
    "an update that wrote a long name": lambda place: write_set(place, values={"x" * 250: VALUE}),
    "an update that leaps": lambda place: write_set(place, version=7, mod_policy="Admins"),
    "an update without policy": lambda place: configured(place, mod_policy=""),
    "an update of an odd policy": lambda place: configured(place, mod_policy="/Channel/a b"),
    "an update of something new that leaps": lambda place: configured(place, "Orderer", version=3),
    "an update that changes nothing": lambda place: read_set(place, version=0),
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
        if theirs != ours:
            differing[what] = {"Fabric": theirs, "ours": ours}
    assert differing == {}
