"""Finds what may belong together: by shared reference, by amount, by nearness of days. Pure, and near linear in size.

Every answer depends on the set of items only, never on their order.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from ledger.reconciliation.records import UnmatchedPosting, UnmatchedRecord, normal_reference
from ledger.reconciliation.rules import Agreement

ItemId = int | tuple[int, int]
_PUNCTUATION = ".,;:()[]\"'"


@dataclass(frozen=True, slots=True)
class Item:
    """A record or posting as a rule sees it."""

    id: ItemId
    change: int
    day: date
    tokens: frozenset[str]


@dataclass(frozen=True, slots=True)
class Group:
    """Items of both sides that hang together."""

    records: tuple[Item, ...]
    postings: tuple[Item, ...]

    @property
    def difference(self) -> int:
        """Sum of the records' changes less that of the postings'."""
        return sum(item.change for item in self.records) - sum(item.change for item in self.postings)


def items_of(
    records: Iterable[UnmatchedRecord],
    postings: Iterable[UnmatchedPosting],
    agree: Collection[Agreement],
    *,
    booking_day: bool = False,
) -> tuple[list[Item], list[Item]]:
    """Return both sides as a rule sees them; tokens only where references matter, and only those on both sides."""
    known: set[str] = set()
    if agree:
        records = list(records)
        known.update(*(record.references for record in records))
    left = [
        Item(
            record.id,
            record.change,
            record.booking_day if booking_day else record.value_day,
            record.references if agree else frozenset(),
        )
        for record in records
    ]
    right = [
        Item(posting.id, posting.change, posting.day, frozenset(_tokens(posting, agree)) & known if known else _NONE)
        for posting in postings
    ]
    return left, right


_NONE: frozenset[str] = frozenset()


def _tokens(posting: UnmatchedPosting, agree: Collection[Agreement]) -> Iterator[str]:
    if Agreement.SETTLEMENT_ID in agree:
        yield posting.settlement_id
    if Agreement.KEY in agree:
        yield posting.key
    if Agreement.DESCRIPTION in agree:
        whole = normal_reference(posting.description)
        yield whole
        yield from (word.strip(_PUNCTUATION) for word in whole.split())


class Index:
    """Items of one side, to be asked for those that may be the same movement as one of the other side.

    Args:
        by_token: only items that share a reference.
        days: most days between them.
        tolerance: most minor units between them.
    """

    def __init__(self, items: Iterable[Item], *, by_token: bool, days: int, tolerance: int) -> None:
        self._by_token = by_token
        self._days = days
        self._tolerance = tolerance
        self._width = max(1, tolerance)
        self._buckets: dict[Hashable, list[Item]] = defaultdict(list)
        for item in sorted(items, key=lambda item: (item.day, item.id)):
            for token in self._tokens_of(item):
                self._buckets[token, item.change // self._width].append(item)

    def _tokens_of(self, item: Item) -> Collection[str]:
        return item.tokens if self._by_token else ("",)

    def near(self, item: Item, count_max: int) -> list[Item]:
        """Return items of the index that may be ``item``, ``count_max`` at most."""
        found: dict[ItemId, Item] = {}
        middle = item.change // self._width
        steps = (0, -1, 1) if self._tolerance else (0,)
        for token in sorted(self._tokens_of(item)):
            for step in steps:
                bucket = self._buckets.get((token, middle + step), ())
                first = bisect_left(bucket, day_number(item) - self._days, key=day_number)
                last = bisect_right(bucket, day_number(item) + self._days, key=day_number)
                for place in range(first, last):
                    other = bucket[place]
                    # A tolerance wider than the amount must not make a credit of a debit.
                    if abs(other.change - item.change) <= self._tolerance and (other.change > 0) == (item.change > 0):
                        found[other.id] = other
                        if len(found) == count_max:
                            return list(found.values())
        return list(found.values())


def day_number(item: Item) -> int:
    """Return the day as a number, which has days before and behind it also where the calendar begins and ends."""
    return item.day.toordinal()


class Groups:
    """Items joined step by step; ``both_sides`` tells the groups that came of it."""

    def __init__(self, records: Iterable[Item], postings: Iterable[Item]) -> None:
        self._records = sorted(records, key=lambda item: item.id)
        self._postings = sorted(postings, key=lambda item: item.id)
        self._parent: dict[ItemId, ItemId] = {}

    def join(self, one: Item, other: Item) -> None:
        """Let two items hang together."""
        first, second = self._root(one.id), self._root(other.id)
        if first != second:
            self._parent[second] = first

    def _root(self, item: ItemId) -> ItemId:
        root = item
        while (above := self._parent.get(root, root)) != root:
            root = above
        while item != root:
            self._parent[item], item = root, self._parent.get(item, root)
        return root

    def join_by_token(self, days: int | None, *, same_day: bool = False, same_amount: bool = False) -> None:
        """Join a record and a posting that share a reference and are near enough; ``days`` None: however far."""
        self._join_buckets(lambda item: item.tokens, days, same_day, same_amount)

    def join_all(self, days: int | None, *, same_day: bool = False, same_amount: bool = False) -> None:
        """Join a record and a posting whatever their references."""
        self._join_buckets(lambda _: ("",), days, same_day, same_amount)

    def _join_buckets(
        self, tokens_of: Callable[[Item], Iterable[str]], days: int | None, same_day: bool, same_amount: bool
    ) -> None:
        buckets: dict[Hashable, tuple[list[Item], list[Item]]] = defaultdict(lambda: ([], []))
        for side, items in enumerate((self._records, self._postings)):
            for item in items:
                more = (item.day if same_day else None, item.change if same_amount else None)
                for token in tokens_of(item):
                    buckets[token, more][side].append(item)
        for records, postings in buckets.values():
            if records and postings:
                self._sweep(records, postings, days)

    def _sweep(self, records: list[Item], postings: list[Item], days: int | None) -> None:
        records.sort(key=day_number)
        postings.sort(key=day_number)
        joined = 0  # postings before this place hang together with the one after them already, where they should
        for record in records:
            day, first, last = day_number(record), 0, len(postings)
            if days is not None:
                first = bisect_left(postings, day - days, key=day_number)
                last = bisect_right(postings, day + days, key=day_number)
            if first == last:
                continue
            self.join(record, postings[first])
            for place in range(max(first, joined), last - 1):
                self.join(postings[place], postings[place + 1])
            joined = max(joined, last - 1)

    def both_sides(self) -> list[Group]:
        """Return the groups with records and postings, in the order of their first record."""
        members: dict[ItemId, tuple[list[Item], list[Item]]] = {}
        for side, items in enumerate((self._records, self._postings)):
            for item in items:
                members.setdefault(self._root(item.id), ([], []))[side].append(item)
        return [Group(tuple(left), tuple(right)) for left, right in members.values() if left and right]
