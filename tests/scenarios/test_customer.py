"""The customer's journey: from registration to a proof that stands without the bank."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from network.bundle import verify_bundle
from network.errors import ProofError
from network.topology import Organization
from node.audit.entry_fields import describe_entry
from tests.support.consortium import RunningConsortium, dwaybank
from tests.support.customer import Customer

SignUp = Callable[[Organization, str], Awaitable[Customer]]
DEPOSIT_MINOR = 500_000


async def test_customer_pays_inside_and_across_and_proves_it_offline(
    consortium: RunningConsortium, sign_up: SignUp
) -> None:
    ada, bob = await sign_up(consortium.bank, "ada"), await sign_up(consortium.bank, "bob")
    eve = await sign_up(consortium.partner, "eve")
    await consortium.deposit(consortium.bank, ada.account, DEPOSIT_MINOR)

    inside = await ada.pay(bob, 12_345, "rent of May")
    across = await ada.pay(eve, 23_456, "a bicycle")

    assert (inside["state"], across["state"]) == ("posted", "completed")
    assert await ada.balance_minor() == DEPOSIT_MINOR - 12_345 - 23_456
    assert (await bob.balance_minor(), await eve.balance_minor()) == (12_345, 23_456)
    lines = await ada.statement()
    assert [(line["direction"], line["amount_minor"], line["description"]) for line in lines[:2]] == [
        ("out", "23456", "a bicycle"),
        ("out", "12345", "rent of May"),
    ]
    assert lines[0]["settlement_id"] == (await eve.statement())[0]["settlement_id"] != ""
    for paid in (inside, across):
        answer = await ada.http.get(f"/transfers/{paid['transfer_id']}/proof", params={"wait_ms": 15_000})
        assert answer.status_code == 200, answer.text
        proved = verify_bundle(answer.content, consortium.genesis_hash, describe=describe_entry, now=datetime.now(UTC))
        assert (proved.seq, proved.organization) == (paid["seq"], consortium.bank.msp_id)
        assert proved.witnesses, "another member vouches for the log"
        assert proved.fields is not None
        assert proved.fields["postings"][0]["amount_minor"] == paid["amount_minor"]


async def test_bundle_with_one_changed_amount_is_refused(consortium: RunningConsortium, sign_up: SignUp) -> None:
    ada, bob = await sign_up(consortium.bank, "ada"), await sign_up(consortium.bank, "bob")
    await consortium.deposit(consortium.bank, ada.account, DEPOSIT_MINOR)
    paid = await ada.pay(bob, 77)
    answer = await ada.http.get(f"/transfers/{paid['transfer_id']}/proof", params={"wait_ms": 15_000})
    content = json.loads(answer.content)
    content["entry"]["fields"]["postings"][0]["amount_minor"] = "78"

    with pytest.raises(ProofError):
        verify_bundle(
            json.dumps(content).encode(), consortium.genesis_hash, describe=describe_entry, now=datetime.now(UTC)
        )
    with pytest.raises(ProofError):
        verify_bundle(answer.content, bytes(32), describe=describe_entry, now=datetime.now(UTC))


async def test_transfer_sent_twice_with_one_key_is_posted_once(consortium: RunningConsortium, sign_up: SignUp) -> None:
    ada, bob = await sign_up(consortium.bank, "ada"), await sign_up(consortium.bank, "bob")
    await consortium.deposit(consortium.bank, ada.account, DEPOSIT_MINOR)
    key = str(uuid.uuid4())

    first, again = await ada.order(bob, 100, key=key), await ada.order(bob, 100, key=key)
    other = await ada.order(bob, 101, key=key)

    assert first.json()["transfer_id"] == again.json()["transfer_id"]
    assert first.json()["seq"] == again.json()["seq"]
    assert await bob.balance_minor() == 100
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


async def test_another_customers_things_are_not_found(consortium: RunningConsortium, sign_up: SignUp) -> None:
    ada, bob = await sign_up(consortium.bank, "ada"), await sign_up(consortium.bank, "bob")
    await consortium.deposit(consortium.bank, ada.account, DEPOSIT_MINOR)
    paid = await ada.pay(bob, 5)

    for path in (
        f"/accounts/{ada.account}",
        f"/accounts/{ada.account}/balance",
        f"/accounts/{ada.account}/statement",
        f"/transfers/{paid['transfer_id']}",
        f"/transfers/{paid['transfer_id']}/proof",
    ):
        assert (await bob.http.get(path)).status_code == 404, path
        assert (await ada.http.get(path)).status_code in (200, 409), path
    robbery = await bob.http.post(
        "/transfers",
        json={"debtor_account": ada.account, "creditor_account": bob.account, "asset": "EUR", "amount_minor": "1"},
        headers={"Idempotency-Key": str(uuid.uuid4())},
    )
    assert robbery.status_code == 404
    assert await bob.balance_minor() == 5


async def test_refused_transfers_change_nothing(consortium: RunningConsortium, sign_up: SignUp) -> None:
    ada, bob = await sign_up(consortium.bank, "ada"), await sign_up(consortium.bank, "bob")
    eve = await sign_up(consortium.partner, "eve")
    await consortium.deposit(consortium.bank, ada.account, 1_000)

    too_much = await ada.order(bob, 1_001)
    eve.account = "cust-" + "a" * 26
    nobody = await ada.order(eve, 500)
    refused = await ada.final(nobody.json()["transfer_id"]) if nobody.is_success else nobody.json()

    assert (too_much.status_code, too_much.json()["code"]) == (422, "exceeds_available")
    assert "account_not_found" in json.dumps(refused)
    assert await ada.balance() == {
        "account": ada.account,
        "asset": "EUR",
        "balance_minor": "1000",
        "held_minor": "0",
        "available_minor": "1000",
    }


async def test_refresh_token_rotates_and_used_twice_ends_the_session(
    consortium: RunningConsortium, sign_up: SignUp
) -> None:
    ada = await sign_up(consortium.bank, "ada")
    first = ada.refresh_token

    renewed = await ada.http.post("/auth/refresh", json={"refresh_token": first})
    ada.use(renewed.json())
    assert ada.refresh_token != first
    assert (await ada.http.get("/auth/me")).json()["email"] == ada.email
    replayed = await ada.http.post("/auth/refresh", json={"refresh_token": first})
    after = await ada.http.post("/auth/refresh", json={"refresh_token": ada.refresh_token})

    assert replayed.status_code in (401, 403), replayed.text
    assert after.status_code in (401, 403), "a token used twice may be stolen: the whole session has ended"


async def test_without_a_session_nothing_is_shown(consortium: RunningConsortium, sign_up: SignUp) -> None:
    ada = await sign_up(consortium.bank, "ada")
    path = f"/accounts/{ada.account}/balance"

    for value in (
        None,
        "Bearer",
        "Basic YWRhOmFkYQ==",
        "Bearer abc.def.ghi",
        ada.http.headers["Authorization"][:-4] + "AAAA",
    ):
        if value is None:
            del ada.http.headers["Authorization"]
        else:
            ada.http.headers["Authorization"] = value
        answer = await ada.http.get(path)
        assert answer.status_code == 401, value
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert "WWW-Authenticate" in answer.headers


async def test_a_bank_shuts_a_customer_out_from_the_command_line(
    consortium: RunningConsortium, sign_up: SignUp
) -> None:
    ada = await sign_up(consortium.bank, "ada")
    done = dwaybank("customer", "suspend", ada.account, "--reason=phone stolen", "--home", consortium.root)
    assert (done.returncode, done.stderr) == (0, "")
    assert (await ada.http.get("/auth/me")).status_code == 401
    shown = dwaybank("customer", "show", ada.email, "--home", consortium.root).stdout
    assert f"account {ada.account}" in shown
    assert "phone stolen" in shown
    refused = dwaybank("customer", "show", ada.email, "--org=regulator", "--home", consortium.root)
    assert refused.returncode == 1
    assert "regulator has no gateway" in refused.stderr
