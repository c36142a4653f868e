"""What all calls of the gateway share: reading requests, deadlines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from network.errors import RpcError, WireError
from network.proposal import ParsedProposal, parse_proposal
from network.rpc import Call, StatusCode

T = TypeVar("T")


def parse_request(kind: Any, request: bytes) -> Any:
    """Return a request message.

    Raises:
        RpcError: INVALID_ARGUMENT.
    """
    try:
        return kind.FromString(request)
    except DecodeError as error:
        raise RpcError(StatusCode.INVALID_ARGUMENT, f"the request is no {kind.DESCRIPTOR.name}") from error


def parse_gateway_proposal(signed_proposal: bytes, prefix: str = "") -> ParsedProposal:
    """Return a proposal whose form is in order.

    Raises:
        RpcError: INVALID_ARGUMENT.
    """
    try:
        return parse_proposal(signed_proposal)
    except WireError as error:
        raise RpcError(StatusCode.INVALID_ARGUMENT, f"{prefix}{error}") from error


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
