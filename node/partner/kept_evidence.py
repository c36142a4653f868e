"""Judges what another bank signed, long after it came: by the certificates of the channel, without a node or database.

A message is true evidence when its signer's organization is a member and the signature covers the message's name and
bytes. Whether the certificate has expired or was revoked since says nothing against what it signed before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC

from google.protobuf.message import DecodeError, Message

from network.errors import IdentityError, SignatureError, WireError
from network.msp import MspManager
from network.pb.dwaybank.partner.v1 import partner_pb2
from node.partner.messages import signing_input

KINDS: dict[str, type[Message]] = {
    "prepare": partner_pb2.Prepare,
    "complete": partner_pb2.Complete,
    "abort": partner_pb2.Abort,
    "prepare_answer": partner_pb2.PrepareAnswer,
    "complete_answer": partner_pb2.CompleteAnswer,
    "abort_answer": partner_pb2.AbortAnswer,
    "quote_request": partner_pb2.QuoteRequest,
    "quote": partner_pb2.Quote,
    "statement": partner_pb2.StatementAnswer,
    "status": partner_pb2.QueryAnswer,
}
"""Message behind each kind of evidence."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a message says, and whether it is true evidence.

    Args:
        signer: MSP id; empty where the creator cannot be read.
        says: fields that are set, as text.
        problem: why it proves nothing; empty for true evidence.
    """

    signer: str
    says: tuple[tuple[str, str], ...]
    problem: str = ""


def judge(kind: str, signed: partner_pb2.SignedMessage, msps: MspManager) -> Judged:
    """Return what a kept message proves.

    Args:
        kind: see ``KINDS``.
        signed: as received.
        msps: members, as a block of the channel's configuration has them.
    """
    form = KINDS.get(kind)
    if form is None:
        return Judged("", (), f"kind {kind!r} is not one of {', '.join(KINDS)}")
    try:
        identity = msps.identity(signed.creator)
    except (IdentityError, WireError) as error:
        return Judged("", (), f"creator: {error}")
    try:
        identity.verify(signing_input(form, signed.payload), signed.signature)
        payload = form.FromString(signed.payload)
    except SignatureError as error:
        return Judged(identity.msp_id, (), f"signature: {error}")
    except DecodeError:
        return Judged(identity.msp_id, (), f"payload: no {form.DESCRIPTOR.name}")
    problem = "" if payload.sender_msp_id == identity.msp_id else "sender_msp_id: another bank than the signer"  # type: ignore[attr-defined]
    return Judged(identity.msp_id, _fields(payload), problem)


def _fields(payload: Message) -> tuple[tuple[str, str], ...]:
    found = []
    for field, value in payload.ListFields():
        if field.type == field.TYPE_BYTES:
            found.append((field.name, value.hex()))
        elif field.type == field.TYPE_MESSAGE and field.message_type.full_name == "google.protobuf.Timestamp":
            found.append((field.name, _time(value)))
        elif field.type != field.TYPE_MESSAGE:
            found.append((field.name, str(value)))
    return tuple(found)


def _time(stamp: object) -> str:
    try:
        return str(stamp.ToDatetime(tzinfo=UTC).isoformat())  # type: ignore[attr-defined]
    except (ValueError, OverflowError):
        return "no time"
