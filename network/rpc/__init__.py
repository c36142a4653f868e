"""The transport port all processes serve and call through: handlers are functions from bytes to bytes.

Example:
    server = Server("127.0.0.1", 0, tls=None)
    server.unary("/echo.Echo/Say", say)          # async def say(request: bytes, call: Call) -> bytes
    port = await server.start()
    channel = Channel(f"127.0.0.1:{port}", tls=None)
    reply = await channel.unary("/echo.Echo/Say", b"hello", timeout_s=5)

grpcio stands behind it; nothing outside this package imports it.
"""

from __future__ import annotations

from network.errors import RpcError
from network.rpc.grpc_channel import Channel
from network.rpc.grpc_server import CONCURRENT_CALLS_MAX, Server
from network.rpc.port import (
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

__all__ = [
    "CONCURRENT_CALLS_MAX",
    "MESSAGE_BYTES_MAX",
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
