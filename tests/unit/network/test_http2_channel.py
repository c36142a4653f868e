"""Our HTTP/2 client against a server that misbehaves, goes away, or says less than it should.

Aim: every end of a call is one clear ``RpcError``; what was certainly not processed is tried again; nothing hangs.
Method: a raw server on loopback sends what each case says.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from network.errors import RpcError, UnreachableError
from network.rpc import ClientTls, StatusCode
from network.rpc.http2 import deadlines, keepalive
from network.rpc.http2.channel import Channel
from network.rpc.http2.hpack import encode
from tests.support.certificates import Authority
from tests.support.raw_http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PUSH_PROMISE,
    REPLY_HEAD,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    RawPeer,
    RawServer,
    answer,
    grpc_message,
    head,
    raw_frame,
)

ECHO = "/t.T/Echo"
TRAILERS = END_HEADERS | END_STREAM


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    """A raw server."""
    async with RawServer().listening() as server:
        yield server


@pytest.fixture
async def channel(raw: RawServer) -> AsyncIterator[Channel]:
    """A channel to it."""
    channel = Channel(f"127.0.0.1:{raw.port}", None, max_message_bytes=100_000)
    yield channel
    await channel.close()


def setting(key: int, value: int) -> bytes:
    return struct.pack(">HL", key, value)


def number(value: int) -> bytes:
    return struct.pack(">L", value)


def trailers(*fields: tuple[bytes, bytes]) -> bytes:
    return head(1, encode(*fields), TRAILERS)


async def called(channel: Channel, raw: RawServer, settings: bytes = b"") -> tuple[asyncio.Task[bytes], RawPeer]:
    """Return a unary call on stream 1 and the server's end of its connection, the request having been read."""
    calling = asyncio.create_task(channel.unary(ECHO, b"hello", 5))
    peer = await raw.greeted(settings)
    assert (await peer.read_request())[0] == 1
    return calling, peer


async def failure(calling: asyncio.Task[bytes]) -> RpcError:
    with pytest.raises(RpcError) as caught:
        await calling
    return caught.value


async def test_request_carries_what_grpc_demands(channel: Channel, raw: RawServer) -> None:
    calling = asyncio.create_task(channel.unary(ECHO, b"hello", 5))
    peer = await raw.greeted()
    begun = await peer.read_until(HEADERS)
    fields = peer.fields(begun.payload)
    assert fields.pop(b"grpc-timeout")[-1:] in b"num"
    assert fields == {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": ECHO.encode(),
        b":authority": f"127.0.0.1:{raw.port}".encode(),
        b"te": b"trailers",
        b"content-type": b"application/grpc",
        b"user-agent": b"grpc-dwaybank/1",
    }
    data = await peer.read_until(DATA)
    assert (data.payload, data.flags) == (grpc_message(b"hello"), END_STREAM)
    peer.send(answer(1))
    assert await calling == b"reply"


