"""Anchoring service levels: how fast each member anchors what it posts, and others vouch for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from operator import itemgetter
from typing import Any, TypeVar

from node.reports.report import Cell, Part, Period, Proof, Table, figure, seconds, text
from node.reports.source import AnchorTiming, ReportSource

LATE = ("late_checkpoint", "silent_member", "missing_decisions")
"""Kinds of findings that say that a member was late."""

_T = TypeVar("_T")


def anchoring_part(source: ReportSource, period: Period) -> Part:
    """Return the service levels of a time, by member."""
    timings = source.anchor_timings(period)
    disclosed = source.disclosed_timings(period)
    late = [finding for finding in source.findings() if finding["kind"] in LATE]
    rows = []
    for organization in sorted({each.organization for each in timings} | {each["organization"] for each in late}):
        own = [each for each in timings if each.organization == organization]
        attesting = [(_attesting_s(each), _cosigned(each)) for each in own if each.cosigned_at is not None]
        posting = [
            (
                (each.anchored_at - each.posted_at).total_seconds(),
                Proof(
                    f"entry {each.seq} of {organization}, and its anchor",
                    each.block_number,
                    each.transaction_id,
                    bundle=f"{organization}/{each.seq}",
                ),
            )
            for each in disclosed
            if each.organization == organization
        ]
        gaps = [
            ((after.anchored_at - before.anchored_at).total_seconds(), _anchor(after))
            for before, after in pairwise(own)
        ]
        rows.append(
            (
                text(organization),
                figure(len(own), *(_anchor(each) for each in own[:1] + own[-1:])),
                figure(sum(each.entries for each in own)),
                *_levels(posting),
                *_levels(attesting),
                _longest(gaps),
                _late(organization, late, period),
            )
        )
    shown = tuple((each.organization, each.seq) for each in disclosed)
    return Part((Table(*_HEAD, tuple(rows)),), shown)


def percentile(ordered: Sequence[_T], share: float) -> _T:
    """Return the smallest value that at least ``share`` of all do not exceed: one of the values, so it has a proof."""
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def _levels(measured: Iterable[tuple[float, Proof]]) -> tuple[Cell, Cell, Cell]:
    ordered = sorted(measured, key=itemgetter(0))
    if not ordered:
        return text("–"), text("–"), text("–")
    p50, p95, most = (percentile(ordered, share) for share in (0.5, 0.95, 1.0))
    return seconds(*p50), seconds(*p95), seconds(*most)


def _longest(measured: Sequence[tuple[float, Proof]]) -> Cell:
    return seconds(*max(measured, key=itemgetter(0))) if measured else text("–")


def _late(organization: str, findings: Sequence[Mapping[str, Any]], period: Period) -> Cell:
    opened = [
        Proof(f"finding {finding['finding_id']}", transaction_id=finding["steps"][0]["transaction_id"])
        for finding in findings
        if finding["organization"] == organization
        and period.begins_at <= datetime.fromisoformat(finding["steps"][0]["timestamp"]) < period.ends_at
    ]
    return figure(len(opened), *opened, bad=bool(opened))


def _attesting_s(timing: AnchorTiming) -> float:
    assert timing.cosigned_at is not None
    return (timing.cosigned_at - timing.anchored_at).total_seconds()


def _cosigned(timing: AnchorTiming) -> Proof:
    assert timing.cosigned_block is not None
    what = f"cosignature that covers {timing.organization}'s first {timing.size} entries"
    return Proof(what, timing.cosigned_block, timing.cosigned_in or "")


def _anchor(timing: AnchorTiming) -> Proof:
    what = f"anchor of {timing.organization}'s first {timing.size} entries"
    return Proof(what, timing.block_number, timing.transaction_id, timing.record)


_HEAD = (
    "Anchoring service levels",
    "Times are those that the transactions' signers put into them; a member's clock may be wrong, and shows in the "
    "order of blocks. From posting to anchoring is known of disclosed entries only, whose bundles prove when they were "
    "posted. Late: findings opened in this time.",
    (
        "Member", "Anchors", "Entries", "Posted to anchored p50", "p95", "max", "Anchored to attested p50", "p95",
        "max", "Longest between anchors", "Late",
    ),
)  # fmt: skip
