"""The partner bank's journey: both books tell the same story, and a bank that is down costs nobody money."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from network.topology import Organization
from node.iso20022 import read_message
from node.iso20022.content import Status
from node.own_node import LEDGER, SETTLEMENT, ledger_pb2, partner_pb2
from tests.support.consortium import RunningConsortium, dwaybank, eventually
from tests.support.customer import Customer

SignUp = Callable[[Organization, str], Awaitable[Customer]]


async def payment(consortium: RunningConsortium, bank: Organization, payment_id: str) -> partner_pb2.Payment:
    request = partner_pb2.GetPaymentRequest(payment_id=payment_id)
    async with consortium.node(bank) as node:
        return (await node.call(SETTLEMENT, "GetPayment", request, partner_pb2.GetPaymentResponse)).payment


async def entry(consortium: RunningConsortium, bank: Organization, seq: int) -> ledger_pb2.Entry:
    async with consortium.node(bank) as node:
        request = ledger_pb2.GetEntryRequest(seq=seq)
        return (await node.call(LEDGER, "GetEntry", request, ledger_pb2.GetEntryResponse)).entry


async def assert_books_agree(consortium: RunningConsortium) -> None:
    for bank in (consortium.bank, consortium.partner):
        compared = await consortium.compare_positions(bank)
        assert compared
        assert all(row.agree for row in compared), compared
        async with consortium.node(bank) as node:
            trial = await node.call(
                LEDGER, "GetTrialBalance", ledger_pb2.GetTrialBalanceRequest(), ledger_pb2.GetTrialBalanceResponse
            )
        assert all(line.debit_minor == line.credit_minor for line in trial.lines), trial


async def test_both_books_carry_one_settlement_id_and_agree(consortium: RunningConsortium, sign_up: SignUp) -> None:
    ada, eve = await sign_up(consortium.bank, "ada"), await sign_up(consortium.partner, "eve")
    await consortium.deposit(consortium.bank, ada.account, 90_000)

    there = await ada.pay(eve, 40_000, "invoice 1")
    back = await eve.pay(ada, 15_000, "refund")

    for sender, receiver, paid in (
        (consortium.bank, consortium.partner, there),
        (consortium.partner, consortium.bank, back),
    ):
        known = await payment(consortium, sender, paid["transfer_id"])
        own, theirs = await entry(consortium, sender, known.seq), await entry(consortium, receiver, known.partner_seq)
        assert own.settlement_id == theirs.settlement_id == known.settlement_id != ""
        assert {posting.amount_minor for posting in own.postings} == {paid["amount_minor"]}
        assert {posting.amount_minor for posting in theirs.postings} == {paid["amount_minor"]}
        assert {posting.account for posting in own.postings}.isdisjoint(posting.account for posting in theirs.postings)
    assert await ada.balance_minor() == 90_000 - 40_000 + 15_000
    assert await eve.balance_minor() == 25_000
    await assert_books_agree(consortium)


async def test_partner_that_is_down_leaves_a_hold_that_completes_when_it_is_back(
    consortium: RunningConsortium, sign_up: SignUp
) -> None:
    ada, eve = await sign_up(consortium.bank, "ada"), await sign_up(consortium.partner, "eve")
    await consortium.deposit(consortium.bank, ada.account, 10_000)
    key = str(uuid.uuid4())

    with consortium.kept_down("partner-node"):
        ordered = await ada.order(eve, 6_000, key=key)
        assert ordered.status_code == 202, ordered.text
        again = await ada.order(eve, 6_000, key=key)
        assert again.json()["transfer_id"] == ordered.json()["transfer_id"]
        assert ordered.json()["state"] == "held"
        held = await ada.balance()
        assert (held["balance_minor"], held["held_minor"], held["available_minor"]) == ("10000", "6000", "4000")
        more = await ada.order(eve, 4_001)
        assert more.status_code == 422, "what is held cannot be spent twice"
    done = await ada.final(ordered.json()["transfer_id"], 60)

    assert done["state"] == "completed"
    spent = await ada.balance()
    assert (spent["balance_minor"], spent["held_minor"]) == ("4000", "0")

    async def arrived() -> bool:
        return await eve.balance_minor() == 6_000

    await eventually(arrived, "the beneficiary has the money")
    await assert_books_agree(consortium)


async def test_bank_operations_from_the_command_line(
    consortium: RunningConsortium, sign_up: SignUp, tmp_path: Path
) -> None:
    """Quote, pay, look, return, fetch the statement, follow: a day at the operations desk of both banks."""
    ada, eve = await sign_up(consortium.bank, "ada"), await sign_up(consortium.partner, "eve")
    await consortium.deposit(consortium.bank, ada.account, 50_000)
    there, back = ("--partner", consortium.partner.msp_id), ("--partner", consortium.bank.msp_id, "--org", "partner")

    async def run(*words: str | Path, status: int = 0) -> list[Any]:
        done = await asyncio.to_thread(consortium.command, "partner", *words, "--json")
        assert done.returncode == status, done.stderr + done.stdout
        return [json.loads(line) for line in done.stdout.splitlines()]

    [standing] = await run("version")
    assert (standing["reachable"], standing["version"]) == (True, 2)
    [limits] = await run("limits")
    assert limits["open_max"] == 10_000
    [quote] = await run("quote", *there, "--amount-minor", "12550")
    assert (quote["fee_minor"], quote["credited_minor"]) == ("0", "12550")

    key, order = str(uuid.uuid4()), ("--from", ada.account, "--to", eve.account, *there, "--amount-minor", "12550")
    for _ in range(2):
        [paid] = await run("pay", *order, "--id", key, "--quote", quote["quote_id"])
        assert (paid["state"], paid["settlement_id"]) == ("completed", key)
    [again] = await run("pay", *order, "--quote", quote["quote_id"], status=1)
    assert again["refusal"] == "quote_used"
    [plain] = await run("pay", *order)
    assert (await run("status", plain["payment_id"]))[0]["state"] == "completed"
    theirs, own = await run("status", key, "--ask")
    assert (theirs["partner_state"], theirs["partner_seq"]) == ("completed", own["partner_seq"])
    [returned] = await run("return", plain["payment_id"], *back, "--reason", "CUST")
    assert (returned["state"], returned["return_of"]) == ("completed", plain["payment_id"])
    assert (await ada.balance_minor(), await eve.balance_minor()) == (50_000 - 12_550, 12_550)

    lines = await run("statement", "--org", "partner", "--partner", consortium.bank.msp_id, "--evidence", tmp_path)
    assert [line["settlement_id"] for line in lines[:2]] == [plain["payment_id"], key]
    assert (tmp_path / "statement-0001.signed").stat().st_size > 100
    kept = await run("evidence", key, "--output", tmp_path / "evidence")
    assert [(one["kind"], one["signer"], one["problem"]) for one in kept] == [
        ("prepare_answer", consortium.partner.msp_id, ""),
        ("complete_answer", consortium.partner.msp_id, ""),
    ]
    received = await run("evidence", key, "--from", consortium.bank.msp_id, "--org", "partner")
    assert [one["kind"] for one in received] == ["prepare", "complete"]
    for file, kind in ("evidence/02-complete_answer.signed", "complete_answer"), ("statement-0001.signed", "statement"):
        words = ("partner", "check-evidence", tmp_path / file, "--genesis", consortium.home.genesis, "--kind")
        assert (await asyncio.to_thread(dwaybank, *words, kind)).returncode == 0
        assert (await asyncio.to_thread(dwaybank, *words, "abort_answer")).returncode == 1
    told = await run("follow", *there, "--count", "2")
    assert [update["sequence"] for update in told] == [1, 2]
    assert all(row["agree"] for row in await run("positions"))
    refused = consortium.command("partner", "cancel", key)
    assert (refused.returncode, "can no more be cancelled" in refused.stderr) == (1, True)
    await assert_books_agree(consortium)


async def test_banks_pay_return_and_report_in_iso_20022(consortium: RunningConsortium, tmp_path: Path) -> None:
    """An order from bank to bank as pacs.009, its return as pacs.004, the vostro account as camt.053 and camt.054."""
    begun = datetime.now(UTC)
    own, theirs = f"bank-{uuid.uuid4().hex[:8]}", f"bank-{uuid.uuid4().hex[:8]}"
    await consortium.open_account(consortium.bank, own)
    await consortium.open_account(consortium.partner, theirs)
    await consortium.deposit(consortium.bank, own, 90_000)
    directory, here, there = tmp_path / "directory.yaml", consortium.bank.msp_id, consortium.partner.msp_id
    banks = f"banks:\n- {{msp_id: {here}, names: [DWAYDEFF]}}\n- {{msp_id: {there}, names: [PRTNFRPP]}}\n"
    accounts = f"accounts:\n- {{number: {own}, account: {own}}}\n"
    directory.write_text(f"own: {here}\n{banks}{accounts}")
    other_side = tmp_path / "other-side.yaml"
    other_side.write_text(f"own: {there}\n{banks}")

    async def run(*words: str | Path) -> None:
        done = await asyncio.to_thread(consortium.command, "partner", *words)
        assert done.returncode == 0, done.stderr + done.stdout

    def message(name: str) -> Any:
        return read_message((tmp_path / name).read_bytes())

    key, order = str(uuid.uuid4()), tmp_path / "order.xml"
    money = ("--amount-minor", "12550", "--directory", directory, "--output", order, "--id", key)
    made = await asyncio.to_thread(
        dwaybank, "partner", "order-message", "--partner", there, "--from", own, "--to", theirs, *money
    )
    assert made.returncode == 0, made.stderr
    for name in ("answer.xml", "again.xml"):
        await run("pay-message", order, "--directory", directory, "--answer", tmp_path / name)
        assert (message(name).status, str(message(name).original_uetr)) == (Status.CREDITED, key)
    assert int((await consortium.account(consortium.partner, theirs)).balance_minor) == 12_550

    back, returned = str(uuid.uuid4()), tmp_path / "return.xml"
    await run("return", key, "--partner", here, "--reason", "AC04", "--id", back, "--org", "partner")
    told = ("--directory", other_side, "--output", returned, "--original", order, "--org", "partner")
    await run("return-message", back, *told)
    assert (str(message("return.xml").original_uetr), message("return.xml").returned_amount.minor) == (key, 12_550)
    assert int((await consortium.account(consortium.bank, own)).balance_minor) == 90_000

    period = ("--from", begun.isoformat(), "--to", (datetime.now(UTC) - timedelta(milliseconds=1)).isoformat())
    for more, name in ((), "statement.xml"), (("--notification",), "notification.xml"):
        asked = ("--partner", here, "--bic", "DWAYDEFF", "--output", tmp_path / name, "--org", "partner")
        await run("statement-message", *asked, *period, *more)
        assert key in {str(entry.details.uetr) for entry in message(name).entries}
    await assert_books_agree(consortium)


async def test_payment_id_stands_for_one_order_for_ever(consortium: RunningConsortium, sign_up: SignUp) -> None:
    ada, eve = await sign_up(consortium.bank, "ada"), await sign_up(consortium.partner, "eve")
    await consortium.deposit(consortium.bank, ada.account, 5_000)
    request = partner_pb2.SendPaymentRequest(
        payment_id=str(uuid.uuid4()),
        debtor_account=ada.account,
        receiver_msp_id=consortium.partner.msp_id,
        beneficiary_account=eve.account,
        asset="EUR",
        amount_minor="1000",
        description="once",
    )
    async with consortium.node(consortium.bank) as node:
        replies = [
            await node.call(SETTLEMENT, "SendPayment", request, partner_pb2.SendPaymentResponse) for _ in range(3)
        ]

    assert len({reply.payment.settlement_id for reply in replies}) == 1
    assert replies[-1].payment.state == "completed"
    assert (await ada.balance_minor(), await eve.balance_minor()) == (4_000, 1_000)
    await assert_books_agree(consortium)
