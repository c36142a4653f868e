"""Finds the parts that make up one amount, where only one choice of them does. Pure and bounded.

Two choices that would do are none, whatever speaks for one of them; a search that grows too long counts as several.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate

from ledger.reconciliation.candidates import Item, ItemId, day_number

STEPS_MAX = 50_000
"""Most steps of one search."""


def only_choices(
    whole: Iterable[Item],
    parts: Iterable[Item],
    *,
    by_token: bool,
    days: int,
    tolerance: int,
    parts_max: int,
    candidates_max: int,
) -> list[tuple[Item, list[Item]]]:
    """Return each amount with its parts, where no other choice and no other amount could use them."""
    ordered = sorted(parts, key=lambda item: (item.day, item.id))
    found: dict[ItemId, tuple[Item, list[Item]]] = {}
    contested: set[ItemId] = set()
    for one in sorted(whole, key=lambda item: item.id):
        candidates = _candidates(one, ordered, days, by_token, tolerance)
        choices = None
        if len(candidates) <= candidates_max:
            choices = _choices(abs(one.change), candidates, tolerance, parts_max)
        if choices is None or len(choices) > 1:
            contested.update(item.id for item in candidates)
        elif choices:
            found[one.id] = one, choices[0]
    uses = Counter(item.id for _, choice in found.values() for item in choice)
    return [
        (one, choice)
        for one, choice in found.values()
        if all(uses[item.id] == 1 and item.id not in contested for item in choice)
    ]


def _candidates(one: Item, ordered: Sequence[Item], days: int, by_token: bool, tolerance: int) -> list[Item]:
    first = bisect_left(ordered, day_number(one) - days, key=day_number)
    last = bisect_right(ordered, day_number(one) + days, key=day_number)
    return [
        item
        for item in ordered[first:last]
        if (item.change > 0) == (one.change > 0)
        and abs(item.change) <= abs(one.change) + tolerance
        and (not by_token or not item.tokens.isdisjoint(one.tokens))
    ]


def _choices(target: int, candidates: list[Item], tolerance: int, parts_max: int) -> list[list[Item]] | None:
    """Return up to two choices of 2 to ``parts_max`` parts; None when the search would take too long."""
    items = sorted(candidates, key=lambda item: (-abs(item.change), item.id))
    amounts = [abs(item.change) for item in items]
    sums = [0, *accumulate(amounts)]
    found: list[list[Item]] = []
    steps = 0
    # Depth first; each entry: next place to try, places taken, their sum.
    stack: list[tuple[int, tuple[int, ...], int]] = [(0, (), 0)]
    while stack and len(found) < 2:
        steps += 1
        if steps > STEPS_MAX:
            return None
        place, taken, total = stack.pop()
        if len(taken) > 1 and abs(total - target) <= tolerance:
            found.append([items[i] for i in taken])
        left = parts_max - len(taken)
        if not left or place == len(items):
            continue
        # Amounts fall, so the next ones are the most that can still be added.
        if total + sums[min(place + left, len(items))] - sums[place] < target - tolerance:
            continue
        stack += [
            (i + 1, (*taken, i), total + amounts[i])
            for i in range(len(items) - 1, place - 1, -1)
            if total + amounts[i] <= target + tolerance
        ]
    return found
