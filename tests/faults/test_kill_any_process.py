"""Kills processes of a working consortium again and again, then proves that nothing acknowledged was lost or doubled.

The seed stands in the output; ``DWAYBANK_FAULT_SEED`` repeats its choice of victims and pauses, and
``DWAYBANK_FAULT_KILLS`` sets their number. Clients keep posting, holding, capturing and paying across banks all the
while, and the nodes anchor.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from ledger.audit import verify_books
from network.bundle import verify_bundle
from network.topology import Organization
from node.audit.entry_fields import describe_entry
from node.own_node import AUDIT, LEDGER, audit_pb2, ledger_pb2
from tests.support.consortium import RunningConsortium, listens, own_consortium, process_is_alive
from tests.support.customer import Customer
from tests.support.load import BooksClient, Ledgers, PayingCustomer, Payment

pytestmark = pytest.mark.faults

SEED = int(os.environ.get("DWAYBANK_FAULT_SEED", secrets.randbelow(2**32)))
KILLS = int(os.environ.get("DWAYBANK_FAULT_KILLS", 33))
PAUSE_MAX_S = 2.5
DOUBLE_KILL_CHANCE = 0.2
ENTRIES_MIN, PAYMENTS_MIN = 200, 20
"""A load that did nothing proves nothing: on a slow machine the killing goes on until so much was done under it."""
DEPOSIT_MINOR = 10_000_000
SAMPLE = 12


@dataclass
class Load:
    """The clients and what they know."""

    ledgers: dict[str, Ledgers]
    customers: list[Customer]
    payers: list[PayingCustomer]
    books: list[BooksClient]
    kills: Counter[str] = field(default_factory=Counter)

    @property
    def payments(self) -> list[Payment]:
        """Every payment that was ordered."""
        return [payment for payer in self.payers for payment in payer.payments]

    @property
    def worked(self) -> bool:
        """Whether each bank acknowledged enough entries, and gateways took enough payments to the other.

        Which payments arrived is known only once all runs again.
        """
        taken = sum(payment.transfer_id != "" for payment in self.payments)
        return taken > 2 * PAYMENTS_MIN and all(len(known.entries) > ENTRIES_MIN for known in self.ledgers.values())


@asynccontextmanager
async def prepared_load(consortium: RunningConsortium) -> AsyncIterator[Load]:
    """Sign customers up and open accounts; nothing dies yet."""
    banks = (consortium.bank, consortium.partner)
    async with AsyncExitStack() as browsers:
        customers = []
        for bank in banks:
            for number in range(2):
                customer = Customer(bank, f"{bank.name}{number}")
                browsers.push_async_callback(customer.close)
                await customer.sign_up()
                await consortium.deposit(bank, customer.account, DEPOSIT_MINOR)
                customers.append(customer)
        ledgers = {bank.name: Ledgers(bank) for bank in banks}
        books = [
            BooksClient(consortium, ledgers[bank.name], f"load{number}", SEED + number)
            for bank in banks
            for number in range(2)
        ]
        for client in books:
            await client.open()
        payers = [
            PayingCustomer(customer, [other for other in customers if other.bank != customer.bank], SEED + number)
            for number, customer in enumerate(customers)
        ]
        yield Load(ledgers, customers, payers, books)


async def kill_at_random(consortium: RunningConsortium, load: Load) -> None:
    """Kill by SIGKILL, every process before one a second time; each must run again before it is killed again."""
    chosen = random.Random(SEED)
    names, waiting = sorted(consortium.processes()), list[str]()
    while sum(load.kills.values()) < KILLS or not (load.worked or sum(load.kills.values()) > 5 * KILLS):
        for _ in range(2 if chosen.random() < DOUBLE_KILL_CHANCE else 1):
            waiting = waiting or chosen.sample(names, len(names))
            name = waiting.pop()
            pid = await running_pid(consortium, name)
            with contextlib.suppress(ProcessLookupError):  # ended by another's end a moment ago
                os.kill(pid, signal.SIGKILL)
            load.kills[name] += 1
        await asyncio.sleep(0.2 + chosen.random() * PAUSE_MAX_S)


async def running_pid(consortium: RunningConsortium, name: str, timeout_s: float = 60.0) -> int:
    """Return a process's id once it runs and listens."""
    deadline = time.monotonic() + timeout_s
    while True:
        row = consortium.processes()[name]
        if row["pid"] and process_is_alive(row["pid"]) and listens(row["port"]):
            return int(row["pid"])
        assert time.monotonic() < deadline, f"{name} did not start again within {timeout_s:.0f} s:\n{tail(consortium)}"
        await asyncio.sleep(0.1)


