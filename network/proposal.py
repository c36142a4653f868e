"""Proposals: what a client asks peers to simulate, and what they sign about it.

Rules kept here:

- a transaction's id binds it to its creator: SHA-256 of nonce ‖ creator;
- transient data goes to the peers but never into a hash or a transaction;
- headers are hashed as received.

Whether the creator may propose at all is left to the endorser, which knows the channel.

Source: Fabric protoutil/{proputils,txutils}.go, core/endorser/msgvalidation.go; proto peer/proposal.proto.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_event_pb2, chaincode_pb2, proposal_pb2, proposal_response_pb2
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from network.canonical import BYTES_MAX, REFUSED, fields, repeated, text
from network.errors import UnreadableHeadersError, WireError
from network.identity import check_creator_size
from network.messages import read_message, varint

NONCE_BYTES = 24
"""Length of the nonces clients make; peers only ask that there is one."""

NO_MESSAGE = "proto: cannot parse invalid wire-format data"
"""What Go's protobuf library says of bytes that are no message."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PROPOSAL_TYPES = (common_pb2.ENDORSER_TRANSACTION, common_pb2.CONFIG)


class Endorsement(NamedTuple):
    """One peer's signature under a proposal response."""

    endorser: bytes
    signature: bytes


class ParsedProposal(NamedTuple):
    """A structurally sound proposal. Nothing in it has been verified but the transaction id."""

    tx_id: str
    channel_id: str
    """Empty for what concerns the peer alone, such as installing a chaincode."""
    chaincode: str
    """As the header has it: what endorsers run."""
    invoked: str
    """As the invocation has it: what gateways choose endorsers by. Clients name the same; empty where there is none."""
    args: tuple[bytes, ...]
    is_init: bool
    transient: Mapping[str, bytes]
    creator: bytes
    nonce: bytes
    timestamp: datetime | None
    """To the microsecond, UTC; ``None`` when the client gave none."""
    tls_cert_hash: bytes
    channel_header: bytes
    signature_header: bytes
    header: bytes
    """Serialized ``common.Header`` as received."""
    payload: bytes
    """Serialized ``ChaincodeProposalPayload`` as received, transient data included."""
    payload_for_transaction: bytes
    """The same without transient data: what is hashed and what enters the transaction."""
    proposal_bytes: bytes
    """What the creator signed."""
    signature: bytes
    signed_proposal: bytes

    @property
    def proposal_hash(self) -> bytes:
        """Hash that every endorsement of this proposal must carry."""
        return proposal_hash(self.channel_header, self.signature_header, self.payload_for_transaction)


def compute_tx_id(nonce: bytes, creator: bytes) -> str:
    """Return the transaction id that binds a proposal to its creator.

    Args:
        nonce: random bytes, used once.
        creator: serialized identity, exactly the bytes in the signature header.
    Returns:
        SHA-256 of nonce ‖ creator, 64 lower-case hex digits.
    Source: Fabric protoutil/proputils.go, ComputeTxID.
    """
    return hashlib.sha256(nonce + creator).hexdigest()


def new_proposal(
    channel_id: str,
    chaincode: str,
    args: Sequence[bytes],
    creator: bytes,
    nonce: bytes,
    timestamp: datetime,
    transient: Mapping[str, bytes] | None = None,
    *,
    is_init: bool = False,
) -> tuple[str, bytes]:
    """Build a proposal to invoke ``chaincode``.

    Args:
        channel_id: empty for system chaincodes that act on the peer itself.
        args: function name first, each as bytes.
        nonce: 24 fresh random bytes.
        timestamp: the client's clock, with a time zone.
        transient: data for the endorsers' eyes only.
    Returns:
        Transaction id and proposal bytes; the creator signs the bytes.
    """
    tx_id = compute_tx_id(nonce, creator)
    channel_header = common_pb2.ChannelHeader(
        type=common_pb2.ENDORSER_TRANSACTION,
        timestamp=timestamp_message(timestamp),
        channel_id=channel_id,
        tx_id=tx_id,
        extension=proposal_pb2.ChaincodeHeaderExtension(
            chaincode_id=chaincode_pb2.ChaincodeID(name=chaincode)
        ).SerializeToString(),
    )
    signature_header = common_pb2.SignatureHeader(creator=creator, nonce=nonce)
    invocation = chaincode_pb2.ChaincodeInvocationSpec(
        chaincode_spec=chaincode_pb2.ChaincodeSpec(
            chaincode_id=chaincode_pb2.ChaincodeID(name=chaincode),
            input=chaincode_pb2.ChaincodeInput(args=list(args), is_init=is_init),
        )
    )
    payload = proposal_pb2.ChaincodeProposalPayload(
        input=invocation.SerializeToString(), TransientMap=dict(transient or {})
    )
    header = common_pb2.Header(
        channel_header=channel_header.SerializeToString(), signature_header=signature_header.SerializeToString()
    )
    proposal = proposal_pb2.Proposal(header=header.SerializeToString(), payload=payload.SerializeToString())
    return tx_id, proposal.SerializeToString()


