"""One HTTP/2 connection, in either role: frames in, frames out, flow control, and what a peer may not do.

Rules
- All frames of one read are handled in one loop; all output of one turn of the event loop is one write.
- A broken rule of the connection ends it with GOAWAY; a broken rule of a stream resets that stream.
- Every frame that does no work costs the peer a token, every useful one earns some; who runs out is sent away. So
  floods of PING, SETTINGS, WINDOW_UPDATE, PRIORITY, RST_STREAM, empty DATA or unknown frames end soon, and a busy peer
  is not mistaken for one. Resets have their own, stricter account (CVE-2023-44487; also those it provokes from us).
- A header block must come whole within ``BLOCK_FRAMES_MAX`` frames and 64 KiB (CVE-2024-27316 and its kin).

Source: RFC 9113, sections 3 to 6, 9 and 10.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from typing import ClassVar, cast

import structlog

from network.rpc.http2 import frames, hpack
from network.rpc.http2.calm import Account
from network.rpc.http2.deadlines import Deadlines
from network.rpc.http2.frames import ErrorCode, ProtocolError, Setting
from network.rpc.http2.keepalive import Keepalive
from network.rpc.http2.stream import Stream

CONNECTION_WINDOW_BYTES = 64 * 1024 * 1024
"""Receive window of a connection; credit is returned as data comes, because the streams hold back what is not read."""

STREAMS_MAX = 1_024
"""Streams a client may have open on one connection."""

BLOCK_FRAMES_MAX = 16
"""Frames of one header block: four of the largest size hold the largest block."""

FLUSH_BYTES = 256 * 1024
"""Output is written before the turn ends once there is this much, so that a full socket is noticed."""

WRITE_BUFFER_BYTES = 512 * 1024
"""Output the transport may hold before streams wait."""

GREETING_TIMEOUT_S = 10.0
"""Time for TLS, and again for the peer's first SETTINGS."""

CLOSE_TIMEOUT_S = 1.0
"""Time for a peer to read our last frames before the connection is cut."""

log = structlog.get_logger(__name__)

_KEEPALIVE_PING = b"keepaliv"

_OnFrame = Callable[[int, int, bytes], None]


