"""Every parser that meets bytes of strangers returns or refuses, as it promises, whatever it is given.

Method: atheris changes well-formed bytes, keeping what reaches new lines; each parser gets so many tries from a fixed
seed, so that a run can be repeated. Longer runs: ``python -m tests.fuzz.run NAME -runs=1000000``.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.fuzz.forked import fuzz_in_fork
from tests.fuzz.targets import TARGETS

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
    output = tmp_path / "output"
    status = fuzz_in_fork(name, [*limits, f"-artifact_prefix={tmp_path}/"], output, TIMEOUT_S)
    said = output.read_text(errors="replace")
    assert status == 0, "\n".join(line for line in said.splitlines() if "INFO" not in line)[-3000:]
    assert f"Done {RUNS} runs" in said


@pytest.mark.parametrize("name", list(TARGETS))
def test_seeds_are_well_formed(name: str) -> None:
    target = TARGETS[name]
    assert target.seeds
    for seed in target.seeds:
        target.parse(seed)
