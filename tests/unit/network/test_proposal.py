"""Aim: proposals are built as clients build them and refused for what Fabric's endorsers refuse.

Method: what a captured transaction keeps of its proposal is hashed anew; proposals of our own are damaged in one place.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_event_pb2, chaincode_pb2, proposal_pb2, proposal_response_pb2

from network.envelope import parse_transaction
from network.errors import WireError
from network.proposal import (
    chaincode_event,
    compute_tx_id,
    new_proposal,
    parse_proposal,
    proposal_hash,
    proposal_response_payload,
    signed_proposal,
    timestamp_message,
)
from tests.support.captured import NETWORKS, endorsed_envelopes

CREATOR = b"\x0a\x03Org\x12\x04cert"
NONCE = bytes(range(24))
MOMENT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def proposed(**options: Any) -> bytes:
    _, proposal = new_proposal("anchors", "audit", [b"F", b"\x00\xff"], CREATOR, NONCE, MOMENT, **options)
    return signed_proposal(proposal, b"signature")


def edited(
    *,
    channel: Callable[[Any], object] = bool,
    signer: Callable[[Any], object] = bool,
    invocation: Callable[[Any], object] = bool,
    proposal: Callable[[Any], object] = bool,
) -> bytes:
    signed = proposal_pb2.SignedProposal.FromString(proposed())
    message = proposal_pb2.Proposal.FromString(signed.proposal_bytes)
    header = common_pb2.Header.FromString(message.header)
    channel_header = common_pb2.ChannelHeader.FromString(header.channel_header)
    signature_header = common_pb2.SignatureHeader.FromString(header.signature_header)
    payload = proposal_pb2.ChaincodeProposalPayload.FromString(message.payload)
    spec = chaincode_pb2.ChaincodeInvocationSpec.FromString(payload.input)
    channel(channel_header)
    signer(signature_header)
    invocation(spec)
    header.channel_header = channel_header.SerializeToString()
    header.signature_header = signature_header.SerializeToString()
    payload.input = spec.SerializeToString()
    message.header, message.payload = header.SerializeToString(), payload.SerializeToString()
    proposal(message)
    return signed_proposal(message.SerializeToString(), b"signature")


@pytest.mark.parametrize("network", NETWORKS)
def test_ids_and_proposal_hashes_of_every_captured_transaction_are_recomputed(network: str) -> None:
    for _, _, envelope in endorsed_envelopes(network):
        parsed = parse_transaction(envelope)
        payload = common_pb2.Payload.FromString(parsed.payload)
        response = proposal_response_pb2.ProposalResponsePayload.FromString(parsed.response_payload)
        assert parsed.tx_id == compute_tx_id(parsed.nonce, parsed.creator)
        assert response.proposal_hash == proposal_hash(
            payload.header.channel_header, payload.header.signature_header, parsed.chaincode_proposal_payload
        )


@pytest.mark.parametrize("network", NETWORKS)
def test_response_payload_of_every_captured_transaction_is_built_again_to_the_same_bytes(network: str) -> None:
    for _, _, envelope in endorsed_envelopes(network):
        parsed = parse_transaction(envelope)
        response = proposal_response_pb2.ProposalResponsePayload.FromString(parsed.response_payload)
        action = proposal_pb2.ChaincodeAction.FromString(parsed.action)
        built = proposal_response_payload(
            response.proposal_hash,
            action.results,
            action.events,
            action.response,
            parsed.chaincode,
            parsed.chaincode_version,
        )
        assert built == parsed.response_payload


def test_proposal_reads_back_as_it_was_made() -> None:
    parsed = parse_proposal(proposed(transient={"secret": b"s"}, is_init=True))
    assert (parsed.channel_id, parsed.chaincode, parsed.args) == ("anchors", "audit", (b"F", b"\x00\xff"))
    assert (parsed.creator, parsed.nonce, parsed.timestamp) == (CREATOR, NONCE, MOMENT)
    assert parsed.tx_id == compute_tx_id(NONCE, CREATOR)
    assert parsed.transient == {"secret": b"s"}
    assert parsed.is_init
    assert parsed.signature == b"signature"


def test_transient_data_enters_neither_hash_nor_transaction() -> None:
    with_secret, without = parse_proposal(proposed(transient={"a": b"secret"})), parse_proposal(proposed())
    assert with_secret.proposal_hash == without.proposal_hash
    assert b"secret" in with_secret.payload
    assert b"secret" not in with_secret.payload_for_transaction


@pytest.mark.parametrize(
    ("damaged", "names"),
    [
        (b"\xff", "SignedProposal"),
        (signed_proposal(b"\xff", b"s"), "Proposal"),
        (edited(proposal=lambda m: setattr(m, "header", b"\xff")), "Header"),
        (edited(proposal=lambda m: setattr(m, "payload", b"\xff")), "ChaincodeProposalPayload"),
        (edited(channel=lambda m: setattr(m, "extension", b"\xff")), "ChaincodeHeaderExtension"),
        (edited(channel=lambda m: m.ClearField("extension")), "ChaincodeId is nil"),
        (edited(channel=lambda m: setattr(m, "extension", b"\x12\x00")), "ChaincodeId.Name is empty"),
        (edited(invocation=lambda m: m.ClearField("chaincode_spec")), "did not contain chaincode spec"),
        (edited(invocation=lambda m: m.chaincode_spec.ClearField("input")), "did not contain any input"),
        (edited(channel=lambda m: setattr(m, "type", common_pb2.MESSAGE)), "invalid header type MESSAGE"),
        (edited(channel=lambda m: setattr(m, "epoch", 1)), "epoch is non-zero"),
        (edited(signer=lambda m: m.ClearField("nonce")), "nonce is empty"),
        (edited(signer=lambda m: m.ClearField("creator")), "creator is empty"),
        (edited(signer=lambda m: setattr(m, "creator", bytes(70_000))), "creator: 70000 bytes, more than 65536"),
        (edited(channel=lambda m: setattr(m, "tx_id", "00")), "incorrectly computed txid '00'"),
        (edited(signer=lambda m: setattr(m, "nonce", b"x" * 24)), "incorrectly computed txid"),
    ],
)
def test_damaged_proposal_is_refused_by_the_name_of_what_is_wrong(damaged: bytes, names: str) -> None:
    with pytest.raises(WireError, match=names.replace(".", r"\.")):
        parse_proposal(damaged)


def test_time_is_utc_and_a_time_without_zone_is_refused() -> None:
    east = MOMENT.astimezone(timezone(timedelta(hours=3)))
    assert timestamp_message(east) == timestamp_message(MOMENT)
    with pytest.raises(WireError, match="time zone"):
        timestamp_message(MOMENT.replace(tzinfo=None))


@pytest.mark.parametrize("seconds", [-(2**62), 2**62])
def test_time_no_calendar_holds_is_no_time(seconds: int) -> None:
    assert parse_proposal(edited(channel=lambda m: setattr(m.timestamp, "seconds", seconds))).timestamp is None
    assert parse_proposal(edited(channel=lambda m: m.ClearField("timestamp"))).timestamp is None


def test_event_carries_its_chaincode_and_transaction() -> None:
    event = chaincode_event_pb2.ChaincodeEvent.FromString(chaincode_event("audit", "id", "Checkpoint", b"p"))
    assert (event.chaincode_id, event.tx_id, event.event_name, event.payload) == ("audit", "id", "Checkpoint", b"p")
