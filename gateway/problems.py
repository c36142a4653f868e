"""The one map from errors to HTTP problems (RFC 9457), and the only place where an exception becomes an answer.

Rules it keeps:

- Every answer that is not a success is ``application/problem+json`` with a stable ``code``.
- An unforeseen error shows a random id and nothing else; the log shows the same id and the cause.
- What a customer typed is never echoed.

Source: RFC 9457; RFC 6750, 3 (the challenge of 401); RFC 9110, 10.2.3 (Retry-After).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

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

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:dwaybank:problem:"
RETRY_AFTER_S = 2
"""Wait proposed with 503: a node restarts within it."""

TITLES = {
    400: "The request is not well formed",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Contradicts what stands already",
    413: "The request is too large",
    415: "The media type is not supported",
    422: "The request was understood and refused",
    429: "Too many attempts",
    500: "Internal error",
    503: "Not available now",
}
CODES = {400: "malformed", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One HTTP problem."""

    status: int
    code: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[Mapping[str, str], ...] = ()

    def body(self, instance: str) -> dict[str, Any]:
        """Return the members RFC 9457 names, and ours: ``code`` and, for faulty fields, ``errors``."""
        body: dict[str, Any] = {
            "type": TYPE_PREFIX + self.code,
            "title": TITLES.get(self.status, "The request failed"),
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.code,
        }
        if self.errors:
            body["errors"] = list(self.errors)
        return body


def problem_of(error: Exception) -> Problem:
    """Return the problem an error means to the caller."""
    if isinstance(error, CustomerGatewayError):
        return _own(error)
    if isinstance(error, RequestValidationError):
        return _validation(error)
    if isinstance(error, HTTPException):
        return _framework(error)
    if isinstance(error, PoolTimeoutError) or (isinstance(error, DBAPIError) and _is_connection_loss(error)):
        log.warning("store.unavailable", reason=type(error).__name__)
        detail = "the gateway's records do not answer now: nothing is lost, send it again"
        return Problem(503, "store_unavailable", detail, {"Retry-After": str(RETRY_AFTER_S)})
    return _unforeseen(error)


def install(app: FastAPI) -> None:
    """Let every error that can be foreseen end as a problem; ``guard`` answers the others by the same map."""
    for kind in (CustomerGatewayError, RequestValidationError, HTTPException, SQLAlchemyError):
        app.add_exception_handler(kind, _answer)


def problem_response(problem: Problem, instance: str) -> JSONResponse:
    """Return the HTTP answer of a problem."""
    return JSONResponse(problem.body(instance), problem.status, dict(problem.headers), MEDIA_TYPE)


async def _answer(request: Request, error: Exception) -> JSONResponse:
    problem = problem_of(error)
    if problem.status == 405:
        problem = replace(problem, headers={**problem.headers, **_methods_of(request)})
    return problem_response(problem, request.url.path)


def _methods_of(request: Request) -> Mapping[str, str]:
    """Return which methods a path knows; the framework names those of the first route that has this path."""
    paths: Mapping[str, Mapping[str, Any]] = request.app.openapi()["paths"]
    known = {
        method.upper()
        for path, methods in paths.items()
        if compile_path(path)[0].match(request.url.path)
        for method in methods
    }
    return {"allow": ", ".join(sorted(known))} if known else {}


def _own(error: CustomerGatewayError) -> Problem:
    detail = str(error)
    match error:
        case CredentialsError():
            return Problem(401, "invalid_credentials", detail, {"WWW-Authenticate": "Bearer"})
        case TokenError():
            return Problem(401, "invalid_token", detail, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        case ForbiddenError():
            return Problem(403, error.code, detail)
        case NotFoundError():
            return Problem(404, "not_found", detail)
        case ConflictError():
            return Problem(409, error.code, detail)
        case RefusedError():
            return Problem(422, error.code, detail)
        case TooManyAttemptsError():
            return Problem(429, "too_many_attempts", detail, {"Retry-After": str(error.retry_after_s)})
        case UnavailableError():
            return Problem(503, error.code, detail, {"Retry-After": str(RETRY_AFTER_S)})
        case _:
            return _unforeseen(error)


def _validation(error: RequestValidationError) -> Problem:
    # Only places and reasons leave: the value may be a password.
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return Problem(400, "malformed", "the body is not JSON")
    places = tuple(
        {"field": ".".join(str(part) for part in fault["loc"]), "reason": _reason(fault)} for fault in faults[:20]
    )
    first = places[0]
    return Problem(422, "invalid_field", f"{first['field']}: {first['reason']}", errors=places)


def _reason(fault: Mapping[str, Any]) -> str:
    if tuple(fault["loc"]) == ("body",):
        return "send a JSON object, and with it the header Content-Type: application/json"
    limits = fault.get("ctx", {})
    match fault["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "this request has no such field"
        case "string_type":
            return "give a text"
        case "uuid_parsing" | "uuid_type":
            return "give a UUID, such as 0199f0a2-7f3c-7d11-9d3e-0f2f6f1c2b3a"
        case "too_long" | "string_too_long":
            return f"give at most {limits['max_length']} characters"
        case "string_too_short":
            return f"give at least {limits['min_length']} characters"
        case _:
            return str(fault["msg"]).removeprefix("Value error, ")


def _framework(error: HTTPException) -> Problem:
    code = CODES.get(error.status_code, "refused")
    detail = TITLES.get(error.status_code, "The request failed")
    return Problem(
        error.status_code, code, detail, {name.lower(): value for name, value in (error.headers or {}).items()}
    )


def _is_connection_loss(error: DBAPIError) -> bool:
    # Class 08 is a lost connection, 57P an administrator's stop; psycopg reports neither when nobody listens at all.
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or state is None or state.startswith(("08", "57P", "53"))


def _unforeseen(error: Exception) -> Problem:
    error_id = secrets.token_hex(6)
    log.error("http.unhandled", error_id=error_id, exc_info=error)
    return Problem(500, "internal", f"internal error {error_id}: the bank's operator finds its cause under this id")
