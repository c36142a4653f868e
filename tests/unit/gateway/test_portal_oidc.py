"""Logging in by OpenID Connect: a real small provider on loopback, honest and dishonest; no bad token lets in."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from joserfc.jwk import ECKey
from pydantic import ValidationError

from gateway.errors import CredentialsError, ForbiddenError, UnavailableError
from gateway.portal.config import Oidc
from gateway.portal.oidc import Authorization, Known, OidcProvider
from gateway.portal.roles import Role
from tests.support.oidc_provider import CLIENT_ID, OidcProviderInTest, running_provider

REDIRECT = "https://localhost:7076/login/oidc/callback"
ASKED = Authorization("state", "nonce", "verifier")


@pytest.fixture
def provider() -> Iterator[OidcProviderInTest]:
    with running_provider() as provider:
        yield provider


def settings(provider: OidcProviderInTest, **changes: Any) -> Oidc:
    fields: dict[str, Any] = {
        "issuer": provider.issuer, "client_id": CLIENT_ID,
        "roles": {"examiners": Role.EXAMINER, "supervisors": Role.SUPERVISOR},
    }  # fmt: skip
    return Oidc(**fields | changes)


@pytest.fixture
async def client(provider: OidcProviderInTest) -> AsyncIterator[OidcProvider]:
    async with httpx.AsyncClient() as http:
        yield OidcProvider(settings(provider), "", http, lambda: datetime.now(UTC))


async def log_in(client: OidcProvider, provider: OidcProviderInTest, redeemed: Authorization = ASKED) -> Known:
    address = await client.address(ASKED, REDIRECT)
    back = provider.authorize(dict(parse_qsl(urlsplit(address).query)))
    answer = dict(parse_qsl(urlsplit(back).query))
    assert answer["state"] == ASKED.state
    return await client.redeem(answer["code"], redeemed, REDIRECT)


async def test_whom_the_issuer_vouches_for_is_known_by_name_and_role(
    client: OidcProvider, provider: OidcProviderInTest
) -> None:
    known = await log_in(client, provider)
    assert (known.login, known.person.role, known.person.way) == ("ada", Role.EXAMINER, "passkey")
    assert known.subject == f"{provider.issuer}#1"
    assert known.person.name.startswith("ada (127.0.0.1:"), "never taken for the owner of a certificate"


@pytest.mark.parametrize("in_form", [False, True])
async def test_a_client_with_a_secret_shows_it_as_the_issuer_takes_it(
    provider: OidcProviderInTest, in_form: bool
) -> None:
    provider.secret, provider.secret_in_form = "known to both: + % é", in_form
    async with httpx.AsyncClient() as http:
        assert await log_in(
            OidcProvider(settings(provider), provider.secret, http, lambda: datetime.now(UTC)), provider
        )
        with pytest.raises(CredentialsError, match=r"did not take the code \(invalid_client\)"):
            await log_in(OidcProvider(settings(provider), "guessed", http, lambda: datetime.now(UTC)), provider)


@pytest.mark.parametrize(("way", "other"), [("form", "header"), ("header", "form")])
async def test_where_the_issuer_lists_both_ways_the_settings_say_how_the_secret_is_shown(
    provider: OidcProviderInTest, way: str, other: str
) -> None:
    provider.secret, provider.secret_in_form, provider.tells_both_ways = "known to both", way == "form", True
    async with httpx.AsyncClient() as http:

        def client(way: str) -> OidcProvider:
            chosen = settings(provider, client_secret_in=way, client_secret_file=Path("secret"))
            return OidcProvider(chosen, provider.secret, http, lambda: datetime.now(UTC))

        assert await log_in(client(way), provider)
        with pytest.raises(CredentialsError, match=r"\(invalid_client\)"):
            await log_in(client(other), provider)
    with pytest.raises(ValidationError, match="'header' or 'form'"):
        settings(provider, client_secret_in="body", client_secret_file=Path("secret"))


@pytest.mark.parametrize("way", ["header", "form"])
def test_a_way_to_show_a_secret_without_a_secret_is_refused_at_the_start(
    provider: OidcProviderInTest, way: str
) -> None:
    with pytest.raises(ValidationError, match=f"client_secret_in {way}: .* give client_secret_file"):
        settings(provider, client_secret_in=way)


NOW = int(time.time())


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"iss": "https://evil.test"}, "iss"), ({"aud": "another"}, "aud"), ({"aud": ["a", "b"]}, "aud"),
        ({"aud": None}, "aud"), ({"azp": "another"}, "azp"), ({"nonce": "of another log-in"}, "nonce"),
        ({"nonce": None}, "nonce"), ({"exp": NOW - 3_600}, "exp"), ({"exp": None}, "exp"), ({"exp": "never"}, "exp"),
        ({"iat": NOW + 86_400}, "iat"), ({"iat": None}, "iat"), ({"nbf": NOW + 86_400}, "nbf"), ({"exp": True}, "exp"),
        ({"sub": None}, "sub"), ({"sub": ""}, "sub"), ({"sub": 7}, "sub"), ({"sub": "x" * 300}, "sub"),
        ({"preferred_username": None}, "preferred_username"), ({"preferred_username": "a\nb"}, "preferred_username"),
    ],
)  # fmt: skip
async def test_a_token_that_is_not_for_this_log_in_lets_nobody_in(
    client: OidcProvider, provider: OidcProviderInTest, changes: dict[str, Any], fault: str
) -> None:
    provider.changes = changes
    with pytest.raises(CredentialsError, match=fault):
        await log_in(client, provider)


async def test_a_token_that_the_issuer_did_not_sign_lets_nobody_in(
    client: OidcProvider, provider: OidcProviderInTest
) -> None:
    honest = provider.key
    provider.key = ECKey.generate_key("P-256", {"kid": "1"})
    with pytest.raises(CredentialsError, match="not the issuer's"):
        await log_in(client, provider)
    provider.algorithm = "none"
    with pytest.raises(CredentialsError, match="not the issuer's"):
        await log_in(client, provider)
    # The public key taken for a shared secret: the classic confusion.
    provider.algorithm, provider.key = "HS256", honest
    with pytest.raises(CredentialsError, match="not the issuer's"):
        await log_in(client, provider)


@pytest.mark.parametrize("groups", [[], ["others"], ["examiners", "supervisors"], None, 7, {"examiners": 1}])
async def test_who_has_no_role_or_several_is_refused(
    client: OidcProvider, provider: OidcProviderInTest, groups: Any
) -> None:
    provider.changes = {"groups": groups}
    with pytest.raises(ForbiddenError, match="roles at this portal"):
        await log_in(client, provider)


async def test_a_code_counts_once_and_only_with_its_verifier(
    client: OidcProvider, provider: OidcProviderInTest
) -> None:
    with pytest.raises(CredentialsError, match="did not take the code"):
        await log_in(client, provider, Authorization("state", "nonce", "another verifier"))
    address = await client.address(ASKED, REDIRECT)
    code = dict(parse_qsl(urlsplit(provider.authorize(dict(parse_qsl(urlsplit(address).query)))).query))["code"]
    await client.redeem(code, ASKED, REDIRECT)
    with pytest.raises(CredentialsError, match="did not take the code"):
        await client.redeem(code, ASKED, REDIRECT)


async def test_an_issuer_that_calls_itself_otherwise_or_is_away_is_not_believed(
    client: OidcProvider, provider: OidcProviderInTest
) -> None:
    provider.discovery = lambda: {"issuer": "https://evil.test"}  # type: ignore[method-assign]
    with pytest.raises(UnavailableError, match="another name"):
        await client.address(ASKED, REDIRECT)
    provider.discovery = lambda: {"issuer": provider.issuer, "authorization_endpoint": "javascript:alert(1)"}  # type: ignore[method-assign]
    with pytest.raises(UnavailableError, match="authorization_endpoint"):
        await client.address(ASKED, REDIRECT)
    provider.discovery = list  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(UnavailableError, match="not what one says"):
        await client.address(ASKED, REDIRECT)
    async with httpx.AsyncClient() as http:
        nobody = OidcProvider(settings(provider, issuer="http://127.0.0.1:9"), "", http, lambda: datetime.now(UTC))
        with pytest.raises(UnavailableError, match="does not answer"):
            await nobody.address(ASKED, REDIRECT)


@pytest.mark.parametrize(
    "changes",
    [{"issuer": "http://id.test"}, {"issuer": "https://id.test?x"}, {"issuer": "ftp://x"}, {"roles": {}},
     {"roles": {"root": "administrator"}}],
)  # fmt: skip
def test_settings_that_would_let_strangers_in_are_refused(
    provider: OidcProviderInTest, changes: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        settings(provider, **changes)
