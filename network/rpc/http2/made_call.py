"""One call as the client sees it: from its request to its status."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from network.errors import RpcError
from network.rpc.http2.frames import DATA as DATA
from network.rpc.http2.frames import END_STREAM, ErrorCode, frame
from network.rpc.http2.heads import RESET_STATUS, ReplyHead
from network.rpc.http2.stream import Stream
from network.rpc.port import StatusCode

if TYPE_CHECKING:
    from network.rpc.http2.channel import ClientConnection


class MadeCall(Stream):
    """A call under way.

    Args:
        connection: carries it.
        stream_id: its number there.
        deadline: ``loop.time()`` at which it fails; ``None`` for never.
        streaming: whether replies are handed out as they come; otherwise the one reply when all is over.
    """

    __slots__ = ("_over", "_streaming", "_tick", "_waiter", "error", "unprocessed")

    def __init__(
        self, connection: ClientConnection, stream_id: int, deadline: float | None, *, streaming: bool
    ) -> None:
        super().__init__(connection, stream_id)
        self.error: RpcError | None = None
        self.unprocessed = False
        self._over = False
        self._streaming = streaming
        self._waiter: asyncio.Future[None] | None = None
        self._tick = 0 if deadline is None else connection.deadlines.add(deadline, self)

    # --- what the caller sees ---------------------------------------------------------------------------------------

    async def reply(self) -> bytes:
        """Return the one reply.

        Raises:
            RpcError: the call failed.
        """
        while not self._over:
            await self._wait()
        if self.error is not None:
            raise self.error
        if not self.messages:
            raise RpcError(StatusCode.INTERNAL, "the server sent no reply and no reason")
        return self.messages[0]

    async def next_reply(self) -> bytes | None:
        """Return the next reply; ``None`` after the last.

        Raises:
            RpcError: the call failed.
        """
        while not self.messages:
            if self._over:
                if self.error is not None:
                    raise self.error
                return None
            await self._wait()
        return self.take()

    async def _wait(self) -> None:
        self._waiter = self.connection.loop.create_future()
        await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def leave(self) -> None:
        """Cancel the call if it is not over: nobody waits for it any more. Idempotent."""
        if not self._over:
            self.finish(RpcError(StatusCode.CANCELLED, "the caller left"))

    def half_close(self) -> None:
        """Say that no more requests will come."""
        if not self.closed:
            self.end(frame(DATA, END_STREAM, self.id))

    # --- what the server sends --------------------------------------------------------------------------------------

    def head_received(self, head: ReplyHead, end: bool) -> None:
        """Take in a head or the trailers."""
        if head.malformed:
            self.reset(ErrorCode.PROTOCOL_ERROR, head.malformed)
            return
        self.remote_ended = self.remote_ended or end
        if head.status is None:
            if end:
                self._remote_ended()
        elif head.status == StatusCode.OK:
            unfinished = RpcError(StatusCode.INTERNAL, "the server ended the call within a message")
            self.finish(unfinished if self._partial else None)
        else:
            self.finish(RpcError(head.status, head.message, head.details))

    def _delivered(self, message: bytes) -> None:
        if self.messages and not self._streaming:
            self._failed(RpcError(StatusCode.INTERNAL, "the server sent more than one reply"))
            return
        self.keep(message)
        if self._streaming:
            self._wake()

    def _remote_ended(self) -> None:
        self.finish(RpcError(StatusCode.INTERNAL, "the server ended the call without a status"))

    def _end_local(self) -> None:
        self.local_ended = True

    # --- how it ends ------------------------------------------------------------------------------------------------

    def finish(self, error: RpcError | None) -> None:
        """Note the outcome, once; tell the server if it still sends or listens."""
        if self._over:
            return
        self._over = True
        self.error = error
        if self._tick:
            self.connection.deadlines.remove(self._tick, self)
        if self.remote_ended and self.local_ended:
            self.close()
        else:
            self.cancel(ErrorCode.NO_ERROR if self.remote_ended else ErrorCode.CANCEL)
        self._wake()

    def _failed(self, error: RpcError) -> None:
        self.finish(error)

    def expire(self) -> None:
        """End with DEADLINE_EXCEEDED."""
        self.finish(RpcError(StatusCode.DEADLINE_EXCEEDED, "the deadline passed before the answer came"))

    def peer_reset(self, code: int) -> None:
        """End with the status that the reset stands for."""
        self.close()
        if code == ErrorCode.CANCEL and self._tick and self.connection.deadlines.due(self._tick):
            # The server was told the deadline too, and a Go server's clock is the first of the two.
            self.expire()
            return
        self.unprocessed = code == ErrorCode.REFUSED_STREAM and not self.messages
        known = code in ErrorCode.__members__.values()
        status = RESET_STATUS.get(ErrorCode(code), StatusCode.INTERNAL) if known else StatusCode.INTERNAL
        name = ErrorCode(code).name if known else str(code)
        self.finish(RpcError(status, f"the server reset the call: {name}"))

    def lost(self, error: RpcError) -> None:
        """End with the connection's error."""
        self.close()
        self.finish(error)
