"""One payment while something is lost at one step, and what became of it: drawn from a seed, to be repeated.

Each run draws from its seed what is lost (a bank, its database, the line between the banks, the orderer, the third
member), at which gate and at which passage through it, and for how long: shorter or longer than money stays held.
Sometimes the beneficiary's account is frozen meanwhile. Then everything is there again and nobody does anything: within
``BOUND_S`` the payment must have ended on both sides and on the shared ledger, all money must be where the end says,
and every member's shared ledger must say the same: one obligation, proposed, agreed and booked once by each where the
payment was completed, none where it was not.
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

from network.errors import GatewayError, RpcError
from network.obligation import obligation_id_of
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import StatusCode
from node.partner.obligation_chain import SettlementChain
from tests.support.bank_nodes import GATES, PAYEE, PAYER, NodeOfBank, TwoBanks
from tests.support.consortium_in_memory import REGULATOR
from tests.support.peer_network import MEMBERS

BOUND_S = 45.0
"""From the moment everything is there again to the end on both sides and on the shared ledger."""

HOLD_LIFETIME = timedelta(seconds=3)
LOSSES = (
    "payer",
    "payee",
    "payer's database",
    "payee's database",
    "line cut",
    "line silent",
    "orderer",
    "third member",
)
BEGAN, AMOUNT = 1_000, 400
ENDS = {"completed", "returned", "aborted", "expired"}
PASSAGES = {"change_outgoing": 4, "change_incoming": 2, "change_obligation": 2}
"""How often one payment passes those gates that it passes more than once, at the least."""

UNFINISHED = (
    b"""
    SELECT state, abort_due FROM partner.outgoing
    WHERE settlement_id = %s AND (state NOT IN ('completed', 'returned', 'aborted', 'expired') OR abort_due)""",
    b"SELECT state FROM partner.incoming WHERE settlement_id = %s AND state = 'prepared'",
)
AGREED = b"SELECT true FROM partner.obligation WHERE settlement_id = %s AND state = 'agreed' AND note = ''"

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
class Order:
    """A payment as its customer orders it."""

    payment_id: str
    debtor: str
    beneficiary: str


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
    return Fault(
        seed=seed,
        lost=lost,
        bank=bank,
        call=call,
        when=when,
        passage=chance.randint(1, PASSAGES.get(call, 1)),
        lasts_s=chance.choice([0.1, 0.5, 1.5, HOLD_LIFETIME.total_seconds() + 1]),
        frozen=chance.random() < 0.3,
    )


class Stage:
    """A payer and a payee with one payment between them at a time.

    Args:
        banks: up.
    """

    def __init__(self, banks: TwoBanks) -> None:
        self._banks = banks
        self._payer, self._payee = banks.payer, banks.payee

    async def play(self, fault: Fault) -> Result:
        """Make one payment, lose something meanwhile, and return how it ended.

        Raises:
            AssertionError: it did not end in time, or money is not where it should be, or the shared ledger says
                something else.
        """
        debtor, beneficiary = await self._payer.open_customer(BEGAN), await self._payee.open_customer()
        before = await self._positions()
        order = Order(str(uuid.uuid4()), debtor, beneficiary)
        lost = asyncio.Event()
        self._arm(fault, order, lost)
        asked = asyncio.create_task(self._order(order))
        watch = asyncio.create_task(lost.wait())
        await asyncio.wait((asked, watch), return_when=asyncio.FIRST_COMPLETED)
        if not lost.is_set():
            # The gate lies behind the answer to the one who ordered, if this payment passes it at all.
            ended = asyncio.create_task(self._ended(order, fault))
            await asyncio.wait((ended, watch), return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)
        happened = lost.is_set()
        if happened:
            if fault.frozen and fault.lost != "payee's database":
                await asyncio.to_thread(self._freeze, beneficiary)
            await self._away(fault)
            await self._return(fault)
        self._payer.gate = self._payee.gate = None
        began_s = time.monotonic()
        watch.cancel()
        asked.cancel()
        await asyncio.gather(asked, watch, return_exceptions=True)
        payment = await self._ended(order, fault)
        took_s = time.monotonic() - began_s
        await self._assert_sound(payment, order, before, fault)
        await self._assert_ledgers_agree(payment, fault)
        return Result(fault, happened, payment.state, took_s)

    def _arm(self, fault: Fault, order: Order, lost: asyncio.Event) -> None:
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

        for bank in (self._payer, self._payee):
            bank.watched = order.payment_id
            bank.gate = gate

    async def _lose(self, fault: Fault) -> None:
        """Take something away at once, from inside the step that goes on."""
        if fault.lost in ("payer", "payee"):
            # Nothing of the bank goes on from here; its ports are closed by who watches.
            self._bank(fault.lost).alive = False
        elif fault.lost == "line cut":
            self._banks.link.cut()
        elif fault.lost == "line silent":
            self._banks.link.silence()
        elif fault.lost == "orderer":
            await self._banks.network.orderer.stop()
        elif fault.lost == "third member":
            await self._banks.network.members[REGULATOR].stop()
        else:
            await asyncio.to_thread(self._bank(fault.lost).database.lose)

    async def _away(self, fault: Fault) -> None:
        if fault.lost in ("payer", "payee"):
            await self._bank(fault.lost).bury()
        await asyncio.sleep(fault.lasts_s)

    async def _return(self, fault: Fault) -> None:
        if fault.lost in ("payer", "payee"):
            await self._bank(fault.lost).start()
        elif fault.lost.startswith("line"):
            self._banks.link.mend()
        elif fault.lost == "orderer":
            await self._banks.network.orderer.start()
        elif fault.lost == "third member":
            await self._banks.network.members[REGULATOR].start()
        else:
            await asyncio.to_thread(self._bank(fault.lost).database.bring_back)

    def _bank(self, lost: str) -> NodeOfBank:
        return self._payer if lost.startswith("payer") else self._payee

    async def _order(self, order: Order) -> partner_pb2.Payment:
        request = partner_pb2.SendPaymentRequest(
            payment_id=order.payment_id,
            debtor_account=order.debtor,
            receiver_msp_id=PAYEE,
            beneficiary_account=order.beneficiary,
            asset="EUR",
            amount_minor=str(AMOUNT),
        )
        return (await self._payer.ask("SendPayment", request, partner_pb2.SendPaymentResponse)).payment

    def _freeze(self, account: str) -> None:
        with psycopg.connect(self._payee.database.url) as connection:
            connection.execute("UPDATE ledger.account SET status = 2 WHERE reference = %s", (account,))

    async def _ended(self, order: Order, fault: Fault) -> partner_pb2.Payment:
        """Return the payment once both sides' records and the shared ledger say that it has ended."""
        found = "no answer"
        began_s = time.monotonic()
        while time.monotonic() - began_s < BOUND_S:
            with contextlib.suppress(RpcError, GatewayError, psycopg.OperationalError):
                try:
                    payment = await self._payer.payment(order.payment_id)
                except RpcError as error:
                    if error.code != StatusCode.NOT_FOUND:
                        raise
                    # The order died before it was written down: its customer asks again under the same id.
                    payment = await self._order(order)
                unfinished = await asyncio.to_thread(self._unfinished, payment)
                found = f"{payment.state} ({payment.refusal}), unfinished: {unfinished}"
                if payment.state in ENDS and not unfinished:
                    return payment
            await asyncio.sleep(0.1)
        raise AssertionError(f"not ended within {BOUND_S:.0f} s: {found}; {fault}")

    def _unfinished(self, payment: partner_pb2.Payment) -> list[str]:
        """Return what the records of either bank say is still to be done."""
        left = []
        for side, bank in (("payer", self._payer), ("payee", self._payee)):
            with psycopg.connect(bank.database.url) as connection:
                for query in UNFINISHED:
                    left += [f"{side}: {row}" for row in connection.execute(query, (payment.settlement_id,))]
                agreed = connection.execute(AGREED, (payment.settlement_id,)).fetchone()
            if payment.state == "completed" and agreed is None:
                left.append(f"{side}: its obligation")
        return left

    async def _positions(self) -> tuple[int, int]:
        vostro, _ = await self._payer.balance(f"vostro-{PAYEE}-EUR")
        nostro, _ = await self._payee.balance(f"nostro-{PAYER}-EUR")
        return vostro, nostro

    async def _assert_sound(
        self, payment: partner_pb2.Payment, order: Order, before: tuple[int, int], fault: Fault
    ) -> None:
        paid = AMOUNT if payment.state == "completed" else 0
        debtor, beneficiary = await self._payer.balance(order.debtor), await self._payee.balance(order.beneficiary)
        assert (debtor, beneficiary) == ((BEGAN - paid, 0), (paid, 0)), (payment, fault)
        after = await self._positions()
        assert after == (before[0] + paid, before[1] + paid), (payment, before, after, fault)
        urls = [bank.database.url for bank in (self._payer, self._payee)]
        postings = [await asyncio.to_thread(_postings, url, payment.settlement_id) for url in urls]
        expected = {"completed": [2, 2], "returned": [4, 0]}.get(payment.state, [0, 0])
        assert postings == expected, (payment, postings, fault)

    async def _assert_ledgers_agree(self, payment: partner_pb2.Payment, fault: Fault) -> None:
        """Every member's own shared ledger has one obligation for a completed payment, and none for another."""
        height = max(member.peer.height for member in self._banks.network.members.values())
        await self._banks.network.wait_for_height(height)
        obligation_id = obligation_id_of(PAYER, payment.settlement_id)
        for msp_id in MEMBERS:
            chain = SettlementChain(self._banks.network.client(msp_id), msp_id)
            record = (await chain.records([obligation_id])).get(obligation_id)
            if payment.state != "completed":
                assert record is None, (msp_id, record, payment, fault)
                continue
            assert record is not None, (msp_id, payment, fault)
            assert [step["state"] for step in record["steps"]] == ["proposed", "agreed"], (msp_id, record, fault)
            booked = {bank: [said["booking"] for said in all_] for bank, all_ in record["bookings"].items()}
            assert booked == {bank: [record["commitment"]] for bank in (PAYER, PAYEE)}, (msp_id, record, fault)
        assert [bank.findings.opened for bank in (self._payer, self._payee)] == [[], []]


def _postings(url: str, settlement_id: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM ledger.posting_view JOIN ledger.entry USING (seq) WHERE settlement_id = %s",
            (settlement_id,),
        ).fetchone()
    assert row is not None
    return int(row[0])
