"""Who may make a backup when, and what it says that fails.

Method: a process that holds the home as a supervisor does and says that the orderer is held; the databases are on
servers of the banks' own, which a backup leaves out.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog.testing

from network.topology import default_consortium
from node import backup
from node.backup import back_up
from node.errors import ConfigurationError, SupervisorError
from node.home import Home, prepare_home
from node.lock_file import is_locked, take_lock
from node.start import read_status
from node.supervisor import Status, Supervisor
from tests.support.consortium import home_folder

HOLDER = """
import sys, time
from pathlib import Path
from node.home import Home
from node.supervisor import hold_lock
with hold_lock(Home(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    described = default_consortium(30_000)
    given = {member.name: "postgresql://admin@db.example/postgres" for member in described.organizations}
    found, _ = prepare_home(tmp_path / "home", lambda: described, datetime.now(UTC), given)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, found.root, "supervise"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        say(found, process.pid, held=True)
        yield found
        process.kill()


def say(home: Home, pid: int, *, held: bool, without: tuple[str, ...] = ()) -> None:
    status = {"pid": pid, "state": "running", "held": held, "without": without}
    (home.run / "status.json").write_text(json.dumps(status))


def test_backup_without_a_member_that_was_left_out_is_refused(home: Home, tmp_path: Path) -> None:
    say(home, read_status(home)["pid"], held=True, without=("partner",))
    with pytest.raises(SupervisorError, match=r"partner was left out .*--without.*start it with all"):
        back_up(home.root, tmp_path / "backup")
    assert not list(tmp_path.glob("backup*"))


def test_second_backup_to_the_same_folder_leaves_the_first_alone(home: Home, tmp_path: Path) -> None:
    being_made = tmp_path / "backup.building"
    being_made.mkdir()
    with home.backup_lock.open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        with pytest.raises(SupervisorError, match=r"another backup of .* is being made"):
            back_up(home.root, tmp_path / "backup")
    assert being_made.exists()
    remarks = back_up(home.root, tmp_path / "backup")
    assert "compare its positions" in remarks[0]
    assert (tmp_path / "backup" / "crypto").exists()
    assert not being_made.exists()


def test_supervisor_that_looks_for_a_backup_is_taken_for_none(home: Home, tmp_path: Path) -> None:
    home.backup_lock.touch()
    with home.backup_lock.open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.2, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        back_up(home.root, tmp_path / "backup")


def test_file_that_cannot_be_copied_is_named_with_the_reason(home: Home, tmp_path: Path) -> None:
    os.mkfifo(home.root / "crypto" / "odd")
    with pytest.raises(ConfigurationError, match=r"odd cannot be copied or written: .*is a named pipe"):
        back_up(home.root, tmp_path / "backup")
    (home.root / "crypto" / "odd").unlink()
    (home.root / "crypto" / "odd").symlink_to("nowhere")
    (home.root / "orderer" / "long").mkdir()
    (home.root / "orderer" / "long" / "file").touch()
    os.mkfifo(home.root / "orderer" / "long" / "odd")
    with pytest.raises(ConfigurationError, match=r"orderer/long/odd cannot be copied or written: "):
        back_up(home.root, tmp_path / "backup")


def test_backup_while_the_orderer_goes_on_is_none(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "HOLD_TIMEOUT_S", 0.3)
    say(home, read_status(home)["pid"], held=False)
    with pytest.raises(SupervisorError, match="the orderer did not stop within"):
        back_up(home.root, tmp_path / "backup")
    assert list(tmp_path.iterdir()) == [home.root]


def test_lock_file_of_another_account_is_looked_at_all_the_same() -> None:
    folder = home_folder()
    path = folder / "backup"
    own = os.geteuid()
    try:
        with take_lock(path) or pytest.fail("nobody holds it"):
            path.chmod(0o444)
            if own == 0:
                os.seteuid(65534)
            assert is_locked(path)
        assert not is_locked(path)
    finally:
        os.seteuid(own)
        shutil.rmtree(folder)


class _Orderer:
    """Notes what the status said when it was started; refuses to start as often as it is told."""

    def __init__(self, home: Home, refusals: int) -> None:
        self.home, self.refusals = home, refusals
        self.held_at_start: list[object] = []

    async def start(self) -> None:
        """Start."""
        self.held_at_start.append(read_status(self.home).get("held"))
        self.refusals -= 1
        if self.refusals >= 0:
            raise OSError(28, "No space left on device", "orderer.log")

    async def stop(self) -> None:
        """Stop."""


async def test_orderer_is_told_to_be_held_only_while_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, consortium = prepare_home(tmp_path / "home", lambda: default_consortium(30_000), datetime.now(UTC), {})
    supervisor = Supervisor(home, consortium, Status(home.run / "status.json"))
    orderer = _Orderer(home, refusals=3)
    monkeypatch.setattr(supervisor, "_orderers", [orderer])
    monkeypatch.setattr(supervisor, "describe", list)
    look = supervisor._yield_to_backup
    with take_lock(home.backup_lock) or pytest.fail("nobody holds it"):
        await look()
        assert read_status(home)["held"] is True
    with structlog.testing.capture_logs() as told:
        for _ in range(3):
            await look()
            assert read_status(home)["held"] is True, "it is down still"
    assert [line["reason"] for line in told] == ["orderer.log: No space left on device"]
    await look()
    assert read_status(home)["held"] is False
    assert orderer.held_at_start == [False] * 4
