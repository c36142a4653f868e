"""Sessions of the portal: who holds the secret and the certificate is in, and nobody for longer than he may be."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from gateway.errors import TokenError
from gateway.portal.roles import Role
from gateway.portal.sessions import SESSIONS_MAX, Person, Sessions

ADA = Person("ada", Role.EXAMINER, "certificate")


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 29, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def sessions_at(clock: Clock) -> Sessions:
    counter = itertools.count()
    return Sessions(
        idle=timedelta(minutes=15),
        total=timedelta(hours=8),
        now=clock,
        random_bytes=lambda size: next(counter).to_bytes(size, "big"),
    )


def test_session_is_found_by_its_secret_and_by_no_other() -> None:
    sessions = sessions_at(Clock())
    secret, session = sessions.begin(ADA)
    assert sessions.find(secret, b"") is session
    for wrong in ("", "00" * 32 + "0", secret[:-1], secret.upper() + "x", "\udcff"):
        with pytest.raises(TokenError, match="nobody is logged in"):
            sessions.find(wrong, b"")


def test_stolen_cookie_is_worth_nothing_on_a_connection_with_another_certificate_or_none() -> None:
    sessions = sessions_at(Clock())
    secret, _ = sessions.begin(ADA, b"his certificate")
    for certificate in (b"", b"another's"):
        with pytest.raises(TokenError, match="another certificate"):
            sessions.find(secret, certificate)
    sessions.find(secret, b"his certificate")


def test_session_ends_after_a_time_without_a_request_and_after_a_working_day() -> None:
    clock = Clock()
    sessions = sessions_at(clock)
    secret, _ = sessions.begin(ADA)
    for _ in range(47):
        clock.now += timedelta(minutes=10)
        sessions.find(secret, b"")
    clock.now += timedelta(minutes=11)
    with pytest.raises(TokenError, match="is over"):
        sessions.find(secret, b"")
    other, _ = sessions.begin(ADA)
    clock.now += timedelta(minutes=16)
    with pytest.raises(TokenError, match="is over"):
        sessions.find(other, b"")


def test_sessions_do_not_fill_the_memory() -> None:
    clock = Clock()
    sessions = sessions_at(clock)
    first, _ = sessions.begin(ADA)
    clock.now += timedelta(seconds=1)
    for _ in range(SESSIONS_MAX):
        newest, _ = sessions.begin(ADA)
    sessions.find(newest, b"")
    with pytest.raises(TokenError):
        sessions.find(first, b"")


def test_a_person_is_logged_out_everywhere() -> None:
    sessions = sessions_at(Clock())
    secrets = [sessions.begin(ADA)[0] for _ in range(3)]
    bob, _ = sessions.begin(Person("bob", Role.EXAMINER, "passkey"))
    assert sessions.end_all_of("ada") == 3
    for secret in secrets:
        with pytest.raises(TokenError):
            sessions.find(secret, b"")
    sessions.find(bob, b"")
