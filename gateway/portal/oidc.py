"""Logging in by OpenID Connect: the authorization code flow with PKCE, against one configured issuer.

Rules:
- where the issuer's endpoints and keys are, its discovery document says, and it must name the very issuer asked;
- a code is redeemed with the verifier whose hash was shown before; an id token counts only if the issuer signed it for
  this client, it carries this log-in's nonce, and it is of now;
- what a claim means for the role, the settings say: exactly one role, or nobody comes in.

Source: OpenID Connect Core 1.0, 3.1, 9; Discovery 1.0, 4; RFC 6749, 2.3.1 (the client's secret); RFC 7636 (PKCE);
RFC 9700 (OAuth security); RFC 9207 (iss).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx
import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from gateway.errors import CredentialsError, ForbiddenError, UnavailableError
from gateway.portal.config import Oidc
from gateway.portal.roles import Role
from gateway.portal.sessions import Person

log = structlog.get_logger(__name__)

ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
"""What an id token may be signed with; never "none", never a shared secret."""
LEEWAY_S = 60
"""How far the issuer's clock may be off."""
ANSWER_BYTES_MAX = 256 * 1024
SUBJECT_LENGTH_MAX = 200
NAME_LENGTH_MAX = 80
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Authorization:
    """What one log-in hands to the issuer and must get back.

    Args:
        state: comes back with the code.
        nonce: comes back in the id token.
        verifier: whose hash is shown first, and itself with the code.
    """

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Known:
    """Whom the issuer vouches for.

    Args:
        subject: issuer and its own id for him: never given to another.
        login: what he is called there, unique at the moment.
    """

    subject: str
    login: str
    person: Person


