"""Envelopes: signed transactions, configuration transactions and requests for blocks.

Rules kept here:

- what was signed is kept as received; nothing is verified over bytes of our own making;
- a transaction that breaks a rule is not an error: :func:`parse_transaction` gives each stage of Fabric's validation
  its ``TxValidationCode``, so that the validator can report the code of the first stage that fails;
- what needs identities, policies or state is left to ``node.peer.validator``.

Source: Fabric protoutil/{txutils,proputils}.go, core/common/validation/msgvalidation.go,
core/committer/txvalidator/v20/plugindispatcher/dispatcher.go, internal/pkg/gateway/submit.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import chaincode_event_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2
from google.protobuf.message import DecodeError

from network.canonical_transaction import read_canonical
from network.errors import WireError
from network.messages import read_message
from network.proposal import Endorsement as Endorsement
from network.proposal import ParsedProposal, compute_tx_id, decode, proposal_hash, read_timestamp, timestamp_message
from network.rwset import TxRwset, parse_rwset

VALID = 0
NIL_ENVELOPE = 1
BAD_PAYLOAD = 2
BAD_COMMON_HEADER = 3
BAD_CREATOR_SIGNATURE = 4
INVALID_ENDORSER_TRANSACTION = 5
INVALID_CONFIG_TRANSACTION = 6
UNSUPPORTED_TX_PAYLOAD = 7
BAD_PROPOSAL_TXID = 8
DUPLICATE_TXID = 9
ENDORSEMENT_POLICY_FAILURE = 10
MVCC_READ_CONFLICT = 11
PHANTOM_READ_CONFLICT = 12
BAD_HEADER_EXTENSION = 19
BAD_RESPONSE_PAYLOAD = 21
BAD_RWSET = 22
ILLEGAL_WRITESET = 23
INVALID_WRITESET = 24
INVALID_CHAINCODE = 25
NOT_VALIDATED = 254
INVALID_OTHER_REASON = 255

_TRANSACTION_TYPES = (
    common_pb2.ENDORSER_TRANSACTION,
    common_pb2.CONFIG_UPDATE,
    common_pb2.CONFIG,
)

_EMPTY_RWSET = TxRwset()

NEWEST_BLOCK = 2**64 - 1
"""As ``stop`` of a seek: never stop."""

NEXT_COMMIT = -1
"""As ``start`` of a seek: the first block that is committed from now on."""


class Signer(Protocol):
    """Who signs an envelope: :class:`network.identity.SigningIdentity`, in the shape this module needs."""

    @property
    def creator(self) -> bytes:
        """Serialized identity."""

    def sign(self, message: bytes) -> bytes:
        """Return a signature over ``message``."""


class ParsedTransaction(NamedTuple):
    """What an envelope holds, as far as it could be read.

    The flags are ``TxValidationCode`` numbers, one for each stage: ``header_flag`` before the creator's signature is
    looked at, ``body_flag`` after it, ``action_flag`` after the id was found to be new. Fields that belong to a stage
    are meaningful only when that stage and those before it are VALID.
    """

    envelope: bytes
    """As it stands in the block."""
    payload: bytes = b""
    """What the creator signed."""
    signature: bytes = b""
    tx_id: str = ""
    """From the channel header, else computed; empty when neither can be read. Never trusted before body_flag."""
    channel_id: str = ""
    type: int = -1
    """``common.HeaderType``; -1 when it cannot be read."""
    creator: bytes = b""
    nonce: bytes = b""
    timestamp: datetime | None = None
    claimed: tuple[int, int] = (0, 0)
    """The same time to the nanosecond, seconds since 1970 and nanoseconds; (0, 0) where there is none."""
    data: bytes = b""
    """``Payload.data``: a Transaction, or the ConfigEnvelope of a configuration transaction."""
    chaincode: str = ""
    """Name of the chaincode invoked."""
    chaincode_version: str = ""
    chaincode_proposal_payload: bytes = b""
    response_payload: bytes = b""
    """``ProposalResponsePayload`` as endorsed."""
    endorsements: tuple[Endorsement, ...] = ()
    action: bytes = b""
    """``ChaincodeAction`` as endorsed."""
    rwset: TxRwset = _EMPTY_RWSET
    event: bytes = b""
    """Serialized ``ChaincodeEvent``; empty for none."""
    header_flag: int = VALID
    body_flag: int = VALID
    action_flag: int = VALID

    @property
    def is_config(self) -> bool:
        """Whether this is a configuration transaction."""
        return bool(self.type == common_pb2.CONFIG)

    @property
    def flag(self) -> int:
        """Code of the first stage that failed; VALID when all that can be told from the bytes holds."""
        return self.header_flag or self.body_flag or self.action_flag


def parse_transaction(envelope: bytes, *, with_rwset: bool = True) -> ParsedTransaction:
    """Take a transaction apart and judge whatever can be judged from its bytes alone. Never raises.

    Args:
        envelope: one entry of a block's data.
        with_rwset: False for who asks nothing of the read/write set, which is left empty and unjudged: it may be large.
    Source: validation order of Fabric's txvalidator/v20/validator.go, validateTx.
    """
    if (found := read_canonical(envelope, with_rwset=with_rwset)) is not None:
        return tuple.__new__(ParsedTransaction, (envelope, *found))
    # Gathered in a dictionary: the result is built once, not once for each stage.
    fields: dict[str, Any] = {}
    _read_envelope(fields, envelope, with_rwset=with_rwset)
    return ParsedTransaction(envelope, **fields)


def prepared_transaction(
    proposal: ParsedProposal, response_payload: bytes, endorsements: Sequence[Endorsement]
) -> bytes:
    """Return the payload of the envelope that the creator signs and submits.

    Args:
        response_payload: the bytes that every endorser signed alike.
        endorsements: at least one; a second by the same endorser is left out.
    Returns:
        Serialized ``common.Payload``; :func:`unsigned_envelope` wraps it for ``EndorseResponse``.
    Raises:
        WireError: no endorsement was given.
    Source: Fabric internal/pkg/gateway/submit.go, prepareTransaction.
    """
    if not endorsements:
        raise WireError("ChaincodeEndorsedAction.endorsements: empty; a transaction needs at least one")
    unique: dict[bytes, bytes] = {}
    for item in endorsements:
        unique.setdefault(item.endorser, item.signature)
    action = transaction_pb2.ChaincodeEndorsedAction(
        proposal_response_payload=response_payload,
        endorsements=[
            proposal_response_pb2.Endorsement(endorser=endorser, signature=signature)
            for endorser, signature in unique.items()
        ],
    )
    action_payload = transaction_pb2.ChaincodeActionPayload(
        chaincode_proposal_payload=proposal.payload_for_transaction, action=action
    )
    transaction = transaction_pb2.Transaction(
        actions=[
            transaction_pb2.TransactionAction(
                header=proposal.signature_header, payload=action_payload.SerializeToString()
            )
        ]
    )
    header = common_pb2.Header(channel_header=proposal.channel_header, signature_header=proposal.signature_header)
    return bytes(common_pb2.Payload(header=header, data=transaction.SerializeToString()).SerializeToString())


def unsigned_envelope(payload: bytes) -> common_pb2.Envelope:
    """Return an envelope that still lacks its creator's signature."""
    return common_pb2.Envelope(payload=payload)


