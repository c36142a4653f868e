"""The HTML verifier's file: its parts, and the hashes by which its policy admits its own script and style.

``python -m tests.support.verifier_page`` writes the hashes after a change of either.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "network" / "verifier.html"


def inline(page: str, kind: str) -> str:
    """Return the text of the page's one script or style."""
    (found,) = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
    return str(found)


def sealed(page: str) -> str:
    """Return the page with the hashes of what stands in it."""
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(inline(page, kind).encode()).digest()).decode()
        page = re.sub(rf"{kind}-src 'sha256-[^']*'", f"{kind}-src 'sha256-{digest}'", page, count=1)
    return page


if __name__ == "__main__":
    PAGE.write_text(sealed(PAGE.read_text()))
