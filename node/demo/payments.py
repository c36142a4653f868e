"""Step 3: customers of two banks pay one another through the gateways' public API, and both banks' books agree."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
from google.protobuf.timestamp_pb2 import Timestamp

from network.obligation import SETTLEMENT as SETTLEMENT_CONTRACT
from node.own_node import LEDGER, OBLIGATIONS, SETTLEMENT, OwnNode, ledger_pb2, obligations_pb2, partner_pb2

if TYPE_CHECKING:
    from network.topology import Organization
    from node.demo.demo import Demo

ASSET = "EUR"
DEPOSIT_MINOR = 2_500_000
INSIDE_MINOR = 12_500
ACROSS_MINOR = 1_250_000
"""12,500.00: over the threshold of manual review, so that the demo shows one."""
WAIT_S = 20.0


class Customer:
    """A person with a browser: signs up, logs in, uses the gateway's API."""

    def __init__(self, bank: Organization, name: str) -> None:
        self.bank = bank
        self.name = name
        self.account = ""
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{bank.gateway_port}/v1", timeout=20)

    async def sign_up(self) -> None:
        """Register, log in, open an account."""
        email, password = f"{self.name}@customers.example", secrets.token_urlsafe(16)
        await self.post(
            "/auth/register", {"email": email, "password": password, "display_name": self.name.capitalize()}
        )
        tokens = await self.post("/auth/login", {"email": email, "password": password})
        self._http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        self.account = (await self.post("/accounts", {"asset": ASSET}))["account"]

    async def post(self, path: str, body: dict[str, Any], key: str = "") -> dict[str, Any]:
        """POST and return the JSON answer; an HTTP error raises."""
        answer = await self._http.post(path, json=body, headers={"Idempotency-Key": key} if key else {})
        answer.raise_for_status()
        content: dict[str, Any] = answer.json()
        return content

    async def get(self, path: str) -> httpx.Response:
        """GET whatever comes back."""
        return await self._http.get(path)

    async def balance_minor(self) -> int:
        """Balance of the account in minor units."""
        answer = await self.get(f"/accounts/{self.account}/balance")
        answer.raise_for_status()
        return int(answer.json()["balance_minor"])

    async def close(self) -> None:
        """Close the browser."""
        await self._http.aclose()


async def make_payments(demo: Demo) -> None:
    """Sign up three customers, pay inside the bank and across banks, compare both banks' books."""
    ada, bob, eve = Customer(demo.bank, "ada"), Customer(demo.bank, "bob"), Customer(demo.partner, "eve")
    report = demo.report
    try:
        await asyncio.gather(*(customer.sign_up() for customer in (ada, bob, eve)))
        await deposit_cash(demo, ada.account)
        report.check("customers signed up, logged in and opened accounts", all((ada.account, bob.account, eve.account)))

        key = str(uuid.uuid4())
        inside = {
            "debtor_account": ada.account,
            "creditor_account": bob.account,
            "asset": ASSET,
            "amount_minor": str(INSIDE_MINOR),
        }
        first = await ada.post("/transfers", inside, key)
        again = await ada.post("/transfers", inside, key)
        await wait_until_done(ada, first["transfer_id"])
        report.check(
            "a transfer inside the bank, sent twice with one key, is posted once",
            first["transfer_id"] == again["transfer_id"] and await bob.balance_minor() == INSIDE_MINOR,
        )
        across = {
            "debtor_account": ada.account,
            "creditor_account": eve.account,
            "creditor_bank": demo.partner.msp_id,
            "asset": ASSET,
            "amount_minor": str(ACROSS_MINOR),
        }
        sent = await ada.post("/transfers", across, str(uuid.uuid4()))
        state = await wait_until_done(ada, sent["transfer_id"])
        report.check(
            "a transfer to the partner bank arrives",
            state == "completed" and await eve.balance_minor() == ACROSS_MINOR,
            f"state {state}",
        )
        left = DEPOSIT_MINOR - INSIDE_MINOR - ACROSS_MINOR
        report.check("the payer's balance is what is left", await ada.balance_minor() == left)
        foreign = await bob.get(f"/accounts/{ada.account}/balance")
        report.check("a customer sees only his own accounts", foreign.status_code == 404, f"HTTP {foreign.status_code}")
        await compare_books(demo)
    finally:
        await asyncio.gather(*(customer.close() for customer in (ada, bob, eve)))


