"""Errors as Fabric's gateway reports them: gRPC codes, texts and details.

Source: Fabric internal/pkg/gateway/apiutils.go; asserted by fabric-gateway scenario/features/errors.feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fabric_protos.peer import proposal_response_pb2

from network.errors import RpcError
from network.explanation import ErrorDetail, error_status
from network.rpc import StatusCode

STREAM_TERMINATED = "chaincode stream terminated"
"""End of the text by which a gateway knows that a chaincode died."""

_CODE_NAMES = {
    StatusCode.CANCELLED: "Canceled",
    StatusCode.UNKNOWN: "Unknown",
    StatusCode.INVALID_ARGUMENT: "InvalidArgument",
    StatusCode.DEADLINE_EXCEEDED: "DeadlineExceeded",
    StatusCode.NOT_FOUND: "NotFound",
    StatusCode.ALREADY_EXISTS: "AlreadyExists",
    StatusCode.PERMISSION_DENIED: "PermissionDenied",
    StatusCode.RESOURCE_EXHAUSTED: "ResourceExhausted",
    StatusCode.FAILED_PRECONDITION: "FailedPrecondition",
    StatusCode.ABORTED: "Aborted",
    StatusCode.OUT_OF_RANGE: "OutOfRange",
    StatusCode.UNIMPLEMENTED: "Unimplemented",
    StatusCode.INTERNAL: "Internal",
    StatusCode.UNAVAILABLE: "Unavailable",
    StatusCode.DATA_LOSS: "DataLoss",
    StatusCode.UNAUTHENTICATED: "Unauthenticated",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the gateway takes a peer's answer.

    Args:
        code: OK, or what the client is told.
        message: text of the failure.
        retry: whether another peer may do better, for an evaluation.
        remove: whether the peer itself is at fault and is left out for a while.
    """

    code: StatusCode
    message: str = ""
    retry: bool = False
    remove: bool = False


_TAKEN = Verdict(StatusCode.OK)


def rpc_error(code: StatusCode, message: str, errors: Sequence[ErrorDetail] = ()) -> RpcError:
    """Return an error with one detail for each endpoint, as Fabric's clients read them."""
    return RpcError(code, message, error_status(code, message, errors) if errors else b"")


def judge_response(response: proposal_response_pb2.ProposalResponse) -> Verdict:
    """Say how a peer's answer to a proposal is taken.

    Source: Fabric internal/pkg/gateway/apiutils.go, responseStatus.
    """
    answer = response.response
    if 200 <= answer.status < 400:
        return _TAKEN
    if answer.status == 500 and not response.payload:
        # No simulation came with it: the peer, not the chaincode, says so.
        died = answer.message.endswith(STREAM_TERMINATED)
        return Verdict(StatusCode.ABORTED, answer.message, retry=True, remove=died)
    return Verdict(StatusCode.UNKNOWN, f"chaincode response {answer.status}, {answer.message}")


def judge_rpc_error(error: RpcError) -> Verdict:
    """Say how a failed call to another peer is taken: the peer counts as unavailable, whatever the reason."""
    return Verdict(StatusCode.UNAVAILABLE, go_text(error), retry=True, remove=True)


def go_text(error: RpcError) -> str:
    """Return an error's text as Fabric's Go programs print it."""
    names = {int(code): name for code, name in _CODE_NAMES.items()}
    name = names.get(error.code, "Unknown")
    return f"rpc error: code = {name} desc = {error.message}"
