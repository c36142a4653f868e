"""Speaks to a partner bank's node: signed messages over mutual TLS.

Rules it keeps: both nodes agree on a version before anything else is said; every message is signed anew with the
present time; whatever is not a plain, signed answer to this very message is "not available", because only an answer
says what happened.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from google.protobuf.message import DecodeError, Message

from network.errors import RpcError
from network.identity import SigningIdentity
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import Channel, StatusCode
from node.partner.errors import MessageRefusedError, PartnerBusyError, PartnerUnavailableError
from node.partner.limits import retry_after_s
from node.partner.messages import Evidence, MessageVerifier, evidence_of, signed_message, timestamp
from node.partner.protocol import DIGITS_SINCE, VERSIONS
from node.partner.settlement import Outgoing

PARTNER_SERVICE = "dwaybank.partner.v1.PartnerService"

REFERENCE_LENGTH_MAX = 64
"""Longest reference taken from a partner, in characters."""

_Asked = partner_pb2.QuerySettlementRequest
_Answered = partner_pb2.QuerySettlementResponse
"""Requests and responses of all methods but GetVersion have one form: a signed message in field 1."""

_Signed = partner_pb2.SignedMessage

_Reply = TypeVar("_Reply", bound=Message)


@dataclass(frozen=True, slots=True)
class PrepareAnswer:
    """The partner's answer to Prepare: a reference, or a refusal."""

    agreed_reference: str
    refusal: str
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class CompleteAnswer:
    """The partner's final answer to Complete: his entry's number, or a refusal."""

    seq: int | None
    refusal: str
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class AbortAnswer:
    """The partner's answer to Abort: ``"aborted"``, ``"unknown"`` or ``"completed"``."""

    state: str
    evidence: Evidence | None = None


class PartnerLink(Protocol):
    """The partner bank, as the sending bank sees it; every call may raise ``PartnerUnavailableError``."""

    async def prepare(self, settlement: Outgoing, asset_scale: int) -> PrepareAnswer:
        """Ask whether the partner will take the payment.

        Args:
            settlement: the payment.
            asset_scale: digits with which our books count its asset.
        """

    async def complete(self, settlement: Outgoing) -> CompleteAnswer:
        """Tell the partner that the money has left; returns his final answer."""

    async def abort(self, settlement: Outgoing) -> AbortAnswer:
        """Tell the partner that the payment will not come."""

    async def positions(self) -> dict[str, int]:
        """Return by asset what the partner's books say he owes us, net."""


