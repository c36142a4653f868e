"""Every error becomes one problem, with the status the table names, and says nothing it should not.

Method: each error class of the gateway, and errors of the libraries below, are put through the map.
"""

from __future__ import annotations

import inspect
from typing import Any

import psycopg
import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from gateway import errors, schemas
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
    (errors.NodeRefusesError("node_unavailable", "x"), 503, "node_unavailable"),
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


@pytest.mark.parametrize(
    ("model", "fields", "detail"),
    [
        (
            schemas.TransferRequest,
            {"amount_minor": 10},
            "amount_minor: give a text of at most 18 digits, in minor units",
        ),
        (schemas.TransferRequest, {"amount_minor": "1.5"}, '"1250" is 12.50 of an asset with two decimals'),
        (
            schemas.TransferRequest,
            {"creditor_account": "../x"},
            "creditor_account: give an account's reference, such as",
        ),
        (schemas.TransferRequest, {"creditor_bank": "?"}, "creditor_bank: give the msp_id of a bank, as GET /v1/org"),
        (schemas.TransferRequest, {"asset": "eur"}, "asset: give an asset's code in capitals, such as EUR"),
        (schemas.TransferRequest, {"description": "x" * 141}, "description: give at most 140 characters"),
        (schemas.TransferRequest, {"descripton": "x"}, "descripton: this request has no such field"),
        (schemas.RegisterRequest, {"email": "maria"}, "email: give an e-mail address such as maria@example.org"),
        (schemas.RegisterRequest, {"email": "é" * 300 + "@x.org"}, "of at most 254 characters"),
        (schemas.RegisterRequest, {"password": "short"}, "password: give at least 12 characters"),
        (schemas.RegisterRequest, {"password": "x" * 129}, "password: give at most 128 characters"),
        (schemas.RegisterRequest, {"display_name": 7}, "display_name: give a text"),
        (schemas.OpenAccountRequest, {"label": "x" * 81}, "label: give at most 80 characters"),
        (schemas.RefreshRequest, {"refresh_token": "x"}, "refresh_token: give a refresh token as log-in gave it"),
    ],
)
def test_a_faulty_field_is_told_with_the_way_out_and_not_with_a_pattern(
    model: type[BaseModel], fields: dict[str, object], detail: str
) -> None:
    extra: Any = model.model_config["json_schema_extra"]
    [example] = extra["examples"]
    with pytest.raises(ValidationError) as caught:
        model.model_validate(example | fields)
    problem = problem_of(RequestValidationError(caught.value.errors()))
    assert (problem.status, problem.code, len(problem.errors)) == (422, "invalid_field", 1)
    assert detail in problem.detail
    assert "^" not in problem.detail and "should" not in problem.detail


def test_a_missing_field_is_told_as_missing() -> None:
    with pytest.raises(ValidationError) as caught:
        schemas.LoginRequest.model_validate({"email": "maria@example.org"})
    assert problem_of(RequestValidationError(caught.value.errors())).detail == "password: is missing"
