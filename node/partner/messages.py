"""Messages between banks: signing ours, and deciding whether one of theirs may be acted on.

A message is acted on only if all of this holds: the signer's certificate is vouched for by its organization's MSP now;
the signature covers the payload's bytes as received; the payload has no field that its version does not know, and no
text that cannot be printed; it names that organization as sender and us as receiver; the same organization issued the
client certificate of the connection; it is a bank we settle with; and it was sent within five minutes of our clock. A
repeated message is harmless, because every step is done once. An answer is believed by the same rules; in the place of
the connection's certificate it names the hash of the request, so that no answer can be shown as the answer to another
request.

The signature covers the message's full name before its bytes, because Complete and Abort have the same wire form and a
signed one must never be shown as the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from google.protobuf import unknown_fields  # type: ignore[attr-defined]
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from network.errors import IdentityError, RpcError, SignatureError, WireError
from network.identity import SigningIdentity, check_creator_size
from network.msp import MspManager
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import Call, StatusCode
from node.access import Members
from node.partner.errors import MessageRefusedError
from node.partner.protocol import check_version

PAYLOAD_BYTES_MAX = 64 * 1024
"""Longest payload of a request; the longest that is needed has less than 1 KiB."""

TEXT_LENGTH_MAX = 256
"""Longest text of a payload, in characters."""

CLOCK_DIFFERENCE_MAX = timedelta(minutes=5)
"""How far a message's time may be from ours; clocks of banks are synchronised far better than this."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A message as the other bank signed it.

    Args:
        kind: of message, as table ``partner.evidence`` lists them.
        payload: the bytes the signature covers, after the message's name.
        creator: serialized identity of the signer.
        signature: over the payload.
    """

    kind: str
    payload: bytes
    creator: bytes
    signature: bytes


class _Payload(Protocol):
    version: int
    sender_msp_id: str
    receiver_msp_id: str

    @property
    def sent_at(self) -> Timestamp: ...


_P = TypeVar("_P", bound=Message)


def signed_message(payload: Message, identity: SigningIdentity) -> partner_pb2.SignedMessage:
    """Return the payload signed by us."""
    content = payload.SerializeToString(deterministic=True)
    signature = identity.sign(signing_input(type(payload), content))
    return partner_pb2.SignedMessage(payload=content, creator=identity.creator, signature=signature)


def evidence_of(kind: str, message: partner_pb2.SignedMessage) -> Evidence:
    """Return what is kept of a message."""
    return Evidence(kind, message.payload, message.creator, message.signature)


def request_hash(payload: bytes) -> bytes:
    """Return what an answer names its request by."""
    return hashlib.sha256(payload).digest()


def signing_input(kind: type[Message], payload: bytes) -> bytes:
    """Return the bytes that are signed: the message's full name, a zero byte, its bytes as sent."""
    return f"{kind.DESCRIPTOR.full_name}\0".encode() + payload


def timestamp(moment: datetime) -> Timestamp:
    """Return a protobuf time."""
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def moment_of(stamp: Timestamp, field: str) -> datetime:
    """Return a protobuf time as UTC, to the microsecond.

    Raises:
        MessageRefusedError: outside the years 1 to 9999.
    """
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise MessageRefusedError(StatusCode.INVALID_ARGUMENT, f"{field}: not a time") from error


