"""gRPC's C core, by its blocking Python client, against our HTTP/2 server over mutual TLS.

Aim: a client that is not ours, on a thread of its own and with its own flow control, pings and compression of headers,
sees gRPC as it expects it. Method: each call kind, statuses with details, deadlines, cancellation, metadata, many
threads, and a stop while calls are under way. No software beyond the project's own dependencies is needed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from network.rpc import Call, RpcError, ServerTls, StatusCode
from network.rpc.http2.server import Server
from tests.support.certificates import Authority

pytestmark = pytest.mark.interop

DETAILS = status_pb2.Status(code=9, message="not yet – ü").SerializeToString()


class Methods:
    """The served methods, and what they saw."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.certificates: list[bytes | None] = []

    async def echo(self, request: bytes, call: Call) -> bytes:
        self.certificates.append(call.peer_certificate)
        return request

    async def refuse(self, request: bytes, call: Call) -> bytes:
        raise RpcError(StatusCode.FAILED_PRECONDITION, "not yet – ü", DETAILS)

    async def wait(self, request: bytes, call: Call) -> bytes:
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
        return b""

    async def sleep(self, request: bytes, call: Call) -> bytes:
        await asyncio.sleep(0.3)
        return b"slept"

    async def count(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        for number in range(int(request)):
            yield str(number).encode()

    async def chat(self, requests: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request


@contextmanager
def running(server: Server) -> Iterator[tuple[int, Callable[[Any], Any]]]:
    """Serve from an event loop on a thread of its own; give the port, and what runs a coroutine there."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(20)

    try:
        yield run(server.start()), run
    finally:
        run(server.stop(0))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Setting:
    """A running server and a blocking client."""

    def __init__(
        self, methods: Methods, channel: grpc.Channel, certificate: bytes, stop: Callable[[float], None]
    ) -> None:
        self.methods, self.channel, self.certificate, self.stop = methods, channel, certificate, stop

    def unary(self, name: str, request: bytes = b"", timeout: float = 10, **options: Any) -> Any:
        return self.channel.unary_unary(f"/t.T/{name}")(request, timeout=timeout, **options)


@pytest.fixture
def setting() -> Iterator[Setting]:
    """Server and client with certificates of one authority."""
    authority, methods = Authority("ours"), Methods()
    server = Server("127.0.0.1", 0, ServerTls(*authority.issue("server"), client_roots_pem=authority.pem))
    server.unary("/t.T/Echo", methods.echo)
    server.unary("/t.T/Refuse", methods.refuse)
    server.unary("/t.T/Wait", methods.wait)
    server.unary("/t.T/Sleep", methods.sleep)
    server.server_stream("/t.T/Count", methods.count)
    server.bidi("/t.T/Chat", methods.chat)
    server.enable_health()
    certificate, key = authority.issue("client")
    credentials = grpc.ssl_channel_credentials(authority.pem, key, certificate)
    with running(server) as (port, run), grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        yield Setting(methods, channel, certificate, lambda grace_s: run(server.stop(grace_s)))


def test_unary_call_carries_bytes_and_the_callers_certificate(setting: Setting) -> None:
    for size in (0, 1, 4_000, 16_379, 16_380, 70_000, 3_000_000):
        assert setting.unary("Echo", bytes(size)) == bytes(size)
    assert set(setting.methods.certificates) == {setting.certificate}


def test_streams_both_ways_keep_their_order(setting: Setting) -> None:
    expected = [str(number).encode() for number in range(5_000)]
    assert list(setting.channel.unary_stream("/t.T/Count")(b"5000", timeout=30)) == expected
    assert list(setting.channel.stream_stream("/t.T/Chat")(iter(expected), timeout=30)) == expected


def test_refusal_has_code_text_and_details(setting: Setting) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        setting.unary("Refuse")
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "not yet – ü")
    assert dict(caught.value.trailing_metadata())["grpc-status-details-bin"] == DETAILS


def test_deadline_and_cancellation_reach_the_handler(setting: Setting) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        setting.unary("Wait", timeout=0.2)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert setting.methods.cancelled.wait(5)
    setting.methods.cancelled.clear()
    future = setting.channel.unary_unary("/t.T/Wait").future(b"")
    setting.unary("Echo")
    future.cancel()
    assert setting.methods.cancelled.wait(5)


def test_metadata_of_every_form_is_let_through(setting: Setting) -> None:
    metadata = [
        ("x-text", "value"),
        ("x-many", "1"),
        ("x-many", "2"),
        ("x-long", "y" * 8_000),
        ("x-bin", bytes(range(256))),
    ]
    for number in range(50):
        assert setting.unary("Echo", b"x", metadata=[*metadata, ("x-changing", str(number))]) == b"x"


def test_compressed_requests_are_refused_by_name(setting: Setting) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        setting.unary("Echo", bytes(10_000), compression=grpc.Compression.Gzip)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert "compressed" in caught.value.details()


def test_many_threads_share_one_connection(setting: Setting) -> None:
    requests = [str(number).encode() * 500 for number in range(400)]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda request: setting.unary("Echo", request, 30), requests)) == requests


def test_health_answers_the_librarys_own_client(setting: Setting) -> None:
    stub = health_pb2_grpc.HealthStub(setting.channel)
    request = health_pb2.HealthCheckRequest()
    assert stub.Check(request, timeout=5).status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(health_pb2.HealthCheckRequest(service="nothing"), timeout=5)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    watched = stub.Watch(request, timeout=10)
    assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
    setting.stop(1)
    assert next(watched).status == health_pb2.HealthCheckResponse.NOT_SERVING


def test_stop_lets_calls_under_way_finish(setting: Setting) -> None:
    futures = [setting.channel.unary_unary("/t.T/Sleep").future(b"", timeout=10) for _ in range(20)]
    setting.unary("Echo")
    setting.stop(5)
    assert [future.result() for future in futures] == [b"slept"] * 20
