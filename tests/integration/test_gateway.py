"""The gateway's journeys and refusals over HTTP, on a real PostgreSQL and a node served over the real transport.

Method: each test starts the whole application and acts as one or more customers; every answer's status, problem code
and effect on the books are looked at, not only that it failed.
"""

from __future__ import annotations

import asyncio
import ssl
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
from structlog.testing import capture_logs

from network.errors import RpcError
from network.rpc import StatusCode
from node.ports import free_port
from tests.support.certificates import Authority
from tests.support.gateway_client import PASSWORD, Clock, CustomerAgent, gateway_config, running_gateway
from tests.support.node_in_memory import NodeInMemory


async def _customer(client: httpx.AsyncClient, name: str = "maria") -> CustomerAgent:
    return await CustomerAgent(client, f"{name}@example.org").sign_up()


async def _two_funded(client: httpx.AsyncClient, node: NodeInMemory) -> tuple[CustomerAgent, str, CustomerAgent, str]:
    maria, tomas = await _customer(client, "maria"), await _customer(client, "tomas")
    here, there = await maria.open_account(), await tomas.open_account()
    node.deposit(here, 10_000)
    return maria, here, tomas, there


def _assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:dwaybank:problem:{code}")
    assert body["detail"] and body["title"] and body["instance"].startswith("/")
    assert "Traceback" not in answer.text and 'File "' not in answer.text


# The journey ----------------------------------------------------------------------------------------------------------


async def test_transfer_inside_the_bank_moves_money_and_can_be_proved(
    client: httpx.AsyncClient, node: NodeInMemory
) -> None:
    maria, here, tomas, there = await _two_funded(client, node)
    paid = await maria.pay(here, there, "2500", description="Lunch")
    assert paid.status_code == 201, paid.text
    transfer = paid.json()
    assert (transfer["state"], transfer["decision"]) == ("posted", "automated_approval")
    assert paid.headers["location"] == f"/v1/transfers/{transfer['transfer_id']}"
    assert (await maria.get(f"/v1/accounts/{here}/balance")).json()["available_minor"] == "7500"
    assert (await tomas.get(f"/v1/accounts/{there}/balance")).json()["balance_minor"] == "2500"
    assert (await maria.get(f"/v1/transfers/{transfer['transfer_id']}")).json() == transfer
    node.entry_state = "attested"
    assert (await maria.get(f"/v1/transfers/{transfer['transfer_id']}")).json()["entry_state"] == "attested"
    proof = await maria.get(f"/v1/transfers/{transfer['transfer_id']}/proof?wait_ms=10")
    assert proof.json() == {"entry": {"seq": transfer["seq"]}}


async def test_accounts_are_listed_with_balances_under_pseudonyms(
    client: httpx.AsyncClient, node: NodeInMemory
) -> None:
    maria = await _customer(client)
    first, second = await maria.open_account("EUR"), await maria.open_account("USD")
    node.deposit(second, 5)
    listed = (await maria.get("/v1/accounts")).json()["accounts"]
    assert [(row["account"], row["asset"], row["balance_minor"]) for row in listed] == [
        (first, "EUR", "0"),
        (second, "USD", "5"),
    ]
    assert first.startswith("cust-") and "maria" not in first and first != second


async def test_statement_is_paged_newest_first(client: httpx.AsyncClient, node: NodeInMemory) -> None:
    maria, here, _, there = await _two_funded(client, node)
    for amount in ("1", "2", "3"):
        await maria.pay(here, there, amount)
    page = (await maria.get(f"/v1/accounts/{here}/statement?page_size=2")).json()
    assert [(line["direction"], line["amount_minor"]) for line in page["lines"]] == [("out", "3"), ("out", "2")]
    rest = await maria.get(f"/v1/accounts/{here}/statement?page_size=2&page_token={page['next_page_token']}")
    assert [line["amount_minor"] for line in rest.json()["lines"]] == ["1", "10000"]
    assert rest.json()["next_page_token"] == ""


async def test_partner_payment_under_way_is_accepted_and_later_completed(
    client: httpx.AsyncClient, node: NodeInMemory
) -> None:
    maria, here, _, _ = await _two_funded(client, node)
    node.payment_state = "held"
    answer = await maria.pay(here, "DE-4711", "100", creditor_bank="PartnerMSP")
    assert (answer.status_code, answer.json()["state"], answer.json()["entry_state"]) == (202, "held", None)
    transfer_id = answer.json()["transfer_id"]
    node.payments[transfer_id].state = "completed"
    node.payments[transfer_id].seq = 12
    found = (await maria.get(f"/v1/transfers/{transfer_id}")).json()
    assert (found["state"], found["seq"], found["creditor_bank"]) == ("completed", 12, "PartnerMSP")
    assert (found["decision"], found["entry_state"]) == ("automated_approval", "posted")


async def test_partner_payment_refused_by_the_other_bank_is_a_422_and_stays_one(
    client: httpx.AsyncClient, node: NodeInMemory
) -> None:
    maria, here, _, _ = await _two_funded(client, node)
    node.payment_state = "aborted"
    key = str(uuid.uuid4())
    for _ in range(2):
        _assert_problem(
            await maria.pay(here, "DE-4711", "100", key, creditor_bank="PartnerMSP"), 422, "account_not_found"
        )
    assert len(node.payments) == 1


