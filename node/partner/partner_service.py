"""``PartnerService``: what other banks may ask of this one. Bytes in, bytes out; the rules are the receiver's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from google.protobuf.message import DecodeError, Message

from network.errors import RpcError
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import Call, Server, StatusCode, Unary
from node.partner.errors import MessageRefusedError
from node.partner.link import PARTNER_SERVICE
from node.partner.messages import MessageVerifier
from node.partner.receiver import SettlementReceiver
from node.partner.status import KNOWN_ERRORS, rpc_error_of
from node.partner.store import Evidence

log = structlog.get_logger(__name__)

_M = TypeVar("_M", bound=Message)


class PartnerService:
    """Serves partner banks.

    Args:
        verifier: decides which messages may be acted on.
        receiver: acts on them.
    """

    def __init__(self, verifier: MessageVerifier, receiver: SettlementReceiver) -> None:
        self._verifier = verifier
        self._receiver = receiver

    def register(self, server: Server) -> None:
        """Serve on a port."""
        for method, handler in (
            ("PrepareSettlement", self.prepare),
            ("CompleteSettlement", self.complete),
            ("AbortSettlement", self.abort),
            ("QuerySettlement", self.query),
        ):
            server.unary(f"/{PARTNER_SERVICE}/{method}", guarded(handler))

    async def prepare(self, request: bytes, call: Call) -> bytes:
        """Agree to a payment of the calling bank, or refuse it."""
        message = parsed(partner_pb2.PrepareSettlementRequest, request).message
        payload = self._verifier.verify(message, partner_pb2.Prepare, call)
        answer = await self._receiver.prepare(payload, _evidence("prepare", message))
        return partner_pb2.PrepareSettlementResponse(
            accepted=not answer.refusal, agreed_reference=answer.agreed_reference, refusal=answer.refusal
        ).SerializeToString()

    async def complete(self, request: bytes, call: Call) -> bytes:
        """Credit the beneficiary of an agreed payment, or refuse for good."""
        message = parsed(partner_pb2.CompleteSettlementRequest, request).message
        payload = self._verifier.verify(message, partner_pb2.Complete, call)
        answer = await self._receiver.complete(payload, _evidence("complete", message))
        return partner_pb2.CompleteSettlementResponse(
            completed=not answer.refusal, seq=answer.seq or 0, refusal=answer.refusal
        ).SerializeToString()

    async def abort(self, request: bytes, call: Call) -> bytes:
        """Forget an agreed payment that will not come."""
        message = parsed(partner_pb2.AbortSettlementRequest, request).message
        payload = self._verifier.verify(message, partner_pb2.Abort, call)
        state = await self._receiver.abort(payload, _evidence("abort", message))
        return partner_pb2.AbortSettlementResponse(state=state).SerializeToString()

    async def query(self, request: bytes, call: Call) -> bytes:
        """Tell how a settlement of the calling bank stands, and what these books owe it."""
        message = parsed(partner_pb2.QuerySettlementRequest, request).message
        payload = self._verifier.verify(message, partner_pb2.Query, call)
        reply = partner_pb2.QuerySettlementResponse()
        for asset, amount in sorted((await self._receiver.positions(payload.sender_msp_id)).items()):
            reply.positions.add(asset=asset, amount_minor=str(amount))
        if payload.settlement_id:
            known = await self._receiver.find(payload.sender_msp_id, payload.settlement_id)
            reply.state = known.state.value if known is not None else "unknown"
            reply.agreed_reference = known.agreed_reference if known is not None else ""
            reply.seq = (known.seq or 0) if known is not None else 0
        return reply.SerializeToString()


def parsed(kind: type[_M], request: bytes) -> _M:
    """Return the request as a message.

    Raises:
        RpcError: INVALID_ARGUMENT when the bytes are no such message.
    """
    try:
        return kind.FromString(request)
    except DecodeError as error:
        raise RpcError(StatusCode.INVALID_ARGUMENT, f"the request is no {kind.DESCRIPTOR.name}") from error


def guarded(handler: Callable[[bytes, Call], Awaitable[bytes]]) -> Unary:
    """Return the handler with this room's errors turned into statuses."""

    async def serve(request: bytes, call: Call) -> bytes:
        try:
            return await handler(request, call)
        except KNOWN_ERRORS as error:
            if isinstance(error, MessageRefusedError):
                log.warning("partner.message_refused", method=call.method, peer=call.peer, reason=error.message)
            raise rpc_error_of(error) from error

    return serve


def _evidence(kind: str, message: partner_pb2.SignedMessage) -> Evidence:
    return Evidence(kind, message.payload, message.creator, message.signature)
