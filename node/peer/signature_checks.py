"""Checks the signatures of callers: those of one turn of the event loop together, beside the loop if very many come.

A verification takes an eighth of the time that the event loop has for a proposal, a quarter without a table of the key.
In a thread it would be in the loop's way all the same: the thread waits until the loop lets the interpreter go
(docs/benchmarks.md). So a process of its own does it while very many callers are served: it begins when it is
worthwhile and ends when it is no more.

Rules:
- only "it holds" is taken from that process; what does not hold by its word is checked again here, which tells why;
- checks made here hold the loop for two or three milliseconds at most at a time;
- whatever becomes of it, a check has its answer: without it the check is made here.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import cast

import structlog

from network.identity import Identity, signature_failures
from node.peer.signature_process import HOLDS, MODULE, CheckEncoder

WORTHWHILE_CHECKS = 8
"""So many in one turn of the event loop make a process worthwhile, while they come often."""

WORTHWHILE_A_SECOND = 2_000
"""How often: evaluations come so, transactions do not, of which each brings the gateway's node two checks.

By tables of keys (``network.p256``) a check takes 25 to 40 microseconds here, so fewer are not worth a process."""

TOGETHER_MAX = 32
"""Checks made in one go in the event loop: more are hardly cheaper, and others wait for their turn."""

IDLE_S = 30.0
"""After so long without as many the process ends: it takes 20 MiB."""

LOOK_S = 1.0
"""Time between two looks at it; one that owes answers and gave none between two is given up."""

PAUSE_S = 10.0
"""Time before another is begun where one was given up or ended by itself."""

END_S = 2.0
"""How long it may take to end when its input does."""

KEYS_MAX = 10_000
"""A process that knows so many keys is let go; the next one begins anew."""

_log = structlog.get_logger(__name__)

_Waiting = tuple[Identity, bytes, bytes, asyncio.Future[bool]]
"""A check: who is said to have signed what, with which signature; and whether it holds."""


class SignatureChecks:
    """The signature checks of one peer; all in its event loop."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._process = _Process()
        self._kept: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._stopped = False
        self._counted, self._counted_from, self._often = 0, 0.0, False

    @property
    def beside(self) -> bool:
        """Whether a process makes the checks at present."""
        return self._process.stands

    async def verify(self, identity: Identity, message: bytes, signature: bytes) -> None:
        """Check that an identity signed a message; see ``Identity.verify`` for what it raises."""
        if identity.signs_usually and not self._stopped:
            loop = asyncio.get_running_loop()
            holds: asyncio.Future[bool] = loop.create_future()
            if not self._waiting:
                # At the end of this turn: by then all are known that came with it.
                loop.call_soon(self._send, loop)
            self._waiting.append((identity, message, signature, holds))
            if await holds:
                return
        identity.verify(message, signature)

    async def stop(self) -> None:
        """End the process; checks are made here from now on."""
        self._stopped = True
        if self._kept is not None:
            self._process.close()
            await self._kept

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        waiting, self._waiting = self._waiting, []
        process, now = self._process, loop.time()
        worthwhile = self._worthwhile(len(waiting), now)
        if process.stands:
            if worthwhile:
                process.worthwhile_at = now
            process.ask(waiting)
            return
        _check_here(waiting, loop)
        if worthwhile and self._kept is None and now >= self._not_before and not self._stopped:
            self._process = _Process(now)
            self._kept = loop.create_task(self._keep(self._process, loop))

    def _worthwhile(self, checks: int, now: float) -> bool:
        """Tell whether so many at once are worth a process, as often as checks came lately."""
        passed = now - self._counted_from
        if passed >= 1:
            self._often = self._counted >= WORTHWHILE_A_SECOND * passed
            self._counted, self._counted_from = 0, now
        self._counted += checks
        return self._often and checks >= WORTHWHILE_CHECKS

    async def _keep(self, process: _Process, loop: asyncio.AbstractEventLoop) -> None:
        """Have a process while it is worthwhile and answers."""
        try:
            await loop.subprocess_exec(lambda: process, sys.executable, "-m", MODULE, stderr=None)
            answered = -1
            while not self._stopped and loop.time() - process.worthwhile_at <= IDLE_S and process.keys_known < KEYS_MAX:
                if process.owes_answers and process.answered == answered:
                    raise TimeoutError(f"no answer within {LOOK_S} s")
                answered = process.answered
                if await process.ended_within(LOOK_S) and not self._stopped:
                    raise ChildProcessError("their process ended by itself")
        except OSError as error:
            _log.warning("signatures are checked in the event loop for a while", reason=str(error))
            self._not_before = loop.time() + PAUSE_S
        finally:
            await process.end()
            self._kept = None


