"""Aim: the amount rule is exact at its edges, and a rules file is understood or refused, never guessed.

Method: tables of amounts against the threshold; the default file; every malformed setting by name.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from ledger.journal import Outcome
from ledger.money import AMOUNT_MAX, Asset
from node.compliance.errors import RulesError
from node.compliance.rules import Rate, load_rules, parse_rules

EUR, USD, JPY, GOLD = Asset("EUR", 2), Asset("USD", 2), Asset("JPY", 0), Asset("XAU", 4)
PLAIN: dict[str, Any] = {
    "reporting_currency": "EUR",
    "reporting_scale": 2,
    "review_threshold_minor": 1_000_000,
    "rates": {
        "USD": {"scale": 2, "numerator": 92, "denominator": 100},
        "JPY": {"scale": 0, "numerator": 2, "denominator": 3},
    },
}
RULES = parse_rules(PLAIN)


@pytest.mark.parametrize(
    ("debits", "amount", "manual"),
    [
        ([(EUR, 1)], 1, False),
        ([(EUR, 999_999)], 999_999, False),
        ([(EUR, 1_000_000)], 1_000_000, False),
        ([(EUR, 1_000_001)], 1_000_001, True),
        ([(EUR, 600_000), (EUR, 400_000)], 1_000_000, False),
        ([(EUR, 600_000), (EUR, 400_001)], 1_000_001, True),
        # 1,086,957 cents are 10,000.0044 EUR: strictly above, so rounding must not bring them down.
        ([(USD, 1_086_956)], 1_000_000, False),
        ([(USD, 1_086_957)], 1_000_001, True),
        ([(JPY, 1)], 1, False),
        ([(JPY, 1_500_000)], 1_000_000, False),
        ([(JPY, 1_500_001)], 1_000_001, True),
        # Two thirds and one third of a cent make one cent; each rounded by itself they would make two.
        ([(JPY, 1), (JPY, 2)], 2, False),
        ([(EUR, 500_000), (USD, 543_478)], 1_000_000, False),
        ([(EUR, 500_000), (USD, 543_479)], 1_000_001, True),
        ([(GOLD, 1)], None, True),
        ([(EUR, 1), (GOLD, 1)], None, True),
        ([(Asset("USD", 3), 1)], None, True),
        ([(Asset("EUR", 3), 1)], None, True),
        ([(EUR, AMOUNT_MAX)], AMOUNT_MAX, True),
        ([(EUR, AMOUNT_MAX), (EUR, AMOUNT_MAX)], None, True),
    ],
)
def test_amount_rule_when_at_its_edges_then_exact(
    debits: list[tuple[Asset, int]], amount: int | None, manual: bool
) -> None:
    assert RULES.reporting_amount(debits) == amount
    expected = Outcome.REQUIRES_MANUAL_REVIEW if manual else Outcome.AUTOMATED_APPROVAL
    assert RULES.judge(amount) is expected


def test_default_rules_when_loaded_then_ten_thousand_in_euro() -> None:
    rules = load_rules(Path(str(files("node.compliance") / "default_rules.yaml")))
    assert (rules.reporting_currency, rules.reporting_scale) == ("EUR", 2)
    assert rules.review_threshold_minor == 1_000_000
    assert dict(rules.rates) == {"CZK": Rate(2, 4, 100), "USD": Rate(2, 92, 100)}


def test_hash_when_rules_are_the_same_then_same_and_golden() -> None:
    reordered = {**PLAIN, "rates": dict(reversed(list(PLAIN["rates"].items())))}
    assert parse_rules(reordered).hash == RULES.hash
    assert RULES.text == (
        '{"rates":{"JPY":{"denominator":3,"numerator":2,"scale":0},"USD":{"denominator":100,"numerator":92,"scale":2}},'
        '"reporting_currency":"EUR","reporting_scale":2,"review_threshold_minor":1000000,"version":1}'
    )
    assert RULES.hash.hex() == "cf3043aaa58aacb7f80437c9651e3f42be400c49977970626ee5e97c6fbd9eed"
    assert parse_rules(json.loads(RULES.text.replace(',"version":1', ""))).hash == RULES.hash
    assert parse_rules({**PLAIN, "review_threshold_minor": 999_999}).hash != RULES.hash


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"reporting_currency": "eur"}, "reporting_currency"),
        ({"reporting_currency": 5}, "reporting_currency"),
        ({"reporting_currency": "USD"}, "rates.USD"),
        ({"reporting_scale": -1}, "reporting_scale"),
        ({"reporting_scale": 19}, "reporting_scale"),
        ({"reporting_scale": True}, "reporting_scale"),
        ({"review_threshold_minor": 10_000.0}, "review_threshold_minor"),
        ({"review_threshold_minor": "1000000"}, "review_threshold_minor"),
        ({"review_threshold_minor": -1}, "review_threshold_minor"),
        ({"rates": None}, "rates"),
        ({"rates": {"usd": {}}}, "'usd'"),
        ({"rates": {False: {}}}, "quote codes"),
        ({"rates": {"USD": {"scale": 2, "numerator": 1}}}, "lacks denominator"),
        ({"rates": {"USD": {"scale": 2, "numerator": 0, "denominator": 1}}}, "rates.USD.numerator"),
        ({"rates": {"USD": {"scale": 2, "numerator": 1, "denominator": 0}}}, "rates.USD.denominator"),
        ({"rates": {"USD": {"scale": 2, "numerator": 0.92, "denominator": 1}}}, "rates.USD.numerator"),
        ({"rates": {"USD": {"scale": 2, "numerator": 1, "denominator": 1, "note": ""}}}, "'note'"),
        ({"threshold": 1}, "'threshold'"),
    ],
)
def test_rules_when_setting_is_malformed_then_it_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(RulesError) as refused:
        parse_rules({**PLAIN, **change})
    assert named in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"a: [", b"\xff\xfe\x00", b"rates: {}", b"x" * 300_000])
def test_rules_file_when_malformed_then_file_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "rules.yaml"
    file.write_bytes(content)
    with pytest.raises(RulesError, match=r"rules\.yaml"):
        load_rules(file)


def test_rules_file_when_absent_then_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r"absent\.yaml cannot be read"):
        load_rules(tmp_path / "absent.yaml")
