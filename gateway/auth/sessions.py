"""Registration, login, refresh and logout: the rules about customers and their sessions.

Rules it keeps:

- A wrong password and an unknown e-mail give the same answer after the same work.
- Failures are counted per e-mail and sender, per e-mail alone, and per sender by customers tried, in the database, so
  that all gateways count together; from where a customer has logged in before, his own count alone counts. The first
  two begin anew with another password.
- A suspension counts at once, also for access tokens given before it.
- A refresh token used twice ends the whole session, because one of the two users stole it. Once it has expired it may
  be forgotten, and is then refused like any unknown one.
- A session that ends, by log-out or because its token was used twice, ends its access tokens.
- A changed password ends every session that was begun before, and every access token that was given.
- Who logged in with a password that the bank gave him can set one of his own and log out, nothing else.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from anyio import to_thread

from gateway.auth.failures import Failures, TakenTold
from gateway.auth.passwords import Passwords, is_same
from gateway.auth.session_store import RotationOutcome, SessionStore
from gateway.auth.tokens import (
    ACCESS_TOKEN_LIFETIME,
    REFRESH_TOKEN_LIFETIME,
    AccessTokens,
    Bearer,
    new_refresh_token,
    refresh_token_digest,
)
from gateway.errors import (
    CredentialsError,
    ForbiddenError,
    NotFoundError,
    RefusedError,
    TokenError,
    TooManyAttemptsError,
)
from gateway.store import Customer, Store

log = structlog.get_logger(__name__)

FAILURE_WINDOW = timedelta(minutes=15)
FAILURES_PER_SENDER_MAX = 10
"""Failed logins of one e-mail address from one network address within the window."""
FAILURES_PER_EMAIL_MAX = 100
"""Failed logins of one e-mail address from anywhere: slows a distributed guess."""
CUSTOMERS_PER_SENDER_MAX = 30
"""E-mail addresses that failed from one network address within the window and never logged in there: slows who tries
one password on many. Behind an office's or a carrier's address that many newcomers hardly fail and give up."""
REGISTRATIONS_PER_SENDER_MAX = 50
"""E-mail addresses that may be registered, or asked for whether they are, from one network address within the window:
each costs a hash and a record for ever."""
TAKEN_PER_SENDER_MAX = 5
"""Of them, that are registered already: nobody proves that an address is his, so whoever asks is told."""
SENDER_KNOWN_FOR = timedelta(days=90)
"""Where a customer logged in within it, what others did elsewhere does not shut him out."""


@dataclass(frozen=True, slots=True)
class Sender:
    """From where somebody asks.

    Args:
        address: his network address, as far as it can be believed; empty where there is none.
        is_place: whether it tells people apart, and is not a proxy's that everybody comes through.
    """

    address: str
    is_place: bool


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a signed-in customer holds; with a password that the bank gave he must change it first."""

    access_token: str
    refresh_token: str
    expires_in_s: int
    must_change_password: bool


