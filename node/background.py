"""Parts of a process that work in the background from their start to their stop."""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from typing import Any

_NUMBER = re.compile(r"\d+")
REASON_LENGTH_MAX = 300


class Waits:
    """What keeps work from going on: logged when it begins, when the reason changes and when it is over.

    A worker that looks twice a second would fill the log with one sentence for as long as a clock is not believed or a
    backup holds its records. Reasons that differ in numbers alone, such as the time, are the same.

    Args:
        log: the module's logger.
        event: what waits, as the log names it.
        level: of the line that tells why.
    """

    def __init__(self, log: Any, event: str, level: str = "warning") -> None:
        self._log, self._event, self._level = log, event, level
        self._told: dict[str, str] = {}

    def tell(self, error: Exception, subject: str = "", **named: object) -> None:
        """Log why a subject waits, once."""
        reason = str(error)[:REASON_LENGTH_MAX]
        known, self._told[subject] = self._told.get(subject), f"{type(error).__name__} {_NUMBER.sub('', reason)}"
        if known != self._told[subject]:
            getattr(self._log, self._level)(self._event, reason=reason, **named)

    def over(self, subject: str = "", **named: object) -> None:
        """Log that a subject waits no longer, where it did."""
        if self._told.pop(subject, None) is not None:
            self._log.info(f"{self._event}_no_more", **named)


class BackgroundWork(ABC):
    """A part whose ``_run`` goes on for ever, in a task of its own."""

    _task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to work."""
        self._task = asyncio.create_task(self._run(), name=type(self).__name__)

    async def stop(self) -> None:
        """Stop; what is interrupted is taken up at the next start."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def failure(self) -> BaseException | None:
        """Why the work ended without being told to, a fault of the program; None while it goes on."""
        return self._task.exception() if self._task is not None and self._task.done() else None

    @abstractmethod
    async def _run(self) -> None:
        """Work until cancelled."""
