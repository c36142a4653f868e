"""Large transactions: disclosed entries at or above a threshold."""

from __future__ import annotations

from node.reports.report import Cell, Part, Period, Table, disclosed, figure, text
from node.reports.source import LargeEntry, ReportSource

THRESHOLD_MINOR = 1_000_000
"""10,000.00 in a currency of two decimals, above which compliance rules ask for a review unless told otherwise."""

ROWS_MAX = 1000
"""Most entries in one report, the largest first."""


def large_part(source: ReportSource, period: Period, threshold: int, asset: str) -> Part:
    """Return the large transactions of a time.

    Args:
        threshold: minor units.
        asset: whose amounts count; empty for what entries were worth to the compliance rules.
    """
    found, count = source.large(period, threshold, asset, ROWS_MAX)
    counts = ", ".join(f"{count} of {organization}" for organization, count in source.disclosed_counts().items())
    measure = f"largest posting in {asset}" if asset else "what they were worth to the compliance rules"
    rests_on = (
        f"Entries that were disclosed to this organization ({counts or 'none'}), at or above {threshold} minor units "
        f"by {measure}. What was never demanded is not here: demand what compliance flagged."
    )
    if count > len(found):
        rests_on += (
            f" Of {count} the largest {len(found)} stand here: give a higher threshold or fewer days for the rest."
        )
    if not asset and (unmeasured := source.unmeasured(period)):
        rests_on += (
            f" NOT MEASURED: {unmeasured} disclosed entries of this time, whose asset has no rate or whose decision "
            "says no worth; name their asset to see them."
        )
    columns = ("Member", "Entry", "Posted", "Amount", "Asset", "Compliance", "Accounts", "Settlement")
    table = Table("Large transactions", rests_on, columns, tuple(map(_row, found)))
    return Part((table,), tuple((each.organization, each.seq) for each in found))


def _row(entry: LargeEntry) -> tuple[Cell, ...]:
    proof = disclosed(entry.organization, entry.seq, entry.block_number, entry.transaction_id)
    return (
        text(entry.organization),
        figure(entry.seq, proof),
        text(f"{entry.posted_at:%Y-%m-%d %H:%M:%S}"),
        figure(entry.amount, proof),
        text(entry.asset or "reporting currency"),
        text(entry.status, bad=entry.status == "requires_manual_review"),
        text(", ".join(entry.accounts)),
        text(entry.settlement_id),
    )
