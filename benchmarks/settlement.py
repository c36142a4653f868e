"""How long a payment between two banks takes, and how many a second they settle while everything is anchored.

Counted at the paying bank's own service: from the order to the reply that says the beneficiary has been credited, with
both banks' books, signatures, evidence and anchoring as ``up`` runs them. First one payment after another, then as many
at a time as there are payers; at the end every entry is anchored and both banks' positions agree.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

from benchmarks.consortium import Running, cpu_ms_each, running_consortium, shown_cpu_ms, wait_until_anchored
from benchmarks.measure import Result, latency_ms
from network.errors import RpcError
from node.own_node import LEDGER, SETTLEMENT, OwnNode, ledger_pb2, partner_pb2

SECONDS = 600.0
"""Of the sustained load."""

ALONE_SECONDS_MAX = 30.0
PAYERS = 16
CONNECTIONS = 4
FUNDS_MINOR = 10**12


def run(seconds: float = SECONDS) -> Result:
    """Measure on a consortium of its own.

    Args:
        seconds: of the sustained load.
    """
    result = Result("settlement", "Payments between two banks, from the order to the beneficiary's credit")
    with running_consortium() as running:
        asyncio.run(_measure(running, result, seconds))
    return result


async def _measure(running: Running, result: Result, seconds: float) -> None:
    partner = next(one for one in running.consortium.organizations[1:] if one.role == "bank")
    async with AsyncExitStack() as connections:
        banks = [await connections.enter_async_context(running.node()) for _ in range(CONNECTIONS)]
        payee = await connections.enter_async_context(running.node(partner))
        await _open(banks[0], payee)
        # The first payments open accounts between the banks and agree on a version.
        await _load(banks, partner.msp_id, 1, 1.0)
        for payers, lasting_s in ((1, min(ALONE_SECONDS_MAX, seconds)), (PAYERS, seconds)):
            before = running.cpu_s()
            took_s, states, elapsed_s = await _load(banks, partner.msp_id, payers, lasting_s)
            cpu_ms = cpu_ms_each(before, running.cpu_s(), len(took_s))
            result.rows.append(
                {
                    "payers": payers,
                    "settlements": len(took_s),
                    "settlements_per_s": round(len(took_s) / elapsed_s, 1),
                    **latency_ms(took_s),
                    "not_completed": sum(states.values()) - states["completed"],
                    "consortium_cpu_ms": cpu_ms["total"],
                    "cpu_ms_by_process": shown_cpu_ms(cpu_ms),
                }
            )
        began_s = time.perf_counter()
        await wait_until_anchored(running, await _newest_seq(banks[0]))
        result.rows[-1]["anchored_after_s"] = round(time.perf_counter() - began_s, 2)
        await _assert_positions_agree(banks[0])


async def _open(bank: OwnNode, payee: OwnNode) -> None:
    for node, account, side, floor in (
        (bank, "cust-payer", ledger_pb2.SIDE_CREDIT, "0"),
        (bank, "cash-EUR", ledger_pb2.SIDE_DEBIT, ""),
        (payee, "cust-payee", ledger_pb2.SIDE_CREDIT, "0"),
    ):
        request = ledger_pb2.OpenAccountRequest(account=account, asset="EUR", normal_side=side, floor_minor=floor)
        await node.call(LEDGER, "OpenAccount", request, ledger_pb2.OpenAccountResponse)
    entry = ledger_pb2.NewEntry(idempotency_key=str(uuid.uuid4()))
    entry.postings.add(account="cash-EUR", side=ledger_pb2.SIDE_DEBIT, amount_minor=str(FUNDS_MINOR))
    entry.postings.add(account="cust-payer", side=ledger_pb2.SIDE_CREDIT, amount_minor=str(FUNDS_MINOR))
    reply = await bank.call(
        LEDGER, "PostEntries", ledger_pb2.PostEntriesRequest(entries=[entry]), ledger_pb2.PostEntriesResponse
    )
    if reply.results[0].code != "posted":
        raise RuntimeError(f"the payer's funds were refused: {reply.results[0].code}")


async def _load(
    banks: list[OwnNode], partner: str, payers: int, lasting_s: float
) -> tuple[list[float], Counter[str], float]:
    """Pay for a while; return how long each completed payment took, all states, and the time of the whole."""
    took_s: list[float] = []
    states: Counter[str] = Counter()
    began_s = time.perf_counter()

    async def pay_on(bank: OwnNode) -> None:
        while time.perf_counter() - began_s < lasting_s:
            ordered_s = time.perf_counter()
            try:
                state = await _pay(bank, partner)
            except RpcError as error:
                state = f"error {error.code}"
            states[state] += 1
            if state == "completed":
                took_s.append(time.perf_counter() - ordered_s)

    await asyncio.gather(*(pay_on(banks[number % len(banks)]) for number in range(payers)))
    return took_s, states, time.perf_counter() - began_s


async def _pay(bank: OwnNode, partner: str) -> str:
    request = partner_pb2.SendPaymentRequest(
        payment_id=str(uuid.uuid4()),
        debtor_account="cust-payer",
        receiver_msp_id=partner,
        beneficiary_account="cust-payee",
        asset="EUR",
        amount_minor="100",
    )
    return (await bank.call(SETTLEMENT, "SendPayment", request, partner_pb2.SendPaymentResponse)).payment.state


async def _newest_seq(bank: OwnNode) -> int:
    request = ledger_pb2.GetStatementRequest(account="cust-payer", page_size=1)
    reply = await bank.call(LEDGER, "GetStatement", request, ledger_pb2.GetStatementResponse)
    return int(reply.lines[0].seq)


async def _assert_positions_agree(bank: OwnNode) -> None:
    deadline_s = time.perf_counter() + 60
    while True:
        reply: Any = await bank.call(
            SETTLEMENT, "ComparePositions", partner_pb2.ComparePositionsRequest(), partner_pb2.ComparePositionsResponse
        )
        if reply.comparisons and all(row.agree for row in reply.comparisons):
            return
        if time.perf_counter() > deadline_s:
            raise RuntimeError(f"the banks' positions do not agree: {reply.comparisons}")
        await asyncio.sleep(0.5)
