"""The backup and the restore of docs/operations.md, run as they stand: a consortium lost whole comes back whole.

Method: the page's shell commands with a home and a folder of this test in the place of the page's; the backup is made
while the consortium runs, then the whole data directory goes.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.consortium import DWAYBANK, RunningConsortium, dwaybank, own_consortium
from tests.support.shared_data import REPOSITORY

PAGE = REPOSITORY / "docs" / "operations.md"
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(running: RunningConsortium, backup: Path) -> tuple[str, str]:
    """Return the page's two blocks for this home: how it is backed up, and how restored."""
    members = " ".join(f"{each.name}:{each.postgres_port}" for each in running.consortium.organizations)
    made, restored = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    head = re.compile(r'HOME_FOLDER=\S+ BACKUP=\S+.*\nMEMBERS="[^"]*".*\n')
    (found,) = head.findall(made)
    own = f'HOME_FOLDER={running.root} BACKUP={backup}\nMEMBERS="{members}"\n'
    tools = f'python() {{ "{sys.executable}" "$@"; }}\ndwaybank() {{ {" ".join(DWAYBANK)} "$@"; }}\n'
    if os.geteuid():
        restored = re.sub(r"^chown .*\n", "", restored, flags=re.MULTILINE)
    return tools + made.replace(found, own), tools + own + restored


def shell(text: str) -> None:
    done = subprocess.run(["bash", "-eu", "-c", text], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def running() -> Iterator[RunningConsortium]:
    with own_consortium() as found:
        yield found
        dwaybank("down", "--home", found.root)


async def test_what_the_page_backs_up_is_restored_whole(running: RunningConsortium) -> None:
    await running.open_account(running.bank, "cust-backup")
    await running.deposit(running.bank, "cust-backup", 100)
    await running.settled()
    backup, restore = commands(running, running.root.parent / "backup")
    await asyncio.to_thread(shell, backup)
    before = (await running.settled())[0]
    running.stop()
    shutil.rmtree(running.root)
    await asyncio.to_thread(shell, restore)
    found = (await running.settled())[0]
    assert (found.attested_size, found.block_height) >= (before.attested_size, before.block_height)
    assert await running.deposit(running.bank, "cust-backup", 100) == before.posted_seq + 1
    await running.settled()
    assert (await running.audit(running.regulator, running.bank)).findings == []
