"""The OpenAPI document is complete: every route is described, shows examples, and lists the problems it may end in.

Method: the document the application serves is read as a client generator would read it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import schemas
from gateway.app import create_app
from gateway.config import GatewayConfig
from gateway.routes.documentation import render

ROUTES = {
    ("post", "/v1/auth/register"),
    ("post", "/v1/auth/login"),
    ("post", "/v1/auth/refresh"),
    ("post", "/v1/auth/logout"),
    ("post", "/v1/auth/password"),
    ("get", "/v1/auth/me"),
    ("post", "/v1/accounts"),
    ("get", "/v1/accounts"),
    ("get", "/v1/accounts/{account}"),
    ("get", "/v1/accounts/{account}/balance"),
    ("get", "/v1/accounts/{account}/statement"),
    ("post", "/v1/transfers"),
    ("get", "/v1/transfers"),
    ("get", "/v1/transfers/{transfer_id}"),
    ("get", "/v1/transfers/{transfer_id}/proof"),
    ("get", "/v1/health"),
    ("get", "/v1/ready"),
    ("get", "/v1/organization"),
}
PUBLIC = {"/v1/health", "/v1/ready", "/v1/organization"}
PUBLIC |= {f"/v1/auth/{name}" for name in ("register", "login", "refresh", "logout")}


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    secret = tmp_path / "jwt"
    secret.write_bytes(b"x" * 32)
    config = GatewayConfig(
        listen={"port": 0},
        database_url="postgresql://nobody@127.0.0.1:1/none",
        node={"address": "127.0.0.1:1"},
        jwt_secret_file=secret,
        organization={"msp_id": "DwaybankMSP", "display_name": "DwayBank"},
        assets=[{"code": "EUR", "scale": 2}],
    )
    return create_app(config).openapi()


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_routes_are_those_promised(document: dict[str, Any]) -> None:
    assert {(method, path) for method, path, _ in _operations(document)} == ROUTES


def test_every_route_is_described(document: dict[str, Any]) -> None:
    for _, path, operation in _operations(document):
        assert operation["summary"] and operation["description"] and operation["tags"], path


def test_every_failure_is_a_problem(document: dict[str, Any]) -> None:
    for method, path, operation in _operations(document):
        failures = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert failures or path in PUBLIC, path
        for status, answer in failures.items():
            assert list(answer["content"]) == ["application/problem+json"], (method, path, status)
            schema = answer["content"]["application/problem+json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ProblemResponse"}


def test_routes_with_a_customer_need_a_token_and_say_401(document: dict[str, Any]) -> None:
    for _, path, operation in _operations(document):
        secured = "security" in operation
        assert secured is not (path in PUBLIC), path
        if secured:
            assert "401" in operation["responses"], path


def test_every_request_body_shows_an_example_that_it_accepts() -> None:
    for model in (
        schemas.RegisterRequest,
        schemas.PasswordRequest,
        schemas.LoginRequest,
        schemas.RefreshRequest,
        schemas.OpenAccountRequest,
        schemas.TransferRequest,
    ):
        [example] = model.model_config["json_schema_extra"]["examples"]  # type: ignore[index,call-overload]
        assert model(**example).model_dump()


def test_page_for_people_shows_every_route_and_needs_nobody_else(document: dict[str, Any]) -> None:
    page = render(document)
    for method, path in ROUTES:
        assert f"{method.upper()} {path}" in page
    assert "<script" not in page and "http://" not in page and "https://" not in page


def test_page_for_people_escapes_what_the_configuration_says(document: dict[str, Any]) -> None:
    document["info"]["title"] = "<script>alert(1)</script>"
    assert "<script" not in render(document)


def test_transfer_needs_an_idempotency_key(document: dict[str, Any]) -> None:
    [parameter] = document["paths"]["/v1/transfers"]["post"]["parameters"]
    assert (parameter["name"], parameter["in"], parameter["required"]) == ("Idempotency-Key", "header", True)
    assert parameter["schema"]["format"] == "uuid"
