"""Makes the OpenAPI document say what is true of failures: each is ``application/problem+json``, never plain JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

from gateway.problems import MEDIA_TYPE

PROBLEM = {"$ref": "#/components/schemas/ProblemResponse"}


def describe_failures(app: FastAPI) -> None:
    """Let an application's document name the media type of its problems."""
    plain: Callable[[], dict[str, Any]] = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            for operation in (found for methods in document["paths"].values() for found in methods.values()):
                _correct(operation["responses"])
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _correct(responses: dict[str, Any]) -> None:
    for status, answer in responses.items():
        if status >= "400":
            answer["content"] = {MEDIA_TYPE: {"schema": PROBLEM}}
