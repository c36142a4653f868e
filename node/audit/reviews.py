"""Compliance decisions that wait for a reviewer, and the reviewer's decision as a signed transaction.

The reason stays in this organization's database; the shared ledger gets a salted commitment to it, kept here first.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from network.audit_record import COMPLIANCE, record_key
from node.anchor.anchorer import Gateway
from node.audit.errors import BadRequestError, NotYetError, UnknownEntryError
from node.audit.index import AuditIndex, ReviewState
from node.audit.proofs import DecisionSource

REASON_LENGTH_MAX = 2_000
_REASON_TAG = b"dwaybank.node/review-reason\x01"
_RECORD_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Review:
    """A flagged decision; ``seq`` is known on the organization's own node only, 0 elsewhere."""

    state: ReviewState
    seq: int


class Reviews:
    """Lists and decides reviews.

    Args:
        reviewer: gateway client of a user whose certificate carries the unit ``reviewer``; None where there is none.
        decisions: the own ones; None where this organization makes none.
    """

    def __init__(
        self,
        index: AuditIndex,
        reviewer: Gateway | None,
        decisions: DecisionSource | None,
        *,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._index = index
        self._reviewer = reviewer
        self._decisions = decisions
        self._now = now
        self._random_bytes = random_bytes

    async def page(self, organization: str, status: str, page_size: int, page_token: str) -> tuple[list[Review], str]:
        """Return a page of flagged decisions and the token of the next one (empty for none)."""
        if page_token and not _RECORD_ID.fullmatch(page_token):
            raise BadRequestError("page_token: give the token of the page before, unchanged")
        states, token = await asyncio.to_thread(self._index.reviews, organization, status, page_size, page_token)
        seqs = await asyncio.to_thread(self._seqs, states)
        return [Review(state, seqs.get(state.record_id, 0)) for state in states], token

    async def decide(self, record_id: str, approve: bool, reason: str) -> tuple[Review, str]:
        """Decide a review as this organization's reviewer; return it with the transaction's id.

        Raises:
            BadRequestError: a field cannot be used.
            UnknownEntryError: no such record is flagged.
            NotYetError: it is decided already.
            GatewayError: the contract refused, or the transaction did not commit.
        """
        if not _RECORD_ID.fullmatch(record_id):
            raise BadRequestError("record_id: give the 32 hex digits of the flagged record")
        if not 0 < len(reason) <= REASON_LENGTH_MAX or "\x00" in reason:
            raise BadRequestError(f"reason: give 1 to {REASON_LENGTH_MAX} characters")
        if self._reviewer is None:
            raise BadRequestError("this node holds no reviewer's identity")
        state = await asyncio.to_thread(self._flagged, record_id)
        salt = self._random_bytes(32)
        commitment = commit_reason(reason, salt)
        await asyncio.to_thread(self._index.keep_review_reason, record_id, commitment, salt, reason)
        decision = "approved" if approve else "rejected"
        committed = await self._reviewer.submit(COMPLIANCE, "DecideReview", record_id, decision, commitment.hex())
        decided = replace(state, status=decision, recorded_at=self._now())
        seqs = await asyncio.to_thread(self._seqs, [state])
        return Review(decided, seqs.get(record_id, 0)), committed.tx_id

    def _flagged(self, record_id: str) -> ReviewState:
        record = self._index.record(record_key("flag", record_id))
        if record is None:
            raise UnknownEntryError(f"record {record_id} is not flagged on the shared ledger")
        status = str(json.loads(record.body)["status"])
        if status != "requires_manual_review":
            raise NotYetError(f"record {record_id} was decided before: {status}")
        return ReviewState(record_id, record.organization, status, "", record.recorded_at)

    def _seqs(self, states: list[ReviewState]) -> dict[str, int]:
        if self._decisions is None or not states:
            return {}
        found = self._decisions.seqs_of_flagged([bytes.fromhex(state.record_id) for state in states])
        return {number.hex(): seq for number, seq in found.items()}


def commit_reason(reason: str, salt: bytes) -> bytes:
    """Return the salted commitment to a reviewer's reason: SHA-256(tag ‖ salt ‖ UTF-8 text)."""
    return hashlib.sha256(_REASON_TAG + salt + reason.encode()).digest()
