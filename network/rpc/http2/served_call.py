"""One call as the server sees it: from its head to its trailers.

Rules
- The handler runs in a task of its own, so it may use whatever asyncio offers; it is cancelled when the caller goes
  away, the deadline passes or the server stops.
- The call counts against the server's limit until its handler has ended and its answer has left, not only until its
  stream is reset.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from network.errors import RpcError
from network.rpc.http2.frames import END_STREAM, ErrorCode
from network.rpc.http2.heads import OK_TRAILERS, RESPONSE_HEAD, RequestHead, refusal_block
from network.rpc.http2.stream import Stream
from network.rpc.port import Call, StatusCode
from network.rpc.refusal import hide_error

if TYPE_CHECKING:
    from network.rpc.http2.server import ServerConnection


class Kind(Enum):
    """How many messages go each way."""

    UNARY = "unary"
    SERVER_STREAM = "server_stream"
    BIDI = "bidi"


@dataclass(frozen=True, slots=True)
class Method:
    """A served path."""

    path: str
    kind: Kind
    handler: Callable[[Any, Call], Any]


class ServedCall(Stream):
    """A call of one of the server's methods."""

    __slots__ = (
        "_answered",
        "_begun",
        "_call",
        "_cancelled",
        "_head_sent",
        "_method",
        "_running",
        "_task",
        "_tick",
        "_waiter",
    )

    def __init__(self, connection: ServerConnection, stream_id: int, method: Method, head: RequestHead) -> None:
        super().__init__(connection, stream_id)
        self._method = method
        self._task: asyncio.Task[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._tick = 0
        self._head_sent = self._answered = self._begun = self._cancelled = False
        deadline = None
        if head.timeout_s is not None:
            deadline = connection.loop.time() + head.timeout_s
            self._tick = connection.deadlines.add(deadline, self)
        self._call = Call(method.path, deadline, connection.peer_certificate, connection.peer, head.traceparent)
        self._running = connection.server.running
        self._running.add(self)
        if method.kind is Kind.BIDI:
            self._start(self._serve_stream(_Requests(self)))

    # --- what the caller sends --------------------------------------------------------------------------------------

    def _delivered(self, message: bytes) -> None:
        if self._method.kind is Kind.BIDI:
            self.keep(message)
            self._wake()
        elif self.messages:
            self._failed(RpcError(StatusCode.INTERNAL, f"{self._method.path} takes one request, and more were sent"))
        else:
            self.keep(message)

    def _remote_ended(self) -> None:
        kind = self._method.kind
        if kind is Kind.BIDI:
            self._wake()
        elif not self.messages:
            self._failed(RpcError(StatusCode.INTERNAL, f"{self._method.path} takes one request, and none was sent"))
        elif kind is Kind.UNARY:
            self._start(self._serve_unary(self.take()))
        else:
            self._start(self._serve_stream(self.take()))

    async def next_request(self) -> bytes:
        """Return the next request of a stream.

        Raises:
            StopAsyncIteration: there are no more.
        """
        while not self.messages:
            if self.remote_ended or self.closed:
                raise StopAsyncIteration
            self._waiter = self.connection.loop.create_future()
            await self._waiter
        return self.take()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- what the handler answers -----------------------------------------------------------------------------------

    def _start(self, served: Coroutine[Any, Any, None]) -> None:
        self._task = self.connection.loop.create_task(served)

    async def _serve_unary(self, request: bytes) -> None:
        self._begun = True
        try:
            reply = await self._method.handler(request, self._call)
            self._check_size(reply)
            if not self._answered:
                self._answered = True
                self.send(reply, head=self._head(), tail=self._trailers(OK_TRAILERS))
        except RpcError as error:
            self._refuse(error)
        except asyncio.CancelledError:
            self._refuse(RpcError(StatusCode.CANCELLED, "the call was cancelled"))
            raise
        except Exception as error:  # noqa: BLE001 - the root of the call's task
            self._refuse(hide_error(self._method.path, error))
        finally:
            self._handled()

    async def _serve_stream(self, request: Any) -> None:
        self._begun = True
        try:
            await self._send_replies(self._method.handler(request, self._call))
            if not self._answered:
                self._answered = True
                head = b"" if self._head_sent else self._head()
                self.end(head + self._trailers(OK_TRAILERS))
        except RpcError as error:
            self._refuse(error)
        except asyncio.CancelledError:
            self._refuse(RpcError(StatusCode.CANCELLED, "the call was cancelled"))
            raise
        except Exception as error:  # noqa: BLE001 - the root of the call's task
            self._refuse(hide_error(self._method.path, error))
        finally:
            self._handled()

    async def _send_replies(self, replies: Any) -> None:
        try:
            async for reply in replies:
                if self._answered:  # the handler went on although it was cancelled
                    break
                self._check_size(reply)
                self.send(reply, head=b"" if self._head_sent else self._head())
                if self.must_wait:
                    await self.drained()
        finally:
            # Now, and not whenever the generator happens to be collected.
            close = getattr(replies, "aclose", None)
            if close is not None:
                await close()

    def _check_size(self, reply: bytes) -> None:
        if len(reply) > (limit := self.connection.max_message_bytes):
            raise RpcError(
                StatusCode.RESOURCE_EXHAUSTED,
                f"grpc: trying to send message larger than max ({len(reply)} vs. {limit})",
            )

    def _head(self) -> bytes:
        self._head_sent = True
        return self.connection.headers(self.id, RESPONSE_HEAD, 0)

    def _trailers(self, block: bytes) -> bytes:
        return self.connection.headers(self.id, block, END_STREAM)

    def _refuse(self, error: RpcError) -> None:
        """End the call with an error, after what has been sent; at most once."""
        if not self._answered:
            self._answered = True
            if not self.closed:
                self.end(self._trailers(refusal_block(error, head=not self._head_sent)))

    # --- how it ends ------------------------------------------------------------------------------------------------

    def _failed(self, error: RpcError) -> None:
        self.drop_unsent()
        self._refuse(error)
        self._cancel_handler()

    def abandon(self, error: RpcError) -> None:
        """Answer with an error and cancel the handler, because the server stops."""
        self._failed(error)

    def expire(self) -> None:
        """End with DEADLINE_EXCEEDED."""
        self._failed(RpcError(StatusCode.DEADLINE_EXCEEDED, "the deadline passed before the answer was ready"))

    def peer_reset(self, code: int) -> None:
        """Cancel the handler; count it, for an attacker may open and reset calls without end."""
        self._answered = True
        self.close()
        self._cancel_handler()
        self.connection.blame_reset()

    def lost(self, error: RpcError) -> None:
        """Cancel the handler."""
        self._answered = True
        self.close()
        self._cancel_handler()

    def _end_local(self) -> None:
        self.local_ended = True
        if self.remote_ended:
            self.close()
        else:
            self.cancel(ErrorCode.NO_ERROR)  # nobody will read what the caller still sends

    def close(self) -> None:
        """Forget the stream, and the call too once its handler has ended."""
        if not self.closed:
            super().close()
            self._wake()
            if self._tick:
                self.connection.deadlines.remove(self._tick, self)
            self._settle()

    def _cancel_handler(self) -> None:
        if self._task is not None and not self._cancelled:
            self._cancelled = True
            self._task.cancel()
            if not self._begun:
                self._handled()  # a task cancelled before its first step runs nothing, not even ``finally``

    def _handled(self) -> None:
        self._task = None
        self._settle()

    def _settle(self) -> None:
        if self.closed and self._task is None:
            self._running.remove(self)


class CountedCall(ServedCall):
    """A call whose head promised a number of bytes."""

    __slots__ = ("_left",)

    def __init__(self, connection: ServerConnection, stream_id: int, method: Method, head: RequestHead) -> None:
        super().__init__(connection, stream_id, method, head)
        self._left = head.content_length or 0

    def receive(self, data: bytes, size: int, end: bool) -> None:
        """Hold the caller to the promise, then as usual."""
        self._left -= len(data)
        if self._left < 0 or (end and self._left):
            self.reset(ErrorCode.PROTOCOL_ERROR, "content-length is not the length of the content")
        else:
            super().receive(data, size, end)

    def end_remote(self) -> None:
        """Hold the caller to the promise, then as usual."""
        if self._left:
            self.reset(ErrorCode.PROTOCOL_ERROR, "content-length is not the length of the content")
        else:
            super().end_remote()


class _Requests:
    """The requests of a call, for its handler; a plain iterator, so an abandoned one needs no closing."""

    __slots__ = ("_call",)

    def __init__(self, call: ServedCall) -> None:
        self._call = call

    def __aiter__(self) -> _Requests:
        return self

    def __anext__(self) -> Coroutine[Any, Any, bytes]:
        return self._call.next_request()


class RunningCalls:
    """The calls a server has under way."""

    def __init__(self) -> None:
        self._calls: set[ServedCall] = set()
        self._none_left: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, call: ServedCall) -> None:
        """Count a call."""
        self._calls.add(call)

    def remove(self, call: ServedCall) -> None:
        """Forget a call that has ended. Idempotent."""
        self._calls.discard(call)
        if self._none_left is not None and not self._calls and not self._none_left.done():
            self._none_left.set_result(None)

    async def ended(self, timeout_s: float) -> None:
        """Wait until there is none, at most for a time."""
        if self._calls and timeout_s > 0:
            self._none_left = asyncio.get_running_loop().create_future()
            await asyncio.wait((self._none_left,), timeout=timeout_s)

    def abandon(self, error: RpcError) -> None:
        """End all with an error."""
        for call in tuple(self._calls):
            call.abandon(error)
