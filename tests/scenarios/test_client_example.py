"""The program of docs/client.md runs against a consortium as a user starts it, and prints what the page says.

What differs from run to run (block numbers) is masked on both sides. The page's code must be the program's own.
"""

from __future__ import annotations

import re
import subprocess
import sys

from tests.support.consortium import REPOSITORY, RunningConsortium

PAGE = REPOSITORY / "docs" / "client.md"
PROGRAM = REPOSITORY / "docs" / "examples" / "client.py"


def fences(kind: str) -> list[str]:
    """Return the page's fenced blocks of one kind."""
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def masked(output: str) -> list[str]:
    return re.sub(r"in block \d+", "in block N", output).splitlines()


def test_program_prints_what_the_page_says(consortium: RunningConsortium) -> None:
    profile = consortium.root / consortium.bank.name / "connection-profile.json"
    done = subprocess.run(
        [sys.executable, PROGRAM, profile], cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    (recorded,) = fences("text")
    assert masked(done.stdout) == masked(recorded)


def test_code_of_the_page_is_the_programs() -> None:
    program = PROGRAM.read_text(encoding="utf-8")
    blocks = fences("python")
    assert len(blocks) >= 8
    assert [block for block in blocks if block not in program] == []
