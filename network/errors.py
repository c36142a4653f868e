"""Errors of ``network``, one tree, one class for each reason a caller may treat differently.

NetworkError
├── WireError             bytes that are not the message they claim to be; names the message and the field
│   └── UnreadableHeadersError
├── IdentityError         an identity that cannot be parsed, or that its organization's MSP does not vouch for
│   ├── IdentityExpiredError
│   └── IdentityRevokedError
├── SignatureError        a signature that is absent, malformed, high-S, or does not verify
├── PolicyError           a policy text or tree that cannot be understood
│   └── PolicyNotSatisfiedError
├── ConfigError           a channel configuration, or an update to one, that is refused
│   └── CapabilityError   rules switched on that this node does not know
├── BlockError            a block that breaks the chain, its own hashes or its orderers' policy
├── ProofError            a Merkle proof, checkpoint or bundle that proves nothing; carries a stable ``reason``
├── SeekRefusedError      a request for blocks that is refused, or whose stream ends; carries the ``common.Status``
├── RpcError              a call that failed; carries gRPC status code and ``google.rpc.Status`` details
│   └── UnreachableError  no connection to the server could be made
└── GatewayError          a transaction that failed at a stage; carries the transaction id
    ├── EndorseError
    ├── SubmitError
    ├── CommitStatusError
    └── CommitError       ordered and committed, but not VALID; carries the validation code
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from network.explanation import ErrorDetail, ReadConflict


class NetworkError(Exception):
    """Base of every error raised by ``network``."""


class WireError(NetworkError):
    """Bytes are not a well-formed message; the text names the message and the field."""


class UnreadableHeadersError(WireError):
    """A proposal's own form or its headers do not parse, so that nobody can tell whose it is."""


class IdentityError(NetworkError):
    """An identity cannot be parsed, or its MSP does not vouch for it."""


class IdentityExpiredError(IdentityError):
    """The certificate's validity period does not contain the time in question."""


class IdentityRevokedError(IdentityError):
    """The certificate, or an authority above it, stands on its MSP's revocation list."""


class SignatureError(NetworkError):
    """A signature is absent, malformed, high-S, or does not verify."""


class PolicyError(NetworkError):
    """A policy cannot be understood."""


class PolicyNotSatisfiedError(PolicyError):
    """The signatures given do not satisfy the policy."""


class ConfigError(NetworkError):
    """A channel configuration, or an update to one, is refused."""


class CapabilityError(ConfigError):
    """A configuration switches rules on that are not known here.

    Attributes:
        level: "channel", "orderer" or "application".
        capability: the rules' name.
    """

    def __init__(self, level: str, capability: str) -> None:
        super().__init__(f"{level} capability {capability!r} is not supported; upgrade this node")
        self.level = level
        self.capability = capability


class BlockError(NetworkError):
    """A block breaks the hash chain, its own hashes, or its orderers' signature policy."""


class ProofError(NetworkError):
    """A Merkle proof, checkpoint or bundle proves nothing.

    Args:
        reason: stable code for programs, e.g. ``"wrong_leaf"``.
        message: sentence for people.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class SeekRefusedError(NetworkError):
    """A request for blocks is refused, or its stream ends.

    Args:
        status: ``common.Status`` number the client is told.
        message: reason, for the log.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RpcError(NetworkError):
    """A remote call failed, or a handler refuses a call.

    Args:
        code: gRPC status code number (0..16).
        message: status message.
        details: serialized ``google.rpc.Status``, sent as ``grpc-status-details-bin``; empty for none.
    """

    def __init__(self, code: int, message: str, details: bytes = b"") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


class UnreachableError(RpcError):
    """No connection to the server could be made, so the call never left."""


class GatewayError(NetworkError):
    """A call of the gateway failed, or a transaction at one stage of its way onto the channel.

    Args:
        message: sentence with the stage, the gateway's text and what single peers said.
        transaction_id: empty where no transaction is meant.
        code: gRPC status code number.
        details: what single peers or orderers said.
    """

    def __init__(self, message: str, transaction_id: str, code: int = 2, details: tuple[ErrorDetail, ...] = ()) -> None:
        super().__init__(message)
        self.transaction_id = transaction_id
        self.code = code
        self.details = details


class EndorseError(GatewayError):
    """No sufficient set of endorsements could be collected; nothing has happened."""


class SubmitError(GatewayError):
    """The ordering service did not accept the envelope, or whether it did is unknown."""


class CommitStatusError(GatewayError):
    """The outcome could not be learned; the transaction may yet commit."""


class CommitError(GatewayError):
    """The transaction was committed as invalid.

    Args:
        validation_code: ``TxValidationCode`` number, never 0.
        block_number: the block it stands in.
        conflict: the read that no longer held, where the peer asked explains it.
    """

    def __init__(
        self,
        message: str,
        transaction_id: str,
        validation_code: int,
        block_number: int = 0,
        conflict: ReadConflict | None = None,
    ) -> None:
        super().__init__(message, transaction_id)
        self.validation_code = validation_code
        self.block_number = block_number
        self.conflict = conflict
