"""Explanations on the wire: our client reads all of them, Fabric's clients read Fabric's part, and they stay short."""

from __future__ import annotations

import pytest
from fabric_protos.gateway import gateway_pb2
from google.rpc import status_pb2

from network.explanation import (
    DETAILS_BYTES_MAX,
    Difference,
    ErrorDetail,
    ReadConflict,
    commit_status_reply,
    error_details_of,
    error_status,
    read_commit_status,
)
from network.rpc.refusal import DETAILS_BYTES_MAX as SENDABLE_BYTES_MAX
from network.rwset import Version

DIFFERENCE = Difference("write", "basic", "", "alice", "100", "101")
DETAIL = ErrorDetail("peer:7051", "PartnerMSP", "ProposalResponsePayloads do not match", (DIFFERENCE,))
CONFLICT = ReadConflict("basic", "", "alice", Version(4, 0), Version(0, 0), "f" * 64)


def test_details_are_read_back_whole() -> None:
    details = (DETAIL, ErrorDetail("other:1", "OtherMSP", "no"))
    assert error_details_of(error_status(10, "failed", details)) == details


def test_fabrics_clients_read_fabrics_part_of_a_detail() -> None:
    status = status_pb2.Status.FromString(error_status(10, "failed", [DETAIL]))
    assert (status.code, status.message, len(status.details)) == (10, "failed", 1)
    detail = gateway_pb2.ErrorDetail()
    assert status.details[0].Unpack(detail)
    assert (detail.address, detail.msp_id, detail.message) == DETAIL[:3]


@pytest.mark.parametrize("status", [b"", b"\xff\xff", error_status(2, "x", [])])
def test_details_that_are_absent_or_illegible_are_none(status: bytes) -> None:
    assert error_details_of(status) == ()


def test_details_stay_within_what_is_sent_and_say_how_much_is_missing() -> None:
    many = tuple(DIFFERENCE._replace(key=f"key{number}", first="x" * 48) for number in range(500))
    status = error_status(10, "failed", [DETAIL._replace(differences=many)] * 3)
    assert len(status) <= DETAILS_BYTES_MAX + 500 < SENDABLE_BYTES_MAX
    first, second, third = error_details_of(status)
    assert 20 < len(first.differences) < 100
    assert len(first.differences) + first.differences_omitted == 500
    assert (second.differences, second.differences_omitted) == ((), 500)
    assert third.message == DETAIL.message


def test_detail_in_words_names_keys_and_no_values() -> None:
    assert str(ErrorDetail("peer:7051", "PartnerMSP", "no")) == "PartnerMSP at peer:7051: no"
    text = str(DETAIL._replace(differences=(DIFFERENCE,) * 5, differences_omitted=2))
    assert text == (
        "PartnerMSP at peer:7051: ProposalResponsePayloads do not match: "
        "write of 'alice' in basic; write of 'alice' in basic; write of 'alice' in basic; 4 more"
    )
    assert Difference("private read", "basic", "bilateral", "00ff").place == "private read of '00ff' in basic/bilateral"
    assert Difference("response", first="a", other="b").place == "response"


@pytest.mark.parametrize(
    "conflict",
    [
        None,
        CONFLICT,
        CONFLICT._replace(read=None, winner_tx_id="", range_end="zoe"),
        CONFLICT._replace(found=None, collection="bilateral"),
    ],
)
def test_commit_status_is_read_back_whole_and_by_fabrics_clients(conflict: ReadConflict | None) -> None:
    reply = commit_status_reply(11, 2**40, conflict)
    assert read_commit_status(reply) == (11, 2**40, conflict)
    status = gateway_pb2.CommitStatusResponse.FromString(reply)
    assert (status.result, status.block_number) == (11, 2**40)


def test_commit_status_of_fabric_has_no_conflict() -> None:
    reply = gateway_pb2.CommitStatusResponse(result=11, block_number=7).SerializeToString()
    assert read_commit_status(reply) == (11, 7, None)


@pytest.mark.parametrize(
    ("conflict", "text"),
    [
        (
            CONFLICT,
            "key 'alice' of basic was read at version 4:0, but stood at version 0:0, "
            f"written by transaction {'f' * 64}",
        ),
        (
            CONFLICT._replace(found=None, read=None, winner_tx_id=""),
            "key 'alice' of basic was read at no version, but was gone, deleted",
        ),
        (
            CONFLICT._replace(collection="bilateral", range_end="zoe", winner_tx_id=""),
            "range to 'zoe' of basic/bilateral: key 'alice' of basic/bilateral was read at version 4:0, "
            "but stood at version 0:0, written",
        ),
    ],
)
def test_conflict_in_words(conflict: ReadConflict, text: str) -> None:
    assert str(conflict) == text
