"""The examiner's journey in a real browser, each page judged by axe-core; by keyboard alone; no foreign script.

Method: headless Chromium with the examiner's certificate, on the one consortium that all journeys share. What is needed
and how to enable it: ``tests/support/browser.py``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from network.topology import Organization
from tests.support.browser import Watched, headless_chromium
from tests.support.consortium import RunningConsortium
from tests.support.customer import Customer

pytestmark = pytest.mark.interop

SignUp = Callable[[Organization, str], Awaitable[Customer]]
Enter = Callable[[str], Awaitable[Watched]]


@pytest.fixture
async def enter(consortium: RunningConsortium) -> AsyncIterator[Enter]:
    """Open the portal's log-in page in a browser that holds a user's certificate."""
    regulator = consortium.regulator
    origin = f"https://localhost:{regulator.portal_port}"
    pages: list[Watched] = []
    async with headless_chromium() as chromium:

        async def entered(user: str) -> Watched:
            msp = consortium.home.user(regulator, user) / "msp"
            (certificate,) = (msp / "signcerts").glob("*.pem")
            shown = {"origin": origin, "certPath": str(certificate), "keyPath": str(msp / "keystore" / "priv_sk")}
            context = await chromium.new_context(
                client_certificates=[shown],
                ignore_https_errors=True,
                base_url=origin,
                viewport={"width": 1180, "height": 800},
            )
            watched = Watched(await context.new_page())
            pages.append(watched)
            await watched.page.goto("/")
            return watched

        yield entered
        assert [fault for watched in pages for fault in watched.faults] == []


@pytest.fixture
async def paid(consortium: RunningConsortium, sign_up: SignUp) -> list[int]:
    """Numbers of entries of the bank that are attested, anchored one after the other."""
    ada, bob = await sign_up(consortium.bank, "ada"), await sign_up(consortium.bank, "bob")
    seqs = [await consortium.deposit(consortium.bank, ada.account, 1_500_000)]
    for amount in (125_000, 7_350, 310, 89_900):
        seqs.append((await ada.pay(bob, amount))["seq"])
        await consortium.settled()
    return seqs


async def log_in(watched: Watched) -> Any:
    page = watched.page
    assert page.url.endswith("/login")
    await watched.check("portal-login")
    await page.get_by_role("button", name="Log in with this certificate").click()
    await page.get_by_role("heading", name="Overview").wait_for()
    return page


async def test_the_examiners_journey_from_log_in_to_a_closed_finding(
    consortium: RunningConsortium, paid: list[int], enter: Enter
) -> None:
    bank, seq = consortium.bank.msp_id, paid[0]
    watched = await enter("Examiner")
    page = await log_in(watched)
    await page.locator(".uplot canvas").wait_for()
    await watched.check("portal-overview")

    await page.get_by_role("link", name="Search").click()
    await watched.check()
    await page.get_by_label("Member", exact=True).select_option(bank)
    await page.get_by_label("Entry from").fill(str(seq))
    await page.get_by_label("Entry to").fill(str(seq + 2))
    await page.get_by_role("button", name="Search", exact=True).click()
    await page.get_by_role("link", name=f"{bank} {seq}", exact=True).wait_for()
    assert "from_seq" in page.url, "the search can be found again by its address"
    await watched.check("portal-search")

    await page.get_by_role("link", name=f"{bank} {seq}", exact=True).click()
    await page.get_by_role("img", name="The path of this entry").wait_for()
    await watched.check()
    await page.get_by_role("link", name="Demand this entry").click()
    await page.get_by_label("Purpose").select_option("supervisory_review")
    await page.get_by_role("checkbox", name="with who stands behind the accounts").check()
    await watched.check("portal-demand")
    await page.get_by_role("button", name="Demand", exact=True).click()
    await page.get_by_role("cell", name="15000.00").first.wait_for()
    await watched.check("portal-entry")

    await page.get_by_role("link", name="Open a finding about this entry").click()
    await page.get_by_label("Kind").select_option("other")
    await page.get_by_label("Evidence").fill("Cash of this size needs a record of where it came from.")
    await watched.check()
    await page.get_by_role("button", name="Open", exact=True).click()
    await page.get_by_role("heading", name="Finding other about DwayBank").wait_for()
    await watched.check()
    finding = page.url

    supervising = await enter("Supervisor")
    supervisor = await log_in(supervising)
    await supervisor.goto(finding)
    await supervisor.get_by_role("button", name="Escalate", exact=True).click()
    await supervisor.get_by_label("Close for good as").select_option("remedied")
    await supervising.check("portal-finding")
    await supervisor.get_by_role("button", name="Close", exact=True).click()
    await supervisor.get_by_text("closed as remedied").wait_for()
    await supervising.check()


async def test_every_other_page_is_clean(consortium: RunningConsortium, paid: list[int], enter: Enter) -> None:
    watched = await enter("Supervisor")
    page = await log_in(watched)
    await page.goto("/cases")
    await page.get_by_label("Title").fill("Cash at the counter")
    await watched.check()
    await page.get_by_role("button", name="Open", exact=True).click()
    await page.get_by_label("What", exact=True).select_option("note")
    await page.get_by_label("Note", exact=True).fill("Ask the bank for the teller's slip.")
    await page.get_by_role("button", name="Add", exact=True).click()
    await page.get_by_text("Ask the bank for the teller's slip.").wait_for()
    await watched.check("portal-case")
    for path in (
        "/demands",
        "/findings",
        "/findings/new",
        "/members",
        "/reports",
        "/records",
        "/records",
        "/looks?verify=1",
        "/search?from_seq=1",
    ):
        assert (await page.goto(path)).status == 200, path
        await watched.check()
    await page.goto("/search?from_seq=1")
    await page.get_by_label("Save this search as").fill("all from the first")
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.get_by_role("link", name="all from the first").wait_for()
    await watched.check()
    await page.get_by_role("button", name="Forget all from the first").click()
    await page.get_by_role("button", name="Log out", exact=True).click()
    await page.get_by_role("heading", name="Log in").wait_for()


async def test_a_report_is_made_read_and_each_figure_leads_to_its_proof(
    consortium: RunningConsortium, paid: list[int], enter: Enter
) -> None:
    watched = await enter("Supervisor")
    page = await log_in(watched)
    await page.get_by_role("link", name="Reports").click()
    await page.get_by_label("Kind").select_option("daily")
    await page.get_by_role("button", name="Make", exact=True).click()
    await page.get_by_role("link", name="the signed page").wait_for()
    await watched.check("portal-report")
    await page.locator("a.proof").first.click()
    await page.get_by_role("heading", name="Records of the shared ledger").wait_for()
    await watched.check()
    await page.goto("/reports")
    async with page.expect_download() as waiting:
        await page.get_by_role("link", name="page of report").first.click()
    download = await waiting.value
    assert download.suggested_filename.endswith(".html")


async def test_what_is_refused_is_a_clean_page_too(consortium: RunningConsortium, enter: Enter) -> None:
    watched = await enter("Admin")
    page = await log_in(watched)
    for path, status in (("/search", 403), ("/nowhere", 404)):
        assert (await page.goto(path)).status == status
        await watched.check()
    # Chromium itself reports pages that were refused.
    watched.faults = [fault for fault in watched.faults if "Failed to load resource" not in fault]


async def test_a_search_that_cannot_be_says_why_and_one_without_a_session_leads_to_the_log_in(enter: Enter) -> None:
    watched = await enter("Examiner")
    page = await log_in(watched)
    await page.goto("/search")
    await page.get_by_label("Decision id").fill("no hex")
    await page.get_by_role("button", name="Search", exact=True).click()
    await page.get_by_role("alert").get_by_text("decision_id").wait_for()
    await watched.check()
    await page.context.clear_cookies()
    await page.get_by_label("Decision id").fill("")
    await page.get_by_role("button", name="Search", exact=True).click()
    await page.get_by_role("heading", name="Log in").wait_for()
    # Chromium itself reports answers that were refused.
    watched.faults = [fault for fault in watched.faults if "Failed to load resource" not in fault]
    watched.faults = [fault for fault in watched.faults if "Response Status Error Code 4" not in fault]


async def test_the_keyboard_alone_finds_an_entry(consortium: RunningConsortium, paid: list[int], enter: Enter) -> None:
    watched = await enter("Examiner")
    page = await log_in(watched)
    await page.goto("/search")
    await page.keyboard.press("Tab")
    assert await page.locator(":focus").inner_text() == "Skip to the content"
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    assert await page.locator(":focus").get_attribute("id") == "organization"
    await page.keyboard.type(consortium.bank.msp_id[:3])
    await page.keyboard.press("Tab")
    await page.keyboard.type(str(paid[1]))
    await page.keyboard.press("Enter")
    link = page.get_by_role("link", name=f"{consortium.bank.msp_id} {paid[1]}", exact=True)
    await link.wait_for()
    for _ in range(120):
        await page.keyboard.press("Tab")
        if await page.evaluate("() => document.activeElement.textContent") == await link.inner_text():
            break
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name=f"Entry {paid[1]} of DwayBank").wait_for()
