"""A peer that is killed while it commits: nothing is lost, nothing is written twice, the hashes stay Fabric's.

Method: a process commits captured blocks and is killed at moments that change from run to run of its loop; another one
goes on from what the database holds, until all blocks are there.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from itertools import cycle
from pathlib import Path

import psycopg
import pytest
from fabric_protos.common import common_pb2

from network.block import header_hash, parse_block, recorded_commit_hash
from network.envelope import parse_transaction
from node.peer.block_store import BlockStore
from node.peer.committer import CommittedBlock, Committer, CommitterSettings
from node.peer.database import connect, migrate
from node.peer.own_endorsements import OwnEndorsements
from tests.support.captured import captured

ROOT = Path(__file__).resolve().parents[2]
PAUSES_S = (0.0, 0.003, 0.011, 0.002, 0.017, 0.007)


async def commit_all(url: str) -> None:
    """Commit the captured blocks that the database does not have yet; runs in the process that is killed."""
    channel = captured("raft")
    recorded = [channel.block(number) for number in range(len(channel.blocks))]
    creator = parse_transaction(recorded[5].data.data[0]).endorsements[0].endorser
    settings = CommitterSettings(url, "anchors", channel.blocks[0], creator, OwnEndorsements())
    done = asyncio.Event()

    def told(block: CommittedBlock) -> None:
        print(block.number, flush=True)
        if block.number == len(recorded) - 1:
            done.set()

    committer = Committer(settings, told, lambda error: done.set())
    tip, _, _ = await asyncio.to_thread(committer.open)
    committer.start()
    for number in range(tip.height, len(recorded)):
        block = common_pb2.Block()
        block.CopyFrom(recorded[number])
        block.metadata.metadata[2] = b""
        block.metadata.metadata[4] = b""
        await committer.put(block)
    if tip.height < len(recorded):
        await done.wait()
    await committer.stop()


@pytest.mark.faults
def test_peer_killed_again_and_again_ends_with_fabrics_commit_hash(database_url: str) -> None:
    recorded = [captured("raft").block(number) for number in range(len(captured("raft").blocks))]
    with psycopg.connect(database_url) as owner:
        migrate(owner)
    acknowledged = 0
    kills = 0
    pauses = cycle(PAUSES_S)
    while acknowledged < len(recorded) - 1:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), database_url],
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": str(ROOT)},
        )
        assert process.stdout is not None
        with contextlib.closing(process.stdout) as output:
            for _ in range(5):
                line = output.readline()
                if not line:
                    break
                acknowledged = max(acknowledged, int(line))
            time.sleep(next(pauses))
            process.send_signal(signal.SIGKILL)
            process.wait()
        kills += 1
        with connect(database_url) as connection:
            # What was told to anyone is there after the kill, however early it came.
            assert BlockStore(connection, 1).tip().height > acknowledged
        assert kills < 50
    assert kills > 3
    with connect(database_url) as connection:
        store = BlockStore(connection, 1)
        assert store.tip().height == len(recorded)
        assert store.tip().commit_hash == recorded_commit_hash(recorded[-1])
        assert store.tip().header_hash == header_hash(recorded[-1].header)
        for number, content in store.blocks(0, len(recorded)):
            assert parse_block(content).header == recorded[number].header


if __name__ == "__main__":
    asyncio.run(commit_all(sys.argv[1]))
