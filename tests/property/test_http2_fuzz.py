"""Any bytes at all against both roles of our HTTP/2.

Aim: whatever a peer sends, in whatever pieces, nothing is raised out of the connection, nothing hangs, the books of
what is held and what runs end at zero, and all that is sent in answer is a row of whole frames. Method: a connection
on a transport in memory; most traffic is drawn so that it gets past the first checks.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from network.errors import RpcError
from network.rpc import Call
from network.rpc.http2.channel import ClientConnection
from network.rpc.http2.connection import Connection
from network.rpc.http2.frames import END_STREAM
from network.rpc.http2.hpack import encode
from network.rpc.http2.made_call import MadeCall
from network.rpc.http2.server import Server, ServerConnection
from tests.support.raw_http2 import (
    OK_TRAILERS,
    PREFACE,
    REPLY_HEAD,
    REQUEST,
    answer,
    grpc_message,
    raw_frame,
    request_fields,
)


class MemoryTransport(asyncio.Transport):
    """Keeps what is written; closes when told."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.written = bytearray()
        self._protocol, self._closed = protocol, False

    def write(self, data: Any) -> None:
        assert not self._closed
        self.written += data

    def is_closing(self) -> bool:
        return self._closed

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    abort = close

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high is not None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


STREAM_IDS = st.sampled_from([0, 1, 1, 1, 2, 3, 3, 5, 7, 2**31 - 1])
BLOCKS = st.one_of(
    st.sampled_from(
        [
            REQUEST,
            encode(*request_fields("/t.T/Chat")),
            encode(*request_fields("/t.T/Wait", (b"grpc-timeout", b"1n"))),
            encode(*request_fields("/t.T/Echo", (b"content-length", b"7"))),
            REPLY_HEAD,
            OK_TRAILERS,
            encode((b"x", b"y")),
            b"\x40\x01a\x01b\xbe",
        ]
    ),
    st.binary(max_size=40),
)
DATA = st.one_of(
    st.sampled_from(
        [b"", b"\x00\x00\x00\x00\x02ok", b"\x00\x00\x00\x00\x01", b"\x01\x00\x00\x00\x01x", b"\x00\xff\xff"]
    ),
    st.binary(max_size=40),
)
NUMBERS = st.sampled_from([0, 1, 8, 16_384, 65_535, 2**31 - 1, 2**32 - 1]).map(lambda value: struct.pack(">L", value))
PAYLOADS = st.one_of(
    BLOCKS,
    DATA,
    NUMBERS,
    st.tuples(NUMBERS, NUMBERS).map(b"".join),
    st.tuples(st.integers(0, 8), NUMBERS).map(lambda pair: struct.pack(">H", pair[0]) + pair[1]),
)
FRAMES = st.one_of(
    st.builds(raw_frame, st.just(1), st.sampled_from([4, 5, 4, 5, 0]), STREAM_IDS, BLOCKS),
    st.builds(raw_frame, st.just(0), st.sampled_from([0, 1]), STREAM_IDS, DATA),
    st.builds(raw_frame, st.integers(0, 11), st.sampled_from([0, 1, 4, 5, 8, 32, 0xFF]), STREAM_IDS, PAYLOADS),
)
CREDIT = st.sampled_from([1, 5, 100, 65_535]).map(lambda value: struct.pack(">L", value))
LAWFUL_SETTINGS = st.sampled_from([(4, 0), (4, 1), (4, 7), (4, 65_535), (1, 0), (3, 2), (9, 9)]).map(
    lambda pair: struct.pack(">HL", *pair)
)
STEPS = (
    ["open"] * 4
    + ["data"] * 6
    + ["credit"] * 2
    + ["settings", "reset", "trailers", "ping", "whole", "whole", "garbage"]
)


@st.composite
def dialogues(draw: st.DrawFn, heads: list[bytes], opened: int) -> bytes:
    """Frames that mostly keep the rules, so that what follows them is read at all.

    Args:
        draw: hypothesis.
        heads: blocks that begin what the peer sends on a stream.
        opened: streams the peer may use from the start; it opens further ones itself if there are none.
    """
    frames = []
    next_id = 2 * opened + 1
    for step in ["open", *draw(st.lists(st.sampled_from(STEPS), max_size=30))]:
        stream_id = draw(st.sampled_from(range(1, max(next_id, 2), 2)))
        if step == "open":
            if not opened:
                stream_id, next_id = next_id, next_id + 2
            flags = draw(st.sampled_from([4, 4, 4, 5]))
            frames.append(raw_frame(1, flags, stream_id, draw(st.sampled_from(heads))))
        elif step == "data":
            frames.append(raw_frame(0, draw(st.sampled_from([0, 0, 1])), stream_id, draw(DATA)))
        elif step == "credit":
            frames.append(raw_frame(8, 0, draw(st.sampled_from([0, stream_id])), draw(CREDIT)))
        elif step == "settings":
            frames.append(raw_frame(4, 0, 0, draw(LAWFUL_SETTINGS)))
        elif step == "reset":
            frames.append(raw_frame(3, 0, stream_id, draw(st.integers(0, 20)).to_bytes(4, "big")))
        elif step == "whole":
            message = raw_frame(0, 1, stream_id, grpc_message(b"whole"))
            frames.append(answer(stream_id) if opened else message)
        elif step == "trailers":
            frames.append(raw_frame(1, 5, stream_id, OK_TRAILERS))
        elif step == "ping":
            frames.append(raw_frame(6, 0, 0, bytes(8)))
        elif draw(st.integers(0, 9)) == 0:
            frames.append(draw(FRAMES))
    return b"".join(frames)


