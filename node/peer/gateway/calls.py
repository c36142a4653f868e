"""What all calls of the gateway share: reading requests, deadlines."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2
from google.protobuf.message import DecodeError

from network.canonical import REFUSED, fields, text
from network.errors import RpcError, WireError
from network.proposal import NO_MESSAGE, ParsedProposal, parse_proposal, unmarshal
from network.rpc import Call, StatusCode
from node.received import received_message
from node.time_limits import LATE_S, TimeLimits

T = TypeVar("T")


class Asked(NamedTuple):
    """What a call that brings a proposal asks for."""

    signed_proposal: bytes
    proposal_bytes: bytes
    """Empty where there is no proposal."""
    msp_ids: Sequence[str]
    """Organizations that the client named."""


class Requested(NamedTuple):
    """A proposal as a gateway takes it up: what it is for. Whether it is in order is for the endorsers to say."""

    channel_id: str
    chaincode: str
    transient: bool
    signed_proposal: bytes
    whole: ParsedProposal | WireError
    """Taken apart, or what is not in order with it."""
    lacks: str = ""
    """What it does not say, in Fabric's words, of what an evaluation needs."""

    @property
    def tx_id(self) -> str:
        """Its transaction id; empty where it is not in order."""
        return "" if isinstance(self.whole, WireError) else self.whole.tx_id

    def parsed(self) -> ParsedProposal:
        """Return it taken apart.

        Raises:
            WireError: it is not in order.
        """
        if isinstance(self.whole, WireError):
            raise self.whole
        return self.whole


def parse_request(kind: Any, request: bytes, what: str = "", *, streamed: bool = False) -> Any:
    """Return a request message.

    Args:
        what: Fabric's name of a message that stands signed inside another.
        streamed: whether the call is answered by a stream, for which Go's gRPC has other words.
    Raises:
        RpcError: INTERNAL, as gRPC libraries that read the message themselves say; INVALID_ARGUMENT for one inside
            another.
    """
    if not what:
        return received_message(kind, request, streamed=streamed)
    try:
        return kind.FromString(request)
    except DecodeError as error:
        raise RpcError(StatusCode.INVALID_ARGUMENT, f"invalid {what}: {NO_MESSAGE}") from error


def read_asked(kind: Any, request: bytes, organizations: str) -> Asked:
    """Return what ``Evaluate`` or ``Endorse`` asks for, whose messages have one form.

    Args:
        organizations: name of the last field.
    Raises:
        RpcError: see :func:`parse_request`.
    """
    with suppress(*REFUSED):
        # Nearly always no organization is named.
        tx_id, channel_id, signed = fields(request, b"\x0a\x12\x1a")
        proposal_bytes, signature = fields(signed or b"", b"\x0a\x12")
        for part in (tx_id, channel_id):
            text(part)
        if proposal_bytes and signature:
            return Asked(signed, proposal_bytes, ())
    message = parse_request(kind, request)
    proposed = message.proposed_transaction
    return Asked(proposed.SerializeToString(), proposed.proposal_bytes, list(getattr(message, organizations)))


def parse_gateway_proposal(asked: Asked, prefix: str = "") -> Requested:
    """Return a proposal that a call asks for.

    Args:
        asked: see :func:`read_asked`.
        prefix: of the errors' texts.
    Raises:
        RpcError: INVALID_ARGUMENT where not even what it is for can be read.
    Source: Fabric internal/pkg/gateway/{evaluate,endorse}.go.
    """
    content = asked.signed_proposal
    try:
        whole: ParsedProposal | WireError = parse_proposal(content)
    except WireError as error:
        whole = error
    if isinstance(whole, ParsedProposal) and whole.channel_id and whole.invoked:
        return Requested(whole.channel_id, whole.invoked, bool(whole.transient), content, whole)
    try:
        proposal = unmarshal(proposal_pb2.Proposal, asked.proposal_bytes)
        header = unmarshal(common_pb2.Header, proposal.header)
        channel = unmarshal(common_pb2.ChannelHeader, header.channel_header).channel_id
        payload = unmarshal(proposal_pb2.ChaincodeProposalPayload, proposal.payload)
        invocation = unmarshal(chaincode_pb2.ChaincodeInvocationSpec, payload.input)
    except WireError as error:
        raise RpcError(StatusCode.INVALID_ARGUMENT, f"{prefix}{error}") from error
    chaincode = invocation.chaincode_spec.chaincode_id.name
    lacks = "" if channel else "no channel id provided"
    for given, name in (
        (invocation.HasField("chaincode_spec"), "spec"),
        (invocation.chaincode_spec.HasField("chaincode_id"), "id"),
        (chaincode, "name"),
    ):
        if not given:
            lacks = lacks or f"no chaincode {name} is provided, channel id [{channel}]"
    return Requested(channel, chaincode, bool(payload.TransientMap), content, whole, lacks)


def no_config(channel_id: str) -> str:
    """Return Fabric's text of a channel that this peer is not on, where its configuration was wanted."""
    return f"failed to get config for channel [{channel_id}]: could not get last config for channel {channel_id}"


def no_policies(channel_id: str) -> str:
    """Return Fabric's text of a channel that this peer is not on, where access to it was asked about."""
    if not channel_id:
        return "Invalid channel ID name during check policy on signed data. Name must be different from nil."
    return f"Failed to get policy manager for channel [{channel_id}]"


async def within_deadline(call: Call, work: Awaitable[T], text: str, limits: TimeLimits) -> T:
    """Return what ``work`` gives, unless the caller's deadline passes first.

    Args:
        limits: whose timers are shared.
    Raises:
        RpcError: DEADLINE_EXCEEDED with ``text``.
    """
    if call.deadline is None:
        return await work
    try:
        # A moment earlier than the caller gives up, so that it still hears why.
        with limits.until(call.deadline - 0.01 - LATE_S):
            return await work
    except TimeoutError as error:
        raise RpcError(StatusCode.DEADLINE_EXCEEDED, text) from error
