"""What banks ask of each other beside paying: quotes, statements, updates; on real books of two banks.

Method: as ``test_settlement``; rates are recorded as an operator does; what must not be given is asked for.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from ledger.currency import record_rate
from ledger.exchange import Rate
from ledger.money import Asset
from network.errors import RpcError
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import StatusCode
from node.partner.errors import PartnerBusyError, PartnerUnavailableError
from node.partner.messages import signed_message, timestamp
from node.partner.quotes import Fee, QuoteTerms
from node.postgres import PostgresCluster
from tests.support.banks import Bank, two_banks

FEES = QuoteTerms(fees={"EUR": Fee(flat=30, basis_points=10)}, rate_source="ECB")


@pytest.fixture
async def banks(postgres_cluster: PostgresCluster) -> AsyncIterator[tuple[Bank, Bank]]:
    async with two_banks(postgres_cluster, FEES) as both:
        yield both


async def _quote(bank: Bank, partner: Bank, amount: int = 10_000, **more: str) -> partner_pb2.Quote:
    fields = {"quote_id": str(uuid.uuid4()), "asset": "EUR", "amount_minor": str(amount)} | more
    request = partner_pb2.RequestQuoteRequest(partner_msp_id=partner.msp_id, **fields)
    return (await bank.ask("RequestQuote", request, partner_pb2.RequestQuoteResponse)).quote


def _record(bank: Bank, text: str = "1.0843") -> None:
    at = bank.clock() - timedelta(minutes=1)
    rate = Rate(Asset("EUR", 2), Asset("USD", 2), text, "ECB", at.replace(microsecond=0))
    with psycopg.connect(bank.url, autocommit=True) as connection:
        record_rate(connection, rate, actor="operator", now=bank.clock())


async def _statement(bank: Bank, partner: Bank, **more: Any) -> partner_pb2.StatementAnswer:
    fields: dict[str, Any] = {"asset": "EUR", "account": partner_pb2.ACCOUNT_KIND_VOSTRO} | more
    request = partner_pb2.FetchStatementRequest(partner_msp_id=partner.msp_id, **fields)
    return (await bank.ask("FetchStatement", request, partner_pb2.FetchStatementResponse)).page


async def _assert_agree(*banks: Bank) -> None:
    for bank in banks:
        assert all(line.agree for line in await bank.compare())


async def _updates(bank: Bank, after: int, count: int) -> list[partner_pb2.SettlementUpdate]:
    found = []
    async with aclosing(bank.link.follow(after)) as stream:
        async for update, _ in stream:
            found.append(update)
            if len(found) == count:
                break
    return found


# Quotes ---------------------------------------------------------------------------------------------------------------


async def test_payment_under_a_quote_leaves_the_fee_at_the_receiver(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(20_000), await there.open_customer()
    quote = await _quote(here, there)
    assert (quote.fee_minor, quote.credited_minor, quote.credited_asset) == ("40", "9960", "EUR")
    assert await _quote(here, there, quote_id=quote.quote_id) != quote, "signed anew"
    payment = await here.send(debtor, there, beneficiary, 10_000, quote_id=quote.quote_id)
    assert payment.state == "completed"
    assert (await there.balance(beneficiary))[0] == 9_960
    assert (await there.balance("fees-partners-EUR"))[0] == 40
    await _assert_agree(*banks)


async def test_payment_is_exchanged_at_the_quoted_rate_whatever_the_rate_is_by_then(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    _record(there)
    debtor, beneficiary = await here.open_customer(20_000), await there.open_customer(asset="USD")
    quote = await _quote(here, there, credited_asset="USD")
    assert (quote.rate, quote.rate_pair, quote.credited_minor) == ("1.0843", "EUR/USD", "10800")
    here.clock.ahead += timedelta(seconds=30)
    _record(there, "1.2")
    payment = await here.send(debtor, there, beneficiary, 10_000, quote_id=quote.quote_id)
    assert payment.state == "completed"
    assert (await there.balance(beneficiary))[0] == 10_800
    assert (await there.balance("fees-partners-EUR"))[0] == 40
    assert (await there.balance("fx-partners-EUR-USD"), await there.balance("fx-partners-USD-EUR")) == (
        (9_960, 0),
        (-10_800, 0),
    )
    with psycopg.connect(there.url) as connection:
        assert connection.execute("SELECT problem FROM ledger.rate_audit").fetchall() == [(None,)]
    await _assert_agree(*banks)


async def test_exchange_and_its_fee_stand_or_fall_together(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    _record(there)
    debtor, beneficiary = await here.open_customer(20_000), await there.open_customer(asset="USD")
    quote = await _quote(here, there, credited_asset="USD")
    here.line.before = _cut("CompleteSettlement")
    payment = await here.send(debtor, there, beneficiary, 10_000, quote_id=quote.quote_id)
    await there.books.set_status(beneficiary, "frozen")
    here.line.before = lambda method: None
    assert (await here.driver.drive(payment.settlement_id)).state == "returned"
    assert there.entries(payment.settlement_id) == []
    assert await here.balance(debtor) == (20_000, 0)


def _cut(wanted: str) -> Any:
    def hook(method: str) -> None:
        if method == wanted:
            raise RpcError(StatusCode.UNAVAILABLE, "cut")

    return hook


async def test_quote_is_refused_to_a_settlement_after_its_end_or_of_another_payment(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(90_000), await there.open_customer()

    async def refusal(quote_id: str, amount: int = 10_000) -> str:
        return (await here.send(debtor, there, beneficiary, amount, quote_id=quote_id)).refusal

    assert (await here.send(debtor, there, beneficiary, 10_000)).refusal == "quote_required"
    assert await refusal(str(uuid.uuid4())) == "quote_not_found"
    quote = await _quote(here, there)
    assert await refusal(quote.quote_id, 10_001) == "quote_for_another_payment"
    assert await refusal(quote.quote_id) == ""
    assert await refusal(quote.quote_id) == "quote_used"
    late = await _quote(here, there)
    here.clock.ahead += timedelta(minutes=1)
    assert await refusal(late.quote_id) == "quote_expired"
    assert await here.balance(debtor) == (80_000, 0)


async def test_quote_that_cannot_be_given_says_why(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    assert (await _quote(here, there, 30)).refusal == "fee_exceeds_amount"
    assert (await _quote(here, there, credited_asset="USD")).refusal == "no_rate"
    assert (await _quote(here, there, asset="XXX")).refusal == "asset_not_found"
    _record(there)
    here.clock.ahead += timedelta(minutes=16)
    assert (await _quote(here, there, credited_asset="USD")).refusal == "rate_too_old"
    known = await _quote(here, there)
    assert (await _quote(here, there, 9_999, quote_id=known.quote_id)).refusal == "quote_id_reused"
    for wrong in ({"amount_minor": "1.5"}, {"quote_id": "7"}):
        with pytest.raises(RpcError) as refused:
            await _quote(here, there, **wrong)
        assert refused.value.code == StatusCode.INVALID_ARGUMENT


# Statements -----------------------------------------------------------------------------------------------------------


async def test_statement_of_the_vostro_account_comes_in_pages_and_mirrors_the_nostro(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    there.terms = QuoteTerms()
    await there.restart(here)
    empty = await _statement(there, here)
    assert (list(empty.lines), empty.balance_minor) == ([], "0")
    debtor, beneficiary = await here.open_customer(90_000), await there.open_customer()
    paid = [(await here.send(debtor, there, beneficiary, amount)).settlement_id for amount in (100, 200, 300)]
    theirs = [await _statement(there, here, page_size=2)]
    theirs.append(await _statement(there, here, page_size=2, from_seq=theirs[0].next_seq))
    lines = [line for page in theirs for line in page.lines]
    assert [line.settlement_id for line in lines] == paid[::-1]
    assert [(line.change_minor, line.balance_minor) for line in lines] == [
        ("300", "600"),
        ("200", "300"),
        ("100", "100"),
    ]
    assert (theirs[0].balance_minor, theirs[1].next_seq) == ("600", 0)
    own = await _statement(here, there, account=partner_pb2.ACCOUNT_KIND_NOSTRO)
    assert [line.settlement_id for line in own.lines] == paid[::-1]
    assert [line.change_minor for line in own.lines] == ["300", "200", "100"]


async def test_statement_is_the_askers_own_and_nothing_else(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    for wrong in (
        {"account": 0},
        {"account": 7},
        {"asset": "E U"},
        {"asset": ""},
        {"page_size": 501},
        {"from_seq": -1},
    ):
        with pytest.raises(RpcError, match=r"asset|account|page_size") as refused:
            await _statement(here, there, **wrong)
        assert refused.value.code == StatusCode.UNAVAILABLE, "the partner's refusal is no answer"
    with pytest.raises(RpcError, match="known: PartnerMSP") as refused:
        await here.ask(
            "FetchStatement", partner_pb2.FetchStatementRequest(partner_msp_id="X"), partner_pb2.FetchStatementResponse
        )
    assert refused.value.code == StatusCode.INVALID_ARGUMENT


async def test_statement_with_amounts_that_are_none_is_not_believed(banks: tuple[Bank, Bank]) -> None:
    here, there = banks

    async def lie(request: bytes, call: object) -> bytes:
        asked = partner_pb2.FollowSettlementsRequest.FromString(request).message.payload
        answer = partner_pb2.StatementAnswer(
            version=1,
            sender_msp_id=there.msp_id,
            receiver_msp_id=here.msp_id,
            sent_at=timestamp(there.clock()),
            request_hash=_hash(asked),
            asset="EUR",
            account=partner_pb2.ACCOUNT_KIND_VOSTRO,
            balance_minor="0",
            lines=[partner_pb2.StatementLine(seq=1, change_minor="1e9", balance_minor="0")],
        )
        signed = signed_message(answer, there.identity)
        return partner_pb2.GetVostroStatementResponse(answer=signed).SerializeToString()

    here.line.handlers["GetVostroStatement"] = lie
    with pytest.raises(RpcError, match="change_minor") as refused:
        await _statement(here, there)
    assert refused.value.code == StatusCode.UNAVAILABLE


# Updates --------------------------------------------------------------------------------------------------------------


async def test_updates_tell_both_directions_without_a_gap_and_go_on_from_a_number(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    there.terms = QuoteTerms()
    await there.restart(here)
    ours, theirs = await here.open_customer(1_000), await there.open_customer(1_000)
    out = await here.send(ours, there, theirs, 100)
    into = await there.send(theirs, here, ours, 30)
    told = await _updates(here, 0, 4)
    assert [(update.sequence, update.settlement_id, update.from_asking_bank, update.state) for update in told] == [
        (1, out.settlement_id, True, "prepared"),
        (2, out.settlement_id, True, "completed"),
        (3, into.settlement_id, False, "captured"),
        (4, into.settlement_id, False, "completed"),
    ]
    await there.restart(here)
    again = await here.send(ours, there, theirs, 5)
    assert [update.sequence for update in await _updates(here, 4, 2)] == [5, 6]
    assert {update.settlement_id for update in await _updates(here, 4, 2)} == {again.settlement_id}
    assert await _updates(here, 6, 1) == [], "ends by itself after its time"


async def test_updates_from_a_number_that_was_never_given_are_refused(banks: tuple[Bank, Bank]) -> None:
    here, _ = banks
    for after in (5, -1):
        with pytest.raises(PartnerUnavailableError, match="after_sequence"):
            await _updates(here, after, 1)


async def test_updates_with_a_missing_number_or_of_another_request_are_not_believed(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    right: dict[str, Any] = {"version": 1, "sender_msp_id": there.msp_id, "receiver_msp_id": here.msp_id, "sequence": 1}

    def lying(**said: Any) -> Any:
        async def stream(request: bytes, call: object) -> AsyncIterator[bytes]:
            asked = partner_pb2.FollowSettlementsRequest.FromString(request).message.payload
            right.update(sent_at=timestamp(there.clock()), request_hash=_hash(asked))
            answer = signed_message(partner_pb2.SettlementUpdate(**(right | said)), there.identity)
            yield partner_pb2.FollowSettlementsResponse(answer=answer).SerializeToString()

        return stream

    for said in ({"sequence": 2}, {"sequence": 0}, {"request_hash": bytes(32)}, {"version": 3}):
        here.line.handlers["FollowSettlements"] = lying(**said)
        with pytest.raises(PartnerUnavailableError):
            await _updates(here, 0, 1)
    here.line.handlers["FollowSettlements"] = lying()
    assert len(await _updates(here, 0, 1)) == 1


def _hash(payload: bytes) -> bytes:
    return hashlib.sha256(payload).digest()


async def test_more_streams_than_a_partner_may_have_are_put_off(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    there.terms = QuoteTerms()
    await there.restart(here)
    await here.send(await here.open_customer(10), there, await there.open_customer(), 10)
    streams = [here.link.follow(0) for _ in range(5)]
    for stream in streams[:4]:
        assert (await anext(stream))[0].sequence == 1
    with pytest.raises(PartnerBusyError):
        await anext(streams[4])
    for stream in streams:
        await stream.aclose()
    assert len(await _updates(here, 0, 1)) == 1
