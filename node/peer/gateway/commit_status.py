"""``CommitStatus``: what became of a transaction; waits until it is committed.

Of a transaction that lost a race the reply tells more than Fabric's: the key, both versions, and who came first.

Source: Fabric internal/pkg/gateway/commitstatus.go, commit/finder.go.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from fabric_protos.gateway import gateway_pb2

from network.errors import RpcError
from network.explanation import ReadConflict, commit_status_reply
from network.policy import SignedData
from network.rpc import Call, StatusCode
from node.peer.commit_notifier import CommitStatus
from node.peer.errors import ChannelStoppedError, MissingBlockError, StoreError
from node.peer.gateway.calls import no_policies, parse_request, within_deadline
from node.peer.gateway.gateway import Gateway

_log = structlog.get_logger(__name__)


async def commit_status(gateways: Mapping[str, Gateway], request: bytes, call: Call) -> bytes:
    """Serve ``/gateway.Gateway/CommitStatus``."""
    signed = parse_request(gateway_pb2.SignedCommitStatusRequest, request)
    if not signed.request:
        raise RpcError(StatusCode.INVALID_ARGUMENT, "a commit status request is required")
    message = parse_request(gateway_pb2.CommitStatusRequest, signed.request, "status request")
    for value, text in (
        (message.identity, "no identity provided"),
        (message.channel_id, "no channel ID provided"),
        (message.transaction_id, "transaction ID should not be empty"),
    ):
        if not value:
            raise RpcError(StatusCode.INVALID_ARGUMENT, text)
    gateway = gateways.get(message.channel_id)
    if gateway is None:
        raise RpcError(StatusCode.PERMISSION_DENIED, no_policies(message.channel_id))
    gateway.check_access("gateway/CommitStatus", SignedData(signed.request, message.identity, signed.signature))
    work = _status(gateway, message.transaction_id)
    status = await within_deadline(call, work, "context deadline exceeded", gateway.limits)
    conflict = await _conflict(gateway, message.transaction_id, status.validation_code)
    return commit_status_reply(status.validation_code, status.block_number, conflict)


async def _conflict(gateway: Gateway, tx_id: str, code: int) -> ReadConflict | None:
    """Return what a lost race was about; the outcome itself is told even when the explanation cannot be read."""
    try:
        return await gateway.channel.conflicts.explain(tx_id, code)
    except StoreError as error:
        _log.warning("a conflict cannot be explained", tx_id=tx_id, reason=str(error))
        return None


async def _status(gateway: Gateway, tx_id: str) -> CommitStatus:
    notifier = gateway.channel.notifier
    outcome = notifier.outcome(tx_id)
    if outcome is not None:
        return outcome
    with notifier.waiting(tx_id) as committed:
        # Asked after registering, so that no commit falls between the two.
        known = None if notifier.is_pending(tx_id) else await gateway.channel.transaction(tx_id)
        if known is not None:
            try:
                gateway.channel.require_details(known)
            except MissingBlockError as error:
                raise RpcError(StatusCode.ABORTED, str(error)) from error
            return CommitStatus(known.block_number, known.validation_code)
        if gateway.channel.progress.stopped is not None:
            raise RpcError(StatusCode.ABORTED, f"channel stopped: {gateway.channel.progress.stopped}")
        try:
            return await committed
        except ChannelStoppedError as error:
            raise RpcError(StatusCode.ABORTED, f"channel stopped: {error}") from error
