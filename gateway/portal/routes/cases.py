"""Cases: what belongs together, collected by examiners; kept by the node, which removes nothing."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.errors import CustomerGatewayError, NotFoundError
from gateway.portal.node import PORTAL
from gateway.portal.roles import Action
from gateway.portal.searching import next_query_of
from gateway.portal.services import Visit, page
from network.pb.dwaybank.audit.v1 import portal_pb2 as pb

KINDS = ("note", "entry", "finding", "demand")
PATHS = {"entry": "/entries/", "finding": "/findings/", "demand": "/search?disclosed=1&demand_id="}
"""Where what an item is about is shown."""


@page(Action.KEEP_CASES, ("page_token",))
async def show_cases(visit: Visit) -> Response:
    """Show cases, the one that moved last first."""
    return await _list(visit)


@page(Action.KEEP_CASES, ("title",))
async def open_case(visit: Visit) -> Response:
    """Open a case."""
    request = pb.OpenCaseRequest(title=visit.form.get("title", ""), for_user=visit.person.name)
    try:
        reply = await visit.services.node.call("OpenCase", request, pb.OpenCaseResponse, service=PORTAL)
    except CustomerGatewayError as error:
        return await _list(visit, str(error), 422)
    return RedirectResponse(f"/cases/{reply.case.case_id}", 303)


@page(Action.KEEP_CASES, ("kind", "subject"))
async def show_case(visit: Visit) -> Response:
    """Show one case; the query may fill in what to add."""
    return await _page(visit, dict(visit.form))


@page(Action.KEEP_CASES, ("kind", "subject", "note"))
async def add_to_case(visit: Visit) -> Response:
    """Add an item to a case, or close or reopen it."""
    form = dict(visit.form)
    request = pb.AddToCaseRequest(
        case_id=str(visit.request.path_params["case_id"]),
        kind=form.get("kind", "note"),
        subject=form.get("subject", ""),
        note=form.get("note", ""),
        for_user=visit.person.name,
    )
    try:
        await visit.services.node.call("AddToCase", request, pb.AddToCaseResponse, service=PORTAL)
    except NotFoundError:
        raise
    except CustomerGatewayError as error:
        return await _page(visit, form, str(error), 422)
    return RedirectResponse(f"/cases/{request.case_id}", 303)


async def _list(visit: Visit, fault: str = "", status: int = 200) -> Response:
    request = pb.ListCasesRequest(page_token=visit.form.get("page_token", ""))
    reply = await visit.services.node.call("ListCases", request, pb.ListCasesResponse, service=PORTAL)
    following = next_query_of({}, reply.next_page_token)
    return visit.page("cases.html", status, cases=reply.cases, next_query=following, fault=fault)


async def _page(visit: Visit, form: dict[str, str], fault: str = "", status: int = 200) -> Response:
    request = pb.GetCaseRequest(case_id=str(visit.request.path_params["case_id"]))
    reply = await visit.services.node.call("GetCase", request, pb.GetCaseResponse, service=PORTAL)
    return visit.page("case.html", status, case=reply.case, form=form, kinds=KINDS, paths=PATHS, fault=fault)


ROUTES = [
    Route("/cases", show_cases),
    Route("/cases", open_case, methods=["POST"]),
    Route("/cases/{case_id:uuid}", show_case),
    Route("/cases/{case_id:uuid}", add_to_case, methods=["POST"]),
]
