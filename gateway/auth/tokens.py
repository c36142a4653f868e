"""Access tokens (signed, 15 minutes) and refresh tokens (random, stored only as a hash).

Rules it keeps: an access token is accepted with one algorithm only, for one issuer and audience, and with every claim
present; a refresh token says nothing by itself and is worthless to who reads the database.

Source: RFC 7519 (JWT), RFC 8725 (its best current practices), RFC 9700, 4.14 (refresh token rotation).
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from gateway.errors import TokenError

ACCESS_TOKEN_LIFETIME = timedelta(minutes=15)
REFRESH_TOKEN_LIFETIME = timedelta(days=30)
REFRESH_TOKEN_BYTES = 32
ALGORITHM = "HS256"
AUDIENCE = "dwaybank-gateway"
TOKEN_CHARACTERS_MAX = 2_048
CHANGES_CLAIM = "dwaybank_password_changes"
"""Claim by which a token ends with the password that it was given for."""
SESSION_CLAIM = "sid"
"""Claim by which a token ends with its session (OpenID Connect Front-Channel Logout 1.0, 3)."""


class Bearer(NamedTuple):
    """Whom an access token is of.

    Args:
        customer_id: the customer.
        password_changes: how often he had changed his password then.
        session_id: the session that it was given to; None for tokens of earlier releases.
    """

    customer_id: uuid.UUID
    password_changes: int
    session_id: uuid.UUID | None


class AccessTokens:
    """Issues and checks access tokens.

    Args:
        secret: key of the signature, at least 32 bytes.
        issuer: MSP id of the bank, so that one bank's token is worth nothing at another's gateway.
        now: clock.
    """

    def __init__(self, secret: bytes, issuer: str, now: Callable[[], datetime]) -> None:
        self._key = OctKey.import_key(secret)
        self._issuer = issuer
        self._now = now

    def issue(self, bearer: Bearer) -> str:
        """Return a token that names a customer and his session for 15 minutes."""
        issued_at = int(self._now().timestamp())
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": str(bearer.customer_id),
            "iat": issued_at,
            "exp": issued_at + int(ACCESS_TOKEN_LIFETIME.total_seconds()),
            "jti": str(uuid.uuid4()),
            CHANGES_CLAIM: bearer.password_changes,
            SESSION_CLAIM: str(bearer.session_id),
        }
        return jwt.encode({"alg": ALGORITHM, "typ": "at+jwt"}, claims, self._key, algorithms=[ALGORITHM])

    def bearer_of(self, token: str) -> Bearer:
        """Return whom a token is of.

        Raises:
            TokenError: forged, expired, of another bank, or not a token at all; the text does not say which.
        """
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise TokenError("the access token is not valid: sign in again")
        registry = jwt.JWTClaimsRegistry(
            now=lambda: int(self._now().timestamp()),
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": AUDIENCE},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            decoded = jwt.decode(token, self._key, algorithms=[ALGORITHM])
            if decoded.header.get("typ") != "at+jwt":
                raise TokenError("the access token is not valid: sign in again")
            registry.validate(decoded.claims)
            # Tokens of earlier releases carry neither.
            session = decoded.claims.get(SESSION_CLAIM)
            return Bearer(
                uuid.UUID(str(decoded.claims["sub"])),
                int(decoded.claims.get(CHANGES_CLAIM, 0)),
                None if session is None else uuid.UUID(str(session)),
            )
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise TokenError("the access token is not valid or has expired: refresh it or sign in again") from error


def new_refresh_token(random_bytes: Callable[[int], bytes]) -> str:
    """Return a fresh refresh token: 32 random bytes, base64url without padding."""
    return base64.urlsafe_b64encode(random_bytes(REFRESH_TOKEN_BYTES)).rstrip(b"=").decode()


def refresh_token_digest(token: str) -> bytes:
    """Return what is stored of a refresh token: its SHA-256; 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).digest()


def utc_now() -> datetime:
    """Return the present time in UTC; the clock given to every part at the composition root."""
    return datetime.now(UTC)
