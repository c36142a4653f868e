"""Matching rules: what must agree, how far amounts and days may be apart, and how many may stand on each side.

Rules are tried in their order; what one matched, the next does not see. A tolerance is whole minor units, for each
asset by itself; an asset that a rule does not name has none.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ledger.errors import InvalidValueError
from ledger.money import AMOUNT_MAX

DAYS_MAX = 366
PARTS_MAX = 8
CANDIDATES, CANDIDATES_MAX = 12, 24


class Shape(enum.Enum):
    """How many records may be how many postings."""

    ONE_TO_ONE = "1:1"
    ONE_TO_MANY = "1:n"
    """One record, several postings."""
    MANY_TO_ONE = "n:1"
    """Several records, one posting."""
    MANY_TO_MANY = "n:m"


class Agreement(enum.Enum):
    """What of a posting a record's reference may be."""

    SETTLEMENT_ID = "settlement_id"
    KEY = "key"
    """The entry's idempotency key."""
    DESCRIPTION = "description"
    """A word of the entry's description, or all of it."""


@dataclass(frozen=True, slots=True)
class MatchRule:
    """One rule.

    Args:
        agree: where a record's reference is looked for; one that is found suffices. Empty: references do not matter.
        days: most days between the record's day and the posting's.
        booking_day: a record's day is its booking day rather than its value day.
        same_day, same_amount: besides, all members of a group share the day, or each the same change.
        tolerance: minor units by which the sums may differ, for each asset code.
        parts: 0: a group must agree as a whole. Above: several of the candidates, this many at most, may make up the
            one, if only one choice of them does.
        candidates: with ``parts``, most candidates to choose from; with more, nothing is tried.
    Raises:
        InvalidValueError: a number out of range, or settings that mean nothing together.
    """

    name: str
    shape: Shape = Shape.ONE_TO_ONE
    agree: frozenset[Agreement] = frozenset()
    days: int = 0
    booking_day: bool = False
    same_day: bool = False
    same_amount: bool = False
    tolerance: Mapping[str, int] = field(default_factory=dict)
    parts: int = 0
    candidates: int = CANDIDATES

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= 64:
            raise InvalidValueError("name", self.name, "give 1 to 64 characters")
        _within("days", self.days, 0, DAYS_MAX)
        for code, tolerance in self.tolerance.items():
            _within(f"tolerance.{code}", tolerance, 0, AMOUNT_MAX)
        _within("candidates", self.candidates, 2, CANDIDATES_MAX)
        if self.parts:
            _within("parts", self.parts, 2, PARTS_MAX)
            if self.shape not in (Shape.ONE_TO_MANY, Shape.MANY_TO_ONE):
                raise InvalidValueError("parts", self.parts, "makes up one from several: the shape is 1:n or n:1")
        elif self.shape is not Shape.ONE_TO_ONE and not (self.agree or self.same_day):
            raise InvalidValueError("shape", self.shape.value, "needs agree, same_day or parts to know what is a group")
        if (self.parts or self.shape is Shape.ONE_TO_ONE) and (self.same_day or self.same_amount):
            raise InvalidValueError("same_day", self.name, "has a meaning for groups only: give days")

    def tolerance_of(self, asset: str) -> int:
        """Return the tolerance for an asset, minor units."""
        return self.tolerance.get(asset, 0)


def _within(field_name: str, value: int, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidValueError(field_name, value, f"give a whole number from {least} to {most}")


_REFERENCE = frozenset(Agreement)

STANDARD_RULES = (
    MatchRule("reference", agree=_REFERENCE, days=5),
    MatchRule("reference, several", Shape.MANY_TO_MANY, agree=_REFERENCE, days=5),
    MatchRule("amount on the day"),
    MatchRule("amount within two days", days=2),
)
"""Sensible where nothing else is said: no tolerance, references first, then what is alone with its amount."""


def rules_as_json(rules: Sequence[MatchRule]) -> list[dict[str, object]]:
    """Return the rules as they are stored with a run."""
    return [
        {
            "name": rule.name,
            "shape": rule.shape.value,
            "agree": sorted(place.value for place in rule.agree),
            "days": rule.days,
            "booking_day": rule.booking_day,
            "same_day": rule.same_day,
            "same_amount": rule.same_amount,
            "tolerance": dict(sorted(rule.tolerance.items())),
            "parts": rule.parts,
            "candidates": rule.candidates,
        }
        for rule in rules
    ]
