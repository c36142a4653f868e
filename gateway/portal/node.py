"""Speaks to the organization's own node: the audit service over mutual TLS, for the person who is logged in.

What the node refuses comes out as an error of ``gateway.errors`` with the node's own sentence: it speaks to the same
organization, and names field, value and way out.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from gateway.errors import CustomerGatewayError, ForbiddenError, NotFoundError, RefusedError, UnavailableError
from network.errors import RpcError
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb
from network.rpc import Channel, StatusCode

AUDIT = "/dwaybank.audit.v1.AuditService"
PORTAL = "/dwaybank.audit.v1.PortalService"
REPORTS = "/dwaybank.audit.v1.ReportService"
SLOW_S = 60.0
"""Patience for what waits for other members: a demand, a step on the shared ledger, an export's next piece."""

Reply = TypeVar("Reply", bound=Message)

_REFUSALS = {
    StatusCode.INVALID_ARGUMENT: "invalid",
    StatusCode.FAILED_PRECONDITION: "not_yet",
    StatusCode.OUT_OF_RANGE: "archived",
    StatusCode.ABORTED: "refused_by_the_ledger",
    StatusCode.DATA_LOSS: "not_proved",
    StatusCode.ALREADY_EXISTS: "exists",
    StatusCode.RESOURCE_EXHAUSTED: "busy",
}


class PortalNode:
    """The portal's view of its node.

    Args:
        channel: connection to the node's one port.
        timeout_s: patience for what the node answers by itself.
    """

    def __init__(self, channel: Channel, *, timeout_s: float) -> None:
        self._channel = channel
        self._timeout_s = timeout_s

    async def call(
        self, method: str, request: Message, reply: type[Reply], timeout_s: float | None = None, service: str = AUDIT
    ) -> Reply:
        """Make one call.

        Raises:
            CustomerGatewayError: as the node refused; ``UnavailableError`` where it does not answer.
        """
        try:
            data = await self._channel.unary(
                f"{service}/{method}", request.SerializeToString(), timeout_s=timeout_s or self._timeout_s
            )
            return reply.FromString(data)
        except RpcError as error:
            raise error_of(error) from error
        except DecodeError as error:
            raise UnavailableError("node_unavailable", "the node's answer cannot be read") from error

    async def export(self, request: pb.ExportEntriesRequest) -> AsyncGenerator[bytes, None]:
        """Give a file's bytes as the node makes them.

        Raises:
            CustomerGatewayError: as for ``call``; also after the first bytes.
        """
        try:
            async for data in self._channel.server_stream(
                f"{AUDIT}/ExportEntries", request.SerializeToString(), timeout_s=None
            ):
                yield pb.ExportEntriesResponse.FromString(data).data
        except RpcError as error:
            raise error_of(error) from error


def error_of(error: RpcError) -> CustomerGatewayError:
    """Return what a refusal of the node means to who asked for a page."""
    if error.code == StatusCode.NOT_FOUND:
        return NotFoundError(error.message)
    if error.code == StatusCode.PERMISSION_DENIED:
        return ForbiddenError("refused", error.message)
    code = _REFUSALS.get(StatusCode(error.code))
    if code is not None:
        return RefusedError(code, error.message)
    return UnavailableError("node_unavailable", f"the node does not answer now: {error.message}")
