"""The closed lists of reasons in ``docs/proof-format.md``."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "proof-format.md"


def reasons_on_page(title: str) -> set[str]:
    """Return the reasons that a section lists."""
    section = PAGE.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `([a-z_0-9]+)` \|", section, re.MULTILINE))
