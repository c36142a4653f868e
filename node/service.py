"""What the main function of every process of ours does: run until told to stop, then stop in order."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

import structlog

from network.errors import NetworkError
from network.p256 import TABLES
from node.errors import NodeError, one_line

_log = structlog.get_logger(__name__)


class Service(Protocol):
    """A part of a process with a beginning and an end."""

    async def start(self) -> None:
        """Return when it does its work."""

    async def stop(self) -> None:
        """Return when nothing of it runs any more."""


def settle_interpreter() -> None:
    """Set Python's own machinery for a process that serves for long; called once everything is made.

    - The collector of cycles: what was made so far stays, and new objects are looked at seldom. Batches and blocks are
      many objects without cycles that live for a moment; looked at every 700, as is the default, they cost as much as
      the work on them.
    - The switch between threads: a thread that has its answer from the database waits at most 0.5 ms for one that
      computes, not 5. A commit has about ten such waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    sys.setswitchinterval(0.0005)


def tell_of_slow_signatures() -> None:
    """Say so where signatures take longer here than they need to: nothing else would tell the operator."""
    if not TABLES.possible:
        _log.warning(
            "signatures_without_tables",
            follows="checking a signature takes up to twice as long, all else is as elsewhere",
            way_out="run with a Python whose ssl uses a shared OpenSSL of version 1.1.1 or 3, as the system's does",
        )


async def run_until_stopped(service: Service, failed: Callable[[], Awaitable[object]]) -> None:
    """Start a service, wait for SIGTERM, SIGINT or its failure, and stop it.

    Args:
        service: what to run.
        failed: returns when a part of the service has ended that should not; its exception, if any, is raised.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    try:
        await service.start()
        settle_interpreter()
        tell_of_slow_signatures()
        told = asyncio.create_task(stopping.wait())
        ended = asyncio.ensure_future(failed())
        await asyncio.wait((told, ended), return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if ended.done():
            ended.result()
        ended.cancel()
    finally:
        await service.stop()


def run_process(
    name: str, main: Callable[[], Coroutine[Any, Any, None]], expected: tuple[type[Exception], ...] = ()
) -> int:
    """Run a process's main coroutine; return its exit status.

    An error of ours ends as one sentence on standard error, which the supervisor and service managers show.
    """
    ours: tuple[type[Exception], ...] = (NodeError, NetworkError, *expected)
    try:
        asyncio.run(main())
    except ours as error:
        print(f"{name}: {one_line(error)}", file=sys.stderr)  # noqa: T201
        return 1
    return 0
