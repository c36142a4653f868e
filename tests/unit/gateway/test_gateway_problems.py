"""Every error becomes one problem, with the status the table names, and says nothing it should not.

Method: each error class of the gateway, and errors of the libraries below, are put through the map.
"""

from __future__ import annotations

import inspect

import psycopg
import pytest
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from gateway import errors
from gateway.problems import problem_of

TABLE = [
    (errors.CredentialsError("x"), 401, "invalid_credentials"),
    (errors.TokenError("x"), 401, "invalid_token"),
    (errors.ForbiddenError("account_frozen", "x"), 403, "account_frozen"),
    (errors.NotFoundError("x"), 404, "not_found"),
    (errors.ConflictError("email_taken", "x"), 409, "email_taken"),
    (errors.RefusedError("exceeds_available", "x"), 422, "exceeds_available"),
    (errors.TooManyAttemptsError("x", 30), 429, "too_many_attempts"),
    (errors.UnavailableError("busy", "x"), 503, "busy"),
    (errors.ConfigurationError("x"), 500, "internal"),
    (HTTPException(404), 404, "not_found"),
    (HTTPException(405), 405, "method_not_allowed"),
    (PoolTimeoutError("QueuePool limit"), 503, "store_unavailable"),
    (OperationalError("SELECT secret", {}, psycopg.OperationalError("refused")), 503, "store_unavailable"),
    (IntegrityError("INSERT secret", {}, psycopg.errors.UniqueViolation("dup")), 500, "internal"),
    (ProgrammingError("SELECT secret", {}, psycopg.errors.UndefinedTable("none")), 500, "internal"),
    (RuntimeError("secret"), 500, "internal"),
]


@pytest.mark.parametrize(("error", "status", "code"), TABLE, ids=lambda value: getattr(value, "__name__", None))
def test_error_becomes_the_problem_of_the_table(error: Exception, status: int, code: str) -> None:
    problem = problem_of(error)
    assert (problem.status, problem.code) == (status, code)
    body = problem.body("/v1/x")
    assert set(body) == {"type", "title", "status", "detail", "instance", "code"}
    assert "secret" not in str(body)


def test_every_error_class_of_the_gateway_stands_in_the_table() -> None:
    classes = {kind for _, kind in inspect.getmembers(errors, inspect.isclass)}
    assert classes - {type(error) for error, _, _ in TABLE} == {errors.CustomerGatewayError}


def test_waiting_is_proposed_where_trying_again_helps() -> None:
    assert problem_of(errors.TooManyAttemptsError("x", 30)).headers == {"Retry-After": "30"}
    assert problem_of(errors.UnavailableError("busy", "x")).headers == {"Retry-After": "2"}


def test_challenge_is_sent_with_every_401() -> None:
    for error in (errors.CredentialsError("x"), errors.TokenError("x")):
        assert problem_of(error).headers["WWW-Authenticate"].startswith("Bearer")


def test_unforeseen_errors_get_ids_that_differ() -> None:
    assert problem_of(RuntimeError("a")).detail != problem_of(RuntimeError("a")).detail
