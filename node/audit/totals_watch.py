"""Watches control totals: asks every member to open its newest anchor's, and holds them against all that is known.

Totals must be those the anchor commits to, balance in each asset, never shrink, and have room for every entry that was
disclosed: where all entries between two openings were, they must be those entries' sums exactly. Beside them, entries
that are anchored must have their compliance decisions anchored.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from network.errors import ProofError, RpcError
from network.rpc import StatusCode
from node.anchor.leaf_source import Totals
from node.audit.control_totals import TotalsStore, check_opening, shrunk, unbalanced, unfitting
from node.audit.index import AuditIndex
from node.audit.matter import TOLD_LENGTH_MAX, Lasting, Matter
from node.audit.records import AuditRecord

KEPT_EVERY = timedelta(minutes=10)
"""Between two openings of one member that are kept though nothing is wrong with them."""

_NONE = Totals(0, 0)


class TotalsOpener(Protocol):
    """Another member's node."""

    async def open_control_totals(self, size: int) -> tuple[str, bytes]:
        """Return the control totals of an anchored size, and the salt."""
        ...


class _Known(NamedTuple):
    """What a member opened last, and when one of its openings was kept last."""

    size: int
    totals: Mapping[str, Totals]
    kept_at: datetime


class TotalsWatch:
    """Looks at every member's totals.

    Args:
        members: the other members' nodes, by organization.
        lasting: how long a member may take to open them.
    """

    def __init__(
        self,
        msp_id: str,
        *,
        index: AuditIndex,
        store: TotalsStore,
        members: Mapping[str, TotalsOpener],
        lasting: Lasting,
        now: Callable[[], datetime],
    ) -> None:
        self._msp_id = msp_id
        self._index = index
        self._store = store
        self._members = members
        self._lasting = lasting
        self._now = now
        self._known: dict[str, _Known] = {}
        self._compared: dict[str, tuple[int, int]] = {}
        self._first: dict[tuple[str, str], int] = {}
        """At which size something was first seen that lasts: a log that grows on is the same matter."""

    async def look(self) -> list[Matter]:
        """Return what is wrong with totals and decisions now."""
        anchors = await asyncio.to_thread(self._index.newest_checkpoints, self._msp_id)
        found: list[Matter] = []
        for anchor in anchors:
            if anchor.organization in self._members:
                found += await self._opened(anchor, self._members[anchor.organization])
                found += await asyncio.to_thread(self._decided, anchor)
                found += await asyncio.to_thread(self._against_disclosed, anchor.organization)
        return found

    async def _opened(self, anchor: AuditRecord, member: TotalsOpener) -> list[Matter]:
        organization, size = anchor.organization, int(json.loads(anchor.body)["size"])
        before = await asyncio.to_thread(self._before, organization)
        if before is not None and before.size >= size:
            return []
        try:
            totals, salt = await member.open_control_totals(size)
        except RpcError as error:
            return self._not_opened(organization, size, error)
        self._over("unopened", organization)
        commitment = bytes.fromhex(json.loads(anchor.body)["controls_commitment"])
        try:
            opened = check_opening(totals, salt, commitment)
        except ProofError as error:
            told = f"{error.reason}: {error}; given: {totals[:TOLD_LENGTH_MAX]}"
            return [Matter(organization, "unopened_totals", f"checkpoint/{size}", told)]
        wrong = unbalanced(opened) + (shrunk(before.totals, opened) if before is not None else [])
        now, kept_at = self._now(), before.kept_at if before is not None else None
        if wrong or kept_at is None or now - kept_at >= KEPT_EVERY:
            await asyncio.to_thread(self._store.keep, organization, size, totals, salt, now)
            kept_at = now
        self._known[organization] = _Known(size, opened, kept_at)
        return _imbalanced(organization, size, wrong, f"; opened: {totals[:TOLD_LENGTH_MAX]}, salt {salt.hex()}")

    def _before(self, organization: str) -> _Known | None:
        """Return what a member opened before; after a restart, what was kept of it."""
        if organization not in self._known and (kept := self._store.newest(organization)) is not None:
            self._known[organization] = _Known(kept.size, kept.totals, kept.opened_at)
        return self._known.get(organization)

    def _not_opened(self, organization: str, size: int, error: RpcError) -> list[Matter]:
        # One that does not answer at all is a silent member: that is a finding already.
        if error.code in (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED):
            return []
        first = self._first.setdefault(("unopened", organization), size)
        since = self._lasting.overdue(("unopened", organization))
        told = f"since {since.isoformat()}: {error}" if since is not None else ""
        return [Matter(organization, "unopened_totals", f"checkpoint/{first}", told[:TOLD_LENGTH_MAX])] if told else []

    def _decided(self, anchor: AuditRecord) -> list[Matter]:
        """Return a matter where entries were anchored and, for too long, no decisions about them."""
        organization, size = anchor.organization, int(json.loads(anchor.body)["size"])
        decided = self._index.decided_up_to(organization)
        # Anchors of a busy log are always ahead of its decisions: what counts is how long one size of it waits.
        if decided >= self._first.get(("undecided", organization), 0):
            self._over("undecided", organization)
        if decided >= size:
            return []
        first = self._first.setdefault(("undecided", organization), size)
        since = self._lasting.overdue(("undecided", organization))
        if since is None:
            return []
        told = f"since {since.isoformat()}: {size} entries are anchored, decisions about {decided}"
        return [Matter(organization, "missing_decisions", f"checkpoint/{first}", told)]

    def _over(self, what: str, organization: str) -> None:
        self._lasting.over((what, organization))
        self._first.pop((what, organization), None)

    def _against_disclosed(self, organization: str) -> list[Matter]:
        newest = self._store.newest(organization)
        state = (self._store.disclosed_count(organization), newest.size if newest is not None else 0)
        if self._compared.get(organization) == state:
            return []
        spans = self._store.disclosed_sums(organization)
        opened = self._store.of_sizes(
            organization, sorted({size for sums in spans for size in (sums.after, sums.up_to)})
        )
        found = []
        for sums in spans:
            before, after = opened.get(sums.after, {}), opened[sums.up_to]
            wrong = unfitting(sums, before.get(sums.asset, _NONE), after.get(sums.asset, _NONE))
            found += _imbalanced(organization, sums.up_to, [wrong] if wrong else [], "")
        self._compared[organization] = state
        return found


def _imbalanced(organization: str, size: int, wrong: list[str], more: str) -> list[Matter]:
    if not wrong:
        return []
    told = "; ".join(wrong)[:TOLD_LENGTH_MAX] + more
    return [Matter(organization, "imbalanced_totals", f"checkpoint/{size}", told)]
