"""An operator's day with one peer's ledger: exported for Fabric's ``ledgerutil``, rolled back, rebuilt, reset.

Aim: ``ledgerutil verify`` of Fabric 3.1 reads our blocks, and ``dwaybank peer`` refuses, works and tells as it says.
Method: a consortium is started, committed to, exported while it runs, stopped, changed and started again.

To run it: see ``tests/support/fabric_programs.py``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.consortium import free_base_port
from tests.support.fabric_programs import FabricTools
from tests.support.shared_data import REPOSITORY

pytestmark = pytest.mark.interop


@dataclass(frozen=True)
class Consortium:
    """A consortium of ours, and the programs of Fabric's."""

    tools: FabricTools
    home: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``dwaybank``."""
        command = [sys.executable, "-m", "node", *arguments, "--home", str(self.home)]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=180, check=False)

    def succeed(self, *arguments: str) -> str:
        """Run ``dwaybank``, which must succeed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def peer(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``dwaybank peer`` for the bank."""
        return self.run("peer", *arguments, "--org", "dwaybank")

    def chain(self) -> tuple[int, str]:
        """Return height and commit hash of the bank, once all members have the same."""
        for _ in range(120):
            # Of a consortium that has just started: a node may not answer yet.
            members = json.loads(self.run("status", "--json").stdout)["nodes"]
            found = {(member.get("block_height"), member.get("commit_hash")) for member in members}
            if len(found) == 1 and (None, None) not in found:
                height, commit_hash = found.pop()
                return int(height), str(commit_hash)
            time.sleep(0.25)
        raise AssertionError(f"the members do not come to the same chain: {found}")

    def verify(self, exported: Path, results: Path) -> list[Any]:
        """Run ``ledgerutil verify`` and return the blocks it finds wrong."""
        results.mkdir()
        done = self.tools.run("ledgerutil", ["verify", str(exported), "-o", str(results)])
        assert "Successfully executed verify tool" in done.text or done.status == 0, done.text
        report = next(results.glob("*_verification_result/blocks.json"))
        return list(json.loads(report.read_text()))


@pytest.fixture(scope="module")
def consortium() -> Iterator[Consortium]:
    tools = FabricTools.found()
    with tempfile.TemporaryDirectory(prefix="dwaybank-ledger-") as folder:
        Path(folder).chmod(0o755)
        running = Consortium(tools, Path(folder) / "home")
        running.succeed("up", "--base-port", str(free_base_port()))
        try:
            for account, side in (("vault", "debit"), ("capital", "credit")):
                running.succeed("account", "open", account, "--normal-side", side, "--org", "dwaybank")
            for number in range(3):
                amount = ("--amount", f"{number + 1}.00", "--org", "dwaybank")
                running.succeed("post", "--debit", "vault", "--credit", "capital", *amount)
                time.sleep(1)
            yield running
        finally:
            running.run("down")


def test_running_consortium_is_left_alone(consortium: Consortium) -> None:
    for command in (("rebuild-state",), ("reset",), ("rollback", "--block", "2")):
        refused = consortium.peer(*command)
        assert refused.returncode == 1
        assert "runs (process" in refused.stderr
        assert "dwaybank down --home" in refused.stderr


def test_ledgerutil_verifies_the_exported_blocks(consortium: Consortium, tmp_path: Path) -> None:
    height, _ = consortium.chain()
    done = consortium.peer("export-blocks", str(tmp_path / "exported"))
    assert done.returncode == 0, done.stderr
    assert f"blocks written to {tmp_path / 'exported'}" in done.stdout
    assert int(done.stdout.split(": ")[1].split()[0]) >= height
    assert consortium.verify(tmp_path / "exported", tmp_path / "good") == []
    file = next((tmp_path / "exported").rglob("blockfile_000000"))
    content = file.read_bytes()
    place = content.index(b"-----BEGIN CERTIFICATE")  # the first stands in the data of block 0
    file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    assert consortium.verify(tmp_path / "exported", tmp_path / "bad") != []


def test_ledger_is_rebuilt_rolled_back_and_reset_and_comes_to_the_same_end(consortium: Consortium) -> None:
    height, commit_hash = consortium.chain()
    consortium.succeed("down")
    rebuilt = consortium.peer("rebuild-state")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert "each with the outcome it had" in rebuilt.stdout
    back = consortium.peer("rollback", "--block", "3")
    assert back.stdout.startswith("Channel anchors: made anew from 4 blocks"), back.stderr
    assert "blocks given up" in back.stdout
    assert consortium.peer("rollback", "--block", "9").stderr.startswith(
        "dwaybank: block 9 is not in channel 'anchors'"
    )
    assert consortium.peer("reset").stdout.startswith("Channel anchors: made anew from 1 blocks")
    consortium.succeed("up")
    again, same_hash = consortium.chain()
    assert again >= height
    if again == height:
        assert same_hash == commit_hash
