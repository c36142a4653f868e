"""The backup and the restore of docs/operations.md, run as they stand: a consortium lost whole comes back whole.

Method: the page's shell commands with a home and a folder of this test in the place of the page's; the backup is made
while a bank posts and anchors and both banks pay one another all the time, then the whole data directory goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from network.errors import RpcError
from network.topology import Organization
from node.own_node import SETTLEMENT, partner_pb2
from tests.support.consortium import DWAYBANK, RunningConsortium, dwaybank, eventually, own_consortium
from tests.support.shared_data import REPOSITORY

PAGE = REPOSITORY / "docs" / "operations.md"
MONEY = 100_000
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(running: RunningConsortium, backup: Path) -> tuple[str, str]:
    """Return the page's two blocks for this home: how it is backed up, and how restored."""
    made, restored = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    head = re.compile(r"HOME_FOLDER=\S+ BACKUP=\S+.*\n")
    (found,) = head.findall(made)
    own = f"HOME_FOLDER={running.root} BACKUP={backup}\n"
    tools = f'dwaybank() {{ {" ".join(DWAYBANK)} "$@"; }}\n'
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


async def posting(running: RunningConsortium, ended: asyncio.Event) -> int:
    """Post and anchor until told to end; return the number of the last entry."""
    seq = 0
    while not ended.is_set():
        seq = await running.deposit(running.bank, "cust-backup", 100)
    return seq


async def paying(running: RunningConsortium, payer: Organization, payee: Organization, ended: asyncio.Event) -> int:
    """Pay cent by cent until told to end; return how many payments were made at once."""
    made = 0
    async with running.node(payer) as node:
        while not ended.is_set():
            request = partner_pb2.SendPaymentRequest(
                payment_id=str(uuid.uuid4()),
                debtor_account="cust-payer",
                receiver_msp_id=payee.msp_id,
                beneficiary_account="cust-payee",
                asset="EUR",
                amount_minor="1",
            )
            # While the backup is made settlements rest, and the node says so.
            with contextlib.suppress(RpcError):
                reply = await node.call(SETTLEMENT, "SendPayment", request, partner_pb2.SendPaymentResponse)
                made += reply.payment.state == "completed"
    return made


async def paid_and_received(running: RunningConsortium) -> bool:
    """Tell whether no money is on its way, and what each bank's customer paid has come to the other's."""
    balances = {}
    for member in (running.bank, running.partner):
        for account in ("cust-payer", "cust-payee"):
            found = await running.account(member, account)
            balances[member.name, account] = int(found.balance_minor)
            if int(found.held_minor):
                return False
        with running.superuser(member) as database:
            unfinished = database.execute(
                "SELECT count(*) FROM partner.outgoing WHERE state IN ('ordered', 'held', 'prepared', 'captured')"
            ).fetchone()
        if unfinished != (0,):
            return False
    for payer, payee in (("dwaybank", "partner"), ("partner", "dwaybank")):
        assert balances[payer, "cust-payer"] + balances[payee, "cust-payee"] == MONEY
    for member in (running.bank, running.partner):
        assert [line.agree for line in await running.compare_positions(member)] == [True]
    return True


async def test_what_the_page_backs_up_while_banks_post_and_pay_is_restored_whole(running: RunningConsortium) -> None:
    await running.open_account(running.bank, "cust-backup")
    first = await running.deposit(running.bank, "cust-backup", 100)
    banks = running.bank, running.partner
    for member in banks:
        for account in ("cust-payer", "cust-payee"):
            await running.open_account(member, account)
        await running.deposit(member, "cust-payer", MONEY)
    await running.settled()
    backup, restore = commands(running, running.root.parent / "backup")
    ended = asyncio.Event()
    load = asyncio.create_task(posting(running, ended))
    payments = [asyncio.create_task(paying(running, *ways, ended)) for ways in (banks, banks[::-1])]
    await asyncio.sleep(2)
    await asyncio.to_thread(shell, backup)
    await asyncio.sleep(2)
    ended.set()
    last = await load
    assert all(await asyncio.gather(*payments))
    before = (await running.settled())[0]
    assert before.attested_size >= last, "nothing is held back once the backup has ended"
    running.stop()
    shutil.rmtree(running.root)
    await asyncio.to_thread(shell, restore)
    await eventually(lambda: paid_and_received(running), "every payment between the banks has ended", 60)
    found = (await running.settled())[0]
    assert first < found.posted_seq < last
    assert (found.attested_size, found.stalled) == (found.posted_seq, "")
    assert await running.deposit(running.bank, "cust-backup", 100) == found.posted_seq + 1
    await running.settled()
    assert (await running.audit(running.regulator, running.bank)).findings == []


def test_backup_that_fails_leaves_nothing_and_lets_the_orderer_go(running: RunningConsortium) -> None:
    target = running.root.parent / "backup"
    password = running.root / running.regulator.name / "postgres" / "superuser.password"
    away = password.rename(password.with_name("away"))
    assert "superuser.password cannot be read" in dwaybank("backup", target, "--home", running.root).stderr
    away.rename(password)
    assert not target.exists()
    assert not target.with_name("backup.building").exists()
    target.mkdir()
    assert "exists: name a folder that does not" in dwaybank("backup", target, "--home", running.root).stderr
    target.rmdir()
    assert dwaybank("backup", target, "--home", running.root).returncode == 0
    assert (target / running.bank.name / "secrets" / "log.key").stat().st_mode & 0o077 == 0
    assert target.stat().st_mode & 0o077 == 0
    kept = target / running.bank.name / "postgres" / "superuser.password"
    assert kept.read_bytes() == (running.root / running.bank.name / "postgres" / kept.name).read_bytes()
    assert kept.stat().st_mode & 0o077 == 0
