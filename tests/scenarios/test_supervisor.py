"""A supervisor's day: demand, refusal, silence, receipts, totals, and the summary that is signed and taken home.

Two banks, a regulator and an orderer as real processes; everything goes through the command line, as a supervisor and a
bank's operator would do it.
"""

from __future__ import annotations

import asyncio
import json
import re
import stat
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import yaml

from network.topology import Organization
from tests.support.consortium import RunningConsortium, dwaybank, eventually, own_consortium
from tests.support.customer import Customer

SignUp = Callable[[Organization, str], Awaitable[Customer]]


@pytest.fixture
def alone() -> Iterator[RunningConsortium]:
    """A consortium whose settings a test may change."""
    with own_consortium() as running:
        yield running


@pytest.fixture
async def paid(consortium: RunningConsortium, sign_up: SignUp) -> tuple[Customer, int]:
    """A customer of the bank, and the number of her attested payment."""
    ada, bob = await sign_up(consortium.bank, "ada"), await sign_up(consortium.bank, "bob")
    await consortium.deposit(consortium.bank, ada.account, 50_000)
    seq = (await ada.pay(bob, 1_234))["seq"]
    await consortium.settled()
    return ada, seq


def said(consortium: RunningConsortium, *arguments: object) -> str:
    done = consortium.command(*map(str, arguments))
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(consortium: RunningConsortium, *arguments: object) -> str:
    done = consortium.command(*map(str, arguments))
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


async def test_a_demand_of_everything_brings_the_customer_the_gateway_knows_and_details_leave_a_trace(
    consortium: RunningConsortium, paid: tuple[Customer, int], tmp_path: Path
) -> None:
    ada, seq = paid
    bank = consortium.bank.msp_id
    brought = said(
        consortium, "audit", "demand", bank, seq, "--purpose", "spot_check", "--scope", "description", "--scope",
        "customer", "--folder", tmp_path,
    )  # fmt: skip
    assert f"entry {seq} of {bank}: {ada.account} is ada" in brought
    assert ada.email in brought
    number = re.search(r"demand ([0-9a-f]{32})", brought)
    assert number is not None
    assert "answered" in said(consortium, "audit", "demands", "--state", "answered")
    assert number[1] in said(consortium, "audit", "demands", "--org", "dwaybank", "--state", "answered")
    assert ada.email in said(consortium, "audit", "details", bank, seq)
    assert '{"details":{}}' in said(consortium, "audit", "looks", "--verify")
    with consortium.superuser(consortium.regulator) as connection:
        kept = connection.execute("SELECT sealed FROM log.disclosed_detail WHERE seq = %s", (seq,)).fetchall()
    assert kept
    assert all(ada.email.encode() not in bytes(sealed) for (sealed,) in kept)
    with consortium.superuser(consortium.bank) as connection:
        asked = connection.execute("SELECT account FROM gateway.customer_disclosure").fetchall()
    assert (ada.account,) in asked, "the gateway's schema keeps that it was asked"
    key = consortium.home.secret(consortium.regulator, "disclosure.key")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


async def test_receipts_of_all_members_agree_and_stand_without_a_node(
    consortium: RunningConsortium, paid: tuple[Customer, int], tmp_path: Path
) -> None:
    async def all_signed() -> bool:
        told = said(consortium, "audit", "receipts", "--out", tmp_path / "receipt.json")
        return "signed by DwaybankMSP, PartnerMSP, RegulatorMSP" in told

    await eventually(all_signed, "every member signs the newest block")
    genesis = consortium.genesis_hash.hex()
    verified = dwaybank("verify-receipt", tmp_path / "receipt.json", "--genesis", genesis)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "signed by DwaybankMSP, PartnerMSP, RegulatorMSP" in verified.stdout
    assert dwaybank("verify-receipt", tmp_path / "receipt.json", "--genesis", "00" * 32).returncode == 1
    bent = json.loads((tmp_path / "receipt.json").read_text())
    bent["receipt"]["commit_hash"] = "00" * 32
    (tmp_path / "bent.json").write_text(json.dumps(bent))
    told = dwaybank("verify-receipt", tmp_path / "bent.json", "--genesis", genesis)
    assert (told.returncode, "wrong_signature" in told.stdout) == (1, True)

    async def exchanged() -> bool:
        return "DwaybankMSP    agrees" in said(consortium, "audit", "receipts", "--limit", 500)

    await eventually(exchanged, "nodes exchange receipts by themselves")
    assert "DIVERGES" not in said(consortium, "audit", "receipts", "--limit", 500)
    assert "diverging_receipts" not in said(consortium, "audit", "findings")


