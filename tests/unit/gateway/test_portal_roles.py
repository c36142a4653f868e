"""Who may open which page of the portal: the whole table, asked of the running application for every route it has.

Method: the application without a node behind it. Whoever may is told that the node does not answer, or gets the page;
whoever may not is refused before anything is asked of a node.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from gateway.portal.app import create_portal
from gateway.portal.config import PortalConfig
from gateway.portal.roles import MAY, Action, Role
from gateway.portal.sessions import COOKIE, Person, Session
from tests.support.portal_settings import ORIGIN, portal_config

E, S, A = "examiner", "supervisor", "administrator"
ID, CASE = "ab" * 16, "6f1c1c1e-0c0a-4a53-8a50-0a8f1c9a2b3d"

TABLE: dict[tuple[str, str], str] = {
    ("GET", "/"): "E S A",
    ("GET", "/search"): "E S",
    ("GET", "/search/export"): "E S",
    ("POST", "/search/save"): "E S",
    ("POST", "/search/drop"): "E S",
    ("GET", "/entries/{organization}/{seq:int}"): "E S",
    ("GET", "/entries/{organization}/{seq:int}/bundle"): "E S",
    ("GET", "/demands"): "E S",
    ("POST", "/demands"): "E S",
    ("POST", "/demands/fetch"): "E S",
    ("GET", "/findings"): "E S",
    ("POST", "/findings"): "E S",
    ("GET", "/findings/new"): "E S",
    ("GET", "/findings/{finding_id}"): "E S",
    ("POST", "/findings/{finding_id}/explain"): "E S",
    ("POST", "/findings/{finding_id}/escalate"): "S",
    ("POST", "/findings/{finding_id}/close"): "S",
    ("GET", "/cases"): "E S",
    ("POST", "/cases"): "E S",
    ("GET", "/cases/{case_id:uuid}"): "E S",
    ("POST", "/cases/{case_id:uuid}"): "E S",
    ("GET", "/reports"): "E S",
    ("POST", "/reports"): "E S",
    ("GET", "/reports/{number:int}/page"): "E S",
    ("GET", "/reports/{number:int}/signature"): "E S",
    ("GET", "/records"): "E S A",
    ("GET", "/members"): "E S A",
    ("GET", "/looks"): "S A",
    ("GET", "/access"): "A",
    ("POST", "/access/invite"): "A",
    ("POST", "/access/drop"): "A",
    ("POST", "/logout"): "E S A",
}
"""Every page: who may. E examiner, S supervisor, A administrator."""
OPEN_TO_ALL = {
    ("GET", "/login"), ("POST", "/login/certificate"), ("GET", "/healthz"), ("GET", "/login/oidc"),
    ("GET", "/login/oidc/callback"), ("POST", "/login/passkey"), ("POST", "/login/passkey/enrol"),
}  # fmt: skip


@pytest.fixture
async def portal(tmp_path: Path) -> AsyncIterator[Starlette]:
    config: PortalConfig = portal_config(tmp_path)
    app = create_portal(config)
    async with app.router.lifespan_context(app):
        yield app


def logged_in(app: Starlette, role: str) -> tuple[str, Session]:
    secret, session = app.state.services.sessions.begin(Person("ada", Role(role), "passkey"))
    return secret, session


def path_of(route: str) -> str:
    named = {
        "{organization}": "DwaybankMSP",
        "{seq:int}": "1",
        "{number:int}": "1",
        "{finding_id}": ID,
        "{case_id:uuid}": CASE,
    }
    for name, value in named.items():
        route = route.replace(name, value)
    return route


def test_the_table_names_every_page(portal: Starlette) -> None:
    routes = {
        (method, route.path)
        for route in portal.routes
        if isinstance(route, Route)
        for method in (route.methods or ()) - {"HEAD"}
    }
    assert routes == set(TABLE) | OPEN_TO_ALL


@pytest.mark.parametrize("role", [E, S, A])
async def test_each_role_opens_its_pages_and_no_others(portal: Starlette, role: str) -> None:
    transport = httpx.ASGITransport(portal)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as client:
        for (method, route), allowed in TABLE.items():
            secret, session = logged_in(portal, role)
            may = role[0].upper() in allowed.split()
            form = {"csrf": session.csrf} if method == "POST" else None
            answer = await client.request(method, path_of(route), data=form, headers={"Cookie": f"{COOKIE}={secret}"})
            told = f"{role} {method} {route}: {answer.status_code}"
            assert (answer.status_code == 403) is not may, told
            assert not may or answer.status_code in (200, 303, 422, 503), told


async def test_nobody_who_is_not_logged_in_opens_any(portal: Starlette) -> None:
    transport = httpx.ASGITransport(portal)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as client:
        for method, route in TABLE:
            answer = await client.request(method, path_of(route))
            assert (answer.status_code, answer.headers.get("location")) in ((303, "/login"), (401, None)), route


def test_every_action_is_somebodys_and_what_was_disclosed_no_administrators() -> None:
    assert set(MAY) == set(Action)
    assert all(MAY.values())
    for action in (Action.SEARCH, Action.EXPORT, Action.DEMAND, Action.KEEP_CASES):
        assert Role.ADMINISTRATOR not in MAY[action]