def signed_proposal(proposal_bytes: bytes, signature: bytes) -> bytes:
    """Return the ``SignedProposal`` a peer's endorser takes."""
    message = proposal_pb2.SignedProposal(proposal_bytes=proposal_bytes, signature=signature)
    return bytes(message.SerializeToString())


def parse_proposal(signed_proposal: bytes) -> ParsedProposal:
    """Take a signed proposal apart, with the checks that need no identity.

    Args:
        signed_proposal: serialized ``SignedProposal``.
    Raises:
        UnreadableHeadersError: whose proposal it is cannot be told.
        WireError: a part does not parse, is missing, or the transaction id is not the one nonce and creator give. Both
            speak in Fabric's words, which clients and their tests know.
    Source: Fabric core/endorser/msgvalidation.go, UnpackProposal and Validate; core/handlers/auth/filter/expiration.go.
    """
    if (canonical := _canonical_proposal(signed_proposal)) is not None:
        return canonical
    signed = unmarshal(proposal_pb2.SignedProposal, signed_proposal)
    try:
        proposal = unmarshal(proposal_pb2.Proposal, signed.proposal_bytes, "failed parsing proposal: ")
        header = unmarshal(common_pb2.Header, proposal.header, "failed parsing header: ")
        signer = unmarshal(common_pb2.SignatureHeader, header.signature_header, "failed parsing signature header: ")
    except WireError as error:
        raise UnreadableHeadersError(str(error)) from error
    channel = unmarshal(common_pb2.ChannelHeader, header.channel_header, "failed parsing channel header: ")
    chaincode = _chaincode_name(channel)
    payload = unmarshal(proposal_pb2.ChaincodeProposalPayload, proposal.payload)
    spec = _chaincode_spec(payload)
    _check_headers(channel, signer)
    return ParsedProposal(
        tx_id=channel.tx_id,
        channel_id=channel.channel_id,
        chaincode=chaincode,
        invoked=spec.chaincode_id.name,
        args=tuple(spec.input.args),
        is_init=spec.input.is_init,
        transient=dict(payload.TransientMap),
        creator=signer.creator,
        nonce=signer.nonce,
        timestamp=read_timestamp(channel),
        tls_cert_hash=channel.tls_cert_hash,
        channel_header=header.channel_header,
        signature_header=header.signature_header,
        header=proposal.header,
        payload=proposal.payload,
        payload_for_transaction=_without_transient(payload),
        proposal_bytes=signed.proposal_bytes,
        signature=signed.signature,
        signed_proposal=signed_proposal,
    )


def claimed_time(signed_proposal: bytes) -> datetime | None:
    """Return the time that a proposal claims to be of, whatever else is wrong with it.

    Raises:
        WireError: it cannot be read.
    """
    signed = unmarshal(proposal_pb2.SignedProposal, signed_proposal)
    header = unmarshal(common_pb2.Header, unmarshal(proposal_pb2.Proposal, signed.proposal_bytes).header)
    return read_timestamp(unmarshal(common_pb2.ChannelHeader, header.channel_header))


def proposal_hash(channel_header: bytes, signature_header: bytes, payload_for_transaction: bytes) -> bytes:
    """Return the hash that ties an endorsement to its proposal.

    Args:
        payload_for_transaction: ``ChaincodeProposalPayload`` without transient data, as it stands in the transaction.
    Source: Fabric protoutil/txutils.go, GetProposalHash1 and GetProposalHash2.
    """
    return hashlib.sha256(channel_header + signature_header + payload_for_transaction).digest()