class _Process(asyncio.SubprocessProtocol):
    """One process, and the checks on their way through it.

    Args:
        now: the event loop's time.

    Attributes:
        worthwhile_at: when there was enough to do for it last.
        stands: whether it can be asked: it said that it is ready, and has not ended since.
        answered: how many bytes it said.
    """

    def __init__(self, now: float = 0.0) -> None:
        self.worthwhile_at = now
        self.stands = False
        self.answered = 0
        self._ended = asyncio.Event()
        self._transport: asyncio.SubprocessTransport | None = None
        self._input: asyncio.WriteTransport | None = None
        self._encoder = CheckEncoder()
        self._asked: deque[asyncio.Future[bool]] = deque()

    @property
    def keys_known(self) -> int:
        """How many keys it was told."""
        return self._encoder.keys_told

    @property
    def owes_answers(self) -> bool:
        """Whether a check is on its way."""
        return bool(self._asked)

    def ask(self, checks: list[_Waiting]) -> None:
        """Have signatures checked; their futures tell whether they hold, or false where nobody could say."""
        assert self._input is not None
        records: list[bytes] = []
        for identity, message, signature, holds in checks:
            records.append(self._encoder.encode(identity, message, signature))
            self._asked.append(holds)
        self._input.write(b"".join(records))

    async def ended_within(self, limit_s: float) -> bool:
        """Wait for its end; say whether it came in time."""
        try:
            async with asyncio.timeout(limit_s):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Let it end; what is on its way is answered by others."""
        self.stands = False
        self._give_up()
        if self._input is not None:
            self._input.close()

    async def end(self) -> None:
        """Close it and return when it has ended, if it ever began."""
        self.close()
        if self._transport is None:
            return
        if not await self.ended_within(END_S):
            self._transport.kill()
            await self._ended.wait()
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self._input = cast(asyncio.WriteTransport, self._transport.get_pipe_transport(0))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Hear that it is ready, then take answers."""
        if self.answered == 0 and self._input is not None and not self._input.is_closing():
            self.stands = True
            data = data[1:]
            self.answered = 1
        self.answered += len(data)
        for answer in data[: len(self._asked)]:
            _settle(self._asked.popleft(), answer == HOLDS[0])

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """No more can be asked, or no more answers come."""
        self.stands = False
        if fd == 1:
            self._give_up()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        self.stands = False
        self._give_up()
        self._ended.set()

    def _give_up(self) -> None:
        while self._asked:
            _settle(self._asked.popleft(), False)


def _check_here(waiting: list[_Waiting], loop: asyncio.AbstractEventLoop) -> None:
    """Check signatures in this turn of the event loop, and those beyond what one may hold in the next ones."""
    owed = [check for check in waiting[:TOGETHER_MAX] if not check[3].done()]
    if later := waiting[TOGETHER_MAX:]:
        loop.call_soon(_check_here, later, loop)
    try:
        for (*_, holds), failure in zip(owed, signature_failures([check[:3] for check in owed]), strict=True):
            if failure is None:
                holds.set_result(True)
            else:
                holds.set_exception(failure)
    finally:
        for *_, holds in owed:
            _settle(holds, False)


def _settle(holds: asyncio.Future[bool], answer: bool) -> None:
    if not holds.done():
        holds.set_result(answer)
