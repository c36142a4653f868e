"""A disk without a byte left: what was acknowledged stays, nothing ends for good, and all goes on once there is room.

Method: a consortium as `dwaybank up` leaves it running, its home on a small file system of its own that a test fills to
the last byte: books, blocks, logs and status then find no room at once.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.home import open_home
from tests.support.consortium import RunningConsortium, dwaybank, eventually, free_base_port, home_folder

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


async def test_full_disk_loses_nothing_and_needs_nobody_once_there_is_room(disk: Path) -> None:
    root = disk / "home"
    running = RunningConsortium(root, free_base_port())
    started = dwaybank("up", "--home", root, "--base-port", str(running.base_port))
    assert started.returncode == 0, started.stderr
    running.home, running.consortium = open_home(root)
    await eventually(lambda: attempt(running), "money can be paid in", 60)
    await running.settled()
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


async def attempt(running: RunningConsortium) -> bool:
    await running.deposit(running.bank, (await running.open_account(running.bank, "cust-disk")).account, 100)
    return True
