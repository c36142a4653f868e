"""``Evaluate``: runs a function on one peer and gives its result; nothing is ordered.

Source: Fabric internal/pkg/gateway/evaluate.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2
from google.protobuf.message import DecodeError

from network.errors import RpcError
from network.explanation import ErrorDetail
from network.rpc import Call, StatusCode
from node.peer.gateway.calls import Requested, no_config, parse_gateway_proposal, read_asked, within_deadline
from node.peer.gateway.endorsers import GatewayPeer
from node.peer.gateway.gateway import Gateway
from node.peer.gateway.status import rpc_error

UNPACK = "failed to unpack transaction proposal: "
ALL_FAILED = "failed to evaluate transaction, see attached details for more info"


async def evaluate(gateways: Mapping[str, Gateway], request: bytes, call: Call) -> bytes:
    """Serve ``/gateway.Gateway/Evaluate``."""
    asked = read_asked(gateway_pb2.EvaluateRequest, request, "target_organizations")
    if not asked.proposal_bytes:
        raise RpcError(StatusCode.INVALID_ARGUMENT, UNPACK + "a signed proposal is required")
    proposal = parse_gateway_proposal(asked, UNPACK)
    if proposal.lacks:
        raise RpcError(StatusCode.INVALID_ARGUMENT, UNPACK + proposal.lacks)
    gateway = gateways.get(proposal.channel_id)
    if gateway is None:
        raise RpcError(StatusCode.UNAVAILABLE, no_config(proposal.channel_id))
    peers = await _candidates(gateway, proposal, asked.msp_ids)
    answer = await within_deadline(call, _first_result(proposal, peers), "evaluate timeout expired", gateway.limits)
    reply: bytes = gateway_pb2.EvaluateResponse(result=answer).SerializeToString()
    return reply


async def _candidates(gateway: Gateway, proposal: Requested, msp_ids: Sequence[str]) -> list[GatewayPeer]:
    """Return the peers to try, this one first.

    Raises:
        RpcError: FAILED_PRECONDITION when there is none.
    """
    protect = proposal.transient and not msp_ids
    own = gateway.peers.local
    wanted = [own.msp_id] if protect else msp_ids
    peers = gateway.peers.of(wanted) if wanted else gateway.peers.in_order()
    if not await gateway.runs_here(proposal.chaincode):
        defined = await gateway.channel.committed_definition(proposal.chaincode) is not None
        peers = [peer for peer in peers if peer is not own] if defined else []
    if peers:
        return peers
    text = f"no peers available to evaluate chaincode {proposal.chaincode} in channel {proposal.channel_id}"
    if protect:
        text = (
            "no endorsers found in the gateway's organization; retry specifying target organization(s) to protect "
            f"transient data: {text}"
        )
    raise RpcError(StatusCode.FAILED_PRECONDITION, text)


async def _first_result(proposal: Requested, peers: list[GatewayPeer]) -> proposal_response_pb2.Response:
    errors: list[ErrorDetail] = []
    code = StatusCode.ABORTED
    for peer in peers:
        answer = await peer.ask(proposal, evaluating=True)
        if answer.verdict.code == StatusCode.OK and answer.response is not None:
            return _result(answer.response)
        code = answer.verdict.code
        errors.append(peer.error(answer.verdict.message))
        if not answer.verdict.retry:
            text = "evaluate call to endorser returned error: " + answer.verdict.message
            raise rpc_error(code, text, errors)
    raise rpc_error(code, ALL_FAILED, errors)


def _result(response: proposal_response_pb2.ProposalResponse) -> proposal_response_pb2.Response:
    """Return the answer with the payload that was endorsed, where there is one: the own peer endorses nothing."""
    if not response.HasField("endorsement"):
        return response.response
    try:
        payload = proposal_response_pb2.ProposalResponsePayload.FromString(response.payload)
        action = proposal_pb2.ChaincodeAction.FromString(payload.extension)
    except DecodeError:
        return response.response
    response.response.payload = action.response.payload
    return response.response
