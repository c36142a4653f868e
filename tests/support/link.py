"""What lies between two hosts: TCP connections that pass through here, and can all be cut or go silent at once."""

from __future__ import annotations

import asyncio
import functools
from types import TracebackType

from node.ports import free_port

READ_BYTES = 65536


class Link:
    """Passes bytes on, in one event loop with what it connects."""

    def __init__(self) -> None:
        self._servers: list[asyncio.Server] = []
        self._ends: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self._speaks = asyncio.Event()
        self._speaks.set()

    async def __aenter__(self) -> Link:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.close()
        self.cut()

    async def route(self, port: int) -> int:
        """Return a port of the loopback whose connections lead to ``port``."""
        own = free_port()
        self._servers.append(await asyncio.start_server(functools.partial(self._connect, port), "127.0.0.1", own))
        return own

    def cut(self) -> None:
        """Break every connection, and let none be made."""
        self._is_cut = True
        self._speaks.set()
        for end in self._ends:
            end.transport.abort()

    def silence(self) -> None:
        """Pass nothing on any more: whoever waits hears nothing, not even that the connection broke."""
        self._speaks.clear()

    def mend(self) -> None:
        """Let connections be made again, and what was sent into the silence arrive."""
        self._is_cut = False
        self._speaks.set()

    async def _connect(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        try:
            await self._speaks.wait()
            if self._is_cut:
                return
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return  # nobody is there: the connection is refused by ending it
        else:
            self._ends.add(far_writer)
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            self._ends.discard(writer)
            writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while content := await source.read(READ_BYTES):
                await self._speaks.wait()
                target.write(content)
                await target.drain()
        except OSError:
            return  # cut, or one end went away
        finally:
            self._ends.discard(target)
            target.close()
