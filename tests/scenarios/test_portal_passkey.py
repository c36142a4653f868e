"""Logging in at an issuer and with a passkey: invited, enrolled, in; and what a thief would try on the way.

Method: a portal process beside the one consortium that all journeys share, a real small OpenID provider on loopback, a
passkey in software; the last test in a browser with Chromium's virtual authenticator (``tests/support/browser.py``).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from gateway.portal.pending import COOKIE
from tests.support.authenticator import Authenticator
from tests.support.browser import Watched, headless_chromium
from tests.support.consortium import RunningConsortium
from tests.support.oidc_provider import CLIENT_ID, OidcProviderInTest, running_provider
from tests.support.own_portal import own_portal
from tests.support.portal_client import CSRF, PortalClient, text_of, tls_of

OPTIONS = re.compile(r'data-options="([^"]*)"')
CODE = re.compile(r"one day: <code>([0-9a-f]{32})</code>")


@dataclass
class Place:
    """A portal with an issuer, and browsers at it."""

    consortium: RunningConsortium
    origin: str
    provider: OidcProviderInTest
    browsers: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def browser(self, user: str = "") -> PortalClient:
        """Open a browser, with a user's certificate or none."""
        regulator, home = self.consortium.regulator, self.consortium.home
        tls = tls_of(home, regulator, home.user(regulator, user) if user else None)
        return await self.browsers.enter_async_context(PortalClient(self.origin, tls))

    async def invite(self, login: str) -> str:
        """Let an administrator, who comes with a certificate, invite somebody; return the code."""
        administrator = await self.browser("Admin")
        assert (await administrator.log_in()).status_code == 303
        page = await administrator.send("/access", "/access/invite", login=login)
        found = CODE.search(page.text)
        assert found is not None, page.text
        return found.group(1)

    async def at_the_issuer(self, browser: PortalClient) -> str:
        """Go to the issuer and log in there; return the address it sends the browser back to."""
        begun = await browser.http.get("/login/oidc")
        assert begun.status_code == 303, begun.text
        return self.provider.authorize(dict(parse_qsl(urlsplit(begun.headers["location"]).query)))

    async def asked(self, browser: PortalClient) -> str:
        """Log in at the issuer; return the page that asks for the passkey."""
        answer = await browser.http.get(await self.at_the_issuer(browser))
        assert answer.status_code == 200, answer.text
        return answer.text

    async def enrolled(self, login: str, subject: str) -> Authenticator:
        """Return a passkey that somebody made, after an invitation."""
        self.provider.next_login = {"sub": subject, "preferred_username": login, "groups": ["examiners"]}
        browser, key = await self.browser(), Authenticator(origin=self.origin)
        page = await self.asked(browser)
        done = await finish(browser, page, key.make(options_of(page)), await self.invite(login))
        assert done.status_code == 303, done.text
        return key


def options_of(page: str) -> str:
    found = OPTIONS.search(page)
    assert found is not None, page
    return unescape(found.group(1))


