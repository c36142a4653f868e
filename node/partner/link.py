"""Speaks to a partner bank's node: signed messages over mutual TLS.

Rules it keeps: every message is signed anew with the present time; whatever is not a plain answer of the protocol is
"not available", because only an answer says what happened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from google.protobuf.message import DecodeError, Message

from network.errors import RpcError
from network.identity import SigningIdentity
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import Channel, StatusCode
from node.partner.errors import PartnerUnavailableError
from node.partner.messages import signed_message, timestamp
from node.partner.settlement import Outgoing

PARTNER_SERVICE = "dwaybank.partner.v1.PartnerService"

REFERENCE_LENGTH_MAX = 64
"""Longest reference taken from a partner, in characters."""

_Reply = TypeVar("_Reply", bound=Message)


@dataclass(frozen=True, slots=True)
class PrepareAnswer:
    """The partner's answer to Prepare: a reference, or a refusal."""

    agreed_reference: str
    refusal: str


@dataclass(frozen=True, slots=True)
class CompleteAnswer:
    """The partner's final answer to Complete: his entry's number, or a refusal."""

    seq: int | None
    refusal: str


class PartnerLink(Protocol):
    """The partner bank, as the sending bank sees it; every call may raise ``PartnerUnavailableError``."""

    async def prepare(self, settlement: Outgoing) -> PrepareAnswer:
        """Ask whether the partner will take the payment."""

    async def complete(self, settlement: Outgoing) -> CompleteAnswer:
        """Tell the partner that the money has left; returns his final answer."""

    async def abort(self, settlement: Outgoing) -> str:
        """Tell the partner that the payment will not come; returns ``"aborted"``, ``"unknown"`` or ``"completed"``."""

    async def positions(self) -> dict[str, int]:
        """Return by asset what the partner's books say he owes us, net."""


class RpcPartnerLink:
    """A partner's node reached over the transport port.

    Args:
        channel: connection to the partner's node.
        partner_msp_id: whose node it is.
        identity: ours.
        now: clock.
        timeout_s: patience for one call.
    """

    def __init__(
        self,
        channel: Channel,
        partner_msp_id: str,
        identity: SigningIdentity,
        *,
        now: Callable[[], datetime],
        timeout_s: float = 5.0,
    ) -> None:
        self._channel = channel
        self._partner_msp_id = partner_msp_id
        self._identity = identity
        self._now = now
        self._timeout_s = timeout_s

    async def prepare(self, settlement: Outgoing) -> PrepareAnswer:
        """Ask whether the partner will take the payment."""
        payload = partner_pb2.Prepare(
            settlement_id=settlement.settlement_id,
            sender_msp_id=self._identity.msp_id,
            receiver_msp_id=self._partner_msp_id,
            asset=settlement.asset,
            amount_minor=str(settlement.amount),
            beneficiary_account=settlement.beneficiary_account,
            deadline=timestamp(settlement.deadline),
            sent_at=timestamp(self._now()),
        )
        request = partner_pb2.PrepareSettlementRequest(message=signed_message(payload, self._identity))
        reply = await self._call("PrepareSettlement", request, partner_pb2.PrepareSettlementResponse)
        if reply.accepted and 0 < len(reply.agreed_reference) <= REFERENCE_LENGTH_MAX and not reply.refusal:
            return PrepareAnswer(reply.agreed_reference, "")
        if reply.refusal and not reply.accepted:
            return PrepareAnswer("", reply.refusal[:64])
        raise PartnerUnavailableError(f"{self._partner_msp_id}: answered Prepare with neither reference nor refusal")

    async def complete(self, settlement: Outgoing) -> CompleteAnswer:
        """Tell the partner that the money has left; returns his final answer."""
        payload = partner_pb2.Complete(
            settlement_id=settlement.settlement_id,
            sender_msp_id=self._identity.msp_id,
            receiver_msp_id=self._partner_msp_id,
            agreed_reference=settlement.agreed_reference,
            sent_at=timestamp(self._now()),
        )
        request = partner_pb2.CompleteSettlementRequest(message=signed_message(payload, self._identity))
        reply = await self._call("CompleteSettlement", request, partner_pb2.CompleteSettlementResponse)
        if reply.completed and reply.seq > 0 and not reply.refusal:
            return CompleteAnswer(reply.seq, "")
        if reply.refusal and not reply.completed:
            return CompleteAnswer(None, reply.refusal[:64])
        raise PartnerUnavailableError(f"{self._partner_msp_id}: answered Complete with neither entry nor refusal")

    async def abort(self, settlement: Outgoing) -> str:
        """Tell the partner that the payment will not come."""
        payload = partner_pb2.Abort(
            settlement_id=settlement.settlement_id,
            sender_msp_id=self._identity.msp_id,
            receiver_msp_id=self._partner_msp_id,
            reason=settlement.refusal,
            sent_at=timestamp(self._now()),
        )
        request = partner_pb2.AbortSettlementRequest(message=signed_message(payload, self._identity))
        try:
            reply = await self._call("AbortSettlement", request, partner_pb2.AbortSettlementResponse)
        except PartnerUnavailableError as error:
            cause = error.__cause__
            if isinstance(cause, RpcError) and cause.code == StatusCode.FAILED_PRECONDITION:
                return "completed"
            raise
        return reply.state

    async def positions(self) -> dict[str, int]:
        """Return by asset what the partner's books say he owes us, net."""
        payload = partner_pb2.Query(
            sender_msp_id=self._identity.msp_id,
            receiver_msp_id=self._partner_msp_id,
            sent_at=timestamp(self._now()),
        )
        request = partner_pb2.QuerySettlementRequest(message=signed_message(payload, self._identity))
        reply = await self._call("QuerySettlement", request, partner_pb2.QuerySettlementResponse)
        try:
            return {position.asset: int(position.amount_minor) for position in reply.positions}
        except ValueError as error:
            raise PartnerUnavailableError(f"{self._partner_msp_id}: a position is no whole number") from error

    async def _call(self, method: str, request: Message, reply: type[_Reply]) -> _Reply:
        path = f"/{PARTNER_SERVICE}/{method}"
        try:
            return reply.FromString(await self._channel.unary(path, request.SerializeToString(), self._timeout_s))
        except RpcError as error:
            raise PartnerUnavailableError(f"{self._partner_msp_id}: {method}: {error.message}") from error
        except DecodeError as error:
            raise PartnerUnavailableError(f"{self._partner_msp_id}: {method}: the answer is no such message") from error
