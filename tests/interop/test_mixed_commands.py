"""The commands that start mixed networks: what they need, and one of them from beginning to end.

What the others show is held, by the same code, in ``test_mixed_network.py`` and ``test_main_job_on_fabric.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.mixed import SCENARIOS
from tests.support.fabric_programs import FabricTools
from tests.support.shared_data import REPOSITORY

pytestmark = pytest.mark.interop


def mixed(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m tests.mixed``."""
    named = {name: value for name, value in os.environ.items() if environment or not name.startswith("FABRIC_")}
    command = [sys.executable, "-m", "tests.mixed", *arguments]
    return subprocess.run(
        command, cwd=REPOSITORY, env=named | environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_command_without_fabrics_programs_says_what_to_name(scenario: str) -> None:
    done = mixed(scenario)
    assert done.returncode == 1
    assert done.stderr.startswith("FABRIC_BIN is not set: name the folder that holds Fabric 3.1's binaries")


def test_every_scenario_is_a_command_of_make() -> None:
    listed = (REPOSITORY / "Makefile").read_text()
    for scenario in SCENARIOS:
        assert f"-m tests.mixed {scenario} " in listed


def test_command_starts_shows_and_ends_a_network() -> None:
    tools = FabricTools.found()
    done = mixed("go-peer", FABRIC_BIN=str(tools.programs), FABRIC_SAMPLE_CFG=str(tools.settings))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 of 4 checks held" in done.stdout