def tail(consortium: RunningConsortium) -> str:
    """The last words of every process."""
    return "\n".join(
        f"{path.name}: {path.read_text(errors='replace')[-1500:]}" for path in consortium.home.logs.iterdir()
    )


def test_nothing_acknowledged_is_lost_or_doubled_whatever_dies() -> None:
    print(f"seed {SEED}, {KILLS} kills")
    with own_consortium() as consortium:
        asyncio.run(work_kill_and_prove(consortium))


async def work_kill_and_prove(consortium: RunningConsortium) -> None:
    """The whole run."""
    async with prepared_load(consortium) as load:
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as clients:
            for client in (*load.books, *load.payers):
                clients.create_task(client.run(stopping.is_set))
            started = time.monotonic()
            await kill_at_random(consortium, load)
            for name in consortium.processes():
                await running_pid(consortium, name)
            stopping.set()
        print(f"{dict(load.kills)} in {time.monotonic() - started:.0f} s")
        for payer in load.payers:
            await payer.finish()
        await consortium.settled(120)
        report(load)
        assert_load_worked(load)
        await assert_acknowledged_entries_stand_once(consortium, load)
        await assert_no_money_lost_or_made(consortium, load)
        await assert_everything_is_provable(consortium)


def report(load: Load) -> None:
    """Print what happened, for whoever reads a failed run."""
    for name, known in load.ledgers.items():
        print(f"{name}: {len(known.entries)} acknowledged, {known.retries} retries, {known.refused} refused")
        print(f"{name}: internal errors {known.internal[:5]}")
    print(f"payments: {Counter(payment.state for payment in load.payments)}")
    print(f"retries of payments: {sum(payer.retries for payer in load.payers)}")
    print(f"unexpected: {[text for payer in load.payers for text in payer.unexpected][:5]}")


def assert_load_worked(load: Load) -> None:
    """There was a load under the kills, and no client may have seen an error nobody foresaw."""
    assert sum(load.kills.values()) >= KILLS
    assert load.worked
    assert sum(payment.state == "completed" for payment in load.payments) > PAYMENTS_MIN
    assert sum(known.retries for known in load.ledgers.values()) > 0
    assert sum(payer.retries for payer in load.payers) > 0
    for known in load.ledgers.values():
        assert known.refused == {}
        assert known.internal == []
    assert [text for payer in load.payers for text in payer.unexpected] == []
    assert {payment.state for payment in load.payments} <= {"completed", "returned", "aborted", "expired"}


async def assert_acknowledged_entries_stand_once(consortium: RunningConsortium, load: Load) -> None:
    """Each acknowledged entry stands under its number as it was sent; there is no other entry than those ordered."""
    for known in load.ledgers.values():
        assert len({kept.seq for kept in known.entries.values()}) == len(known.entries)
        async with consortium.node(known.bank) as node:
            for key, kept in known.entries.items():
                request = ledger_pb2.GetEntryRequest(idempotency_key=key)
                found = (await node.call(LEDGER, "GetEntry", request, ledger_pb2.GetEntryResponse)).entry
                assert found.seq == kept.seq
                assert [(leg.account, leg.side, leg.amount_minor) for leg in found.postings] == [
                    (leg.account, leg.side, leg.amount_minor) for leg in kept.entry.postings
                ]
        with consortium.superuser(known.bank) as connection:
            rows = {str(row[0]) for row in connection.execute("SELECT key FROM ledger.entry")}
            settled = settlement_entries(connection)
            assert verify_books(connection) == []
        deposits = sum(customer.bank == known.bank for customer in load.customers)
        assert set(known.entries) <= rows
        assert len(rows) == len(known.entries) + settled + deposits, "no entry that nobody ordered"


