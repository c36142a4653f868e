"""Whatever fails, in whatever order, money between two banks is conserved and no payment is made twice.

Method: hypothesis draws payments both ways, some given up and some sent back, and a schedule of faults: a killed
process, a lost request, a lost answer, books that do not answer, a beneficiary that is frozen, each at some call to the
books or across the line; time may pass the deadline in between. Then everything heals and the workers run until nothing
is unfinished. Real books, real PostgreSQL on both sides.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.errors import BooksUnavailableError
from network.errors import RpcError
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import StatusCode
from node.postgres import PostgresCluster
from tests.support.banks import Bank, Clock, Crash

BEGAN = 1_000
BOOKS_CALLS = ("find_account", "place_hold", "release_hold", "post", "post", "post")
LINE_CALLS = ("PrepareSettlement", "CompleteSettlement", "CompleteSettlement", "AbortSettlement")
FINAL = {"completed", "returned", "aborted", "expired"}


@dataclass(frozen=True)
class Fault:
    """One fault: before or after the n-th time that one bank makes one kind of call."""

    bank: int
    call: str
    when: str
    number: int
    kind: str


@dataclass(frozen=True)
class Order:
    """One payment: its direction, its amount, whether time passes its deadline, and what is done about it."""

    sender: int
    amount: int
    late: bool
    cancelled: bool
    sent_back: bool


seldom = st.sampled_from([False, False, True])
orders = st.builds(
    Order, sender=st.integers(0, 1), amount=st.integers(1, 700), late=seldom, cancelled=seldom, sent_back=seldom
)


def _fault(chance: random.Random) -> Fault:
    return Fault(
        bank=chance.randrange(2),
        call=chance.choice([*BOOKS_CALLS, *LINE_CALLS]),
        when=chance.choice(["before", "after"]),
        number=chance.randint(1, 3),
        kind=chance.choice(["crash", "silence", "freeze"]),
    )


@dataclass
class Story:
    """Two banks with one customer each, and the faults still to come."""

    banks: tuple[Bank, Bank]
    accounts: list[str]
    faults: list[Fault]
    passages: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    dead: set[int] = field(default_factory=set)

    def arm(self) -> None:
        """Put the hooks into both banks as they run now."""
        for number, bank in enumerate(self.banks):
            for target in (bank.books, bank.line):
                for when in ("before", "after"):
                    setattr(target, when, self._hook(number, when))

    def _hook(self, bank: int, when: str) -> Callable[[str], None]:
        def hook(call: str) -> None:
            self.passages[bank, call, when] += 1
            number = self.passages[bank, call, when]
            for fault in self.faults:
                if (fault.bank, fault.call, fault.when, fault.number) == (bank, call, when, number):
                    self._happen(fault)

        return hook

    def _happen(self, fault: Fault) -> None:
        if fault.kind == "crash":
            self.dead.add(fault.bank)
            raise Crash
        if fault.kind == "freeze":
            self._freeze(1 - fault.bank)
        elif fault.call in BOOKS_CALLS:
            raise BooksUnavailableError("silence")
        else:
            raise RpcError(StatusCode.UNAVAILABLE, "silence")

    def _freeze(self, bank: int) -> None:
        with psycopg.connect(self.banks[bank].url) as connection:
            statement = "UPDATE ledger.account SET status = 3 - status WHERE reference = %s"
            connection.execute(statement, (self.accounts[bank],))

    async def bury(self) -> None:
        """Start again whatever was killed."""
        here, there = self.banks
        for number in sorted(self.dead):
            await self.banks[number].restart(there if number == 0 else here)
        if self.dead:
            self.dead.clear()
            self.arm()


@pytest.fixture(scope="module")
def urls(postgres_cluster: PostgresCluster) -> Iterator[tuple[str, str]]:
    yield postgres_cluster.create_database("property_here"), postgres_cluster.create_database("property_there")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ordered=st.lists(orders, min_size=2, max_size=4), seed=st.integers(0, 2**32))
def test_money_is_conserved_whatever_fails(urls: tuple[str, str], ordered: list[Order], seed: int) -> None:
    # A seed rather than a list: lists are drawn short, and short schedules of faults rarely hit anything.
    chance = random.Random(seed)
    failing = [_fault(chance) for _ in range(chance.randrange(10))]
    asyncio.run(_play(urls, ordered, failing))


async def _play(urls: tuple[str, str], drawn: list[Order], failing: list[Fault]) -> None:
    ordered = list(drawn)
    clock = Clock()
    here, there = Bank("DwaybankMSP", urls[0], clock), Bank("PartnerMSP", urls[1], clock)
    await here.start(there)
    await there.start(here)
    try:
        story = Story((here, there), [await bank.open_customer(BEGAN) for bank in (here, there)], failing)
        before = [await _position(bank, story) for bank in story.banks]
        payments = [(order.sender, await _send(story, order, clock)) for order in ordered]
        for order, (sender, payment_id) in list(zip(ordered, payments, strict=True)):
            if order.sent_back:
                ordered.append(replace(order, sender=1 - sender))
                payments.append((1 - sender, return_id(payment_id)))
        found = await _heal(story, payments)
        await _assert_conserved(story, ordered, found, before)
    finally:
        await here.stop(there)
        await there.stop(here)


async def _send(story: Story, order: Order, clock: Clock) -> str:
    story.arm()
    payment_id = str(uuid.uuid4())
    sender, receiver = story.banks[order.sender], story.banks[1 - order.sender]
    accounts = (story.accounts[order.sender], story.accounts[1 - order.sender])
    for _ in range(2):
        # The client asks twice with the same id, as one does after an error.
        with contextlib.suppress(Crash, RpcError):
            await sender.send(accounts[0], receiver, accounts[1], order.amount, payment_id=payment_id)
        await story.bury()
    if order.cancelled:
        with contextlib.suppress(Crash, RpcError):
            request = partner_pb2.CancelPaymentRequest(payment_id=payment_id)
            await sender.ask("CancelPayment", request, partner_pb2.CancelPaymentResponse)
        await story.bury()
    if order.sent_back:
        for _ in range(2):
            with contextlib.suppress(Crash, RpcError):
                back = partner_pb2.ReturnPaymentRequest(
                    payment_id=return_id(payment_id),
                    partner_msp_id=sender.msp_id,
                    settlement_id=payment_id,
                    reason="CUST",
                )
                await receiver.ask("ReturnPayment", back, partner_pb2.ReturnPaymentResponse)
            await story.bury()
    if order.late:
        clock.ahead += timedelta(minutes=3)
        with contextlib.suppress(Crash):
            await sender.worker.work_once()
        await story.bury()
    return payment_id


def return_id(payment_id: str) -> str:
    """Return the id that the return of a payment has here."""
    return str(uuid.uuid5(uuid.UUID(payment_id), "return"))


async def _heal(story: Story, payments: list[tuple[int, str]]) -> list[partner_pb2.Payment | None]:
    story.faults = []
    for _ in range(6):
        for bank in story.banks:
            await bank.store.wake_outgoing(bank.clock())
            await bank.worker.work_once()
    found: list[partner_pb2.Payment | None] = []
    for sender, payment_id in payments:
        try:
            found.append(await story.banks[sender].payment(payment_id))
        except RpcError as error:
            assert error.code == StatusCode.NOT_FOUND  # both orders died before they were written down
            found.append(None)
    return found


async def _position(bank: Bank, story: Story) -> tuple[int, int]:
    other = story.banks[0] if bank is story.banks[1] else story.banks[1]
    vostro, _ = await bank.balance(f"vostro-{other.msp_id}-EUR")
    nostro, _ = await bank.balance(f"nostro-{other.msp_id}-EUR")
    return vostro, nostro


async def _assert_conserved(
    story: Story, ordered: list[Order], found: list[partner_pb2.Payment | None], before: list[tuple[int, int]]
) -> None:
    expected = [BEGAN, BEGAN]
    sent = [0, 0]
    unclaimed = [0, 0]
    for order, payment in zip(ordered, found, strict=True):
        if payment is None:
            continue
        assert payment.state in FINAL, payment
        sender, receiver = story.banks[order.sender], story.banks[1 - order.sender]
        legs = len(sender.entries(payment.settlement_id)), len(receiver.entries(payment.settlement_id))
        assert legs == {"completed": (2, 2), "returned": (4, 0)}.get(payment.state, (0, 0)), payment
        if payment.state == "completed":
            expected[order.sender] -= order.amount
            if receiver.entries(payment.settlement_id)[1:] == [("unclaimed-returns-EUR", 2, order.amount)]:
                # Sent back to a customer whose account is frozen.
                assert payment.return_of
                unclaimed[1 - order.sender] += order.amount
            else:
                expected[1 - order.sender] += order.amount
            sent[order.sender] += order.amount
        elif sender.entries(payment.settlement_id)[3:] == [("unclaimed-returns-EUR", 2, order.amount)]:
            expected[order.sender] -= order.amount
            unclaimed[order.sender] += order.amount
    assert sum(expected) + sum(unclaimed) == 2 * BEGAN
    for number, bank in enumerate(story.banks):
        assert await bank.balance(story.accounts[number]) == (expected[number], 0)
        vostro, nostro = await _position(bank, story)
        assert vostro - before[number][0] == sent[number]
        assert nostro - before[number][1] == sent[1 - number]
        assert all(line.agree for line in await bank.compare())
        await _assert_use_is_counted_right(bank, story.banks[1 - number].msp_id)


async def _assert_use_is_counted_right(bank: Bank, partner: str) -> None:
    """What is counted in memory of a partner's limits is what the records say, whatever failed in between."""
    counted = await bank.use.usage(partner)
    today = bank.clock().replace(hour=0, minute=0, second=0, microsecond=0)
    recorded = await bank.store.usage(partner, today)
    assert counted.open_count == recorded.open_count == 0
    assert {asset: sum_ for asset, sum_ in counted.agreed.items() if sum_} == recorded.agreed
