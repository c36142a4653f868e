"""Clients that keep working while processes die, and remember exactly what was promised to them.

Each is honest: an answer is an acknowledgement and is kept; no answer means unknown, and the same request, under the
same key, is sent until there is an answer.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx

from network.errors import RpcError
from network.rpc import StatusCode
from network.topology import Organization
from node.own_node import LEDGER, OwnNode, ledger_pb2
from tests.support.consortium import RunningConsortium, new_entry, stamp
from tests.support.customer import Customer

RETRY_PAUSE_S = 0.2
ANSWER_TIMEOUT_S = 8.0
UNKNOWN = frozenset(
    {
        StatusCode.UNAVAILABLE,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.CANCELLED,
        StatusCode.UNKNOWN,
        StatusCode.INTERNAL,
    }
)
"""Codes that leave open what happened."""


@dataclass
class Acknowledged:
    """One entry the bank said it posted."""

    entry: ledger_pb2.NewEntry
    seq: int


@dataclass
class Ledgers:
    """What one bank acknowledged."""

    bank: Organization
    entries: dict[str, Acknowledged] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    retries: int = 0
    internal: list[str] = field(default_factory=list)
    """Messages of INTERNAL answers: retried like the others, but they should not be."""


class BooksClient:
    """Posts entries and captures holds in one bank's books.

    Args:
        consortium: where the bank's node is.
        known: what was acknowledged so far; shared by all clients of one bank.
        name: makes this client's accounts its own.
        seed: of amounts and kinds.
    """

    def __init__(self, consortium: RunningConsortium, known: Ledgers, name: str, seed: int) -> None:
        self._consortium = consortium
        self.known = known
        self._random = random.Random(seed)
        self._node: OwnNode
        self.source, self.target = f"{name}-source", f"{name}-target"

    async def open(self) -> None:
        """Open the accounts: an unlimited source and a customer's account."""
        bank = self.known.bank
        await self._consortium.open_account(bank, self.source, normal_side=ledger_pb2.SIDE_DEBIT, floor_minor="")
        await self._consortium.open_account(bank, self.target)

    async def run(self, stopping: Callable[[], bool]) -> None:
        """Work until told to stop; finishes what it began."""
        async with self._consortium.node(self.known.bank) as self._node:
            while not stopping():
                if self._random.random() < 0.3:
                    await self._hold_and_capture()
                else:
                    await self._post()
                await asyncio.sleep(0.02)

    async def _post(self) -> None:
        entries = [
            new_entry(self.source, self.target, self._random.randrange(1, 5_000), "load")
            for _ in range(self._random.randrange(1, 6))
        ]
        request = ledger_pb2.PostEntriesRequest(entries=entries)
        reply = await self._answer("PostEntries", request, ledger_pb2.PostEntriesResponse)
        for entry, result in zip(entries, reply.results, strict=True):
            self._keep(entry, result)

    async def _hold_and_capture(self) -> None:
        account = (
            await self._answer(
                "GetAccount", ledger_pb2.GetAccountRequest(account=self.target), ledger_pb2.GetAccountResponse
            )
        ).account
        if int(account.available_minor) < 1_000:
            return
        amount = self._random.randrange(1, 1_000)
        hold_id = str(uuid.uuid4())
        hold = ledger_pb2.PlaceHoldRequest(
            hold_id=hold_id,
            account=self.target,
            amount_minor=str(amount),
            expires_at=stamp(datetime.now(UTC) + timedelta(hours=1)),
        )
        placed = await self._answer("PlaceHold", hold, ledger_pb2.PlaceHoldResponse)
        assert placed.code in ("placed", "exists"), placed
        if self._random.random() < 0.3:
            release = ledger_pb2.ReleaseHoldRequest(hold_id=hold_id)
            await self._answer("ReleaseHold", release, ledger_pb2.ReleaseHoldResponse)
            return
        entry = new_entry(self.target, self.source, amount, "captured")
        capture = ledger_pb2.CaptureHoldRequest(hold_id=hold_id, entry=entry)
        reply = await self._answer("CaptureHold", capture, ledger_pb2.CaptureHoldResponse)
        self._keep(entry, reply.result)

    def _keep(self, entry: ledger_pb2.NewEntry, result: ledger_pb2.EntryResult) -> None:
        key = entry.idempotency_key
        if result.code in ("posted", "exists"):
            self.known.entries[key] = Acknowledged(entry, result.seq)
        else:
            self.known.refused[key] = result.code

    async def _answer(self, method, request, reply):  # type: ignore[no-untyped-def]
        while True:
            try:
                return await self._node.call(LEDGER, method, request, reply, ANSWER_TIMEOUT_S)
            except RpcError as error:
                if error.code not in UNKNOWN:
                    raise
                if error.code in (StatusCode.INTERNAL, StatusCode.UNKNOWN):
                    self.known.internal.append(f"{method}: {error}")
                self.known.retries += 1
            await asyncio.sleep(RETRY_PAUSE_S)


@dataclass
class Payment:
    """One transfer a customer ordered, and how it ended."""

    payer: Customer
    payee: Customer
    amount_minor: int
    transfer_id: str = ""
    state: str = ""
    refusal: str = ""


class PayingCustomer:
    """Pays customers of the other bank through his own bank's gateway.

    Args:
        customer: signed up, with money.
        payees: whom he pays, in turn.
        seed: of the amounts.
    """

    def __init__(self, customer: Customer, payees: list[Customer], seed: int) -> None:
        self._customer = customer
        self._payees = payees
        self._random = random.Random(seed)
        self.payments: list[Payment] = []
        self.retries = 0
        self.unexpected: list[str] = []

    async def run(self, stopping: Callable[[], bool]) -> None:
        """Order payments until told to stop; finishes what it began."""
        while not stopping():
            payment = Payment(self._customer, self._random.choice(self._payees), self._random.randrange(1, 3_000))
            await self._order(payment)
            self.payments.append(payment)
            await asyncio.sleep(self._random.random() / 5)

    async def finish(self) -> None:
        """Follow every payment to its end."""
        for payment in self.payments:
            if payment.transfer_id:
                final = await self._customer.final(payment.transfer_id, 180)
                payment.state, payment.refusal = final["state"], final["refusal_code"] or ""

    async def _order(self, payment: Payment) -> None:
        key = str(uuid.uuid4())
        while True:
            try:
                answer = await self._customer.order(payment.payee, payment.amount_minor, "load", key)
            except httpx.TransportError:
                self.retries += 1
            else:
                if answer.is_success:
                    payment.transfer_id = answer.json()["transfer_id"]
                    return
                if answer.status_code == 422:
                    payment.state = "refused"
                    return
                if answer.status_code != 503:
                    self.unexpected.append(f"{answer.status_code} {answer.text}")
                self.retries += 1
            await asyncio.sleep(RETRY_PAUSE_S)
