"""The chart file: the repository's own example says what it should, and what is wrong is named by its path."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.account import Side, Terms
from ledger.chart_file import parse_chart, read_chart
from ledger.errors import MappingError

EXAMPLE = Path(__file__).resolve().parents[3] / "fixtures" / "chart_of_accounts" / "retail-bank.yaml"


@pytest.mark.parametrize(
    ("reference", "asset", "side", "terms", "expected"),
    [
        ("assets:cash:12", "EUR", Side.DEBIT, Terms(floor=0), None),
        ("assets:nostro:cnb", "CZK", Side.DEBIT, Terms(), None),
        ("assets:nostro:cnb", "JPY", Side.DEBIT, Terms(), "wrong_asset"),
        ("customers:4711", "EUR", Side.CREDIT, Terms(floor=0), None),
        ("customers:4711", "EUR", Side.CREDIT, Terms(floor=0, overdraft=1), "negative_not_allowed"),
        ("customers:4711:overdraft", "EUR", Side.CREDIT, Terms(floor=0, overdraft=50_000), None),
        ("customers:4711:savings", "EUR", Side.CREDIT, Terms(floor=0), "no_rule"),
        ("expenses:rent:prague", "CZK", Side.CREDIT, Terms(), "wrong_side"),
    ],
)
def test_example_chart_knows_a_small_bank(
    reference: str, asset: str, side: Side, terms: Terms, expected: str | None
) -> None:
    chart = read_chart(EXAMPLE)
    assert (chart.book, chart.enforced) == ("main", True)
    assert chart.refusal(reference, asset, side, terms) == expected


def test_terms_follow_from_what_is_given_and_what_is_not() -> None:
    found = {rule.pattern: rule.terms for rule in read_chart(EXAMPLE).rules}
    assert found["customers:{id=digits}"] == Terms(floor=0)
    assert found["customers:{id=digits}:overdraft"] == Terms(floor=0, overdraft=50_000)
    assert found["customers:{id=digits}:child"] == Terms(floor=0, ceiling=100_000)
    assert found["equity:*"] == Terms()


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("rules", "(whole file)"),
        ("book: 2026-13-45\nrules: []", "(whole file)"),
        (f"book: {'9' * 5000}\nrules: []", "(whole file)"),
        ("[" * 5000, "(whole file)"),
        ("book: main", "rules"),
        ("rules: []\nenforce: true", "enforce"),
        ("rules: []\nenforced: yes please", "enforced"),
        ("rules: []\nbook: a b", "book"),
        ("rules:\n- {pattern: a}", "rules[0].normal_side"),
        ("rules:\n- {pattern: a, normal_side: left}", "rules[0].normal_side"),
        ("rules:\n- {pattern: 'a:', normal_side: debit}", "rules[0].pattern"),
        ("rules:\n- {pattern: a, normal_side: debit, floor_minor: -1}", "rules[0].negative"),
        ("rules:\n- {pattern: a, normal_side: debit, negative: true, floor_minor: 1.5}", "rules[0].floor_minor"),
        ("rules:\n- {pattern: a, normal_side: debit, floor: 0}", "rules[0].floor"),
        (
            "rules:\n- {pattern: 'a:{x}', normal_side: debit}\n- {pattern: 'a:{y}', normal_side: debit}",
            "rules",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_path(text: str, path: str) -> None:
    with pytest.raises(MappingError) as caught:
        parse_chart(text)
    assert caught.value.setting == path


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "chart.yaml").write_bytes(b"\xff\xfe")
    for name, reason in (("chart.yaml", "is not written in UTF-8"), ("absent.yaml", "No such file"), ("", "directory")):
        with pytest.raises(MappingError, match=rf"{name}: .*{reason}"):
            read_chart(tmp_path / name)
