"""How members stand, from the shared ledger's records: how far, how fresh, how soon vouched for. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from network.pb.dwaybank.audit.v1 import audit_pb2 as pb


@dataclass(frozen=True, slots=True)
class Lag:
    """One anchor that another member vouched for.

    Args:
        anchored_at: UTC.
        seconds: from the anchor to the first cosignature.
    """

    anchored_at: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class Standing:
    """One member.

    Args:
        anchored, attested: entries covered by its newest anchor, and by the newest that another member vouches for.
        block: of the newest anchor.
        anchored_at: when; None where it never anchored.
        age_s: seconds since then.
        lags: of its newest anchors, oldest first.
    """

    organization: str
    anchored: int
    attested: int
    block: int
    anchored_at: datetime | None
    age_s: float
    lags: tuple[Lag, ...]

    @property
    def lag_p95_s(self) -> float | None:
        """Of 95 of 100 anchors, the longest lag; None where there is none."""
        if not self.lags:
            return None
        ordered = sorted(lag.seconds for lag in self.lags)
        return ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]


def standing_of(
    organization: str, anchors: Sequence[pb.AuditRecord], cosignatures: Sequence[pb.AuditRecord], now: datetime
) -> Standing:
    """Return how a member stands.

    Args:
        anchors, cosignatures: its newest records, newest first, as the node's search gives them.
        now: UTC.
    """
    first: dict[int, datetime] = {}
    for record in cosignatures:
        size, at = int(json.loads(record.body_json)["size"]), _time(record)
        first[size] = min(at, first.get(size, at))
    lags = tuple(
        Lag(_time(record), max(0.0, (first[record.to_seq] - _time(record)).total_seconds()))
        for record in reversed(anchors)
        if record.to_seq in first
    )
    if not anchors:
        return Standing(organization, 0, 0, 0, None, 0.0, lags)
    newest = anchors[0]
    return Standing(
        organization,
        newest.to_seq,
        max(first, default=0),
        newest.block_number,
        _time(newest),
        (now - _time(newest)).total_seconds(),
        lags,
    )


def chart_of(standings: Sequence[Standing]) -> dict[str, Any]:
    """Return the lags as columns: times (POSIX seconds, ascending), and one series of seconds for each member."""
    points = sorted(
        (lag.anchored_at, standing.organization, lag.seconds) for standing in standings for lag in standing.lags
    )
    names = [standing.organization for standing in standings if standing.lags]
    return {
        "times": [at.timestamp() for at, _, _ in points],
        "series": [
            {"name": name, "values": [seconds if whose == name else None for _, whose, seconds in points]}
            for name in names
        ],
    }


def _time(record: pb.AuditRecord) -> datetime:
    return record.recorded_at.ToDatetime(tzinfo=UTC)
