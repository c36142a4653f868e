"""Monitors: conditions on an account's money, told when they come true.

Rules:
- a condition compares one figure of the account (balance, available, held) with a value in minor units;
- it fires at the step from false to true, once for each such step: while it stays true it is silent, and one that is
  true when it is set fires only after it was false;
- judged is every accepted request by itself, in order, also inside a batch: money that comes and goes in one batch
  fires, as it would one by one.

Pure; where monitors are kept is ``ledger.monitor_store``.
"""

from __future__ import annotations

import enum
import operator
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from ledger.account import check_reference
from ledger.errors import InvalidValueError
from ledger.money import AMOUNT_MAX


class Field(enum.IntEnum):
    """What a monitor looks at; the numbers stand in the database."""

    BALANCE = 1
    AVAILABLE = 2
    HELD = 3


class Operator(enum.IntEnum):
    """How a monitor compares; the numbers stand in the database."""

    AT_LEAST = 1
    AT_MOST = 2
    ABOVE = 3
    BELOW = 4
    EQUAL = 5

    @property
    def symbol(self) -> str:
        """As people write it: ``>=``, ``<=``, ``>``, ``<`` or ``=``."""
        return _SYMBOLS[self]


_SYMBOLS = {
    Operator.AT_LEAST: ">=",
    Operator.AT_MOST: "<=",
    Operator.ABOVE: ">",
    Operator.BELOW: "<",
    Operator.EQUAL: "=",
}

_HOLDS: dict[Operator, Callable[[int, int], bool]] = {
    Operator.AT_LEAST: operator.ge,
    Operator.AT_MOST: operator.le,
    Operator.ABOVE: operator.gt,
    Operator.BELOW: operator.lt,
    Operator.EQUAL: operator.eq,
}


@dataclass(frozen=True, slots=True)
class Monitor:
    """A condition on an account.

    Args:
        id: permanent name; setting it again with the same body changes nothing.
        account: reference of the account.
        field: the figure compared.
        operator: how.
        value: with what, minor units.
    """

    id: uuid.UUID
    account: str
    field: Field
    operator: Operator
    value: int

    def __post_init__(self) -> None:
        check_reference(self.account)
        if abs(self.value) > AMOUNT_MAX:
            raise InvalidValueError("value_minor", self.value, f"give a whole number within ±{AMOUNT_MAX}")

    def holds(self, money: tuple[int, int]) -> bool:
        """Whether the condition is true of an account with this balance and held money."""
        return _HOLDS[self.operator](figure(self.field, money), self.value)


def parse_field(name: str) -> Field:
    """Return the field that people call ``name``.

    Raises:
        InvalidValueError: not one of ``balance``, ``available``, ``held``.
    """
    for found in Field:
        if found.name.lower() == name:
            return found
    raise InvalidValueError("field", name, "use balance, available or held")


def parse_operator(symbol: str) -> Operator:
    """Return the operator that people write as ``symbol``.

    Raises:
        InvalidValueError: not one of ``>=``, ``<=``, ``>``, ``<``, ``=``.
    """
    for found, text in _SYMBOLS.items():
        if text == symbol:
            return found
    raise InvalidValueError("operator", symbol, "use >=, <=, >, < or =")


def figure(field: Field, money: tuple[int, int]) -> int:
    """Return what a field tells of an account with this balance and held money."""
    balance, held = money
    if field is Field.BALANCE:
        return balance
    return balance - held if field is Field.AVAILABLE else held


def crossed(monitors: tuple[Monitor, ...], before: tuple[int, int], after: tuple[int, int]) -> tuple[Monitor, ...]:
    """Return the monitors that fire when an account goes from one state to another, in the order given.

    Args:
        monitors: of one account.
        before: its balance and held money, minor units, before one accepted request.
        after: the same after it.
    """
    if not monitors or before == after:
        return ()
    return tuple(monitor for monitor in monitors if monitor.holds(after) and not monitor.holds(before))
