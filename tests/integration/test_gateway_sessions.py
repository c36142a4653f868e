"""A customer's password and who guesses at many of them, over HTTP on a real PostgreSQL.

Method: as in ``test_gateway.py``; guesses come from addresses that a trusted proxy tells.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from functools import partial

import httpx
import psycopg
import pytest

from gateway.auth.sessions import (
    CUSTOMERS_PER_SENDER_MAX,
    FAILURES_PER_SENDER_MAX,
    REGISTRATIONS_PER_SENDER_MAX,
    TAKEN_PER_SENDER_MAX,
)
from tests.support.gateway_client import PASSWORD, Clock, CustomerAgent

NEW = "another horse, another battery"
GUESS = "Spring2026!Spring"
HERE, ELSEWHERE, PROXY = "203.0.113.9", "192.0.2.1", "10.0.0.7"
GATEWAY = {"trusted_proxies": ["127.0.0.1/32", f"{PROXY}/32"]}
"""Customers' own addresses are told by proxies."""


async def _log_in(client: httpx.AsyncClient, email: str, password: str, sender: str = HERE) -> httpx.Response:
    body = {"email": email, "password": password}
    return await client.post("/v1/auth/login", json=body, headers={"X-Forwarded-For": sender})


async def _spray(client: httpx.AsyncClient, count: int, sender: str = HERE) -> Counter[int]:
    answers = [await _log_in(client, f"customer{number}@example.org", GUESS, sender) for number in range(count)]
    return Counter(answer.status_code for answer in answers)


# One password on many customers --------------------------------------------------------------------------------------


async def test_one_address_tries_a_password_on_few_customers_and_must_wait(
    client: httpx.AsyncClient, clock: Clock
) -> None:
    assert await _spray(client, CUSTOMERS_PER_SENDER_MAX + 5) == {401: CUSTOMERS_PER_SENDER_MAX, 429: 5}
    refused = await _log_in(client, "somebody@example.org", GUESS)
    assert refused.json()["code"] == "too_many_attempts"
    assert 0 < int(refused.headers["retry-after"]) <= 15 * 60
    assert (await _log_in(client, "somebody@example.org", GUESS, ELSEWHERE)).status_code == 401
    clock.ahead = timedelta(minutes=15, seconds=1)
    assert (await _log_in(client, "somebody@example.org", GUESS)).status_code == 401


async def test_many_customers_tried_at_once_are_no_more_than_one_after_the_other(client: httpx.AsyncClient) -> None:
    tries = [_log_in(client, f"customer{number}@example.org", GUESS) for number in range(2 * CUSTOMERS_PER_SENDER_MAX)]
    told = Counter(answer.status_code for answer in await asyncio.gather(*tries))
    assert told[401] <= CUSTOMERS_PER_SENDER_MAX
    assert told[401] + told[429] == 2 * CUSTOMERS_PER_SENDER_MAX


async def test_who_shares_an_address_with_a_guesser_and_has_logged_in_there_is_not_shut_out(
    client: httpx.AsyncClient, database_url: str
) -> None:
    colleague, newcomer = [await CustomerAgent(client, f"{name}@example.org").sign_up() for name in ("ann", "bob")]
    assert (await _log_in(client, colleague.email, PASSWORD)).status_code == 200
    # Who mistypes where he is known, or logs in after all, tries no customers of others.
    assert (await _log_in(client, colleague.email, GUESS)).status_code == 401
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM gateway.sender_failure").fetchone() == (0,)
    assert (await _log_in(client, newcomer.email, GUESS, ELSEWHERE)).status_code == 401
    assert (await _log_in(client, newcomer.email, PASSWORD, ELSEWHERE)).status_code == 200
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM gateway.sender_failure").fetchone() == (0,)

    await _spray(client, CUSTOMERS_PER_SENDER_MAX)
    assert (await _log_in(client, newcomer.email, PASSWORD)).status_code == 429
    assert (await _log_in(client, newcomer.email, PASSWORD, ELSEWHERE)).status_code == 200
    assert (await _log_in(client, colleague.email, PASSWORD)).status_code == 200


