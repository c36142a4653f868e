"""Traces through the transport: what is called becomes a child of the span it is called in, on both transports.

Method: real servers and channels on loopback, each pair of transports, and a tracer that only writes down.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from network import tracing
from network.errors import NetworkError, RpcError
from network.operations import otlp_tracer
from network.rpc import Call, ServerTls, StatusCode, grpc_channel, grpc_server
from network.rpc.http2 import channel as http2_channel
from network.rpc.http2 import server as http2_server
from network.tracing import Attributes, Kind
from tests.support.certificates import Authority
from tests.support.otlp_collector import OtlpCollector

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = f"00-{TRACE}-b7ad6b7169203331-01"


class WrittenDown:
    """A tracer that keeps names, kinds and parents."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Kind, str]] = []
        self._current: ContextVar[str] = ContextVar("current", default="")
        self._numbers = itertools.count(1)

    @contextmanager
    def span(self, name: str, kind: Kind, parent: str, attributes: Attributes) -> Iterator[None]:
        """Write a span down and stand in it."""
        self.spans.append((name, kind, parent or self._current.get()))
        before = self._current.set(f"00-{TRACE}-{next(self._numbers):016x}-01")
        yield
        self._current.reset(before)

    def record(self, name: str, parent: str, start_ns: int, attributes: Attributes) -> None:
        """Write a span down."""
        self.spans.append((name, Kind.INTERNAL, parent))

    def traceparent(self) -> str:
        """Return the span stood in."""
        return self._current.get()


@pytest.fixture
def tracer() -> Iterator[WrittenDown]:
    tracer = WrittenDown()
    tracing.switch(tracer)
    yield tracer
    tracing.switch(None)


@pytest.fixture(params=[http2_server.Server, grpc_server.Server], ids=["http2 server", "grpcio server"])
def server_kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=[http2_channel.Channel, grpc_channel.Channel], ids=["http2 client", "grpcio client"])
def channel_kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@contextmanager
def nothing() -> Iterator[None]:
    yield


class Echo:
    """A service of one method of each kind, which tells the header it was called with."""

    def __init__(self, server_kind: Any, channel_kind: Any) -> None:
        self._server = server_kind("127.0.0.1", 0, None)
        self._server.unary("/echo.Echo/Say", self._say)
        self._server.server_stream("/echo.Echo/List", self._list)
        self._server.bidi("/echo.Echo/Talk", self._talk)
        self._channel_kind = channel_kind

    async def __aenter__(self) -> Any:
        self.channel = self._channel_kind(f"127.0.0.1:{await self._server.start()}", None)
        return self.channel

    async def __aexit__(self, *_: object) -> None:
        await self.channel.close()
        await self._server.stop(0)

    async def _say(self, request: bytes, call: Call) -> bytes:
        return call.traceparent.encode()

    async def _list(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        yield call.traceparent.encode()

    async def _talk(self, requests: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        async for _ in requests:
            yield call.traceparent.encode()


async def one(*items: bytes) -> AsyncIterator[bytes]:
    for item in items:
        yield item


async def test_call_goes_on_in_the_trace_it_is_made_in(
    tracer: WrittenDown, server_kind: Any, channel_kind: Any
) -> None:
    async with Echo(server_kind, channel_kind) as channel:
        with tracer.span("work", Kind.INTERNAL, CALLER, {}):
            seen = (await channel.unary("/echo.Echo/Say", b"", 5)).decode()
            around = tracer.traceparent()
    (work, made, served) = tracer.spans
    assert work == ("work", Kind.INTERNAL, CALLER)
    assert made == ("echo.Echo/Say", Kind.CLIENT, around)
    assert served == ("echo.Echo/Say", Kind.SERVER, seen)
    assert seen.startswith(f"00-{TRACE}-") and seen != around


async def test_stream_is_traced_where_its_caller_is(tracer: WrittenDown, server_kind: Any, channel_kind: Any) -> None:
    async with Echo(server_kind, channel_kind) as channel:
        for traced in (False, True):
            with tracer.span("work", Kind.INTERNAL, CALLER, {}) if traced else nothing():
                async with aclosing(channel.server_stream("/echo.Echo/List", b"", 5)) as replies:
                    listed = [reply async for reply in replies]
                async with aclosing(channel.bidi("/echo.Echo/Talk", one(b"1", b"2"), 5)) as replies:
                    talked = [reply async for reply in replies]
                expected = tracer.traceparent().encode()
                assert (listed, talked) == ([expected], [expected, expected])
    assert [name for name, kind, _ in tracer.spans if kind is Kind.SERVER] == ["echo.Echo/List", "echo.Echo/Talk"]


async def test_nothing_is_sent_or_wrapped_while_traces_are_off(server_kind: Any, channel_kind: Any) -> None:
    async with Echo(server_kind, channel_kind) as channel:
        with tracing.span("work", size=1):
            assert await channel.unary("/echo.Echo/Say", b"", 5) == b""
    handler = Echo(server_kind, channel_kind)._say
    assert tracing.served_unary("/echo.Echo/Say", handler) is handler
    assert tracing.served_stream("/echo.Echo/Say", handler) is handler
    assert tracing.traceparent() == ""


@pytest.mark.parametrize("text", ["", "x", CALLER + "-more", CALLER.upper(), CALLER.replace("00-", "ff-", 1)])
def test_header_that_is_none_is_no_parent(text: str) -> None:
    assert tracing.read_traceparent(text) == ""
    assert tracing.read_traceparent(CALLER) == CALLER


async def test_spans_reach_a_collector_by_tls() -> None:
    pytest.importorskip("opentelemetry.sdk", reason=otlp_tracer.INSTALL)
    authority = Authority("collector")
    certificate, key = authority.issue("localhost")
    collector = OtlpCollector()
    await collector.start(ServerTls(certificate, key))
    tracer = otlp_tracer.OtlpTracer("node", f"https://localhost:{collector.port}", roots_pem=authority.pem)
    with tracer.span("work", Kind.SERVER, CALLER, {"size": 3}):
        tracer.record("before", tracer.traceparent(), 1, {})
    with pytest.raises(RpcError), tracer.span("refused", Kind.CLIENT, "", {}):
        raise RpcError(StatusCode.ABORTED, "with a text that stays here")
    await asyncio.to_thread(tracer.close)
    await collector.stop()
    before, work, refused = collector.spans
    assert (work.trace_id, work.parent_id, work.attributes) == (TRACE, CALLER.split("-")[2], {"size": "3"})
    assert (before.name, before.trace_id, before.parent_id) == ("before", TRACE, work.span_id)
    assert (refused.failed, refused.attributes) == ("RpcError", {"rpc.grpc.status_code": "10"})
    assert "stays here" not in repr(collector.spans)


def test_missing_packages_are_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(NetworkError, match=r"pip install 'dwaybank-node\[otel\]'"):
        otlp_tracer.OtlpTracer("node", "http://127.0.0.1:4317")