REQUESTS = [
    REQUEST,
    encode(*request_fields("/t.T/Chat")),
    encode(*request_fields("/t.T/Chat")),
    encode(*request_fields("/t.T/Count")),
    encode(*request_fields("/t.T/Wait")),
    encode(*request_fields("/t.T/Wait", (b"grpc-timeout", b"1n"))),
    encode(*request_fields("/t.T/Echo", (b"content-length", b"7"))),
    encode(*request_fields("/t.T/Nothing")),
    REQUEST + b"\x40\x01a\x01b\xbe",
    REQUEST + b"\x40\x81\x1f\x82\x1f\xff",
    b"\x20" + REQUEST,
]
REPLIES = [
    REPLY_HEAD,
    REPLY_HEAD,
    REPLY_HEAD,
    OK_TRAILERS,
    REPLY_HEAD + b"\x40\x01a\x01b\xbe",
    encode((b":status", b"503")),
    encode((b"grpc-status", b"5"), (b"grpc-message", b"%C3%BC%"), (b"grpc-status-details-bin", b"AAE")),
]
ANYTHING = st.one_of(st.lists(FRAMES, max_size=25).map(b"".join), st.binary(max_size=200))
PIECES = st.lists(st.integers(1, 60), max_size=30)


async def feed(connection: Connection, sent: bytes, pieces: list[int]) -> None:
    """Give a connection bytes in pieces, with turns of the event loop between them."""
    at = 0
    for size in [*pieces, len(sent)]:
        connection.data_received(sent[at : at + size])
        at += size
        await asyncio.sleep(0)


def assert_whole_frames(written: bytes) -> None:
    at = 0
    while at < len(written):
        size = int.from_bytes(written[at : at + 3], "big")
        assert written[at + 3] < 10
        at += 9 + size
    assert at == len(written)


async def finish(connection: Connection, transport: MemoryTransport, start: int) -> None:
    connection.flush()
    assert_whole_frames(bytes(transport.written[start:]))
    connection.close()
    async with asyncio.timeout(20):
        await connection.closed.wait()
    assert connection.held_bytes == 0
    assert not connection.streams


async def _serve_traffic(sent: bytes, pieces: list[int]) -> None:
    async def echo(request: bytes, call: Call) -> bytes:
        return request

    async def wait(request: bytes, call: Call) -> bytes:
        await asyncio.Event().wait()
        return b""

    async def count(request: bytes, call: Call) -> AsyncIterator[bytes]:
        for number in range(3):
            await asyncio.sleep(0)
            yield bytes(number * 20_000)

    async def chat(requests: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request

    server = Server("127.0.0.1", 0, None, max_message_bytes=30_000)
    server.unary("/t.T/Echo", echo)
    server.unary("/t.T/Wait", wait)
    server.bidi("/t.T/Chat", chat)
    server.server_stream("/t.T/Count", count)
    server._listening = cast("asyncio.Server", object())
    connection = ServerConnection(asyncio.get_running_loop(), server)
    transport = MemoryTransport(connection)
    connection.connection_made(transport)
    await feed(connection, sent, pieces)
    await finish(connection, transport, 0)
    async with asyncio.timeout(20):
        await server.running.ended(5)
    assert len(server.running) == 0


async def _answer_traffic(sent: bytes, pieces: list[int]) -> None:
    loop = asyncio.get_running_loop()
    connection = ClientConnection(loop, 1_000, set())
    transport = MemoryTransport(connection)
    connection.connection_made(transport)
    connection.data_received(raw_frame(4, 0, 0))
    calls: list[MadeCall] = []
    outcomes = []
    for streaming in (False, True, False):
        call = connection.open(loop.time() + 60, streaming=streaming)
        call.send(b"hello", head=connection.headers(call.id, REQUEST, 0), flags=0 if streaming else END_STREAM)
        calls.append(call)
        outcomes.append(asyncio.create_task(_outcome(call, streaming)))
    await feed(connection, sent, pieces)
    await finish(connection, transport, len(PREFACE))
    async with asyncio.timeout(20):
        for outcome in outcomes:
            await outcome


async def _outcome(call: MadeCall, streaming: bool) -> None:
    try:
        if streaming:
            while await call.next_reply() is not None:
                pass
        else:
            await call.reply()
    except RpcError:
        pass
    finally:
        call.leave()


@settings(deadline=None)
@given(st.one_of(dialogues(REQUESTS, 0), dialogues(REQUESTS, 0), ANYTHING), PIECES)
def test_server_survives_any_traffic(sent: bytes, pieces: list[int]) -> None:
    asyncio.run(_serve_traffic(PREFACE + raw_frame(4, 0, 0) + sent, pieces))


@settings(deadline=None)
@given(st.binary(max_size=100), PIECES)
def test_server_survives_any_greeting(sent: bytes, pieces: list[int]) -> None:
    asyncio.run(_serve_traffic(sent, pieces))


@settings(deadline=None)
@given(st.one_of(dialogues(REPLIES, 3), dialogues(REPLIES, 3), ANYTHING), PIECES)
def test_client_survives_any_traffic(sent: bytes, pieces: list[int]) -> None:
    asyncio.run(_answer_traffic(sent, pieces))
