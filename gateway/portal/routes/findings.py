"""Findings about members: list, open, and lead them through their life on the shared ledger."""

from __future__ import annotations

import asyncio

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.errors import CustomerGatewayError, NotFoundError, RefusedError
from gateway.portal.node import SLOW_S
from gateway.portal.roles import Action
from gateway.portal.searching import next_query_of
from gateway.portal.services import Visit, page
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb

UNSETTLED = ("open", "explained", "escalated")
STATUSES = (*UNSETTLED, "closed")
KINDS = (
    "altered_books", "forked_log", "imbalanced_totals", "interbank_difference", "late_checkpoint", "silent_member",
    "unanswered_demand", "unsound_disclosure", "other",
)  # fmt: skip
KNOWN_TRIES, KNOWN_PAUSE_S = 50, 0.1
OUTCOMES = ("remedied", "mistaken", "sanctioned")


@page(Action.READ_FINDINGS, ("organization", "status", "page_token"))
async def show_findings(visit: Visit) -> Response:
    """Show findings, the one that moved last first."""
    wanted = pb.ListFindingsRequest(
        organization=visit.form.get("organization", ""),
        status=visit.form.get("status", ""),
        page_token=visit.form.get("page_token", ""),
    )
    reply = await visit.services.node.call("ListFindings", wanted, pb.ListFindingsResponse)
    following = next_query_of(visit.form, reply.next_page_token)
    return visit.page(
        "findings.html", form=visit.form, findings=reply.findings, statuses=STATUSES, next_query=following
    )


@page(Action.OPEN_FINDING, ("organization", "subject"))
async def show_new_finding(visit: Visit) -> Response:
    """Show the form that opens a finding."""
    return _new_page(visit, dict(visit.form))


@page(Action.OPEN_FINDING, ("organization", "kind", "subject", "evidence"))
async def open_finding(visit: Visit) -> Response:
    """Open a finding on the shared ledger."""
    form = dict(visit.form)
    try:
        request = pb.OpenFindingRequest(**{name: form.get(name, "") for name in _FIELDS})
        reply = await visit.services.node.call("OpenFinding", request, pb.OpenFindingResponse, SLOW_S)
    except CustomerGatewayError as error:
        return _new_page(visit, form, str(error), 422)
    await _until_known(visit, reply.finding)
    return RedirectResponse(f"/findings/{reply.finding.finding_id}", 303)


@page(Action.READ_FINDINGS)
async def show_finding(visit: Visit) -> Response:
    """Show one finding with every step and the texts that could be had."""
    return await _page(visit)


@page(Action.OPEN_FINDING, ("explanation",))
async def explain_finding(visit: Visit) -> Response:
    """Explain a finding about this organization."""
    return await _move(visit, explanation=visit.form.get("explanation", ""))


@page(Action.SETTLE_FINDING)
async def escalate_finding(visit: Visit) -> Response:
    """Escalate a finding of this organization's."""
    return await _move(visit, escalate=True)


@page(Action.SETTLE_FINDING, ("outcome",))
async def close_finding(visit: Visit) -> Response:
    """Close a finding of this organization's, for good."""
    if visit.form.get("outcome", "") not in OUTCOMES:
        raise RefusedError("unknown_outcome", f"field outcome: give one of {', '.join(OUTCOMES)}")
    return await _move(visit, close_as=visit.form["outcome"])


_FIELDS = ("organization", "kind", "subject", "evidence")


async def _move(visit: Visit, **step: str | bool) -> Response:
    finding_id = _id(visit)
    request = pb.MoveFindingRequest(finding_id=finding_id, **step)  # type: ignore[arg-type]
    try:
        reply = await visit.services.node.call("MoveFinding", request, pb.MoveFindingResponse, SLOW_S)
    except CustomerGatewayError as error:
        return await _page(visit, str(error), 422)
    await _until_known(visit, reply.finding)
    return RedirectResponse(f"/findings/{finding_id}", 303)


async def _until_known(visit: Visit, moved: pb.AuditFinding) -> None:
    """Wait until the node's index has what was just committed, for a while: the next page is to show it."""
    for _ in range(KNOWN_TRIES):
        request = pb.ListFindingsRequest(organization=moved.organization)
        known = (await visit.services.node.call("ListFindings", request, pb.ListFindingsResponse)).findings
        if any(each.finding_id == moved.finding_id and len(each.steps) >= len(moved.steps) for each in known):
            return
        await asyncio.sleep(KNOWN_PAUSE_S)


async def _page(visit: Visit, fault: str = "", status: int = 200) -> Response:
    request = pb.GetFindingRequest(finding_id=_id(visit))
    reply = await visit.services.node.call("GetFinding", request, pb.GetFindingResponse, SLOW_S)
    own = visit.services.config.organization.msp_id
    return visit.page("finding.html", status, finding=reply.finding, own=own, outcomes=OUTCOMES, fault=fault)


def _new_page(visit: Visit, form: dict[str, str], fault: str = "", status: int = 200) -> Response:
    return visit.page("new_finding.html", status, form=form, kinds=KINDS, fault=fault)


def _id(visit: Visit) -> str:
    finding_id = str(visit.request.path_params["finding_id"])
    if len(finding_id) != 32 or not set(finding_id) <= set("0123456789abcdef"):
        raise NotFoundError("there is no such finding: they are listed under Findings")
    return finding_id


ROUTES = [
    Route("/findings", show_findings),
    Route("/findings", open_finding, methods=["POST"]),
    Route("/findings/new", show_new_finding),
    Route("/findings/{finding_id}", show_finding),
    Route("/findings/{finding_id}/explain", explain_finding, methods=["POST"]),
    Route("/findings/{finding_id}/escalate", escalate_finding, methods=["POST"]),
    Route("/findings/{finding_id}/close", close_finding, methods=["POST"]),
]
