"""The overview: how the members stand, how fresh their anchors are, what is open."""

from __future__ import annotations

import asyncio

from starlette.responses import Response
from starlette.routing import Route

from gateway.portal.node import PortalNode
from gateway.portal.roles import Action
from gateway.portal.routes.findings import UNSETTLED
from gateway.portal.services import Visit, page
from gateway.portal.standing import Standing, chart_of, standing_of
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb

RECORDS = 200
"""Newest anchors and cosignatures of each member that are looked at."""


@page(Action.OVERVIEW)
async def show_overview(visit: Visit) -> Response:
    """Show the overview."""
    node = visit.services.node
    organizations = [member.msp_id for member in visit.services.config.members]
    own, unsettled = await asyncio.gather(
        node.call("GetAnchorStatus", pb.GetAnchorStatusRequest(), pb.GetAnchorStatusResponse),
        unsettled_of(node),
    )
    standings = await asyncio.gather(*(_standing(visit, organization) for organization in organizations))
    return visit.page("overview.html", own=own, standings=standings, unsettled=unsettled, chart=chart_of(standings))


async def unsettled_of(node: PortalNode) -> list[pb.AuditFinding]:
    """Return all findings that are not closed."""
    found: list[pb.AuditFinding] = []
    for status in UNSETTLED:
        request = pb.ListFindingsRequest(status=status)
        while True:
            reply = await node.call("ListFindings", request, pb.ListFindingsResponse)
            found += reply.findings
            request.page_token = reply.next_page_token
            if not request.page_token:
                break
    return found


async def _standing(visit: Visit, organization: str) -> Standing:
    anchors, cosignatures = await asyncio.gather(
        _newest(visit, "checkpoint", organization), _newest(visit, "cosignature", organization)
    )
    return standing_of(organization, anchors, cosignatures, visit.services.now())


async def _newest(visit: Visit, kind: str, organization: str) -> list[pb.AuditRecord]:
    request = pb.SearchAuditRequest(kind=kind, organization=organization, page_size=RECORDS)
    return list((await visit.services.node.call("SearchAudit", request, pb.SearchAuditResponse)).records)


ROUTES = [Route("/", show_overview)]
