"""The commands that a page of the documents shows in its console blocks, and what it says they print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page_commands(page: Path) -> Iterator[tuple[str, str]]:
    """Yield each command without ``dwaybank``, and its output."""
    for block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        for told in block.split("$ dwaybank ")[1:]:
            command, _, shown = told.rstrip("\n").partition("\n")
            yield command, shown


def fits(shown: str, printed: str) -> bool:
    """Whether that was printed; an ellipsis stands for anything, alone on its line for any lines."""
    found = "\n".join(line.strip() for line in printed.splitlines() if line.strip())
    lines = [".*" if line == "…" else "[^\n]*".join(map(re.escape, line.split("…"))) for line in shown.splitlines()]
    return re.fullmatch("\n".join(lines), found, re.DOTALL) is not None
