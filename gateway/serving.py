"""The server of this room's programs: uvicorn that ends as a service manager expects, and whose requests end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

BESIDE_BODY_BYTES_MAX = 32 * 1024
"""What of a request is no body: its line, headers, the frames of chunks, trailers."""
REQUEST_S = 30.0
"""Time for a request to be there, head and body, from when it is waited for."""
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedHttp(HttpToolsProtocol):
    """HTTP/1.1 whose requests end; the library's parser keeps a head without end, and waits for ever.

    Bodies are bounded by the application (``gateway.body``), idle connections between requests by the library.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._beside_body = 0
        self._overdue: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, and refuse a request that has too many beside its body."""
        self._beside_body += len(data)
        super().data_received(data)
        if self._beside_body > BESIDE_BODY_BYTES_MAX and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._await_request()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._beside_body -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._beside_body = 0
        self._stop_waiting()
        super().on_message_complete()

    def _await_request(self) -> None:
        if self._overdue is None:
            self._overdue = self.loop.call_later(REQUEST_S, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None


class StoppableServer(uvicorn.Server):
    """Serves until SIGTERM or SIGINT, and returns."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop gracefully on SIGTERM and SIGINT; the library would raise the signal again after its own stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
