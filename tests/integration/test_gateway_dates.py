"""Who dates a customer's transfer: the node, by the books' clock, whatever the gateway's own clock says.

Method: the gateway's whole application, and calls of its certificate, on the node's own service over mutual TLS with
real books; the gateway's clock is set ahead, or an older gateway's call is sent by hand.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from gateway.config import GatewayConfig
from gateway.store import Transfer
from gateway.transfers import TransferOrder
from ledger.account import Side
from ledger.journal import NewEntry, Posting
from network.pb.dwaybank.ledger.v1 import ledger_pb2 as pb
from network.rpc import StatusCode
from node.books.books import Books
from node.books.clock import LEAP_MAX
from node.books.ledger_service import SERVICE, LedgerService
from tests.support import gateway_client
from tests.support.books import Clock, key
from tests.support.gateway_client import CustomerAgent, gateway_config, running_gateway
from tests.support.own_service import Port, open_books, open_port

AHEAD = timedelta(days=10)
CASH = "cash"


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[Books]:
    async with open_books(database_url, Clock()) as opened:
        await opened.open_account(CASH, "EUR", Side.DEBIT, None)
        yield opened


@pytest.fixture
async def port(books: Books) -> AsyncIterator[Port]:
    async with open_port(lambda members: [LedgerService(books, members)]) as opened:
        yield opened


@pytest.fixture
def config(tmp_path: Path, database_url: str, port: Port) -> GatewayConfig:
    tls = port.tls("OwnMSP", "service:gateway")
    files = {"roots": tls.roots_pem, "certificate": tls.certificate_pem, "key": tls.key_pem}
    for name, content in files.items():
        assert content is not None
        (tmp_path / name).write_bytes(content)
    return gateway_config(tmp_path, database_url, port.address, tls={name: tmp_path / name for name in files})


async def _funded(client: httpx.AsyncClient, books: Books) -> tuple[CustomerAgent, str, str]:
    maria = await CustomerAgent(client, "maria@example.org").sign_up()
    here, there = await maria.open_account(), await maria.open_account()
    await books.post(NewEntry(key(1), (Posting(CASH, Side.DEBIT, 900), Posting(here, Side.CREDIT, 900))))
    return maria, here, there


async def test_transfer_through_a_gateway_whose_clock_leapt_is_dated_by_the_node(
    config: GatewayConfig, books: Books
) -> None:
    clock = gateway_client.Clock()
    clock.ahead = AHEAD
    async with running_gateway(config, clock) as (_, client):
        maria, here, there = await _funded(client, books)
        paid = await maria.pay(here, there, "100")
        assert paid.status_code == 201, paid.text
    entry = await books.find_entry(paid.json()["seq"])
    assert entry is not None
    assert entry.effective_at == entry.posted_at


async def test_gateway_may_not_date_ahead_of_the_books_clock_and_others_may(port: Port, books: Books) -> None:
    gateway, operator = port.client(SERVICE, "OwnMSP", "service:gateway"), port.client(SERVICE)
    await books.open_account("alice", "EUR", Side.CREDIT, 0)
    now = books.now()
    request = pb.PostEntriesRequest(entries=[_deposit(1, "alice"), _deposit(2, "alice")])
    request.entries[1].effective_at.FromDatetime(now + AHEAD)
    code, message = await gateway.refusal("PostEntries", request)
    assert code is StatusCode.INVALID_ARGUMENT
    assert "entries[1].effective_at" in message
    assert (now + AHEAD).isoformat()[:10] in message
    assert "leave it out" in message
    assert await books.find_entry(key(1)) is None

    request.entries[1].effective_at.FromDatetime(now + LEAP_MAX / 2)
    answers = await gateway.ask("PostEntries", request, pb.PostEntriesResponse)
    assert [result.code for result in answers.results] == ["posted", "posted"]
    later = _deposit(3, "alice")
    later.effective_at.FromDatetime(now + AHEAD)
    answers = await operator.ask("PostEntries", pb.PostEntriesRequest(entries=[later]), pb.PostEntriesResponse)
    assert [result.code for result in answers.results] == ["posted"]


async def test_order_that_an_older_gateway_posted_with_its_own_date_is_found_and_not_refused(
    config: GatewayConfig, books: Books
) -> None:
    async with running_gateway(config) as (app, client):
        maria, here, there = await _funded(client, books)
        order = TransferOrder(here, there, None, "EUR", 100, "")
        ordered = Transfer(
            transfer_id=uuid.uuid4(),
            customer_id=uuid.UUID((await maria.get("/v1/auth/me")).json()["customer_id"]),
            idempotency_key=uuid.uuid4(),
            request_digest=order.digest(),
            debtor_account=here,
            creditor_account=there,
            partner_msp_id=None,
            asset="EUR",
            amount_minor=100,
            description="",
            created_at=books.now() - timedelta(hours=1),
        )
        app.state.services.store.claim_transfer(ordered)
        legs = Posting(here, Side.DEBIT, 100), Posting(there, Side.CREDIT, 100)
        posted = await books.post(NewEntry(ordered.transfer_id, legs, ordered.created_at))
        again = await maria.pay(here, there, "100", str(ordered.idempotency_key))
    assert (again.status_code, again.json()["state"], again.json()["seq"]) == (201, "posted", posted.seq)


def _deposit(number: int, account: str) -> pb.NewEntry:
    return pb.NewEntry(
        idempotency_key=str(key(number)),
        postings=[
            pb.Posting(account=CASH, side=pb.SIDE_DEBIT, amount_minor="100"),
            pb.Posting(account=account, side=pb.SIDE_CREDIT, amount_minor="100"),
        ],
    )
