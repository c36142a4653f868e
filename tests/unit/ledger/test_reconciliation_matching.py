"""Matching in tables an accountant can read: what the statement says, what the books say, what comes of it.

A table's line is ``id change day references`` for records and ``seq change day settlement description`` for postings;
days are of March 2026, ``-`` stands for nothing.
"""

from __future__ import annotations

import doctest
from datetime import date

import pytest

import ledger.reconciliation
from ledger.errors import InvalidValueError
from ledger.reconciliation.exceptions import Period
from ledger.reconciliation.matching import match_account
from ledger.reconciliation.records import (
    ExplainedGroup,
    Matching,
    UnmatchedPosting,
    UnmatchedRecord,
    normal_reference,
    normal_references,
)
from ledger.reconciliation.rules import STANDARD_RULES, Agreement, MatchRule, Shape

MARCH = (Period(date(2026, 3, 1), date(2026, 3, 31)),)
REFERENCE = frozenset(Agreement)


def march(day: str) -> date:
    return date(2026, 3, int(day))


def records_of(table: str) -> list[UnmatchedRecord]:
    found = []
    for line in table.strip().splitlines():
        number, change, day, *references = line.split()
        when = march(day)
        known = normal_references(word for word in references if word != "-")
        found.append(UnmatchedRecord(int(number), int(change), when, when, known))
    return found


def postings_of(table: str) -> list[UnmatchedPosting]:
    found = []
    for line in table.strip().splitlines():
        seq, change, day, settlement, *words = line.split()
        reference = "" if settlement == "-" else normal_reference(settlement)
        found.append(UnmatchedPosting(int(seq), 1, int(change), march(day), reference, description=" ".join(words)))
    return found


def outcome(records: str, postings: str, rules: tuple[MatchRule, ...] = STANDARD_RULES) -> Matching:
    return match_account(records_of(records), postings_of(postings), rules, asset="EUR", periods=MARCH)


def told(matching: Matching) -> list[str]:
    lines = [
        f"{match.rule}: {list(match.records)} = {[seq for seq, _ in match.postings]}"
        + (f" {match.difference:+}" if match.difference else "")
        for match in matching.matches
    ]
    return lines + [
        f"{item.kind.text}: {list(item.records)} {[seq for seq, _ in item.postings]} {item.difference:+}"
        for item in matching.exceptions
    ]


