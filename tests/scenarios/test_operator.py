"""The operator's journey: up, down, up again; and one clear sentence for everything that stands in the way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from network.topology import Consortium, default_consortium
from node.demo.first_transaction import WAIT_S
from node.home import Home, open_home
from node.start import read_status, running_pid
from tests.support.consortium import (
    RunningConsortium,
    dwaybank,
    eventually,
    free_base_port,
    home_folder,
    own_consortium,
    process_is_alive,
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for a home; whatever was started in it is ended."""
    made = home_folder()
    try:
        yield made
    finally:
        home = made / "home"
        if (home / "consortium.yaml").exists():
            dwaybank("down", "--home", home)
        shutil.rmtree(made, ignore_errors=True)


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line of an honest failure: no trace, no fault file, exit status 1."""
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("dwaybank: ")
    assert "Traceback" not in done.stdout + done.stderr
    return lines[0]


def processes_of(home: Path) -> list[int]:
    """Process ids of everything that names this home on its command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if str(home).encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


def ports_in_use(consortium: Consortium) -> list[int]:
    """Ports of a consortium on which somebody listens."""
    found = []
    for port in consortium.ports():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                found.append(port)
    return found


def test_up_down_up_continues_the_same_chain_and_down_leaves_nothing(folder: Path) -> None:
    home, base = folder / "home", free_base_port()
    started = dwaybank("up", "--home", home, "--base-port", str(base))
    assert started.returncode == 0, started.stderr
    assert "DwayBank" in started.stdout
    opened, consortium = open_home(home)
    first = Watched(opened, consortium)
    asyncio.run(first.post_and_settle())
    pids = [row["pid"] for row in read_status(opened)["processes"]] + [running_pid(opened)]
    # Three nodes and databases, an orderer, two gateways, the regulator's portal, and who supervises them.
    assert len(pids) == 11
    assert all(pid and process_is_alive(pid) for pid in pids)

    again = dwaybank("up", "--home", home)
    assert again.returncode == 0
    assert "is running already" in again.stdout
    assert [row["pid"] for row in read_status(opened)["processes"]] + [running_pid(opened)] == pids

    stopped = dwaybank("down", "--home", home)
    assert stopped.returncode == 0, stopped.stderr
    asyncio.run(all_gone([pid for pid in pids if pid]))
    assert processes_of(home) == []
    assert ports_in_use(consortium) == []
    assert not list(home.glob("*/postgres/data/postmaster.pid")), "the database servers ended in order"
    assert "is not running" in dwaybank("down", "--home", home).stdout
    shown = dwaybank("status", "--home", home)
    assert shown.returncode == 1
    assert "stopped" in shown.stdout

    refused = dwaybank("up", "--home", home, "--base-port", str(base + 100))
    assert f"was made with --base-port {base}" in one_sentence(refused)

    started = dwaybank("up", "--home", home)
    assert started.returncode == 0, started.stderr
    second = Watched(opened, consortium)
    asyncio.run(second.post_and_settle())
    assert second.posted_seq == first.posted_seq + 1
    assert second.genesis == first.genesis
    asyncio.run(second.has_block(first.height - 1, first.commit_hash))
    pids = [running_pid(opened) or 0]
    assert dwaybank("down", "--home", home).returncode == 0
    asyncio.run(all_gone(pids))
    assert processes_of(home) == []


