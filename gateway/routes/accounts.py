"""A customer's own accounts: open, list, balance, statement."""

from __future__ import annotations

import asyncio
import base64
import uuid
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Query

from gateway.errors import ConflictError, RefusedError
from gateway.node_client import Balance, StatementLine
from gateway.schemas import (
    AccountListResponse,
    AccountResponse,
    BalanceResponse,
    OpenAccountRequest,
    StatementLineResponse,
    StatementResponse,
)
from gateway.services import CustomerId, Services, ServicesOf, problems
from gateway.store import OwnAccount

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])

ACCOUNTS_PER_CUSTOMER_MAX = 20
PAGE_SIZE_MAX = 200
PSEUDONYM_BYTES = 16


@router.post("", status_code=201, summary="Open an account", responses=problems(400, 401, 403, 409, 413, 422, 503))
async def open_account(
    body: OpenAccountRequest,
    customer_id: CustomerId,
    services: ServicesOf,
    idempotency_key: Annotated[
        uuid.UUID | None,
        Header(
            alias="Idempotency-Key", description="UUID chosen by the client; sending it again opens no second account"
        ),
    ] = None,
) -> AccountResponse:
    """Open an account in one of the bank's assets; its reference is random and says nothing about its owner.

    Send an `Idempotency-Key`: after 503, or no answer, the same request with the same key opens no second account.
    """
    if body.asset not in {asset.code for asset in services.config.assets}:
        raise RefusedError("unknown_asset", f"asset {body.asset}: this bank does not offer it")
    owned = await to_thread.run_sync(services.store.accounts, customer_id)
    own = next((each for each in owned if idempotency_key and each.idempotency_key == idempotency_key), None)
    if own is None:
        # Asked before the books open one that he may not have; what decides is the count under a lock below.
        if len(owned) >= ACCOUNTS_PER_CUSTOMER_MAX:
            raise ConflictError("account_limit", f"a customer may have {ACCOUNTS_PER_CUSTOMER_MAX} accounts")
        reference = _new_reference(services)
        # The books first: an account nobody owns is harmless, an owner without an account is not.
        await services.node.open_account(reference, body.asset)
        wanted = OwnAccount(reference, customer_id, body.asset, body.label, services.now(), idempotency_key)
        own = await to_thread.run_sync(services.store.add_account, wanted, ACCOUNTS_PER_CUSTOMER_MAX)
    if (own.asset, own.label) != (body.asset, body.label):
        told = "this Idempotency-Key was used for another account: choose a new one"
        raise ConflictError("idempotency_key_reused", told)
    return _account(own, await services.node.balance(own.account))


@router.get("", summary="List own accounts", responses=problems(401, 403, 503))
async def list_accounts(customer_id: CustomerId, services: ServicesOf) -> AccountListResponse:
    """Return all own accounts with their balances."""
    owned = await to_thread.run_sync(services.store.accounts, customer_id)
    balances = await asyncio.gather(*(services.node.balance(own.account) for own in owned))
    return AccountListResponse(accounts=[_account(own, balance) for own, balance in zip(owned, balances, strict=True)])


@router.get("/{account}", summary="One own account", responses=problems(401, 403, 404, 422, 503))
async def get_account(account: str, customer_id: CustomerId, services: ServicesOf) -> AccountResponse:
    """Return one own account with its balance."""
    own = await _own(services, customer_id, account)
    return _account(own, await services.node.balance(own.account))


@router.get("/{account}/balance", summary="Balance", responses=problems(401, 403, 404, 422, 503))
async def get_balance(account: str, customer_id: CustomerId, services: ServicesOf) -> BalanceResponse:
    """Return what an own account holds now."""
    own = await _own(services, customer_id, account)
    balance = await services.node.balance(own.account)
    return BalanceResponse(
        account=balance.account,
        asset=balance.asset,
        balance_minor=str(balance.balance_minor),
        held_minor=str(balance.held_minor),
        available_minor=str(balance.available_minor),
    )


@router.get("/{account}/statement", summary="Movements", responses=problems(401, 403, 404, 422, 503))
async def get_statement(
    account: str,
    customer_id: CustomerId,
    services: ServicesOf,
    page_size: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX, description="lines on a page")] = 50,
    page_token: Annotated[str, Query(max_length=512, description="`next_page_token` of the page before")] = "",
) -> StatementResponse:
    """Return a page of an own account's movements, newest first."""
    own = await _own(services, customer_id, account)
    lines, next_page_token = await services.node.statement(own.account, page_size, page_token)
    return StatementResponse(
        account=own.account, lines=[_line(line) for line in lines], next_page_token=next_page_token
    )


async def _own(services: Services, customer_id: uuid.UUID, account: str) -> OwnAccount:
    # A text no database can hold is nobody's account either.
    cleaned = account.encode(errors="replace").decode().replace("\x00", "?")
    return await to_thread.run_sync(services.store.account, customer_id, cleaned)


def _new_reference(services: Services) -> str:
    digits = base64.b32encode(services.random_bytes(PSEUDONYM_BYTES)).decode().rstrip("=")
    return f"cust-{digits.lower()}"


def _account(own: OwnAccount, balance: Balance) -> AccountResponse:
    return AccountResponse(
        account=own.account,
        asset=own.asset,
        label=own.label,
        opened_at=own.opened_at,
        balance_minor=str(balance.balance_minor),
        held_minor=str(balance.held_minor),
        available_minor=str(balance.available_minor),
        status=balance.status,
    )


def _line(line: StatementLine) -> StatementLineResponse:
    return StatementLineResponse(
        seq=line.seq,
        direction="in" if line.is_credit else "out",
        amount_minor=str(line.amount_minor),
        balance_after_minor=str(line.balance_after_minor),
        posted_at=line.posted_at,
        effective_at=line.effective_at,
        settlement_id=line.settlement_id,
        description=line.description,
    )
