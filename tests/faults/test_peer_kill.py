"""A peer that is killed while it commits: nothing is lost, nothing is written twice, the hashes stay Fabric's.

Method: a process commits captured blocks and is killed at moments that change from run to run of its loop; another one
goes on from what the database holds, until all blocks are there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from itertools import cycle, islice
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
READ_BEFORE_KILL = 5
BLOCKS_A_LIFE_MAX = 12
"""No process gets further than this, however late it is killed: so that every run has several kills."""


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
    for number in range(tip.height, min(tip.height + BLOCKS_A_LIFE_MAX, len(recorded))):
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
    height = 0
    kills = 0
    pauses = cycle(PAUSES_S)
    while height < len(recorded):
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), database_url],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert process.stdout is not None
        with contextlib.closing(process.stdout) as output:
            told = list(islice(output, READ_BEFORE_KILL))
            time.sleep(next(pauses))
            process.send_signal(signal.SIGKILL)
            process.wait()
            told += output.readlines()
        assert process.returncode in (0, -signal.SIGKILL)
        kills += 1
        before = height
        with connect(database_url) as connection:
            height = BlockStore(connection, 1).tip().height
        # What was told to anyone is there after the kill, however early it came.
        assert all(int(line) < height for line in told)
        assert before < height
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