@pytest.mark.parametrize("more", [{}, {"creditor_bank": "PartnerMSP"}], ids=["inside", "partner"])
async def test_order_that_the_node_does_not_take_is_refused_for_good(
    client: httpx.AsyncClient, node: NodeInMemory, more: dict[str, str]
) -> None:
    maria, here, _, there = await _two_funded(client, node)

    def fault(path: str) -> None:
        if path.endswith(("/PostEntries", "/SendPayment")):
            raise RpcError(StatusCode.INVALID_ARGUMENT, "receiver_msp_id 'PartnerMSP': not a partner bank of this node")

    node.fault = fault
    key = str(uuid.uuid4())
    _assert_problem(await maria.pay(here, there, "100", key, **more), 422, "invalid")
    node.fault = lambda method: None
    repeated = await maria.pay(here, there, "100", key, **more)
    _assert_problem(repeated, 422, "invalid")
    assert node.accounts[here].balance == 10_000


async def test_payment_that_was_taken_before_its_bank_left_is_never_refused(
    client: httpx.AsyncClient, node: NodeInMemory, database_url: str, tmp_path: Path
) -> None:
    maria, here, _, _ = await _two_funded(client, node)
    key = str(uuid.uuid4())
    node.silent_commits = 1
    _assert_problem(await maria.pay(here, "DE-4711", "100", key, creditor_bank="PartnerMSP"), 503, "node_unavailable")

    def fault(path: str) -> None:
        if path.endswith("/SendPayment"):
            raise RpcError(StatusCode.INVALID_ARGUMENT, "receiver_msp_id 'PartnerMSP': not a partner bank of this node")

    node.fault = fault
    # One gateway knows the bank no more, the other one does.
    async with running_gateway(gateway_config(tmp_path, database_url, node.address, partners=[])) as (_, other):
        maria.client = other
        _assert_problem(await maria.pay(here, "DE-4711", "100", creditor_bank="PartnerMSP"), 422, "unknown_bank")
        for maria.client in (other, client):
            repeated = await maria.pay(here, "DE-4711", "100", key, creditor_bank="PartnerMSP")
            assert (repeated.status_code, repeated.json()["state"]) == (201, "completed"), repeated.text
    assert len(node.payments) == 1


async def test_organization_and_readiness_are_public(client: httpx.AsyncClient) -> None:
    organization = (await client.get("/v1/organization")).json()
    assert organization["partners"] == [{"msp_id": "PartnerMSP", "display_name": "Partner Bank"}]
    assert (await client.get("/v1/health")).json() == {"status": "ok"}
    assert (await client.get("/v1/ready")).json() == {"status": "ok"}
    page = await client.get("/", follow_redirects=True)
    assert (page.status_code, page.url.path) == (200, "/docs") and "POST /v1/transfers" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


async def test_answers_forbid_storing_and_sniffing(client: httpx.AsyncClient) -> None:
    for path in ("/v1/health", "/v1/accounts", "/nowhere"):
        headers = (await client.get(path)).headers
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


# Idempotency ----------------------------------------------------------------------------------------------------------


async def test_transfer_repeated_with_the_same_key_is_paid_once(client: httpx.AsyncClient, node: NodeInMemory) -> None:
    maria, here, _, there = await _two_funded(client, node)
    key = str(uuid.uuid4())
    first, second = await maria.pay(here, there, "100", key), await maria.pay(here, there, "100", key)
    assert first.json() == second.json()
    assert node.accounts[here].balance == 9_900


async def test_transfer_sent_at_once_many_times_with_one_key_is_paid_once(
    client: httpx.AsyncClient, node: NodeInMemory
) -> None:
    maria, here, _, there = await _two_funded(client, node)
    key = str(uuid.uuid4())
    answers = await asyncio.gather(*(maria.pay(here, there, "100", key) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["transfer_id"] for answer in answers}) == 1
    assert node.accounts[here].balance == 9_900


async def test_transfer_with_the_same_key_and_another_body_is_a_conflict(
    client: httpx.AsyncClient, node: NodeInMemory
) -> None:
    maria, here, _, there = await _two_funded(client, node)
    key = str(uuid.uuid4())
    await maria.pay(here, there, "100", key)
    _assert_problem(await maria.pay(here, there, "101", key), 409, "idempotency_key_reused")
    assert node.accounts[here].balance == 9_900


async def test_two_customers_may_use_the_same_key(client: httpx.AsyncClient, node: NodeInMemory) -> None:
    maria, here, tomas, there = await _two_funded(client, node)
    node.deposit(there, 500)
    key = str(uuid.uuid4())
    assert (await maria.pay(here, there, "100", key)).status_code == 201
    assert (await tomas.pay(there, here, "100", key)).status_code == 201
    assert len(node.entries) == 2


async def test_transfer_interrupted_before_the_answer_is_finished_by_repeating_it(
    client: httpx.AsyncClient, node: NodeInMemory
) -> None:
    maria, here, _, there = await _two_funded(client, node)
    key = str(uuid.uuid4())

    def silence(method: str) -> None:
        raise RpcError(StatusCode.UNAVAILABLE, "killed")

    node.fault = silence
    answer = await maria.pay(here, there, "100", key)
    _assert_problem(answer, 503, "node_unavailable")
    assert answer.headers["retry-after"] == "2"
    node.fault = lambda method: None
    assert (await maria.pay(here, there, "100", key)).json()["state"] == "posted"
    assert node.accounts[here].balance == 9_900