async def finish(browser: PortalClient, page: str, credential: str, code: str = "") -> httpx.Response:
    """Send the form of the page that asks for a passkey."""
    (csrf,) = set(CSRF.findall(page))
    path = "/login/passkey/enrol" if code else "/login/passkey"
    form = {"csrf": csrf, "credential": credential, **({"code": code} if code else {})}
    return await browser.http.post(path, data=form)


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProviderInTest]:
    with running_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def origin(
    consortium: RunningConsortium, provider: OidcProviderInTest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    issuer = {"issuer": provider.issuer, "client_id": CLIENT_ID, "roles": {"examiners": "examiner"}}
    with own_portal(consortium, tmp_path_factory.mktemp("portal"), {"oidc": issuer}) as origin:
        yield origin


@pytest.fixture
async def place(consortium: RunningConsortium, origin: str, provider: OidcProviderInTest) -> AsyncIterator[Place]:
    place = Place(consortium, origin, provider)
    async with place.browsers:
        yield place


async def test_an_invited_examiner_makes_a_passkey_and_comes_back_with_it(place: Place) -> None:
    key = await place.enrolled("ada", "ada-1")
    browser = await place.browser()
    page = await place.asked(browser)
    assert "Log in with your passkey" in text_of(page)
    done = await finish(browser, page, key.sign(options_of(page)))
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert "ada (127.0.0.1:" in text_of(await browser.page("/"))
    assert "for the roles" in text_of(await browser.page("/access", 403))
    assert "SameSite=strict".lower() in done.headers["set-cookie"].lower()


async def test_what_an_issuer_adds_to_its_answer_is_passed_over(place: Place) -> None:
    place.provider.next_login = {"sub": "ada-9", "preferred_username": "ada9", "groups": ["examiners"]}
    place.provider.adds = {"scope": "openid profile", "authuser": "0", "prompt": "none", "session_state": "x.y"}
    try:
        await place.asked(await place.browser())
    finally:
        place.provider.adds = {}


async def test_nobody_makes_a_first_passkey_without_the_code_that_is_his(place: Place) -> None:
    place.provider.next_login = {"sub": "eve-1", "preferred_username": "eve", "groups": ["examiners"]}
    for_another = await place.invite("bob")
    for code in ("0" * 32, for_another):
        browser, key = await place.browser(), Authenticator(origin=place.origin)
        page = await place.asked(browser)
        assert (await finish(browser, page, key.make(options_of(page)), code)).status_code == 401
        assert (await browser.http.get("/")).status_code == 303


async def test_who_has_no_role_at_the_issuer_comes_no_further(place: Place) -> None:
    place.provider.next_login = {"sub": "eve-2", "preferred_username": "eve", "groups": ["others"]}
    browser = await place.browser()
    answer = await browser.http.get(await place.at_the_issuer(browser))
    assert answer.status_code == 403
    assert (await browser.http.get("/")).status_code == 303


async def test_an_issuers_answer_counts_once_and_in_the_browser_that_asked(place: Place) -> None:
    place.provider.next_login = {"sub": "ada-2", "preferred_username": "ada2", "groups": ["examiners"]}
    browser, thief = await place.browser(), await place.browser()
    back = await place.at_the_issuer(browser)
    assert (await thief.http.get(back)).status_code == 401, "no log-in is under way there"
    await place.at_the_issuer(thief)
    for who, answer in ((thief, back), (browser, back.replace("state=", "state=0"))):
        refused = await who.http.get(answer)
        assert refused.status_code == 401
        assert "is to another log-in" in text_of(refused.text)
    back = await place.at_the_issuer(browser)
    assert (await browser.http.get(back)).status_code == 200
    assert (await browser.http.get(back)).status_code == 401, "replayed"
    for answer in ("?error=access_denied&state=x", "", "?code=x", "?state=x&state=x", "?code=%00"):
        assert (await browser.http.get(f"/login/oidc/callback{answer}")).status_code in (401, 422), answer


async def test_an_answer_of_another_issuer_is_refused(place: Place) -> None:
    browser = await place.browser()
    back = await place.at_the_issuer(browser)
    mixed = re.sub(r"iss=[^&]*", "iss=https%3A%2F%2Fevil.test", back)
    assert mixed != back
    assert "another issuer" in text_of((await browser.http.get(mixed)).text)


async def test_an_old_counter_a_replay_and_another_key_are_refused(place: Place) -> None:
    key = await place.enrolled("cyd", "cyd-1")
    browser = await place.browser()
    page = await place.asked(browser)
    good = key.sign(options_of(page))
    assert (await finish(browser, page, good)).status_code == 303

    page = await place.asked(browser)
    assert (await finish(browser, page, good)).status_code == 401, "the answer to an older challenge"
    page = await place.asked(browser)
    key.counter -= 1
    assert (await finish(browser, page, key.sign(options_of(page)))).status_code == 401, "a copy of the key"
    page = await place.asked(browser)
    assert (await finish(browser, page, Authenticator(origin=place.origin).sign(options_of(page)))).status_code == 401
    page = await place.asked(browser)
    good = key.sign(options_of(page))
    wrong = page.replace(CSRF.findall(page)[0], "0" * 64)
    assert (await finish(browser, wrong, good)).status_code == 403
    assert (await finish(browser, page, good)).status_code == 303


async def test_a_forgotten_passkey_ends_its_owners_session(place: Place) -> None:
    key = await place.enrolled("dan", "dan-1")
    browser = await place.browser()
    page = await place.asked(browser)
    await finish(browser, page, key.sign(options_of(page)))
    await browser.page("/")
    administrator = await place.browser("Admin")
    await administrator.log_in()
    await administrator.send("/access", "/access/drop", credential_id=key.credential_id.hex())
    assert (await browser.http.get("/")).status_code == 303
    assert "Make a passkey" in text_of(await place.asked(await place.browser()))
    assert (await administrator.send("/access", "/access/drop", credential_id="xyz")).status_code == 422


async def test_the_cookie_of_a_log_in_is_kept_from_scripts_and_other_sites(place: Place) -> None:
    browser = await place.browser()
    cookie = (await browser.http.get("/login/oidc")).headers["set-cookie"].lower()
    for word in (COOKIE.lower(), "secure", "httponly", "samesite=lax", "path=/"):
        assert word in cookie


@pytest.mark.interop
async def test_a_browser_makes_a_passkey_and_comes_back_with_it(place: Place, tmp_path: Path) -> None:
    place.provider.next_login = {"sub": "fay-1", "preferred_username": "fay", "groups": ["examiners"]}
    code = await place.invite("fay")
    async with headless_chromium("--ignore-certificate-errors") as chromium:
        context = await chromium.new_context(base_url=place.origin, viewport={"width": 1180, "height": 800})
        watched = Watched(await context.new_page())
        page = watched.page
        session = await context.new_cdp_session(page)
        await session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2", "transport": "internal", "hasUserVerification": True, "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }  # fmt: skip
        await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        await page.goto("/")
        await page.get_by_role("link", name="Log in at the issuer").click()
        await watched.check()
        await page.get_by_label("Code from an administrator of the portal").fill(code)
        await page.get_by_role("button", name="Make a passkey").click()
        await page.get_by_role("heading", name="Overview").wait_for()
        await page.get_by_role("button", name="Log out", exact=True).click()
        await page.get_by_role("link", name="Log in at the issuer").click()
        await watched.check()
        await page.get_by_role("button", name="Log in with your passkey").click()
        await page.get_by_role("heading", name="Overview").wait_for()
        assert "fay (127.0.0.1:" in await page.locator("header").inner_text()
        assert watched.faults == []
