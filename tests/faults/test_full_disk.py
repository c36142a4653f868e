"""A disk without a byte left: what was acknowledged stays, nothing ends for good, and all goes on once there is room.

Method: a consortium as `dwaybank up` leaves it running, its home on a small file system of its own that a test fills to
the last byte: books, blocks, logs and status then find no room at once.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from node.errors import PostgresError
from node.home import open_home
from node.ports import free_port
from node.postgres import ClusterSettings, PostgresCluster
from tests.support.consortium import (
    RunningConsortium,
    dwaybank,
    eventually,
    free_base_port,
    home_folder,
    own_consortium,
)

pytestmark = pytest.mark.faults

SIZE = "size=340m,mode=755"
"""Room for a consortium of three and little more."""


@pytest.fixture
def disk() -> Iterator[Path]:
    """A small file system; the consortium in its ``home`` is stopped at the end."""
    folder = home_folder()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", SIZE, "tmpfs", folder], capture_output=True, check=False)
    if mounted.returncode:
        folder.rmdir()
        pytest.skip("a small file system cannot be mounted: run this as root, in a container with CAP_SYS_ADMIN")
    try:
        yield folder
    finally:
        if (folder / "home" / "consortium.yaml").exists():
            empty(folder)
            dwaybank("down", "--home", folder / "home")
        # Lazily: what ended a moment ago may have a file open still.
        subprocess.run(["umount", "--lazy", folder], check=True)
        shutil.rmtree(folder)


def fill(disk: Path) -> None:
    with (disk / "fill").open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                break
    assert shutil.disk_usage(disk).free == 0


def empty(disk: Path) -> None:
    (disk / "fill").unlink(missing_ok=True)


def test_backup_that_finds_no_room_says_so_and_leaves_none_of_it(disk: Path) -> None:
    fill(disk)
    with (disk / "fill").open("r+b") as file:
        file.truncate(file.seek(0, 2) - 8 * 2**20)
    with own_consortium() as running:
        told = dwaybank("backup", disk / "today", "--home", running.root).stderr
        assert "No space left on device" in told, told
        assert [path.name for path in disk.iterdir()] == ["fill"]


async def test_full_disk_loses_nothing_and_needs_nobody_once_there_is_room(disk: Path) -> None:
    root = disk / "home"
    running = await started(root)
    acknowledged = [await running.deposit(running.bank, "cust-disk", 100)]
    await running.settled()

    fill(disk)
    acknowledged += [await running.deposit(running.bank, "cust-disk", 100) for _ in range(5)]

    async def stalled() -> bool:
        return bool((await running.anchor_status(running.bank)).stalled)

    await eventually(stalled, "the orderer takes nothing more, and the node says so")
    assert (await running.anchor_status(running.bank)).posted_seq == acknowledged[-1]
    empty(disk)
    (found, *_) = await running.settled()
    assert found.attested_size == acknowledged[-1], "the orderer's process came back by itself"

    fill(disk)
    acknowledged.append(await running.deposit(running.bank, "cust-disk", 100))
    stopped = running.command("down")
    assert (stopped.returncode, stopped.stderr) == (0, "")
    assert not list(root.glob("*/postgres/data/postmaster.pid")), "the database servers ended in order"
    refused = running.command("up")
    assert refused.returncode == 1
    assert "MiB free, and a start needs 32: make room" in refused.stderr, "neither log nor status can say it"
    empty(disk)
    assert running.command("up").returncode == 0
    (found, *_) = await running.settled()
    assert found.attested_size == acknowledged[-1]
    assert (await running.audit(running.regulator, running.bank)).findings == []


async def test_database_server_that_panics_without_room_for_its_log_comes_back_with_all_that_was_acknowledged(
    disk: Path,
) -> None:
    root = disk / "home"
    running = await started(root)
    acknowledged = await running.deposit(running.bank, "cust-disk", 100)
    await running.settled()
    assert running.command("status").returncode == 0

    fill(disk)
    server_log = root / "dwaybank" / "postgres" / "server.log"
    port = running.bank.postgres_port
    url = PostgresCluster(ClusterSettings(root / "dwaybank" / "postgres", port)).url()
    write_ahead_until(lambda: int(running.processes()["dwaybank-postgres"]["restarts"]) > 1, url)
    assert "No space left on device" in server_log.read_text()
    assert running.command("status").returncode == 1
    empty(disk)

    async def all_runs() -> bool:
        return running.command("status").returncode == 0

    await eventually(all_runs, "the database server came back by itself", 60)
    (found, *_) = await running.settled()
    assert found.attested_size >= acknowledged
    acknowledged = await running.deposit(running.bank, "cust-disk", 100)
    (found, *_) = await running.settled()
    assert found.attested_size == acknowledged, "one entry after the other, as if nothing had been"
    assert running.command("status").returncode == 0
    assert (await running.audit(running.regulator, running.bank)).findings == []


def test_server_that_finds_no_room_to_start_says_so_though_its_log_cannot_hold_it(disk: Path) -> None:
    cluster = PostgresCluster(ClusterSettings(disk / "org" / "postgres", free_port(), kept=True))
    cluster.start()
    try:
        with psycopg.connect(cluster.url(), autocommit=True) as connection:
            # Else a checkpoint may make room, by what it lets go of its log, for as long as anybody writes.
            connection.execute("ALTER SYSTEM SET wal_keep_size = '1GB'")
            connection.execute("SELECT pg_reload_conf()")
        fill(disk)
        write_ahead_until(lambda: cluster.poll() is not None, cluster.url())
        cluster.launch()
        with pytest.raises(PostgresError, match=r"ended at start: .* has 0 MiB free, .* takes 16: make room"):
            cluster.wait_until_ready()
        empty(disk)
        cluster.launch()
        cluster.wait_until_ready()
    finally:
        cluster.stop()


def write_ahead_until(ended: Callable[[], bool], url: str) -> None:
    """Begin one file of the write-ahead log after another: on a full disk the next one is not to be had."""
    deadline = time.monotonic() + 60
    while not ended():
        assert time.monotonic() < deadline, "the server goes on without its log"
        # Only where it must not fail, at a commit, the server panics: until then it says that the disk is full.
        for statement in ("SELECT pg_switch_wal()", "SELECT pg_logical_emit_message(true, '', repeat('x', 1000000))"):
            with contextlib.suppress(psycopg.Error), psycopg.connect(url, autocommit=True) as connection:
                connection.execute(statement)


async def started(root: Path) -> RunningConsortium:
    """Return a consortium that ``dwaybank up`` left running, in whose bank an account takes money."""
    running = RunningConsortium(root, free_base_port())
    done = dwaybank("up", "--home", root, "--base-port", str(running.base_port))
    assert done.returncode == 0, done.stderr
    running.home, running.consortium = open_home(root)
    await eventually(lambda: attempt(running), "money can be paid in", 60)
    await running.settled()
    return running


async def attempt(running: RunningConsortium) -> bool:
    await running.deposit(running.bank, (await running.open_account(running.bank, "cust-disk")).account, 100)
    return True
