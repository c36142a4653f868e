"""The orderer killed without warning, again and again, while clients send as fast as they can.

Aim: what was acknowledged stands in the chain exactly as it was sent, once, in each stream's order; nothing stands
there that nobody sent; the chain is whole. Method: the orderer in a process of its own, SIGKILL at a random moment of
each round, restart on the same folder; at the end the chain is read through Deliver and checked block by block.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import secrets
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2

from network import rpc
from network.block import header_hash
from network.block_verifier import verify_block
from network.channel_config import ChannelConfig
from network.errors import RpcError
from node.orderer.orderer import Orderer
from tests.support.ordering import BANK, BROADCAST, ORDERER, Material, deliver, make_material, running, seek, utc_now

REPOSITORY = Path(__file__).parents[2]
ROUNDS, STREAMS = 5, 4


class Stream:
    """One client's stream: what it sent, and which of it was acknowledged."""

    def __init__(self, material: Material) -> None:
        self._material = material
        self._signer = material.user(BANK)
        self.sent: list[bytes] = []
        self.acknowledged: list[bytes] = []
        self.some_acknowledged = asyncio.Event()

    async def run(self, address: str) -> None:
        """Send until the connection breaks."""
        channel = rpc.Channel(address, None)
        unanswered = len(self.sent)
        try:
            async for reply in channel.bidi(BROADCAST, self._envelopes(), 60):
                assert ab_pb2.BroadcastResponse.FromString(reply).status == common_pb2.SUCCESS
                self.acknowledged.append(self.sent[unanswered])
                unanswered += 1
                self.some_acknowledged.set()
        except RpcError as error:
            assert error.code == rpc.StatusCode.UNAVAILABLE
        finally:
            await channel.close()

    async def _envelopes(self) -> AsyncIterator[bytes]:
        while True:
            envelope = self._material.envelope(secrets.token_bytes(2_000), signer=self._signer)
            self.sent.append(envelope)
            yield envelope
            await asyncio.sleep(0)


async def start(material: Material, folder: Path) -> tuple[Process, str]:
    """Start the orderer; return its process and address."""
    arguments = (str(material.root), str(folder / "genesis.block"), str(folder / "orderer"), "0")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.orderer_process", *arguments, stdout=PIPE, cwd=REPOSITORY
    )
    assert process.stdout is not None
    while True:
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        assert line, "the orderer ended before it was ready"
        if line.startswith("ready "):
            return process, line.split()[1]


async def test_acknowledged_envelopes_survive_sigkill_under_load(tmp_path: Path) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    material = make_material(tmp_path / "crypto")
    material.genesis(tmp_path / "genesis.block", max_messages=20)
    streams = [Stream(material) for _ in range(STREAMS)]
    for _ in range(ROUNDS):
        process, address = await start(material, tmp_path)
        running_streams = [asyncio.create_task(stream.run(address)) for stream in streams]
        for stream in streams:
            stream.some_acknowledged.clear()
            await asyncio.wait_for(stream.some_acknowledged.wait(), 30)
        await asyncio.sleep(moments.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await asyncio.gather(*running_streams)
    await check_chain(material, tmp_path, streams)


async def check_chain(material: Material, folder: Path, streams: list[Stream]) -> None:
    """Read the chain through Deliver and compare it with what was sent and acknowledged."""
    orderer = Orderer(folder / "orderer", [folder / "genesis.block"], material.node(ORDERER), utc_now)
    async with running(orderer) as channel:
        height = orderer.chains["anchors"].height
        blocks, status = await deliver(channel, seek(material.node(BANK), 0, stop=height - 1), timeout_s=60)
    assert (len(blocks), status) == (height, common_pb2.SUCCESS)
    config = ChannelConfig.from_block(blocks[0])
    for previous, block in itertools.pairwise(blocks):
        verify_block(block, header_hash(previous.header), config)
    ordered = [envelope for block in blocks[1:] for envelope in block.data.data]
    assert max(Counter(ordered).values()) == 1
    places = {envelope: place for place, envelope in enumerate(ordered)}
    assert places.keys() <= {envelope for stream in streams for envelope in stream.sent}
    for stream in streams:
        assert len(stream.acknowledged) >= ROUNDS
        found = [places[envelope] for envelope in stream.acknowledged]
        assert found == sorted(found)
