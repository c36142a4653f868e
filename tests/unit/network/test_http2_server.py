"""Our HTTP/2 server against a peer that breaks the rules.

Aim: each rule of RFC 9113 that a client can break, sections 3 to 8, ends in the error that the RFC names, and the
known floods end the connection before they cost anything. Method: a raw peer sends frames over loopback; the cases
are those h2spec tries, and the attacks by their CVE.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable

import pytest

from network.rpc import Call
from network.rpc.http2 import connection as connection_module
from network.rpc.http2.hpack import encode
from network.rpc.http2.server import Server
from tests.support.raw_http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    REQUEST,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    RawPeer,
    call,
    grpc_message,
    head,
    raw_frame,
    request_fields,
)

NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR = 0, 1, 3, 5, 6
REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 7, 8, 9, 11
PADDED, PRIORITIZED = 8, 32


class Served:
    """A running server with an echo method, one that waits, and one that streams."""

    def __init__(self) -> None:
        self.server = Server("127.0.0.1", 0, None, max_message_bytes=1_000_000)
        self.server.unary("/t.T/Echo", self.echo)
        self.server.unary("/t.T/Wait", self.wait)
        self.server.bidi("/t.T/Chat", self.chat)
        self.server.bidi("/t.T/Deaf", self.deaf)
        self.server.server_stream("/t.T/Large", self.large)
        self.entered, self.cancelled = 0, 0
        self.release = asyncio.Event()
        self.port = 0

    async def echo(self, request: bytes, call: Call) -> bytes:
        return request

    async def wait(self, request: bytes, call: Call) -> bytes:
        self.entered += 1
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return b"released"

    async def chat(self, requests: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request

    async def deaf(self, requests: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        await self.release.wait()
        async for request in requests:
            yield str(len(request)).encode()

    async def large(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        for _ in range(int(request)):
            yield bytes(100_000)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """The server; stopped with the test."""
    served = Served()
    served.port = await served.server.start()
    yield served
    await served.server.stop(0)


@pytest.fixture
async def peer(served: Served) -> AsyncIterator[RawPeer]:
    """A raw peer that has exchanged greetings with the server."""
    async with RawPeer.connect(served.port) as peer:
        yield peer


async def until(holds: Callable[[], object]) -> None:
    """Wait until a condition of the server holds."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - the server has no events for its insides
            await asyncio.sleep(0.01)


def setting(key: int, value: int) -> bytes:
    return struct.pack(">HL", key, value)


def credit(value: int) -> bytes:
    return struct.pack(">L", value)


OPEN = head(1)
DONE = call(1)
IN_BLOCK = raw_frame(HEADERS, 0, 1, REQUEST)

