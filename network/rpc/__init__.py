"""The transport port all processes serve and call through: handlers are functions from bytes to bytes.

Example:
    server = Server("127.0.0.1", 0, tls=None)
    server.unary("/echo.Echo/Say", say)          # async def say(request: bytes, call: Call) -> bytes
    port = await server.start()
    channel = Channel(f"127.0.0.1:{port}", tls=None)
    reply = await channel.unary("/echo.Echo/Say", b"hello", timeout_s=5)

Two transports stand behind it, and speak with each other: our own HTTP/2 (``network.rpc.http2``), and grpcio's for
comparison and as a way back. The environment variable ``DWAYBANK_TRANSPORT`` chooses, ``http2`` or ``grpcio``; nothing
else in the project knows which (docs/adr/0014-http2-transport.md).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from network.errors import NetworkError, RpcError
from network.rpc.port import (
    CONCURRENT_CALLS_MAX,
    MESSAGE_BYTES_MAX,
    Bidi,
    Call,
    ClientTls,
    ServerStream,
    ServerTls,
    StatusCode,
    Unary,
    certificate_hash,
)

TRANSPORT = os.environ.get("DWAYBANK_TRANSPORT", "http2")
"""The transport in use."""

if TYPE_CHECKING or TRANSPORT == "grpcio":
    from network.rpc.grpc_channel import Channel
    from network.rpc.grpc_server import Server
elif TRANSPORT == "http2":
    from network.rpc.http2.channel import Channel
    from network.rpc.http2.server import Server
else:
    raise NetworkError(f"DWAYBANK_TRANSPORT is {TRANSPORT!r}; it must be grpcio or http2")

__all__ = [
    "CONCURRENT_CALLS_MAX",
    "MESSAGE_BYTES_MAX",
    "TRANSPORT",
    "Bidi",
    "Call",
    "Channel",
    "ClientTls",
    "RpcError",
    "Server",
    "ServerStream",
    "ServerTls",
    "StatusCode",
    "Unary",
    "certificate_hash",
]
