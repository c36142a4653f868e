"""What the services of the books share: who may call, bytes to messages and back, errors to statuses.

A method is for the organization itself unless it is offered to tenants too: then it is handed the books as its caller
sees them, and touches no others.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from ledger.errors import LedgerError
from network.rpc import Call, RpcError, Server, StatusCode
from node.access import Members
from node.books.books import Books
from node.books.status import rpc_error_of
from node.books.tenant_books import TenantBooks, tenant_books

R = TypeVar("R", bound=Message)

CallerBooks = Books | TenantBooks
"""The books as a caller sees them: all of them, or a tenant's."""


class Handlers:
    """Offers the methods of one service to the organization itself, and to its tenants where they say so.

    Args:
        server: where they are offered.
        service: full name of the service.
        members: tells who calls.
        books: the organization's books.
    """

    def __init__(self, server: Server, service: str, members: Members, books: Books) -> None:
        self._server = server
        self._service = service
        self._members = members
        self._books = books

    def offer(self, method: str, request_type: type[R], handle: Callable[[R], Awaitable[Message]]) -> None:
        """Offer one unary method to the organization alone."""

        async def serve(data: bytes, call: Call) -> bytes:
            self._members.require_own(call)
            return await _answer(lambda: handle(_request(data, request_type)))

        self._server.unary(f"/{self._service}/{method}", serve)

    def offer_to_tenants(
        self,
        method: str,
        request_type: type[R],
        handle: Callable[[R, CallerBooks], Awaitable[Message]],
        check_gateways: Callable[[R], None] | None = None,
    ) -> None:
        """Offer one unary method to tenants too; it is handed the books of its caller.

        Args:
            method: its name.
            request_type: what it takes.
            handle: answers.
            check_gateways: refuses what is not for gateways to ask; called for theirs alone.
        """

        async def serve(data: bytes, call: Call) -> bytes:
            tenant = self._members.own_tenant(call)

            async def answered() -> Message:
                request = _request(data, request_type)
                if check_gateways is not None and self._members.is_gateway(call):
                    check_gateways(request)
                return await handle(request, await self._books_of(tenant))

            return await _answer(answered)

        self._server.unary(f"/{self._service}/{method}", serve)

    def offer_stream_to_tenants(
        self, method: str, request_type: type[R], handle: Callable[[R, CallerBooks], AsyncGenerator[Message, None]]
    ) -> None:
        """Offer one method that answers with a stream, to tenants too."""

        async def serve(data: bytes, call: Call) -> AsyncIterator[bytes]:
            tenant = self._members.own_tenant(call)
            request = _request(data, request_type)
            try:
                books = await self._books_of(tenant)
                # Closed with the call, not when it happens to be collected.
                async with contextlib.aclosing(handle(request, books)) as replies:
                    async for reply in replies:
                        yield reply.SerializeToString()
            except LedgerError as error:
                raise rpc_error_of(error) from error

        self._server.server_stream(f"/{self._service}/{method}", self._members.admitted(serve))

    async def _books_of(self, tenant: str) -> CallerBooks:
        return await tenant_books(self._books, tenant) if tenant else self._books


async def _answer(handle: Callable[[], Awaitable[Message]]) -> bytes:
    try:
        return (await handle()).SerializeToString()
    except LedgerError as error:
        raise rpc_error_of(error) from error


def _request(data: bytes, request_type: type[R]) -> R:
    try:
        return request_type.FromString(data)
    except DecodeError as error:
        raise RpcError(StatusCode.INVALID_ARGUMENT, f"{request_type.__name__} cannot be parsed") from error
