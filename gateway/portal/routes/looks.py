"""Who looked at disclosed entries: the node's chain of looks, newest first, and whether it holds."""

from __future__ import annotations

import json
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from gateway.portal.forms import whole_number
from gateway.portal.roles import Action
from gateway.portal.services import Visit, page
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class ShownLook:
    """A look: how it was asked, with which fields, and which entries were shown, as ranges."""

    look: pb.Look
    asked: str
    shown: str


@page(Action.READ_LOOKS, ("before", "verify"))
async def show_looks(visit: Visit) -> Response:
    """Show a page of looks; prove the whole chain where that is asked."""
    before = whole_number(visit.form, "before", 1, 2**53) or 0
    request = pb.ListLooksRequest(before=before, page_size=PAGE_SIZE, verify="verify" in visit.form)
    reply = await visit.services.node.call("ListLooks", request, pb.ListLooksResponse, 60.0)
    older = reply.looks[-1].number if len(reply.looks) == PAGE_SIZE else 0
    looks = [ShownLook(look, _asked(look.asked_json), _shown(look.shown_json)) for look in reply.looks]
    return visit.page("looks.html", looks=looks, verified=request.verify, broken=reply.broken_number, older=older)


def _asked(asked: str) -> str:
    """Return in words what was asked: ``{"search": {"account": "a"}}`` is ``"search: account a"``."""
    return "; ".join(
        f"{how}: " + (", ".join(f"{name} {value}" for name, value in what.items()) or "everything")
        for how, what in json.loads(asked).items()
    )


def _shown(shown: str) -> str:
    return "; ".join(
        f"{organization} " + ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
        for organization, ranges in json.loads(shown).items()
    )


ROUTES = [Route("/looks", show_looks)]
