"""Trial balance by member and asset: what each member's control totals come to at its newest anchor of a time."""

from __future__ import annotations

from node.reports.report import Part, Period, Proof, Table, figure, text
from node.reports.source import ReportSource

_RESTS_ON = (
    "Control totals that each member opened to this organization, held against the commitment its anchor carries: sums "
    "of debits and credits over all entries of the log so far, in minor units. That they are the entries' sums is "
    "proved only where entries are disclosed; dwaybank audit totals lists what was opened."
)


def trial_balance_part(source: ReportSource, period: Period) -> Part:
    """Return the trial balance as of the end of a time."""
    rows = []
    for opened in sorted(source.totals(period.ends_at), key=lambda each: each.organization):
        proof = Proof(
            f"anchor that commits to {opened.organization}'s totals over {opened.size} entries",
            opened.block_number,
            opened.transaction_id,
        )
        for asset, sums in sorted(opened.totals.items()):
            difference = sums.debits - sums.credits
            rows.append(
                (
                    text(opened.organization),
                    text(asset),
                    figure(opened.size, proof),
                    figure(sums.debits, proof),
                    figure(sums.credits, proof),
                    figure(difference, proof, bad=difference != 0),
                )
            )
    columns = ("Member", "Asset", "Entries", "Debits", "Credits", "Difference")
    return Part((Table("Trial balance by member and asset", _RESTS_ON, columns, tuple(rows)),))
