"""A small OpenID provider that runs in a test: discovery, authorization, token with PKCE, keys; on loopback.

It lets in whoever ``next_login`` names, at once and without a page. What a dishonest or broken issuer would do is set
on it: claims of the id token are changed by ``changes``, its signature by ``key`` and ``algorithm``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

CLIENT_ID = "portal"


class OidcProviderInTest:
    """The provider's state; ``running_provider`` serves it."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.key = ECKey.generate_key("P-256", {"kid": "1"})
        self.published = KeySet([self.key])
        self.algorithm = "ES256"
        self.next_login: dict[str, Any] = {"sub": "1", "preferred_username": "ada", "groups": ["examiners"]}
        self.changes: dict[str, Any] = {}
        self.secret = ""
        self.secret_in_form = False
        self.tells_both_ways = False
        self.adds: dict[str, str] = {}
        self._codes: dict[str, dict[str, str]] = {}

    def authorize(self, query: dict[str, str]) -> str:
        """Return where the browser is sent back to, with a code."""
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT_ID
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(24)
        self._codes[code] = query
        answer = {"code": code, "state": query["state"], "iss": self.issuer, **self.adds}
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def token(self, form: dict[str, str], authorization: str = "") -> tuple[int, dict[str, Any]]:
        """Redeem a code, once, by who began with the right challenge."""
        if not self._knows_client(form, authorization):
            return 401, {"error": "invalid_client"}
        begun = self._codes.pop(form.get("code", ""), None)
        shown = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=")
        if (
            begun is None
            or shown.decode() != begun["code_challenge"]
            or form.get("redirect_uri") != begun["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": begun["nonce"],
            **self.next_login, **self.changes,
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.algorithm, "kid": "1"}
        by_hand = {"none": lambda _: b"", "HS256": self._as_if_the_public_key_were_a_secret}.get(self.algorithm)
        if by_hand is not None:
            token = signed_by_hand(header, claims, by_hand)
        else:
            token = jwt.encode(header, claims, self.key, algorithms=[self.algorithm])
        return 200, {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "id_token": token}

    def _knows_client(self, form: dict[str, str], authorization: str) -> bool:
        """Tell whether the secret is shown in the one way that this client was registered for."""
        if not self.secret or self.secret_in_form:
            return not authorization and form.get("client_secret", "") == self.secret
        way, _, shown = authorization.partition(" ")
        pair = base64.b64decode(shown).decode().split(":")
        return (
            way == "Basic" and "client_secret" not in form and list(map(unquote_plus, pair)) == [CLIENT_ID, self.secret]
        )

    def _as_if_the_public_key_were_a_secret(self, body: bytes) -> bytes:
        return hmac.digest(self.key.as_pem(private=False), body, "sha256")

    def discovery(self) -> dict[str, Any]:
        """Return the discovery document."""
        told = ["client_secret_post"] if self.secret_in_form else []
        if self.tells_both_ways:
            told = ["client_secret_basic", "client_secret_post"]
        return {
            **({"token_endpoint_auth_methods_supported": told} if told else {}),
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }


def signed_by_hand(header: dict[str, Any], claims: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """Return a token as no library would make it."""
    body = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims))
    return (body + b"." + base64.urlsafe_b64encode(sign(body)).rstrip(b"=")).decode()


@contextmanager
def running_provider() -> Iterator[OidcProviderInTest]:
    """Serve a provider until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            if address.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.authorize(dict(parse_qsl(address.query))))
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif address.path == "/keys":
                self._answer(200, provider.published.as_dict(private=False))
            else:
                self._answer(200, provider.discovery())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer(*provider.token(dict(parse_qsl(body)), self.headers.get("Authorization", "")))

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, status: int, told: Any) -> None:
            content = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider = OidcProviderInTest(server.server_address[1])
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            yield provider
        finally:
            server.shutdown()
            serving.join()
