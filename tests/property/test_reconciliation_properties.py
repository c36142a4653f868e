"""Properties of matching, over small worlds in which amounts, days and references collide often.

Whatever the rules: nobody is matched twice, sums agree within the tolerance, everything stays somewhere, the order of
what is given does not matter, what was matched is not matched otherwise when more arrives, and a second run finds
nothing. A brute-force reading of "no other candidate" judges the pairs.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from itertools import combinations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.reconciliation.candidates import Item
from ledger.reconciliation.choices import only_choices
from ledger.reconciliation.exceptions import Period
from ledger.reconciliation.matching import match_account
from ledger.reconciliation.records import ExceptionKind, Matching, UnmatchedPosting, UnmatchedRecord
from ledger.reconciliation.rules import Agreement, MatchRule, Shape

DAY = date(2026, 3, 1)
MONTH = (Period(DAY, DAY + timedelta(days=30)),)
WORDS = ["", "a", "b", "c"]

days = st.integers(0, 6).map(lambda offset: DAY + timedelta(days=offset))
changes = st.integers(-6, 6).filter(bool)
words = st.sampled_from(WORDS)


@st.composite
def records(draw: st.DrawFn) -> list[UnmatchedRecord]:
    found = []
    for number in range(1, draw(st.integers(0, 7)) + 1):
        tokens = frozenset(draw(st.lists(words, max_size=2))) - {""}
        found.append(UnmatchedRecord(number, draw(changes), draw(days), draw(days), tokens))
    return found


@st.composite
def postings(draw: st.DrawFn) -> list[UnmatchedPosting]:
    found = []
    for seq in range(1, draw(st.integers(0, 7)) + 1):
        text = " ".join(draw(st.lists(words, max_size=2)))
        place = draw(st.integers(1, 2))
        found.append(UnmatchedPosting(seq, place, draw(changes), draw(days), draw(words), f"k{seq}", text))
    return found


@st.composite
def rules(draw: st.DrawFn) -> tuple[MatchRule, ...]:
    found = []
    for number in range(draw(st.integers(1, 3))):
        shape = draw(st.sampled_from(list(Shape)))
        agree = frozenset(draw(st.lists(st.sampled_from(list(Agreement)), max_size=2)))
        more: dict[str, Any] = {}
        if shape in (Shape.ONE_TO_MANY, Shape.MANY_TO_ONE) and draw(st.booleans()):
            more = {"parts": draw(st.integers(2, 4)), "candidates": draw(st.integers(2, 8))}
        elif shape is not Shape.ONE_TO_ONE:
            more = {"same_day": draw(st.booleans()) or not agree, "same_amount": draw(st.booleans())}
        found.append(
            MatchRule(
                f"rule {number}",
                shape,
                agree,
                days=draw(st.integers(0, 3)),
                booking_day=draw(st.booleans()),
                tolerance={"EUR": draw(st.integers(0, 2))},
                **more,
            )
        )
    return tuple(found)


def match(
    left: list[UnmatchedRecord], right: list[UnmatchedPosting], chosen: tuple[MatchRule, ...], **more: Any
) -> Matching:
    return match_account(left, right, chosen, asset="EUR", periods=MONTH, **more)


@settings(max_examples=300)
@given(records(), postings(), rules())
def test_nobody_is_matched_twice_nothing_is_lost_and_sums_agree(
    left: list[UnmatchedRecord], right: list[UnmatchedPosting], chosen: tuple[MatchRule, ...]
) -> None:
    outcome = match(left, right, chosen)
    places = [*outcome.matches, *outcome.exceptions]
    assert Counter(id_ for place in places for id_ in place.records) == Counter(record.id for record in left)
    assert Counter(id_ for place in places for id_ in place.postings) == Counter(posting.id for posting in right)
    by_record = {record.id: record for record in left}
    by_posting = {posting.id: posting for posting in right}
    by_name = {rule.name: rule for rule in chosen}
    for place in places:
        difference = sum(by_record[id_].change for id_ in place.records)
        difference -= sum(by_posting[id_].change for id_ in place.postings)
        assert place.difference == difference
    for found in outcome.matches:
        rule = by_name[found.rule]
        assert abs(found.difference) <= rule.tolerance_of("EUR")
        assert found.records and found.postings
        sizes = (len(found.records), len(found.postings))
        if rule.shape is Shape.ONE_TO_ONE:
            assert sizes == (1, 1)
        elif rule.shape is Shape.ONE_TO_MANY:
            assert sizes[0] == 1 and sizes[1] > 1
        elif rule.shape is Shape.MANY_TO_ONE:
            assert sizes[0] > 1 and sizes[1] == 1
    for item in outcome.exceptions:
        assert (item.kind is ExceptionKind.MISSING_IN_BOOKS) == (not item.postings)
        assert (item.kind is ExceptionKind.MISSING_ON_STATEMENT) == (not item.records)


@settings(max_examples=200)
@given(records(), postings(), rules(), st.randoms(use_true_random=False))
def test_order_does_not_matter(
    left: list[UnmatchedRecord], right: list[UnmatchedPosting], chosen: tuple[MatchRule, ...], random: Any
) -> None:
    expected = match(left, right, chosen)
    shuffled_left, shuffled_right = list(left), list(right)
    random.shuffle(shuffled_left)
    random.shuffle(shuffled_right)
    assert match(shuffled_left, shuffled_right, chosen) == expected


@settings(max_examples=200)
@given(records(), postings(), st.integers(0, 3), st.integers(0, 2), st.booleans())
def test_pairs_are_exactly_those_without_another_candidate(
    left: list[UnmatchedRecord], right: list[UnmatchedPosting], window: int, tolerance: int, by_reference: bool
) -> None:
    agree = frozenset(Agreement) if by_reference else frozenset()
    rule = MatchRule("pairs", agree=agree, days=window, tolerance={"EUR": tolerance})

    def share(record: UnmatchedRecord, posting: UnmatchedPosting) -> bool:
        return bool(record.references & {posting.settlement_id, posting.key, *posting.description.split()})

    def fits(record: UnmatchedRecord, posting: UnmatchedPosting) -> bool:
        return (
            abs(record.change - posting.change) <= tolerance
            and record.change * posting.change > 0
            and abs((record.value_day - posting.day).days) <= window
            and (not by_reference or share(record, posting))
        )

    if not by_reference:
        tied = [(record, posting) for record in left for posting in right if share(record, posting)]
        tied_ids = {item.id for pair in tied for item in pair}
    else:
        tied_ids = set()
    free_left = [record for record in left if record.id not in tied_ids]
    free_right = [posting for posting in right if posting.id not in tied_ids]
    edges = [(record.id, posting.id) for record in free_left for posting in free_right if fits(record, posting)]
    of_record = Counter(record for record, _ in edges)
    of_posting = Counter(posting for _, posting in edges)
    expected = {((r,), (p,)) for r, p in edges if of_record[r] == 1 and of_posting[p] == 1}
    found = match(left, right, (rule,)).matches
    assert {(item.records, item.postings) for item in found} == expected


@settings(max_examples=200)
@given(st.lists(changes, min_size=1, max_size=3), st.lists(changes, max_size=7), st.integers(2, 4), st.integers(0, 1))
def test_choices_of_parts_are_exactly_those_nobody_contests(
    targets: list[int], amounts: list[int], parts_max: int, tolerance: int
) -> None:
    whole = [Item(number, amount * 2, DAY, frozenset()) for number, amount in enumerate(targets, 1)]
    parts = [Item((number, 1), amount, DAY, frozenset()) for number, amount in enumerate(amounts, 1)]
    all_choices = {}
    candidates_of = {}
    for one in whole:
        candidates = [
            item for item in parts if item.change * one.change > 0 and abs(item.change) <= abs(one.change) + tolerance
        ]
        candidates_of[one.id] = {item.id for item in candidates}
        all_choices[one.id] = [
            {item.id for item in choice}
            for size in range(2, parts_max + 1)
            for choice in combinations(candidates, size)
            if abs(sum(item.change for item in choice) - one.change) <= tolerance
        ]
    expected = {}
    for one, choices in all_choices.items():
        if len(choices) != 1:
            continue
        others = [
            all_choices[other][0] if len(all_choices[other]) == 1 else candidates_of[other]
            for other in all_choices
            if other != one and all_choices[other]
        ]
        if all(choices[0].isdisjoint(other) for other in others):
            expected[one] = choices[0]
    found = only_choices(
        whole, parts, by_token=False, days=0, tolerance=tolerance, parts_max=parts_max, candidates_max=24
    )
    assert {one.id: {item.id for item in choice} for one, choice in found} == expected


@settings(max_examples=300)
@given(records(), postings(), rules())
def test_second_run_finds_nothing_more(
    left: list[UnmatchedRecord], right: list[UnmatchedPosting], chosen: tuple[MatchRule, ...]
) -> None:
    outcome = match(left, right, chosen)
    gone = {id_ for item in outcome.matches for id_ in (*item.records, *item.postings)}
    again = match(
        [record for record in left if record.id not in gone],
        [posting for posting in right if posting.id not in gone],
        chosen,
    )
    assert (again.matches, again.exceptions) == ((), outcome.exceptions)
