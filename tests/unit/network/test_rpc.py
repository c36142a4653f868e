"""The transport port, over real sockets on loopback.

Aim: what a handler raises, a caller sees, and nothing else; deadlines, cancellation, limits and mutual TLS hold,
whichever transport is at either end. Method: each test starts a server on a free port, calls it through ``Channel``,
and stops it; and does so for each pair of transports.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from google.rpc import status_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from network.errors import NetworkError, RpcError
from network.rpc import Call, ClientTls, ServerTls, StatusCode, certificate_hash, grpc_channel, grpc_server
from network.rpc.http2 import channel as http2_channel
from network.rpc.http2 import server as http2_server
from tests.support.certificates import Authority


class Transports:
    """Both ends of a test's calls; stops whatever the test started."""

    def __init__(self, server: type[Any], channel: type[Any]) -> None:
        self._server, self._channel = server, channel
        self._servers: list[Any] = []
        self._channels: list[Any] = []

    def server(self, *args: Any, **options: Any) -> Any:
        """Return a new server of this pair; on a free port in the clear unless said."""
        self._servers.append(self._server(*(args or ("127.0.0.1", 0, None)), **options))
        return self._servers[-1]

    def channel(self, *args: Any, **options: Any) -> Any:
        """Return a new channel of this pair."""
        self._channels.append(self._channel(*args, **options))
        return self._channels[-1]

    async def connect(self, server: Any) -> Any:
        """Start a server and return a channel to it."""
        return self.channel(f"127.0.0.1:{await server.start()}", None)

    async def end(self) -> None:
        """Close channels and stop servers."""
        for channel in self._channels:
            await channel.close()
        for server in self._servers:
            await server.stop(0)


SERVERS = {"grpcio": grpc_server.Server, "http2": http2_server.Server}
CHANNELS = {"grpcio": grpc_channel.Channel, "http2": http2_channel.Channel}


@pytest.fixture(params=[f"{client}-to-{server}" for client in CHANNELS for server in SERVERS])
async def transports(request: pytest.FixtureRequest) -> AsyncIterator[Transports]:
    """Each pair of transports in turn."""
    client, server = request.param.split("-to-")
    pair = Transports(SERVERS[server], CHANNELS[client])
    yield pair
    await pair.end()


async def echo(request: bytes, call: Call) -> bytes:
    return request


