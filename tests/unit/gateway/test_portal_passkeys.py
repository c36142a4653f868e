"""Passkeys, invitations and log-ins under way: what counts once counts once, and only for whom it was meant."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest

from gateway.errors import CredentialsError, RefusedError
from gateway.portal.invitations import Invitations
from gateway.portal.oidc import Known
from gateway.portal.passkeys import RelyingParty
from gateway.portal.pending import PENDING_MAX, PendingLogins, take_authorization, take_challenge
from gateway.portal.roles import Role
from gateway.portal.sessions import Person
from network.pb.dwaybank.audit.v1 import portal_pb2 as pb
from tests.support.authenticator import PRESENT, Authenticator

PARTY = RelyingParty("localhost", "Regulator")
ORIGIN = "https://localhost:7076"
CHALLENGE = bytes(range(32))
KNOWN = Known("https://id.test#1", "ada", Person("ada (id.test)", Role.EXAMINER, "passkey"))


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 29, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def random_bytes() -> object:
    counter = itertools.count(1)
    return lambda size: next(counter).to_bytes(size, "big")


def registered(key: Authenticator) -> pb.Passkey:
    return PARTY.registered(key.make(PARTY.registration("ada", b"1" * 16, CHALLENGE)), CHALLENGE, ORIGIN)


def test_a_passkey_that_was_made_here_signs_here() -> None:
    key = Authenticator()
    passkey = registered(key)
    assert (passkey.credential_id, passkey.sign_count) == (key.credential_id, 0)
    signed = PARTY.signed(key.sign(PARTY.authentication([passkey], CHALLENGE)), CHALLENGE, ORIGIN, [passkey])
    assert signed.sign_count == 1


def test_an_old_counter_is_refused() -> None:
    key = Authenticator()
    passkey = registered(key)
    passkey.sign_count = 5
    key.counter = 4
    with pytest.raises(CredentialsError, match="not greater"):
        PARTY.signed(key.sign(PARTY.authentication([passkey], CHALLENGE)), CHALLENGE, ORIGIN, [passkey])


def test_an_answer_to_another_challenge_origin_or_party_is_refused() -> None:
    key = Authenticator()
    passkey = registered(key)
    options = PARTY.authentication([passkey], CHALLENGE)
    with pytest.raises(CredentialsError):
        PARTY.signed(key.sign(options), bytes(32), ORIGIN, [passkey])
    for changes in ({"origin": "https://evil.test"}, {"rp_id": "evil.test"}, {"flags": PRESENT}, {"flags": 0}):
        other = Authenticator()
        other.key, other.credential_id, other.counter = key.key, key.credential_id, 10
        for name, value in changes.items():
            setattr(other, name, value)
        with pytest.raises(CredentialsError, match="did not sign as asked"):
            PARTY.signed(other.sign(options), CHALLENGE, ORIGIN, [passkey])


def test_a_passkey_of_another_or_with_another_key_is_refused() -> None:
    mine, other = Authenticator(), Authenticator()
    passkey = registered(mine)
    options = PARTY.authentication([passkey], CHALLENGE)
    with pytest.raises(CredentialsError, match="not one of yours"):
        PARTY.signed(other.sign(options), CHALLENGE, ORIGIN, [passkey])
    other.credential_id = mine.credential_id
    with pytest.raises(CredentialsError, match="did not sign as asked"):
        PARTY.signed(other.sign(options), CHALLENGE, ORIGIN, [passkey])


def test_a_passkey_made_without_verifying_its_user_is_refused() -> None:
    key = Authenticator()
    key.flags = PRESENT
    with pytest.raises(CredentialsError, match="was not made as asked"):
        registered(key)


EMPTY = {"clientDataJSON": "AA", "attestationObject": "//8", "authenticatorData": "", "signature": ""}


@pytest.mark.parametrize(
    "answer",
    [
        "", "x", "[]", "{}", "null", "1", '{"id": 1}', '{"id": "é"}', "[" * 10_000, '{"id":"' + "A" * 10_000 + '"}',
        json.dumps({"id": "", "rawId": "", "type": "public-key", "response": {}}),
        json.dumps({"id": "AA", "rawId": "AA", "type": "public-key", "response": EMPTY}),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(answer: str) -> None:
    passkey = registered(Authenticator())
    for refuse in (
        lambda: PARTY.signed(answer, CHALLENGE, ORIGIN, [passkey]),
        lambda: PARTY.registered(answer, CHALLENGE, ORIGIN),
    ):
        with pytest.raises(CredentialsError):
            refuse()


def test_cut_and_bent_answers_are_refused() -> None:
    key = Authenticator()
    whole = key.make(PARTY.registration("ada", b"1" * 16, CHALLENGE))
    told = json.loads(whole)
    attestation = told["response"]["attestationObject"]
    for place in range(0, len(attestation), 7):
        told["response"]["attestationObject"] = attestation[:place]
        with pytest.raises(CredentialsError):
            PARTY.registered(json.dumps(told), CHALLENGE, ORIGIN)


def test_an_invitation_counts_once_for_whom_it_is_and_for_a_day() -> None:
    clock = Clock()
    invitations = Invitations(clock, random_bytes())  # type: ignore[arg-type]
    code = invitations.invite("ada")
    with pytest.raises(CredentialsError):
        invitations.take("eve", code)
    invitations.take("ada", f" {code.upper()} ")
    with pytest.raises(CredentialsError):
        invitations.take("ada", code)
    late = invitations.invite("ada")
    clock.now += timedelta(days=1, seconds=1)
    with pytest.raises(CredentialsError):
        invitations.take("ada", late)


def test_an_invitation_is_not_guessed_and_a_new_one_voids_the_old() -> None:
    invitations = Invitations(Clock(), random_bytes())  # type: ignore[arg-type]
    old, new = invitations.invite("ada"), invitations.invite("ada")
    with pytest.raises(CredentialsError):
        invitations.take("ada", old)
    for _ in range(4):
        with pytest.raises(CredentialsError):
            invitations.take("ada", "guess")
    with pytest.raises(CredentialsError):
        invitations.take("ada", new)
    for login in ("", "a\nb", "x" * 81):
        with pytest.raises(RefusedError):
            invitations.invite(login)


def test_state_and_challenge_count_once_in_the_browser_that_began() -> None:
    clock = Clock()
    logins = PendingLogins(clock, random_bytes())  # type: ignore[arg-type]
    secret, authorization = logins.begin(ORIGIN)
    later = f"{int(clock.now.timestamp()) + 600:x}"
    for wrong in ("", secret[:-1], "\udcff", ".", f"{later}{secret[secret.index('.') :]}"):
        with pytest.raises(CredentialsError, match="not under way in this browser"):
            logins.find(wrong, ORIGIN)
    with pytest.raises(CredentialsError, match="not under way in this browser"):
        logins.find(secret, "https://127.0.0.1:7076")
    with pytest.raises(CredentialsError, match="not under way in this browser"):
        PendingLogins(clock, lambda size: b"x" * size).find(secret, ORIGIN)
    pending = logins.find(secret, ORIGIN)
    assert take_authorization(pending) == authorization
    logins.keep(secret, pending)
    assert logins.find(secret, ORIGIN) is pending
    with pytest.raises(CredentialsError, match="used before"):
        take_authorization(pending)
    with pytest.raises(CredentialsError, match="no passkey is asked"):
        take_challenge(pending)
    pending.known = KNOWN
    challenge = logins.new_challenge(pending)
    assert take_challenge(pending) == (challenge, KNOWN)
    with pytest.raises(CredentialsError, match="no passkey is asked"):
        take_challenge(pending)
    clock.now += timedelta(minutes=11)
    with pytest.raises(CredentialsError, match="took too long"):
        logins.find(secret, ORIGIN)


def test_log_ins_that_strangers_begin_take_nobodys_place() -> None:
    clock = Clock()
    logins = PendingLogins(clock, random_bytes())  # type: ignore[arg-type]
    first, authorization = logins.begin(ORIGIN)
    clock.now += timedelta(seconds=1)
    for _ in range(PENDING_MAX + 1):
        logins.begin(ORIGIN)
    assert logins.find(first, ORIGIN).authorization == authorization
    assert not logins._pending


def test_log_ins_that_nobody_finishes_do_not_fill_the_memory() -> None:
    clock = Clock()
    logins = PendingLogins(clock, random_bytes())  # type: ignore[arg-type]
    for _ in range(PENDING_MAX + 1):
        secret, _ = logins.begin(ORIGIN)
        logins.keep(secret, logins.find(secret, ORIGIN))
    assert len(logins._pending) == PENDING_MAX
