"""What the bank does about a customer: its commands, as they are, and what a running gateway lets the customer do then.

Method: as in ``test_gateway.py``; the commands get the settings file of the gateway that runs.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import yaml

from gateway.auth.sessions import FAILURES_PER_SENDER_MAX
from gateway.customer_desk import GIVEN_FOR
from gateway.customers import main
from tests.support.gateway_client import PASSWORD, Clock, CustomerAgent, gateway_config
from tests.support.node_in_memory import NodeInMemory


@pytest.fixture
def settings(database_url: str, node: NodeInMemory, tmp_path: Path) -> Path:
    config = gateway_config(tmp_path, database_url, node.address)
    path = tmp_path / "gateway.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_none=True)))
    return path


class Desk:
    """The bank's commands, and what they say."""

    def __init__(self, settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._settings, self._capsys = settings, capsys

    async def run(self, *words: str) -> str:
        """Run a command that is done."""
        status, out, err = await self.told(*words)
        assert (status, err) == (0, "")
        return out

    async def told(self, *words: str) -> tuple[int, str, str]:
        """Run a command; return status, output and errors."""
        self._capsys.readouterr()
        status = await asyncio.to_thread(main, ["--config", str(self._settings), *words])
        return status, *self._capsys.readouterr()


@pytest.fixture
def desk(settings: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(settings, capsys)


async def _log_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/v1/auth/login", json={"email": email, "password": password})


async def test_who_is_suspended_is_out_at_once_and_comes_back_by_logging_in(
    client: httpx.AsyncClient, desk: Desk
) -> None:
    maria, tomas = [await CustomerAgent(client, f"{name}@example.org").sign_up() for name in ("maria", "tomas")]
    account = await maria.open_account()
    told = await desk.run("suspend", maria.email, "--actor", "clerk-7", "--reason", "phone stolen")
    assert "suspended, all sessions ended" in told
    for path in ("/v1/auth/me", "/v1/accounts"):
        assert (await maria.get(path)).status_code in (401, 403)
    begun = {"refresh_token": maria.refresh_token}
    assert (await client.post("/v1/auth/refresh", json=begun)).status_code == 401
    assert (await _log_in(client, maria.email)).json()["code"] == "customer_suspended"
    assert (await tomas.get("/v1/auth/me")).status_code == 200

    shown = await desk.run("show", account)
    assert "suspended  maria@example.org  maria" in shown
    assert f"account {account}" in shown
    assert "suspended by clerk-7: phone stolen" in shown

    (customer_id,) = re.findall(r"^([0-9a-f-]{36})  suspended", shown)
    assert "may log in again" in await desk.run("reinstate", customer_id, "--reason", "has a new phone")
    # What was opened before stays shut: only who knows the password comes back.
    assert (await maria.get("/v1/auth/me")).status_code == 401
    assert (await client.post("/v1/auth/refresh", json=begun)).status_code == 401
    assert (await _log_in(client, maria.email)).status_code == 200


async def test_a_reset_password_is_told_once_and_ends_what_the_old_one_opened(
    client: httpx.AsyncClient, desk: Desk
) -> None:
    maria = await CustomerAgent(client, "maria@example.org").sign_up()
    told = await desk.run("reset-password", "Maria@Example.org", "--reason", "forgot it, showed her passport")
    password = told.splitlines()[1]
    assert len(password) == 16
    assert (await maria.get("/v1/auth/me")).status_code == 401
    assert (await _log_in(client, maria.email)).status_code == 401
    begun = {"refresh_token": maria.refresh_token}
    assert (await client.post("/v1/auth/refresh", json=begun)).status_code == 401
    assert (await _log_in(client, maria.email, password)).status_code == 200
    assert password not in await desk.run("show", maria.email)


async def test_a_given_password_opens_nothing_but_the_way_to_an_own_one(client: httpx.AsyncClient, desk: Desk) -> None:
    maria, tomas = [await CustomerAgent(client, f"{name}@example.org").sign_up() for name in ("maria", "tomas")]
    account = await maria.open_account()
    given = (await desk.run("reset-password", maria.email, "--reason", "forgot it")).splitlines()[1]
    begun = (await _log_in(client, maria.email, given)).json()
    assert begun["must_change_password"] is True
    maria.access_token = begun["access_token"]
    document = (await client.get("/v1/openapi.json")).json()
    closed = [
        (method, path.replace("{account}", account).replace("{transfer_id}", account))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if "security" in operation and path != "/v1/auth/password"
    ]
    assert len(closed) >= 10
    bearer = {"Authorization": f"Bearer {maria.access_token}"}
    for method, path in closed:
        refused = await client.request(method, path, headers=bearer)
        assert (refused.status_code, refused.json()["code"]) == (403, "password_change_required"), (method, path)
        assert "set one of your own (POST /v1/auth/password)" in refused.json()["detail"]
    renewed = await client.post("/v1/auth/refresh", json={"refresh_token": begun["refresh_token"]})
    assert (renewed.status_code, renewed.json()["code"]) == (403, "password_change_required")

    # Keeping the given one is no change, and nothing is begun or ended by it.
    kept = await maria.post("/v1/auth/password", {"current_password": given, "new_password": given})
    assert (kept.status_code, kept.json()["code"]) == (422, "same_password")
    assert given not in kept.text
    again = (await _log_in(client, maria.email, given)).json()
    assert again["must_change_password"] is True
    ended = await client.post("/v1/auth/logout", json={"refresh_token": again["refresh_token"]})
    assert ended.status_code == 204

    changed = await maria.post("/v1/auth/password", {"current_password": given, "new_password": "her own again!"})
    assert (changed.status_code, changed.json()["must_change_password"]) == (200, False)
    maria.access_token = changed.json()["access_token"]
    assert (await maria.get(f"/v1/accounts/{account}")).status_code == 200
    renewed = await client.post("/v1/auth/refresh", json={"refresh_token": changed.json()["refresh_token"]})
    assert renewed.status_code == 200
    assert (await _log_in(client, maria.email, given)).status_code == 401
    assert (await _log_in(client, maria.email, "her own again!")).json()["must_change_password"] is False
    assert (await tomas.get("/v1/accounts")).status_code == 200


async def test_a_given_password_that_nobody_used_for_days_opens_nothing(
    client: httpx.AsyncClient, desk: Desk, clock: Clock
) -> None:
    maria = await CustomerAgent(client, "maria@example.org").sign_up()
    told = await desk.run("reset-password", maria.email, "--reason", "forgot it")
    until, given = re.findall(r"good until (\S+ \S+) UTC", told)[0], told.splitlines()[1]
    assert datetime.strptime(until, "%Y-%m-%d %H:%M").replace(tzinfo=UTC) - clock() < GIVEN_FOR
    waits = f"has the password that the bank gave, good until {until} UTC, and must change it"
    assert waits in await desk.run("show", maria.email)
    clock.ahead = GIVEN_FOR - timedelta(minutes=5)
    begun = await _log_in(client, maria.email, given)
    assert begun.status_code == 200
    clock.ahead = GIVEN_FOR + timedelta(minutes=5)
    refused = await _log_in(client, maria.email, given)
    assert (refused.status_code, refused.json()["code"]) == (403, "password_expired")
    assert (await _log_in(client, maria.email, PASSWORD)).json()["code"] == "invalid_credentials"
    # Who logged in while it was good may still set one of his own; that is good for ever.
    maria.access_token = begun.json()["access_token"]
    changed = await maria.post("/v1/auth/password", {"current_password": given, "new_password": "her own again!"})
    assert changed.status_code == 200
    assert "the bank gave" not in await desk.run("show", maria.email)
    clock.ahead = timedelta(days=400)
    assert (await _log_in(client, maria.email, "her own again!")).status_code == 200


async def test_who_was_shut_out_by_wrong_passwords_comes_in_with_the_given_one(
    client: httpx.AsyncClient, desk: Desk
) -> None:
    maria, tomas = [await CustomerAgent(client, f"{name}@example.org").sign_up() for name in ("maria", "tomas")]
    for customer in (maria, tomas):
        for _ in range(FAILURES_PER_SENDER_MAX):
            assert (await _log_in(client, customer.email, "what was it again?")).status_code == 401
        assert (await _log_in(client, customer.email)).status_code == 429
    given = (await desk.run("reset-password", maria.email, "--reason", "forgot it")).splitlines()[1]
    for _ in range(FAILURES_PER_SENDER_MAX - 1):
        assert (await _log_in(client, maria.email, "what was it again?")).status_code == 401
    assert (await _log_in(client, maria.email, given)).status_code == 200
    assert (await _log_in(client, maria.email, "what was it again?")).status_code == 401
    assert (await _log_in(client, maria.email, given)).status_code == 429
    assert (await _log_in(client, tomas.email)).status_code == 429


async def test_a_suspended_customer_with_a_given_password_must_change_it_when_he_is_back(
    client: httpx.AsyncClient, desk: Desk
) -> None:
    maria = await CustomerAgent(client, "maria@example.org").sign_up()
    given = (await desk.run("reset-password", maria.email, "--reason", "forgot it")).splitlines()[1]
    await desk.run("suspend", maria.email, "--reason", "phone stolen")
    assert (await _log_in(client, maria.email, given)).json()["code"] == "customer_suspended"
    await desk.run("reinstate", maria.email, "--reason", "has a new phone")
    assert (await _log_in(client, maria.email, given)).json()["must_change_password"] is True


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("show", "nobody@example.org"), "nobody@example.org: no customer: give an e-mail address, a customer's id"),
        (("suspend", "maria@example.org"), "reason '': give 1 to 500 characters"),
        (("suspend", "maria@example.org", "--reason", "x" * 501), "reason 'xxxxxxxxxxxxxxxxxxxx': give 1 to 500"),
        (("reinstate", "maria@example.org", "--reason", "x"), "the customer is active already: nothing was changed"),
    ],
)
async def test_what_cannot_be_done_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, desk: Desk, words: tuple[str, ...], fault: str
) -> None:
    maria = await CustomerAgent(client, "maria@example.org").sign_up()
    status, out, err = await desk.told(*words)
    assert (status, out) == (1, "")
    assert fault in err
    assert "Traceback" not in err
    assert (await maria.get("/v1/auth/me")).status_code == 200