class Connection(asyncio.Protocol):
    """What both roles share.

    Args:
        loop: the event loop it lives in.
        max_message_bytes: a larger message ends its call.
    """

    role: ClassVar[str]

    def __init__(self, loop: asyncio.AbstractEventLoop, max_message_bytes: int) -> None:
        self.loop = loop
        self.max_message_bytes = max_message_bytes
        self.held_bytes_max = 4 * max(max_message_bytes, CONNECTION_WINDOW_BYTES)
        self.held_bytes = 0
        self.streams: dict[int, Stream] = {}
        self.deadlines = Deadlines(loop)
        self.send_window = frames.WINDOW_DEFAULT
        self.peer_stream_window = frames.WINDOW_DEFAULT
        self.paused = self.closing = False
        self.useful_frames = 0
        self._head_prefix = b""
        self._table_lowered = False
        self.last_stream_id = 0
        self._refused_above = frames.STREAM_ID_MAX
        self.closed = asyncio.Event()
        self.transport = cast("asyncio.Transport", None)
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._flush_scheduled = False
        self._rest = b""
        self._receive_window = CONNECTION_WINDOW_BYTES
        self._ready: deque[Stream] = deque()
        self._finished_early: dict[int, None] = {}
        self._nuisance = Account(burst=2_000, per_s=100)
        self._resets = Account(burst=2 * STREAMS_MAX, per_s=200)
        self._block: list[bytes] = []
        self._block_stream, self._block_ends_stream = 0, False
        self._preface_seen = False
        self._lost_reason = ""
        self._greeting: asyncio.TimerHandle | None = None
        self._keepalive = Keepalive(
            loop,
            wanted=self._wants_keepalive,
            ask=lambda: self.write(frames.frame(frames.PING, 0, 0, _KEEPALIVE_PING)),
            give_up=lambda: self._give_up("the peer no longer answers"),
        )
        self._on_frame: list[_OnFrame] = [
            self._on_data, self._on_headers, self._on_priority, self._on_rst_stream, self._on_settings,
            self._on_push_promise, self._on_ping, self._on_goaway, self._on_window_update, self._on_continuation,
        ]  # fmt: skip
        self._dispatch = self._only(frames.SETTINGS, self._on_first_settings, "the first frame is not SETTINGS")

    # --- asyncio's side -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the peer."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._greeting = self.loop.call_later(GREETING_TIMEOUT_S, self._give_up, "the peer did not greet in time")
        self._keepalive.watch()
        self.write(self._own_greeting())
        self.write(frames.window_update(0, CONNECTION_WINDOW_BYTES - frames.WINDOW_DEFAULT))

    def data_received(self, data: bytes) -> None:
        """Handle all complete frames."""
        if self.closing:
            return
        self._keepalive.heard = True
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        try:
            if not self._preface_seen:
                at = self._skip_preface(data)
            while self._preface_seen and end - at >= frames.HEADER_BYTES:
                high, low, kind, flags, stream_id = frames.HEADER.unpack_from(data, at)
                size = high << 16 | low
                if size > frames.PAYLOAD_BYTES_MAX:
                    raise ProtocolError(ErrorCode.FRAME_SIZE_ERROR, "a frame is larger than allowed")
                first = at + frames.HEADER_BYTES
                if first + size > end:
                    break
                at = first + size
                if kind < len(self._dispatch):
                    self._dispatch[kind](flags, stream_id & frames.STREAM_ID_MAX, data[first:at])
                else:
                    self._on_unknown()
        except ProtocolError as error:
            self.fail(error)
        self._rest = data[at:]

    def eof_received(self) -> None:
        """Let asyncio close: half-open connections have no use here."""

    def pause_writing(self) -> None:
        """Let streams wait: the socket is full."""
        self.paused = True

    def resume_writing(self) -> None:
        """Send on."""
        self.paused = False
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """End every stream."""
        self.closing = True
        self._keepalive.stop()
        if self._greeting is not None:
            self._greeting.cancel()
        self._lost(self._lost_reason or (str(exc) if exc else "the peer closed it"))
        self.closed.set()

    # --- output ---------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Add complete frames to what this turn of the event loop will write."""
        self._out.append(data)
        self._out_bytes += len(data)
        if self._out_bytes > FLUSH_BYTES:
            self.flush()
        elif not self._flush_scheduled:
            self._flush_scheduled = True
            self.loop.call_soon(self._flush_turn)

    def _flush_turn(self) -> None:
        self._flush_scheduled = False
        self.flush()

    def headers(self, stream_id: int, block: bytes, flags: int) -> bytes:
        """Return the HEADERS frame of a block, which must be sent before that of any later call."""
        if self._head_prefix:
            block, self._head_prefix = self._head_prefix + block, b""
        return frames.frame(frames.HEADERS, flags | frames.END_HEADERS, stream_id, block)

    def flush(self) -> None:
        """Write now what waits to be written."""
        if self._out:
            data = b"".join(self._out)
            self._out.clear()
            self._out_bytes = 0
            if not self.transport.is_closing():
                self.transport.write(data)

    def enqueue(self, stream: Stream) -> None:
        """Let a stream with waiting data take its turns."""
        if not stream.queued_to_send:
            stream.queued_to_send = True
            self._ready.append(stream)
        self._pump()

    def _pump(self) -> None:
        """Send what windows and socket allow, one frame of each stream in turn."""
        while self._ready and not self.paused and self.send_window > 0:
            stream = self._ready.popleft()
            if stream.send_chunk():
                self._ready.append(stream)
            else:
                stream.queued_to_send = False

    def fail(self, error: ProtocolError) -> None:
        """End the connection and say why."""
        if not self.closing:
            self.write(frames.goaway(self.last_stream_id, error.code, error.reason))
            self._lost_reason = f"the peer broke the protocol: {error.reason}"
            log.warning("rpc.protocol_error", role=self.role, code=error.code.name, reason=error.reason)
            self.close()

    def close(self) -> None:
        """Write what waits and close; cut the connection if the peer does not read."""
        self._deafen()
        self.flush()
        self.transport.close()
        self.loop.call_later(CLOSE_TIMEOUT_S, self.transport.abort)

    # --- streams --------------------------------------------------------------------------------------------------

    def reset_stream(self, stream_id: int, code: ErrorCode) -> None:
        """Tell the peer that a stream is over; what it has sent on it meanwhile is ignored."""
        self.write(frames.rst_stream(stream_id, code))
        self._finished_early[stream_id] = None
        if len(self._finished_early) > STREAMS_MAX:
            del self._finished_early[next(iter(self._finished_early))]

    def forget(self, stream: Stream) -> None:
        """Drop a stream that is over."""
        self.streams.pop(stream.id, None)

    def blame_reset(self) -> None:
        """Count a stream that ended early by the peer's doing.

        Raises:
            ProtocolError: there were too many.
        """
        if not self._resets.spend(self.loop.time()):
            raise ProtocolError(ErrorCode.ENHANCE_YOUR_CALM, "too many streams are reset")

    def _spend(self) -> None:
        if not self._nuisance.spend(self.loop.time(), self.useful_frames):
            raise ProtocolError(ErrorCode.ENHANCE_YOUR_CALM, "too many frames that do no work")

    def _closed_stream(self, stream_id: int) -> None:
        """Answer a frame for a stream that is no longer there."""
        if self._is_idle(stream_id):
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "a frame for a stream that was never opened")
        self._spend()
        if stream_id not in self._finished_early:
            self.reset_stream(stream_id, ErrorCode.STREAM_CLOSED)

    # --- input, by kind of frame --------------------------------------------------------------------------------------

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        if flags & frames.PADDED:
            payload = frames.without_padding(flags, payload)
        self._receive_window -= size
        if self._receive_window < CONNECTION_WINDOW_BYTES // 2:
            if self._receive_window < 0:
                raise ProtocolError(ErrorCode.FLOW_CONTROL_ERROR, "more data than the connection's window")
            self.write(frames.window_update(0, CONNECTION_WINDOW_BYTES - self._receive_window))
            self._receive_window = CONNECTION_WINDOW_BYTES
        end = flags & frames.END_STREAM
        if payload:
            self.useful_frames += 1
        elif not end:
            self._spend()
        stream = self.streams.get(stream_id)
        if stream is not None:
            stream.receive(payload, size, bool(end))
        else:
            self._closed_stream(stream_id)

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        frames.expect_stream(stream_id, "HEADERS")
        if flags & frames.PADDED:
            payload = frames.without_padding(flags, payload)
        if flags & frames.PRIORITIZED:
            if len(payload) < 5:
                raise ProtocolError(ErrorCode.FRAME_SIZE_ERROR, "HEADERS too short for their priority")
            payload = payload[5:]
        end = bool(flags & frames.END_STREAM)
        if flags & frames.END_HEADERS:
            self.useful_frames += 1
            self._take_block(stream_id, payload, end)
            return
        self._block = [payload]
        self._block_stream, self._block_ends_stream = stream_id, end
        self._dispatch = self._only(frames.CONTINUATION, self._on_continuation, "a frame within a header block")

    def _on_continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        if not self._block or stream_id != self._block_stream:
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "CONTINUATION without its HEADERS")
        self._block.append(payload)
        if len(self._block) > BLOCK_FRAMES_MAX or sum(map(len, self._block)) > hpack.LIST_BYTES_MAX:
            raise ProtocolError(ErrorCode.ENHANCE_YOUR_CALM, "a header block is too large")
        if flags & frames.END_HEADERS:
            block, self._block = b"".join(self._block), []
            self._dispatch = self._on_frame
            self._take_block(stream_id, block, self._block_ends_stream)

    def _on_priority(self, flags: int, stream_id: int, payload: bytes) -> None:
        frames.expect_stream(stream_id, "PRIORITY")
        self._spend()
        frames.expect_size(payload, 5, "PRIORITY")

    def _on_rst_stream(self, flags: int, stream_id: int, payload: bytes) -> None:
        frames.expect_size(payload, 4, "RST_STREAM")
        stream = self.streams.get(stream_id)
        if stream is not None:
            stream.peer_reset(int.from_bytes(payload, "big"))
            return
        if self._is_idle(stream_id):
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "RST_STREAM for a stream that was never opened")
        self._spend()

    def _on_first_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        if flags & frames.ACK:
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "the first frame is an acknowledgement")
        self._dispatch = self._on_frame
        self._on_settings(flags, stream_id, payload)
        if self._greeting is not None:
            self._greeting.cancel()
        self._greeted()

    def _on_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        frames.expect_no_stream(stream_id, "SETTINGS")
        if flags & frames.ACK:
            if payload:
                raise ProtocolError(ErrorCode.FRAME_SIZE_ERROR, "an acknowledgement of SETTINGS with content")
            self._spend()
            return
        if len(payload) % 6:
            raise ProtocolError(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS is not of whole settings")
        self._spend()
        for key, value in struct.iter_unpack(">HL", payload):
            self._apply(key, value)
        self.write(frames.frame(frames.SETTINGS, frames.ACK, 0))
        self._pump()

    def _apply(self, key: int, value: int) -> None:
        if key == Setting.INITIAL_WINDOW_SIZE:
            if value > frames.WINDOW_MAX:
                raise ProtocolError(ErrorCode.FLOW_CONTROL_ERROR, "the initial window is too large")
            change, self.peer_stream_window = value - self.peer_stream_window, value
            for stream in self.streams.values():
                if not self._widen(stream, change):
                    raise ProtocolError(ErrorCode.FLOW_CONTROL_ERROR, "a stream's window becomes too large")
        elif key == Setting.MAX_CONCURRENT_STREAMS:
            self._peer_allows(value)
        elif key == Setting.HEADER_TABLE_SIZE:
            if value < hpack.TABLE_BYTES and not self._table_lowered:
                self._head_prefix, self._table_lowered = hpack.NO_TABLE, True
        elif key == Setting.ENABLE_PUSH and value > 1:
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH is neither 0 nor 1")
        elif key == Setting.MAX_FRAME_SIZE and not frames.PAYLOAD_BYTES_MAX <= value < 2**24:
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "MAX_FRAME_SIZE is out of its range")

    def _on_push_promise(self, flags: int, stream_id: int, payload: bytes) -> None:
        raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE, which is not allowed")

    def _on_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        frames.expect_no_stream(stream_id, "PING")
        frames.expect_size(payload, 8, "PING")
        self._spend()
        if flags & frames.ACK:
            self._pinged(payload)
        else:
            self.write(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _on_goaway(self, flags: int, stream_id: int, payload: bytes) -> None:
        frames.expect_no_stream(stream_id, "GOAWAY")
        if len(payload) < 8:
            raise ProtocolError(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY is too short")
        self._spend()
        last, code = struct.unpack_from(">LL", payload)
        self._peer_goes_away(last & frames.STREAM_ID_MAX, code)

    def _on_window_update(self, flags: int, stream_id: int, payload: bytes) -> None:
        frames.expect_size(payload, 4, "WINDOW_UPDATE")
        self._spend()
        credit = int.from_bytes(payload, "big") & frames.WINDOW_MAX
        if stream_id == 0:
            self.send_window += credit
            if credit == 0:
                raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of nothing")
            if self.send_window > frames.WINDOW_MAX:
                raise ProtocolError(ErrorCode.FLOW_CONTROL_ERROR, "the connection's window is too large")
        elif (stream := self.streams.get(stream_id)) is None:
            if self._is_idle(stream_id):
                raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE for a stream that was never opened")
        elif credit == 0:
            stream.reset(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of nothing")
        elif not self._widen(stream, credit):
            stream.reset(ErrorCode.FLOW_CONTROL_ERROR, "a window that is too large")
        self._pump()

    def _widen(self, stream: Stream, credit: int) -> bool:
        """Change how much a stream may send; return whether the window is a possible one."""
        stream.send_window += credit
        if stream.must_wait and not stream.queued_to_send:
            stream.queued_to_send = True
            self._ready.append(stream)
        return stream.send_window <= frames.WINDOW_MAX

    def _on_unknown(self) -> None:
        if self._dispatch is not self._on_frame:
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "a frame of unknown kind within a header block")
        self._spend()

    def _only(self, kind: int, allowed: _OnFrame, reason: str) -> list[_OnFrame]:
        """Return a dispatch table for a place where only one kind of frame may come."""

        def refuse(flags: int, stream_id: int, payload: bytes) -> None:
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, reason)

        return [allowed if place == kind else refuse for place in range(len(self._on_frame))]

    def _give_up(self, reason: str) -> None:
        """Cut a connection whose peer does not speak."""
        self._lost_reason = reason
        self._deafen()
        self.transport.abort()

    def _deafen(self) -> None:
        """Ignore whatever else comes."""

        def ignore(flags: int, stream_id: int, payload: bytes) -> None:
            pass

        self.closing = True
        self._dispatch = [ignore] * len(self._on_frame)

    # --- the roles' own ---------------------------------------------------------------------------------------------

    def _own_greeting(self) -> bytes:
        """Return the first bytes we send."""
        raise NotImplementedError

    def _greeted(self) -> None:
        """The peer's first SETTINGS have come."""

    def _skip_preface(self, data: bytes) -> int:
        """Return where frames begin in the first bytes received."""
        self._preface_seen = True
        return 0

    def _take_block(self, stream_id: int, block: bytes, end: bool) -> None:
        """Handle a complete header block."""
        raise NotImplementedError

    def _is_idle(self, stream_id: int) -> bool:
        """Whether no stream of this number has been opened yet."""
        raise NotImplementedError

    def _wants_keepalive(self) -> bool:
        """Whether silence should be questioned."""
        return True

    def _peer_allows(self, streams: int) -> None:
        """The peer lets us have so many streams open at once."""

    def _peer_goes_away(self, last_stream_id: int, code: int) -> None:
        """The peer will not serve streams above the last."""

    def _pinged(self, payload: bytes) -> None:
        """The peer answered a PING."""

    def _lost(self, reason: str) -> None:
        """The connection is gone; end every stream."""
        raise NotImplementedError
