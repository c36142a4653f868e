"""The committer against blocks that a real Fabric network wrote: same flags, same commit hashes, on PostgreSQL.

Method: the captured blocks, stripped of what peers added, go through the committer; faults are a killed database
connection, a restart in the middle, and blocks that were tampered with.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

import psycopg
import pytest
from fabric_protos.common import common_pb2

from network.block import parse_block, recorded_commit_hash, transactions_filter
from node.peer import block_signatures
from node.peer.block_signatures import Check, Checked, SignatureProcess, SignatureProcesses, checked_beside
from node.peer.block_store import BlockStore, Tip
from node.peer.database import Connection, connect
from node.peer.errors import ChannelLockedError, ChannelStoppedError, StoreError
from node.peer.reader import DatabaseThread
from tests.support.captured import NETWORKS
from tests.support.committing import Capture, Outcome, committing
from tests.support.signature_processes import processes


@pytest.fixture(params=NETWORKS)
def capture(request: pytest.FixtureRequest) -> Capture:
    return Capture(request.param)


async def test_captured_blocks_give_fabrics_flags_and_commit_hashes(capture: Capture, database_url: str) -> None:
    last = len(capture.recorded) - 1
    async with committing(capture, database_url) as (committer, outcome, tip):
        assert tip.height == 1
        for number in range(1, last + 1):
            await committer.put(capture.ordered(number))
        await outcome.wait(lambda told: len(told.blocks) == last or told.stopped is not None)
        assert outcome.stopped is None
    for told in outcome.blocks:
        recorded = capture.recorded[told.number]
        assert told.validation.flags == transactions_filter(recorded)
        assert told.commit_hash == recorded_commit_hash(recorded)
        assert parse_block(told.content) == recorded
    with connect(database_url) as connection:
        assert BlockStore(connection, 1).tip() == Tip(
            last + 1, outcome.blocks[-1].header_hash, outcome.blocks[-1].commit_hash
        )


async def test_restart_and_lost_connection_lose_and_repeat_nothing(capture: Capture, database_url: str) -> None:
    last = len(capture.recorded) - 1
    async with committing(capture, database_url) as (committer, outcome, _):
        for number in range(1, 8):
            await committer.put(capture.ordered(number))
        await outcome.wait(lambda told: len(told.blocks) == 7)
    async with committing(capture, database_url) as (committer, outcome, tip):
        assert tip.height == 8
        for number in range(3, last + 1):
            if number % 10 == 0:
                with psycopg.connect(database_url, autocommit=True) as other:
                    other.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
            await committer.put(capture.ordered(number))
        await outcome.wait(lambda told: len(told.blocks) == last - 7 or told.stopped is not None)
        assert outcome.stopped is None
    assert outcome.blocks[-1].commit_hash == recorded_commit_hash(capture.recorded[last])


def _told(number: int, outcome: Outcome) -> bool:
    return len(outcome.blocks) == number or outcome.stopped is not None


async def test_blocks_checked_by_processes_come_to_the_same(
    capture: Capture, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = []

    def counted(standing: Sequence[SignatureProcess], envelopes: Sequence[bytes], check: Check) -> Checked:
        beside.append(len(standing))
        return checked_beside(standing, envelopes, check)

    ready = SignatureProcesses.ready

    def ready_in_the_end(pool: SignatureProcesses, blocks_waiting: int) -> Sequence[SignatureProcess]:
        pool.yielding = False  # other tests may leave them no time
        until = time.monotonic() + 20
        while len(found := ready(pool, blocks_waiting)) < block_signatures.PROCESSES:
            assert time.monotonic() < until
            time.sleep(0.02)
        return found

    monkeypatch.setattr(SignatureProcesses, "ready", ready_in_the_end)
    monkeypatch.setattr(block_signatures, "checked_beside", counted)
    monkeypatch.setattr(block_signatures, "DIVIDED_FROM", 1)
    monkeypatch.setattr(block_signatures, "WORTHWHILE_BLOCKS", 0)
    last = len(capture.recorded) - 1
    async with committing(capture, database_url) as (committer, outcome, _):
        for number in range(1, last + 1):
            if number == last:
                assert len(processes()) == max(beside)
                monkeypatch.setattr(block_signatures, "IDLE_S", 0)
            await committer.put(capture.ordered(number))
            await outcome.wait(partial(_told, number))
            assert outcome.stopped is None
        assert len(beside) == last
        for _ in range(200):
            if not processes():
                break
            await asyncio.sleep(0.05)
        assert not processes()
    for told in outcome.blocks:
        recorded = capture.recorded[told.number]
        assert told.validation.flags == transactions_filter(recorded)
        assert told.commit_hash == recorded_commit_hash(recorded)


@pytest.mark.parametrize(("table", "number"), [("block", 3), ("private_write_set", 8)])
@pytest.mark.every_postgres
async def test_block_that_finds_the_database_full_is_written_when_there_is_room(
    capture: Capture, database_url: str, table: str, number: int
) -> None:
    """The server says what it says when the disk is full; the connection stands."""
    async with committing(capture, database_url) as (committer, outcome, _):
        with psycopg.connect(database_url, autocommit=True) as owner:
            owner.execute(
                "CREATE FUNCTION channel.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$"
            )
            owner.execute(
                f"CREATE TRIGGER full_disk BEFORE INSERT ON channel.{table} EXECUTE FUNCTION channel.full()".encode()
            )
            for ordered in range(1, number + 1):
                await committer.put(capture.ordered(ordered))
            await asyncio.sleep(1)
            assert len(outcome.blocks) < number
            owner.execute(f"DROP TRIGGER full_disk ON channel.{table}".encode())
        await outcome.wait(lambda told: len(told.blocks) == number or told.stopped is not None)
    assert outcome.stopped is None
    assert outcome.blocks[-1].commit_hash == recorded_commit_hash(capture.recorded[number])


async def test_blocks_of_a_followed_peer_are_judged_again(capture: Capture, database_url: str) -> None:
    last = len(capture.recorded) - 1
    async with committing(capture, database_url, judged_before=True) as (committer, outcome, _):
        for number in range(1, last + 1):
            await committer.put(capture.recorded[number])
        await outcome.wait(lambda told: len(told.blocks) == last or told.stopped is not None)
        assert outcome.stopped is None


def call_it_invalid(block: common_pb2.Block) -> None:
    block.metadata.metadata[2] = bytes([11, *block.metadata.metadata[2][1:]])


def leave_verdicts_out(block: common_pb2.Block) -> None:
    block.metadata.metadata[2] = b""


def change_commit_hash(block: common_pb2.Block) -> None:
    block.metadata.metadata[4] = common_pb2.Metadata(value=bytes(32)).SerializeToString()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (call_it_invalid, "validation code 11 at the peer that is followed and 0 here"),
        (leave_verdicts_out, "validation code None at the peer that is followed and 0 here"),
        (change_commit_hash, "commit hash 0{64} at the peer that is followed"),
    ],
)
async def test_a_followed_peer_that_judges_otherwise_stops_the_channel(
    capture: Capture, database_url: str, change: Callable[[common_pb2.Block], None], reason: str
) -> None:
    async with committing(capture, database_url, judged_before=True) as (committer, outcome, _):
        for number in range(1, 8):
            block = common_pb2.Block()
            block.CopyFrom(capture.recorded[number])
            if number == 5:
                change(block)
            await committer.put(block)
        await outcome.wait(lambda told: told.stopped is not None)
        assert re.search(f"block 5: .*{reason}", str(outcome.stopped))
    assert outcome.blocks[-1].number == 4


def tamper_envelope(block: common_pb2.Block) -> None:
    block.data.data[0] = block.data.data[0][:-1] + bytes([block.data.data[0][-1] ^ 1])


def tamper_signature(block: common_pb2.Block) -> None:
    block.metadata.metadata[0] = b""


def tamper_previous_hash(block: common_pb2.Block) -> None:
    block.header.previous_hash = b"x" * 32


def tamper_number(block: common_pb2.Block) -> None:
    block.header.number += 1


@pytest.mark.parametrize("tamper", [tamper_envelope, tamper_signature, tamper_previous_hash, tamper_number])
async def test_tampered_block_stops_the_channel_and_is_not_written(
    capture: Capture, database_url: str, tamper: Callable[[common_pb2.Block], None]
) -> None:
    bad = capture.ordered(6)
    tamper(bad)
    async with committing(capture, database_url) as (committer, outcome, _):
        for number in range(1, 6):
            await committer.put(capture.ordered(number))
        await committer.put(bad)
        await committer.put(capture.ordered(6))
        await outcome.wait(lambda told: told.stopped is not None)
    assert "block" in str(outcome.stopped)
    with connect(database_url) as connection:
        assert BlockStore(connection, 1).tip().height == 6


async def test_second_peer_on_the_same_channel_tables_is_refused(capture: Capture, database_url: str) -> None:
    async with committing(capture, database_url):
        with pytest.raises(ChannelLockedError):
            async with committing(capture, database_url):
                pass


async def test_another_genesis_block_is_refused(database_url: str) -> None:
    raft, bft = (Capture(network) for network in NETWORKS)
    async with committing(raft, database_url):
        pass
    with pytest.raises(StoreError, match="not the genesis block given"):
        async with committing(bft, database_url):
            pass


async def test_work_between_blocks_that_nobody_does_any_more_ends(capture: Capture, database_url: str) -> None:
    """The second thread is held, so that work lies behind the end of its queue; what comes later finds it gone."""
    async with committing(capture, database_url) as (committer, outcome, _):
        held, release = threading.Event(), threading.Event()

        def hold(connection: Connection) -> None:
            held.set()
            assert release.wait(10)

        def answer(connection: Connection) -> int:
            return 7

        first = asyncio.create_task(committer.between_blocks(hold))
        assert await asyncio.to_thread(held.wait, 10)
        bad = capture.ordered(1)
        tamper_signature(bad)
        await committer.put(bad)
        await outcome.wait(lambda told: told.stopped is not None)
        late = asyncio.create_task(committer.between_blocks(answer))
        done, _ = await asyncio.wait({late}, timeout=0.5)
        assert not done
        release.set()
        await first
        for waiting in (late, asyncio.create_task(committer.between_blocks(answer))):
            with pytest.raises(ChannelStoppedError, match="channel anchors is no longer committed"):
                await asyncio.wait_for(waiting, 5)


async def test_fault_in_work_between_blocks_is_told_to_who_waits(capture: Capture, database_url: str) -> None:
    def fail(connection: Connection) -> None:
        raise ZeroDivisionError

    async with committing(capture, database_url) as (committer, outcome, _):
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(committer.between_blocks(fail), 5)
        await outcome.wait(lambda told: told.stopped is not None)
    assert "a fault of the program: ZeroDivisionError" in str(outcome.stopped)


async def test_reading_after_the_end_is_refused(database_url: str) -> None:
    thread = DatabaseThread("peer-test", database_url)
    thread.start()
    assert await thread.run(lambda connection: 7) == 7
    await thread.stop()
    with pytest.raises(StoreError, match="no longer asked: this peer stops"):
        await asyncio.wait_for(thread.run(lambda connection: 7), 5)
