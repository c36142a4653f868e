"""What the gateway client gives and takes: a transaction's stages, events, and what was said of a failure.

Everything here is re-exported by :mod:`network.client`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2, transaction_pb2
from google.protobuf.message import DecodeError

from network.envelope import parse_transaction
from network.errors import IdentityError, WireError
from network.explanation import ReadConflict
from network.identity import serialize_identity
from network.proposal import parse_proposal, signed_proposal


class OfflineIdentity:
    """An identity whose private key is elsewhere; every stage then needs the signature passed in."""

    def __init__(self, msp_id: str, certificate_pem: bytes) -> None:
        self.msp_id = msp_id
        self.creator = serialize_identity(msp_id, certificate_pem)

    def sign(self, message: bytes) -> bytes:
        """Refuse.

        Raises:
            IdentityError: always.
        """
        raise IdentityError(f"the key of this identity of {self.msp_id} is offline; pass the signature of each stage")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds each stage may take; the defaults are those the official clients' documentation recommends."""

    evaluate_s: float = 5.0
    endorse_s: float = 15.0
    submit_s: float = 5.0
    commit_status_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Proposal:
    """A transaction proposed.

    Args:
        tx_id: transaction id.
        message: what the creator signs (ECDSA over its SHA-256, low-S).
    """

    tx_id: str
    message: bytes

    @classmethod
    def from_message(cls, message: bytes) -> Proposal:
        """Return the proposal in bytes that came from another process.

        Raises:
            WireError: they are no proposal.
        """
        # A signature of anything: only the form is looked at.
        return cls(parse_proposal(signed_proposal(message, b"unsigned")).tx_id, message)


@dataclass(frozen=True, slots=True)
class PreparedTransaction:
    """A transaction endorsed, ready to be signed and submitted.

    Args:
        tx_id: transaction id.
        result: what the contract returned to the endorsers; it takes effect only if the transaction commits.
        message: what the creator signs.
    """

    tx_id: str
    result: bytes
    message: bytes

    @classmethod
    def from_message(cls, message: bytes) -> PreparedTransaction:
        """Return the endorsed transaction in bytes that came from another process.

        Raises:
            WireError: they are no endorsed transaction.
        """
        transaction = parse_transaction(common_pb2.Envelope(payload=message).SerializeToString())
        if transaction.flag:
            raise WireError(f"these bytes are no endorsed transaction: {validation_code_name(transaction.flag)}")
        return cls(transaction.tx_id, result_of(transaction.action), message)


class SubmittedTransaction(NamedTuple):
    """A transaction the ordering service has accepted; its outcome is still open."""

    tx_id: str
    result: bytes


class CommitStatus(NamedTuple):
    """How a transaction ended: ``code`` is its ``TxValidationCode``, 0 for VALID."""

    tx_id: str
    code: int
    block_number: int
    conflict: ReadConflict | None = None
    """The read that no longer held, where the peer asked explains it."""


class CommittedTransaction(NamedTuple):
    """A transaction committed as VALID."""

    tx_id: str
    block_number: int
    result: bytes


class ChaincodeEvent(NamedTuple):
    """The event one VALID transaction set."""

    block_number: int
    tx_id: str
    chaincode: str
    name: str
    payload: bytes


def validation_code_name(code: int) -> str:
    """Return Fabric's name of a ``TxValidationCode``, e.g. ``MVCC_READ_CONFLICT``."""
    try:
        return str(transaction_pb2.TxValidationCode.Name(code))
    except ValueError:
        return f"code {code}"


def result_of(action: bytes) -> bytes:
    """Return what the contract answered, from an endorsed ``ChaincodeAction``.

    Raises:
        WireError: the bytes do not parse.
    """
    try:
        return bytes(proposal_pb2.ChaincodeAction.FromString(action).response.payload)
    except DecodeError as error:
        raise WireError("ChaincodeAction: the bytes do not parse") from error
