"""A rule for tests: they are collected when a run begins, which may be an hour before the last of them has its turn."""

from __future__ import annotations

import re

from tests.support.shared_data import REPOSITORY

WHEN_COLLECTED = re.compile(
    r"^(?!\s|#|def |async def |class ).*\b(?:datetime\.now|date\.today|time\.time|utc_now)\(", re.MULTILINE
)


def test_no_test_takes_its_time_when_it_is_collected() -> None:
    assert WHEN_COLLECTED.search("A = 1\nNOW = datetime.now(UTC)\n")
    found = [
        f"{path.relative_to(REPOSITORY)}: {hit.group()}"
        for path in (REPOSITORY / "tests").rglob("*.py")
        for hit in WHEN_COLLECTED.finditer(path.read_text())
        if path.name != "test_clock_of_tests.py"
    ]
    assert found == []
