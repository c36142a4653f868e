"""``dwaybank.audit.v1.AuditService``, the part about disclosure: demand, fetch, allow, refuse, give, look."""

from __future__ import annotations

import asyncio

from network.pb.dwaybank.audit.v1 import audit_pb2 as pb
from network.rpc import Server
from node.access import Members
from node.audit.demand_store import STATES, Demand, DemandStore
from node.audit.demands import Demands
from node.audit.disclosure import Disclosures
from node.audit.errors import BadRequestError
from node.audit.serving import Serving, acting, number, text, timestamp


class DisclosureService:
    """Serves both sides of disclosure.

    Args:
        demands: this organization's own.
        disclosures: answers to others'.
        known: demands as this node knows them.
        members: tells who calls.
    """

    def __init__(self, demands: Demands, disclosures: Disclosures, known: DemandStore, members: Members) -> None:
        self._demands = demands
        self._disclosures = disclosures
        self._known = known
        self._members = members

    def register(self, server: Server) -> None:
        """Offer all methods of this part."""
        serving = Serving(server, self._members)
        serving.own_users("DemandDisclosure", pb.DemandDisclosureRequest, self._demand_disclosure)
        serving.own_users("FetchDisclosure", pb.FetchDisclosureRequest, self._fetch_disclosure)
        serving.own_users("GetDisclosedDetails", pb.GetDisclosedDetailsRequest, self._get_disclosed_details)
        serving.own("ListDemands", pb.ListDemandsRequest, self._list_demands)
        serving.own_users("AllowDemand", pb.AllowDemandRequest, self._allow_demand)
        serving.own("RefuseDemand", pb.RefuseDemandRequest, self._refuse_demand)
        serving.members("Disclose", pb.DiscloseRequest, self._disclose)

    async def _demand_disclosure(self, user: str, request: pb.DemandDisclosureRequest) -> pb.DemandDisclosureResponse:
        who = acting(user, request.for_user)
        disclosed = await self._demands.demand(
            request.organization, list(request.seqs), request.purpose, who, list(request.scope)
        )
        return pb.DemandDisclosureResponse(
            demand_id=disclosed.demand_id,
            transaction_id=disclosed.transaction_id,
            bundles=disclosed.bundles,
            details=disclosed.details,
        )

    async def _fetch_disclosure(self, user: str, request: pb.FetchDisclosureRequest) -> pb.FetchDisclosureResponse:
        disclosed = await self._demands.fetch(request.demand_id, acting(user, request.for_user))
        return pb.FetchDisclosureResponse(bundles=disclosed.bundles, details=disclosed.details)

    async def _get_disclosed_details(
        self, user: str, request: pb.GetDisclosedDetailsRequest
    ) -> pb.GetDisclosedDetailsResponse:
        organization, seq = text("organization", request.organization), number("seq", request.seq, 1)
        who = acting(user, request.for_user)
        found = await asyncio.to_thread(self._demands.details_of, organization, seq, who)
        return pb.GetDisclosedDetailsResponse(details=found)

    async def _list_demands(self, request: pb.ListDemandsRequest) -> pb.ListDemandsResponse:
        if request.state and request.state not in STATES:
            raise BadRequestError(f"state: {request.state[:40]!r} is none of {', '.join(STATES)}")
        organization = text("organization", request.organization)
        found, token = await asyncio.to_thread(
            self._known.page, organization, request.state, request.page_size, text("page_token", request.page_token)
        )
        return pb.ListDemandsResponse(demands=[_message(each) for each in found], next_page_token=token)

    async def _allow_demand(self, user: str, request: pb.AllowDemandRequest) -> pb.AllowDemandResponse:
        await self._disclosures.allow(request.demand_id, acting(user, request.for_user))
        return pb.AllowDemandResponse()

    async def _refuse_demand(self, request: pb.RefuseDemandRequest) -> pb.RefuseDemandResponse:
        transaction_id = await self._disclosures.refuse(request.demand_id, request.reason)
        return pb.RefuseDemandResponse(transaction_id=transaction_id)

    async def _disclose(self, caller: str, request: pb.DiscloseRequest) -> pb.DiscloseResponse:
        return pb.DiscloseResponse(sealed=await self._disclosures.disclose(caller, request.demand_id))


def _message(demand: Demand) -> pb.Demand:
    return pb.Demand(
        demand_id=demand.demand_id,
        organization=demand.organization,
        demanding_organization=demand.demanding_organization,
        seqs=demand.seqs,
        purpose=demand.purpose,
        scope=demand.scope,
        recorded_at=timestamp(demand.recorded_at),
        block_number=demand.block_number,
        transaction_id=demand.transaction_id,
        state=demand.state,
        reason=demand.reason,
    )
