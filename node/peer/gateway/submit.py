"""``Submit``: hands a signed transaction to the ordering service; accepted is not yet committed.

Source: Fabric internal/pkg/gateway/submit.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from fabric_protos.gateway import gateway_pb2

from network.canonical import REFUSED, fields, text
from network.errors import RpcError
from network.rpc import Call, StatusCode
from node.peer.gateway.calls import no_config, parse_request, within_deadline
from node.peer.gateway.gateway import Gateway

BYZANTINE = "BFT"
"""Consensus type of an ordering service that wants a quorum to hear of each transaction."""

SUBMITTED: bytes = gateway_pb2.SubmitResponse().SerializeToString()
"""The answer to every transaction that was accepted."""


async def submit(gateways: Mapping[str, Gateway], request: bytes, call: Call) -> bytes:
    """Serve ``/gateway.Gateway/Submit``."""
    tx_id, channel_id, envelope = read_submitted(request)
    gateway = gateways.get(channel_id)
    if gateway is None:
        raise RpcError(StatusCode.FAILED_PRECONDITION, no_config(channel_id))
    settings = gateway.channel.config.orderer
    if settings.consensus_type == BYZANTINE:
        work = gateway.orderers.submit_to_quorum(envelope, len(settings.consenters))
    else:
        work = gateway.orderers.submit(envelope)
    timeout = "submit timeout expired while broadcasting to ordering service"
    await within_deadline(call, work, timeout, gateway.limits)
    gateway.traces.submitted(tx_id)
    return SUBMITTED


def read_submitted(request: bytes) -> tuple[str, str, bytes]:
    """Return the transaction's id, its channel, and its envelope."""
    with suppress(*REFUSED):
        tx_id, channel_id, envelope = fields(request, b"\x0a\x12\x1a")
        payload, signature = fields(envelope or b"", b"\x0a\x12")
        if payload and signature:
            return text(tx_id), text(channel_id), envelope
    message = parse_request(gateway_pb2.SubmitRequest, request)
    if not message.HasField("prepared_transaction"):
        raise RpcError(StatusCode.INVALID_ARGUMENT, "a prepared transaction is required")
    if not message.prepared_transaction.signature:
        raise RpcError(StatusCode.INVALID_ARGUMENT, "prepared transaction must be signed")
    return message.transaction_id, message.channel_id, message.prepared_transaction.SerializeToString()
