"""An HTTP/2 peer that sends whatever a test wants, right or wrong, and reads frames one by one.

It builds frames by itself, so that a mistake in the product's frames cannot hide in the test.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Self

from network.rpc.http2.hpack import Decoder, Fields, encode

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 1
END_HEADERS = 4
TIMEOUT_S = 5.0


def raw_frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Return one frame."""
    return struct.pack(">L", len(payload))[1:] + struct.pack(">BBL", kind, flags, stream_id) + payload


def grpc_message(message: bytes) -> bytes:
    """Return a message with gRPC's prefix."""
    return b"\x00" + struct.pack(">L", len(message)) + message


def request_fields(path: str = "/t.T/Echo", *more: tuple[bytes, bytes]) -> Fields:
    """Return the head of a proper request."""
    return (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path.encode()),
        (b":authority", b"localhost"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        *more,
    )


REQUEST = encode(*request_fields())
"""Header block of a proper call of the echo method."""


def head(stream_id: int, block: bytes = REQUEST, flags: int = END_HEADERS) -> bytes:
    """Return a HEADERS frame."""
    return raw_frame(HEADERS, flags, stream_id, block)


def call(stream_id: int, message: bytes = b"hello") -> bytes:
    """Return the frames of a whole unary call."""
    return head(stream_id) + raw_frame(DATA, END_STREAM, stream_id, grpc_message(message))


REPLY_HEAD = encode((b":status", b"200"), (b"content-type", b"application/grpc"))
OK_TRAILERS = encode((b"grpc-status", b"0"))


def answer(stream_id: int, message: bytes = b"reply") -> bytes:
    """Return the frames of a whole unary answer."""
    return (
        head(stream_id, REPLY_HEAD)
        + raw_frame(DATA, 0, stream_id, grpc_message(message))
        + head(stream_id, OK_TRAILERS, END_HEADERS | END_STREAM)
    )


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame received."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes

    @property
    def code(self) -> int:
        """The error code of RST_STREAM or GOAWAY."""
        return int.from_bytes(self.payload[4:8] if self.kind == GOAWAY else self.payload[:4], "big")


class RawPeer:
    """One end of a plain connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._decoder: Decoder[Fields] = Decoder(lambda fields: fields)

    @classmethod
    @asynccontextmanager
    async def dial(cls, port: int) -> AsyncIterator[Self]:
        """Connect to a server and say nothing."""
        peer = cls(*await asyncio.open_connection("127.0.0.1", port))
        try:
            yield peer
        finally:
            await peer.close()

    @classmethod
    @asynccontextmanager
    async def connect(cls, port: int, settings: bytes = b"") -> AsyncIterator[Self]:
        """Connect to a server and exchange greetings."""
        async with cls.dial(port) as peer:
            peer.send(PREFACE + raw_frame(SETTINGS, 0, 0, settings))
            await peer.read_until(SETTINGS, flags=0)
            await peer.read_until(SETTINGS, flags=ACK)
            peer.send(raw_frame(SETTINGS, ACK, 0))
            yield peer

    async def greet_client(self, settings: bytes = b"") -> None:
        """Exchange greetings with a client."""
        assert await self._reader.readexactly(len(PREFACE)) == PREFACE
        await self.read_until(SETTINGS, flags=0)
        self.send(raw_frame(SETTINGS, 0, 0, settings))
        await self.read_until(SETTINGS, flags=ACK)

    async def read_request(self) -> tuple[int, dict[bytes, bytes]]:
        """Return the stream and the head of the next call, whose last frame has been read."""
        begun = await self.read_until(HEADERS)
        fields = self.fields(begun.payload)
        while not (await self.read_until(DATA, stream_id=begun.stream_id)).flags & END_STREAM:
            pass
        return begun.stream_id, fields

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until the system has taken most of what was sent."""
        await self._writer.drain()

    async def read(self) -> Frame | None:
        """Return the next frame; ``None`` at the end of the connection."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                start = await self._reader.readexactly(9)
                payload = await self._reader.readexactly(int.from_bytes(start[:3], "big"))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        kind, flags, stream_id = struct.unpack(">BBL", start[3:])
        return Frame(kind, flags, stream_id, payload)

    async def read_until(self, kind: int, *, stream_id: int | None = None, flags: int | None = None) -> Frame:
        """Return the next frame of a kind; frames of others are passed over."""
        while (frame := await self.read()) is not None:
            if (
                frame.kind == kind
                and stream_id in (None, frame.stream_id)
                and (flags is None or frame.flags & 0xF == flags)
            ):
                return frame
        raise AssertionError(f"the connection ended before a frame of kind {kind} came")

    async def is_sent_away(self) -> int:
        """Return the code of the GOAWAY that ends the connection."""
        code = (await self.read_until(GOAWAY)).code
        while await self.read() is not None:
            pass
        return code

    def fields(self, block: bytes) -> dict[bytes, bytes]:
        """Return the fields of a header block; blocks must be given in the order received."""
        return dict(self._decoder.decode(block))

    async def outcome(self, stream_id: int) -> tuple[bytes, dict[bytes, bytes]]:
        """Return all data of an answer, and its head and trailers in one."""
        data, fields = b"", {}
        while (frame := await self.read()) is not None:
            if frame.kind == HEADERS:
                found = self.fields(frame.payload)
                if frame.stream_id == stream_id:
                    fields |= found
            elif frame.kind == DATA and frame.stream_id == stream_id:
                data += frame.payload
            elif frame.kind == RST_STREAM and frame.stream_id == stream_id:
                raise AssertionError(f"the stream was reset with code {frame.code}")
            if frame.stream_id == stream_id and frame.flags & END_STREAM and frame.kind in (DATA, HEADERS):
                return data, fields
        raise AssertionError("the connection ended before the answer")

    async def is_well(self, stream_id: int) -> None:
        """Assert that the server still serves this connection."""
        self.send(call(stream_id, b"still there"))
        data, fields = await self.outcome(stream_id)
        assert (data, fields[b"grpc-status"]) == (grpc_message(b"still there"), b"0")

    async def close(self) -> None:
        """Close this end."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


class RawServer:
    """Accepts plain connections for a test to play the server of."""

    def __init__(self) -> None:
        self._accepted: asyncio.Queue[RawPeer] = asyncio.Queue()
        self._peers: list[RawPeer] = []
        self.port = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Self]:
        """Listen on a free port; close everything at the end."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for peer in self._peers:
                await peer.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = RawPeer(reader, writer)
        self._peers.append(peer)
        self._accepted.put_nowait(peer)

    async def silent(self) -> RawPeer:
        """Return the next connection as it comes."""
        async with asyncio.timeout(TIMEOUT_S):
            return await self._accepted.get()

    async def greeted(self, settings: bytes = b"") -> RawPeer:
        """Return the next connection after the greetings."""
        peer = await self.silent()
        await peer.greet_client(settings)
        return peer
