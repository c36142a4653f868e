"""A gateway under test and its customers: the real application in process, reached over HTTP as a browser would."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from gateway.app import create_app
from gateway.config import GatewayConfig

PASSWORD = "correct horse battery staple"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def gateway_config(folder: Path, database_url: str, node_address: str, **changes: Any) -> GatewayConfig:
    """Return a configuration for tests: loopback, no TLS, cheap password hashes."""
    secret = folder / "jwt"
    secret.write_bytes(b"0123456789abcdef" * 4)
    fields: dict[str, Any] = {
        "listen": {"port": 0},
        "database_url": database_url,
        "node": {"address": node_address, "timeout_s": 5},
        "jwt_secret_file": secret,
        "organization": {"msp_id": "DwaybankMSP", "display_name": "DwayBank"},
        "partners": [{"msp_id": "PartnerMSP", "display_name": "Partner Bank"}],
        "assets": [{"code": "EUR", "scale": 2}, {"code": "USD", "scale": 2}],
        "password_cost": {"memory_kib": 8_192, "iterations": 1, "threads": 2},
    }
    return GatewayConfig(**(fields | changes))


@asynccontextmanager
async def running_gateway(
    config: GatewayConfig, now: Callable[[], datetime] | None = None
) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """Start the application and yield it with a client of it."""
    app = create_app(config) if now is None else create_app(config, now=now)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            yield app, client


class CustomerAgent:
    """A customer at work; every call returns the raw answer."""

    def __init__(self, client: httpx.AsyncClient, email: str) -> None:
        self.client = client
        self.email = email
        self.access_token = ""
        self.refresh_token = ""

    async def sign_up(self) -> CustomerAgent:
        """Register and sign in."""
        body = {"email": self.email, "password": PASSWORD, "display_name": self.email.split("@")[0]}
        assert (await self.client.post("/v1/auth/register", json=body)).status_code == 201
        answer = await self.client.post("/v1/auth/login", json={"email": self.email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        self.access_token, self.refresh_token = answer.json()["access_token"], answer.json()["refresh_token"]
        return self

    async def get(self, path: str) -> httpx.Response:
        """GET as this customer."""
        return await self.client.get(path, headers=self._headers())

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """POST as this customer."""
        return await self.client.post(path, json=body, headers=self._headers() | headers)

    async def open_account(self, asset: str = "EUR") -> str:
        """Open an account and return its reference."""
        answer = await self.post("/v1/accounts", {"asset": asset})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["account"])

    async def pay(self, debtor: str, creditor: str, amount: str, key: str | None = None, **more: Any) -> httpx.Response:
        """Order a transfer."""
        body = {"debtor_account": debtor, "creditor_account": creditor, "asset": "EUR", "amount_minor": amount} | more
        return await self.post("/v1/transfers", body, **{"Idempotency-Key": key or str(uuid.uuid4())})

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}
