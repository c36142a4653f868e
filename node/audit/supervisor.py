"""Watches the other members and opens what it finds on the shared ledger.

What is watched, at each round:

| finding | when |
|---|---|
| ``late_checkpoint`` | a member's sealed log is ahead of what it anchored, for longer than the deadline |
| ``silent_member`` | its node does not answer, for longer than the deadline |
| ``forked_log`` | its signed head is not what it anchored at that size, or stays behind it; or its tiles give another |
| ``unanswered_demand`` | what a demand of this organization asked was not disclosed by the deadline, nor refused |
| ``diverging_receipts`` | what its node signed of a block is not what this node says of it |
| ``imbalanced_totals`` | the totals it opened do not balance, shrink, or do not fit entries it disclosed |
| ``unopened_totals`` | its newest anchor's totals were not opened by the deadline, or others than it commits to |
| ``missing_decisions`` | entries are anchored, and their compliance decisions are not, for longer than the deadline |
| ``refused_demand`` | a demand of this organization was refused on the shared ledger |

Rules:
- the same matter is opened once, also over a restart: a finding's id follows from it;
- how long something lasts is counted from when this process saw it first: a restart gives more time, never less;
- one member that cannot be judged now does not keep the others from being watched.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import structlog

from network.audit_record import record_key
from network.checkpoint import Checkpoint, open_checkpoint
from network.errors import GatewayError, ProofError, RpcError
from network.rpc import StatusCode
from node.anchor.database import Database
from node.anchor.errors import AnchorError
from node.anchor.store import MirrorStore
from node.audit.finding_text import keepable
from node.audit.findings import Findings, already_opened
from node.audit.index import AuditIndex
from node.audit.matter import TOLD_LENGTH_MAX, Matter, Watch
from node.background import BackgroundWork

logger = structlog.get_logger(__name__)

NOTE_SHOWN_MAX = 2_000
"""What a member says goes into evidence cut to so many bytes: evidence is a text of limited length."""

_PACKAGE = "node.audit"


class HeadReader(Protocol):
    """Another member's node."""

    async def read_checkpoint(self) -> bytes:
        """Return its newest signed note."""
        ...


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long is borne what.

    Args:
        checkpoint: from sealing to anchoring, and without an answer.
        disclosure: from a demand to what it asks for.
        round: between two rounds.
    """

    checkpoint: timedelta
    disclosure: timedelta
    round: timedelta


class _Seen(NamedTuple):
    """When something was first seen, and at which size of the log."""

    at: datetime
    size: int


class Supervisor(BackgroundWork):
    """Watches until stopped.

    Args:
        members: the other members' nodes, by organization.
        watches: what else is looked at.
        now: the clock, UTC.
    """

    def __init__(
        self,
        msp_id: str,
        database: Database,
        *,
        index: AuditIndex,
        mirrors: MirrorStore,
        findings: Findings,
        members: Mapping[str, HeadReader],
        deadlines: Deadlines,
        now: Callable[[], datetime],
        watches: Sequence[Watch] = (),
    ) -> None:
        self._msp_id = msp_id
        self._database = database
        self._index = index
        self._mirrors = mirrors
        self._findings = findings
        self._members = members
        self._deadlines = deadlines
        self._now = now
        self._watches = watches
        self._since: dict[tuple[str, str], _Seen] = {}
        self._refused_at: dict[tuple[str, str, str], datetime] = {}

    async def watch(self) -> list[Matter]:
        """Look at everything once, open what is found, and return what was opened."""
        matters = await asyncio.to_thread(self._unanswered)
        matters += await asyncio.to_thread(self._refused)
        for organization in self._members:
            matters += await asyncio.to_thread(self._mirrored, organization)
        for found in await asyncio.gather(*(self._head_of(*each) for each in self._members.items())):
            matters += found
        for watch in self._watches:
            matters += await watch.look()
        return [matter for matter in matters if await self._opened(matter)]

    async def _run(self) -> None:
        while True:
            try:
                await self.watch()
            except AnchorError as error:
                logger.warning("watching_failed", reason=str(error))
            await asyncio.sleep(self._deadlines.round.total_seconds())

    async def _opened(self, matter: Matter) -> bool:
        what, now = matter[:3], self._now()
        # What could not be opened waits a while: each try keeps its evidence for ever.
        refused = self._refused_at.get(what)
        if refused is not None and now - refused <= self._deadlines.checkpoint:
            return False
        if await asyncio.to_thread(self._findings.was_opened, *what):
            return False
        try:
            await self._findings.open(*what, keepable(matter.evidence))
        except GatewayError as error:
            if not already_opened(error):
                self._refused_at[what] = now
                logger.warning(
                    "finding_not_opened", organization=matter.organization, kind=matter.kind, reason=str(error)
                )
            return False
        logger.warning("finding_opened", organization=matter.organization, kind=matter.kind, subject=matter.subject)
        return True

    def _unanswered(self) -> list[Matter]:
        now = self._now()
        asked = {"own": self._msp_id, "before": now - self._deadlines.disclosure}
        return [
            Matter(
                organization,
                "unanswered_demand",
                f"demand/{demand_id}",
                f"demanded at {recorded_at.isoformat()}, not disclosed in whole by {now.isoformat()}",
            )
            for organization, demand_id, recorded_at in self._database.fetch("unanswered_demands", asked, _PACKAGE)
        ]

    def _refused(self) -> list[Matter]:
        return [
            Matter(organization, "refused_demand", f"demand/{demand_id}", f"refused at {at.isoformat()}: {reason}")
            for organization, demand_id, reason, at in self._database.fetch(
                "refused_demands", (self._msp_id,), _PACKAGE
            )
        ]

    def _mirrored(self, organization: str) -> list[Matter]:
        return [
            Matter(organization, "forked_log", f"checkpoint/{size}", explanation[:TOLD_LENGTH_MAX])
            for size, explanation, _ in self._mirrors.findings(organization)
        ]

    async def _head_of(self, organization: str, member: HeadReader) -> list[Matter]:
        log = await asyncio.to_thread(self._index.record, record_key("log", organization))
        if log is None:
            return []
        note = failed = None
        try:
            note = await member.read_checkpoint()
        except RpcError as error:
            failed = error
        size, root = await asyncio.to_thread(self._anchored, organization)
        if failed is not None and failed.code != StatusCode.FAILED_PRECONDITION:
            told = f"its node does not answer: {failed}"
            return self._lasting(organization, "silent_member", size, told[:TOLD_LENGTH_MAX])
        self._since.pop((organization, "silent_member"), None)
        if note is None:
            # It answers, and says that its log is empty.
            return self._behind(organization, 0, size, "") if size else []
        shown = _shown(note)
        try:
            head = open_checkpoint(note, str(json.loads(log.body)["verifier_key"]))
        except ProofError as error:
            told = f"its newest note is not its log's: {error}"[:TOLD_LENGTH_MAX]
            return [Matter(organization, "forked_log", _subject(size), f"{told}; {shown}")]
        if head.size < size:
            return self._behind(organization, head.size, size, shown)
        return self._judged(organization, head, size, root, shown)

    def _anchored(self, organization: str) -> tuple[int, bytes]:
        """Return size and root of a member's newest anchor; 0 and nothing without one."""
        found = [each for each in self._index.newest_checkpoints(self._msp_id) if each.organization == organization]
        return (int(json.loads(found[0].body)["size"]), found[0].anchored_root()) if found else (0, b"")

    def _behind(self, organization: str, head_size: int, size: int, shown: str) -> list[Matter]:
        # What it anchored since it answered may already have reached this peer: only a head that stays back counts.
        told = f"its log is at {head_size}, behind what it anchored; {shown}"
        return self._lasting(organization, "forked_log", size, told)

    def _judged(self, organization: str, head: Checkpoint, size: int, root: bytes, shown: str) -> list[Matter]:
        self._since.pop((organization, "forked_log"), None)
        late = self._since.get((organization, "late_checkpoint"))
        if late is not None and late.size <= size:
            # A busy log is always ahead of its anchors: what counts is how long one size of it waits.
            self._since.pop((organization, "late_checkpoint"))
        if head.size == size:
            if head.root != root:
                return [Matter(organization, "forked_log", _subject(size), f"another root than anchored; {shown}")]
            return []
        return self._lasting(organization, "late_checkpoint", head.size, f"sealed and not anchored; {shown}")

    def _lasting(self, organization: str, kind: str, size: int, evidence: str) -> list[Matter]:
        """Return a matter once it has lasted longer than the deadline; what it is about stays as first seen."""
        now = self._now()
        first = self._since.setdefault((organization, kind), _Seen(now, size))
        if now - first.at <= self._deadlines.checkpoint:
            return []
        return [Matter(organization, kind, _subject(first.size), f"since {first.at.isoformat()}: {evidence}")]


def _shown(note: bytes) -> str:
    """Return a note as evidence; of one that is longer than any log's, what tells it from others."""
    if len(note) <= NOTE_SHOWN_MAX:
        return f"its signed note: {base64.b64encode(note).decode()}"
    return f"its note of {len(note)} bytes, SHA-256 {hashlib.sha256(note).hexdigest()}"


def _subject(size: int) -> str:
    return f"checkpoint/{size}" if size else "log"
