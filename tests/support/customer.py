"""A bank's customer with a browser: everything goes through the gateway's public HTTP API."""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from typing import Any

import httpx

from network.topology import Organization

FINAL_STATES = frozenset({"posted", "completed", "returned", "aborted", "expired", "refused"})


class Customer:
    """A person; ``sign_up`` makes him a customer with one account.

    Args:
        bank: whose gateway he uses.
        name: his e-mail address begins with it; made unique.
    """

    def __init__(self, bank: Organization, name: str) -> None:
        self.bank = bank
        self.name = name
        self.email = f"{name}-{secrets.token_hex(4)}@customers.example"
        self.password = secrets.token_urlsafe(16)
        self.account = ""
        self.refresh_token = ""
        self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{bank.gateway_port}/v1", timeout=30)

    async def sign_up(self) -> None:
        """Register, log in, open an account."""
        await self.register()
        await self.log_in()
        await self.open_account()

    async def register(self) -> httpx.Response:
        """Become a customer."""
        body = {"email": self.email, "password": self.password, "display_name": self.name}
        return _good(await self.http.post("/auth/register", json=body))

    async def log_in(self) -> None:
        """Begin a session and use it from now on."""
        body = {"email": self.email, "password": self.password}
        self.use(_good(await self.http.post("/auth/login", json=body)).json())

    def use(self, tokens: dict[str, Any]) -> None:
        """Use a token pair from now on."""
        self.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        self.refresh_token = tokens["refresh_token"]

    async def open_account(self, label: str = "") -> str:
        """Open an account in EUR."""
        answer = await self.http.post("/accounts", json={"asset": "EUR", "label": label})
        self.account = str(_good(answer).json()["account"])
        return self.account

    async def balance_minor(self) -> int:
        """What the account holds."""
        return int((await self.balance())["balance_minor"])

    async def balance(self) -> dict[str, str]:
        """What the account holds, holds held, and has available."""
        found: dict[str, str] = _good(await self.http.get(f"/accounts/{self.account}/balance")).json()
        return found

    async def statement(self) -> list[dict[str, Any]]:
        """The newest movements."""
        lines: list[dict[str, Any]] = _good(await self.http.get(f"/accounts/{self.account}/statement")).json()["lines"]
        return lines

    async def order(
        self, to: Customer, amount_minor: int, description: str = "", key: str | None = None
    ) -> httpx.Response:
        """Order a transfer, to the other's bank where that is another one; returns whatever comes back."""
        body = {
            "debtor_account": self.account,
            "creditor_account": to.account,
            "asset": "EUR",
            "amount_minor": str(amount_minor),
            "description": description,
        }
        if to.bank != self.bank:
            body["creditor_bank"] = to.bank.msp_id
        return await self.http.post("/transfers", json=body, headers={"Idempotency-Key": key or str(uuid.uuid4())})

    async def transfer(self, transfer_id: str) -> dict[str, Any]:
        """One own transfer as it stands."""
        found: dict[str, Any] = _good(await self.http.get(f"/transfers/{transfer_id}")).json()
        return found

    async def final(self, transfer_id: str, timeout_s: float = 30.0) -> dict[str, Any]:
        """One own transfer once nothing changes any more."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = await self.transfer(transfer_id)
            if found["state"] in FINAL_STATES:
                return found
            assert time.monotonic() < deadline, f"transfer {transfer_id} is still {found['state']}"
            await asyncio.sleep(0.1)

    async def pay(self, to: Customer, amount_minor: int, description: str = "") -> dict[str, Any]:
        """Transfer and wait for the end."""
        ordered = _good(await self.order(to, amount_minor, description)).json()
        return await self.final(ordered["transfer_id"])

    async def close(self) -> None:
        """Close the browser."""
        await self.http.aclose()


def _good(answer: httpx.Response) -> httpx.Response:
    assert answer.is_success, f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}"
    return answer
