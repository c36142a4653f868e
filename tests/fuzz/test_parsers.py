"""Every parser that meets bytes of strangers returns or refuses, as it promises, whatever it is given.

Method: atheris changes well-formed bytes, keeping what reaches new lines; each parser gets so many tries from a fixed
seed, so that a run can be repeated. Longer runs: ``python -m tests.fuzz.run NAME -runs=1000000``.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS
from tests.support.shared_data import REPOSITORY

RUNS = 15_000
BYTES_MAX = 1 << 16
TIMEOUT_S = 120

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris is not installed: install it (Linux on x86-64, Python 3.11 to 3.13) to fuzz the parsers",
)


@pytest.mark.parametrize("name", list(TARGETS))
def test_parser_returns_or_refuses(name: str, tmp_path: Path) -> None:
    limits = [f"-runs={RUNS}", "-seed=1", f"-max_len={BYTES_MAX}", "-timeout=10", "-rss_limit_mb=2048"]
    command = [sys.executable, "-m", "tests.fuzz.run", name, *limits, f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, "\n".join(line for line in done.stderr.splitlines() if "INFO" not in line)[-3000:]


@pytest.mark.parametrize("name", list(TARGETS))
def test_seeds_are_well_formed(name: str) -> None:
    target = TARGETS[name]
    assert target.seeds
    for seed in target.seeds:
        target.parse(seed)
