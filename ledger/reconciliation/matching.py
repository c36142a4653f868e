"""Matches records of statements with postings of the books: a pure function of what stands open and of the rules.

Rules it keeps:
- a record and a posting stand in one match at most, and a match's sums agree within its rule's tolerance;
- the result depends on the sets given, not on their order;
- nothing is guessed: a pair is matched when neither has another candidate, a group when it agrees as a whole, a choice
  of parts when it is the only one and nobody else could use a part of it;
- a rule that looks at amounts only leaves alone what a reference ties to something else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import cast

from ledger.reconciliation.candidates import Groups, Index, Item, ItemId, items_of
from ledger.reconciliation.choices import only_choices
from ledger.reconciliation.exceptions import Period, open_exceptions
from ledger.reconciliation.records import (
    ExplainedGroup,
    Match,
    Matching,
    PostingId,
    UnmatchedPosting,
    UnmatchedRecord,
)
from ledger.reconciliation.rules import Agreement, MatchRule, Shape


def match_account(
    records: Iterable[UnmatchedRecord],
    postings: Iterable[UnmatchedPosting],
    rules: Sequence[MatchRule],
    *,
    asset: str,
    periods: Sequence[Period] = (),
    explained: Sequence[ExplainedGroup] = (),
) -> Matching:
    """Match what stands open on one account.

    Args:
        records, postings: all that no match holds.
        rules: tried in this order.
        asset: code; chooses the tolerances.
        periods: days that statements cover; only there a posting can be missing on one.
        explained: what a person explained already.
    Returns:
        Matches in the order in which they were found, and exceptions.
    """
    open_records = {record.id: record for record in records}
    open_postings = {posting.id: posting for posting in postings}
    matches: list[Match] = []
    count = -1
    # What one rule takes may leave another with one candidate only: all begin again until none finds more, so that a
    # second run over the same finds nothing.
    while count != len(matches):
        count = len(matches)
        for rule in rules:
            found = _apply(rule, open_records, open_postings, asset)
            for match in found:
                for record in match.records:
                    del open_records[record]
                for posting in match.postings:
                    del open_postings[posting]
            matches += found
    exceptions = open_exceptions(
        open_records, open_postings, rules, asset=asset, periods=periods, explained=tuple(explained)
    )
    return Matching(tuple(matches), exceptions)


def _apply(
    rule: MatchRule,
    open_records: dict[int, UnmatchedRecord],
    open_postings: dict[PostingId, UnmatchedPosting],
    asset: str,
) -> list[Match]:
    if not open_records or not open_postings:
        return []
    records, postings = items_of(
        open_records.values(), open_postings.values(), rule.agree, booking_day=rule.booking_day
    )
    if not rule.agree:
        tied = _tied_by_reference(open_records, open_postings)
        records = [item for item in records if item.id not in tied]
        postings = [item for item in postings if item.id not in tied]
    tolerance = rule.tolerance_of(asset)
    if rule.parts:
        return _parts(rule, records, postings, tolerance)
    if rule.shape is Shape.ONE_TO_ONE:
        return _pairs(rule, records, postings, tolerance)
    return _groups(rule, records, postings, tolerance)


def _tied_by_reference(
    open_records: dict[int, UnmatchedRecord], open_postings: dict[PostingId, UnmatchedPosting]
) -> set[ItemId]:
    records, postings = items_of(open_records.values(), open_postings.values(), frozenset(Agreement))
    groups = Groups(records, postings)
    groups.join_by_token(None)
    return {item.id for group in groups.both_sides() for item in (*group.records, *group.postings)}


def _pairs(rule: MatchRule, records: list[Item], postings: list[Item], tolerance: int) -> list[Match]:
    by_token = bool(rule.agree)
    left = Index(records, by_token=by_token, days=rule.days, tolerance=tolerance)
    right = Index(postings, by_token=by_token, days=rule.days, tolerance=tolerance)
    found = []
    for record in sorted(records, key=lambda item: item.id):
        candidates = right.near(record, 2)
        if len(candidates) == 1 and len(left.near(candidates[0], 2)) == 1:
            found.append(_match(rule, [record], candidates, tolerance))
    return found


def _groups(rule: MatchRule, records: list[Item], postings: list[Item], tolerance: int) -> list[Match]:
    groups = Groups(records, postings)
    join = groups.join_by_token if rule.agree else groups.join_all
    join(rule.days, same_day=rule.same_day, same_amount=rule.same_amount)
    return [
        _match(rule, group.records, group.postings, tolerance)
        for group in groups.both_sides()
        if _has_shape(rule.shape, len(group.records), len(group.postings)) and abs(group.difference) <= tolerance
    ]


def _has_shape(shape: Shape, record_count: int, posting_count: int) -> bool:
    if shape is Shape.ONE_TO_MANY:
        return record_count == 1 and posting_count > 1
    if shape is Shape.MANY_TO_ONE:
        return record_count > 1 and posting_count == 1
    return True


def _parts(rule: MatchRule, records: list[Item], postings: list[Item], tolerance: int) -> list[Match]:
    whole, parts = (records, postings) if rule.shape is Shape.ONE_TO_MANY else (postings, records)
    found = []
    for one, choice in only_choices(
        whole,
        parts,
        by_token=bool(rule.agree),
        days=rule.days,
        tolerance=tolerance,
        parts_max=rule.parts,
        candidates_max=rule.candidates,
    ):
        sides = ([one], choice) if rule.shape is Shape.ONE_TO_MANY else (choice, [one])
        found.append(_match(rule, *sides, tolerance))
    return found


def _match(rule: MatchRule, records: Sequence[Item], postings: Sequence[Item], tolerance: int) -> Match:
    difference = sum(item.change for item in records) - sum(item.change for item in postings)
    assert abs(difference) <= tolerance
    match = Match(
        rule.name,
        tuple(sorted(cast(int, item.id) for item in records)),
        tuple(sorted(cast(PostingId, item.id) for item in postings)),
        difference,
        tolerance,
    )
    assert max(Counter(match.postings).values()) == 1
    return match
