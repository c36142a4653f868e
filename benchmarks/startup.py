"""How long ``dwaybank up`` and ``down`` take, and how much memory an idle consortium holds, PostgreSQL included."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.consortium import FIRST_PORT, READY_TIMEOUT_S, Running, wait_for_height
from benchmarks.measure import REPOSITORY, Result, cpu_s, descendants, memory_mib
from network.client import GatewayClient
from network.identity import SigningIdentity
from node.home import Home, open_home
from node.start import free_base_port, running_pid

IDLE_S = 10.0
FIRST_TRANSACTION_S_MAX = 8.0
IDLE_PSS_MIB_MAX = 900.0


def run() -> Result:
    """Measure through the command line, as a person would see it."""
    result = Result("startup", "Start, stop and idle memory of three members")
    root = Path(tempfile.mkdtemp(prefix="dwaybank-bench-"))
    try:
        _starts(root, result)
        home, _ = open_home(root)
        memory = _memory(home)
        result.details["memory"] = memory
        result.rows += [{"what": name, **values} for name, values in memory.items()]
        idle_cpu = _idle_cpu(home)
        result.rows.append({"what": f"CPU of all, idle for {IDLE_S:.0f} s", "percent_of_a_core": idle_cpu})
        result.rows.append({"what": "down", "seconds": _command(root, "down")})
        result.rows.append({"what": "up again, all processes answer", "seconds": _command(root, "up")})
        result.rows.append({"what": "down again", "seconds": _command(root, "down")})
        result.below("idle memory of all processes, proportional (MiB)", IDLE_PSS_MIB_MAX, memory["all"]["pss_mib"])
    finally:
        _stop_whatever_runs(root)
        shutil.rmtree(root, ignore_errors=True)
    return result


def _starts(root: Path, result: Result) -> None:
    """From nothing: until a definition is committed everywhere, and until a client's own call is answered."""
    base_port = free_base_port(FIRST_PORT + os.getpid() % 200 * 100)
    began = time.monotonic()
    command = _start(root, "up", "--base-port", str(base_port))
    running = _when_described(root, command)
    asyncio.run(wait_for_height(running, 2))
    first_s = time.monotonic() - began
    spent_s = _cpu_of_start(command.pid, running.home)
    if command.wait() != 0:
        raise RuntimeError("up failed")
    up_s = time.monotonic() - began
    asyncio.run(_first_call(running))
    called_s = time.monotonic() - began
    result.rows += [
        {
            "what": "fresh home: first transaction committed at all members",
            "seconds": round(first_s, 2),
            "cpu_seconds": round(spent_s, 2),
        },
        {"what": "fresh home: up returns, gateways answer", "seconds": round(up_s, 2)},
        {"what": "fresh home: a client's call of a contract is answered", "seconds": round(called_s, 2)},
    ]
    result.below("first committed transaction after the command (s)", FIRST_TRANSACTION_S_MAX, first_s)


def _cpu_of_start(command: int, home: Home) -> float:
    """CPU seconds of the command and of the supervisor, which is its child until the command ends."""
    supervisor = running_pid(home)
    if supervisor is None or supervisor in descendants(command):
        return cpu_s(command)
    return cpu_s(command) + cpu_s(supervisor)


def _memory(home: Home) -> dict[str, dict[str, float]]:
    """Memory of each part after a while of idling; a database server counts with its sessions."""
    time.sleep(IDLE_S)
    running = Running(*open_home(home.root))
    supervisor = running_pid(home)
    assert supervisor is not None
    parts = {name: [pid, *descendants(pid)] for name, pid in running.pids().items()}
    parts["supervisor"] = [supervisor]
    found = {name: memory_mib(pids) for name, pids in parts.items()}
    found["all"] = memory_mib({pid for pids in parts.values() for pid in pids})
    return found


def _idle_cpu(home: Home) -> float:
    supervisor = running_pid(home)
    assert supervisor is not None
    before = cpu_s(supervisor)
    time.sleep(IDLE_S)
    return round((cpu_s(supervisor) - before) / IDLE_S * 100, 1)


async def _first_call(running: Running) -> None:
    identity = SigningIdentity.from_msp_folder(running.home.user(running.bank, "User1") / "msp", running.bank.msp_id)
    async with running.node() as node:
        await GatewayClient(node.channel, identity, running.consortium.channel).evaluate(
            "audit", "GetLog", running.bank.msp_id
        )


def _when_described(root: Path, command: subprocess.Popen[bytes]) -> Running:
    """Wait for the home's description; certificates stand before it does."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not (root / "consortium.yaml").exists():
        if command.poll() not in (None, 0) or time.monotonic() > deadline:
            raise RuntimeError("up failed before it made a home")
        time.sleep(0.01)
    time.sleep(0.05)
    return Running(*open_home(root))


def _command(root: Path, name: str) -> float:
    began = time.monotonic()
    if _start(root, name).wait() != 0:
        raise RuntimeError(f"{name} failed")
    return round(time.monotonic() - began, 2)


def _start(root: Path, *arguments: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "node", arguments[0], "--home", str(root), *arguments[1:]]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL)


def _stop_whatever_runs(root: Path) -> None:
    if (root / "consortium.yaml").exists():
        _start(root, "down").wait()
