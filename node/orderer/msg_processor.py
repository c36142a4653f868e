"""Decides whether an envelope may be ordered, by Fabric's filters in Fabric's order.

Rules
- Only form, size, expiry and the channel's Writers policy are judged; what a transaction means is the peers' to judge.
- A refusal carries the status and text a Fabric client knows.
- The bytes received are the bytes ordered. So an envelope that is not in canonical form is refused here: peers written
  in Go refuse a whole block for one such entry.
- An envelope ordered twice is ordered twice; the peers mark the second.

Source: Fabric orderer/common/msgprocessor/{standardchannel,filter,sizefilter,expiration,sigfilter}.go,
orderer/common/broadcast/broadcast.go, protoutil/blockutils.go (VerifyTransactionsAreWellFormed).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fabric_protos.common import common_pb2
from google.protobuf.message import DecodeError

from network.channel_config import ChannelConfig
from network.errors import IdentityError, PolicyError, WireError
from network.policy import SignedData
from node.orderer.errors import EnvelopeRefusedError

WRITERS = "/Channel/Writers"


@dataclass(frozen=True, slots=True)
class Message:
    """An envelope whose headers could be read; nothing of it is verified."""

    envelope: bytes
    """As received, and as it will stand in the block."""
    payload: bytes
    signature: bytes
    channel_id: str
    header_type: int
    """``common.HeaderType``."""
    tx_id: str
    creator: bytes

    @property
    def size(self) -> int:
        """Bytes of payload and signature, as Fabric's limits count them."""
        return len(self.payload) + len(self.signature)


def parse_message(envelope: bytes) -> Message:
    """Read an envelope's headers.

    Raises:
        EnvelopeRefusedError: BAD_REQUEST, it cannot be read.
    """
    outer = _parse(common_pb2.Envelope, envelope, "Envelope")
    if not outer.payload:
        raise _bad_request("Message was empty")
    payload = _parse(common_pb2.Payload, outer.payload, "Payload")
    if not payload.HasField("header"):
        raise _bad_request("could not determine channel ID: envelope has no header")
    channel = _parse(common_pb2.ChannelHeader, payload.header.channel_header, "ChannelHeader")
    signer = _parse(common_pb2.SignatureHeader, payload.header.signature_header, "SignatureHeader")
    if outer.SerializeToString(deterministic=True) != envelope:
        raise _bad_request("Envelope is not in canonical form; serialize it with a protobuf library and nothing added")
    return Message(
        envelope, outer.payload, outer.signature, channel.channel_id, channel.type, channel.tx_id, signer.creator
    )


def check_message(message: Message, config: ChannelConfig, now: datetime) -> None:
    """Return if the message may be ordered on the channel.

    Args:
        message: one of this channel.
        config: the channel's configuration now.
        now: current time, UTC.
    Raises:
        EnvelopeRefusedError: BAD_REQUEST, FORBIDDEN or NOT_IMPLEMENTED, with the reason.
    """
    _check_type(message.header_type)
    size_max = config.orderer.absolute_max_bytes
    if message.size > size_max:
        raise _bad_request(f"message payload is {message.size} bytes and exceeds maximum allowed {size_max} bytes")
    try:
        identity = config.msps.identity(message.creator)
        if now > identity.certificate.not_valid_after_utc:
            raise _bad_request("broadcast client identity expired")
        policy = config.policy(WRITERS)
        policy.evaluate([SignedData(message.payload, message.creator, message.signature)])
    except (IdentityError, WireError, PolicyError) as error:
        raise EnvelopeRefusedError(common_pb2.FORBIDDEN, f"{error}: permission denied") from error


def _check_type(header_type: int) -> None:
    if header_type == common_pb2.CONFIG_UPDATE:
        raise EnvelopeRefusedError(
            common_pb2.NOT_IMPLEMENTED,
            "this orderer takes no configuration updates; make a channel with the new configuration instead",
        )
    if header_type in (common_pb2.CONFIG, common_pb2.ORDERER_TRANSACTION):
        raise _bad_request("message is of type that cannot be processed directly")


def _parse(kind: Any, data: bytes, name: str) -> Any:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise _bad_request(f"could not determine channel ID: {name} cannot be read") from error


def _bad_request(info: str) -> EnvelopeRefusedError:
    return EnvelopeRefusedError(common_pb2.BAD_REQUEST, info)
