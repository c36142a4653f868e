"""Records spans and sends them to a collector by OTLP over gRPC, with OpenTelemetry's own packages.

Those are an extra, ``pip install 'dwaybank-node[otel]'``, imported only where traces are asked for. The environment
variables that OpenTelemetry defines (``OTEL_RESOURCE_ATTRIBUTES``, ``OTEL_BSP_SCHEDULE_DELAY``, ...) count as usual.

Source: OpenTelemetry specification 1.x, trace API and SDK; OTLP 1.x.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from network import tracing
from network.errors import NetworkError, RpcError
from network.rpc.port import ClientTls
from network.tracing import Attributes, Kind

INSTALL = "traces need OpenTelemetry's packages: pip install 'dwaybank-node[otel]'"

SEND_TIMEOUT_S = 3.0
"""Longest a process that ends waits for a collector that does not answer, and its sending thread for each batch."""


@contextmanager
def traced(tracer: OtlpTracer | None) -> Iterator[None]:
    """Trace this process meanwhile, and send what is left in the end; None traces nothing."""
    if tracer is None:
        yield
        return
    tracing.switch(tracer)
    try:
        yield
    finally:
        tracing.switch(None)
        tracer.close()


class OtlpTracer:
    """A :class:`network.tracing.Tracer`.

    Args:
        service: name of this process in traces.
        endpoint: of the collector, ``http://HOST:PORT`` or ``https://HOST:PORT``.
        ratio: share of the traces begun here that is recorded; those of callers are as they say.
        roots_pem: authorities of the collector's certificate, where they are not the system's.
    Raises:
        NetworkError: the packages are not installed.
    """

    def __init__(self, service: str, endpoint: str, ratio: float = 1.0, roots_pem: bytes | None = None) -> None:
        try:
            from opentelemetry import trace
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

            from network.rpc.grpc_channel import credentials
        except ImportError as error:
            raise NetworkError(INSTALL) from error
        insecure = not endpoint.startswith("https://")
        own_roots = None if insecure or roots_pem is None else credentials(ClientTls(roots_pem))
        exporter = OTLPSpanExporter(endpoint, insecure, own_roots, timeout=SEND_TIMEOUT_S)
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(ratio)), resource=Resource.create({"service.name": service})
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("dwaybank-node")
        self._propagator = TraceContextTextMapPropagator()
        self._kinds = {kind: trace.SpanKind[kind.name] for kind in Kind}
        self._failed = trace.StatusCode.ERROR

    def span(self, name: str, kind: Kind, parent: str, attributes: Attributes) -> AbstractContextManager[None]:
        """See :class:`network.tracing.Tracer`."""
        return self._span(name, self._kinds[kind], self._context(parent), attributes)

    def record(self, name: str, parent: str, start_ns: int, attributes: Attributes) -> None:
        """See :class:`network.tracing.Tracer`."""
        self._tracer.start_span(name, self._context(parent), attributes=attributes, start_time=start_ns).end()

    def traceparent(self) -> str:
        """See :class:`network.tracing.Tracer`."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get("traceparent", "")

    def close(self) -> None:
        """Send what is left and end the sending thread; may take seconds where the collector does not answer."""
        self._provider.shutdown()

    def _context(self, parent: str) -> Any:
        return self._propagator.extract({"traceparent": parent}) if parent else None

    @contextmanager
    def _span(self, name: str, kind: Any, context: Any, attributes: Attributes) -> Iterator[None]:
        with self._tracer.start_as_current_span(
            name, context, kind, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except GeneratorExit:
                raise
            except BaseException as error:
                # The kind of failure only: texts may hold what is in no trace's place.
                span.set_status(self._failed, type(error).__name__)
                if isinstance(error, RpcError):
                    span.set_attribute("rpc.grpc.status_code", int(error.code))
                raise