ANSWERS = {
    "trailers only": (trailers((b":status", b"200"), (b"grpc-status", b"5"), (b"grpc-message", b"gone")), 5, "gone"),
    "message in percent form": (
        trailers((b":status", b"200"), (b"grpc-status", b"9"), (b"grpc-message", b"%C3%BC 100% %zz")),
        9,
        "ü 100% %zz",
    ),
    "message with a space at its end": (
        trailers((b":status", b"200"), (b"grpc-status", b"9"), (b"grpc-message", b"no channel ")),
        9,
        "no channel ",
    ),
    "status that is no number": (trailers((b":status", b"200"), (b"grpc-status", b"many")), 2, ""),
    "no status": (head(1, REPLY_HEAD, TRAILERS), 13, "without a status"),
    "data without a status": (
        head(1, REPLY_HEAD) + raw_frame(DATA, END_STREAM, 1, grpc_message(b"x")),
        13,
        "without a status",
    ),
    "OK without a reply": (trailers((b":status", b"200"), (b"grpc-status", b"0")), 13, "no reply"),
    "two replies": (
        head(1, REPLY_HEAD) + raw_frame(DATA, 0, 1, grpc_message(b"1") + grpc_message(b"2")),
        13,
        "more than one reply",
    ),
    "OK within a reply": (
        head(1, REPLY_HEAD) + raw_frame(DATA, 0, 1, b"\x00\x00") + trailers((b"grpc-status", b"0")),
        13,
        "within a message",
    ),
    "compressed reply": (head(1, REPLY_HEAD) + raw_frame(DATA, 0, 1, b"\x01" + number(1) + b"x"), 12, "compressed"),
    "reply larger than the limit": (
        head(1, REPLY_HEAD) + raw_frame(DATA, 0, 1, b"\x00" + number(100_001)),
        8,
        "larger than max (100001 vs. 100000)",
    ),
    "HTTP 404": (
        trailers(
            (b":status", b"404"),
        ),
        12,
        "HTTP status 404",
    ),
    "HTTP 503 with a page": (head(1, encode((b":status", b"503"))) + raw_frame(DATA, 0, 1, b"<html>"), 14, "503"),
    "HTTP 200 with a page": (head(1, encode((b":status", b"200"), (b"content-type", b"text/html"))), 2, "not gRPC"),
    "name in upper case": (head(1, encode((b":status", b"200"), (b"X", b"1"))), 13, "name is not allowed"),
    "two status fields": (head(1, encode((b":status", b"200"), (b":status", b"200"))), 13, "pseudo-header"),
    "reset: cancelled": (raw_frame(RST_STREAM, 0, 1, number(8)), 1, "CANCEL"),
    "reset: calm": (raw_frame(RST_STREAM, 0, 1, number(11)), 8, "ENHANCE_YOUR_CALM"),
    "reset: security": (raw_frame(RST_STREAM, 0, 1, number(12)), 7, "INADEQUATE_SECURITY"),
    "reset: internal": (raw_frame(RST_STREAM, 0, 1, number(2)), 13, "INTERNAL_ERROR"),
    "reset: unknown": (raw_frame(RST_STREAM, 0, 1, number(77)), 13, "77"),
    "credit of nothing": (raw_frame(WINDOW_UPDATE, 0, 1, number(0)), 13, "WINDOW_UPDATE of nothing"),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_answer_that_is_no_reply_is_one_clear_error_and_the_next_call_succeeds(
    channel: Channel, raw: RawServer, case: str
) -> None:
    sent, code, text = ANSWERS[case]
    calling, peer = await called(channel, raw)
    peer.send(sent)
    error = await failure(calling)
    assert error.code == code
    assert text in error.message
    again = asyncio.create_task(channel.unary(ECHO, b"again", 5))
    assert (await peer.read_request())[0] == 3
    peer.send(answer(3))
    assert await again == b"reply"


async def test_interim_head_is_passed_over(channel: Channel, raw: RawServer) -> None:
    calling, peer = await called(channel, raw)
    peer.send(head(1, encode((b":status", b"103"))) + answer(1))
    assert await calling == b"reply"


ENDS_THE_CONNECTION = {
    "push promise": (raw_frame(PUSH_PROMISE, END_HEADERS, 1, number(2)), 1),
    "head of a stream never opened": (head(3, REPLY_HEAD), 1),
    "head of an even stream": (head(2, REPLY_HEAD), 1),
    "data of a stream never opened": (raw_frame(DATA, 0, 3, b"x"), 1),
    "continuation alone": (raw_frame(CONTINUATION, END_HEADERS, 1, REPLY_HEAD), 1),
    "frame larger than allowed": (raw_frame(DATA, 0, 1, bytes(16_385)), 6),
    "block that names no entry": (head(1, b"\xff\x80\x01"), 9),
    "flood of settings": (raw_frame(SETTINGS, 0, 0) * 4_000, 11),
    "flood of pings": (raw_frame(PING, 0, 0, bytes(8)) * 4_000, 11),
}


@pytest.mark.parametrize("case", ENDS_THE_CONNECTION)
async def test_server_that_breaks_the_protocol_is_left_and_the_next_call_connects_anew(
    channel: Channel, raw: RawServer, case: str
) -> None:
    sent, code = ENDS_THE_CONNECTION[case]
    calling, peer = await called(channel, raw)
    peer.send(sent)
    assert await peer.is_sent_away() == code
    error = await failure(calling)
    assert error.code == StatusCode.UNAVAILABLE
    assert "the peer broke the protocol" in error.message
    again, second = await called(channel, raw)
    second.send(answer(1))
    assert await again == b"reply"


async def test_lost_connection_is_unavailable_and_the_next_call_connects_anew(channel: Channel, raw: RawServer) -> None:
    calling, peer = await called(channel, raw)
    await peer.close()
    error = await failure(calling)
    assert (error.code, "the connection was lost" in error.message) == (StatusCode.UNAVAILABLE, True)
    again, second = await called(channel, raw)
    second.send(answer(1))
    assert await again == b"reply"


async def test_call_refused_before_it_was_processed_is_made_again_once(channel: Channel, raw: RawServer) -> None:
    calling, peer = await called(channel, raw)
    peer.send(raw_frame(RST_STREAM, 0, 1, number(7)))
    assert (await peer.read_request())[0] == 3
    peer.send(raw_frame(RST_STREAM, 0, 3, number(7)))
    assert (await failure(calling)).code == StatusCode.UNAVAILABLE


@pytest.mark.parametrize("streaming", [False, True])
async def test_goaway_sends_unprocessed_calls_elsewhere_and_lets_the_others_finish(
    channel: Channel, raw: RawServer, streaming: bool
) -> None:
    first, peer = await called(channel, raw)
    second: asyncio.Task[bytes]
    if streaming:
        second = asyncio.create_task(anext_of(channel))
    else:
        second = asyncio.create_task(channel.unary(ECHO, b"second", 5))
    assert (await peer.read_request())[0] == 3
    peer.send(raw_frame(GOAWAY, 0, 0, number(1) + number(0)))
    other = await raw.greeted()
    assert (await other.read_request())[0] == 1
    other.send(answer(1, b"from the other"))
    assert await second == b"from the other"
    peer.send(answer(1))
    assert await first == b"reply"
    while await peer.read() is not None:
        pass  # the client closes a connection it has left once its calls are over


async def anext_of(channel: Channel) -> bytes:
    (reply,) = [reply async for reply in channel.server_stream(ECHO, b"second", 5)]
    return reply


async def test_calls_beyond_the_servers_limit_wait_for_their_turn(channel: Channel, raw: RawServer) -> None:
    first, peer = await called(channel, raw, setting(3, 1))
    second = asyncio.create_task(channel.unary(ECHO, b"second", 5))
    third = asyncio.create_task(channel.unary(ECHO, b"third", 0.2))
    peer.send(raw_frame(PING, 0, 0, bytes(8)))
    assert await peer.read_until(PING, flags=ACK)
    assert (await failure(third)).code == StatusCode.DEADLINE_EXCEEDED
    peer.send(answer(1))
    assert await first == b"reply"
    assert (await peer.read_request())[0] == 3
    peer.send(answer(3))
    assert await second == b"reply"


async def test_raised_limit_lets_waiting_calls_go(channel: Channel, raw: RawServer) -> None:
    calls = [asyncio.create_task(channel.unary(ECHO, b"x", 5)) for _ in range(3)]
    peer = await raw.greeted(setting(3, 0))
    peer.send(raw_frame(SETTINGS, 0, 0, setting(3, 3)))
    for _ in calls:
        peer.send(answer((await peer.read_request())[0]))
    assert await asyncio.gather(*calls) == [b"reply"] * 3


async def test_request_larger_than_the_window_waits_for_credit(channel: Channel, raw: RawServer) -> None:
    calling = asyncio.create_task(channel.unary(ECHO, bytes(50_000), 5))
    peer = await raw.greeted(setting(4, 20_000))
    received = 0
    while received < 50_005:
        data = await peer.read_until(DATA)
        received += len(data.payload)
        if received == 20_000:
            peer.send(raw_frame(WINDOW_UPDATE, 0, 1, number(40_000)))
    end = await peer.read_until(DATA)
    assert (end.payload, end.flags) == (b"", END_STREAM)
    peer.send(answer(1))
    assert await calling == b"reply"


async def test_call_that_the_server_resets_at_the_deadline_has_passed_it(
    channel: Channel, raw: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Go servers do: what the caller set as a limit must not look as if somebody had cancelled the call."""
    monkeypatch.setattr(deadlines, "TICK_S", 2.0)  # the client's own timer is late
    calling = asyncio.create_task(channel.unary(ECHO, b"", 0.2))
    peer = await raw.greeted()
    stream_id, _ = await peer.read_request()
    await asyncio.sleep(0.2)
    peer.send(raw_frame(RST_STREAM, 0, stream_id, number(8)))
    with pytest.raises(RpcError) as failure:
        await calling
    assert failure.value.code == StatusCode.DEADLINE_EXCEEDED


async def test_cancelled_call_resets_its_stream(channel: Channel, raw: RawServer) -> None:
    calling, peer = await called(channel, raw)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    reset = await peer.read_until(RST_STREAM)
    assert (reset.stream_id, reset.code) == (1, 8)
    # What was on its way is passed over.
    peer.send(answer(1))
    again = asyncio.create_task(channel.unary(ECHO, b"again", 5))
    assert (await peer.read_request())[0] == 3
    peer.send(answer(3))
    assert await again == b"reply"


async def test_silent_server_is_given_up_after_an_unanswered_ping(
    channel: Channel, raw: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keepalive, "AFTER_S", 0.05)
    monkeypatch.setattr(keepalive, "TIMEOUT_S", 0.1)
    calling, peer = await called(channel, raw)
    for _ in range(2):
        ping = await peer.read_until(PING)
        peer.send(raw_frame(PING, ACK, 0, ping.payload))
    error = await failure(calling)
    assert (error.code, "no longer answers" in error.message) == (StatusCode.UNAVAILABLE, True)


async def test_closing_ends_calls_under_way_with_an_error_not_a_cancellation(channel: Channel, raw: RawServer) -> None:
    calling, peer = await called(channel, raw)
    await channel.close()
    error = await failure(calling)
    assert (error.code, "closed by this side" in error.message) == (StatusCode.CANCELLED, True)
    assert await peer.is_sent_away() == 0


async def test_closing_while_connecting_ends_the_attempt(channel: Channel, raw: RawServer) -> None:
    calling = asyncio.create_task(channel.unary(ECHO, b"", None))
    peer = await raw.silent()
    await channel.close()
    assert (await failure(calling)).code == StatusCode.CANCELLED
    while await peer.read() is not None:
        pass


async def test_server_that_does_not_greet_costs_no_more_than_the_deadline(channel: Channel, raw: RawServer) -> None:
    calling = asyncio.create_task(channel.unary(ECHO, b"", 0.2))
    await raw.silent()
    error = await failure(calling)
    assert (error.code, "before there was a connection" in error.message) == (StatusCode.DEADLINE_EXCEEDED, True)


async def test_after_a_refused_connection_calls_fail_at_once_until_the_next_attempt(raw: RawServer) -> None:
    async with RawServer().listening() as gone:
        port = gone.port
    channel = Channel(f"127.0.0.1:{port}", None)
    messages = set()
    for _ in range(3):
        with pytest.raises(UnreachableError, match=f"cannot connect to 127.0.0.1:{port}") as caught:
            await channel.unary(ECHO, b"", None)
        messages.add(caught.value.message)
    assert len(messages) == 1
    await channel.close()


async def test_server_of_another_protocol_is_named(raw: RawServer) -> None:
    authority = Authority("ours")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate, key = authority.issue("server")
    context.set_alpn_protocols(["http/1.1"])
    _load(context, certificate, key)
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    channel = Channel(f"localhost:{server.sockets[0].getsockname()[1]}", ClientTls(authority.pem))
    with pytest.raises(RpcError, match=r"ALPN|no application protocol") as caught:
        await channel.unary(ECHO, b"", 5)
    assert caught.value.code == StatusCode.UNAVAILABLE
    await channel.close()
    server.close()


def _load(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "both.pem"
        file.write_bytes(certificate + key)
        context.load_cert_chain(file)


async def test_request_larger_than_the_limit_is_not_sent(channel: Channel) -> None:
    with pytest.raises(RpcError, match=r"larger than max \(\d+ vs\. 100000\)") as caught:
        await channel.unary(ECHO, bytes(100_001), 5)
    assert caught.value.code == StatusCode.RESOURCE_EXHAUSTED
