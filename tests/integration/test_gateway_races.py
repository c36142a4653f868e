"""Requests of one customer that meet at the gateway: whatever the order of answers, what stands is what is told.

Method: the whole application on a real PostgreSQL and a node served over the real transport that answers as slowly as
the test wants; the gateway's records alone, where two gateways share them.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, create_engine, text

from gateway.auth.sessions import FAILURES_PER_SENDER_MAX
from gateway.errors import UnavailableError
from gateway.migrate import migrate
from gateway.order_locks import OrderLocks
from gateway.routes.accounts import ACCOUNTS_PER_CUSTOMER_MAX
from gateway.store import Customer, OwnAccount, Store, Transfer
from tests.support.gateway_client import PASSWORD, Clock, CustomerAgent, gateway_config, running_gateway
from tests.support.node_in_memory import NodeInMemory

NOW = datetime(2026, 11, 30, tzinfo=UTC)


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


async def test_order_refused_by_one_gateway_is_not_posted_by_another_of_the_same_records(
    client: httpx.AsyncClient, database_url: str, node: NodeInMemory, tmp_path: Path
) -> None:
    maria = await CustomerAgent(client, "maria@example.org").sign_up()
    here, there = await maria.open_account(), await maria.open_account()
    key = str(uuid.uuid4())
    arrived = asyncio.Event()
    node.fault = lambda method: arrived.set() if method.endswith("/PostEntries") else None
    node.pause_s = 0.5
    config = gateway_config(tmp_path, database_url, node.address)
    async with running_gateway(config, Clock()) as (_, elsewhere):
        first = asyncio.create_task(maria.pay(here, there, "100", key))
        await arrived.wait()
        node.pause_s = 1.0
        maria.client = elsewhere
        second = asyncio.create_task(maria.pay(here, there, "100", key))
        assert (await first).json()["code"] == "exceeds_available"
        node.deposit(here, 1_000)
        assert ((await second).status_code, (await second).json()["code"]) == (422, "exceeds_available")
    assert node.accounts[here].balance == 1_000, "told by one gateway that it was refused, and paid by the other"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://", 1))
    yield made
    made.dispose()


async def test_order_that_another_gateway_carries_out_is_waited_for_and_free_when_that_gateway_is_gone(
    engine: Engine,
) -> None:
    here, there = OrderLocks(engine, patience_s=30), OrderLocks(engine, patience_s=0.2)
    order, other = uuid.uuid4(), uuid.uuid4()
    async with here.hold(order):
        async with there.hold(other):
            with pytest.raises(UnavailableError, match="under way"):
                async with there.hold(order):
                    pytest.fail("two gateways carry one order out")
        here.close()
        async with there.hold(order):
            pass
    there.close()


async def test_locks_outlive_a_session_that_the_server_ended(engine: Engine) -> None:
    here, there = OrderLocks(engine, patience_s=30), OrderLocks(engine, patience_s=0.2)
    order = uuid.uuid4()
    async with here.hold(order):
        pass
    with engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    async with here.hold(order):
        with pytest.raises(UnavailableError):
            async with there.hold(order):
                pytest.fail("two gateways carry one order out")
    here.close()
    there.close()


async def test_many_guesses_of_a_password_at_once_are_no_more_than_one_after_the_other(
    client: httpx.AsyncClient,
) -> None:
    maria = await CustomerAgent(client, "maria@example.org").sign_up()
    guesses = [{"email": maria.email, "password": f"wrong password {number}"} for number in range(50)]
    answers = await asyncio.gather(*(client.post("/v1/auth/login", json=guess) for guess in guesses))
    told = Counter(answer.status_code for answer in answers)
    assert told[401] <= FAILURES_PER_SENDER_MAX and told[401] + told[429] == 50
    right = await client.post("/v1/auth/login", json={"email": maria.email, "password": PASSWORD})
    assert right.status_code == 429


async def test_a_request_to_open_an_account_sent_again_and_at_once_opens_one(
    client: httpx.AsyncClient, node: NodeInMemory
) -> None:
    maria, tomas = [await CustomerAgent(client, f"{name}@example.org").sign_up() for name in ("maria", "tomas")]
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"asset": "EUR", "label": "Household"}
    node.pause_s = 0.2
    at_once = await asyncio.gather(*(maria.post("/v1/accounts", body, **key) for _ in range(4)))
    node.pause_s = 0.0
    again = await maria.post("/v1/accounts", body, **key)
    assert {answer.status_code for answer in (*at_once, again)} == {201}
    assert len({answer.json()["account"] for answer in (*at_once, again)}) == 1
    (listed,) = (await maria.get("/v1/accounts")).json()["accounts"]
    assert listed == again.json()

    other = await maria.post("/v1/accounts", body | {"label": "Holidays"}, **key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    # Another's key is nobody's business, and who sends none opens as many as he says.
    assert (await tomas.post("/v1/accounts", body, **key)).json()["account"] != listed["account"]
    for _ in range(ACCOUNTS_PER_CUSTOMER_MAX - 1):
        assert (await maria.post("/v1/accounts", body)).status_code == 201
    assert (await maria.post("/v1/accounts", body, **key)).json() == listed
    assert (await maria.post("/v1/accounts", body)).json()["code"] == "account_limit"
    refused = await maria.post("/v1/accounts", body, **{"Idempotency-Key": "once"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "header.Idempotency-Key")


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
    engine: Engine, before: str, late: str, stands: str
) -> None:
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
