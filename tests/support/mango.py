"""Selectors judged in plain Python, as CouchDB's Mango judges them: the oracle for our SQL.

It works on the selector as it is written, with no tree and no normal form of its own, so that it shares no mistake with
``node/peer/selector.py``. Documents and selectors are what ``json.loads`` gives, with ``Decimal`` for numbers.

Source: CouchDB src/mango/src/mango_selector.erl (norm_negations, match), mango_doc.erl (get_field).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

NOT_FOUND = object()
BAD_PATH = object()

_OPPOSITE = {
    "$lt": "$gte",
    "$lte": "$gt",
    "$eq": "$ne",
    "$ne": "$eq",
    "$gte": "$lt",
    "$gt": "$lte",
    "$in": "$nin",
    "$nin": "$in",
}


def matches(selector: Any, value: Any) -> bool:
    """Say whether a document matches a selector."""
    return not selector or _holds(selector, value, (), negated=False)


def find(
    selector: Any, documents: Mapping[str, Any], sort: Iterable[str] = (), *, descending: bool = False
) -> list[str]:
    """Return the keys of the documents that match, in the order of a query."""
    paths = [tuple(name.split(".")) for name in sort]
    rows = []
    for key, document in documents.items():
        fields = [get_field(document, path) for path in paths]
        if matches(selector, document) and not any(field in (NOT_FOUND, BAD_PATH) for field in fields):
            rows.append((fields, key))
    rows.sort(key=cmp_to_key(_compare_rows), reverse=descending)
    return [key for _, key in rows]


def get_field(value: Any, path: tuple[str, ...]) -> Any:
    """Return what stands at the end of a path."""
    for name in path:
        if isinstance(value, dict):
            if name not in value:
                return NOT_FOUND
            value = value[name]
        elif isinstance(value, list):
            if not name.isdigit() or int(name) >= len(value):
                return BAD_PATH
            value = value[int(name)]
        else:
            return BAD_PATH
    return value


def compare(one: Any, other: Any) -> int:
    """Return -1, 0 or 1 as one value comes before, equals or comes after the other."""
    ranks = _rank(one), _rank(other)
    if ranks[0] != ranks[1]:
        return -1 if ranks[0] < ranks[1] else 1
    if isinstance(one, dict):
        return compare(_members(one), _members(other))
    if isinstance(one, list):
        for left, right in zip(one, other, strict=False):
            if found := compare(left, right):
                return found
        return _sign(len(one), len(other))
    if isinstance(one, str):
        return _sign(one.encode(), other.encode())
    return _sign(one, other) if isinstance(one, Decimal) else 0


def _compare_rows(one: tuple[list[Any], str], other: tuple[list[Any], str]) -> int:
    return compare(one[0], other[0]) or _sign(one[1].encode(), other[1].encode())


def _rank(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, bool):
        return 2 if value else 1
    return next(rank for rank, kind in enumerate((Decimal, str, list, dict), 3) if isinstance(value, kind))


def _members(value: dict[str, Any]) -> list[Any]:
    return [part for name in sorted(value, key=str.encode) for part in (name, value[name])]


def _sign(one: Any, other: Any) -> int:
    return (one > other) - (one < other)


def _holds(selector: Any, value: Any, path: tuple[str, ...], *, negated: bool) -> bool:
    """Judge a selector, or its negation, at a path below ``value``."""
    if not isinstance(selector, dict) or not selector:
        return _judge("$ne" if negated else "$eq", selector, value, path, negated=False)
    found = [_member(name, argument, value, path, negated=negated) for name, argument in selector.items()]
    return any(found) if negated and len(found) > 1 else all(found)


def _member(name: str, argument: Any, value: Any, path: tuple[str, ...], *, negated: bool) -> bool:
    if name == "$not":
        return _holds(argument, value, path, negated=not negated)
    if name in ("$and", "$or", "$nor"):
        inside = negated != (name == "$nor")
        found = [_holds(item, value, path, negated=inside) for item in argument]
        conjunction = (name == "$and") != inside
        return not found or (all(found) if conjunction else any(found))
    if not name.startswith("$"):
        return _holds(argument, value, (*path, *name.split(".")), negated=negated)
    if negated and name in _OPPOSITE:
        return _judge(_OPPOSITE[name], argument, value, path, negated=False)
    if negated and name == "$exists":
        return _judge(name, not argument, value, path, negated=False)
    return _judge(name, argument, value, path, negated=negated)


def _judge(operator: str, argument: Any, value: Any, path: tuple[str, ...], *, negated: bool) -> bool:
    found = get_field(value, path)
    if found is NOT_FOUND and operator == "$exists":
        return not argument
    if found is NOT_FOUND or found is BAD_PATH:
        return False
    if operator == "$exists":
        return bool(argument)
    return _test(operator, argument, found) != negated


def _test(operator: str, argument: Any, value: Any) -> bool:
    if operator in ("$lt", "$lte", "$eq", "$ne", "$gte", "$gt"):
        order = compare(value, argument)
        return {
            "$lt": order < 0,
            "$lte": order <= 0,
            "$eq": order == 0,
            "$ne": order != 0,
            "$gte": order >= 0,
            "$gt": order > 0,
        }[operator]
    if operator in ("$in", "$nin"):
        elements = value if isinstance(value, list) else [value]
        found = any(compare(element, wanted) == 0 for element in elements for wanted in argument)
        return found == (operator == "$in")
    if operator == "$type":
        return bool(argument == ["null", "boolean", "boolean", "number", "string", "array", "object"][_rank(value)])
    if operator == "$size":
        return isinstance(value, list) and len(value) == argument
    if operator == "$mod":
        whole = isinstance(value, Decimal) and "." not in str(value)
        return whole and int(value.copy_sign(value) % argument[0]) == argument[1]
    if operator == "$beginsWith":
        return isinstance(value, str) and value.startswith(argument)
    if operator == "$regex":
        return isinstance(value, str) and re.search(argument, value, re.ASCII) is not None
    return _test_elements(operator, argument, value)


def _test_elements(operator: str, argument: Any, value: Any) -> bool:
    if operator == "$keyMapMatch":
        return isinstance(value, dict) and any(_holds(argument, name, (), negated=False) for name in value)
    if not isinstance(value, list):
        return False
    if operator == "$elemMatch":
        return any(_holds(argument, element, (), negated=False) for element in value)
    if operator == "$allMatch":
        return bool(value) and all(_holds(argument, element, (), negated=False) for element in value)
    assert operator == "$all"
    contained = all(any(compare(element, wanted) == 0 for element in value) for wanted in argument)
    whole = len(argument) == 1 and isinstance(argument[0], list) and compare(argument[0], value) == 0
    return bool(argument) and (contained or whole)