ENDS_THE_CONNECTION = {
    "frame larger than allowed": (raw_frame(DATA, 0, 1, bytes(16_385)), FRAME_SIZE_ERROR),
    "large frame of an unknown kind": (raw_frame(0xFF, 0, 0, bytes(16_385)), FRAME_SIZE_ERROR),
    "data on stream 0": (raw_frame(DATA, 0, 0, b"x"), PROTOCOL_ERROR),
    "data on an idle stream": (raw_frame(DATA, 0, 1, b"x"), PROTOCOL_ERROR),
    "data padding longer than the frame": (OPEN + raw_frame(DATA, PADDED, 1, b"\x05abcd"), PROTOCOL_ERROR),
    "padded data without a length": (OPEN + raw_frame(DATA, PADDED, 1), PROTOCOL_ERROR),
    "head on stream 0": (head(0), PROTOCOL_ERROR),
    "head on an even stream": (head(2), PROTOCOL_ERROR),
    "head on a stream number that was skipped": (call(5) + head(3), PROTOCOL_ERROR),
    "head padding longer than the frame": (
        raw_frame(HEADERS, END_HEADERS | PADDED, 1, b"\xff" + REQUEST),
        PROTOCOL_ERROR,
    ),
    "head too short for its priority": (raw_frame(HEADERS, END_HEADERS | PRIORITIZED, 1, b"abc"), FRAME_SIZE_ERROR),
    "priority of stream 0": (raw_frame(PRIORITY, 0, 0, bytes(5)), PROTOCOL_ERROR),
    "priority of another size": (raw_frame(PRIORITY, 0, 1, bytes(4)), FRAME_SIZE_ERROR),
    "reset of stream 0": (raw_frame(RST_STREAM, 0, 0, bytes(4)), PROTOCOL_ERROR),
    "reset of an idle stream": (raw_frame(RST_STREAM, 0, 1, bytes(4)), PROTOCOL_ERROR),
    "reset of another size": (OPEN + raw_frame(RST_STREAM, 0, 1, bytes(3)), FRAME_SIZE_ERROR),
    "settings of a stream": (raw_frame(SETTINGS, 0, 1), PROTOCOL_ERROR),
    "settings acknowledged with content": (raw_frame(SETTINGS, ACK, 0, bytes(6)), FRAME_SIZE_ERROR),
    "settings of another size": (raw_frame(SETTINGS, 0, 0, bytes(5)), FRAME_SIZE_ERROR),
    "push neither on nor off": (raw_frame(SETTINGS, 0, 0, setting(2, 2)), PROTOCOL_ERROR),
    "initial window too large": (raw_frame(SETTINGS, 0, 0, setting(4, 2**31)), FLOW_CONTROL_ERROR),
    "frame size too small": (raw_frame(SETTINGS, 0, 0, setting(5, 16_383)), PROTOCOL_ERROR),
    "frame size too large": (raw_frame(SETTINGS, 0, 0, setting(5, 2**24)), PROTOCOL_ERROR),
    "initial window makes a stream's too large": (
        head(1, encode(*request_fields("/t.T/Chat")))
        + raw_frame(WINDOW_UPDATE, 0, 1, credit(2**31 - 1 - 65_535))
        + raw_frame(SETTINGS, 0, 0, setting(4, 65_536)),
        FLOW_CONTROL_ERROR,
    ),
    "push promise from a client": (raw_frame(PUSH_PROMISE, END_HEADERS, 1, credit(2) + REQUEST), PROTOCOL_ERROR),
    "ping of a stream": (raw_frame(PING, 0, 1, bytes(8)), PROTOCOL_ERROR),
    "ping of another size": (raw_frame(PING, 0, 0, bytes(7)), FRAME_SIZE_ERROR),
    "goaway of a stream": (raw_frame(GOAWAY, 0, 1, bytes(8)), PROTOCOL_ERROR),
    "goaway too short": (raw_frame(GOAWAY, 0, 0, bytes(7)), FRAME_SIZE_ERROR),
    "credit of nothing": (raw_frame(WINDOW_UPDATE, 0, 0, credit(0)), PROTOCOL_ERROR),
    "credit of another size": (raw_frame(WINDOW_UPDATE, 0, 0, bytes(3)), FRAME_SIZE_ERROR),
    "credit for an idle stream": (raw_frame(WINDOW_UPDATE, 0, 1, credit(1)), PROTOCOL_ERROR),
    "credit beyond the largest window": (raw_frame(WINDOW_UPDATE, 0, 0, credit(2**31 - 1)), FLOW_CONTROL_ERROR),
    "continuation without a head": (raw_frame(CONTINUATION, END_HEADERS, 1, REQUEST), PROTOCOL_ERROR),
    "continuation after the end of the head": (
        OPEN + raw_frame(CONTINUATION, END_HEADERS, 1, REQUEST),
        PROTOCOL_ERROR,
    ),
    "continuation of another stream": (IN_BLOCK + raw_frame(CONTINUATION, END_HEADERS, 3), PROTOCOL_ERROR),
    "data within a head": (IN_BLOCK + raw_frame(DATA, 0, 1, b"x"), PROTOCOL_ERROR),
    "another head within a head": (IN_BLOCK + head(3), PROTOCOL_ERROR),
    "priority within a head": (IN_BLOCK + raw_frame(PRIORITY, 0, 1, bytes(5)), PROTOCOL_ERROR),
    "unknown kind of frame within a head": (IN_BLOCK + raw_frame(0xFF, 0, 1), PROTOCOL_ERROR),
    "block that names no entry": (head(1, b"\xff\x80\x01"), COMPRESSION_ERROR),
    "block with index 0": (head(1, b"\x80"), COMPRESSION_ERROR),
    "block that ends within a field": (head(1, REQUEST + b"\x40\x05ab"), COMPRESSION_ERROR),
    "table made larger than allowed": (head(1, b"\x3f\xe2\x1f" + REQUEST), COMPRESSION_ERROR),
    "table size after the first field": (head(1, REQUEST + b"\x20"), COMPRESSION_ERROR),
    "Huffman padding of zeros": (head(1, REQUEST + b"\x00\x81\x00\x01a"), COMPRESSION_ERROR),
    "Huffman padding of a whole byte": (head(1, REQUEST + b"\x00\x82\x1f\xff\x01a"), COMPRESSION_ERROR),
    "Huffman end of string": (head(1, REQUEST + b"\x00\x84\xff\xff\xff\xff\x01a"), COMPRESSION_ERROR),
    "integer that does not end": (head(1, b"\xff" + b"\xff" * 10), COMPRESSION_ERROR),
}


