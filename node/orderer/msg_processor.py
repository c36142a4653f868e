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

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fabric_protos.common import common_pb2, configtx_pb2
from google.protobuf.message import DecodeError

from network.channel_config import ChannelConfig, OrdererSettings
from network.envelope import Signer, config_envelope
from network.errors import IdentityError, NetworkError, PolicyError, SignatureError, WireError
from network.identity import Identity, Verify, check_creator_size, signature_failures
from network.policy import SignedData, valid_signers
from network.proposal import NO_MESSAGE, NONCE_BYTES, unmarshal
from node.orderer.errors import EnvelopeRefusedError, UpdateEnvelopeError

WRITERS = "/Channel/Writers"
BLOCK_VALIDATION = "/Channel/Orderer/BlockValidation"

_NO_HEADER = "header not set"


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
    def is_config_update(self) -> bool:
        """Whether it asks for another channel configuration."""
        return bool(self.header_type == common_pb2.CONFIG_UPDATE)

    @property
    def size(self) -> int:
        """Bytes of payload and signature, as Fabric's limits count them."""
        return len(self.payload) + len(self.signature)


def parse_message(envelope: bytes) -> Message:
    """Read an envelope's headers.

    Raises:
        EnvelopeRefusedError: BAD_REQUEST, it cannot be read.
    """
    unknown = "could not determine channel ID: "
    try:
        outer = unmarshal(common_pb2.Envelope, envelope, unknown)
        payload = unmarshal(common_pb2.Payload, outer.payload, unknown)
        if not payload.HasField("header"):
            raise WireError(f"{unknown}{_NO_HEADER}")
        if not payload.header.channel_header:
            raise WireError(f"{unknown}channel {_NO_HEADER}")
        header = payload.header.channel_header
        channel = unmarshal(common_pb2.ChannelHeader, header, f"{unknown}error unmarshalling channel header: ")
    except WireError as error:
        raise _bad_request(str(error)) from error
    try:
        signer = common_pb2.SignatureHeader.FromString(payload.header.signature_header)
    except DecodeError as error:
        failed = f"GetSignatureHeaderFromBytes failed, err {NO_MESSAGE}"
        raise _bad_request(f"could not convert message to signedData: {failed}") from error
    if common_pb2.Envelope(payload=outer.payload, signature=outer.signature).SerializeToString() != envelope:
        raise _bad_request("Envelope is not in canonical form; serialize it with a protobuf library and nothing added")
    return Message(
        envelope, outer.payload, outer.signature, channel.channel_id, channel.type, channel.tx_id, signer.creator
    )


def parse_config_update(envelope: bytes) -> tuple[Message, str]:
    """Read an envelope that must be a configuration update; return it and the channel it updates.

    Raises:
        UpdateEnvelopeError: it is none.
    Source: Fabric orderer/common/channelparticipation/validator.go, ValidateUpdateConfigEnvelope.
    """
    try:
        message = parse_message(envelope)
        if not message.is_config_update:
            raise UpdateEnvelopeError("bad type")
        if not message.channel_id:
            raise UpdateEnvelopeError("empty channel id")
        data = common_pb2.Payload.FromString(message.payload).data
        update = configtx_pb2.ConfigUpdate.FromString(configtx_pb2.ConfigUpdateEnvelope.FromString(data).config_update)
    except EnvelopeRefusedError as refusal:
        text = "bad header" if refusal.info.endswith(_NO_HEADER) else str(refusal)
        raise UpdateEnvelopeError(text) from refusal
    except DecodeError as error:
        raise UpdateEnvelopeError("the config update in it cannot be read") from error
    return message, update.channel_id


def refusals(messages: Sequence[tuple[Message, ChannelConfig]], now: datetime) -> list[EnvelopeRefusedError | None]:
    """Return what ``check_message`` says of many messages: why each may not be ordered, or None.

    Their signatures are checked in one go: each message is judged as if its own held, and again if it does not.
    """
    asked: list[tuple[Identity, bytes, bytes]] = []

    def assume(identity: Identity, message: bytes, signature: bytes) -> None:
        if identity.signs_usually:
            asked.append((identity, message, signature))
        else:
            identity.verify(message, signature)

    found: list[EnvelopeRefusedError | None] = []
    asked_by: list[int] = []
    for number, (message, config) in enumerate(messages):
        found.append(_refusal(message, config, now, assume))
        asked_by += [number] * (len(asked) - len(asked_by))
    for number, failure in zip(asked_by, signature_failures(asked), strict=True):
        if failure is not None:
            found[number] = _refusal(*messages[number], now, _failing(failure))
    return found


def _failing(failure: SignatureError) -> Verify:
    def verify(identity: Identity, message: bytes, signature: bytes) -> None:
        raise failure

    return verify


