"""How the audit services answer: who may call what, and how requests are read.

Handlers go from bytes to bytes; who calls is told by the client certificate before anything is read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from network.errors import NetworkError
from network.rpc import Call, RpcError, Server, StatusCode
from node.access import Members
from node.audit.errors import BadRequestError, rpc_error_of
from node.audit.member_node import SERVICE
from node.errors import NodeError

SEQ_MAX = 2**53 - 1
TEXT_LENGTH_MAX = 1_024
NAME_LENGTH_MAX = 200

R = TypeVar("R", bound=Message)


class Serving:
    """Offers methods of the audit service.

    Args:
        server: that offers them.
        members: tells who calls.
        service: full name of the service.
    """

    def __init__(self, server: Server, members: Members, service: str = SERVICE) -> None:
        self._server = server
        self._members = members
        self._service = service

    def own(self, method: str, request_type: type[R], handle: Callable[[R], Awaitable[Message]]) -> None:
        """Offer a method to this organization's own programs."""

        async def own(user: str, request: R) -> Message:
            del user
            return await handle(request)

        self.own_users(method, request_type, own)

    def own_users(self, method: str, request_type: type[R], handle: Callable[[str, R], Awaitable[Message]]) -> None:
        """Offer a method to this organization's own programs; ``handle`` is told the user, too."""
        self._offer(method, request_type, handle, self._members.own_user)

    def members(self, method: str, request_type: type[R], handle: Callable[[str, R], Awaitable[Message]]) -> None:
        """Offer a method to every member's node; ``handle`` is told the organization, too."""
        self._offer(method, request_type, handle, self._members.caller)

    def _offer(
        self,
        method: str,
        request_type: type[R],
        handle: Callable[[str, R], Awaitable[Message]],
        who: Callable[[Call], str],
    ) -> None:
        async def serve(data: bytes, call: Call) -> bytes:
            caller = who(call)
            request = parse(request_type, data)
            try:
                return (await handle(caller, request)).SerializeToString()
            except (NodeError, NetworkError) as error:
                raise rpc_error_of(error) from error

        self._server.unary(f"/{self._service}/{method}", serve)


def parse(kind: type[R], data: bytes) -> R:
    """Return a request; refuse bytes that are none."""
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise RpcError(StatusCode.INVALID_ARGUMENT, f"{kind.__name__} cannot be parsed") from error


def text(field: str, value: str) -> str:
    """Return a text of usual length."""
    if len(value) > TEXT_LENGTH_MAX or "\x00" in value:
        raise BadRequestError(f"{field}: give at most {TEXT_LENGTH_MAX} characters of text")
    return value


def acting(user: str, for_user: str) -> str:
    """Return who acts, for the record: the caller by certificate, and whom it says it acts for."""
    if not for_user:
        return user
    if len(for_user) > NAME_LENGTH_MAX or not for_user.isprintable():
        raise BadRequestError(f"for_user: give at most {NAME_LENGTH_MAX} printable characters")
    return f"{user} for {for_user}"


def number(field: str, value: int, least: int) -> int:
    """Return a number that is not below the least."""
    if not least <= value <= SEQ_MAX:
        raise BadRequestError(f"{field}: {value} is not a number from {least} to {SEQ_MAX}")
    return value


def time_of(field: str, value: Timestamp) -> datetime:
    """Return a moment, UTC."""
    try:
        return value.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequestError(f"{field}: not a time of the years 1 to 9999") from error


def timestamp(moment: datetime) -> Timestamp:
    """Return a moment as protobuf tells it."""
    found = Timestamp()
    found.FromDatetime(moment)
    return found
