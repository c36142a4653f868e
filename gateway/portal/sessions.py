"""Who is logged in: sessions in the process's memory, each known by a secret that only the browser's cookie has.

Rules:
- of the secret only its hash is kept; it is made here, at log-in, and never taken from a request;
- a session that began with a certificate is good on connections with that very certificate only;
- it ends when its owner ends it, after a time without a request, and after a working day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.errors import TokenError
from gateway.portal.roles import Role

COOKIE = "__Host-session"
"""The prefix makes browsers take it over TLS only, for this host and every path. Source: RFC 6265bis, 4.1.3."""
SESSIONS_MAX = 1_000

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who proved who he is.

    Args:
        name: common name of the certificate, or the issuer's name for him.
        role: what he may do.
        way: ``"certificate"`` or ``"passkey"``.
    """

    name: str
    role: Role
    way: str


@dataclass(slots=True)
class Session:
    """One person's stay.

    Args:
        csrf: what every form of his must carry.
        certificate: SHA-256 of the certificate it is bound to; empty for none.
    """

    person: Person
    csrf: str
    certificate: bytes
    began_at: datetime
    seen_at: datetime


class Sessions:
    """All sessions of this process.

    Args:
        idle, total: how long a session lasts, without a request and at all.
        now: the clock, UTC.
        random_bytes: for secrets.
    """

    def __init__(
        self,
        *,
        idle: timedelta,
        total: timedelta,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._idle = idle
        self._total = total
        self._now = now
        self._random_bytes = random_bytes
        self._sessions: dict[bytes, Session] = {}

    def begin(self, person: Person, certificate: bytes = b"") -> tuple[str, Session]:
        """Log somebody in; return the cookie's value and the session."""
        now = self._now()
        for key in [key for key, session in self._sessions.items() if self._is_over(session, now)]:
            del self._sessions[key]
        if len(self._sessions) >= SESSIONS_MAX:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].seen_at)]
        secret = self._random_bytes(_SECRET_BYTES).hex()
        session = Session(person, self._random_bytes(_SECRET_BYTES).hex(), certificate, now, now)
        self._sessions[_key(secret)] = session
        return secret, session

    def find(self, secret: str, certificate: bytes) -> Session:
        """Return the session of a request.

        Args:
            secret: the cookie's value; empty for none.
            certificate: SHA-256 of the connection's client certificate; empty for none.
        Raises:
            TokenError: there is none, it is over, or it began with another certificate.
        """
        session = self._sessions.get(_key(secret))
        if session is None:
            raise TokenError("nobody is logged in: log in first")
        if self._is_over(session, self._now()):
            self.end(secret)
            raise TokenError("the session is over: log in again")
        if session.certificate and session.certificate != certificate:
            raise TokenError("the session began with another certificate: log in with yours")
        session.seen_at = self._now()
        return session

    def end(self, secret: str) -> None:
        """Log somebody out; nothing where there is no such session."""
        self._sessions.pop(_key(secret), None)

    def end_all_of(self, name: str) -> int:
        """Log a person out wherever he is; return how many sessions that ended."""
        his = [key for key, session in self._sessions.items() if session.person.name == name]
        for key in his:
            del self._sessions[key]
        return len(his)

    def _is_over(self, session: Session, now: datetime) -> bool:
        return now - session.seen_at > self._idle or now - session.began_at > self._total


def _key(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
