"""The daily supervisory summary: members, decisions, findings, demands, receipts, totals, service levels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from node.audit.records import AuditRecord
from node.reports.anchoring import anchoring_part
from node.reports.report import Cell, Part, Period, Proof, Table, anchored, figure, text
from node.reports.source import ReportSource, body_of
from node.reports.trial_balance import trial_balance_part


def daily_part(source: ReportSource, period: Period) -> Part:
    """Return the summary of a day."""
    levels, balance = anchoring_part(source, period), trial_balance_part(source, period)
    tables = (
        _members(source, period),
        _decisions(source, period),
        _findings(source, period),
        _demands(source, period),
        _receipts(source),
        *balance.tables,
        *levels.tables,
    )
    return Part(tables, levels.shown + balance.shown)


def _members(source: ReportSource, period: Period) -> Table:
    newest = source.newest("checkpoint", period.ends_at)
    today: Counter[str] = Counter()
    for record in source.recorded("checkpoint", period):
        today[record.organization] += (record.to_seq or 0) - (record.from_seq or 0) + 1
    rows = [_member(source, name, newest.get(name), today[name], period) for name in source.members()]
    rests_on = (
        "Records of the shared ledger, as this organization's own peer judged them. Attested: another member's node "
        "holds the whole log and cosigned it. Age: of the newest anchor, at the end of the day or now."
    )
    columns = ("Member", "Entries anchored", "Of them on this day", "Attested", "Newest anchor", "Age")
    return Table("Members", rests_on, columns, tuple(rows))


def _member(
    source: ReportSource, name: str, newest: AuditRecord | None, today: int, period: Period
) -> tuple[Cell, ...]:
    if newest is None:
        return text(name), text("keeps no log"), text(""), text(""), text(""), text("")
    size, attested = newest.to_seq or 0, source.attested(name)
    proof = anchored(newest, f"anchor of {name}'s first {size} entries")
    return (
        text(name),
        figure(size, proof),
        figure(today),
        figure(min(size, attested), bad=attested < size),
        text(f"{newest.recorded_at:%Y-%m-%d %H:%M:%S}", proof),
        text(str(max(period.seen_at - newest.recorded_at, timedelta())).split(".")[0]),
    )


def _decisions(source: ReportSource, period: Period) -> Table:
    automated: Counter[str] = Counter()
    manual: Counter[str] = Counter()
    proofs: dict[str, list[Proof]] = {}
    for record in source.recorded("epoch", period):
        told = body_of(record)
        automated[record.organization] += told["counts"]["automated_approval"]
        manual[record.organization] += told["counts"]["requires_manual_review"]
        what = f"decisions about entries {record.from_seq} to {record.to_seq} of {record.organization}"
        proofs.setdefault(record.organization, []).append(anchored(record, what))
    decided: dict[str, list[Proof]] = {}
    for record in source.recorded("review", period):
        told = body_of(record)
        what = f"review {told['record_id']}: {told['decision']}"
        decided.setdefault(record.organization, []).append(anchored(record, what))
    waiting = source.waiting_reviews()
    rows = tuple(
        (
            text(name),
            figure(automated[name], *proofs.get(name, ())),
            figure(manual[name], *proofs.get(name, ())),
            figure(len(decided.get(name, ())), *decided.get(name, ())),
            figure(waiting.get(name, 0), bad=waiting.get(name, 0) > 0),
        )
        for name in sorted({*automated, *decided, *waiting})
    )
    rests_on = "Compliance epochs and reviews on the shared ledger; decisions that wait are those of all time."
    columns = ("Member", "Approved by rules", "To be reviewed", "Reviewed", "Waiting now")
    return Table("Compliance decisions", rests_on, columns, rows)


def _findings(source: ReportSource, period: Period) -> Table:
    rows = tuple(
        (
            text(finding["finding_id"], *_steps(finding)),
            text(finding["organization"]),
            text(finding["kind"]),
            text(finding["subject"]),
            text(finding["status"], bad=finding["status"] != "closed"),
            text(finding["opened_by"]),
            text(finding["steps"][0]["timestamp"][:19].replace("T", " ")),
        )
        for finding in source.findings()
        if finding["status"] != "closed" or _moved(finding, period)
    )
    rests_on = "Findings on the shared ledger that are not closed, and those that moved on this day."
    columns = ("Finding", "About", "Kind", "Subject", "Status", "Opened by", "Opened")
    return Table("Findings", rests_on, columns, rows)


def _steps(finding: Mapping[str, Any]) -> list[Proof]:
    record = f"finding~{finding['finding_id']}"
    return [
        Proof(f"{step['status']} by {step['by']}", transaction_id=step["transaction_id"], record=record)
        for step in finding["steps"]
    ]


def _moved(finding: Mapping[str, Any], period: Period) -> bool:
    moments = [datetime.fromisoformat(step["timestamp"]) for step in finding["steps"]]
    return any(period.begins_at <= moment < period.ends_at for moment in moments)


def _demands(source: ReportSource, period: Period) -> Table:
    rows = tuple(
        (
            text(
                demand.demand_id,
                Proof("demand", demand.block_number, demand.transaction_id, f"demand~{demand.demand_id}"),
            ),
            text(demand.demanding_organization),
            text(demand.organization),
            figure(len(demand.seqs)),
            text(" + ".join(demand.scope)),
            text(demand.purpose),
            text(f"{demand.state} ({demand.reason})" if demand.reason else demand.state, bad=demand.state == "refused"),
        )
        for demand in source.demands()
        if demand.state == "waiting" or period.begins_at <= demand.recorded_at < period.ends_at
    )
    rests_on = "Demands of this organization and to it: those of this day, and those that wait."
    columns = ("Demand", "By", "Of", "Entries", "Scope", "Purpose", "State")
    return Table("Demands for disclosure", rests_on, columns, rows)


def _receipts(source: ReportSource) -> Table:
    diverging, own, rows = source.divergences(), source.organization, []
    for name in source.members():
        kept = source.receipts(name)
        if name == own or kept is None:
            continue
        first = diverging.get(name)
        says = "agrees" if first is None else f"signed another receipt of block {first}"
        rows.append(
            (
                text(name),
                figure(kept.block_number, Proof(f"receipt of block {kept.block_number}", kept.block_number)),
                text(says, *(Proof(f"receipts of block {at}", at) for at in (first,) if at), bad=first is not None),
                text(f"{kept.received_at:%Y-%m-%d %H:%M:%S}"),
            )
        )
    rests_on = (
        "Each member's newest signed receipt of a block that is kept, held against this node's own; one that agrees "
        "speaks for all blocks before. dwaybank audit receipts --block N --out FILE takes one home."
    )
    return Table("Receipts of blocks", rests_on, ("Member", "Block", "Says", "Received"), tuple(rows))
