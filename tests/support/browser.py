"""A headless Chromium for tests of pages, with axe-core to judge them; skips where the machine has none.

To enable: playwright is installed with the development tools; a Chromium is found on the PATH (Debian: ``apt install
chromium``), among playwright's own (``playwright install chromium``), or named in ``DWAYBANK_CHROMIUM``. With
``DWAYBANK_SCREENSHOTS`` naming a folder, tests that take pictures write them there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

SCREENSHOTS = os.environ.get("DWAYBANK_SCREENSHOTS", "")
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def require_playwright(api: str) -> Any:
    """Return playwright's module of this name, or skip: where it is absent, or its driver does not run."""
    found = pytest.importorskip(f"playwright.{api}", reason="playwright is not installed: pip install playwright")
    from playwright._impl._driver import compute_driver_executable

    driver, _ = compute_driver_executable()
    ran = subprocess.run([driver, "--version"], capture_output=True, text=True, check=False)
    if ran.returncode:
        pytest.skip(f"playwright's driver does not run (Debian: apt install libatomic1): {ran.stderr.strip()[-120:]}")
    return found


@asynccontextmanager
async def headless_chromium(*arguments: str) -> AsyncIterator[Any]:
    """Give a browser."""
    api = require_playwright("async_api")
    path = os.environ.get("DWAYBANK_CHROMIUM") or shutil.which("chromium")
    async with api.async_playwright() as playwright:
        try:
            # Inside containers Chromium's own sandbox often cannot start; the pages it is to open are our own.
            chromium = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox", *arguments])
        except api.Error as error:
            pytest.skip(f"no Chromium: install one (Debian: apt install chromium): {error.message[:200]}")
        yield chromium
        await chromium.close()


class Watched:
    """A page whose faults are remembered: errors of scripts, and what the page's policy stopped."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.faults: list[str] = []
        page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.faults.append(str(error)))

    async def check(self, picture: str = "") -> None:
        """Let axe-core judge the page once it is loaded, and take a picture where pictures are asked for."""
        # A click returns when the next page has begun; judged before its style sheet came, links are too small.
        await self.page.wait_for_load_state()
        axe = pytest.importorskip("axe_playwright_python.async_playwright", reason="pip install axe-playwright-python")
        found = await axe.Axe().run(self.page, options={"runOnly": {"type": "tag", "values": AXE_TAGS}})
        assert found.violations_count == 0, f"{self.page.url}\n{found.generate_report()}"
        if picture and SCREENSHOTS:
            await self.page.screenshot(path=f"{SCREENSHOTS}/{picture}.png", full_page=True)
