"""What gRPC writes into HTTP/2's header blocks: requests, replies, trailers.

A head that breaks HTTP's own rules is ``malformed`` (the stream is reset); one that gRPC cannot serve carries a
``refusal`` (a complete answer of one HEADERS frame).

Source: gRPC core, doc/PROTOCOL-HTTP2.md, doc/http-grpc-status-mapping.md; RFC 9113, section 8.
"""

from __future__ import annotations

import base64
import binascii
import re
import urllib.parse
from dataclasses import dataclass
from typing import Final

from network.errors import RpcError
from network.rpc.http2.frames import ErrorCode
from network.rpc.http2.hpack import Fields, encode
from network.rpc.port import StatusCode
from network.rpc.refusal import DETAILS_KEY, sendable
from network.tracing import read_traceparent

USER_AGENT: Final = b"grpc-dwaybank/1"

_CONTENT_TYPE: Final = (b"content-type", b"application/grpc")
_DETAILS_KEY: Final = DETAILS_KEY.encode()
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_OUTER_SPACE = re.compile(r"\A | \Z")
_BAD_VALUE = re.compile(rb"[\x00\r\n]|\A[ \t]|[ \t]\Z")
_CONNECTION_FIELDS = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
_REQUEST_PSEUDO = frozenset((b":method", b":scheme", b":path", b":authority"))
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS_S = {b"H": 3_600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_GRPC_CONTENT = re.compile(rb"application/grpc(?:\Z|[+;])")

RESPONSE_HEAD = encode((b":status", b"200"), _CONTENT_TYPE)
OK_TRAILERS = encode((b"grpc-status", b"0"))


@dataclass(frozen=True, slots=True)
class RequestHead:
    """The head of a request, or what follows a request's last message.

    Args:
        path: the method called.
        timeout_s: seconds the caller waits; ``None`` for ever.
        content_length: bytes of all DATA frames, where the caller promised a number.
        refusal: header block that answers the call at once.
        malformed: why the stream must be reset instead.
        may_be_trailers: whether the fields may follow a request's messages; they are malformed as a head then.
        traceparent: the trace it belongs to, in the form of W3C's Trace Context; empty for none.
    """

    path: bytes
    timeout_s: float | None = None
    content_length: int | None = None
    refusal: bytes = b""
    malformed: str = ""
    may_be_trailers: bool = False
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class ReplyHead:
    """The head of a reply, or its trailers, or both in one.

    Args:
        status: gRPC status code; ``None`` while the call goes on.
        message: status message.
        details: serialized ``google.rpc.Status``.
        malformed: why the stream must be reset.
    """

    status: int | None
    message: str = ""
    details: bytes = b""
    malformed: str = ""


def request_block(scheme: bytes, authority: bytes, path: bytes, timeout_s: float | None) -> bytes:
    """Return the header block of a request."""
    fields = [
        (b":method", b"POST"),
        (b":scheme", scheme),
        (b":path", path),
        (b":authority", authority),
        (b"te", b"trailers"),
        _CONTENT_TYPE,
        (b"user-agent", USER_AGENT),
    ]
    if timeout_s is not None:
        fields.append((b"grpc-timeout", _timeout_text(timeout_s)))
    return encode(*fields)


def trace_block(traceparent: str) -> bytes:
    """Return what follows the header block of a request that belongs to a trace."""
    return encode((b"traceparent", traceparent.encode()))


def refusal_block(error: RpcError, *, head: bool) -> bytes:
    """Return trailers that carry an error.

    Args:
        error: what to send.
        head: whether they are the whole answer, because no head has been sent.
    """
    sent = sendable(error)
    fields = [(b":status", b"200"), _CONTENT_TYPE] if head else []
    fields.append((b"grpc-status", b"%d" % sent.code))
    if sent.message:
        # Percent-encoding of all but printable ASCII; the quoting rules are gRPC's, not those of a URL.
        text = urllib.parse.quote(sent.message, safe=_UNQUOTED, errors="replace")
        # HTTP/2 allows no space at either end of a value.
        text = _OUTER_SPACE.sub("%20", text)
        fields.append((b"grpc-message", text.encode()))
    if sent.details:
        fields.append((_DETAILS_KEY, base64.b64encode(sent.details).rstrip(b"=")))
    return encode(*fields)


_UNQUOTED = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


def parse_request(fields: Fields) -> RequestHead:
    """Judge the head of a request. Never raises."""
    values: dict[bytes, bytes] = {}
    malformed = _malformed(fields, _REQUEST_PSEUDO, values)
    if malformed:
        return RequestHead(b"", malformed=malformed)
    if not (values.get(b":path") and values.get(b":scheme") and values.get(b":method")):
        trailers = not any(name[:1] == b":" for name in values)
        return RequestHead(b"", malformed="a request needs :method, :scheme and :path", may_be_trailers=trailers)
    if values.get(b"te", b"trailers") != b"trailers":
        return RequestHead(b"", malformed="te may only be trailers")
    length = values.get(b"content-length")
    if length is not None and not (length.isdigit() and len(length) < 16):
        return RequestHead(b"", malformed="content-length is no number")
    timeout_s, refusal = None, _refusal(values)
    if (text := values.get(b"grpc-timeout")) is not None and not refusal:
        if (matched := _TIMEOUT.fullmatch(text)) is None:
            refusal = refusal_block(RpcError(StatusCode.INTERNAL, "grpc-timeout is malformed"), head=True)
        else:
            timeout_s = int(matched[1]) * _UNITS_S[matched[2]]
    trace = values.get(b"traceparent")
    return RequestHead(
        values[b":path"],
        timeout_s,
        None if length is None else int(length),
        refusal,
        traceparent="" if trace is None else read_traceparent(trace.decode("latin-1")),
    )


def _refusal(values: dict[bytes, bytes]) -> bytes:
    if values[b":method"] != b"POST":
        return encode((b":status", b"405"), (b"allow", b"POST"))
    if not _GRPC_CONTENT.match(values.get(b"content-type", b"")):
        return encode((b":status", b"415"))
    encoding = values.get(b"grpc-encoding", b"identity")
    if encoding != b"identity":
        error = RpcError(StatusCode.UNIMPLEMENTED, "messages must not be compressed: the only encoding is identity")
        return refusal_block(error, head=True) + encode((b"grpc-accept-encoding", b"identity"))
    return b""


def _malformed(fields: Fields, pseudo: frozenset[bytes], values: dict[bytes, bytes]) -> str:
    """Fill ``values`` and return what is wrong with the fields by HTTP's rules; empty for nothing."""
    regular = False
    for name, value in fields:
        if name[:1] == b":":
            if regular or name in values or name not in pseudo:
                return "a pseudo-header is unknown, repeated or late"
        else:
            regular = True
            if not _NAME.fullmatch(name) or name in _CONNECTION_FIELDS:
                return "a header's name is not allowed in HTTP/2"
        # Fabric's peers, as any of gRPC's Go servers, end a message with a space where their text does.
        if _BAD_VALUE.search(value.strip(b" ") if name == b"grpc-message" else value):
            return "a header's value contains characters that are not allowed"
        values[name] = value
    return ""


_REPLY_PSEUDO = frozenset((b":status",))
_HTTP_STATUS = {
    b"400": StatusCode.INTERNAL,
    b"401": StatusCode.UNAUTHENTICATED,
    b"403": StatusCode.PERMISSION_DENIED,
    b"404": StatusCode.UNIMPLEMENTED,
    b"429": StatusCode.UNAVAILABLE,
    b"502": StatusCode.UNAVAILABLE,
    b"503": StatusCode.UNAVAILABLE,
    b"504": StatusCode.UNAVAILABLE,
}


def parse_reply(fields: Fields) -> ReplyHead:
    """Judge the head or the trailers of a reply. Never raises."""
    values: dict[bytes, bytes] = {}
    malformed = _malformed(fields, _REPLY_PSEUDO, values)
    if malformed:
        return ReplyHead(None, malformed=malformed)
    http_status = values.get(b":status", b"200")
    status = values.get(b"grpc-status")
    if status is None:
        if http_status[:1] == b"1":
            return ReplyHead(None)
        if http_status != b"200":
            mapped = _HTTP_STATUS.get(http_status, StatusCode.UNKNOWN)
            return ReplyHead(mapped, f"the server answered HTTP status {http_status.decode('latin-1')[:3]}")
        if b":status" in values and not _GRPC_CONTENT.match(values.get(b"content-type", b"")):
            return ReplyHead(StatusCode.UNKNOWN, "the answer is not gRPC: its content-type is not application/grpc")
        return ReplyHead(None)
    code = int(status) if status.isdigit() and len(status) < 3 else StatusCode.UNKNOWN
    message = urllib.parse.unquote_to_bytes(values.get(b"grpc-message", b"")).decode("utf-8", "replace")
    return ReplyHead(code, message, _details(values.get(_DETAILS_KEY, b"")))


def _details(encoded: bytes) -> bytes:
    try:
        return base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
    except binascii.Error:
        return b""  # the status itself is worth more than its details


def _timeout_text(timeout_s: float) -> bytes:
    """Return a timeout as gRPC writes it, in the finest unit whose number has at most eight digits."""
    for unit, scale in ((b"n", 10**9), (b"u", 10**6), (b"m", 10**3), (b"S", 1)):
        number = max(0, int(timeout_s * scale))
        if number < 10**8:
            return b"%d%s" % (number, unit)
    return b"99999999S"


RESET_STATUS: Final = {
    ErrorCode.REFUSED_STREAM: StatusCode.UNAVAILABLE,
    ErrorCode.CANCEL: StatusCode.CANCELLED,
    ErrorCode.ENHANCE_YOUR_CALM: StatusCode.RESOURCE_EXHAUSTED,
    ErrorCode.INADEQUATE_SECURITY: StatusCode.PERMISSION_DENIED,
}
"""Status of a call whose stream was reset; INTERNAL for any other code."""
