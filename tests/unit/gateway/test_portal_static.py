"""Files of others in the portal are the ones that their README names, and pages use no script or style of their own."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import gateway.portal

PORTAL = Path(gateway.portal.__file__).parent
VENDOR = PORTAL / "static" / "vendor"


def test_every_file_of_others_has_the_hash_that_is_written_down() -> None:
    rows = re.findall(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", (VENDOR / "README.md").read_text(), re.MULTILINE)
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.iterdir()
        if path.suffix in (".js", ".css")
    }
    assert found == dict(rows)


def test_no_template_runs_or_styles_anything_by_itself() -> None:
    for path in sorted((PORTAL / "templates").iterdir()):
        text = path.read_text()
        assert re.findall(r"<script(?! src=)|<style|\son[a-z]+=|\sstyle=|javascript:|hx-on|\|\s*safe", text) == [], path
