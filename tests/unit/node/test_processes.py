"""What keeps processes alive, and the status beside them, while the disk takes nothing.

Method: real child processes; a folder that is away stands for a disk that refuses, and comes back.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from node import liveness, processes
from node.errors import SupervisorError
from node.home import Home
from node.liveness import Question, question_for
from node.ports import free_port
from node.processes import ManagedProcess, ProcessSpec
from node.supervisor import Status
from tests.support.consortium import eventually


async def test_process_whose_log_cannot_be_opened_is_started_again_once_it_can(tmp_path: Path) -> None:
    logs, away, program = tmp_path / "logs", tmp_path / "away", tmp_path / "program.py"
    logs.mkdir()
    program.write_text("import time; time.sleep(60)")
    kept = ManagedProcess(ProcessSpec("idle", (str(program),), 9, logs / "idle.log"))
    await kept.start()
    try:
        logs.rename(away)
        first = kept.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)

        async def refused() -> bool:
            return kept.restarts > 1

        async def again() -> bool:
            return kept.pid not in (None, first)

        await eventually(refused, "it cannot be started")
        assert kept.pid is None
        away.rename(logs)
        await eventually(again, "the process runs again")
    finally:
        await kept.stop()


async def test_process_that_migrates_large_books_is_waited_for_and_not_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "time", SimpleNamespace(monotonic=lambda: 100 * time.monotonic()))
    port, program = free_port(), tmp_path / "program.py"
    program.write_text(
        f"import socket, time; time.sleep(2)\nwith socket.create_server(('127.0.0.1', {port})): time.sleep(60)"
    )
    slow = ManagedProcess(ProcessSpec("slow", (str(program),), port, tmp_path / "slow.log"))
    await slow.start()
    try:
        await slow.wait_until_ready()
        assert slow.restarts == 0
    finally:
        await slow.stop()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask often, and wait for no answer long."""
    monkeypatch.setattr(processes, "ASK_PAUSE_S", 0.1)
    monkeypatch.setattr(processes, "MISSED_MAX", 5)
    monkeypatch.setattr(liveness, "ANSWER_TIMEOUT_S", 0.3)


ANSWERING = """
import socket, time
with socket.create_server(("127.0.0.1", {port})) as server:
    while True:
        server.accept()[0].close()
"""


@pytest.mark.usefixtures("impatient")
async def test_process_that_is_stopped_while_it_runs_is_ended_and_started_again(tmp_path: Path) -> None:
    port, program = free_port(), tmp_path / "program.py"
    program.write_text(ANSWERING.format(port=port))
    stuck = ManagedProcess(
        ProcessSpec("stuck", (str(program),), port, tmp_path / "log", lambda: Question("127.0.0.1", port))
    )
    await stuck.start()
    try:
        await stuck.wait_until_ready()
        await asyncio.sleep(2)
        assert stuck.restarts == 0, "one that answers is left alone"
        first = stuck.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)

        async def again() -> bool:
            return stuck.pid not in (None, first) and await Question("127.0.0.1", port).is_answered() is True

        await eventually(again, "another one answers")
    finally:
        await stuck.stop()


@pytest.mark.usefixtures("impatient")
async def test_process_that_is_stuck_before_it_listens_ends_the_start_and_says_so(tmp_path: Path) -> None:
    port, program = free_port(), tmp_path / "program.py"
    program.write_text("import time; time.sleep(60)")
    stuck = ManagedProcess(
        ProcessSpec("stuck", (str(program),), port, tmp_path / "log", lambda: Question("127.0.0.1", port))
    )
    await stuck.start()
    try:
        with pytest.raises(SupervisorError, match="stuck did not start: it answered none of 20 questions"):
            await stuck.wait_until_ready(120)
    finally:
        await stuck.stop()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("answers", [True, False])
async def test_process_that_prepares_for_long_is_not_taken_for_stuck(tmp_path: Path, answers: bool) -> None:
    port, asked, program = free_port(), free_port(), tmp_path / "program.py"
    program.write_text(ANSWERING.format(port=asked) if answers else "import time; time.sleep(60)")
    # A node answers at its operations port meanwhile; a gateway opens its own late.
    question = Question("127.0.0.1", asked, heard_from_the_first=answers)
    slow = ManagedProcess(ProcessSpec("slow", (str(program),), port, tmp_path / "log", lambda: question))
    await slow.start()
    try:
        await asyncio.sleep(2)
        assert slow.restarts == 0
    finally:
        await slow.stop()


def test_status_that_cannot_be_written_stops_nobody_and_is_written_when_it_can(tmp_path: Path) -> None:
    file = tmp_path / "run" / "status.json"
    status = Status(file)
    assert not status.update(state="running")
    file.parent.mkdir()
    assert status.update(step="")
    assert json.loads(file.read_text())["state"] == "running"


@pytest.mark.parametrize(
    "settings", [b"operations: {port: 70000}", b"operations: {port: x}", b"operations: {port: .inf}", b"\xff\xfe\xff"]
)
async def test_settings_that_name_nothing_that_can_be_asked_end_nobodys_watch(tmp_path: Path, settings: bytes) -> None:
    (tmp_path / "bank").mkdir()
    (tmp_path / "bank" / "node.yaml").write_bytes(settings)
    assert question_for(Home(tmp_path), "bank-node", 7051) is None
    assert await Question("a..b", 7051).is_answered() is None