def proposal_response_payload(
    proposal_hash: bytes,
    results: bytes,
    event: bytes,
    response: proposal_response_pb2.Response,
    chaincode: str,
    version: str,
) -> bytes:
    """Return the bytes that endorsers sign, followed by their own identity.

    Args:
        results: serialized ``TxReadWriteSet``.
        event: serialized ``ChaincodeEvent``, empty for none.
        response: the contract's answer; each endorser must give the same.
    Source: Fabric protoutil/proputils.go, GetBytesProposalResponsePayload.
    """
    action = proposal_pb2.ChaincodeAction(
        results=results,
        events=event,
        response=response,
        chaincode_id=chaincode_pb2.ChaincodeID(name=chaincode, version=version),
    )
    message = proposal_response_pb2.ProposalResponsePayload(
        proposal_hash=proposal_hash, extension=action.SerializeToString()
    )
    return bytes(message.SerializeToString())


def endorsement_message(payload: bytes, endorser: bytes) -> bytes:
    """Return what an endorsement's signature covers: the response payload and the endorser's identity.

    Source: Fabric core/handlers/endorsement/builtin/default_endorsement.go.
    """
    return payload + endorser


def chaincode_event(chaincode: str, tx_id: str, name: str, payload: bytes) -> bytes:
    """Return a contract's event as it stands in ``ChaincodeAction.events``."""
    message = chaincode_event_pb2.ChaincodeEvent(chaincode_id=chaincode, tx_id=tx_id, event_name=name, payload=payload)
    return bytes(message.SerializeToString())


def timestamp_message(moment: datetime) -> Timestamp:
    """Return ``moment`` as a protobuf timestamp.

    Raises:
        WireError: ``moment`` has no time zone.
    """
    if moment.tzinfo is None:
        raise WireError(f"timestamp: {moment.isoformat()} has no time zone; give it in UTC")
    message = Timestamp()
    message.FromDatetime(moment.astimezone(UTC))
    return message


def read_timestamp(channel_header: Any) -> datetime | None:
    """Return a channel header's timestamp; ``None`` when there is none, or none that a calendar holds."""
    if not channel_header.HasField("timestamp"):
        return None
    return moment_of(channel_header.timestamp.seconds, channel_header.timestamp.nanos)


def moment_of(seconds: int, nanos: int) -> datetime | None:
    """Return a time given since 1970; ``None`` where no calendar holds it."""
    if not 0 <= nanos < 1_000_000_000:
        return None
    try:
        return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)
    except OverflowError:
        return None


def canonical_time(timestamp: bytes) -> tuple[int, int]:
    """Return the seconds and nanoseconds of a timestamp as ``network.canonical`` reads it, which may refuse it."""
    seconds, nanos = fields(timestamp, b"\x08\x10")
    if nanos is not None and nanos >= 2**31:
        raise ValueError("nanoseconds are a number of 32 bits")
    return seconds or 0, nanos or 0


def decode(message: Any, data: bytes, name: str) -> Any:
    """Return a message of the kind of ``message`` from its bytes.

    Raises:
        WireError: the bytes do not parse; the text names the message.
    """
    try:
        return read_message(type(message), data)
    except DecodeError as error:
        raise WireError(f"{name}: the bytes do not parse") from error


def unmarshal(kind: Any, data: bytes, prefix: str = "") -> Any:
    """Return a message of a proposal.

    Raises:
        WireError: the bytes do not parse, in the words of Fabric (protoutil) and of Go's protobuf library.
    """
    try:
        # Whether a proposal is endorsed is each peer's own affair, so nobody has oddly written ones taken apart here.
        return kind.FromString(data)
    except DecodeError as error:
        raise WireError(f"{prefix}error unmarshalling {kind.DESCRIPTOR.name}: {NO_MESSAGE}") from error


def _canonical_proposal(signed_proposal: bytes) -> ParsedProposal | None:
    """Return a sound proposal that ``network.canonical`` reads, ``None`` for any other."""
    if len(signed_proposal) > BYTES_MAX:
        return None
    try:
        return _read_canonical(signed_proposal)
    except (*REFUSED, WireError):
        return None


