"""The one map from the errors of ``ledger`` to gRPC statuses."""

from __future__ import annotations

from ledger.errors import (
    ArchivedError,
    BooksUnavailableError,
    ClockLeaptError,
    ConflictError,
    FencedError,
    InvalidValueError,
    LedgerError,
    MappingError,
    NotFoundError,
    StaleCopyError,
    StatementFormatError,
)
from network.rpc import RpcError, StatusCode

_CODES: tuple[tuple[type[LedgerError], StatusCode], ...] = (
    (InvalidValueError, StatusCode.INVALID_ARGUMENT),
    (MappingError, StatusCode.INVALID_ARGUMENT),
    (StatementFormatError, StatusCode.INVALID_ARGUMENT),
    (NotFoundError, StatusCode.NOT_FOUND),
    (ArchivedError, StatusCode.OUT_OF_RANGE),
    (ConflictError, StatusCode.ALREADY_EXISTS),
    (FencedError, StatusCode.UNAVAILABLE),
    (ClockLeaptError, StatusCode.UNAVAILABLE),
    (BooksUnavailableError, StatusCode.UNAVAILABLE),
    (StaleCopyError, StatusCode.UNAVAILABLE),
)


def rpc_error_of(error: LedgerError) -> RpcError:
    """Return what a caller over gRPC sees of an error; what the database said stays in this node's log."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            hidden = kind in (BooksUnavailableError, StaleCopyError)
            return RpcError(code, "the books do not answer now: ask again with the same key" if hidden else str(error))
    return RpcError(StatusCode.INTERNAL, "the node cannot answer: see its log")
