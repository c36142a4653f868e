"""Composition root of the portal: configuration in, application out; nothing connects before the application starts."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from gateway.auth.tokens import utc_now
from gateway.errors import ConfigurationError, CustomerGatewayError, TokenError
from gateway.portal.certificates import CertificateLogin
from gateway.portal.config import Oidc, PortalConfig
from gateway.portal.guard import PortalGuard
from gateway.portal.invitations import Invitations
from gateway.portal.node import PortalNode
from gateway.portal.oidc import OidcProvider
from gateway.portal.passkeys import RelyingParty
from gateway.portal.pending import PendingLogins
from gateway.portal.refusals import refusal_of
from gateway.portal.rendering import Pages
from gateway.portal.routes import (
    access,
    cases,
    demands,
    entries,
    findings,
    login,
    looks,
    members,
    oidc,
    overview,
    records,
    reports,
    search,
)
from gateway.portal.services import Services, services_of
from gateway.portal.sessions import Sessions
from network.operations.certificates import CertificateWatch, certificates_in
from network.operations.metrics import Metrics
from network.rpc import Channel

log = structlog.get_logger(__name__)

_PARTS = (overview, search, entries, demands, findings, cases, reports, records, members, looks, access, login, oidc)
_STATIC = Path(__file__).resolve().parent / "static"


def create_portal(config: PortalConfig, *, now: Callable[[], datetime] = utc_now) -> Starlette:
    """Build the portal.

    Args:
        config: where everything is.
        now: clock, for tests of what expires.
    Returns:
        The ASGI application, its parts in ``state.services``; its lifespan disconnects from the node.
    Raises:
        ConfigurationError: a file of the settings cannot be used.
        NetworkError: a TLS file cannot be used.
    """
    channel = Channel(config.node.address, config.node_tls.client(), server_name=config.node.server_name)
    pages = Pages(config.organization, {member.msp_id: member.display_name for member in config.members})
    given = config.certificates
    certificates = CertificateLogin(config.organization.msp_id, given.msp_folder, given.units, now)
    http = httpx.AsyncClient(verify=_issuer_tls(config.oidc), trust_env=False)

    own = [
        *certificates_in("tls", config.tls.certificate),
        *certificates_in("node_tls", config.node_tls.certificate),
    ]
    watch = CertificateWatch(Metrics(), lambda: own, now)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        log.info("portal.ready", organization=config.organization.msp_id, node=config.node.address)
        await watch.start()
        try:
            yield
        finally:
            await watch.stop()
            await channel.close()
            await http.aclose()

    app = Starlette(
        routes=[
            *(route for part in _PARTS for route in part.ROUTES),
            Route("/healthz", _healthz),
            Mount("/static", _Static(directory=_STATIC)),
        ],
        middleware=[Middleware(PortalGuard, origins=config.served_origins, refuse=pages.refusal)],
        exception_handlers={CustomerGatewayError: _refused, HTTPException: _refused},
        lifespan=lifespan,
    )
    app.state.services = Services(
        config=config,
        node=PortalNode(channel, timeout_s=config.node.timeout_s),
        pages=pages,
        sessions=Sessions(
            idle=timedelta(seconds=config.sessions.idle_s),
            total=timedelta(seconds=config.sessions.total_s),
            now=now,
            random_bytes=secrets.token_bytes,
        ),
        certificates=certificates,
        issuer=_issuer(config.oidc, http, now),
        relying_party=RelyingParty(str(urlsplit(config.served_origins[0]).hostname), config.organization.display_name),
        pending=PendingLogins(now, secrets.token_bytes),
        invitations=Invitations(now, secrets.token_bytes),
        now=now,
    )
    return app


class _Static(StaticFiles):
    """Files of the package: kept by browsers, and asked for again whether they changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


async def _refused(request: Request, error: Exception) -> Response:
    """Return the page of what was refused; who is not logged in is led there."""
    if isinstance(error, TokenError) and request.method == "GET":
        if "hx-request" in request.headers:
            # A part of a page was asked for: the whole page must go, or the log-in would stand in its middle.
            return Response(status_code=401, headers={"HX-Redirect": "/login"})
        return RedirectResponse("/login", 303)
    page = services_of(request).pages.refusal(*refusal_of(error))
    if isinstance(error, HTTPException):
        page.headers.update(error.headers or {})
    return page


async def _healthz(request: Request) -> Response:
    del request
    return Response("ok\n", media_type="text/plain")


def _issuer(settings: Oidc | None, http: httpx.AsyncClient, now: Callable[[], datetime]) -> OidcProvider | None:
    if settings is None:
        return None
    secret = ""
    if settings.client_secret_file is not None:
        try:
            secret = settings.client_secret_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"oidc.client_secret_file {settings.client_secret_file}: {error}") from error
    return OidcProvider(settings, secret, http, now)


def _issuer_tls(settings: Oidc | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.roots if settings is not None else None)
    except OSError as error:
        assert settings is not None
        raise ConfigurationError(f"oidc.roots {settings.roots}: {error}") from error
