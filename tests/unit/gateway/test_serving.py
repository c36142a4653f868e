"""What the gateway's and the portal's server let a stranger do: no request grows or lasts without an end.

Method: the real protocol on a real socket, before an application that reads bodies as both programs' guards do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send
from uvicorn.server import ServerState

from gateway import serving
from gateway.body import read_body
from gateway.guard import Guard
from gateway.operations import HttpMetrics
from gateway.portal.guard import PortalGuard
from gateway.serving import BESIDE_BODY_BYTES_MAX, BoundedHttp
from network.operations.metrics import Metrics

POST = b"POST / HTTP/1.1\r\nHost: x\r\n"


async def _length_of_body(scope: Scope, receive: Receive, send: Send) -> None:
    body = await read_body(scope, receive, 64 * 1024)
    await PlainTextResponse("too large" if body is None else str(len(body)))(scope, receive, send)


@asynccontextmanager
async def _served() -> AsyncIterator[int]:
    config = uvicorn.Config(_length_of_body, log_config=None, access_log=False)
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(lambda: BoundedHttp(config, state, {}), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _answer(port: int, *pieces: bytes) -> bytes:
    """Send pieces until the server closes; return what it answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.001)
        async with asyncio.timeout(30):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "endless",
    [
        (b"GET /", b"a" * 4_096),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ", b"a" * 4_096),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X-A: b\r\n" * 512),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x" * 4_096),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-T: ", b"a" * 4_096),
    ],
    ids=["target", "value", "headers", "chunk extension", "trailer"],
)
async def test_what_is_no_body_ends_the_connection_where_it_has_no_end(endless: tuple[bytes, bytes]) -> None:
    begin, more = endless
    async with _served() as port:
        answer = await _answer(port, begin, *[more] * (2 + BESIDE_BODY_BYTES_MAX // len(more)))
        assert not answer or answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 ")), answer
        assert (await _answer(port, POST + b"Connection: close\r\nContent-Length: 2\r\n\r\nab")).endswith(b"\r\n\r\n2")


async def test_request_with_a_large_body_and_many_requests_on_one_connection_are_served() -> None:
    async with _served() as port:
        body = b"a" * 60_000
        first = POST + b"Content-Length: 60000\r\n\r\n" + body
        chunks = b"".join(b"400\r\n" + b"c" * 1_024 + b"\r\n" for _ in range(60))
        chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
        last = POST + b"Connection: close\r\nContent-Length: 1\r\n\r\na"
        answer = await _answer(port, first, chunked, *[POST + b"Content-Length: 0\r\n\r\n"] * 1_000, last)
        assert answer.count(b"HTTP/1.1 200 OK") == 1_003
        assert b"60000HTTP" in answer and b"61440HTTP" in answer


@pytest.mark.parametrize("begun", [b"", b"GET / HT", POST + b"Content-Length: 9\r\n\r\nab"])
async def test_request_that_is_not_there_in_time_ends_the_connection(
    begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "REQUEST_S", 0.2)
    async with _served() as port:
        assert await _answer(port, begun) == b""


async def test_answer_that_takes_longer_than_a_request_may_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "REQUEST_S", 0.5)

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(1)
        await PlainTextResponse("late")(scope, receive, send)

    monkeypatch.setattr("tests.unit.gateway.test_serving._length_of_body", slow)
    async with _served() as port:
        assert (await _answer(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).endswith(b"late")


def _guards(app: Any) -> list[Any]:
    refuse = lambda status, _: PlainTextResponse("", status)  # noqa: E731
    return [
        Guard(app, body_bytes_max=100, metrics=HttpMetrics(Metrics())),
        PortalGuard(app, origins=["https://x"], refuse=refuse),
    ]


async def test_half_a_body_whose_sender_left_is_no_request() -> None:
    asked: list[Scope] = []
    answered: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope)

    async def send(message: Message) -> None:
        answered.append(message)

    for guard in _guards(app):
        told = iter(
            [
                {"type": "http.request", "body": b"csrf=1&evidence=half of a sent", "more_body": True},
                {"type": "http.disconnect"},
            ]
        )

        async def receive(told: Any = told) -> Message:
            return next(told)

        scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"host", b"x")]}
        await guard(scope, receive, send)
    assert (asked, answered) == ([], [])
    with pytest.raises(ClientDisconnect):
        await read_body({"type": "http", "headers": []}, _left, 100)


async def _left() -> Message:
    return {"type": "http.disconnect"}
