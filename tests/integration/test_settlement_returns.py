"""Payments given up before their money was taken, and payments sent back after they arrived, on two real banks.

Method: as ``test_settlement``: hooks lose messages and kill banks; afterwards nobody's money is lost or doubled.
"""

from __future__ import annotations

import uuid
from datetime import timedelta

import psycopg
import pytest

from ledger.account import Side
from ledger.chart import Chart
from ledger.structure import define_chart
from network.errors import RpcError
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import StatusCode
from node.partner.limits import MemberLimits
from node.partner.settlement import Outgoing
from tests.support.banks import Bank, Crash, once


async def _cancel(bank: Bank, payment_id: str) -> partner_pb2.Payment:
    request = partner_pb2.CancelPaymentRequest(payment_id=payment_id)
    return (await bank.ask("CancelPayment", request, partner_pb2.CancelPaymentResponse)).payment


async def _send_back(bank: Bank, sender: Bank, settlement_id: str, **more: str) -> partner_pb2.Payment:
    fields = {"payment_id": str(uuid.uuid4()), "reason": "CUST", "settlement_id": settlement_id}
    request = partner_pb2.ReturnPaymentRequest(partner_msp_id=sender.msp_id, **(fields | more))
    return (await bank.ask("ReturnPayment", request, partner_pb2.ReturnPaymentResponse)).payment


async def _refused(bank: Bank, sender: Bank, settlement_id: str, **more: str) -> int:
    with pytest.raises(RpcError) as refused:
        await _send_back(bank, sender, settlement_id, **more)
    return refused.value.code


async def _assert_agree(*banks: Bank) -> None:
    for bank in banks:
        assert all(line.agree for line in await bank.compare())


# Given up -------------------------------------------------------------------------------------------------------------


