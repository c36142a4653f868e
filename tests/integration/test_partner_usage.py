"""What a partner may do here, and that its use is counted right: over midnight, at once, and whatever fails meanwhile.

Method: two real banks; the receiver's records are made slow, or to fail, at the moment at which a count could be lost.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta

import psycopg
import pytest

from node.partner.limits import MemberLimits
from node.partner.settlement import Outgoing
from tests.support.banks import Bank


def agreed_by_day(bank: Bank) -> list[int]:
    """Return what the bank's records say was agreed to, for each day."""
    statement = b"""
        SELECT sum(amount)::bigint FROM partner.incoming WHERE state <> 'aborted'
        GROUP BY date_trunc('day', prepared_at, 'UTC')"""
    with psycopg.connect(bank.url) as connection:
        return [total for (total,) in connection.execute(statement)]


async def assert_counted(here: Bank, there: Bank) -> None:
    """Hold what the receiver counts against its records."""
    now = there.clock().astimezone(UTC)
    counted = await there.use.usage(here.msp_id)
    recorded = await there.store.usage(here.msp_id, now.replace(hour=0, minute=0, second=0, microsecond=0))
    assert counted == recorded


async def test_calls_beyond_the_rate_are_put_off_with_a_hint_and_the_payment_waits_for_it(
    banks: tuple[Bank, Bank],
) -> None:
    here, there = banks
    there.limits = MemberLimits(calls_per_s=0.2, calls_burst=2)
    await there.restart(here)
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    payment = await here.send(debtor, there, beneficiary, 100)
    assert payment.state == "captured", "version and Prepare took the burst"
    assert await here.store.due_outgoing(here.clock() + timedelta(seconds=3), 10) == []
    assert await here.store.due_outgoing(here.clock() + timedelta(seconds=6), 10) == [payment.settlement_id]


async def test_amounts_beyond_single_and_daily_limit_are_refused_by_name(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    there.limits = MemberLimits(single={"EUR": 100}, daily={"EUR": 250})
    await there.restart(here)
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    assert (await here.send(debtor, there, beneficiary, 101)).refusal == "exceeds_single_limit"
    for amount, state in ((100, "completed"), (100, "completed"), (51, "aborted"), (50, "completed")):
        assert (await here.send(debtor, there, beneficiary, amount)).state == state
    await there.restart(here)
    assert (await here.send(debtor, there, beneficiary, 1)).refusal == "exceeds_daily_limit", "read again after a crash"
    here.clock.ahead += timedelta(days=1)
    assert (await here.send(debtor, there, beneficiary, 1)).state == "completed"


async def test_payments_that_wait_over_midnight_stay_within_the_limit_of_the_day_they_are_counted_on(
    banks: tuple[Bank, Bank], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = banks
    there.limits = MemberLimits(daily={"EUR": 100})
    await there.restart(here)
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    now = here.clock().astimezone(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    here.clock.ahead += midnight - timedelta(seconds=30) - now
    add = there.store.add_incoming
    begun, waiting = asyncio.Event(), asyncio.Event()

    async def add_late(*args: object) -> object:
        begun.set()
        await waiting.wait()
        return await add(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(there.store, "add_incoming", add_late)
    sent = [asyncio.ensure_future(here.send(debtor, there, beneficiary, 100)) for _ in range(4)]
    await asyncio.wait_for(begun.wait(), 20)
    await asyncio.sleep(0.5)
    # One of them is being written down, the others wait for their turn.
    here.clock.ahead += timedelta(seconds=40)
    waiting.set()
    payments = await asyncio.gather(*sent)
    assert sorted(payment.state for payment in payments) == ["aborted", "aborted", "completed", "completed"]
    assert agreed_by_day(there) == [100, 100]


async def test_a_question_for_the_use_that_is_slow_does_not_undo_what_is_counted_meanwhile(
    banks: tuple[Bank, Bank], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = banks
    there.limits = MemberLimits(daily={"EUR": 100})
    await there.restart(here)
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    read, slow = there.store.usage, iter([0.5])

    async def read_late(*args: object) -> object:
        found = await read(*args)  # type: ignore[arg-type]
        await asyncio.sleep(next(slow, 0))
        return found

    monkeypatch.setattr(there.store, "usage", read_late)
    question = asyncio.ensure_future(there.use.usage(here.msp_id))
    await asyncio.sleep(0.1)
    assert (await here.send(debtor, there, beneficiary, 100)).state == "completed"
    await question
    assert (await here.send(debtor, there, beneficiary, 100)).refusal == "exceeds_daily_limit"
    await assert_counted(here, there)


@pytest.mark.parametrize("slow", ["records", "count"])
async def test_a_payment_that_ends_while_the_use_is_read_is_counted_once(
    banks: tuple[Bank, Bank], monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    read, change = there.store.usage, there.store.change_incoming

    async def read_late(*args: object) -> object:
        found = await read(*args)  # type: ignore[arg-type]
        await asyncio.sleep(1)
        return found

    async def change_late(*args: object, **more: object) -> None:
        await change(*args, **more)  # type: ignore[arg-type]
        await asyncio.sleep(0.5)

    async def open_question(settlement: Outgoing) -> None:
        """Ask for the use at the moment at which the payment is agreed to and not complete."""
        there.use._used.clear()
        if slow == "records":
            monkeypatch.setattr(there.store, "usage", read_late)
        else:
            monkeypatch.setattr(there.store, "change_incoming", change_late)

    complete = here.link.complete

    async def complete_with_question(settlement: Outgoing) -> object:
        await open_question(settlement)
        question = asyncio.ensure_future(there.use.usage(here.msp_id)) if slow == "records" else None
        answered = asyncio.ensure_future(complete(settlement))
        await asyncio.sleep(0.8)
        await (question or there.use.usage(here.msp_id))
        return await answered

    monkeypatch.setattr(here.link, "complete", complete_with_question)
    assert (await here.send(debtor, there, beneficiary, 100)).state == "completed"
    monkeypatch.undo()
    await assert_counted(here, there)


async def test_use_of_greatest_amounts_is_told(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    await here.send(await here.open_customer(1), there, await there.open_customer(), 1)
    with psycopg.connect(there.url) as connection:
        connection.execute(
            "INSERT INTO partner.incoming (sender_msp_id, settlement_id, beneficiary_account, asset, amount, deadline,"
            " agreed_reference, prepared_at, changed_at) SELECT sender_msp_id, 'great', beneficiary_account, asset, %s,"
            " deadline, 'R-great', prepared_at, changed_at FROM partner.incoming",
            (2**63 - 1,),
        )
    there.use._used.clear()
    assert (await there.use.usage(here.msp_id)).agreed == {"EUR": 2**63}