class MessageVerifier:
    """Decides whether a message of another bank may be acted on.

    Args:
        own_msp_id: us.
        partners: banks we settle with.
        members: who issued which client certificate.
        msps: the channel's MSPs as its newest configuration has them.
        now: clock.
    """

    def __init__(
        self,
        own_msp_id: str,
        *,
        partners: frozenset[str],
        members: Members,
        msps: Callable[[], MspManager],
        now: Callable[[], datetime],
    ) -> None:
        self._own_msp_id = own_msp_id
        self._partners = partners
        self.members = members
        self._msps = msps
        self._now = now

    def partner(self, call: Call) -> str:
        """Return which bank calls, by its client certificate.

        Raises:
            MessageRefusedError: PERMISSION_DENIED for a member we do not settle with.
            RpcError: UNAUTHENTICATED without a member's client certificate.
        """
        caller = self.members.caller(call)
        if caller not in self._partners:
            raise _refused(StatusCode.PERMISSION_DENIED, f"{caller} is not a bank this node settles with")
        return caller

    def verify(self, message: partner_pb2.SignedMessage, kind: type[_P], call: Call) -> _P:
        """Return the payload of a message that may be acted on.

        Raises:
            MessageRefusedError: it may not; nothing must be changed.
            RpcError: UNAUTHENTICATED without a member's client certificate.
        """
        if len(message.payload) > PAYLOAD_BYTES_MAX:
            raise _refused(StatusCode.INVALID_ARGUMENT, f"payload: more than {PAYLOAD_BYTES_MAX} bytes")
        signer, payload = self._signed(message, kind)
        self._check_parties(payload, signer, self.members.caller(call))  # type: ignore[arg-type]
        return payload

    def verify_answer(
        self, answer: partner_pb2.SignedMessage, kind: type[_P], *, partner_msp_id: str, asked: bytes
    ) -> _P:
        """Return the payload of an answer that may be believed.

        Args:
            answer: as received.
            kind: what its payload must be.
            partner_msp_id: whom we asked.
            asked: payload of our request, bytes as sent.
        Raises:
            MessageRefusedError: it may not; what the partner did is unknown.
        """
        signer, payload = self._signed(answer, kind)
        if signer != partner_msp_id:
            raise _refused(StatusCode.PERMISSION_DENIED, f"the answer is signed by {signer}, not {partner_msp_id}")
        self._check_parties(payload, signer, signer)  # type: ignore[arg-type]
        if payload.request_hash != request_hash(asked):  # type: ignore[attr-defined]
            raise _refused(StatusCode.INVALID_ARGUMENT, "request_hash: the answer is to another request")
        return payload

    def _signed(self, message: partner_pb2.SignedMessage, kind: type[_P]) -> tuple[str, _P]:
        signer = self._signer(message, kind)
        try:
            payload = kind.FromString(message.payload)
        except DecodeError as error:
            raise _refused(StatusCode.INVALID_ARGUMENT, "payload: not the message this call takes") from error
        check_version(payload.version)  # type: ignore[attr-defined]
        _check_fields(payload)
        _check_texts(payload)
        return signer, payload

    def _signer(self, message: partner_pb2.SignedMessage, kind: type[Message]) -> str:
        try:
            check_creator_size(message.creator, "SerializedIdentity")
            identity = self._msps().identity(message.creator, self._now())
            identity.verify(signing_input(kind, message.payload), message.signature)
        except (IdentityError, WireError) as error:
            raise _refused(StatusCode.UNAUTHENTICATED, f"creator: {error}") from error
        except SignatureError as error:
            raise _refused(StatusCode.UNAUTHENTICATED, f"signature: {error}") from error
        return identity.msp_id

    def _check_parties(self, payload: _Payload, signer: str, caller: str) -> None:
        if payload.sender_msp_id != signer:
            raise _refused(StatusCode.PERMISSION_DENIED, f"sender_msp_id: the message is signed by {signer}")
        if caller != signer:
            raise _refused(StatusCode.PERMISSION_DENIED, f"the connection is {caller}'s, the message {signer}'s")
        if payload.receiver_msp_id != self._own_msp_id:
            raise _refused(StatusCode.INVALID_ARGUMENT, f"receiver_msp_id: this node is {self._own_msp_id}'s")
        if signer not in self._partners:
            raise _refused(StatusCode.PERMISSION_DENIED, f"{signer} is not a bank this node settles with")
        sent_at, now = moment_of(payload.sent_at, "sent_at"), self._now()
        if abs(sent_at - now) > CLOCK_DIFFERENCE_MAX:
            raise _refused(
                StatusCode.FAILED_PRECONDITION,
                f"sent_at: {signer} says {sent_at.isoformat(timespec='seconds')}, this node's clock "
                f"{now.isoformat(timespec='seconds')}: more than 5 minutes apart; set both by NTP",
            )


def _check_fields(payload: Message) -> None:
    """Let pass a message that says nothing which this node would pass over."""
    for field in unknown_fields.UnknownFieldSet(payload):
        name = payload.DESCRIPTOR.name
        raise _refused(StatusCode.INVALID_ARGUMENT, f"payload: field {field.field_number} of {name} is not known here")
    for field, value in payload.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for part in value if isinstance(value, Sequence) else (value,):
                _check_fields(part)


def _check_texts(payload: Message) -> None:
    """Let pass texts that a database keeps and a terminal shows as they are: printable, and not long."""
    for field, value in payload.ListFields():
        parts = value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else (value,)
        for part in parts:
            if isinstance(part, Message):
                _check_texts(part)
            elif isinstance(part, str) and not (len(part) <= TEXT_LENGTH_MAX and part.isprintable()):
                reason = f"{field.name}: printable text of up to {TEXT_LENGTH_MAX} characters"
                raise _refused(StatusCode.INVALID_ARGUMENT, reason)


def _refused(code: int, message: str) -> MessageRefusedError:
    return MessageRefusedError(code, message)


__all__ = [
    "CLOCK_DIFFERENCE_MAX",
    "Evidence",
    "MessageVerifier",
    "RpcError",
    "evidence_of",
    "moment_of",
    "request_hash",
    "signed_message",
    "signing_input",
    "timestamp",
]
