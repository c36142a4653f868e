"""A message between banks is acted on only when signer, connection, parties and time all fit.

Method: one good message; then one thing wrong at a time, each an attack with a name.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from google.protobuf.timestamp_pb2 import Timestamp

from network.errors import RpcError
from network.msp import MspManager
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import Call, StatusCode
from network.signing import CURVE_ORDERS
from node.access import Members
from node.partner.errors import MessageRefusedError
from node.partner.messages import MessageVerifier, moment_of, signed_message, signing_input, timestamp
from tests.support.members import START, Member, pem

NOW = START + timedelta(days=30)
BANK, OWN, REGULATOR = Member("PartnerMSP"), Member("DwaybankMSP"), Member("RegulatorMSP")
TLS = {member.msp_id: Member(member.msp_id) for member in (BANK, OWN, REGULATOR)}
SIGNER = BANK.identity("peer")
CERTIFICATES = {msp_id: pem(member.identity("client").certificate) for msp_id, member in TLS.items()}


def _call(msp_id: str | None = "PartnerMSP") -> Call:
    return Call("/x", None, None if msp_id is None else CERTIFICATES[msp_id], "127.0.0.1:1")


def _verifier(now: datetime = NOW) -> MessageVerifier:
    msps = MspManager([BANK.msp(), OWN.msp(), REGULATOR.msp()])
    members = Members("DwaybankMSP", {name: [pem(tls.authority.certificate)] for name, tls in TLS.items()})
    return MessageVerifier(
        "DwaybankMSP", partners=frozenset({"PartnerMSP"}), members=members, msps=lambda: msps, now=lambda: now
    )


def _abort(**changes: object) -> partner_pb2.Abort:
    fields: dict[str, object] = {
        "version": 1,
        "settlement_id": "s-1",
        "sender_msp_id": "PartnerMSP",
        "receiver_msp_id": "DwaybankMSP",
        "reason": "late",
        "sent_at": timestamp(NOW),
    }
    return partner_pb2.Abort(**(fields | changes))  # type: ignore[arg-type]


def _refusal(message: partner_pb2.SignedMessage, call: Call | None = None, now: datetime = NOW) -> int:
    with pytest.raises(MessageRefusedError) as refused:
        _verifier(now).verify(message, partner_pb2.Abort, call or _call())
    return refused.value.code


def test_good_message_is_returned() -> None:
    assert _verifier().verify(signed_message(_abort(), SIGNER), partner_pb2.Abort, _call()) == _abort()


def test_payload_changed_after_signing_is_refused() -> None:
    message = signed_message(_abort(), SIGNER)
    message.payload = _abort(settlement_id="s-2").SerializeToString()
    assert _refusal(message) == StatusCode.UNAUTHENTICATED


def test_signature_missing_or_of_another_key_is_refused() -> None:
    message = signed_message(_abort(), SIGNER)
    message.signature = b""
    assert _refusal(message) == StatusCode.UNAUTHENTICATED
    message.signature = BANK.identity("peer").sign(message.payload)
    assert _refusal(message) == StatusCode.UNAUTHENTICATED


def test_high_s_twin_of_the_signature_is_refused() -> None:
    message = signed_message(_abort(), SIGNER)
    r, s = decode_dss_signature(message.signature)
    message.signature = encode_dss_signature(r, CURVE_ORDERS["secp256r1"] - s)
    assert _refusal(message) == StatusCode.UNAUTHENTICATED


def test_identity_of_nobodys_authority_is_refused() -> None:
    impostor = Member("PartnerMSP").identity("peer")
    assert _refusal(signed_message(_abort(), impostor)) == StatusCode.UNAUTHENTICATED


def test_identity_expired_is_refused() -> None:
    expired = BANK.identity("peer", not_after=NOW - timedelta(days=1))
    assert _refusal(signed_message(_abort(), expired)) == StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("creator", [b"", b"\xff\xff", b"\x0a\x0aPartnerMSP"])
def test_creator_that_is_no_identity_is_refused(creator: bytes) -> None:
    message = signed_message(_abort(), SIGNER)
    message.creator = creator
    assert _refusal(message) == StatusCode.UNAUTHENTICATED


def test_creator_larger_than_anybodys_is_not_read() -> None:
    message = signed_message(_abort(), SIGNER)
    message.creator = bytes(65_537)
    with pytest.raises(MessageRefusedError, match="65537 bytes, more than 65536"):
        _verifier().verify(message, partner_pb2.Abort, _call())


def test_message_in_the_name_of_another_bank_is_refused() -> None:
    message = signed_message(_abort(sender_msp_id="DwaybankMSP"), SIGNER)
    assert _refusal(message) == StatusCode.PERMISSION_DENIED


def test_message_relayed_over_another_members_connection_is_refused() -> None:
    assert _refusal(signed_message(_abort(), SIGNER), _call("RegulatorMSP")) == StatusCode.PERMISSION_DENIED


def test_message_of_a_member_that_is_no_bank_is_refused() -> None:
    message = signed_message(_abort(sender_msp_id="RegulatorMSP"), REGULATOR.identity("peer"))
    assert _refusal(message, _call("RegulatorMSP")) == StatusCode.PERMISSION_DENIED


def test_message_to_another_bank_is_refused() -> None:
    message = signed_message(_abort(receiver_msp_id="OtherMSP"), SIGNER)
    assert _refusal(message) == StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("late_s", [301, -301, 86_400])
def test_message_replayed_later_or_sent_from_the_future_is_refused(late_s: int) -> None:
    message = signed_message(_abort(), SIGNER)
    assert _refusal(message, now=NOW + timedelta(seconds=late_s)) == StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize("late_s", [0, 299, -299])
def test_message_within_five_minutes_is_accepted(late_s: int) -> None:
    verifier = _verifier(NOW + timedelta(seconds=late_s))
    verifier.verify(signed_message(_abort(), SIGNER), partner_pb2.Abort, _call())


def test_message_without_a_time_is_refused() -> None:
    message = signed_message(_abort(sent_at=Timestamp()), SIGNER)
    assert _refusal(message) == StatusCode.FAILED_PRECONDITION


def test_connection_without_a_client_certificate_is_unauthenticated() -> None:
    with pytest.raises(RpcError) as refused:
        _verifier().verify(signed_message(_abort(), SIGNER), partner_pb2.Abort, _call(None))
    assert refused.value.code == StatusCode.UNAUTHENTICATED


def test_payload_that_is_no_such_message_is_refused() -> None:
    content = b"\x0a\xff"
    signature = SIGNER.sign(signing_input(partner_pb2.Abort, content))
    message = partner_pb2.SignedMessage(payload=content, creator=SIGNER.creator, signature=signature)
    assert _refusal(message) == StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("seconds", [253_402_300_800, -62_135_596_801])
def test_time_outside_the_calendar_is_refused(seconds: int) -> None:
    with pytest.raises(MessageRefusedError, match="deadline"):
        moment_of(Timestamp(seconds=seconds), "deadline")


def test_signed_query_shown_as_complete_is_refused() -> None:
    query = partner_pb2.Query(
        settlement_id="s-1", sender_msp_id="PartnerMSP", receiver_msp_id="DwaybankMSP", sent_at=timestamp(NOW)
    )
    with pytest.raises(MessageRefusedError):
        _verifier().verify(signed_message(query, SIGNER), partner_pb2.Complete, _call())


def test_signed_abort_shown_as_complete_of_the_same_form_is_refused() -> None:
    message = signed_message(_abort(), SIGNER)
    assert partner_pb2.Complete.FromString(message.payload).agreed_reference == _abort().reason
    with pytest.raises(MessageRefusedError) as refused:
        _verifier().verify(message, partner_pb2.Complete, _call())
    assert refused.value.code == StatusCode.UNAUTHENTICATED