CASES = {
    "the same reference and amount within the window": (
        "1 500 3 PAY-1",
        "10 500 5 pay-1",
        ["reference: [1] = [10]"],
    ),
    "a word of the description is a reference too": (
        "1 -250 3 INV77",
        "10 -250 3 - Invoice INV77, March",
        ["reference: [1] = [10]"],
    ),
    "one reference, several postings": (
        "1 900 3 BATCH",
        "10 400 3 BATCH\n11 500 4 BATCH",
        ["reference, several: [1] = [10, 11]"],
    ),
    "one record names the references of several postings": (
        "1 900 3 A B",
        "10 400 3 A\n11 500 4 B",
        ["reference, several: [1] = [10, 11]"],
    ),
    "several records, one posting": (
        "1 400 3 SUM\n2 500 3 SUM",
        "10 900 3 SUM",
        ["reference, several: [1, 2] = [10]"],
    ),
    "several on both sides": (
        "1 400 3 SUM\n2 500 3 SUM",
        "10 300 3 SUM\n11 600 3 SUM",
        ["reference, several: [1, 2] = [10, 11]"],
    ),
    "an amount alone on its day": (
        "1 500 3 -\n2 500 9 -",
        "10 500 3 -\n11 500 9 -",
        ["amount on the day: [1] = [10]", "amount on the day: [2] = [11]"],
    ),
    "an amount alone within two days": (
        "1 500 3 -",
        "10 500 5 -",
        ["amount within two days: [1] = [10]"],
    ),
    "two postings could be it": (
        "1 500 3 -",
        "10 500 3 -\n11 500 3 -",
        ["ambiguous: [1] [10, 11] -500"],
    ),
    "two records could be it": (
        "1 500 3 -\n2 500 3 -",
        "10 500 3 -",
        ["ambiguous: [1, 2] [10] +500"],
    ),
    "the reference agrees, the amount does not": (
        "1 500 3 PAY-1",
        "10 495 3 PAY-1",
        ["amount_differs: [1] [10] +5"],
    ),
    "a posting tied to another record by its reference is left alone": (
        "1 500 3 PAY-1\n2 495 3 -",
        "10 495 3 PAY-1",
        ["missing_in_books: [2] [] +495", "amount_differs: [1] [10] +5"],
    ),
    "the reference agrees, the day is too far": (
        "1 500 3 PAY-1",
        "10 500 20 PAY-1",
        ["date_out_of_window: [1] [10] +0"],
    ),
    "an equal amount alone but days away": (
        "1 500 3 -",
        "10 500 12 -",
        ["date_out_of_window: [1] [10] +0"],
    ),
    "a credit is never a debit": (
        "1 500 3 -",
        "10 -500 3 -",
        ["missing_in_books: [1] [] +500", "missing_on_statement: [] [10] +500"],
    ),
    "a word for no reference ties nothing": (
        "1 500 3 NOTPROVIDED\n2 700 3 NONREF",
        "10 500 3 notprovided\n11 701 3 nonref",
        ["amount on the day: [1] = [10]", "missing_in_books: [2] [] +700", "missing_on_statement: [] [11] -701"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_standard_rules(name: str) -> None:
    records, postings, expected = CASES[name]
    assert told(outcome(records, postings)) == expected


def test_tolerance_is_kept_to_the_unit_and_to_its_asset() -> None:
    rule = MatchRule("rounding", tolerance={"EUR": 10})
    assert told(outcome("1 500 3 -", "10 490 3 -", (rule,))) == ["rounding: [1] = [10] +10"]
    assert told(outcome("1 500 3 -", "10 489 3 -", (rule,)))[0].startswith("missing_in_books")
    other = match_account(records_of("1 500 3 -"), postings_of("10 490 3 -"), (rule,), asset="CZK", periods=MARCH)
    assert other.matches == ()


def test_two_candidates_within_the_tolerance_are_ambiguous() -> None:
    rule = MatchRule("rounding", tolerance={"EUR": 10})
    assert told(outcome("1 500 3 -", "10 495 3 -\n11 505 3 -", (rule,))) == ["ambiguous: [1] [10, 11] -500"]


def test_tolerance_above_the_amount_makes_no_debit_a_credit() -> None:
    rule = MatchRule("rounding", tolerance={"EUR": 10})
    assert outcome("1 3 3 -", "10 -3 3 -", (rule,)).matches == ()


def test_day_total_is_matched_as_a_group_of_that_day() -> None:
    rule = MatchRule("takings", Shape.ONE_TO_MANY, same_day=True)
    table = "10 200 3 -\n11 300 3 -\n12 70 4 -\n13 30 4 -"
    assert told(outcome("1 500 3 -\n2 101 4 -", table, (rule,))) == [
        "takings: [1] = [10, 11]",
        "missing_in_books: [2] [] +101",
        "missing_on_statement: [] [12] -70",
        "missing_on_statement: [] [13] -30",
    ]


def test_equal_fees_of_a_day_are_one_match_of_several() -> None:
    rule = MatchRule("fees", Shape.MANY_TO_MANY, same_day=True, same_amount=True)
    table = ("1 -5 3 -\n2 -5 3 -\n3 -5 4 -", "10 -5 3 -\n11 -5 3 -\n12 -5 4 -\n13 -5 4 -")
    assert told(outcome(*table, (rule,)))[0] == "fees: [1, 2] = [10, 11]"
    assert len(outcome(*table, (rule,)).matches) == 1


def test_parts_are_chosen_only_where_one_choice_does() -> None:
    rule = MatchRule("payout", Shape.ONE_TO_MANY, parts=3, days=2)
    unique = "10 200 3 -\n11 300 2 -\n12 999 3 -"
    assert told(outcome("1 500 3 -", unique, (rule,)))[0] == "payout: [1] = [10, 11]"
    twice = unique + "\n13 300 4 -"
    assert outcome("1 500 3 -", twice, (rule,)).matches == ()
    two_want_it = outcome("1 500 3 -\n2 500 3 -", unique, (rule,))
    assert two_want_it.matches == ()
    backwards = MatchRule("collected", Shape.MANY_TO_ONE, parts=3)
    assert told(outcome("1 200 3 -\n2 300 3 -", "10 500 3 -", (backwards,))) == ["collected: [1, 2] = [10]"]


def test_too_many_candidates_are_not_searched() -> None:
    rule = MatchRule("payout", Shape.ONE_TO_MANY, parts=2, candidates=3)
    assert outcome("1 500 3 -", "10 200 3 -\n11 300 3 -\n12 1 3 -", (rule,)).matches != ()
    assert outcome("1 500 3 -", "10 200 3 -\n11 300 3 -\n12 1 3 -\n13 2 3 -", (rule,)).matches == ()


def test_earlier_rule_takes_first() -> None:
    wide, narrow = MatchRule("wide", days=9), MatchRule("narrow")
    table = ("1 500 3 -", "10 500 3 -\n11 500 8 -")
    assert told(outcome(*table, (narrow, wide)))[0] == "narrow: [1] = [10]"
    assert outcome(*table, (wide,)).matches == ()


def test_rules_begin_again_after_one_of_them_took_a_candidate_away() -> None:
    rules = (MatchRule("rounding", tolerance={"EUR": 1}), MatchRule("exact"))
    assert told(outcome("1 5 3 -\n2 7 3 -", "10 5 3 -\n11 6 3 -", rules)) == [
        "exact: [1] = [10]",
        "rounding: [2] = [11] +1",
    ]


def test_group_hangs_together_over_overlapping_windows() -> None:
    rule = MatchRule("batch", Shape.MANY_TO_MANY, agree=REFERENCE, days=1)
    assert told(outcome("1 10 1 X\n2 20 3 X", "10 5 1 X\n11 5 2 X\n12 20 3 X", (rule,))) == [
        "batch: [1, 2] = [10, 11, 12]"
    ]
    # Two days with nothing between them stay two groups.
    assert told(outcome("1 10 1 X\n2 20 9 X", "10 10 1 X\n12 20 9 X", (rule,))) == [
        "batch: [1] = [10]",
        "batch: [2] = [12]",
    ]


def test_parts_that_another_amount_could_use_are_left_alone() -> None:
    rule = MatchRule("payout", Shape.ONE_TO_MANY, parts=2)
    parts = "10 2 3 -\n11 3 3 -\n12 4 3 -\n13 5 3 -"
    assert told(outcome("1 5 3 -", parts, (rule,)))[0] == "payout: [1] = [10, 11]"
    # 7 is 3 + 4 or 2 + 5: nobody knows, so nobody may take 2 or 3 from it.
    assert outcome("1 5 3 -\n2 7 3 -", parts, (rule,)).matches == ()


def test_booking_day_is_used_where_the_rule_says_so() -> None:
    record = UnmatchedRecord(1, 500, march("1"), march("9"), frozenset())
    posting = postings_of("10 500 9 -")
    assert match_account([record], posting, (MatchRule("r", booking_day=True),), asset="EUR").matches != ()
    assert match_account([record], posting, (MatchRule("r"),), asset="EUR").matches == ()


def test_posting_on_a_day_no_statement_covers_is_not_missing_yet() -> None:
    half = (Period(date(2026, 3, 1), date(2026, 3, 15)),)
    postings = postings_of("10 500 15 -\n11 600 16 -")
    (item,) = match_account([], postings, STANDARD_RULES, asset="EUR", periods=half).exceptions
    assert item.postings == ((10, 1),)


def test_explained_item_is_no_exception_again_but_can_be_matched() -> None:
    explained = [ExplainedGroup(frozenset({1}), frozenset())]
    records = records_of("1 500 3 -\n2 70 3 -")
    quiet = match_account(records, [], STANDARD_RULES, asset="EUR", explained=explained)
    assert [item.records for item in quiet.exceptions] == [(2,)]
    later = match_account(records, postings_of("10 500 3 -"), STANDARD_RULES, asset="EUR", explained=explained)
    assert [match.records for match in later.matches] == [(1,)]


def test_group_explained_together_comes_back_when_a_part_of_it_was_matched() -> None:
    explained = [ExplainedGroup(frozenset({1}), frozenset({(10, 1)}))]
    table = ("1 500 3 X", "10 495 3 Y\n11 500 3 X")
    found = match_account(
        records_of(table[0]),
        postings_of(table[1]),
        STANDARD_RULES,
        asset="EUR",
        periods=MARCH,
        explained=explained,
    )
    assert told(found) == ["reference: [1] = [11]", "missing_on_statement: [] [10] -495"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"name": ""}, "name"),
        ({"days": -1}, "days"),
        ({"days": 1.5}, "days"),
        ({"tolerance": {"EUR": -1}}, "tolerance.EUR"),
        ({"tolerance": {"EUR": 0.5}}, "tolerance.EUR"),
        ({"shape": Shape.MANY_TO_MANY}, "shape"),
        ({"parts": 3}, "parts"),
        ({"parts": 9, "shape": Shape.ONE_TO_MANY}, "parts"),
        ({"same_day": True}, "same_day"),
        ({"candidates": 99}, "candidates"),
    ],
)
def test_rule_that_means_nothing_is_refused_by_name(settings: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        MatchRule(**{"name": "r", **settings})  # type: ignore[arg-type]
    assert refused.value.field == named


def test_example_in_the_documentation_runs() -> None:
    outcome = doctest.testmod(ledger.reconciliation)
    assert (outcome.failed, outcome.attempted > 0) == (0, True)


@pytest.mark.parametrize("day", [date.min, date.max])
def test_days_at_the_ends_of_the_calendar_are_days_as_others(day: date) -> None:
    """Banks write 9999-12-31 where they have no day; one such movement must not stop the matching of all others."""
    records = [
        UnmatchedRecord(1, 500, day, day, frozenset({"a"})),
        UnmatchedRecord(2, 7, march("3"), march("3"), frozenset()),
    ]
    postings = [
        UnmatchedPosting(1, 1, 500, day),
        UnmatchedPosting(2, 1, 7, march("3")),
        UnmatchedPosting(3, 1, 200, day),
    ]
    group = MatchRule("group", Shape.MANY_TO_MANY, agree=REFERENCE, days=5)
    for rules in (STANDARD_RULES, (MatchRule("near", days=5),), (group, MatchRule("near", days=5))):
        found = match_account(records, postings, rules, asset="EUR", periods=MARCH, explained=())
        assert [match.records for match in found.matches] == [(1,), (2,)]
    parts = MatchRule("parts", Shape.ONE_TO_MANY, days=5, parts=3)
    assert match_account(records, [postings[2]], [parts], asset="EUR", periods=MARCH, explained=()).matches == ()
