"""Is the process well: its parts are asked, and the answer given in Fabric's form.

Source: hyperledger/fabric-lib-go healthz/checker.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

CHECK_TIMEOUT_S = 5.0
"""A part that does not answer within this time is not well."""


class UnhealthyError(Exception):
    """A part is not well; the text says why, without secrets: anyone may read it."""


class HealthChecks:
    """The parts of a process that can be unwell.

    Args:
        now: UTC clock.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._checks: dict[str, Callable[[], Awaitable[None]]] = {}

    def add(self, component: str, check: Callable[[], Awaitable[None]]) -> None:
        """Have a part asked: ``check`` returns when it is well, and raises ``UnhealthyError`` where it is not."""
        assert component not in self._checks, f"component {component} is there already"
        self._checks[component] = check

    async def run(self) -> tuple[bool, dict[str, Any]]:
        """Ask all parts at once; return whether all are well, and the answer's body."""
        reasons = await asyncio.gather(*(self._reason(check) for check in self._checks.values()))
        failed = [
            {"component": component, "reason": reason}
            for component, reason in zip(self._checks, reasons, strict=True)
            if reason
        ]
        body: dict[str, Any] = {"status": "Service Unavailable" if failed else "OK", "time": self._now().isoformat()}
        if failed:
            body["failed_checks"] = failed
        return not failed, body

    async def _reason(self, check: Callable[[], Awaitable[None]]) -> str:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await check()
        except UnhealthyError as error:
            return str(error)
        except TimeoutError:
            return f"no answer within {CHECK_TIMEOUT_S:.0f} s"
        return ""
