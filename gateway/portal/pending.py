"""Log-ins under way: begun at an issuer, not yet finished with a passkey. For minutes, each in one browser.

Rules:
- one that began is kept nowhere but in the browser's cookie, from which a key of this process derives what must come
  back (state, nonce, verifier): anybody may begin any number, and takes no other's place;
- one is kept in memory once the issuer vouched for somebody; challenges are taken out when they are compared, so that
  they count once, and so is what must come back;
- whoever does not hold the cookie that began a log-in cannot go on with it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gateway.errors import CredentialsError
from gateway.portal.oidc import Authorization, Known

COOKIE = "__Host-login"
LASTS = timedelta(minutes=10)
PENDING_MAX = 1_000
"""Log-ins kept at once, all of people for whom the issuer vouched."""

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
        self._key = random_bytes(_SECRET_BYTES)
        self._pending: dict[bytes, Pending] = {}

    def begin(self, origin: str) -> tuple[str, Authorization]:
        """Begin a log-in; return the cookie's value and what goes to the issuer."""
        began = f"{int(self._now().timestamp()):x}.{self._random_bytes(_SECRET_BYTES).hex()}"
        secret = f"{began}.{self._derived('cookie', began, origin)}"
        return secret, self._authorization(secret, origin)

    def find(self, secret: str, origin: str) -> Pending:
        """Return the log-in that a browser began at an address of the portal.

        Raises:
            CredentialsError: there is none, or it took too long.
        """
        kept = self._pending.get(_key(secret))
        pending = self._begun(secret, origin) if kept is None else kept
        if pending is None or pending.origin != origin or self._now() - pending.began_at > LASTS:
            raise CredentialsError("this log-in is not under way in this browser, or took too long: begin again")
        return pending

    def keep(self, secret: str, pending: Pending) -> None:
        """Keep a log-in that goes on with a passkey."""
        now = self._now()
        for key in [key for key, kept in self._pending.items() if now - kept.began_at > LASTS]:
            del self._pending[key]
        if len(self._pending) >= PENDING_MAX:
            del self._pending[min(self._pending, key=lambda key: self._pending[key].began_at)]
        self._pending[_key(secret)] = pending

    def end(self, secret: str) -> None:
        """Forget a log-in; nothing where there is none."""
        self._pending.pop(_key(secret), None)

    def new_challenge(self, pending: Pending) -> bytes:
        """Give a log-in a fresh challenge."""
        pending.challenge = self._random_bytes(_SECRET_BYTES)
        return pending.challenge

    def _begun(self, secret: str, origin: str) -> Pending | None:
        began, _, proof = secret.rpartition(".")
        expected = self._derived("cookie", began, origin)
        if not hmac.compare_digest(proof.encode("utf-8", "surrogateescape"), expected.encode()):
            return None
        began_at = datetime.fromtimestamp(int(began.partition(".")[0], 16), UTC)
        return Pending(origin, self._authorization(secret, origin), self._derived("csrf", secret, origin), began_at)

    def _authorization(self, secret: str, origin: str) -> Authorization:
        state, nonce, verifier = (self._derived(name, secret, origin) for name in ("state", "nonce", "verifier"))
        return Authorization(state, nonce, verifier)

    def _derived(self, purpose: str, secret: str, origin: str) -> str:
        told = "\0".join((purpose, secret, origin)).encode("utf-8", "surrogateescape")
        return hmac.digest(self._key, told, "sha256").hex()


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
