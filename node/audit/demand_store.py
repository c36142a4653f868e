"""Demands as this node knows them: as they stand on the shared ledger, with what was allowed, given and fetched."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from network.audit_record import record_key
from node.anchor.database import Database
from node.audit.index import NEWEST, AuditIndex
from node.audit.pages import PAGE_SIZE_MAX, limit_of, read_place, split, whole, word

WAITING, ALLOWED, ANSWERED, REFUSED = "waiting", "allowed", "answered", "refused"
STATES = (WAITING, ALLOWED, ANSWERED, REFUSED)

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
        rows = self._rows("", "", 1, NEWEST, demand_id)
        return _demand(rows[0]) if rows else None

    def listed(self) -> list[Demand]:
        """Return all demands of this organization and to it, newest first."""
        return [_demand(row) for row in self._rows("", "", None, NEWEST)]

    def page(
        self, organization: str = "", state: str = "", page_size: int = 0, page_token: str = ""
    ) -> tuple[list[Demand], str]:
        """Return a page of them, and the token of the next one (empty for none).

        Raises:
            PageTokenError: the token is not one of this list's.
        """
        limit = limit_of(page_size, PAGE_SIZE_MAX)
        after = read_place(page_token, whole, whole, word) if page_token else NEWEST
        rows = self._rows(organization, state, limit + 1, after)
        page, token = split(rows, limit, lambda row: (row[2], *row[6:]))
        return [_demand(row) for row in page], token

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

    def _rows(
        self, organization: str, state: str, limit: int | None, after: tuple[int, int, str], demand_id: str = ""
    ) -> list[tuple[Any, ...]]:
        block, tx, key = after
        wanted = {
            "own": self._msp_id, "organization": organization, "state": state, "demand_id": demand_id, "limit": limit,
            "block": block, "tx": tx, "key": key,
        }  # fmt: skip
        return self._database.fetch("demands", wanted, _PACKAGE)


def _demand(row: Sequence[Any]) -> Demand:
    body, recorded_at, block_number, transaction_id, state, reason, *_ = row
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
