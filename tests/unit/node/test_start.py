"""What ``up`` accepts before it starts anything."""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from network.topology import default_consortium
from node import start
from node.errors import ConfigurationError, SupervisorError
from node.home import Home, prepare_home
from node.start import free_base_port, is_held, parse_database_urls, running_pid, start_consortium, stop_consortium
from node.status import consortium_status
from node.supervisor import hold_lock
from tests.support.consortium import free_base_port as some_base_port


def test_database_url_with_organization_is_taken() -> None:
    url = "postgresql://admin:secret@db.example/postgres"
    assert parse_database_urls([f"dwaybank={url}"]) == {"dwaybank": url}


@pytest.mark.parametrize("value", ["postgresql://x", "dwaybank", "dwaybank=mysql://x", "=postgresql://x", "dwaybank="])
def test_database_url_in_another_form_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(ConfigurationError, match="write ORGANIZATION=postgresql://"):
        parse_database_urls([value])


def test_free_base_port_skips_a_taken_range() -> None:
    # Of a range that nobody is likely to want at this moment, unlike the default one.
    first = some_base_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first))
        taken.listen()
        assert free_base_port(first) > first


def test_whoever_looks_whether_it_runs_is_taken_for_no_supervisor(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.run.mkdir()
    (home.run / "lock").touch()
    with (home.run / "lock").open("r+") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert not is_held(home)
        threading.Timer(0.2, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        held = hold_lock(home)
    with held:
        assert is_held(home)
        with pytest.raises(SupervisorError, match="running already"):
            hold_lock(home)
    assert not is_held(home)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[tuple[Home, subprocess.Popen[str], Callable[[str], None]]]:
    """A home that a process holds which looks like a supervisor, and what has it say how far it is."""
    home, _ = prepare_home(tmp_path / "home", lambda: default_consortium(30_000), datetime.now(UTC), {})
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, home.root, "supervise"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"

        def say(state: str) -> None:
            told = {"pid": process.pid, "state": state, "step": "", "error": "no room" if state == "failed" else ""}
            (home.run / "status.json").write_text(json.dumps(told))

        yield home, process, say
        process.kill()


HOLDER = """
import sys, time
from pathlib import Path
from node.home import Home
from node.supervisor import hold_lock
with hold_lock(Home(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


def up(home: Home, capsys: pytest.CaptureFixture[str]) -> str:
    start_consortium(home.root, None, [], foreground=False)
    return capsys.readouterr().out


def test_up_while_another_starts_it_returns_when_it_runs(supervised: Any, capsys: pytest.CaptureFixture[str]) -> None:
    home, _, say = supervised
    say("starting")
    began = time.monotonic()
    threading.Timer(0.5, say, ("running",)).start()
    assert "is running already" in up(home, capsys)
    assert time.monotonic() - began >= 0.5, "it was told to run before it did"


def test_up_waits_for_a_start_that_goes_on_however_long_it_takes(
    supervised: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "START_TIMEOUT_S", 1.5)
    home, _, say = supervised
    say("starting")
    threading.Timer(2, say, ("running",)).start()
    assert "is running already" in up(home, capsys)


def test_up_while_another_fails_to_start_it_says_why(supervised: Any, capsys: pytest.CaptureFixture[str]) -> None:
    home, process, say = supervised
    say("starting")
    threading.Timer(0.5, lambda: (say("failed"), process.kill())).start()
    with pytest.raises(SupervisorError, match="was being started and is not running: no room"):
        up(home, capsys)


def test_up_while_it_is_being_stopped_says_so(supervised: Any, capsys: pytest.CaptureFixture[str]) -> None:
    home, _, say = supervised
    say("stopping")
    with pytest.raises(SupervisorError, match="is being stopped"):
        up(home, capsys)


def test_home_that_was_copied_is_not_started_on_the_files_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "TELL_TIMEOUT_S", 0.3)
    first, copy = tmp_path / "first", tmp_path / "copy"
    prepare_home(first, lambda: default_consortium(30_000), datetime.now(UTC), {})
    shutil.copytree(first, copy)
    with pytest.raises(
        ConfigurationError, match=f"{copy} was made as {first}, and its settings and URLs name files there"
    ):
        start_consortium(copy, None, [], foreground=False)
    shutil.rmtree(first)
    first.symlink_to(copy)
    with hold_lock(Home(copy)), pytest.raises(SupervisorError, match="another command works on its data"):
        start_consortium(first, None, [], foreground=False)


def test_down_ends_who_holds_the_home_and_nobody_that_an_old_status_names(
    supervised: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, process, say = supervised
    monkeypatch.setattr(start, "TELL_TIMEOUT_S", 0.3)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as bystander:
        told = {"pid": bystander.pid, "state": "running", "processes": []}
        (home.run / "status.json").write_text(json.dumps(told))
        assert consortium_status(home.root)["state"] == "maintenance"
        with pytest.raises(SupervisorError, match="another command works on its data"):
            stop_consortium(home.root)
        assert bystander.poll() is None
        bystander.kill()
    say("running")
    assert running_pid(home) == process.pid
    assert "Stopped" in stop_consortium(home.root)
    assert process.wait(5) == -signal.SIGTERM
