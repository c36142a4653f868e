"""Makes calls of bytes over gRPC, on our own HTTP/2.

Rules: those of ``grpc_channel``, and
- a call that the server certainly has not begun to process is made again, once, on another connection;
- after a failed attempt to connect, calls fail at once until the next attempt is due;
- calls beyond the streams the server allows wait for their turn.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, ClassVar

from network import tracing
from network.errors import RpcError, UnreachableError
from network.rpc.http2 import frames
from network.rpc.http2.connection import CLOSE_TIMEOUT_S, Connection
from network.rpc.http2.frames import END_STREAM, ErrorCode, ProtocolError, Setting
from network.rpc.http2.heads import ReplyHead, parse_reply, request_block, trace_block
from network.rpc.http2.hpack import LIST_BYTES_MAX, Decoder, HeaderListTooLargeError
from network.rpc.http2.made_call import MadeCall
from network.rpc.http2.stream import WINDOW_BYTES, Stream
from network.rpc.http2.tls import ALPN, client_context
from network.rpc.port import MESSAGE_BYTES_MAX, ClientTls, StatusCode, certificate_hash

CONNECT_TIMEOUT_S = 5.0
"""Time for name, TCP, TLS and the server's first SETTINGS; a busy machine needs more than a fraction of a second."""

BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 5.0
_BACKOFF_FACTOR = 1.6
_BACKOFF_JITTER = 0.2
_BLOCKS_MEMORIZED = 256

_GREETING = frames.PREFACE + frames.settings(
    {
        Setting.ENABLE_PUSH: 0,
        Setting.INITIAL_WINDOW_SIZE: WINDOW_BYTES,
        Setting.MAX_HEADER_LIST_SIZE: LIST_BYTES_MAX,
    }
)