async def test_transfer_without_a_uuid_as_key_is_refused(client: httpx.AsyncClient, node: NodeInMemory) -> None:
    maria, here, _, there = await _two_funded(client, node)
    body = {"debtor_account": here, "creditor_account": there, "asset": "EUR", "amount_minor": "1"}
    for key in ("", "1", "not-a-uuid", "0" * 33, "'; DROP TABLE gateway.transfer; --"):
        _assert_problem(await maria.post("/v1/transfers", body, **{"Idempotency-Key": key}), 422, "invalid_field")
    _assert_problem(await maria.post("/v1/transfers", body), 422, "invalid_field")
    assert node.accounts[here].balance == 10_000


# Refusals of the books ------------------------------------------------------------------------------------------------


async def test_transfer_beyond_the_balance_is_refused_for_good(client: httpx.AsyncClient, node: NodeInMemory) -> None:
    maria, here, _, there = await _two_funded(client, node)
    key = str(uuid.uuid4())
    _assert_problem(await maria.pay(here, there, "10001", key), 422, "exceeds_available")
    node.deposit(here, 10_000)
    _assert_problem(await maria.pay(here, there, "10001", key), 422, "exceeds_available")


async def test_transfer_from_a_frozen_account_is_forbidden(client: httpx.AsyncClient, node: NodeInMemory) -> None:
    maria, here, _, there = await _two_funded(client, node)
    node.accounts[here].status = "frozen"
    _assert_problem(await maria.pay(here, there, "1"), 403, "account_frozen")


@pytest.mark.parametrize("status", ["frozen", "closed"])
async def test_nobody_learns_what_keeps_anothers_account_from_being_paid(
    client: httpx.AsyncClient, node: NodeInMemory, status: str
) -> None:
    maria, here, _, there = await _two_funded(client, node)
    node.accounts[there].status = status
    key = str(uuid.uuid4())
    for _ in range(2):
        answer = await maria.pay(here, there, "1", key)
        _assert_problem(answer, 422, "creditor_refused")
        assert status not in answer.text
    node.payment_state, node.payment_refusal = "aborted", f"account_{status}"
    answer = await maria.pay(here, "DE-4711", "1", creditor_bank="PartnerMSP")
    _assert_problem(answer, 422, "creditor_refused")
    assert status not in answer.text
    node.accounts[here].status = "closed"
    _assert_problem(await maria.pay(here, there, "1"), 422, "account_closed")


WRONG_FIELDS: list[tuple[dict[str, object], str]] = [
    ({"creditor_account": "nostro-PartnerMSP"}, "account_not_found"),
    ({"creditor_account": "cust-" + "a" * 26}, "account_not_found"),
    ({"asset": "USD"}, "asset_mismatch"),
    ({"creditor_bank": "NobodyMSP"}, "unknown_bank"),
    ({"amount_minor": "0"}, "invalid_field"),
    ({"amount_minor": "-5"}, "invalid_field"),
    ({"amount_minor": "1.5"}, "invalid_field"),
    ({"amount_minor": "1e3"}, "invalid_field"),
    ({"amount_minor": "9" * 30}, "invalid_field"),
    ({"amount_minor": 100}, "invalid_field"),
    ({"amount_minor": "١"}, "invalid_field"),
    ({"amount_minor": "1\n"}, "invalid_field"),
    ({"amount_minor": None}, "invalid_field"),
    ({"description": "x" * 141}, "invalid_field"),
    ({"description": "a\x00b"}, "invalid_field"),
    ({"creditor_account": "../../etc/passwd"}, "invalid_field"),
    ({"creditor_account": ["cust-x"]}, "invalid_field"),
    ({"unknown": 1}, "invalid_field"),
]
"""A change to a good transfer, and the code of its refusal."""


@pytest.mark.every_postgres
async def test_transfer_with_a_wrong_field_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, node: NodeInMemory
) -> None:
    maria, here, _, there = await _two_funded(client, node)
    for change, code in WRONG_FIELDS:
        answer = await maria.pay(here, there, **({"amount": "1"} | change))  # type: ignore[arg-type]
        _assert_problem(answer, 422, code)
    assert node.accounts[here].balance == 10_000


async def test_transfer_to_the_same_account_is_refused(client: httpx.AsyncClient, node: NodeInMemory) -> None:
    maria, here, _, _ = await _two_funded(client, node)
    _assert_problem(await maria.pay(here, here, "1"), 422, "same_account")


async def test_account_in_an_asset_not_offered_is_refused(client: httpx.AsyncClient) -> None:
    maria = await _customer(client)
    _assert_problem(await maria.post("/v1/accounts", {"asset": "CZK"}), 422, "unknown_asset")