def _refusal(message: Message, config: ChannelConfig, now: datetime, verify: Verify) -> EnvelopeRefusedError | None:
    try:
        check_message(message, config, now, verify)
    except EnvelopeRefusedError as refusal:
        return refusal
    return None


def check_message(message: Message, config: ChannelConfig, now: datetime, verify: Verify = Identity.verify) -> None:
    """Return if the message may be ordered on the channel; a configuration update, if it may be looked at.

    Args:
        message: one of this channel.
        config: the channel's configuration now.
        now: current time, UTC.
        verify: checks its creator's signature.
    Raises:
        EnvelopeRefusedError: BAD_REQUEST or FORBIDDEN, with the reason.
    """
    _check_type(message.header_type)
    _check_size(message.size, config)
    try:
        check_creator_size(message.creator, "creator")
    except WireError as error:
        raise _bad_request(str(error)) from error
    unknown: NetworkError | None = None
    try:
        identity = config.msps.identity(message.creator)
        if now > identity.certificate.not_valid_after_utc:
            raise _bad_request("broadcast client identity expired")
    except (IdentityError, WireError) as error:
        unknown = error
    try:
        # Asked about strangers too: it is the policy's words that Fabric's orderer gives them.
        policy = config.policy(WRITERS)
        signed = SignedData(message.payload, message.creator, message.signature)
        policy.evaluate_identities(valid_signers([signed], config.msps, verify))
        if unknown is not None:
            raise unknown
    except (IdentityError, WireError, PolicyError) as error:
        raise EnvelopeRefusedError(common_pb2.FORBIDDEN, f"{error}: permission denied") from error


def prepare_config(
    message: Message, config: ChannelConfig, signer: Signer, now: datetime
) -> tuple[bytes, ChannelConfig]:
    """Turn a configuration update into the transaction that carries the next configuration.

    Args:
        message: a CONFIG_UPDATE that passed ``check_message``.
        config: the configuration it is to be applied to.
        signer: the orderer's identity; it must be able to sign blocks under the next configuration too.
        now: current time, UTC.
    Returns:
        The CONFIG envelope, serialized, and the configuration in force after its block.
    Raises:
        EnvelopeRefusedError: BAD_REQUEST, the update is not authorized, not sound, or too large.
    Source: Fabric orderer/common/msgprocessor/standardchannel.go, ProcessConfigUpdateMsg.
    """
    try:
        proposed = config.propose_update(common_pb2.Envelope.FromString(message.envelope))
        following = config.validate_update(proposed)
        following.capabilities.require_ordering()
        # Peers of ours would stop at the next transaction.
        following.capabilities.require_validation()
    except NetworkError as error:
        text = f"error applying config update to existing channel '{config.channel_id}': {error}"
        raise _bad_request(text) from error
    _check_consensus(config.orderer, following.orderer)
    check_may_sign(following, signer)
    envelope = config_envelope(
        config.channel_id, proposed, signer, nonce=secrets.token_bytes(NONCE_BYTES), timestamp=now
    )
    _check_size(len(envelope.payload) + len(envelope.signature), config)
    return envelope.SerializeToString(), following


def check_may_sign(config: ChannelConfig, signer: Signer) -> None:
    """Return if peers will accept blocks that ``signer`` signs.

    Raises:
        EnvelopeRefusedError: BAD_REQUEST, they will not.
    """
    try:
        config.policy(BLOCK_VALIDATION).evaluate_identities([config.msps.identity(signer.creator)])
    except NetworkError as error:
        raise _bad_request(
            f"this orderer's identity does not satisfy {BLOCK_VALIDATION} of channel {config.channel_id!r}: {error}"
        ) from error


def _check_consensus(current: OrdererSettings, following: OrdererSettings) -> None:
    """Refuse another kind of ordering service: this one is none, and peers would believe none of its blocks then.

    Source: Fabric orderer/common/msgprocessor/maintenancefilter.go; there is no maintenance mode here.
    """
    if following.consensus_type != current.consensus_type:
        raise _bad_request(
            "config update for existing channel did not pass maintenance checks: config transaction inspection failed: "
            f"attempted to change consensus type from {current.consensus_type} to {following.consensus_type}, but "
            "current config ConsensusType.State is not in maintenance mode"
        )


def _check_type(header_type: int) -> None:
    if header_type == common_pb2.CONFIG:
        raise _bad_request("message is of type that cannot be processed directly")
    if header_type == common_pb2.ORDERER_TRANSACTION:
        raise _bad_request("message is of type that is no longer supported")


def _check_size(size: int, config: ChannelConfig) -> None:
    size_max = config.orderer.absolute_max_bytes
    if size > size_max:
        raise _bad_request(f"message payload is {size} bytes and exceeds maximum allowed {size_max} bytes")


def _bad_request(info: str) -> EnvelopeRefusedError:
    return EnvelopeRefusedError(common_pb2.BAD_REQUEST, info)
