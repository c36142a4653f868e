"""How a gateway takes answers, and what its errors look like on the wire."""

from __future__ import annotations

import pytest
from fabric_protos.peer import proposal_response_pb2

from network.errors import RpcError
from network.explanation import ErrorDetail, error_details_of
from network.rpc import StatusCode
from node.peer.gateway.status import Verdict, judge_response, judge_rpc_error, rpc_error


def answer(status: int, message: str = "", payload: bytes = b"") -> proposal_response_pb2.ProposalResponse:
    return proposal_response_pb2.ProposalResponse(
        response=proposal_response_pb2.Response(status=status, message=message), payload=payload
    )


@pytest.mark.parametrize(
    ("response", "verdict"),
    [
        (answer(200), Verdict(StatusCode.OK)),
        (answer(399), Verdict(StatusCode.OK)),
        (answer(500, "not here"), Verdict(StatusCode.ABORTED, "not here", retry=True)),
        (
            answer(500, "x: chaincode stream terminated"),
            Verdict(StatusCode.ABORTED, "x: chaincode stream terminated", retry=True, remove=True),
        ),
        (answer(500, "boom", b"prp"), Verdict(StatusCode.UNKNOWN, "chaincode response 500, boom")),
        (answer(404, "none"), Verdict(StatusCode.UNKNOWN, "chaincode response 404, none")),
        (answer(0), Verdict(StatusCode.UNKNOWN, "chaincode response 0, ")),
    ],
)
def test_answer_is_judged_as_fabrics_gateway_does(
    response: proposal_response_pb2.ProposalResponse, verdict: Verdict
) -> None:
    assert judge_response(response) == verdict


def test_failed_call_counts_as_unavailable_whatever_the_reason() -> None:
    verdict = judge_rpc_error(RpcError(StatusCode.UNKNOWN, "error validating proposal"))
    assert verdict == Verdict(
        StatusCode.UNAVAILABLE,
        "rpc error: code = Unknown desc = error validating proposal",
        retry=True,
        remove=True,
    )
    assert judge_rpc_error(RpcError(99, "odd")).message == "rpc error: code = Unknown desc = odd"


def test_error_carries_a_detail_for_each_endpoint() -> None:
    error = rpc_error(
        StatusCode.ABORTED,
        "failed",
        [ErrorDetail("a:1", "AMSP", "one"), ErrorDetail("b:2", "BMSP", "two")],
    )
    assert (error.code, error.message) == (StatusCode.ABORTED, "failed")
    assert error_details_of(error.details) == (ErrorDetail("a:1", "AMSP", "one"), ErrorDetail("b:2", "BMSP", "two"))
    assert rpc_error(StatusCode.ABORTED, "failed").details == b""
