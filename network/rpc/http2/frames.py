"""Frames of HTTP/2: their numbers, and bytes for those we send.

Source: RFC 9113, sections 4, 6 and 7.
"""

from __future__ import annotations

import enum
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""First bytes a client sends, so that a server of an older protocol fails at once."""

HEADER = struct.Struct(">BHBBL")
"""Head of a frame: length (24 bits, read as 8 and 16), type, flags, stream."""

HEADER_BYTES = HEADER.size
PAYLOAD_BYTES_MAX = 16_384
"""Largest payload we accept and send: the protocol's default, which every peer must take."""

STREAM_ID_MAX = 2**31 - 1
WINDOW_MAX = 2**31 - 1
WINDOW_DEFAULT = 65_535
"""Receive window of a stream and of a connection until a peer says otherwise."""

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 5, 6, 7, 8, 9

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITIZED = 0x20


class Setting(enum.IntEnum):
    """What a SETTINGS frame may set."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class ErrorCode(enum.IntEnum):
    """Why a stream was reset or a connection is being closed."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class ProtocolError(Exception):
    """The peer broke the protocol in a way that ends the connection.

    Args:
        code: sent in GOAWAY.
        reason: for the log and for GOAWAY's debug data: our own words, never the peer's bytes.
    """

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Return one frame."""
    size = len(payload)
    return HEADER.pack(size >> 16, size & 0xFFFF, kind, flags, stream_id) + payload


def frame_header(kind: int, flags: int, stream_id: int, size: int) -> bytes:
    """Return the head of a frame whose payload of ``size`` bytes follows."""
    return HEADER.pack(size >> 16, size & 0xFFFF, kind, flags, stream_id)


def settings(values: dict[Setting, int]) -> bytes:
    """Return a SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HL", key, value) for key, value in values.items()))


def window_update(stream_id: int, credit: int) -> bytes:
    """Return a frame that lets the peer send ``credit`` bytes more on a stream, or in all where it is 0."""
    return frame(WINDOW_UPDATE, 0, stream_id, credit.to_bytes(4, "big"))


def rst_stream(stream_id: int, code: ErrorCode) -> bytes:
    """Return a frame that ends a stream at once."""
    return frame(RST_STREAM, 0, stream_id, code.to_bytes(4, "big"))


def goaway(last_stream_id: int, code: ErrorCode, reason: str = "") -> bytes:
    """Return a frame that says which streams will still be served, and why no others."""
    return frame(GOAWAY, 0, 0, struct.pack(">LL", last_stream_id, code) + reason.encode())


def without_padding(flags: int, payload: bytes) -> bytes:
    """Return a DATA or HEADERS payload without its padding.

    Raises:
        ProtocolError: the padding is longer than the payload.
    """
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "the padding is longer than its frame")
    return payload[1 : len(payload) - payload[0]]


def expect_size(payload: bytes, size: int, name: str) -> None:
    """Raise FRAME_SIZE_ERROR unless a payload has its fixed size."""
    if len(payload) != size:
        raise ProtocolError(ErrorCode.FRAME_SIZE_ERROR, f"{name} is not of {size} bytes")


def expect_stream(stream_id: int, name: str) -> None:
    """Raise PROTOCOL_ERROR unless a frame belongs to a stream."""
    if stream_id == 0:
        raise ProtocolError(ErrorCode.PROTOCOL_ERROR, f"{name} without a stream")


def expect_no_stream(stream_id: int, name: str) -> None:
    """Raise PROTOCOL_ERROR unless a frame belongs to the connection."""
    if stream_id:
        raise ProtocolError(ErrorCode.PROTOCOL_ERROR, f"{name} of a stream")
