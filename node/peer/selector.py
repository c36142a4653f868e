"""Selectors: what documents a rich query asks for, in the language of CouchDB's Mango, as a tree.

Rules, Mango's:
- several conditions in one object must all hold; a bare value means ``$eq``; dots in a field's name lead into objects,
  digits into arrays, a backslash makes a dot part of the name;
- negations are moved down to the operators: ``{"$not": {"a": {"$gt": 1}}}`` is ``{"a": {"$lte": 1}}``;
- a condition on a field that is not there never holds, but for ``{"$exists": false}``;
- an empty ``$or`` holds.

Source: CouchDB src/mango/src/mango_selector.erl (normalize), mango_util.erl (parse_field).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from node.peer.errors import StateError
from node.peer.json_values import DEPTH_MAX, require_storable

CONDITIONS_MAX = 500
"""Conditions in one selector."""

KEY_FIELD = ("_id",)
"""The field that stands for a document's key."""

Path = tuple[str, ...]
"""Names that lead to a field; empty for the value itself, inside ``$elemMatch`` and its like."""

_COMPARISONS = {"$lt": "<", "$lte": "<=", "$eq": "=", "$ne": "<>", "$gte": ">=", "$gt": ">"}
_NEGATED = {"<": ">=", "<=": ">", "=": "<>", "<>": "=", ">=": "<", ">": "<="}
_ODD_INDEX = re.compile(r"\s*[+-]\s*\d+\s*|\s+\d+\s*|\d+\s+")


@dataclass(frozen=True, slots=True)
class Compare:
    """``$lt``, ``$lte``, ``$eq``, ``$ne``, ``$gte``, ``$gt``; ``sign`` is SQL's."""

    sign: str
    value: Any