async def test_payment_held_for_a_partner_that_is_down_can_be_cancelled(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    await there.stop(here)
    payment = await here.send(debtor, there, beneficiary, 100)
    assert payment.state == "held"
    for _ in range(2):
        cancelled = await _cancel(here, payment.payment_id)
        assert (cancelled.state, cancelled.refusal) == ("aborted", "cancelled")
    assert await here.balance(debtor) == (1_000, 0)
    await there.start(here)
    await here.store.wake_outgoing(here.clock())
    await here.worker.work_once()
    assert here.line.calls[-1] == "AbortSettlement", "the partner is told as soon as he is back"
    await _assert_agree(here, there)


async def test_payment_agreed_to_and_cancelled_is_aborted_at_the_partner(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    here.line.after = once(RpcError(StatusCode.UNAVAILABLE, "lost"), "PrepareSettlement")
    payment = await here.send(debtor, there, beneficiary, 100)
    assert (payment.state, (await _cancel(here, payment.payment_id)).state) == ("held", "aborted")
    incoming = await there.receiver.find(here.msp_id, payment.settlement_id)
    assert incoming is not None and (incoming.state, incoming.refusal) == ("aborted", "aborted_by_sender")
    assert await here.balance(debtor) == (1_000, 0)


async def test_payment_whose_money_was_taken_cannot_be_cancelled(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    here.line.before = once(RpcError(StatusCode.UNAVAILABLE, "cut"), "CompleteSettlement")
    captured = await here.send(debtor, there, beneficiary, 100)
    for payment in (captured, await here.send(debtor, there, beneficiary, 100)):
        with pytest.raises(RpcError, match="can no more be cancelled") as refused:
            await _cancel(here, payment.payment_id)
        assert refused.value.code == StatusCode.FAILED_PRECONDITION
    with pytest.raises(RpcError) as refused:
        await _cancel(here, str(uuid.uuid4()))
    assert refused.value.code == StatusCode.NOT_FOUND


async def test_capture_that_a_crash_kept_from_the_records_cannot_be_cancelled(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    here.books.after = once(Crash(), "post")
    payment_id = str(uuid.uuid4())
    with pytest.raises(Crash):
        await here.send(debtor, there, beneficiary, 100, payment_id=payment_id)
    await here.restart(there)
    assert (await here.payment(payment_id)).state == "prepared"
    with pytest.raises(RpcError, match="was taken") as refused:
        await _cancel(here, payment_id)
    assert refused.value.code == StatusCode.FAILED_PRECONDITION
    await here.worker.work_once()
    assert (await here.payment(payment_id)).state == "completed"
    assert await there.balance(beneficiary) == (100, 0)


# Sent back ------------------------------------------------------------------------------------------------------------


async def test_received_payment_is_sent_back_once_to_the_account_it_came_from(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    paid = await here.send(debtor, there, beneficiary, 400)
    key = str(uuid.uuid4())
    for _ in range(2):
        back = await _send_back(there, here, paid.settlement_id, payment_id=key, reason="AC04")
        assert (back.state, back.return_of, back.return_reason) == ("completed", paid.settlement_id, "AC04")
    assert (await here.balance(debtor), await there.balance(beneficiary)) == ((1_000, 0), (0, 0))
    assert await _refused(there, here, paid.settlement_id) == StatusCode.ALREADY_EXISTS
    assert (await here.payment(paid.payment_id)).state == "completed", "a return is a booking of its own"
    incoming = await here.receiver.find(there.msp_id, back.settlement_id)
    assert incoming is not None and incoming.return_of == paid.settlement_id
    await _assert_agree(here, there)


async def test_what_cannot_be_sent_back_is_refused_with_nothing_booked(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer(50)
    paid = await here.send(debtor, there, beneficiary, 400)
    assert await _refused(there, here, "nothing") == StatusCode.NOT_FOUND
    assert await _refused(here, there, paid.settlement_id) == StatusCode.NOT_FOUND, "the payer cannot pull it back"
    assert await _refused(there, here, paid.settlement_id, reason="because") == StatusCode.INVALID_ARGUMENT
    spent = await there.send(beneficiary, here, debtor, 449)
    assert spent.state == "completed"
    back = await _send_back(there, here, paid.settlement_id)
    assert (back.state, back.refusal) == ("aborted", "exceeds_available")
    assert (await there.balance(beneficiary))[0] == 1
    again = await _refused(here, there, back.settlement_id)
    assert again == StatusCode.NOT_FOUND
    await _assert_agree(here, there)


async def test_return_to_an_account_that_was_closed_meanwhile_waits_for_its_owner(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(400), await there.open_customer()
    paid = await here.send(debtor, there, beneficiary, 400)
    await here.books.set_status(debtor, "closed")
    back = await _send_back(there, here, paid.settlement_id)
    assert back.state == "completed"
    assert await here.balance("unclaimed-returns-EUR") == (400, 0)
    assert await there.balance(beneficiary) == (0, 0)
    await _assert_agree(here, there)


@pytest.mark.parametrize("after_money_was_taken", [True, False])
async def test_chart_without_the_account_for_unclaimed_returns_holds_up_no_return(
    banks: tuple[Bank, Bank], after_money_was_taken: bool
) -> None:
    """Whether the partner sends a payment back, or refuses it once its money was taken."""
    here, there = banks
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    await here.books.open_account("nostro-PartnerMSP-EUR", "EUR", Side.DEBIT, None)
    await here.books.open_account("vostro-PartnerMSP-EUR", "EUR", Side.CREDIT, None)
    with psycopg.connect(here.url) as connection:
        define_chart(connection, Chart(enforced=True), actor="accountant", now=here.clock())
    if after_money_was_taken:
        here.line.before = once(RpcError(StatusCode.UNAVAILABLE, "line cut"), "CompleteSettlement")
        paid = await here.send(debtor, there, beneficiary, 100)
        await there.books.set_status(beneficiary, "frozen")
        await here.store.wake_outgoing(here.clock())
        await here.worker.work_once()
        assert (await here.payment(paid.payment_id)).state == "returned"
    else:
        paid = await here.send(debtor, there, beneficiary, 100)
        assert (await _send_back(there, here, paid.settlement_id)).state == "completed"
    assert await here.balance(debtor) == (1_000, 0)
    await _assert_agree(here, there)


async def test_return_that_no_account_can_take_waits_and_is_no_fault_of_its_order(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    here.line.before = once(RpcError(StatusCode.UNAVAILABLE, "line cut"), "CompleteSettlement")
    key = str(uuid.uuid4())
    await here.send(debtor, there, beneficiary, 100, payment_id=key)
    await there.books.set_status(beneficiary, "frozen")
    await here.books.set_status(debtor, "frozen")
    with psycopg.connect(here.url) as connection:
        define_chart(connection, Chart(enforced=True), actor="accountant", now=here.clock())
    for _ in range(3):
        repeated = await here.send(debtor, there, beneficiary, 100, payment_id=key)
        assert (repeated.state, repeated.refusal) == ("captured", "account_frozen")
    assert await here.store.due_outgoing(here.clock(), 50) == [], "tried again after a pause"
    await here.books.set_status(debtor, "open")
    assert (await here.send(debtor, there, beneficiary, 100, payment_id=key)).state == "returned"
    assert await here.balance(debtor) == (1_000, 0)


async def test_return_that_is_faster_than_the_answer_to_the_payment_waits_for_it(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(400), await there.open_customer()
    here.line.after = once(RpcError(StatusCode.UNAVAILABLE, "lost"), "CompleteSettlement")
    paid = await here.send(debtor, there, beneficiary, 400)
    assert paid.state == "captured"
    back = await _send_back(there, here, paid.settlement_id)
    assert back.state == "held"
    assert (await here.driver.drive(paid.settlement_id)).state == "completed"
    assert (await there.driver.drive(back.settlement_id)).state == "completed"
    assert (await here.balance(debtor), await there.balance(beneficiary)) == ((400, 0), (0, 0))


async def test_return_is_not_held_to_the_limits_of_amounts(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    here.limits = MemberLimits(single={"EUR": 10}, daily={"EUR": 10})
    await here.restart(there)
    debtor, beneficiary = await here.open_customer(400), await there.open_customer()
    paid = await here.send(debtor, there, beneficiary, 400)
    assert (await _send_back(there, here, paid.settlement_id)).state == "completed"
    assert (await here.use.usage(there.msp_id)).agreed.get("EUR", 0) == 0


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("side", [0, 1])
async def test_bank_killed_around_an_entry_of_a_return_finishes_it_once(
    banks: tuple[Bank, Bank], side: int, when: str
) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    paid = await here.send(debtor, there, beneficiary, 400)
    killed, other = (there, here) if side else (here, there)
    setattr(killed.books, when, once(Crash(), "post"))
    key = str(uuid.uuid4())
    if side:
        with pytest.raises(Crash):
            await _send_back(there, here, paid.settlement_id, payment_id=key)
    else:
        assert (await _send_back(there, here, paid.settlement_id, payment_id=key)).state == "captured"
    await killed.restart(other)
    for bank in (here, there):
        await bank.store.wake_outgoing(bank.clock())
        await bank.worker.work_once()
    assert (await there.payment(key)).state == "completed"
    assert (await here.balance(debtor), await there.balance(beneficiary)) == ((1_000, 0), (0, 0))
    assert len(here.entries(key)) == len(there.entries(key)) == 2
    await _assert_agree(here, there)


async def test_partner_that_returns_what_was_never_paid_or_another_amount_gets_nothing(
    banks: tuple[Bank, Bank],
) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer(1_000)
    paid = await here.send(debtor, there, beneficiary, 400)
    for settlement_id, amount, refusal in (
        ("never", 400, "return_of_unknown"),
        (paid.settlement_id, 399, "return_of_another_amount"),
    ):
        order = await there.store.add_outgoing(_return_order(there, here, beneficiary, settlement_id, amount))
        assert (await there.driver.drive(order.settlement_id)).refusal == refusal
    assert await here.balance(debtor) == (600, 0)


def _return_order(bank: Bank, receiver: Bank, debtor: str, settlement_id: str, amount: int) -> Outgoing:
    key, now = uuid.uuid4(), bank.clock()
    return Outgoing(
        settlement_id=str(key),
        payment_id=key,
        receiver_msp_id=receiver.msp_id,
        debtor_account=debtor,
        beneficiary_account="",
        asset="EUR",
        amount=amount,
        description="",
        ordered_at=now,
        deadline=now + timedelta(minutes=2),
        return_of=settlement_id,
        return_reason="CUST",
    )
