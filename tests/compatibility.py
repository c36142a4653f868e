"""Writes into ``docs/compatibility.md`` what became of the tests that its rows name.

    make compatibility                         runs the tests it names, then writes
    python -m tests.compatibility              names the files and folders of those tests
    python -m tests.compatibility REPORT.xml   writes

Every name of a test file, folder or test between backquotes in a table is followed by its outcome in the report:
how many passed, and how many failed or were skipped, where any did. What the report does not hold was not run.
"""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "compatibility.md"

_NAME = re.compile(r"`(tests/[\w/.]+?)(?:::(\w+))?`(?: \*[^*|]*\*)?")
_OUTCOMES = {"failure": "failed", "error": "failed", "skipped": "skipped"}

Outcomes = Mapping[tuple[str, str], Counter[str]]
"""Of each test, by its file and name: how often it ended how, once for each of its parameters."""


def named(page: str) -> list[str]:
    """Return the files and folders of tests that the page's tables name."""
    lines = [line for line in page.split("\n") if line.startswith("|")]
    return sorted({match.group(1) for line in lines for match in _NAME.finditer(line)})


def read_report(path: Path) -> Outcomes:
    """Read a JUnit report of pytest's."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for case in ET.parse(path).iter("testcase"):
        file = _file_of(case.get("classname", ""))
        name = case.get("name", "").partition("[")[0]
        outcome = next((_OUTCOMES[child.tag] for child in case if child.tag in _OUTCOMES), "passed")
        found.setdefault((file, name), Counter())[outcome] += 1
    return found


def with_outcomes(page: str, outcomes: Outcomes) -> str:
    """Return the page with the outcome behind each test that a table names."""
    return "\n".join(
        _NAME.sub(lambda match: _told(match, outcomes), line) if line.startswith("|") else line
        for line in page.split("\n")
    )


def _told(match: re.Match[str], outcomes: Outcomes) -> str:
    place, name = match.group(1), match.group(2)
    total: Counter[str] = Counter()
    for (file, test), counted in outcomes.items():
        within = file.startswith(place) if place.endswith("/") else file == place
        if within and name in (None, test):
            total += counted
    text = ", ".join(f"{total[outcome]} {outcome}" for outcome in ("passed", "failed", "skipped") if total[outcome])
    shown = f"`{place}`" if name is None else f"`{place}::{name}`"
    return f"{shown} *{text or 'not run'}*"


def _file_of(classname: str) -> str:
    """Return the file of a test's module, of whose name a class may be the last part."""
    parts = classname.split(".")
    module = next((number for number, part in enumerate(parts) if part.startswith("test_")), len(parts) - 1)
    return "/".join(parts[: module + 1]) + ".py"


def main(arguments: list[str]) -> None:
    """Name the tests, or write what became of them."""
    page = PAGE.read_text(encoding="utf-8")
    if arguments:
        PAGE.write_text(with_outcomes(page, read_report(Path(arguments[0]))), encoding="utf-8")
    else:
        print(*named(page))


if __name__ == "__main__":
    main(sys.argv[1:])
