"""Maps grpcio's errors to ``RpcError`` and ``RpcError`` to grpcio's trailing metadata."""

from __future__ import annotations

import grpc
import grpc.aio

from network.errors import RpcError
from network.rpc.port import StatusCode

DETAILS_KEY = "grpc-status-details-bin"
"""Trailing metadata key under which every gRPC library carries a serialized ``google.rpc.Status``."""

DETAILS_BYTES_MAX = 6 * 1024
"""Larger details are left out: a client's default limit on metadata (8 KiB) would make it lose the status itself."""

MESSAGE_CHARACTERS_MAX = 1_200
"""Longer status messages are cut, for the same limit: each byte of a non-ASCII character takes three on the wire."""

_CODES = {code.value[0]: code for code in grpc.StatusCode}


def to_rpc_error(error: grpc.aio.AioRpcError) -> RpcError:
    """Return the port's form of a failed call's error, with its details if the server sent any."""
    details = b""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY:
            details = value if isinstance(value, bytes) else value.encode("latin-1")
    code: int = error.code().value[0]
    return RpcError(code, error.details() or "", details)


async def abort(context: grpc.aio.ServicerContext[bytes, bytes], error: RpcError) -> None:
    """End a call with the error's code, message and details; never returns normally."""
    code = _CODES.get(error.code, grpc.StatusCode.UNKNOWN)
    if error.code == StatusCode.OK:
        code = grpc.StatusCode.UNKNOWN
    metadata: tuple[tuple[str, bytes], ...] = ()
    if error.details and len(error.details) <= DETAILS_BYTES_MAX:
        metadata = ((DETAILS_KEY, error.details),)
    message = error.message
    if len(message) > MESSAGE_CHARACTERS_MAX:
        message = message[: MESSAGE_CHARACTERS_MAX - 3] + "..."
    await context.abort(code, message, metadata)