@pytest.mark.parametrize("case", ENDS_THE_CONNECTION)
async def test_breaking_a_rule_of_the_connection_ends_it_with_the_right_code(peer: RawPeer, case: str) -> None:
    sent, code = ENDS_THE_CONNECTION[case]
    peer.send(sent)
    assert await peer.is_sent_away() == code


async def test_head_on_a_stream_that_has_ended_is_a_connection_error(peer: RawPeer) -> None:
    await peer.is_well(1)
    peer.send(OPEN)
    assert await peer.is_sent_away() == STREAM_CLOSED


def fields_without(name: bytes) -> bytes:
    return encode(*(field for field in request_fields() if field[0] != name))


def fields_with(*more: tuple[bytes, bytes]) -> bytes:
    return encode(*request_fields("/t.T/Echo", *more))


RESETS_THE_STREAM = {
    "data after the end of the stream": (
        head(1, encode(*request_fields("/t.T/Wait")))
        + raw_frame(DATA, END_STREAM, 1, grpc_message(b"x"))
        + raw_frame(DATA, 0, 1, b"x"),
        STREAM_CLOSED,
    ),
    "head after the end of the stream": (
        head(1, encode(*request_fields("/t.T/Wait")))
        + raw_frame(DATA, END_STREAM, 1, grpc_message(b"x"))
        + head(1, flags=END_HEADERS | END_STREAM),
        STREAM_CLOSED,
    ),
    "credit of nothing": (OPEN + raw_frame(WINDOW_UPDATE, 0, 1, credit(0)), PROTOCOL_ERROR),
    "credit beyond the largest window": (
        OPEN + raw_frame(WINDOW_UPDATE, 0, 1, credit(2**31 - 1)),
        FLOW_CONTROL_ERROR,
    ),
    "second head that does not end the stream": (OPEN + head(1), PROTOCOL_ERROR),
    "trailers with a pseudo-header": (OPEN + head(1, flags=END_HEADERS | END_STREAM), PROTOCOL_ERROR),
    "name in upper case": (head(1, fields_with((b"X-Upper", b"1"))), PROTOCOL_ERROR),
    "empty name": (head(1, fields_with((b"", b"1"))), PROTOCOL_ERROR),
    "line break in a value": (head(1, fields_with((b"x", b"a\r\nb"))), PROTOCOL_ERROR),
    "zero in a value": (head(1, fields_with((b"x", b"a\x00b"))), PROTOCOL_ERROR),
    "space before a value": (head(1, fields_with((b"x", b" a"))), PROTOCOL_ERROR),
    "unknown pseudo-header": (head(1, encode((b":odd", b"1"), *request_fields())), PROTOCOL_ERROR),
    "pseudo-header of a reply": (head(1, encode((b":status", b"200"), *request_fields())), PROTOCOL_ERROR),
    "pseudo-header after a header": (
        head(1, encode((b"x", b"1"), *request_fields())),
        PROTOCOL_ERROR,
    ),
    "pseudo-header twice": (head(1, encode((b":path", b"/x"), *request_fields())), PROTOCOL_ERROR),
    "no method": (head(1, fields_without(b":method")), PROTOCOL_ERROR),
    "no scheme": (head(1, fields_without(b":scheme")), PROTOCOL_ERROR),
    "no path": (head(1, fields_without(b":path")), PROTOCOL_ERROR),
    "empty path": (head(1, encode(*request_fields(""))), PROTOCOL_ERROR),
    "connection header": (head(1, fields_with((b"connection", b"keep-alive"))), PROTOCOL_ERROR),
    "transfer encoding": (head(1, fields_with((b"transfer-encoding", b"chunked"))), PROTOCOL_ERROR),
    "te other than trailers": (head(1, encode(*request_fields()[:4], (b"te", b"gzip"))), PROTOCOL_ERROR),
    "content-length that is no number": (head(1, fields_with((b"content-length", b"-1"))), PROTOCOL_ERROR),
    "content shorter than promised": (
        head(1, fields_with((b"content-length", b"100"))) + raw_frame(DATA, END_STREAM, 1, grpc_message(b"x")),
        PROTOCOL_ERROR,
    ),
    "content longer than promised": (
        head(1, fields_with((b"content-length", b"3"))) + raw_frame(DATA, 0, 1, grpc_message(b"x")),
        PROTOCOL_ERROR,
    ),
    "no content, though promised": (
        head(1, fields_with((b"content-length", b"3")), END_HEADERS | END_STREAM),
        PROTOCOL_ERROR,
    ),
}


