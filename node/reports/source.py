"""What reports are made from: the audit index, what was disclosed, receipts and totals. Reads only; calls block."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from node.anchor.database import Database
from node.audit.control_totals import OpenedTotals, TotalsStore
from node.audit.demand_store import Demand, DemandStore
from node.audit.findings import Findings
from node.audit.index import AuditIndex, Position
from node.audit.receipts import KeptReceipt, ReceiptStore
from node.audit.records import AuditRecord
from node.reports.report import Period

_PACKAGE = "node.reports"


class AnchorTiming(NamedTuple):
    """An anchor, and the first cosignature of another member that covers it.

    Args:
        cosigned_at, cosigned_in: None and empty while nobody cosigned.
    """

    organization: str
    size: int
    entries: int
    block_number: int
    transaction_id: str
    record: str
    anchored_at: datetime
    cosigned_at: datetime | None
    cosigned_block: int | None
    cosigned_in: str | None


class DisclosedTiming(NamedTuple):
    """When a disclosed entry was posted, and anchored."""

    organization: str
    seq: int
    posted_at: datetime
    anchored_at: datetime
    block_number: int
    transaction_id: str


class LargeEntry(NamedTuple):
    """A disclosed entry above a threshold.

    Args:
        amount: what it was measured by, minor units.
        asset: of that amount; empty for the reporting currency of the compliance rules.
        status: of its compliance decision, as of now.
    """

    organization: str
    seq: int
    posted_at: datetime
    amount: int
    asset: str
    status: str
    accounts: Sequence[str]
    settlement_id: str
    block_number: int
    transaction_id: str


class InterbankSum(NamedTuple):
    """What disclosed entries moved on an account between two banks; debits and credits in minor units."""

    organization: str
    account: str
    asset: str
    debits: int
    credits: int
    seqs: Sequence[int]


@dataclass(frozen=True, slots=True)
class ReportStores:
    """Where it is read."""

    database: Database
    index: AuditIndex
    findings: Findings
    demands: DemandStore
    receipts: ReceiptStore
    totals: TotalsStore


class ReportSource:
    """Reads for reports.

    Args:
        organization: whose node this is.
    """

    def __init__(self, organization: str, stores: ReportStores) -> None:
        self.organization = organization
        self._stores = stores

    def position(self) -> Position:
        """Return how far the own peer's blocks were read."""
        return self._stores.index.position()

    def config_blocks(self, up_to: int) -> tuple[int, ...]:
        """Return the numbers of the configuration blocks up to a block."""
        return self._stores.index.landmarks(up_to).configs

    def members(self) -> list[str]:
        """Return the organizations that ever wrote a record, by name."""
        return [row[0] for row in self._fetch("members")]

    def first_recorded_at(self) -> datetime | None:
        """Return when the first record of the shared ledger was made; None before there is one."""
        found: datetime | None = self._fetch("first_record")[0][0]
        return found

    def newest(self, kind: str, before: datetime) -> dict[str, AuditRecord]:
        """Return each organization's newest record of a kind that was recorded before a time."""
        rows = self._fetch("newest_records", {"kind": kind, "before": before})
        return {record.organization: record for record in (AuditRecord(*row) for row in rows)}

    def recorded(self, kind: str, period: Period) -> list[AuditRecord]:
        """Return records of a kind that were recorded within a time, oldest first."""
        wanted = {"kind": kind, "begins_at": period.begins_at, "ends_at": period.ends_at}
        return [AuditRecord(*row) for row in self._fetch("recorded", wanted)]

    def attested(self, organization: str) -> int:
        """Return up to which entry another member vouches for an organization's log."""
        return self._stores.index.anchor_sizes(organization).attested

    def waiting_reviews(self) -> dict[str, int]:
        """Return how many decisions of each organization wait for a reviewer."""
        return dict(self._fetch("waiting_reviews"))

    def anchor_timings(self, period: Period) -> list[AnchorTiming]:
        """Return the anchors of a time."""
        wanted = _bounds(period) | {"until": self._stores.index.until()}
        return [AnchorTiming(*row) for row in self._fetch("anchor_timings", wanted)]

    def disclosed_timings(self, period: Period) -> list[DisclosedTiming]:
        """Return the disclosed entries that were anchored within a time."""
        return [DisclosedTiming(*row) for row in self._fetch("disclosed_timings", _bounds(period))]

    def large(self, period: Period, threshold: int, asset: str, count_max: int) -> tuple[list[LargeEntry], int]:
        """Return disclosed entries that were posted within a time and are at or above a threshold, largest first.

        Args:
            asset: whose amounts count; empty for what entries were worth to the compliance rules.
            count_max: most of them.
        Returns:
            The entries, and how many there are.
        """
        wanted = _bounds(period) | {"threshold": threshold, "asset": asset, "count_max": count_max}
        rows = self._fetch("large_entries", wanted)
        return [LargeEntry(*row) for *row, _ in rows], rows[0][-1] if rows else 0

    def unmeasured(self, period: Period) -> int:
        """Return how many disclosed entries posted within a time no compliance decision says the worth of."""
        return int(self._fetch("unmeasured_entries", _bounds(period))[0][0])

    def interbank(self, ends_at: datetime) -> list[InterbankSum]:
        """Return what disclosed entries posted before a time moved on accounts between banks."""
        return [InterbankSum(*row) for row in self._fetch("interbank_sums", (ends_at,))]

    def disclosed_counts(self) -> dict[str, int]:
        """Return how many entries of each organization were disclosed."""
        return dict(self._fetch("disclosed_counts"))

    def totals(self, before: datetime) -> list[OpenedTotals]:
        """Return for each member the newest totals it opened of an anchor recorded before a time."""
        # Each by its size: a list that ends somewhere would leave out a member with few entries, or a day long past.
        found = (self._stores.totals.of_size(*row) for row in self._fetch("newest_totals", (before,)))
        return [each for each in found if each is not None]

    def findings(self) -> list[dict[str, Any]]:
        """Return findings as they stand, the one that moved last first."""
        return self._stores.findings.listed()

    def demands(self) -> list[Demand]:
        """Return demands of this organization and to it, newest first."""
        return self._stores.demands.listed()

    def receipts(self, organization: str) -> KeptReceipt | None:
        """Return a member's newest receipt that is kept."""
        return self._stores.receipts.newest(organization)

    def divergences(self) -> dict[str, int]:
        """Return for each member that signed another receipt than the own one the first such block."""
        return {each.organization: each.block_number for each in self._stores.receipts.divergences()}

    def _fetch(self, name: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        return self._stores.database.fetch(name, parameters, _PACKAGE)


def body_of(record: AuditRecord) -> dict[str, Any]:
    """Return what a record says."""
    told: dict[str, Any] = json.loads(record.body)
    return told


def _bounds(period: Period) -> dict[str, Any]:
    return {"begins_at": period.begins_at, "ends_at": period.ends_at}
