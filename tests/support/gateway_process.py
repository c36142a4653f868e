"""The gateway as a process of its own, ended with the block that it serves."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.shared_data import REPOSITORY


@contextmanager
def gateway_process(settings: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a gateway from its settings file."""
    command = [sys.executable, "-m", "gateway", "--config", str(settings)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


async def until_ready(client: httpx.AsyncClient) -> None:
    """Wait until a gateway and its node answer."""
    for _ in range(1_000):
        try:
            if (await client.get("/v1/ready")).status_code == 200:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.05)
    raise AssertionError("the gateway did not come up")