@pytest.mark.parametrize("case", RESETS_THE_STREAM)
async def test_breaking_a_rule_of_a_stream_resets_it_and_the_next_is_served(peer: RawPeer, case: str) -> None:
    sent, code = RESETS_THE_STREAM[case]
    peer.send(sent)
    assert (await peer.read_until(RST_STREAM, stream_id=1)).code == code
    await peer.is_well(3)


PRIVATE = head(1, fields_with((b"x-unknown", b"v"), (b"grpc-reserved", b"v"), (b"trace-bin", b"AAE")))

SERVED = {
    "padding": raw_frame(HEADERS, END_HEADERS | PADDED, 1, b"\x04" + REQUEST + bytes(4))
    + raw_frame(DATA, END_STREAM | PADDED, 1, b"\x03" + grpc_message(b"hello") + bytes(3)),
    "priority in the head": raw_frame(HEADERS, END_HEADERS | PRIORITIZED, 1, bytes(4) + b"\x10" + REQUEST)
    + raw_frame(DATA, END_STREAM, 1, grpc_message(b"hello")),
    "head in three frames": raw_frame(HEADERS, 0, 1, REQUEST[:10])
    + raw_frame(CONTINUATION, 0, 1, REQUEST[10:20])
    + raw_frame(CONTINUATION, END_HEADERS, 1, REQUEST[20:])
    + raw_frame(DATA, END_STREAM, 1, grpc_message(b"hello")),
    "message a byte at a time": OPEN
    + b"".join(raw_frame(DATA, 0, 1, bytes((byte,))) for byte in grpc_message(b"hello"))
    + raw_frame(DATA, END_STREAM, 1),
    "trailers": OPEN
    + raw_frame(DATA, 0, 1, grpc_message(b"hello"))
    + raw_frame(HEADERS, END_STREAM | END_HEADERS, 1, encode((b"x-trailer", b"1"))),
    "frames, flags and settings nobody knows": raw_frame(0xFF, 0xFF, 0, b"?")
    + raw_frame(SETTINGS, 0, 0, setting(0xFFFF, 1))
    + raw_frame(PING, 0xFE, 0, bytes(8))
    + DONE,
    "priority of an idle stream": raw_frame(PRIORITY, 0, 9, bytes(5)) + DONE,
    "reserved bit": raw_frame(HEADERS, END_HEADERS, 1 | 1 << 31, REQUEST)
    + raw_frame(DATA, END_STREAM, 1 | 1 << 31, grpc_message(b"hello")),
    "headers nobody knows": PRIVATE + raw_frame(DATA, END_STREAM, 1, grpc_message(b"hello")),
    "the promised content": head(1, fields_with((b"content-length", b"10")))
    + raw_frame(DATA, END_STREAM, 1, grpc_message(b"hello")),
    "content type with a suffix": head(1, encode(*request_fields()[:5], (b"content-type", b"application/grpc+proto")))
    + raw_frame(DATA, END_STREAM, 1, grpc_message(b"hello")),
    "window changes while a call is open": OPEN
    + raw_frame(SETTINGS, 0, 0, setting(4, 1))
    + raw_frame(SETTINGS, 0, 0, setting(4, 100_000))
    + raw_frame(DATA, END_STREAM, 1, grpc_message(b"hello")),
}


