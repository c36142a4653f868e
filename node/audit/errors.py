"""Errors of ``node.audit``, and what a caller over gRPC sees of them.

AnchorError
└── AuditError
    ├── NotYetError        the entry is not as far as asked for; asking later helps
    ├── UnknownEntryError  there is no such entry, demand or record
    ├── RefusedError       not meant for this caller
    └── BadRequestError    a field of the request cannot be used
"""

from __future__ import annotations

from network.errors import GatewayError, NetworkError, ProofError
from network.rpc import RpcError, StatusCode
from node.anchor.errors import AnchorError, InArchiveError, MirrorError, SealError
from node.audit.pages import PageTokenError
from node.errors import NodeError


class AuditError(AnchorError):
    """Base of what the audit service refuses."""


class NotYetError(AuditError):
    """The entry is not as far as asked for; asking later helps."""


class UnknownEntryError(AuditError):
    """There is no such entry, demand or record."""


class RefusedError(AuditError):
    """Not meant for this caller."""


class BadRequestError(AuditError):
    """A field of the request cannot be used."""


_CODES: tuple[tuple[type[Exception], StatusCode], ...] = (
    (NotYetError, StatusCode.FAILED_PRECONDITION),
    (InArchiveError, StatusCode.OUT_OF_RANGE),
    (UnknownEntryError, StatusCode.NOT_FOUND),
    (RefusedError, StatusCode.PERMISSION_DENIED),
    (BadRequestError, StatusCode.INVALID_ARGUMENT),
    (PageTokenError, StatusCode.INVALID_ARGUMENT),
    (SealError, StatusCode.DATA_LOSS),
    (MirrorError, StatusCode.DATA_LOSS),
    (ProofError, StatusCode.DATA_LOSS),
    (GatewayError, StatusCode.ABORTED),
    (NodeError, StatusCode.UNAVAILABLE),
)


def rpc_error_of(error: NodeError | NetworkError) -> RpcError:
    """Return what a caller over gRPC sees of an error."""
    if isinstance(error, RpcError):
        return error
    code = next((code for kind, code in _CODES if isinstance(error, kind)), StatusCode.INTERNAL)
    return RpcError(code, str(error))
