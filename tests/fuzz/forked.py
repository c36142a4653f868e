"""Fuzzes in a process that is forked from one which has read and instrumented the code: six seconds of work, where
the tries themselves mostly take less than one.

Kept apart from ``tests/fuzz/run.py`` because whoever imports that instruments what it imports from then on.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.fuzz.run"])


def fuzz_in_fork(name: str, options: Sequence[str], output: Path, timeout_s: float) -> int | None:
    """Fuzz a parser as the command does, with its output in a file; return the exit status, none where time was up."""
    process = _CONTEXT.Process(target=_fuzz, args=(name, options, output))
    process.start()
    process.join(timeout_s)
    if process.exitcode is None:
        process.kill()
        process.join()
        return None
    return process.exitcode


def _fuzz(name: str, options: Sequence[str], output: Path) -> None:
    # libFuzzer writes to the descriptors themselves.
    with output.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from tests.fuzz.run import fuzz

    fuzz(name, options)
