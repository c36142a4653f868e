"""The example of docs/archive.md, run as it stands by the command line, on a consortium of its own."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from network.bundle import verify_bundle
from node.audit.entry_fields import describe_entry
from tests.support.consortium import RunningConsortium, own_consortium
from tests.support.shared_data import REPOSITORY

PAGE = REPOSITORY / "docs" / "archive.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def running() -> Iterator[RunningConsortium]:
    with own_consortium({}) as running:
        yield running


def matches(shown: str, found: str) -> bool:
    """Whether a line of the page is what was printed; an ellipsis stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, shown.split("…"))), found) is not None


async def test_the_page_shows_what_happens(running: RunningConsortium, tmp_path: Path) -> None:
    (tmp_path / "archives").mkdir()
    ran, year_end = 0, ""
    for block in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        # The page's new year is now, once the entries before it are anchored.
        await running.settled()
        year_end = year_end or datetime.now(UTC).isoformat()
        for told in block.split("$ dwaybank ")[1:]:
            command, *shown = told.rstrip("\n").split("\n")
            if command.startswith("ledger close-period"):
                year_end = datetime.now(UTC).isoformat()
            asked = [part.replace("2026-01-01T00:00", year_end) for part in shlex.split(command)]
            asked = [str(tmp_path / part) if part.startswith(("archives", "salary")) else part for part in asked]
            done = running.command(*asked)
            output = (done.stdout + done.stderr).replace(f"{tmp_path}/", "")
            found = [line.strip() for line in output.splitlines() if line.strip()]
            assert len(found) == len(shown) and all(map(matches, shown, found)), (command, found)
            if command.startswith("audit archive"):
                own = running.command("audit", "books", "DwaybankMSP", "--org", "dwaybank")
                assert (own.returncode, own.stdout.splitlines()[-1]) == (
                    0, "3 entries checked against 3 anchored: 0 findings",
                ), own  # fmt: skip
            ran += 1
    assert ran > 15
    bundle = (tmp_path / "salary.json").read_bytes()
    entry = verify_bundle(bundle, running.genesis_hash, describe=describe_entry)
    assert (entry.seq, entry.state) == (1, "attested")
    assert entry.fields is not None
    assert entry.decision_record is not None
    refused = running.command("ledger", "restore", tmp_path / "archives" / "DwaybankMSP-1-2.jsonl")
    assert (refused.returncode, "nothing is archived" in refused.stderr) == (1, True)
