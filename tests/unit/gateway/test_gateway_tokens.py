"""Access tokens are accepted from this bank's gateway only, unchanged, in their fifteen minutes.

Method: tokens forged in each known way are offered to the checker; the forger knows everything but the secret.
"""

from __future__ import annotations

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from gateway.auth.tokens import AUDIENCE, AccessTokens, Bearer, new_refresh_token, refresh_token_digest
from gateway.errors import TokenError

SECRET = b"0123456789abcdef" * 4
NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
CUSTOMER = uuid.UUID("6f1f0a52-1df5-4c53-9a39-2e9b8ab83c1e")
BEARER = Bearer(CUSTOMER, 3, uuid.UUID("0199f0a2-7f3c-7d11-9d3e-0f2f6f1c2b3a"))


def _tokens(secret: bytes = SECRET, issuer: str = "DwaybankMSP", now: datetime = NOW) -> AccessTokens:
    return AccessTokens(secret, issuer, lambda: now)


def _claims(**changes: Any) -> dict[str, Any]:
    issued_at = int(NOW.timestamp())
    claims = {"iss": "DwaybankMSP", "aud": AUDIENCE, "sub": str(CUSTOMER), "iat": issued_at, "exp": issued_at + 900}
    return {name: value for name, value in (claims | changes).items() if value is not None}


def _forged(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def _signed(claims: dict[str, Any], secret: bytes = SECRET, **header: Any) -> str:
    head = {"alg": "HS256", "typ": "at+jwt"} | header
    return jwt.encode(head, claims, OctKey.import_key(secret), algorithms=[head["alg"]])


def test_own_token_names_its_customer() -> None:
    assert _tokens().bearer_of(_tokens().issue(BEARER)) == BEARER


@pytest.mark.parametrize("age", [timedelta(seconds=901), timedelta(days=400)])
def test_token_past_its_time_is_refused(age: timedelta) -> None:
    token = _tokens().issue(BEARER)
    with pytest.raises(TokenError):
        _tokens(now=NOW + age).bearer_of(token)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
def test_token_without_a_signature_is_refused(algorithm: str) -> None:
    for signature in (b"", b"x"):
        with pytest.raises(TokenError):
            _tokens().bearer_of(_forged({"alg": algorithm, "typ": "at+jwt"}, _claims(), signature))


def test_token_of_another_secret_is_refused() -> None:
    with pytest.raises(TokenError):
        _tokens().bearer_of(_signed(_claims(), b"x" * 64))


def test_token_of_another_bank_is_refused() -> None:
    with pytest.raises(TokenError):
        _tokens().bearer_of(_tokens(issuer="PartnerMSP").issue(BEARER))


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_token_of_another_algorithm_is_refused_even_with_our_secret(algorithm: str) -> None:
    with pytest.raises(TokenError):
        _tokens().bearer_of(_signed(_claims(), alg=algorithm))


def test_token_signed_with_a_public_key_algorithm_is_refused() -> None:
    key = RSAKey.generate_key(2048)
    token = jwt.encode({"alg": "RS256", "typ": "at+jwt"}, _claims(), key, algorithms=["RS256"])
    with pytest.raises(TokenError):
        _tokens().bearer_of(token)


def test_token_of_another_type_is_refused() -> None:
    with pytest.raises(TokenError):
        _tokens().bearer_of(_signed(_claims(), typ="JWT"))


@pytest.mark.parametrize(
    "change",
    [
        {"iss": None},
        {"aud": None},
        {"aud": "another-service"},
        {"sub": None},
        {"sub": "maria"},
        {"sub": 7},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": None},
        {"iat": int(NOW.timestamp()) + 3_600},
        {"nbf": int(NOW.timestamp()) + 3_600},
    ],
)
def test_token_with_a_claim_missing_or_wrong_is_refused(change: dict[str, Any]) -> None:
    assert _tokens().bearer_of(_signed(_claims())) == Bearer(CUSTOMER, 0, None)
    with pytest.raises(TokenError):
        _tokens().bearer_of(_signed(_claims(**change)))


def test_token_with_one_changed_character_is_refused() -> None:
    token = _tokens().issue(BEARER)
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    other = base64.urlsafe_b64encode(json.dumps(claims | {"sub": str(uuid.UUID(int=1))}).encode()).rstrip(b"=")
    for changed in (f"{head}.{other.decode()}.{signature}", f"{head}.{body}.{'A' + signature[1:]}"):
        if changed != token:
            with pytest.raises(TokenError):
                _tokens().bearer_of(changed)


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "é.é.é", "\x00", "a" * 100_000, "a.b.c.d.e", "null"])
def test_text_that_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(TokenError):
        _tokens().bearer_of(text)


def test_refusals_do_not_tell_why() -> None:
    texts = set()
    for token in (_signed(_claims(exp=1)), _signed(_claims(), b"x" * 64), _signed(_claims(aud="x")), "a.b.c"):
        with pytest.raises(TokenError) as refused:
            _tokens().bearer_of(token)
        texts.add(str(refused.value))
    assert len(texts) == 1


def test_refresh_token_has_256_random_bits_and_is_kept_as_a_digest_only() -> None:
    token = new_refresh_token(lambda count: bytes(range(count)))
    assert len(token) == 43 and base64.urlsafe_b64decode(token + "=") == bytes(range(32))
    assert len(refresh_token_digest(token)) == 32 and token.encode() not in refresh_token_digest(token)
