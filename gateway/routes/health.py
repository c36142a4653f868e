"""Is the gateway alive, can it work, and whose is it."""

from __future__ import annotations

from anyio import to_thread
from fastapi import APIRouter

from gateway.schemas import HealthResponse, OrganizationResponse
from gateway.services import ServicesOf, problems

router = APIRouter(prefix="/v1", tags=["health"])


@router.get("/health", summary="The process is alive")
async def health() -> HealthResponse:
    """Answer without asking anybody else: for a supervisor that restarts dead processes."""
    return HealthResponse()


@router.get("/ready", summary="Database and node answer", responses=problems(503))
async def ready(services: ServicesOf) -> HealthResponse:
    """Answer after asking the gateway's database and its node: for a balancer that chooses among gateways."""
    await to_thread.run_sync(services.store.ping)
    await services.node.ping()
    return HealthResponse()


@router.get("/organization", summary="The bank behind this gateway")
async def organization(services: ServicesOf) -> OrganizationResponse:
    """Return the bank's name, the assets it offers and the banks it can pay."""
    config = services.config
    return OrganizationResponse(
        msp_id=config.organization.msp_id,
        display_name=config.organization.display_name,
        assets=[OrganizationResponse.Asset(code=asset.code, scale=asset.scale) for asset in config.assets],
        partners=[
            OrganizationResponse.Bank(msp_id=bank.msp_id, display_name=bank.display_name) for bank in config.partners
        ],
    )
