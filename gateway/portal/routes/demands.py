"""Demands for disclosure: each is a record on the shared ledger before anybody is asked; what became of them."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.errors import CustomerGatewayError, RefusedError
from gateway.portal.node import SLOW_S
from gateway.portal.roles import Action
from gateway.portal.searching import next_query_of
from gateway.portal.services import Visit, page
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb

PURPOSES = ("supervisory_review", "spot_check", "complaint", "suspicion")
STATES = ("waiting", "allowed", "answered", "refused")
SCOPES = ("description", "customer")
"""What may be demanded beside entries."""
SEQS_MAX = 200


@page(Action.DEMAND, ("organization", "seqs", "state", "page_token"))
async def show_demands(visit: Visit) -> Response:
    """Show the form and this organization's demands, newest first."""
    return await _page(visit, dict(visit.form))


@page(Action.DEMAND, ("organization", "seqs", "purpose", *SCOPES))
async def make_demand(visit: Visit) -> Response:
    """Write a demand on the shared ledger and fetch what it asks for; lead to what was disclosed."""
    form = dict(visit.form)
    try:
        request = pb.DemandDisclosureRequest(
            organization=form.get("organization", ""),
            seqs=_seqs(form.get("seqs", "")),
            purpose=form.get("purpose", ""),
            scope=[scope for scope in SCOPES if scope in form],
            for_user=visit.person.name,
        )
        reply = await visit.services.node.call("DemandDisclosure", request, pb.DemandDisclosureResponse, SLOW_S)
    except CustomerGatewayError as error:
        return await _page(visit, form, str(error), 422)
    if len(request.seqs) == 1:
        return RedirectResponse(f"/entries/{request.organization}/{request.seqs[0]}", 303)
    return RedirectResponse(f"/search?disclosed=1&demand_id={reply.demand_id}", 303)


@page(Action.DEMAND, ("demand_id",))
async def fetch_demand(visit: Visit) -> Response:
    """Ask again for what a demand of this organization asks."""
    request = pb.FetchDisclosureRequest(demand_id=visit.form.get("demand_id", ""), for_user=visit.person.name)
    try:
        await visit.services.node.call("FetchDisclosure", request, pb.FetchDisclosureResponse, SLOW_S)
    except CustomerGatewayError as error:
        return await _page(visit, {}, str(error), 422)
    return RedirectResponse(f"/search?disclosed=1&demand_id={request.demand_id}", 303)


async def _page(visit: Visit, form: dict[str, str], fault: str = "", status: int = 200) -> Response:
    state = form.get("state", "")
    request = pb.ListDemandsRequest(state=state, page_token=form.get("page_token", ""))
    reply = await visit.services.node.call("ListDemands", request, pb.ListDemandsResponse)
    own = visit.services.config.organization.msp_id
    demands = [demand for demand in reply.demands if demand.demanding_organization == own]
    return visit.page(
        "demands.html",
        status,
        form=form,
        fault=fault,
        demands=demands,
        next_query=next_query_of({"state": state}, reply.next_page_token),
        purposes=PURPOSES,
        states=STATES,
    )


def _seqs(text: str) -> list[int]:
    numbers: set[int] = set()
    for part in text.replace(",", " ").split():
        first, _, last = part.partition("-")
        if not first.isascii() or not first.isdigit() or (last and not (last.isascii() and last.isdigit())):
            raise RefusedError("not_a_number", f"field seqs: {part[:40]!r} is no entry number and no range like 17-20")
        if len(first) > 16 or len(last) > 16 or int(last or first) - int(first) >= SEQS_MAX:
            raise RefusedError("too_many", f"field seqs: give at most {SEQS_MAX} entry numbers")
        numbers.update(range(int(first), int(last or first) + 1))
    if not 1 <= len(numbers) <= SEQS_MAX:
        raise RefusedError("too_many", f"field seqs: give 1 to {SEQS_MAX} entry numbers, such as 17, 20-24")
    return sorted(numbers)


ROUTES = [
    Route("/demands", show_demands),
    Route("/demands", make_demand, methods=["POST"]),
    Route("/demands/fetch", fetch_demand, methods=["POST"]),
]