async def test_proof_of_a_transfer_not_in_the_books_is_a_conflict(
    client: httpx.AsyncClient, node: NodeInMemory
) -> None:
    maria, here, _, _ = await _two_funded(client, node)
    node.payment_state = "held"
    transfer_id = (await maria.pay(here, "DE-1", "1", creditor_bank="PartnerMSP")).json()["transfer_id"]
    _assert_problem(await maria.get(f"/v1/transfers/{transfer_id}/proof"), 409, "not_posted")


async def test_proof_not_anchored_yet_is_a_conflict(client: httpx.AsyncClient, node: NodeInMemory) -> None:
    maria, here, _, there = await _two_funded(client, node)
    transfer_id = (await maria.pay(here, there, "1")).json()["transfer_id"]

    def not_yet(method: str) -> None:
        raise RpcError(StatusCode.FAILED_PRECONDITION, "entry 1 is not anchored yet")

    node.fault = not_yet
    _assert_problem(await maria.get(f"/v1/transfers/{transfer_id}/proof"), 409, "not_ready")


async def test_what_the_bank_archived_is_told_without_its_words(client: httpx.AsyncClient, node: NodeInMemory) -> None:
    maria, here, _, there = await _two_funded(client, node)
    transfer_id = (await maria.pay(here, there, "1")).json()["transfer_id"]

    def archived(method: str) -> None:
        raise RpcError(StatusCode.OUT_OF_RANGE, "entries 1 to 20 are in file DwaybankMSP-1-20.jsonl (SHA-256 00)")

    node.fault = archived
    for path in (f"/v1/transfers/{transfer_id}/proof", f"/v1/accounts/{here}/statement"):
        answer = await maria.get(path)
        _assert_problem(answer, 422, "archived")
        assert "jsonl" not in answer.text
    transfer = await maria.get(f"/v1/transfers/{transfer_id}")
    assert (transfer.status_code, transfer.json()["entry_state"]) == (200, "archived")


@pytest.mark.parametrize("code", [StatusCode.INTERNAL, StatusCode.PERMISSION_DENIED, StatusCode.UNAUTHENTICATED])
async def test_fault_of_the_node_says_nothing_of_its_inside(
    client: httpx.AsyncClient, node: NodeInMemory, code: StatusCode
) -> None:
    maria, here, _, _ = await _two_funded(client, node)

    def fault(method: str) -> None:
        raise RpcError(code, "secret detail of the node")

    node.fault = fault
    answer = await maria.get(f"/v1/accounts/{here}/balance")
    _assert_problem(answer, 503, "node_unavailable")
    assert "secret" not in answer.text


# Others' things -------------------------------------------------------------------------------------------------------


async def test_things_of_another_customer_look_absent(client: httpx.AsyncClient, node: NodeInMemory) -> None:
    maria, here, tomas, there = await _two_funded(client, node)
    transfer_id = (await maria.pay(here, there, "1")).json()["transfer_id"]
    node.calls.clear()
    for path in (
        f"/v1/accounts/{here}",
        f"/v1/accounts/{here}/balance",
        f"/v1/accounts/{here}/statement",
        f"/v1/transfers/{transfer_id}",
        f"/v1/transfers/{transfer_id}/proof",
    ):
        theirs = await tomas.get(path)
        _assert_problem(theirs, 404, "not_found")
        absent = await tomas.get(path.replace(here, "cust-nobody").replace(transfer_id, str(uuid.uuid4())))
        assert theirs.json()["detail"] == absent.json()["detail"]
    _assert_problem(await tomas.pay(here, there, "1"), 404, "not_found")
    assert node.calls == []


async def test_account_path_with_tricks_is_not_found(client: httpx.AsyncClient) -> None:
    maria = await _customer(client)
    tricks = [
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "' OR '1'='1",
        "cust-%25",
        "a" * 3_000,
        "%ff%fe",
        "nostro-PartnerMSP",
        "*",
    ]
    for account in tricks:
        _assert_problem(await maria.get(f"/v1/accounts/{account}/balance"), 404, "not_found")


# Sessions -------------------------------------------------------------------------------------------------------------


async def test_login_with_a_wrong_password_and_of_nobody_look_the_same(client: httpx.AsyncClient) -> None:
    maria = await _customer(client)
    wrong = await client.post("/v1/auth/login", json={"email": maria.email, "password": "wrong password!"})
    nobody = await client.post("/v1/auth/login", json={"email": "nobody@example.org", "password": PASSWORD})
    _assert_problem(wrong, 401, "invalid_credentials")
    assert wrong.json() == nobody.json()


async def test_login_after_ten_failures_must_wait(client: httpx.AsyncClient, clock: Clock) -> None:
    maria = await _customer(client)
    bad = {"email": maria.email, "password": "wrong password!"}
    for _ in range(10):
        assert (await client.post("/v1/auth/login", json=bad)).status_code == 401
    good = {"email": maria.email, "password": PASSWORD}
    answer = await client.post("/v1/auth/login", json=good)
    _assert_problem(answer, 429, "too_many_attempts")
    assert 0 < int(answer.headers["retry-after"]) <= 901
    clock.ahead = timedelta(minutes=16)
    assert (await client.post("/v1/auth/login", json=good)).status_code == 200


