"""Serves handlers of bytes over gRPC, on our own HTTP/2.

Rules: those of ``grpc_server``, and
- a stopping server lets callers finish: it says GOAWAY for no stream yet, serves what is on its way, then closes;
- a connection that does not speak HTTP/2 within ten seconds is cut.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar

from network import tracing
from network.errors import NetworkError, RpcError
from network.rpc.http2 import frames
from network.rpc.http2.connection import CLOSE_TIMEOUT_S, GREETING_TIMEOUT_S, STREAMS_MAX, Connection
from network.rpc.http2.frames import END_STREAM, ErrorCode, ProtocolError, Setting
from network.rpc.http2.heads import RequestHead, parse_request, refusal_block
from network.rpc.http2.health import Health, Reflection
from network.rpc.http2.hpack import LIST_BYTES_MAX, Decoder, HeaderListTooLargeError, encode
from network.rpc.http2.served_call import CountedCall, Kind, Method, RunningCalls, ServedCall
from network.rpc.http2.stream import WINDOW_BYTES
from network.rpc.http2.tls import ALPN, server_context
from network.rpc.port import (
    CONCURRENT_CALLS_MAX,
    MESSAGE_BYTES_MAX,
    Bidi,
    ServerStream,
    ServerTls,
    StatusCode,
    Unary,
)

_GREETING = frames.settings(
    {
        Setting.MAX_CONCURRENT_STREAMS: STREAMS_MAX,
        Setting.INITIAL_WINDOW_SIZE: WINDOW_BYTES,
        Setting.MAX_HEADER_LIST_SIZE: LIST_BYTES_MAX,
    }
)
_DRAIN_PING = b"draining"
_HEAD_TOO_LARGE = encode((b":status", b"431"))
_SKIPPED_RANGES = 64


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
        self._host, self._port = host, port
        self._tls = tls
        self.max_message_bytes = max_message_bytes
        self.max_concurrent_calls = max_concurrent_calls
        self.methods: dict[bytes, Method] = {}
        self.running = RunningCalls()
        self.connections: set[ServerConnection] = set()
        self._listening: asyncio.Server | None = None
        self._health: Health | None = None

    def unary(self, path: str, handler: Unary) -> None:
        """Serve ``path`` with one request and one reply."""
        self._add(path, Kind.UNARY, tracing.served_unary(path, handler))

    def server_stream(self, path: str, handler: ServerStream) -> None:
        """Serve ``path`` with one request and a stream of replies."""
        self._add(path, Kind.SERVER_STREAM, tracing.served_stream(path, handler))

    def bidi(self, path: str, handler: Bidi) -> None:
        """Serve ``path`` with streams both ways; the request stream ends when the caller closes its side."""
        self._add(path, Kind.BIDI, tracing.served_stream(path, handler))

    def enable_health(self) -> None:
        """Serve ``grpc.health.v1.Health``, Check and Watch; the whole server is SERVING from start to stop."""
        self._health = Health()
        self.unary("/grpc.health.v1.Health/Check", self._health.check)
        self.server_stream("/grpc.health.v1.Health/Watch", self._health.watch)

    def enable_reflection(self, service_names: Sequence[str]) -> None:
        """Let tools list ``service_names`` and read their descriptors, by the v1 and v1alpha protocols."""
        reflection = Reflection(service_names)
        for name in reflection.OWN_NAMES:
            self.bidi(f"/{name}/ServerReflectionInfo", reflection.answer)

    async def start(self) -> int:
        """Begin to serve.

        Returns:
            The port bound.
        Raises:
            NetworkError: the address is taken or the TLS material is unusable.
        """
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {}
        try:
            if self._tls is not None:
                options["ssl"] = server_context(self._tls)
                options["ssl_handshake_timeout"] = GREETING_TIMEOUT_S
                options["ssl_shutdown_timeout"] = CLOSE_TIMEOUT_S
            listening = await loop.create_server(
                lambda: ServerConnection(loop, self), sock=await self._bind(), backlog=1_024, **options
            )
        except (OSError, ValueError) as error:
            raise NetworkError(
                f"cannot listen on {self._host}:{self._port}: the port is taken, the address is not this machine's, "
                "or the TLS certificate and key do not belong together"
            ) from error
        self._listening = listening
        if self._health is not None:
            self._health.serve(True)
        port: int = listening.sockets[0].getsockname()[1]
        return port

    @property
    def listening(self) -> bool:
        """Whether calls are taken."""
        return self._listening is not None

    async def stop(self, grace_s: float = 5.0) -> None:
        """Refuse new calls, wait up to ``grace_s`` seconds for running ones, then cancel those. Idempotent."""
        if self._listening is None:
            return
        listening, self._listening = self._listening, None
        listening.close()
        if self._health is not None:
            self._health.serve(False)
        for connection in self.connections:
            connection.drain()
        await self.running.ended(grace_s)
        self.running.abandon(RpcError(StatusCode.UNAVAILABLE, "the server is stopping"))
        await self.running.ended(CLOSE_TIMEOUT_S)
        closing = tuple(self.connections)
        for connection in closing:
            connection.finish()
        for connection in closing:
            await connection.closed.wait()

    def _add(self, path: str, kind: Kind, handler: Any) -> None:
        if self._listening is not None:
            raise NetworkError(f"{path}: a method must be registered before the server starts")
        if path.encode() in self.methods:
            raise NetworkError(f"{path}: registered twice on one server")
        self.methods[path.encode()] = Method(path, kind, handler)

    async def _bind(self) -> socket.socket:
        """Return a socket bound to the first address of our host; two servers never share a port."""
        found = await asyncio.get_running_loop().getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except OSError:
            bound.close()
            raise
        return bound


class ServerConnection(Connection):
    """A caller's connection."""

    role: ClassVar[str] = "server"

    def __init__(self, loop: asyncio.AbstractEventLoop, server: Server) -> None:
        super().__init__(loop, server.max_message_bytes)
        self.server = server
        self.peer = "unknown"
        self.peer_certificate: bytes | None = None
        self._decoder: Decoder[RequestHead] = Decoder(parse_request)
        self._skipped: deque[range] = deque(maxlen=_SKIPPED_RANGES)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note who calls."""
        self.server.connections.add(self)
        address = transport.get_extra_info("peername")
        if address:
            host, port = address[:2]
            self.peer = f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"
        super().connection_made(transport)
        if not self.server.listening:
            self.finish()  # its handshake ended after the server had stopped
            return
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None:
            if tls.selected_alpn_protocol() != ALPN:
                self._give_up("the peer does not speak HTTP/2")
            elif certificate := tls.getpeercert(binary_form=True):
                self.peer_certificate = ssl.DER_cert_to_PEM_cert(certificate).encode()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel what the caller will not hear any more."""
        super().connection_lost(exc)
        self.server.connections.discard(self)

    def drain(self) -> None:
        """Ask the caller to go elsewhere; serve what is on its way."""
        if not self.closing:
            self.write(frames.goaway(frames.STREAM_ID_MAX, ErrorCode.NO_ERROR, "the server is stopping"))
            self.write(frames.frame(frames.PING, 0, 0, _DRAIN_PING))

    def _pinged(self, payload: bytes) -> None:
        if payload == _DRAIN_PING:
            # The caller has read the first GOAWAY, so what comes from now on was sent in spite of it.
            self.write(frames.goaway(self.last_stream_id, ErrorCode.NO_ERROR, "the server is stopping"))
            self._refused_above = self.last_stream_id

    def finish(self) -> None:
        """Close; all answers have been given."""
        if not self.closing:
            self.write(frames.goaway(self.last_stream_id, ErrorCode.NO_ERROR, "the server is stopping"))
            self.close()

    def _own_greeting(self) -> bytes:
        return _GREETING

    def _skip_preface(self, data: bytes) -> int:
        if not frames.PREFACE.startswith(data[: len(frames.PREFACE)]):
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "the preface is not that of HTTP/2")
        if len(data) < len(frames.PREFACE):
            return 0
        self._preface_seen = True
        return len(frames.PREFACE)

    def _is_idle(self, stream_id: int) -> bool:
        return stream_id % 2 == 0 or stream_id > self.last_stream_id

    def _take_block(self, stream_id: int, block: bytes, end: bool) -> None:
        try:
            head = self._decoder.decode(block)
        except HeaderListTooLargeError:
            head = None
        stream = self.streams.get(stream_id)
        if stream is not None:
            if stream.remote_ended:
                stream.reset(ErrorCode.STREAM_CLOSED, "a head after the end of the stream")
            elif not end or head is None or not head.may_be_trailers:
                stream.reset(ErrorCode.PROTOCOL_ERROR, "a second head that is not trailers")
            else:
                stream.end_remote()
        elif self._is_idle(stream_id):
            self._open(stream_id, head, end)
        elif stream_id not in self._finished_early:
            skipped = any(stream_id in ids for ids in self._skipped)
            code = ErrorCode.PROTOCOL_ERROR if skipped else ErrorCode.STREAM_CLOSED
            raise ProtocolError(code, "a head for a stream that has been closed")

    def _open(self, stream_id: int, head: RequestHead | None, end: bool) -> None:
        if stream_id % 2 == 0:
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "a stream whose number is even")
        expected = self.last_stream_id + 2 if self.last_stream_id else 1
        if stream_id > expected:
            self._skipped.append(range(expected, stream_id, 2))
        self.last_stream_id = stream_id
        if len(self.streams) >= STREAMS_MAX or stream_id > self._refused_above:
            self._spend()
            self.reset_stream(stream_id, ErrorCode.REFUSED_STREAM)
            return
        if head is not None and head.malformed:
            self.reset_stream(stream_id, ErrorCode.PROTOCOL_ERROR)
            self.blame_reset()
            return
        method = None if head is None else self.server.methods.get(head.path)
        refusal = self._refusal(head, method)
        if refusal or head is None or method is None:
            self.write(self.headers(stream_id, refusal, END_STREAM))
            if not end:
                self.reset_stream(stream_id, ErrorCode.NO_ERROR)
            return
        kind = ServedCall if head.content_length is None else CountedCall
        stream = self.streams[stream_id] = kind(self, stream_id, method, head)
        if end:
            stream.end_remote()

    def _refusal(self, head: RequestHead | None, method: Method | None) -> bytes:
        """Return the block that answers a call which is not to be served; empty for one that is."""
        if head is None:
            return _HEAD_TOO_LARGE
        if head.refusal:
            return head.refusal
        if method is None:
            return refusal_block(RpcError(StatusCode.UNIMPLEMENTED, "there is no such method here"), head=True)
        if len(self.server.running) >= (limit := self.server.max_concurrent_calls):
            error = RpcError(StatusCode.RESOURCE_EXHAUSTED, f"the server carries {limit} calls and takes no more")
            return refusal_block(error, head=True)
        return b""

    def _lost(self, reason: str) -> None:
        error = RpcError(StatusCode.UNAVAILABLE, reason)
        for stream in tuple(self.streams.values()):
            stream.lost(error)
