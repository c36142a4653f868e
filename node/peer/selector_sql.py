"""Selectors as SQL: a condition over one row, with everything that came from outside in its parameters.

Rules:
- the text is put together from the fragments of this module alone; names, paths and values are parameters, so no
  selector can say anything in SQL;
- a condition is true or false, never NULL, whatever the document holds, so that it can be negated;
- what an index may help with is said once more, in the index's own terms; leaving that out changes no answer.

A row offers ``document`` (jsonb), ``key`` and ``long_key``. Source: CouchDB mango_selector.erl (match), mango_doc.erl
(get_field).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Any

from node.peer.errors import StateError
from node.peer.json_values import collation_key, to_json
from node.peer.selector import (
    KEY_FIELD,
    BeginsWith,
    Compare,
    Condition,
    ContainsAll,
    Each,
    Either,
    Every,
    Exists,
    Field,
    HasType,
    In,
    Mod,
    Negated,
    Path,
    Regex,
    Size,
    Test,
)

INDEX_KEY_BYTES = 200
"""Bytes of a value's collation key that an index holds; the same number stands in ``channel.index_key``."""

COMPARED_LEVELS = 100
"""Levels of a stored value that are compared; more than a query's own value can have (``json_values.DEPTH_MAX``)."""

_COMPARED = "channel.collation_head({value}, {room}, {levels}) {sign} {key}"
_EQUAL = "{value} {sign} {json}"
_ELEMENTS = (
    "jsonb_array_elements(CASE WHEN jsonb_typeof({value}) = 'array' THEN {value} ELSE jsonb_build_array({value}) END)"
)
_OF_TYPE = "CASE WHEN jsonb_typeof({value}) = '{type}' THEN {then} ELSE false END"
_TEXT = "({value} #>> '{{}}')"
_IS_KEY = "coalesce(long_key, key)"


