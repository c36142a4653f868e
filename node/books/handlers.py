"""What the services of the books share: who may call, bytes to messages and back, errors to statuses."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from ledger.errors import LedgerError
from network.rpc import Call, RpcError, Server, StatusCode
from node.access import Members
from node.books.status import rpc_error_of

R = TypeVar("R", bound=Message)


class Handlers:
    """Offers the methods of one service to the organization itself and to nobody else.

    Args:
        server: where they are offered.
        service: full name of the service.
        members: tells who calls.
    """

    def __init__(self, server: Server, service: str, members: Members) -> None:
        self._server = server
        self._service = service
        self._members = members

    def offer(self, method: str, request_type: type[R], handle: Callable[[R], Awaitable[Message]]) -> None:
        """Offer one unary method."""

        async def serve(data: bytes, call: Call) -> bytes:
            request = self._request(data, call, request_type)
            try:
                return (await handle(request)).SerializeToString()
            except LedgerError as error:
                raise rpc_error_of(error) from error

        self._server.unary(f"/{self._service}/{method}", serve)

    def offer_stream(
        self, method: str, request_type: type[R], handle: Callable[[R], AsyncGenerator[Message, None]]
    ) -> None:
        """Offer one method that answers with a stream."""

        async def serve(data: bytes, call: Call) -> AsyncIterator[bytes]:
            request = self._request(data, call, request_type)
            try:
                # Closed with the call, not when it happens to be collected.
                async with contextlib.aclosing(handle(request)) as replies:
                    async for reply in replies:
                        yield reply.SerializeToString()
            except LedgerError as error:
                raise rpc_error_of(error) from error

        self._server.server_stream(f"/{self._service}/{method}", serve)

    def _request(self, data: bytes, call: Call, request_type: type[R]) -> R:
        self._members.require_own(call)
        try:
            return request_type.FromString(data)
        except DecodeError as error:
            raise RpcError(StatusCode.INVALID_ARGUMENT, f"{request_type.__name__} cannot be parsed") from error