def test_others_start_without_the_member_whose_database_is_lost(folder: Path) -> None:
    home = folder / "home"
    assert dwaybank("up", "--home", home, "--base-port", str(free_base_port())).returncode == 0
    opened, consortium = open_home(home)
    first = Watched(opened, consortium)
    asyncio.run(first.post_and_settle())
    assert dwaybank("down", "--home", home).returncode == 0
    (data := home / "partner" / "postgres" / "data").rename(folder / "data")

    refused = one_sentence(dwaybank("up", "--home", home))
    assert f"{data / 'PG_VERSION'} is missing" in refused
    assert "`dwaybank up --without partner` starts the others" in refused
    assert "give one of dwaybank, partner, regulator" in one_sentence(dwaybank("up", "--home", home, "--without=x"))
    every = [f"--without={member.name}" for member in consortium.organizations]
    assert "leave one to be started" in one_sentence(dwaybank("up", "--home", home, *every))

    started = dwaybank("up", "--home", home, "--without=partner")
    assert started.returncode == 0, started.stderr
    assert "partner was left out" in started.stdout
    names = {row["name"] for row in read_status(opened)["processes"]}
    assert names >= {"orderer", "dwaybank-node", "dwaybank-gateway", "regulator-node"}
    assert not any(name.startswith("partner") for name in names)
    assert not data.exists(), "nothing of the lost one is begun anew"
    asyncio.run(anchored_without_partner(first.running, first.posted_seq + 1))
    shown = dwaybank("status", "--home", home)
    assert shown.returncode == 1, "not all runs that should"
    assert "partner was left out" in shown.stdout
    assert "partner was left out" in dwaybank("up", "--home", home).stdout
    assert dwaybank("down", "--home", home).returncode == 0

    (folder / "data").rename(data)
    started = dwaybank("up", "--home", home)
    assert started.returncode == 0, started.stderr
    assert "left out" not in started.stdout
    again = Watched(opened, consortium)
    asyncio.run(again.post_and_settle())
    assert again.posted_seq == first.posted_seq + 2


async def anchored_without_partner(running: RunningConsortium, seq: int) -> None:
    """Post as the bank and wait until it is anchored and attested by the regulator."""
    assert await running.deposit(running.bank, "cust-operator", 100) == seq

    async def attested() -> bool:
        return (await running.anchor_status(running.bank)).attested_size >= seq

    await eventually(attested, "what the bank posts is attested while its partner is away")


class Watched:
    """A consortium that was started by the command line, and what its first node said."""

    def __init__(self, home: Home, consortium: Consortium) -> None:
        self.running = RunningConsortium(home.root, consortium.orderer.port)
        self.running.home, self.running.consortium = home, consortium
        self.genesis = self.running.genesis_hash
        self.posted_seq = self.height = 0
        self.commit_hash = b""

    async def post_and_settle(self) -> None:
        """Post one entry and keep what the bank's node says once it is attested everywhere."""
        running = self.running
        await asyncio.wait_for(self._open(), WAIT_S)
        await running.deposit(running.bank, "cust-operator", 100)
        found = (await running.settled())[0]
        self.posted_seq, self.height, self.commit_hash = found.posted_seq, found.block_height, found.commit_hash

    async def has_block(self, number: int, commit_hash: bytes) -> None:
        """Assert that every peer's block of this number carries this commit hash."""
        for member in self.running.consortium.organizations:
            assert await self.running.commit_hash_of_block(member, number) == commit_hash

    async def _open(self) -> None:
        await self.running.open_account(self.running.bank, "cust-operator")


def test_dead_processes_come_back_and_a_killed_supervisor_takes_all_with_it() -> None:
    with own_consortium() as running:
        before = running.processes()
        os.kill(before["dwaybank-node"]["pid"], signal.SIGKILL)
        asyncio.run(running.until_restarted(before, ["dwaybank-node"]))
        asyncio.run(running.open_account(running.bank, "cust-after-restart"))
        pids = [row["pid"] for row in running.processes().values()]

        os.kill(running.supervisor_pid, signal.SIGKILL)
        asyncio.run(all_gone(pids))

        running.start()
        assert asyncio.run(running.account(running.bank, "cust-after-restart")).status == "open"


async def all_gone(pids: list[int]) -> None:
    async def gone() -> bool:
        return not [pid for pid in pids if process_is_alive(pid)]

    await eventually(gone, "all processes of the consortium have ended")


def test_port_in_use_is_named_and_nothing_is_left_running(folder: Path) -> None:
    home, base = folder / "home", free_base_port()
    taken = default_consortium(base).organizations[1].node_port
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", taken))
        listener.listen()
        sentence = one_sentence(dwaybank("up", "--home", home, "--base-port", str(base)))
    assert f"port {taken} is in use" in sentence
    assert processes_of(home) == []


