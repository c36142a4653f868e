"""A customer's own proof that his payment stands in the bank's books and on the shared ledger."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Query, Response

from gateway.errors import ConflictError
from gateway.services import CustomerId, ServicesOf, problems

router = APIRouter(prefix="/v1/transfers", tags=["proofs"])

WAIT_MS_MAX = 15_000


@router.get(
    "/{transfer_id}/proof",
    summary="Proof bundle",
    response_class=Response,
    responses={
        200: {
            "description": "The bundle; `dwaybank verify` checks it without network or database",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        **problems(401, 403, 404, 409, 422, 503),
    },
)
async def get_proof(
    transfer_id: uuid.UUID,
    customer_id: CustomerId,
    services: ServicesOf,
    wait_ms: Annotated[int, Query(ge=0, le=WAIT_MS_MAX, description="wait for the anchoring, milliseconds")] = 0,
) -> Response:
    """Return the offline proof of an own transfer, byte for byte as the node made it; 409 while it is not anchored."""
    transfer = await services.transfers.find(customer_id, transfer_id)
    if transfer.seq is None:
        raise ConflictError("not_posted", "this transfer does not stand in the books: there is nothing to prove")
    bundle = await services.node.proof(transfer.seq, wait_ms)
    return Response(bundle, media_type="application/json")
