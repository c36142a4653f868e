"""Counts calls of a gRPC server under Fabric's names, and the blocks that Deliver streams hand out.

Source: Fabric common/grpcmetrics/interceptor.go, common/deliver/metrics.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from time import perf_counter
from typing import Any

from fabric_protos.common import common_pb2
from google.protobuf.message import DecodeError

from network import rpc
from network.errors import RpcError
from network.operations.metrics import Counter, Family, Histogram, Metrics
from network.rpc import StatusCode

_CODES = {code: code.name.title().replace("_", "") for code in StatusCode} | {StatusCode.OK: "OK"}
_CODES[StatusCode.CANCELLED] = "Canceled"
_DATA_TYPES = {"Deliver": "block", "DeliverFiltered": "filtered_block", "DeliverWithPrivateData": "block_and_pvtdata"}
_STATUS_FIELD = 0x08
"""First byte of a ``DeliverResponse`` that is a status; every block's is another."""


class GrpcMetrics:
    """The families; one for each process."""

    def __init__(self, metrics: Metrics) -> None:
        labels, ended = ["service", "method"], ["service", "method", "code"]
        self.unary_received = metrics.counter(
            "grpc_server_unary_requests_received", "The number of unary requests received.", labels
        )
        self.unary_completed = metrics.counter(
            "grpc_server_unary_requests_completed", "The number of unary requests completed.", ended
        )
        self.unary_duration = metrics.histogram(
            "grpc_server_unary_request_duration", "The time to complete a unary request.", ended
        )
        self.stream_received = metrics.counter(
            "grpc_server_stream_requests_received", "The number of stream requests received.", labels
        )
        self.stream_completed = metrics.counter(
            "grpc_server_stream_requests_completed", "The number of stream requests completed.", ended
        )
        self.stream_duration = metrics.histogram(
            "grpc_server_stream_request_duration", "The time to complete a stream request.", ended
        )
        self.messages_received = metrics.counter(
            "grpc_server_stream_messages_received", "The number of stream messages received.", labels
        )
        self.messages_sent = metrics.counter(
            "grpc_server_stream_messages_sent", "The number of stream messages sent.", labels
        )
        self.deliver = DeliverMetrics(metrics)


class DeliverMetrics:
    """What Deliver services hand out."""

    def __init__(self, metrics: Metrics) -> None:
        labels = ["channel", "filtered", "data_type"]
        self.opened = metrics.counter(
            "deliver_streams_opened",
            "The number of GRPC streams that have been opened for the deliver service.",
        ).of()
        self.closed = metrics.counter(
            "deliver_streams_closed",
            "The number of GRPC streams that have been closed for the deliver service.",
        ).of()
        self.received = metrics.counter(
            "deliver_requests_received", "The number of deliver requests that have been received.", labels
        )
        self.completed = metrics.counter(
            "deliver_requests_completed",
            "The number of deliver requests that have been completed.",
            [*labels, "success"],
        )
        self.blocks = metrics.counter(
            "deliver_blocks_sent", "The number of blocks sent by the deliver service.", labels
        )


class ObservedServer(rpc.Server):
    """A server whose calls are counted; everything else is the transport's."""

    def __init__(self, host: str, port: int, tls: rpc.ServerTls | None, metrics: GrpcMetrics) -> None:
        super().__init__(host, port, tls)
        self._metrics = metrics

    def unary(self, path: str, handler: rpc.Unary) -> None:
        """Serve ``path`` with one request and one reply."""
        metrics = self._metrics
        service, method = _names(path)
        received = metrics.unary_received.of(service, method)
        ended = _Ends(metrics.unary_completed, metrics.unary_duration, service, method)

        async def observed(request: bytes, call: rpc.Call) -> bytes:
            received.value += 1
            begun = perf_counter()
            code = int(StatusCode.OK)
            try:
                return await handler(request, call)
            except BaseException as error:
                code = _code_of(error)
                raise
            finally:
                ended.note(code, perf_counter() - begun)

        super().unary(path, observed)

    def server_stream(self, path: str, handler: rpc.ServerStream) -> None:
        """Serve ``path`` with one request and a stream of replies."""
        watch = _StreamWatch(self._metrics, path)

        def observed(request: bytes, call: rpc.Call) -> AsyncIterator[bytes]:
            watch.received.value += 1
            return watch.replies(handler(request, call))

        super().server_stream(path, observed)

    def bidi(self, path: str, handler: rpc.Bidi) -> None:
        """Serve ``path`` with streams both ways."""
        watch = _StreamWatch(self._metrics, path)
        deliver = self._metrics.deliver
        kind = _DATA_TYPES.get(path.rpartition("/")[2])

        def observed(requests: AsyncIterator[bytes], call: rpc.Call) -> AsyncIterator[bytes]:
            if kind is None:
                return watch.replies(handler(watch.requests(requests), call))
            stream = _DeliverStream(deliver, kind)
            return watch.replies(stream.replies(handler(watch.requests(stream.requests(requests)), call)))

        super().bidi(path, observed)


