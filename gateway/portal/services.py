"""What the portal's pages work with: the parts wired together by ``app.py``, and the visit of one logged-in person."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gateway.errors import ForbiddenError, TokenError
from gateway.portal.certificates import CertificateLogin
from gateway.portal.config import PortalConfig
from gateway.portal.forms import Form, read_form
from gateway.portal.invitations import Invitations
from gateway.portal.listener import client_certificate
from gateway.portal.node import PortalNode
from gateway.portal.oidc import OidcProvider
from gateway.portal.passkeys import RelyingParty
from gateway.portal.pending import PendingLogins
from gateway.portal.rendering import Pages
from gateway.portal.roles import MAY, Action, require
from gateway.portal.sessions import COOKIE, Person, Session, Sessions


@dataclass(frozen=True, slots=True)
class Services:
    """The portal's parts."""

    config: PortalConfig
    node: PortalNode
    pages: Pages
    sessions: Sessions
    certificates: CertificateLogin
    issuer: OidcProvider | None
    relying_party: RelyingParty
    pending: PendingLogins
    invitations: Invitations
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is logged in and may do what the page does.

    Args:
        form: fields of the form, or of the query where nothing is sent.
    """

    request: Request
    services: Services
    session: Session
    form: Form

    @property
    def person(self) -> Person:
        """Who visits."""
        return self.session.person

    def may(self, action: str) -> bool:
        """Tell whether he may do something else; for links."""
        return self.person.role in MAY[Action[action]]

    def page(self, template: str, status: int = 200, **shown: Any) -> HTMLResponse:
        """Return a page of his."""
        return self.services.pages.response(template, status, visit=self, **shown)


Handler = Callable[[Visit], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


def services_of(request: Request) -> Services:
    """Return the parts that serve a request."""
    services: Services = request.app.state.services
    return services


def page(action: Action, fields: Iterable[str] = ()) -> Callable[[Handler], Endpoint]:
    """Make an endpoint of a page: who is he, may he, is the form his own.

    Args:
        action: what the page does.
        fields: names that its form or query may hold.
    """
    known = frozenset(fields)

    def decorate(handle: Handler) -> Endpoint:
        @wraps(handle)
        async def endpoint(request: Request) -> Response:
            services = services_of(request)
            session = _session_of(request, services)
            require(session.person.role, action)
            if request.method == "POST":
                form = read_form(await request.body(), (*known, "csrf"))
                if not hmac.compare_digest(form.pop("csrf", "").encode(), session.csrf.encode()):
                    raise ForbiddenError("csrf", "this form was not made for you: open its page and send it again")
            else:
                form = read_form(request.url.query, known)
            return await handle(Visit(request, services, session, form))

        return endpoint

    return decorate


def certificate_hash(certificate: bytes) -> bytes:
    """Return what binds a session to a certificate; empty where there is none."""
    return hashlib.sha256(certificate).digest() if certificate else b""


def _session_of(request: Request, services: Services) -> Session:
    certificate = client_certificate(request.scope)
    session = services.sessions.find(request.cookies.get(COOKIE, ""), certificate_hash(certificate))
    # Who was revoked, expired or given another role since he logged in is judged anew.
    if session.certificate and services.certificates.person_of(certificate) != session.person:
        raise TokenError("the certificate means something else than when the session began: log in again")
    return session
