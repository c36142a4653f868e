"""One payment while something is lost at one step, and what became of it: drawn from a seed, to be repeated.

Each run draws from its seed what is lost (a bank, its database, the line), at which gate and at which passage through
it, and for how long: shorter or longer than money stays held. Sometimes the beneficiary's account is frozen meanwhile.
Then everything is there again and nobody does anything: within ``BOUND_S`` the payment must have ended on both sides,
and all money must be where the end says.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta

import psycopg

from network.errors import RpcError
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import StatusCode
from tests.support.bank_nodes import GATES, PAYEE, PAYER, NodeOfBank

BOUND_S = 45.0
"""From the moment everything is there again to the end on both sides; the longest pause between attempts is 30 s."""

HOLD_LIFETIME = timedelta(seconds=3)
LOSSES = ("payer", "payee", "payer's database", "payee's database", "line")
BEGAN, AMOUNT = 1_000, 400
ENDS = {"completed", "returned", "aborted", "expired"}
COMBINATIONS = tuple(itertools.product(LOSSES, GATES))
"""Every loss at every gate."""


@dataclass(frozen=True)
class Fault:
    """What is lost, where, and for how long.

    Args:
        passage: the how-manieth time the gate is passed, from 1.
        lasts_s: until it is there again.
        frozen: whether the beneficiary's account is frozen meanwhile.
    """

    seed: int
    lost: str
    bank: str
    call: str
    when: str
    passage: int
    lasts_s: float
    frozen: bool


@dataclass(frozen=True)
class Result:
    """What became of a payment.

    Args:
        happened: whether the gate was passed so often.
        state: of the payment at the payer.
        took_s: from the moment everything was there again.
    """

    fault: Fault
    happened: bool
    state: str
    took_s: float


def draw(seed: int) -> Fault:
    """Return the fault of a seed; as many seeds as there are combinations draw each of them once."""
    chance = random.Random(seed)
    lost, (bank, call, when) = COMBINATIONS[seed % len(COMBINATIONS)]
    several = call in ("change_outgoing", "change_incoming")
    return Fault(
        seed=seed,
        lost=lost,
        bank=bank,
        call=call,
        when=when,
        passage=chance.randint(1, 4 if call == "change_outgoing" else 2) if several else 1,
        lasts_s=chance.choice([0.1, 0.5, 1.5, HOLD_LIFETIME.total_seconds() + 1]),
        frozen=chance.random() < 0.3,
    )


class Stage:
    """A payer and a payee with one payment between them at a time.

    Args:
        payer: up.
        payee: up.
    """

    def __init__(self, payer: NodeOfBank, payee: NodeOfBank) -> None:
        self._banks = {PAYER: payer, PAYEE: payee}
        self._payer, self._payee = payer, payee

    async def play(self, fault: Fault) -> Result:
        """Make one payment, lose something meanwhile, and return how it ended.

        Raises:
            AssertionError: it did not end in time, or money is not where it should be.
        """
        debtor, beneficiary = await self._payer.open_customer(BEGAN), await self._payee.open_customer()
        before = await self._positions()
        payment_id = str(uuid.uuid4())
        lost, back = asyncio.Event(), asyncio.Event()
        self._arm(fault, lost, back)
        order = asyncio.create_task(self._order(payment_id, debtor, beneficiary))
        watch = asyncio.create_task(lost.wait())
        await asyncio.wait((order, watch), return_when=asyncio.FIRST_COMPLETED)
        if not lost.is_set():
            # The gate may lie behind the answer to the one who ordered.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(lost.wait(), 2.0)
        happened = lost.is_set()
        if happened:
            if fault.frozen and fault.lost != "payee's database":
                await asyncio.to_thread(self._freeze, beneficiary)
            await self._away(fault)
            await self._return(fault)
        back.set()
        self._payer.gate = self._payee.gate = None
        began_s = time.monotonic()
        watch.cancel()
        order.cancel()
        await asyncio.gather(order, watch, return_exceptions=True)
        payment = await self._ended(payment_id, debtor, beneficiary, began_s, fault)
        took_s = time.monotonic() - began_s
        await self._assert_sound(payment, (debtor, beneficiary), before, fault)
        return Result(fault, happened, payment.state, took_s)

    def _arm(self, fault: Fault, lost: asyncio.Event, back: asyncio.Event) -> None:
        passages = 0

        async def gate(bank: str, call: str, when: str) -> None:
            nonlocal passages
            if lost.is_set() or (bank, call, when) != (fault.bank, fault.call, fault.when):
                return
            passages += 1
            if passages != fault.passage:
                return
            await self._lose(fault)
            lost.set()

        self._payer.gate = self._payee.gate = gate

    async def _lose(self, fault: Fault) -> None:
        """Take something away at once, from inside the step that goes on."""
        if fault.lost in ("payer", "payee"):
            # Nothing of the bank goes on from here; its port is closed by who watches.
            self._bank(fault.lost).alive = False
        elif fault.lost == "line":
            self._payer.line_cut = self._payee.line_cut = True
        else:
            await asyncio.to_thread(self._bank(fault.lost).database.lose)

    async def _away(self, fault: Fault) -> None:
        if fault.lost in ("payer", "payee"):
            await self._bank(fault.lost).bury()
        await asyncio.sleep(fault.lasts_s)

    async def _return(self, fault: Fault) -> None:
        """Bring back what was lost; a node that ended without its database is started again, as its supervisor does."""
        if fault.lost == "line":
            self._payer.line_cut = self._payee.line_cut = False
        elif fault.lost in ("payer", "payee"):
            await self._bank(fault.lost).start()
        else:
            await asyncio.to_thread(self._bank(fault.lost).database.bring_back)

    def _bank(self, lost: str) -> NodeOfBank:
        return self._payer if lost.startswith("payer") else self._payee

    async def _order(self, payment_id: str, debtor: str, beneficiary: str) -> partner_pb2.Payment:
        request = partner_pb2.SendPaymentRequest(
            payment_id=payment_id,
            debtor_account=debtor,
            receiver_msp_id=PAYEE,
            beneficiary_account=beneficiary,
            asset="EUR",
            amount_minor=str(AMOUNT),
        )
        return (await self._payer.ask("SendPayment", request, partner_pb2.SendPaymentResponse)).payment

    def _freeze(self, account: str) -> None:
        with psycopg.connect(self._payee.database.url) as connection:
            connection.execute("UPDATE ledger.account SET status = 2 WHERE reference = %s", (account,))

    async def _ended(
        self, payment_id: str, debtor: str, beneficiary: str, began_s: float, fault: Fault
    ) -> partner_pb2.Payment:
        """Return the payment once both sides' records say that it has ended."""
        found = "no answer"
        while time.monotonic() - began_s < BOUND_S:
            with contextlib.suppress(RpcError, psycopg.OperationalError):
                try:
                    payment = await self._payer.payment(payment_id)
                except RpcError as error:
                    if error.code != StatusCode.NOT_FOUND:
                        raise
                    # The order died before it was written down: its customer asks again under the same id.
                    payment = await self._order(payment_id, debtor, beneficiary)
                unfinished = await asyncio.to_thread(self._unfinished, payment_id)
                found = f"{payment.state} ({payment.refusal}), unfinished: {unfinished}"
                if payment.state in ENDS and not unfinished:
                    return payment
            await asyncio.sleep(0.1)
        raise AssertionError(f"not ended within {BOUND_S:.0f} s: {found}; {fault}")

    def _unfinished(self, payment_id: str) -> list[str]:
        left = []
        with psycopg.connect(self._payer.database.url) as connection:
            row = connection.execute(
                "SELECT state, abort_due FROM partner.outgoing WHERE settlement_id = %s", (payment_id,)
            ).fetchone()
            if row is None or row[0] not in ENDS or row[1]:
                left.append(f"payer {row}")
        with psycopg.connect(self._payee.database.url) as connection:
            row = connection.execute(
                "SELECT state FROM partner.incoming WHERE settlement_id = %s", (payment_id,)
            ).fetchone()
            if row is not None and row[0] == "prepared":
                left.append(f"payee {row}")
        return left

    async def _positions(self) -> tuple[int, int]:
        vostro, _ = await self._payer.balance(f"vostro-{PAYEE}-EUR")
        nostro, _ = await self._payee.balance(f"nostro-{PAYER}-EUR")
        return vostro, nostro

    async def _assert_sound(
        self, payment: partner_pb2.Payment, accounts: tuple[str, str], before: tuple[int, int], fault: Fault
    ) -> None:
        paid = AMOUNT if payment.state == "completed" else 0
        debtor, beneficiary = await self._payer.balance(accounts[0]), await self._payee.balance(accounts[1])
        assert (debtor, beneficiary) == ((BEGAN - paid, 0), (paid, 0)), (payment, fault)
        after = await self._positions()
        assert after == (before[0] + paid, before[1] + paid), (payment, before, after, fault)
        urls = [bank.database.url for bank in self._banks.values()]
        postings = [await asyncio.to_thread(_postings, url, payment.settlement_id) for url in urls]
        expected = {"completed": [2, 2], "returned": [4, 0]}.get(payment.state, [0, 0])
        assert postings == expected, (payment, postings, fault)


def _postings(url: str, settlement_id: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM ledger.posting_view JOIN ledger.entry USING (seq) WHERE settlement_id = %s",
            (settlement_id,),
        ).fetchone()
    assert row is not None
    return int(row[0])