def sign_envelope(payload: bytes, signer: Signer) -> common_pb2.Envelope:
    """Return the envelope with ``signer``'s signature over ``payload``."""
    return common_pb2.Envelope(payload=payload, signature=signer.sign(payload))


def signed_payload(
    header_type: int,
    channel_id: str,
    data: bytes,
    signer: Signer,
    *,
    nonce: bytes,
    timestamp: datetime,
    tls_cert_hash: bytes = b"",
    tx_id: bool = False,
) -> common_pb2.Envelope:
    """Return a signed envelope of any type around ``data``; the arguments are those of :func:`payload_with_headers`."""
    payload = payload_with_headers(
        header_type,
        channel_id,
        data,
        signer.creator,
        nonce=nonce,
        timestamp=timestamp,
        tls_cert_hash=tls_cert_hash,
        tx_id=tx_id,
    )
    return sign_envelope(payload, signer)


def payload_with_headers(
    header_type: int,
    channel_id: str,
    data: bytes,
    creator: bytes,
    *,
    nonce: bytes,
    timestamp: datetime,
    tls_cert_hash: bytes = b"",
    tx_id: bool = False,
) -> bytes:
    """Return the payload of an envelope of any type around ``data``: what its creator signs.

    Args:
        header_type: ``common.HeaderType``.
        creator: serialized identity.
        nonce: fresh random bytes.
        timestamp: now, with a time zone; peers refuse a seek that is too old.
        tls_cert_hash: SHA-256 of the client's TLS certificate (DER), where mutual TLS binds the request to it.
        tx_id: whether to put the id that nonce and creator give into the header.
    """
    channel_header = common_pb2.ChannelHeader(
        type=header_type,
        timestamp=timestamp_message(timestamp),
        channel_id=channel_id,
        tls_cert_hash=tls_cert_hash,
        tx_id=compute_tx_id(nonce, creator) if tx_id else "",
    )
    signature_header = common_pb2.SignatureHeader(creator=creator, nonce=nonce)
    header = common_pb2.Header(
        channel_header=channel_header.SerializeToString(), signature_header=signature_header.SerializeToString()
    )
    return bytes(common_pb2.Payload(header=header, data=data).SerializeToString())


