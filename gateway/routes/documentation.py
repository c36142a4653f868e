"""The API's documentation for people: one page made from the OpenAPI document, without a script or a foreign server."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

router = APIRouter(include_in_schema=False)

CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a2733}"
    "section{border-top:1px solid #c8d2db;padding:.5rem 0}code,pre{font:14px ui-monospace,monospace}"
    "pre{background:#f2f5f8;padding:.75rem;overflow-x:auto}th,td{text-align:left;padding:.1rem 1rem .1rem 0}"
)


@router.get("/")
async def front_door() -> RedirectResponse:
    """Lead whoever types the address only to the documentation."""
    return RedirectResponse("/docs")


@router.get("/docs")
async def documentation(request: Request) -> HTMLResponse:
    """Show every route, what it takes and how it may answer."""
    page = render(request.app.openapi())
    return HTMLResponse(page, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})


def render(document: dict[str, Any]) -> str:
    """Return the page of an OpenAPI document."""
    sections = "".join(
        _section(document, method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    title, summary = escape(document["info"]["title"]), escape(document["info"].get("summary", ""))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head>"
        f'<body><h1>{title}</h1><p>{summary}. For programs: <a href="/v1/openapi.json">/v1/openapi.json</a></p>'
        f"{sections}</body></html>"
    )


def _section(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> str:
    lock = " · needs an access token" if operation.get("security") else ""
    parameters = "".join(
        f"<tr><td><code>{escape(found['name'])}</code></td><td>{escape(found['in'])}</td>"
        f"<td>{escape(found.get('description', ''))}</td></tr>"
        for found in operation.get("parameters", ())
    )
    answers = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(answer['description'])}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    return (
        f"<section><h2><code>{escape(method.upper())} {escape(path)}</code></h2>"
        f"<p><b>{escape(operation['summary'])}</b>{lock}. {escape(operation['description'])}</p>"
        f"<table>{parameters}</table>{_example(document, operation)}<table>{answers}</table></section>"
    )


def _example(document: dict[str, Any], operation: dict[str, Any]) -> str:
    """Return the example of the request body, empty where there is no body."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return ""
    name = content["schema"]["$ref"].rsplit("/", 1)[1]
    examples = document["components"]["schemas"][name].get("examples", ())
    return "".join(f"<pre>{escape(json.dumps(example, indent=2))}</pre>" for example in examples)
