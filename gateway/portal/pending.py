"""Log-ins under way: begun at an issuer, not yet finished with a passkey. In memory, for minutes, each in one browser.

Rules: what must come back (state, nonce, challenge) is taken out when it is compared, so that it counts once; whoever
does not hold the cookie that began a log-in cannot go on with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.errors import CredentialsError
from gateway.portal.oidc import Authorization, Known

COOKIE = "__Host-login"
LASTS = timedelta(minutes=10)
PENDING_MAX = 1_000

_SECRET_BYTES = 32


@dataclass(slots=True)
class Pending:
    """One log-in under way.

    Args:
        origin: the portal's address that the browser uses.
        authorization: until the code came.
        csrf: what the form that finishes it must carry.
        known: whom the issuer vouches for, once it does.
        challenge: what the passkey must sign; empty for none asked.
    """

    origin: str
    authorization: Authorization | None
    csrf: str
    began_at: datetime
    known: Known | None = None
    challenge: bytes = field(default=b"", repr=False)


class PendingLogins:
    """All of this process.

    Args:
        now: the clock, UTC.
        random_bytes: for secrets.
    """

    def __init__(self, now: Callable[[], datetime], random_bytes: Callable[[int], bytes]) -> None:
        self._now = now
        self._random_bytes = random_bytes
        self._pending: dict[bytes, Pending] = {}

    def begin(self, origin: str) -> tuple[str, Pending, Authorization]:
        """Begin a log-in; return the cookie's value, the log-in and what goes to the issuer."""
        now = self._now()
        for key in [key for key, pending in self._pending.items() if now - pending.began_at > LASTS]:
            del self._pending[key]
        if len(self._pending) >= PENDING_MAX:
            del self._pending[min(self._pending, key=lambda key: self._pending[key].began_at)]
        secret, state, nonce, verifier, csrf = (self._random_bytes(_SECRET_BYTES).hex() for _ in range(5))
        authorization = Authorization(state, nonce, verifier)
        pending = Pending(origin, authorization, csrf, now)
        self._pending[_key(secret)] = pending
        return secret, pending, authorization

    def find(self, secret: str) -> Pending:
        """Return the log-in that a browser began.

        Raises:
            CredentialsError: there is none, or it took too long.
        """
        pending = self._pending.get(_key(secret))
        if pending is None or self._now() - pending.began_at > LASTS:
            raise CredentialsError("this log-in is not under way in this browser, or took too long: begin again")
        return pending

    def end(self, secret: str) -> None:
        """Forget a log-in; nothing where there is none."""
        self._pending.pop(_key(secret), None)

    def new_challenge(self, pending: Pending) -> bytes:
        """Give a log-in a fresh challenge."""
        pending.challenge = self._random_bytes(_SECRET_BYTES)
        return pending.challenge


def take_authorization(pending: Pending) -> Authorization:
    """Return what the issuer's answer must match, once.

    Raises:
        CredentialsError: an answer came before.
    """
    authorization, pending.authorization = pending.authorization, None
    if authorization is None:
        raise CredentialsError("the issuer's answer was used before: begin again")
    return authorization


def take_challenge(pending: Pending) -> tuple[bytes, Known]:
    """Return what a passkey must sign, once, and for whom.

    Raises:
        CredentialsError: nothing is asked of a passkey now.
    """
    challenge, pending.challenge = pending.challenge, b""
    if not challenge or pending.known is None:
        raise CredentialsError("no passkey is asked for now: begin again")
    return challenge, pending.known


def _key(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
