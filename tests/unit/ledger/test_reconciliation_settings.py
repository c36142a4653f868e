"""The settings file of a reconciliation: what it says becomes accounts and rules, what it cannot mean is named."""

from __future__ import annotations

import pytest

from ledger.errors import MappingError
from ledger.reconciliation.rules import STANDARD_RULES, Agreement, MatchRule, Shape, rules_as_json
from ledger.reconciliation.settings import parse_reconciliation_settings, read_settings
from tests.support.shared_data import REPOSITORY

FIXTURE = REPOSITORY / "fixtures" / "statements" / "correspondent.yaml"
ACCOUNT = "accounts:\n  - {number: A1, account: nostro, asset: {code: EUR, scale: 2}}\n"


def test_fixture_is_read() -> None:
    settings = read_settings(FIXTURE)
    assert [rule.name for rule in settings.rules][:2] == ["our reference", "our references, a batch"]
    assert settings.rules[1].shape is Shape.MANY_TO_MANY
    assert settings.rules[0].agree == frozenset(Agreement)
    assert settings.rules[2].tolerance_of("EUR") == 5
    assert settings.rules[2].tolerance_of("JPY") == 0


def test_rules_left_out_are_the_standard_ones() -> None:
    assert parse_reconciliation_settings(ACCOUNT).rules == STANDARD_RULES
    assert parse_reconciliation_settings("assets: {CZK: 2}").rules == STANDARD_RULES


def test_every_setting_of_a_rule_is_read() -> None:
    text = ACCOUNT + (
        "rules:\n"
        "  - {name: a, shape: '1:n', agree: key, days: 3, booking_day: true, tolerance: {EUR: '0.02'}, parts: 4,"
        " candidates: 9}\n"
        "  - {name: b, shape: 'n:m', same_day: true, same_amount: true}\n"
    )
    first, second = parse_reconciliation_settings(text).rules
    assert first == MatchRule(
        "a",
        Shape.ONE_TO_MANY,
        frozenset({Agreement.KEY}),
        days=3,
        booking_day=True,
        tolerance={"EUR": 2},
        parts=4,
        candidates=9,
    )
    assert (second.same_day, second.same_amount) == (True, True)
    assert rules_as_json([first])[0]["tolerance"] == {"EUR": 2}


REFUSED = {
    "rules: []": "rules",
    "rules: [{name: a}, {name: a}]": "rules",
    "rules: [{name: a, day: 3}]": "rules[0].day",
    "rules: [{name: a, days: 400}]": "rules[0].days",
    "rules: [{name: a, days: 2.5}]": "rules[0].days",
    "rules: [{name: a, agree: [iban]}]": "rules[0].agree",
    "rules: [{name: a, shape: '2:2'}]": "rules[0].shape",
    "rules: [{name: a, same_day: 1}]": "rules[0].same_day",
    "rules: [{name: a, tolerance: {EUR: 0.05}}]": "rules[0].tolerance.EUR",
    "rules: [{name: a, tolerance: {EUR: '0.005'}}]": "rules[0].tolerance.EUR",
    "rules: [{name: a, tolerance: {EUR: '-1.00'}}]": "rules[0].tolerance.EUR",
    "rules: [{name: a, tolerance: {USD: '1.00'}}]": "rules[0].tolerance.USD",
    "rule: []": "rule",
    "assets: {EUR: 3}": "accounts",
    "assets: {EUR: two}": "assets.EUR",
    "assets: {CZK: 40}": "assets.CZK",
}


@pytest.mark.parametrize("text", REFUSED)
def test_setting_that_cannot_be_is_named(text: str) -> None:
    with pytest.raises(MappingError) as refused:
        parse_reconciliation_settings(ACCOUNT + text)
    assert refused.value.setting == REFUSED[text]


def test_accounts_that_cannot_be_are_named() -> None:
    with pytest.raises(MappingError, match="stands twice"):
        parse_reconciliation_settings(ACCOUNT + "  - {number: a 1, account: other, asset: {code: EUR, scale: 2}}\n")
    with pytest.raises(MappingError, match=r"accounts\[0\]\.account"):
        parse_reconciliation_settings(ACCOUNT.replace("nostro", "'no no'"))
    with pytest.raises(MappingError, match="not YAML"):
        parse_reconciliation_settings("a: [")
    with pytest.raises(MappingError, match="cannot be read"):
        read_settings(FIXTURE.with_name("absent.yaml"))
