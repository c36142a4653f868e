"""Aim: two banks' nodes take a netting cycle from its opening to their books by themselves; a crash around any step
changes nothing, a bank that cannot stand by its net does not confirm, and a cycle that fails leaves all as it was.

Method: real books of two banks in PostgreSQL, a channel of three real peers, and a clock that tests move. The channel
takes its time from the same clock.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from network.errors import GatewayError
from node.partner.obligation_chain import time_text
from node.postgres import PostgresCluster
from tests.support.banks import Crash, once, two_banks
from tests.support.consortium_in_memory import BANK, PARTNER
from tests.support.obligations import BankOnChannel, settling_network
from tests.support.peer_network import PeerNetwork

pytestmark = pytest.mark.asyncio(loop_scope="module")

Both = tuple[BankOnChannel, BankOnChannel]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(
    postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PeerNetwork]:
    async with settling_network(postgres_cluster, tmp_path_factory.mktemp("netting"), "netted") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def banks(network: PeerNetwork, postgres_cluster: PostgresCluster) -> AsyncIterator[Both]:
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


async def opened(banks: Both, *, settle_s: int = 120) -> str:
    """Have payments both ways agreed, and open a cycle: 60 s to the cut-off."""
    here, there = banks
    await pay(here, there, 5_000, 700)
    await pay(there, here, 1_200)
    for _ in range(3):
        for side in banks:
            await side.work()
    cycle_id, now = secrets.token_hex(16), here.bank.clock()
    times = [time_text(now + timedelta(seconds=seconds)) for seconds in (60, 60 + settle_s)]
    await here.chain.call("OpenCycle", cycle_id, json.dumps([BANK, PARTNER]), *times)
    return cycle_id


async def rounds(*sides: BankOnChannel, count: int = 1) -> None:
    for _ in range(count):
        for side in sides:
            await side.netting.work_once()


async def gathered(banks: Both) -> str:
    """A cycle with three obligations whose cut-off is past."""
    cycle_id = await opened(banks)
    await rounds(*banks)
    banks[0].bank.clock.ahead += timedelta(seconds=61)
    return cycle_id


async def assert_netted(banks: Both, cycle_id: str) -> None:
    """4,500 was paid by the first bank, once; nothing is owed any more; nothing is left to do."""
    for side, paid in zip(banks, (-4_500, 4_500), strict=True):
        assert (await side.bank.balance("interbank-settlement-EUR"))[0] == paid
        partner = PARTNER if side.msp_id == BANK else BANK
        for kind in ("vostro", "nostro"):
            assert (await side.bank.balance(f"{kind}-{partner}-EUR"))[0] == 0
        assert (await side.cycles.known())[cycle_id].finished
        await side.work()
        assert {row.state for row in await side.rows()} == {"settled"}
        assert len(side.bank.entries(cycle_id)) == 3


async def test_cycle_goes_by_itself_from_the_gross_to_the_books(banks: Both) -> None:
    cycle_id = await gathered(banks)
    await rounds(*banks, count=4)
    cycle = await banks[0].chain.read("GetCycle", cycle_id)
    assert (cycle["state"], cycle["count"], sorted(cycle["confirmed"])) == ("settled", 3, [BANK, PARTNER])
    await assert_netted(banks, cycle_id)
    position = await banks[1].netting.position(cycle_id)
    assert position.net == {"EUR": -4_500}
    # A further round finds nothing to do.
    before = [list(side.gateway.submitted) for side in banks]
    await rounds(*banks)
    assert [side.gateway.submitted for side in banks] == before


@pytest.mark.parametrize("stage", ["before", "after"])
@pytest.mark.parametrize("step", ["AddToCycle", "CutOffCycle", "ConfirmPosition", "post", "FinishNetted"])
async def test_crash_around_a_step_nets_once(banks: Both, step: str, stage: str) -> None:
    cycle_id = await opened(banks)
    here = banks[0]
    place = here.bank.books if step == "post" else here.gateway
    setattr(place, stage, once(Crash(), step))
    crashed = 0
    for seconds in (0, 61, 0, 0, 0):
        here.bank.clock.ahead += timedelta(seconds=seconds)
        for side in banks:
            try:
                await side.netting.work_once()
            except Crash:
                crashed += 1
                await side.stop()
                await side.start()
                await side.netting.work_once()
    assert crashed == 1
    await assert_netted(banks, cycle_id)


async def test_bank_does_not_confirm_what_is_not_what_it_settled_and_the_cycle_fails_for_all(banks: Both) -> None:
    here, there = banks
    cycle_id = await gathered(banks)
    with psycopg.connect(there.bank.url, autocommit=True) as connection:
        connection.execute(b"SET session_replication_role = replica")
        connection.execute(b"UPDATE partner.obligation SET amount = amount - 1 WHERE amount = 5000")
    await rounds(*banks, count=3)
    note = (await there.cycles.known())[cycle_id].note
    assert note.startswith("NOT CONFIRMED: obligation"), note
    assert (await here.cycles.known())[cycle_id].note == f"waits for {PARTNER}"
    here.bank.clock.ahead += timedelta(seconds=121)
    await rounds(*banks, count=2)
    assert (await here.chain.read("GetCycle", cycle_id))["state"] == "failed"
    await here.work()
    assert {row.state for row in await here.rows()} == {"agreed"}
    assert here.bank.entries(cycle_id) == there.bank.entries(cycle_id) == []
    assert (await here.cycles.known())[cycle_id].note.endswith("given back")


async def test_obligation_the_bank_does_not_know_keeps_it_from_confirming(banks: Both) -> None:
    there = banks[1]
    cycle_id = await gathered(banks)
    with psycopg.connect(there.bank.url, autocommit=True) as connection:
        connection.execute(b"SET session_replication_role = replica")
        connection.execute(b"DELETE FROM partner.obligation WHERE amount = 700")
    await rounds(*banks, count=3)
    note = (await there.cycles.known())[cycle_id].note
    assert note == f"NOT CONFIRMED: 3 obligations with {BANK} are netted, of which 2 are known here"


async def test_what_a_person_must_look_at_is_told_once(banks: Both) -> None:
    there = banks[1]
    cycle_id = await gathered(banks)
    with psycopg.connect(there.bank.url, autocommit=True) as connection:
        connection.execute(b"SET session_replication_role = replica")
        connection.execute(b"DELETE FROM partner.obligation WHERE amount = 700")
    with capture_logs() as lines:
        await rounds(*banks, count=4)
    told = [line for line in lines if line["log_level"] == "error" and line.get("cycle_id") == cycle_id]
    assert [line["event"] for line in told] == ["netting.not_confirmed"]


async def test_cycle_is_booked_without_reading_what_earlier_ones_settled(banks: Both) -> None:
    here = banks[0]
    await assert_netted(banks, await _netted(banks))
    before = {row.obligation_id for row in await here.rows()}
    with psycopg.connect(here.bank.url, autocommit=True) as connection:
        connection.execute(b"SET session_replication_role = replica")
        connection.execute(b"UPDATE partner.obligation SET changed_at = changed_at - interval '2 hours'")
    asked: list[str] = []
    read = here.chain.records

    async def records(ids: Sequence[str]) -> dict[str, Any]:
        asked.extend(ids)
        return await read(ids)

    here.chain.records = records  # type: ignore[method-assign]
    cycle_id = await _netted(banks)
    assert (await here.cycles.known())[cycle_id].finished
    assert len(here.bank.entries(cycle_id)) == 3
    assert asked and not before & set(asked)


async def _netted(banks: Both) -> str:
    cycle_id = await gathered(banks)
    await rounds(*banks, count=4)
    for side in banks:
        await side.work()
    return cycle_id


@pytest.mark.parametrize(
    ("spoil", "mend", "note"),
    [
        ("UPDATE {} SET state = '' WHERE amount = 700", "UPDATE {} SET state = 'netting' WHERE amount = 700",
         "NOT BOOKED: 3 obligations with {partner} are netted, of which 2 are known here"),
        ("UPDATE {} SET amount = 4999 WHERE amount = 5000", "UPDATE {} SET amount = 5000 WHERE amount = 4999",
         "NOT BOOKED: obligation {id} is not what was settled here"),
    ],
)  # fmt: skip
@pytest.mark.every_postgres
async def test_net_of_less_than_was_confirmed_is_not_booked(banks: Both, spoil: str, mend: str, note: str) -> None:
    """As after a database that was restored from an older copy between the confirmation and the booking."""
    here, there = banks
    cycle_id = await gathered(banks)
    await rounds(*banks, count=2)
    await rounds(there)
    [row] = [row for row in await here.rows() if row.amount == 5000]
    with psycopg.connect(here.bank.url, autocommit=True) as connection:
        connection.execute(b"SET session_replication_role = replica")
        connection.execute(spoil.format("partner.obligation").encode())
        await rounds(*banks, count=2)
        known = (await here.cycles.known())[cycle_id]
        assert (known.finished, known.note) == (False, note.format(partner=PARTNER, id=row.obligation_id))
        assert here.bank.entries(cycle_id) == []
        connection.execute(mend.format("partner.obligation").encode())
    await rounds(*banks, count=2)
    await assert_netted(banks, cycle_id)


async def test_cycle_that_the_books_refuse_does_not_hold_the_others_up(banks: Both) -> None:
    here = banks[0]
    cycle_id = await gathered(banks)
    now = here.bank.clock()
    times = [time_text(now + timedelta(seconds=seconds)) for seconds in (1, 100)]
    await here.chain.call("OpenCycle", "f" * 32, json.dumps([BANK, PARTNER]), *times)
    here.bank.clock.ahead += timedelta(seconds=2)
    await here.bank.books.set_status(f"vostro-{PARTNER}-EUR", "frozen")
    await rounds(*banks, count=4)
    known = await here.cycles.known()
    assert known["f" * 32].finished and not known[cycle_id].finished
    assert "account_frozen" in known[cycle_id].note
    await here.bank.books.set_status(f"vostro-{PARTNER}-EUR", "open")
    await rounds(*banks, count=2)
    await assert_netted(banks, cycle_id)


async def test_disputed_obligation_stays_out_and_the_others_are_netted(banks: Both) -> None:
    here, there = banks
    cycle_id = await opened(banks)
    [row] = [row for row in await here.rows() if row.amount == 700]
    answer_by = time_text(here.bank.clock() + timedelta(hours=1))
    await there.chain.call(
        "OpenDispute", secrets.token_hex(16), row.obligation_id or "", "duplicate", "ab" * 32, answer_by
    )
    await rounds(*banks)
    cycle = await here.chain.read("GetCycle", cycle_id)
    assert [pair["count"] for pair in cycle["pairs"]] == [2]
    assert (await here.chain.read("GetObligation", row.obligation_id or ""))["state"] == "agreed"
    with pytest.raises(GatewayError, match="disputed"):
        await here.chain.call("AddToCycle", cycle_id, PARTNER, json.dumps([row.obligation_id]))
