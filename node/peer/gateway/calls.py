"""What all calls of the gateway share: reading requests, deadlines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2
from google.protobuf.message import DecodeError

from network.errors import RpcError, WireError
from network.proposal import ParsedProposal, parse_proposal
from network.rpc import Call, StatusCode

T = TypeVar("T")

_NO_MESSAGE = "proto: cannot parse invalid wire-format data"
"""What Go's protobuf library says of bytes that are no message."""


def parse_request(kind: Any, request: bytes, what: str = "") -> Any:
    """Return a request message.

    Args:
        what: Fabric's name of a message that stands signed inside another.
    Raises:
        RpcError: INVALID_ARGUMENT.
    """
    try:
        return kind.FromString(request)
    except DecodeError as error:
        text = f"invalid {what}: {_NO_MESSAGE}" if what else f"the request is no {kind.DESCRIPTOR.name}"
        raise RpcError(StatusCode.INVALID_ARGUMENT, text) from error


def parse_gateway_proposal(
    signed_proposal: Any, incomplete: Callable[[str, str], RpcError], prefix: str = ""
) -> ParsedProposal:
    """Return a proposal whose form is in order.

    Args:
        signed_proposal: ``SignedProposal``.
        incomplete: makes the error of a proposal that lacks the channel or the chaincode, from what it has of them.
        prefix: of the other errors' texts.
    Raises:
        RpcError: what ``incomplete`` makes, or INVALID_ARGUMENT.
    """
    try:
        proposal = parse_proposal(signed_proposal.SerializeToString())
    except WireError as error:
        channel_id, chaincode = _target(signed_proposal.proposal_bytes, prefix)
        if channel_id and chaincode:
            raise RpcError(StatusCode.INVALID_ARGUMENT, f"{prefix}{error}") from error
        raise incomplete(channel_id, chaincode) from error
    if not proposal.channel_id:
        raise incomplete("", proposal.chaincode)
    return proposal


def _target(proposal_bytes: bytes, prefix: str) -> tuple[str, str]:
    """Return the channel and the chaincode that a proposal is for, empty where it does not say so.

    Raises:
        RpcError: INVALID_ARGUMENT, in the words of Fabric (protoutil).
    """

    def unmarshal(kind: Any, data: bytes) -> Any:
        try:
            return kind.FromString(data)
        except DecodeError as error:
            text = f"{prefix}error unmarshalling {kind.DESCRIPTOR.name}: {_NO_MESSAGE}"
            raise RpcError(StatusCode.INVALID_ARGUMENT, text) from error

    proposal = unmarshal(proposal_pb2.Proposal, proposal_bytes)
    header = unmarshal(common_pb2.Header, proposal.header)
    channel = unmarshal(common_pb2.ChannelHeader, header.channel_header)
    payload = unmarshal(proposal_pb2.ChaincodeProposalPayload, proposal.payload)
    spec = unmarshal(chaincode_pb2.ChaincodeInvocationSpec, payload.input).chaincode_spec
    return channel.channel_id, spec.chaincode_id.name


def no_config(channel_id: str) -> str:
    """Return Fabric's text of a channel that this peer is not on, where its configuration was wanted."""
    return f"failed to get config for channel [{channel_id}]: could not get last config for channel {channel_id}"


def no_policies(channel_id: str) -> str:
    """Return Fabric's text of a channel that this peer is not on, where access to it was asked about."""
    return f"Failed to get policy manager for channel [{channel_id}]"


async def within_deadline(call: Call, work: Awaitable[T], text: str) -> T:
    """Return what ``work`` gives, unless the caller's deadline passes first.

    Raises:
        RpcError: DEADLINE_EXCEEDED with ``text``.
    """
    if call.deadline is None:
        return await work
    try:
        # A moment earlier than the caller gives up, so that it still hears why.
        async with asyncio.timeout(call.deadline - time.monotonic() - 0.01):
            return await work
    except TimeoutError as error:
        raise RpcError(StatusCode.DEADLINE_EXCEEDED, text) from error
