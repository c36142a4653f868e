"""Aim: a report's file reads well in a browser: as its policy allows, with a keyboard and a screen reader, on paper.

Method: headless Chromium opens the file from the disk; axe-core judges it. ``tests/support/browser.py`` says what is
needed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from node.reports.page import page_of
from node.reports.report import Cell, Period, Proof, Report, Table, disclosed, figure, text
from tests.support.browser import Watched, headless_chromium

DAY = datetime(2026, 3, 1, tzinfo=UTC)
ANCHOR = Proof("anchor of DwaybankMSP's first 17 entries", 12, "ab" * 32, "checkpoint~DwaybankMSP~" + "0" * 18 + "17")
ENTRY = disclosed("DwaybankMSP", 17, 12, "cd" * 32)


def row(*cells: Cell) -> tuple[Cell, ...]:
    return cells


def report() -> Report:
    members = (
        row(text("DwaybankMSP"), figure(17, ANCHOR), figure(16, bad=True), text("2026-03-01 10:00:00", ANCHOR)),
        row(text("RegulatorMSP"), text("keeps no log"), text(""), text("")),
    )
    large = (row(text("DwaybankMSP"), figure(17, ENTRY), figure(2_000_000, ENTRY), text("<b>rent</b>")),)
    return Report(
        "daily",
        "Daily supervisory summary of 2026-03-01",
        organization="RegulatorMSP",
        channel="anchors",
        period=Period(DAY, DAY + timedelta(days=1), DAY + timedelta(days=1)),
        made_at=DAY + timedelta(days=1, minutes=10),
        block_number=99,
        block_hash=bytes(32),
        tables=(
            Table("Members", "Records of the shared ledger.", ("Member", "Entries", "Attested", "Newest"), members),
            Table("Large transactions", "Disclosed entries.", ("Member", "Entry", "Amount", "Settlement"), large),
            Table("Findings", "None was opened.", ("Finding",), ()),
        ),
    )


async def test_a_reports_file_has_no_violations_in_a_browser_and_runs_under_its_own_policy(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_bytes(page_of(report()))
    async with headless_chromium() as chromium:
        page = await chromium.new_page(viewport={"width": 1100, "height": 1000})
        watched = Watched(page)
        await page.goto(file.as_uri())
        await watched.check("report")
        assert watched.faults == []
        amount = page.locator("td.number", has_text="2000000")
        assert await amount.evaluate("cell => getComputedStyle(cell).textAlign") == "right", "its style counts"
        assert await page.locator("b").count() == 0
        await page.get_by_role("link", name="proof 2").first.focus()
        await page.keyboard.press("Enter")
        assert page.url.endswith("#proof-2")
        assert "dwaybank audit bundle DwaybankMSP 17" in await page.locator("li:target").inner_text()
        await page.set_viewport_size({"width": 380, "height": 800})
        await watched.check()
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= 380, "on a telephone, tables scroll by themselves"
