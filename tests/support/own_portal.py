"""A portal of a running consortium's regulator with settings of its own, in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.support.consortium import REPOSITORY, RunningConsortium, listens

START_TIMEOUT_S = 60


@contextmanager
def own_portal(consortium: RunningConsortium, folder: Path, changes: Mapping[str, Any]) -> Iterator[str]:
    """Run a portal until the block ends; give its origin.

    Args:
        consortium: whose regulator's node it asks.
        folder: for its settings.
        changes: fields of ``portal.yaml`` that differ from the consortium's own.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = yaml.safe_load((consortium.home.organization(consortium.regulator) / "portal.yaml").read_text())
    settings |= {"listen": {"host": "127.0.0.1", "port": port}, **changes}
    path = folder / "portal.yaml"
    path.write_text(yaml.safe_dump(settings))
    with (folder / "portal.log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway.portal", "--config", str(path)],
            cwd=REPOSITORY,
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not listens(port):
            assert process.poll() is None and time.monotonic() < deadline, (folder / "portal.log").read_text()
            time.sleep(0.05)
        yield f"https://localhost:{port}"
    finally:
        process.terminate()
        process.wait(30)
