"""Stands before the application: limits the body, sets every answer's headers, answers what failed unforeseen.

A body is read here, up to its limit, before anything else looks at it: so an endless or oversized one costs 64 KiB and
one answer, whether its length was announced or not.
"""

from __future__ import annotations

from time import perf_counter

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.body import read_body, replay_body
from gateway.operations import HttpMetrics
from gateway.problems import Problem, problem_of, problem_response

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


class Guard:
    """ASGI middleware.

    Args:
        app: the application behind it.
        body_bytes_max: a larger body is answered with 413.
        metrics: where requests are counted.
    """

    def __init__(self, app: ASGIApp, *, body_bytes_max: int, metrics: HttpMetrics) -> None:
        self._app = app
        self._body_bytes_max = body_bytes_max
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        started = False
        begun = perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                route = getattr(scope.get("route"), "path", "")
                self._metrics.note(scope["method"], route, message["status"], perf_counter() - begun)
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        try:
            body = await read_body(scope, receive, self._body_bytes_max)
        except ClientDisconnect:
            return
        if body is None:
            problem = Problem(413, "too_large", f"the body may have {self._body_bytes_max} bytes")
            await problem_response(problem, scope["path"])(scope, receive, send_with_headers)
            return
        try:
            await self._app(scope, replay_body(body, receive), send_with_headers)
        except Exception as error:
            # The root of the request's task: the framework below has answered all it foresees.
            if started:
                raise
            await problem_response(problem_of(error), scope["path"])(scope, receive, send_with_headers)
