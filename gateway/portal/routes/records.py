"""Records of the shared ledger, as the contracts wrote them: what links of other pages lead to."""

from __future__ import annotations

import json
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from gateway.errors import CustomerGatewayError
from gateway.portal.forms import whole_number
from gateway.portal.roles import Action
from gateway.portal.searching import NUMBER_MAX, next_query_of
from gateway.portal.services import Visit, page
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb

KINDS = (
    "log", "witness", "checkpoint", "cosignature", "demand", "refusal", "disclosure_key", "finding", "epoch", "flag",
    "review",
)  # fmt: skip
PAGE_SIZE = 50

_TEXTS = ("kind", "organization", "transaction_id", "record_id", "page_token")


@dataclass(frozen=True, slots=True)
class ShownRecord:
    """A record, and what it says: names and values in the contract's order."""

    record: pb.AuditRecord
    told: tuple[tuple[str, str], ...]


@page(Action.READ_RECORDS, (*_TEXTS, "entry_seq"))
async def show_records(visit: Visit) -> Response:
    """Show a page of records, newest first."""
    form, fault = dict(visit.form), ""
    token = form.pop("page_token", "")
    reply = pb.SearchAuditResponse()
    try:
        request = pb.SearchAuditRequest(page_size=PAGE_SIZE, page_token=token)
        for name in _TEXTS[:-1]:
            setattr(request, name, form.get(name, ""))
        request.entry_seq = whole_number(form, "entry_seq", 1, NUMBER_MAX) or 0
        reply = await visit.services.node.call("SearchAudit", request, pb.SearchAuditResponse)
    except CustomerGatewayError as error:
        fault = str(error)
    next_query = next_query_of(form, reply.next_page_token)
    records = [_shown(record) for record in reply.records]
    return visit.page(
        "records.html",
        422 if fault else 200,
        form=form,
        kinds=KINDS,
        records=records,
        next_query=next_query,
        fault=fault,
    )


def _shown(record: pb.AuditRecord) -> ShownRecord:
    told = json.loads(record.body_json)
    values = ((name, value if isinstance(value, str) else json.dumps(value)) for name, value in told.items())
    return ShownRecord(record, tuple(values))


ROUTES = [Route("/records", show_records)]