async def test_totals_are_opened_and_the_days_summary_is_signed_and_verified(
    consortium: RunningConsortium, paid: tuple[Customer, int], tmp_path: Path
) -> None:
    _, seq = paid

    async def opened() -> bool:
        # They are kept every ten minutes: where other tests paid before, those of this payment are not yet.
        return any(line.startswith("DwaybankMSP") for line in said(consortium, "audit", "totals").splitlines())

    await eventually(opened, "the regulator's node asks for totals")
    assert "DIFFERENCE" not in said(consortium, "audit", "totals")
    assert "imbalanced_totals" not in said(consortium, "audit", "findings")
    said(consortium, "audit", "demand", consortium.bank.msp_id, seq, "--purpose", "spot_check", "--folder", tmp_path)
    genesis = consortium.genesis_hash.hex()
    for kind in ("daily", "trial-balance", "large", "exposure", "anchoring"):
        file = tmp_path / f"{kind}.html"
        said(consortium, "report", kind, "--out", file)
        verified = dwaybank("report", "verify", file, "--genesis", genesis)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert f"{kind} report of RegulatorMSP" in verified.stdout
        changed = tmp_path / "changed.html"
        changed.write_bytes(file.read_bytes().replace(b"DwaybankMSP", b"DwaybankMSQ") + b"\n")
        told = dwaybank("report", "verify", changed, "--signature", f"{file}.sig", "--genesis", genesis)
        assert (told.returncode, "wrong_report" in told.stdout) == (1, True)
    printed = said(consortium, "report", "daily")
    for title in ("Members", "Findings", "Demands for disclosure", "Receipts of blocks", "Trial balance"):
        assert title in printed
    newest = said(consortium, "report", "list").splitlines()[0].split()[0]
    said(consortium, "report", "get", newest, "--out", tmp_path / "again.html")
    assert dwaybank("report", "verify", tmp_path / "again.html", "--genesis", genesis).returncode == 0
    assert "day:" in refused(consortium, "report", "daily", "--day", "yesterday")


async def test_a_bank_that_decides_itself_lets_a_demand_wait_then_refuses_it_and_is_found(
    alone: RunningConsortium, tmp_path: Path
) -> None:
    consortium, bank = alone, alone.bank
    settings = consortium.home.organization(bank) / "node.yaml"
    await consortium.open_account(bank, "alice")
    await consortium.deposit(bank, "alice", 1_000)
    await consortium.settled()
    consortium.stop()
    told = yaml.safe_load(settings.read_text())
    assert told["supervisors"] == ["RegulatorMSP"]
    settings.write_text(yaml.safe_dump(told | {"discloses_at_once": False}))
    regulators = consortium.home.organization(consortium.regulator) / "node.yaml"
    supervision = yaml.safe_load(regulators.read_text())
    supervision["supervision"] |= {"disclosure_deadline_s": 5, "interval_s": 1}
    regulators.write_text(yaml.safe_dump(supervision))
    await asyncio.to_thread(consortium.start)
    demand = ("audit", "demand", bank.msp_id, 1, "--purpose", "spot_check", "--folder", tmp_path)
    assert "waits until somebody at DwaybankMSP allows or refuses it" in refused(consortium, *demand)

    async def waiting() -> str:
        return said(consortium, "audit", "demands", "--state", "waiting", "--org", bank.name)

    first = (await eventually(waiting, "the bank sees the demand")).split()[0]

    async def found(kind: str) -> bool:
        return kind in said(consortium, "audit", "findings")

    await eventually(lambda: found("unanswered_demand"), "silence is found after the deadline")
    said(consortium, "audit", "allow", first, "--org", bank.name)
    said(consortium, "audit", "fetch", first, "--folder", tmp_path)
    assert (tmp_path / f"{bank.msp_id}-1.json").exists()
    refused(consortium, *demand)
    second = (await eventually(waiting, "the bank sees the next demand")).split()[0]
    assert "reason" in refused(consortium, "audit", "refuse", second, "--reason", "why not", "--org", bank.name)
    said(consortium, "audit", "refuse", second, "--reason", "privileged", "--org", bank.name)
    await eventually(lambda: found("refused_demand"), "a refusal is found")
    assert "privileged" in said(consortium, "audit", "demands", "--state", "refused")
    assert "privileged" in refused(consortium, "audit", "fetch", second)

    consortium.stop()
    told = yaml.safe_load(settings.read_text())
    del told["supervisors"]
    settings.write_text(yaml.safe_dump(told))
    await asyncio.to_thread(consortium.start)
    sentence = refused(consortium, *demand)
    assert "`supervisors: [RegulatorMSP]`" in sentence, "a home made before is told what to write"
