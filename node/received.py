"""Reads the messages of calls as gRPC libraries do that read them before any service is asked."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from network.errors import RpcError
from network.proposal import NO_MESSAGE
from network.rpc import StatusCode


def received_message(kind: Any, request: bytes, *, streamed: bool = False) -> Any:
    """Return a request message.

    Args:
        streamed: whether the call is answered by a stream, for which Go's gRPC has other words.
    Raises:
        RpcError: INTERNAL, in those words.
    """
    try:
        return kind.FromString(request)
    except DecodeError as error:
        failed = "failed to unmarshal the received message" if streamed else "error unmarshalling request"
        raise RpcError(StatusCode.INTERNAL, f"grpc: {failed}: {NO_MESSAGE}") from error
