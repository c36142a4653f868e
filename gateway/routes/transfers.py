"""Transfers: inside the bank, or to a customer of a partner bank."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Header, Response

from gateway.schemas import TransferRequest, TransferResponse
from gateway.services import CustomerId, ServicesOf, problems
from gateway.store import FINAL_STATES, Transfer
from gateway.transfers import TransferOrder

router = APIRouter(prefix="/v1/transfers", tags=["transfers"])

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


@router.get("/{transfer_id}", summary="One own transfer", responses=problems(401, 403, 404, 422, 503))
async def get_transfer(transfer_id: uuid.UUID, customer_id: CustomerId, services: ServicesOf) -> TransferResponse:
    """Return one own transfer as it stands now, and how far the proof of its entry has come."""
    transfer = await services.transfers.find(customer_id, transfer_id)
    standing = None if transfer.seq is None else await services.node.entry(transfer.seq)
    return _transfer(transfer, None if standing is None else standing.state)


def _transfer(transfer: Transfer, entry_state: str | None) -> TransferResponse:
    return TransferResponse(
        transfer_id=transfer.transfer_id,
        state=transfer.state,
        debtor_account=transfer.debtor_account,
        creditor_account=transfer.creditor_account,
        creditor_bank=transfer.partner_msp_id,
        asset=transfer.asset,
        amount_minor=str(transfer.amount_minor),
        description=transfer.description,
        created_at=transfer.created_at,
        seq=transfer.seq,
        decision=transfer.decision,
        entry_state=entry_state,
        refusal_code=transfer.refusal_code,
    )