async def test_a_proxy_that_does_not_say_for_whom_it_asks_is_nobodys_address(client: httpx.AsyncClient) -> None:
    many = CUSTOMERS_PER_SENDER_MAX + 5
    assert await _spray(client, many, PROXY) == {401: many}
    answers = [
        await client.post("/v1/auth/login", json={"email": f"other{number}@example.org", "password": GUESS})
        for number in range(many)
    ]
    assert {answer.status_code for answer in answers} == {401}


async def _register(client: httpx.AsyncClient, number: int, sender: str = HERE) -> httpx.Response:
    body = {"email": f"new{number}@example.org", "password": PASSWORD, "display_name": "New"}
    return await client.post("/v1/auth/register", json=body, headers={"X-Forwarded-For": sender})


async def test_one_address_registers_few_customers_and_must_wait(client: httpx.AsyncClient, clock: Clock) -> None:
    register = partial(_register, client)
    # Asking whether an address is registered counts as well, the same one twice does not.
    assert [(await register(1)).status_code for _ in range(3)] == [201, 409, 409]
    at_once = await asyncio.gather(*(register(number) for number in range(2, REGISTRATIONS_PER_SENDER_MAX + 12)))
    told = Counter(answer.status_code for answer in at_once)
    assert told[201] <= REGISTRATIONS_PER_SENDER_MAX - 1
    assert told[201] + told[429] + told[503] == REGISTRATIONS_PER_SENDER_MAX + 10
    refused = await register(99)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
    assert (await register(99, ELSEWHERE)).status_code == 201
    assert (await _log_in(client, "new1@example.org", PASSWORD)).status_code == 200
    clock.ahead = timedelta(minutes=15, seconds=1)
    assert (await register(100)).status_code == 201


@pytest.mark.parametrize("at_once", [False, True])
async def test_one_address_is_told_of_few_that_are_registered_and_then_of_none(
    client: httpx.AsyncClient, clock: Clock, at_once: bool
) -> None:
    many = TAKEN_PER_SENDER_MAX + 3
    for number in range(many):
        assert (await _register(client, number, ELSEWHERE)).status_code == 201
    if at_once:
        answers = await asyncio.gather(*(_register(client, number) for number in range(many)))
    else:
        answers = [await _register(client, number) for number in range(many)]
    assert Counter(answer.status_code for answer in answers) == {409: TAKEN_PER_SENDER_MAX, 429: 3}
    # From now on nothing tells one that is registered from one that is not: neither is looked for.
    told, not_told = await _register(client, 0), await _register(client, 99)
    assert told.status_code == not_told.status_code == 429
    assert told.json() == not_told.json()
    assert 0 < int(told.headers["retry-after"]) <= 15 * 60
    assert (await _log_in(client, "new99@example.org", PASSWORD)).status_code == 401
    assert (await _register(client, 99, "198.51.100.4")).status_code == 201
    clock.ahead = timedelta(minutes=15, seconds=1)
    assert (await _register(client, 100)).status_code == 201


async def test_access_tokens_end_with_their_session_and_with_no_other(client: httpx.AsyncClient) -> None:
    maria = await CustomerAgent(client, "maria@example.org").sign_up()
    account = await maria.open_account()

    async def begun() -> tuple[str, str]:
        tokens = (await _log_in(client, maria.email, PASSWORD)).json()
        return tokens["access_token"], tokens["refresh_token"]

    async def opens(access: str) -> int:
        answer = await client.get(f"/v1/accounts/{account}", headers={"Authorization": f"Bearer {access}"})
        assert answer.status_code == 200 or answer.json()["code"] == "invalid_token"
        return answer.status_code

    async def refreshed(refresh: str) -> httpx.Response:
        return await client.post("/v1/auth/refresh", json={"refresh_token": refresh})

    (left, left_refresh), (stolen, stolen_refresh), (kept, _) = [await begun() for _ in range(3)]
    renewed = (await refreshed(left_refresh)).json()
    assert [await opens(access) for access in (left, renewed["access_token"], stolen, kept)] == [200] * 4
    ended = await client.post("/v1/auth/logout", json={"refresh_token": renewed["refresh_token"]})
    assert ended.status_code == 204
    # Also the one from before the session was refreshed: a device that was lost and logged out pays nothing more.
    assert [await opens(access) for access in (left, renewed["access_token"], stolen, kept)] == [401, 401, 200, 200]

    thiefs = (await refreshed(stolen_refresh)).json()["access_token"]
    assert (await refreshed(stolen_refresh)).status_code == 401
    assert [await opens(access) for access in (stolen, thiefs, kept)] == [401, 401, 200]


