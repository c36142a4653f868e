"""Transfers: inside the bank, or to a customer of a partner bank."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from gateway.errors import RefusedError
from gateway.schemas import ListedTransferResponse, TransferListResponse, TransferRequest, TransferResponse
from gateway.services import CustomerId, ServicesOf, problems
from gateway.store import FINAL_STATES, Transfer
from gateway.transfers import TransferOrder

router = APIRouter(prefix="/v1/transfers", tags=["transfers"])

PAGE_SIZE_MAX = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TOKEN = re.compile(r"([0-9]{1,16})\.([0-9a-f]{32})")
"""Microseconds and id of the last transfer of a page."""

IdempotencyKey = Annotated[
    uuid.UUID,
    Header(
        alias="Idempotency-Key",
        description="UUID chosen by the client (version 7 preferred); sending it again repeats nothing",
        examples=["0199f0a2-7f3c-7d11-9d3e-0f2f6f1c2b3a"],
    ),
]


@router.post(
    "",
    status_code=201,
    summary="Pay",
    responses={
        202: {"description": "Accepted; the partner bank has not answered yet", "model": TransferResponse},
        **problems(400, 401, 403, 404, 409, 413, 422, 503),
    },
)
async def create_transfer(
    body: TransferRequest,
    idempotency_key: IdempotencyKey,
    customer_id: CustomerId,
    services: ServicesOf,
    response: Response,
) -> TransferResponse:
    """Pay once, however often the same request is sent; after 503 send it again with the same key."""
    own_bank = body.creditor_bank in (None, services.config.organization.msp_id)
    order = TransferOrder(
        debtor_account=body.debtor_account,
        creditor_account=body.creditor_account,
        partner_msp_id=None if own_bank else body.creditor_bank,
        asset=body.asset,
        amount_minor=int(body.amount_minor),
        description=body.description,
    )
    transfer = await services.transfers.submit(customer_id, idempotency_key, order)
    if transfer.state not in FINAL_STATES:
        response.status_code = 202
    response.headers["Location"] = f"/v1/transfers/{transfer.transfer_id}"
    return _transfer(transfer, None if transfer.seq is None else "posted")


@router.get("", summary="List own transfers", responses=problems(401, 403, 422, 503))
async def list_transfers(
    customer_id: CustomerId,
    services: ServicesOf,
    page_size: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX, description="transfers on a page")] = 50,
    page_token: Annotated[str, Query(max_length=512, description="`next_page_token` of the page before")] = "",
) -> TransferListResponse:
    """Return a page of own transfers as they stand now, newest first, refused ones too."""
    found = await services.transfers.newest(customer_id, _place_of(page_token), page_size)
    token = _token_of(found[-1]) if len(found) == page_size else ""
    return TransferListResponse(
        transfers=[ListedTransferResponse(**_fields(transfer)) for transfer in found], next_page_token=token
    )


@router.get("/{transfer_id}", summary="One own transfer", responses=problems(401, 403, 404, 422, 503))
async def get_transfer(transfer_id: uuid.UUID, customer_id: CustomerId, services: ServicesOf) -> TransferResponse:
    """Return one own transfer as it stands now, and how far the proof of its entry has come."""
    transfer = await services.transfers.find(customer_id, transfer_id)
    standing = None if transfer.seq is None else await services.node.entry(transfer.seq)
    return _transfer(transfer, None if standing is None else standing.state)


def _transfer(transfer: Transfer, entry_state: str | None) -> TransferResponse:
    return TransferResponse(**_fields(transfer), entry_state=entry_state)


def _fields(transfer: Transfer) -> dict[str, Any]:
    return {
        "transfer_id": transfer.transfer_id,
        "state": transfer.state,
        "debtor_account": transfer.debtor_account,
        "creditor_account": transfer.creditor_account,
        "creditor_bank": transfer.partner_msp_id,
        "asset": transfer.asset,
        "amount_minor": str(transfer.amount_minor),
        "description": transfer.description,
        "created_at": transfer.created_at,
        "seq": transfer.seq,
        "decision": transfer.decision,
        "refusal_code": transfer.refusal_code,
    }


def _token_of(transfer: Transfer) -> str:
    return f"{(transfer.created_at - _EPOCH) // timedelta(microseconds=1)}.{transfer.transfer_id.hex}"


def _place_of(token: str) -> tuple[datetime, uuid.UUID] | None:
    """Return the time and id that a page's token names."""
    if not token:
        return None
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise RefusedError("invalid", "page_token: not one this gateway gave")
    return _EPOCH + timedelta(microseconds=int(match[1])), uuid.UUID(hex=match[2])
