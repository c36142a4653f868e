"""Search over anchored and disclosed entries, page by page; searches with a name; what is found as a file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from gateway.errors import NotFoundError, RefusedError
from gateway.portal.forms import read_form
from gateway.portal.found import shown_entry
from gateway.portal.roles import Action
from gateway.portal.searching import FIELDS, form_of, next_query_of, query_of, search_of
from gateway.portal.services import Visit, page
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb

PAGE_SIZE = 50
STATUSES = ("automated_approval", "requires_manual_review", "approved", "rejected")
EXPORTS = {"csv": "text/csv", "jsonl": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}
SORTS = ("anchored", "posted", "effective", "entry", "worth")


@page(Action.SEARCH, (*FIELDS, "page_token", "saved"))
async def show_search(visit: Visit) -> Response:
    """Show the form, and a page of what it finds once something is asked; a saved search by its name."""
    form = dict(visit.form)
    saved = await _saved(visit)
    if name := form.pop("saved", ""):
        return RedirectResponse(f"/search?{_query_of_saved(saved, name)}", 303)
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
    next_query = next_query_of(form, next_token)
    return visit.page(
        "search.html",
        422 if fault else 200,
        form=form,
        asked=asked,
        found=found,
        query=query_of(form),
        next_query=next_query,
        saved=saved,
        fault=fault,
        statuses=STATUSES,
        sorts=SORTS,
    )


@page(Action.EXPORT, (*FIELDS, "format"))
async def export_found(visit: Visit) -> Response:
    """Give all that a search finds as a file, streamed; each piece leaves after its look."""
    form = dict(visit.form)
    format_ = form.pop("format", "csv")
    if format_ not in EXPORTS:
        raise RefusedError("unknown_format", f"field format: give one of {', '.join(EXPORTS)}")
    request = pb.ExportEntriesRequest(search=search_of(form), format=format_, for_user=visit.person.name)
    pieces = visit.services.node.export(request)
    try:
        # Refusals come before the first byte: they get a page, not half a file.
        first = await anext(pieces, b"")
    except BaseException:
        await pieces.aclose()
        raise
    headers = {"Content-Disposition": f'attachment; filename="entries.{format_}"'}
    return StreamingResponse(_from_first(first, pieces), media_type=EXPORTS[format_], headers=headers)


@page(Action.SAVE_SEARCH, ("name", "query"))
async def save_search(visit: Visit) -> Response:
    """Give a search a name."""
    search = search_of(read_form(visit.form.get("query", ""), FIELDS))
    name = visit.form.get("name", "")
    request = pb.SaveSearchRequest(name=name, search=search, for_user=visit.person.name)
    await visit.services.node.call("SaveSearch", request, pb.SaveSearchResponse)
    return RedirectResponse(f"/search?{visit.form.get('query', '')}", 303)


@page(Action.SAVE_SEARCH, ("name",))
async def drop_search(visit: Visit) -> Response:
    """Forget a saved search."""
    request = pb.DropSavedSearchRequest(name=visit.form.get("name", ""))
    await visit.services.node.call("DropSavedSearch", request, pb.DropSavedSearchResponse)
    return RedirectResponse("/search", 303)


async def _saved(visit: Visit) -> list[pb.SavedSearch]:
    request = pb.ListSavedSearchesRequest()
    return list((await visit.services.node.call("ListSavedSearches", request, pb.ListSavedSearchesResponse)).searches)


def _query_of_saved(saved: Sequence[pb.SavedSearch], name: str) -> str:
    for each in saved:
        if each.name == name:
            return query_of(form_of(each.search)) or "sort="
    raise NotFoundError("no search is saved under this name: the list stands under the form")


async def _from_first(first: bytes, pieces: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with aclosing(pieces):
        yield first
        async for piece in pieces:
            yield piece


ROUTES = [
    Route("/search", show_search),
    Route("/search/export", export_found),
    Route("/search/save", save_search, methods=["POST"]),
    Route("/search/drop", drop_search, methods=["POST"]),
]
