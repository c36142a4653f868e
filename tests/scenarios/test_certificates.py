"""Certificates that are about to end are renewed at a running consortium, and everything goes on.

Method: a home whose certificates end in ten days; entries are posted, anchored and proved, a payment goes between the
banks; all certificates get new keys by the command, and are so killed once half way; the consortium, which goes on
meanwhile, is stopped and started. Then the same again on the same chain, and all that was signed with the old keys.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from network.crypto_material import VALIDITY
from network.topology import default_consortium
from node.home import prepare_home
from node.own_node import SETTLEMENT, partner_pb2
from tests.support.consortium import (
    DWAYBANK,
    REPOSITORY,
    RunningConsortium,
    dwaybank,
    free_base_port,
    home_folder,
    remove_home,
)

MONEY = 100_000


@pytest.fixture
def ending() -> Iterator[RunningConsortium]:
    folder, base_port = home_folder(), free_base_port()
    begun = datetime.now(UTC) - VALIDITY + timedelta(days=10, hours=1)
    prepare_home(folder / "home", lambda: default_consortium(base_port), begun, {})
    running = RunningConsortium(folder / "home", base_port)
    try:
        running.start()
        yield running
    finally:
        remove_home(running, folder)


async def work(running: RunningConsortium, proof: Path) -> str:
    """Post, pay the partner, have all of it attested, and prove the entry; return the payment's id."""
    seq = await running.deposit(running.bank, "cust-payer", MONEY)
    request = partner_pb2.SendPaymentRequest(
        payment_id=str(uuid.uuid4()),
        debtor_account="cust-payer",
        receiver_msp_id=running.partner.msp_id,
        beneficiary_account="cust-payee",
        asset="EUR",
        amount_minor="100",
    )
    async with running.node(running.bank) as node:
        reply = await node.call(SETTLEMENT, "SendPayment", request, partner_pb2.SendPaymentResponse)
    assert reply.payment.state == "completed"
    await running.settled()
    made = running.command("proof", "entry", str(seq), "--out", proof, "--org", "dwaybank")
    assert made.returncode == 0, made.stderr
    return request.payment_id


def days_left(running: RunningConsortium) -> list[int]:
    rows = json.loads(running.command("certificates", "list", "--json").stdout)
    return [row["days_left"] for row in rows if "authority" not in row["use"]]


def warned(running: RunningConsortium) -> bool:
    status = running.command("status")
    assert status.returncode == 0, status.stdout
    return "days or have ended" in status.stdout and "`dwaybank certificates renew` issues others" in status.stdout


def kill_half_way(running: RunningConsortium) -> None:
    command = [*DWAYBANK, "certificates", "renew", "--home", str(running.root)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as renewing:
        assert renewing.stdout is not None
        for _ in range(5):
            assert ": renewed, ends " in renewing.stdout.readline()
        renewing.send_signal(signal.SIGKILL)


async def test_all_certificates_are_renewed_and_the_same_chain_goes_on(
    ending: RunningConsortium, tmp_path: Path
) -> None:
    for member, account in ((ending.bank, "cust-payer"), (ending.partner, "cust-payee")):
        await ending.open_account(member, account)
    payments = [await work(ending, tmp_path / "before.json")]
    assert set(days_left(ending)) == {10} and warned(ending)
    assert '"certificate expires soon"' in ending.log_text()

    kill_half_way(ending)
    assert min(days_left(ending)) == 10 < 3_000 < max(days_left(ending))
    renewed = ending.command("certificates", "renew")
    assert renewed.returncode == 0, renewed.stderr
    assert f"`dwaybank down --home {ending.root}`, then `dwaybank up --home {ending.root}`" in renewed.stdout
    assert min(days_left(ending)) > 3_000 and not warned(ending)
    # What runs goes on with the old ones, beside clients that have the new.
    payments.append(await work(ending, tmp_path / "meanwhile.json"))

    told = [ending.home.logs / name for name in ("orderer.log", "dwaybank-node.log")]
    lengths = [path.stat().st_size for path in told]
    ending.stop()
    await asyncio.to_thread(ending.start)
    payments.append(await work(ending, tmp_path / "after.json"))
    for path, length in zip(told, lengths, strict=True):
        assert b"certificate expires soon" not in path.read_bytes()[length:]
    proofs = [tmp_path / f"{name}.json" for name in ("before", "meanwhile", "after")]
    verified = dwaybank("verify", *proofs, "--genesis", ending.genesis_hash.hex())
    assert verified.returncode == 0 and verified.stdout.count("is attested") == 3, verified.stdout + verified.stderr
    for bank in (ending.bank, ending.partner):
        assert (await ending.audit(ending.regulator, bank)).findings == []
        books = ending.command("ledger", "verify", "--org", bank.name)
        assert books.returncode == 0, books.stdout + books.stderr
    assert len(payments) == 3
    for payment in payments:
        evidence = ending.command("partner", "evidence", payment, "--org", "dwaybank")
        assert evidence.returncode == 0, evidence.stdout + evidence.stderr