class Channel:
    """A connection to one address.

    Args:
        address: ``"host:port"``.
        tls: ``None`` connects in the clear.
        server_name: the name the server's certificate must carry, where it is not the address's host.
        max_message_bytes: a larger reply fails with RESOURCE_EXHAUSTED.
    """

    def __init__(
        self,
        address: str,
        tls: ClientTls | None,
        *,
        server_name: str | None = None,
        max_message_bytes: int = MESSAGE_BYTES_MAX,
    ) -> None:
        self.address = address
        self._tls = tls
        self._context: ssl.SSLContext | None = None
        host, _, port = address.rpartition(":")
        self._host, self._port = host.strip("[]"), port
        self._server_name = server_name
        self._authority = (server_name or address).encode()
        self._max_message_bytes = max_message_bytes
        self._closed = False
        self._connection: ClientConnection | None = None
        self._connections: set[ClientConnection] = set()
        self._connecting: asyncio.Task[ClientConnection | str] | None = None
        self._failure = ""
        self._retry_at = 0.0
        self._backoff_s = BACKOFF_FIRST_S
        self._blocks: dict[tuple[str, float | None], bytes] = {}
        tracing.wrap_made(self)

    @property
    def tls_certificate_hash(self) -> bytes:
        """SHA-256 of the client's own TLS certificate (DER), as Fabric binds requests to it; empty without one."""
        if self._tls is None or self._tls.certificate_pem is None:
            return b""
        return certificate_hash(self._tls.certificate_pem)

    async def unary(self, path: str, request: bytes, timeout_s: float | None) -> bytes:
        """Make a call of one request and one reply.

        Args:
            path: ``/package.Service/Method``.
            request: serialized request.
            timeout_s: seconds until DEADLINE_EXCEEDED; ``None`` waits for ever.
        Returns:
            The reply's bytes.
        Raises:
            RpcError: the call failed.
        """
        self._check_size(request)
        deadline = None if timeout_s is None else asyncio.get_running_loop().time() + timeout_s
        for last_try in (False, True):
            call, head = await self._begin(path, timeout_s, deadline, streaming=False)
            try:
                call.send(request, head=head, flags=END_STREAM)
                return await call.reply()
            except RpcError:
                if last_try or not call.unprocessed:
                    raise
            finally:
                call.leave()
        raise AssertionError("the last try returns or raises")

    async def server_stream(self, path: str, request: bytes, timeout_s: float | None) -> AsyncGenerator[bytes, None]:
        """Make a call of one request and yield its replies.

        Raises:
            RpcError: the call failed, at any reply.
        """
        self._check_size(request)
        deadline = None if timeout_s is None else asyncio.get_running_loop().time() + timeout_s
        for last_try in (False, True):
            call, head = await self._begin(path, timeout_s, deadline, streaming=True)
            try:
                call.send(request, head=head, flags=END_STREAM)
                while (reply := await call.next_reply()) is not None:
                    yield reply
                return
            except RpcError:
                if last_try or not call.unprocessed:
                    raise
            finally:
                call.leave()

    async def bidi(
        self, path: str, requests: AsyncIterator[bytes], timeout_s: float | None
    ) -> AsyncGenerator[bytes, None]:
        """Send ``requests`` as they come and yield the replies; the call's sending side closes when they end.

        Raises:
            RpcError: the call failed.
            Exception: whatever ``requests`` raised, after the call has been cancelled.
        """
        deadline = None if timeout_s is None else asyncio.get_running_loop().time() + timeout_s
        call, head = await self._begin(path, timeout_s, deadline, streaming=True)
        call.connection.write(head)
        sender = asyncio.create_task(self._send_all(call, requests))
        try:
            while (reply := await call.next_reply()) is not None:
                yield reply
        except RpcError:
            # A request source that failed ends the call; what the caller must see is that failure.
            if sender.done() and not sender.cancelled() and (cause := sender.exception()) is not None:
                raise cause from None
            raise
        finally:
            call.leave()
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    async def close(self) -> None:
        """Cancel what is under way and drop the connection. Idempotent."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        closing = tuple(self._connections)
        for connection in closing:
            connection.shut(RpcError(StatusCode.CANCELLED, self._closed_text()))
        for connection in closing:
            await connection.closed.wait()

    def _closed_text(self) -> str:
        return f"the channel to {self.address} has been closed by this side"

    def _check_size(self, request: bytes) -> None:
        if len(request) > (limit := self._max_message_bytes):
            raise RpcError(
                StatusCode.RESOURCE_EXHAUSTED, f"trying to send message larger than max ({len(request)} vs. {limit})"
            )

    async def _send_all(self, call: MadeCall, requests: AsyncIterator[bytes]) -> None:
        try:
            async for request in requests:
                if call.closed:
                    return
                self._check_size(request)
                call.send(request)
                if call.must_wait:
                    await call.drained()
            call.half_close()
        except Exception:
            call.leave()
            raise

    # --- connecting -------------------------------------------------------------------------------------------------

    async def _begin(
        self, path: str, timeout_s: float | None, deadline: float | None, *, streaming: bool
    ) -> tuple[MadeCall, bytes]:
        """Return a new call and the frame of its head, which must be sent next."""
        connection = self._connection
        if connection is None or not connection.has_room:
            try:
                async with asyncio.timeout_at(deadline):
                    connection = await self._connection_with_room()
            except TimeoutError:
                text = f"the deadline passed before there was a connection to {self.address}"
                raise RpcError(StatusCode.DEADLINE_EXCEEDED, text) from None
            if deadline is not None:
                timeout_s = deadline - connection.loop.time()
            block = self._block(path, timeout_s)
        else:
            known = self._blocks.get((path, timeout_s))
            if known is None:
                if len(self._blocks) >= _BLOCKS_MEMORIZED:
                    self._blocks.clear()
                known = self._blocks[path, timeout_s] = self._block(path, timeout_s)
            block = known
        if trace := tracing.traceparent():
            block += trace_block(trace)
        call = connection.open(deadline, streaming=streaming)
        # The head of a call is always followed by data, which ends it.
        return call, connection.headers(call.id, block, 0)

    def _block(self, path: str, timeout_s: float | None) -> bytes:
        scheme = b"http" if self._tls is None else b"https"
        return request_block(scheme, self._authority, path.encode(), timeout_s)

    async def _connection_with_room(self) -> ClientConnection:
        while True:
            connection = self._connection
            if connection is None or not connection.usable:
                connection = await self._connect()
            if connection.has_room:
                return connection
            await connection.room()

    async def _connect(self) -> ClientConnection:
        """Return a usable connection; all callers share one attempt."""
        if self._closed:
            raise RpcError(StatusCode.UNAVAILABLE, self._closed_text())
        loop = asyncio.get_running_loop()
        if self._connecting is None:
            if loop.time() < self._retry_at:
                raise UnreachableError(StatusCode.UNAVAILABLE, self._failure)
            self._connecting = loop.create_task(self._attempt(loop))
        attempt = self._connecting
        try:
            outcome = await asyncio.shield(attempt)
        except asyncio.CancelledError:
            if attempt.cancelled():
                raise RpcError(StatusCode.CANCELLED, self._closed_text()) from None
            raise
        if isinstance(outcome, str):
            raise UnreachableError(StatusCode.UNAVAILABLE, outcome)
        return outcome

    async def _attempt(self, loop: asyncio.AbstractEventLoop) -> ClientConnection | str:
        """Return a connection, or why there is none."""
        try:
            connection = await self._dial(loop)
        except (OSError, ValueError, EOFError) as error:
            # ``TimeoutError`` is an ``OSError``, and so are the errors of TLS.
            reason = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            self._failure = f"cannot connect to {self.address}: {reason}"
            self._retry_at = loop.time() + self._backoff_s * random.uniform(1 - _BACKOFF_JITTER, 1)  # noqa: S311
            self._backoff_s = min(BACKOFF_MAX_S, self._backoff_s * _BACKOFF_FACTOR)
            return self._failure
        finally:
            self._connecting = None
        self._backoff_s = BACKOFF_FIRST_S
        self._connection = connection
        return connection

    async def _dial(self, loop: asyncio.AbstractEventLoop) -> ClientConnection:
        options: dict[str, Any] = {}
        if self._tls is not None:
            if self._context is None:
                self._context = client_context(self._tls)
            options = {
                "ssl": self._context,
                "server_hostname": self._server_name or self._host,
                "ssl_handshake_timeout": CONNECT_TIMEOUT_S,
                "ssl_shutdown_timeout": CLOSE_TIMEOUT_S,
            }
        connection = ClientConnection(loop, self._max_message_bytes, self._connections)
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await loop.create_connection(lambda: connection, self._host, int(self._port), **options)
            try:
                await connection.ready
            except asyncio.CancelledError:
                connection.transport.abort()
                raise
        return connection


class ClientConnection(Connection):
    """A connection to a server.

    Args:
        loop: the event loop it lives in.
        max_message_bytes: see ``Channel``.
        registry: holds the connection as long as it is open.
    """

    role: ClassVar[str] = "client"

    def __init__(
        self, loop: asyncio.AbstractEventLoop, max_message_bytes: int, registry: set[ClientConnection]
    ) -> None:
        super().__init__(loop, max_message_bytes)
        self.ready: asyncio.Future[None] = loop.create_future()
        self._registry = registry
        self._decoder: Decoder[ReplyHead] = Decoder(parse_reply)
        self._next_stream_id = 1
        self._streams_allowed = frames.STREAM_ID_MAX
        self._going_away = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def usable(self) -> bool:
        """Whether new calls may be made at all."""
        return not (self.closing or self._going_away) and self._next_stream_id <= frames.STREAM_ID_MAX

    @property
    def has_room(self) -> bool:
        """Whether a call can be made now."""
        return self.usable and len(self.streams) < self._streams_allowed

    async def room(self) -> None:
        """Wait until a call has ended, or the connection."""
        place = self.loop.create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():
                self._admit()  # it was this one's turn, and is the next one's now
            raise

    def open(self, deadline: float | None, *, streaming: bool) -> MadeCall:
        """Return a new call; there must be room for it."""
        call = MadeCall(self, self._next_stream_id, deadline, streaming=streaming)
        self.streams[call.id] = call
        self._next_stream_id += 2
        return call

    def forget(self, stream: Stream) -> None:
        """Drop a stream that is over and let the next one in."""
        super().forget(stream)
        self._admit()
        if self._going_away and not self.streams and not self.closing:
            self.close()

    def _admit(self) -> None:
        room = self._streams_allowed - len(self.streams) if self.usable else len(self._waiting)
        while self._waiting and room > 0:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                room -= 1

    def shut(self, error: RpcError) -> None:
        """End all calls with an error, and close."""
        for stream in tuple(self.streams.values()):
            if isinstance(stream, MadeCall):
                stream.finish(error)
        if not self.closing:
            self.write(frames.goaway(0, ErrorCode.NO_ERROR))
            self.close()

    def connection_made(self, transport: Any) -> None:
        """Greet the server if it speaks HTTP/2."""
        self._registry.add(self)
        super().connection_made(transport)
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != ALPN:
            self._give_up("the server does not speak HTTP/2 (ALPN)")

    def _own_greeting(self) -> bytes:
        return _GREETING

    def _greeted(self) -> None:
        if not self.ready.done():
            self.ready.set_result(None)

    def _is_idle(self, stream_id: int) -> bool:
        return stream_id % 2 == 0 or stream_id >= self._next_stream_id

    def _wants_keepalive(self) -> bool:
        return bool(self.streams)

    def _peer_allows(self, streams: int) -> None:
        self._streams_allowed = streams
        self._admit()

    def _take_block(self, stream_id: int, block: bytes, end: bool) -> None:
        try:
            head = self._decoder.decode(block)
        except HeaderListTooLargeError:
            head = ReplyHead(StatusCode.RESOURCE_EXHAUSTED, f"the answer's head is larger than {LIST_BYTES_MAX} bytes")
        call = self.streams.get(stream_id)
        if isinstance(call, MadeCall):
            call.head_received(head, end)
        elif self._is_idle(stream_id):
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "a head for a stream that was never opened")

    def _peer_goes_away(self, last_stream_id: int, code: int) -> None:
        self._going_away = True
        reason = "" if code == ErrorCode.NO_ERROR else f": {ErrorCode(code).name}" if code in _CODES else f": {code}"
        error = RpcError(StatusCode.UNAVAILABLE, f"the server goes away{reason}")
        for stream in tuple(self.streams.values()):
            if stream.id > last_stream_id and isinstance(stream, MadeCall):
                stream.unprocessed = True
                stream.lost(error)
        self._admit()
        if not self.streams and not self.closing:
            self.close()

    def _lost(self, reason: str) -> None:
        self._registry.discard(self)
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(reason))
            self.ready.exception()  # nobody may be waiting
        error = RpcError(StatusCode.UNAVAILABLE, f"the connection was lost: {reason}")
        for stream in tuple(self.streams.values()):
            stream.lost(error)
        self._admit()


_CODES = frozenset(ErrorCode)