class Sessions:
    """Signs customers in and keeps them signed in.

    Args:
        store: the gateway's records.
        begun: sessions that were begun.
        failures: log-ins that failed.
        passwords: Argon2id.
        access_tokens: issuer of access tokens.
        now: clock.
        random_bytes: source of refresh tokens.
    """

    def __init__(
        self,
        store: Store,
        begun: SessionStore,
        failures: Failures,
        passwords: Passwords,
        access_tokens: AccessTokens,
        *,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._store = store
        self._begun = begun
        self._failures = failures
        self._passwords = passwords
        self._access_tokens = access_tokens
        self._now = now
        self._random_bytes = random_bytes

    async def register(self, email: str, password: str, display_name: str, sender: Sender) -> Customer:
        """Create a customer.

        Raises:
            ConflictError: the e-mail address is taken.
            TooManyAttemptsError: too many were registered from there before, or found to be registered.
        """
        told = _told_taken(email, sender)
        if told is not None:
            await self._refuse_beyond(told.place, told.count_max)
        if (place := _place(sender, "register")) is not None:
            # Noted first, so that of many at once no more pass than one after the other.
            noted = place, _subject(email, sender.address), self._now(), FAILURE_WINDOW
            await to_thread.run_sync(self._failures.add_at, *noted)
            await self._refuse_beyond(place, REGISTRATIONS_PER_SENDER_MAX + 1)
        encoded = await self._passwords.hash(password)
        customer = Customer(uuid.uuid4(), email, display_name, encoded, "active")
        now = self._now()
        # Again, and one after the other, whether the address is registered or not: others asked meanwhile.
        since = await to_thread.run_sync(self._store.add_customer, customer, now, told)
        _refuse(since is not None, since, now)
        log.info("customer.registered", customer_id=str(customer.customer_id))
        return customer

    async def login(self, email: str, password: str, sender: Sender) -> TokenPair:
        """Begin a session.

        Args:
            email: lower case.
            password: as typed.
            sender: from where.
        Raises:
            CredentialsError: unknown e-mail or wrong password.
            TooManyAttemptsError: too many failures before.
            ForbiddenError: the customer is suspended, or the password that the bank gave him is too old.
        """
        customer = await self._require_password(email, password, sender)
        _require_active(customer)
        _require_good(customer, self._now())
        if self._passwords.is_outdated(customer.password_hash):
            renewed = await self._passwords.hash(password)
            await to_thread.run_sync(self._store.renew_password_hash, customer, renewed)
        refresh_token = new_refresh_token(self._random_bytes)
        digest, now = refresh_token_digest(refresh_token), self._now()
        expires_at = now + REFRESH_TOKEN_LIFETIME
        session_id = await to_thread.run_sync(self._begun.add_session, customer, digest, now, expires_at)
        return self._pair(customer, session_id, refresh_token)

    async def change_password(self, customer_id: uuid.UUID, current: str, new: str, sender: Sender) -> TokenPair:
        """Set another password, end all sessions and begin a new one.

        Raises:
            CredentialsError: the current password is another.
            TooManyAttemptsError: too many failures before: whoever found a token may not guess with it.
            RefusedError: the new one is the current one.
            ConflictError: it was changed by somebody else meanwhile.
        """
        customer = await to_thread.run_sync(self._store.customer, customer_id)
        customer = await self._require_password(customer.email, current, sender)
        if is_same(new, current):
            raise RefusedError("same_password", "new_password is the current password: choose another one")
        encoded = await self._passwords.hash(new)
        refresh_token = new_refresh_token(self._random_bytes)
        digest, now = refresh_token_digest(refresh_token), self._now()
        expires_at = now + REFRESH_TOKEN_LIFETIME
        began = customer, encoded, digest, now, expires_at
        session_id = await to_thread.run_sync(self._begun.change_password, *began)
        log.info("customer.password_changed", customer_id=str(customer_id))
        changes = customer.password_changes + 1
        changed = replace(customer, password_changes=changes, must_change_password=False)
        return self._pair(changed, session_id, refresh_token)

    async def _require_password(self, email: str, password: str, sender: Sender) -> Customer:
        customer = await to_thread.run_sync(self._store.customer_by_email, email)
        # Of one password: whom wrong ones shut out comes in with the one that the bank gives him.
        guessed = f"{email}\x00{0 if customer is None else customer.password_changes}"
        failed_here, failed_anywhere = _subject(guessed, sender.address), _subject(guessed, "")
        here, place = _subject(email, sender.address), _place(sender, "place")
        known_since = self._now() - SENDER_KNOWN_FOR
        limits = {failed_here: FAILURES_PER_SENDER_MAX}
        if await to_thread.run_sync(self._failures.knows_sender, here, known_since):
            place = None
        else:
            limits[failed_anywhere] = FAILURES_PER_EMAIL_MAX
        await self._refuse_guessing(limits, place)
        known = None if customer is None else customer.password_hash
        is_right = await self._passwords.matches(password, known)
        if not is_right:
            tried = None if place is None else (place, here)
            failed = (failed_here, failed_anywhere), tried, self._now(), FAILURE_WINDOW
            await to_thread.run_sync(self._failures.add, *failed)
        # Again, before anything is told: others may have failed while this one waited for its turn.
        await self._refuse_guessing(limits, place, own=0 if is_right else 1)
        if not is_right or customer is None:
            raise CredentialsError("e-mail address and password do not belong together")
        await to_thread.run_sync(self._failures.note_sender, here, place, self._now(), SENDER_KNOWN_FOR)
        return customer

    async def refresh(self, refresh_token: str) -> TokenPair:
        """Exchange a refresh token for a new pair.

        Raises:
            TokenError: unknown, expired, revoked, or used before; the last ends the session.
            ForbiddenError: the customer is suspended, or must change his password first.
        """
        successor = new_refresh_token(self._random_bytes)
        now = self._now()
        outcome = await to_thread.run_sync(
            self._begun.rotate,
            refresh_token_digest(refresh_token),
            refresh_token_digest(successor),
            now,
            now + REFRESH_TOKEN_LIFETIME,
        )
        if isinstance(outcome, RotationOutcome):
            if outcome is RotationOutcome.REUSED:
                log.warning("session.refresh_token_reused")
            raise TokenError("the refresh token is not valid any more: sign in again")
        customer = await to_thread.run_sync(self._store.customer, outcome.customer_id)
        _require_active(customer)
        _require_own_password(customer)
        return self._pair(customer, outcome.session_id, successor)

    async def logout(self, refresh_token: str) -> None:
        """End the session; an unknown token changes nothing and says nothing."""
        await to_thread.run_sync(self._begun.revoke_session, refresh_token_digest(refresh_token), self._now())

    def require_active(self, bearer: Bearer, *, changes_password: bool = False) -> None:
        """Refuse whose session ended, or whom the bank suspended, after a token was given; for threads.

        Args:
            bearer: whom the token names.
            changes_password: whether this is what a customer may do who must change his password first.
        Raises:
            TokenError: there is no such customer any more, or his session ended or his password changed since.
            ForbiddenError: the customer is suspended, or must change his password first.
        """
        try:
            customer, is_ended = self._begun.customer_in_session(bearer.customer_id, bearer.session_id)
        except NotFoundError as error:
            raise TokenError("the access token's customer is not there any more: register again") from error
        if is_ended or bearer.password_changes != customer.password_changes:
            raise TokenError("this session was ended: sign in again")
        _require_active(customer)
        if not changes_password:
            _require_own_password(customer)

    def _pair(self, customer: Customer, session_id: uuid.UUID, refresh_token: str) -> TokenPair:
        lifetime_s = int(ACCESS_TOKEN_LIFETIME.total_seconds())
        token = self._access_tokens.issue(Bearer(customer.customer_id, customer.password_changes, session_id))
        return TokenPair(token, refresh_token, lifetime_s, customer.must_change_password)

    async def _refuse_guessing(self, limits: Mapping[bytes, int], place: bytes | None, own: int = 0) -> None:
        """Refuse after too many failures, the caller's own not counted."""
        now = self._now()
        for subject, limit in limits.items():
            count, oldest = await to_thread.run_sync(self._failures.of_subject, subject, now - FAILURE_WINDOW)
            _refuse(count - own >= limit, oldest, now)
        if place is not None:
            await self._refuse_beyond(place, CUSTOMERS_PER_SENDER_MAX + own)

    async def _refuse_beyond(self, place: bytes, limit: int) -> None:
        """Refuse who comes from a place where as many customers were tried as a limit says."""
        now = self._now()
        count, oldest = await to_thread.run_sync(self._failures.of_place, place, now - FAILURE_WINDOW)
        _refuse(count >= limit, oldest, now)


def _refuse(is_too_much: bool, oldest: datetime | None, now: datetime) -> None:
    if is_too_much and oldest is not None:
        wait_s = int((oldest + FAILURE_WINDOW - now).total_seconds()) + 1
        raise TooManyAttemptsError("too many failed logins or registrations: wait before trying again", wait_s)


def _subject(email: str, sender: str) -> bytes:
    return hashlib.sha256(f"login\x00{email}\x00{sender}".encode()).digest()


def _place(sender: Sender, what: str) -> bytes | None:
    return hashlib.sha256(f"{what}\x00{sender.address}".encode()).digest() if sender.is_place else None


def _told_taken(email: str, sender: Sender) -> TakenTold | None:
    place = _place(sender, "taken")
    subject = _subject(email, sender.address)
    return None if place is None else TakenTold(place, subject, TAKEN_PER_SENDER_MAX, FAILURE_WINDOW)


def _require_active(customer: Customer) -> None:
    if customer.status != "active":
        raise ForbiddenError("customer_suspended", "this customer is suspended: ask the bank")


def _require_good(customer: Customer, now: datetime) -> None:
    if customer.given_until is not None and now >= customer.given_until:
        told = "the password that the bank gave you is good no more: ask the bank for another"
        raise ForbiddenError("password_expired", told)


def _require_own_password(customer: Customer) -> None:
    if customer.must_change_password:
        told = "the bank gave you this password: set one of your own (POST /v1/auth/password), until then nothing else"
        raise ForbiddenError("password_change_required", told)