def settlement_entries(connection) -> int:  # type: ignore[no-untyped-def]
    """How many entries the settlements of a bank must have made."""
    row = connection.execute(
        "SELECT (SELECT count(seq) + count(return_seq) FROM partner.outgoing)"
        " + (SELECT count(seq) FROM partner.incoming)"
    ).fetchone()
    return int(row[0])


async def assert_no_money_lost_or_made(consortium: RunningConsortium, load: Load) -> None:
    """Every customer has what his payments left him, both banks' positions agree, debits equal credits."""
    expected = {customer.account: DEPOSIT_MINOR for customer in load.customers}
    for payment in load.payments:
        if payment.state == "completed":
            expected[payment.payer.account] -= payment.amount_minor
            expected[payment.payee.account] += payment.amount_minor
    balances = {customer.account: await customer.balance() for customer in load.customers}
    assert {account: int(found["balance_minor"]) for account, found in balances.items()} == expected
    assert {found["held_minor"] for found in balances.values()} == {"0"}
    for bank in (consortium.bank, consortium.partner):
        compared = await consortium.compare_positions(bank)
        assert compared
        assert all(row.agree for row in compared), compared
        async with consortium.node(bank) as node:
            trial = await node.call(
                LEDGER, "GetTrialBalance", ledger_pb2.GetTrialBalanceRequest(), ledger_pb2.GetTrialBalanceResponse
            )
        assert all(line.debit_minor == line.credit_minor for line in trial.lines)
    for client in load.books:
        await assert_account_is_sum_of_acknowledged(consortium, client)


async def assert_account_is_sum_of_acknowledged(consortium: RunningConsortium, client: BooksClient) -> None:
    """A client's account holds exactly what was acknowledged, and nothing of it is held any more."""
    known = client.known
    total = 0
    for kept in known.entries.values():
        for leg in kept.entry.postings:
            if leg.account == client.target:
                total += int(leg.amount_minor) * (1 if leg.side == ledger_pb2.SIDE_CREDIT else -1)
    account = await consortium.account(known.bank, client.target)
    assert (int(account.balance_minor), account.held_minor) == (total, "0")


async def assert_everything_is_provable(consortium: RunningConsortium) -> None:
    """All chains are one chain; the whole log is audited clean; a sample of bundles verifies offline."""
    found = await consortium.settled()
    assert len({(status.block_height, status.commit_hash, status.current_block_hash) for status in found}) == 1
    for bank in (consortium.bank, consortium.partner):
        status = await consortium.anchor_status(bank)
        assert status.posted_seq == status.anchored_size == status.attested_size
        audited = await consortium.audit(consortium.regulator, bank)
        assert list(audited.findings) == []
        assert audited.entries_checked == status.posted_seq
        await assert_sample_verifies(consortium, bank, status.posted_seq)


async def assert_sample_verifies(consortium: RunningConsortium, bank: Organization, posted: int) -> None:
    """Random entries' bundles verify with nothing but the genesis hash."""
    async with consortium.node(bank) as node:
        for seq in random.Random(SEED).sample(range(1, posted + 1), SAMPLE):
            reply = await node.call(AUDIT, "GetProof", audit_pb2.GetProofRequest(seq=seq), audit_pb2.GetProofResponse)
            proved = verify_bundle(
                reply.bundle, consortium.genesis_hash, describe=describe_entry, now=datetime.now(UTC)
            )
            assert (proved.seq, proved.organization) == (seq, bank.msp_id)
            assert proved.witnesses
