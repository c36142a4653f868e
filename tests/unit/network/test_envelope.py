"""Aim: envelopes are built as Fabric's clients build them, and any bytes at all are taken apart without an error.

Method: captured transactions are taken apart and put together again to the same payload; our own are damaged. The code
of each fault is tested with signatures in ``tests/unit/node/test_validator.py``.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2

from network.envelope import (
    BAD_COMMON_HEADER,
    BAD_PAYLOAD,
    ILLEGAL_WRITESET,
    INVALID_OTHER_REASON,
    NEWEST_BLOCK,
    VALID,
    Endorsement,
    config_envelope,
    config_envelope_of,
    parse_transaction,
    prepared_transaction,
    seek_envelope,
    sign_envelope,
    signed_payload,
    unsigned_envelope,
)
from network.errors import WireError
from network.proposal import compute_tx_id, new_proposal, parse_proposal, proposal_response_payload, signed_proposal
from tests.support.calls import calls_during
from tests.support.captured import NETWORKS, captured, endorsed_envelopes

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


class Signer:
    """Signs recognisably; whether signatures verify is tested elsewhere."""

    creator = b"\x0a\x03Org\x12\x04cert"

    def sign(self, message: bytes) -> bytes:
        return b"signed:" + message[:4]


@pytest.mark.parametrize("network", NETWORKS)
def test_every_captured_transaction_parses_and_its_parts_are_the_bytes_in_it(network: str) -> None:
    for _, _, envelope in endorsed_envelopes(network):
        parsed = parse_transaction(envelope)
        assert parsed.flag == VALID
        assert parsed.channel_id == "anchors"
        assert parsed.endorsements
        for part in (parsed.payload, parsed.signature, parsed.response_payload, parsed.action, parsed.creator):
            assert part
            assert part in envelope


def test_event_of_a_captured_transaction_is_found() -> None:
    number, position = captured("raft").position_of("event", VALID)
    assert parse_transaction(captured("raft").block(number).data.data[position]).event


def test_configuration_transaction_gives_its_configuration() -> None:
    parsed = parse_transaction(captured("raft").block(0).data.data[0])
    assert parsed.is_config
    assert "Application" in config_envelope_of(parsed).config.channel_group.groups


@pytest.mark.parametrize(
    ("envelope", "flag"),
    [
        (b"\xff", INVALID_OTHER_REASON),
        (b"", BAD_COMMON_HEADER),
        (common_pb2.Envelope(payload=b"\xff").SerializeToString(), BAD_PAYLOAD),
        (common_pb2.Envelope(payload=b"\x12\x01x").SerializeToString(), BAD_COMMON_HEADER),
    ],
)
def test_bytes_that_are_no_transaction_get_a_flag(envelope: bytes, flag: int) -> None:
    parsed = parse_transaction(envelope)
    assert (parsed.flag, parsed.header_flag) == (flag, flag)
    assert parsed.envelope == envelope


def test_prepared_transaction_reads_back_as_proposed_and_endorsed() -> None:
    tx_id, proposal_bytes = new_proposal(
        "anchors", "audit", [b"F"], Signer.creator, b"n" * 24, MOMENT, {"secret": b"transient"}
    )
    proposal = parse_proposal(signed_proposal(proposal_bytes, b"s"))
    response = proposal_response_payload(proposal.proposal_hash, b"", b"", None, "audit", "1.0")
    endorsements = [Endorsement(b"one", b"1"), Endorsement(b"two", b"2"), Endorsement(b"one", b"3")]
    payload = prepared_transaction(proposal, response, endorsements)
    assert unsigned_envelope(payload).signature == b""
    parsed = parse_transaction(sign_envelope(payload, Signer()).SerializeToString())
    assert parsed.flag == VALID
    assert (parsed.tx_id, parsed.chaincode, parsed.chaincode_version) == (tx_id, "audit", "1.0")
    assert parsed.endorsements == (Endorsement(b"one", b"1"), Endorsement(b"two", b"2"))
    assert parsed.signature == b"signed:" + payload[:4]
    assert b"transient" not in payload


@pytest.mark.parametrize("written", [b"\x12\x00", b"\x12\x03\x0a\x01n"])
def test_set_of_very_many_namespaces_is_read_once(written: bytes) -> None:
    """Whoever may submit a transaction may write them by the thousand, and is not to have each read twice."""
    _, proposal_bytes = new_proposal("anchors", "audit", [b"F"], Signer.creator, b"n" * 24, MOMENT)
    proposal = parse_proposal(signed_proposal(proposal_bytes, b"s"))
    response = proposal_response_payload(proposal.proposal_hash, written * 5_000, b"", None, "audit", "1.0")
    payload = prepared_transaction(proposal, response, [Endorsement(b"one", b"1")])
    envelope = sign_envelope(payload, Signer()).SerializeToString()
    assert parse_transaction(envelope).action_flag == ILLEGAL_WRITESET
    assert calls_during(lambda: parse_transaction(envelope), "parse_rwset") == 1
    assert calls_during(lambda: parse_transaction(envelope), "_canonical_namespace") == 0


def test_transaction_without_endorsement_cannot_be_prepared() -> None:
    _, proposal_bytes = new_proposal("anchors", "audit", [], Signer.creator, b"n" * 24, MOMENT)
    with pytest.raises(WireError, match="endorsements"):
        prepared_transaction(parse_proposal(signed_proposal(proposal_bytes, b"s")), b"", [])


@pytest.mark.parametrize(("start", "kind"), [(None, "newest"), (0, "specified"), (7, "specified")])
def test_seek_asks_for_the_blocks_wanted(start: int | None, kind: str) -> None:
    envelope = seek_envelope("anchors", Signer(), nonce=b"n", timestamp=MOMENT, start=start, tls_cert_hash=b"h")
    payload = common_pb2.Payload.FromString(envelope.payload)
    header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    seek = ab_pb2.SeekInfo.FromString(payload.data)
    assert (header.type, header.channel_id, header.tls_cert_hash) == (5, "anchors", b"h")
    assert seek.start.WhichOneof("Type") == kind
    assert seek.start.specified.number == (start or 0)
    assert seek.stop.specified.number == NEWEST_BLOCK
    assert seek.behavior == ab_pb2.SeekInfo.BLOCK_UNTIL_READY


def test_seek_may_end_and_may_refuse_to_wait() -> None:
    envelope = seek_envelope("anchors", Signer(), nonce=b"n", timestamp=MOMENT, start=1, stop=2, fail_if_not_ready=True)
    seek = ab_pb2.SeekInfo.FromString(common_pb2.Payload.FromString(envelope.payload).data)
    assert seek.stop.specified.number == 2
    assert seek.behavior == ab_pb2.SeekInfo.FAIL_IF_NOT_READY


def test_signed_payload_carries_an_id_only_when_asked() -> None:
    for wanted in (False, True):
        envelope = signed_payload(3, "anchors", b"d", Signer(), nonce=b"n", timestamp=MOMENT, tx_id=wanted)
        payload = common_pb2.Payload.FromString(envelope.payload)
        header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        assert header.tx_id == (compute_tx_id(b"n", Signer.creator) if wanted else "")


def test_configuration_envelope_is_read_back_as_one() -> None:
    config = parse_transaction(captured("raft").block(0).data.data[0]).data
    envelope = config_envelope("anchors", config, Signer(), nonce=b"n", timestamp=MOMENT)
    parsed = parse_transaction(envelope.SerializeToString())
    assert (parsed.is_config, parsed.flag, parsed.data) == (True, VALID, config)


def test_configuration_that_does_not_parse_is_refused() -> None:
    parsed = parse_transaction(
        config_envelope("anchors", b"\xff", Signer(), nonce=b"n", timestamp=MOMENT).SerializeToString()
    )
    with pytest.raises(WireError, match="ConfigEnvelope"):
        config_envelope_of(parsed)


@pytest.mark.parametrize(("seconds", "nanos"), [(1_790_000_000, 123_456_789), (-5, 7), (2**62, 2**31 - 1), (0, 0)])
def test_claimed_time_is_read_to_the_nanosecond_whatever_it_says(seconds: int, nanos: int) -> None:
    channel = common_pb2.ChannelHeader(type=3)
    channel.timestamp.seconds, channel.timestamp.nanos = seconds, nanos
    header = common_pb2.Header(channel_header=channel.SerializeToString())
    envelope = common_pb2.Envelope(payload=common_pb2.Payload(header=header).SerializeToString())
    assert parse_transaction(envelope.SerializeToString()).claimed == (seconds, nanos)
    assert parse_transaction(common_pb2.Envelope(payload=b"").SerializeToString()).claimed == (0, 0)
