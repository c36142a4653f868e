"""``Submit``: hands a signed transaction to the ordering service; accepted is not yet committed.

Source: Fabric internal/pkg/gateway/submit.go.
"""

from __future__ import annotations

from collections.abc import Mapping

from fabric_protos.gateway import gateway_pb2

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
    message = parse_request(gateway_pb2.SubmitRequest, request)
    if not message.HasField("prepared_transaction"):
        raise RpcError(StatusCode.INVALID_ARGUMENT, "a prepared transaction is required")
    if not message.prepared_transaction.signature:
        raise RpcError(StatusCode.INVALID_ARGUMENT, "prepared transaction must be signed")
    gateway = gateways.get(message.channel_id)
    if gateway is None:
        raise RpcError(StatusCode.FAILED_PRECONDITION, no_config(message.channel_id))
    envelope = message.prepared_transaction.SerializeToString()
    settings = gateway.channel.config.orderer
    if settings.consensus_type == BYZANTINE:
        work = gateway.orderers.submit_to_quorum(envelope, len(settings.consenters))
    else:
        work = gateway.orderers.submit(envelope)
    timeout = "submit timeout expired while broadcasting to ordering service"
    await within_deadline(call, work, timeout, gateway.limits)
    gateway.traces.submitted(message.transaction_id)
    return SUBMITTED
