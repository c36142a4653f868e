"""The operations service of one of our processes, from its settings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version

from network.operations.health import HealthChecks, UnhealthyError
from network.operations.log_levels import LogLevels
from network.operations.metrics import Metrics
from network.operations.service import OperationsService
from node.config import OperationsSettings

VERSION = version("dwaybank-node")
"""Of the software that runs."""


class ProcessOperations:
    """What one process counts and checks, and the service that tells it; without settings nobody is told.

    Args:
        settings: where to serve; None serves nothing.
        levels: log levels in force.
        now: UTC clock.
    """

    def __init__(self, settings: OperationsSettings | None, levels: LogLevels, now: Callable[[], datetime]) -> None:
        self.metrics = Metrics()
        self.checks = HealthChecks(now)
        self._started = False
        self.checks.add("startup", self._check_started)
        self._service: OperationsService | None = None
        if settings is not None:
            self._service = OperationsService(
                settings.host,
                settings.port,
                settings.http_tls(),
                metrics=self.metrics,
                checks=self.checks,
                levels=levels,
                version=VERSION,
            )

    async def start(self) -> None:
        """Serve from here on, while the rest of the process still starts.

        Raises:
            NetworkError: the address is taken or the TLS files are unusable.
        """
        if self._service is not None:
            await self._service.start()

    async def stop(self) -> None:
        """Serve no longer. Idempotent."""
        if self._service is not None:
            await self._service.stop()

    def started(self) -> None:
        """Take note that the process serves what it is there for."""
        self._started = True

    async def _check_started(self) -> None:
        if not self._started:
            raise UnhealthyError("the process is starting")
