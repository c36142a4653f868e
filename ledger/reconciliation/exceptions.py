"""Says why what no rule matched stays open, so that a person can decide it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import cast

from ledger.reconciliation.candidates import Group, Groups, Index, Item, ItemId, items_of
from ledger.reconciliation.records import (
    ExceptionKind,
    ExplainedGroup,
    OpenException,
    PostingId,
    UnmatchedPosting,
    UnmatchedRecord,
)
from ledger.reconciliation.rules import Agreement, MatchRule, Shape

NEAR_DAYS = 31
"""Equal amounts, alone on both sides within so many days, are shown together as out of the window."""

NEAR_CANDIDATES = 50
"""Most candidates within a tolerance that are shown for one record."""

DIFFERENCE_MAX = 2**63 - 1
"""Greatest difference of one exception, minor units."""


@dataclass(frozen=True, slots=True)
class Period:
    """Days that a statement covers, both included."""

    first: date
    last: date


def open_exceptions(
    records: Mapping[int, UnmatchedRecord],
    postings: Mapping[PostingId, UnmatchedPosting],
    rules: Sequence[MatchRule],
    *,
    asset: str,
    periods: Sequence[Period],
    explained: tuple[ExplainedGroup, ...],
) -> tuple[OpenException, ...]:
    """Return one exception for everything that stays open; what is explained and untouched stays out.

    Args:
        records, postings: what no rule matched.
        periods: days that statements cover.
    """
    known: set[ItemId] = set()
    for group in explained:
        # A group of which a part was matched explains nothing any more.
        if group.records <= records.keys() and group.postings <= postings.keys():
            known |= group.records | group.postings
    rest = _Rest(
        {id_: record for id_, record in records.items() if id_ not in known},
        {id_: posting for id_, posting in postings.items() if id_ not in known},
        booking_day=bool(rules) and all(rule.booking_day for rule in rules),
    )
    found = [*_by_reference(rest, rules, asset), *_by_amount(rest, rules, asset), *_far_apart(rest, rules)]
    found += [_missing(ExceptionKind.MISSING_IN_BOOKS, (item,), ()) for item in rest.items(frozenset())[0]]
    covered = [item for item in rest.items(frozenset())[1] if any(p.first <= item.day <= p.last for p in periods)]
    found += [_missing(ExceptionKind.MISSING_ON_STATEMENT, (), (item,)) for item in covered]
    return tuple(sorted(found, key=lambda item: (item.kind, item.records, item.postings)))


class _Rest:
    """What no exception names yet."""

    def __init__(
        self,
        records: dict[int, UnmatchedRecord],
        postings: dict[PostingId, UnmatchedPosting],
        *,
        booking_day: bool,
    ) -> None:
        self._records = records
        self._postings = postings
        self._booking_day = booking_day

    def items(self, agree: frozenset[Agreement]) -> tuple[list[Item], list[Item]]:
        return items_of(self._records.values(), self._postings.values(), agree, booking_day=self._booking_day)

    def take(self, groups: Iterable[Group]) -> list[Group]:
        # A stranger's movements may come to more than the database can hold: then each of them stands alone.
        taken = [group for group in groups if abs(group.difference) <= DIFFERENCE_MAX]
        for group in taken:
            for item in group.records:
                del self._records[cast(int, item.id)]
            for item in group.postings:
                del self._postings[cast(PostingId, item.id)]
        return taken


def _by_reference(rest: _Rest, rules: Sequence[MatchRule], asset: str) -> Iterable[OpenException]:
    agree = frozenset(place for rule in rules for place in rule.agree)
    if not agree:
        return
    groups = Groups(*rest.items(agree))
    groups.join_by_token(None)
    days = max(rule.days for rule in rules if rule.agree)
    tolerance = max(rule.tolerance_of(asset) for rule in rules if rule.agree)
    for group in rest.take(groups.both_sides()):
        kind = ExceptionKind.AMBIGUOUS
        if abs(group.difference) > tolerance:
            kind = ExceptionKind.AMOUNT_DIFFERS
        elif _days_apart(group) > days:
            kind = ExceptionKind.DATE_OUT_OF_WINDOW
        yield _exception(kind, group)


def _days_apart(group: Group) -> int:
    left = [item.day for item in group.records]
    right = [item.day for item in group.postings]
    return max(abs((max(left) - min(right)).days), abs((max(right) - min(left)).days))


def _by_amount(rest: _Rest, rules: Sequence[MatchRule], asset: str) -> Iterable[OpenException]:
    for rule in rules:
        if rule.agree or rule.shape is not Shape.ONE_TO_ONE:
            continue
        records, postings = rest.items(frozenset())
        groups = Groups(records, postings)
        groups.join_all(rule.days, same_amount=True)
        if tolerance := rule.tolerance_of(asset):
            index = Index(postings, by_token=False, days=rule.days, tolerance=tolerance)
            for record in records:
                for posting in index.near(record, NEAR_CANDIDATES):
                    groups.join(record, posting)
        for group in rest.take(groups.both_sides()):
            yield _exception(ExceptionKind.AMBIGUOUS, group)


def _far_apart(rest: _Rest, rules: Sequence[MatchRule]) -> Iterable[OpenException]:
    if all(rule.agree for rule in rules):
        return
    records, postings = rest.items(frozenset())
    left = Index(records, by_token=False, days=NEAR_DAYS, tolerance=0)
    right = Index(postings, by_token=False, days=NEAR_DAYS, tolerance=0)
    pairs = []
    for record in records:
        candidates = right.near(record, 2)
        if len(candidates) == 1 and len(left.near(candidates[0], 2)) == 1:
            pairs.append(Group((record,), (candidates[0],)))
    for group in rest.take(pairs):
        yield _exception(ExceptionKind.DATE_OUT_OF_WINDOW, group)


def _missing(kind: ExceptionKind, records: tuple[Item, ...], postings: tuple[Item, ...]) -> OpenException:
    return _exception(kind, Group(records, postings))


def _exception(kind: ExceptionKind, group: Group) -> OpenException:
    return OpenException(
        kind,
        tuple(sorted(cast(int, item.id) for item in group.records)),
        tuple(sorted(cast(PostingId, item.id) for item in group.postings)),
        group.difference,
    )
