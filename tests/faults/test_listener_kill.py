"""Listeners that are killed again and again: with a checkpoint in a file no event is lost, and with one kept where the
event's effect is kept none is dealt with twice.

Method: a process of its own follows the events of real peers over mutual TLS, writes down each and then its checkpoint;
it is killed (SIGKILL) at moments that change, and started again, while events keep coming.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path

import pytest

from network.checkpointer import Checkpoint, FileCheckpointer
from network.connection_profile import connect
from network.identity import SigningIdentity
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, CHANNEL, DOMAINS, PARTNER, make_material
from tests.support.peer_network import PeerNetwork, host_tls, running_network

ROOT = Path(__file__).resolve().parents[2]
EVENTS = 60
KILLS_MIN = 3
PAUSES_S = (0.0, 0.003, 0.05, 0.001, 0.2, 0.01)


class RecordedCheckpoint:
    """A checkpoint that is the last whole line of the record itself: effect and checkpoint are one write."""

    def __init__(self, path: Path) -> None:
        self.block_number: int | None = None
        self.transaction_id = ""
        self._file = path.open("a+b", buffering=0)
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._file.truncate(len(whole))
        if whole:
            block_number, self.transaction_id = json.loads(whole.splitlines()[-1])
            self.block_number = int(block_number)

    def record(self, block_number: int, tx_id: str) -> None:
        """Write down an event."""
        os.write(self._file.fileno(), json.dumps([block_number, tx_id]).encode() + b"\n")


async def listen(profile: Path, msp_folder: Path, record: Path, kind: str) -> None:
    """Follow the events for ever; runs in the process that is killed."""
    recorded = RecordedCheckpoint(record)
    file = FileCheckpointer(record.with_suffix(".checkpoint")) if kind == "file" else None
    checkpoint: Checkpoint = file or recorded
    identity = SigningIdentity.from_msp_folder(msp_folder, BANK)
    async with (
        connect(profile, identity=identity, organizations=["bank", "partner"]) as client,
        aclosing(client.chaincode_events("pc", start_block=0, checkpoint=checkpoint)) as events,
    ):
        async for event in events:
            recorded.record(event.block_number, event.tx_id)
            if file is not None:
                file.checkpoint_chaincode_event(event)


def write_profile(network: PeerNetwork, folder: Path) -> Path:
    """Write a connection profile of the network's two banks."""
    certificate, key = (item.decode() for item in host_tls(network.material, BANK))
    members = {"bank": BANK, "partner": PARTNER}
    authority = {
        name: next(network.material.root.glob(f"*/{DOMAINS[msp_id]}/tlsca/*-cert.pem")).read_text()
        for name, msp_id in members.items()
    }
    profile = {
        "client": {"organization": "bank", "tlsCerts": {"client": {"cert": {"pem": certificate}, "key": {"pem": key}}}},
        "channels": {CHANNEL: {}},
        "organizations": {name: {"mspid": msp_id, "peers": [name]} for name, msp_id in members.items()},
        "peers": {
            name: {
                "url": f"grpcs://localhost:{network.members[msp_id].port}",
                "tlsCACerts": {"pem": authority[name]},
            }
            for name, msp_id in members.items()
        },
    }
    path = folder / "profile.json"
    path.write_text(json.dumps(profile))
    return path


async def killed_again_and_again(command: list[str], record: Path, count: int) -> int:
    """Run a listener, kill it a moment after it has recorded something, until all is recorded; return how often."""
    kills = 0
    while len(set(lines(record))) < count:
        before = len(lines(record))
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
        try:
            async with asyncio.timeout(30):
                while len(lines(record)) == before and len(set(lines(record))) < count:
                    assert process.returncode is None, "the listener ended by itself"
                    await asyncio.sleep(0.002)
            await asyncio.sleep(PAUSES_S[kills % len(PAUSES_S)])
        finally:
            process.kill()
            await process.wait()
        kills += 1
    return kills


def lines(record: Path) -> list[str]:
    content = record.read_bytes() if record.exists() else b""
    return [json.loads(line)[1] for line in content.splitlines(keepends=True) if line.endswith(b"\n")]


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["file", "effect"])
async def test_killed_listener_goes_on_where_it_was(
    kind: str, postgres_cluster: PostgresCluster, tmp_path: Path
) -> None:
    material = make_material(tmp_path / "crypto")
    async with running_network(material, postgres_cluster, tmp_path, f"listener_{kind}") as network:
        profile, record = write_profile(network, tmp_path), tmp_path / "record"
        user = material.root / "peerOrganizations" / DOMAINS[BANK] / "users" / f"Node@{DOMAINS[BANK]}" / "msp"
        command = [sys.executable, "-m", "tests.faults.test_listener_kill", *map(str, (profile, user, record)), kind]
        killing = asyncio.create_task(killed_again_and_again(command, record, EVENTS))
        client, sent = network.client(), []
        for number in range(EVENTS):
            sent.append((await client.submit("pc", "Emit", "paid", str(number))).tx_id)
            await asyncio.sleep(0.1)
        kills = await killing
    seen = lines(record)
    once = [tx_id for before, tx_id in pairwise(["", *seen]) if tx_id != before]
    assert once == sent, "an event was lost, or came out of order"
    repeated = len(seen) - len(once)
    assert repeated <= (kills if kind == "file" else 0)
    assert kills >= KILLS_MIN


if __name__ == "__main__":
    asyncio.run(listen(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]))