def seek_envelope(
    channel_id: str,
    signer: Signer,
    *,
    nonce: bytes,
    timestamp: datetime,
    start: int | None = None,
    stop: int = NEWEST_BLOCK,
    tls_cert_hash: bytes = b"",
    fail_if_not_ready: bool = False,
    headers_only: bool = False,
) -> common_pb2.Envelope:
    """Return the request that a Deliver service takes; the arguments are those of :func:`seek_payload`."""
    payload = seek_payload(
        channel_id,
        signer.creator,
        nonce=nonce,
        timestamp=timestamp,
        start=start,
        stop=stop,
        tls_cert_hash=tls_cert_hash,
        fail_if_not_ready=fail_if_not_ready,
        headers_only=headers_only,
    )
    return sign_envelope(payload, signer)


def seek_payload(
    channel_id: str,
    creator: bytes,
    *,
    nonce: bytes,
    timestamp: datetime,
    start: int | None = None,
    stop: int = NEWEST_BLOCK,
    tls_cert_hash: bytes = b"",
    fail_if_not_ready: bool = False,
    headers_only: bool = False,
) -> bytes:
    """Return what is signed to ask a Deliver service for blocks.

    Args:
        start: first block wanted; ``None`` for the newest, ``NEXT_COMMIT`` for the one after it.
        stop: last block wanted; by default the stream goes on for ever.
        fail_if_not_ready: answer NOT_FOUND for a block that does not exist yet, rather than wait for it.
        headers_only: ask for header and signatures of each block, configuration blocks aside.
    Source: proto orderer/ab.proto, SeekInfo.
    """
    seek = ab_pb2.SeekInfo(
        stop=ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=stop)),
        behavior=ab_pb2.SeekInfo.FAIL_IF_NOT_READY if fail_if_not_ready else ab_pb2.SeekInfo.BLOCK_UNTIL_READY,
        content_type=ab_pb2.SeekInfo.HEADER_WITH_SIG if headers_only else ab_pb2.SeekInfo.BLOCK,
    )
    if start is None:
        seek.start.newest.SetInParent()
    elif start == NEXT_COMMIT:
        seek.start.next_commit.SetInParent()
    else:
        seek.start.specified.number = start
        seek.start.specified.SetInParent()
    return payload_with_headers(
        common_pb2.DELIVER_SEEK_INFO,
        channel_id,
        seek.SerializeToString(),
        creator,
        nonce=nonce,
        timestamp=timestamp,
        tls_cert_hash=tls_cert_hash,
    )


def config_envelope(
    channel_id: str, config: bytes, signer: Signer, *, nonce: bytes, timestamp: datetime
) -> common_pb2.Envelope:
    """Return the transaction by which an orderer puts a new configuration into a block.

    Args:
        config: serialized ``common.ConfigEnvelope``.
    Source: Fabric orderer/common/msgprocessor/standardchannel.go, ProcessConfigUpdateMsg.
    """
    return signed_payload(common_pb2.CONFIG, channel_id, config, signer, nonce=nonce, timestamp=timestamp)


def _read_envelope(fields: dict[str, Any], envelope: bytes, *, with_rwset: bool) -> None:
    try:
        outer = read_message(common_pb2.Envelope, envelope)
    except DecodeError:
        fields["header_flag"] = INVALID_OTHER_REASON
        return
    fields.update(payload=outer.payload, signature=outer.signature)
    try:
        payload = read_message(common_pb2.Payload, outer.payload)
    except DecodeError:
        fields["header_flag"] = BAD_PAYLOAD
        return
    try:
        channel = read_message(common_pb2.ChannelHeader, payload.header.channel_header)
        signer = read_message(common_pb2.SignatureHeader, payload.header.signature_header)
    except DecodeError:
        fields["header_flag"] = BAD_COMMON_HEADER
        return
    fields.update(
        tx_id=channel.tx_id or compute_tx_id(signer.nonce, signer.creator),
        channel_id=channel.channel_id,
        type=channel.type,
        creator=signer.creator,
        nonce=signer.nonce,
        timestamp=read_timestamp(channel),
        claimed=(channel.timestamp.seconds, channel.timestamp.nanos),
        data=payload.data,
    )
    if _headers_hold(payload, channel, signer):
        fields["body_flag"] = _read_body(fields, payload, channel, with_rwset=with_rwset)
    else:
        fields["header_flag"] = BAD_COMMON_HEADER


