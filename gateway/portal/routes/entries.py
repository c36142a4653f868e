"""One entry: where it stands, its whole path from the books to the block, what it says where that was disclosed."""

from __future__ import annotations

import asyncio
import json

from starlette.responses import Response
from starlette.routing import Route

from gateway.errors import NotFoundError
from gateway.portal.found import ShownEntry, shown_entry
from gateway.portal.path_picture import Path, draw_path, path_of
from gateway.portal.roles import Action
from gateway.portal.services import Visit, page
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb


@page(Action.SEARCH)
async def show_entry(visit: Visit) -> Response:
    """Show one entry."""
    organization, seq = entry_named(visit)
    shown, path = await asyncio.gather(_found(visit, organization, seq), _path(visit, organization, seq))
    details = await _details(visit, organization, seq) if shown.is_disclosed else []
    steps = path_of(shown, path)
    return visit.page("entry.html", shown=shown, details=details, steps=steps, picture=draw_path(steps))


@page(Action.EXPORT)
async def give_bundle(visit: Visit) -> Response:
    """Give the bundle that proved a disclosed entry, as a file."""
    organization, seq = entry_named(visit)
    request = pb.GetDisclosedBundleRequest(organization=organization, seq=seq, for_user=visit.person.name)
    reply = await visit.services.node.call("GetDisclosedBundle", request, pb.GetDisclosedBundleResponse)
    return file_of(reply.bundle, f"{organization}-{seq}.json", "application/json")


def entry_named(visit: Visit) -> tuple[str, int]:
    """Return the organization and number that a page's address names."""
    organization, seq = visit.request.path_params["organization"], visit.request.path_params["seq"]
    if organization not in {member.msp_id for member in visit.services.config.members} or not 0 < seq < 2**53:
        raise NotFoundError("there is no such entry: the members are listed on the overview")
    return str(organization), int(seq)


def file_of(content: bytes, name: str, media_type: str) -> Response:
    """Return bytes that a browser saves under a name."""
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})


async def _found(visit: Visit, organization: str, seq: int) -> ShownEntry:
    search = pb.EntrySearch(organization=organization, from_seq=seq, to_seq=seq)
    request = pb.SearchEntriesRequest(search=search, page_size=1, for_user=visit.person.name)
    reply = await visit.services.node.call("SearchEntries", request, pb.SearchEntriesResponse)
    if not reply.entries:
        raise NotFoundError(f"entry {seq} of {organization} is not anchored: there is none, or not yet")
    return shown_entry(reply.entries[0])


async def _details(visit: Visit, organization: str, seq: int) -> list[pb.DisclosedDetails]:
    request = pb.GetDisclosedDetailsRequest(organization=organization, seq=seq, for_user=visit.person.name)
    reply = await visit.services.node.call("GetDisclosedDetails", request, pb.GetDisclosedDetailsResponse)
    return list(reply.details)


async def _path(visit: Visit, organization: str, seq: int) -> Path:
    anchors, cosignatures = await asyncio.gather(
        _covering(visit, "checkpoint", organization, seq), _covering(visit, "cosignature", organization, seq)
    )
    body = json.loads(anchors[-1].body_json) if anchors else {}
    witnesses = sorted({str(json.loads(record.body_json)["witness"]) for record in cosignatures})
    return Path(int(body.get("size", 0)), str(body.get("root", "")), tuple(witnesses))


async def _covering(visit: Visit, kind: str, organization: str, seq: int) -> list[pb.AuditRecord]:
    request = pb.SearchAuditRequest(kind=kind, organization=organization, entry_seq=seq, page_size=50)
    return list((await visit.services.node.call("SearchAudit", request, pb.SearchAuditResponse)).records)


ROUTES = [
    Route("/entries/{organization}/{seq:int}", show_entry),
    Route("/entries/{organization}/{seq:int}/bundle", give_bundle),
]