class RpcPartnerLink:
    """A partner's node reached over the transport port.

    Args:
        channel: connection to the partner's node.
        partner_msp_id: whose node it is.
        identity: ours.
        verifier: decides which answers are believed.
        now: clock.
        timeout_s: patience for one call.
    """

    def __init__(
        self,
        channel: Channel,
        partner_msp_id: str,
        identity: SigningIdentity,
        *,
        verifier: MessageVerifier,
        now: Callable[[], datetime],
        timeout_s: float = 5.0,
    ) -> None:
        self._channel = channel
        self._partner_msp_id = partner_msp_id
        self._identity = identity
        self._verifier = verifier
        self._now = now
        self._timeout_s = timeout_s
        self._version = 0

    async def version(self, *, anew: bool = False) -> int:
        """Return the version both nodes speak, asked for once, or again.

        Raises:
            PartnerUnavailableError: no answer, or none in common; the message says which.
        """
        if not self._version or anew:
            request = partner_pb2.GetVersionRequest(versions=VERSIONS)
            reply = await self._call("GetVersion", request, partner_pb2.GetVersionResponse)
            if reply.chosen not in VERSIONS:
                raise PartnerUnavailableError(f"{self._partner_msp_id}: GetVersion: chose {reply.chosen}, not offered")
            self._version = reply.chosen
        return self._version

    async def prepare(self, settlement: Outgoing, asset_scale: int) -> PrepareAnswer:
        """Ask whether the partner will take the payment."""
        payload = partner_pb2.Prepare(
            settlement_id=settlement.settlement_id,
            asset=settlement.asset,
            amount_minor=str(settlement.amount),
            beneficiary_account=settlement.beneficiary_account,
            deadline=timestamp(settlement.deadline),
            quote_id=settlement.quote_id,
            return_of=settlement.return_of,
            return_reason=settlement.return_reason,
            # An older node refuses a field that its version does not have.
            asset_scale=asset_scale if await self.version() >= DIGITS_SINCE else None,
        )
        said, signed = await self.ask("PrepareSettlement", payload, partner_pb2.PrepareAnswer)
        self._check_settlement(said.settlement_id, settlement)
        evidence = evidence_of("prepare_answer", signed)
        if said.accepted and 0 < len(said.agreed_reference) <= REFERENCE_LENGTH_MAX and not said.refusal:
            return PrepareAnswer(said.agreed_reference, "", evidence)
        if said.refusal and not said.accepted:
            return PrepareAnswer("", said.refusal[:64], evidence)
        raise PartnerUnavailableError(f"{self._partner_msp_id}: answered Prepare with neither reference nor refusal")

    async def complete(self, settlement: Outgoing) -> CompleteAnswer:
        """Tell the partner that the money has left; returns his final answer."""
        payload = partner_pb2.Complete(
            settlement_id=settlement.settlement_id, agreed_reference=settlement.agreed_reference
        )
        said, signed = await self.ask("CompleteSettlement", payload, partner_pb2.CompleteAnswer)
        self._check_settlement(said.settlement_id, settlement)
        evidence = evidence_of("complete_answer", signed)
        if said.completed and said.seq > 0 and not said.refusal:
            return CompleteAnswer(said.seq, "", evidence)
        if said.refusal and not said.completed:
            return CompleteAnswer(None, said.refusal[:64], evidence)
        raise PartnerUnavailableError(f"{self._partner_msp_id}: answered Complete with neither entry nor refusal")

    async def abort(self, settlement: Outgoing) -> AbortAnswer:
        """Tell the partner that the payment will not come."""
        payload = partner_pb2.Abort(settlement_id=settlement.settlement_id, reason=settlement.refusal)
        said, signed = await self.ask("AbortSettlement", payload, partner_pb2.AbortAnswer)
        self._check_settlement(said.settlement_id, settlement)
        if said.state not in ("aborted", "unknown", "completed"):
            raise PartnerUnavailableError(f"{self._partner_msp_id}: answered Abort with {said.state[:64]!r}")
        return AbortAnswer(said.state, evidence_of("abort_answer", signed))

    async def positions(self) -> dict[str, int]:
        """Return by asset what the partner's books say he owes us, net."""
        said, _ = await self.ask("QuerySettlement", partner_pb2.Query(), partner_pb2.QueryAnswer)
        try:
            return {position.asset: int(position.amount_minor) for position in said.positions}
        except ValueError as error:
            raise PartnerUnavailableError(f"{self._partner_msp_id}: a position is no whole number") from error

    async def follow(self, after_sequence: int) -> AsyncGenerator[tuple[partner_pb2.SettlementUpdate, _Signed], None]:
        """Yield what the partner tells after a sequence number, with what he signed, until he ends the stream.

        Raises:
            PartnerUnavailableError: the stream broke, or a number is missing.
        """
        method = "FollowSettlements"
        signed = await self.signed(partner_pb2.Follow(after_sequence=after_sequence))
        request = _Asked(message=signed).SerializeToString()
        try:
            async with aclosing(self._channel.server_stream(f"/{PARTNER_SERVICE}/{method}", request, None)) as replies:
                async for reply in replies:
                    said = _Answered.FromString(reply).answer
                    update = self.believed(method, said, partner_pb2.SettlementUpdate, signed.payload)
                    if update.sequence != after_sequence + 1:
                        told = f"{method}: number {update.sequence} after {after_sequence}"
                        raise PartnerUnavailableError(f"{self._partner_msp_id}: {told}")
                    after_sequence = update.sequence
                    yield update, said
        except RpcError as error:
            raise self.failure(method, error) from error
        except DecodeError as error:
            raise PartnerUnavailableError(f"{self._partner_msp_id}: {method}: the answer is no such message") from error

    async def ask(
        self, method: str, payload: Message, answer: type[_Reply]
    ) -> tuple[_Reply, partner_pb2.SignedMessage]:
        """Send a message, its head filled in, and return the answer and what the partner signed.

        Args:
            method: of ``PartnerService``.
            payload: what its request carries; version, parties and time are set here.
            answer: what its response carries.
        Raises:
            PartnerUnavailableError: no answer that may be believed.
        """
        signed = await self.signed(payload)
        reply = await self._call(method, _Asked(message=signed), _Answered)
        return self.believed(method, reply.answer, answer, signed.payload), reply.answer

    async def signed(self, payload: Message) -> partner_pb2.SignedMessage:
        """Return a message to the partner with its head filled in, signed now."""
        head = {
            "version": await self.version(),
            "sender_msp_id": self._identity.msp_id,
            "receiver_msp_id": self._partner_msp_id,
            "sent_at": timestamp(self._now()),
        }
        whole = type(payload)(**head)
        whole.MergeFrom(payload)
        return signed_message(whole, self._identity)

    def believed(self, method: str, said: partner_pb2.SignedMessage, answer: type[_Reply], asked: bytes) -> _Reply:
        """Return the content of an answer that may be believed.

        Raises:
            PartnerUnavailableError: it may not.
        """
        try:
            return self._verifier.verify_answer(said, answer, partner_msp_id=self._partner_msp_id, asked=asked)
        except MessageRefusedError as error:
            raise PartnerUnavailableError(f"{self._partner_msp_id}: {method}: the answer: {error.message}") from error

    def _check_settlement(self, named: str, settlement: Outgoing) -> None:
        if named != settlement.settlement_id:
            raise PartnerUnavailableError(f"{self._partner_msp_id}: the answer is about settlement {named[:64]!r}")

    async def _call(self, method: str, request: Message, reply: type[_Reply]) -> _Reply:
        path = f"/{PARTNER_SERVICE}/{method}"
        try:
            return reply.FromString(await self._channel.unary(path, request.SerializeToString(), self._timeout_s))
        except RpcError as error:
            raise self.failure(method, error) from error
        except DecodeError as error:
            raise PartnerUnavailableError(f"{self._partner_msp_id}: {method}: the answer is no such message") from error

    def failure(self, method: str, error: RpcError) -> PartnerUnavailableError:
        """Return what a failed call means here."""
        told = f"{self._partner_msp_id}: {method}: {error.message}"
        if error.code == StatusCode.RESOURCE_EXHAUSTED:
            return PartnerBusyError(told, retry_after_s(error))
        if error.code == StatusCode.FAILED_PRECONDITION:
            # It may be that the partner no longer speaks the version agreed on.
            self._version = 0
        return PartnerUnavailableError(told)
