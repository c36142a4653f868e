"""The operations service of a process: ``/healthz``, ``/metrics``, ``/logspec`` and ``/version``, as Fabric's.

Rules, which are Fabric's: with TLS, metrics and log levels ask for a client certificate, health and version do not;
health is 200, or 503 with the parts that are not well; a log specification is read with GET and set with PUT.

Source: Fabric core/operations/system.go, common/flogging/httpadmin/spec.go; docs, "The Operations Service".
"""

from __future__ import annotations

import json
from typing import Any

import structlog

from network.errors import NetworkError
from network.operations.health import HealthChecks
from network.operations.http_server import HttpServer, HttpTls, Request, Response
from network.operations.log_levels import LogLevels, LogSpecError
from network.operations.metrics import CONTENT_TYPE, Metrics
from network.operations.process_metrics import ProcessMetrics

_log = structlog.get_logger(__name__)

_NEEDS_CERTIFICATE = ("/metrics", "/logspec")


class OperationsService:
    """The service of one process.

    Args:
        host: address to listen on.
        port: 0 lets the system choose.
        tls: None serves in the clear, for loopback.
        metrics: what is counted.
        checks: what must be well.
        levels: log levels in force.
        version: of this software.
    """

    def __init__(
        self,
        host: str,
        port: int,
        tls: HttpTls | None,
        *,
        metrics: Metrics,
        checks: HealthChecks,
        levels: LogLevels,
        version: str,
    ) -> None:
        self._tls = tls
        self._metrics = metrics
        self._checks = checks
        self._levels = levels
        self._version = version
        self._server = HttpServer(host, port, tls, self._answer)
        self._routes = {
            ("GET", "/healthz"): self._health,
            ("GET", "/metrics"): self._show_metrics,
            ("GET", "/logspec"): self._show_spec,
            ("PUT", "/logspec"): self._set_spec,
            ("GET", "/version"): self._show_version,
        }
        ProcessMetrics(metrics)
        metrics.gauge("fabric_version", "The active version of Fabric.", ["version"]).of(version).value = 1
        levels.count_in(metrics)

    async def start(self) -> int:
        """Begin to serve; return the port.

        Raises:
            NetworkError: the address is taken or the TLS files are unusable.
        """
        try:
            return await self._server.start()
        except NetworkError as error:
            raise NetworkError(f"operations: {error}") from error

    async def stop(self) -> None:
        """Stop serving. Idempotent."""
        await self._server.stop()

    async def _answer(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        handler = self._routes.get((method, request.path))
        if handler is None:
            known = sorted(known for known, path in self._routes if path == request.path)
            return Response(405, headers={"Allow": ", ".join(known)}) if known else Response(404)
        if self._tls is not None and request.path in _NEEDS_CERTIFICATE and not request.has_certificate:
            return Response(401)
        return await handler(request)

    async def _health(self, request: Request) -> Response:
        well, body = await self._checks.run()
        return _json(200 if well else 503, body)

    async def _show_metrics(self, request: Request) -> Response:
        text = await self._metrics.text()
        return Response(200, text.encode(), CONTENT_TYPE)

    async def _show_spec(self, request: Request) -> Response:
        return _json(200, {"spec": self._levels.spec})

    async def _set_spec(self, request: Request) -> Response:
        try:
            spec = json.loads(request.body)["spec"]
            if not isinstance(spec, str):
                raise TypeError
            self._levels.set(spec)
        except LogSpecError as error:
            return _json(400, {"error": str(error)})
        except (ValueError, KeyError, TypeError):
            return _json(400, {"error": 'the body must be {"spec": "<logging specification>"}'})
        _log.warning("log levels changed", spec=self._levels.spec)
        return Response(204)

    async def _show_version(self, request: Request) -> Response:
        return _json(200, {"CommitSHA": "", "Version": self._version})


def _json(status: int, body: dict[str, Any]) -> Response:
    return Response(status, json.dumps(body).encode())
