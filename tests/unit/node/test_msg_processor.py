"""The orderer's filters, one by one. Method: a real configuration; every case is one envelope and its answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from fabric_protos.common import common_pb2

from network import signing
from network.block import parse_block
from network.channel_config import ChannelConfig
from network.identity import SigningIdentity
from node.orderer.errors import EnvelopeRefusedError
from node.orderer.msg_processor import Message, check_message, parse_message, refusals
from tests.support.ordering import BANK, ORDERER, PARTNER, Material, make_material

MADE = datetime(2026, 3, 1, tzinfo=UTC)
NOW = MADE + timedelta(days=1)
BAD, FORBIDDEN = common_pb2.BAD_REQUEST, common_pb2.FORBIDDEN


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"), MADE)


@pytest.fixture(scope="module")
def config(material: Material, tmp_path_factory: pytest.TempPathFactory) -> ChannelConfig:
    path = material.genesis(
        tmp_path_factory.mktemp("channel") / "genesis.block", absolute_max_bytes=20_000, preferred_max_bytes=10_000
    )
    return ChannelConfig.from_block(parse_block(path.read_bytes()))


def answer(envelope: bytes, config: ChannelConfig, now: datetime = NOW) -> tuple[int, str]:
    with pytest.raises(EnvelopeRefusedError) as caught:
        check_message(parse_message(envelope), config, now)
    return caught.value.status, caught.value.info


@pytest.mark.parametrize("msp_id", [BANK, PARTNER, ORDERER])
def test_envelope_of_any_member_is_accepted(material: Material, config: ChannelConfig, msp_id: str) -> None:
    message = parse_message(material.envelope(b"data", signer=material.user(msp_id)))
    check_message(message, config, NOW)
    assert message.channel_id == "anchors"
    assert len(message.tx_id) == 64


def test_envelope_of_an_unknown_organization_is_forbidden(material: Material, config: ChannelConfig) -> None:
    folder = material.folder(BANK) / "users" / "User1@dwaybank.test" / "msp"
    unknown = SigningIdentity.from_msp_folder(folder, "NobodyMSP")
    status, info = answer(material.envelope(signer=unknown), config)
    assert status == FORBIDDEN
    assert info == (
        "implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of the "
        "'Writers' sub-policies to be satisfied: permission denied"
    )


def test_identity_claimed_under_another_members_name_is_forbidden(material: Material, config: ChannelConfig) -> None:
    folder = material.folder(BANK) / "users" / "User1@dwaybank.test" / "msp"
    assert answer(material.envelope(signer=SigningIdentity.from_msp_folder(folder, PARTNER)), config)[0] == FORBIDDEN


@pytest.mark.parametrize("field", ["payload", "signature"])
def test_envelope_changed_after_signing_is_forbidden(material: Material, config: ChannelConfig, field: str) -> None:
    envelope = common_pb2.Envelope.FromString(material.envelope(b"pay 1"))
    if field == "payload":
        envelope.payload = envelope.payload.replace(b"pay 1", b"pay 9")
    else:
        envelope.signature = common_pb2.Envelope.FromString(material.envelope(b"pay 1")).signature
    assert answer(envelope.SerializeToString(), config)[0] == FORBIDDEN


def test_unsigned_envelope_is_forbidden(material: Material, config: ChannelConfig) -> None:
    envelope = common_pb2.Envelope.FromString(material.envelope())
    envelope.ClearField("signature")
    assert answer(envelope.SerializeToString(), config)[0] == FORBIDDEN


def test_expired_identity_is_a_bad_request(material: Material, config: ChannelConfig) -> None:
    ends = material.user(BANK).certificate.not_valid_after_utc
    envelope = material.envelope()
    check_message(parse_message(envelope), config, ends)
    expired = ends + timedelta(seconds=1)
    assert answer(envelope, config, expired) == (BAD, "broadcast client identity expired")


def test_envelope_above_the_absolute_limit_is_a_bad_request(material: Material, config: ChannelConfig) -> None:
    size = parse_message(material.envelope()).size
    check_message(parse_message(material.envelope(b"x" * (20_000 - size - 50))), config, NOW)
    status, info = answer(material.envelope(b"x" * 20_000), config)
    assert status == BAD
    assert info.endswith("exceeds maximum allowed 20000 bytes")


def test_many_messages_are_judged_as_each_alone_and_no_signature_looked_at_twice(
    material: Material, config: ChannelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = material.folder(BANK) / "users" / "User1@dwaybank.test" / "msp"
    forged = common_pb2.Envelope.FromString(material.envelope(b"pay 1"))
    forged.payload = forged.payload.replace(b"pay 1", b"pay 9")
    unsigned = common_pb2.Envelope(payload=forged.payload)
    messages = [
        parse_message(envelope)
        for envelope in (
            material.envelope(),
            forged.SerializeToString(),
            material.envelope(signer=SigningIdentity.from_msp_folder(folder, "NobodyMSP")),
            unsigned.SerializeToString(),
            material.envelope(b"x" * 20_000),
            material.envelope(signer=material.user(PARTNER)),
            material.envelope(signer=SigningIdentity.from_msp_folder(folder, PARTNER)),
            material.envelope(),
        )
    ]

    def alone(message: Message, now: datetime) -> str:
        try:
            check_message(message, config, now)
        except EnvelopeRefusedError as refusal:
            return f"{refusal.status} {refusal.info}"
        return ""

    def together(now: datetime) -> list[str]:
        found = refusals([(message, config) for message in messages], now)
        return [f"{refusal.status} {refusal.info}" if refusal else "" for refusal in found]

    after_all = material.user(BANK).certificate.not_valid_after_utc + timedelta(days=1)
    expected = [alone(message, NOW) for message in messages]
    assert [not refusal for refusal in expected] == [True, False, False, False, False, True, False, True]
    assert together(after_all) == [alone(message, after_all) for message in messages]
    assert refusals([], NOW) == []

    looked_at: list[tuple[object, ...]] = []
    verify = signing._verify_without_table
    monkeypatch.setattr(signing, "_verify_without_table", lambda *check: (looked_at.append(check), verify(*check)))
    assert together(NOW) == expected
    assert len(looked_at) == 4, "three that hold and the forged one, each once"


def test_identity_that_nobody_has_is_refused_before_it_is_read(material: Material, tmp_path: Path) -> None:
    roomy = ChannelConfig.from_block(parse_block(material.genesis(tmp_path / "genesis.block").read_bytes()))
    # One field of 3 bytes over and over: 64 KiB of it are looked at, no more.
    odd = SimpleNamespace(creator=b"\x12\x01x" * 21_846, sign=material.user(BANK).sign)
    assert answer(material.envelope(signer=odd), roomy) == (BAD, "creator: 65538 bytes, more than 65536")
    odd.creator = odd.creator[3:]
    assert answer(material.envelope(signer=odd), roomy)[0] == FORBIDDEN


@pytest.mark.parametrize(
    ("header_type", "reason"),
    [
        (common_pb2.CONFIG, "cannot be processed directly"),
        (common_pb2.ORDERER_TRANSACTION, "is no longer supported"),
    ],
)
def test_configuration_transaction_cannot_be_sent_directly(
    material: Material, config: ChannelConfig, header_type: int, reason: str
) -> None:
    expected = (BAD, f"message is of type that {reason}")
    assert answer(material.envelope(header_type=header_type), config) == expected


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        (b"", "could not determine channel ID: header not set"),
        (b"\x12\x01x", "could not determine channel ID: header not set"),
        (b"\xff\xff\xff", "could not determine channel ID: error unmarshalling Envelope: proto: cannot parse"),
        (b"\x0a\x02\xff\xff", "could not determine channel ID: error unmarshalling Payload: proto: cannot parse"),
        (b"\x0a\x03\x12\x01x", "could not determine channel ID: header not set"),
        (b"\x0a\x02\x0a\x00", "could not determine channel ID: channel header not set"),
        (
            b"\x0a\x05\x0a\x03\x0a\x01\xff",
            "ID: error unmarshalling channel header: error unmarshalling ChannelH",
        ),
        (b"\x0a\x0a\x0a\x08\x0a\x03\x32\x01x\x12\x01\xff", "message to signedData: GetSignatureHeaderFromBytes failed"),
    ],
)
def test_envelope_that_cannot_be_read_is_a_bad_request(envelope: bytes, reason: str) -> None:
    with pytest.raises(EnvelopeRefusedError, match=reason) as caught:
        parse_message(envelope)
    assert caught.value.status == BAD


def test_envelope_in_another_encoding_is_refused_because_go_peers_would_refuse_its_block(material: Material) -> None:
    envelope = material.envelope()
    signature = common_pb2.Envelope.FromString(envelope).signature
    field = b"\x12" + bytes([len(signature)]) + signature
    assert envelope.endswith(field)
    reordered = field + envelope[: -len(field)]
    assert common_pb2.Envelope.FromString(reordered) == common_pb2.Envelope.FromString(envelope)
    with pytest.raises(EnvelopeRefusedError, match="not in canonical form"):
        parse_message(reordered)


def test_envelope_with_more_in_it_is_refused_for_no_peer_might_read_its_block(material: Material) -> None:
    unread_by_go = b"\x78" + b"\x80" * 9 + b"\x02"
    for more in (unread_by_go, b"\x78\x05"):
        with pytest.raises(EnvelopeRefusedError, match="not in canonical form"):
            parse_message(material.envelope() + more)
