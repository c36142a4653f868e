"""What reconciliation found and what persons decided, in the protobuf forms that the service tells."""

from __future__ import annotations

from collections.abc import Iterable

from ledger.reconciliation import AccountSummary, Decision, DecisionTaken, QueuedException, StoredMatch
from network.pb.dwaybank.ledger.v1 import reconciliation_pb2 as pb
from node.books import wire

DECISIONS: dict[int, Decision] = {
    pb.EXCEPTION_DECISION_EXPLAINED: Decision.EXPLAINED,
    pb.EXCEPTION_DECISION_MATCHED_BY_HAND: Decision.MATCHED_BY_HAND,
    pb.EXCEPTION_DECISION_WRITTEN_OFF: Decision.WRITTEN_OFF,
    pb.EXCEPTION_DECISION_REOPENED: Decision.REOPENED,
}
"""What a person may decide about exceptions."""


def exception_message(item: QueuedException) -> pb.ReconciliationException:
    """Return an exception as it stands."""
    return pb.ReconciliationException(
        exception=item.id,
        account=item.account,
        asset=item.asset,
        scale=item.scale,
        kind=f"EXCEPTION_KIND_{item.kind.name}",
        state=f"EXCEPTION_STATE_{item.state.name}",
        records=item.records,
        postings=_places(item.postings),
        difference_minor=str(item.difference),
        opened_at=wire.stamp_of(item.opened_at),
    )


def match_message(item: StoredMatch) -> pb.ReconciliationMatch:
    """Return a match that holds."""
    return pb.ReconciliationMatch(
        match=item.id,
        account=item.account,
        asset=item.asset,
        scale=item.scale,
        rule=item.rule,
        difference_minor=str(item.difference),
        run=item.run or 0,
        matched_at=wire.stamp_of(item.matched_at),
        records=item.records,
        postings=_places(item.postings),
    )


def decision_message(item: DecisionTaken) -> pb.ExceptionDecisionTaken:
    """Return a decision that was taken."""
    return pb.ExceptionDecisionTaken(
        decision=f"EXCEPTION_DECISION_{item.decision.name}",
        actor=item.actor,
        decided_at=wire.stamp_of(item.decided_at),
        reason=item.reason,
        entry_seq=item.entry_seq or 0,
        match=item.match_id or 0,
    )


def status_message(item: AccountSummary) -> pb.ReconciliationStatus:
    """Return how far an account is reconciled."""
    return pb.ReconciliationStatus(
        account=item.account,
        asset=item.asset,
        scale=item.scale,
        statement=item.statement,
        last_day=item.last_day.isoformat(),
        recorded_minor=wire.minor_message(item.recorded),
        computed_minor=wire.minor_message(item.computed),
        open=item.open,
        explained=item.explained,
        waiting_difference_minor=str(item.waiting_difference),
        gap=item.gap,
    )


def _places(postings: Iterable[tuple[int, int]]) -> list[pb.PostingPlace]:
    return [pb.PostingPlace(seq=seq, number=number) for seq, number in postings]
