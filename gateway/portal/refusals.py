"""The one map from errors to the statuses of the portal's pages of refusal; ``gateway.problems`` is the customers'."""

from __future__ import annotations

from starlette.exceptions import HTTPException

from gateway.errors import (
    ConflictError,
    CredentialsError,
    CustomerGatewayError,
    ForbiddenError,
    NotFoundError,
    RefusedError,
    TokenError,
    TooManyAttemptsError,
    UnavailableError,
)

_STATUSES: tuple[tuple[type[CustomerGatewayError], int], ...] = (
    (CredentialsError, 401),
    (TokenError, 401),
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (RefusedError, 422),
    (TooManyAttemptsError, 429),
    (UnavailableError, 503),
)
_SENTENCES = {404: "there is no such page", 405: "this page does not take that"}


def refusal_of(error: Exception) -> tuple[int, str]:
    """Return status and sentence of the page that an error ends in.

    Raises:
        Exception: the error itself, where nobody foresaw it; the guard answers it.
    """
    if isinstance(error, HTTPException):
        return error.status_code, _SENTENCES.get(error.status_code, "this cannot be done")
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), None)
    if status is None:
        raise error
    return status, str(error)