class SelectorSql:
    """Turns one selector into SQL and gathers its parameters."""

    def __init__(self) -> None:
        self.parameters: dict[str, Any] = {}
        self._names = itertools.count()

    def condition(self, condition: Condition, document: str = "document", *, top: bool = True) -> str:
        """Return the condition over a row.

        Args:
            condition: from ``parse_selector``.
            document: SQL of the value it speaks about.
            top: whether that is the whole document, whose ``_id`` is the key.
        """
        if isinstance(condition, Field):
            return self._field(condition, document, top=top)
        parts = [self.condition(part, document, top=top) for part in condition.conditions]
        if not parts:
            return "true"
        return "(" + (" AND " if isinstance(condition, Every) else " OR ").join(parts) + ")"

    def index_conditions(self, condition: Condition, indexed: Collection[Path]) -> list[str]:
        """Return what must hold besides of every matching row, in terms of the indexes on these paths."""
        if isinstance(condition, Every):
            return [part for item in condition.conditions for part in self.index_conditions(item, indexed)]
        if isinstance(condition, Either) or condition.path not in indexed or not isinstance(condition.test, Compare):
            return []
        sign = {"=": "=", "<": "<=", "<=": "<=", ">": ">=", ">=": ">="}.get(condition.test.sign)
        if sign is None:
            return []
        key = self.bind(collation_key(condition.test.value)[:INDEX_KEY_BYTES], "bytea")
        return [f"channel.index_key(value, {self.path(condition.path)}) {sign} {key}"]

    def path(self, path: Path) -> str:
        """Return a path as a parameter."""
        return self.bind(list(path), "text[]")

    def bind(self, value: Any, kind: str) -> str:
        """Return a value as a parameter of a type."""
        name = f"p{next(self._names)}"
        self.parameters[name] = value
        return f"%({name})s::{kind}"

    def _json(self, value: Any) -> str:
        return self.bind(to_json(value), "jsonb")

    def _jsons(self, values: Iterable[Any]) -> str:
        return self.bind([to_json(value) for value in values], "text[]") + "::jsonb[]"

    def _field(self, field: Field, document: str, *, top: bool) -> str:
        if top and field.path == KEY_FIELD:
            return self._key_test(field.test)
        if field.test == Exists(wanted=False):
            return self._missing(field.path, document)
        value = document if not field.path else f"({document} #> {self.path(field.path)})"
        return f"({value} IS NOT NULL AND {self._test(field.test, value)})"

    def _missing(self, path: Path, document: str) -> str:
        """Say that the way to a field ends in an object that lacks the next name."""
        if not path:
            return "false"
        ways = []
        for length in range(len(path)):
            container = document if not length else f"({document} #> {self.path(path[:length])})"
            following = f"({document} #> {self.path(path[: length + 1])})"
            ways.append(f"({following} IS NULL AND coalesce(jsonb_typeof({container}) = 'object', false))")
        return "(" + " OR ".join(ways) + ")"

    def _test(self, test: Test, value: str) -> str:
        if isinstance(test, Negated):
            return f"NOT {self._test(test.test, value)}"
        if isinstance(test, Compare):
            return "(" + self._compare(test, value) + ")"
        if isinstance(test, In):
            return self._in(test, value)
        if isinstance(test, Exists):
            return "true"
        if isinstance(test, HasType):
            return f"(jsonb_typeof({value}) = {self.bind(test.name, 'text')})"
        if isinstance(test, Each):
            return self._each(test, value)
        if isinstance(test, ContainsAll):
            return self._contains_all(test, value)
        text = _TEXT.format(value=value)
        if isinstance(test, Size):
            length = f"jsonb_array_length({value}) = {self.bind(Decimal(test.count), 'numeric')}"
            return _of_type(value, "array", length)
        if isinstance(test, Mod):
            number = f"{text}::numeric"
            divided = f"mod({number}, {self.bind(Decimal(test.divisor), 'numeric')})"
            equal = f"{divided} = {self.bind(Decimal(test.remainder), 'numeric')}"
            return _of_type(value, "number", f"(scale({number}) = 0 AND {equal})")
        if isinstance(test, BeginsWith):
            return _of_type(value, "string", f'starts_with({text} COLLATE "C", {self.bind(test.prefix, "text")})')
        return _of_type(value, "string", f'{text} COLLATE "C" ~ {self.bind(test.pattern, "text")}')

    def _compare(self, test: Compare, value: str) -> str:
        if test.sign in ("=", "<>"):
            # Equality of jsonb is that of the order, and much cheaper.
            return _EQUAL.format(value=value, sign=test.sign, json=self._json(test.value))
        key = collation_key(test.value)
        # One byte more tells a longer key from an equal one.
        room = self.bind(len(key) + 1, "integer")
        return _COMPARED.format(
            value=value, room=room, levels=COMPARED_LEVELS, sign=test.sign, key=self.bind(key, "bytea")
        )

    def _in(self, test: In, value: str) -> str:
        if not test.values:
            return "true" if test.negated else "false"
        elements = _ELEMENTS.format(value=value)
        name = self._element()
        found = f"EXISTS (SELECT FROM {elements} AS {name} ({name}) WHERE {name} = ANY ({self._jsons(test.values)}))"
        return f"NOT {found}" if test.negated else found

    def _each(self, test: Each, value: str) -> str:
        name = self._element()
        if test.operator == "$keyMapMatch":
            inner = self.condition(test.condition, f"to_jsonb({name})", top=False)
            found = f"EXISTS (SELECT FROM jsonb_object_keys({value}) AS {name} ({name}) WHERE {inner})"
            return _of_type(value, "object", found)
        inner = self.condition(test.condition, name, top=False)
        elements = f"jsonb_array_elements({value}) AS {name} ({name})"
        if test.operator == "$elemMatch":
            return _of_type(value, "array", f"EXISTS (SELECT FROM {elements} WHERE {inner})")
        unmatched = f"EXISTS (SELECT FROM {elements} WHERE NOT {inner})"
        return _of_type(value, "array", f"(jsonb_array_length({value}) > 0 AND NOT {unmatched})")

    def _contains_all(self, test: ContainsAll, value: str) -> str:
        if not test.values:
            return "false"
        wanted, element = self._element(), self._element()
        elements = f"SELECT FROM jsonb_array_elements({value}) AS {element} ({element}) WHERE {element} = {wanted}"
        lacking = f"SELECT FROM unnest({self._jsons(test.values)}) AS {wanted} ({wanted}) WHERE NOT EXISTS ({elements})"
        contained = f"NOT EXISTS ({lacking})"
        if len(test.values) == 1 and isinstance(test.values[0], list):
            contained = f"({contained} OR {value} = {self._json(test.values[0])})"
        return _of_type(value, "array", contained)

    def _element(self) -> str:
        return f"e{next(self._names)}"

    def _key_test(self, test: Test) -> str:
        """Return a test of the key, which is a string and there always."""
        if isinstance(test, Negated):
            return f"NOT {self._key_test(test.test)}"
        if isinstance(test, Compare):
            return f"({_IS_KEY} {test.sign} {self._key(test.value)})" if _is_text(test) else self._other_type(test)
        if isinstance(test, In):
            keys = [value.encode() for value in test.values if isinstance(value, str)]
            found = f"({_IS_KEY} = ANY ({self.bind(keys, 'bytea[]')}))"
            return f"NOT {found}" if test.negated else found
        if isinstance(test, Exists):
            return "true" if test.wanted else "false"
        if isinstance(test, HasType):
            return "true" if test.name == "string" else "false"
        if isinstance(test, BeginsWith):
            prefix = test.prefix.encode()
            start = f"substring({_IS_KEY} FROM 1 FOR {self.bind(len(prefix), 'integer')})"
            return f"({start} = {self.bind(prefix, 'bytea')})"
        if isinstance(test, Regex):
            raise StateError("selector: $regex does not work on _id; use $gte and $lt, or $beginsWith")
        return "false"

    def _key(self, value: str) -> str:
        return self.bind(value.encode(), "bytea")

    def _other_type(self, test: Compare) -> str:
        """Return how any string compares to a value of another type."""
        if isinstance(test.value, list | dict):
            raise StateError("selector: _id is a string and compares with strings, numbers, true, false and null only")
        return "true" if test.sign in (">", ">=", "<>") else "false"


def _of_type(value: str, kind: str, then: str) -> str:
    return _OF_TYPE.format(value=value, type=kind, then=then)


def _is_text(test: Compare) -> bool:
    return isinstance(test.value, str)
