"""A customer's own transfers as a list: newest first, in pages, nobody else's, those under way as they stand now.

Method: as in ``test_gateway.py``.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import pytest

from network.errors import RpcError
from network.rpc import StatusCode
from tests.support.gateway_client import Clock, CustomerAgent
from tests.support.node_in_memory import NodeInMemory


async def _payer(client: httpx.AsyncClient, node: NodeInMemory, name: str) -> tuple[CustomerAgent, str, str]:
    agent = await CustomerAgent(client, f"{name}@example.org").sign_up()
    here, there = await agent.open_account(), await agent.open_account()
    node.deposit(here, 10_000)
    return agent, here, there


async def _listed(agent: CustomerAgent, query: str = "") -> list[dict[str, Any]]:
    answer = await agent.get(f"/v1/transfers{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["transfers"])


async def test_own_transfers_are_listed_newest_first_in_pages_and_nobody_elses(
    client: httpx.AsyncClient, node: NodeInMemory, clock: Clock
) -> None:
    maria, here, there = await _payer(client, node, "maria")
    tomas, his, other = await _payer(client, node, "tomas")
    assert await _listed(maria) == []
    for second, amount in enumerate(("1", "2", "3", "4")):
        clock.ahead = timedelta(seconds=second)
        assert (await maria.pay(here, there, amount, description=f"No. {amount}")).status_code == 201
        assert (await tomas.pay(his, other, "77")).status_code == 201
    assert (await maria.pay(here, there, "99999")).status_code == 422
    listed = await _listed(maria)
    assert [(each["amount_minor"], each["state"], each["refusal_code"]) for each in listed] == [
        ("99999", "refused", "exceeds_available"),
        *((amount, "posted", None) for amount in ("4", "3", "2", "1")),
    ]
    one = (await maria.get(f"/v1/transfers/{listed[1]['transfer_id']}")).json()
    assert one.pop("entry_state") == "posted"
    assert one == listed[1]

    pages, token = [], ""
    for _ in range(4):
        page = (await maria.get(f"/v1/transfers?page_size=2&page_token={token}")).json()
        pages.append([each["amount_minor"] for each in page["transfers"]])
        # What is ordered meanwhile moves nothing on the pages behind.
        assert (await maria.pay(here, there, "5")).status_code == 201
        if not (token := page["next_page_token"]):
            break
    assert pages == [["99999", "4"], ["3", "2"], ["1"]]


async def test_a_transfer_that_was_posted_for_a_gateway_killed_before_it_noted_so_is_told_as_posted(
    client: httpx.AsyncClient, node: NodeInMemory
) -> None:
    maria, here, there = await _payer(client, node, "maria")
    keys = [str(uuid.uuid4()) for _ in range(3)]
    node.silent_commits = 1
    assert (await maria.pay(here, there, "1", keys[0])).status_code == 503
    node.fault = partial(_silent, "/PostEntries")
    assert (await maria.pay(here, there, "2", keys[1])).status_code == 503
    node.fault = lambda path: None
    # Whoever lost his key learns what became of his money; what the books never heard of is to be sent again.
    never, posted = await _listed(maria)
    assert (posted["amount_minor"], posted["state"], posted["seq"]) == ("1", "posted", 1)
    assert (never["amount_minor"], never["state"], never["seq"]) == ("2", "received", None)
    assert posted["decision"] == "automated_approval"
    repeated = await maria.pay(here, there, "1", keys[0])
    assert (repeated.status_code, repeated.json()["transfer_id"]) == (201, posted["transfer_id"])
    assert node.accounts[here].balance == 9_999

    node.silent_commits = 1
    assert (await maria.pay(here, there, "3", keys[2])).status_code == 503
    node.fault = partial(_archived, "/GetEntry")
    assert [each["state"] for each in await _listed(maria)] == ["received", "received", "posted"]
    node.fault = lambda path: None
    one = await maria.get(f"/v1/transfers/{(await _listed(maria))[0]['transfer_id']}")
    assert (one.json()["state"], one.json()["entry_state"]) == ("posted", "posted")


def _silent(method: str, path: str) -> None:
    if path.endswith(method):
        raise RpcError(StatusCode.UNAVAILABLE, "killed")


def _archived(method: str, path: str) -> None:
    if path.endswith(method):
        raise RpcError(StatusCode.OUT_OF_RANGE, "entry: archived in a.jsonl")


async def test_a_page_that_ends_among_transfers_of_one_moment_loses_none(
    client: httpx.AsyncClient, node: NodeInMemory, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    maria, here, there = await _payer(client, node, "maria")
    moment = clock()
    monkeypatch.setattr(Clock, "__call__", lambda clock: moment)
    for _ in range(5):
        assert (await maria.pay(here, there, "1")).status_code == 201
    found, token = [], ""
    while True:
        page = (await maria.get(f"/v1/transfers?page_size=2&page_token={token}")).json()
        found += [each["transfer_id"] for each in page["transfers"]]
        if not (token := page["next_page_token"]):
            break
    assert len(found) == len(set(found)) == 5


async def test_payments_under_way_are_listed_as_they_stand_now(client: httpx.AsyncClient, node: NodeInMemory) -> None:
    maria, here, _ = await _payer(client, node, "maria")
    node.payment_state = "held"
    sent = await maria.pay(here, "DE-4711", "100", creditor_bank="PartnerMSP")
    assert [each["state"] for each in await _listed(maria)] == ["held"]
    node.payments[sent.json()["transfer_id"]].state = "completed"
    node.payments[sent.json()["transfer_id"]].seq = 12
    (listed,) = await _listed(maria)
    assert (listed["state"], listed["seq"], listed["creditor_bank"]) == ("completed", 12, "PartnerMSP")

    def silence(method: str) -> None:
        raise RpcError(StatusCode.UNAVAILABLE, "killed")

    node.fault = silence
    assert [each["state"] for each in await _listed(maria)] == ["completed"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page_size=0", "page_size"),
        ("page_size=201", "page_size"),
        ("page_token=x", "page_token"),
        (f"page_token=1.{'g' * 32}", "page_token"),
        (f"page_token={'9' * 17}.{'a' * 32}", "page_token"),
    ],
)
async def test_a_page_that_cannot_be_is_refused_by_its_field(
    client: httpx.AsyncClient, node: NodeInMemory, query: str, field: str
) -> None:
    maria, _, _ = await _payer(client, node, "maria")
    answer = await maria.get(f"/v1/transfers?{query}")
    assert answer.status_code == 422
    assert field in answer.text


async def test_a_list_is_for_who_is_signed_in(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/transfers")).status_code == 401
