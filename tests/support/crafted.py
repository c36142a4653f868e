"""Transactions signed and endorsed with our own keys, each part changed before whatever is signed over it is signed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2

from network.identity import SigningIdentity
from network.proposal import compute_tx_id, endorsement_message, proposal_hash
from network.rwset import TxRwset, serialize_rwset
from tests.support.consortium_in_memory import BANK, CHANNEL, PARTNER, Material

Edit = Callable[[Any], object]
Endorsers = Sequence[str | SigningIdentity]


@dataclass
class Edits:
    """Changes made on the way to a transaction, each before whatever is signed over it is signed."""

    channel_header: Edit = bool
    signature_header: Edit = bool
    action: Edit = bool
    response_payload: Edit = bool
    action_payload: Edit = bool
    transaction: Edit = bool
    payload: Edit = bool
    envelope: Edit = bool


def crafted_transaction(
    material: Material,
    rwset: TxRwset | bytes,
    nonce: bytes,
    *,
    endorsers: Endorsers = (BANK, PARTNER),
    creator: SigningIdentity | None = None,
    chaincode: str = "cc",
    event: bytes = b"",
    edits: Edits | None = None,
) -> bytes:
    """Return an envelope, signed and endorsed after each edit.

    Args:
        endorsers: organizations, whose peers sign, or whoever else does.
        creator: who submits; a client of the bank unless given.
    """
    edits = edits or Edits()
    creator = creator or material.signer(BANK)
    signature_header = common_pb2.SignatureHeader(creator=creator.creator, nonce=nonce)
    extension = proposal_pb2.ChaincodeHeaderExtension(chaincode_id=chaincode_pb2.ChaincodeID(name=chaincode))
    channel_header = common_pb2.ChannelHeader(
        type=common_pb2.ENDORSER_TRANSACTION,
        channel_id=CHANNEL,
        tx_id=compute_tx_id(signature_header.nonce, creator.creator),
        extension=extension.SerializeToString(),
    )
    edits.signature_header(signature_header)
    edits.channel_header(channel_header)
    header = common_pb2.Header(
        channel_header=channel_header.SerializeToString(), signature_header=signature_header.SerializeToString()
    )
    action = proposal_pb2.ChaincodeAction(
        results=rwset if isinstance(rwset, bytes) else serialize_rwset(rwset),
        events=event,
        response=proposal_response_pb2.Response(status=200),
        chaincode_id=chaincode_pb2.ChaincodeID(name=chaincode, version="1.0"),
    )
    edits.action(action)
    data = _transaction(material, header, action.SerializeToString(), endorsers, edits)
    payload = common_pb2.Payload(header=header, data=data)
    edits.payload(payload)
    serialized = payload.SerializeToString()
    envelope = common_pb2.Envelope(payload=serialized, signature=creator.sign(serialized))
    edits.envelope(envelope)
    return bytes(envelope.SerializeToString())


def _transaction(
    material: Material, header: common_pb2.Header, action: bytes, endorsers: Endorsers, edits: Edits
) -> bytes:
    proposal = proposal_pb2.ChaincodeProposalPayload(input=b"input").SerializeToString()
    response = proposal_response_pb2.ProposalResponsePayload(
        proposal_hash=proposal_hash(header.channel_header, header.signature_header, proposal), extension=action
    )
    edits.response_payload(response)
    endorsed = response.SerializeToString()
    action_payload = transaction_pb2.ChaincodeActionPayload(chaincode_proposal_payload=proposal)
    action_payload.action.proposal_response_payload = endorsed
    for item in endorsers:
        peer = material.signer(item, "peer") if isinstance(item, str) else item
        signature = peer.sign(endorsement_message(endorsed, peer.creator))
        action_payload.action.endorsements.add(endorser=peer.creator, signature=signature)
    edits.action_payload(action_payload)
    transaction = transaction_pb2.Transaction()
    transaction.actions.add(header=header.signature_header, payload=action_payload.SerializeToString())
    edits.transaction(transaction)
    return bytes(transaction.SerializeToString())
