"""Maps grpcio's errors to ``RpcError`` and ``RpcError`` to grpcio's trailing metadata."""

from __future__ import annotations

import grpc
import grpc.aio

from network.errors import RpcError
from network.rpc.refusal import DETAILS_KEY, sendable

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
    refusal = sendable(error)
    metadata: tuple[tuple[str, bytes], ...] = ()
    if refusal.details:
        metadata = ((DETAILS_KEY, refusal.details),)
    await context.abort(_CODES[refusal.code], refusal.message, metadata)