async def echo_all(requests: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    async for request in requests:
        yield request


async def count(request: bytes, call: Call) -> AsyncIterator[bytes]:
    for number in range(int(request)):
        yield str(number).encode()


async def numbers(n: int) -> AsyncIterator[bytes]:
    for number in range(n):
        yield str(number).encode()


async def test_calls_of_every_kind_return_the_bytes_sent(transports: Transports) -> None:
    server = transports.server()
    server.unary("/t.T/Echo", echo)
    server.server_stream("/t.T/Count", count)
    server.bidi("/t.T/EchoAll", echo_all)
    channel = await transports.connect(server)
    assert await channel.unary("/t.T/Echo", b"\x00\xff", 5) == b"\x00\xff"
    assert [r async for r in channel.server_stream("/t.T/Count", b"3", 5)] == [b"0", b"1", b"2"]
    assert [r async for r in channel.bidi("/t.T/EchoAll", numbers(200), 5)] == [r async for r in numbers(200)]


async def test_call_carries_method_deadline_and_peer(transports: Transports) -> None:
    seen: list[Call] = []

    async def handler(request: bytes, call: Call) -> bytes:
        seen.append(call)
        return b""

    server = transports.server()
    server.unary("/t.T/Look", handler)
    channel = await transports.connect(server)
    began = time.monotonic()
    await channel.unary("/t.T/Look", b"", 5)
    ended = time.monotonic()
    await channel.unary("/t.T/Look", b"", None)
    assert seen[0].method == "/t.T/Look"
    assert seen[0].deadline is not None
    assert began + 4.9 < seen[0].deadline < ended + 5.1
    assert seen[1].deadline is None
    assert seen[0].peer_certificate is None
    assert seen[0].peer.startswith("ipv4:127.0.0.1:")


@pytest.mark.parametrize("kind", ["unary", "server_stream", "bidi"])
async def test_refusal_reaches_the_caller_with_code_text_and_details(transports: Transports, kind: str) -> None:
    details = status_pb2.Status(code=10, message="no endorsers – ü").SerializeToString()
    refusal = RpcError(StatusCode.ABORTED, "no endorsers – ü", details)

    async def unary(request: bytes, call: Call) -> bytes:
        raise refusal

    async def stream(request: bytes, call: Call) -> AsyncIterator[bytes]:
        yield b"first"
        raise refusal

    async def bidi(requests: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request
            raise refusal

    server = transports.server()
    server.unary("/t.T/unary", unary)
    server.server_stream("/t.T/server_stream", stream)
    server.bidi("/t.T/bidi", bidi)
    channel = await transports.connect(server)
    with pytest.raises(RpcError) as caught:
        if kind == "unary":
            await channel.unary("/t.T/unary", b"", 5)
        elif kind == "server_stream":
            [_ async for _ in channel.server_stream("/t.T/server_stream", b"", 5)]
        else:
            [_ async for _ in channel.bidi("/t.T/bidi", numbers(5), 5)]
    assert (caught.value.code, caught.value.message) == (StatusCode.ABORTED, "no endorsers – ü")
    assert caught.value.details == details


async def test_details_too_large_for_metadata_are_left_out_and_the_status_survives(transports: Transports) -> None:
    async def handler(request: bytes, call: Call) -> bytes:
        raise RpcError(StatusCode.ABORTED, "x" * 5_000, b"d" * 100_000)

    server = transports.server()
    server.unary("/t.T/Big", handler)
    channel = await transports.connect(server)
    with pytest.raises(RpcError, match=r"^x+\.\.\.$") as caught:
        await channel.unary("/t.T/Big", b"", 5)
    assert (caught.value.code, caught.value.details) == (StatusCode.ABORTED, b"")


@pytest.mark.parametrize("path", ["/t.T/Unary", "/t.T/Stream"])
async def test_unforeseen_error_is_internal_and_its_text_stays_in_the_log(
    transports: Transports, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def unary(request: bytes, call: Call) -> bytes:
        raise KeyError("secret account number")

    async def stream(request: bytes, call: Call) -> AsyncIterator[bytes]:
        raise KeyError("secret account number")
        yield b""

    server = transports.server()
    server.unary("/t.T/Unary", unary)
    server.server_stream("/t.T/Stream", stream)
    channel = await transports.connect(server)
    with pytest.raises(RpcError, match=r"internal error [0-9a-f]{12};") as caught:
        if path.endswith("Unary"):
            await channel.unary(path, b"", 5)
        else:
            [_ async for _ in channel.server_stream(path, b"", 5)]
    assert caught.value.code == StatusCode.INTERNAL
    assert "secret" not in caught.value.message
    error_id = caught.value.message.split()[2].rstrip(";")
    assert error_id in capsys.readouterr().out


async def test_refusal_with_code_ok_is_never_sent_as_success(transports: Transports) -> None:
    async def handler(request: bytes, call: Call) -> bytes:
        raise RpcError(StatusCode.OK, "contradiction")

    server = transports.server()
    server.unary("/t.T/Odd", handler)
    channel = await transports.connect(server)
    with pytest.raises(RpcError, match="contradiction") as caught:
        await channel.unary("/t.T/Odd", b"", 5)
    assert caught.value.code == StatusCode.UNKNOWN


async def test_unknown_method_is_unimplemented(transports: Transports) -> None:
    channel = await transports.connect(transports.server())
    with pytest.raises(RpcError) as caught:
        await channel.unary("/t.T/Nothing", b"", 5)
    assert caught.value.code == StatusCode.UNIMPLEMENTED


async def test_deadline_ends_the_call_and_cancels_the_handler(transports: Transports) -> None:
    cancelled = asyncio.Event()

    async def handler(request: bytes, call: Call) -> bytes:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return b""

    server = transports.server()
    server.unary("/t.T/Slow", handler)
    channel = await transports.connect(server)
    with pytest.raises(RpcError) as caught:
        await channel.unary("/t.T/Slow", b"", 0.2)
    assert caught.value.code == StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(cancelled.wait(), 20)


async def test_leaving_a_stream_early_closes_the_handlers_generator(transports: Transports) -> None:
    closed = asyncio.Event()

    async def endless(request: bytes, call: Call) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0.001)
        finally:
            closed.set()

    server = transports.server()
    server.server_stream("/t.T/Endless", endless)
    channel = await transports.connect(server)
    replies = channel.server_stream("/t.T/Endless", b"", None)
    assert await anext(replies) == b"x"
    await replies.aclose()
    await asyncio.wait_for(closed.wait(), 20)


async def test_failing_request_source_cancels_the_call_and_raises_its_own_error(transports: Transports) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handler(requests: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        try:
            async for request in requests:
                begun.set()
                yield request
        finally:
            ended.set()

    async def failing() -> AsyncIterator[bytes]:
        yield b"one"
        await begun.wait()
        raise ValueError("source failed")

    server = transports.server()
    server.bidi("/t.T/EchoAll", handler)
    channel = await transports.connect(server)
    with pytest.raises(ValueError, match="source failed"):
        [_ async for _ in channel.bidi("/t.T/EchoAll", failing(), 5)]
    await asyncio.wait_for(ended.wait(), 20)


async def test_bidi_handler_may_end_before_the_requests_do(transports: Transports) -> None:
    async def first_only(requests: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        yield await anext(requests)

    async def forever() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.001)

    server = transports.server()
    server.bidi("/t.T/First", first_only)
    channel = await transports.connect(server)
    assert [r async for r in channel.bidi("/t.T/First", forever(), 5)] == [b"x"]


async def test_message_larger_than_the_limit_is_refused_and_the_next_is_served(transports: Transports) -> None:
    server = transports.server("127.0.0.1", 0, None, max_message_bytes=1_000)
    server.unary("/t.T/Echo", echo)
    channel = await transports.connect(server)
    with pytest.raises(RpcError) as caught:
        await channel.unary("/t.T/Echo", b"x" * 1_001, 5)
    assert caught.value.code == StatusCode.RESOURCE_EXHAUSTED
    assert await channel.unary("/t.T/Echo", b"x" * 1_000, 5) == b"x" * 1_000


async def test_call_above_the_concurrency_limit_is_refused(transports: Transports) -> None:
    release = asyncio.Event()
    entered = asyncio.Event()

    async def handler(request: bytes, call: Call) -> bytes:
        entered.set()
        await release.wait()
        return b"done"

    server = transports.server("127.0.0.1", 0, None, max_concurrent_calls=1)
    server.unary("/t.T/Hold", handler)
    channel = await transports.connect(server)
    first = asyncio.create_task(channel.unary("/t.T/Hold", b"", 10))
    await asyncio.wait_for(entered.wait(), 20)
    with pytest.raises(RpcError) as caught:
        await channel.unary("/t.T/Hold", b"", 5)
    assert caught.value.code == StatusCode.RESOURCE_EXHAUSTED
    release.set()
    assert await first == b"done"


async def test_graceful_stop_lets_a_running_call_finish(transports: Transports) -> None:
    entered = asyncio.Event()

    async def handler(request: bytes, call: Call) -> bytes:
        entered.set()
        await asyncio.sleep(0.3)
        return b"done"

    server = transports.server()
    server.unary("/t.T/Work", handler)
    channel = await transports.connect(server)
    running = asyncio.create_task(channel.unary("/t.T/Work", b"", 10))
    await asyncio.wait_for(entered.wait(), 20)
    await server.stop(5)
    assert await running == b"done"


async def test_absent_server_is_unavailable_and_closed_channel_says_so(transports: Transports) -> None:
    server = transports.server()
    port = await server.start()
    await server.stop(0)
    channel = transports.channel(f"127.0.0.1:{port}", None)
    with pytest.raises(RpcError) as caught:
        await channel.unary("/t.T/Echo", b"", 5)
    assert caught.value.code == StatusCode.UNAVAILABLE
    await channel.close()
    with pytest.raises(RpcError, match="closed by this side"):
        await channel.unary("/t.T/Echo", b"", 5)


async def test_second_server_on_one_port_is_refused_by_name(transports: Transports) -> None:
    server = transports.server()
    port = await server.start()
    with pytest.raises(NetworkError, match=rf"cannot listen on 127\.0\.0\.1:{port}"):
        await transports.server("127.0.0.1", port, None).start()
    await server.stop(0)


def test_registering_a_path_twice_is_refused(transports: Transports) -> None:
    server = transports.server()
    server.unary("/t.T/Echo", echo)
    with pytest.raises(NetworkError, match=r"/t\.T/Echo: registered twice"):
        server.unary("/t.T/Echo", echo)


async def test_health_and_reflection_answer_on_the_same_port(transports: Transports) -> None:
    server = transports.server()
    server.enable_health()
    server.enable_reflection(["gateway.Gateway"])
    channel = await transports.connect(server)
    reply = await channel.unary("/grpc.health.v1.Health/Check", b"", 5)
    assert health_pb2.HealthCheckResponse.FromString(reply).status == health_pb2.HealthCheckResponse.SERVING
    watch = channel.server_stream("/grpc.health.v1.Health/Watch", b"", 5)
    first = health_pb2.HealthCheckResponse.FromString(await anext(watch))
    assert first.status == health_pb2.HealthCheckResponse.SERVING
    await watch.aclose()

    async def ask() -> AsyncIterator[bytes]:
        yield reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()

    for version in ("v1", "v1alpha"):
        replies = [
            r async for r in channel.bidi(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo", ask(), 5)
        ]
        listed = reflection_pb2.ServerReflectionResponse.FromString(replies[0]).list_services_response.service
        assert "gateway.Gateway" in {service.name for service in listed}


# --- TLS ------------------------------------------------------------------------------------------------------------


async def test_mutual_tls_gives_the_handler_the_clients_certificate_and_refuses_strangers(
    transports: Transports,
) -> None:
    ours, strangers = Authority("ours"), Authority("strangers")
    seen: list[bytes | None] = []

    async def handler(request: bytes, call: Call) -> bytes:
        seen.append(call.peer_certificate)
        return b"ok"

    server = transports.server("127.0.0.1", 0, ServerTls(*ours.issue("server"), client_roots_pem=ours.pem))
    server.unary("/t.T/Who", handler)
    port = await server.start()
    certificate, key = ours.issue("client")
    for tls, admitted in (
        (ClientTls(ours.pem, certificate, key), True),
        (ClientTls(ours.pem, *strangers.issue("client")), False),
        (ClientTls(ours.pem), False),
        (ClientTls(strangers.pem, certificate, key), False),
        (None, False),
    ):
        channel = transports.channel(f"localhost:{port}", tls)
        if admitted:
            assert await channel.unary("/t.T/Who", b"", 5) == b"ok"
        else:
            with pytest.raises(RpcError) as caught:
                await channel.unary("/t.T/Who", b"", 5)
            assert caught.value.code == StatusCode.UNAVAILABLE
        await channel.close()
    await server.stop(0)
    assert seen == [certificate]


async def test_server_name_replaces_the_address_in_the_certificate_check(transports: Transports) -> None:
    authority = Authority("ours")
    server = transports.server("127.0.0.1", 0, ServerTls(*authority.issue("server")))
    server.unary("/t.T/Echo", echo)
    port = await server.start()
    for name, admitted in (("localhost", True), ("node.partner.test", False)):
        channel = transports.channel(f"127.0.0.1:{port}", ClientTls(authority.pem), server_name=name)
        if admitted:
            assert await channel.unary("/t.T/Echo", b"x", 5) == b"x"
        else:
            with pytest.raises(RpcError):
                await channel.unary("/t.T/Echo", b"x", 5)
        await channel.close()
    await server.stop(0)


async def test_key_of_another_certificate_is_refused_at_start(transports: Transports) -> None:
    authority = Authority("ours")
    certificate, _ = authority.issue("one")
    _, key = authority.issue("other")
    with pytest.raises(NetworkError, match="do not belong together"):
        await transports.server("127.0.0.1", 0, ServerTls(certificate, key)).start()


def test_tls_material_is_not_shown_when_printed() -> None:
    assert "KEY" not in repr(ServerTls(b"c", b"KEY")) + repr(ClientTls(b"r", b"c", b"KEY"))


async def test_server_ending_a_stream_while_the_client_writes_never_costs_a_reply_or_the_status(
    transports: Transports,
) -> None:
    async def refuse(requests: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        yield await anext(requests)
        raise RpcError(StatusCode.UNAVAILABLE, "going away")

    server = transports.server()
    server.bidi("/t.T/Refuse", refuse)
    channel = await transports.connect(server)
    for _ in range(50):
        replies = []
        with pytest.raises(RpcError, match="going away") as caught:
            async for reply in channel.bidi("/t.T/Refuse", numbers(50), 5):
                replies.append(reply)  # noqa: PERF401 - replies before the failure count
        assert caught.value.code == StatusCode.UNAVAILABLE
        assert replies == [b"0"]


def test_certificate_hash_is_of_the_first_certificates_der(transports: Transports) -> None:
    authority = Authority("ours")
    certificate, key = authority.issue("client")
    expected = x509.load_pem_x509_certificate(certificate).fingerprint(hashes.SHA256())
    assert (
        transports.channel("localhost:1", ClientTls(authority.pem, certificate, key)).tls_certificate_hash == expected
    )
    assert certificate_hash(certificate + authority.pem) == expected
    assert transports.channel("localhost:1", ClientTls(authority.pem)).tls_certificate_hash == b""


async def test_channel_reconnects_by_itself_after_the_server_was_restarted(transports: Transports) -> None:
    server = transports.server()
    server.unary("/t.T/Echo", echo)
    port = await server.start()
    channel = transports.channel(f"127.0.0.1:{port}", None)
    assert await channel.unary("/t.T/Echo", b"1", 5) == b"1"
    await server.stop(0)
    with pytest.raises(RpcError) as caught:
        await channel.unary("/t.T/Echo", b"2", 5)
    assert caught.value.code == StatusCode.UNAVAILABLE
    again = transports.server("127.0.0.1", port, None)
    again.unary("/t.T/Echo", echo)
    await again.start()
    deadline = time.monotonic() + 20
    answer = b""
    while not answer and time.monotonic() < deadline:
        try:
            answer = await channel.unary("/t.T/Echo", b"3", 5)
        except RpcError as error:
            assert error.code == StatusCode.UNAVAILABLE
            await asyncio.sleep(0.05)
    assert answer == b"3"
    await channel.close()
    await again.stop(0)


# --- amounts --------------------------------------------------------------------------------------------------------


async def test_large_messages_pass_both_ways_in_every_kind_of_call(transports: Transports) -> None:
    large = random.Random(1).randbytes(9_000_000)

    async def double(request: bytes, call: Call) -> AsyncIterator[bytes]:
        yield request
        yield request

    async def chunks() -> AsyncIterator[bytes]:
        yield large
        yield b""
        yield large[:70_000]

    server = transports.server()
    server.unary("/t.T/Echo", echo)
    server.server_stream("/t.T/Double", double)
    server.bidi("/t.T/EchoAll", echo_all)
    channel = await transports.connect(server)
    assert await channel.unary("/t.T/Echo", large, 30) == large
    assert [r async for r in channel.server_stream("/t.T/Double", large, 30)] == [large, large]
    assert [r async for r in channel.bidi("/t.T/EchoAll", chunks(), 30)] == [large, b"", large[:70_000]]


async def test_many_calls_at_once_each_get_their_own_answer(transports: Transports) -> None:
    async def slow_echo(request: bytes, call: Call) -> bytes:
        await asyncio.sleep(int(request) % 7 / 100)
        return request

    server = transports.server()
    server.unary("/t.T/Echo", slow_echo)
    channel = await transports.connect(server)
    requests = [str(n).encode() for n in range(300)]
    assert await asyncio.gather(*(channel.unary("/t.T/Echo", r, 30) for r in requests)) == requests


async def test_handler_is_held_back_while_the_caller_does_not_read(transports: Transports) -> None:
    sent = 0

    async def flood(request: bytes, call: Call) -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield bytes(100_000)

    server = transports.server()
    server.server_stream("/t.T/Flood", flood)
    channel = await transports.connect(server)
    replies = channel.server_stream("/t.T/Flood", b"", None)
    for _ in range(3):
        await anext(replies)
    held_back = 0
    while sent != held_back:
        held_back = sent
        await asyncio.sleep(0.4)
        assert sent < 400
    await replies.aclose()


async def test_handler_may_use_timeouts_and_tasks_of_asyncio(transports: Transports) -> None:
    async def handler(request: bytes, call: Call) -> bytes:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.sleep(5)
        return b"".join(await asyncio.gather(echo(b"a", call), echo(b"b", call)))

    server = transports.server()
    server.unary("/t.T/Work", handler)
    channel = await transports.connect(server)
    assert await channel.unary("/t.T/Work", b"", 5) == b"ab"


# --- the choice -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "module"), [("grpcio", "network.rpc.grpc_server"), ("http2", "network.rpc.http2.server")]
)
def test_environment_chooses_the_transport(chosen: str, module: str) -> None:
    program = "from network.rpc import Server; print(Server.__module__)"
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"DWAYBANK_TRANSPORT": chosen}, capture_output=True, text=True
    )
    assert done.stdout.strip() == module


def test_unknown_transport_is_refused_with_the_names_there_are() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import network.rpc"],
        env=os.environ | {"DWAYBANK_TRANSPORT": "http3"},
        capture_output=True,
        text=True,
    )
    assert "DWAYBANK_TRANSPORT is 'http3'; it must be grpcio or http2" in done.stderr


@pytest.mark.parametrize(("one", "other"), [tuple(SERVERS.values()), tuple(CHANNELS.values())])
def test_both_transports_have_the_same_methods_and_parameters(one: type[Any], other: type[Any]) -> None:
    for name, member in inspect.getmembers(one):
        if not name.startswith("_") and callable(member):
            assert inspect.signature(member) == inspect.signature(getattr(other, name)), name
    assert inspect.signature(one) == inspect.signature(other)
