"""What a contract may learn from the signed proposal it runs for.

The peer has verified the proposal; nothing is verified here.

Source: fabric-chaincode-go shim/stub.go, newChaincodeStub.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from chaincode.errors import StateError


@dataclass(frozen=True)
class ProposalFields:
    """What a signed proposal tells a contract; all empty for an invocation without one."""

    creator: bytes = b""
    nonce: bytes = b""
    epoch: int = 0
    timestamp: Timestamp | None = None
    transient: Mapping[str, bytes] | None = None

    @classmethod
    def from_signed_proposal(cls, signed_proposal: bytes) -> ProposalFields:
        """Parse a serialized ``SignedProposal``; an empty one gives empty fields.

        Raises:
            StateError: when a nested message is malformed or the header type is not a transaction's.
        """
        if not signed_proposal:
            return cls()
        try:
            signed = proposal_pb2.SignedProposal.FromString(signed_proposal)
            proposal = proposal_pb2.Proposal.FromString(signed.proposal_bytes)
            header = common_pb2.Header.FromString(proposal.header)
            channel_header = common_pb2.ChannelHeader.FromString(header.channel_header)
            signature_header = common_pb2.SignatureHeader.FromString(header.signature_header)
            payload = proposal_pb2.ChaincodeProposalPayload.FromString(proposal.payload)
        except DecodeError as error:
            raise StateError(f"the signed proposal is malformed: {error}") from None
        if not proposal.header:
            raise StateError("the signed proposal has no header")
        if channel_header.type not in (common_pb2.ENDORSER_TRANSACTION, common_pb2.CONFIG):
            raise StateError(f"the proposal's header type is {channel_header.type}, not an endorser transaction")
        timestamp = channel_header.timestamp if channel_header.HasField("timestamp") else None
        transient = dict(payload.TransientMap)
        return cls(signature_header.creator, signature_header.nonce, channel_header.epoch, timestamp, transient)
