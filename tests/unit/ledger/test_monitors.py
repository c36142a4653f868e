"""Monitors, pure: every operator on every figure, and the step from false to true, as tables."""

from __future__ import annotations

import uuid
from itertools import pairwise

import pytest

from ledger.errors import InvalidValueError
from ledger.money import AMOUNT_MAX
from ledger.monitors import Field, Monitor, Operator, crossed, figure, parse_field, parse_operator

STEPS = """
    field      operator value   balance held -> balance held   fires
    balance    >=       100          99    0        100    0   yes
    balance    >=       100         100    0        101    0   no
    balance    >=       100         101    0         99    0   no
    balance    <=       100         101    0        100    0   yes
    balance    <=       100         100    0         50    0   no
    balance    >        100         100    0        101    0   yes
    balance    >        100          99    0        100    0   no
    balance    <        100         100    0         99    0   yes
    balance    <        100          99    0        100    0   no
    balance    =        100          99    0        100    0   yes
    balance    =        100         100    0        100    5   no
    balance    =        100         100    0        101    0   no
    available  <        100         150    0        150   51   yes
    available  <        100         150   50        150   51   yes
    available  <        100         150   51        150   52   no
    available  >=       100         150   51        150    0   yes
    available  >=       100         150    0        200   50   no
    held       >        0             0    0          0    1   yes
    held       >        0             0    1         99    1   no
    held       =        0             9    5          9    0   yes
    balance    <        -10         -10    0        -11    0   yes
    balance    >=       0            -1    0          0    0   yes
"""


def monitor(field: str, symbol: str, value: int, number: int = 1) -> Monitor:
    return Monitor(uuid.UUID(int=number), "alice", Field[field.upper()], parse_operator(symbol), value)


@pytest.mark.parametrize("line", STEPS.strip().splitlines()[1:], ids=lambda line: " ".join(line.split()))
def test_monitor_fires_when_its_condition_comes_true(line: str) -> None:
    field, symbol, value, *figures, fires = line.split()
    balance, held, balance_after, held_after = map(int, figures)
    watched = monitor(field, symbol, int(value))
    fired = crossed((watched,), (balance, held), (balance_after, held_after))
    assert fired == ((watched,) if fires == "yes" else ())


def test_account_without_monitors_fires_nothing() -> None:
    assert crossed((), (0, 0), (500, 0)) == ()


def test_monitor_that_is_true_when_set_fires_only_after_it_was_false() -> None:
    low = (monitor("balance", "<", 100),)
    walk = [(50, 0), (40, 0), (120, 0), (90, 0), (80, 0)]
    fired = [len(crossed(low, before, after)) for before, after in pairwise(walk)]
    assert fired == [0, 0, 1, 0]


def test_several_monitors_fire_in_the_order_given() -> None:
    watched = tuple(monitor("balance", ">=", value, number) for number, value in ((3, 10), (1, 20), (2, 900)))
    assert crossed(watched, (0, 0), (500, 0)) == watched[:2]


def test_available_is_balance_less_held_money() -> None:
    assert figure(Field.AVAILABLE, (100, 30)) == 70
    assert (figure(Field.BALANCE, (100, 30)), figure(Field.HELD, (100, 30))) == (100, 30)


@pytest.mark.parametrize("operator", Operator)
def test_operator_reads_back_from_its_symbol(operator: Operator) -> None:
    assert parse_operator(operator.symbol) is operator


@pytest.mark.parametrize("symbol", ["", "==", "=>", "!=", "<>", ">= "])
def test_operator_unknown_is_refused(symbol: str) -> None:
    with pytest.raises(InvalidValueError, match="operator"):
        parse_operator(symbol)


@pytest.mark.parametrize("field", Field)
def test_field_reads_back_from_its_name(field: Field) -> None:
    assert parse_field(field.name.lower()) is field


@pytest.mark.parametrize("name", ["", "Balance", "status", "held "])
def test_field_unknown_is_refused(name: str) -> None:
    with pytest.raises(InvalidValueError, match="field"):
        parse_field(name)


def test_numbers_of_fields_and_operators_are_those_that_stand_in_databases() -> None:
    assert {field.name: field.value for field in Field} == {"BALANCE": 1, "AVAILABLE": 2, "HELD": 3}
    symbols = {operator.symbol: operator.value for operator in Operator}
    assert symbols == {">=": 1, "<=": 2, ">": 3, "<": 4, "=": 5}


def test_monitor_of_a_malformed_account_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="account"):
        Monitor(uuid.UUID(int=1), "two words", Field.BALANCE, Operator.ABOVE, 0)


@pytest.mark.parametrize("value", [AMOUNT_MAX, -AMOUNT_MAX])
def test_value_may_be_the_largest_balance_either_way(value: int) -> None:
    assert monitor("balance", "=", value).value == value


@pytest.mark.parametrize("value", [AMOUNT_MAX + 1, -AMOUNT_MAX - 1])
def test_value_beyond_any_balance_is_refused(value: int) -> None:
    with pytest.raises(InvalidValueError, match="value_minor"):
        monitor("balance", "<", value)