def _read_canonical(signed_proposal: bytes) -> ParsedProposal | None:
    proposal_bytes, signature = fields(signed_proposal, b"\x0a\x12")
    header, payload = fields(proposal_bytes or b"", b"\x0a\x12")
    channel_header, signature_header = fields(header or b"", b"\x0a\x12")
    creator, nonce = fields(signature_header or b"", b"\x0a\x12")
    # All but the epoch, of which there is only 0, and that is not written.
    kind, _, timestamp, channel_id, tx_id, extension, tls_cert_hash = fields(
        channel_header or b"", b"\x08\x10\x1a\x22\x2a\x3a\x42"
    )
    [called] = fields(extension or b"", b"\x12")
    [content], entries = repeated(payload or b"", b"\x0a\x12")
    [spec] = fields(content, b"\x0a")
    _, invoked, arguments, _ = fields(spec or b"", b"\x08\x12\x1a\x20")
    chaincode, tx_id = canonical_chaincode(called or b"")[0], text(tx_id)
    if kind != common_pb2.ENDORSER_TRANSACTION or not creator or not nonce or not chaincode or arguments is None:
        return None
    check_creator_size(creator, "creator")
    if tx_id != compute_tx_id(nonce, creator):
        return None
    transient = [fields(entry, b"\x0a\x12") for entry in entries]
    claimed = canonical_time(timestamp or b"")
    return ParsedProposal(
        tx_id=tx_id,
        channel_id=text(channel_id),
        chaincode=chaincode,
        invoked=canonical_chaincode(invoked or b"")[0],
        # Decorations, and what says that this is a contract's first call, are rare and refused.
        args=tuple(repeated(arguments, b"\x0a")[0]),
        is_init=False,
        transient={text(key): value or b"" for key, value in transient},
        creator=creator,
        nonce=nonce,
        timestamp=None if timestamp is None else moment_of(*claimed),
        tls_cert_hash=tls_cert_hash or b"",
        channel_header=channel_header,
        signature_header=signature_header,
        header=header,
        payload=payload,
        payload_for_transaction=b"\x0a" + varint(len(content)) + content if entries else payload,
        proposal_bytes=proposal_bytes,
        signature=signature or b"",
        signed_proposal=signed_proposal,
    )


@lru_cache(32)
def canonical_chaincode(content: bytes) -> tuple[str, str]:
    """Return name and version in a ``ChaincodeID`` as ``network.canonical`` reads it, which may refuse it."""
    path, name, version = fields(content, b"\x0a\x12\x1a")
    text(path)
    return text(name), text(version)


def _chaincode_name(channel: Any) -> str:
    extension = unmarshal(proposal_pb2.ChaincodeHeaderExtension, channel.extension)
    if not extension.HasField("chaincode_id"):
        raise WireError("ChaincodeHeaderExtension.ChaincodeId is nil")
    if not extension.chaincode_id.name:
        raise WireError("ChaincodeHeaderExtension.ChaincodeId.Name is empty")
    return str(extension.chaincode_id.name)


def _chaincode_spec(payload: Any) -> Any:
    invocation = unmarshal(chaincode_pb2.ChaincodeInvocationSpec, payload.input)
    if not invocation.HasField("chaincode_spec"):
        raise WireError("chaincode invocation spec did not contain chaincode spec")
    if not invocation.chaincode_spec.HasField("input"):
        raise WireError("chaincode input did not contain any input")
    return invocation.chaincode_spec


def _check_headers(channel: Any, signer: Any) -> None:
    refused = "error validating proposal:"
    if channel.type not in _PROPOSAL_TYPES:
        known = channel.type in common_pb2.HeaderType.values()
        name = common_pb2.HeaderType.Name(channel.type) if known else channel.type
        raise WireError(f"{refused} invalid header type {name}")
    if channel.epoch != 0:
        raise WireError(f"{refused} epoch is non-zero")
    if not signer.nonce:
        raise WireError(f"{refused} nonce is empty")
    if not signer.creator:
        raise WireError(f"{refused} creator is empty")
    check_creator_size(signer.creator, f"{refused} creator")
    expected = compute_tx_id(signer.nonce, signer.creator)
    if channel.tx_id != expected:
        raise WireError(f"{refused} incorrectly computed txid '{channel.tx_id}' -- expected '{expected}'")


def _without_transient(payload: Any) -> bytes:
    return bytes(proposal_pb2.ChaincodeProposalPayload(input=payload.input).SerializeToString())