class OidcProvider:
    """The issuer, as far as the portal asks it.

    Args:
        settings: which issuer, and what its claims mean.
        secret: the client's secret; empty for a public client.
        http: for calls to the issuer.
        now: the clock, UTC.
    """

    def __init__(self, settings: Oidc, secret: str, http: httpx.AsyncClient, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._secret = secret
        self._http = http
        self._now = now

    @property
    def name(self) -> str:
        """The issuer, as it calls itself."""
        return self._settings.issuer

    async def address(self, authorization: Authorization, redirect_uri: str) -> str:
        """Return where the browser is sent to log in.

        Raises:
            UnavailableError: the issuer does not answer as one.
        """
        endpoint = (await self._discovered())["authorization_endpoint"]
        challenge = base64.urlsafe_b64encode(hashlib.sha256(authorization.verifier.encode()).digest())
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": self._settings.scope,
            "state": authorization.state,
            "nonce": authorization.nonce,
            "code_challenge": challenge.rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"

    async def redeem(self, code: str, authorization: Authorization, redirect_uri: str) -> Known:
        """Return whom a code stands for.

        Raises:
            CredentialsError: the issuer refuses the code, or its token is not good for this log-in.
            ForbiddenError: he has no role here, or several.
            UnavailableError: the issuer does not answer as one.
        """
        found = await self._discovered()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self._settings.client_id,
            "code_verifier": authorization.verifier,
        }
        answer = await self._ask("POST", found["token_endpoint"], form, self._proof_of_client(found, form))
        token = answer.get("id_token")
        if not isinstance(token, str):
            # Its own word for it tells the operator what to correct: invalid_client is the secret, not the code.
            reason = str(answer.get("error", "no id token"))[:80]
            log.warning("oidc.code_not_taken", reason=reason)
            raise CredentialsError(f"the issuer did not take the code ({reason}): log in again")
        keys = await self._ask("GET", found["jwks_uri"])
        return self._known(self._claims(token, keys, authorization.nonce))

    def _proof_of_client(self, found: Mapping[str, Any], form: dict[str, str]) -> httpx.BasicAuth | None:
        """Show the client's secret as the settings say, else as discovered: in the header where both ways are taken."""
        if not self._secret:
            return None
        ways = found.get("token_endpoint_auth_methods_supported")
        # What is discovered holds for the issuer; a client may be registered there for one of the ways alone.
        told = "form" if isinstance(ways, list) and "client_secret_basic" not in ways else "header"
        if (self._settings.client_secret_in or told) == "form":
            form["client_secret"] = self._secret
            return None
        return httpx.BasicAuth(quote_plus(self._settings.client_id), quote_plus(self._secret))

    def _claims(self, token: str, keys: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
        try:
            claims = jwt.decode(token, KeySet.import_key_set(keys), algorithms=list(ALGORITHMS)).claims  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise CredentialsError(f"the id token is not the issuer's: {type(error).__name__}") from error
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        now = self._now().timestamp()
        faults = {
            "iss": claims.get("iss") != self._settings.issuer,
            "aud": self._settings.client_id not in audiences,
            "azp": claims.get("azp", self._settings.client_id) != self._settings.client_id,
            "nonce": claims.get("nonce") != nonce,
            "exp": not _is_time(claims.get("exp")) or claims["exp"] + LEEWAY_S <= now,
            "iat": not _is_time(claims.get("iat")) or claims["iat"] - LEEWAY_S > now,
            "nbf": "nbf" in claims and (not _is_time(claims["nbf"]) or claims["nbf"] - LEEWAY_S > now),
        }
        wrong = [name for name, is_wrong in faults.items() if is_wrong]
        if wrong:
            raise CredentialsError(f"the id token is not one for this log-in: {', '.join(wrong)}")
        return claims

    def _known(self, claims: Mapping[str, Any]) -> Known:
        settings = self._settings
        subject, login = f"{settings.issuer}#{claims.get('sub', '')}", claims.get(settings.name_claim)
        if not isinstance(claims.get("sub"), str) or not claims["sub"] or len(subject) > SUBJECT_LENGTH_MAX:
            raise CredentialsError("the id token names nobody: sub is missing or too long")
        if not isinstance(login, str) or not 0 < len(login) <= NAME_LENGTH_MAX or not login.isprintable():
            raise CredentialsError(f"the id token's {settings.name_claim} is not 1 to {NAME_LENGTH_MAX} characters")
        # With the issuer's name: whoever may choose a name there must not look like the owner of a certificate.
        name = f"{login} ({urlsplit(settings.issuer).netloc})"
        return Known(subject, login, Person(name, self._role(claims.get(settings.role_claim)), "passkey"))

    def _role(self, claim: object) -> Role:
        values: Sequence[object] = claim if isinstance(claim, list) else [claim]
        roles = {
            self._settings.roles[value] for value in values if isinstance(value, str) and value in self._settings.roles
        }
        if len(roles) != 1:
            raise ForbiddenError(
                "no_role",
                f"the issuer's {self._settings.role_claim} gives {len(roles)} roles at this portal: it takes one",
            )
        return roles.pop()

    async def _discovered(self) -> Mapping[str, Any]:
        issuer = self._settings.issuer
        found = await self._ask("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise UnavailableError("issuer", f"what answers at {issuer} calls itself by another name")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            endpoint = found.get(name)
            if not isinstance(endpoint, str) or not endpoint.startswith(("https://", f"{issuer.rstrip('/')}/")):
                raise UnavailableError("issuer", f"the issuer's {name} is no address over TLS")
        return found

    async def _ask(
        self, method: str, address: str, form: Mapping[str, str] | None = None, auth: httpx.BasicAuth | None = None
    ) -> Mapping[str, Any]:
        try:
            answer = await self._http.request(method, address, data=form, auth=auth, timeout=TIMEOUT_S)
            told = answer.json() if len(answer.content) <= ANSWER_BYTES_MAX else None
        except (httpx.HTTPError, ValueError, RecursionError) as error:
            raise UnavailableError("issuer", f"the issuer does not answer: {type(error).__name__}") from error
        if not isinstance(told, dict):
            raise UnavailableError("issuer", "the issuer's answer is not what one says")
        if form is None and answer.status_code != 200:
            raise UnavailableError("issuer", f"the issuer answers {answer.status_code}")
        return told


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
