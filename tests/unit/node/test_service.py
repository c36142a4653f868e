"""Aim: a process that can only check signatures the slow way says so once it runs; one that has tables says nothing.

Method: a process of its own, since running one settles the interpreter for good.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from network.p256 import TABLES

WITHOUT_A_FUNCTION = "p256._FUNCTIONS['EC_GROUP_no_such_function'] = ('i', '')"
RUN = """
import asyncio
import os
import signal
from network import p256
{before}
p256.TABLES = p256.Tables(p256.python_openssl())
from node.service import run_until_stopped

class Stopped:
    async def start(self):
        os.kill(os.getpid(), signal.SIGTERM)

    async def stop(self):
        print("stopped")

asyncio.run(run_until_stopped(Stopped(), asyncio.Event().wait))
"""


def said(before: str) -> str:
    """Return what a service's process says from its start to its stop."""
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(before=before)], capture_output=True, text=True, timeout=60, check=True
    )
    assert "stopped" in done.stdout
    return done.stdout + done.stderr


def test_a_process_without_tables_says_so() -> None:
    assert said(WITHOUT_A_FUNCTION).count("signatures_without_tables") == 1


@pytest.mark.skipif(not TABLES.possible, reason="this Python's ssl has no OpenSSL that makes tables")
def test_a_process_with_tables_says_nothing_of_them() -> None:
    assert "signatures_without_tables" not in said("")
