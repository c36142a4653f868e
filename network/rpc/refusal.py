"""What a caller may learn of a failed handler, whichever library carries the answer."""

from __future__ import annotations

import secrets
import traceback

import structlog

from network.errors import RpcError
from network.rpc.port import StatusCode

log = structlog.get_logger(__name__)

DETAILS_KEY = "grpc-status-details-bin"
"""Trailing metadata key under which every gRPC library carries a serialized ``google.rpc.Status``."""

DETAILS_BYTES_MAX = 6 * 1024
"""Larger details are left out: a client's default limit on metadata (8 KiB) would make it lose the status itself."""

MESSAGE_CHARACTERS_MAX = 1_200
"""Longer status messages are cut, for the same limit: each byte of a non-ASCII character takes three on the wire."""


def sendable(error: RpcError) -> RpcError:
    """Return the error as it can be sent: a known code other than OK, and texts within the limits on metadata."""
    known = 0 < error.code <= max(StatusCode)
    message = error.message
    if len(message) > MESSAGE_CHARACTERS_MAX:
        message = message[: MESSAGE_CHARACTERS_MAX - 3] + "..."
    details = error.details if len(error.details) <= DETAILS_BYTES_MAX else b""
    return RpcError(error.code if known else StatusCode.UNKNOWN, message, details)


def hide_error(path: str, error: Exception) -> RpcError:
    """Log an unforeseen error with a random id and return what the caller may know of it.

    Its message may quote what was sent or stored, so it goes to the debug log only; the log that is always kept names
    the error's class and the places it passed.
    """
    error_id = secrets.token_hex(6)
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    log.error("rpc.unhandled", method=path, error_id=error_id, error=type(error).__qualname__, places=places)
    log.debug("rpc.unhandled_trace", error_id=error_id, exc_info=error)
    return RpcError(StatusCode.INTERNAL, f"internal error {error_id}; the log of this node carries the cause")
