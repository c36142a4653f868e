"""Parts of a process that work in the background from their start to their stop."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod


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
