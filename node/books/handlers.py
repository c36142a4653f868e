"""What the services of the books share: who may call, bytes to messages and back, errors to statuses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
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
            self._members.require_own(call)
            try:
                request = request_type.FromString(data)
            except DecodeError as error:
                raise RpcError(StatusCode.INVALID_ARGUMENT, f"{request_type.__name__} cannot be parsed") from error
            try:
                return (await handle(request)).SerializeToString()
            except LedgerError as error:
                raise rpc_error_of(error) from error

        self._server.unary(f"/{self._service}/{method}", serve)
