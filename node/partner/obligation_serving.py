"""How the services about obligations answer: who may call what, and what a refusal of the contract means."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

from google.protobuf.message import Message

from ledger.errors import InvalidValueError
from network.errors import GatewayError
from network.obligation import SETTLEMENT
from network.rpc import Call, RpcError, Server, StatusCode
from node.access import Members
from node.partner.obligation_chain import SettlementChain, refusal_code
from node.partner.partner_service import guarded, parsed

NO_CONTRACT = (
    f"this node's settings approve no contract {SETTLEMENT!r}: add it to every member's node.yaml, as "
    "docs/settlement.md says under 'Consortiums that exist already', and start the consortium again"
)

_ID = re.compile(r"[0-9a-f]{32}")
_CODES = {
    "not_found": StatusCode.NOT_FOUND,
    "access_denied": StatusCode.PERMISSION_DENIED,
    "bad_argument": StatusCode.INVALID_ARGUMENT,
}
_R = TypeVar("_R", bound=Message)


class ObligationServing:
    """Offers methods.

    Args:
        chain: the contract; None where this node's settings approve none.
        members: who issued which client certificate.
    """

    def __init__(self, chain: SettlementChain | None, members: Members) -> None:
        self._chain = chain
        self._members = members

    @property
    def chain(self) -> SettlementChain:
        """The contract.

        Raises:
            RpcError: FAILED_PRECONDITION where there is none, with what to do about it.
        """
        if self._chain is None:
            raise RpcError(StatusCode.FAILED_PRECONDITION, NO_CONTRACT)
        return self._chain

    def own(
        self, server: Server, service: str, method: str, kind: type[_R], handle: Callable[[_R], Awaitable[Message]]
    ) -> None:
        """Offer a method to this organization's own programs."""

        async def own(caller: str, asked: _R) -> Message:
            del caller
            return await handle(asked)

        self._offer(server, f"/{service}/{method}", kind, own, self._members.own_user)

    def members(
        self, server: Server, service: str, method: str, kind: type[_R], handle: Callable[[str, _R], Awaitable[Message]]
    ) -> None:
        """Offer a method to every member's node; ``handle`` is told the organization, too."""
        self._offer(server, f"/{service}/{method}", kind, handle, self._members.caller)

    def _offer(
        self,
        server: Server,
        path: str,
        kind: type[_R],
        handle: Callable[[str, _R], Awaitable[Message]],
        who: Callable[[Call], str],
    ) -> None:
        async def serve(request: bytes, call: Call) -> bytes:
            caller = who(call)
            asked = parsed(kind, request)
            try:
                return (await handle(caller, asked)).SerializeToString()
            except GatewayError as error:
                raise rpc_error_of(error) from error

        server.unary(path, guarded(serve))


def rpc_error_of(error: GatewayError) -> RpcError:
    """Return what the contract's refusal, or the peer's silence, means to the caller."""
    code = refusal_code(error)
    if not code:
        return RpcError(StatusCode.UNAVAILABLE, f"the shared ledger does not answer now, ask again: {error}")
    return RpcError(_CODES.get(code, StatusCode.FAILED_PRECONDITION), str(error))


def require_id(field: str, text: str) -> str:
    """Return an id of the shared ledger.

    Raises:
        InvalidValueError: it is none.
    """
    if not _ID.fullmatch(text):
        raise InvalidValueError(field, text[:64], "give 32 hex digits")
    return text
