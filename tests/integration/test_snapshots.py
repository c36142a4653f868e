"""Snapshots of a ledger whose blocks a real Fabric network wrote: made at the block asked for, begun from, refused.

Method: the captured blocks are committed up to a snapshot and beyond; a second ledger begins from that snapshot,
commits the rest, and must then be the first one: same commit hash, same state, same next snapshot, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from network.block import recorded_commit_hash
from network.errors import ConfigError
from node.peer.committer import Committer
from node.peer.database import connect, fetch, migrate
from node.peer.errors import PeerError, SnapshotError
from node.peer.snapshots.files import ADDITIONAL_NAME, SIGNABLE_NAME, SnapshotMetadata
from node.peer.snapshots.importer import import_snapshot
from node.postgres import PostgresCluster
from tests.support.captured import NETWORKS
from tests.support.committing import Capture, Outcome, committing, snapshots_made

FIRST, SECOND = 20, 35
NOW = datetime(2026, 11, 28, tzinfo=UTC)


@pytest.fixture(params=NETWORKS)
def capture(request: pytest.FixtureRequest) -> Capture:
    return Capture(request.param)


@pytest.fixture(scope="module")
def raft() -> Capture:
    return Capture("raft")


async def commit(capture: Capture, committer: Committer, outcome: Outcome, start: int, stop: int) -> None:
    """Commit blocks [start, stop) and wait for them."""
    told = len(outcome.blocks)
    for number in range(start, stop):
        await committer.put(capture.ordered(number))
    await outcome.wait(lambda now: len(now.blocks) == told + stop - start or now.stopped is not None)
    assert outcome.stopped is None


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rows(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT namespace, collection, key, long_key, value, metadata, block_number, tx_number "
            "FROM channel.state ORDER BY 1, 2, 3"
        ).fetchall()


async def snapshot_of(capture: Capture, url: str, root: Path, number: int = FIRST) -> Path:
    """Commit up to a block and have its snapshot made."""
    async with committing(capture, url, snapshots=root) as (committer, outcome, _):
        committer.snapshots.submit(number)
        await commit(capture, committer, outcome, 1, number + 1)
        await snapshots_made(committer)
    return root / "completed" / "anchors" / str(number)


async def test_ledger_begun_from_a_snapshot_becomes_the_same_ledger(
    capture: Capture, database_url: str, postgres_cluster: PostgresCluster, tmp_path: Path
) -> None:
    last = len(capture.recorded) - 1
    async with committing(capture, database_url, snapshots=tmp_path / "one") as (committer, outcome, _):
        for number in (FIRST, SECOND):
            committer.snapshots.submit(number)
        await commit(capture, committer, outcome, 1, last + 1)
        await snapshots_made(committer)
    first = tmp_path / "one" / "completed" / "anchors" / str(FIRST)
    metadata = SnapshotMetadata.read(first)
    assert (metadata.channel_id, metadata.last_block) == ("anchors", FIRST)
    assert metadata.commit_hash == recorded_commit_hash(capture.recorded[FIRST])
    second_url = postgres_cluster.create_database(f"begun_{capture.network}")
    with psycopg.connect(second_url) as owner:
        migrate(owner)
    import_snapshot(second_url, first, metadata, NOW, capture.creator)
    async with committing(capture, second_url, snapshots=tmp_path / "two", genesis=b"") as (committer, outcome, tip):
        assert (tip.height, committer.first_block) == (FIRST + 1, FIRST + 1)
        committer.snapshots.submit(SECOND)
        await commit(capture, committer, outcome, FIRST + 1, last + 1)
        await snapshots_made(committer)
        assert outcome.blocks[-1].commit_hash == recorded_commit_hash(capture.recorded[-1])
    assert rows(database_url) == rows(second_url)
    one, two = (contents(tmp_path / name / "completed" / "anchors" / str(SECOND)) for name in ("one", "two"))
    assert one == two
    assert {"public_state.data", "private_state_hashes.data", "txids.data", "confighistory.data"} <= one.keys()


async def test_request_survives_restarts_and_is_made_at_its_block(
    raft: Capture, database_url: str, tmp_path: Path
) -> None:
    async with committing(raft, database_url, snapshots=tmp_path) as (committer, outcome, _):
        committer.snapshots.submit(12)
        await commit(raft, committer, outcome, 1, 6)
    async with committing(raft, database_url, snapshots=tmp_path) as (committer, outcome, _):
        assert committer.snapshots.pending() == [12]
        await commit(raft, committer, outcome, 6, 16)
        await snapshots_made(committer)
    found = SnapshotMetadata.read(tmp_path / "completed" / "anchors" / "12")
    assert found.last_block == 12
    assert found.commit_hash == recorded_commit_hash(raft.recorded[12])
    assert list((tmp_path / "temp").iterdir()) == []


async def test_what_a_killed_process_left_is_removed_and_made_again(
    raft: Capture, database_url: str, tmp_path: Path
) -> None:
    """As if killed at the worst moment: block committed, snapshot half written, request still there."""
    async with committing(raft, database_url, snapshots=tmp_path) as (committer, outcome, _):
        await commit(raft, committer, outcome, 1, 9)
    half = tmp_path / "temp" / "anchors-8-abcd"
    half.mkdir(parents=True)
    (half / "txids.data").write_bytes(b"\x01half")
    with connect(database_url) as connection:
        fetch(connection, "insert_snapshot_request", (1, 8))
    async with committing(raft, database_url, snapshots=tmp_path) as (committer, _, _):
        await snapshots_made(committer)
    assert list((tmp_path / "temp").iterdir()) == []
    assert SnapshotMetadata.read(tmp_path / "completed" / "anchors" / "8").last_block == 8


async def test_requests_are_refused_in_fabrics_words(raft: Capture, database_url: str, tmp_path: Path) -> None:
    async with committing(raft, database_url, snapshots=tmp_path) as (committer, outcome, _):
        await commit(raft, committer, outcome, 1, 6)
        snapshots = committer.snapshots
        snapshots.submit(0)
        await snapshots_made(committer)
        assert (tmp_path / "completed" / "anchors" / "5").is_dir()
        snapshots.submit(9)
        for call, text in (
            (lambda: snapshots.submit(9), "duplicate snapshot request for block number 9"),
            (lambda: snapshots.submit(0), "snapshot already generated for block number 5"),
            (
                lambda: snapshots.submit(3),
                "requested snapshot for block number 3 cannot be less than the last committed block number 5",
            ),
            (lambda: snapshots.cancel(7), "no snapshot request exists for block number 7"),
        ):
            refused(call, text)
        snapshots.cancel(9)
        assert snapshots.pending() == []


def refused(call: Callable[[], None], text: str) -> None:
    with pytest.raises(SnapshotError) as refusal:
        call()
    assert str(refusal.value) == text


def flip(folder: Path, name: str) -> None:
    path = folder / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def rewrite(folder: Path, **changes: object) -> None:
    """Change the signable metadata and make the other file agree, as someone who forges a snapshot would."""
    metadata = json.loads((folder / SIGNABLE_NAME).read_text())
    for name in (SIGNABLE_NAME, ADDITIONAL_NAME):
        (folder / name).chmod(0o644)
    content = json.dumps(metadata | changes, indent=4).encode()
    (folder / SIGNABLE_NAME).write_bytes(content)
    additional = json.loads((folder / ADDITIONAL_NAME).read_text())
    additional["snapshot_hash"] = hashlib.sha256(content).hexdigest()
    (folder / ADDITIONAL_NAME).write_text(json.dumps(additional))


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda folder: flip(folder, "public_state.data"), "hash mismatch for file [public_state.data]"),
        (lambda folder: flip(folder, SIGNABLE_NAME), "hash mismatch for file [_snapshot_signable_metadata.json]"),
        (lambda folder: (folder / "txids.data").unlink(), "cannot be read"),
        (lambda folder: rewrite(folder, state_db_type="CouchDB"), "only 'SimpleKeyValueDB' can be read"),
        (lambda folder: rewrite(folder, last_block_number=-1), "last_block_number is -1"),
        (lambda folder: rewrite(folder, snapshot_files_raw_hashes={"../x": "00"}), "is not the name of a file"),
        (lambda folder: rewrite(folder, last_block_hash="00"), "has 1 bytes instead of 32"),
        (lambda folder: rewrite(folder, channel_name="No Channel"), "channel ID 'No Channel'"),
    ],
)
@pytest.mark.every_postgres
async def test_damaged_snapshot_is_refused_and_leaves_nothing(
    raft: Capture,
    database_url: str,
    postgres_cluster: PostgresCluster,
    tmp_path: Path,
    damage: Callable[[Path], object],
    text: str,
    request: pytest.FixtureRequest,
) -> None:
    folder = await snapshot_of(raft, database_url, tmp_path)
    folder.chmod(0o755)
    damage(folder)
    url = postgres_cluster.create_database(f"refused_{abs(hash(request.node.name))}")
    with psycopg.connect(url) as owner:
        migrate(owner)
    with pytest.raises((PeerError, ConfigError)) as refusal:
        import_snapshot(url, folder, SnapshotMetadata.read(folder), NOW, raft.creator)
    assert text in str(refusal.value)
    with psycopg.connect(url) as connection:
        for table in ("channel", "block", "transaction", "state", "origin", "joined_channel"):
            assert connection.execute(f"SELECT count(*) FROM channel.{table}".encode()).fetchone() == (0,), table


async def test_snapshot_of_a_channel_that_is_here_is_refused(raft: Capture, database_url: str, tmp_path: Path) -> None:
    folder = await snapshot_of(raft, database_url, tmp_path)
    with pytest.raises(SnapshotError, match=r"ledger \[anchors\] already exists"):
        import_snapshot(database_url, folder, SnapshotMetadata.read(folder), NOW, raft.creator)
