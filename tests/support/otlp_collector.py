"""A collector of traces: takes OTLP over gRPC, as any other would, and keeps the spans."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from network import rpc

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@dataclass(frozen=True)
class CollectedSpan:
    """A span as it arrived."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    attributes: dict[str, str]
    failed: str


@dataclass
class OtlpCollector:
    """The collector while it runs; made where OpenTelemetry's packages are installed."""

    spans: list[CollectedSpan] = field(default_factory=list)
    port: int = 0
    _server: rpc.Server | None = None

    async def start(self, tls: rpc.ServerTls | None = None) -> None:
        """Listen on a free port of this machine."""
        self._server = rpc.Server("127.0.0.1", 0, tls)
        self._server.unary(EXPORT, self._export)
        self.port = await self._server.start()

    async def stop(self) -> None:
        """Listen no longer."""
        if self._server is not None:
            await self._server.stop(0)

    async def _export(self, request: bytes, call: rpc.Call) -> bytes:
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

        message = trace_service_pb2.ExportTraceServiceRequest.FromString(request)
        for resource in message.resource_spans:
            about = {item.key: item.value.string_value for item in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [_collected(about["service.name"], span) for span in scope.spans]
        reply: bytes = trace_service_pb2.ExportTraceServiceResponse().SerializeToString()
        return reply


def _collected(service: str, span: Any) -> CollectedSpan:
    attributes = {item.key: item.value.string_value or str(item.value.int_value) for item in span.attributes}
    return CollectedSpan(
        service,
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.kind,
        attributes,
        span.status.message if span.status.code == 2 else "",
    )
