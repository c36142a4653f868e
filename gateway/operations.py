"""The gateway's side of the operations service: what it counts, and what makes it healthy."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from importlib.metadata import version

from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError

from gateway.config import GatewayConfig, OperationsTls, ServerTls, Tls
from gateway.errors import NodeRefusesError, UnavailableError
from gateway.node_client import NodeClient
from gateway.store import Store
from network.operations.certificates import CertificateWatch, certificates_in, require_valid
from network.operations.health import HealthChecks, UnhealthyError
from network.operations.http_server import HttpTls
from network.operations.log_levels import LogLevels
from network.operations.metrics import Metrics
from network.operations.service import OperationsService


class HttpMetrics:
    """Requests of customers."""

    def __init__(self, metrics: Metrics) -> None:
        labels = ["method", "route", "code"]
        self._completed = metrics.counter(
            "dwaybank_http_requests_completed", "Requests answered, by route as the API names it.", labels
        )
        self._duration = metrics.histogram(
            "dwaybank_http_request_duration", "Seconds from a request's head to its answer's.", labels
        )

    def note(self, method: str, route: str, code: int, seconds: float) -> None:
        """Count a request; ``route`` is empty where none was found, so that strangers cannot invent labels."""
        labels = method if route else "", route, str(code)
        self._completed.of(*labels).value += 1
        self._duration.of(*labels).observe(seconds)


class GatewayOperations:
    """The operations service of one gateway; without settings nobody is told.

    Args:
        config: the gateway's.
        levels: log levels in force.
        metrics: what is counted.
        store, node: what must answer.
        now: UTC clock.
    """

    def __init__(
        self,
        config: GatewayConfig,
        levels: LogLevels,
        metrics: Metrics,
        store: Store,
        node: NodeClient,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._node = node
        settings = config.operations
        files_of: dict[str, Tls | ServerTls | OperationsTls | None] = {
            "tls": config.tls,
            "server_tls": config.server_tls,
            "operations": None if settings is None else settings.tls,
        }
        own = [one for use, pair in files_of.items() if pair for one in certificates_in(use, pair.certificate)]
        self._certificates = CertificateWatch(metrics, lambda: own, now)
        checks = HealthChecks(now)
        checks.add("certificates", lambda: require_valid(own, now()))
        checks.add("database", self._check_database)
        checks.add("node", self._check_node)
        self._service: OperationsService | None = None
        if settings is not None:
            files = settings.tls
            tls = None if files is None else HttpTls(files.certificate, files.key, files.client_roots)
            self._service = OperationsService(
                settings.host,
                settings.port,
                tls,
                metrics=metrics,
                checks=checks,
                levels=levels,
                version=version("dwaybank-node"),
            )
        self._running = AsyncExitStack()

    async def start(self) -> None:
        """Serve from here on.

        Raises:
            NetworkError: the address is taken or the TLS files are unusable.
        """
        await self._certificates.start()
        self._running.push_async_callback(self._certificates.stop)
        if self._service is not None:
            await self._service.start()
            self._running.push_async_callback(self._service.stop)

    async def stop(self) -> None:
        """Serve no longer."""
        await self._running.aclose()

    async def _check_database(self) -> None:
        try:
            # Left behind when its time is up: a server that hangs must not hang the answer too.
            await to_thread.run_sync(self._store.ping, abandon_on_cancel=True)
        except SQLAlchemyError as error:
            raise UnhealthyError("the database does not answer") from error

    async def _check_node(self) -> None:
        try:
            await self._node.ping()
        except UnavailableError as error:
            refuses = "refuses this gateway's certificate: the log says why (node.refuses_certificate)"
            told = refuses if isinstance(error, NodeRefusesError) else "does not answer"
            raise UnhealthyError(f"the organization's node {told}") from error
