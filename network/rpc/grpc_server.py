"""Serves handlers of bytes over gRPC, on grpcio's asyncio server.

Rules
- A handler's ``RpcError`` becomes the call's status; any other exception becomes INTERNAL with a random id that
  the log carries too. No text of such an exception reaches the caller.
- When a caller goes away or its deadline passes, the handler is cancelled where it waits, and a streaming
  handler's generator is closed before the call ends.
- Health (``grpc.health.v1``) and reflection live on the same port when enabled.

Source: gRPC core, doc/statuscodes.md, doc/health-checking.md, doc/server-reflection.md.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from network import tracing
from network.errors import NetworkError, RpcError
from network.rpc.grpc_status import abort
from network.rpc.port import (
    CONCURRENT_CALLS_MAX,
    MESSAGE_BYTES_MAX,
    Bidi,
    Call,
    ServerStream,
    ServerTls,
    Unary,
)
from network.rpc.refusal import hide_error

_Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
_REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"


class Server:
    """One listening port.

    Args:
        host: address to listen on, e.g. ``"127.0.0.1"``.
        port: 0 lets the system choose; ``start`` returns it.
        tls: ``None`` serves in the clear, for tests and for loopback behind another proxy.
        max_message_bytes: a larger request is refused with RESOURCE_EXHAUSTED.
        max_concurrent_calls: see ``CONCURRENT_CALLS_MAX``.
    """

    def __init__(
        self,
        host: str,
        port: int,
        tls: ServerTls | None,
        *,
        max_message_bytes: int = MESSAGE_BYTES_MAX,
        max_concurrent_calls: int = CONCURRENT_CALLS_MAX,
    ) -> None:
        self._address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._tls = tls
        self._options = _server_options(max_message_bytes)
        self._max_concurrent_calls = max_concurrent_calls
        self._handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        self._server: grpc.aio.Server | None = None
        self._health: health_aio.HealthServicer | None = None
        self._reflected: tuple[str, ...] | None = None

    def unary(self, path: str, handler: Unary) -> None:
        """Serve ``path`` with one request and one reply."""
        self._add(path, grpc.unary_unary_rpc_method_handler(_unary(path, tracing.served_unary(path, handler))))

    def server_stream(self, path: str, handler: ServerStream) -> None:
        """Serve ``path`` with one request and a stream of replies."""
        self._add(path, grpc.unary_stream_rpc_method_handler(_streaming(path, tracing.served_stream(path, handler))))

    def bidi(self, path: str, handler: Bidi) -> None:
        """Serve ``path`` with streams both ways; the request stream ends when the caller closes its side."""
        self._add(path, grpc.stream_stream_rpc_method_handler(_streaming(path, tracing.served_stream(path, handler))))

    def enable_health(self) -> None:
        """Serve ``grpc.health.v1.Health``, Check and Watch; the whole server is SERVING from start to stop."""
        self._health = health_aio.HealthServicer()

    def enable_reflection(self, service_names: Sequence[str]) -> None:
        """Let tools list ``service_names`` and read their descriptors, by the v1 and v1alpha protocols."""
        self._reflected = tuple(service_names)

    async def start(self) -> int:
        """Begin to serve.

        Returns:
            The port bound.
        Raises:
            NetworkError: the address is taken or the TLS material is unusable.
        """
        server = grpc.aio.server(options=self._options, maximum_concurrent_rpcs=self._max_concurrent_calls)
        self._register(server)
        port = self._bind(server)
        await server.start()
        if self._health is not None:
            await self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        self._server = server
        return port

    async def stop(self, grace_s: float = 5.0) -> None:
        """Refuse new calls, wait up to ``grace_s`` seconds for running ones, then cancel those. Idempotent."""
        if self._server is None:
            return
        server, self._server = self._server, None
        if self._health is not None:
            await self._health.enter_graceful_shutdown()
        await server.stop(grace_s)

    def _add(self, path: str, handler: grpc.RpcMethodHandler[Any, Any]) -> None:
        if self._server is not None:
            raise NetworkError(f"{path}: a method must be registered before the server starts")
        if path in self._handlers:
            raise NetworkError(f"{path}: registered twice on one server")
        self._handlers[path] = handler

    def _register(self, server: grpc.aio.Server) -> None:
        server.add_generic_rpc_handlers((_Handlers(self._handlers),))
        if self._health is not None:
            health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if self._reflected is not None:
            names = (*self._reflected, reflection.SERVICE_NAME, _REFLECTION_V1)
            servicer = reflection.aio.ReflectionServicer(names)
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
            server.add_generic_rpc_handlers((_reflection_v1(servicer),))

    def _bind(self, server: grpc.aio.Server) -> int:
        try:
            if self._tls is None:
                return int(server.add_insecure_port(self._address))
            return int(server.add_secure_port(self._address, _credentials(self._tls)))
        except RuntimeError as error:
            raise NetworkError(
                f"cannot listen on {self._address}: the port is taken, the address is not this machine's, "
                "or the TLS certificate and key do not belong together"
            ) from error


class _Handlers:
    """Finds the handler of a path; has the shape of ``grpc.GenericRpcHandler``."""

    def __init__(self, handlers: dict[str, grpc.RpcMethodHandler[Any, Any]]) -> None:
        self._handlers = handlers

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the handler, or None so that the library answers UNIMPLEMENTED."""
        return self._handlers.get(handler_call_details.method)


