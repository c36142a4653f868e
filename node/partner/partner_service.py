"""``PartnerService``: what other banks may ask of this one. Bytes in, bytes out; the rules are the receiver's.

Every call is counted against its caller's limits before anything else is done about it, and every answer is signed.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime
from typing import TypeVar

import structlog
from google.protobuf.message import DecodeError, Message

from network.errors import RpcError
from network.identity import SigningIdentity
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import Call, Server, ServerStream, StatusCode, Unary
from node.partner.errors import MessageRefusedError
from node.partner.limits import CallRate
from node.partner.link import PARTNER_SERVICE
from node.partner.messages import (
    Evidence,
    MessageVerifier,
    evidence_of,
    request_hash,
    signed_message,
    timestamp,
)
from node.partner.protocol import VERSIONS, choose_version
from node.partner.quote_desk import QuoteDesk
from node.partner.receiver import SettlementReceiver
from node.partner.status import KNOWN_ERRORS, rpc_error_of
from node.partner.updates import UpdateStreams
from node.partner.usage import LimitedUse

log = structlog.get_logger(__name__)

_M = TypeVar("_M", bound=Message)


_ASKED = partner_pb2.QuerySettlementRequest
_ANSWERED = partner_pb2.QuerySettlementResponse
"""Requests and responses of all methods but GetVersion have one form: a signed message in field 1."""


class PartnerService:
    """Serves partner banks.

    Args:
        verifier: decides which messages may be acted on.
        receiver: acts on them.
        identity: signs the answers.
        use: how many calls each partner may make.
        desk: gives quotes.
        updates: tells what happens.
        now: clock.
        monotonic: a clock that never goes back, seconds.
    """

    def __init__(
        self,
        verifier: MessageVerifier,
        receiver: SettlementReceiver,
        identity: SigningIdentity,
        use: LimitedUse,
        desk: QuoteDesk,
        updates: UpdateStreams,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._verifier = verifier
        self._receiver = receiver
        self._identity = identity
        self._use = use
        self._desk = desk
        self._updates = updates
        self._now = now
        self._monotonic = monotonic
        self._rates: dict[str, CallRate] = {}

    def register(self, server: Server) -> None:
        """Serve on a port."""
        server.unary(f"/{PARTNER_SERVICE}/GetVersion", guarded(self.version))
        for method, handler in (
            ("PrepareSettlement", self.answering(partner_pb2.Prepare, self._prepare)),
            ("CompleteSettlement", self.answering(partner_pb2.Complete, self._complete)),
            ("AbortSettlement", self.answering(partner_pb2.Abort, self._abort)),
            ("QuerySettlement", self.answering(partner_pb2.Query, self._query)),
            ("GetQuote", self.answering(partner_pb2.QuoteRequest, self._desk.answer, "quote_request")),
            ("GetVostroStatement", self.answering(partner_pb2.StatementQuery, self._statement)),
        ):
            server.unary(f"/{PARTNER_SERVICE}/{method}", guarded(handler))
        following = self._verifier.members.admitted(guarded_stream(self._follow))
        server.server_stream(f"/{PARTNER_SERVICE}/FollowSettlements", following)

    async def version(self, request: bytes, call: Call) -> bytes:
        """Agree on a version with the calling bank."""
        self.admit(call)
        offered = parsed(partner_pb2.GetVersionRequest, request).versions
        chosen = choose_version(offered)
        return partner_pb2.GetVersionResponse(versions=VERSIONS, chosen=chosen).SerializeToString()

    def admit(self, call: Call) -> str:
        """Count a call of a partner and return who it is.

        Raises:
            MessageRefusedError: the caller is no partner.
            RpcError: RESOURCE_EXHAUSTED with a hint when to ask again.
        """
        partner, at_s = self._verifier.partner(call), self._monotonic()
        if partner not in self._rates:
            self._rates[partner] = CallRate(self._use.limits(partner), at_s)
        self._rates[partner].take(at_s)
        return partner

    def answering(
        self, kind: type[_M], handler: Callable[[_M, Evidence], Awaitable[Message]], evidence: str = ""
    ) -> Unary:
        """Return a handler of signed requests that signs what ``handler`` makes of a payload that may be acted on.

        Args:
            kind: of payload.
            handler: answers it.
            evidence: kind under which the request is kept; empty for the payload's name.
        """
        name = evidence or kind.DESCRIPTOR.name.lower()

        async def serve(request: bytes, call: Call) -> bytes:
            self.admit(call)
            message = parsed(_ASKED, request).message
            payload = self._verifier.verify(message, kind, call)
            answer = await handler(payload, evidence_of(name, message))
            return _ANSWERED(answer=self.signed(answer, message.payload, payload)).SerializeToString()

        return serve

    def signed(self, answer: Message, asked: bytes, payload: Message) -> partner_pb2.SignedMessage:
        """Return an answer with its head filled in, signed now.

        Args:
            answer: what it says.
            asked: payload of the request, bytes as received.
            payload: the same, parsed.
        """
        head = {
            "version": payload.version,  # type: ignore[attr-defined]
            "sender_msp_id": self._identity.msp_id,
            "receiver_msp_id": payload.sender_msp_id,  # type: ignore[attr-defined]
            "sent_at": timestamp(self._now()),
            "request_hash": request_hash(asked),
        }
        if "settlement_id" in answer.DESCRIPTOR.fields_by_name and hasattr(payload, "settlement_id"):
            head["settlement_id"] = payload.settlement_id
        whole = type(answer)(**head)
        whole.MergeFrom(answer)
        return signed_message(whole, self._identity)

    async def _prepare(self, payload: partner_pb2.Prepare, evidence: Evidence) -> Message:
        answer = await self._receiver.prepare(payload, evidence)
        return partner_pb2.PrepareAnswer(
            accepted=not answer.refusal, agreed_reference=answer.agreed_reference, refusal=answer.refusal
        )

    async def _complete(self, payload: partner_pb2.Complete, evidence: Evidence) -> Message:
        answer = await self._receiver.complete(payload, evidence)
        return partner_pb2.CompleteAnswer(completed=not answer.refusal, seq=answer.seq or 0, refusal=answer.refusal)

    async def _abort(self, payload: partner_pb2.Abort, evidence: Evidence) -> Message:
        return partner_pb2.AbortAnswer(state=await self._receiver.abort(payload, evidence))

    async def _statement(self, payload: partner_pb2.StatementQuery, _: Evidence) -> Message:
        return await self._receiver.statement(payload)

    async def _follow(self, request: bytes, call: Call) -> AsyncGenerator[bytes, None]:
        self.admit(call)
        message = parsed(_ASKED, request).message
        payload = self._verifier.verify(message, partner_pb2.Follow, call)
        async with aclosing(self._updates.follow(payload.sender_msp_id, payload.after_sequence)) as updates:
            async for update in updates:
                answer = self.signed(update, message.payload, payload)
                yield _ANSWERED(answer=answer).SerializeToString()

    async def _query(self, payload: partner_pb2.Query, _: Evidence) -> Message:
        answer = partner_pb2.QueryAnswer()
        for asset, amount in sorted((await self._receiver.positions(payload.sender_msp_id)).items()):
            answer.positions.add(asset=asset, amount_minor=str(amount))
        if payload.settlement_id:
            known = await self._receiver.find(payload.sender_msp_id, payload.settlement_id)
            answer.state = known.state.value if known is not None else "unknown"
            answer.agreed_reference = known.agreed_reference if known is not None else ""
            answer.seq = (known.seq or 0) if known is not None else 0
        return answer


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
            raise _told(error, call) from error

    return serve


def guarded_stream(handler: Callable[[bytes, Call], AsyncGenerator[bytes, None]]) -> ServerStream:
    """Return the handler of a stream with this room's errors turned into statuses."""

    async def serve(request: bytes, call: Call) -> AsyncIterator[bytes]:
        try:
            async with aclosing(handler(request, call)) as replies:
                async for reply in replies:
                    yield reply
        except KNOWN_ERRORS as error:
            raise _told(error, call) from error

    return serve


def _told(error: Exception, call: Call) -> RpcError:
    if isinstance(error, MessageRefusedError):
        log.warning("partner.message_refused", method=call.method, peer=call.peer, reason=error.message)
    return rpc_error_of(error)
