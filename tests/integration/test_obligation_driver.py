"""Aim: a completed payment becomes one obligation that both banks booked, whatever crashes between; a bank whose books
say another amount is told by the contract, and the break is shown with what both sides signed.

Method: real books of two banks in PostgreSQL, their real settlement, and a channel of three real peers. A crash is an
error around a transaction after which nothing remains but the databases.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from ledger.archive import Archivist
from ledger.currency import record_rate
from ledger.exchange import Rate
from ledger.journal import EntryResult, NewEntry
from ledger.money import Asset
from network.client_stages import ChaincodeEvent
from network.errors import CommitStatusError
from network.obligation import obligation_id_of
from network.pb.dwaybank.partner.v1 import partner_pb2
from node.partner import obligation_breaks
from node.partner.obligation_breaks import Break
from node.partner.obligation_chain import time_text
from node.partner.obligation_events import ObligationEvents, moved_by
from node.partner.quotes import Fee, QuoteTerms
from node.postgres import PostgresCluster
from tests.support.banks import Crash, once, two_banks
from tests.support.consortium_in_memory import BANK, PARTNER
from tests.support.database_stage import divide_journal
from tests.support.obligations import BankOnChannel, settling_network
from tests.support.peer_network import PeerNetwork

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(
    postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PeerNetwork]:
    async with settling_network(postgres_cluster, tmp_path_factory.mktemp("settling"), "driven") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def banks(
    network: PeerNetwork, postgres_cluster: PostgresCluster
) -> AsyncIterator[tuple[BankOnChannel, BankOnChannel]]:
    async with two_banks(postgres_cluster) as (here, there):
        both = BankOnChannel(here, network), BankOnChannel(there, network)
        for each in both:
            await each.start()
        yield both
        for each in both:
            await each.stop()


async def pay(sender: BankOnChannel, receiver: BankOnChannel, *amounts: int) -> None:
    debtor, beneficiary = await sender.bank.open_customer(10_000_000), await receiver.bank.open_customer()
    for amount in amounts:
        paid = await sender.bank.send(debtor, receiver.bank, beneficiary, amount)
        assert paid.state == "completed", paid


async def breaks(side: BankOnChannel) -> list[Break]:
    """Return the breaks of this test's banks: the channel has obligations of the tests before."""
    return [each for each in (await side.reconciler.compare()).breaks if each.kind != "unknown_here"]


async def states(*sides: BankOnChannel) -> set[tuple[str, str]]:
    return {(row.state, row.books) for side in sides for row in await side.rows()}


async def test_payments_both_ways_become_agreed_obligations_in_few_transactions(
    banks: tuple[BankOnChannel, BankOnChannel],
) -> None:
    here, there = banks
    await pay(here, there, *range(1_000, 1_012))
    await pay(there, here, 77)
    for _ in range(3):
        await here.work()
        await there.work()
    assert await states(here, there) == {("agreed", "agreed")}
    assert [len(await side.rows()) for side in banks] == [13, 13]
    # Twelve payments are one batch each way, not twelve.
    assert (sorted(here.gateway.submitted), sorted(there.gateway.submitted)) == (["Agree", "Propose"],) * 2
    for side in banks:
        assert await breaks(side) == []
        assert (await side.reconciler.compare()).compared == 13
    terms = await here.chain.read("GetTerms", PARTNER)
    owed = sum(range(1_000, 1_012))
    assert int(terms["debts"][BANK]["EUR"]) >= owed


