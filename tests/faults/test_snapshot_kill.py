"""A peer that is killed while it makes snapshots: each is there whole, at its block, however often the peer died.

Method: a process commits captured blocks and asks for a snapshot at every second one; it is killed again and again at
changing moments, and another goes on. In the end every snapshot must equal the one of a peer that was never killed.
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

from node.peer.database import connect, fetch, migrate
from node.postgres import PostgresCluster
from tests.support.committing import Capture, committing, snapshots_made

ROOT = Path(__file__).resolve().parents[2]
PAUSES_S = (0.0, 0.013, 0.004, 0.021, 0.008, 0.001)
READ_BEFORE_KILL = 3
ASKED = tuple(range(2, 40, 2))


async def commit_all(url: str, root: Path) -> None:
    """Commit the captured blocks that the database does not have yet; runs in the process that is killed."""
    capture = Capture("raft")
    async with committing(capture, url, snapshots=root) as (committer, outcome, tip):
        for number in range(tip.height, len(capture.recorded)):
            await committer.put(capture.ordered(number))
            await outcome.wait(lambda told: bool(told.blocks))
            print(outcome.blocks.pop().number, flush=True)
        await snapshots_made(committer)


def prepared(url: str) -> None:
    """Ask for the snapshots in advance."""
    with psycopg.connect(url) as owner:
        migrate(owner)
    with connect(url) as connection:
        fetch(connection, "insert_channel", ("anchors",))
        for number in ASKED:
            fetch(connection, "insert_snapshot_request", (1, number))


def snapshots(root: Path) -> dict[str, bytes]:
    folder = root / "completed" / "anchors"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("*/*")}


def run(url: str, root: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), url, str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


@pytest.mark.faults
def test_snapshots_of_a_peer_killed_again_and_again_are_those_of_one_that_never_was(
    database_url: str, postgres_cluster: PostgresCluster, tmp_path: Path
) -> None:
    calm_url = postgres_cluster.create_database("calm_snapshots")
    for url in (calm_url, database_url):
        prepared(url)
    calm = run(calm_url, tmp_path / "calm")
    calm.communicate(timeout=60)
    assert calm.returncode == 0
    kills, pauses, killed = 0, cycle(PAUSES_S), tmp_path / "killed"
    left_behind = 0
    while True:
        process = run(database_url, killed)
        assert process.stdout is not None
        with contextlib.closing(process.stdout) as output:
            told = list(islice(output, READ_BEFORE_KILL))
            time.sleep(next(pauses))
            process.send_signal(signal.SIGKILL)
            process.wait(20)
        if len(told) < READ_BEFORE_KILL:
            break
        kills += 1
        left_behind += len(list((killed / "temp").glob("*")))
    assert process.returncode == 0, "the last run ends by itself, with nothing left to do"
    assert kills > 5
    assert left_behind > 0, "no kill fell into the making of a snapshot"
    assert snapshots(killed) == snapshots(tmp_path / "calm")
    assert {name.split("/")[0] for name in snapshots(killed)} == {str(number) for number in ASKED}
    assert list((killed / "temp").iterdir()) == []


if __name__ == "__main__":
    asyncio.run(commit_all(sys.argv[1], Path(sys.argv[2])))
