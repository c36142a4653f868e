"""Certificates that are about to end are renewed at a running consortium, and everything goes on.

Method: a home whose certificates end in ten days; entries are posted, anchored and proved, a payment goes between the
banks; all certificates get new keys by the command, and are so killed once half way; the consortium, which goes on
meanwhile, is stopped and started. Then the same again on the same chain, and all that was signed with the old keys.
Authorities are renewed by a command that is killed once the channel has them, and between files of the home.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from network import crypto_material
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

KILLED = """
import os, signal, sys
from node import authority_renewal
from node.__main__ import main

files, replace = int(sys.argv.pop(1)), authority_renewal.replace_file

def replace_or_die(*arguments):
    global files
    if not files:
        os.kill(os.getpid(), signal.SIGKILL)
    files -= 1
    replace(*arguments)

authority_renewal.replace_file = replace_or_die
main()
"""
"""The command line, killed when it is about to replace one more file than this many."""


@pytest.fixture
def ending(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningConsortium]:
    folder, base_port = home_folder(), free_base_port()
    if getattr(request, "param", ""):
        # As homes were made before: their authorities end with what they issued.
        monkeypatch.setattr(crypto_material, "AUTHORITY_VALIDITY", VALIDITY)
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


def kill_before_file(running: RunningConsortium, files: int, organization: str) -> None:
    """Renew an organization's authorities, and kill the command after the channel and so many files have them."""
    renewal = ("certificates", "renew-authority", "--org", organization, "--home", str(running.root))
    died = subprocess.run([sys.executable, "-c", KILLED, str(files), *renewal], cwd=REPOSITORY, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr


def authorities(root: Path) -> dict[str, set[int]]:
    """Return under each authority's name the numbers of its certificates in the files of a home."""
    found: dict[str, set[int]] = {}
    for path in (path for pattern in ("*.pem", "*.crt") for path in root.rglob(pattern) if path.is_file()):
        if b"BEGIN CERTIFICATE" not in path.read_bytes():
            continue
        for one in x509.load_pem_x509_certificates(path.read_bytes()):
            if one.subject == one.issuer:
                found.setdefault(one.subject.rfc4514_string(), set()).add(one.serial_number)
    return found


@pytest.mark.parametrize("ending", ["as homes were made before"], indirect=True)
async def test_authorities_that_end_with_all_they_issued_are_renewed_and_then_all_is(
    ending: RunningConsortium, tmp_path: Path
) -> None:
    for member, account in ((ending.bank, "cust-payer"), (ending.partner, "cust-payee")):
        await ending.open_account(member, account)
    await work(ending, tmp_path / "before.json")
    refused = ending.command("certificates", "renew")
    assert (
        refused.returncode == 1
        and "renew the authority first" in refused.stderr
        and "renewed, ends" not in refused.stdout
    )
    kill_before_file(ending, 0, "dwaybank")
    kill_before_file(ending, 3, "partner")
    assert {len(numbers) for numbers in authorities(ending.root).values()} == {1, 2}
    await work(ending, tmp_path / "cut-short.json")
    for organization in ("orderer", "dwaybank", "partner", "regulator"):
        done = ending.command("certificates", "renew-authority", "--org", organization)
        assert done.returncode == 0 and done.stdout.count("on channel anchors") == 2, done.stdout + done.stderr
    assert {len(numbers) for numbers in authorities(ending.root).values()} == {1}
    await work(ending, tmp_path / "meanwhile.json")
    rows = json.loads(ending.command("certificates", "list", "--json").stdout)
    assert {row["days_left"] > 7_000 for row in rows if "authority" in row["use"]} == {True}
    renewed = ending.command("certificates", "renew")
    assert renewed.returncode == 0, renewed.stderr
    assert min(days_left(ending)) > 3_000
    ending.stop()
    await asyncio.to_thread(ending.start)
    await work(ending, tmp_path / "after.json")
    assert not warned(ending)
    proofs = [tmp_path / f"{name}.json" for name in ("before", "cut-short", "meanwhile", "after")]
    verified = dwaybank("verify", *proofs, "--genesis", ending.genesis_hash.hex())
    assert verified.returncode == 0 and verified.stdout.count("is attested") == 4, verified.stdout + verified.stderr
    for bank in (ending.bank, ending.partner):
        assert (await ending.audit(ending.regulator, bank)).findings == []


def test_authorities_of_a_consortium_that_does_not_run_stay_as_they_are(tmp_path: Path) -> None:
    home, _ = prepare_home(tmp_path / "home", lambda: default_consortium(free_base_port()), datetime.now(UTC), {})
    before = {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()}
    for organization, told in (("partner", "the channel does not know yet"), ("nobody", "nobody")):
        refused = dwaybank("certificates", "renew-authority", "--org", organization, "--home", home.root)
        assert refused.returncode == 1 and told in refused.stderr, refused.stderr
    assert {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()} == before
