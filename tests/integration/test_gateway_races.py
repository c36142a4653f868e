"""Requests of one customer that meet at the gateway: whatever the order of answers, what stands is what is told.

Method: the whole application on a real PostgreSQL and a node served over the real transport that answers as slowly as
the test wants; the gateway's records alone, where two gateways share them.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine

from gateway.migrate import migrate
from gateway.routes.accounts import ACCOUNTS_PER_CUSTOMER_MAX
from gateway.store import Customer, OwnAccount, Store, Transfer
from tests.support.gateway_client import Clock, CustomerAgent, gateway_config, running_gateway
from tests.support.node_in_memory import NodeInMemory

NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.fixture
async def node() -> AsyncIterator[NodeInMemory]:
    served = NodeInMemory()
    served.address = await served.start()  # type: ignore[attr-defined]
    yield served
    await served.stop()


@pytest.fixture
async def client(database_url: str, node: NodeInMemory, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    config = gateway_config(tmp_path, database_url, node.address)  # type: ignore[attr-defined]
    async with running_gateway(config, Clock()) as (_, http):
        yield http


async def test_order_refused_to_one_request_is_not_posted_for_another_one_under_way(
    client: httpx.AsyncClient, node: NodeInMemory
) -> None:
    maria = await CustomerAgent(client, "maria@example.org").sign_up()
    here, there = await maria.open_account(), await maria.open_account()
    key = str(uuid.uuid4())
    arrived = asyncio.Event()
    node.fault = lambda method: arrived.set() if method.endswith("/PostEntries") else None
    node.pause_s = 0.5
    first = asyncio.create_task(maria.pay(here, there, "100", key))
    await arrived.wait()
    node.pause_s = 1.0
    second = asyncio.create_task(maria.pay(here, there, "100", key))
    assert (await first).json()["code"] == "exceeds_available"
    node.deposit(here, 1_000)
    assert ((await second).status_code, (await second).json()["code"]) == (422, "exceeds_available")
    assert node.accounts[here].balance == 1_000, "told twice that it was refused, and paid"


async def test_accounts_opened_at_once_stay_within_the_limit(client: httpx.AsyncClient) -> None:
    maria = await CustomerAgent(client, "maria@example.org").sign_up()
    many = range(ACCOUNTS_PER_CUSTOMER_MAX + 5)
    answers = await asyncio.gather(*(maria.post("/v1/accounts", {"asset": "EUR"}) for _ in many))
    codes = [answer.json().get("code") for answer in answers if answer.status_code != 201]
    assert codes == ["account_limit"] * 5
    assert len((await maria.get("/v1/accounts")).json()["accounts"]) == ACCOUNTS_PER_CUSTOMER_MAX


def _claimed(store: Store) -> Transfer:
    customer = Customer(uuid.uuid4(), "maria@example.org", "Maria", "-", "active")
    store.add_customer(customer, NOW)
    store.add_account(OwnAccount("cust-a", customer.customer_id, "EUR", "", NOW), 1)
    return store.claim_transfer(
        Transfer(
            transfer_id=uuid.uuid4(),
            customer_id=customer.customer_id,
            idempotency_key=uuid.uuid4(),
            request_digest=bytes(32),
            debtor_account="cust-a",
            creditor_account="cust-b",
            partner_msp_id=None,
            asset="EUR",
            amount_minor=100,
            description="",
            created_at=NOW,
        )
    )


@pytest.mark.parametrize(
    ("before", "late", "stands"),
    [
        ("posted", "refused", "posted"),
        ("refused", "posted", "posted"),
        ("completed", "captured", "completed"),
        ("returned", "held", "returned"),
        ("held", "captured", "captured"),
    ],
)
def test_answer_of_the_node_that_comes_late_takes_nothing_back(
    database_url: str, before: str, late: str, stands: str
) -> None:
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        migrate(engine)
        store = Store(engine)
        claimed = _claimed(store)

        def answered(state: str) -> Transfer:
            refusal = "exceeds_available" if state == "refused" else None
            seq = None if state in ("refused", "held") else 7
            return replace(claimed, state=state, seq=seq, refusal_code=refusal, refusal_message=refusal)

        store.record_outcome(answered(before))
        assert store.record_outcome(answered(late)) == answered(stands)
        assert store.transfer(claimed.customer_id, claimed.transfer_id) == answered(stands)
    finally:
        engine.dispose()