async def test_failures_for_ever_new_addresses_are_forgotten_in_time(
    client: httpx.AsyncClient, database_url: str, clock: Clock
) -> None:
    async def fail(name: str) -> int:
        bad = {"email": f"{name}@example.org", "password": "wrong password!"}
        assert (await client.post("/v1/auth/login", json=bad)).status_code == 401
        with psycopg.connect(database_url) as connection:
            row = connection.execute("SELECT count(*) FROM gateway.login_failure").fetchone()
        assert row is not None
        return int(row[0])

    assert [await fail(name) for name in ("a", "b", "c")] == [2, 4, 6]
    clock.ahead = timedelta(minutes=14)
    assert await fail("d") == 8
    clock.ahead = timedelta(minutes=16)
    assert await fail("e") == 4


async def test_refresh_tokens_that_expired_are_forgotten_by_the_session_that_goes_on(
    client: httpx.AsyncClient, database_url: str, clock: Clock
) -> None:
    maria = await _customer(client)
    token, kept = maria.refresh_token, []
    for days in (0, 20, 40):
        clock.ahead = timedelta(days=days)
        renewed = await client.post("/v1/auth/refresh", json={"refresh_token": token})
        assert renewed.status_code == 200
        token = renewed.json()["refresh_token"]
        with psycopg.connect(database_url) as connection:
            row = connection.execute("SELECT count(*) FROM gateway.refresh_token").fetchone()
        assert row is not None
        kept.append(row[0])
    assert kept == [2, 3, 2]
    expired = await client.post("/v1/auth/refresh", json={"refresh_token": maria.refresh_token})
    _assert_problem(expired, 401, "invalid_token")


@pytest.mark.every_postgres
async def test_sessions_nobody_came_back_to_are_forgotten_when_another_begins(
    client: httpx.AsyncClient, database_url: str, clock: Clock
) -> None:
    def left() -> tuple[int, int]:
        both = "SELECT (SELECT count(*) FROM gateway.refresh_family), (SELECT count(*) FROM gateway.refresh_token)"
        with psycopg.connect(database_url) as connection:
            row = connection.execute(both).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])

    gone = [await CustomerAgent(client, f"{name}@example.org").sign_up() for name in ("a", "b")]
    clock.ahead = timedelta(days=29)
    stays = await CustomerAgent(client, "c@example.org").sign_up()
    assert left() == (3, 3)
    clock.ahead = timedelta(days=31)
    await CustomerAgent(client, "d@example.org").sign_up()
    assert left() == (2, 2)
    unknown = await client.post("/v1/auth/refresh", json={"refresh_token": gone[0].refresh_token})
    _assert_problem(unknown, 401, "invalid_token")
    assert (await client.post("/v1/auth/refresh", json={"refresh_token": stays.refresh_token})).status_code == 200


@pytest.mark.every_postgres
async def test_a_session_whose_tokens_are_locked_is_forgotten_later_and_nobody_waits_for_it(
    client: httpx.AsyncClient, database_url: str, clock: Clock
) -> None:
    await CustomerAgent(client, "a@example.org").sign_up()
    clock.ahead = timedelta(days=31)
    with psycopg.connect(database_url) as other:
        other.execute("SELECT FROM gateway.refresh_family FOR UPDATE")
        await asyncio.wait_for(CustomerAgent(client, "b@example.org").sign_up(), 10)
        assert other.execute("SELECT count(*) FROM gateway.refresh_token").fetchone() == (2,)
    await CustomerAgent(client, "c@example.org").sign_up()
    with psycopg.connect(database_url) as other:
        assert other.execute("SELECT count(*) FROM gateway.refresh_family").fetchone() == (2,)


@pytest.mark.parametrize("use", ["server_tls", "operations"])
async def test_the_end_of_a_listeners_certificate_is_told_by_health_and_metrics(
    database_url: str, node: NodeInMemory, tmp_path: Path, clock: Clock, use: str
) -> None:
    authority, port = Authority("ca"), free_port()
    names = [tmp_path / name for name in ("server.crt", "server.key", "ca.crt")]
    for path, pem in zip(names, [*authority.issue("gateway.bank.test"), authority.pem], strict=True):
        path.write_bytes(pem)
    pair = {"certificate": names[0], "key": names[1]}
    tls = {"operations": {"port": port, "tls": pair | {"client_roots": [names[2]]}}}
    settings = {"server_tls": pair, "operations": {"port": port}} if use == "server_tls" else tls
    config = gateway_config(tmp_path, database_url, node.address, **settings)
    trusted = ssl.create_default_context(cafile=names[2])
    trusted.load_cert_chain(names[0], names[1])
    base = f"{'http' if use == 'server_tls' else 'https'}://127.0.0.1:{port}"
    async with running_gateway(config, clock), httpx.AsyncClient(base_url=base, verify=trusted) as operator:
        assert (await operator.get("/healthz")).status_code == 200
        told = f'dwaybank_certificate_expires_at_seconds{{use="{use}",subject="CN=gateway.bank.test"'
        assert told in (await operator.get("/metrics")).text
        clock.ahead = timedelta(days=2)
        answer = await operator.get("/healthz")
        assert answer.status_code == 503
        (failed,) = answer.json()["failed_checks"]
        assert failed["component"] == "certificates" and f"({use})" in failed["reason"]


