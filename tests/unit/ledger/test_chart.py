"""The chart of accounts without a database, in tables: which patterns are well formed, which rule decides, what it
refuses."""

from __future__ import annotations

import doctest

import pytest

from ledger import chart as chart_module
from ledger.account import Side, Terms
from ledger.chart import Chart, ChartRule, fits, precedence_of
from ledger.errors import InvalidValueError

FITTING = """
    assets:cash               | assets:cash                     | assets:cash2 assets assets:cash:eur ssets:cash
    customers:{id}            | customers:1 customers:a.b-c_d   | customers: customers customers:1:2
    customers:{id=digits}     | customers:0 customers:4711      | customers:47a customers:4-7 customers:-1
    fees:{kind=letters}:{n}   | fees:atm:1 fees:ATM:x           | fees:a1:1 fees:atm fees::1
    fees:*                    | fees:a fees:a:b:c fees:-        | fees fees: fee:a
    vostro-{bank}-{asset}     | vostro-a-b vostro-a-b-c         | vostro-a vostro--a vostro-a-
    a.b                       | a.b                             | axb a-b
    *                         | a a:b:c :::                     |
    {x}                       | a a-b                           | a:b
"""
"""Pattern | references that fit | references that do not."""

MALFORMED = [
    "",
    ":",
    "a:",
    ":a",
    "a::b",
    "*a",
    "a*",
    "a:*:b",
    "{",
    "{}",
    "{A}",
    "{1}",
    "{a}{b}",
    "{a=digits}{b}",
    "a b",
]
MALFORMED += ["{a=words}", "{a", "a}", "ä", "a\n", "*\n", "a|b", "@a", "x" * 201, "{" + "a" * 32 + "}"]


@pytest.mark.parametrize("line", FITTING.strip().splitlines())
def test_pattern_fits_exactly_the_references_of_the_table(line: str) -> None:
    pattern, fitting, others = (cell.split() for cell in line.split("|"))
    assert [reference for reference in fitting + others if fits(pattern[0], reference)] == fitting


@pytest.mark.parametrize("pattern", MALFORMED)
def test_malformed_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidValueError):
        precedence_of(pattern)


def test_of_all_rules_that_fit_the_first_literal_difference_decides() -> None:
    """The table is in the order of precedence; each reference names the rule that decides over it."""
    table = """
        customers:0001            customers:0001
        customers:{id=digits}     customers:0002
        customers:{id=letters}    customers:maria
        customers:{id}-closed     customers:m4-closed
        customers:{id}            customers:m4-open
        customers:*               customers:m4:savings
        {other}:cash              vault:cash
        *                         vault:gold
    """
    pairs = [line.split() for line in table.strip().splitlines()]
    chart = Chart(rules=tuple(ChartRule(pattern, Side.DEBIT) for pattern, _ in reversed(pairs)))
    assert [rule.pattern for rule in chart.rules] == [pattern for pattern, _ in pairs]
    for pattern, reference in pairs:
        rule = chart.rule_for(reference)
        assert rule is not None and rule.pattern == pattern


def test_two_rules_for_the_same_references_are_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"same references as 'customers:\{id\}'"):
        Chart(rules=(ChartRule("customers:{id}", Side.CREDIT), ChartRule("customers:{number}", Side.DEBIT)))


@pytest.mark.parametrize(
    ("reference", "asset", "side", "floor", "overdraft", "expected"),
    [
        ("customers:1", "EUR", Side.CREDIT, 0, 0, None),
        ("customers:1", "USD", Side.CREDIT, 0, 0, None),
        ("customers:1", "CZK", Side.CREDIT, 0, 0, "wrong_asset"),
        ("customers:1", "CZK", Side.DEBIT, None, 0, "wrong_side"),  # the side goes first
        ("customers:1", "EUR", Side.CREDIT, None, 0, "negative_not_allowed"),
        ("customers:1", "EUR", Side.CREDIT, -1, 0, "negative_not_allowed"),
        ("customers:1", "EUR", Side.CREDIT, 0, 1, "negative_not_allowed"),
        ("customers:1", "EUR", Side.CREDIT, 1, 1, None),
        ("nostro:CZ", "EUR", Side.DEBIT, None, 0, None),
        ("loans:1", "EUR", Side.DEBIT, 0, 0, "no_rule"),
    ],
)
def test_refusal_names_the_first_reason(
    reference: str, asset: str, side: Side, floor: int | None, overdraft: int, expected: str | None
) -> None:
    rules = (
        ChartRule("customers:{id}", Side.CREDIT, assets=("EUR", "USD")),
        ChartRule("nostro:*", Side.DEBIT, negative=True, terms=Terms()),
    )
    assert Chart(rules=rules).refusal(reference, asset, side, Terms(floor, overdraft)) == expected


@pytest.mark.parametrize(
    "terms", [Terms(), Terms(floor=-1), Terms(floor=0, overdraft=1), Terms(floor=1), Terms(floor=0, ceiling=-1)]
)
def test_rule_whose_own_terms_contradict_it_is_refused(terms: Terms) -> None:
    with pytest.raises(InvalidValueError):
        ChartRule("customers:{id}", Side.CREDIT, terms=terms)


def test_example_of_module_runs_as_written() -> None:
    failed, tried = doctest.testmod(chart_module)
    assert failed == 0 and tried > 4