def test_foreign_folder_is_refused_and_left_alone(folder: Path) -> None:
    home = folder / "home"
    home.mkdir()
    (home / "thesis.txt").write_text("four years of work")

    assert "holds files that are not ours" in one_sentence(dwaybank("up", "--home", home))
    assert [path.name for path in home.rglob("*")] == ["thesis.txt"]


def test_home_that_cannot_be_made_is_named(folder: Path) -> None:
    (folder / "file").write_text("")
    assert str(folder / "file" / "home") in one_sentence(dwaybank("up", "--home", folder / "file" / "home"))


@pytest.mark.parametrize(
    "command",
    [("down",), ("status",), ("anchor", "status"), ("audit", "search"), ("balance", "cash-vault-EUR")],
    ids=lambda command: " ".join(command),
)
def test_missing_home_is_named_with_the_way_out(folder: Path, command: tuple[str, ...]) -> None:
    sentence = one_sentence(dwaybank(*command, "--home", folder / "nowhere"))
    assert f"no consortium in {folder / 'nowhere'}" in sentence
    assert "dwaybank up" in sentence
    assert not (folder / "nowhere").exists()


def test_wrong_database_url_is_named_without_its_password(folder: Path) -> None:
    base = free_base_port()
    url = "postgresql://teller:hunter2secret@127.0.0.1:9/postgres"
    arguments = ("up", "--home", folder / "home", "--base-port", str(base), "--database-url")

    sentence = one_sentence(dwaybank(*arguments, f"dwaybank={url}"))
    assert "database server of dwaybank cannot be used" in sentence
    assert "check the database URL" in sentence
    everything = sentence + "".join(path.read_text() for path in (folder / "home" / "logs").glob("*"))
    assert "hunter2secret" not in everything
    assert processes_of(folder / "home") == []

    assert "which is no organization" in one_sentence(
        dwaybank("up", "--home", folder / "other", "--base-port", str(base), "--database-url", f"nobody={url}")
    )
    assert "write ORGANIZATION=" in one_sentence(
        dwaybank("up", "--home", folder / "third", "--database-url", "dwaybank=mysql://teller:hunter2secret@host/db")
    )


async def test_own_node_that_is_down_gives_one_sentence(consortium: RunningConsortium) -> None:
    with consortium.kept_down("regulator-node"):
        sentence = one_sentence(consortium.command("anchor", "status", "--org", "regulator"))
        assert str(consortium.regulator.node_port) in sentence
        assert f"`dwaybank up --home {consortium.home.root}` starts it" in sentence
        shown = consortium.command("status")
    assert shown.returncode == 1, "whoever asks by a script is told that a node does not answer"
    assert "regulator: " in shown.stdout

    async def back() -> bool:
        return (await consortium.anchor_status(consortium.regulator)).block_height > 0

    await eventually(back, "the regulator's node is back")


def test_books_from_the_command_line(consortium: RunningConsortium) -> None:
    for arguments in (("desk",), ("till", "--normal-side", "debit", "--floor-minor", "")):
        opened = consortium.command("account", "open", *arguments)
        assert opened.returncode == 0, opened.stderr
    post = ("post", "--debit", "till", "--credit", "desk", "--amount")
    key = str(uuid.uuid4())

    posted = consortium.command(*post, "12.50", "--key", key)
    again = consortium.command(*post, "12.50", "--key", key)

    assert posted.stdout.startswith("posted: entry ")
    assert again.stdout.startswith("exists: entry ")
    assert posted.stdout.split()[2] == again.stdout.split()[2]
    assert "12.50" in consortium.command("balance", "desk").stdout
    assert "--amount" in one_sentence(consortium.command(*post, "12.505"))
    reverse = ("post", "--debit", "desk", "--credit", "till", "--amount", "12.51")
    assert "exceeds_available" in one_sentence(consortium.command(*reverse))
    assert "cust-unknown" in one_sentence(consortium.command("balance", "cust-unknown"))
    assert "12.50" in consortium.command("balance", "desk").stdout
