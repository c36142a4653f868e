"""A committer fed with blocks that a real Fabric network wrote, and what it tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
from fabric_protos.common import common_pb2

from network.envelope import parse_transaction
from node.peer.block_store import Tip
from node.peer.committer import CommittedBlock, Committer, CommitterSettings
from node.peer.database import migrate
from node.peer.errors import ChannelStoppedError
from node.peer.own_endorsements import OwnEndorsements
from tests.support.captured import captured


class Capture:
    """A captured network: its genesis block and the blocks as a peer has them."""

    def __init__(self, network: str) -> None:
        self.network = network
        channel = captured(network)
        self.genesis = channel.blocks[0]
        self.recorded = [channel.block(number) for number in range(len(channel.blocks))]
        first_invocation = parse_transaction(self.recorded[5].data.data[0])
        self.creator = first_invocation.endorsements[0].endorser

    def ordered(self, number: int) -> common_pb2.Block:
        """Return a block as the orderer sends it: without flags and commit hash."""
        block = common_pb2.Block()
        block.CopyFrom(self.recorded[number])
        block.metadata.metadata[2] = b""
        block.metadata.metadata[4] = b""
        return block


class Outcome:
    """What a committer told."""

    def __init__(self) -> None:
        self.blocks: list[CommittedBlock] = []
        self.stopped: ChannelStoppedError | None = None
        self._changed = asyncio.Event()

    def committed(self, block: CommittedBlock) -> None:
        self.blocks.append(block)
        self._changed.set()

    def stop(self, error: ChannelStoppedError) -> None:
        self.stopped = error
        self._changed.set()

    async def wait(self, holds: Callable[[Outcome], bool]) -> None:
        async with asyncio.timeout(30):
            while not holds(self):
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def committing(
    capture: Capture,
    url: str,
    *,
    snapshots: Path | None = None,
    genesis: bytes | None = None,
    judged_before: bool = False,
) -> AsyncIterator[tuple[Committer, Outcome, Tip]]:
    """Run a committer of the captured channel.

    Args:
        snapshots: folder of its snapshots.
        genesis: other than the captured one; empty where a snapshot was imported.
        judged_before: whether the blocks carry another peer's verdicts.
    """
    with psycopg.connect(url) as owner:
        migrate(owner)
    outcome = Outcome()
    genesis = capture.genesis if genesis is None else genesis
    settings = CommitterSettings(url, "anchors", genesis, capture.creator, OwnEndorsements(), snapshots, judged_before)
    committer = Committer(settings, outcome.committed, outcome.stop)
    tip, _, _ = await asyncio.to_thread(committer.open)
    committer.start()
    try:
        yield committer, outcome, tip
    finally:
        await committer.stop()


async def snapshots_made(committer: Committer) -> None:
    """Wait until no snapshot is asked for any more."""
    deadline = asyncio.get_running_loop().time() + 20
    while committer.snapshots.pending():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)
