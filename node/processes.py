"""The processes of a consortium on one machine: started in order, watched, started again when they die.

A child counts as ready when it accepts connections: ours begin to listen last, when all behind the port is up. One that
ends is started again after a pause that doubles from 0.2 s to 5 s; one that never becomes ready stops the whole start
with the last line of its log. One that lives and answers nothing for two minutes, stopped or dead-locked, is ended and
so started again: what it acknowledged is kept, whatever ends it. A database server is never ended for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from node.background import Waits
from node.child import ending_with_parent
from node.errors import PostgresError, SupervisorError
from node.liveness import Question
from node.postgres import PostgresCluster

READY_TIMEOUT_S = 3600.0
"""Room for another release to migrate large books: ended half way, it would begin anew at each start. One that fails
ends, and is told at once."""

STOP_TIMEOUT_S = 15.0
PAUSE_FIRST_S = 0.2
PAUSE_MAX_S = 5.0

ASK_PAUSE_S = 5.0
MISSED_MAX = 12
"""Questions without an answer, one after another, until a process is ended: two minutes; four times as many of one that
was not heard yet. Counted, not taken from the clock: a machine that slept, or a supervisor that was stopped too,
accuses nobody."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One Python process of the consortium.

    Args:
        name: unique; names the log file.
        arguments: after the interpreter, e.g. ``("-m", "node", "orderer", "--config", ...)``.
        port: TCP port on 127.0.0.1 that tells when it is ready.
        log_file: where its output goes.
        question: gives what shows that it is not stuck, None where nothing does; called once it is started.
    """

    name: str
    arguments: tuple[str, ...]
    port: int
    log_file: Path
    question: Callable[[], Question | None] = field(default=lambda: None)


class ManagedProcess:
    """One child process that is kept alive."""

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        self.restarts = 0
        self._process: asyncio.subprocess.Process | None = None
        self._keepers: list[asyncio.Task[None]] = []
        self._ended_because = ""

    @property
    def pid(self) -> int | None:
        """Process id of the running child."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the child and keep it alive from now on; returns before it is ready."""
        await self._spawn()
        self._keepers = [
            asyncio.create_task(self._keep_alive(), name=f"keep-{self.spec.name}"),
            asyncio.create_task(self._end_when_stuck(), name=f"ask-{self.spec.name}"),
        ]

    async def wait_until_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Return when the child accepts connections.

        Raises:
            SupervisorError: it died at start or stayed silent; the sentence quotes its last log line.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.restarts > 0:
                break
            if await _accepts_connections(self.spec.port):
                return
            await asyncio.sleep(0.03)
        reason = self._ended_because or last_log_line(self.spec.log_file)
        raise SupervisorError(f"{self.spec.name} did not start: {reason} (see {self.spec.log_file})")

    async def stop(self) -> None:
        """Ask the child to end, and end it after a while."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            log.warning("process did not end in time and is killed", process=self.spec.name)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _spawn(self) -> None:
        with self.spec.log_file.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self.spec.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # A killed supervisor must not leave a consortium behind that nobody watches.
                preexec_fn=ending_with_parent(signal.SIGTERM),
                # The gRPC library's own remarks are no log lines of ours and say nothing an operator can act on.
                env=os.environ | {"GRPC_VERBOSITY": "ERROR"},
            )

    async def _keep_alive(self) -> None:
        pause_s = PAUSE_FIRST_S
        while True:
            assert self._process is not None
            started = time.monotonic()
            status = await self._process.wait()
            if time.monotonic() - started > 10 * PAUSE_MAX_S:
                pause_s = PAUSE_FIRST_S
            self.restarts += 1
            log.warning("process ended, starting it again", process=self.spec.name, status=status, pause_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(PAUSE_MAX_S, 2 * pause_s)
            try:
                await self._spawn()
            except OSError as error:
                # No room for its log, no memory for one more process: tried again, either may come back.
                log.error("process cannot be started", process=self.spec.name, reason=str(error))

    async def _end_when_stuck(self) -> None:
        asked, missed, heard = None, 0, False
        question: Question | None = None
        while True:
            await asyncio.sleep(ASK_PAUSE_S)
            process = self._process
            if process is None or process.returncode is not None:
                continue
            if process is not asked:
                asked, missed, heard, question = process, 0, False, self.spec.question()
            if question is None:
                continue
            answered = await question.is_answered()
            # Where it may migrate before it listens, that nobody listens yet says nothing.
            if answered or (answered is None and not heard and not question.heard_from_the_first):
                missed, heard = 0, heard or bool(answered)
                continue
            missed += 1
            if heard or missed > MISSED_MAX:
                log.warning("process does not answer", process=self.spec.name, pid=process.pid, missed=missed)
            # On a machine that is loaded a process is long on its way to where it can be heard.
            if missed >= (MISSED_MAX if heard else 4 * MISSED_MAX) and process.returncode is None:
                self._ended_because = f"it answered none of {missed} questions, one after another, and was ended"
                log.error("process is stuck and is ended", process=self.spec.name, pid=process.pid)
                # One that is stopped takes no other signal, and one whose loop stands still looks at none.
                process.kill()


class ManagedCluster:
    """A PostgreSQL cluster that is kept alive."""

    def __init__(self, name: str, cluster: PostgresCluster) -> None:
        self.name = name
        self.cluster = cluster
        self.restarts = 0
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Launch the prepared cluster, wait until it answers, and keep it alive from now on."""
        self.cluster.launch()
        await asyncio.to_thread(self.cluster.wait_until_ready)
        self._keeper = asyncio.create_task(self._keep_alive(), name=f"keep-{self.name}")

    async def stop(self) -> None:
        """Stop the server; call after everything that uses it has ended."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        await asyncio.to_thread(self.cluster.stop)

    async def _keep_alive(self) -> None:
        told: int | None = None
        waits = Waits(log, "database server does not start", "error")
        while True:
            await asyncio.sleep(0.1)
            status = self.cluster.poll()
            if status is None:
                continue
            self.restarts += 1
            if told != status:
                log.warning("database server ended, starting it again", cluster=self.name, status=status)
            told = status
            try:
                self.cluster.launch()
                await asyncio.to_thread(self.cluster.wait_until_ready)
            except (PostgresError, OSError) as error:
                # Tried again at the next look: a port may be released late, a disk may get room.
                waits.tell(error, cluster=self.name)
                await asyncio.sleep(1)
            else:
                waits.over(cluster=self.name)
                told = None


async def stop_all(processes: Sequence[ManagedProcess]) -> None:
    """Stop several processes at once."""
    await asyncio.gather(*(process.stop() for process in processes))


def last_log_line(path: Path) -> str:
    """Return the last line a process wrote, for the sentence that says why it did not start."""
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "it wrote no log"
    return lines[-1][:500] if lines else "its log is empty"


async def _accepts_connections(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
