"""Demands as this node knows them: as they stand on the shared ledger, with what was allowed, given and fetched."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from network.audit_record import record_key
from node.anchor.database import Database
from node.audit.index import AuditIndex

WAITING, ALLOWED, ANSWERED, REFUSED = "waiting", "allowed", "answered", "refused"
STATES = (WAITING, ALLOWED, ANSWERED, REFUSED)
LIST_MAX = 500

_PACKAGE = "node.audit"


@dataclass(frozen=True, slots=True)
class Demand:
    """A demand on the shared ledger.

    Args:
        organization: who is asked.
        sealed_to: key for the answer; empty where its record names none.
        state: one of ``STATES``, as far as this node knows.
        reason: of a refusal.
    """

    demand_id: str
    organization: str
    demanding_organization: str
    seqs: tuple[int, ...]
    purpose: str
    scope: tuple[str, ...]
    sealed_to: bytes
    recorded_at: datetime
    block_number: int
    transaction_id: str
    state: str
    reason: str


class DemandStore:
    """Reads demands, and keeps what this node did about them. Calls block."""

    def __init__(self, msp_id: str, database: Database, index: AuditIndex) -> None:
        self._msp_id = msp_id
        self._database = database
        self._index = index

    def find(self, demand_id: str) -> Demand | None:
        """Return a demand that the own peer committed; None where there is none yet."""
        wanted = {"own": self._msp_id, "organization": "", "state": "", "demand_id": demand_id, "limit": 1}
        rows = self._database.fetch("demands", wanted, _PACKAGE)
        return _demand(rows[0]) if rows else None

    def listed(self, organization: str, state: str, count_max: int | None = LIST_MAX) -> list[Demand]:
        """Return demands of this organization and to it, newest first; all of them where ``count_max`` is None."""
        wanted = {
            "own": self._msp_id, "organization": organization, "state": state, "demand_id": "", "limit": count_max,
        }  # fmt: skip
        return [_demand(row) for row in self._database.fetch("demands", wanted, _PACKAGE)]

    def key_of(self, organization: str) -> bytes:
        """Return the disclosure key an organization has registered now; nothing where it has none."""
        record = self._index.record(record_key("disclosure_key", organization))
        return bytes.fromhex(json.loads(record.body)["key"]) if record is not None else b""

    def allow(self, demand_id: str, user: str, now: datetime) -> None:
        """Keep that a demand may be answered."""
        self._database.fetch("put_allowed_demand", (demand_id, user, now), _PACKAGE)

    def keep_given(self, demand_id: str, package_hash: bytes, now: datetime) -> None:
        """Keep what was given, before it leaves."""
        self._database.fetch("put_given_disclosure", (demand_id, now, package_hash), _PACKAGE)

    def keep_fetched(self, demand_id: str, package_hash: bytes, now: datetime) -> None:
        """Keep that a demand was answered, whole and proved."""
        self._database.fetch("put_fetched_demand", (demand_id, now, package_hash), _PACKAGE)


def _demand(row: Sequence[Any]) -> Demand:
    body, recorded_at, block_number, transaction_id, state, reason = row
    told = json.loads(body)
    return Demand(
        demand_id=told["demand_id"],
        organization=told["organization"],
        demanding_organization=told["demanding_organization"],
        seqs=tuple(told["seqs"]),
        purpose=told["purpose"],
        # Demands made before there were scopes and keys ask for entries alone.
        scope=tuple(told.get("scope", ("entry",))),
        sealed_to=bytes.fromhex(told.get("sealed_to", "")),
        recorded_at=recorded_at,
        block_number=block_number,
        transaction_id=transaction_id,
        state=state,
        reason=reason,
    )
