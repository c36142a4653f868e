"""Members and keys: authorities as the channel has them now, log and witness keys as members registered them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from gateway.portal.node import PORTAL
from gateway.portal.roles import Action
from gateway.portal.services import Visit, page
from network.pb.dwaybank.audit.v1 import audit_pb2, portal_pb2

_KEYS = {"log": "verifier_key", "witness": "cosigner_key"}
"""Kinds of records that register keys, and the field that holds the key."""


@dataclass(frozen=True, slots=True)
class RegisteredKey:
    """A key that a member registered on the shared ledger."""

    kind: str
    organization: str
    key: str
    record: audit_pb2.AuditRecord


@page(Action.READ_MEMBERS)
async def show_members(visit: Visit) -> Response:
    """Show members and keys."""
    node = visit.services.node
    reply = await node.call(
        "ListMembers", portal_pb2.ListMembersRequest(), portal_pb2.ListMembersResponse, service=PORTAL
    )
    keys = [key for kind in _KEYS for key in await _keys(visit, kind)]
    return visit.page("members.html", on_channel=reply.members, keys=keys)


async def _keys(visit: Visit, kind: str) -> list[RegisteredKey]:
    request = audit_pb2.SearchAuditRequest(kind=kind, page_size=200)
    reply = await visit.services.node.call("SearchAudit", request, audit_pb2.SearchAuditResponse)
    return [
        RegisteredKey(kind, record.organization, str(json.loads(record.body_json)[_KEYS[kind]]), record)
        for record in reply.records
    ]


ROUTES = [Route("/members", show_members)]