async def test_breaks_that_do_not_fit_are_counted(
    banks: tuple[BankOnChannel, BankOnChannel], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = banks
    before = (await here.reconciler.compare()).break_count
    await pay(here, there, 11, 12, 13)
    monkeypatch.setattr(obligation_breaks, "BREAKS_MAX", 2)
    found = await here.reconciler.compare()
    assert (found.compared, len(found.breaks), found.break_count) == (3, 2, before + 3)


async def test_drivers_are_told_what_moved_and_need_not_look(banks: tuple[BankOnChannel, BankOnChannel]) -> None:
    here, there = banks
    listening = [ObligationEvents(side.chain, side.driver.moved) for side in banks]
    await pay(here, there, 500)
    try:
        for side, events in zip((there, here), listening[::-1], strict=True):
            side.driver._interval_s = 3600.0
            await events.start()
            # The receiver's finds no proposal, and would look again in an hour.
            await side.driver.start()
        for _ in range(400):
            if await states(*banks) == {("agreed", "agreed")}:
                break
            await asyncio.sleep(0.05)
        assert await states(*banks) == {("agreed", "agreed")}
    finally:
        for part in (here.driver, there.driver, *listening):
            await part.stop()


@pytest.mark.parametrize(
    ("name", "payload", "ids"),
    [
        ("Obligations", b'{"ids":["aa","bb"],"state":"agreed"}', ["aa", "bb"]),
        ("Booking", b'{"books":"agreed","by":"DwaybankMSP","obligation_id":"aa"}', ["aa"]),
        ("Dispute", b'{"dispute_id":"dd","obligation_id":"aa","state":"open"}', ["aa"]),
        ("Cycle", b'{"cycle_id":"cc","state":"open"}', []),
    ],
)
async def test_events_name_what_moved(name: str, payload: bytes, ids: list[str]) -> None:
    assert moved_by(ChaincodeEvent(7, "tx", "settlement", name, payload)) == ids


@pytest.mark.parametrize("stage", ["before", "after"])
@pytest.mark.parametrize(("whose", "function"), [("sender", "Propose"), ("receiver", "Agree")])
async def test_crash_around_a_transaction_leaves_one_obligation(
    banks: tuple[BankOnChannel, BankOnChannel], whose: str, function: str, stage: str
) -> None:
    here, there = banks
    await pay(here, there, 4_711)
    crashing = here if whose == "sender" else there
    setattr(crashing.gateway, stage, once(Crash(), function))
    crashed = 0
    for side in (here, there, here, there):
        try:
            await side.work()
        except Crash:
            crashed += 1
            await side.stop()
            await side.start()
            await side.work()
    assert crashed == 1
    assert await states(here, there) == {("agreed", "agreed")}
    [row] = await here.rows()
    record = (await here.chain.records([row.obligation_id or ""]))[row.obligation_id or ""]
    assert [step["state"] for step in record["steps"]] == ["proposed", "agreed"]
    assert all(len(said) == 1 for said in record["bookings"].values())


async def test_answer_that_was_lost_is_not_a_second_proposal(banks: tuple[BankOnChannel, BankOnChannel]) -> None:
    here, there = banks
    await pay(here, there, 815)
    here.gateway.after = once(CommitStatusError("the connection broke", "", 14), "Propose")
    await here.work()
    [row] = await here.rows()
    assert "connection broke" in row.note
    await here.work()
    await there.work()
    await here.work()
    assert await states(here) == {("agreed", "agreed")}
    assert here.gateway.submitted == ["Propose"]


async def test_bank_that_booked_another_amount_is_told_by_the_contract(
    banks: tuple[BankOnChannel, BankOnChannel],
) -> None:
    here, there = banks
    honest = there.bank.books.post

    async def post_less(entry: NewEntry) -> EntryResult:
        if not entry.settlement_id:
            return await honest(entry)
        less = tuple(replace(posting, amount=posting.amount - 1) for posting in entry.postings)
        return await honest(replace(entry, postings=less))

    there.bank.books.post = post_less  # type: ignore[method-assign]
    await pay(here, there, 500_000)
    await here.work()
    await there.work()
    await here.work()
    assert await states(here) == {("agreed", "diverged")}
    [row] = await here.rows()
    [found] = [each for each in await here.chain.read("ListDiverged", "") if each["obligation_id"] == row.obligation_id]
    wrong = {bank for bank, said in found["bookings"].items() if said[-1]["booking"] != found["commitment"]}
    assert wrong == {PARTNER}
    [seen_here] = await breaks(here)
    assert (seen_here.kind, seen_here.own_booked) == ("diverged", 500_000)
    [seen_there] = await breaks(there)
    assert (seen_there.kind, seen_there.own_booked) == ("own_books_differ", 499_999)
    # What the sender signed lies beside it: the amount he asked for, and that the money had left.
    assert [evidence.kind for evidence, _ in seen_there.evidence] == ["prepare", "complete"]
    assert b"500000" in seen_there.evidence[0][0].payload


async def test_books_put_right_are_booked_again_and_the_first_booking_stays(
    banks: tuple[BankOnChannel, BankOnChannel],
) -> None:
    here, there = banks
    await pay(here, there, 900)
    row_of = b"UPDATE ledger.entry SET amount = %s WHERE seq = %s"
    [row] = await there.rows()
    doctored(there, row_of, 901, row.seq)
    await here.work()
    await there.work()
    assert (await breaks(there))[0].kind == "own_books_differ"
    doctored(there, row_of, 900, row.seq)
    await there.driver.book_again((await there.rows())[0])
    await there.work()
    await here.work()
    assert await states(here, there) == {("agreed", "agreed")}
    record: dict[str, Any] = await here.chain.read("GetObligation", row_id(row.settlement_id))
    assert len(record["bookings"][PARTNER]) == 2


def doctored(side: BankOnChannel, statement: bytes, *values: object) -> None:
    """Change the books as their administrator could, with every rule of the database switched off."""
    with psycopg.connect(side.bank.url, autocommit=True) as connection:
        connection.execute(b"SET session_replication_role = replica")
        assert connection.execute(statement, values).rowcount == 1


def row_id(settlement_id: str) -> str:
    return obligation_id_of(BANK, settlement_id)


@pytest.mark.every_postgres
async def test_proposal_of_another_amount_is_not_agreed_to_and_is_shown(
    banks: tuple[BankOnChannel, BankOnChannel],
) -> None:
    here, there = banks
    await pay(here, there, 1_000)
    with psycopg.connect(here.bank.url, autocommit=True) as connection:
        connection.execute(b"SET session_replication_role = replica")
        connection.execute(b"UPDATE partner.obligation SET amount = 999")
    await here.work()
    await there.work()
    [row] = await there.rows()
    assert (row.state, row.note) == ("proposed", "the partner proposes amount 999 instead of 1000")
    [found] = await breaks(there)
    # The sender's own books say 1,000: what it anchored as booked already gives its proposal the lie.
    assert (found.kind, found.explanation) == ("diverged", f"{BANK} anchored another booking than both agreed on")


async def test_partner_that_is_away_for_months_may_still_agree_when_he_is_back(
    banks: tuple[BankOnChannel, BankOnChannel],
) -> None:
    here, there = banks
    await pay(here, there, 1_000)
    await here.work()
    [row] = await here.rows()
    assert row.obligation_id is not None
    record = await here.chain.read("GetObligation", row.obligation_id)
    assert record["deadline"] > time_text(here.bank.clock() + timedelta(days=300))


async def test_proposal_that_nobody_answered_in_time_is_made_anew(
    banks: tuple[BankOnChannel, BankOnChannel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As proposals of earlier releases, which had one day, and what waited for a limit longer than its deadline."""
    here, there = banks
    await pay(here, there, 1_000, 20)
    with monkeypatch.context() as patched:
        patched.setattr("node.partner.obligation_driver.DEADLINE", timedelta(minutes=5))
        await here.work()
    here.bank.clock.ahead += timedelta(minutes=6)
    today = here.bank.clock().date()
    with psycopg.connect(here.bank.url) as connection:
        connection.execute(b"UPDATE partner.obligation SET value_date = value_date - 40")
    await there.work()
    assert await states(here, there) == {("proposed", ""), ("proposed", "one_sided")}
    await here.work(2)
    await there.work(2)
    await here.work()
    assert await states(here, there) == {("agreed", "agreed")}
    assert {row.value_date for row in await here.rows()} == {today}
    [row, _] = await here.rows()
    steps = (await here.chain.read("GetObligation", row.obligation_id or ""))["steps"]
    assert [step["state"] for step in steps] == ["proposed", "proposed", "agreed"]


def divide(side: BankOnChannel) -> None:
    """Let the journal of a bank have a partition for every two entries."""
    with psycopg.connect(side.bank.url, autocommit=True) as connection:
        connection.execute(b"SET session_replication_role = replica")
        divide_journal(connection, 2)


async def archive(side: BankOnChannel, folder: Path) -> Callable[[], object]:
    """Close the books up to now and archive the one partition that may go; return what restores it."""
    closed_before = side.bank.clock() + timedelta(seconds=1)
    side.bank.clock.ahead += timedelta(seconds=2)
    await side.bank._books.close_period(closed_before, "auditor-1")
    keeper = Archivist(
        side.bank.url, side.msp_id, sign=lambda digest: bytes(64), verify=lambda *signed: True, actor="operator",
        now=side.bank.clock,
    )  # fmt: skip
    [archived] = keeper.archive(folder, before=closed_before, proved_seq=10**9)
    return lambda: keeper.restore(folder / archived.record.file_name)


async def test_payment_whose_entry_is_archived_is_still_compared_with_the_shared_ledger(
    banks: tuple[BankOnChannel, BankOnChannel], tmp_path: Path
) -> None:
    here, there = banks
    divide(here)
    await pay(here, there, 1_000, 2_000)
    await here.work()
    await archive(here, tmp_path)
    # What was paid first is in the archive, what was paid later is not; of neither the partner has said anything yet.
    assert {found.kind for found in await breaks(here)} == {"not_agreed"}
    for side in (there, there, here):
        await side.work()
    assert await breaks(here) == []


@pytest.mark.parametrize("whose", ["sender", "receiver"])
async def test_payment_that_was_archived_before_it_was_booked_holds_no_other_up(
    banks: tuple[BankOnChannel, BankOnChannel], tmp_path: Path, whose: str
) -> None:
    here, there = banks
    side = here if whose == "sender" else there
    divide(side)
    await pay(here, there, 1_000, 2_000, 3_000)
    restore = await archive(side, tmp_path)
    for each in (here, there, here, there):
        await each.work()
    by_amount = {row.amount: row for row in await side.rows()}
    assert {row.state for row in by_amount.values()} == {"agreed"}
    assert by_amount[3_000].books == "agreed"
    assert "is archived" in by_amount[1_000].note
    assert {found.kind for found in await breaks(side)} == {"not_booked"}
    # What the archive says is anchored once it is back.
    restore()
    for each in (side, here, there):
        await each.work()
    assert await states(here, there) == {("agreed", "agreed")}
    assert await breaks(here) == await breaks(there) == []


async def test_one_refused_payment_of_a_batch_does_not_hold_the_others_up(
    banks: tuple[BankOnChannel, BankOnChannel],
) -> None:
    here, there = banks
    owed = int((await here.chain.read("GetTerms", PARTNER))["debts"].get(BANK, {}).get("EUR", "0"))
    limit = {"asset": "EUR", "value": str(owed + 1_000), "salt": "01" * 32}
    # A limit that is set when the money has moved already: at Prepare it would be refused.
    await pay(here, there, 300, 900, 400)
    await there.chain.call("SetLimit", BANK, term=limit)
    await here.work()
    await there.work()
    await there.work()
    by_amount = {row.amount: row for row in await there.rows()}
    assert {amount: row.state for amount, row in by_amount.items()} == {300: "agreed", 900: "proposed", 400: "agreed"}
    assert "limit_exceeded" in by_amount[900].note
    await there.chain.call("SetLimit", BANK, term={**limit, "value": ""})
    await there.work(2)
    assert await states(there) == {("agreed", "agreed")}


async def test_database_refuses_to_change_what_an_obligation_is_about(
    banks: tuple[BankOnChannel, BankOnChannel],
) -> None:
    here, there = banks
    await pay(here, there, 10)
    await here.work()
    with psycopg.connect(here.bank.url, autocommit=True) as connection:
        for change in (
            b"UPDATE partner.obligation SET amount = 11",
            b"UPDATE partner.obligation SET salt = decode(repeat('00', 32), 'hex')",
            b"DELETE FROM partner.obligation",
            b"TRUNCATE partner.obligation",
        ):
            with pytest.raises(psycopg.Error):
                connection.execute(change)


async def test_payment_that_was_exchanged_and_left_a_fee_is_booked_alike(
    banks: tuple[BankOnChannel, BankOnChannel],
) -> None:
    here, there = banks
    there.bank.terms = QuoteTerms(fees={"EUR": Fee(flat=30, basis_points=10)}, rate_source="ECB")
    await there.bank.restart(here.bank)
    await there.stop()
    await there.start()
    at = (there.bank.clock() - timedelta(minutes=1)).replace(microsecond=0)
    with psycopg.connect(there.bank.url, autocommit=True) as connection:
        rate = Rate(Asset("EUR", 2), Asset("USD", 2), "1.0843", "ECB", at)
        record_rate(connection, rate, actor="operator", now=there.bank.clock())
    debtor, beneficiary = await here.bank.open_customer(20_000), await there.bank.open_customer(asset="USD")
    request = partner_pb2.RequestQuoteRequest(
        partner_msp_id=PARTNER, quote_id=str(uuid.uuid4()), asset="EUR", amount_minor="10000", credited_asset="USD"
    )
    quote = (await here.bank.ask("RequestQuote", request, partner_pb2.RequestQuoteResponse)).quote
    paid = await here.bank.send(debtor, there.bank, beneficiary, 10_000, quote_id=quote.quote_id)
    assert (paid.state, quote.fee_minor) == ("completed", "40")
    await here.work()
    await there.work(2)
    await here.work()
    assert await states(here, there) == {("agreed", "agreed")}
    assert await breaks(there) == []


async def test_payment_beyond_the_limit_on_the_shared_ledger_is_refused_before_money_moves(
    banks: tuple[BankOnChannel, BankOnChannel],
) -> None:
    here, there = banks
    owed = int((await there.chain.read("GetTerms", BANK))["debts"].get(BANK, {}).get("EUR", "0"))
    await there.chain.call("SetLimit", BANK, term={"asset": "EUR", "value": str(owed + 1_000), "salt": "01" * 32})
    debtor, beneficiary = await here.bank.open_customer(10_000), await there.bank.open_customer()
    try:
        assert (await here.bank.send(debtor, there.bank, beneficiary, 600)).state == "completed"
        # What is settled and not yet on the shared ledger counts, too.
        refused = await here.bank.send(debtor, there.bank, beneficiary, 401)
        assert (refused.state, refused.refusal) == ("aborted", "exceeds_credit_line")
        assert await here.bank.balance(debtor) == (9_400, 0)
        assert (await here.bank.send(debtor, there.bank, beneficiary, 400)).state == "completed"
        await here.work()
        await there.work(2)
        assert await states(there) == {("agreed", "agreed")}
        assert (await here.bank.send(debtor, there.bank, beneficiary, 1)).refusal == "exceeds_credit_line"
    finally:
        await there.chain.call("SetLimit", BANK, term={"asset": "EUR", "value": "", "salt": "02" * 32})


@pytest.mark.every_postgres
async def test_debt_that_was_just_agreed_counts_once_against_the_limit(
    banks: tuple[BankOnChannel, BankOnChannel],
) -> None:
    here, there = banks
    owed = int((await here.chain.read("GetTerms", PARTNER))["debts"].get(BANK, {}).get("EUR", "0"))
    await pay(here, there, 600)
    limit = {"asset": "EUR", "value": str(owed + 1_000), "salt": "02" * 32}
    await there.chain.call("SetLimit", BANK, term=limit)
    await here.work()
    await there.work()
    here.bank.clock.ahead += timedelta(seconds=2)  # terms that were read before the limit are not used any more
    assert there.bank.credit is not None
    assert [await there.bank.credit(BANK, "EUR", amount) for amount in (400, 401)] == ["", "exceeds_credit_line"]
    await there.chain.call("SetLimit", BANK, term={**limit, "value": ""})


@pytest.mark.parametrize("seed", range(10))
async def test_whatever_is_lost_in_between_each_payment_is_one_obligation_in_the_end(
    banks: tuple[BankOnChannel, BankOnChannel], seed: int
) -> None:
    """Transactions are lost before and after they commit, and processes die, as the seed says."""
    chance = random.Random(seed)

    def trouble(name: str) -> None:
        happens = chance.random()
        if happens < 0.15:
            raise Crash
        if happens < 0.4:
            raise CommitStatusError(f"{name}: the connection broke", "", 14)

    here, there = banks
    await pay(here, there, *(chance.randint(1, 100_000) for _ in range(3)))
    await pay(there, here, chance.randint(1, 100_000))
    for _ in range(8):
        for side in chance.sample(banks, 2):
            side.gateway.before = side.gateway.after = trouble
            try:
                await side.work()
            except Crash:
                await side.stop()
                await side.start()
    for side in (here, there, here, there, here):
        side.gateway.before = side.gateway.after = lambda function: None
        await side.work()
    assert await states(here, there) == {("agreed", "agreed")}
    records = await here.chain.records([row.obligation_id or "" for row in await here.rows()])
    assert len(records) == 4
    for record in records.values():
        assert [step["state"] for step in record["steps"]] == ["proposed", "agreed"]
        assert [len(said) for said in record["bookings"].values()] == [1, 1]