class _Ends:
    """How calls of one method end."""

    def __init__(self, completed: Family[Counter], duration: Family[Histogram], service: str, method: str) -> None:
        self._families = completed, duration
        self._names = service, method
        self._cells: dict[int, tuple[Counter, Histogram]] = {}

    def note(self, code: int, seconds: float) -> None:
        cells = self._cells.get(code)
        if cells is None:
            completed, duration = self._families
            values = (*self._names, _CODES.get(StatusCode(code), "Unknown") if code in _CODES else "Unknown")
            cells = self._cells[code] = completed.of(*values), duration.of(*values)
        cells[0].value += 1
        cells[1].observe(seconds)


class _StreamWatch:
    """The streams of one method."""

    def __init__(self, metrics: GrpcMetrics, path: str) -> None:
        service, method = _names(path)
        self._opened = metrics.stream_received.of(service, method)
        self._ended = _Ends(metrics.stream_completed, metrics.stream_duration, service, method)
        self.received = metrics.messages_received.of(service, method)
        self._sent = metrics.messages_sent.of(service, method)

    async def requests(self, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for request in requests:
            self.received.value += 1
            yield request

    async def replies(self, replies: Any) -> AsyncIterator[bytes]:
        self._opened.value += 1
        begun = perf_counter()
        code = int(StatusCode.OK)
        try:
            async with aclosing(replies) as stream:
                async for reply in stream:
                    self._sent.value += 1
                    yield reply
        except BaseException as error:
            code = _code_of(error)
            raise
        finally:
            self._ended.note(code, perf_counter() - begun)


class _DeliverStream:
    """One Deliver stream: which channel it asked for last, and how it is answered."""

    def __init__(self, metrics: DeliverMetrics, kind: str) -> None:
        self._metrics = metrics
        self._labels = ("", str(kind == "filtered_block").lower(), kind)
        self._blocks: Counter | None = None

    async def requests(self, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for request in requests:
            self._labels = (_channel_of(request), *self._labels[1:])
            self._metrics.received.of(*self._labels).value += 1
            self._blocks = self._metrics.blocks.of(*self._labels)
            yield request

    async def replies(self, replies: Any) -> AsyncIterator[bytes]:
        self._metrics.opened.value += 1
        try:
            async with aclosing(replies) as stream:
                async for reply in stream:
                    if reply[:1] != bytes([_STATUS_FIELD]):
                        if self._blocks is not None:
                            self._blocks.value += 1
                    else:
                        success = str(reply[1:] == b"\xc8\x01").lower()
                        self._metrics.completed.of(*self._labels, success).value += 1
                    yield reply
        finally:
            self._metrics.closed.value += 1


def _channel_of(envelope: bytes) -> str:
    try:
        payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(envelope).payload)
        return str(common_pb2.ChannelHeader.FromString(payload.header.channel_header).channel_id)
    except DecodeError:
        return ""


def _names(path: str) -> tuple[str, str]:
    _, service, method = path.replace(".", "_").split("/")
    return service, method


def _code_of(error: BaseException) -> int:
    if isinstance(error, RpcError):
        return error.code
    return StatusCode.CANCELLED if isinstance(error, asyncio.CancelledError | GeneratorExit) else StatusCode.INTERNAL
