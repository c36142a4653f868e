"""Findings about a member, on the shared ledger: what somebody noticed, and what became of it.

Rules every endorser applies:

- a finding's id follows from who opens it, its kind, whom and what it is about: the same is not opened twice;
- it is ``open``, then ``explained`` and ``escalated`` as often as need be, then ``closed`` for good: whom it is about
  explains it, who opened it escalates and closes it;
- nothing that could name a person is stored: kinds and outcomes are codes, a subject is a number or a random id of the
  shared ledger, evidence and explanation are hashes of what the members keep.

State (JSON): ``finding~<id>``, with every step of its life.
"""

from __future__ import annotations

import re
from typing import Any

from chaincode import keys
from chaincode.callers import require_client
from chaincode.contract import Contract, reads_only
from chaincode.encoding import decode_hex, format_time, from_json, to_json
from chaincode.errors import AccessError, ArgumentError, ConflictError, NotFoundError
from chaincode.shim.stub import ChaincodeStub
from network.audit_record import finding_id_of

OPEN, EXPLAINED, ESCALATED, CLOSED = "open", "explained", "escalated", "closed"

KINDS = (
    "altered_books", "diverging_receipts", "forked_log", "imbalanced_totals", "interbank_difference", "late_checkpoint",
    "missing_decisions", "refused_demand", "silent_member", "unanswered_demand", "unopened_totals",
    "unsound_disclosure", "other",
)  # fmt: skip
OUTCOMES = ("remedied", "mistaken", "sanctioned")

STEPS_MAX = 100
ID_BYTES = 16
HASH_BYTES = 32

_SUBJECT = re.compile(
    r"(log|member|(checkpoint|entry)/[1-9][0-9]{0,18}|(demand|obligation)/[0-9a-f]{32}|block/[0-9]{1,19})"
)


class FindingsContract(Contract):
    """Opens findings and leads them through their life."""

    async def open_finding(
        self, stub: ChaincodeStub, organization: str, kind: str, subject: str, evidence: str
    ) -> dict[str, Any]:
        """Open a finding about a member; by a client of any organization, once for the same matter.

        Args:
            organization: whom it is about.
            kind: one of ``KINDS``.
            subject: ``log``, ``member``, ``checkpoint/SIZE``, ``entry/NUMBER``, ``demand/ID``, ``obligation/ID`` or
                ``block/NUMBER``.
            evidence: hex SHA-256 of what the opener keeps as evidence.
        """
        opened_by = require_client(stub)
        keys.require_organization(organization)
        if kind not in KINDS:
            raise ArgumentError(f"kind is {kind[:40]!r}, not one of {', '.join(KINDS)}")
        if not _SUBJECT.fullmatch(subject):
            raise ArgumentError(
                f"subject is {subject[:60]!r}, not log, member, checkpoint/SIZE, entry/NUMBER, demand/ID, "
                "obligation/ID, block/NUMBER"
            )
        decode_hex(evidence, "evidence", HASH_BYTES)
        finding_id = finding_id_of(opened_by, kind, organization, subject)
        if await stub.get_state(keys.finding(finding_id)):
            raise ConflictError(f"finding {finding_id} about this was opened before", "finding_exists")
        record = {
            "finding_id": finding_id,
            "organization": organization,
            "opened_by": opened_by,
            "kind": kind,
            "subject": subject,
            "evidence": evidence,
            "steps": [],
        }
        return await _step(stub, record, OPEN, opened_by)

    async def explain_finding(self, stub: ChaincodeStub, finding_id: str, explanation: str) -> dict[str, Any]:
        """Say that an explanation was given; by a client of the organization concerned, until it is closed.

        Args:
            explanation: hex salted commitment to the text, which the two organizations keep.
        """
        caller = require_client(stub)
        decode_hex(explanation, "explanation", HASH_BYTES)
        record = await _standing(stub, finding_id)
        if caller != record["organization"]:
            raise AccessError(f"only {record['organization']}, whom the finding is about, explains it")
        return await _step(stub, record, EXPLAINED, caller, explanation=explanation)

    async def escalate_finding(self, stub: ChaincodeStub, finding_id: str) -> dict[str, Any]:
        """Say that nothing given so far settles it; by a client of who opened it, until it is closed."""
        record, caller = await self._own_finding(stub, finding_id)
        if record["status"] == ESCALATED:
            raise ConflictError(f"finding {finding_id} is escalated already", "already_escalated")
        return await _step(stub, record, ESCALATED, caller)

    async def close_finding(self, stub: ChaincodeStub, finding_id: str, outcome: str) -> dict[str, Any]:
        """Close a finding for good; by a client of who opened it.

        Args:
            outcome: ``remedied``, ``mistaken`` or ``sanctioned``.
        """
        if outcome not in OUTCOMES:
            raise ArgumentError(f"outcome is {outcome[:40]!r}, not one of {', '.join(OUTCOMES)}")
        record, caller = await self._own_finding(stub, finding_id)
        return await _step(stub, record, CLOSED, caller, outcome=outcome)

    @reads_only
    async def get_finding(self, stub: ChaincodeStub, finding_id: str) -> dict[str, Any]:
        """Return a finding with all steps of its life; anyone on the channel may call."""
        return await _existing(stub, finding_id)

    async def _own_finding(self, stub: ChaincodeStub, finding_id: str) -> tuple[dict[str, Any], str]:
        caller = require_client(stub)
        record = await _standing(stub, finding_id)
        if caller != record["opened_by"]:
            raise AccessError(f"only {record['opened_by']}, who opened the finding, may do this")
        return record, caller


async def _existing(stub: ChaincodeStub, finding_id: str) -> dict[str, Any]:
    decode_hex(finding_id, "finding_id", ID_BYTES)
    value = await stub.get_state(keys.finding(finding_id))
    if not value:
        raise NotFoundError(f"there is no finding {finding_id}")
    record: dict[str, Any] = from_json(value)
    return record


async def _standing(stub: ChaincodeStub, finding_id: str) -> dict[str, Any]:
    """Return a finding whose life goes on."""
    record = await _existing(stub, finding_id)
    if record["status"] == CLOSED:
        raise ConflictError(f"finding {finding_id} is closed", "already_closed")
    return record


async def _step(stub: ChaincodeStub, record: dict[str, Any], status: str, by: str, **told: str) -> dict[str, Any]:
    step = {
        "status": status,
        "by": by,
        **told,
        "transaction_id": stub.get_tx_id(),
        "timestamp": format_time(stub.get_timestamp()),
    }
    # The last place is kept for the end of it.
    if len(record["steps"]) >= STEPS_MAX - (status != CLOSED):
        raise ConflictError(f"finding {record['finding_id']} has too many steps: close it", "too_many_steps")
    moved = {**record, "status": status, "steps": [*record["steps"], step]}
    await stub.put_state(keys.finding(record["finding_id"]), to_json(moved))
    summary = {name: moved[name] for name in ("finding_id", "organization", "opened_by", "kind", "status")}
    stub.set_event("Finding", to_json(summary))
    return moved
