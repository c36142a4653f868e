"""Search over anchored and disclosed entries, page by page."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from gateway.errors import NotFoundError, RefusedError
from gateway.portal.found import shown_entry
from gateway.portal.roles import Action
from gateway.portal.searching import FIELDS, query_of, search_of
from gateway.portal.services import Visit, page
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb

PAGE_SIZE = 50
STATUSES = ("automated_approval", "requires_manual_review", "approved", "rejected")
SORTS = ("anchored", "posted", "effective", "entry", "worth")


@page(Action.SEARCH, (*FIELDS, "page_token"))
async def show_search(visit: Visit) -> Response:
    """Show the form, and a page of what it finds once something is asked."""
    form = dict(visit.form)
    token = form.pop("page_token", "")
    found, next_token, fault = [], "", ""
    asked = bool(visit.request.url.query)
    if asked:
        try:
            request = pb.SearchEntriesRequest(
                search=search_of(form), page_size=PAGE_SIZE, page_token=token, for_user=visit.person.name
            )
            reply = await visit.services.node.call("SearchEntries", request, pb.SearchEntriesResponse)
            found, next_token = [shown_entry(entry) for entry in reply.entries], reply.next_page_token
        except (RefusedError, NotFoundError) as error:
            fault = str(error)
    next_query = query_of({**form, "page_token": next_token}) if next_token else ""
    return visit.page(
        "search.html",
        422 if fault else 200,
        form=form,
        asked=asked,
        found=found,
        next_query=next_query,
        fault=fault,
        statuses=STATUSES,
        sorts=SORTS,
    )


ROUTES = [Route("/search", show_search)]