@pytest.mark.parametrize("case", SERVED)
async def test_unusual_but_lawful_requests_are_served(peer: RawPeer, case: str) -> None:
    peer.send(SERVED[case])
    data, fields = await peer.outcome(1)
    assert (data, fields[b"grpc-status"]) == (grpc_message(b"hello"), b"0")
    await peer.is_well(3)


REFUSED = {
    "unknown path": (encode(*request_fields("/t.T/Nothing")), {b":status": b"200", b"grpc-status": b"12"}),
    "method GET": (encode((b":method", b"GET"), *request_fields()[1:]), {b":status": b"405"}),
    "not gRPC": (
        encode(*request_fields()[:5], (b"content-type", b"application/grpcx")),
        {b":status": b"415"},
    ),
    "compressed": (
        fields_with((b"grpc-encoding", b"gzip")),
        {b":status": b"200", b"grpc-status": b"12", b"grpc-accept-encoding": b"identity"},
    ),
    "malformed timeout": (fields_with((b"grpc-timeout", b"5 minutes")), {b":status": b"200", b"grpc-status": b"13"}),
    "head too large": (
        fields_with(*[(b"x", b"y")] * 2_000),
        {b":status": b"431"},
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("ended", [True, False])
async def test_request_that_cannot_be_served_is_answered_at_once(peer: RawPeer, case: str, ended: bool) -> None:
    block, expected = REFUSED[case]
    end = END_STREAM if ended else 0
    parts = [block[place : place + 16_384] for place in range(0, len(block), 16_384)]
    frames = [raw_frame(HEADERS, end, 1, parts[0]), *(raw_frame(CONTINUATION, 0, 1, part) for part in parts[1:])]
    frames[-1] = frames[-1][:4] + bytes((frames[-1][4] | END_HEADERS,)) + frames[-1][5:]
    peer.send(b"".join(frames))
    _, fields = await peer.outcome(1)
    assert fields.items() >= expected.items()
    if not ended:
        assert (await peer.read_until(RST_STREAM, stream_id=1)).code == NO_ERROR
        peer.send(raw_frame(DATA, 0, 1, b"sent before the reset was read"))
    await peer.is_well(3)


MESSAGES_REFUSED = {
    "compressed": (b"\x01\x00\x00\x00\x01x", b"12"),
    "larger than the limit": (b"\x00" + credit(1_000_001), b"8"),
    "cut off": (b"\x00" + credit(10) + b"12345", b"13"),
    "two for one": (grpc_message(b"1") + grpc_message(b"2"), b"13"),
    "none": (b"", b"13"),
}


@pytest.mark.parametrize("case", MESSAGES_REFUSED)
async def test_message_that_gRPC_does_not_allow_is_refused(peer: RawPeer, case: str) -> None:
    sent, status = MESSAGES_REFUSED[case]
    peer.send(OPEN + raw_frame(DATA, END_STREAM, 1, sent))
    _, fields = await peer.outcome(1)
    assert fields[b"grpc-status"] == status
    await peer.is_well(3)


# --- greetings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", PREFACE[:-1] + b"?", b"\x16\x03\x01\x02\x00"])
async def test_other_preface_ends_the_connection(served: Served, sent: bytes) -> None:
    async with RawPeer.dial(served.port) as peer:
        peer.send(sent)
        assert await peer.is_sent_away() == PROTOCOL_ERROR


@pytest.mark.parametrize(
    "first", [raw_frame(PING, 0, 0, bytes(8)), OPEN, raw_frame(SETTINGS, ACK, 0), raw_frame(99, 0, 0)]
)
async def test_first_frame_other_than_settings_ends_the_connection(served: Served, first: bytes) -> None:
    async with RawPeer.dial(served.port) as peer:
        peer.send(PREFACE + first)
        assert await peer.is_sent_away() == PROTOCOL_ERROR


async def test_greeting_a_byte_at_a_time_is_understood(served: Served) -> None:
    async with RawPeer.dial(served.port) as peer:
        for byte in PREFACE + raw_frame(SETTINGS, 0, 0, setting(4, 65_535)) + DONE:
            peer.send(bytes((byte,)))
            await asyncio.sleep(0)
        assert (await peer.outcome(1))[1][b"grpc-status"] == b"0"


async def test_peer_that_does_not_greet_is_cut_off(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "GREETING_TIMEOUT_S", 0.05)
    async with RawPeer.dial(served.port) as peer:
        peer.send(PREFACE)
        while await peer.read() is not None:
            pass
        assert not served.server.connections


async def test_ping_is_answered_with_its_own_content(peer: RawPeer) -> None:
    peer.send(raw_frame(PING, 0, 0, b"12345678"))
    assert (await peer.read_until(PING, flags=ACK)).payload == b"12345678"


# --- flow control ---------------------------------------------------------------------------------------------------


async def test_answers_never_exceed_the_windows_and_go_on_with_credit(served: Served) -> None:
    async with RawPeer.connect(served.port, setting(4, 1_000)) as peer:
        peer.send(head(1, encode(*request_fields("/t.T/Large"))) + raw_frame(DATA, END_STREAM, 1, grpc_message(b"2")))
        received = len((await peer.read_until(DATA)).payload)
        assert received == 1_000
        allowed = 1_000
        while received < 2 * 100_005:
            # The connection's own window must be kept too.
            peer.send(raw_frame(WINDOW_UPDATE, 0, 1, credit(7_000)) + raw_frame(WINDOW_UPDATE, 0, 0, credit(7_000)))
            allowed += 7_000
            while received < min(allowed, 2 * 100_005):
                received += len((await peer.read_until(DATA)).payload)
                assert received <= allowed
        assert peer.fields((await peer.read_until(HEADERS)).payload)[b"grpc-status"] == b"0"


async def test_window_of_zero_holds_back_data_and_settings_release_it(served: Served) -> None:
    async with RawPeer.connect(served.port, setting(4, 0)) as peer:
        peer.send(DONE)
        peer.send(raw_frame(PING, 0, 0, bytes(8)))
        kinds = []
        while (frame := await peer.read()) is not None and frame.kind != PING:
            kinds.append(frame.kind)
        assert DATA not in kinds
        peer.send(raw_frame(SETTINGS, 0, 0, setting(4, 100)))
        assert (await peer.read_until(DATA)).payload == grpc_message(b"hello")


async def test_more_data_than_the_streams_window_is_a_flow_control_error(served: Served, peer: RawPeer) -> None:
    peer.send(head(1, encode(*request_fields("/t.T/Deaf"))))
    frame = raw_frame(DATA, 0, 1, grpc_message(bytes(16_379)))
    for _ in range(6 * 64):
        peer.send(frame)
    reset = await peer.read_until(RST_STREAM, stream_id=1)
    assert reset.code == FLOW_CONTROL_ERROR
    await peer.is_well(3)


async def test_credit_comes_back_only_as_the_handler_reads(served: Served, peer: RawPeer) -> None:
    peer.send(head(1, encode(*request_fields("/t.T/Deaf"))))
    for _ in range(4 * 64):
        peer.send(raw_frame(DATA, 0, 1, grpc_message(bytes(16_379))))
    peer.send(raw_frame(PING, 0, 0, bytes(8)))
    credited = 0
    while (frame := await peer.read()) is not None and frame.kind != PING:
        credited += int.from_bytes(frame.payload, "big") if frame.kind == WINDOW_UPDATE and frame.stream_id else 0
    assert credited <= 2 * 1024 * 1024
    served.release.set()
    while credited < 3 * 1024 * 1024:
        credited += int.from_bytes((await peer.read_until(WINDOW_UPDATE, stream_id=1)).payload, "big")


@pytest.mark.parametrize("announced", [1_000_000, 60 * 16_384 - 5], ids=["parts of messages", "whole messages"])
async def test_one_connection_cannot_make_the_server_hold_data_without_limit(served: Served, announced: int) -> None:
    async with RawPeer.connect(served.port) as peer:
        (connection,) = served.server.connections
        connection.held_bytes_max = 3_000_000
        for stream_id in (1, 3, 5, 7):
            peer.send(head(stream_id))
            for _ in range(60):
                peer.send(raw_frame(DATA, 0, stream_id, (b"\x00" + credit(announced)).ljust(16_384, b"x")))
                await peer.drain()
        _, fields = await peer.outcome(7)
        assert fields[b"grpc-status"] == b"8"
        assert connection.held_bytes < 3_000_000


# --- floods ---------------------------------------------------------------------------------------------------------


async def flood(peer: RawPeer, frames: bytes, times: int) -> int:
    """Send frames many times; return the code of the GOAWAY that must come."""
    for _ in range(times):
        peer.send(frames)
    return await peer.is_sent_away()


NUISANCES = {
    "ping (CVE-2019-9512)": (b"", raw_frame(PING, 0, 0, bytes(8))),
    "settings (CVE-2019-9515)": (b"", raw_frame(SETTINGS, 0, 0)),
    "acknowledgements": (b"", raw_frame(SETTINGS, ACK, 0)),
    "priority (CVE-2019-9513)": (b"", raw_frame(PRIORITY, 0, 1, bytes(5))),
    "empty data (CVE-2019-9518)": (OPEN, raw_frame(DATA, 0, 1)),
    "padding only": (OPEN, raw_frame(DATA, PADDED, 1, b"\x00")),
    "credit of the connection": (b"", raw_frame(WINDOW_UPDATE, 0, 0, credit(1))),
    "credit of a stream": (OPEN, raw_frame(WINDOW_UPDATE, 0, 1, credit(1))),
    "unknown frames": (b"", raw_frame(0xFF, 0, 0)),
    "data of a closed stream": (DONE, raw_frame(DATA, 0, 1, b"")),
    "goaway": (b"", raw_frame(GOAWAY, 0, 0, bytes(8))),
}


@pytest.mark.parametrize("case", NUISANCES)
async def test_flood_of_frames_that_do_no_work_ends_the_connection(peer: RawPeer, case: str) -> None:
    first, again = NUISANCES[case]
    peer.send(first)
    assert await flood(peer, again, 4_000) == ENHANCE_YOUR_CALM


async def test_rapid_reset_ends_the_connection_and_all_handlers(served: Served, peer: RawPeer) -> None:
    """CVE-2023-44487."""
    block = encode(*request_fields("/t.T/Wait"))
    for number in range(4_000):
        stream_id = 2 * number + 1
        peer.send(head(stream_id, block) + raw_frame(DATA, END_STREAM, stream_id, grpc_message(b"")))
        peer.send(raw_frame(RST_STREAM, 0, stream_id, credit(CANCEL)))
    assert await peer.is_sent_away() == ENHANCE_YOUR_CALM
    await until(lambda: not len(served.server.running))
    assert served.entered == served.cancelled


async def test_resets_provoked_from_the_server_count_too(peer: RawPeer) -> None:
    """CVE-2025-8671, "made you reset"."""
    block = encode(*request_fields("/t.T/Wait"))
    for number in range(4_000):
        stream_id = 2 * number + 1
        peer.send(head(stream_id, block) + raw_frame(WINDOW_UPDATE, 0, stream_id, credit(0)))
    assert await peer.is_sent_away() == ENHANCE_YOUR_CALM


async def test_endless_head_ends_the_connection(peer: RawPeer) -> None:
    """CVE-2024-27316 and its kin."""
    peer.send(IN_BLOCK)
    assert await flood(peer, raw_frame(CONTINUATION, 0, 1, encode((b"x", b"y" * 100))), 100) == ENHANCE_YOUR_CALM


async def test_small_block_that_stands_for_a_large_head_is_refused(peer: RawPeer) -> None:
    """The HPACK bomb, CVE-2016-6581: one large entry of the table, repeated by an index of one byte."""
    bomb = REQUEST + b"\x40\x01x\x7f" + b"\xa1\x1e" + bytes(b"y" * 4_000) + b"\xbe" * 16_000
    peer.send(raw_frame(HEADERS, END_STREAM, 1, bomb[:16_000]))
    peer.send(raw_frame(CONTINUATION, END_HEADERS, 1, bomb[16_000:]))
    _, fields = await peer.outcome(1)
    assert fields[b":status"] == b"431"
    await peer.is_well(3)


async def test_streams_beyond_the_limit_are_refused(served: Served, peer: RawPeer) -> None:
    block = encode(*request_fields("/t.T/Wait"))
    for number in range(connection_module.STREAMS_MAX + 1):
        peer.send(head(2 * number + 1, block))
    refused = await peer.read_until(RST_STREAM)
    assert (refused.stream_id, refused.code) == (2 * connection_module.STREAMS_MAX + 1, REFUSED_STREAM)


async def test_reader_that_takes_nothing_does_not_make_the_server_store_answers(served: Served) -> None:
    """CVE-2019-9517: wide windows, and a socket that is never read."""
    async with RawPeer.connect(served.port, setting(4, 2**31 - 1)) as peer:
        peer.send(raw_frame(WINDOW_UPDATE, 0, 0, credit(2**30)))
        peer.send(
            head(1, encode(*request_fields("/t.T/Large"))) + raw_frame(DATA, END_STREAM, 1, grpc_message(b"10000"))
        )
        (connection,) = served.server.connections
        await until(lambda: connection.paused)
        await asyncio.sleep(0.1)
        assert connection.transport.get_write_buffer_size() < 4 * 1024 * 1024


# --- the end --------------------------------------------------------------------------------------------------------


async def test_reset_cancels_the_handler(served: Served, peer: RawPeer) -> None:
    peer.send(head(1, encode(*request_fields("/t.T/Wait"))) + raw_frame(DATA, END_STREAM, 1, grpc_message(b"")))
    await until(lambda: served.entered)
    peer.send(raw_frame(RST_STREAM, 0, 1, credit(CANCEL)))
    await until(lambda: served.cancelled)
    await peer.is_well(3)


async def test_lost_connection_cancels_the_handler(served: Served) -> None:
    async with RawPeer.connect(served.port) as peer:
        peer.send(head(1, encode(*request_fields("/t.T/Wait"))) + raw_frame(DATA, END_STREAM, 1, grpc_message(b"")))
        await until(lambda: served.entered)
        await peer.close()
        await until(lambda: served.cancelled and not len(served.server.running))


async def test_stop_says_goaway_twice_serves_what_is_on_its_way_and_refuses_the_rest(served: Served) -> None:
    async with RawPeer.connect(served.port) as peer:
        peer.send(head(1, encode(*request_fields("/t.T/Wait"))) + raw_frame(DATA, END_STREAM, 1, grpc_message(b"")))
        await until(lambda: served.entered)
        stopping = asyncio.create_task(served.server.stop(5))
        first = await peer.read_until(GOAWAY)
        assert (int.from_bytes(first.payload[:4], "big"), first.code) == (2**31 - 1, NO_ERROR)
        ping = await peer.read_until(PING)
        peer.send(call(3))  # sent before the first GOAWAY could be read
        peer.send(raw_frame(PING, ACK, 0, ping.payload))
        second = await peer.read_until(GOAWAY)
        assert (int.from_bytes(second.payload[:4], "big"), second.code) == (3, NO_ERROR)
        assert (await peer.outcome(3))[1][b"grpc-status"] == b"0"
        peer.send(call(5))
        assert (await peer.read_until(RST_STREAM, stream_id=5)).code == REFUSED_STREAM
        served.release.set()
        data, fields = await peer.outcome(1)
        assert (data, fields[b"grpc-status"]) == (grpc_message(b"released"), b"0")
        await stopping
        assert await peer.is_sent_away() == NO_ERROR


async def test_stop_without_grace_answers_unavailable(served: Served) -> None:
    async with RawPeer.connect(served.port) as peer:
        peer.send(head(1, encode(*request_fields("/t.T/Wait"))) + raw_frame(DATA, END_STREAM, 1, grpc_message(b"")))
        await until(lambda: served.entered)
        await served.server.stop(0)
        assert (await peer.outcome(1))[1][b"grpc-status"] == b"14"


async def test_peer_that_lowers_its_table_gets_a_table_size_first(served: Served) -> None:
    async with RawPeer.connect(served.port, setting(1, 0)) as peer:
        for stream_id, first in ((1, 0x20), (3, 0x88)):
            peer.send(call(stream_id))
            assert (await peer.read_until(HEADERS, stream_id=stream_id)).payload[0] == first
