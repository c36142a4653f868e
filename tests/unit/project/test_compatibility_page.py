"""The page of compatibility: every test it names exists, and outcomes are written behind them, again and again."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.compatibility import PAGE, named, read_report, with_outcomes
from tests.support.shared_data import REPOSITORY

NAMED = sorted(set(re.findall(r"`(tests/[\w/.]+?)(?:::(\w+))?`", PAGE.read_text(encoding="utf-8"))))


@pytest.mark.parametrize(("place", "name"), NAMED)
def test_test_that_the_page_names_exists(place: str, name: str) -> None:
    path = REPOSITORY / place
    assert path.exists()
    assert not name or re.search(rf"^(async )?def {name}\(", path.read_text(encoding="utf-8"), re.MULTILINE)


def test_outcomes_stand_behind_the_names_and_replace_those_of_before() -> None:
    page = "`tests/a.py` in text\n| it works | `tests/a.py::test_b` *9 passed*, `tests/c/` and `tests/d.py` |"
    outcomes = {
        ("tests/a.py", "test_b"): Counter(passed=2, skipped=1),
        ("tests/a.py", "test_other"): Counter(failed=1),
        ("tests/c/test_e.py", "test_f"): Counter(passed=3),
    }
    once = with_outcomes(page, outcomes)
    assert once == (
        "`tests/a.py` in text\n"
        "| it works | `tests/a.py::test_b` *2 passed, 1 skipped*, `tests/c/` *3 passed* and `tests/d.py` *not run* |"
    )
    assert with_outcomes(once, outcomes) == once


def test_only_tests_in_tables_are_named_each_file_once() -> None:
    page = "`tests/a.py` in text\n| `tests/c.py::test_b`, `tests/c.py` *9 passed* and `tests/d/` |\n| | `Makefile` |"
    assert named(page) == ["tests/c.py", "tests/d/"]


def test_report_is_read(tmp_path: Path) -> None:
    cases = [
        '<testcase classname="tests.unit.test_a" name="test_b[x]"/>',
        '<testcase classname="tests.unit.test_a.TestC" name="test_b"><skipped/></testcase>',
        '<testcase classname="tests.unit.test_d" name="test_e"><failure/></testcase>',
    ]
    (tmp_path / "report.xml").write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    assert read_report(tmp_path / "report.xml") == {
        ("tests/unit/test_a.py", "test_b"): Counter(passed=1, skipped=1),
        ("tests/unit/test_d.py", "test_e"): Counter(failed=1),
    }
