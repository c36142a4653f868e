"""Makes calls of bytes over gRPC, on grpcio's asyncio channel.

Rules
- A failed call raises ``RpcError`` with the server's code, message and details; a local cancellation stays
  ``asyncio.CancelledError``.
- Leaving a reply stream early (closing its iterator) cancels the call.
- One channel is one multiplexed connection, opened by its first call and reopened when lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
import grpc.aio

from network import tracing
from network.errors import RpcError
from network.rpc.grpc_status import to_rpc_error
from network.rpc.port import MESSAGE_BYTES_MAX, ClientTls, StatusCode, certificate_hash


class Channel:
    """A connection to one address.

    Args:
        address: ``"host:port"``.
        tls: ``None`` connects in the clear.
        server_name: the name the server's certificate must carry, where it is not the address's host.
        max_message_bytes: a larger reply fails with RESOURCE_EXHAUSTED.
    """

    def __init__(
        self,
        address: str,
        tls: ClientTls | None,
        *,
        server_name: str | None = None,
        max_message_bytes: int = MESSAGE_BYTES_MAX,
    ) -> None:
        self.address = address
        self._tls = tls
        self._options = _channel_options(max_message_bytes, server_name)
        self._channel: grpc.aio.Channel | None = None
        self._closed = False
        self._methods: dict[tuple[str, str], Any] = {}
        tracing.wrap_made(self)

    @property
    def tls_certificate_hash(self) -> bytes:
        """SHA-256 of the client's own TLS certificate (DER), as Fabric binds requests to it; empty without one."""
        if self._tls is None or self._tls.certificate_pem is None:
            return b""
        return certificate_hash(self._tls.certificate_pem)

    async def unary(self, path: str, request: bytes, timeout_s: float | None) -> bytes:
        """Make a call of one request and one reply.

        Args:
            path: ``/package.Service/Method``.
            request: serialized request.
            timeout_s: seconds until DEADLINE_EXCEEDED; ``None`` waits for ever.
        Returns:
            The reply's bytes.
        Raises:
            RpcError: the call failed.
        """
        call = self._method("unary_unary", path)
        try:
            reply: bytes = await call(request, timeout=timeout_s, metadata=_metadata())
        except grpc.aio.AioRpcError as error:
            raise to_rpc_error(error) from error
        return reply

    async def server_stream(self, path: str, request: bytes, timeout_s: float | None) -> AsyncGenerator[bytes, None]:
        """Make a call of one request and yield its replies.

        Raises:
            RpcError: the call failed, at any reply.
        """
        call = self._method("unary_stream", path)(request, timeout=timeout_s, metadata=_metadata())
        async with aclosing(_replies(call)) as replies:
            async for reply in replies:
                yield reply

    async def bidi(
        self, path: str, requests: AsyncIterator[bytes], timeout_s: float | None
    ) -> AsyncGenerator[bytes, None]:
        """Send ``requests`` as they come and yield the replies; the call's sending side closes when they end.

        Raises:
            RpcError: the call failed.
            Exception: whatever ``requests`` raised, after the call has been cancelled.
        """
        call = self._method("stream_stream", path)(timeout=timeout_s, metadata=_metadata())
        sender = asyncio.create_task(_send(call, requests))
        try:
            async with aclosing(_replies(call)) as replies:
                async for reply in replies:
                    yield reply
        except asyncio.CancelledError:
            # A request source that failed cancels the call; what the caller must see is that failure.
            if sender.done() and not sender.cancelled() and (cause := sender.exception()) is not None:
                raise cause from None
            raise
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    async def close(self) -> None:
        """Cancel what is under way and drop the connection. Idempotent."""
        self._closed = True
        if self._channel is not None:
            channel, self._channel = self._channel, None
            self._methods.clear()
            await channel.close()

    def _method(self, kind: str, path: str) -> Any:
        if self._closed:
            raise RpcError(StatusCode.UNAVAILABLE, f"the channel to {self.address} has been closed by this side")
        method = self._methods.get((kind, path))
        if method is None:
            method = self._methods[kind, path] = getattr(self._open(), kind)(path)
        return method

    def _open(self) -> grpc.aio.Channel:
        # Opened by the first call, so that it belongs to the event loop that will use it.
        if self._channel is None:
            if self._tls is None:
                self._channel = grpc.aio.insecure_channel(self.address, self._options)
            else:
                self._channel = grpc.aio.secure_channel(self.address, credentials(self._tls), self._options)
        return self._channel


def _metadata() -> tuple[tuple[str, str], ...] | None:
    trace = tracing.traceparent()
    return (("traceparent", trace),) if trace else None


async def _replies(call: Any) -> AsyncGenerator[bytes, None]:
    try:
        while (reply := await call.read()) is not grpc.aio.EOF:
            yield reply
        # The library reports a failure after the last reply only through the status.
        if await call.code() is not grpc.StatusCode.OK:
            raise RpcError((await call.code()).value[0], await call.details() or "")
    except grpc.aio.AioRpcError as error:
        raise to_rpc_error(error) from error
    finally:
        call.cancel()


async def _send(call: Any, requests: AsyncIterator[bytes]) -> None:
    try:
        await call.wait_for_connection()
        async for request in requests:
            # ``call.write`` would end the call with an INTERNAL status of its own when the server has ended it
            # meanwhile, and the replies still to be read and the server's status would be lost (grpcio 1.85,
            # aio/_call.py, _StreamRequestMixin._write). So the layer below is called, and its refusal means only
            # that nobody listens any more: the reader raises the reason.
            await call._cython_call.send_serialized_message(request)
        await call.done_writing()
    except (grpc.aio.AioRpcError, grpc.aio.InternalError):
        return
    except Exception:
        call.cancel()
        raise


def credentials(tls: ClientTls) -> grpc.ChannelCredentials:
    """Return the library's form of a client's TLS."""
    return grpc.ssl_channel_credentials(
        root_certificates=tls.roots_pem, private_key=tls.key_pem, certificate_chain=tls.certificate_pem
    )


def _channel_options(max_message_bytes: int, server_name: str | None) -> list[tuple[str, int | str]]:
    options: list[tuple[str, int | str]] = [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.keepalive_time_ms", 120_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.max_metadata_size", 64 * 1024),
        # A lost server is tried again soon: consortium members restart one another's connections all the time.
        ("grpc.initial_reconnect_backoff_ms", 200),
        # Despite its name: the time an attempt to connect may take, TLS included; a busy machine needs more than 0.2 s.
        ("grpc.min_reconnect_backoff_ms", 5_000),
        ("grpc.max_reconnect_backoff_ms", 5_000),
        # Channels to the same address must not share a connection when their identities differ.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if server_name is not None:
        options.append(("grpc.ssl_target_name_override", server_name))
    return options