def _unary(path: str, handler: Unary) -> Callable[[bytes, _Context], Awaitable[bytes]]:
    async def serve(request: bytes, context: _Context) -> bytes:
        try:
            return await handler(request, _call(path, context))
        except RpcError as error:
            refusal = error
        except Exception as error:  # noqa: BLE001 - the root of the call's task
            refusal = hide_error(path, error)
        await abort(context, refusal)
        raise AssertionError("abort raises")

    return serve


def _streaming(path: str, handler: Callable[[Any, Call], AsyncIterator[bytes]]) -> Callable[[Any, _Context], Any]:
    async def serve(request: Any, context: _Context) -> None:
        replies = handler(request, _call(path, context))
        try:
            # Writing here, rather than being a generator the library drives, lets a cancelled call close the
            # handler's generator at once instead of when it happens to be collected.
            async for reply in replies:
                await context.write(reply)
            return
        except RpcError as error:
            refusal = error
        except Exception as error:  # noqa: BLE001 - the root of the call's task
            refusal = hide_error(path, error)
        finally:
            close = getattr(replies, "aclose", None)
            if close is not None:
                await close()
        await abort(context, refusal)

    return serve


def _call(path: str, context: _Context) -> Call:
    remaining = context.time_remaining()
    certificates = context.auth_context().get("x509_pem_cert")
    return Call(
        method=path,
        deadline=None if remaining is None else time.monotonic() + remaining,
        peer_certificate=bytes(certificates[0]) if certificates else None,
        peer=context.peer(),
        traceparent=_traceparent(context) if tracing.active() else "",
    )


def _traceparent(context: _Context) -> str:
    sent = dict(context.invocation_metadata() or ())
    return tracing.read_traceparent(str(sent.get("traceparent", "")))


def _credentials(tls: ServerTls) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials(
        [(tls.key_pem, tls.certificate_pem)],
        root_certificates=tls.client_roots_pem,
        require_client_auth=tls.client_roots_pem is not None,
    )


def _reflection_v1(servicer: Any) -> grpc.GenericRpcHandler[Any, Any]:
    """Return the v1 protocol served by the v1alpha servicer: their messages are the same on the wire."""
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(_REFLECTION_V1, {"ServerReflectionInfo": handler})


def _server_options(max_message_bytes: int) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        # Without this two processes may listen on one port and each see half of the calls.
        ("grpc.so_reuseport", 0),
        ("grpc.keepalive_time_ms", 120_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 20_000),
        ("grpc.max_metadata_size", 64 * 1024),
    ]
