"""An HTTP server with mutual TLS inside a process that does other things too: for operators' tools, not for customers.

The library's own signal handling is left out: the process decides when to stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

from network.rpc import ServerTls
from network.rpc.http2.tls import server_context
from node.errors import NodeError

STOP_GRACE_S = 2
HEAD_BYTES_MAX = 16 * 1024


class HttpServer:
    """One application on one port.

    Args:
        app: an ASGI application.
        host: address to listen on.
        port: 0 lets the system choose.
        tls: this server's certificate and whose clients it lets in.
    """

    def __init__(self, app: Callable[..., Any], host: str, port: int, tls: ServerTls) -> None:
        self._host = host
        self._port = port
        self._server = _Server(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=STOP_GRACE_S,
                h11_max_incomplete_event_size=HEAD_BYTES_MAX,
                http="h11",
                ws="none",
                ssl_context_factory=lambda config, default: _context(tls),
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Begin to listen; return the port.

        Raises:
            NodeError: the port cannot be had.
        """
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((self._host, self._port))
        except OSError as error:
            listening.close()
            raise NodeError(
                f"cannot listen on {self._host}:{self._port} ({error.strerror}): free the port or choose another"
            ) from error
        self._task = asyncio.create_task(self._server.serve(sockets=[listening]), name="http-server")
        listens = asyncio.create_task(self._server.listens.wait())
        await asyncio.wait((listens, self._task), return_when=asyncio.FIRST_COMPLETED)
        if not listens.done():
            listens.cancel()
            await self._task
            raise NodeError(f"cannot serve HTTP on {self._host}:{self._port}; see the log")
        return int(listening.getsockname()[1])

    async def stop(self) -> None:
        """Finish the requests under way and stop listening; a second call does nothing."""
        task, self._task = self._task, None
        if task is not None:
            self._server.should_exit = True
            await task


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process."""
        yield


def _context(tls: ServerTls) -> Any:
    context = server_context(tls)
    context.set_alpn_protocols(["http/1.1"])
    return context
