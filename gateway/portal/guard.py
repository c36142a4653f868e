"""Stands before the portal's pages: where a request comes from, how large it is, what every answer carries.

Rules:
- a request for another host than the portal's is refused (a name that was bent to this address);
- what changes something is taken from the portal's own pages only, told by ``Origin`` and ``Sec-Fetch-Site``;
- nothing but the portal's own files runs or styles a page, no page is framed, nothing is kept by caches.

Source: W3C Content Security Policy 3, Fetch Metadata; RFC 6797; OWASP Cross-Site Request Forgery Prevention.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.body import read_body, replay_body

log = structlog.get_logger(__name__)

BODY_BYTES_MAX = 64 * 1024
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
        "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'",
    )
)  # fmt: skip
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": it would take the origin from forms, too, by which they are told apart from strangers'.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_OWN_PAGES = frozenset({"", "same-origin", "none"})
"""Values of ``Sec-Fetch-Site`` of what comes from an own page; "none" is the address bar; old browsers send none."""

Refuse = Callable[[int, str], Response]
"""Makes the page that says no: status and one sentence."""


class PortalGuard:
    """ASGI middleware.

    Args:
        app: the application behind it.
        origins: addresses the portal is reached under.
        refuse: makes the page of a refusal.
    """

    def __init__(self, app: ASGIApp, *, origins: Collection[str], refuse: Refuse) -> None:
        self._app = app
        self._origins = frozenset(origins)
        self._hosts = frozenset(urlsplit(origin).netloc for origin in origins)
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        refusal = self._refusal(scope)
        try:
            body = await read_body(scope, receive, BODY_BYTES_MAX) if refusal is None else None
        except ClientDisconnect:
            return
        if refusal is None and body is None:
            refusal = self._refuse(413, f"a form may have {BODY_BYTES_MAX} bytes")
        if refusal is not None:
            await refusal(scope, receive, send_with_headers)
            return
        assert body is not None
        try:
            await self._app(scope, replay_body(body, receive), send_with_headers)
        except Exception as error:
            if started:
                raise
            error_id = secrets.token_hex(6)
            log.error("portal.unhandled", error_id=error_id, exc_info=error)
            page = self._refuse(500, f"internal error {error_id}: the operator finds its cause under this id")
            await page(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if headers.get("host", "") not in self._hosts:
            return self._refuse(421, "this address is not the portal's: use one that its settings name")
        if scope["method"] in _SAFE_METHODS:
            return None
        if scope["method"] != "POST":
            refusal = self._refuse(405, "the portal knows GET, HEAD and POST")
            refusal.headers["Allow"] = "GET, HEAD, POST"
            return refusal
        origin = headers.get("origin")
        if (origin is not None and origin not in self._origins) or headers.get("sec-fetch-site", "") not in _OWN_PAGES:
            return self._refuse(403, "this form was not one of the portal's own: open the page and send it again")
        return None