async def test_a_node_that_refuses_the_gateways_certificate_is_told_to_the_operator_and_not_to_customers(
    database_url: str, node: NodeInMemory, tmp_path: Path
) -> None:
    port, why = free_port(), "this method needs role:reader, the certificate names no role, the caller is Gateway"
    config = gateway_config(tmp_path, database_url, node.address, operations={"port": port})

    def refuse(path: str) -> None:
        raise RpcError(StatusCode.PERMISSION_DENIED, why)

    async with running_gateway(config) as (_, http), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as operator:
        maria = await CustomerAgent(http, "maria@example.org").sign_up()
        assert (await operator.get("/healthz")).status_code == 200
        with capture_logs() as lines:
            node.fault = refuse
            for answer in (await http.get("/v1/ready"), await maria.post("/v1/accounts", {"asset": "EUR"})):
                _assert_problem(answer, 503, "node_unavailable")
                assert "role" not in answer.text
            (failed,) = (await operator.get("/healthz")).json()["failed_checks"]
        assert failed["component"] == "node" and "refuses this gateway's certificate" in failed["reason"]
        assert [line["reason"] for line in lines if line["event"] == "node.refuses_certificate"] == [why]
        node.fault = lambda path: None
        assert (await http.get("/v1/ready")).status_code == 200


async def test_behind_a_trusted_proxy_a_stranger_locks_out_himself_alone(
    database_url: str, node: NodeInMemory, tmp_path: Path, clock: Clock
) -> None:
    """The client's own connection comes from 127.0.0.1; a second proxy, 10.0.0.7, stands before the first."""
    config = gateway_config(tmp_path, database_url, node.address, trusted_proxies=["127.0.0.1/32", "10.0.0.0/24"])
    async with running_gateway(config, clock) as (_, http):
        maria = await _customer(http)
        bad = {"email": maria.email, "password": "wrong password!"}
        good = {"email": maria.email, "password": PASSWORD}
        for number in range(10):
            # What he writes himself stands left of what the proxies write.
            forged = {"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.9, 10.0.0.7"}
            assert (await http.post("/v1/auth/login", json=bad, headers=forged)).status_code == 401
        his = await http.post("/v1/auth/login", json=good, headers={"X-Forwarded-For": "203.0.113.9:4711, 10.0.0.7"})
        _assert_problem(his, 429, "too_many_attempts")
        hers = await http.post("/v1/auth/login", json=good, headers={"X-Forwarded-For": "192.0.2.1, 10.0.0.7"})
        assert hers.status_code == 200, hers.text


@pytest.mark.every_postgres
async def test_strangers_everywhere_do_not_shut_a_customer_out_where_he_has_logged_in(
    database_url: str, node: NodeInMemory, tmp_path: Path, clock: Clock
) -> None:
    config = gateway_config(tmp_path, database_url, node.address, trusted_proxies=["127.0.0.1/32"])
    async with running_gateway(config, clock) as (_, http):
        maria = await _customer(http)
        bad = {"email": maria.email, "password": "wrong password!"}
        good = {"email": maria.email, "password": PASSWORD}
        at_home, elsewhere = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
        assert (await http.post("/v1/auth/login", json=good, headers=at_home)).status_code == 200
        for number in range(100):
            forged = {"X-Forwarded-For": f"2001:db8:0:{number:x}::1"}
            assert (await http.post("/v1/auth/login", json=bad, headers=forged)).status_code == 401
        assert (await http.post("/v1/auth/login", json=good, headers=elsewhere)).status_code == 429
        assert (await http.post("/v1/auth/login", json=good, headers=at_home)).status_code == 200
        for _ in range(10):
            assert (await http.post("/v1/auth/login", json=bad, headers=at_home)).status_code == 401
        assert (await http.post("/v1/auth/login", json=good, headers=at_home)).status_code == 429
        clock.ahead = timedelta(days=91)
        assert (await http.post("/v1/auth/login", json=good, headers=elsewhere)).status_code == 200
        with psycopg.connect(database_url) as connection:
            row = connection.execute("SELECT count(*) FROM gateway.known_sender").fetchone()
        assert row == (1,)


async def test_what_a_client_says_of_its_address_without_a_trusted_proxy_is_not_heard(
    client: httpx.AsyncClient,
) -> None:
    maria = await _customer(client)
    told = []
    for number in range(11):
        forged = {"X-Forwarded-For": f"198.51.100.{number}"}
        bad = {"email": maria.email, "password": "wrong password!"}
        told.append((await client.post("/v1/auth/login", json=bad, headers=forged)).status_code)
    assert told == [401] * 10 + [429]


async def test_register_with_an_address_in_use_is_a_conflict_whatever_its_case(client: httpx.AsyncClient) -> None:
    await _customer(client)
    body = {"email": "MARIA@Example.org", "password": PASSWORD, "display_name": "Other"}
    _assert_problem(await client.post("/v1/auth/register", json=body), 409, "email_taken")


@pytest.mark.every_postgres
async def test_refresh_gives_a_new_pair_and_using_the_old_one_ends_the_session(client: httpx.AsyncClient) -> None:
    maria = await _customer(client)
    first = {"refresh_token": maria.refresh_token}
    renewed = await client.post("/v1/auth/refresh", json=first)
    assert renewed.status_code == 200
    second = {"refresh_token": renewed.json()["refresh_token"]}
    assert second != first
    _assert_problem(await client.post("/v1/auth/refresh", json=first), 401, "invalid_token")
    _assert_problem(await client.post("/v1/auth/refresh", json=second), 401, "invalid_token")