async def wait_until_done(customer: Customer, transfer_id: str) -> str:
    """Return the transfer's state once it no longer changes, or the last one seen."""
    state = ""
    for _ in range(int(WAIT_S / 0.1)):
        answer = await customer.get(f"/transfers/{transfer_id}")
        answer.raise_for_status()
        state = answer.json()["state"]
        if state in {"posted", "completed", "returned", "aborted", "expired", "refused"}:
            break
        await asyncio.sleep(0.1)
    return state


async def deposit_cash(demo: Demo, account: str) -> None:
    """Pay cash in, as a teller does: an entry posted by the bank's own administrator."""
    async with OwnNode(demo.home, demo.consortium, demo.bank) as node:
        vault = ledger_pb2.OpenAccountRequest(
            account=f"cash-vault-{ASSET}", asset=ASSET, normal_side=ledger_pb2.SIDE_DEBIT, floor_minor=""
        )
        await node.call(LEDGER, "OpenAccount", vault, ledger_pb2.OpenAccountResponse)
        effective = Timestamp()
        effective.FromDatetime(datetime.now(UTC))
        entry = ledger_pb2.NewEntry(
            idempotency_key=str(uuid.uuid4()),
            postings=[
                ledger_pb2.Posting(account=vault.account, side=ledger_pb2.SIDE_DEBIT, amount_minor=str(DEPOSIT_MINOR)),
                ledger_pb2.Posting(account=account, side=ledger_pb2.SIDE_CREDIT, amount_minor=str(DEPOSIT_MINOR)),
            ],
            effective_at=effective,
            description="cash deposit",
        )
        reply = await node.call(
            LEDGER, "PostEntries", ledger_pb2.PostEntriesRequest(entries=[entry]), ledger_pb2.PostEntriesResponse
        )
        demo.report.check("cash paid in at the counter is posted", reply.results[0].code == "posted")


async def compare_books(demo: Demo) -> None:
    """Ask both banks for their position with the other, and check debits against credits in each."""
    for bank in (demo.bank, demo.partner):
        async with OwnNode(demo.home, demo.consortium, bank) as node:
            compared = await node.call(
                SETTLEMENT,
                "ComparePositions",
                partner_pb2.ComparePositionsRequest(),
                partner_pb2.ComparePositionsResponse,
            )
            rows = [row for row in compared.comparisons if row.asset == ASSET]
            demo.report.check(
                f"{bank.display_name}'s books agree with its partner's",
                bool(rows) and all(row.agree for row in compared.comparisons),
                ", ".join(f"{row.asset} {row.own_minor}" for row in rows),
            )
            trial = await node.call(
                LEDGER, "GetTrialBalance", ledger_pb2.GetTrialBalanceRequest(), ledger_pb2.GetTrialBalanceResponse
            )
            demo.report.check(
                f"{bank.display_name}'s debits equal its credits in every asset",
                bool(trial.lines) and all(line.debit_minor == line.credit_minor for line in trial.lines),
                f"{trial.entry_count} entries",
            )
            if any(chaincode.name == SETTLEMENT_CONTRACT for chaincode in demo.consortium.chaincodes):
                await compare_bookings(demo, bank, node)


async def compare_bookings(demo: Demo, bank: Organization, node: OwnNode) -> None:
    """Wait until the shared ledger says of every payment between the banks that both booked the same."""
    request = obligations_pb2.ReconcileRequest()
    until = asyncio.get_running_loop().time() + WAIT_S
    while True:
        reply = await node.call(OBLIGATIONS, "Reconcile", request, obligations_pb2.ReconcileResponse)
        if (reply.compared and not reply.breaks) or asyncio.get_running_loop().time() > until:
            break
        await asyncio.sleep(0.2)
    demo.report.check(
        f"the shared ledger says that {bank.display_name} and its partner booked the same",
        bool(reply.compared) and not reply.breaks,
        f"{reply.compared} payments, no amount in public",
    )
