"""Registration, login, refresh and logout: the rules about customers and their sessions.

Rules it keeps:

- A wrong password and an unknown e-mail give the same answer after the same work.
- Failures are counted per e-mail and sender and per e-mail alone, in the database, so that all gateways count together;
  from where a customer has logged in before, his own count alone counts.
- A suspension counts at once, also for access tokens given before it.
- A refresh token used twice ends the whole session, because one of the two users stole it. Once it has expired it may
  be forgotten, and is then refused like any unknown one.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from anyio import to_thread

from gateway.auth.passwords import Passwords
from gateway.auth.tokens import (
    ACCESS_TOKEN_LIFETIME,
    REFRESH_TOKEN_LIFETIME,
    AccessTokens,
    new_refresh_token,
    refresh_token_digest,
)
from gateway.errors import CredentialsError, ForbiddenError, NotFoundError, TokenError, TooManyAttemptsError
from gateway.store import Customer, RotationOutcome, Store

log = structlog.get_logger(__name__)

FAILURE_WINDOW = timedelta(minutes=15)
FAILURES_PER_SENDER_MAX = 10
"""Failed logins of one e-mail address from one network address within the window."""
FAILURES_PER_EMAIL_MAX = 100
"""Failed logins of one e-mail address from anywhere: slows a distributed guess."""
SENDER_KNOWN_FOR = timedelta(days=90)
"""Where a customer logged in within it, what others did elsewhere does not shut him out."""


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a signed-in customer holds."""

    access_token: str
    refresh_token: str
    expires_in_s: int


class Sessions:
    """Signs customers in and keeps them signed in.

    Args:
        store: the gateway's records.
        passwords: Argon2id.
        access_tokens: issuer of access tokens.
        now: clock.
        random_bytes: source of refresh tokens.
    """

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        access_tokens: AccessTokens,
        *,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._access_tokens = access_tokens
        self._now = now
        self._random_bytes = random_bytes

    async def register(self, email: str, password: str, display_name: str) -> Customer:
        """Create a customer.

        Raises:
            ConflictError: the e-mail address is taken.
        """
        encoded = await self._passwords.hash(password)
        customer = Customer(uuid.uuid4(), email, display_name, encoded, "active")
        await to_thread.run_sync(self._store.add_customer, customer, self._now())
        log.info("customer.registered", customer_id=str(customer.customer_id))
        return customer

    async def login(self, email: str, password: str, sender: str) -> TokenPair:
        """Begin a session.

        Args:
            email: lower case.
            password: as typed.
            sender: the caller's network address.
        Raises:
            CredentialsError: unknown e-mail or wrong password.
            TooManyAttemptsError: too many failures before.
            ForbiddenError: the customer is suspended.
        """
        subjects = (_subject(email, sender), _subject(email, ""))
        known_since = self._now() - SENDER_KNOWN_FOR
        if await to_thread.run_sync(self._store.knows_sender, subjects[0], known_since):
            limits = {subjects[0]: FAILURES_PER_SENDER_MAX}
        else:
            limits = {subjects[0]: FAILURES_PER_SENDER_MAX, subjects[1]: FAILURES_PER_EMAIL_MAX}
        await self._refuse_guessing(limits)
        customer = await to_thread.run_sync(self._store.customer_by_email, email)
        known = None if customer is None else customer.password_hash
        is_right = await self._passwords.matches(password, known)
        if not is_right:
            await to_thread.run_sync(self._store.add_login_failure, subjects, self._now(), FAILURE_WINDOW)
        # Again, before anything is told: others may have failed while this one waited for its turn.
        await self._refuse_guessing(limits, own=0 if is_right else 1)
        if not is_right or customer is None:
            raise CredentialsError("e-mail address and password do not belong together")
        _require_active(customer)
        if self._passwords.is_outdated(customer.password_hash):
            renewed = await self._passwords.hash(password)
            await to_thread.run_sync(self._store.renew_password_hash, customer.customer_id, renewed)
        refresh_token = new_refresh_token(self._random_bytes)
        digest, now = refresh_token_digest(refresh_token), self._now()
        expires_at = now + REFRESH_TOKEN_LIFETIME
        await to_thread.run_sync(self._store.note_sender, subjects[0], now, SENDER_KNOWN_FOR)
        await to_thread.run_sync(self._store.add_session, customer.customer_id, digest, now, expires_at)
        return self._pair(customer.customer_id, refresh_token)

    async def refresh(self, refresh_token: str) -> TokenPair:
        """Exchange a refresh token for a new pair.

        Raises:
            TokenError: unknown, expired, revoked, or used before; the last ends the session.
            ForbiddenError: the customer is suspended.
        """
        successor = new_refresh_token(self._random_bytes)
        now = self._now()
        outcome = await to_thread.run_sync(
            self._store.rotate,
            refresh_token_digest(refresh_token),
            refresh_token_digest(successor),
            now,
            now + REFRESH_TOKEN_LIFETIME,
        )
        if isinstance(outcome, RotationOutcome):
            if outcome is RotationOutcome.REUSED:
                log.warning("session.refresh_token_reused")
            raise TokenError("the refresh token is not valid any more: sign in again")
        _require_active(await to_thread.run_sync(self._store.customer, outcome))
        return self._pair(outcome, successor)

    async def logout(self, refresh_token: str) -> None:
        """End the session; an unknown token changes nothing and says nothing."""
        await to_thread.run_sync(self._store.revoke_session, refresh_token_digest(refresh_token), self._now())

    def require_active(self, customer_id: uuid.UUID) -> None:
        """Refuse whom the bank suspended after he signed in; for threads.

        Raises:
            TokenError: there is no such customer any more.
            ForbiddenError: the customer is suspended.
        """
        try:
            customer = self._store.customer(customer_id)
        except NotFoundError as error:
            raise TokenError("the access token's customer is not there any more: register again") from error
        _require_active(customer)

    def _pair(self, customer_id: uuid.UUID, refresh_token: str) -> TokenPair:
        lifetime_s = int(ACCESS_TOKEN_LIFETIME.total_seconds())
        return TokenPair(self._access_tokens.issue(customer_id), refresh_token, lifetime_s)

    async def _refuse_guessing(self, limits: Mapping[bytes, int], own: int = 0) -> None:
        """Refuse after too many failures, the caller's own not counted."""
        now = self._now()
        for subject, limit in limits.items():
            count, oldest = await to_thread.run_sync(self._store.login_failures, subject, now - FAILURE_WINDOW)
            if count - own >= limit and oldest is not None:
                wait_s = int((oldest + FAILURE_WINDOW - now).total_seconds()) + 1
                raise TooManyAttemptsError("too many failed logins: wait before trying again", wait_s)


def _subject(email: str, sender: str) -> bytes:
    return hashlib.sha256(f"login\x00{email}\x00{sender}".encode()).digest()


def _require_active(customer: Customer) -> None:
    if customer.status != "active":
        raise ForbiddenError("customer_suspended", "this customer is suspended: ask the bank")
