"""The one map from the errors of this room to gRPC statuses."""

from __future__ import annotations

from ledger.errors import BooksUnavailableError, ConflictError, FencedError, InvalidValueError, NotFoundError
from network.errors import RpcError
from network.rpc import StatusCode
from node.partner.errors import (
    MessageRefusedError,
    NotCancellableError,
    PartnerUnavailableError,
    PaymentConflictError,
    PaymentNotFoundError,
    SettlementStoreError,
    TransitionError,
    UnknownPartnerError,
)

_CODES: tuple[tuple[type[Exception], StatusCode], ...] = (
    (TransitionError, StatusCode.ABORTED),
    (InvalidValueError, StatusCode.INVALID_ARGUMENT),
    (UnknownPartnerError, StatusCode.INVALID_ARGUMENT),
    (PaymentConflictError, StatusCode.ALREADY_EXISTS),
    (PaymentNotFoundError, StatusCode.NOT_FOUND),
    (NotCancellableError, StatusCode.FAILED_PRECONDITION),
    (NotFoundError, StatusCode.NOT_FOUND),
    (ConflictError, StatusCode.FAILED_PRECONDITION),
    (PartnerUnavailableError, StatusCode.UNAVAILABLE),
    (SettlementStoreError, StatusCode.UNAVAILABLE),
    (BooksUnavailableError, StatusCode.UNAVAILABLE),
    (FencedError, StatusCode.UNAVAILABLE),
)
KNOWN_ERRORS: tuple[type[Exception], ...] = (MessageRefusedError, *(kind for kind, _ in _CODES))
"""Errors a caller may see; anything else is a fault of ours and leaves as INTERNAL."""


def rpc_error_of(error: Exception) -> RpcError:
    """Return the status a known error means to the caller."""
    if isinstance(error, MessageRefusedError):
        return RpcError(error.code, error.message)
    for kind, code in _CODES:
        if isinstance(error, kind):
            # What the database said stays in this node's log.
            hidden = isinstance(error, SettlementStoreError | BooksUnavailableError)
            return RpcError(code, "this node's database does not answer now: ask again" if hidden else str(error))
    raise error
