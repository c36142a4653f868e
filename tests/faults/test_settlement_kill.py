"""Real processes are killed while a payment between two banks is under way, the orderer among them; it ends by itself.

Method: a consortium of real processes; for each kill a payment through the bank's node, and SIGKILL of a bank's node,
its database or the orderer at a moment drawn from a seed. The supervisor starts the process again, nobody else does
anything. ``DWAYBANK_FAULT_SEED`` repeats a run, ``DWAYBANK_SETTLEMENT_KILLS`` sets its length.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import signal
import time
import uuid
from collections import Counter

import psycopg
import pytest

from network.errors import RpcError
from network.rpc import StatusCode
from network.topology import Organization
from node.own_node import SETTLEMENT, partner_pb2
from tests.support.consortium import RunningConsortium, eventually, listens, own_consortium, process_is_alive

pytestmark = pytest.mark.faults

SEED = int(os.environ.get("DWAYBANK_FAULT_SEED", secrets.randbelow(2**32)))
KILLS = int(os.environ.get("DWAYBANK_SETTLEMENT_KILLS", 25))
VICTIMS = ("dwaybank-node", "partner-node", "dwaybank-postgres", "partner-postgres", "orderer")
BOUND_S = 120.0
"""From the kill to the end on both sides, the start of the killed process included."""

LEAD_MAX_S = 0.08
"""A payment takes some 20 ms: a kill comes before its end about as often as after it."""

BEGAN, AMOUNT = 1_000_000, 700


def test_payment_under_way_ends_on_both_sides_whichever_process_is_killed() -> None:
    print(f"seed {SEED}, {KILLS} kills")
    with own_consortium() as consortium:
        asyncio.run(_kill_again_and_again(consortium))


async def _kill_again_and_again(consortium: RunningConsortium) -> None:
    chosen = random.Random(SEED)
    bank, partner = consortium.bank, consortium.partner
    debtor, beneficiary = f"cust-{uuid.uuid4().hex}", f"cust-{uuid.uuid4().hex}"
    await consortium.open_account(bank, debtor)
    await consortium.open_account(partner, beneficiary)
    await consortium.deposit(bank, debtor, BEGAN)
    ends, took, paid = Counter[str](), list[float](), 0
    for number in range(KILLS):
        victim = VICTIMS[number % len(VICTIMS)]
        payment_id = str(uuid.uuid4())
        order = asyncio.create_task(_order(consortium, payment_id, debtor, beneficiary))
        await asyncio.sleep(chosen.random() * LEAD_MAX_S)
        before = consortium.processes()[victim]
        os.kill(before["pid"], signal.SIGKILL)
        killed_at_s = time.monotonic()
        with contextlib.suppress(RpcError):
            await order
        state = await _ended(consortium, payment_id, debtor, beneficiary)
        took.append(time.monotonic() - killed_at_s)
        ends[state] += 1
        paid += AMOUNT if state == "completed" else 0
        await _all_up(consortium, victim, before["pid"])
    print(f"ended: {dict(ends)}; {max(took):.1f} s at most from the kill to the end on both sides")
    await _assert_money(consortium, {debtor: BEGAN - paid, beneficiary: paid})


async def _order(consortium: RunningConsortium, payment_id: str, debtor: str, beneficiary: str) -> partner_pb2.Payment:
    request = partner_pb2.SendPaymentRequest(
        payment_id=payment_id,
        debtor_account=debtor,
        receiver_msp_id=consortium.partner.msp_id,
        beneficiary_account=beneficiary,
        asset="EUR",
        amount_minor=str(AMOUNT),
    )
    async with consortium.node(consortium.bank) as node:
        return (await node.call(SETTLEMENT, "SendPayment", request, partner_pb2.SendPaymentResponse)).payment


async def _ended(consortium: RunningConsortium, payment_id: str, debtor: str, beneficiary: str) -> str:
    """Return the payment's end once both sides know it; what was lost before it was written down is ordered again."""

    async def ended() -> str:
        request = partner_pb2.GetPaymentRequest(payment_id=payment_id)
        async with consortium.node(consortium.bank) as node:
            try:
                reply = await node.call(SETTLEMENT, "GetPayment", request, partner_pb2.GetPaymentResponse)
                payment = reply.payment
            except RpcError as error:
                if error.code != StatusCode.NOT_FOUND:
                    raise
                payment = await _order(consortium, payment_id, debtor, beneficiary)
        if payment.state not in ("completed", "returned", "aborted", "expired"):
            return ""
        return payment.state if _receiver_ended(consortium, payment_id) else ""

    return str(await eventually(ended, f"payment {payment_id} ended on both sides", BOUND_S))


def _receiver_ended(consortium: RunningConsortium, payment_id: str) -> bool:
    try:
        with consortium.superuser(consortium.partner) as connection:
            row = connection.execute(
                "SELECT state FROM partner.incoming WHERE settlement_id = %s", (payment_id,)
            ).fetchone()
    except psycopg.OperationalError:
        # Its database is the one that was killed.
        return False
    return row is None or row[0] != "prepared"


async def _all_up(consortium: RunningConsortium, victim: str, old_pid: int) -> None:
    """Wait until every process runs again, one that ended with its database too."""

    async def up() -> bool:
        rows = consortium.processes()
        if rows[victim]["pid"] == old_pid:
            return False
        return all(row["pid"] and process_is_alive(row["pid"]) and listens(row["port"]) for row in rows.values())

    await eventually(up, f"{victim} and whatever ended with it run again", BOUND_S)


async def _assert_money(consortium: RunningConsortium, expected: dict[str, int]) -> None:
    for bank, (account, balance) in zip((consortium.bank, consortium.partner), expected.items(), strict=True):
        found = await consortium.account(bank, account)
        assert (int(found.balance_minor), int(found.held_minor)) == (balance, 0)

        async def agree(bank: Organization = bank) -> bool:
            rows = await consortium.compare_positions(bank)
            return bool(rows) and all(row.agree for row in rows)

        await eventually(agree, "both banks' positions agree", BOUND_S)
    await consortium.settled(BOUND_S)
    for bank in (consortium.bank, consortium.partner):

        async def on_chain(bank: Organization = bank) -> bool:
            with consortium.superuser(bank) as connection:
                row = connection.execute("SELECT bool_and(books = 'agreed') FROM partner.obligation").fetchone()
            return row is not None and bool(row[0])

        await eventually(on_chain, f"{bank.name}: the shared ledger says that both banks booked the same", BOUND_S)
