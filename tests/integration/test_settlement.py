"""Payments between two banks, on real books in PostgreSQL on both sides: what happens when all goes well, when the
partner refuses, is down or dies, and when either bank is killed between any two steps.

Method: ``tests/support/banks.py`` gives two banks; hooks around each call to the books and across the line raise where
a test says. After every story the same things are looked at: nobody's money is lost or doubled, and both sides' entries
carry the same settlement id.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from datetime import datetime, timedelta

import psycopg
import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from ledger.account import NewAccount, Side, Terms
from ledger.errors import BooksUnavailableError, InvalidValueError
from network.errors import RpcError
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import Call, StatusCode
from network.signing import verify
from node.partner.messages import signing_input
from tests.support.banks import Bank, Clock, Crash, books_down, once


async def _assert_sound(here: Bank, there: Bank, debtor: str, beneficiary: str, *, began: int, paid: int) -> None:
    """The debtor paid exactly ``paid``, the beneficiary has it, nothing is held, both positions agree."""
    assert await here.balance(debtor) == (began - paid, 0)
    assert await there.balance(beneficiary) == (paid, 0)
    assert (await here.balance("vostro-PartnerMSP-EUR"))[0] == paid
    assert (await there.balance("nostro-DwaybankMSP-EUR"))[0] == paid
    for bank in (here, there):
        assert all(line.agree for line in await bank.compare())


async def _settle(*banks: Bank) -> None:
    for bank in banks:
        await bank.store.wake_outgoing(bank.clock())
        await bank.worker.work_once()


# All goes well --------------------------------------------------------------------------------------------------------


async def test_payment_reaches_the_beneficiary_and_both_books_carry_its_settlement_id(
    banks: tuple[Bank, Bank],
) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    payment = await here.send(debtor, there, beneficiary, 2_500, description="Rent")
    assert (payment.state, payment.refusal) == ("completed", "")
    assert payment.seq > 0 and payment.partner_seq > 0 and payment.agreed_reference.startswith("R-")
    assert here.entries(payment.settlement_id) == [
        (debtor, Side.DEBIT, 2_500),
        ("vostro-PartnerMSP-EUR", Side.CREDIT, 2_500),
    ]
    assert there.entries(payment.settlement_id) == [
        ("nostro-DwaybankMSP-EUR", Side.DEBIT, 2_500),
        (beneficiary, Side.CREDIT, 2_500),
    ]
    await _assert_sound(here, there, debtor, beneficiary, began=10_000, paid=2_500)


@pytest.mark.parametrize("minutes", [-4.9, -2, 2, 4.9])
async def test_banks_whose_clocks_are_minutes_apart_pay_each_other(banks: tuple[Bank, Bank], minutes: float) -> None:
    here, there = banks
    there.clock = Clock()
    there.clock.ahead = timedelta(minutes=minutes)
    await there.restart(here)
    maria, karel = await here.open_customer(10_000), await there.open_customer(10_000)
    for paid in (await here.send(maria, there, karel, 700), await there.send(karel, here, maria, 1_000)):
        assert (paid.state, paid.refusal) == ("completed", "")


async def test_payments_both_ways_net_and_positions_agree(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    maria, karel = await here.open_customer(10_000), await there.open_customer(10_000)
    await here.send(maria, there, karel, 700)
    await there.send(karel, here, maria, 1_000)
    [ours], [theirs] = await here.compare(), await there.compare()
    assert (ours.own_minor, ours.partner_minor, ours.agree) == ("300", "300", True)
    assert (theirs.own_minor, theirs.partner_minor, theirs.agree) == ("-300", "-300", True)


async def test_positions_disagree_when_one_side_books_something_of_its_own(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    maria, karel = await here.open_customer(10_000), await there.open_customer()
    await here.send(maria, there, karel, 700)
    await there.books.open_account("loss-EUR", "EUR", Side.DEBIT, None)
    with psycopg.connect(there.url) as connection:
        connection.execute("UPDATE ledger.account SET balance = balance - 1 WHERE reference = 'nostro-DwaybankMSP-EUR'")
    [ours] = await here.compare()
    assert (ours.own_minor, ours.partner_minor, ours.agree) == ("-700", "-699", False)


async def test_positions_of_a_silent_partner_are_not_said_to_agree(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    await here.send(await here.open_customer(10), there, await there.open_customer(), 10)
    here.line.handlers = {}
    [ours] = await here.compare()
    assert (ours.own_minor, ours.partner_minor, ours.agree) == ("-10", "", False)


async def test_payment_repeated_is_made_once_and_with_another_body_is_refused(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    payment_id = str(uuid.uuid4())
    first = await here.send(debtor, there, beneficiary, 100, payment_id=payment_id)
    assert await here.send(debtor, there, beneficiary, 100, payment_id=payment_id) == first
    with pytest.raises(RpcError) as refused:
        await here.send(debtor, there, beneficiary, 101, payment_id=payment_id)
    assert refused.value.code == StatusCode.ALREADY_EXISTS
    await _assert_sound(here, there, debtor, beneficiary, began=10_000, paid=100)


async def test_payment_is_answered_as_it_stands_when_its_bank_is_a_partner_no_more(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    paid = await here.send(debtor, there, beneficiary, 100)
    key = str(uuid.uuid4())
    returned = partner_pb2.ReturnPaymentRequest(
        payment_id=key, partner_msp_id=here.msp_id, settlement_id=paid.settlement_id, reason="CUST"
    )
    assert (await there.ask("ReturnPayment", returned, partner_pb2.ReturnPaymentResponse)).payment.state == "completed"
    for bank in banks:
        bank.service._links = {}
    assert await here.send(debtor, there, beneficiary, 100, payment_id=paid.payment_id) == paid
    assert (await there.ask("ReturnPayment", returned, partner_pb2.ReturnPaymentResponse)).payment.state == "completed"
    returned.payment_id = str(uuid.uuid4())
    for order in (
        here.send(debtor, there, beneficiary, 100),
        there.ask("ReturnPayment", returned, partner_pb2.ReturnPaymentResponse),
    ):
        with pytest.raises(RpcError, match="not a partner bank of this node") as refused:
            await order
        assert refused.value.code == StatusCode.INVALID_ARGUMENT
    assert await here.balance(debtor) == (1_000, 0)


async def test_evidence_of_every_message_acted_on_is_kept_and_cannot_be_edited(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    await here.send(await here.open_customer(10), there, await there.open_customer(), 10)
    with psycopg.connect(there.url) as connection:
        rows = connection.execute("SELECT kind, payload, signature FROM partner.evidence ORDER BY number").fetchall()
        assert [row[0] for row in rows] == ["prepare", "complete"]
        key = here.identity.certificate.public_key()
        for kind, payload, signature in rows:
            message = {"prepare": partner_pb2.Prepare, "complete": partner_pb2.Complete}[kind]
            verify(key, signing_input(message, payload), signature)  # type: ignore[arg-type]
        with pytest.raises(psycopg.Error, match="history"):
            connection.execute("DELETE FROM partner.evidence")


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("beneficiary", "refusal"),
    [("cust-nobody", "account_not_found"), ("cash-EUR", "account_not_found"), ("nostro-X", "account_not_found")],
)
async def test_payment_to_an_account_that_takes_none_is_aborted_and_the_money_free(
    banks: tuple[Bank, Bank], beneficiary: str, refusal: str
) -> None:
    here, there = banks
    await there.open_customer(1)
    debtor = await here.open_customer(10_000)
    payment = await here.send(debtor, there, beneficiary, 100)
    assert (payment.state, payment.refusal) == ("aborted", refusal)
    assert await here.balance(debtor) == (10_000, 0)


@pytest.mark.parametrize("status", ["frozen", "closed"])
async def test_payment_to_an_account_not_open_is_refused_at_prepare(banks: tuple[Bank, Bank], status: str) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    await there.books.set_status(beneficiary, status)
    payment = await here.send(debtor, there, beneficiary, 100)
    assert (payment.state, payment.refusal) == ("aborted", f"account_{status}")
    assert await here.balance(debtor) == (10_000, 0)


async def test_payment_in_another_asset_than_either_account_holds_is_refused(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    euros, dollars = await here.open_customer(10_000), await there.open_customer(asset="USD")
    assert (await here.send(euros, there, dollars, 100)).refusal == "asset_mismatch"
    assert (await here.send(euros, there, dollars, 100, asset="USD")).refusal == "asset_mismatch"
    assert await here.balance(euros) == (10_000, 0)


async def test_payment_beyond_the_balance_is_refused_before_the_partner_hears_of_it(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor = await here.open_customer(99)
    payment = await here.send(debtor, there, await there.open_customer(), 100)
    assert (payment.state, payment.refusal) == ("aborted", "exceeds_available")
    assert here.line.calls == []


@pytest.mark.parametrize("status", ["frozen", "closed"])
async def test_beneficiary_gone_between_prepare_and_complete_gives_the_money_back(
    banks: tuple[Bank, Bank], status: str
) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    here.line.before = once(RpcError(StatusCode.UNAVAILABLE, "line cut"), "CompleteSettlement")
    payment = await here.send(debtor, there, beneficiary, 100)
    assert payment.state == "captured"
    await there.books.set_status(beneficiary, status)
    await _settle(here)
    payment = await here.payment(payment.payment_id)
    assert (payment.state, payment.refusal) == ("returned", f"account_{status}")
    assert here.entries(payment.settlement_id)[2:] == [
        ("vostro-PartnerMSP-EUR", Side.DEBIT, 100),
        (debtor, Side.CREDIT, 100),
    ]
    await _assert_sound(here, there, debtor, beneficiary, began=10_000, paid=0)
    assert there.entries(payment.settlement_id) == []


async def test_return_to_a_frozen_debtor_waits_in_unclaimed_returns(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    here.line.before = once(RpcError(StatusCode.UNAVAILABLE, "line cut"), "CompleteSettlement")
    payment = await here.send(debtor, there, beneficiary, 100)
    await there.books.set_status(beneficiary, "frozen")
    await here.books.set_status(debtor, "frozen")
    await _settle(here)
    assert (await here.payment(payment.payment_id)).state == "returned"
    assert await here.balance("unclaimed-returns-EUR") == (100, 0)
    assert await here.balance("vostro-PartnerMSP-EUR") == (0, 0)


async def test_debtor_frozen_between_hold_and_capture_aborts_and_tells_the_partner(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    here.line.before = once(RpcError(StatusCode.UNAVAILABLE, "line cut"), "PrepareSettlement")
    payment = await here.send(debtor, there, beneficiary, 100)
    await here.books.set_status(debtor, "frozen")
    await _settle(here)
    payment = await here.payment(payment.payment_id)
    assert (payment.state, payment.refusal) == ("aborted", "account_frozen")
    assert here.line.calls[-1] == "AbortSettlement"
    incoming = await there.receiver.find(here.msp_id, payment.settlement_id)
    assert incoming is not None and incoming.state == "aborted"
    await _assert_sound(here, there, debtor, beneficiary, began=10_000, paid=0)


# Accounts between the banks that somebody opened before -------------------------------------------------------------


async def test_accounts_between_banks_that_were_opened_with_terms_of_their_own_are_used(
    banks: tuple[Bank, Bank],
) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    striped = NewAccount("vostro-PartnerMSP-EUR", "EUR", Side.CREDIT, Terms(), stripes=4)
    await here._books.open_new_account(striped)
    # As ``dwaybank account open`` does where nobody says otherwise.
    await there._books.open_new_account(NewAccount("nostro-DwaybankMSP-EUR", "EUR", Side.DEBIT, Terms(0)))
    payments = [await here.send(debtor, there, beneficiary, 100) for _ in range(3)]
    assert [payment.state for payment in payments] == ["completed"] * 3
    await _assert_sound(here, there, debtor, beneficiary, began=10_000, paid=300)


@pytest.mark.parametrize(("at_sender", "account"), [(True, "vostro-PartnerMSP-EUR"), (False, "nostro-DwaybankMSP-EUR")])
async def test_account_between_banks_on_the_wrong_side_takes_no_money_from_anybody(
    banks: tuple[Bank, Bank], at_sender: bool, account: str
) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    wrong = Side.DEBIT if at_sender else Side.CREDIT
    await (here if at_sender else there).books.open_account(account, "EUR", wrong, None)
    payment = await here.send(debtor, there, beneficiary, 100)
    assert (payment.state, payment.refusal) == ("aborted", "interbank_account_unfit")
    assert await here.balance(debtor) == (10_000, 0)
    assert await there.balance(beneficiary) == (0, 0)


# A day ends meanwhile -------------------------------------------------------------------------------------------------


async def _close_day(*sides: Bank) -> datetime:
    """Both banks close their books up to now, with whatever is on its way."""
    end = sides[0].clock()
    for side in sides:
        await side._books.close_period(end, "auditor-1")
    return end


def _times_of_effect(side: Bank, settlement_id: str) -> list[datetime]:
    with psycopg.connect(side.url) as connection:
        asked = "SELECT effective_at FROM ledger.entry_view WHERE settlement_id = %s ORDER BY seq"
        return [at for (at,) in connection.execute(asked, (settlement_id,))]


@pytest.mark.parametrize("call", ["PrepareSettlement", "CompleteSettlement"])
async def test_payment_on_its_way_while_both_banks_close_the_day_counts_for_the_next(
    banks: tuple[Bank, Bank], call: str
) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    here.line.before = once(RpcError(StatusCode.UNAVAILABLE, "line cut"), call)
    payment = await here.send(debtor, there, beneficiary, 100)
    end = await _close_day(here, there)
    await _settle(here)
    assert (await here.payment(payment.payment_id)).state == "completed"
    [credited] = _times_of_effect(there, payment.settlement_id)
    [captured] = _times_of_effect(here, payment.settlement_id)
    # What was taken before the day ended stays in it.
    assert (captured < end) == (call == "CompleteSettlement")
    assert credited >= end
    await _assert_sound(here, there, debtor, beneficiary, began=10_000, paid=100)


@pytest.mark.parametrize("side", ["sender", "receiver"])
async def test_bank_killed_after_it_booked_for_the_next_day_books_once(banks: tuple[Bank, Bank], side: str) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    here.line.before = once(RpcError(StatusCode.UNAVAILABLE, "line cut"), "PrepareSettlement")
    payment = await here.send(debtor, there, beneficiary, 100)
    if side == "receiver":
        here.line.before = once(RpcError(StatusCode.UNAVAILABLE, "line cut"), "CompleteSettlement")
        await _settle(here)
    await _close_day(here, there)
    killed = here if side == "sender" else there
    posted: list[str] = []
    killed.books.after = lambda call: _die_at_second_post(call, posted)
    with contextlib.suppress(Crash):
        # Where the receiver dies, the sender has no answer.
        await _settle(here)
    assert posted == ["post", "post"]
    await killed.restart(there if killed is here else here)
    await _settle(here, there)
    assert (await here.payment(payment.payment_id)).state == "completed"
    assert [len(_times_of_effect(bank, payment.settlement_id)) for bank in banks] == [1, 1]
    await _assert_sound(here, there, debtor, beneficiary, began=10_000, paid=100)


def _die_at_second_post(call: str, posted: list[str]) -> None:
    if call == "post":
        posted.append(call)
        if len(posted) == 2:
            raise Crash


# The partner is down --------------------------------------------------------------------------------------------------


async def test_partner_down_at_prepare_leaves_a_hold_that_completes_when_he_is_back(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    await there.stop(here)
    payment = await here.send(debtor, there, beneficiary, 100)
    assert payment.state == "held"
    assert await here.balance(debtor) == (10_000, 100)
    await there.start(here)
    await _settle(here)
    assert (await here.payment(payment.payment_id)).state == "completed"
    await _assert_sound(here, there, debtor, beneficiary, began=10_000, paid=100)


@pytest.mark.every_postgres
async def test_payments_while_a_backup_holds_the_records_still_are_refused_for_now(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    with psycopg.connect(here.url) as backup:
        backup.execute("LOCK TABLE partner.outgoing, partner.incoming IN EXCLUSIVE MODE")
        async with asyncio.timeout(30):
            orders = [here.send(debtor, there, beneficiary, 100) for _ in range(5)]
            answers = await asyncio.gather(*orders, return_exceptions=True)
            assert [type(answer) for answer in answers] == [RpcError] * 5
    payment = await here.send(debtor, there, beneficiary, 2_500)
    assert payment.state == "completed"
    await _assert_sound(here, there, debtor, beneficiary, began=10_000, paid=2_500)


async def test_partner_down_past_the_deadline_frees_the_money(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    await there.stop(here)
    payment = await here.send(debtor, there, beneficiary, 100)
    here.clock.ahead = timedelta(minutes=2, seconds=1)
    await _settle(here)
    assert (await here.payment(payment.payment_id)).state == "expired"
    assert await here.balance(debtor) == (10_000, 0)
    await there.start(here)
    await _settle(here)
    assert here.line.calls[-1] == "AbortSettlement"
    await _assert_sound(here, there, debtor, beneficiary, began=10_000, paid=0)


async def test_hold_expired_by_the_books_before_the_capture_is_not_captured(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()

    def late(method: str) -> None:
        if method == "PrepareSettlement":
            here.clock.ahead = timedelta(minutes=3)

    here.line.after = late
    payment = await here.send(debtor, there, beneficiary, 100)
    assert (payment.state, payment.refusal) == ("expired", "hold_expired")
    await _assert_sound(here, there, debtor, beneficiary, began=10_000, paid=0)


async def test_answer_of_complete_lost_is_asked_for_until_it_is_known(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    here.line.after = once(RpcError(StatusCode.DEADLINE_EXCEEDED, "late"), "CompleteSettlement")
    payment = await here.send(debtor, there, beneficiary, 100)
    assert payment.state == "captured"
    here.clock.ahead = timedelta(days=3)
    await _settle(here)
    assert (await here.payment(payment.payment_id)).state == "completed"
    assert len(there.entries(payment.settlement_id)) == 2
    await _assert_sound(here, there, debtor, beneficiary, began=10_000, paid=100)


@pytest.mark.parametrize("code", [StatusCode.PERMISSION_DENIED, StatusCode.NOT_FOUND, StatusCode.INTERNAL])
async def test_error_instead_of_an_answer_to_complete_never_gives_the_money_back(
    banks: tuple[Bank, Bank], code: StatusCode
) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    here.line.before = lambda method: once(RpcError(code, "no"), "CompleteSettlement")(method)
    payment = await here.send(debtor, there, beneficiary, 100)
    here.clock.ahead = timedelta(days=30)
    await _settle(here)
    assert (await here.payment(payment.payment_id)).state == "captured"
    assert await here.balance(debtor) == (9_900, 0)


# Kill points ----------------------------------------------------------------------------------------------------------

SENDER_CALLS = ["open_account", "find_account", "place_hold", "post"]
LINE_CALLS = ["PrepareSettlement", "CompleteSettlement"]


async def _crashing(here: Bank, there: Bank, debtor: str, beneficiary: str) -> str:
    payment_id = str(uuid.uuid4())
    with pytest.raises(Crash):
        await here.send(debtor, there, beneficiary, 100, payment_id=payment_id)
    return payment_id


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", SENDER_CALLS)
async def test_sender_killed_around_a_call_to_its_books_finishes_the_payment_once(
    banks: tuple[Bank, Bank], call: str, when: str
) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    setattr(here.books, when, once(Crash(), call))
    payment_id = await _crashing(here, there, debtor, beneficiary)
    await here.restart(there)
    await _settle(here, there)
    assert (await here.payment(payment_id)).state == "completed"
    await _assert_sound(here, there, debtor, beneficiary, began=10_000, paid=100)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", LINE_CALLS)
async def test_sender_killed_around_a_call_to_the_partner_finishes_the_payment_once(
    banks: tuple[Bank, Bank], call: str, when: str
) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    setattr(here.line, when, once(Crash(), call))
    payment_id = await _crashing(here, there, debtor, beneficiary)
    await here.restart(there)
    await _settle(here, there)
    payment = await here.payment(payment_id)
    assert payment.state == "completed"
    assert len(there.entries(payment.settlement_id)) == 2
    await _assert_sound(here, there, debtor, beneficiary, began=10_000, paid=100)


@pytest.mark.parametrize("number", range(1, 5))
async def test_sender_killed_before_writing_a_state_down_finishes_the_payment_once(
    banks: tuple[Bank, Bank], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    real, left = here.store.change_outgoing, number

    async def change(*args: object, **more: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Crash
        await real(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(here.store, "change_outgoing", change)
    payment_id = await _crashing(here, there, debtor, beneficiary)
    await here.restart(there)
    await _settle(here, there)
    assert (await here.payment(payment_id)).state == "completed"
    await _assert_sound(here, there, debtor, beneficiary, began=10_000, paid=100)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["find_account", "open_account", "post"])
async def test_receiver_killed_around_a_call_to_its_books_credits_once(
    banks: tuple[Bank, Bank], call: str, when: str
) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    setattr(there.books, when, once(Crash(), call))
    payment = await here.send(debtor, there, beneficiary, 100)
    assert payment.state in ("held", "captured")
    await there.restart(here)
    await _settle(there, here)
    assert (await here.payment(payment.payment_id)).state == "completed"
    assert len(there.entries(payment.settlement_id)) == 2
    await _assert_sound(here, there, debtor, beneficiary, began=10_000, paid=100)


async def test_receiver_killed_after_crediting_cannot_be_talked_into_an_abort(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    there.books.after = once(Crash(), "post")
    payment = await here.send(debtor, there, beneficiary, 100)
    await there.restart(here)
    settlement = await here.store.outgoing(payment.settlement_id)
    link = here.driver._links[there.msp_id]
    assert (await link.abort(settlement)).state == "completed"
    await there.worker.work_once()
    incoming = await there.receiver.find(here.msp_id, payment.settlement_id)
    assert incoming is not None and incoming.state == "completed"
    assert await there.balance(beneficiary) == (100, 0)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_sender_killed_around_the_return_entry_gives_the_money_back_once(
    banks: tuple[Bank, Bank], when: str
) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    here.line.before = once(RpcError(StatusCode.UNAVAILABLE, "line cut"), "CompleteSettlement")
    payment = await here.send(debtor, there, beneficiary, 100)
    await there.books.set_status(beneficiary, "closed")
    setattr(here.books, when, once(Crash(), "post"))
    with pytest.raises(Crash):
        await here.driver.drive(payment.settlement_id)
    await here.restart(there)
    await _settle(here)
    assert (await here.payment(payment.payment_id)).state == "returned"
    assert len(here.entries(payment.settlement_id)) == 4
    await _assert_sound(here, there, debtor, beneficiary, began=10_000, paid=0)


async def test_books_down_on_either_side_only_delay(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    there.books.before = books_down
    payment = await here.send(debtor, there, beneficiary, 100)
    assert payment.state == "held"
    there.books.before = lambda call: None
    here.books.before = books_down
    await _settle(here)
    here.books.before = lambda call: None
    await _settle(here)
    assert (await here.payment(payment.payment_id)).state == "completed"
    await _assert_sound(here, there, debtor, beneficiary, began=10_000, paid=100)


async def test_incoming_payment_that_cannot_be_finished_holds_up_no_other(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    payments = []
    for _ in range(2):
        # Killed between the acceptance of the Complete and the credit: only the worker can finish it.
        there.books.before = once(Crash(), "post")
        payments.append(await here.send(debtor, there, beneficiary, 100))
        await there.restart(here)
    there.books.before = once(BooksUnavailableError("down"), "post")
    await there.worker.work_once()
    known = [await there.receiver.find(here.msp_id, payment.settlement_id) for payment in payments]
    assert sorted(incoming.state for incoming in known if incoming is not None) == ["completed", "prepared"]
    await there.worker.work_once()
    await _settle(here)
    assert [(await here.payment(payment.payment_id)).state for payment in payments] == ["completed"] * 2
    await _assert_sound(here, there, debtor, beneficiary, began=10_000, paid=200)


async def test_settlement_that_was_stuck_is_told_to_go_on_whoever_ends_it(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(10_000), await there.open_customer()
    # On its way out: the worker cannot go on, and its customer gives it up.
    here.line.before = once(RpcError(StatusCode.UNAVAILABLE, "line cut"), "PrepareSettlement")
    given_up = await here.send(debtor, there, beneficiary, 100)
    with capture_logs() as lines:
        here.line.before = once(InvalidValueError("account", "x", "is none"), "PrepareSettlement")
        await _settle(here)
        assert _stuck(lines) == [("settlement.stuck", given_up.settlement_id)]
        await here.driver.cancel(given_up.settlement_id)
    assert _stuck(lines)[1:] == [("settlement.stuck_no_more", given_up.settlement_id)]

    # On its way in: the worker cannot finish it, and the sender, who asks again, can.
    there.books.before = once(Crash(), "post")
    asked_again = await here.send(debtor, there, beneficiary, 100)
    await there.restart(here)
    with capture_logs() as lines:
        there.books.before = once(BooksUnavailableError("down"), "post")
        await there.worker.work_once()
        assert _stuck(lines) == [("settlement.stuck", asked_again.settlement_id)]
        await _settle(here)
    assert _stuck(lines)[1:] == [("settlement.stuck_no_more", asked_again.settlement_id)]
    assert (await here.payment(asked_again.payment_id)).state == "completed"


def _stuck(lines: list[EventDict]) -> list[tuple[str, str]]:
    events = [line for line in lines if line["event"].startswith("settlement.stuck")]
    return [(line["event"], line["settlement_id"]) for line in events]


async def test_settlement_written_down_cannot_be_stepped_back_even_in_sql(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    payment = await here.send(await here.open_customer(10), there, await there.open_customer(), 10)
    assert payment.state == "completed"
    with psycopg.connect(here.url, autocommit=True) as connection:
        for change in ("state = 'aborted', seq = NULL, partner_seq = NULL", "amount = 5", "debtor_account = 'x'"):
            with pytest.raises(psycopg.Error, match="cannot"):
                connection.execute(f"UPDATE partner.outgoing SET {change}".encode())
    with psycopg.connect(there.url, autocommit=True) as connection, pytest.raises(psycopg.Error, match="cannot"):
        connection.execute("UPDATE partner.incoming SET state = 'aborted', seq = NULL")


# Who may ask ----------------------------------------------------------------------------------------------------------


async def test_settlement_service_answers_its_own_organization_only(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    for handler in (here.service.send_payment, here.service.get_payment, here.service.compare_positions):
        for certificate, code in ((there.tls_certificate, 7), (None, 16)):
            with pytest.raises(RpcError) as refused:
                await handler(b"", Call("/x", None, certificate, "127.0.0.1:1"))
            assert refused.value.code == code