async def test_refresh_used_twice_at_once_gives_one_pair_and_ends_the_session(client: httpx.AsyncClient) -> None:
    maria = await _customer(client)
    body = {"refresh_token": maria.refresh_token}
    answers = await asyncio.gather(*(client.post("/v1/auth/refresh", json=body) for _ in range(6)))
    good = [answer for answer in answers if answer.status_code == 200]
    assert len(good) == 1
    successor = {"refresh_token": good[0].json()["refresh_token"]}
    assert (await client.post("/v1/auth/refresh", json=successor)).status_code == 401


@pytest.mark.every_postgres
async def test_refresh_after_logout_or_thirty_days_is_refused(client: httpx.AsyncClient, clock: Clock) -> None:
    maria, tomas = await _customer(client, "maria"), await _customer(client, "tomas")
    assert (await client.post("/v1/auth/logout", json={"refresh_token": maria.refresh_token})).status_code == 204
    answer = await client.post("/v1/auth/refresh", json={"refresh_token": maria.refresh_token})
    _assert_problem(answer, 401, "invalid_token")
    clock.ahead = timedelta(days=30, seconds=1)
    answer = await client.post("/v1/auth/refresh", json={"refresh_token": tomas.refresh_token})
    _assert_problem(answer, 401, "invalid_token")


async def test_access_token_after_fifteen_minutes_is_refused(client: httpx.AsyncClient, clock: Clock) -> None:
    maria = await _customer(client)
    clock.ahead = timedelta(minutes=14)
    assert (await maria.get("/v1/auth/me")).json()["email"] == maria.email
    clock.ahead = timedelta(minutes=15, seconds=2)
    answer = await maria.get("/v1/auth/me")
    _assert_problem(answer, 401, "invalid_token")
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_suspended_customer_can_neither_sign_in_nor_refresh(client: httpx.AsyncClient, database_url: str) -> None:
    maria = await _customer(client)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE gateway.customer SET status = 'suspended'")
    good = {"email": maria.email, "password": PASSWORD}
    _assert_problem(await client.post("/v1/auth/login", json=good), 403, "customer_suspended")
    answer = await client.post("/v1/auth/refresh", json={"refresh_token": maria.refresh_token})
    _assert_problem(answer, 403, "customer_suspended")


async def test_suspension_counts_at_once_for_tokens_given_before(
    client: httpx.AsyncClient, node: NodeInMemory, database_url: str
) -> None:
    maria, here, tomas, there = await _two_funded(client, node)
    paid = (await maria.pay(here, there, "1")).json()
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE gateway.customer SET status = 'suspended' WHERE email = %s", (maria.email,))
    _assert_problem(await maria.pay(here, there, "2500"), 403, "customer_suspended")
    _assert_problem(await maria.post("/v1/accounts", {"asset": "EUR"}), 403, "customer_suspended")
    transfer = f"/v1/transfers/{paid['transfer_id']}"
    for path in ("/v1/auth/me", "/v1/accounts", f"/v1/accounts/{here}/statement", transfer, f"{transfer}/proof"):
        _assert_problem(await maria.get(path), 403, "customer_suspended")
    assert (await tomas.get(f"/v1/accounts/{there}/balance")).json()["balance_minor"] == "1"


async def test_token_of_a_customer_who_is_not_there_any_more_is_refused(
    client: httpx.AsyncClient, database_url: str
) -> None:
    maria = await _customer(client)
    with psycopg.connect(database_url) as connection:
        connection.execute("TRUNCATE gateway.customer CASCADE")
    _assert_problem(await maria.get("/v1/accounts"), 401, "invalid_token")


async def test_request_without_a_good_token_is_unauthenticated(client: httpx.AsyncClient) -> None:
    for path in ("/v1/accounts", "/v1/auth/me", f"/v1/transfers/{uuid.UUID(int=1)}"):
        for header in (None, "Basic bWFyaWE6eA==", "Bearer", "Bearer x.y.z", "Bearer " + "a" * 5_000):
            headers = {} if header is None else {"Authorization": header}
            _assert_problem(await client.get(path, headers=headers), 401, "invalid_token")


# Hostile bodies -------------------------------------------------------------------------------------------------------


async def test_body_over_the_limit_is_refused_however_it_is_sent(client: httpx.AsyncClient) -> None:
    huge = b'{"email": "' + b"a" * 200_000 + b'"}'

    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(huge), 4_096):
            yield huge[start : start + 4_096]

    json_type = {"Content-Type": "application/json"}
    _assert_problem(await client.post("/v1/auth/login", content=huge, headers=json_type), 413, "too_large")
    _assert_problem(await client.post("/v1/auth/login", content=in_pieces(), headers=json_type), 413, "too_large")