def _headers_hold(payload: Any, channel: Any, signer: Any) -> bool:
    return bool(
        payload.HasField("header")
        and channel.type in _TRANSACTION_TYPES
        and channel.epoch == 0
        and signer.nonce
        and signer.creator
    )


def _read_body(fields: dict[str, Any], payload: Any, channel: Any, *, with_rwset: bool) -> int:
    if channel.type == common_pb2.CONFIG:
        return VALID if payload.data else INVALID_CONFIG_TRANSACTION
    if channel.type != common_pb2.ENDORSER_TRANSACTION:
        return UNSUPPORTED_TX_PAYLOAD
    # An id of the client's own choosing would let one proposal commit twice.
    if channel.tx_id != compute_tx_id(fields["nonce"], fields["creator"]):
        return BAD_PROPOSAL_TXID
    try:
        header, action, response = _single_action(payload.data, payload.header.signature_header)
    except (DecodeError, WireError):
        return INVALID_ENDORSER_TRANSACTION
    proposal = action.chaincode_proposal_payload
    # A peer written in Go takes an absent payload for a fault, though it could be hashed as nothing.
    if not proposal or proposal_hash(payload.header.channel_header, header, proposal) != response.proposal_hash:
        return INVALID_ENDORSER_TRANSACTION
    fields.update(
        chaincode_proposal_payload=proposal,
        response_payload=action.action.proposal_response_payload,
        endorsements=tuple(
            [tuple.__new__(Endorsement, (item.endorser, item.signature)) for item in action.action.endorsements]
        ),
        action=response.extension,
    )
    fields["action_flag"] = _read_action(fields, channel.extension, with_rwset=with_rwset)
    return VALID


def _single_action(data: bytes, checked_header: bytes) -> tuple[bytes, Any, Any]:
    transaction = read_message(transaction_pb2.Transaction, data)
    if not data or len(transaction.actions) != 1:
        raise WireError(f"Transaction.actions: {len(transaction.actions)}, must be exactly 1")
    item = transaction.actions[0]
    header: bytes = item.header
    # Nearly always the envelope's own signature header, whose nonce and creator were seen to be there.
    if header != checked_header:
        signer = read_message(common_pb2.SignatureHeader, header)
        if not signer.nonce or not signer.creator:
            raise WireError("TransactionAction.header: nonce or creator is empty")
    payload = read_message(transaction_pb2.ChaincodeActionPayload, item.payload)
    if not payload.HasField("action"):
        raise WireError("ChaincodeActionPayload.action: missing")
    response = read_message(proposal_response_pb2.ProposalResponsePayload, payload.action.proposal_response_payload)
    return header, payload, response


def _read_action(fields: dict[str, Any], extension: bytes, *, with_rwset: bool) -> int:
    try:
        invoked = read_message(proposal_pb2.ChaincodeHeaderExtension, extension)
    except DecodeError:
        return BAD_HEADER_EXTENSION
    if not fields["action"]:
        return BAD_RESPONSE_PAYLOAD
    try:
        action = read_message(proposal_pb2.ChaincodeAction, fields["action"])
    except DecodeError:
        return BAD_RESPONSE_PAYLOAD
    try:
        rwset = parse_rwset(action.results) if with_rwset else _EMPTY_RWSET
    except WireError:
        return BAD_RWSET
    fields.update(
        chaincode=invoked.chaincode_id.name,
        chaincode_version=action.chaincode_id.version,
        rwset=rwset,
        event=action.events,
    )
    return _action_flag(invoked, action, rwset)


def _action_flag(invoked: Any, action: Any, rwset: TxRwset) -> int:
    if not invoked.HasField("chaincode_id") or not action.HasField("chaincode_id"):
        return INVALID_OTHER_REASON
    name = invoked.chaincode_id.name
    if not name or name != action.chaincode_id.name or not action.chaincode_id.version:
        return INVALID_CHAINCODE
    if action.events:
        try:
            event = read_message(chaincode_event_pb2.ChaincodeEvent, action.events)
        except DecodeError:
            return INVALID_OTHER_REASON
        if event.chaincode_id != name:
            return INVALID_OTHER_REASON
    names = [namespace.namespace for namespace in rwset.namespaces]
    return VALID if len(set(names)) == len(names) else ILLEGAL_WRITESET


def config_envelope_of(transaction: ParsedTransaction) -> configtx_pb2.ConfigEnvelope:
    """Return the configuration a CONFIG transaction carries.

    Raises:
        WireError: it does not parse.
    """
    return decode(configtx_pb2.ConfigEnvelope(), transaction.data, "ConfigEnvelope")
