"""``dwaybank.audit.v1.AuditService``, the part about findings: list, open, move, give texts to whom they concern."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from network.pb.dwaybank.audit.v1 import audit_pb2 as pb
from network.rpc import Server
from node.access import Members
from node.audit.errors import BadRequestError
from node.audit.findings import Findings
from node.audit.serving import Serving, text, timestamp

STATUSES = ("open", "explained", "escalated", "closed")

_ID = re.compile(r"[0-9a-f]{32}")
_COMMITMENT_BYTES = 32


class FindingService:
    """Serves findings.

    Args:
        findings: what it serves.
        members: tells who calls.
    """

    def __init__(self, findings: Findings, members: Members) -> None:
        self._findings = findings
        self._members = members

    def register(self, server: Server) -> None:
        """Offer all methods of this part."""
        serving = Serving(server, self._members)
        serving.own("ListFindings", pb.ListFindingsRequest, self._list_findings)
        serving.own("GetFinding", pb.GetFindingRequest, self._get_finding)
        serving.own("OpenFinding", pb.OpenFindingRequest, self._open_finding)
        serving.own("MoveFinding", pb.MoveFindingRequest, self._move_finding)
        serving.members("ReadFindingText", pb.ReadFindingTextRequest, self._read_finding_text)

    async def _list_findings(self, request: pb.ListFindingsRequest) -> pb.ListFindingsResponse:
        if request.status and request.status not in STATUSES:
            raise BadRequestError(f"status: {request.status[:40]!r} is none of {', '.join(STATUSES)}")
        organization = text("organization", request.organization)
        found, token = await asyncio.to_thread(
            self._findings.page, organization, request.status, request.page_size, text("page_token", request.page_token)
        )
        return pb.ListFindingsResponse(findings=[_message(each, {}) for each in found], next_page_token=token)

    async def _get_finding(self, request: pb.GetFindingRequest) -> pb.GetFindingResponse:
        found = await asyncio.to_thread(self._findings.found, _id(request.finding_id))
        return pb.GetFindingResponse(finding=_message(found, await self._findings.texts(found)))

    async def _open_finding(self, request: pb.OpenFindingRequest) -> pb.OpenFindingResponse:
        if request.organization not in self._members.msp_ids:
            # The contract takes any name, and a finding about nobody would stand open on the shared ledger for ever.
            known = ", ".join(self._members.msp_ids)
            raise BadRequestError(f"organization: {request.organization[:40]!r} is none of {known}")
        opened = await self._findings.open(request.organization, request.kind, request.subject, request.evidence)
        return pb.OpenFindingResponse(finding=_message(opened, {}))

    async def _move_finding(self, request: pb.MoveFindingRequest) -> pb.MoveFindingResponse:
        finding_id, step = _id(request.finding_id), request.WhichOneof("step")
        if step == "explanation":
            moved = await self._findings.explain(finding_id, request.explanation)
        elif step == "close_as":
            moved = await self._findings.close(finding_id, request.close_as)
        elif step == "escalate" and request.escalate:
            moved = await self._findings.escalate(finding_id)
        else:
            raise BadRequestError("step: say explanation, escalate or close_as")
        return pb.MoveFindingResponse(finding=_message(moved, {}))

    async def _read_finding_text(self, caller: str, request: pb.ReadFindingTextRequest) -> pb.ReadFindingTextResponse:
        if len(request.commitment) != _COMMITMENT_BYTES:
            raise BadRequestError(f"commitment: give {_COMMITMENT_BYTES} bytes")
        finding_id = _id(request.finding_id)
        opened = await asyncio.to_thread(self._findings.give_text, caller, finding_id, request.commitment)
        return pb.ReadFindingTextResponse(salt=opened.salt, text=opened.text)


def _id(finding_id: str) -> str:
    if not _ID.fullmatch(finding_id):
        raise BadRequestError(f"finding_id: {finding_id[:40]!r} is not 32 hex digits")
    return finding_id


def _message(finding: Mapping[str, Any], texts: Mapping[str, str]) -> pb.AuditFinding:
    return pb.AuditFinding(
        **{name: finding[name] for name in ("finding_id", "organization", "opened_by", "kind", "subject", "status")},
        evidence_commitment=bytes.fromhex(finding["evidence"]),
        evidence=texts.get(finding["evidence"], ""),
        steps=[_step(step, texts) for step in finding["steps"]],
    )


def _step(step: Mapping[str, Any], texts: Mapping[str, str]) -> pb.FindingStep:
    explanation = step.get("explanation", "")
    return pb.FindingStep(
        status=step["status"],
        by=step["by"],
        taken_at=timestamp(datetime.fromisoformat(step["timestamp"])),
        transaction_id=step["transaction_id"],
        outcome=step.get("outcome", ""),
        explanation_commitment=bytes.fromhex(explanation),
        explanation=texts.get(explanation, ""),
    )