WRONG_BODIES = [
    (b"{", 400, "malformed"),
    (b"", 422, "invalid_field"),
    (b"\xff\xfe\x00", 400, "malformed"),
    (b"[" * 20_000, 400, "malformed"),
    (b"[]", 422, "invalid_field"),
    (b"null", 422, "invalid_field"),
    (b'"text"', 422, "invalid_field"),
    (b'{"email": 1, "password": {}}', 422, "invalid_field"),
    (b'{"email": "a@b.c", "password": "\\ud800 half a character"}', 422, "invalid_field"),
    (b'{"email": "\\ud800@b.c", "password": "long enough password"}', 422, "invalid_field"),
    (b'{"email": NaN, "password": "long enough password"}', 422, "invalid_field"),
]


async def test_body_that_is_no_login_is_refused(client: httpx.AsyncClient) -> None:
    for content, status, code in WRONG_BODIES:
        answer = await client.post("/v1/auth/login", content=content, headers={"Content-Type": "application/json"})
        _assert_problem(answer, status, code)


async def test_refused_field_is_named_but_its_value_never_echoed(client: httpx.AsyncClient) -> None:
    body = {"email": "maria@example.org", "password": "tooShort!", "display_name": "Maria"}
    answer = await client.post("/v1/auth/register", json=body)
    _assert_problem(answer, 422, "invalid_field")
    assert answer.json()["errors"][0]["field"] == "body.password"
    assert "tooShort!" not in answer.text


async def test_body_without_its_media_type_is_told_what_to_send(client: httpx.AsyncClient) -> None:
    login = b'{"email": "maria@example.org", "password": "correct horse battery"}'
    for headers in ({}, {"Content-Type": "text/plain"}):
        answer = await client.post("/v1/auth/login", content=login, headers=headers)
        _assert_problem(answer, 422, "invalid_field")
        assert "Content-Type: application/json" in answer.json()["detail"]


async def test_text_that_shows_otherwise_than_it_reads_is_refused(
    client: httpx.AsyncClient, node: NodeInMemory
) -> None:
    maria, here, _, there = await _two_funded(client, node)
    for text in ("\u202e0.1 RUE", "two\u2028lines", "\u2029", "\u0085", "\u009b2J", "\u2066x"):
        _assert_problem(await maria.pay(here, there, "1", description=text), 422, "invalid_field")
        _assert_problem(await maria.post("/v1/accounts", {"asset": "EUR", "label": text}), 422, "invalid_field")
        body = {"email": "eve@example.org", "password": PASSWORD, "display_name": text}
        _assert_problem(await client.post("/v1/auth/register", json=body), 422, "invalid_field")
    for text in ("Zoë\u00a0M\u00fcller", "\u05e9\u05db\u05e8 \u05d3\u05d9\u05e8\u05d4", "\U0001f468\u200d\U0001f469"):
        assert (await maria.pay(here, there, "1", description=text)).json()["description"] == text


async def test_sql_in_texts_is_only_text(client: httpx.AsyncClient, node: NodeInMemory) -> None:
    maria, here, _, there = await _two_funded(client, node)
    texts = ["'; DROP SCHEMA gateway CASCADE; --", "x'); DELETE FROM gateway.customer; --", "$1", "%s", "\\'"]
    for number, text in enumerate(texts):
        body = {"email": f"bobby{number}@example.org", "password": PASSWORD, "display_name": text}
        assert (await client.post("/v1/auth/register", json=body)).json()["display_name"] == text
        assert (await maria.pay(here, there, "1", description=text)).json()["description"] == text
        login = {"email": text, "password": text}
        _assert_problem(await client.post("/v1/auth/login", json=login), 401, "invalid_credentials")
        answer = await maria.get(f"/v1/accounts/{here}/statement?page_token={text}")
        _assert_problem(answer, 422, "invalid")


async def test_unknown_path_and_wrong_method_are_problems(client: httpx.AsyncClient) -> None:
    _assert_problem(await client.get("/v1/nowhere"), 404, "not_found")
    for path, allowed in (("/v1/accounts", "GET, POST"), ("/v1/transfers/x", "GET"), ("/docs", "GET")):
        refused = await client.delete(path)
        _assert_problem(refused, 405, "method_not_allowed")
        assert refused.headers["allow"] == allowed


async def test_no_spelling_of_a_path_sends_token_and_body_elsewhere(client: httpx.AsyncClient) -> None:
    for path in ("/v1/transfers/", "/v1/auth/login/", "/docs/", "//elsewhere.example/v1/accounts/"):
        answer = await client.post(path, json={}, headers={"Host": "elsewhere.example"})
        _assert_problem(answer, 404, "not_found")
        assert "location" not in answer.headers


async def test_unforeseen_fault_shows_an_id_and_nothing_else(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    maria = await _customer(client)

    def fault(*_: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr("gateway.store.Store.accounts", fault)
    answer = await maria.get("/v1/accounts")
    _assert_problem(answer, 500, "internal")
    assert answer.headers["cache-control"] == "no-store"
    assert "secret" not in answer.text and "RuntimeError" not in answer.text


@pytest.mark.every_postgres
async def test_database_that_is_gone_is_a_503(client: httpx.AsyncClient, database_url: str) -> None:
    maria = await _customer(client)
    name = database_url.split("?")[0].rsplit("/", 1)[1]
    with psycopg.connect(database_url.replace(f"/{name}", "/postgres", 1), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    answer = await maria.get("/v1/accounts")
    _assert_problem(answer, 503, "store_unavailable")
    assert "postgres" not in answer.text
