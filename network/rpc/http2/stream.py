"""One call on a connection: messages in and out, under flow control.

Rules
- A message is delivered when complete; one that is larger than allowed, or compressed, ends the call.
- Credit to send more is returned while less than ``CREDIT_BYTES`` of complete messages wait to be taken: who reads
  slowly is sent no more than his window.
- What the peer's windows or a full socket do not let out waits here; the sender of a stream waits with it.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from typing import TYPE_CHECKING

from network.errors import RpcError
from network.rpc.http2.frames import DATA, END_STREAM, PAYLOAD_BYTES_MAX, ErrorCode, frame, frame_header, window_update
from network.rpc.port import StatusCode

if TYPE_CHECKING:
    from network.rpc.http2.connection import Connection

WINDOW_BYTES = 4 * 1024 * 1024
"""Receive window of each stream."""

CREDIT_BYTES = 1024 * 1024
"""Credit is returned when this much of a window has been used, not for each frame."""

_PREFIX_BYTES = 5
_DATA_OF_ONE_MESSAGE = struct.Struct(">BHBBLBL")
"""Head of a DATA frame, and gRPC's prefix of the message that fills it."""


class Stream:
    """What both roles share; ``_delivered``, ``_remote_ended`` and ``_failed`` are the roles' own.

    Args:
        connection: carries it.
        stream_id: its number there.
    """

    __slots__ = (
        "_drained",
        "_held",
        "_outgoing",
        "_partial",
        "_receive_window",
        "_tail",
        "closed",
        "connection",
        "id",
        "local_ended",
        "messages",
        "queued_to_send",
        "remote_ended",
        "send_window",
    )

    def __init__(self, connection: Connection, stream_id: int) -> None:
        self.connection = connection
        self.id = stream_id
        self.send_window = connection.peer_stream_window
        self.closed = self.local_ended = self.remote_ended = self.queued_to_send = False
        self.messages: deque[bytes] = deque()
        self._receive_window = WINDOW_BYTES
        self._partial: bytearray | None = None
        self._held = 0
        self._outgoing: deque[memoryview] | None = None
        self._tail = b""
        self._drained: asyncio.Future[None] | None = None

    # --- receiving ------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, size: int, end: bool) -> None:
        """Take in a DATA frame.

        Args:
            data: its payload without padding.
            size: what it counts in the windows.
            end: whether it is the last.
        """
        if self.remote_ended:
            self.reset(ErrorCode.STREAM_CLOSED, "data after the end of the stream")
            return
        self._receive_window -= size
        if self._receive_window < 0:
            self.reset(ErrorCode.FLOW_CONTROL_ERROR, "more data than the stream's window")
            return
        length = len(data) - _PREFIX_BYTES
        if (
            self._partial is None
            and 0 <= length <= self.connection.max_message_bytes
            and data[0] == 0
            and int.from_bytes(data[1:5], "big") == length
        ):
            self._delivered(data[_PREFIX_BYTES:])
        elif data:
            self._assemble(data)
        if self.closed:
            return
        if end:
            self.end_remote()
        elif self._receive_window <= WINDOW_BYTES - CREDIT_BYTES:
            self._return_credit()

    def end_remote(self) -> None:
        """Note that the peer will send nothing more."""
        self.remote_ended = True
        if self._partial:
            self._failed(RpcError(StatusCode.INTERNAL, "the stream ended within a message"))
        else:
            self._remote_ended()
        self._close_if_done()

    def _assemble(self, data: bytes) -> None:
        partial = self._partial
        if partial is None:
            partial = self._partial = bytearray()
        partial += data
        if not self._hold(len(data)):
            return
        while len(partial) >= _PREFIX_BYTES:
            length = int.from_bytes(partial[1:5], "big")
            if partial[0] != 0:
                self._failed(RpcError(StatusCode.UNIMPLEMENTED, "a message is compressed, which was not agreed"))
                return
            if length > self.connection.max_message_bytes:
                limit = self.connection.max_message_bytes
                reason = f"grpc: received message larger than max ({length} vs. {limit})"
                self._failed(RpcError(StatusCode.RESOURCE_EXHAUSTED, reason))
                return
            if len(partial) < _PREFIX_BYTES + length:
                return
            message = bytes(memoryview(partial)[_PREFIX_BYTES : _PREFIX_BYTES + length])
            del partial[: _PREFIX_BYTES + length]
            self._hold(-_PREFIX_BYTES - length)
            self._delivered(message)
            if self.closed:
                return
        if not partial:
            self._partial = None

    def _hold(self, size: int) -> bool:
        """Count bytes this stream keeps in memory; return whether the connection may hold that much."""
        self._held += size
        self.connection.held_bytes += size
        if size > 0 and self.connection.held_bytes > self.connection.held_bytes_max:
            self._failed(RpcError(StatusCode.RESOURCE_EXHAUSTED, "too much data of this connection waits to be read"))
            return False
        return True

    def take(self) -> bytes:
        """Remove and return the first waiting message of a streaming call; there must be one."""
        message = self.messages.popleft()
        if self.closed:
            return message  # what a stream holds is no longer counted once it is over
        self._hold(-len(message))
        if not self.remote_ended and self._receive_window <= WINDOW_BYTES - CREDIT_BYTES:
            self._return_credit()
        return message

    def keep(self, message: bytes) -> None:
        """Let a message wait until it is taken."""
        self.messages.append(message)
        self._hold(len(message))

    def _return_credit(self) -> None:
        waiting = self._held - len(self._partial or b"")
        if waiting < CREDIT_BYTES and not self.closed:
            self.connection.write(window_update(self.id, WINDOW_BYTES - self._receive_window))
            self._receive_window = WINDOW_BYTES

    # --- sending --------------------------------------------------------------------------------------------------

    def send(self, message: bytes, *, head: bytes = b"", tail: bytes = b"", flags: int = 0) -> None:
        """Send a message, now or as soon as the peer lets us.

        Args:
            message: the message.
            head: complete frames that go before it.
            tail: complete frames that go after it and end our side.
            flags: ``END_STREAM`` if the message itself ends our side.
        """
        connection = self.connection
        size = len(message) + _PREFIX_BYTES
        if (
            self._outgoing is None
            and size <= PAYLOAD_BYTES_MAX
            and size <= self.send_window
            and size <= connection.send_window
            and not connection.paused
        ):
            self.send_window -= size
            connection.send_window -= size
            connection.useful_frames += 1
            data = _DATA_OF_ONE_MESSAGE.pack(0, size, DATA, flags, self.id, 0, size - _PREFIX_BYTES)
            connection.write(b"".join((head, data, message, tail)))
            if tail or flags:
                self._end_local()
            return
        if head:
            connection.write(head)
        if self._outgoing is None:
            self._outgoing = deque()
        self._outgoing.append(memoryview(b"".join((b"\x00", (size - _PREFIX_BYTES).to_bytes(4, "big"), message))))
        self._tail = tail or (frame(DATA, END_STREAM, self.id) if flags else b"")
        connection.enqueue(self)

    def end(self, tail: bytes) -> None:
        """End our side with ``tail``, after whatever still waits to be sent."""
        if self._outgoing is None:
            self.connection.write(tail)
            self._end_local()
        else:
            self._tail = tail

    def send_chunk(self) -> bool:
        """Send one DATA frame of what waits; return whether another could go at once."""
        if self._outgoing is None or self.closed:
            return False
        chunk = self._outgoing[0]
        size = min(len(chunk), PAYLOAD_BYTES_MAX, self.send_window, self.connection.send_window)
        if size <= 0:
            return False
        self.send_window -= size
        self.connection.send_window -= size
        self.connection.useful_frames += 1
        self.connection.write(frame_header(DATA, 0, self.id, size) + chunk[:size])
        if size < len(chunk):
            self._outgoing[0] = chunk[size:]
            return self.send_window > 0
        self._outgoing.popleft()
        if self._outgoing:
            return self.send_window > 0
        self._outgoing = None
        if self._tail:
            self.connection.write(self._tail)
            self._end_local()
        self._wake_sender()
        return False

    @property
    def must_wait(self) -> bool:
        """Whether a sender should call ``drained`` before it sends more."""
        return self._outgoing is not None

    def drop_unsent(self) -> None:
        """Forget what still waits to be sent."""
        self._outgoing = None
        self._tail = b""
        self._wake_sender()

    async def drained(self) -> None:
        """Wait until everything handed over has been sent, or the call is over."""
        while self._outgoing is not None and not self.closed:
            self._drained = self.connection.loop.create_future()
            await self._drained

    def _wake_sender(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def _end_local(self) -> None:
        self.local_ended = True
        self._close_if_done()

    # --- ending ---------------------------------------------------------------------------------------------------

    def _close_if_done(self) -> None:
        if self.local_ended and self.remote_ended:
            self.close()

    def close(self) -> None:
        """Forget the stream. Idempotent."""
        if self.closed:
            return
        self.closed = True
        if self._held:
            self._hold(-self._held)
        self._partial = self._outgoing = None
        self._wake_sender()
        self.connection.forget(self)

    def reset(self, code: ErrorCode, reason: str) -> None:
        """End the stream at once because the peer broke a rule of it."""
        self.connection.blame_reset()
        self.cancel(code)
        self._failed(RpcError(StatusCode.INTERNAL, f"the stream was reset by this side: {reason}"))

    def cancel(self, code: ErrorCode) -> None:
        """Tell the peer that the stream is over, and forget it."""
        if not self.closed:
            self.connection.reset_stream(self.id, code)
            self.close()

    # --- the roles' own ---------------------------------------------------------------------------------------------

    def _delivered(self, message: bytes) -> None:
        """Take a complete message."""
        raise NotImplementedError

    def _remote_ended(self) -> None:
        """The peer has sent its last message."""
        raise NotImplementedError

    def _failed(self, error: RpcError) -> None:
        """The call cannot go on; afterwards the stream is closed."""
        raise NotImplementedError

    def peer_reset(self, code: int) -> None:
        """The peer has ended the stream at once."""
        raise NotImplementedError

    def lost(self, error: RpcError) -> None:
        """The connection is gone."""
        raise NotImplementedError
