"""Logging in and out."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.errors import CredentialsError
from gateway.portal.listener import client_certificate
from gateway.portal.roles import Action
from gateway.portal.services import Visit, certificate_hash, page, services_of
from gateway.portal.sessions import COOKIE


async def show_login(request: Request) -> Response:
    """Show the ways in that the settings allow."""
    services = services_of(request)
    certificate = client_certificate(request.scope)
    return services.pages.response(
        "login.html", visit=None, has_issuer=services.issuer is not None, certificate=bool(certificate)
    )


async def log_in_by_certificate(request: Request) -> Response:
    """Begin a session for whom the connection's client certificate names."""
    services = services_of(request)
    certificate = client_certificate(request.scope)
    if not certificate:
        raise CredentialsError("the browser showed no certificate: import one, close the browser and open it again")
    person = services.certificates.person_of(certificate)
    secret, _ = services.sessions.begin(person, certificate_hash(certificate))
    return logged_in(RedirectResponse("/", 303), secret)


@page(Action.OVERVIEW)
async def log_out(visit: Visit) -> Response:
    """End the session."""
    visit.services.sessions.end(visit.request.cookies.get(COOKIE, ""))
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
    return response


def logged_in(response: Response, secret: str) -> Response:
    """Return an answer that gives the browser its session."""
    response.set_cookie(COOKIE, secret, path="/", secure=True, httponly=True, samesite="strict")
    return response


ROUTES = [
    Route("/login", show_login),
    Route("/login/certificate", log_in_by_certificate, methods=["POST"]),
    Route("/logout", log_out, methods=["POST"]),
]