# Another password ----------------------------------------------------------------------------------------------------


async def _change(agent: CustomerAgent, current: str, new: str) -> httpx.Response:
    return await agent.post("/v1/auth/password", {"current_password": current, "new_password": new})


async def test_a_new_password_ends_every_session_but_the_one_it_begins(client: httpx.AsyncClient) -> None:
    maria = await CustomerAgent(client, "maria@example.org").sign_up()
    thief = (await _log_in(client, maria.email, PASSWORD)).json()
    changed = await _change(maria, PASSWORD, NEW)
    assert changed.status_code == 200, changed.text
    for access, refresh in ((thief["access_token"], thief["refresh_token"]), (maria.access_token, maria.refresh_token)):
        answer = await client.get("/v1/auth/me", headers={"Authorization": f"Bearer {access}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
        assert (await client.post("/v1/auth/refresh", json={"refresh_token": refresh})).status_code == 401
    assert (await _log_in(client, maria.email, PASSWORD)).status_code == 401
    assert (await _log_in(client, maria.email, NEW)).status_code == 200

    maria.access_token = changed.json()["access_token"]
    assert (await maria.get("/v1/auth/me")).json()["email"] == maria.email
    renewed = await client.post("/v1/auth/refresh", json={"refresh_token": changed.json()["refresh_token"]})
    assert renewed.status_code == 200
    maria.access_token = renewed.json()["access_token"]
    assert (await maria.get("/v1/auth/me")).status_code == 200


async def test_who_found_a_token_and_not_the_password_changes_nothing_and_may_not_guess(
    client: httpx.AsyncClient,
) -> None:
    maria = await CustomerAgent(client, "maria@example.org").sign_up()
    for _ in range(FAILURES_PER_SENDER_MAX):
        refused = await _change(maria, GUESS, NEW)
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials")
    assert (await _change(maria, PASSWORD, NEW)).status_code == 429
    assert (await maria.get("/v1/auth/me")).status_code == 200
    assert (await _log_in(client, maria.email, PASSWORD)).status_code == 200


@pytest.mark.parametrize("new", ["short", "x" * 129])
async def test_a_new_password_that_registration_would_not_take_is_refused_by_its_field(
    client: httpx.AsyncClient, new: str
) -> None:
    maria = await CustomerAgent(client, "maria@example.org").sign_up()
    refused = await _change(maria, PASSWORD, new)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "body.new_password")
    assert new not in refused.text
    assert (await _log_in(client, maria.email, PASSWORD)).status_code == 200


async def test_of_two_changes_at_once_one_stands_and_nobody_keeps_the_old_password(client: httpx.AsyncClient) -> None:
    maria = await CustomerAgent(client, "maria@example.org").sign_up()
    logins = [_log_in(client, maria.email, PASSWORD) for _ in range(4)]
    changes = [_change(maria, PASSWORD, f"{NEW} {number}") for number in range(2)]
    *tried, one, other = await asyncio.gather(*logins, *changes)
    assert sorted(answer.status_code for answer in (one, other)) in ([200, 401], [200, 409])
    winner = 0 if one.status_code == 200 else 1
    assert (await _log_in(client, maria.email, f"{NEW} {winner}")).status_code == 200
    for answer in tried:
        assert answer.status_code in (200, 401, 409)
        if answer.status_code == 200:
            begun = {"refresh_token": answer.json()["refresh_token"]}
            assert (await client.post("/v1/auth/refresh", json=begun)).status_code == 401