@dataclass(frozen=True, slots=True)
class In:
    """``$in``, or ``$nin`` when negated; an array matches by its elements."""

    values: tuple[Any, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Exists:
    """``$exists``."""

    wanted: bool


@dataclass(frozen=True, slots=True)
class HasType:
    """``$type``."""

    name: str


@dataclass(frozen=True, slots=True)
class Mod:
    """``$mod``."""

    divisor: int
    remainder: int


@dataclass(frozen=True, slots=True)
class Regex:
    """``$regex``, in PostgreSQL's language."""

    pattern: str


@dataclass(frozen=True, slots=True)
class BeginsWith:
    """``$beginsWith``."""

    prefix: str


@dataclass(frozen=True, slots=True)
class Size:
    """``$size``."""

    count: int


@dataclass(frozen=True, slots=True)
class ContainsAll:
    """``$all``."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Each:
    """``$elemMatch``, ``$allMatch`` and ``$keyMapMatch``; ``operator`` says which."""

    operator: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class Negated:
    """A test that has no opposite of its own."""

    test: Test


Test = Compare | In | Exists | HasType | Mod | Regex | BeginsWith | Size | ContainsAll | Each | Negated


@dataclass(frozen=True, slots=True)
class Field:
    """A test of one field."""

    path: Path
    test: Test


@dataclass(frozen=True, slots=True)
class Every:
    """All conditions hold."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One condition holds, or there is none."""

    conditions: tuple[Condition, ...]


Condition = Field | Every | Either


def parse_selector(selector: Any) -> Condition:
    """Return a selector as a tree.

    Args:
        selector: from ``json_values.parse_json``.
    Raises:
        StateError: naming the operator or field and what is wrong with it.
    """
    if not isinstance(selector, dict):
        raise StateError("selector: it must be an object")
    if not selector:
        return Every(())
    return _Parser().condition(selector, (), negated=False, nested=False, depth=0)


def parse_field(name: str) -> Path:
    """Return the path that a field's name writes.

    Raises:
        StateError: a part of it is empty, or a number that is no index.
    """
    parts = tuple(re.sub(r"\\", "", part) for part in re.split(r"(?<!\\)\.", name))
    if not all(parts):
        raise StateError(f"field {name!r}: a part of its name is empty")
    if any(_ODD_INDEX.fullmatch(part) for part in parts):
        raise StateError(f"field {name!r}: an index into an array is written with digits only")
    require_storable(name, "field")
    return parts


class _Parser:
    """Reads one selector."""

    def __init__(self) -> None:
        self._count = 0

    def condition(self, selector: Any, path: Path, *, negated: bool, nested: bool, depth: int) -> Condition:
        """Return what an object, or a bare value, says about the field at ``path``."""
        self._count += 1
        if depth > DEPTH_MAX or self._count > CONDITIONS_MAX:
            raise StateError(f"selector: more than {DEPTH_MAX} levels or {CONDITIONS_MAX} conditions")
        if not isinstance(selector, dict) or not selector:
            return self._terminal("$eq", selector, path, negated=negated, nested=nested, depth=depth)
        conditions = tuple(
            self._member(name, argument, path, negated=negated, nested=nested, depth=depth + 1)
            for name, argument in selector.items()
        )
        if len(conditions) == 1:
            return conditions[0]
        return Either(conditions) if negated else Every(conditions)

    def _member(self, name: str, argument: Any, path: Path, *, negated: bool, nested: bool, depth: int) -> Condition:
        if name in ("$and", "$or", "$nor"):
            if not isinstance(argument, list):
                raise StateError(f"selector: {name} takes a list of selectors")
            inner = negated != (name == "$nor")
            conditions = tuple(
                self.condition(item, path, negated=inner, nested=nested, depth=depth + 1) for item in argument
            )
            # De Morgan: a negated "and" is an "or" of negations; "nor" is an "or" that is negated.
            return Every(conditions) if (name == "$and") != inner else Either(conditions)
        if name == "$not":
            if not isinstance(argument, dict):
                raise StateError("selector: $not takes a selector")
            return self.condition(argument, path, negated=not negated, nested=nested, depth=depth + 1)
        if name.startswith("$"):
            return self._terminal(name, argument, path, negated=negated, nested=nested, depth=depth)
        return self.condition(argument, path + parse_field(name), negated=negated, nested=nested, depth=depth + 1)

    def _terminal(
        self, operator: str, argument: Any, path: Path, *, negated: bool, nested: bool, depth: int
    ) -> Condition:
        if not path and not nested:
            raise StateError(f"selector: {operator} is said of no field")
        if operator in _EACH:
            if not isinstance(argument, dict):
                raise StateError(f"selector: {operator} takes a selector")
            inner = self.condition(argument, (), negated=False, nested=True, depth=depth + 1)
            test: Test = Each(operator, inner)
        else:
            reader = _OPERATORS.get(operator)
            if reader is None:
                raise StateError(f"selector: operator {operator} is not known; known are {_known()}")
            require_storable(argument, f"selector: {operator}", nul=path == KEY_FIELD)
            test = reader(operator, argument)
        return Field(path, _negate(test) if negated else test)


def _negate(test: Test) -> Test:
    if isinstance(test, Compare):
        return Compare(_NEGATED[test.sign], test.value)
    if isinstance(test, In):
        return In(test.values, not test.negated)
    if isinstance(test, Exists):
        return Exists(not test.wanted)
    return Negated(test)


def _wrong(operator: str, wanted: str) -> StateError:
    return StateError(f"selector: {operator} takes {wanted}")


def _compare(operator: str, argument: Any) -> Test:
    return Compare(_COMPARISONS[operator], argument)


def _in(operator: str, argument: Any) -> Test:
    if not isinstance(argument, list):
        raise _wrong(operator, "a list of values")
    return In(tuple(argument), operator == "$nin")


def _all(operator: str, argument: Any) -> Test:
    if not isinstance(argument, list):
        raise _wrong(operator, "a list of values")
    return ContainsAll(tuple(argument))


def _exists(operator: str, argument: Any) -> Test:
    if not isinstance(argument, bool):
        raise _wrong(operator, "true or false")
    return Exists(argument)


def _type(operator: str, argument: Any) -> Test:
    return HasType(_string(operator, argument))


def _regex(operator: str, argument: Any) -> Test:
    return Regex(_string(operator, argument))


def _begins_with(operator: str, argument: Any) -> Test:
    return BeginsWith(_string(operator, argument))


def _string(operator: str, argument: Any) -> str:
    if not isinstance(argument, str):
        raise _wrong(operator, "a string")
    return argument


def _size(operator: str, argument: Any) -> Test:
    count = _integer(argument)
    if count is None or count < 0:
        raise _wrong(operator, "a whole number that is not negative")
    return Size(count)


def _mod(operator: str, argument: Any) -> Test:
    numbers = [_integer(item) for item in argument] if isinstance(argument, list) else []
    divisor, remainder = numbers if len(numbers) == 2 else (None, None)
    if divisor is None or remainder is None or divisor == 0:
        raise _wrong(operator, "a list of two whole numbers, a divisor other than 0 and a remainder")
    return Mod(divisor, remainder)


def _integer(value: Any) -> int | None:
    """Return a whole number as CouchDB takes it: written without point and exponent."""
    if not isinstance(value, Decimal) or not re.fullmatch(r"-?\d+", str(getattr(value, "text", value))):
        return None
    return int(value)


_EACH = ("$elemMatch", "$allMatch", "$keyMapMatch")

_OPERATORS: dict[str, Callable[[str, Any], Test]] = {
    **dict.fromkeys(_COMPARISONS, _compare),
    "$in": _in,
    "$nin": _in,
    "$all": _all,
    "$exists": _exists,
    "$type": _type,
    "$regex": _regex,
    "$beginsWith": _begins_with,
    "$size": _size,
    "$mod": _mod,
}


def _known() -> str:
    return ", ".join(sorted([*_OPERATORS, *_EACH, "$and", "$or", "$nor", "$not"]))
