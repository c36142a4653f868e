"""A receiver of webhooks on loopback: real HTTP over real sockets, and every way to misbehave that receivers have."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

HANG = "hang"
"""Read the request and say nothing."""
DRIP = "drip"
"""Answer a byte at a time, for ever."""
DROP = "drop"
"""Close the connection without an answer."""
FLOOD = "flood"
"""Accept, with a body without an end."""
GARBAGE = "garbage"
"""Answer something that is no HTTP."""


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.body)
        return message


class Receiver:
    """Answers 204, or what ``answers`` says for the next requests: a status with headers, or a way to misbehave."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[int | str | tuple[int, dict[str, str]]] = []
        self.always: int | str | None = None
        self.arrived = asyncio.Condition()
        self.connections = 0
        self.port = 0
        self.scheme = "http"
        self._open: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook?for=books"

    @property
    def ids(self) -> list[str]:
        return [request.id for request in self.received]

    async def wait_for(self, count: int) -> None:
        """Wait until so many requests have come."""
        async with asyncio.timeout(30), self.arrived:
            await self.arrived.wait_for(lambda: len(self.received) >= count)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        try:
            while (request := await self._read(reader)) is not None:
                async with self.arrived:
                    self.received.append(request)
                    self.arrived.notify_all()
                answer = self.answers.pop(0) if self.answers else self.always or 204
                if not await self._answer(writer, answer):
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            self._open.discard(task)
            writer.close()

    async def close(self) -> None:
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader) -> Received | None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        method, path, _ = first.split(" ")
        assert method == "POST"
        return Received(path, headers, body)

    async def _answer(self, writer: asyncio.StreamWriter, answer: int | str | tuple[int, dict[str, str]]) -> bool:
        """Answer as told; false when the connection ends with it."""
        if answer == HANG:
            await asyncio.Event().wait()
        if answer == DROP:
            return False
        if answer == GARBAGE:
            writer.write(b"220 mail.example ESMTP\r\n")
            await writer.drain()
            return False
        if answer in (DRIP, FLOOD):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9999999999\r\n\r\n")
            while True:
                writer.write(b"x" if answer == DRIP else b"x" * 65536)
                await writer.drain()
                await asyncio.sleep(0.02 if answer == DRIP else 0)
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        lines = [
            f"HTTP/1.1 {status} Said",
            "content-length: 0",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        await writer.drain()
        return True


@asynccontextmanager
async def open_receiver(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a free port of loopback."""
    receiver = Receiver()
    receiver.scheme = "https" if tls is not None else "http"
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        await receiver.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 5)
