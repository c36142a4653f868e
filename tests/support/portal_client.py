"""Somebody at the portal without a browser: HTTPS with a client certificate, forms sent as pages give them."""

from __future__ import annotations

import re
import ssl
from html import unescape
from pathlib import Path

import httpx

from network.topology import Organization
from node.home import Home

CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


def tls_of(home: Home, organization: Organization, user: Path | None = None) -> ssl.SSLContext:
    """Return the TLS of a browser that trusts the organization's servers and shows a user's certificate.

    Args:
        user: folder that holds the user's ``msp``; None for a browser without a certificate.
    """
    (roots,) = (home.crypto(organization) / "msp" / "tlscacerts").glob("*.pem")
    context = ssl.create_default_context(cafile=str(roots))
    # Certificates of cryptogen's kind name no key identifier where newer Pythons want one.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if user is not None:
        (certificate,) = (user / "msp" / "signcerts").glob("*.pem")
        context.load_cert_chain(certificate, user / "msp" / "keystore" / "priv_sk")
    return context


class PortalClient:
    """One person's browser, as far as HTTP goes; use as ``async with``."""

    def __init__(self, origin: str, tls: ssl.SSLContext) -> None:
        self.origin = origin
        self.http = httpx.AsyncClient(base_url=origin, verify=tls, timeout=60, headers={"Origin": origin})

    async def __aenter__(self) -> PortalClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def log_in(self) -> httpx.Response:
        """Log in by certificate."""
        return await self.http.post("/login/certificate")

    async def page(self, path: str, status: int = 200) -> str:
        """Return a page's HTML."""
        answer = await self.http.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    async def send(self, page: str, action: str, **fields: str) -> httpx.Response:
        """Fill in a form of a page and send it; return the answer, redirections followed."""
        found = CSRF.search(await self.page(page))
        assert found is not None, "the page has no form"
        form = {"csrf": found.group(1), **fields}
        return await self.http.post(action, data=form, follow_redirects=True)


def text_of(html: str) -> str:
    """Return a page's text as people read it, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())
